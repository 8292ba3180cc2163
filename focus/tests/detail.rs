//! Detail records, removing users, and events for whoever watches live.

#![cfg(feature = "shell")]

#[cfg(test)]
mod support;

use plenum_focus::access::ServerMode;
use plenum_focus::detail::DetailRecord;
use plenum_focus::disconnect::DisconnectReason;
use plenum_focus::output::{Command, ConferenceEvent, Whom};
use plenum_focus::record::ConferenceRecord;
use plenum_focus::roster::{SessionType, UserId};
use plenum_focus::shell::{Broadcast, EventSink};
use plenum_mcu::control::ConferenceId;
use std::sync::Arc;
use std::time::Duration;
use support::c3p::*;
use support::*;

fn details(bench: &Bench) -> Vec<DetailRecord> {
    let details = bench.events.iter().filter_map(|event| {
        if let ConferenceEvent::Detail(detail) = event {
            Some(DetailRecord::clone(detail))
        } else {
            None
        }
    });
    details.collect()
}

#[test]
fn a_record_says_who_how_long_and_why() {
    let mut bench = Bench::new(ConferenceRecord {
        locked: true,
        mode: ServerMode::Fourteen,
        ..configured()
    });
    bench.join(1, "bob");
    bench.pass(Duration::from_secs(7));
    bench.command(Command::Admit(Whom::All));
    bench.pass(Duration::from_secs(30));
    bench.joined(2, "bob");
    bench.pass(Duration::from_secs(5));
    let user = bench.focus.roster().users().next().unwrap().id;
    let request = bench.command(Command::RemoveUser { user });
    assert_eq!(bench.completed(request).unwrap(), "Ok(())");
    let details = details(&bench);
    assert_eq!(details.len(), 2);
    for detail in &details {
        assert_eq!(detail.entity, aor("bob"));
        assert_eq!(detail.reason, DisconnectReason::Booted);
        assert_eq!(detail.source, Some(trusted(1)));
        assert_eq!(detail.conference, name("standup"));
    }
    let of = |session| {
        details
            .iter()
            .find(|detail| detail.session == session)
            .unwrap()
    };
    let phone = of(SessionType::AudioVideo);
    assert_eq!(phone.waited, Duration::from_secs(7));
    assert_eq!(phone.stayed, Duration::from_secs(35));
    assert_eq!(phone.quality.packets_received, 42);
    assert_eq!(of(SessionType::Focus).stayed, Duration::from_secs(5));
    let user = UserId(99);
    let request = bench.command(Command::RemoveUser { user });
    assert_eq!(bench.completed(request).unwrap(), "Err(UnknownUser)");
}

#[derive(Debug)]
struct Nobody;

impl EventSink for Nobody {
    fn event(&self, _conference: ConferenceId, _event: &ConferenceEvent) {}
}

#[tokio::test]
async fn whoever_watches_live_gets_what_happens_from_then_on() {
    let broadcast = Broadcast::new(Arc::new(Nobody), 2);
    broadcast.event(ConferenceId(1), &ConferenceEvent::Locked(true));
    let mut receiver = broadcast.subscribe();
    for locked in [false, true, false] {
        broadcast.event(ConferenceId(2), &ConferenceEvent::Locked(locked));
    }
    let lagged = receiver.recv().await.unwrap_err();
    assert!(format!("{lagged:?}").contains("Lagged(1)"), "{lagged:?}");
    let happened = receiver.recv().await.unwrap();
    assert_eq!(happened.conference, ConferenceId(2));
    assert!(matches!(*happened.event, ConferenceEvent::Locked(true)));
}
