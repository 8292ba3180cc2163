//! The directory and its actors, in tokio's virtual time.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]
#![cfg(feature = "shell")]

#[cfg(test)]
#[path = "directory/guessing.rs"]
mod guessing;
#[cfg(test)]
mod support;

use plenum_focus::factory::FocusFactory;
use plenum_focus::limits::Limits;
use plenum_focus::metrics::Metrics;
use plenum_focus::output::{Command, CommandError, ConferenceEvent, McuType, SipAction};
use plenum_focus::pin::Pin;
use plenum_focus::policy::{AdHoc, Policy};
use plenum_focus::record::{ConferenceRecord, Origin};
use plenum_focus::shell::{Connections, Directory, EventSink, Mcus, SipSink};
use plenum_mcu::control::{
    Action, ConferenceId, Digit, EndpointId, Mcu, McuCommand, McuEvent, Quality, Report,
};
use plenum_sip::endpoint::{EndCause, Event, InviteId, ServerTxId};
use plenum_sip::msg::{HeaderName, Host, Method};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use support::*;

/// Everything around the directory; one object plays all parts.
#[derive(Debug, Default)]
struct Around {
    directory: OnceLock<Directory>,
    sip: Mutex<Vec<SipAction>>,
    events: Mutex<Vec<String>>,
    endpoints: Mutex<BTreeMap<EndpointId, ConferenceId>>,
}

#[derive(Debug)]
struct Part(Arc<Around>);

impl SipSink for Part {
    fn act(&self, _conference: ConferenceId, action: SipAction) {
        if let SipAction::Accept {
            id: InviteId(666), ..
        } = action
        {
            panic!("a bug, as ordered");
        }
        self.0.sip.lock().unwrap().push(action);
    }
}

impl EventSink for Part {
    fn event(&self, _conference: ConferenceId, event: &ConferenceEvent) {
        self.0.events.lock().unwrap().push(format!("{event:?}"));
    }
}

impl Mcu for Part {
    fn command(&self, command: McuCommand) {
        let McuCommand {
            id,
            conference,
            action,
        } = command;
        let directory = self.0.directory.get().unwrap();
        let report = |report| {
            directory.route_mcu(McuType::AudioVideo, McuEvent { conference, report });
        };
        let mut endpoints = self.0.endpoints.lock().unwrap();
        match action {
            Action::Add {
                endpoint, offer, ..
            } => {
                endpoints.insert(endpoint, conference);
                report(described(endpoint, offer.is_some()));
            }
            Action::Remove { endpoint } => {
                endpoints.remove(&endpoint);
                report(Report::Removed {
                    endpoint,
                    quality: Quality::default(),
                });
            }
            Action::Play { playback, .. } => report(Report::Played { playback }),
            Action::Destroy => endpoints.retain(|_, other| *other != conference),
            _ => {}
        }
        report(Report::Done {
            command: id,
            result: Ok(()),
        });
    }
}

struct Server {
    directory: Directory,
    around: Arc<Around>,
    metrics: Metrics,
    last_call: u64,
}

impl Server {
    fn new(policy: Policy, limits: Limits, records: Vec<ConferenceRecord>) -> Self {
        let around = Arc::new(Around::default());
        let part = || Arc::new(Part(Arc::clone(&around)));
        let connections = Connections {
            sip: part(),
            mcus: Mcus {
                audio_video: part(),
            },
            events: part(),
        };
        let mut settings = settings(limits.clone());
        settings.policy = policy.clone();
        let metrics = settings.metrics.clone();
        let factory = FocusFactory::new(policy, limits, records, record());
        let directory = Directory::new(factory, settings, connections);
        around.directory.set(directory.clone()).unwrap();
        Self {
            directory,
            around,
            metrics,
            last_call: 0,
        }
    }

    /// A call: the status of its answer and the words of the warning.
    async fn call(&mut self, uri: &str, from: IpAddr) -> (u64, u16, String) {
        self.last_call += 1;
        self.call_as(self.last_call, uri, from).await
    }

