//! RTCP feedback about video: what is lost, what is needed, how fast to send.
//!
//! NACK and PLI (RFC 4585 §6.2.1, §6.3.1), FIR, TMMBR and TMMBN (RFC 5104 §4.2, §4.3.1), REMB
//! (draft-alvestrand-rmcat-remb) and transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions).

const TRANSPORT: u8 = 205;
const PAYLOAD: u8 = 206;
const NACK: u8 = 1;
const TMMBR: u8 = 3;
const TMMBN: u8 = 4;
const TRANSPORT_CC: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;
const REMB: [u8; 4] = *b"REMB";
/// Statuses of one transport-wide report that are believed.
const MAX_STATUSES: usize = 4096;

/// One statement of feedback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// These packets of a source are missing (RFC 4585 §6.2.1).
    Nack {
        /// Of which source.
        media: u32,
        /// Which.
        sequences: Vec<u16>,
    },
    /// Pictures of a source are lost: a keyframe is needed (RFC 4585 §6.3.1).
    Pli {
        /// Of which source.
        media: u32,
    },
    /// A keyframe is asked for (RFC 5104 §4.3.1).
    Fir {
        /// Of which source.
        media: u32,
        /// The same in repetitions of one request.
        sequence: u8,
    },
    /// At most so many bits a second (RFC 5104 §4.2.1).
    Tmmbr {
        /// From which source.
        media: u32,
        /// Who asks.
        sender: u32,
        /// Bits a second, packet headers included.
        bitrate: u64,
        /// Octets of header a packet is counted with.
        overhead: u16,
    },
    /// The limit of a TMMBR is kept (RFC 5104 §4.2.2).
    Tmmbn {
        /// The limits in force: whose, and bits a second.
        limits: Vec<(u32, u64)>,
    },
    /// The receiver estimates that so many bits a second come through, of all these sources together.
    Remb {
        /// Bits a second.
        bitrate: u64,
        /// Which sources.
        media: Vec<u32>,
    },
    /// When each packet arrived, by transport-wide sequence number.
    TransportCc {
        /// The number of the report, which counts by one.
        count: u8,
        /// Each packet's number and, if it arrived, when, in ticks of 250 µs since an epoch of the receiver.
        packets: Vec<(u16, Option<i64>)>,
    },
}

/// Reads every feedback packet of a compound packet that was found well-formed; others are passed over.
pub fn read(datagram: &[u8], say: &mut impl FnMut(Feedback)) {
    let mut rest = datagram;
    while let Some((&[first, kind, l0, l1], after)) = rest.split_first_chunk::<4>() {
        let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let Some((body, after)) = after.split_at_checked(octets) else {
            return;
        };
        rest = after;
        let Some((ids, control)) = body.split_first_chunk::<8>() else {
            continue;
        };
        let [s0, s1, s2, s3, m0, m1, m2, m3] = *ids;
        let sender = u32::from_be_bytes([s0, s1, s2, s3]);
        let media = u32::from_be_bytes([m0, m1, m2, m3]);
        let read = match (kind, first & 0x1f) {
            (TRANSPORT, NACK) => Some(read_nack(media, control)),
            (TRANSPORT, TMMBR) => {
                for (media, bitrate, overhead) in rates(control) {
                    say(Feedback::Tmmbr {
                        media,
                        sender,
                        bitrate,
                        overhead,
                    });
                }
                None
            }
            (TRANSPORT, TMMBN) => Some(Feedback::Tmmbn {
                limits: rates(control)
                    .map(|(who, bitrate, _)| (who, bitrate))
                    .collect(),
            }),
            (TRANSPORT, TRANSPORT_CC) => read_transport_cc(control),
            (PAYLOAD, PLI) => Some(Feedback::Pli { media }),
            (PAYLOAD, FIR) => {
                for [m0, m1, m2, m3, sequence, ..] in control.as_chunks::<8>().0 {
                    say(Feedback::Fir {
                        media: u32::from_be_bytes([*m0, *m1, *m2, *m3]),
                        sequence: *sequence,
                    });
                }
                None
            }
            (PAYLOAD, APPLICATION) => read_remb(control),
            _ => None,
        };
        if let Some(feedback) = read {
            say(feedback);
        }
    }
}

