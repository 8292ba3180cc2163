//! Trunks against Kamailio as the provider: registration, calls in and out, failures and recovery.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::clock;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Account, Baresip, Recording};
use plenum_loadtest::peer::dns::{Dns, Record};
use plenum_loadtest::peer::kamailio::{Kamailio, Provision};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use std::time::Duration;

const LOW: f64 = 440.0;
const HIGH: f64 = 1000.0;
const DID: &str = "+4930123";
const PHONE: &str = "+4930777";

fn provider() -> Kamailio {
    certified(None)
}

fn certified(certified: Option<&'static str>) -> Kamailio {
    let provision = Provision {
        users: vec![
            ("line1", "secret-1"),
            ("ann", "secret-a"),
            (PHONE, "secret-p"),
        ],
        numbers: vec![(DID, "line1")],
        certified,
    };
    Kamailio::start(&provision).unwrap()
}

/// A trunk that registers as `line1`; quick to notice and to try again.
fn trunk(name: &str, server: &str, more: &str) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\nserver = \"{server}\"\nregister = true\nuser = \"line1\"\n\
         country = \"49\"\nretry_s = 1\noptions_s = 1\n{more}\n\
         [trunk.numbers]\n\"030 123\" = \"board\"\n"
    )
}

fn rule(trunks: &str) -> String {
    format!("[[dial_rule]]\nprefix = \"+49\"\ntrunks = [{trunks}]\n")
}

fn start(rest: String, sip: String) -> Server {
    let settings = ServerSettings {
        rest,
        sip: format!("t1_ms = 50\n{sip}"),
        ..ServerSettings::default()
    };
    Server::start(&program().unwrap(), &settings).unwrap()
}

