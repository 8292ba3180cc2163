//! The focus behind a real SIP endpoint: octets in, octets out, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]
#![cfg(feature = "shell")]

#[cfg(test)]
mod support;

use bytes::Bytes;
use plenum_focus::factory::FocusFactory;
use plenum_focus::limits::Limits;
use plenum_focus::output::{ConferenceEvent, McuType};
use plenum_focus::policy::Policy;
use plenum_focus::shell::{Connections, Directory, EventSink, Mcus, SipActions, SipUser, Wake};
use plenum_mcu::control::{Action, ConferenceId, Mcu, McuCommand, McuEvent, Quality, Report};
use plenum_sip::driver::TransactionUser as _;
use plenum_sip::endpoint::{Config, Endpoint, Flow, Output, Transport};
use plenum_sip::msg::Method;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use support::*;

#[derive(Debug, Default)]
struct Obedient(OnceLock<Directory>);

impl Mcu for Obedient {
    fn command(&self, command: McuCommand) {
        let directory = self.0.get().unwrap();
        let McuCommand {
            id,
            conference,
            action,
        } = command;
        let mut reports = Vec::new();
        match action {
            Action::Add {
                endpoint, offer, ..
            }
            | Action::Renegotiate { endpoint, offer } => {
                reports.push(described(endpoint, offer.is_some()));
            }
            Action::Remove { endpoint } => {
                reports.push(Report::Removed {
                    endpoint,
                    quality: Quality::default(),
                });
            }
            _ => {}
        }
        reports.push(Report::Done {
            command: id,
            result: Ok(()),
        });
        for report in reports {
            directory.route_mcu(McuType::AudioVideo, McuEvent { conference, report });
        }
    }
}

#[derive(Debug)]
struct Nobody;

impl EventSink for Nobody {
    fn event(&self, _conference: ConferenceId, _event: &ConferenceEvent) {}
}

struct Phone {
    endpoint: Endpoint,
    user: SipUser,
    directory: Directory,
    now: Instant,
}

impl Phone {
    fn new() -> Self {
        let actions = Arc::new(SipActions::default());
        let mcu = Arc::new(Obedient::default());
        let connections = Connections {
            sip: Arc::clone(&actions) as _,
            mcus: Mcus {
                audio_video: Arc::clone(&mcu) as _,
            },
            events: Arc::new(Nobody),
        };
        let limits = Limits::default();
        let factory = FocusFactory::new(Policy::default(), limits.clone(), vec![], record());
        let directory = Directory::new(factory, settings(limits), connections);
        mcu.0.set(directory.clone()).unwrap();
        let user = SipUser::new(directory.clone(), actions);
        let endpoint = Endpoint::new(config(), [7; 32], plenum_sip::metrics::Metrics::default());
        Self {
            endpoint,
            user,
            directory,
            now: instant(),
        }
    }

    /// Sends a message from `192.0.2.1`; what comes back, until all is still.
    async fn send(&mut self, message: &str) -> Vec<String> {
        self.send_on(flow(stranger(1)), message).await
    }

    async fn send_on(&mut self, flow: Flow, message: &str) -> Vec<String> {
        self.hand_over(flow, message);
        self.drain().await
    }

    fn hand_over(&mut self, flow: Flow, message: &str) {
        let octets = Bytes::from(message.replace('\n', "\r\n"));
        self.endpoint.handle_message(self.now, flow, octets);
    }

    /// Lets time pass, a second at a time; what is sent meanwhile.
    async fn pass(&mut self, seconds: u64) -> Vec<String> {
        let mut sent = Vec::new();
        for _ in 0..seconds {
            let second = Duration::from_secs(1);
            self.now += second;
            tokio::time::advance(second).await;
            self.endpoint.handle_timeout(self.now);
            sent.extend(self.drain().await);
        }
        sent
    }

