use super::*;
use crate::config::Config;
use crate::journal::Journal;
use crate::records::Metrics;
use axum::body::{Body, to_bytes};
use plenum_focus::conference::Settings;
use plenum_focus::factory::FocusFactory;
use plenum_focus::output::{Command, ConferenceEvent, SipAction};
use plenum_focus::policy::Policy;
use plenum_focus::record::{ConferenceRecord, Origin};
use plenum_focus::shell::{Connections, EventSink, Mcus, SipSink};
use plenum_mcu::control::{ConferenceId, Mcu, McuCommand};
use plenum_sip::msg::Host;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// Neither answers nor refuses anything.
#[derive(Debug)]
struct Silent;

impl SipSink for Silent {
    fn act(&self, _: ConferenceId, _: SipAction) {}
}

impl Mcu for Silent {
    fn command(&self, _: McuCommand) {}
}

struct Bench {
    router: Router,
    token: Token,
    directory: Directory,
    feed: Arc<Feed>,
    ready: Option<watch::Sender<bool>>,
}

fn bench(backlog: usize) -> Bench {
    let config = Config::parse("").unwrap();
    let counters = crate::abuse::Metrics::default();
    let watch = Watch::new(&config, Shown::default(), counters);
    let feed = Feed::new(Arc::new(Journal), backlog, None, Metrics::default());
    let feed = Arc::new(feed);
    let settings = Settings {
        policy: Policy::default(),
        limits: config.limits.focus.clone(),
        metrics: plenum_focus::metrics::Metrics::default(),
        host: Host::Name("conf.example.com".into()),
        agent: "plenum".to_owned(),
        ringing: Duration::from_secs(1),
    };
    let (template, limits) = (config.conferences.template, config.limits.focus);
    let idle = ConferenceRecord {
        origin: Origin::Configured,
        ..ConferenceRecord::ad_hoc(ConferenceName::new("idle", NAME_BYTES).unwrap())
    };
    let factory = FocusFactory::new(Policy::default(), limits, vec![idle], template);
    let connections = Connections {
        sip: Arc::new(Silent),
        mcus: Mcus {
            audio_video: Arc::new(Silent),
        },
        events: Arc::<Feed>::clone(&feed),
    };
    let directory = Directory::new(factory, settings, connections);
    let (ready, readiness) = watch::channel(true);
    let token = Token::new([3; 32]);
    let router = router(Control {
        token: token.clone(),
        directory: directory.clone(),
        feed: Arc::clone(&feed),
        trunks: Shown::default(),
        recordings: None,
        watch,
        templates: Arc::default(),
        readers: Arc::new(Semaphore::new(1)),
        readiness,
    });
    Bench {
        router,
        token,
        directory,
        feed,
        ready: Some(ready),
    }
}

