//! Trunks without sockets: what comes in is known, what goes out is right, and who may call.

mod reload;

use super::border::{Setup, Trunks};
use super::inbound::{self, Destination};
use super::line::Line;
use super::view::Shown;
use super::{Inbox, Metrics, Note, outbound};
use crate::config::Config;
use crate::signalling::sip_config as endpoint_config;
use bytes::Bytes;
use plenum_focus::access::Identity;
use plenum_focus::caller::Vouched;
use plenum_focus::output::Dialler;
use plenum_focus::shell::{Border, Passage, Placing};
use plenum_sip::auth::{Asked, Credentials, choose};
use plenum_sip::endpoint::{
    Body, EndCause, Endpoint, Event, Flow, FlowId, Invite, InviteId, Output, Reach, Target,
    Transport, Via,
};
use plenum_sip::msg::{Headers, Host, Method, NameAddr, Request, Text, Uri};
use reload::{configured, token};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TRUNK: &str = "[[trunk]]\nname = \"tel\"\nserver = \"192.0.2.1\"\nuser = \"line\"\n\
                     password = \"secret\"\ncountry = \"49\"\noptions_s = 0\n";

fn line(more: &str) -> Line {
    let config = Config::parse(&format!("{TRUNK}{more}")).unwrap();
    let trunk = Arc::new(config.trunk.into_iter().next().unwrap());
    Line::new(trunk, "t0ken".to_owned(), [1; 32], Metrics::default())
}

fn flow(from: &str) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.99:5060".parse().unwrap(),
        remote: from.parse().unwrap(),
    }
}

fn request(uri: &str, fields: &str) -> Request {
    let uri = Uri::parse(uri.as_bytes()).unwrap();
    let mut request = Request::new(Method::Invite, uri);
    for field in fields.split('|').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once(": ").unwrap();
        let name = plenum_sip::msg::HeaderName::from_bytes(name.as_bytes());
        request.headers.push(name, value);
    }
    request
}

#[test]
fn a_call_is_a_trunks_by_its_address_or_by_what_was_registered() {
    let mut line = line("from = [\"198.51.100.0/24\"]\n");
    let known = |line: &Line, uri: &str, from: &str| {
        inbound::recognises(line, &request(uri, ""), (&flow(from), &[]))
    };
    assert!(known(&line, "sip:1@x", "198.51.100.7:5060"));
    assert!(
        !known(&line, "sip:line@x", "203.0.113.1:5060"),
        "a user part is guessed"
    );
    assert!(known(&line, "sip:1@x;line=t0ken", "203.0.113.1:5060"));
    assert!(!known(&line, "sip:1@x;line=other", "203.0.113.1:5060"));
    assert!(
        !known(&line, "sip:1@x", "192.0.2.1:5060"),
        "not looked up yet"
    );
    let mut bed = Bed::new("");
    let server = bed.target("192.0.2.1:5060");
    line.handle_found(bed.now, &mut bed.endpoint, vec![server], None);
    assert!(known(&line, "sip:1@x", "192.0.2.1:40000"));
}

#[test]
fn the_number_that_was_called_stands_where_the_trunk_says() {
    let fields = "To: <sip:030102@x>|P-Called-Party-ID: <sip:030103@x>|\
                  Diversion: <tel:+4930105>;reason=x, \"a, b\" <tel:+4930104>|\
                  History-Info: <sip:030106@x>;index=1, <sip:030107@x>;index=1.1";
    for (place, expect) in [
        ("request-uri", "+4930101"),
        ("to", "+4930102"),
        ("p-called-party-id", "+4930103"),
        ("diversion", "+4930104"),
        ("history-info", "+4930106"),
    ] {
        let line = line(&format!("called_in = \"{place}\"\n"));
        let called = inbound::called(&line, &request("sip:030101@x", fields));
        assert_eq!(called.as_deref(), Some(expect), "{place}");
        let called = inbound::called(&line, &request("sip:030101@x", "To: <sip:bob@x>"));
        assert_eq!(called.as_deref(), Some("+4930101"), "{place}");
    }
    let line = line("[trunk.numbers]\n\"030 101\" = \"board\"\n\"030 2*\" = \"room-*\"\n");
    let lead = |uri: &str| inbound::destination(&line, &request(uri, ""));
    assert_eq!(
        lead("sip:+4930101@x"),
        Destination::Conference("board".to_owned())
    );
    assert_eq!(
        lead("sip:03027@x"),
        Destination::Conference("room-7".to_owned())
    );
    assert_eq!(
        lead("sip:03099@x"),
        Destination::Unknown(Some("+493099".to_owned()))
    );
    assert_eq!(lead("sip:board@x"), Destination::Unknown(None));
}

