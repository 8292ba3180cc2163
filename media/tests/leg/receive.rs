//! What comes in: latch, sources, RTCP, timeouts, comfort noise, levels, and garbage.

use crate::bench::{Random, agreed, at, clean, config, format, leg, peer, play, rtp, speak};
use crate::quality::voice;
use plenum_media::crypto::dtls::Identity;
use plenum_media::crypto::keys::{KeySource, MasterKey};
use plenum_media::crypto::srtp::PeerKey;
use plenum_media::crypto::suite::Suite;
use plenum_media::leg::{Activity, AudioLeg, Hint, LegEvent, Pulled};
use plenum_media::limits::SecurityLimits;
use plenum_media::negotiated::Codec;
use plenum_media::path::{Handshakes, Inbound, Keying, MediaPath, NegotiatedPath, PathConfig};
use plenum_media::pcm::PcmFrame;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn pcmu(sequence: u16, ssrc: u32) -> Vec<u8> {
    rtp(
        0,
        false,
        sequence,
        u32::from(sequence) * 160,
        ssrc,
        &[0x55; 160],
    )
}

#[test]
fn one_stray_packet_does_not_steal_the_stream() {
    let mut leg = leg(Codec::Pcmu);
    let attacker = address("198.51.100.9:5555");
    for sequence in 0..100u16 {
        let now = at(u64::from(sequence) * 20_000);
        leg.handle_rtp(now, peer(), &pcmu(sequence, 1));
        // Even with the right SSRC, in between the real packets, one at a time.
        leg.handle_rtp(now, attacker, &pcmu(sequence + 1, 1));
    }
    assert_eq!(leg.rtp_destination(), Some(peer()));
    assert_eq!(leg.quality().packets_received, 100);
}

#[test]
fn a_nat_rebinding_is_followed_rfc4961() {
    let mut leg = leg(Codec::Pcmu);
    let moved = address("192.0.2.1:6000");
    for sequence in 0..50u16 {
        let from = if sequence < 25 { peer() } else { moved };
        leg.handle_rtp(at(u64::from(sequence) * 20_000), from, &pcmu(sequence, 1));
    }
    assert_eq!(leg.rtp_destination(), Some(moved));
    assert_eq!(leg.poll_event(), Some(LegEvent::AddressChanged(moved)));
    assert!(leg.quality().packets_received >= 42);
}

#[test]
fn the_first_source_latches_only_within_the_window() {
    let behind_nat = address("203.0.113.7:7000");
    let mut early = leg(Codec::Pcmu);
    early.handle_rtp(at(1_000_000), behind_nat, &pcmu(1, 1));
    assert_eq!(early.rtp_destination(), Some(behind_nat));
    let mut late = leg(Codec::Pcmu);
    late.handle_rtp(at(6_000_000), behind_nat, &pcmu(1, 1));
    assert_eq!(late.rtp_destination(), Some(peer()));
    // The host of the signalling may come at any time.
    let mut known = config();
    known.signalled_from = Some(behind_nat.ip());
    let mut leg = AudioLeg::new(known, at(0));
    leg.apply(at(0), agreed(Codec::Pcmu));
    leg.handle_rtp(at(6_000_000), behind_nat, &pcmu(1, 1));
    assert_eq!(leg.rtp_destination(), Some(behind_nat));
}

#[test]
fn another_source_takes_over_after_silence() {
    let mut leg = leg(Codec::Pcmu);
    leg.handle_rtp(at(0), peer(), &pcmu(1, 1));
    let other = address("192.0.2.50:4000");
    for (index, ms) in [1_500u64, 1_520, 1_540].into_iter().enumerate() {
        leg.handle_rtp(at(ms * 1000), other, &pcmu(500 + index as u16, 2));
    }
    assert_eq!(leg.rtp_destination(), Some(other));
}

#[test]
fn two_interleaved_sources_do_not_flap_rfc3550_8_2() {
    let mut leg = leg(Codec::Pcmu);
    for sequence in 0..100u16 {
        let now = at(u64::from(sequence) * 20_000);
        leg.handle_rtp(now, peer(), &pcmu(sequence, 1));
        leg.handle_rtp(now, peer(), &pcmu(9_000 + 2 * sequence, 2));
    }
    assert_eq!(leg.peer_ssrc(), Some(1));
    assert_eq!(leg.poll_event(), None);
}

#[test]
fn media_timeout_and_return() {
    let mut leg = leg(Codec::Pcmu);
    let mut frame = PcmFrame::default();
    leg.handle_rtp(at(0), peer(), &pcmu(1, 1));
    for tick in 0..499 {
        leg.pull(at(tick * 20_000), &mut frame);
    }
    assert_eq!(leg.poll_event(), None);
    leg.skip(at(10_000_000));
    leg.skip(at(10_020_000));
    assert_eq!(leg.poll_event(), Some(LegEvent::Lost));
    assert_eq!(leg.poll_event(), None);
    // RTCP is evidence of life too.
    leg.handle_rtcp(
        at(10_030_000),
        address("192.0.2.1:4001"),
        &[0x80, 201, 0, 1, 0, 0, 0, 1],
    );
    assert_eq!(leg.poll_event(), Some(LegEvent::Back));
}