    async fn call_as(&self, id: u64, uri: &str, from: IpAddr) -> (u64, u16, String) {
        self.around.sip.lock().unwrap().clear();
        self.directory
            .route(invite(id, uri, "bob", from, Some(OFFER)));
        settle().await;
        match self.around.sip.lock().unwrap().first() {
            Some(SipAction::Accept { .. }) => (id, 200, String::new()),
            Some(SipAction::Reject { answer, .. }) => (
                id,
                answer.status.code(),
                header(answer, HeaderName::Warning),
            ),
            other => panic!("{other:?}"),
        }
    }

    async fn route(&self, event: Event) {
        self.directory.route(event);
        settle().await;
    }

    async fn hang_up(&self, id: u64, cause: EndCause) {
        self.route(Event::Ended {
            id: InviteId(id),
            cause,
        })
        .await;
    }

    async fn ack(&self, id: u64) {
        self.route(Event::Acked {
            id: InviteId(id),
            local_tag: "ours".into(),
            body: None,
        })
        .await;
    }

    async fn keys(&self, keys: &str) {
        let (endpoint, conference) = {
            let endpoints = self.around.endpoints.lock().unwrap();
            let (endpoint, conference) = endpoints.last_key_value().unwrap();
            (*endpoint, *conference)
        };
        for key in keys.chars() {
            let report = Report::Dtmf {
                endpoint,
                digit: Digit(key),
            };
            self.directory
                .route_mcu(McuType::AudioVideo, McuEvent { conference, report });
        }
        settle().await;
    }

    fn actions(&self) -> Vec<SipAction> {
        std::mem::take(&mut self.around.sip.lock().unwrap())
    }
}

/// Lets the actors do what there is to do.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn board() -> ConferenceRecord {
    ConferenceRecord {
        origin: Origin::Configured,
        ..ConferenceRecord::ad_hoc(name("board"))
    }
}

const STANDUP: &str = "sip:standup@conf.example.com";

