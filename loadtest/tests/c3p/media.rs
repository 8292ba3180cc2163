//! Commands to the mixer, and what is heard of them (MS-CONFBAS §3.15; CB-239 to CB-247).

use super::meeting::offer;
use super::{Person, body, focus_uri, mcu_uri, start};
use crate::{SECOND, TONES, attribute, joined, level, meeting, phone_of, phones, pick_up};
use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::PhoneSettings;
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::signal::Signal;

#[test]
fn cb_244_cb_287_newcomers_are_muted_and_may_not_change_it() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let rules = body::rules(&focus, &mcu);
    ann.fail(&rules, &["unauthorized"]);
    pia.succeed(&rules);
    let mut fleet = phones(&server, 2);
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!(heard < -60.0, "{heard} dBFS");
    // ann's own headset is muted, too, and she is not the one to unmute it.
    let mut headset = Person::new(&server, "ann", false);
    headset.focus.clone_from(&mcu);
    let description = offer(&headset);
    let answer = headset.call("application/sdp", &description);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    // Her headset is in the roster when its ACK was read, which is soon.
    let mut states = (0..200).map(|_| pia.succeed(&body::get_conference(&focus)));
    let of_ann = states
        .find_map(|state| {
            let (_, of_ann) = state.split_once(&format!("entity=\"{}\"", ann.aor))?;
            let (of_ann, _) = of_ann
                .split_once("</ci:user>")
                .or_else(|| of_ann.split_once("</user>"))?;
            let there = of_ann.contains("media-ingress-filter>block<");
            there.then(|| of_ann.to_owned())
        })
        .unwrap();
    let (_, of_headset) = of_ann.split_once("audio-video").unwrap();
    let before = &of_ann[..of_ann.len() - of_headset.len()];
    let begin = before.rfind("<endpoint").unwrap();
    let endpoint = attribute(&of_ann[begin..], "<endpoint", "entity");
    let user = ann.aor.clone();
    let of = (user.as_str(), endpoint, "1");
    ann.fail(
        &body::ingress(&focus, &mcu, of, "unblock"),
        &["unauthorized"],
    );
    pia.succeed(&body::ingress(&focus, &mcu, of, "unblock"));
}

/// The loudest that the first phone, who is with nobody but a silent one, hears when that one comes.
fn tone_heard(announced: bool) -> f64 {
    let server = start("");
    let mut pia = joined(&server, "pia", true);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut fleet = phones(&server, 1);
    if announced {
        let response = pia.succeed(&body::announcements(&focus, &mcu, true));
        assert!(response.contains("enabled>true<"), "CB-240: {response}");
    }
    // The first one is told so.
    fleet.run(4 * SECOND).unwrap();
    fleet.begin_window();
    let number = fleet
        .add(PhoneSettings::new("standup", Codec::Pcmu, Signal::Silence))
        .unwrap();
    fleet.invite(number);
    let up = fleet.run_until(5 * SECOND, |fleet| {
        *fleet.phones()[number].call.state() == CallState::Up
    });
    assert!(up.unwrap(), "{}", server.log());
    fleet.run(2 * SECOND).unwrap();
    let phone = &fleet.phones()[0];
    let heard = Heard::new(phone.settings.codec, phone.receiver.kept()).unwrap();
    let window = usize::try_from(heard.rate / 20).unwrap();
    let power = |samples: &[f32]| {
        let sum: f64 = samples
            .iter()
            .map(|sample| f64::from(*sample).powi(2))
            .sum();
        10.0 * (sum / samples.len() as f64).log10()
    };
    let windows = heard.samples.chunks_exact(window).map(power);
    windows.fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn cb_239_cb_241_announcements_are_heard_when_they_are_on() {
    let (off, on) = (tone_heard(false), tone_heard(true));
    assert!(off < -50.0, "{off} dBFS without");
    assert!(on > -40.0, "{on} dBFS with");
}

#[test]
fn cb_247_7_cb_247_8_audio_is_taken_out_and_brought_back() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut fleet = phones(&server, 2);
    let state = pia.succeed(&body::get_conference(&focus));
    let user = phone_of(&state, 0);
    let (_, of_phone) = state.split_once(&user).unwrap();
    let endpoint = attribute(of_phone, "<endpoint", "entity");
    let of = (user.as_str(), endpoint);
    ann.fail(&body::audio(&focus, &mcu, of, false), &["unauthorized"]);
    pia.succeed(&body::audio(&focus, &mcu, of, false));
    pia.await_text(5 * SECOND, |text| {
        text.starts_with("NOTIFY ") && text.contains(&user) && !text.contains("<media ")
    });
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!(heard < -60.0, "{heard} dBFS");
    let heard = level(&mut fleet, 0, TONES[1]);
    assert!(heard < -60.0, "neither way: {heard} dBFS");
    pia.succeed(&body::audio(&focus, &mcu, of, true));
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!((heard + 20.0).abs() < 2.0, "{heard} dBFS");
    pia.fail(
        &body::audio(&focus, &mcu, of, true),
        &["mediaExistsAlready"],
    );
}

#[test]
fn cb_247_7_a_participant_gets_audio_by_a_call() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut zoe = Person::new(&server, "zoe", false);
    let reached = format!("sip:zoe@{}", zoe.local());
    let join = body::join(&zoe).replace(
        "<ci:endpoint ",
        &format!("<ci:endpoint msci:endpoint-uri=\"{reached}\" "),
    );
    assert!(zoe.invite(&join).starts_with("SIP/2.0 200"));
    let entity = format!("{{{}}}", zoe.aor);
    let (user, endpoint) = (zoe.aor.clone(), entity.as_str());
    pia.begin(&body::audio(&focus, &mcu, (&user, endpoint), true));
    let invite = zoe.await_text(5 * SECOND, |text| text.starts_with("INVITE "));
    assert!(
        invite.starts_with(&format!("INVITE {reached} ")),
        "{invite}"
    );
    pick_up(&mut zoe, &invite, "200 OK");
    let response = pia.response();
    assert!(response.contains("code=\"success\""), "{response}");
    let both = pia.notified("audio-video");
    assert!(both.contains(&user) && both.contains(&entity), "{both}");
}

#[test]
fn cb_247_9_somebody_is_renamed() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let focus = focus_uri(&server);
    ann.fail(&body::rename(&focus, &pia.aor, "Nobody"), &["unauthorized"]);
    ann.fail(
        &body::rename(&focus, "sip:eve@example.com", "Eve"),
        &["unauthorized"],
    );
    pia.fail(
        &body::rename(&focus, "sip:eve@example.com", "Eve"),
        &["userDoesntExist"],
    );
    ann.succeed(&body::rename(&focus, &ann.aor, "Ann B."));
    let partial = pia.notified("Ann B.");
    assert!(partial.contains(&ann.aor), "{partial}");
}
