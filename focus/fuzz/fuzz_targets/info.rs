//! The body of an INFO, to a focus with two participants: one answer, whatever it is, and no
//! panic.

#![no_main]
#![expect(
    clippy::disallowed_methods,
    reason = "somebody has to say what time it is"
)]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use plenum_focus::conference::{Focus, Settings};
use plenum_focus::limits::Limits;
use plenum_focus::metrics::Metrics;
use plenum_focus::output::{McuType, Output, SipAction};
use plenum_focus::policy::{Network, Policy};
use plenum_focus::record::{ConferenceName, ConferenceRecord};
use plenum_mcu::control::{Action, ConferenceId, McuEvent, Quality, Report};
use plenum_sip::endpoint::{Event, Flow, FlowId, InviteId, ServerTxId, Transport};
use plenum_sip::msg::{HeaderName, Headers, Host, Method, Request};
use std::sync::Arc;
use std::time::Instant;

const URI: &str = "sip:standup@conf.example.com;gruu;opaque=app:conf:focus:id:B0A4D";

fn flow() -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Tcp,
        local: "198.51.100.1:5060".parse().expect("an address"),
        remote: "10.0.0.1:5060".parse().expect("an address"),
    }
}

fn request(method: Method, user: &str, body: &[u8]) -> Request {
    let mut headers = Headers::new();
    headers.push(HeaderName::From, format!("<sip:{user}@example.com>;tag=1"));
    headers.push(HeaderName::To, format!("<{URI}>"));
    headers.push(HeaderName::CallId, "1");
    headers.push(HeaderName::CSeq, format!("1 {method}"));
    headers.push(HeaderName::Contact, format!("<sip:{user}@10.0.0.1>"));
    headers.push(HeaderName::ContentType, "application/cccp+xml");
    Request {
        method,
        uri: URI.parse().expect("a URI"),
        headers,
        body: Bytes::copy_from_slice(body),
    }
}

fn join(user: &str) -> String {
    format!(
        "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" \
         xmlns:ci=\"urn:ietf:params:xml:ns:conference-info\" requestId=\"1\" \
         from=\"sip:{user}@example.com\" to=\"{URI}\"><addUser><conferenceKeys confEntity=\"{URI}\"/>\
         <ci:user entity=\"sip:{user}@example.com\"><ci:roles><ci:entry>attendee</ci:entry></ci:roles>\
         <ci:endpoint entity=\"{{1}}\"/></ci:user></addUser></request>"
    )
}

/// Carries out what the focus says, with a mixer that obeys; how many requests were answered.
fn drain(focus: &mut Focus, now: Instant) -> usize {
    let mut answers = 0;
    loop {
        match focus.poll_output() {
            Output::Timeout(_) => return answers,
            Output::Event(_) | Output::HandOver(_) => {}
            Output::Sip(SipAction::Respond { .. }) => answers += 1,
            Output::Sip(_) => {}
            Output::Mcu(_, command) => {
                let conference = command.conference;
                if let Action::Remove { endpoint } = command.action {
                    let quality = Quality::default();
                    let report = Report::Removed { endpoint, quality };
                    let event = McuEvent { conference, report };
                    focus.handle_mcu(now, McuType::AudioVideo, event);
                }
                let report = Report::Done {
                    command: command.id,
                    result: Ok(()),
                };
                focus.handle_mcu(now, McuType::AudioVideo, McuEvent { conference, report });
            }
        }
    }
}

fn conference(now: Instant) -> Focus {
    let name = ConferenceName::new("standup", 64).expect("a name");
    let mut record = ConferenceRecord::ad_hoc(name);
    record.id = Some("B0A4D".into());
    record.members.presenters = vec!["sip:pia@example.com".into()];
    let settings = Settings {
        policy: Policy {
            trusted: vec![Network::new([10, 0, 0, 0].into(), 8).expect("a network")],
            ..Policy::default()
        },
        limits: Limits::default(),
        metrics: Metrics::default(),
        host: Host::Name("conf.example.com".into()),
        agent: "conf.example.com".into(),
        ringing: std::time::Duration::from_secs(60),
    };
    let mut focus = Focus::new(now, ConferenceId(1), Arc::new(record), Arc::new(settings));
    focus.randomize([7; 32]);
    drain(&mut focus, now);
    for (id, user) in [(1, "pia"), (2, "ann")] {
        let event = Event::Invite {
            id: InviteId(id),
            request: request(Method::Invite, user, join(user).as_bytes()),
            flow: flow(),
        };
        focus.handle_sip(now, event);
        drain(&mut focus, now);
    }
    assert_eq!(focus.roster().users().count(), 2);
    focus
}

fuzz_target!(|octets: &[u8]| {
    let now = Instant::now();
    let mut focus = conference(now);
    for (id, user) in [(2, "ann"), (1, "pia")] {
        let tx = ServerTxId(9);
        let request = request(Method::Info, user, octets);
        let id = InviteId(id);
        focus.handle_sip(now, Event::InDialog { id, tx, request });
        assert_eq!(drain(&mut focus, now), 1);
    }
});
