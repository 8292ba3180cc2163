//! Digest between our client and our server, and with what others send (RFC 7616, RFC 8760).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may, and starts at any instant"
)]

use plenum_sip::auth::{
    Algorithm, Asked, Authenticator, Challenge, ChallengeError, Credential, Credentials, Denied,
    Ha1, Hash, Secret, Settings, Verdict, Worthless, choose,
};
use plenum_sip::msg::{AuthParams, HeaderName, Method, Request, Text, Uri};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const REALM: &str = "example.com";
const PASSWORD: &str = "Zirkel \"und\" Kreis – ω";

/// To whom challenges are sent.
const PEER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Bed {
    judge: Authenticator,
    now: Instant,
}

impl Bed {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            judge: Authenticator::new(settings, [5; 32], now),
            now,
        }
    }

    fn challenges(&mut self) -> Vec<AuthParams> {
        let values = self.judge.challenge(self.now, REALM, false, PEER);
        values.iter().map(parse).collect()
    }

    fn check(&mut self, request: &Request) -> Verdict {
        let presented = (request, PEER);
        self.judge.check(self.now, presented, REALM, |name, hash| {
            (name == "alice").then(|| Ha1::new(hash, name, REALM, PASSWORD))
        })
    }
}

fn parse(value: &Text) -> AuthParams {
    AuthParams::parse(value).unwrap()
}

fn request(body: &str) -> Request {
    let uri = Uri::parse(b"sip:standup@example.com").unwrap();
    Request::new(Method::Invite, uri).with_body("application/sdp", body.to_owned())
}

fn answered(request: &Request, challenge: &Challenge, who: &Credential, nc: u32) -> Request {
    let uri = request.uri.to_string();
    let asked = Asked {
        method: &request.method,
        uri: &uri,
        body: &request.body,
    };
    let value = challenge.answer(who, &asked, nc, "c\"n").unwrap();
    request.clone().with(HeaderName::Authorization, value)
}

fn alice() -> Credential {
    let credentials = Credentials::password("alice", PASSWORD);
    credentials.of_realm(REALM).unwrap().clone()
}

fn settings(algorithm: Algorithm) -> Settings {
    Settings {
        algorithms: vec![algorithm],
        ..Settings::default()
    }
}

#[test]
fn rfc7616_every_algorithm_is_answered_and_judged() {
    for hash in Hash::ALL {
        for session in [false, true] {
            let mut bed = Bed::new(settings(Algorithm { hash, session }));
            let challenge = choose(&bed.challenges()).remove(0);
            assert_eq!(challenge.algorithm, Algorithm { hash, session });
            let right = answered(&request("v=0"), &challenge, &alice(), 1);
            let Verdict::Granted(granted) = bed.check(&right) else {
                panic!("{hash:?} {session}");
            };
            assert_eq!(granted.username, "alice");
            let info = granted.info(b"").unwrap().to_string();
            assert!(
                info.contains("rspauth=\"") && info.contains("nc=00000001"),
                "{info}"
            );
            assert!(!info.contains("nextnonce"), "{info}");
        }
    }
}

#[test]
fn rfc8760_2_4_the_first_challenge_that_is_understood_is_answered() {
    let mut bed = Bed::new(Settings::default());
    let names: Vec<_> = bed
        .challenges()
        .iter()
        .map(|one| one.get("algorithm").unwrap())
        .collect();
    assert_eq!(names, ["SHA-256", "MD5"]);
    let mut offered = bed.challenges();
    let strange =
        Text::from_static("Digest realm=\"example.com\", nonce=\"n\", algorithm=SHA3-256");
    offered.insert(0, parse(&strange));
    let other = Text::from_static("Digest realm=\"proxy\", nonce=\"n\", qop=\"auth\"");
    offered.push(parse(&other));
    let chosen = choose(&offered);
    assert_eq!(chosen.len(), 2);
    assert_eq!(chosen[0].algorithm.hash, Hash::Sha256);
    assert_eq!(
        (chosen[1].realm.as_str(), chosen[1].algorithm.hash),
        ("proxy", Hash::Md5)
    );
}

