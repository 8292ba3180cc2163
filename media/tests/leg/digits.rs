//! DTMF however it comes, reported once.

use crate::bench::{Random, Run, agreed, at, clean, config, format, peer, play, rtp, speak};
use crate::quality::voice;
use crate::tone::tone;
use plenum_media::leg::{AudioLeg, LegEvent};
use plenum_media::negotiated::{Codec, Payload};
use std::time::Duration;

fn digits(run: &Run) -> String {
    run.events
        .iter()
        .filter_map(|event| {
            if let LegEvent::Dtmf(digit) = event {
                Some(*digit)
            } else {
                None
            }
        })
        .collect()
}

/// The packets of one event: (sequence, marker, timestamp, event, end, duration).
fn event(
    sequence: u16,
    marker: bool,
    timestamp: u32,
    event: u8,
    end: bool,
    duration: u16,
) -> Vec<u8> {
    let [d0, d1] = duration.to_be_bytes();
    rtp(
        101,
        marker,
        sequence,
        timestamp,
        1,
        &[event, u8::from(end) << 7 | 10, d0, d1],
    )
}

fn heard(packets: Vec<Vec<u8>>) -> String {
    let arrivals = packets
        .into_iter()
        .enumerate()
        .map(|(n, p)| (n as u64 * 20_000, p))
        .collect();
    let mut leg = AudioLeg::new(config(), at(0));
    leg.apply(at(0), agreed(Codec::Pcmu));
    digits(&play(&mut leg, arrivals, 5_000, 3.0))
}

type Case = (&'static str, Vec<Vec<u8>>, &'static str);

#[test]
fn telephone_events_of_every_habit_rfc4733() {
    for (name, packets, expected) in regular().into_iter().chain(peculiar()) {
        assert_eq!(heard(packets), expected, "{name}");
    }
}

fn regular() -> Vec<Case> {
    vec![
        (
            "start, update, end three times",
            vec![
                event(1, true, 800, 5, false, 160),
                event(2, false, 800, 5, false, 320),
                event(3, false, 800, 5, true, 480),
                event(4, false, 800, 5, true, 480),
                event(5, false, 800, 5, true, 480),
            ],
            "5",
        ),
        (
            "the same digit twice, the first end lost",
            vec![
                event(1, true, 800, 5, false, 160),
                event(2, true, 4000, 5, false, 160),
            ],
            "55",
        ),
        (
            "the beginning lost",
            vec![
                event(2, false, 800, 11, true, 480),
                event(3, false, 800, 11, true, 480),
            ],
            "#",
        ),
    ]
}

fn peculiar() -> Vec<Case> {
    vec![
        (
            "a marker on every packet",
            vec![
                event(1, true, 800, 1, false, 160),
                event(2, true, 800, 1, false, 320),
                event(3, true, 800, 1, true, 480),
            ],
            "1",
        ),
        (
            "never a marker",
            vec![
                event(1, false, 800, 1, false, 160),
                event(2, false, 800, 1, true, 320),
                event(3, false, 4000, 2, true, 320),
            ],
            "12",
        ),
        (
            "a timestamp that moves with every update",
            vec![
                event(1, true, 800, 7, false, 160),
                event(2, false, 960, 7, false, 320),
                event(3, false, 1120, 7, true, 480),
            ],
            "7",
        ),
        (
            "a long event in two segments (§2.5.1.3)",
            vec![
                event(1, true, 800, 9, false, 160),
                event(2, false, 800, 9, false, 0xffff),
                event(3, false, 800 + 0xffff, 9, false, 160),
                event(4, false, 800 + 0xffff, 9, true, 320),
            ],
            "9",
        ),
        (
            "reordered after the next event",
            vec![
                event(1, true, 800, 3, false, 160),
                event(3, true, 4000, 4, false, 160),
                event(2, false, 800, 3, true, 320),
            ],
            "34",
        ),
        (
            "no DTMF at all (flash)",
            vec![event(1, true, 800, 16, true, 160)],
            "",
        ),
        ("truncated", vec![rtp(101, true, 1, 800, 1, &[5, 0])], ""),
    ]
}

