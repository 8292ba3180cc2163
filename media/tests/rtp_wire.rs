//! RTP and RTCP on the wire, and the state machines directly behind it.

use plenum_media::rtp::latch::{Latch, LatchRules, Verdict};
use plenum_media::rtp::packet::{Header, MAX_CSRC, Malformed, Packet, is_rtcp};
use plenum_media::rtp::rtcp::{self, Statement};
use plenum_media::rtp::sequence::{WideSequence, WideTimestamp};
use plenum_media::rtp::source::{Source, Validity};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made in any other way"
)]
fn epoch() -> Instant {
    Instant::now()
}

#[test]
fn headers_of_every_shape_rfc3550_5_1() {
    let fixed = |first: u8| {
        let mut octets = vec![first, 0x80, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        octets.extend(b"payload");
        octets
    };
    assert_eq!(Packet::parse(&fixed(0x80)).unwrap().payload, b"payload");
    assert_eq!(Packet::parse(&fixed(0x40)), Err(Malformed::Version));
    assert_eq!(Packet::parse(&[0x80; 11]), Err(Malformed::Truncated));
    assert_eq!(
        Packet::parse(&fixed(0x8f)),
        Err(Malformed::Truncated),
        "15 CSRC announced"
    );
    assert_eq!(
        Packet::parse(&fixed(0x90)),
        Err(Malformed::Truncated),
        "an extension announced"
    );
    assert_eq!(
        Packet::parse(&fixed(0xa0)),
        Err(Malformed::Padding),
        "'d' octets of padding"
    );
    let mut padded = fixed(0xa0);
    padded.extend([0, 0, 3]);
    assert_eq!(Packet::parse(&padded).unwrap().payload, b"payload");
    let mut none = fixed(0xa0);
    none.push(0);
    assert_eq!(Packet::parse(&none), Err(Malformed::Padding));
}

#[test]
fn extensions_of_both_forms_rfc8285() {
    let with = |profile: [u8; 2], data: &[u8]| {
        let mut octets = vec![0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        octets.extend(profile);
        octets.extend(u16::try_from(data.len() / 4).unwrap().to_be_bytes());
        octets.extend(data);
        octets.push(0xff);
        octets
    };
    let one = with([0xbe, 0xde], &[0x21, 9, 9, 0, 0x10, 0x85, 0, 0]);
    let packet = Packet::parse(&one).unwrap();
    assert_eq!(packet.audio_level(1), Some(5));
    assert_eq!(packet.extension(2), Some(&[9, 9][..]));
    assert_eq!(packet.extension(3), None);
    assert_eq!(packet.payload, [0xff]);
    let two = with([0x10, 0x00], &[7, 0, 1, 1, 0x7f, 0, 0, 0]);
    assert_eq!(Packet::parse(&two).unwrap().audio_level(1), Some(127));
    let stop = with([0xbe, 0xde], &[0xf0, 0, 0x10, 5]);
    assert_eq!(
        Packet::parse(&stop).unwrap().audio_level(1),
        None,
        "id 15 ends the search"
    );
    let other = with([0xab, 0xcd], &[0x10, 5, 0, 0]);
    assert_eq!(Packet::parse(&other).unwrap().audio_level(1), None);
}

proptest! {
    #[test]
    fn parsing_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..200), id in any::<u8>()) {
        if let Ok(packet) = Packet::parse(&octets) {
            let _ = packet.audio_level(id);
            prop_assert!(packet.csrcs().count() <= MAX_CSRC);
        }
        let _ = rtcp::read(&octets, &mut |_| {});
        let _ = is_rtcp(&octets);
    }

    #[test]
    fn what_is_written_is_read(
        marker in any::<bool>(), payload_type in 0u8..128, sequence in any::<u16>(),
        timestamp in any::<u32>(), ssrc in any::<u32>(),
        csrcs in proptest::collection::vec(any::<u32>(), 0..20), payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut octets = Vec::new();
        header.write(&csrcs, &mut octets);
        octets.extend(&payload);
        let packet = Packet::parse(&octets).unwrap();
        prop_assert_eq!((packet.marker, packet.payload_type, packet.sequence), (marker, payload_type, sequence));
        prop_assert_eq!((packet.timestamp, packet.ssrc), (timestamp, ssrc));
        prop_assert!(packet.csrcs().eq(csrcs.iter().copied().take(MAX_CSRC)));
        prop_assert_eq!(packet.payload, &payload[..]);
    }

    #[test]
    fn widening_survives_every_wrap(steps in proptest::collection::vec(-30_000i64..30_000, 1..100), start in any::<u32>()) {
        let mut sequences = WideSequence::default();
        let mut timestamps = WideTimestamp::default();
        let (mut at, first) = (i64::from(start), i64::from(start));
        let low_sequence = |at: i64| u16::try_from(at.rem_euclid(1 << 16)).unwrap();
        let low_timestamp = |at: i64| u32::try_from(at.rem_euclid(1 << 32)).unwrap();
        let sequence_base = sequences.widen(low_sequence(at));
        let timestamp_base = timestamps.widen(low_timestamp(at));
        let mut highest = at;
        for step in steps {
            // Sequence numbers are widened against the highest so far.
            at = highest + step;
            highest = highest.max(at);
            prop_assert_eq!(sequences.widen(low_sequence(at)) - sequence_base, at - first);
            prop_assert_eq!(timestamps.widen(low_timestamp(at)) - timestamp_base, at - first);
        }
    }
}