#[test]
fn rfc8760_who_knows_only_md5_is_served_too() {
    let mut bed = Bed::new(Settings::default());
    let offered = bed.challenges();
    let md5 = Challenge::read(&offered[1]).unwrap();
    let right = answered(&request(""), &md5, &alice(), 1);
    assert!(matches!(bed.check(&right), Verdict::Granted(_)));
}

#[test]
fn wrong_password_and_unknown_user_are_denied() {
    let mut bed = Bed::new(Settings::default());
    let challenge = choose(&bed.challenges()).remove(0);
    for (name, password, why) in [
        ("alice", "guess", Denied::WrongPassword),
        ("mallory", PASSWORD, Denied::UnknownUser),
    ] {
        let credentials = Credentials::password(name, password);
        let who = credentials.of_realm(REALM).unwrap();
        let wrong = answered(&request(""), &challenge, who, 1);
        let username = name.to_owned();
        assert_eq!(bed.check(&wrong), Verdict::Denied { username, why });
    }
    assert_eq!(bed.judge.counted_nonces(), 0, "a guess takes no room");
}

#[test]
fn rfc7616_3_4_5_replayed_credentials_are_denied() {
    let mut bed = Bed::new(Settings::default());
    let challenge = choose(&bed.challenges()).remove(0);
    let right = answered(&request(""), &challenge, &alice(), 1);
    assert!(matches!(bed.check(&right), Verdict::Granted(_)));
    let Verdict::Denied { why, .. } = bed.check(&right) else {
        panic!("replayed");
    };
    assert_eq!(why, Denied::Replayed);
    let next = answered(&request(""), &challenge, &alice(), 2);
    assert!(matches!(bed.check(&next), Verdict::Granted(_)));
}

#[test]
fn rfc7616_3_3_an_old_nonce_is_stale_where_the_password_is_right() {
    let mut bed = Bed::new(Settings::default());
    let challenge = choose(&bed.challenges()).remove(0);
    bed.now += Duration::from_secs(200);
    let right = answered(&request(""), &challenge, &alice(), 1);
    let Verdict::Granted(granted) = bed.check(&right) else {
        panic!("young enough");
    };
    let info = granted.info(b"").unwrap().to_string();
    assert!(info.contains("nextnonce=\""), "it ages: {info}");
    bed.now += Duration::from_secs(200);
    let late = answered(&request(""), &challenge, &alice(), 2);
    assert_eq!(bed.check(&late), Verdict::Stale(Worthless::Expired));
    let credentials = Credentials::password("alice", "guess");
    let wrong = answered(
        &request(""),
        &challenge,
        credentials.of_realm(REALM).unwrap(),
        2,
    );
    assert!(matches!(bed.check(&wrong), Verdict::Denied { .. }));
    let mut later = Bed::new(Settings::default());
    later.judge = Authenticator::new(Settings::default(), [6; 32], later.now);
    let foreign = Verdict::Stale(Worthless::Foreign);
    assert_eq!(later.check(&late), foreign, "of a server before");
}

