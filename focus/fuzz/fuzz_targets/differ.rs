//! The differ: what subscribers put together from partial documents is the full document.
//!
//! The octets are steps of a conference: who comes, changes and goes, and who is notified.

#![no_main]

#[path = "../../tests/info/subscriber.rs"]
mod subscriber;

use libfuzzer_sys::fuzz_target;
use plenum_focus::info::{
    Audience, ConferenceState, Description, Endpoint, EndpointStatus, EntityView, Form, Media,
    MediaFilter, Role, Tracker, User, apply, diff,
};
use subscriber::{Subscriber, sorted};

const CONFERENCE: &str = "sip:standup@example.com;gruu;opaque=app:conf:focus:id:B0A4D";

/// A user whose looks are this octet's.
fn user(who: u8, looks: u8, name: &str) -> User {
    let endpoint = |number: u8| Endpoint {
        status: Some(if looks & 1 == 0 {
            EndpointStatus::Connected
        } else {
            EndpointStatus::OnHold
        }),
        session_type: Some(if number == 0 { "focus" } else { "audio-video" }.into()),
        media: (0..(looks >> 1 & 1))
            .map(|_| Media {
                ingress_filter: Some(if looks & 4 == 0 {
                    MediaFilter::Block
                } else {
                    MediaFilter::Unblock
                }),
                ..Media::new("1")
            })
            .collect(),
        ..Endpoint::new(format!("{{{number}}}"))
    };
    User {
        display_text: (looks & 8 == 0).then(|| name.to_owned()),
        role: Some(if looks & 16 == 0 {
            Role::Attendee
        } else {
            Role::Presenter
        }),
        endpoints: (0..=(looks >> 5 & 3)).map(endpoint).collect(),
        ..User::new(format!("sip:user{who}@example.com"))
    }
}

fn is_writable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

fuzz_target!(|octets: &[u8]| {
    let Some((&remembered, steps)) = octets.split_first() else {
        return;
    };
    let mut tracker = Tracker::new(CONFERENCE, usize::from(remembered % 8));
    let mut subscribers = [
        Subscriber::new(Audience::Extended, Form::Extended),
        Subscriber::new(Audience::Standard, Form::Standard),
    ];
    let name: String = String::from_utf8_lossy(steps)
        .chars()
        .filter(|c| is_writable(*c))
        .take(40)
        .collect();
    let name = name.trim();
    let mut before = tracker.snapshot();
    for step in steps.chunks_exact(2) {
        let [what, how] = *step else { return };
        let who = what >> 3;
        match what & 7 {
            0 | 1 => drop(tracker.set_user(user(who, how, name))),
            2 => drop(tracker.remove_user(&format!("sip:user{who}@example.com"))),
            3 => drop(tracker.set_view(EntityView::new(format!("sip:mcu{}@example.com", how % 4)))),
            4 => drop(tracker.remove_view(&format!("sip:mcu{}@example.com", how % 4))),
            5 => drop(tracker.set_conference_state(ConferenceState {
                user_count: Some(u32::from(how)),
                active: Some(true),
                locked: Some(how & 1 == 0),
            })),
            6 => drop(tracker.set_description(Description {
                subject: Some(format!("{how}")),
                ..Description::default()
            })),
            _ => {
                let subscriber = &mut subscribers[usize::from(how & 1)];
                if how & 2 == 0 {
                    subscriber.notify(&mut tracker);
                } else {
                    subscriber.watcher.refresh();
                }
                let after = tracker.snapshot();
                let mut applied = before.clone();
                match diff(&before, &after) {
                    Some(partial) => apply(&mut applied, &partial).expect("of one conference"),
                    None => assert_eq!(before, after),
                }
                assert_eq!(sorted(applied), sorted(after.clone()));
                before = after;
            }
        }
    }
    for subscriber in &mut subscribers {
        subscriber.notify(&mut tracker);
    }
});