#[expect(clippy::expect_used, reason = "a panic is how a test fails")]
fn packet(octets: &mut Vec<u8>, sequence: u16, ssrc: u32) -> Packet<'_> {
    octets.clear();
    Header {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp: 0,
        ssrc,
    }
    .write(&[], octets);
    Packet::parse(octets).expect("what we write can be read")
}

#[test]
fn a_source_is_judged_by_rfc3550_a1() {
    let mut source = Source::default();
    let octets = &mut Vec::new();
    assert_eq!(
        source.judge(&packet(octets, 65_534, 1)),
        Validity::Begins(65_534)
    );
    assert_eq!(
        source.judge(&packet(octets, 0, 1)),
        Validity::Valid(65_536),
        "wrapped, one lost"
    );
    assert_eq!(
        source.judge(&packet(octets, 65_535, 1)),
        Validity::Valid(65_535),
        "reordered"
    );
    assert_eq!(
        source.judge(&packet(octets, 2_999, 1)),
        Validity::Valid(68_535),
        "a dropout"
    );
    assert_eq!(
        source.judge(&packet(octets, 20_000, 1)),
        Validity::Refused,
        "too far"
    );
    assert_eq!(
        source.judge(&packet(octets, 3_000, 1)),
        Validity::Valid(68_536),
        "not restarted"
    );
    assert_eq!(source.judge(&packet(octets, 20_000, 1)), Validity::Refused);
    assert_eq!(
        source.judge(&packet(octets, 20_001, 1)),
        Validity::Begins(20_001),
        "two in a row"
    );
    assert_eq!(
        source.judge(&packet(octets, 7, 2)),
        Validity::Refused,
        "another SSRC"
    );
    assert_eq!(source.judge(&packet(octets, 8, 2)), Validity::Begins(8));
    assert_eq!(source.ssrc(), Some(2));
}

#[test]
fn loss_and_jitter_are_reported_by_rfc3550_a3_a8() {
    let mut source = Source::default();
    let octets = &mut Vec::new();
    for sequence in (0..100u16).filter(|sequence| sequence % 4 != 3) {
        source.judge(&packet(octets, sequence, 1));
        // Every other packet is 80 ticks late: the jitter converges to 80.
        let late = if sequence % 2 == 0 { 80 } else { 0 };
        source.feed_jitter(i64::from(sequence) * 160 + late, u32::from(sequence) * 160);
    }
    let report = source.report().unwrap();
    assert_eq!(
        report.cumulative_lost, 24,
        "25 less the last one, which was not missed yet"
    );
    assert_eq!(report.fraction_lost, u8::try_from(24 * 256 / 99).unwrap());
    assert_eq!(report.highest, 98);
    assert!((30..=80).contains(&report.jitter), "{}", report.jitter);
    assert_eq!(source.report().unwrap().fraction_lost, 0, "a new interval");
}

