//! RFC 3263 §4 against zones written down here.

use plenum_sip::endpoint::{Target, Transport};
use plenum_sip::msg::Uri;
use plenum_sip::resolve::{Answer, Lookup, Naptr, NextHop, Policy, Question, Srv};
use std::sync::Arc;

/// What DNS knows: `naptr name order pref flags service replacement`, `srv name prio weight port
/// target`, `addr name ip`.
const ZONE: &str = "
    naptr full.test 20 5 s SIP+D2U _sip._udp.u.test
    naptr full.test 10 9 s SIPS+D2T _sips._tcp.s.test
    naptr full.test 10 1 S sip+d2t _sip._tcp.t.test
    naptr full.test 1 1 u E2U+sip nowhere.test
    naptr useless.test 1 1 s SIP+D2S _sip._sctp.useless.test
    srv _sip._udp.u.test 1 0 5070 h4.test
    srv _sip._tcp.t.test 2 0 5080 h6.test
    srv _sip._tcp.t.test 1 0 5090 both.test
    srv _sips._tcp.s.test 1 0 5061 h4.test
    srv _sip._tcp.srv.test 1 0 6000 h4.test
    srv _sip._udp.srv.test 1 0 6001 h4.test
    srv _sip._udp.useless.test 1 0 6002 h4.test
    srv _sip._udp.never.test 0 0 0 .
    srv _sip._udp.dangling.test 0 0 5060 missing.test
    srv _sip._udp.dangling.test 1 0 5060 h4.test
    addr h4.test 192.0.2.4
    addr h6.test 2001:db8::6
    addr both.test 2001:db8::1
    addr both.test 192.0.2.1
    addr never.test 192.0.2.9
    addr plain.test 192.0.2.7
    addr many.test 192.0.2.10
    addr many.test 192.0.2.10
";

fn answer(question: &Question) -> Answer {
    let rows = |kind: &str, name: &str| -> Vec<Vec<&str>> {
        let rows = ZONE
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row.len() > 2 && row[0] == kind && row[1] == name)
            .collect()
    };
    let number = |text: &str| text.parse().unwrap();
    match question {
        Question::Naptr(name) => Answer::Naptr(
            rows("naptr", name)
                .iter()
                .map(|row| Naptr {
                    order: number(row[2]),
                    preference: number(row[3]),
                    flags: row[4].into(),
                    service: row[5].into(),
                    replacement: row[6].into(),
                })
                .collect(),
        ),
        Question::Srv(name) => Answer::Srv(
            rows("srv", name)
                .iter()
                .map(|row| Srv {
                    priority: number(row[2]),
                    weight: number(row[3]),
                    port: number(row[4]),
                    target: row[5].trim_matches('.').into(),
                })
                .collect(),
        ),
        Question::Addresses(name) => Answer::Addresses(
            rows("addr", name)
                .iter()
                .map(|row| row[2].parse().unwrap())
                .collect(),
        ),
    }
}

fn policy(transports: &[Transport]) -> Arc<Policy> {
    Arc::new(Policy {
        transports: transports.into(),
        v4: true,
        v6: true,
        targets: 4,
    })
}

/// The targets in words, or `None` if the URI cannot be served; and how many questions it took.
fn locate(uri: &str, policy: &Arc<Policy>) -> Option<(Vec<String>, usize)> {
    let hop = NextHop::new(&uri.parse::<Uri>().unwrap())?;
    let mut lookup = Lookup::new(hop, Arc::clone(policy))?;
    let mut questions = 0;
    while let Some(question) = lookup.question() {
        questions += 1;
        assert!(questions < 20, "{uri} asks without end");
        lookup.handle_answer(answer(&question), |_| 0);
    }
    let words = |target: Target| format!("{:?} {}", target.transport, target.remote).to_lowercase();
    Some((
        lookup.into_targets().into_iter().map(words).collect(),
        questions,
    ))
}

fn check(policy: &Arc<Policy>, cases: &[(&str, usize, &[&str])]) {
    for (uri, questions, targets) in cases {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        assert_eq!(locate(uri, policy), Some((targets, *questions)), "{uri}");
    }
}