#[test]
fn rtcp_reports_tell_loss_round_trip_and_bye_rfc3550_6() {
    let mut leg = leg(Codec::Pcmu);
    let from = address("192.0.2.1:4001");
    leg.handle_rtp(at(0), peer(), &pcmu(1, 77));
    // Our NTP time began at 0xe0000000 s; we "sent" a report at second 1, which the peer held for 0.5 s.
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 77];
    report.extend(0x1111_1111u32.to_be_bytes());
    report.extend([64, 0, 0, 10]);
    report.extend([0; 8]);
    report.extend(0x0001_0000u32.to_be_bytes());
    report.extend(0x0000_8000u32.to_be_bytes());
    report.extend([0x81, 203, 0, 1, 0, 0, 0, 77]);
    leg.handle_rtcp(at(2_000_000), from, &report);
    let quality = leg.quality();
    assert_eq!(quality.peer_loss_percent, 25);
    let round_trip = quality.round_trip.unwrap();
    assert!(round_trip.abs_diff(Duration::from_millis(500)) < Duration::from_millis(1));
    assert_eq!(leg.poll_event(), Some(LegEvent::Bye));
    // A stranger's BYE is nobody's.
    leg.handle_rtcp(at(2_100_000), address("198.51.100.1:1"), &report);
    assert_eq!(leg.poll_event(), None);
    assert_eq!(leg.rtcp_destination(), Some(from));
}

#[test]
fn activity_tells_before_decoding() {
    let mut leg = leg(Codec::Opus);
    assert_eq!(leg.activity(), Activity::Nothing);
    // RFC 6464 level 42 in a one-byte extension with id 1, after an unknown one with id 5.
    let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 2];
    packet.extend([0x51, 1, 2, 0x10, 0x80 | 42, 0, 0, 0]);
    packet.extend([0xfc, 1, 2, 3, 4, 5]);
    leg.handle_rtp(at(0), peer(), &packet);
    assert_eq!(leg.activity(), Activity::Level(42));
    let mut plain = crate::bench::leg(Codec::Opus);
    plain.handle_rtp(at(0), peer(), &rtp(96, false, 1, 0, 1, &[0x08]));
    assert_eq!(plain.activity(), Activity::Silent);
    // A SILK frame whose first bit, the voice activity flag, is set.
    let mut silk = crate::bench::leg(Codec::Opus);
    silk.handle_rtp(
        at(0),
        peer(),
        &rtp(96, false, 1, 0, 1, &[0x08, 0x80, 1, 2, 3]),
    );
    assert_eq!(silk.activity(), Activity::Unknown { hint: Hint::Voice });
    let mut law = crate::bench::leg(Codec::Pcmu);
    law.handle_rtp(at(0), peer(), &rtp(0, false, 1, 0, 1, &[0xff; 160]));
    assert_eq!(law.activity(), Activity::Level(127));
}

#[test]
fn rfc6464_levels_tell_under_srtp_who_is_worth_decoding() {
    let mut source = KeySource::new(&[7; 32]);
    let [ours, theirs] = [(); 2].map(|()| source.master_key(Suite::AesCm128Tag80));
    let path = |send: &MasterKey, receive: &MasterKey| {
        let mut path = MediaPath::new(PathConfig {
            identity: Arc::new(Identity::generate().unwrap()),
            limits: SecurityLimits::default(),
            handshakes: Handshakes::new(1),
            metrics: Arc::default(),
        });
        let receive = PeerKey {
            master: receive.clone(),
            mki: smallvec::SmallVec::new(),
        };
        let agreed = NegotiatedPath {
            keying: Keying::Sdes {
                send: send.clone(),
                receive: vec![receive],
            },
            ice: None,
            rtp: Some(peer()),
            rtcp: None,
            rtcp_mux: true,
        };
        path.apply(at(0), &agreed);
        path
    };
    let (mut here, mut there) = (path(&ours, &theirs), path(&theirs, &ours));
    let mut leg = leg(Codec::Opus);
    for (sequence, level) in [(1, 42), (2, 9)] {
        let mut packet = vec![
            0x90, 96, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 1,
        ];
        packet.extend([0x10, 0x80 | level, 0, 0]);
        packet.extend([0xfc, 1, 2, 3, 4, 5]);
        let mut octets = Vec::new();
        there.protect_rtp(&packet, &mut octets).unwrap();
        // The level is not encrypted, but it is authenticated (RFC 6464 §5).
        let mut forged = octets.clone();
        forged[17] ^= 1;
        let refused = here.handle_datagram(at(0), 0, peer(), &mut forged);
        assert!(matches!(refused, Inbound::Refused(_)), "{refused:?}");
        let Inbound::Rtp(plain) = here.handle_datagram(at(0), 0, peer(), &mut octets) else {
            panic!("it is authentic");
        };
        assert_eq!(plain, packet);
        leg.handle_rtp(at(0), peer(), plain);
    }
    // The loudest of what waits.
    assert_eq!(leg.activity(), Activity::Level(9));
}

