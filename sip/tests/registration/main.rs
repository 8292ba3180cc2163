//! Registration with a provider in virtual time (RFC 3261 §10.2, RFC 5626 §4.5, RFC 3608).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test may"
)]

use plenum_sip::endpoint::{Contact, OutOfDialog};
use plenum_sip::msg::{HeaderName, NameAddr, Params, Response, StatusCode, Text, Uri};
use plenum_sip::registration::{Config, Output, Problem, Registration, Standing};
use proptest::prelude::*;
use std::time::{Duration, Instant};

struct Bed {
    now: Instant,
    registration: Registration,
    sent: Vec<OutOfDialog>,
    changes: usize,
}

fn config() -> Config {
    Config {
        registrar: Uri::parse(b"sip:example.com").unwrap(),
        aor: NameAddr::new(Uri::parse(b"sip:4930123@example.com").unwrap()),
        contact: Contact {
            user: Some(Text::from("4930123")),
            uri_params: Params::new().with("line", Some("k7")),
            ..Contact::default()
        },
        route: Vec::new(),
        expires: Duration::from_secs(600),
        retry_base: Duration::from_secs(30),
        retry_ceiling: Duration::from_secs(1800),
        has_credentials: true,
        learn_address: true,
    }
}

impl Bed {
    fn new(config: Config) -> Self {
        let mut bed = Self {
            now: Instant::now(),
            registration: Registration::new(config, [7; 32]),
            sent: Vec::new(),
            changes: 0,
        };
        bed.registration.start();
        bed.drain();
        bed
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.registration.poll_output() {
                Output::Register(out) => self.sent.push(*out),
                Output::Changed => self.changes += 1,
                Output::Timeout(at) => return at,
            }
        }
    }

    fn asked(&mut self) -> OutOfDialog {
        assert_eq!(self.sent.len(), 1, "one REGISTER");
        self.sent.remove(0)
    }

    fn say(&mut self, text: &str) -> Option<Instant> {
        let response = response(text);
        self.registration.handle_response(self.now, &response);
        self.drain()
    }

    /// Waits for the next timer; how long that took.
    fn wait(&mut self) -> Duration {
        let at = self.drain().expect("a timer");
        let waited = at - self.now;
        self.now = at;
        self.registration.handle_timeout(at);
        self.drain();
        waited
    }
}

/// A response out of `status reason|Header: value|…`; Via and CSeq come with it.
fn response(text: &str) -> Response {
    let mut parts = text.split('|');
    let (code, reason) = parts.next().unwrap().split_once(' ').unwrap();
    let status = StatusCode::new(code.parse().unwrap()).unwrap();
    let mut response = Response::new(status).with_reason(reason);
    for part in parts {
        let (name, value) = part.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes());
        response.headers.push(name, value);
    }
    if !response.headers.has(&HeaderName::Via) {
        let via = "SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=z9hG4bK1";
        response.headers.push(HeaderName::Via, via);
    }
    response
}

const OURS: &str = "<sip:4930123@192.0.2.1:5060;line=k7>";

fn registered_for(bed: &Bed) -> Duration {
    match bed.registration.standing() {
        Standing::Registered(until) => until - bed.now,
        other => panic!("{other:?}, {:?}", bed.registration.problem()),
    }
}

fn seq(out: &OutOfDialog) -> u32 {
    out.headers.cseq().unwrap().seq
}

#[test]
fn rfc3261_10_2_a_binding_is_made_and_refreshed_before_it_expires() {
    let mut bed = Bed::new(config());
    let first = bed.asked();
    assert_eq!(first.uri.to_string(), "sip:example.com");
    assert_eq!(first.headers.expires(), Ok(Some(600)));
    assert_eq!(bed.registration.standing(), Standing::Trying);
    bed.say(&format!(
        "200 OK|Contact: <sip:other@192.0.2.9>;expires=9, {OURS};expires=300|Expires: 77"
    ));
    assert_eq!(registered_for(&bed), Duration::from_secs(300));
    let rested = bed.wait();
    assert!(rested >= Duration::from_secs(240) && rested < Duration::from_secs(270));
    let second = bed.asked();
    assert_eq!(
        first.headers.get(&HeaderName::CallId),
        second.headers.get(&HeaderName::CallId),
        "§10.2.4: the same Call-ID"
    );
    assert_eq!(seq(&second), seq(&first) + 1);
}

#[test]
fn rfc3261_10_2_4_the_expires_of_the_contact_counts_then_the_header_then_the_wish() {
    for (answer, expect) in [
        (format!("200 OK|Contact: {OURS}|Expires: 77"), 77),
        (format!("200 OK|Contact: {OURS}"), 600),
        ("200 OK|Expires: 120".to_owned(), 120),
    ] {
        let mut bed = Bed::new(config());
        bed.say(&answer);
        assert_eq!(
            registered_for(&bed),
            Duration::from_secs(expect),
            "{answer}"
        );
    }
}

