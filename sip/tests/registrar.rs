//! The registrar: RFC 3261 §10.3, RFC 3327, RFC 5626, RFC 5627.

#![expect(clippy::unwrap_used, reason = "a test may")]

use plenum_sip::endpoint::{Flow, FlowId, Transport, Via};
use plenum_sip::msg::{HeaderName, Headers, Method, Request, StatusCode, Uri};
use plenum_sip::registrar::{Change, Limits, Registrar, Unacceptable};
use proptest::prelude::*;

const AOR: &str = "sip:bob@example.com";
const NOW: u64 = 1_700_000_000;

fn flow(id: u64, transport: Transport) -> Flow {
    Flow {
        id: FlowId(id),
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.7:40000".parse().unwrap(),
    }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap()
}

fn register(call_id: &str, seq: u32, fields: &[(HeaderName, &str)]) -> Request {
    let mut request = Request::new(Method::Register, uri("sip:example.com"))
        .with(HeaderName::Via, "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa")
        .with(HeaderName::CallId, call_id)
        .with(HeaderName::CSeq, format!("{seq} REGISTER"));
    for (name, value) in fields {
        request = request.with(name.clone(), *value);
    }
    request
}

fn contact(value: &str) -> (HeaderName, &str) {
    (HeaderName::Contact, value)
}

struct Bed(Registrar);

impl Bed {
    fn new() -> Self {
        Self(Registrar::new(Limits::default(), [4; 32]))
    }

    fn try_on(&mut self, from: Flow, request: &Request) -> Result<Headers, Unacceptable> {
        let plan = self.0.register(NOW, AOR, request, &from, 77)?;
        self.0.commit(&plan);
        Ok(self.0.answer(NOW, &plan))
    }

    fn try_it(&mut self, request: &Request) -> Result<Headers, Unacceptable> {
        self.try_on(flow(1, Transport::Udp), request)
    }

    fn contacts(&self) -> Vec<String> {
        let living = self.0.living(NOW, AOR);
        living.map(|binding| binding.contact.to_string()).collect()
    }
}

#[test]
fn rfc3261_10_3_contacts_are_bound_refreshed_listed_and_removed() {
    let mut bed = Bed::new();
    let two = [
        contact("<sip:bob@198.51.100.7>;q=0.5, <sip:bob@198.51.100.8>;expires=120"),
        (HeaderName::Expires, "600"),
    ];
    let answer = bed.try_it(&register("a", 1, &two)).unwrap();
    let listed: Vec<String> = answer
        .get_all(&HeaderName::Contact)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        listed,
        [
            "<sip:bob@198.51.100.7>;expires=600;q=0.500",
            "<sip:bob@198.51.100.8>;expires=120"
        ]
    );
    assert_eq!(bed.0.len(), 2);
    let query = bed.try_it(&register("a", 2, &[])).unwrap();
    assert_eq!(query.get_all(&HeaderName::Contact).count(), 2);
    let one = [contact("<sip:bob@198.51.100.7>;expires=0")];
    bed.try_it(&register("a", 3, &one)).unwrap();
    assert_eq!(bed.contacts(), ["sip:bob@198.51.100.8"]);
    let star = [contact("*"), (HeaderName::Expires, "0")];
    bed.try_it(&register("a", 4, &star)).unwrap();
    assert!(bed.0.is_empty());
}

#[test]
fn rfc3261_10_3_bad_registers_change_nothing_and_say_why() {
    let mut bed = Bed::new();
    let good = [contact("<sip:bob@198.51.100.7>")];
    bed.try_it(&register("a", 5, &good)).unwrap();
    for (request, status) in [
        (register("a", 6, &[contact("*")]), 400),
        (register("a", 5, &good), 500),
        (
            register("a", 4, &[contact("*"), (HeaderName::Expires, "0")]),
            500,
        ),
        (register("a", 6, &[contact("<sip:b@h>;expires=5")]), 423),
        (register("a", 6, &[contact("<sip:b@h>;q=2")]), 400),
        (register("a", 6, &[contact("<tel:+49>")]), 400),
    ] {
        let refused = bed.try_it(&request).unwrap_err();
        assert_eq!(refused.status().code(), status, "{refused}");
        assert_eq!(bed.contacts(), ["sip:bob@198.51.100.7"]);
    }
    let brief = Unacceptable::TooBrief(60);
    assert_eq!(*brief.headers().get(&HeaderName::MinExpires).unwrap(), "60");
    let many: Vec<String> = (0..11).map(|n| format!("<sip:b@192.0.2.{n}>")).collect();
    let many = many.join(",");
    let refused = bed.try_it(&register("b", 1, &[contact(&many)]));
    assert_eq!(refused.unwrap_err(), Unacceptable::TooMany(10));
}

