use super::*;
use crate::video::frame::Payloads;
use crate::video::vp8;
use proptest::prelude::*;

const LIMITS: AssemblerLimits = AssemblerLimits {
    packets: 200,
    frame_octets: 100_000,
    missing: 50,
    requests: 3,
    patience: Duration::from_millis(200),
    keyframe_patience: Duration::from_secs(3),
};

struct Sent {
    sequence: i64,
    timestamp: i64,
    marker: bool,
    payload: Vec<u8>,
}

/// Frames of so many packets each; those whose index is in `keys` are keyframes.
fn stream(packets_per_frame: &[usize], keys: &[usize]) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (index, packets) in packets_per_frame.iter().enumerate() {
        let mut frame = vec![0xaa; packets * 10];
        frame[0] = u8::from(!keys.contains(&index));
        frame[1] = u8::try_from(index % 250).unwrap();
        let mut payloads = Payloads::default();
        vp8::pack(&frame, 1, 14, &mut payloads).unwrap();
        for (payload, marker) in payloads.iter() {
            sent.push(Sent {
                sequence: 65_530 + i64::try_from(sent.len()).unwrap(),
                timestamp: i64::try_from(index).unwrap() * 3000,
                marker,
                payload: payload.to_vec(),
            });
        }
    }
    sent
}

fn push(assembler: &mut Assembler, now: Instant, sent: &Sent) -> Taken {
    assembler.push(
        now,
        sent.sequence,
        sent.timestamp,
        sent.marker,
        &sent.payload,
    )
}

fn frames(assembler: &mut Assembler, now: Instant) -> Vec<i64> {
    std::iter::from_fn(|| assembler.poll_frame(now))
        .map(|frame| frame.timestamp / 3000)
        .collect()
}

fn begin() -> (Assembler, Instant) {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    (Assembler::new(ReceiveFormat::Vp8, LIMITS, now), now)
}

#[test]
fn frames_come_out_in_order_although_packets_do_not() {
    let (mut assembler, now) = begin();
    let mut sent = stream(&[3, 2, 1, 4], &[0]);
    sent.swap(1, 2);
    sent.swap(4, 6);
    sent.swap(7, 9);
    let mut out = Vec::new();
    for packet in &sent {
        assert_eq!(push(&mut assembler, now, packet), Taken::Held);
        out.extend(frames(&mut assembler, now));
    }
    assert_eq!(out, [0, 1, 2, 3]);
    assert_eq!(assembler.frames_lost(), 0);
    assert!(!assembler.keyframe_needed());
}

#[test]
fn rfc4585_6_2_1_a_gap_is_asked_for_and_filled() {
    let (mut assembler, now) = begin();
    let sent = stream(&[3, 3, 3], &[0]);
    for (index, packet) in sent.iter().enumerate() {
        if index != 4 {
            push(&mut assembler, now, packet);
        }
    }
    assert_eq!(frames(&mut assembler, now), [0]);
    let mut asked = Vec::new();
    assembler.poll_missing(now, Duration::ZERO, &mut |s| asked.push(s));
    assert!(asked.is_empty(), "may still be reordering");
    let later = now + Duration::from_millis(15);
    assert!(assembler.timeout().unwrap() <= later);
    assembler.poll_missing(later, Duration::ZERO, &mut |s| asked.push(s));
    assembler.poll_missing(later, Duration::ZERO, &mut |s| asked.push(s));
    assert_eq!(asked, [65_534]);
    push(&mut assembler, later, &sent[4]);
    assert_eq!(frames(&mut assembler, later), [1, 2]);
    assert_eq!(push(&mut assembler, later, &sent[4]), Taken::Late);
}

#[test]
fn a_missing_packet_is_asked_for_so_often_and_no_more() {
    let (mut assembler, now) = begin();
    let sent = stream(&[1, 3, 3], &[0]);
    for index in [0, 1, 3, 4, 5, 6] {
        push(&mut assembler, now, &sent[index]);
    }
    let mut asked = 0;
    for ms in (0..1000).step_by(5) {
        let now = now + Duration::from_millis(ms);
        assembler.poll_missing(now, Duration::from_millis(30), &mut |_| asked += 1);
    }
    assert_eq!(asked, 3);
}

#[test]
fn after_a_loss_nothing_but_a_keyframe_is_delivered() {
    let (mut assembler, now) = begin();
    let sent = stream(&[2, 2, 2, 2, 2, 2], &[0, 4]);
    for (index, packet) in sent.iter().enumerate() {
        if index != 3 {
            push(&mut assembler, now, packet);
        }
    }
    assert_eq!(frames(&mut assembler, now), [0]);
    let later = now + LIMITS.patience;
    assert_eq!(frames(&mut assembler, later), [4, 5]);
    assert_eq!(assembler.frames_lost(), 1);
    assert!(!assembler.keyframe_needed());
}