fn read_nack(media: u32, control: &[u8]) -> Feedback {
    let mut sequences = Vec::new();
    for [p0, p1, b0, b1] in control.as_chunks::<4>().0 {
        let first = u16::from_be_bytes([*p0, *p1]);
        let following = u16::from_be_bytes([*b0, *b1]);
        sequences.push(first);
        let set = (0..16_u16).filter(|bit| following >> bit & 1 == 1);
        sequences.extend(set.map(|bit| first.wrapping_add(bit + 1)));
    }
    Feedback::Nack { media, sequences }
}

/// The entries of TMMBR and TMMBN: source, bits a second, overhead (RFC 5104 §4.2.1.1).
fn rates(control: &[u8]) -> impl Iterator<Item = (u32, u64, u16)> {
    control.as_chunks::<8>().0.iter().map(|entry| {
        let [s0, s1, s2, s3, b0, b1, b2, b3] = *entry;
        let bits = u32::from_be_bytes([b0, b1, b2, b3]);
        let mantissa = u64::from(bits >> 9 & 0x1_ffff);
        let overhead = u16::try_from(bits & 0x1ff).unwrap_or(0);
        // An exponent that leaves 64 bits means no limit.
        let bitrate = mantissa.checked_shl(bits >> 26).unwrap_or(u64::MAX);
        (u32::from_be_bytes([s0, s1, s2, s3]), bitrate, overhead)
    })
}

fn read_remb(control: &[u8]) -> Option<Feedback> {
    let (name, rest) = control.split_first_chunk::<4>()?;
    let (&[count, b0, b1, b2], sources) = rest.split_first_chunk::<4>()?;
    if *name != REMB {
        return None;
    }
    let mantissa = u64::from(u32::from_be_bytes([0, b0 & 3, b1, b2]));
    let bitrate = mantissa.checked_shl(u32::from(b0 >> 2)).unwrap_or(u64::MAX);
    let media = sources.as_chunks::<4>().0.iter().take(usize::from(count));
    Some(Feedback::Remb {
        bitrate,
        media: media.map(|octets| u32::from_be_bytes(*octets)).collect(),
    })
}

/// Ticks of 250 µs in the 64 ms of a reference time.
const REFERENCE_TICKS: i64 = 256;