#[test]
fn rfc3261_10_3_bindings_expire_and_the_longest_time_is_bounded() {
    let mut bed = Bed::new();
    let fields = [
        contact("<sip:a@h>;expires=60"),
        contact("<sip:b@h>;expires=4000000000"),
    ];
    bed.try_it(&register("a", 1, &fields)).unwrap();
    assert_eq!(bed.0.next_timeout(), Some(NOW + 60));
    assert_eq!(bed.0.handle_timeout(NOW + 59), []);
    let ended = bed.0.handle_timeout(NOW + 60);
    assert!(matches!(&ended[..], [(aor, Change::Drop(_))] if aor == AOR));
    assert_eq!(bed.0.next_timeout(), Some(NOW + 7200));
}

const OUTBOUND: [(HeaderName, &str); 1] = [(HeaderName::Supported, "outbound, path, gruu")];

fn outbound(reg_id: u32, extra: &str) -> String {
    format!("<sip:bob@10.0.0.7;ob>;reg-id={reg_id};+sip.instance=\"<urn:uuid:1>\"{extra}")
}

#[test]
fn rfc5626_6_flows_are_bound_and_die_with_their_connection() {
    let mut bed = Bed::new();
    let first = outbound(1, "");
    let mut fields = OUTBOUND.to_vec();
    fields.push(contact(&first));
    let tcp = |id| flow(id, Transport::Tcp);
    let answer = bed.try_on(tcp(8), &register("a", 1, &fields)).unwrap();
    assert_eq!(*answer.get(&HeaderName::Require).unwrap(), "outbound");
    assert!(
        answer
            .iter()
            .any(|field| field.name.as_bytes() == b"Flow-Timer")
    );
    let second = outbound(2, "");
    fields[1] = contact(&second);
    bed.try_on(tcp(9), &register("b", 1, &fields)).unwrap();
    assert_eq!(bed.0.len(), 2);
    let found = bed.0.find(NOW, AOR, &uri(AOR));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].len(), 1, "one flow of a device is called");
    // A new connection with the same reg-id replaces the old one.
    bed.try_on(tcp(10), &register("b", 2, &fields)).unwrap();
    assert_eq!(bed.0.len(), 2);
    assert_eq!(bed.0.handle_flow_closed(FlowId(9)), [], "replaced before");
    assert_eq!(bed.0.handle_flow_closed(FlowId(10)).len(), 1);
    assert_eq!(bed.0.len(), 1);
    let ways = &bed.0.find(NOW, AOR, &uri(AOR))[0][0].ways;
    assert_eq!(ways[..], [Via::Flow(tcp(8))]);
}

#[test]
fn rfc5626_6_a_proxy_without_outbound_is_439() {
    let mut bed = Bed::new();
    let first = outbound(1, "");
    let mut fields = OUTBOUND.to_vec();
    fields.push(contact(&first));
    fields.push((HeaderName::Via, "SIP/2.0/UDP proxy;branch=z9hG4bKb"));
    let refused = bed.try_it(&register("a", 1, &fields)).unwrap_err();
    assert_eq!(refused.status(), StatusCode::FIRST_HOP_LACKS_OUTBOUND);
    fields.push((HeaderName::Path, "<sip:edge.example.com;lr;ob>"));
    let answer = bed.try_it(&register("a", 1, &fields)).unwrap();
    assert_eq!(answer.get_all(&HeaderName::Path).count(), 1);
    let found = &bed.0.find(NOW, AOR, &uri(AOR))[0][0];
    assert_eq!(found.route.len(), 1, "RFC 3327 §5.3: the Path is the route");
    assert!(found.ways.is_empty());
}