    async fn drain(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        for _ in 0..20 {
            loop {
                match self.endpoint.poll_output() {
                    Output::Transmit { bytes, .. } => {
                        sent.push(String::from_utf8_lossy(&bytes).into_owned());
                    }
                    Output::Event(event) => {
                        self.user.handle_event(self.now, &mut self.endpoint, event);
                    }
                    Output::Resolve { id, .. } => {
                        self.endpoint.handle_resolved(self.now, id, Vec::new());
                    }
                    Output::ExpectHeard { .. } => {}
                    Output::Timeout(_) => break,
                }
            }
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            self.user.handle_command(self.now, &mut self.endpoint, Wake);
        }
        sent
    }
}

fn config() -> Config {
    let allow = [
        "INVITE",
        "ACK",
        "CANCEL",
        "BYE",
        "OPTIONS",
        "INFO",
        "UPDATE",
        "PRACK",
        "SUBSCRIBE",
    ];
    Config {
        user_agent: "Plenum".into(),
        allow: allow
            .iter()
            .map(|name| Method::from_bytes(name.as_bytes()).unwrap())
            .collect(),
        supported: vec!["timer".into(), "100rel".into()],
        allow_events: vec!["conference".into()],
        accept: vec!["application/sdp".into(), "application/cccp+xml".into()],
        advertised: vec![],
        times: Default::default(),
        refuse_spent_hops: true,
        session_expires: None,
        min_se: Duration::from_secs(90),
        limits: plenum_sip::limits::Limits {
            message_bytes: 65_535,
            header_fields: 256,
            server_transactions: 100,
            invite_usages: 100,
            half_open_invites: 100,
            half_open_unproven: 100,
            unproven_repeats: 3,
            retry_after_s: 5,
            connections: 10,
            connections_per_source: 10,
            connection_idle: Duration::from_secs(60),
            write_queue_bytes: 65_535,
            ringing: Duration::from_secs(180),
            events: Default::default(),
        },
        events: Default::default(),
    }
}

fn message(method: &str, seq: u32, tag: &str, body: &str) -> String {
    let (branch, length) = (format!("z9hG4bK{method}{seq}"), body.len());
    let content = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\n"
    };
    format!(
        "{method} sip:standup@198.51.100.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch={branch}\n\
         Max-Forwards: 70\n\
         From: <sip:bob@example.com>;tag=bob\n\
         To: <sip:standup@198.51.100.1>{tag}\n\
         Call-ID: call@192.0.2.1\n\
         CSeq: {seq} {method}\n\
         Contact: <sip:bob@192.0.2.1>\n\
         {content}Content-Length: {length}\n\n{body}"
    )
}

fn field<'a>(message: &'a str, name: &str) -> &'a str {
    message
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn rfc4579_5_1_a_call_over_the_wire() {
    let mut phone = Phone::new();
    let answers = phone.send(&message("INVITE", 1, "", "v=0 offer")).await;
    let ok = answers.last().unwrap();
    assert!(ok.starts_with("SIP/2.0 200"), "{answers:?}");
    assert_eq!(
        field(ok, "Contact: "),
        "<sip:standup@198.51.100.1:5060>;isfocus"
    );
    assert_eq!(
        field(ok, "Allow: "),
        "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, SUBSCRIBE"
    );
    assert!(ok.ends_with("v=0 answer"), "{ok}");
    let tag = field(ok, "To: ").split_once(";tag=").unwrap().1;
    let tag = format!(";tag={tag}");
    assert_eq!(
        phone.send(&message("ACK", 1, &tag, "")).await,
        Vec::<String>::new()
    );
    let snapshot = phone.directory.inspect(&name("standup")).await.unwrap();
    assert_eq!(
        snapshot.users[0].aor.as_deref(),
        Some("sip:bob@example.com")
    );
    let answers = phone.send(&message("INVITE", 2, &tag, "v=0 hold")).await;
    let ok = answers.last().unwrap();
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.ends_with("v=0 answer"),
        "{answers:?}"
    );
    phone.send(&message("ACK", 2, &tag, "")).await;
    let answers = phone.send(&message("OPTIONS", 3, &tag, "")).await;
    assert!(answers[0].starts_with("SIP/2.0 200"), "{answers:?}");
    let accept = "application/sdp, application/cccp+xml";
    assert_eq!(field(&answers[0], "Accept: "), accept);
    let answers = phone.send(&message("BYE", 4, &tag, "")).await;
    assert!(answers[0].starts_with("SIP/2.0 200"), "{answers:?}");
    assert_eq!(phone.directory.active(), []);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_over_the_wire_says_why() {
    let mut phone = Phone::new();
    let invite = message("INVITE", 1, "", "v=0 offer").replacen("sip:standup@", "sip:a%00b@", 1);
    let answers = phone.send(&invite).await;
    let refusal = answers.last().unwrap();
    assert!(refusal.starts_with("SIP/2.0 404"), "{answers:?}");
    assert_eq!(
        field(refusal, "Warning: "),
        "399 conf.example.com \"There is no conference of this name\""
    );
}

