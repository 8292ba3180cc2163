//! pidgin-sipe: a client of MS-CONFBAS that we did not write. It knows no other MCU than chat, which
//! is not there, so the roster it is told of does not show; that it takes what it is told, does.

use super::{Person, body, start_with};
use crate::SECOND;
use plenum_loadtest::peer::sipe::Sipe;

#[test]
fn pidgin_sipe_signs_in_joins_watches_and_is_removed() {
    let server = start_with(
        "domains = [\"example.com\"]\n",
        "organizer = \"sip:olga@example.com\"\n",
    );
    let uri = |uri: String| {
        let (_, rest) = uri.split_once(';').unwrap();
        format!("sip:olga@example.com;{rest}")
    };
    let focus = uri(super::focus_uri(&server));
    let mut pia = Person::new(&server, "pia", true);
    pia.focus.clone_from(&focus);
    pia.join();
    let user = ["user", "add", "sip:alice@example.com"];
    server.operate(&user, "unused-secret\n").unwrap();
    let alice = Sipe::start(server.sip(), "alice@example.com").unwrap();
    let logs = |what: &str| assert!(alice.logs(what, 20 * SECOND), "{what}: {}", alice.log());
    // REGISTER.
    logs("authentication handshake completed successfully");
    // INVITE with addUser, and SUBSCRIBE in its dialog.
    alice.join(&focus).unwrap();
    logs("subscription dialog added for event '<conference>'");
    let state = pia.succeed(&body::get_conference(&focus));
    assert!(state.contains("sip:alice@example.com"), "{state}");
    // The roster changes.
    let told = || alice.log().matches("msg->method(BENOTIFY)").count();
    let before = told();
    let mut bob = Person::new(&server, "bob", true);
    bob.focus.clone_from(&focus);
    bob.join();
    let end = (0..100).find(|_| {
        std::thread::sleep(SECOND / 20);
        told() > before
    });
    assert!(end.is_some(), "{}", alice.log());
    // A presenter removes her: the subscription ends, then the dialog.
    pia.succeed(&body::delete_user(&focus, "sip:alice@example.com"));
    logs("subscription_state: terminated;expires=0;reason=ParticipantRemoved");
    logs("msg->method(BYE)");
    let state = pia.succeed(&body::get_conference(&focus));
    assert!(!state.contains("sip:alice@example.com"), "{state}");
    assert!(state.contains(&bob.aor), "{state}");
}