impl Bench {
    async fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, self.token.authorization())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()));
        let router = self.router.clone();
        router.oneshot(request.unwrap()).await.unwrap()
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let value = match body.as_ref() {
            b"" => Value::Null,
            text => serde_json::from_slice(text).unwrap(),
        };
        (status, value)
    }

    /// Makes a conference active by a call that nobody will ever answer.
    async fn activate(&self, name: &str) {
        let (directory, name) = (self.directory.clone(), name.to_owned());
        let name = ConferenceName::new(&name, NAME_BYTES).unwrap();
        let command = Command::DialOut {
            uri: "sip:ann@192.0.2.7".to_owned(),
            ringing: Duration::from_secs(60),
        };
        let active = name.clone();
        tokio::spawn(async move { directory.command(&name, command).await });
        while self
            .directory
            .inspect(&active)
            .await
            .is_none_or(|it| it.endpoints.is_empty())
        {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn addresses_are_shut_out_listed_and_let_in_again() {
    let bench = bench(8);
    let order = r#"{"source": "2001:db8:0:1::9", "seconds": 60}"#;
    assert_eq!(bench.ask("POST", "/v1/bans", order).await.0, 204);
    let (status, listed) = bench.ask("GET", "/v1/bans", "").await;
    assert_eq!(
        (status, &listed[0]["source"]),
        (200, &json!("2001:db8:0:1::/64"))
    );
    assert_eq!(listed[0]["why"], "by hand");
    let path = "/v1/bans/2001%3Adb8%3A0%3A1%3A%3A%2F64";
    assert_eq!(bench.ask("DELETE", path, "").await.0, 204);
    assert_eq!(bench.ask("DELETE", path, "").await.0, 404);
    assert_eq!(bench.ask("DELETE", "/v1/bans/everybody", "").await.0, 400);
    assert_eq!(bench.ask("GET", "/v1/bans", "").await, (200, json!([])));
}

#[tokio::test]
async fn networks_are_not_banned_by_their_first_address_nor_anybody_for_ever() {
    let bench = bench(8);
    for network in [
        "192.0.2.0/24",
        "192.0.2.1/32",
        "192.0.2.1/64",
        "2001:db8::/32",
        "2001:db8::1/64",
        "2001:db8::/064",
        "2001:db8::/",
    ] {
        let order = format!(r#"{{"source": "{network}"}}"#);
        let answer = bench.ask("POST", "/v1/bans", &order).await;
        assert_eq!(answer.0, 400, "{network}: {}", answer.1);
    }
    assert_eq!(bench.ask("GET", "/v1/bans", "").await, (200, json!([])));
    let order = format!(r#"{{"source": "2001:db8::/64", "seconds": {}}}"#, u64::MAX);
    assert_eq!(bench.ask("POST", "/v1/bans", &order).await.0, 204);
    let (_, listed) = bench.ask("GET", "/v1/bans", "").await;
    let left = listed[0]["left_s"].as_u64().unwrap();
    let year = 365 * 24 * 3600;
    assert!((year - 60..=year).contains(&left), "{listed}");
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let bench = bench(8);
    for path in [
        "/v1/conferences",
        "/v1/events",
        "/v1/nothing",
        "/v1/conferences/a/lock",
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = bench.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}

/// Method, path, body, and what comes back: status, and words of the error.
const FAILURES: [(&str, &str, &str, u16, &str); 22] = [
    ("GET", "/v1/nothing", "", 404, "no such path"),
    ("POST", "/v1/conferences", "", 405, "method"),
    ("GET", "/v1/conferences/other", "", 404, "no conference"),
    ("GET", "/v1/conferences/%FF", "", 400, "readable"),
    ("GET", "/v1/conferences/%0D", "", 404, "no conference"),
    (
        "POST",
        "/v1/conferences/other/lock",
        "",
        404,
        "no conference",
    ),
    (
        "DELETE",
        "/v1/conferences/board/participants/x",
        "",
        404,
        "no such endpoint",
    ),
    (
        "DELETE",
        "/v1/conferences/board/participants/9999",
        "",
        404,
        "no such endpoint",
    ),
    (
        "POST",
        "/v1/conferences/board/participants/9999/mute",
        "",
        404,
        "no such endpoint",
    ),
    (
        "POST",
        "/v1/conferences/board/admit",
        "[]x",
        400,
        "expected nothing",
    ),
    (
        "POST",
        "/v1/conferences/board/admit",
        r#"{"usr": 1}"#,
        400,
        "expected nothing",
    ),
    (
        "POST",
        "/v1/conferences/board/admit",
        r#"{"user": 99}"#,
        404,
        "no such user",
    ),
    (
        "POST",
        "/v1/conferences/board/deny",
        r#"{"user": 1}"#,
        409,
        "already",
    ),
    ("DELETE", "/v1/conferences/board/users/x", "", 404, "user"),
    ("DELETE", "/v1/conferences/board/users/99", "", 404, "user"),
    (
        "POST",
        "/v1/conferences/board/users/99/role",
        r#"{"role": "presenter"}"#,
        404,
        "no such user",
    ),
    (
        "POST",
        "/v1/conferences/board/users/1/role",
        r#"{"role": "owner"}"#,
        400,
        "attendee",
    ),
    (
        "POST",
        "/v1/conferences/board/users/1/role",
        r#"{"role": "attendee", "x": 1}"#,
        422,
        "unknown field",
    ),
    ("POST", "/v1/conferences/board/calls", "{}", 422, "to"),
    ("POST", "/v1/conferences/board/calls", "{", 400, "JSON"),
    (
        "POST",
        "/v1/conferences/board/calls",
        r#"{"to": "mailto:bob@example.org"}"#,
        400,
        "SIP address",
    ),
    ("GET", "/v1/events?conference=", "", 404, "no conference"),
];

#[tokio::test]
async fn what_cannot_be_done_is_said_in_words() {
    let bench = bench(8);
    bench.activate("board").await;
    for (method, path, body, status, word) in FAILURES {
        let (found, answer) = bench.ask(method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(word), "{method} {path}: {error}");
    }
}

#[tokio::test]
async fn a_conference_is_shown_locked_and_ended() {
    let bench = bench(8);
    bench.activate("Café #1/2").await;
    let (status, list) = bench.ask("GET", "/v1/conferences", "").await;
    assert_eq!((status, &list[0]["name"]), (200, &json!("café #1/2")));
    let path = "/v1/conferences/caf%C3%A9%20%231%2F2";
    let (status, shown) = bench.ask("GET", path, "").await;
    assert_eq!(status, 200);
    assert_eq!(shown["endpoints"], 1);
    assert_eq!(shown["users"][0]["aor"], "sip:ann@192.0.2.7");
    assert_eq!(shown["users"][0]["role"], "attendee");
    let endpoint = &shown["users"][0]["endpoints"][0];
    assert_eq!(
        (&endpoint["joining"], &endpoint["muted"]),
        (&json!("dialed-out"), &json!(false))
    );
    assert_eq!(
        serde_json::from_value::<view::Conference>(shown.clone())
            .unwrap()
            .id
            .len(),
        16
    );
    for (command, locked) in [("lock", true), ("unlock", false)] {
        let (status, body) = bench.ask("POST", &format!("{path}/{command}"), "").await;
        assert_eq!((status, body), (204, Value::Null));
        let (_, shown) = bench.ask("GET", path, "").await;
        assert_eq!(shown["locked"], locked);
    }
    for command in ["mute-all", "unmute-all", "admit", "deny"] {
        let (status, _) = bench.ask("POST", &format!("{path}/{command}"), "").await;
        assert_eq!(status, 204, "{command}");
    }
    let (role, presenter) = (format!("{path}/users/1/role"), r#"{"role": "presenter"}"#);
    assert_eq!(bench.ask("POST", &role, presenter).await.0, 204);
    let (_, shown) = bench.ask("GET", path, "").await;
    assert_eq!(shown["users"][0]["role"], "presenter");
    let user = format!("{path}/users/1");
    assert_eq!(bench.ask("DELETE", &user, "").await.0, 204);
    assert_eq!(bench.ask("DELETE", path, "").await.0, 204);
}

#[tokio::test]
async fn configured_conferences_are_listed_before_anybody_is_there() {
    let bench = bench(8);
    for there in [false, true] {
        let (status, list) = bench.ask("GET", "/v1/conferences", "").await;
        assert_eq!((status, list.as_array().unwrap().len()), (200, 1));
        assert_eq!(
            (&list[0]["name"], &list[0]["active"]),
            (&json!("idle"), &json!(there))
        );
        if !there {
            bench.activate("idle").await;
        }
    }
}

#[tokio::test]
async fn events_of_the_wanted_conference_are_streamed() {
    let mut bench = bench(64);
    bench.activate("board").await;
    bench.activate("other").await;
    let response = bench.send("GET", "/v1/events?conference=Board", "").await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    let (second, answer) = bench.ask("GET", "/v1/events", "").await;
    assert_eq!(second, 503, "{answer}");
    for name in ["other", "board"] {
        let path = format!("/v1/conferences/{name}/lock");
        assert_eq!(bench.ask("POST", &path, "").await.0, 204);
    }
    let reading = tokio::spawn(async { to_bytes(response.into_body(), 1 << 20).await.unwrap() });
    // The reader has its turn before the server ends.
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    bench.ready = None;
    let text = String::from_utf8(reading.await.unwrap().to_vec()).unwrap();
    assert!(text.contains("event: locked\ndata: {"), "{text}");
    assert!(text.contains("\"conference\":\"board\""), "{text}");
    assert!(!text.contains("other"), "{text}");
    assert_eq!(
        bench.send("GET", "/v1/events", "").await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_cut_off() {
    let bench = bench(2);
    let response = bench.send("GET", "/v1/events", "").await;
    for _ in 0..9 {
        bench
            .feed
            .event(ConferenceId(1), &ConferenceEvent::Locked(true));
    }
    let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(
        text.starts_with("event: cut\ndata: {\"missed\":7}"),
        "{text}"
    );
    assert_eq!(bench.feed.metrics.readers_cut.get(), 1);
}