#[test]
fn rfc3325_5_who_calls_is_what_the_provider_asserts_unless_they_asked_for_privacy() {
    let from = "From: \"Claims\" <sip:0301@x>;tag=1";
    let trusting = line("");
    let who = |line: &Line, more: &str| {
        inbound::caller(line, &request("sip:1@x", &format!("{from}{more}")))
    };
    let shown = |caller: &Vouched| (caller.aor.clone(), caller.display.clone());
    let some = |aor: &str, name: &str| (Some(aor.to_owned()), Some(name.to_owned()));
    let asserted = "|P-Asserted-Identity: \"Ann\" <tel:+4930777>";
    let remote = "|Remote-Party-ID: <sip:030778@x>;party=calling";
    assert_eq!(
        shown(&who(&trusting, "")),
        some("sip:+49301@192.0.2.1", "Claims")
    );
    assert_eq!(
        shown(&who(&trusting, asserted)),
        some("sip:+4930777@192.0.2.1", "Ann")
    );
    assert_eq!(
        shown(&who(&trusting, remote)),
        some("sip:+4930778@192.0.2.1", "+4930778")
    );
    let careful = line("trust_identity = false\n");
    assert_eq!(
        shown(&who(&careful, asserted)),
        some("sip:+49301@192.0.2.1", "Claims")
    );
    for hidden in [
        "|P-Asserted-Identity: <tel:+4930777>|Privacy: id",
        "|Privacy: user",
        "|Remote-Party-ID: <sip:030778@x>;privacy=full",
    ] {
        let caller = who(&trusting, hidden);
        assert_eq!(shown(&caller), (None, None), "{hidden}");
        assert!(caller.phone && caller.identity == Identity::Anonymous);
    }
    let anonymous = request(
        "sip:1@x",
        "From: \"A\" <sip:anonymous@anonymous.invalid>;tag=1",
    );
    assert_eq!(inbound::caller(&trusting, &anonymous).aor, None);
}

fn wanted(uri: &str) -> Invite {
    let uri = Uri::parse(uri.as_bytes()).unwrap();
    let own = Uri::parse(b"sip:board@conf.example").unwrap();
    Invite {
        to: NameAddr::new(uri.clone()),
        uri,
        from: NameAddr::new(own).with_display("Board"),
        contact: None,
        body: Some(Body {
            content_type: "application/sdp".into(),
            octets: Bytes::from_static(b"v=0"),
        }),
        headers: Headers::new(),
        route: Vec::new(),
        no_session: false,
        reach: Reach::default(),
    }
}

#[test]
fn rfc3325_9_a_call_is_written_as_the_provider_wants_it() {
    let call = |more: &str| outbound::invite(&line(more), &wanted("tel:x"), "+4930123");
    let field = |invite: &Invite, name: &str| {
        let name = plenum_sip::msg::HeaderName::from_bytes(name.as_bytes());
        invite.headers.get(&name).map(ToString::to_string)
    };
    let plain = call("");
    assert_eq!(plain.uri.to_string(), "sip:+4930123@192.0.2.1");
    assert_eq!(plain.to.uri, plain.uri);
    assert_eq!(plain.from.uri.to_string(), "sip:line@192.0.2.1");
    let asserted = field(&plain, "P-Asserted-Identity").unwrap();
    assert_eq!(asserted, "\"Board\" <sip:line@192.0.2.1>");
    assert_eq!(field(&plain, "Privacy"), None);
    for (format, user) in [
        ("digits", "4930123"),
        ("international", "004930123"),
        ("national", "030123"),
    ] {
        let uri = call(&format!("number_format = \"{format}\"\n")).uri;
        assert_eq!(uri.user_decoded(), user);
    }
    let shown = call("caller_id = \"+49301\"\nuser_phone = true\nidentity = \"none\"\n");
    assert_eq!(
        shown.from.uri.to_string(),
        "sip:+49301@192.0.2.1;user=phone"
    );
    assert_eq!(shown.uri.to_string(), "sip:+4930123@192.0.2.1;user=phone");
    assert_eq!(field(&shown, "P-Asserted-Identity"), None);
    let hidden = call("anonymous = true\nidentity = \"remote-party-id\"\n");
    assert_eq!(
        hidden.from.uri.to_string(),
        "sip:anonymous@anonymous.invalid"
    );
    assert_eq!(field(&hidden, "Privacy").as_deref(), Some("id"));
    let party = field(&hidden, "Remote-Party-ID").unwrap();
    assert!(
        party.contains("sip:line@192.0.2.1") && party.contains("privacy=full"),
        "{party}"
    );
    let by = call("outbound_proxy = \"192.0.2.8;transport=tcp\"\n");
    let route: Vec<_> = by.route.iter().map(|hop| hop.uri.to_string()).collect();
    assert_eq!(route, ["sip:192.0.2.8;transport=tcp;lr"]);
}