#[test]
fn rfc3261_10_3_a_200_without_our_binding_is_no_registration() {
    for answer in [
        "200 OK|Contact: <sip:4930123@192.0.2.1;line=other>;expires=60".to_owned(),
        format!("200 OK|Contact: {OURS};expires=0"),
    ] {
        let mut bed = Bed::new(config());
        bed.say(&answer);
        assert_eq!(bed.registration.standing(), Standing::Failed);
        assert_eq!(bed.registration.problem(), Some(&Problem::NotBound));
    }
}

#[test]
fn rfc3261_10_2_8_min_expires_is_obeyed_once() {
    let mut bed = Bed::new(config());
    let first = bed.asked();
    bed.say("423 Interval Too Brief|Min-Expires: 3600");
    let second = bed.asked();
    assert_eq!(second.headers.expires(), Ok(Some(3600)));
    assert!(seq(&second) > seq(&first));
    bed.say("423 Interval Too Brief|Min-Expires: 3600");
    assert!(bed.sent.is_empty(), "no ping-pong");
    assert_eq!(bed.registration.standing(), Standing::Failed);
}

#[test]
fn rfc5626_4_5_failures_wait_longer_and_longer_within_bounds() {
    let mut bed = Bed::new(config());
    bed.asked();
    let mut bound = 30.0;
    for _ in 0..12 {
        bed.say("503 Service Unavailable");
        let waited = bed.wait().as_secs_f64();
        assert!(
            waited >= bound * 0.499 && waited <= bound * 1.001,
            "{waited} of {bound}"
        );
        bed.asked();
        bound = f64::min(bound * 2.0, 1800.0);
    }
    bed.say(&format!("200 OK|Contact: {OURS};expires=600"));
    assert_eq!(bed.registration.problem(), None);
    bed.wait();
    bed.say("503 Service Unavailable");
    assert!(
        bed.wait() <= Duration::from_secs(30),
        "the count begins anew"
    );
}

#[test]
fn rfc3261_20_33_retry_after_is_waited_for() {
    let mut bed = Bed::new(config());
    bed.say("503 Service Unavailable|Retry-After: 120");
    assert_eq!(bed.wait(), Duration::from_secs(120));
}

#[test]
fn every_refusal_says_what_to_do() {
    for (answer, name, remedy) in [
        ("401 Unauthorized", "credentials", "`password`"),
        ("407 Proxy Authentication Required", "credentials", "`user`"),
        ("403 Forbidden", "forbidden", "ask the provider"),
        ("404 Not Found", "unknown_user", "`aor`"),
        ("408 Request Timeout", "unreachable", "firewall"),
        ("500 Server Internal Error", "out_of_service", "tried again"),
        ("606 Not Acceptable", "refused", "606"),
    ] {
        let mut bed = Bed::new(config());
        bed.say(answer);
        let problem = bed.registration.problem().unwrap();
        assert_eq!(problem.name(), name);
        assert!(problem.to_string().contains(remedy), "{problem}");
        assert_eq!(bed.registration.standing(), Standing::Failed);
    }
    let without = Config {
        has_credentials: false,
        ..config()
    };
    let mut bed = Bed::new(without);
    bed.say("401 Unauthorized");
    let problem = bed.registration.problem().unwrap();
    assert!(problem.to_string().contains("set `user` and `password`"));
    let mut bed = Bed::new(config());
    let now = bed.now;
    let dns = Problem::Dns("example.com".to_owned());
    bed.registration.handle_failure(now, dns.clone());
    assert_eq!(bed.registration.problem(), Some(&dns));
    assert!(bed.wait() <= Duration::from_secs(30));
}

#[test]
fn a_refresh_that_fails_keeps_the_binding_until_it_expires() {
    let mut bed = Bed::new(config());
    bed.say(&format!("200 OK|Contact: {OURS};expires=40"));
    bed.wait();
    bed.say("503 Service Unavailable");
    assert!(registered_for(&bed) <= Duration::from_secs(8));
    bed.wait();
    assert_eq!(bed.registration.standing(), Standing::Failed);
}

#[test]
fn rfc3581_4_the_address_the_registrar_sees_replaces_ours_and_the_first_binding_goes() {
    let mut bed = Bed::new(config());
    bed.asked();
    let seen = "Via: SIP/2.0/UDP 192.0.2.1:5060;received=203.0.113.5;rport=31000;branch=z9hG4bK1";
    bed.say(&format!("200 OK|{seen}|Contact: {OURS};expires=300"));
    let again = bed.asked();
    let contacts: Vec<_> = again.headers.get_all(&HeaderName::Contact).collect();
    assert_eq!(contacts[0], &"<sip:4930123@203.0.113.5:31000;line=k7>");
    assert_eq!(
        contacts[1],
        &"<sip:4930123@192.0.2.1:5060;line=k7>;expires=0"
    );
    bed.say(&format!(
        "200 OK|{seen}|Contact: <sip:4930123@203.0.113.5:31000;line=k7>;expires=300"
    ));
    assert!(bed.sent.is_empty());
    assert_eq!(registered_for(&bed), Duration::from_secs(300));
}