#[tokio::test(start_paused = true)]
async fn every_refusal_before_a_conference_has_its_words() {
    let mut policy = Policy::default();
    policy.domains.hosts = vec![Host::parse(&"conf.example.com".into()).unwrap()];
    policy.ad_hoc = AdHoc::Nobody;
    let locked = ConferenceRecord {
        locked: true,
        ..board()
    };
    let full = ConferenceRecord {
        name: name("tiny"),
        max_endpoints: Some(0),
        ..board()
    };
    let mut server = Server::new(policy, Limits::default(), vec![locked, full]);
    for (uri, status, words) in [
        (
            "sip:board@conf.example.com",
            403,
            "This conference is locked",
        ),
        ("sip:tiny@conf.example.com", 486, "This conference is full"),
        (STANDUP, 404, "There is no conference of this name"),
        (
            "sip:board@example.org",
            404,
            "This server does not answer for that domain",
        ),
        (
            "sip:conf.example.com",
            404,
            "There is no conference of this name",
        ),
        ("tel:+49301234", 416, "Conferences have sip: addresses only"),
    ] {
        let (_, code, warning) = server.call(uri, trusted(1)).await;
        assert_eq!(
            (code, warning),
            (status, format!("399 conf.example.com \"{words}\"")),
            "{uri}"
        );
        let request = request(Method::Options, uri, "bob", None);
        server.actions();
        server
            .route(Event::Request {
                tx: ServerTxId(1),
                request,
                flow: flow(trusted(1)),
            })
            .await;
        let expect = if uri == "sip:conf.example.com" {
            200
        } else {
            status
        };
        match &server.actions()[..] {
            [SipAction::Respond { answer, .. }] => {
                assert_eq!(answer.status.code(), expect, "RFC 3261 §11.2: {uri}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        server.directory.active(),
        [],
        "nothing was activated for a refusal"
    );
}

#[tokio::test(start_paused = true)]
async fn a_conference_lives_from_its_first_call_to_its_last_and_again() {
    let mut server = Server::new(Policy::default(), Limits::default(), vec![board()]);
    for _ in 0..3 {
        let (bob, status, _) = server.call("sip:Board@conf.example.com", trusted(1)).await;
        assert_eq!(status, 200);
        server.ack(bob).await;
        let (eve, _, _) = server.call("sip:board@198.51.100.1", trusted(2)).await;
        server.ack(eve).await;
        let snapshot = server.directory.inspect(&name("board")).await.unwrap();
        assert_eq!((snapshot.users.len(), snapshot.endpoints.len()), (2, 2));
        assert_eq!(server.directory.active(), [name("board")]);
        server.hang_up(bob, EndCause::Bye(None)).await;
        server.hang_up(eve, EndCause::Bye(None)).await;
        assert_eq!(server.directory.active(), []);
        assert!(server.around.endpoints.lock().unwrap().is_empty());
    }
    assert_eq!(
        (server.metrics.joins.get(), server.metrics.conferences.get()),
        (6, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_meets_a_conference_at_its_end_gets_a_new_one() {
    let mut server = Server::new(Policy::default(), Limits::default(), vec![]);
    let (bob, _, _) = server.call(STANDUP, trusted(1)).await;
    server.ack(bob).await;
    server.actions();
    // Both are in the mailbox before the actor runs.
    server.directory.route(Event::Ended {
        id: InviteId(bob),
        cause: EndCause::Bye(None),
    });
    server
        .directory
        .route(invite(50, STANDUP, "eve", trusted(2), Some(OFFER)));
    settle().await;
    assert!(matches!(
        &server.actions()[..],
        [SipAction::Accept {
            id: InviteId(50),
            ..
        }]
    ));
    server.ack(50).await;
    assert_eq!(
        server
            .directory
            .inspect(&name("standup"))
            .await
            .unwrap()
            .endpoints
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_conference_and_no_other() {
    let mut server = Server::new(Policy::default(), Limits::default(), vec![board()]);
    let (there, _, _) = server.call("sip:board@conf.example.com", trusted(1)).await;
    server.ack(there).await;
    let (bob, _, _) = server.call(STANDUP, trusted(1)).await;
    server.ack(bob).await;
    server.actions();
    server
        .directory
        .route(invite(666, STANDUP, "mallory", trusted(3), Some(OFFER)));
    settle().await;
    let actions = server.actions();
    let [
        SipAction::Bye { id, reason, .. },
        SipAction::Reject { answer, .. },
    ] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(*id, InviteId(bob));
    assert!(reason.to_string().contains("cause=500"));
    assert_eq!(answer.status.code(), 500);
    assert_eq!(server.directory.active(), [name("board")]);
    assert_eq!(server.metrics.faults.get(), 1);
    assert_eq!(
        server.metrics.participants.get(),
        1,
        "who is in the other one"
    );
    assert_eq!(
        server.call(STANDUP, trusted(1)).await.1,
        200,
        "the name may be called again"
    );
}

#[tokio::test(start_paused = true)]
async fn creations_and_conferences_are_limited() {
    let limits = Limits {
        creations_per_minute: 2,
        conferences: 3,
        ..Limits::default()
    };
    let mut server = Server::new(Policy::default(), limits, vec![board()]);
    let mut statuses = Vec::new();
    for (uri, from) in [
        ("sip:a@x.example", 1),
        ("sip:b@x.example", 1),
        ("sip:c@x.example", 1),
        ("sip:c@x.example", 2),
        ("sip:d@x.example", 3),
        ("sip:a@x.example", 1),
    ] {
        statuses.push(server.call(uri, stranger(from)).await.1);
    }
    assert_eq!(statuses, [200, 200, 503, 200, 503, 200]);
}

#[tokio::test(start_paused = true)]
async fn commands_find_their_conference_and_calling_out_activates_it() {
    let server = Server::new(Policy::default(), Limits::default(), vec![board()]);
    let board = name("board");
    let refused = server.directory.command(&board, Command::Lock(true)).await;
    assert_eq!(refused, Err(CommandError::UnknownConference));
    let directory = server.directory.clone();
    let dial = tokio::spawn(async move {
        let ringing = Duration::from_secs(30);
        let command = Command::DialOut {
            uri: "sip:bob@example.org".into(),
            ringing,
        };
        directory.command(&name("board"), command).await
    });
    settle().await;
    let actions = server.actions();
    let [SipAction::Invite { dial_out, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    server
        .directory
        .route_placed(ConferenceId(1), *dial_out, Some(InviteId(9)));
    server
        .route(Event::Answered {
            id: InviteId(9),
            response: response(200, Some(ANSWER)),
        })
        .await;
    assert_eq!(dial.await.unwrap(), Ok(()));
    assert_eq!(server.directory.command(&board, Command::End).await, Ok(()));
    settle().await;
    assert!(matches!(
        &server.actions()[..],
        [SipAction::Bye {
            id: InviteId(9),
            ..
        }]
    ));
    assert_eq!(server.directory.active(), []);
}

#[tokio::test(start_paused = true)]
async fn drain_empties_the_server_and_lets_nobody_in() {
    let mut server = Server::new(Policy::default(), Limits::default(), vec![board()]);
    for uri in [STANDUP, "sip:board@conf.example.com"] {
        let (id, _, _) = server.call(uri, trusted(1)).await;
        server.ack(id).await;
    }
    server.actions();
    assert_eq!(server.directory.drain(Duration::from_secs(10)).await, 0);
    let byes = server.actions();
    assert!(
        matches!(&byes[..], [SipAction::Bye { .. }, SipAction::Bye { .. }]),
        "{byes:?}"
    );
    let (_, status, warning) = server.call(STANDUP, trusted(1)).await;
    assert_eq!(status, 503, "{warning}");
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_but_loses_no_end() {
    let limits = Limits {
        mailbox: 2,
        ..Limits::default()
    };
    let mut server = Server::new(Policy::default(), limits, vec![]);
    let (bob, _, _) = server.call(STANDUP, trusted(1)).await;
    server.ack(bob).await;
    server.actions();
    for tx in 0..3 {
        let request = request(Method::Options, STANDUP, "bob", None);
        server.directory.route(Event::InDialog {
            id: InviteId(bob),
            tx: ServerTxId(tx),
            request,
        });
    }
    server.directory.route(Event::Ended {
        id: InviteId(bob),
        cause: EndCause::Bye(None),
    });
    settle().await;
    let mut statuses: Vec<u16> = server
        .actions()
        .iter()
        .map(|action| match action {
            SipAction::Respond { answer, .. } => answer.status.code(),
            other => panic!("{other:?}"),
        })
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(server.metrics.mailbox_full.get(), 1);
    assert_eq!(server.directory.active(), []);
}

#[tokio::test(start_paused = true)]
async fn rfc4579_5_4_the_factory_makes_a_conference_for_each_call() {
    let policy = Policy::default();
    let mut server = Server::new(policy, Limits::default(), vec![board()]);
    for calls in 1..=2 {
        let uri = "sip:conference-factory@conf.example.com";
        let (_, status, _) = server.call(uri, stranger(1)).await;
        assert_eq!(status, 200);
        assert_eq!(server.directory.active().len(), calls);
    }
    let active = server.directory.active();
    assert!(active.iter().all(|name| name.as_str().starts_with("c-")));
}

#[tokio::test(start_paused = true)]
async fn cb_016_the_same_conference_by_its_name_and_by_its_id() {
    let mut server = Server::new(Policy::default(), Limits::default(), Vec::new());
    let id = plenum_focus::uri::derived_id(&name("standup"));
    let mcu = format!("sip:standup@conf.example.com;gruu;opaque=app:conf:audio-video:id:{id}");
    let wrong = "sip:standup@conf.example.com;gruu;opaque=app:conf:audio-video:id:0815";
    assert_eq!(server.call(wrong, stranger(1)).await.1, 404);
    assert_eq!(
        server
            .call("sip:standup@conf.example.com", stranger(1))
            .await
            .1,
        200
    );
    server.call(&mcu, stranger(1)).await;
    assert_eq!(server.directory.active(), [name("standup")]);
}