/// Two trunks, a rule, an endpoint; no sockets.
struct Bed {
    now: Instant,
    endpoint: Endpoint,
    trunks: Trunks,
    inbox: Inbox,
    shown: Shown,
    metrics: Metrics,
    sent: Vec<String>,
}

impl Bed {
    fn new(more: &str) -> Self {
        let second = TRUNK
            .replace("\"tel\"", "\"two\"")
            .replace("192.0.2.1", "192.0.2.2");
        let text = format!("{TRUNK}redirects = 1\n{second}{more}");
        let config = Config::parse(&text).unwrap();
        let (inbox, shown) = (Inbox::default(), Shown::default());
        let metrics = Metrics::default();
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do as the origin"
        )]
        let now = Instant::now();
        let setup = Setup {
            trunks: configured(&config.trunk),
            rules: config.dial_rule.clone(),
            hosts: vec![Host::Name("conf.example".into())],
            most_users: 10,
            retry_after: Duration::from_secs(5),
            metrics: metrics.clone(),
            gate_seed: [4; 32],
            watch: crate::abuse::Watch::new(&config, shown.clone(), Default::default()),
            now,
            clock: || 0,
        };
        let trunks = Trunks::new(setup, inbox.clone(), shown.clone());
        let endpoint = Endpoint::new(
            endpoint_config(&config),
            [3; 32],
            plenum_sip::metrics::Metrics::default(),
        );
        let mut bed = Self {
            now,
            endpoint,
            trunks,
            inbox,
            shown,
            metrics,
            sent: Vec::new(),
        };
        for (line, address) in [(1, "192.0.2.1:5060"), (2, "192.0.2.2:5060")] {
            let targets = vec![bed.target(address)];
            bed.inbox.leave(Note::Found {
                line: token(line),
                targets,
                local: None,
            });
        }
        bed.trunks.handle_timeout(now, &mut bed.endpoint);
        bed
    }

    fn target(&self, remote: &str) -> Target {
        assert!(self.endpoint.counts().usages < 10);
        Target {
            transport: Transport::Udp,
            remote: remote.parse().unwrap(),
        }
    }

    /// What comes out, events through the border; those that go on.
    fn drain(&mut self) -> Vec<Event> {
        let mut on = Vec::new();
        loop {
            match self.endpoint.poll_output() {
                Output::Timeout(_) => return on,
                Output::ExpectHeard { .. } => {}
                Output::Resolve { id, .. } => self.endpoint.handle_resolved(self.now, id, vec![]),
                Output::Transmit { via, bytes, .. } => {
                    let to = match via {
                        Via::Flow(flow) => flow.remote,
                        Via::Target(target) => target.remote,
                    };
                    let text = String::from_utf8_lossy(&bytes);
                    self.sent.push(format!("{to} {text}"));
                }
                Output::Event(event) => {
                    let passed =
                        self.trunks
                            .handle_event(self.now, &mut self.endpoint, event, None);
                    if let Passage::On(event, _) = passed {
                        on.push(event);
                    }
                }
            }
        }
    }

    fn place(&mut self, uri: &str, by: &Dialler) -> Placing {
        let invite = Box::new(wanted(uri));
        let placing = self.trunks.place(self.now, &mut self.endpoint, by, invite);
        self.drain();
        placing
    }

    fn placed(&mut self, uri: &str) -> InviteId {
        match self.place(uri, &Dialler::Operator) {
            Placing::Placed(id) => id,
            other @ (Placing::Refused(_) | Placing::NotMine(_)) => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, uri: &str, by: &Dialler) -> String {
        match self.place(uri, by) {
            Placing::Refused(why) => why,
            other @ (Placing::Placed(_) | Placing::NotMine(_)) => panic!("{other:?}"),
        }
    }

    /// The last INVITE, and where it went.
    fn invite(&self) -> (&str, &str) {
        let mut sent = self.sent.iter().rev();
        let last = sent.find(|text| text.contains(" INVITE "));
        last.unwrap().split_once(' ').unwrap()
    }

    /// The provider answers the last INVITE.
    fn answer(&mut self, status: u16, more: &str) -> Vec<Event> {
        let (_, invite) = self.invite();
        let copied = |name: &str| {
            let line = invite.lines().find(|line| line.starts_with(name)).unwrap();
            line.to_owned()
        };
        let to = copied("To: ");
        let text = format!(
            "SIP/2.0 {status} X\r\n{}\r\n{}\r\n{to};tag=far\r\n{}\r\n{}\r\n{more}\
             Content-Length: 0\r\n\r\n",
            copied("Via: "),
            copied("From: "),
            copied("Call-ID: "),
            copied("CSeq: "),
        );
        self.endpoint
            .handle_message(self.now, flow("192.0.2.1:5060"), Bytes::from(text));
        self.drain()
    }

    fn calls_out(&self) -> Vec<usize> {
        self.shown
            .list(self.now)
            .iter()
            .map(|trunk| trunk.calls_out)
            .collect()
    }
}

