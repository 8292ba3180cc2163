//! The packet buffer, the timeline and the skew estimate by themselves.

use plenum_media::jitter::buffer::{Content, Inserted, PacketBuffer, Waiting};
use plenum_media::jitter::lateness::Lateness;
use plenum_media::jitter::skew::Skew;
use plenum_media::jitter::timeline::Timeline;
use plenum_media::leg::Activity;
use plenum_media::negotiated::Codec;
use proptest::prelude::*;
use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made in any other way"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn waiting(sequence: i64) -> Waiting {
    Waiting {
        sequence,
        media: sequence * 960,
        samples: 960,
        arrival: epoch(),
        content: Content::Audio(Codec::Pcmu),
        activity: Activity::Silent,
        noted: false,
        payload: Vec::new(),
    }
}

proptest! {
    #[test]
    fn packets_come_out_once_and_in_order(sequences in proptest::collection::vec(1_000i64..1_060, 1..150)) {
        let mut buffer = PacketBuffer::new(64);
        let mut unique = sequences.clone();
        unique.sort_unstable();
        unique.dedup();
        for sequence in &sequences {
            buffer.insert(waiting(*sequence), &sequence.to_be_bytes());
        }
        let mut out = Vec::new();
        while let Some(front) = buffer.front() {
            prop_assert_eq!(&front.payload[..], &front.sequence.to_be_bytes());
            out.push(front.sequence);
            buffer.consume();
        }
        prop_assert_eq!(out, unique);
    }

    #[test]
    fn the_buffer_never_exceeds_its_bounds(sequences in proptest::collection::vec(0i64..100_000, 1..300), capacity in 2usize..20) {
        let mut buffer = PacketBuffer::new(capacity);
        for sequence in sequences {
            buffer.insert(waiting(sequence), &[0; 160]);
            prop_assert!(buffer.iter().count() <= capacity);
            let ordered: Vec<i64> = buffer.iter().map(|packet| packet.sequence).collect();
            prop_assert!(ordered.is_sorted());
        }
        prop_assert!(buffer.memory() < 40 * 1024);
    }
}

#[test]
fn late_and_duplicate_are_told_apart() {
    let mut buffer = PacketBuffer::new(8);
    assert_eq!(buffer.insert(waiting(5), &[]), Inserted::Waits);
    assert_eq!(buffer.insert(waiting(7), &[]), Inserted::Waits);
    assert_eq!(buffer.insert(waiting(5), &[]), Inserted::Duplicate);
    buffer.consume();
    assert!(buffer.lost_before_front());
    buffer.consume();
    assert_eq!(buffer.insert(waiting(6), &[]), Inserted::Late);
    assert_eq!(buffer.insert(waiting(6), &[]), Inserted::Duplicate);
    assert_eq!(buffer.insert(waiting(7), &[]), Inserted::Duplicate);
    for sequence in 8..16 {
        assert_eq!(buffer.insert(waiting(sequence), &[]), Inserted::Waits);
    }
    assert_eq!(buffer.insert(waiting(16), &[]), Inserted::Overflowed);
}

#[test]
fn media_time_runs_on_over_wraps_jumps_and_changes_of_clock() {
    let start = epoch();
    let mut timeline = Timeline::default();
    let ms = |ms: u64| start + Duration::from_millis(ms);
    let first = timeline.place(1, u32::MAX - 100, 8_000, ms(0)).media;
    let wrapped = timeline.place(2, 59, 8_000, ms(20));
    assert_eq!(
        (wrapped.media - first, wrapped.jumped),
        (960, false),
        "160 ticks over the wrap"
    );
    let reordered = timeline.place(1, u32::MAX - 100, 8_000, ms(25)).media;
    assert_eq!(reordered, first);
    let jump = timeline.place(3, 3_000_000_000, 8_000, ms(40));
    assert_eq!(
        (jump.media - first, jump.jumped),
        (1_920, true),
        "bridged by the wall clock"
    );
    let after = timeline.place(4, 3_000_000_160, 8_000, ms(60));
    assert_eq!((after.media - first, after.jumped), (2_880, false));
    let opus = timeline.place(5, 3_000_000_320, 48_000, ms(80));
    assert_eq!(
        (opus.media - first, opus.jumped),
        (3_840, true),
        "another clock"
    );
    let pause = timeline.place(6, 3_000_000_320 + 96_000, 48_000, ms(2_080));
    assert_eq!(
        (pause.media - first, pause.jumped),
        (99_840, false),
        "a pause is no jump"
    );
}

#[test]
fn skew_is_found_under_jitter_and_a_blackout() {
    let start = epoch();
    for ppm in [-200i64, -20, 0, 50, 200] {
        let mut skew = Skew::default();
        let mut noise = 12_345u64;
        for packet in 0..4_500i64 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let jitter = noise >> 50;
            let blackout = if (2_000..2_050).contains(&packet) {
                500_000
            } else {
                0
            };
            let us = packet * 20_000 - packet * 20_000 * ppm / 1_000_000;
            let us = u64::try_from(us).unwrap() + jitter + blackout;
            skew.arrived(start + Duration::from_micros(us), packet * 960);
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let off = (skew.ppm() - ppm as f32).abs();
        assert!(off < 15.0, "{ppm}: {}", skew.ppm());
    }
}

#[test]
fn room_is_the_least_of_the_window_in_whole_ticks() {
    let mut lateness = Lateness::default();
    // Packets at the beginning of frames that waited 50 ms at least: two ticks can go, the margin of 2 ms stays.
    for tick in 0..400 {
        lateness.tick();
        lateness.played(48 * (50 + tick % 30), 0);
    }
    assert_eq!(lateness.room(), Some(1_920));
    lateness.moved(1_920);
    assert_eq!(lateness.room(), Some(0));
    assert_eq!(lateness.growth(), 0);
    lateness.missed(480);
    assert_eq!(lateness.growth(), 0, "one late packet is nothing");
    lateness.missed(700);
    assert_eq!(lateness.growth(), 700);
    lateness.moved(-700);
    assert_eq!(lateness.growth(), 0);
}