#[test]
fn reports_read_back() {
    let mut octets = Vec::new();
    let mut source = Source::default();
    source.judge(&packet(&mut Vec::new(), 9, 42));
    let block = rtcp::Block {
        reception: source.report().unwrap(),
        last_report: 5,
        since: 6,
    };
    let info = rtcp::SenderInfo {
        ntp: 0x0102_0304_0506_0708,
        timestamp: 1,
        packets: 2,
        octets: 3,
    };
    for cname in ["", "a", "ab", "abc", "abcd", "ä@example", &"x".repeat(100)] {
        octets.clear();
        rtcp::write_report(7, Some(info), Some(block), cname, &mut octets);
        rtcp::write_bye(7, &mut octets);
        assert_eq!(octets.len() % 4, 0);
        let mut said = Vec::new();
        rtcp::read(&octets, &mut |statement| said.push(statement)).unwrap();
        assert_eq!(
            said,
            [
                Statement::Sender {
                    ssrc: 7,
                    ntp_middle: 0x0304_0506
                },
                Statement::Block {
                    about: 42,
                    fraction_lost: 0,
                    last_report: 5,
                    since: 6
                },
                Statement::Bye(7),
            ],
            "{cname}"
        );
        // Cut anywhere, nothing of it is believed.
        for end in 1..octets.len() {
            let mut heard = 0;
            let whole = rtcp::read(&octets[..end], &mut |_| heard += 1).is_ok();
            assert_eq!(whole, heard > 0 || whole);
        }
    }
}

#[test]
fn a_latch_moves_only_by_its_rules() {
    let start = epoch();
    let rules = LatchRules {
        window: Duration::from_secs(5),
        silence: Duration::from_secs(1),
    };
    let mut latch = Latch::new(rules, None, start);
    let signalled = "192.0.2.1:4000".parse().unwrap();
    let guess = "203.0.113.1:1".parse().unwrap();
    latch.signal(start, Some(signalled));
    assert_eq!(
        latch.judge(start, guess, 1, false),
        Verdict::Moved,
        "first within the window"
    );
    assert_eq!(
        latch.judge(start, signalled, 1, true),
        Verdict::Moved,
        "the signalled one wins"
    );
    assert_eq!(latch.judge(start, guess, 1, true), Verdict::Stray);
    let later = start + Duration::from_secs(2);
    assert_eq!(
        latch.judge(later, guess, 2, false),
        Verdict::Stray,
        "one packet is not enough"
    );
    assert_eq!(
        latch.judge(later, guess, 2, false),
        Verdict::Moved,
        "after silence, two are"
    );
    latch.signal(later, Some("192.0.2.9:9".parse().unwrap()));
    assert_eq!(latch.latched(), None, "a re-INVITE opens it again");
}

#[test]
fn a_source_is_alone_of_interest_only_while_nothing_could_move_the_latch() {
    let start = epoch();
    let rules = LatchRules {
        window: Duration::from_secs(5),
        silence: Duration::from_secs(1),
    };
    let ms = |ms: u64| start + Duration::from_millis(ms);
    let phone: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let mut latch = Latch::new(rules, None, start);
    latch.signal(start, Some(phone));
    let speak = |latch: &mut Latch, span: std::ops::Range<u64>| {
        for at in span.step_by(20) {
            latch.judge(ms(at), phone, 1, true);
        }
    };
    speak(&mut latch, 0..1_000);
    assert_eq!(latch.only_source(ms(980)), None, "not for long enough yet");
    speak(&mut latch, 1_000..1_060);
    assert_eq!(latch.only_source(ms(1_050)), Some(phone));
    assert_eq!(latch.only_source(ms(1_119)), Some(phone), "60 ms packets");
    assert_eq!(latch.only_source(ms(1_120)), None, "a break opens it");
    speak(&mut latch, 1_200..3_200);
    assert_eq!(
        latch.only_source(ms(3_190)),
        None,
        "after a break it takes twice as long"
    );
    speak(&mut latch, 3_200..3_220);
    assert_eq!(latch.only_source(ms(3_210)), Some(phone));
    latch.signal(ms(3_210), Some("192.0.2.2:4000".parse().unwrap()));
    assert_eq!(latch.only_source(ms(3_210)), None, "a re-INVITE opens it");
    // Another host than the signalled one, which would still win.
    speak(&mut latch, 3_220..9_000);
    assert_eq!(latch.latched(), Some(phone));
    assert_eq!(latch.only_source(ms(8_990)), None);
}