const RULE: &str = "[[dial_rule]]\nprefix = \"+49\"\ntrunks = [\"tel\", \"two\"]\ncalls = 2\n";

#[test]
fn telephone_numbers_go_by_the_rules_and_other_addresses_are_not_touched() {
    let mut bed = Bed::new(RULE);
    bed.placed("tel:030-123");
    assert_eq!(bed.invite().0, "192.0.2.1:5060");
    assert!(
        bed.invite()
            .1
            .starts_with("INVITE sip:+4930123@192.0.2.1 SIP/2.0")
    );
    assert_eq!(bed.calls_out(), [1, 0]);
    let operator = Dialler::Operator;
    for around in [
        "tel:+44",
        "sip:+44@192.0.2.1",
        "sip:0044@192.0.2.2:5070",
        "sip:+441@conf.example",
    ] {
        assert!(
            bed.refused(around, &operator).contains("no rule"),
            "{around}"
        );
    }
    assert!(
        bed.refused("sip:operator@192.0.2.1", &operator)
            .contains("no rule")
    );
    let bob = bed.place("sip:bob@example.org", &operator);
    assert!(matches!(bob, Placing::NotMine(_)));
    let why = bed.refused("tel:+491", &Dialler::Participant(None));
    assert!(why.contains("may not call"), "{why}");
    let mut text = String::new();
    let mut registry = prometheus_client::registry::Registry::default();
    bed.metrics.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(
        text.contains("trunk_refused_out_total{reason=\"no_rule\"} 5"),
        "{text}"
    );
    assert!(
        text.contains("trunk_refused_out_total{reason=\"who\"} 1"),
        "{text}"
    );
}

#[test]
fn rfc3263_4_3_a_trunk_out_of_service_is_followed_by_the_next_but_busy_is_an_answer() {
    let mut bed = Bed::new(RULE);
    let id = bed.placed("tel:+49301");
    assert!(
        bed.answer(503, "").is_empty(),
        "the conference does not hear of it"
    );
    assert_eq!(bed.invite().0, "192.0.2.2:5060");
    assert_eq!(bed.calls_out(), [0, 1]);
    assert_eq!(bed.metrics.failovers.get(), 1);
    let events = bed.answer(486, "");
    let [
        Event::Ended {
            id: ended,
            cause: EndCause::Rejected(status, _),
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*ended, status.code()), (id, 486));
    assert_eq!(bed.calls_out(), [0, 0]);
    bed.placed("tel:+49302");
    bed.answer(603, "");
    assert_eq!(bed.metrics.failovers.get(), 1);
}

#[test]
fn rfc3261_8_1_3_4_redirections_are_followed_once_and_within_the_rule() {
    let mut bed = Bed::new(RULE);
    bed.placed("tel:+49301");
    assert!(
        bed.answer(302, "Contact: <sip:+49309@192.0.2.1>\r\n")
            .is_empty()
    );
    assert!(bed.invite().1.starts_with("INVITE sip:+49309@192.0.2.1 "));
    let events = bed.answer(302, "Contact: <sip:+49308@192.0.2.1>\r\n");
    assert!(matches!(events[..], [Event::Ended { .. }]), "one only");
    for elsewhere in ["sip:+49309@evil.example", "sip:+449@192.0.2.1", "tel:+1900"] {
        bed.placed("tel:+49301");
        let events = bed.answer(302, &format!("Contact: <{elsewhere}>\r\n"));
        assert!(matches!(events[..], [Event::Ended { .. }]), "{elsewhere}");
    }
    assert_eq!(bed.metrics.redirections.get(), 1);
}

