use super::*;
use crate::journal::Journal;
use plenum_focus::access::Role;
use plenum_focus::disconnect::DisconnectReason;
use plenum_focus::roster::{JoiningMethod, SessionType};

const ID: ConferenceId = ConferenceId(7);

fn feed(records: Option<Records>, backlog: usize) -> Feed {
    Feed::new(Arc::new(Journal), backlog, records, Metrics::default())
}

fn activated(name: &str) -> ConferenceEvent {
    let name = ConferenceName::new(name, 64).unwrap();
    ConferenceEvent::Activated { name }
}

fn detail() -> DetailRecord {
    DetailRecord {
        conference: ConferenceName::new("board", 64).unwrap(),
        conference_id: "B0A4D".to_owned(),
        endpoint: EndpointId(3),
        user: UserId(1),
        entity: "sip:ann@example.com".to_owned(),
        aor: Some("sip:ann@example.com".to_owned()),
        display: Some("Ann \"A\"\n".to_owned()),
        role: Role::Attendee,
        session: SessionType::AudioVideo,
        joining: JoiningMethod::DialedIn,
        source: Some([192, 0, 2, 7].into()),
        waited: Duration::from_millis(1_500),
        stayed: Duration::from_secs(60),
        reason: DisconnectReason::Departed,
        quality: Quality {
            codec: "opus/48000/2".to_owned(),
            packets_received: 3_000,
            ..Quality::default()
        },
    }
}

#[test]
fn lines_name_the_conference_until_it_has_ended() {
    let feed = feed(None, 8);
    feed.event(ID, &activated("board"));
    let mut lines = feed.subscribe();
    feed.event(ID, &ConferenceEvent::Locked(true));
    feed.event(ID, &ConferenceEvent::Ended { fault: None });
    feed.event(ID, &ConferenceEvent::Locked(false));
    let mut told = || {
        let line = lines.try_recv().unwrap();
        let data: Value = serde_json::from_str(&line.data).unwrap();
        (line.kind, data["conference"].clone(), data)
    };
    let (kind, conference, data) = told();
    assert_eq!((kind, conference.as_str()), ("locked", Some("board")));
    assert_eq!(data["locked"], true);
    assert!(data["at"].as_str().unwrap().ends_with('Z'), "{data}");
    let (kind, conference, _) = told();
    assert_eq!((kind, conference.as_str()), ("ended", Some("board")));
    let (_, conference, _) = told();
    assert!(conference.is_null());
}

#[test]
fn a_detail_record_says_who_when_how_and_why() {
    let left = DateTime::parse("2026-01-02T03:04:05Z").unwrap();
    let record = record(&detail(), Duration::from_secs(left.unix_seconds()));
    assert_eq!(record["arrived"], "2026-01-02T03:03:03Z");
    assert_eq!(record["left"], "2026-01-02T03:04:05Z");
    assert_eq!(record["conference_id"], "B0A4D");
    assert_eq!(record["joining"], "dialed-in");
    assert_eq!(record["source"], "192.0.2.7");
    assert_eq!(record["method"], "departed");
    assert_eq!(record["stayed_ms"], 60_000);
    assert_eq!(record["quality"]["packets_received"], 3_000);
    assert!(!record.to_string().contains('\n'));
}

#[tokio::test]
async fn each_detail_is_one_line_of_the_file() {
    let path = std::env::temp_dir().join(format!("plenum-feed-{}", std::process::id()));
    let file = Some(path.display().to_string());
    let places = crate::config::Records { file, url: None };
    let records = Records::start(&places, 8, Metrics::default()).unwrap();
    let feed = feed(records, 8);
    for _ in 0..2 {
        feed.event(ID, &ConferenceEvent::Detail(Box::new(detail())));
        feed.event(ID, &ConferenceEvent::Locked(true));
    }
    feed.flush(Duration::from_secs(30)).await;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[1]["user"], 1);
}
