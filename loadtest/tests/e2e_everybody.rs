//! All kinds of callers in one conference on a public address: a plain phone behind a NAT, a caller who dials the number of
//! a trunk, a phone that must encrypt, behind a stricter NAT, and a browser at home.
//!
//! Needs root, `ip` and `nft`: without them the test fails and says so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Account, Baresip, Recording, Way};
use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::internet::{
    Home, Internet, Mapping, Namespace, PROVIDER, SERVER, SUBSCRIBER,
};
use plenum_loadtest::peer::join_page;
use plenum_loadtest::peer::kamailio::{Kamailio, Provision};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use std::net::IpAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NUMBER: &str = "+4930123";

/// What each one says, Hz.
const PHONE: f64 = 440.0;
const CALLER: f64 = 620.0;
const SECURE: f64 = 1000.0;
const BROWSER: f64 = 1570.0;
const ALL: [f64; 4] = [PHONE, CALLER, SECURE, BROWSER];

fn tone(hz: f64) -> Signal {
    Signal::Tone { hz, dbfs: -20.0 }
}

fn provider(internet: &Internet) -> Kamailio {
    let provision = Provision {
        users: vec![("line1", "secret-1"), ("ann", "secret-a")],
        numbers: vec![(NUMBER, "line1")],
        certified: None,
    };
    let start = || Kamailio::start_at(PROVIDER.to_string(), &provision).unwrap();
    internet.public.within(start).unwrap()
}

fn server(internet: &Internet) -> Server {
    let trunk = format!(
        "[[trunk]]\nname = \"tel\"\nserver = \"{PROVIDER}\"\nregister = true\nuser = \"line1\"\n\
         password = \"secret-1\"\ncountry = \"49\"\n[trunk.numbers]\n\"030 123\" = \"standup\"\n"
    );
    let settings = ServerSettings {
        ip: SERVER.to_string(),
        http: format!("public_listen = \"{SERVER}:8443\"\n"),
        rest: format!("[join]\nbrowser = true\n[[conference]]\nname = \"standup\"\n{trunk}"),
        ..ServerSettings::default()
    };
    let start = || Server::start(&program().unwrap(), &settings).unwrap();
    internet.public.within(start).unwrap()
}

/// What a command of the program says.
fn plenum(place: &Namespace, server: &Server, arguments: &[&str]) -> String {
    let said = place.within(|| server.operate(arguments, "")).unwrap();
    said.unwrap_or_else(|error| error)
}

/// Waits until a command of the program says this.
fn await_words(place: &Namespace, server: &Server, arguments: &[&str], words: &str) {
    let mut said = String::new();
    for _ in 0..100 {
        said = plenum(place, server, arguments);
        if said.contains(words) {
            return;
        }
        std::thread::sleep(SECOND / 5);
    }
    panic!("never {words:?}:\n{said}\n{}", server.log());
}

fn phone(home: &Home, codec: Codec, hz: f64, media: &str) -> Baresip {
    let way = way(home.address, media);
    let start = || Baresip::start_over(codec, tone(hz), &way).unwrap();
    home.inside.within(start).unwrap()
}

fn way(address: IpAddr, media: &str) -> Way {
    Way {
        media: media.to_owned(),
        address,
        ..Way::default()
    }
}

fn caller(internet: &Internet, provider: &Kamailio) -> Baresip {
    let account = Account {
        registrar: provider.address(),
        user: "ann",
        password: "secret-a",
    };
    let way = way(SUBSCRIBER, "");
    let start = || Baresip::subscribe_over(Codec::Pcma, tone(CALLER), &account, &way).unwrap();
    internet.public.within(start).unwrap()
}

/// A browser at home opens the link of the conference and joins.
fn browser(home: &Home, server: &Server) -> Chromium {
    let start = || Chromium::start(tone(BROWSER)).unwrap();
    let mut browser = home.inside.within(start).unwrap();
    if let Err(error) = join_page::join(&mut browser, SERVER, "standup", "Ann Example") {
        panic!("{error}\n{}", server.log());
    }
    browser
}

/// Three seconds from the end of what somebody heard, when all were there: the three others at their level all the time,
/// the own tone 45 dB under them at least.
fn judge(name: &str, heard: &Recording, own: f64) {
    let count = |seconds: u32| usize::try_from(heard.rate * seconds).unwrap();
    let end = heard.samples.len().saturating_sub(count(1) / 2);
    let part = &heard.samples[end.saturating_sub(count(3))..end];
    assert!(part.len() > count(2), "{name}: too little was recorded");
    for hz in ALL {
        let level = tones::level(part, heard.rate, hz);
        if hz == own {
            assert!(level.dbfs < -65.0, "{name} hears itself at {level:?}");
        } else {
            assert!((level.dbfs + 20.0).abs() < 2.0, "{name} hears {level:?}");
            assert!(level.present > 0.97, "{name} hears {level:?} now and then");
        }
    }
}

#[test]
fn a_phone_behind_nat_a_trunk_caller_a_secure_phone_and_a_browser_hear_exactly_each_other() {
    let mut internet = Internet::new().unwrap();
    let usual = internet.home(Mapping::Kept).unwrap();
    let strict = internet.home(Mapping::Symmetric).unwrap();
    let office = internet.home(Mapping::Kept).unwrap();
    let provider = provider(&internet);
    let server = server(&internet);
    let uri = format!("sip:standup@{}", server.sip());
    await_words(
        &internet.public,
        &server,
        &["trunk", "list"],
        "registered for",
    );
    let mut plain = phone(&usual, Codec::Pcmu, PHONE, "");
    let mut secure = phone(&strict, Codec::Opus, SECURE, ";mediaenc=srtp-mand");
    let mut caller = caller(&internet, &provider);
    plain.call(&uri).unwrap();
    secure.call(&uri).unwrap();
    let dialled = format!("sip:{NUMBER}@{}", provider.address());
    caller.call(&dialled).unwrap();
    let mut browser = browser(&office, &server);
    std::thread::sleep(2 * SECOND);
    let in_browser = browser.listen(4 * SECOND).unwrap();
    let roster = plenum(
        &internet.public,
        &server,
        &["conference", "show", "standup"],
    );
    for who in ["sip:ann@", "Ann Example"] {
        assert!(roster.contains(who), "{who} is not in\n{roster}");
    }
    let hears = |phone: &Baresip| {
        let heard = phone.heard();
        heard.unwrap_or_else(|error| panic!("{error}\n{}\n{}", phone.log(), server.log()))
    };
    judge("the browser", &in_browser, BROWSER);
    judge("the phone behind a NAT", &hears(&plain), PHONE);
    judge("the phone with SRTP", &hears(&secure), SECURE);
    judge("the caller of the trunk", &hears(&caller), CALLER);
    assert!(browser.console().is_empty(), "{:?}", browser.console());
}