/// A request of bob's over TCP; the headers of its method, and its body.
fn of_bob(method: &str, seq: u32, to_tag: &str, more: &str, body: &[u8]) -> String {
    let uri = c3p::conference_uri();
    let body = String::from_utf8_lossy(body);
    let kind = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: {}\n", c3p::CCCP)
    };
    format!(
        "{method} {uri} SIP/2.0\n\
         Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{method}{seq}\n\
         Max-Forwards: 70\nFrom: <sip:bob@example.com>;tag=b;epid=0815\n\
         To: <{uri}>{to_tag}\nCall-ID: c3p\nCSeq: {seq} {method}\n\
         Contact: <sip:bob@192.0.2.1;transport=tcp>\nSupported: timer\n\
         {more}{kind}Content-Length: {}\n\n{body}",
        body.len()
    )
}

#[tokio::test(start_paused = true)]
async fn cb_038_cb_091_cb_147_cb_149_a_participant_over_the_real_endpoint() {
    let mut phone = Phone::new();
    let tcp = Flow {
        transport: Transport::Tcp,
        ..flow(stranger(1))
    };
    let add = plenum_focus::c3p::Command::AddUser(c3p::add_user("bob", "{a}"));
    let join = of_bob("INVITE", 1, "", "", &c3p::c3p(1, "bob", add));
    let sent = phone.send_on(tcp, &join).await;
    let ok = sent
        .iter()
        .find(|message| message.starts_with("SIP/2.0 200"))
        .unwrap();
    assert!(ok.contains("isfocus") && ok.contains("<addUser"), "{ok}");
    assert!(
        ok.contains(";refresher=uac") && ok.contains("Require: timer"),
        "CB-040: {ok}"
    );
    let tag = ok.lines().find(|line| line.starts_with("To:")).unwrap();
    let tag = format!(";tag={}", tag.split("tag=").nth(1).unwrap().trim());
    phone.send_on(tcp, &of_bob("ACK", 1, &tag, "", b"")).await;
    let more = "Event: conference\nAccept: application/conference-info+xml\nExpires: 3600\n\
                Supported: ms-benotify, ms-piggyback-first-notify\nProxy-Require: ms-benotify\n";
    let sent = phone
        .send_on(tcp, &of_bob("SUBSCRIBE", 2, &tag, more, b""))
        .await;
    let ok = &sent[0];
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert!(
        ok.contains("state=\"full\"") && ok.contains("epid=\"0815\""),
        "CB-091: {ok}"
    );
    let lock = c3p::c3p(7, "bob", commands::lock(true));
    let sent = phone
        .send_on(tcp, &of_bob("INFO", 3, &tag, "", &lock))
        .await;
    assert!(sent[0].starts_with("SIP/2.0 202"), "CB-147: {sent:?}");
    let info = sent
        .iter()
        .find(|message| message.starts_with("INFO"))
        .unwrap();
    assert!(
        info.contains("code=\"success\"") && info.contains("requestId=\"7\""),
        "{info}"
    );
    let notified = sent
        .iter()
        .find(|message| message.starts_with("BENOTIFY"))
        .unwrap();
    assert!(
        notified.contains("state=\"partial\"") && notified.contains(">true</"),
        "{notified}"
    );
    let delete = c3p::c3p(8, "bob", commands::delete("bob"));
    let sent = phone
        .send_on(tcp, &of_bob("INFO", 4, &tag, "", &delete))
        .await;
    let order: Vec<&str> = sent.iter().filter_map(|it| it.split(' ').next()).collect();
    let place = |method: &str| order.iter().position(|it| *it == method).unwrap();
    assert!(
        place("INFO") < place("BENOTIFY") && place("BENOTIFY") < place("BYE"),
        "CB-192"
    );
    let last = &sent[place("BENOTIFY")];
    assert!(
        last.contains("terminated") && last.contains("ParticipantRemoved"),
        "{last}"
    );
    assert!(sent[place("BYE")].contains("Participant Removed"));
}

