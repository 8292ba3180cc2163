//! Which trunk a call belongs to by certificate; other trunks and rules while calls go on.

use super::*;
use crate::trunk::border::reload::Wanted;

/// The token of a trunk of the tests: its number, again and again.
pub(super) fn token(number: u8) -> String {
    format!("{number:02x}").repeat(8)
}

/// As they are configured, the first with the number 1.
pub(super) fn configured(trunks: &[crate::config::Trunk]) -> Vec<Wanted> {
    let each = trunks.iter().zip(1_u8..).map(|(trunk, number)| Wanted {
        config: Arc::new(trunk.clone()),
        token: token(number),
        seed: Some([number; 32]),
    });
    each.collect()
}

#[test]
fn trunks_that_are_the_same_keep_their_calls_and_other_rules_hold_from_then_on() {
    let mut bed = Bed::new(RULE);
    bed.placed("tel:+49301");
    assert_eq!(bed.calls_out(), [1, 0]);

    // The second trunk goes, a third comes before the first, and nobody may call Berlin any more.
    let third = TRUNK
        .replace("\"tel\"", "\"three\"")
        .replace("192.0.2.1", "192.0.2.3");
    let barred = "[[dial_rule]]\nprefix = \"+4930\"\nallow = false\n";
    let rule = RULE.replace("\"two\"", "\"three\"");
    let text = format!("{third}{TRUNK}redirects = 1\n{rule}{barred}");
    let config = Config::parse(&text).unwrap();
    let mut all = configured(&config.trunk);
    all[0].token = token(3);
    all[1].token = token(1);
    all[1].seed = None;
    bed.inbox.leave(Note::Reload(all, config.dial_rule));
    bed.trunks.handle_timeout(bed.now, &mut bed.endpoint);
    let shown = bed.shown.list(bed.now);
    let names: Vec<_> = shown.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["three", "tel"]);
    assert_eq!(bed.calls_out(), [0, 1], "the call has moved with its trunk");
    let why = bed.refused("tel:+49301", &Dialler::Operator);
    assert!(why.contains("not allowed"), "{why}");
    bed.placed("tel:+49891");
    assert_eq!(bed.calls_out(), [0, 2], "the new one is not found yet");
}

#[test]
fn a_call_is_a_trunks_by_the_certificate_of_its_peer() {
    let by = |more: &str, name: &'static str| {
        let line = line(&format!("recognise = [\"certificate\"]\n{more}"));
        let names = [Text::from_static(name)];
        let from = (&flow("203.0.113.1:5061"), &names[..]);
        inbound::recognises(&line, &request("sip:1@x", ""), from)
    };
    assert!(by("", "192.0.2.1") && !by("", "192.0.2.2"));
    let other = "certificate_names = [\"sip.tel.example\"]\n";
    assert!(by(other, "SIP.tel.example") && !by(other, "192.0.2.1"));
}