fn read_transport_cc(control: &[u8]) -> Option<Feedback> {
    let (&[b0, b1, c0, c1, t0, t1, t2, count], mut rest) = control.split_first_chunk::<8>()?;
    let base = u16::from_be_bytes([b0, b1]);
    let statuses = usize::from(u16::from_be_bytes([c0, c1]));
    if statuses > MAX_STATUSES {
        return None;
    }
    // 24 bits with a sign.
    let reference = i64::from(i32::from_be_bytes([t0, t1, t2, 0]) >> 8);
    let mut symbols: Vec<u8> = Vec::with_capacity(statuses);
    while symbols.len() < statuses {
        let (chunk, after) = rest.split_first_chunk::<2>()?;
        rest = after;
        read_chunk(u16::from_be_bytes(*chunk), statuses, &mut symbols);
    }
    symbols.truncate(statuses);
    let mut at = reference * REFERENCE_TICKS;
    let mut packets = Vec::with_capacity(statuses);
    let mut sequence = base;
    for symbol in symbols {
        let delta = match symbol {
            1 => {
                let (&[small], after) = rest.split_first_chunk::<1>()?;
                rest = after;
                Some(i64::from(small))
            }
            2 => {
                let (large, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                Some(i64::from(i16::from_be_bytes(*large)))
            }
            _ => None,
        };
        at += delta.unwrap_or(0);
        packets.push((sequence, delta.map(|_| at)));
        sequence = sequence.wrapping_add(1);
    }
    Some(Feedback::TransportCc { count, packets })
}

fn read_chunk(chunk: u16, statuses: usize, symbols: &mut Vec<u8>) {
    let symbol = |shift: u32, bits: u16| (chunk >> shift & bits).to_le_bytes()[0];
    if chunk >> 15 == 0 {
        let run = usize::from(chunk & 0x1fff);
        let room = statuses.saturating_sub(symbols.len());
        symbols.extend(std::iter::repeat_n(symbol(13, 3), run.min(room)));
        if run == 0 {
            // A run of nothing would be read for ever.
            symbols.extend(std::iter::repeat_n(0, room));
        }
    } else if chunk >> 14 & 1 == 0 {
        symbols.extend((0..14).rev().map(|shift| symbol(shift, 1)));
    } else {
        symbols.extend((0..7).rev().map(|pair| symbol(2 * pair, 3)));
    }
}

/// Appends a NACK for these sequence numbers, in order (RFC 4585 §6.2.1). Nothing if there are none.
pub fn write_nack(sender: u32, media: u32, sequences: &[u16], out: &mut Vec<u8>) {
    let mut entries: Vec<(u16, u16)> = Vec::new();
    for sequence in sequences {
        if let Some((first, following)) = entries.last_mut() {
            let step = sequence.wrapping_sub(*first);
            if (1..=16).contains(&step) {
                *following |= 1 << (step - 1);
                continue;
            }
        }
        entries.push((*sequence, 0));
    }
    if entries.is_empty() {
        return;
    }
    let words: Vec<[u8; 4]> = entries
        .into_iter()
        .map(|(first, following)| {
            let ([a, b], [c, d]) = (first.to_be_bytes(), following.to_be_bytes());
            [a, b, c, d]
        })
        .collect();
    write(TRANSPORT, NACK, sender, media, words.as_flattened(), out);
}

/// Appends a PLI (RFC 4585 §6.3.1).
pub fn write_pli(sender: u32, media: u32, out: &mut Vec<u8>) {
    write(PAYLOAD, PLI, sender, media, &[], out);
}

/// Appends a FIR (RFC 5104 §4.3.1).
pub fn write_fir(sender: u32, media: u32, sequence: u8, out: &mut Vec<u8>) {
    let [a, b, c, d] = media.to_be_bytes();
    write(
        PAYLOAD,
        FIR,
        sender,
        0,
        &[a, b, c, d, sequence, 0, 0, 0],
        out,
    );
}

/// Appends the TMMBN that answers a TMMBR: whose limit, and bits a second (RFC 5104 §4.2.2).
pub fn write_tmmbn(sender: u32, limits: &[(u32, u64)], overhead: u16, out: &mut Vec<u8>) {
    let entries: Vec<[u8; 8]> = limits
        .iter()
        .map(|(owner, bitrate)| rate(*owner, *bitrate, overhead))
        .collect();
    write(TRANSPORT, TMMBN, sender, 0, entries.as_flattened(), out);
}

/// Appends a transport-wide report about consecutive packets from `base` on, each with its arrival in ticks of 250 µs.
/// Nothing if none arrived.
pub fn write_transport_cc(
    sender: u32,
    media: u32,
    count: u8,
    base: u16,
    arrivals: &[Option<i64>],
    out: &mut Vec<u8>,
) {
    let Some(first) = arrivals.iter().flatten().next() else {
        return;
    };
    let reference = first.div_euclid(REFERENCE_TICKS);
    let mut last = reference * REFERENCE_TICKS;
    let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
    for arrival in arrivals.iter().take(MAX_STATUSES) {
        let delta = arrival.map(|at| (at - last).clamp(i64::from(i16::MIN), i64::from(i16::MAX)));
        last += delta.unwrap_or(0);
        let wide = delta.and_then(|delta| i16::try_from(delta).ok());
        match wide.map(|wide| (wide, u8::try_from(wide))) {
            None => symbols.push(0_u16),
            Some((_, Ok(small))) => {
                symbols.push(1);
                deltas.push(small);
            }
            Some((large, Err(_))) => {
                symbols.push(2);
                deltas.extend_from_slice(&large.to_be_bytes());
            }
        }
    }
    let [_, _, _, _, _, t0, t1, t2] = reference.to_be_bytes();
    let statuses = u16::try_from(symbols.len()).unwrap_or(0);
    let mut control = base.to_be_bytes().to_vec();
    control.extend_from_slice(&statuses.to_be_bytes());
    control.extend_from_slice(&[t0, t1, t2, count]);
    for seven in symbols.chunks(7) {
        let two_bits = |chunk: u16, symbol: Option<&u16>| chunk << 2 | symbol.copied().unwrap_or(0);
        let chunk = (0..7).fold(0b11, |chunk, index| two_bits(chunk, seven.get(index)));
        control.extend_from_slice(&chunk.to_be_bytes());
    }
    control.extend_from_slice(&deltas);
    control.resize(control.len().next_multiple_of(4), 0);
    write(TRANSPORT, TRANSPORT_CC, sender, media, &control, out);
}

fn write(kind: u8, format: u8, sender: u32, media: u32, control: &[u8], out: &mut Vec<u8>) {
    let words = u16::try_from(2 + control.len() / 4).unwrap_or(2);
    out.extend_from_slice(&[0x80 | format, kind]);
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
    out.extend_from_slice(control);
}

fn rate(source: u32, bitrate: u64, overhead: u16) -> [u8; 8] {
    let (mantissa, exponent) = split(bitrate, 17);
    let bits = u32::from(exponent) << 26 | mantissa << 9 | u32::from(overhead & 0x1ff);
    let ([a, b, c, d], [e, f, g, h]) = (source.to_be_bytes(), bits.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// Mantissa of so many bits and exponent; rounded down, so that nobody is told more than is meant.
fn split(bitrate: u64, bits: u32) -> (u32, u8) {
    let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(bits);
    let mantissa = u32::try_from(bitrate >> exponent).unwrap_or(0);
    (mantissa, u8::try_from(exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(datagram: &[u8]) -> Vec<Feedback> {
        let mut said = Vec::new();
        read(datagram, &mut |feedback| said.push(feedback));
        said
    }

    /// Appends a TMMBR that asks `media` to keep to `bitrate` (RFC 5104 §4.2.1).
    fn write_tmmbr(sender: u32, media: u32, bitrate: u64, overhead: u16, out: &mut Vec<u8>) {
        write(
            TRANSPORT,
            TMMBR,
            sender,
            0,
            &rate(media, bitrate, overhead),
            out,
        );
    }

    /// Appends a REMB about these sources, at most 255.
    fn write_remb(sender: u32, bitrate: u64, media: &[u32], out: &mut Vec<u8>) {
        let (mantissa, exponent) = split(bitrate, 18);
        let count = u8::try_from(media.len()).unwrap_or(u8::MAX);
        let [_, high, middle, low] = mantissa.to_be_bytes();
        let mut control = REMB.to_vec();
        control.extend_from_slice(&[count, exponent << 2 | high, middle, low]);
        for source in media.iter().take(usize::from(count)) {
            control.extend_from_slice(&source.to_be_bytes());
        }
        write(PAYLOAD, APPLICATION, sender, 0, &control, out);
    }

    #[test]
    fn rfc4585_6_2_1_a_nack_names_a_packet_and_the_sixteen_after_it() {
        let mut out = Vec::new();
        write_nack(1, 2, &[65_535, 0, 15, 16, 40], &mut out);
        assert_eq!(out[..4], [0x81, 205, 0, 5]);
        assert_eq!(
            out[12..],
            [0xff, 0xff, 0x80, 0x01, 0, 16, 0, 0, 0, 40, 0, 0][..]
        );
        let sequences = vec![65_535, 0, 15, 16, 40];
        assert_eq!(
            all(&out),
            [Feedback::Nack {
                media: 2,
                sequences
            }]
        );
        let mut none = Vec::new();
        write_nack(1, 2, &[], &mut none);
        assert!(none.is_empty());
    }

    #[test]
    fn rfc4585_rfc5104_requests_for_keyframes_side_by_side() {
        let mut out = Vec::new();
        write_pli(1, 2, &mut out);
        write_fir(1, 3, 9, &mut out);
        assert_eq!(out[..12], [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        let fir = Feedback::Fir {
            media: 3,
            sequence: 9,
        };
        assert_eq!(all(&out), [Feedback::Pli { media: 2 }, fir]);
    }

    #[test]
    fn rfc5104_4_2_1_a_limit_is_never_rounded_up() {
        let mut out = Vec::new();
        write_tmmbr(7, 8, 1_500_001, 40, &mut out);
        let expected = Feedback::Tmmbr {
            media: 8,
            sender: 7,
            bitrate: 1_500_000 / 16 * 16,
            overhead: 40,
        };
        assert_eq!(all(&out), [expected]);
        let mut out = Vec::new();
        write_tmmbn(8, &[(7, 640_000)], 40, &mut out);
        assert_eq!(
            all(&out),
            [Feedback::Tmmbn {
                limits: vec![(7, 640_000)]
            }]
        );
    }

    #[test]
    fn remb_carries_all_sources() {
        let mut out = Vec::new();
        write_remb(1, 2_000_000, &[5, 6], &mut out);
        let [Feedback::Remb { bitrate, media }] = &all(&out)[..] else {
            panic!("no REMB");
        };
        assert!((1_999_900..=2_000_000).contains(bitrate));
        assert_eq!(*media, [5, 6]);
    }

    #[test]
    fn transport_wide_statuses_in_runs_and_in_single_bits() {
        // Base 10, 5 statuses, reference 1, report 3; a run of 2 small deltas, then single bits 101.
        let mut body = vec![0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0, 5, 0, 0, 1, 3];
        body.extend([0x20, 0x02, 0xa8, 0x00, 4, 8, 1, 2, 0, 0, 0, 0]);
        body.truncate(24);
        let mut datagram = vec![0x8f, 205, 0, 6];
        datagram.extend(body);
        let [Feedback::TransportCc { count, packets }] = &all(&datagram)[..] else {
            panic!("no report");
        };
        assert_eq!(*count, 3);
        let expected = [
            (10, Some(260)),
            (11, Some(268)),
            (12, Some(269)),
            (13, None),
            (14, Some(271)),
        ];
        assert_eq!(*packets, expected);
    }

    proptest! {
        #[test]
        fn transport_wide_reports_come_back(
            base: u16, count: u8, first in 0_i64..1_000_000,
            steps in proptest::collection::vec(proptest::option::of(-300_i64..3000), 1..60),
        ) {
            let mut at = first;
            let arrivals: Vec<Option<i64>> = steps.iter().map(|step| step.map(|s| { at += s; at })).collect();
            let mut out = Vec::new();
            write_transport_cc(1, 2, count, base, &arrivals, &mut out);
            prop_assert_eq!(out.len() % 4, 0);
            let said = all(&out);
            if arrivals.iter().all(Option::is_none) {
                prop_assert!(said.is_empty());
            } else {
                let packets: Vec<_> = arrivals.iter().enumerate()
                    .map(|(n, at)| (base.wrapping_add(u16::try_from(n).unwrap()), *at)).collect();
                prop_assert_eq!(said, vec![Feedback::TransportCc { count, packets }]);
            }
        }

        #[test]
        fn rates_lose_less_than_a_promille(bitrate in 1_000_u64..10_000_000_000) {
            let mut out = Vec::new();
            write_remb(1, bitrate, &[1], &mut out);
            let Feedback::Remb { bitrate: read, .. } = all(&out)[0].clone() else { panic!() };
            prop_assert!(read <= bitrate && read >= bitrate - bitrate / 1000);
        }

        #[test]
        fn hostile_feedback_does_not_panic(mut datagram in proptest::collection::vec(any::<u8>(), 0..120), kind in 0_usize..6) {
            if datagram.len() >= 4 {
                let (format, packet) = [(1, 205), (3, 205), (15, 205), (1, 206), (4, 206), (15, 206)][kind];
                let words = u16::try_from(datagram.len() / 4 - 1).unwrap().to_be_bytes();
                datagram[..4].copy_from_slice(&[0x80 | format, packet, words[0], words[1]]);
            }
            all(&datagram);
        }
    }
}