/// Waits until `plenum trunk list` says this.
fn await_list(server: &Server, within: u64, fits: impl Fn(&str) -> bool) -> String {
    let end = clock::now() + Duration::from_secs(within);
    loop {
        let text = server.operate(&["trunk", "list"], "").unwrap();
        if fits(&text) {
            return text;
        }
        assert!(clock::now() < end, "not in time:\n{text}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn registered(text: &str) -> bool {
    text.contains("registered for")
}

fn tone(hz: f64) -> Signal {
    Signal::Tone { hz, dbfs: -20.0 }
}

fn ann(provider: &Kamailio) -> Baresip {
    let account = Account {
        registrar: provider.address(),
        user: "ann",
        password: "secret-a",
    };
    Baresip::subscribe(Codec::Pcma, tone(LOW), &account).unwrap()
}

/// Two seconds of the tone at its level without a break; the two calls do not begin and end together.
fn hears(name: &str, heard: &Recording, hz: f64) {
    let second = usize::try_from(heard.rate).unwrap();
    let windows = heard.samples.windows(2 * second).step_by(second / 4);
    let levels: Vec<_> = windows
        .map(|part| tones::level(part, heard.rate, hz))
        .collect();
    let steady = |level: &tones::ToneLevel| (level.dbfs + 20.0).abs() < 2.0 && level.present > 0.97;
    assert!(levels.iter().any(steady), "{name} hears {levels:?}");
}

/// Somebody dials the number of the trunk, somebody else is in the conference: both hear.
fn call_the_number(server: &Server, provider: &Kamailio) {
    let mut inside = Baresip::start(Codec::Pcmu, tone(HIGH)).unwrap();
    inside.call(&format!("sip:board@{}", server.sip())).unwrap();
    let mut caller = ann(provider);
    caller
        .call(&format!("sip:{DID}@{}", provider.address()))
        .unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let roster = server
        .operate(&["conference", "show", "board"], "")
        .unwrap();
    let (caller, inside) = (caller.finish().unwrap(), inside.finish().unwrap());
    hears("the caller", &caller, HIGH);
    hears("who is inside", &inside, LOW);
    assert!(
        roster.contains("sip:ann@"),
        "the caller has a name:\n{roster}"
    );
}

#[test]
fn rfc3261_10_2_a_registered_line_is_called_by_its_number_and_leads_to_the_conference() {
    let provider = provider();
    let rest = trunk("tel", provider.address(), "password = \"secret-1\"");
    let server = start(rest, String::new());
    await_list(&server, 10, registered);
    call_the_number(&server, &provider);
}

#[test]
fn a_number_that_is_nowhere_is_404() {
    let provider = provider();
    let rest = trunk("tel", provider.address(), "password = \"secret-1\"");
    let rest = rest.replace("030 123", "030 999");
    let server = start(rest, String::new());
    await_list(&server, 10, registered);
    let mut caller = ann(&provider);
    caller
        .command("dial", &format!("sip:{DID}@{}", provider.address()))
        .unwrap();
    caller
        .await_event("CALL_CLOSED", Duration::from_secs(10))
        .unwrap();
    assert!(caller.log().contains("404"), "{}", caller.log());
    assert!(
        server.log().contains("no entry in `numbers`"),
        "{}",
        server.log()
    );
    let secret = "what knows the trunk again is nobody's to read";
    assert!(
        !server.log().contains("line="),
        "{secret}: {}",
        server.log()
    );
}

#[test]
fn rfc3261_22_3_a_telephone_is_called_through_the_provider_with_digest() {
    let provider = provider();
    let more = "password = \"secret-1\"\nredirects = 1";
    let rest = trunk("tel", provider.address(), more) + &rule("\"tel\"");
    let server = start(rest, String::new());
    await_list(&server, 10, registered);
    let account = Account {
        registrar: provider.address(),
        user: PHONE,
        password: "secret-p",
    };
    let phone = Baresip::subscribe(Codec::Pcma, tone(LOW), &account).unwrap();
    let mut inside = Baresip::start(Codec::Pcmu, tone(HIGH)).unwrap();
    inside.call(&format!("sip:board@{}", server.sip())).unwrap();
    let called = server.operate(&["call", "board", "030 777"], "");
    assert!(
        called.is_ok(),
        "{called:?}\n{}\n{}",
        server.log(),
        provider.log()
    );
    std::thread::sleep(Duration::from_secs(5));
    let list = server.operate(&["trunk", "list"], "").unwrap();
    let (phone, inside) = (phone.finish().unwrap(), inside.finish().unwrap());
    hears("the phone", &phone, HIGH);
    hears("who is inside", &inside, LOW);
    assert!(list.contains("0   1"), "the call is counted:\n{list}");

    let text = server.operate(&["call", "board", "+44 1"], "").unwrap_err();
    assert!(text.contains("no rule allows"), "{text}");
    let around = format!("sip:{PHONE}9@{}", provider.address());
    let text = server.operate(&["call", "board", &around], "").unwrap_err();
    assert!(text.contains("404"), "by the rule, not around it: {text}");
}

#[test]
fn a_wrong_password_is_said_with_its_remedy() {
    let provider = provider();
    let server = start(
        trunk("tel", provider.address(), "password = \"wrong\""),
        String::new(),
    );
    let list = await_list(&server, 10, |text| text.contains("failed"));
    assert!(list.contains("check `user` and `password`"), "{list}");
    assert!(
        !server.log().contains("wrong\""),
        "the password is in the log"
    );
    let without = start(trunk("tel", provider.address(), ""), String::new());
    let list = await_list(&without, 10, |text| text.contains("failed"));
    assert!(list.contains("set `user` and `password`"), "{list}");
}

#[test]
fn a_name_that_is_not_found_is_said() {
    let dns = Dns::start(Vec::new()).unwrap();
    let nameservers = format!("nameservers = [\"{}\"]", dns.address());
    let server = start(trunk("tel", "nowhere.test", ""), nameservers);
    let list = await_list(&server, 20, |text| text.contains("failed"));
    assert!(list.contains("cannot be found in the DNS"), "{list}");
}

#[test]
fn rfc5626_4_5_a_provider_that_comes_back_is_registered_with_again() {
    let mut provider = provider();
    let rest = trunk("tel", provider.address(), "password = \"secret-1\"");
    let server = start(rest, String::new());
    await_list(&server, 10, registered);
    provider.stop().unwrap();
    let list = await_list(&server, 20, |text| text.contains("(down)"));
    assert!(list.contains(" no "), "{list}");
    provider.resume().unwrap();
    await_list(&server, 20, |text| {
        registered(text) && !text.contains("(down)")
    });
    std::thread::sleep(Duration::from_secs(2));
    call_the_number(&server, &provider);
}

#[test]
fn rfc3263_4_3_the_next_server_takes_over() {
    let (mut first, second) = (provider(), provider());
    let service = "_sip._udp.provider.test".to_owned();
    let zone = vec![
        (
            service.clone(),
            Record::Srv(10, 5060, "one.provider.test".to_owned()),
        ),
        (
            service,
            Record::Srv(20, 5060, "two.provider.test".to_owned()),
        ),
        (
            "provider.test".to_owned(),
            Record::A("127.0.0.1".parse().unwrap()),
        ),
        (
            "one.provider.test".to_owned(),
            Record::A(first.address().parse().unwrap()),
        ),
        (
            "two.provider.test".to_owned(),
            Record::A(second.address().parse().unwrap()),
        ),
    ];
    let dns = Dns::start(zone).unwrap();
    let nameservers = format!("nameservers = [\"{}\"]", dns.address());
    let rest = trunk("tel", "provider.test", "password = \"secret-1\"");
    let server = start(rest, nameservers);
    await_list(&server, 10, registered);
    first.stop().unwrap();
    await_list(&server, 20, |text| text.contains("(down)"));
    await_list(&server, 20, registered);
    call_the_number(&server, &second);
}

#[test]
fn a_trunk_that_does_not_answer_is_down_and_the_next_one_is_called() {
    let provider = provider();
    let dead = "[[trunk]]\nname = \"dead\"\nserver = \"127.0.0.1:9\"\noptions_s = 1\n";
    let good = trunk("good", provider.address(), "password = \"secret-1\"");
    let server = start(
        format!("{dead}{good}{}", rule("\"dead\", \"good\"")),
        String::new(),
    );
    await_list(&server, 20, |text| {
        registered(text) && text.contains("(down)")
    });
    let account = Account {
        registrar: provider.address(),
        user: PHONE,
        password: "secret-p",
    };
    let _phone = Baresip::subscribe(Codec::Pcma, tone(LOW), &account).unwrap();
    let called = server.operate(&["call", "board", PHONE], "");
    assert!(called.is_ok(), "{called:?}\n{}", server.log());
}

#[test]
fn rfc3261_10_2_2_a_drain_removes_the_registration() {
    let provider = provider();
    let rest = trunk("tel", provider.address(), "password = \"secret-1\"");
    let mut server = start(rest, String::new());
    await_list(&server, 10, registered);
    server.terminate().unwrap();
    let ended = server.wait(Duration::from_secs(15)).unwrap();
    assert!(ended.is_some_and(|status| status.success()));
    assert!(
        server.log().contains("registration removed"),
        "{}",
        server.log()
    );
    let mut caller = ann(&provider);
    caller
        .command("dial", &format!("sip:{DID}@{}", provider.address()))
        .unwrap();
    caller
        .await_event("CALL_CLOSED", Duration::from_secs(10))
        .unwrap();
    assert!(caller.log().contains("480"), "{}", caller.log());
}

#[test]
fn rfc3261_18_a_line_over_tcp_is_registered_and_called() {
    let provider = provider();
    let over_tcp = format!("{};transport=tcp", provider.address());
    let server = start(
        trunk("tel", &over_tcp, "password = \"secret-1\""),
        String::new(),
    );
    let list = await_list(&server, 10, registered);
    assert!(list.contains("tcp:"), "{list}");
    call_the_number(&server, &provider);
}

/// A server with TLS that looks `provider.test` up and trusts that provider's certificate.
fn over_tls(provider: &Kamailio, dns: &Dns) -> Server {
    let settings = ServerSettings {
        rest: trunk(
            "tel",
            "provider.test:5061;transport=tls",
            "password = \"secret-1\"",
        ),
        sip: format!("t1_ms = 50\nnameservers = [\"{}\"]", dns.address()),
        transports: vec!["tls"],
        tls: format!("ca_files = [\"{}\"]\n", provider.certificate().display()),
        ..ServerSettings::default()
    };
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn zone(provider: &Kamailio) -> Dns {
    let ip = provider.address().parse().unwrap();
    Dns::start(vec![("provider.test".to_owned(), Record::A(ip))]).unwrap()
}

#[test]
fn rfc3261_26_a_line_over_tls_is_registered_and_called() {
    let provider = certified(Some("provider.test"));
    let dns = zone(&provider);
    let server = over_tls(&provider, &dns);
    let list = await_list(&server, 10, registered);
    assert!(list.contains("tls:"), "{list}");
    call_the_number(&server, &provider);
}

#[test]
fn rfc5922_7_3_a_provider_with_the_certificate_of_another_is_not_registered_with() {
    let provider = certified(Some("other.test"));
    let dns = zone(&provider);
    let server = over_tls(&provider, &dns);
    let list = await_list(&server, 20, |text| text.contains("failed"));
    assert!(list.contains("certificate"), "{list}");
    assert!(server.log().contains("certificate"), "{}", server.log());
}

#[test]
fn a_reload_brings_trunks_changes_them_and_takes_them_away() {
    let provider = provider();
    let mut server = start(String::new(), String::new());
    let file = server.folder().join("plenum.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let listed = |name: &str, fits: &dyn Fn(&str) -> bool| {
        await_list(&server, 15, |text| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.is_some_and(fits)
        });
    };
    let write = |sections: &str| std::fs::write(&file, format!("{before}{sections}")).unwrap();
    let reload = |sections: &str| {
        write(sections);
        server.reload().unwrap();
    };
    reload(&trunk("tel", provider.address(), "password = \"secret-1\""));
    listed("tel", &registered);
    call_the_number(&server, &provider);
    // Another password: registered anew, without success.
    reload(&trunk("tel", provider.address(), "password = \"wrong\""));
    listed("tel", &|line| line.contains("failed"));
    // Another name, and the right one again.
    reload(&trunk("new", provider.address(), "password = \"secret-1\""));
    listed("new", &registered);
    let text = server.operate(&["trunk", "list"], "").unwrap();
    assert!(!text.contains("tel "), "{text}");
    // Nonsense changes nothing.
    reload("[[trunk]]\nname = \"broken\"\n");
    std::thread::sleep(Duration::from_secs(1));
    // The command reads the file as well.
    write("");
    listed("new", &registered);
    call_the_number(&server, &provider);
    reload("");
    await_list(&server, 15, |text| !text.contains("new "));
    let mut caller = ann(&provider);
    caller
        .command("dial", &format!("sip:{DID}@{}", provider.address()))
        .unwrap();
    caller
        .await_event("CALL_CLOSED", Duration::from_secs(10))
        .unwrap();
    assert!(caller.log().contains("480"), "{}", caller.log());
    assert!(server.alive());
}
