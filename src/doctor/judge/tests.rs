//! Each finding from the facts that lead to it, and none where all is well.

use super::*;
use crate::doctor::owner::Owner;
use plenum_media::ice::turn::TurnFailure;
use plenum_sip::endpoint::Transport;
use std::net::SocketAddr;

const OURS: &str = "192.0.2.10";

fn machine() -> selfcheck::Facts {
    selfcheck::Facts {
        ephemeral_ports: Some((32_768, 60_999)),
        open_files: 1 << 20,
        not_ours: Vec::new(),
    }
}

fn healthy() -> Facts {
    Facts {
        running: Some(true),
        addresses: vec![OURS.parse().unwrap()],
        synchronised: Some(true),
        ..Facts::default()
    }
}

fn nat() -> Facts {
    Facts {
        observed: Some(Ok("203.0.113.1:4000".parse().unwrap())),
        ..healthy()
    }
}

fn judge(text: &str, facts: &Facts) -> Vec<Finding> {
    findings(&Config::parse(text).unwrap(), facts, &machine())
}

/// The one finding about a subject.
fn about(subject: Subject, text: &str, facts: &Facts) -> (Severity, String) {
    let mut found = judge(text, facts);
    found.retain(|finding| finding.subject == subject);
    let [finding] = &found[..] else {
        panic!("{found:?}");
    };
    (finding.severity, finding.text.clone())
}

fn check(subject: Subject, text: &str, facts: &Facts, severity: Severity, remedy: &str) {
    let (found, said) = about(subject, text, facts);
    assert_eq!(found, severity, "{said}");
    assert!(said.contains(remedy), "{said}");
}

#[test]
fn a_healthy_server_has_only_good_findings() {
    let facts = Facts {
        ports: vec![(listen("udp:0.0.0.0:5060"), Port::Taken(None))],
        media_ports: (50, Vec::new()),
        ..healthy()
    };
    let found = judge("", &facts);
    assert!(
        found
            .iter()
            .all(|finding| finding.severity == Severity::Good),
        "{found:?}"
    );
}

fn listen(text: &str) -> crate::config::Listen {
    let config = Config::parse(&format!("[sip]\nlisten = [\"{text}\"]\n")).unwrap();
    config.sip.listen[0]
}

#[test]
fn ports_say_who_has_them() {
    let with = |running, port| Facts {
        running: Some(running),
        ports: vec![(listen("udp:0.0.0.0:5060"), port)],
        ..healthy()
    };
    let owner = |name: &str| {
        Port::Taken(Some(Owner {
            name: name.to_owned(),
            pid: 42,
        }))
    };
    use Severity::{Good, Serious};
    check(
        Subject::Ports,
        "",
        &with(true, owner("plenum")),
        Good,
        "is ours",
    );
    check(
        Subject::Ports,
        "",
        &with(false, owner("asterisk")),
        Serious,
        "asterisk (process 42)",
    );
    check(
        Subject::Ports,
        "",
        &with(false, Port::Taken(None)),
        Serious,
        "another user's",
    );
    check(
        Subject::Ports,
        "",
        &with(true, Port::Free),
        Serious,
        "restart it",
    );
    check(Subject::Ports, "", &with(false, Port::Free), Good, "free");
    let refused = Port::Refused("no such address".to_owned());
    check(
        Subject::Ports,
        "",
        &with(false, refused),
        Serious,
        "correct sip.listen",
    );
}

#[test]
fn media_ports_in_use_are_counted() {
    let with = |taken: usize| Facts {
        media_ports: (50, vec![20_000; taken]),
        ..healthy()
    };
    check(Subject::MediaPorts, "", &with(1), Severity::Note, "20000");
    check(
        Subject::MediaPorts,
        "",
        &with(20),
        Severity::Warning,
        "20 of 50",
    );
    check(
        Subject::MediaPorts,
        "",
        &with(50),
        Severity::Serious,
        "move media.ports",
    );
}

#[test]
fn behind_a_nat_contact_and_sdp_need_the_outer_address() {
    use Severity::{Good, Note, Serious};
    check(
        Subject::Contact,
        "",
        &nat(),
        Serious,
        "set sip.advertise = \"203.0.113.1\"",
    );
    check(
        Subject::Sdp,
        "",
        &nat(),
        Serious,
        "set media.advertise = [\"203.0.113.1\"]",
    );
    check(Subject::Stun, "", &nat(), Note, "behind a NAT");
    let right = "[sip]\nadvertise = \"203.0.113.1\"\n[media]\nadvertise = [\"203.0.113.1\"]\n";
    check(Subject::Contact, right, &nat(), Good, "leads here");
    check(Subject::Sdp, right, &nat(), Good, "leads here");
    let wrong = "[sip]\nadvertise = \"203.0.113.2\"\n[media]\nadvertise = [\"203.0.113.2\"]\n";
    check(
        Subject::Contact,
        wrong,
        &nat(),
        Serious,
        "we are seen as 203.0.113.1",
    );
    check(Subject::Sdp, wrong, &nat(), Serious, "to somebody else");
    check(Subject::Contact, wrong, &healthy(), Note, "media.stun");
    check(Subject::Sdp, wrong, &healthy(), Note, "media.stun");
    let direct = Facts {
        observed: Some(Ok(SocketAddr::new(OURS.parse().unwrap(), 4_000))),
        ..healthy()
    };
    check(Subject::Contact, wrong, &direct, Serious, "there is no NAT");
    check(Subject::Stun, "", &direct, Good, "no NAT");
}