#[test]
fn events_leave_no_hole_in_the_accounts() {
    let mut arrivals = clean(&speak(format(Codec::Pcmu, 20), 1.0, (0, 0), voice));
    for n in 0..8u16 {
        let mut packet = event(50 + n, n == 0, 8_000, 5, n > 4, 160 * (n.min(5) + 1));
        packet[8..12].copy_from_slice(&0xabcdu32.to_be_bytes());
        arrivals.push((1_020_000 + u64::from(n) * 20_000, packet));
    }
    for mut sent in speak(format(Codec::Pcmu, 20), 1.0, (58, 8_000 + 8 * 160), voice) {
        sent.us += 1_160_000.0;
        arrivals.push((sent.us as u64, sent.packet));
    }
    let mut leg = AudioLeg::new(config(), at(0));
    leg.apply(at(0), agreed(Codec::Pcmu));
    let run = play(&mut leg, arrivals, 5_000, 2.2);
    assert_eq!(digits(&run), "5");
    assert_eq!(leg.quality().packets_lost, 0);
    assert!(
        *run.delays.last().unwrap() < 25.0,
        "{:?}",
        run.delays.last()
    );
}

fn in_band() -> AudioLeg {
    let mut config = config();
    config.inband_dtmf = true;
    let mut agreed = agreed(Codec::Pcmu);
    agreed
        .receive
        .retain(|(_, payload)| !matches!(payload, Payload::TelephoneEvent(_)));
    let mut leg = AudioLeg::new(config, at(0));
    leg.apply(at(0), agreed);
    leg
}

#[test]
fn in_band_digits_are_heard_in_every_codec_and_when_skipped() {
    let keys = "159D*0#A";
    let low = [697.0, 770.0, 852.0, 941.0];
    let high = [1209.0, 1336.0, 1477.0, 1633.0];
    let rows = ["123A", "456B", "789C", "*0#D"];
    for (codec, off) in [
        (Codec::Pcmu, 1.0),
        (Codec::Pcma, 1.012),
        (Codec::G722, 0.988),
        (Codec::Opus, 1.0),
    ] {
        // 80 ms on, 80 ms off.
        let signal = |n: f64| {
            let slot = (n / 3840.0) as usize;
            let Some(key) = keys
                .chars()
                .nth(slot / 2)
                .filter(|_| slot.is_multiple_of(2))
            else {
                return 0.0;
            };
            let row = rows.iter().position(|row| row.contains(key)).unwrap();
            let column = rows[row].find(key).unwrap();
            tone(low[row] * off, 0.2)(n) + tone(high[column] * off, 0.25)(n)
        };
        let sent = speak(format(codec, 20), 1.5, (0, 0), signal);
        let run = play(&mut in_band(), clean(&sent), 5_000, 1.7);
        assert_eq!(digits(&run), keys, "{codec:?}");
        if matches!(codec, Codec::Pcmu | Codec::Pcma) {
            let mut leg = in_band();
            let mut found = String::new();
            for sent in &sent {
                leg.handle_rtp(at(sent.us as u64), peer(), &sent.packet);
                leg.skip(at(sent.us as u64 + 2_000));
                while let Some(event) = leg.poll_event() {
                    if let LegEvent::Dtmf(digit) = event {
                        found.push(digit);
                    }
                }
            }
            assert_eq!(found, keys, "{codec:?} skipped");
        }
    }
}

#[test]
fn speech_and_noise_are_no_digits() {
    let mut random = Random(5);
    let noise: Vec<f32> = (0..48_000).map(|_| random.next() as f32 - 0.5).collect();
    let signals: Vec<Box<dyn Fn(f64) -> f32>> = vec![
        Box::new(voice),
        Box::new(move |n| noise[n as usize % 48_000]),
        // A sweep over the whole band, alone and with a second one.
        Box::new(|n| tone(300.0 + n / 48_000.0 * 100.0, 0.3)(n)),
        Box::new(|n| tone(697.0, 0.3)(n) + tone(300.0 + n / 400.0, 0.2)(n) + voice(n)),
        Box::new(tone(1209.0, 0.5)),
    ];
    for (index, signal) in signals.iter().enumerate() {
        let sent = speak(format(Codec::Pcmu, 20), 10.0, (0, 0), signal);
        let run = play(&mut in_band(), clean(&sent), 5_000, 10.0);
        assert_eq!(digits(&run), "", "signal {index}");
    }
}

#[test]
fn one_press_by_three_ways_is_one_digit() {
    let mut leg = AudioLeg::new(config(), at(0));
    leg.apply(at(0), agreed(Codec::Pcmu));
    let mut found = String::new();
    for (ms, press) in [
        (0u64, true),
        (30, false),
        (400, true),
        (420, false),
        (3_000, false),
        (3_300, true),
    ] {
        let now = at(ms * 1000);
        if press {
            leg.handle_rtp(
                now,
                peer(),
                &event(ms as u16, true, ms as u32 * 8, 5, true, 400),
            );
        } else {
            leg.handle_signalled_dtmf(now, '5', Duration::from_millis(100));
        }
        while let Some(LegEvent::Dtmf(digit)) = leg.poll_event() {
            found.push(digit);
        }
    }
    assert_eq!(found, "555");
}