#[test]
fn a_sender_without_keyframes_is_shown_after_a_while() {
    let (mut assembler, now) = begin();
    let sent = stream(&[1, 1, 1, 1], &[]);
    push(&mut assembler, now, &sent[0]);
    push(&mut assembler, now, &sent[1]);
    assert!(frames(&mut assembler, now).is_empty());
    assert!(assembler.keyframe_needed());
    let later = now + LIMITS.keyframe_patience;
    push(&mut assembler, later, &sent[2]);
    assert_eq!(frames(&mut assembler, later), [2]);
    assert!(assembler.keyframe_needed(), "still wanted");
}

#[test]
fn a_missing_marker_is_made_up_by_the_next_timestamp() {
    let (mut assembler, now) = begin();
    let mut sent = stream(&[2, 2, 1], &[0]);
    for packet in &mut sent {
        packet.marker = false;
        push(&mut assembler, now, packet);
    }
    assert_eq!(frames(&mut assembler, now), [0, 1]);
}

#[test]
fn padding_between_frames_is_skipped() {
    let (mut assembler, now) = begin();
    let mut sent = stream(&[1, 1, 1], &[0]);
    sent[1].payload.clear();
    sent[1].timestamp = 0;
    for packet in &sent {
        push(&mut assembler, now, packet);
    }
    assert_eq!(frames(&mut assembler, now), [0, 2]);
    assert_eq!(assembler.frames_lost(), 0);
}

#[test]
fn an_endless_frame_is_given_up_at_the_bound() {
    let (mut assembler, now) = begin();
    let sent = stream(&[500], &[0]);
    let taken: Vec<_> = sent
        .iter()
        .map(|packet| push(&mut assembler, now, packet))
        .collect();
    assert_eq!(taken.iter().filter(|t| **t == Taken::Overrun).count(), 2);
    assert!(assembler.held.len() <= LIMITS.packets);
    assert!(assembler.keyframe_needed());
}

#[test]
fn a_large_jump_costs_a_keyframe_and_no_requests() {
    let (mut assembler, now) = begin();
    let mut sent = stream(&[1, 1, 1], &[0, 2]);
    sent[1].sequence += 2000;
    sent[2].sequence += 2000;
    push(&mut assembler, now, &sent[0]);
    assert_eq!(frames(&mut assembler, now), [0]);
    assert_eq!(push(&mut assembler, now, &sent[1]), Taken::Overrun);
    push(&mut assembler, now, &sent[2]);
    assert_eq!(frames(&mut assembler, now), [2]);
    assert!(assembler.missing.is_empty());
}

proptest! {
    /// Whatever is lost, doubled or swapped: order is kept, bounds hold, and with everything delivered in
    /// the end every frame comes out.
    #[test]
    fn order_and_bounds_hold(
        sizes in proptest::collection::vec(1_usize..6, 1..20),
        moves in proptest::collection::vec((0_usize..80, 0_usize..6), 0..20),
        lost in proptest::collection::btree_set(0_usize..80, 0..6),
    ) {
        let (mut assembler, start) = begin();
        let keys: Vec<usize> = (0..sizes.len()).step_by(4).collect();
        let sent = stream(&sizes, &keys);
        let mut order: Vec<usize> = (0..sent.len()).collect();
        for (at, by) in moves {
            // The first packet tells where the stream begins.
            let (a, b) = (at % order.len(), (at + by) % order.len());
            if a > 0 && b > 0 && a.abs_diff(b) < 6 { order.swap(a, b); }
        }
        let mut out = Vec::new();
        for (step, index) in order.iter().enumerate() {
            let now = start + Duration::from_millis(u64::try_from(step).unwrap());
            if !lost.contains(index) || *index == 0 {
                push(&mut assembler, now, &sent[*index]);
            }
            out.extend(frames(&mut assembler, now));
        }
        let end = start + Duration::from_secs(1);
        out.extend(frames(&mut assembler, end));
        prop_assert!(out.windows(2).all(|two| two[0] < two[1]), "{out:?}");
        prop_assert!(assembler.held.len() <= LIMITS.packets);
        if lost.iter().all(|index| *index == 0 || *index >= sent.len()) {
            prop_assert_eq!(out.len(), sizes.len());
        }
    }

    #[test]
    fn hostile_packets_do_not_panic(
        packets in proptest::collection::vec(
            (0_i64..3000, 0_i64..5, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..8)), 0..300),
    ) {
        let (mut assembler, now) = begin();
        for (sequence, timestamp, marker, payload) in packets {
            assembler.push(now, sequence, timestamp, marker, &payload);
            while assembler.poll_frame(now).is_some() {}
            prop_assert!(assembler.held.len() <= LIMITS.packets);
            prop_assert!(assembler.missing.len() <= LIMITS.missing);
        }
    }
}