#[test]
fn a_call_that_lasts_too_long_is_ended() {
    let mut bed = Bed::new(&format!("{RULE}longest_s = 60\n"));
    bed.placed("tel:+49301");
    bed.answer(200, "Contact: <sip:x@192.0.2.1>\r\n");
    assert_eq!(
        bed.trunks.next_timeout(),
        Some(bed.now + Duration::from_secs(60))
    );
    bed.now += Duration::from_secs(60);
    bed.trunks.handle_timeout(bed.now, &mut bed.endpoint);
    bed.drain();
    assert!(
        bed.sent.last().unwrap().contains(" BYE "),
        "{:?}",
        bed.sent.last()
    );
    assert_eq!(bed.metrics.cut.get(), 1);
    assert_eq!(bed.calls_out(), [0, 0]);
}

#[test]
fn calls_from_a_trunk_are_counted_and_limited() {
    let numbers = "calls_in = 1\n[trunk.numbers]\n\"030 1\" = \"board\"\n";
    let mut bed = Bed::new(numbers);
    let text = |n: u32, number: &str| {
        format!(
            "INVITE sip:{number}@192.0.2.99 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{n}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+49777@x>;tag=1\r\nTo: <sip:{number}@x>\r\nCall-ID: {n}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.2>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let ring = |bed: &mut Bed, n, number| {
        bed.sent.clear();
        let bytes = Bytes::from(text(n, number));
        bed.endpoint
            .handle_message(bed.now, flow("192.0.2.2:5060"), bytes);
        bed.drain()
    };
    let events = ring(&mut bed, 1, "0301");
    let [Event::Invite { request, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(request.uri.to_string(), "sip:board@conf.example");
    assert!(
        ring(&mut bed, 2, "0301")
            .iter()
            .all(|event| !matches!(event, Event::Invite { .. }))
    );
    assert!(
        bed.sent.iter().any(|text| text.contains("SIP/2.0 486")),
        "{:?}",
        bed.sent
    );
    let mut bed = Bed::new(numbers);
    ring(&mut bed, 3, "0302");
    assert!(
        bed.sent.iter().any(|text| text.contains("SIP/2.0 404")),
        "{:?}",
        bed.sent
    );
}

#[test]
fn rfc3261_22_2_a_provider_that_is_known_by_its_password_is_asked_for_it() {
    let more = "recognise = [\"digest\"]\ninbound_user = \"peer\"\ninbound_password = \"pw\"\n\
                [trunk.numbers]\n\"030 1\" = \"board\"\n";
    let mut bed = Bed::new(more);
    let invite = |n: u32, number: &str, fields: &str| {
        Bytes::from(format!(
            "INVITE sip:{number}@192.0.2.99 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKd{n}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+49777@x>;tag=1\r\nTo: <sip:{number}@x>\r\nCall-ID: d{n}\r\n\
             CSeq: {n} INVITE\r\nContact: <sip:x@203.0.113.9>\r\n{fields}Content-Length: 0\r\n\r\n"
        ))
    };
    let outside = flow("203.0.113.9:5060");
    let ring = |bed: &mut Bed, bytes| {
        bed.sent.clear();
        bed.endpoint.handle_message(bed.now, outside, bytes);
        bed.drain()
    };
    ring(&mut bed, invite(1, "0301", ""));
    let answer = bed
        .sent
        .iter()
        .find(|text| text.contains("SIP/2.0 401"))
        .unwrap();
    let challenge = answer
        .lines()
        .find_map(|line| line.strip_prefix("WWW-Authenticate: "));
    let challenge = plenum_sip::msg::AuthParams::parse(&challenge.unwrap().into()).unwrap();
    let reply = |password: &str| {
        let credentials = Credentials::password("peer", password);
        let chosen = choose(std::slice::from_ref(&challenge)).remove(0);
        let asked = Asked {
            method: &Method::Invite,
            uri: "sip:0301@192.0.2.99",
            body: b"",
        };
        let credential = credentials.of_realm(&chosen.realm).unwrap();
        let value = chosen.answer(credential, &asked, 1, "c").unwrap();
        format!("Authorization: {value}\r\n")
    };
    let wrong = invite(2, "0301", &reply("guess"));
    let passed = |events: &[Event]| {
        events
            .iter()
            .any(|event| matches!(event, Event::Invite { .. }))
    };
    assert!(!passed(&ring(&mut bed, wrong)));
    let right = invite(3, "0301", &reply("pw"));
    assert!(passed(&ring(&mut bed, right)));
    // Other names are none of this trunk's business.
    assert!(passed(&ring(&mut bed, invite(4, "team", ""))));
}
