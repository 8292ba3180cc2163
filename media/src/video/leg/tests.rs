//! Who is believed: where packets and reports come from.

use super::*;
use crate::video::format::{ReceiveFormat, SendFormat};
use crate::video::negotiated::FeedbackSet;
use crate::video::rate::PictureLimits;
use proptest::prelude::*;

/// What the peer behind a NAT signals, and where its packets come from.
const SIGNALLED: &str = "10.0.0.2:5004";
const PEER: &str = "203.0.113.9:61000";
const STRANGER: &str = "198.51.100.66:4000";
const OURS: u32 = 7;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn agreed() -> NegotiatedVideo {
    let (host, port) = (address(SIGNALLED).ip(), address(SIGNALLED).port());
    NegotiatedVideo {
        send: SendFormat::Vp8,
        send_pt: 96,
        send_rtx: None,
        receive: ReceiveFormat::Vp8,
        receive_pt: 96,
        receive_rtx: None,
        transport_cc: None,
        mid: None,
        feedback: FeedbackSet::ALL,
        limits: PictureLimits {
            rows: 720,
            macroblocks: u32::MAX,
            macroblocks_per_second: u32::MAX,
        },
        bitrate: 1_000_000,
        sources: (OURS, 8),
        remote_rtp: Some(address(SIGNALLED)),
        remote_rtcp: Some(SocketAddr::new(host, port + 1)),
        rtcp_mux: false,
        sending: true,
        receiving: true,
    }
}

fn leg(agreed: NegotiatedVideo) -> (VideoLeg, Instant) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to begin at"
    )]
    let now = Instant::now();
    let config = VideoLegConfig {
        cname: "us".to_owned(),
        seed: 1,
        ntp_origin: 0,
        assembler: AssemblerLimits {
            packets: 100,
            frame_octets: 100_000,
            missing: 20,
            requests: 4,
            patience: Duration::from_millis(200),
            keyframe_patience: Duration::from_secs(5),
        },
        history: HistoryLimits {
            packets: 100,
            octets: 100_000,
            age: Duration::from_secs(1),
            share_percent: 50,
        },
        rate: (500_000, 64_000),
        max_payload: 1_180,
        frame_time: Duration::from_millis(40),
        signalled_from: Some(address(PEER).ip()),
        latch: LatchRules {
            window: Duration::from_secs(10),
            silence: Duration::from_secs(2),
        },
    };
    let mut leg = VideoLeg::new(config, now);
    leg.apply(now, agreed);
    (leg, now)
}

/// One RTP packet of VP8.
fn packet(payload_type: u8, sequence: u8) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 1];
    packet.extend([0x10, 1, 2, 3]);
    packet
}

/// A compound packet that asks for a keyframe of ours.
fn wish() -> Vec<u8> {
    let mut packet = Vec::new();
    rtcp::write_report(1, None, None, "them", &mut packet);
    feedback::write_pli(1, OURS, &mut packet);
    packet
}

#[test]
fn rfc3550_reports_of_a_stranger_are_not_taken_and_draw_nothing_to_him() {
    let (mut leg, now) = leg(agreed());
    leg.handle_rtp(now, address(PEER), &packet(96, 1));
    leg.handle_rtcp(now, address(STRANGER), &wish());
    leg.handle_rtp(now, address(STRANGER), &wish());
    assert_eq!(leg.poll_event(), None);
    assert_eq!(leg.rtcp_destination(), agreed().remote_rtcp);
    assert_eq!(leg.counters().refused, 2);

    let from = SocketAddr::new(address(PEER).ip(), 61_001);
    leg.handle_rtcp(now, from, &wish());
    assert_eq!(leg.poll_event(), Some(VideoLegEvent::KeyframeNeeded));
    assert_eq!(leg.rtcp_destination(), Some(from));
}

#[test]
fn rfc4961_a_packet_of_no_agreed_type_moves_nothing() {
    let (mut leg, now) = leg(agreed());
    leg.handle_rtp(now, address(PEER), &packet(97, 1));
    assert_eq!(leg.rtp_destination(), Some(address(SIGNALLED)));
    leg.handle_rtp(now, address(PEER), &packet(96, 2));
    assert_eq!(leg.rtp_destination(), Some(address(PEER)));
}

#[test]
fn rfc6263_a_viewer_behind_a_nat_that_may_not_send_is_found_by_what_keeps_its_binding() {
    let (mut leg, now) = leg(NegotiatedVideo {
        receiving: false,
        ..agreed()
    });
    leg.handle_rtp(now, address(PEER), &packet(96, 1));
    assert_eq!(leg.rtp_destination(), Some(address(PEER)));
    assert_eq!(leg.poll_frame(now), None, "and nothing is taken of it");
}

proptest! {
    /// The first octets are made likely; what follows is anybody's.
    #[test]
    fn hostile_datagrams_neither_panic_nor_grow_without_bound(
        datagrams in proptest::collection::vec(
            (0..4_usize, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..120)),
            1..60,
        ),
    ) {
        let (mut leg, mut now) = leg(agreed());
        let mut out = Vec::new();
        for (kind, second, rest) in datagrams {
            let head = match kind {
                0 => vec![0x80, 96, 0, second, 0, 0, 0, 0, 0, 0, 0, 1],
                1 => vec![0x90, 96 | second & 0x80, second, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                2 => vec![0x81, 200 + second % 8, 0, second % 30],
                _ => Vec::new(),
            };
            let datagram = [head, rest].concat();
            leg.handle_rtp(now, address(PEER), &datagram);
            leg.handle_rtcp(now, address(PEER), &datagram);
            let frame = EncodedFrame {
                codec: crate::video::frame::VideoCodec::Vp8,
                keyframe: true,
                timestamp: 0,
                data: bytes::Bytes::copy_from_slice(&datagram),
            };
            leg.send_frame(now, now, &frame);
            now += Duration::from_millis(7);
            prop_assert!(std::iter::from_fn(|| leg.poll_frame(now)).count() < 100);
            prop_assert!(std::iter::from_fn(|| leg.poll_rtp(now)).count() < 1_000);
            prop_assert!(std::iter::from_fn(|| leg.poll_event()).count() <= EVENTS);
            leg.poll_rtcp(now, &mut out);
        }
    }
}