#[test]
fn a_nonce_that_is_not_ours_or_for_another_realm_is_told_from_an_old_one() {
    let mut bed = Bed::new(Settings::default());
    let offered = bed.challenges();
    let change = |from: &str, to: &str| {
        let text = offered[0].to_string().replacen(from, to, 1);
        let challenge = Challenge::read(&parse(&Text::from(text))).unwrap();
        answered(&request(""), &challenge, &alice(), 1)
    };
    let invented = change("nonce=\"", "nonce=\"f");
    let verdict = bed.check(&invented);
    assert_eq!(verdict, Verdict::Stale(Worthless::Foreign), "invented");
    let elsewhere = bed.judge.challenge(bed.now, "other.test", false, PEER);
    let nonce = |text: &str| {
        let rest = text.split_once("nonce=\"").unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let (ours, theirs) = (offered[0].to_string(), elsewhere[0].to_string());
    let moved = change(&nonce(&ours), &nonce(&theirs));
    let verdict = bed.check(&moved);
    assert_eq!(verdict, Verdict::Stale(Worthless::Foreign), "another realm");
}

#[test]
fn rfc8760_2_4_an_algorithm_that_was_not_offered_is_no_answer() {
    let mut bed = Bed::new(settings(Algorithm::plain(Hash::Sha256)));
    let offered = bed.challenges();
    let text = offered[0].to_string().replace("SHA-256", "MD5");
    let challenge = Challenge::read(&parse(&Text::from(text))).unwrap();
    let weak = answered(&request(""), &challenge, &alice(), 1);
    let verdict = bed.check(&weak);
    assert_eq!(verdict, Verdict::Malformed("Digest Algorithm Not Offered"));
}

/// Who has a password cannot have his next nonce say that it was sent to somebody else.
#[test]
fn rfc7616_3_5_the_next_nonce_is_of_where_it_is_sent_whatever_the_via_says() {
    let mut bed = Bed::new(Settings::default());
    let challenge = choose(&bed.challenges()).remove(0);
    bed.now += Duration::from_secs(200);
    let via = "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1;received=192.0.2.66";
    let right = answered(&request(""), &challenge, &alice(), 1).with(HeaderName::Via, via);
    let Verdict::Granted(granted) = bed.check(&right) else {
        panic!("young enough");
    };
    let info = granted.info(b"").unwrap().to_string();
    let (_, next) = info.split_once("nextnonce=\"").unwrap();
    let next = next.split_once('"').unwrap().0;
    let brought = format!("Digest realm=\"{REALM}\", nonce=\"{next}\"");
    let brought = request("").with(HeaderName::Authorization, brought);
    let origin = bed.judge.origin();
    assert!(origin.proves(&brought, PEER));
    assert!(!origin.proves(&brought, "192.0.2.66".parse().unwrap()));
}

#[test]
fn rfc7616_3_4_3_auth_int_protects_the_body() {
    let mut bed = Bed::new(Settings::default());
    let offered = bed.challenges();
    let text = offered[0].to_string().replace("auth,auth-int", "auth-int");
    let challenge = Challenge::read(&parse(&Text::from(text))).unwrap();
    let right = answered(&request("v=0"), &challenge, &alice(), 1);
    let mut changed = right.clone();
    changed.body = "v=1".into();
    assert!(matches!(bed.check(&changed), Verdict::Denied { .. }));
    assert!(matches!(bed.check(&right), Verdict::Granted(_)));
}

#[test]
fn rfc2069_without_qop_a_nonce_is_good_once() {
    let mut bed = Bed::new(settings(Algorithm::plain(Hash::Md5)));
    let offered = bed.challenges();
    let text = offered[0]
        .to_string()
        .replace(", qop=\"auth,auth-int\"", "");
    let challenge = Challenge::read(&parse(&Text::from(text))).unwrap();
    assert!(challenge.qop.is_empty());
    let right = answered(&request(""), &challenge, &alice(), 1);
    assert!(
        !right
            .headers
            .get(&HeaderName::Authorization)
            .unwrap()
            .to_string()
            .contains("nc=")
    );
    let Verdict::Granted(granted) = bed.check(&right) else {
        panic!("once");
    };
    assert_eq!(granted.info(b""), None, "did not ask");
    assert_eq!(bed.check(&right), Verdict::Stale(Worthless::UsedUp));
}

#[test]
fn rfc7616_3_4_6_credentials_are_for_one_method_and_user_part() {
    let mut bed = Bed::new(Settings::default());
    let challenge = choose(&bed.challenges()).remove(0);
    let right = answered(&request(""), &challenge, &alice(), 1);
    let mut elsewhere = right.clone();
    elsewhere.uri = Uri::parse(b"sip:board@example.com").unwrap();
    assert!(matches!(bed.check(&elsewhere), Verdict::Malformed(_)));
    let mut other = right.clone();
    other.method = Method::Message;
    assert!(matches!(bed.check(&other), Verdict::Denied { .. }));
    let mut rewritten = right;
    rewritten.uri = Uri::parse(b"sip:standup@192.0.2.1:5070").unwrap();
    assert!(
        matches!(bed.check(&rewritten), Verdict::Granted(_)),
        "by a proxy"
    );
}

#[test]
fn what_cannot_be_read_is_malformed_and_of_other_realms_absent() {
    let mut bed = Bed::new(Settings::default());
    for (value, expect) in [
        ("Basic Zm9v", None),
        ("Digest realm=\"other\", username=\"alice\"", None),
        ("Digest realm=\"example.com\"", Some("User Name Missing")),
        (
            "Digest realm=\"example.com\", username=\"a\", nonce=\"n\", uri=\"sip:standup@x\", response=\"r\", qop=auth, cnonce=\"c\", nc=1",
            Some("Bad Nonce Count"),
        ),
        (
            "Digest realm=\"example.com\", username=\"a\", nonce=\"n\", uri=\"sip:standup@x\", response=\"r\", qop=auth, nc=00000001",
            Some("Client Nonce Missing"),
        ),
        (
            "Digest realm=\"example.com\", algorithm=X",
            Some("Unknown Digest Algorithm"),
        ),
    ] {
        let request = request("").with(HeaderName::Authorization, value);
        let verdict = bed.check(&request);
        match expect {
            None => assert_eq!(verdict, Verdict::Absent, "{value}"),
            Some(what) => assert_eq!(verdict, Verdict::Malformed(what), "{value}"),
        }
    }
}

#[test]
fn challenges_that_cannot_be_answered_say_why() {
    for (value, error) in [
        ("NTLM realm=\"r\"", ChallengeError::Scheme),
        ("Digest realm=\"r\"", ChallengeError::Incomplete),
        (
            "Digest realm=\"r\", nonce=\"n\", algorithm=X",
            ChallengeError::Algorithm,
        ),
        (
            "Digest realm=\"r\", nonce=\"n\", qop=\"x\"",
            ChallengeError::Qop,
        ),
    ] {
        assert_eq!(
            Challenge::read(&parse(&Text::from_static(value))),
            Err(error)
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    let ha1 = Ha1::new(Hash::Md5, "alice", REALM, PASSWORD);
    let credential = Credential {
        realm: Some(REALM.to_owned()),
        username: "alice".to_owned(),
        secret: Secret::Ha1(vec![ha1.clone()]),
    };
    let credentials = Credentials::new(vec![credential, alice()]);
    let shown = format!(
        "{credentials:?} {ha1:?} {:?}",
        Bed::new(Settings::default()).judge
    );
    for secret in [PASSWORD, ha1.reveal(), "Zirkel"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let kept = Ha1::from_hex(Hash::Md5, ha1.reveal()).unwrap();
    assert_eq!(kept, ha1);
    assert_eq!(Ha1::from_hex(Hash::Sha256, ha1.reveal()), None);
}

proptest! {
    #[test]
    fn whatever_the_name_realm_and_password_are_the_right_ones_are_granted(
        name in "[^\r\n\\x00]{1,20}",
        realm in "[^\r\n\\x00]{1,20}",
        password in "\\PC{0,20}",
        body in "\\PC{0,40}",
        nc in 1_u32..,
    ) {
        let now = Instant::now();
        let mut judge = Authenticator::new(Settings::default(), [1; 32], now);
        let offered: Vec<_> = judge.challenge(now, &realm, false, PEER).iter().map(parse).collect();
        let challenge = choose(&offered).remove(0);
        let credentials = Credentials::password(&name, &password);
        let who = credentials.of_realm(&challenge.realm).unwrap();
        let right = answered(&request(&body), &challenge, who, nc);
        let verdict = judge.check(now, (&right, PEER), &realm, |found, hash| {
            (found == name).then(|| Ha1::new(hash, &name, &realm, &password))
        });
        prop_assert!(matches!(verdict, Verdict::Granted(_)), "{:?}", verdict);
    }

    #[test]
    fn no_credentials_break_the_judge(value in "(Digest )?[ -~]{0,200}") {
        let now = Instant::now();
        let mut judge = Authenticator::new(Settings::default(), [1; 32], now);
        let request = request("").with(HeaderName::Authorization, value);
        let verdict = judge.check(now, (&request, PEER), REALM, |_, _| None);
        prop_assert!(!matches!(verdict, Verdict::Granted(_) | Verdict::Stale(_)));
    }
}