#[test]
fn opus_encoder_output_is_recognised_as_voice() {
    let mut fmt = format(Codec::Opus, 20);
    fmt.bitrate = 24_000;
    fmt.playback_rate = 16_000;
    let mut leg = leg(Codec::Opus);
    let mut voices = 0;
    for (index, sent) in speak(fmt, 2.0, (0, 0), syllables).into_iter().enumerate() {
        leg.handle_rtp(at(sent.us as u64), peer(), &sent.packet);
        voices += u32::from(leg.activity() == Activity::Unknown { hint: Hint::Voice });
        leg.skip(at(sent.us as u64 + 5_000));
        assert!(index < 200);
    }
    assert!(voices > 60, "{voices} of 100");
}

/// A buzz that comes and goes five times a second.
fn syllables(n: f64) -> f32 {
    voice(n) * (0.5 - 0.5 * (n / 48_000.0 * 5.0 * std::f64::consts::TAU).cos() as f32)
}

#[test]
fn comfort_noise_is_heard_at_its_level_rfc3389() {
    let sent = speak(format(Codec::Pcmu, 20), 1.0, (0, 0), voice);
    let mut arrivals = clean(&sent);
    arrivals.push((1_020_000, rtp(13, false, 50, 8_000, 0xabcd, &[50])));
    let mut leg = leg(Codec::Pcmu);
    let run = play(&mut leg, arrivals, 5_000, 3.0);
    assert_eq!(run.pulled[120], Pulled::ComfortNoise);
    let noise = &run.audio[2 * 48_000..];
    let power = noise.iter().map(|x| x * x).sum::<f32>() / noise.len() as f32;
    let level = -10.0 * power.log10();
    assert!((level - 50.0).abs() < 1.5, "{level}");
}

#[test]
fn discontinuous_transmission_resumes_in_time() {
    // One second of speech, two of nothing, speech again with timestamps that ran on (RFC 3551 §4.1).
    let mut arrivals = Vec::new();
    for (part, offset) in [(0u16, 0u64), (1, 3_000_000)] {
        let first = (part * 50, u32::from(part) * 24_000);
        for sent in speak(format(Codec::Pcmu, 20), 1.0, first, voice) {
            arrivals.push((offset + sent.us as u64, sent.packet));
        }
    }
    let mut leg = leg(Codec::Pcmu);
    let run = play(&mut leg, arrivals, 5_000, 4.5);
    assert_eq!(run.pulled[100], Pulled::Nothing);
    let first = run
        .pulled
        .iter()
        .skip(100)
        .position(|p| *p == Pulled::Audio)
        .unwrap()
        + 100;
    // The packet arrives at 3.02 s; a tick is at 3.025 s.
    assert!(first <= 152, "{first}");
    assert_eq!(leg.quality().packets_lost, 0);
    assert!(*run.delays.last().unwrap() < 25.0);
}

#[test]
fn garbage_does_no_harm() {
    let mut leg = leg(Codec::Opus);
    let mut random = Random(99);
    let mut frame = PcmFrame::default();
    for step in 0..20_000u64 {
        let length = (random.next() * 60.0) as usize;
        let mut datagram: Vec<u8> = (0..length).map(|_| (random.next() * 256.0) as u8).collect();
        if step % 2 == 0 && length > 12 {
            // Half of it at least looks like RTP of an agreed type.
            datagram[0] = 0x80 | (datagram[0] & 0x3f);
            datagram[1] = [96, 9, 8, 0, 101, 13][step as usize % 6];
            datagram[2] = 0;
            datagram[8..12].copy_from_slice(&[0, 0, 0, 1]);
        }
        let now = at(step * 5_000);
        leg.handle_rtp(now, peer(), &datagram);
        leg.handle_rtcp(now, peer(), &datagram);
        if step % 4 == 0 {
            leg.pull(now, &mut frame);
            assert!(frame.0.iter().all(|sample| sample.is_finite()));
        }
        while leg.poll_event().is_some() {}
    }
    let (own, decoded) = leg.memory();
    assert!(own < 64 * 1024 && decoded < 128 * 1024, "{own} {decoded}");
}

#[test]
fn g722_tells_voice_from_silence_before_decoding() {
    let mut leg = leg(Codec::G722);
    // Half a second of silence, half a second of a buzz.
    let sound = |n: f64| if n < 24_000.0 { 0.0 } else { 0.3 * voice(n) };
    let sent = speak(format(Codec::G722, 20), 1.0, (0, 0), sound);
    for (index, sent) in sent.into_iter().enumerate() {
        leg.handle_rtp(at(sent.us as u64), peer(), &sent.packet);
        // The packet with the beginning of the sound says so.
        let hint = if index < 25 { Hint::Quiet } else { Hint::Voice };
        assert_eq!(leg.activity(), Activity::Unknown { hint }, "packet {index}");
        leg.skip(at(sent.us as u64 + 5_000));
    }
}