#[test]
fn an_advertised_name_must_have_an_address() {
    let text = "[sip]\nadvertise = \"conf.example.com\"\n";
    let with = |name| Facts {
        advertised_name: Some(name),
        ..nat()
    };
    let none = with(Err("not found".to_owned()));
    check(
        Subject::Contact,
        text,
        &none,
        Severity::Serious,
        "A or AAAA",
    );
    let ours = with(Ok(vec!["203.0.113.1".parse().unwrap()]));
    check(Subject::Contact, text, &ours, Severity::Good, "leads here");
    let other = with(Ok(vec!["203.0.113.7".parse().unwrap()]));
    check(
        Subject::Contact,
        text,
        &other,
        Severity::Serious,
        "correct it",
    );
}

#[test]
fn stun_and_turn_that_do_not_help_are_named() {
    let text = "[media]\nstun = \"stun.example.com:3478\"\n";
    let silent = Facts {
        observed: Some(Err("no answer".to_owned())),
        ..healthy()
    };
    check(
        Subject::Stun,
        text,
        &silent,
        Severity::Warning,
        "stun.example.com:3478",
    );
    for (failure, remedy) in [
        (TurnFailure::NoAnswer, "check its address"),
        (TurnFailure::Credentials, "user name or password"),
        (TurnFailure::Refused(486), "486"),
    ] {
        let refused = Facts {
            relayed: Some(Err(failure)),
            ..healthy()
        };
        check(Subject::Turn, "", &refused, Severity::Serious, remedy);
    }
    let relayed = Facts {
        relayed: Some(Ok("203.0.113.5:50000".parse().unwrap())),
        ..healthy()
    };
    check(Subject::Turn, "", &relayed, Severity::Good, "203.0.113.5");
}

#[test]
fn rfc3263_domains_must_lead_to_a_port_where_we_listen() {
    use Severity::{Good, Serious, Warning};
    let target = |address: &str| Target {
        transport: Transport::Udp,
        remote: address.parse().unwrap(),
    };
    let with = |targets| Facts {
        domains: vec![("example.com".to_owned(), targets)],
        ..healthy()
    };
    let nowhere = with(Err("no such name".to_owned()));
    check(Subject::Dns, "", &nowhere, Serious, "_sip._udp.example.com");
    let here = with(Ok(vec![target("192.0.2.10:5060")]));
    check(Subject::Dns, "", &here, Good, "leads here");
    let other_port = with(Ok(vec![target("192.0.2.10:5080")]));
    check(Subject::Dns, "", &other_port, Serious, "port 5080");
    let elsewhere = with(Ok(vec![target("198.51.100.9:5060")]));
    check(Subject::Dns, "", &elsewhere, Warning, "198.51.100.9");
    let seen = Facts {
        observed: nat().observed,
        ..elsewhere
    };
    check(Subject::Dns, "", &seen, Serious, "not this machine");
}

#[test]
fn certificates_that_expire_or_are_for_others_are_named() {
    use Severity::{Good, Serious, Warning};
    let text = "[sip]\ndomains = [\"conf.example.com\"]\n";
    let with = |certificate| Facts {
        certificates: vec![("/etc/cert.pem".to_owned(), certificate)],
        ..healthy()
    };
    let read = |days, name: &str| {
        with(Certificate::Readable {
            days,
            names: vec![name.to_owned()],
        })
    };
    check(
        Subject::Certificate,
        text,
        &read(90, "conf.example.com"),
        Good,
        "90 days",
    );
    check(
        Subject::Certificate,
        text,
        &read(90, "*.example.com"),
        Good,
        "90 days",
    );
    check(
        Subject::Certificate,
        text,
        &read(13, "conf.example.com"),
        Warning,
        "renew it",
    );
    check(
        Subject::Certificate,
        text,
        &read(-2, "conf.example.com"),
        Serious,
        "expired 2 days",
    );
    check(
        Subject::Certificate,
        text,
        &read(90, "example.com"),
        Serious,
        "no certificate is for conf.example.com",
    );
    let unreadable = with(Certificate::Unreadable("permission denied".to_owned()));
    check(
        Subject::Certificate,
        text,
        &unreadable,
        Serious,
        "permission denied",
    );
}

#[test]
fn a_wrong_clock_is_told_with_its_error() {
    use Severity::{Good, Note, Serious, Warning};
    let with = |behind, ms| Facts {
        offset: Some(Ok(Offset {
            behind,
            by: Duration::from_millis(ms),
        })),
        ..healthy()
    };
    check(Subject::Clock, "", &with(true, 20), Good, "20 ms");
    check(
        Subject::Clock,
        "",
        &with(true, 2_500),
        Warning,
        "2.5 s slow",
    );
    check(
        Subject::Clock,
        "",
        &with(false, 90_000),
        Serious,
        "90.0 s fast",
    );
    let silent = Facts {
        offset: Some(Err("no answer".to_owned())),
        ..healthy()
    };
    check(Subject::Clock, "", &silent, Warning, "no answer");
    let nobody = Facts {
        synchronised: Some(false),
        ..healthy()
    };
    check(Subject::Clock, "", &nobody, Warning, "chrony");
    let unknown = Facts {
        synchronised: None,
        ..healthy()
    };
    check(Subject::Clock, "", &unknown, Note, "doctor.time_server");
}
