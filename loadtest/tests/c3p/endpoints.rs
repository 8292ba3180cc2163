//! One user with several endpoints; endorsing; subscriptions that end (MS-CONFBAS §3.2.5.2, §3.3).

use super::{Person, body, focus_uri, start};
use crate::{SECOND, joined, meeting};

fn is_notification(text: &str) -> bool {
    text.starts_with("NOTIFY ") || text.starts_with("BENOTIFY ")
}

#[test]
fn cb_060_cb_061_each_endpoint_of_a_user_is_its_own() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let mut tablet = Person::new(&server, "ann", true);
    let text = body::join(&tablet).replace("{sip:ann@example.com}", "{tablet}");
    assert!(tablet.invite(&text).starts_with("SIP/2.0 200"));
    let both = pia.notified("{tablet}");
    assert_eq!(both.matches("<user ").count(), 1, "{both}");
    assert_eq!(both.matches("<endpoint ").count(), 2, "{both}");
    ann.send("BYE", "", "", "");
    assert!(ann.answer("BYE").starts_with("SIP/2.0 200"));
    let one = pia.notified("{tablet}");
    assert_eq!(one.matches("<endpoint ").count(), 1, "{one}");
    assert!(
        one.contains("sip:ann@example.com\" state=\"full\""),
        "CB-061: {one}"
    );
}

#[test]
fn cb_062_the_same_endpoint_again_replaces_itself() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let _again = joined(&server, "ann", true);
    ann.await_text(5 * SECOND, |text| text.starts_with("BYE "));
    let state = pia.succeed(&body::get_conference(&focus_uri(&server)));
    assert_eq!(state.matches("{sip:ann@example.com}").count(), 1, "{state}");
}

#[test]
fn cb_067_joining_again_in_the_same_dialog_changes_nothing() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let text = body::join(&ann);
    let answer = ann.invite(&text);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(answer.contains("refresher=uac"), "{answer}");
    let state = pia.succeed(&body::get_conference(&focus_uri(&server)));
    assert_eq!(state.matches("{sip:ann@example.com}").count(), 1, "{state}");
    pia.lacks(SECOND / 4, |text| {
        is_notification(text) && text.contains("ann")
    });
}

#[test]
fn cb_075_to_cb_081_who_is_endorsed_presents() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let mut endorser = Person::new(&server, "pia", true);
    let wrong = body::endorse(&endorser, &ann).replace("from-tag>", "from-tag>x");
    let answer = endorser.invite(&wrong);
    assert!(!answer.contains("result=\"success\""), "CB-075: {answer}");
    let mut endorser = Person::new(&server, "pia", true);
    let text = body::endorse(&endorser, &ann);
    let answer = endorser.invite(&text);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(answer.contains("result=\"success\""), "CB-082: {answer}");
    super::schema::check(&answer);
    endorser.await_text(5 * SECOND, |text| text.starts_with("BYE "));
    let promoted = pia.notified("presenter</");
    assert!(
        promoted.contains(&ann.aor) && promoted.contains(&endorser.aor),
        "CB-078: {promoted}"
    );
    ann.succeed(&body::lock(&focus_uri(&server), true));
}

#[test]
fn cb_097_a_subscription_ends_and_its_dialog_goes_on() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    pia.send("SUBSCRIBE", "Event: conference\r\nExpires: 0\r\n", "", "");
    let answer = pia.answer("SUBSCRIBE");
    assert!(
        answer.starts_with("SIP/2.0 200") && answer.contains("Expires: 0"),
        "{answer}"
    );
    pia.notified("Subscription-State: terminated");
    let _bob = joined(&server, "bob", false);
    pia.lacks(SECOND / 2, is_notification);
    pia.succeed(&body::lock(&focus_uri(&server), true));
}

#[test]
fn rfc6665_4_1_3_who_knows_no_subscription_hears_no_more() {
    let server = start("watchers = \"trusted\"\n");
    let _pia = joined(&server, "pia", true);
    let mut zoe = Person::new(&server, "zoe", false);
    zoe.focus = format!("sip:standup@{}", server.sip());
    zoe.status = "481 Call/Transaction Does Not Exist";
    zoe.subscribe("");
    zoe.notified("state=\"full\"");
    let _bob = joined(&server, "bob", false);
    zoe.lacks(SECOND / 2, is_notification);
}

#[test]
fn cb_086_cb_088_cb_089_subscriptions_that_are_refused() {
    let server = start("");
    let mut pia = joined(&server, "pia", true);
    for (more, status) in [
        ("Event: presence\r\n", "SIP/2.0 489"),
        ("Event: conference\r\nAccept: text/plain\r\n", "SIP/2.0 406"),
    ] {
        pia.send("SUBSCRIBE", more, "", "");
        let answer = pia.answer("SUBSCRIBE");
        assert!(answer.starts_with(status), "{more}: {answer}");
    }
    let mut zoe = Person::new(&server, "zoe", true);
    zoe.send("SUBSCRIBE", "Event: conference\r\n", "", "");
    let answer = zoe.answer("SUBSCRIBE");
    assert!(answer.starts_with("SIP/2.0 403"), "CB-089: {answer}");
}

#[test]
fn cb_235_to_cb_237_all_see_who_records() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    ann.succeed(&body::recording(&ann, true));
    let begun = pia.notified("client-recording");
    assert!(begun.contains(&ann.aor), "{begun}");
    ann.succeed(&body::recording(&ann, false));
    let ended = pia.notified("sip:ann@example.com");
    assert!(!ended.contains("client-recording"), "{ended}");
}