#[test]
fn the_first_binding_over_a_stream_is_removed_letter_for_letter() {
    let mut bed = Bed::new(config());
    bed.asked();
    let via = "SIP/2.0/TCP 192.0.2.1:5060;received=203.0.113.5;rport=31000;branch=z9hG4bK1";
    bed.say(&format!("200 OK|Via: {via}|Contact: {OURS};expires=300"));
    let again = bed.asked();
    let contacts: Vec<_> = again.headers.get_all(&HeaderName::Contact).collect();
    assert_eq!(
        contacts[1],
        &"<sip:4930123@192.0.2.1:5060;transport=tcp;line=k7>;expires=0"
    );
}

#[test]
fn a_translation_that_never_rests_is_not_followed_for_ever() {
    let mut bed = Bed::new(config());
    bed.asked();
    for port in 1..50 {
        let via = format!("SIP/2.0/UDP 192.0.2.1:5060;received=203.0.113.5;rport={port};branch=z1");
        bed.say(&format!("200 OK|Via: {via}|Contact: {OURS};expires=300"));
    }
    assert_eq!(bed.sent.len(), 2);
    assert!(matches!(
        bed.registration.standing(),
        Standing::Registered(_)
    ));
}

#[test]
fn rfc3581_4_the_port_of_a_connection_is_not_an_address() {
    let mut bed = Bed::new(config());
    bed.asked();
    let via = "SIP/2.0/TCP 192.0.2.1:5060;rport=43210;branch=z9hG4bK1";
    bed.say(&format!("200 OK|Via: {via}|Contact: {OURS};expires=300"));
    assert!(bed.sent.is_empty());
}

#[test]
fn rfc3608_5_the_service_route_is_kept_in_order_and_replaced() {
    let mut bed = Bed::new(config());
    bed.say(&format!(
        "200 OK|Contact: {OURS};expires=300|Service-Route: <sip:a.example.com;lr>, \
         <sip:b.example.com;lr>|Service-Route: <sip:c.example.com;lr>"
    ));
    let routes: Vec<_> = bed
        .registration
        .service_route()
        .iter()
        .map(|it| it.uri.host.to_string())
        .collect();
    assert_eq!(routes, ["a.example.com", "b.example.com", "c.example.com"]);
    bed.wait();
    bed.say(&format!("200 OK|Contact: {OURS};expires=300"));
    assert!(bed.registration.service_route().is_empty());
}

#[test]
fn rfc3261_10_2_2_stopping_removes_the_binding() {
    let mut bed = Bed::new(config());
    bed.asked();
    bed.say(&format!("200 OK|Contact: {OURS};expires=300"));
    bed.registration.stop();
    bed.drain();
    assert_eq!(bed.asked().headers.expires(), Ok(Some(0)));
    assert_eq!(bed.say("200 OK"), None);
    assert_eq!(bed.registration.standing(), Standing::Removed);
}

#[test]
fn stopping_while_asking_removes_what_the_answer_makes() {
    let mut bed = Bed::new(config());
    bed.asked();
    bed.registration.stop();
    bed.drain();
    assert!(bed.sent.is_empty());
    bed.say(&format!("200 OK|Contact: {OURS};expires=300"));
    assert_eq!(bed.asked().headers.expires(), Ok(Some(0)));
}

#[test]
fn another_address_of_ours_is_registered_at_once() {
    let mut bed = Bed::new(config());
    bed.asked();
    bed.say(&format!("200 OK|Contact: {OURS};expires=300"));
    bed.registration.readdress();
    bed.drain();
    assert_eq!(bed.asked().headers.expires(), Ok(Some(600)));
}

#[test]
fn numbers_the_endpoint_used_for_credentials_are_not_used_again() {
    let mut bed = Bed::new(config());
    bed.asked();
    bed.say(&format!(
        "200 OK|CSeq: 9 REGISTER|Contact: {OURS};expires=300"
    ));
    bed.wait();
    assert_eq!(seq(&bed.asked()), 10);
}

proptest! {
    /// Whatever a registrar answers: at most one REGISTER is on its way, and as long as nothing
    /// is, a timer runs.
    #[test]
    fn it_never_sleeps_for_ever_and_never_floods(answers in prop::collection::vec(0_usize..9, 1..60)) {
        let all = [
            format!("200 OK|Contact: {OURS};expires=60"),
            "200 OK|Contact: <sip:x@192.0.2.2>".to_owned(),
            "401 Unauthorized".to_owned(),
            "423 Interval Too Brief|Min-Expires: 700".to_owned(),
            "423 Interval Too Brief".to_owned(),
            "503 Service Unavailable|Retry-After: 5".to_owned(),
            format!("200 OK|Via: SIP/2.0/UDP 192.0.2.1;received=203.0.113.5;rport=1;branch=z|Contact: {OURS}"),
            "302 Moved".to_owned(),
            "100 Trying".to_owned(),
        ];
        let mut bed = Bed::new(config());
        for answer in answers {
            let before = bed.now;
            if bed.sent.is_empty() {
                bed.wait();
            } else {
                prop_assert_eq!(bed.sent.len(), 1);
                if !all[answer].starts_with('1') {
                    bed.sent.clear();
                }
                bed.say(&all[answer]);
            }
            prop_assert!(bed.now >= before);
        }
    }
}