const TCP: Transport = Transport::Tcp;

fn bobs_join() -> String {
    let add = plenum_focus::c3p::Command::AddUser(c3p::add_user("bob", "{a}"));
    of_bob(
        "INVITE",
        1,
        "",
        "Session-Expires: 90\n",
        &c3p::c3p(1, "bob", add),
    )
}

/// bob's focus dialog over TCP: our tag.
async fn bob_joined(phone: &mut Phone, tcp: Flow) -> String {
    let sent = phone.send_on(tcp, &bobs_join()).await;
    let ok = sent
        .iter()
        .find(|it| it.starts_with("SIP/2.0 200"))
        .unwrap();
    assert!(ok.contains("Session-Expires: 90;refresher=uac"), "{ok}");
    let tag = field(ok, "To: ").split("tag=").nth(1).unwrap().trim();
    let tag = format!(";tag={tag}");
    phone.send_on(tcp, &of_bob("ACK", 1, &tag, "", b"")).await;
    tag
}

#[tokio::test(start_paused = true)]
async fn cb_066_a_session_that_is_not_refreshed_ends() {
    for refreshed in [true, false] {
        let mut phone = Phone::new();
        let tcp = Flow {
            transport: TCP,
            ..flow(stranger(1))
        };
        let tag = bob_joined(&mut phone, tcp).await;
        let more = "Event: conference\nExpires: 3600\nSupported: ms-benotify\n";
        phone
            .send_on(tcp, &of_bob("SUBSCRIBE", 2, &tag, more, b""))
            .await;
        let sent = phone.pass(50).await;
        assert!(!sent.iter().any(|it| it.starts_with("BYE")), "{sent:?}");
        if refreshed {
            let update = of_bob("UPDATE", 3, &tag, "Session-Expires: 90\n", b"");
            let sent = phone.send_on(tcp, &update).await;
            assert!(sent[0].starts_with("SIP/2.0 200"), "CB-064: {sent:?}");
        }
        let sent = phone.pass(15).await;
        let order: Vec<&str> = sent.iter().filter_map(|it| it.split(' ').next()).collect();
        if refreshed {
            assert!(!order.contains(&"BYE"), "{sent:?}");
            assert_eq!(phone.directory.active(), [name("standup")]);
        } else {
            assert_eq!(order, ["BENOTIFY", "BYE"], "CB-098: {sent:?}");
            assert!(sent[0].contains("terminated"), "{sent:?}");
            assert_eq!(phone.directory.active(), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cb_068_a_join_that_is_cancelled_in_time_leaves_nobody() {
    let mut phone = Phone::new();
    let tcp = Flow {
        transport: TCP,
        ..flow(stranger(1))
    };
    let invite = bobs_join();
    let branch = |text: String| text.replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1");
    phone.hand_over(tcp, &invite);
    let sent = phone
        .send_on(tcp, &branch(of_bob("CANCEL", 1, "", "", b"")))
        .await;
    let answered = |status: &str, method: &str| {
        sent.iter().any(|it| {
            it.starts_with(&format!("SIP/2.0 {status}")) && it.contains(&format!("1 {method}"))
        })
    };
    assert!(
        answered("200", "CANCEL") && answered("487", "INVITE"),
        "{sent:?}"
    );
    assert!(!answered("200", "INVITE"), "{sent:?}");
    assert_eq!(phone.directory.active(), []);
}
