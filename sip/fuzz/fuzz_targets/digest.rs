//! What stands in a challenge and in credentials: read or refused, never believed without the
//! password, and never answered with what cannot be read back.

#![no_main]
#![expect(
    clippy::disallowed_methods,
    reason = "somebody has to say what time it is"
)]

use libfuzzer_sys::fuzz_target;
use plenum_sip::auth::{
    Asked, Authenticator, Challenge, Credentials, Ha1, Settings, Verdict, choose,
};
use plenum_sip::msg::{AuthParams, HeaderName, Method, Request, Text, Uri};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

const REALM: &str = "example.com";
/// Where the credentials come from.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// As a server: credentials nobody could know the password for.
fn judge(value: &Text) {
    let Some(uri) = Uri::parse(b"sip:example.com").ok() else {
        return;
    };
    let request =
        Request::new(Method::Register, uri).with(HeaderName::Authorization, value.clone());
    let now = Instant::now();
    let mut judge = Authenticator::new(Settings::default(), [5; 32], now);
    let verdict = judge.check(now, (&request, PEER), REALM, |name, hash| {
        Some(Ha1::new(hash, name, REALM, "2f9a0c1e77d84b5e"))
    });
    assert!(!matches!(verdict, Verdict::Granted(_)), "{verdict:?}");
    assert_eq!(judge.counted_nonces(), 0);
}

/// As a client: what a server asks is printed as it was read, and its answer can be read.
fn answer(params: &AuthParams) {
    let credentials = Credentials::password("alice", "secret \"and\" more");
    for challenge in choose(std::slice::from_ref(params)) {
        let printed = AuthParams::parse(&challenge.print());
        let again = printed.map(|params| Challenge::read(&params));
        assert!(matches!(again, Ok(Ok(again)) if again == challenge));
        let asked = Asked {
            method: &Method::Register,
            uri: "sip:example.com",
            body: b"",
        };
        let Some(credential) = credentials.of_realm(&challenge.realm) else {
            continue;
        };
        if let Some(said) = challenge.answer(credential, &asked, 1, "c") {
            assert!(AuthParams::parse(&said).is_ok());
            judge(&said);
        }
    }
}

fuzz_target!(|octets: &[u8]| {
    // A header field's value has no line ends and no NUL: the parser of messages sees to that.
    if octets
        .iter()
        .any(|octet| matches!(octet, b'\r' | b'\n' | 0))
    {
        return;
    }
    let value = Text::from(octets.to_vec());
    judge(&value);
    if let Ok(params) = AuthParams::parse(&value) {
        answer(&params);
    }
});
