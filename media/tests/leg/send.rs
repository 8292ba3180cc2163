//! What goes out: one stream that never breaks, telephone events, comfort noise, RTCP.

use crate::bench::{agreed, at, leg, peer, rtp};
use plenum_media::leg::Outgoing;
use plenum_media::negotiated::Codec;
use plenum_media::rtp::packet::Packet;

#[test]
fn timestamps_run_on_over_pauses_and_the_marker_begins_a_talk_spurt() {
    let mut leg = leg(Codec::Pcmu);
    let mut out = Vec::new();
    let mut seen = Vec::new();
    for tick in 0..300u64 {
        let talking = !(100..200).contains(&tick);
        let outgoing = if talking {
            Outgoing::Audio(&[1; 160])
        } else {
            Outgoing::Silence { noise: 60 }
        };
        if leg.packetize(at(tick * 20_000), outgoing, 160, &[7, 8], &mut out) {
            let packet = Packet::parse(&out).unwrap();
            if packet.payload_type == 0 {
                assert_eq!(packet.csrcs().collect::<Vec<_>>(), [7, 8]);
            }
            seen.push((
                tick,
                packet.payload_type,
                packet.marker,
                packet.sequence,
                packet.timestamp,
            ));
        }
    }
    let (_, _, _, first_sequence, first_timestamp) = seen[0];
    for (index, (tick, pt, marker, sequence, timestamp)) in seen.iter().enumerate() {
        assert_eq!(sequence.wrapping_sub(first_sequence), index as u16);
        assert_eq!(timestamp.wrapping_sub(first_timestamp), *tick as u32 * 160);
        assert_eq!(
            *marker,
            *pt == 0 && (*tick == 0 || *tick == 200),
            "tick {tick}"
        );
    }
    let noise = seen.iter().filter(|packet| packet.1 == 13).count();
    assert!(
        (4..=6).contains(&noise),
        "{noise} comfort noise packets in two seconds"
    );
}

#[test]
fn telephone_events_go_out_rfc4733_2_5() {
    let mut leg = leg(Codec::Pcmu);
    let mut out = Vec::new();
    assert!(leg.send_dtmf('5', std::time::Duration::from_millis(100)));
    assert!(!leg.send_dtmf('6', std::time::Duration::from_millis(100)));
    let mut events = Vec::new();
    for tick in 0..12u64 {
        assert!(leg.packetize(
            at(tick * 20_000),
            Outgoing::Audio(&[1; 160]),
            160,
            &[],
            &mut out
        ));
        let packet = Packet::parse(&out).unwrap();
        if packet.payload_type == 101 {
            events.push((packet.marker, packet.timestamp, packet.payload.to_vec()));
        }
    }
    assert_eq!(
        events.len(),
        7,
        "five updates, the last of them the end, and the end twice more"
    );
    assert!(
        events
            .iter()
            .all(|event| event.1 == events[0].1 && event.2[0] == 5)
    );
    assert_eq!(
        events
            .iter()
            .map(|event| event.0)
            .filter(|marker| *marker)
            .count(),
        1
    );
    assert_eq!(
        events.iter().filter(|event| event.2[1] & 0x80 != 0).count(),
        3
    );
    assert_eq!(events[6].2[2..], 800u16.to_be_bytes());
}

#[test]
fn rtcp_comes_at_random_intervals_and_ends_with_bye_rfc3550_6() {
    let mut leg = leg(Codec::Pcmu);
    let mut out = Vec::new();
    let mut times = Vec::new();
    for tick in 0..6_000u64 {
        let now = at(tick * 20_000);
        leg.handle_rtp(
            now,
            peer(),
            &rtp(0, false, tick as u16, tick as u32 * 160, 9, &[1; 160]),
        );
        let mut packet = Vec::new();
        leg.packetize(now, Outgoing::Audio(&[1; 160]), 160, &[], &mut packet);
        leg.skip(now);
        if leg.poll_rtcp(now, &mut out) {
            times.push(tick as f64 * 0.02);
            assert_eq!(out[1], 200, "a sender report");
            assert_eq!(out[0] & 31, 1, "with one block");
            assert_eq!(out[28..32], 9u32.to_be_bytes(), "about the peer");
            assert_eq!(out[32], 0, "who lost nothing");
            assert_eq!(out.len() % 4, 0);
        }
    }
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 4.5 s (360 divided by 80 kbit/s), halved to one and a half times, by 1.22.
    assert!(gaps.iter().all(|gap| (1.8..5.6).contains(gap)), "{gaps:?}");
    assert!(
        gaps.iter().any(|gap| (gap - gaps[0]).abs() > 0.3),
        "no randomness: {gaps:?}"
    );
    leg.write_bye(at(121_000_000), &mut out);
    assert_eq!(
        out[out.len() - 8..],
        [0x81, 203, 0, 1, 0x11, 0x11, 0x11, 0x11]
    );
}

#[test]
fn nothing_is_sent_on_hold() {
    let mut leg = leg(Codec::Pcmu);
    assert!(leg.send_format().is_some());
    let mut held = agreed(Codec::Pcmu);
    held.remote_rtp = None;
    held.sending = false;
    leg.apply(at(0), held);
    assert_eq!(leg.send_format(), None);
    assert_eq!(leg.rtp_destination(), None);
    let mut out = Vec::new();
    assert!(!leg.packetize(at(0), Outgoing::Audio(&[1; 160]), 160, &[], &mut out));
}
