//! The recording of a conference, step by step: who may, what is said and shown, what happens where it cannot be kept.

#[cfg(test)]
mod support;

use plenum_focus::output::{Command, SipAction};
use plenum_focus::record::ConferenceRecord;
use plenum_focus::recording::{RecordOrder, RecordWhen, RecordingPolicy, RecordingState};
use plenum_mcu::control::{McuError, Report};
use support::*;

fn recorded(when: RecordWhen) -> ConferenceRecord {
    ConferenceRecord {
        recording: RecordingPolicy {
            when,
            ..RecordingPolicy::default()
        },
        ..configured()
    }
}

fn full() -> McuError {
    McuError::NotRecorded("the disk is full".into())
}

impl Bench {
    fn record(&mut self, order: RecordOrder) -> String {
        let request = self.command(Command::Record(order));
        self.completed(request).unwrap_or_default()
    }
}

#[test]
fn everybody_hears_of_a_recording_that_somebody_asked_for() {
    let mut bench = Bench::new(recorded(RecordWhen::OnRequest));
    bench.join(1, "bob");
    bench.said();
    assert_eq!(bench.record(RecordOrder::Start), "Ok(())");
    assert_eq!(bench.said(), ["Recorded"]);
    bench.join(2, "eve");
    assert!(
        bench.said().contains(&"Recorded".to_owned()),
        "whoever comes hears it"
    );
    assert_eq!(bench.record(RecordOrder::Start), "Ok(())");
    assert_eq!(bench.said(), Vec::<String>::new(), "nothing new");
    bench.record(RecordOrder::Pause);
    assert_eq!(bench.said(), ["RecordingPaused"]);
    bench.join(3, "kim");
    assert!(!bench.said().contains(&"Recorded".to_owned()));
    bench.record(RecordOrder::Start);
    assert_eq!(bench.said(), ["Recorded"]);
    bench.record(RecordOrder::Stop);
    assert_eq!(bench.said(), ["RecordingEnded"]);
    assert!(bench.record(RecordOrder::Stop).contains("Off"));
    assert!(bench.record(RecordOrder::Pause).contains("Off"));
}

#[test]
fn a_recording_ends_when_the_last_one_has_left() {
    let mut bench = Bench::new(recorded(RecordWhen::OnRequest));
    assert!(bench.record(RecordOrder::Start).contains("Nobody"));
    bench.join(1, "bob");
    bench.record(RecordOrder::Start);
    assert_eq!(bench.focus.recording(), RecordingState::On);
    bench.bye(1);
    assert_eq!(bench.focus.recording(), RecordingState::Off);
}

#[test]
fn what_is_never_recorded_is_not_and_what_always_is_nobody_stops() {
    let mut bench = Bench::new(recorded(RecordWhen::Never));
    bench.join(1, "bob");
    assert!(bench.record(RecordOrder::Start).contains("Never"));

    let mut bench = Bench::new(recorded(RecordWhen::Always));
    bench.join(1, "bob");
    assert_eq!(bench.focus.recording(), RecordingState::On);
    for order in [RecordOrder::Pause, RecordOrder::Stop] {
        assert!(bench.record(order).contains("Always"), "{order:?}");
    }
    assert_eq!(bench.record(RecordOrder::Start), "Ok(())");
    assert_eq!(bench.focus.recording(), RecordingState::On);
}

#[test]
fn nobody_comes_in_where_the_recording_that_has_to_be_cannot() {
    let mut bench = Bench::new(recorded(RecordWhen::Always));
    bench.unrecorded = Some(full());
    bench.actions();
    bench.call(1, "bob", trusted(1));
    let [SipAction::Reject { answer, .. }] = &bench.actions()[..] else {
        panic!("let in")
    };
    assert_eq!(answer.status.code(), 503);
    bench.unrecorded = None;
    bench.join(2, "eve");
    assert_eq!(
        bench.focus.recording(),
        RecordingState::On,
        "it is tried again"
    );
    bench.said();
    bench.report(Report::RecordingFailed {
        reason: "the disk is full".into(),
    });
    assert_eq!(bench.focus.recording(), RecordingState::Failed);
    assert_eq!(bench.said(), ["NotRecorded"]);
    assert_eq!(bench.focus.roster().in_mix(), 1, "who is in stays");
    bench.unrecorded = Some(full());
    bench.actions();
    bench.call(3, "kim", trusted(1));
    assert!(matches!(&bench.actions()[..], [SipAction::Reject { .. }]));
    assert_eq!(bench.focus.roster().in_mix(), 1);
}

#[test]
fn where_policy_does_not_mind_people_come_in_unrecorded() {
    let mut record = recorded(RecordWhen::Always);
    record.recording.required = false;
    let mut bench = Bench::new(record);
    bench.unrecorded = Some(full());
    bench.join(1, "bob");
    assert_eq!(bench.focus.roster().in_mix(), 1);
    assert_eq!(bench.focus.recording(), RecordingState::Failed);
}