#[test]
fn rfc5627_gruus_lead_to_their_device() {
    let mut bed = Bed::new();
    let (one, two) = (
        "<sip:bob@198.51.100.7>;+sip.instance=\"<urn:uuid:1>\"",
        "<sip:bob@198.51.100.8>;+sip.instance=\"<urn:uuid:2>\"",
    );
    let fields = [contact(one), contact(two), OUTBOUND[0].clone()];
    let answer = bed.try_it(&register("a", 1, &fields)).unwrap();
    let first = answer.get(&HeaderName::Contact).unwrap().to_string();
    assert!(
        first.contains("pub-gruu=\"sip:bob@example.com;gr=urn:uuid:1\""),
        "{first}"
    );
    let found = bed
        .0
        .find(NOW, AOR, &uri("sip:bob@example.com;gr=urn:uuid:2"));
    assert_eq!(found.concat().len(), 1);
    assert_eq!(found[0][0].uri, uri("sip:bob@198.51.100.8"));
    let temporary = first.split("temp-gruu=\"sip:").nth(1).unwrap();
    let user = temporary.split('@').next().unwrap();
    let (aor, binding) = bed.0.of_temporary(user).unwrap();
    assert_eq!(
        (aor, binding.instance.as_deref()),
        (AOR, Some("urn:uuid:1"))
    );
    assert!(bed.0.of_temporary("tgruu.0").is_none());
}

#[test]
fn q_orders_the_groups_and_who_is_gone_after_a_restart_is_not_called() {
    let mut bed = Bed::new();
    let fields = [
        contact("<sip:a@192.0.2.1>;q=0.2"),
        contact("<sip:b@192.0.2.2>;q=0.8"),
        contact("<sip:c@192.0.2.3>;q=0.8"),
    ];
    bed.try_it(&register("a", 1, &fields)).unwrap();
    let sizes: Vec<usize> = bed
        .0
        .find(NOW, AOR, &uri(AOR))
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [2, 1]);
    let kept: Vec<_> = bed.0.living(NOW, AOR).cloned().collect();
    let mut again = Bed::new();
    for binding in kept {
        again.0.restore(AOR, binding).unwrap();
    }
    let found = again.0.find(NOW, AOR, &uri(AOR)).concat();
    assert_eq!(found.len(), 3);
    assert!(
        matches!(found[0].ways[..], [Via::Target(_)]),
        "UDP finds back"
    );
    again.0.forget(AOR);
    assert!(again.0.is_empty() && again.0.next_timeout().is_none());
}

proptest! {
    /// Whatever comes, the tables agree with each other and the bounds hold.
    #[test]
    fn the_tables_agree(steps in proptest::collection::vec(
        (0_u8..4, 0_u8..4, 0_u32..3, 0_u64..4, 0_u32..300), 1..60,
    )) {
        let limits = Limits { bindings: 6, contacts_per_user: 3, ..Limits::default() };
        let mut registrar = Registrar::new(limits, [1; 32]);
        let mut now = NOW;
        for (seq, (kind, user, device, connection, expires)) in (1_u32..).zip(steps) {
            let aor = format!("sip:{user}@example.com");
            now += 20;
            if kind == 3 {
                registrar.handle_flow_closed(FlowId(connection));
            } else {
                let text = format!(
                    "<sip:{device}@h>;reg-id={};+sip.instance=\"<urn:{device}>\";expires={expires}",
                    kind + 1
                );
                let fields = [contact(&text), OUTBOUND[0].clone()];
                let request = register("x", seq, &fields);
                let from = flow(connection, Transport::Tcp);
                if let Ok(plan) = registrar.register(now, &aor, &request, &from, 5) {
                    registrar.commit(&plan);
                }
            }
            registrar.handle_timeout(now);
            let bound: Vec<String> = registrar.bound().map(str::to_owned).collect();
            let living: usize = bound.iter().map(|aor| registrar.living(now, aor).count()).sum();
            prop_assert_eq!(living, registrar.len());
            prop_assert!(living <= 6);
            prop_assert!(bound.iter().all(|aor| registrar.living(now, aor).count() <= 3));
        }
        for connection in 0..4 {
            registrar.handle_flow_closed(FlowId(connection));
        }
        prop_assert!(registrar.is_empty(), "every flow is closed");
    }
}
