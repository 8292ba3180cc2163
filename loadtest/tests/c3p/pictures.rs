//! Commands about pictures, and what is seen of them (CB-247.7, CB-247.10, CM-089, CM-093).

use super::{Person, body, focus_uri, mcu_uri, start_more};
use crate::{SECOND, attribute, joined};
use plenum_loadtest::peer::video_phone::{
    BLUE, GREEN, RED, Rgb, Seen, VideoPhone, VideoPhoneSettings, alike, wait,
};
use plenum_loadtest::server::Server;

/// Pictures within one second, at the rate of the server here.
const WITHIN_A_SECOND: usize = 10;

fn begin() -> (Server, Person) {
    let sections = "[video]\nnames = false\nrows = 360\nframe_rate = 10\n";
    let server = start_more("", "layout = \"allEqualQuarters\"", sections);
    let pia = joined(&server, "pia", true);
    (server, pia)
}

fn call(server: &Server, user: &str, colour: Rgb) -> VideoPhone {
    let settings = VideoPhoneSettings {
        user: user.to_owned(),
        ..VideoPhoneSettings::of(colour)
    };
    VideoPhone::call(server.sip(), "standup", user, settings).unwrap()
}

/// A change of somebody's pictures: elements within the medium.
fn change(by: &mut Person, server: &Server, user: &str, elements: &str) -> String {
    let (focus, mcu) = (focus_uri(server), mcu_uri(server));
    let aor = format!("sip:{user}@example.com");
    let state = by.succeed(&body::get_conference(&focus));
    let (_, of_phone) = state.split_once(&format!("entity=\"{aor}\"")).unwrap();
    let endpoint = attribute(of_phone, "<endpoint", "entity");
    let command = body::ingress(&focus, &mcu, (&aor, endpoint, "2"), "");
    let filter = "<msci:media-ingress-filter></msci:media-ingress-filter>";
    assert!(command.contains(filter), "{command}");
    command.replace(filter, elements)
}

fn layout(name: &str) -> String {
    format!("<p:layout xmlns:p=\"urn:plenum:params:xml:ns:pictures\">{name}</p:layout>")
}

/// Two people side by side in the upper panes, by their colours.
fn pair(left: Rgb, right: Rgb) -> impl Fn(&Seen) -> bool {
    move |seen| {
        alike(seen.at(0.25, 0.25), left)
            && alike(seen.at(0.75, 0.25), right)
            && !alike(seen.at(0.25, 0.75), left)
    }
}

/// One person from edge to edge.
fn whole(seen: &Seen) -> bool {
    let at = seen.at(0.1, 0.1);
    [RED, GREEN, BLUE].iter().any(|colour| alike(at, *colour)) && alike(at, seen.at(0.9, 0.9))
}

/// The pictures that a phone got before one of them came.
fn before(phone: &VideoPhone, seen: &Seen) -> usize {
    let received = phone.received();
    received.iter().filter(|one| one.at < seen.at).count()
}

#[test]
fn cm_089_cm_093_a_layout_is_there_within_a_second_for_that_viewer_only() {
    let (server, mut pia) = begin();
    let mut one = call(&server, "one", RED);
    let two = call(&server, "two", GREEN);
    let three = call(&server, "three", BLUE);
    let first = pair(GREEN, BLUE);
    wait(&server, "quarters", || one.look(), &first);
    wait(&server, "quarters", || two.look(), pair(RED, BLUE));
    let command = change(&mut pia, &server, "one", &layout("speakerOnly"));
    let count = one.received().len();
    pia.succeed(&command);
    let seen = wait(&server, "by C3P", || one.look(), whole);
    let took = before(&one, &seen).saturating_sub(count);
    assert!(took <= WITHIN_A_SECOND, "it took {took} pictures");
    let others = two.look().unwrap().unwrap();
    assert!(
        pair(RED, BLUE)(&others),
        "others see what they saw:\n{}",
        others.sketch()
    );
    let unknown = change(&mut pia, &server, "one", &layout("sideways"));
    pia.fail(&unknown, &["otherFailure"]);
    let own = change(&mut pia, &server, "one", &layout(""));
    pia.succeed(&own);
    wait(&server, "the conference's again", || one.look(), &first);
    // The same by a key.
    let count = one.received().len();
    for key in ["*", "2"] {
        let kind = "Content-Type: application/dtmf-relay\r\n";
        let status = one.say("INFO", kind, &format!("Signal={key}\r\nDuration=100\r\n"));
        assert!(status.unwrap().starts_with("SIP/2.0 200"));
    }
    let seen = wait(&server, "by keys", || one.look(), whole);
    let took = before(&one, &seen).saturating_sub(count);
    assert!(took <= WITHIN_A_SECOND, "it took {took} pictures");
    let others = three.look().unwrap().unwrap();
    assert!(
        pair(RED, GREEN)(&others),
        "others see what they saw:\n{}",
        others.sketch()
    );
}

#[test]
fn cb_247_7_cb_247_10_video_filters_hide_and_blind() {
    let (server, mut pia) = begin();
    let one = call(&server, "one", RED);
    let two = call(&server, "two", GREEN);
    let three = call(&server, "three", BLUE);
    wait(&server, "both", || one.look(), pair(GREEN, BLUE));
    let filter = |side: &str, what: &str| {
        format!("<msci:media-{side}-filter>{what}</msci:media-{side}-filter>")
    };
    let hide = change(&mut pia, &server, "two", &filter("ingress", "block"));
    pia.succeed(&hide);
    let hidden =
        |seen: &Seen| !alike(seen.at(0.25, 0.1), GREEN) && alike(seen.at(0.75, 0.25), BLUE);
    wait(&server, "two is hidden", || one.look(), hidden);
    wait(
        &server,
        "and sees the others",
        || two.look(),
        pair(RED, BLUE),
    );
    let show = change(&mut pia, &server, "two", &filter("ingress", "unblock"));
    pia.succeed(&show);
    wait(
        &server,
        "two is there again",
        || one.look(),
        pair(GREEN, BLUE),
    );
    let blind = change(&mut pia, &server, "three", &filter("egress", "block"));
    pia.succeed(&blind);
    std::thread::sleep(SECOND / 2);
    let (count, others) = (three.received().len(), two.received().len());
    std::thread::sleep(SECOND);
    assert_eq!(
        three.received().len(),
        count,
        "who is blind gets no pictures"
    );
    assert!(two.received().len() > others, "others do");
    wait(
        &server,
        "the blind one is seen",
        || one.look(),
        pair(GREEN, BLUE),
    );
    let see = change(&mut pia, &server, "three", &filter("egress", "unblock"));
    pia.succeed(&see);
    wait(&server, "no more blind", || three.look(), pair(RED, GREEN));
    // All at once, but one.
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let all = |filter: &str| {
        let text = body::ingress_of_all(&focus, &mcu, filter, "sip:three@example.com");
        text.replace("main-audio", "main-video")
    };
    pia.succeed(&all("block"));
    let alone = |seen: &Seen| !alike(seen.at(0.25, 0.1), GREEN) && alike(seen.at(0.75, 0.25), BLUE);
    wait(&server, "only three is seen", || one.look(), alone);
    pia.succeed(&all("unblock"));
    wait(&server, "all are seen", || one.look(), pair(GREEN, BLUE));
}