#[test]
fn rfc3263_4_numeric_hosts_ask_nothing() {
    check(
        &policy(&[Transport::Udp, Transport::Tcp, Transport::Tls]),
        &[
            ("sip:192.0.2.1", 0, &["udp 192.0.2.1:5060"]),
            ("sip:a@192.0.2.1:5070", 0, &["udp 192.0.2.1:5070"]),
            ("sip:a@192.0.2.1;transport=TCP", 0, &["tcp 192.0.2.1:5060"]),
            (
                "sip:[2001:db8::1]:5070;transport=tcp",
                0,
                &["tcp [2001:db8::1]:5070"],
            ),
            ("sips:192.0.2.1", 0, &["tls 192.0.2.1:5061"]),
            ("sips:192.0.2.1;transport=tcp", 0, &["tls 192.0.2.1:5061"]),
            ("sip:full.test;maddr=192.0.2.8", 0, &["udp 192.0.2.8:5060"]),
        ],
    );
}

#[test]
fn rfc3263_4_1_names_go_through_naptr_srv_and_addresses() {
    let both = ["udp 192.0.2.4:6001", "tcp 192.0.2.4:6000"];
    check(
        &policy(&[Transport::Udp, Transport::Tcp]),
        &[
            ("sip:plain.test:5070", 1, &["udp 192.0.2.7:5070"]),
            (
                "sip:plain.test:5070;transport=tcp",
                1,
                &["tcp 192.0.2.7:5070"],
            ),
            ("sip:plain.test", 4, &["udp 192.0.2.7:5060"]),
            ("sip:PLAIN.test.;transport=tcp", 2, &["tcp 192.0.2.7:5060"]),
            ("sip:srv.test", 5, &both),
            ("sip:srv.test;transport=tcp", 2, &["tcp 192.0.2.4:6000"]),
            // TCP by order, its SRVs by priority, IPv4 before IPv6, then UDP; TLS is not ours.
            (
                "sip:full.test",
                6,
                &[
                    "tcp 192.0.2.1:5090",
                    "tcp [2001:db8::1]:5090",
                    "tcp [2001:db8::6]:5080",
                    "udp 192.0.2.4:5070",
                ],
            ),
            ("sip:useless.test", 4, &["udp 192.0.2.4:6002"]),
            ("sip:dangling.test", 5, &["udp 192.0.2.4:5060"]),
            ("sip:many.test:5060", 1, &["udp 192.0.2.10:5060"]),
            ("sip:unknown.test", 4, &[]),
        ],
    );
}

#[test]
fn rfc2782_a_service_that_is_declined_is_not_looked_for_elsewhere() {
    check(&policy(&[Transport::Udp]), &[("sip:never.test", 2, &[])]);
}

#[test]
fn rfc3261_26_2_2_sips_takes_secure_transports_only() {
    let all = policy(&[Transport::Udp, Transport::Tcp, Transport::Tls]);
    check(&all, &[("sips:full.test", 3, &["tls 192.0.2.4:5061"])]);
    check(&all, &[("sips:plain.test", 3, &["tls 192.0.2.7:5061"])]);
    assert_eq!(locate("sips:plain.test;transport=udp", &all), None);
    assert_eq!(
        locate(
            "sips:plain.test",
            &policy(&[Transport::Udp, Transport::Tcp])
        ),
        None
    );
}

#[test]
fn what_we_cannot_do_is_refused_before_any_question() {
    let tcp = Arc::new(Policy {
        v6: false,
        ..(*policy(&[Transport::Tcp])).clone()
    });
    for uri in [
        "tel:+4930123",
        "sip:192.0.2.1",
        "sip:[2001:db8::1];transport=tcp",
        "sip:plain.test;transport=sctp",
        "sip:plain.test;transport=udp",
    ] {
        assert_eq!(locate(uri, &tcp), None, "{uri}");
    }
    check(
        &tcp,
        &[(
            "sip:both.test:5060;transport=tcp",
            1,
            &["tcp 192.0.2.1:5060"],
        )],
    );
    check(&tcp, &[("sip:plain.test", 3, &["tcp 192.0.2.7:5060"])]);
}
