//! The delay a leg adds: small on a clean network, bounded in a bad one, small again soon after, steady for hours.

use crate::bench::{Random, clean, format, leg, play, speak};
use crate::quality::voice;
use crate::tone::{tone, worst};
use plenum_media::leg::Pulled;
use plenum_media::negotiated::{Codec, SendFormat};

#[test]
fn a_clean_network_costs_one_packet_time_at_most() {
    for ptime in [10u8, 20, 30, 40, 60] {
        let sent = speak(format(Codec::Pcmu, ptime), 6.0, (0, 0), voice);
        let mut sum = 0.0;
        let mut most: f64 = 0.0;
        for phase in 0..20 {
            let run = play(
                &mut leg(Codec::Pcmu),
                clean(&sent),
                phase * 1_000 + 300,
                6.0,
            );
            let late = run.delays[250..].iter().copied().fold(0.0, f64::max);
            assert!(
                !run.pulled[100..].contains(&Pulled::Concealed),
                "{ptime} ms, phase {phase}"
            );
            sum += late;
            most = most.max(late);
        }
        let mean = sum / 20.0;
        println!("{ptime} ms packets: mean {mean:.1} ms, most {most:.1} ms");
        let bound = f64::from(ptime.max(20)) + 2.5;
        assert!(most <= bound, "{ptime} ms: {most}");
        assert!(mean <= bound - 6.0, "{ptime} ms: mean {mean}");
    }
}

#[test]
fn jitter_is_absorbed_and_the_delay_comes_back() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let sent = speak(format(codec, 20), 30.0, (0, 0), voice);
        let mut random = Random(42);
        let arrivals: Vec<_> = sent
            .iter()
            .map(|sent| {
                // 80 ms of jitter between second 5 and second 15.
                let jitter = if (5e6..15e6).contains(&sent.us) {
                    random.next() * 80_000.0
                } else {
                    0.0
                };
                ((sent.us + jitter) as u64, sent.packet.clone())
            })
            .collect();
        let run = play(&mut leg(codec), arrivals, 7_000, 30.0);
        let concealed = |range: std::ops::Range<usize>| {
            run.pulled[range]
                .iter()
                .filter(|pulled| **pulled == Pulled::Concealed)
                .count()
        };
        let most = run.delays.iter().copied().fold(0.0, f64::max);
        println!(
            "{codec:?}: concealed in the first second of jitter {}, in the other nine {}, most {most:.0} ms, 4 s after {:.1} ms, at the end {:.1} ms",
            concealed(250..300),
            concealed(300..750),
            run.delays[950],
            run.delays.last().unwrap()
        );
        assert!(concealed(300..750) <= 23, "more than 5 % concealed");
        assert!(most < 130.0, "{most}");
        assert!(run.delays[950] < 60.0, "4 s after: {}", run.delays[950]);
        assert!(*run.delays.last().unwrap() < 22.5);
    }
}

#[test]
fn one_late_packet_costs_delay_for_seconds_only() {
    for (codec, late_ms) in [
        (Codec::Pcmu, 25.0),
        (Codec::Pcmu, 45.0),
        (Codec::G722, 30.0),
        (Codec::Opus, 30.0),
    ] {
        for (name, signal) in [("tone", 0), ("voice", 1)] {
            let hum = tone(440.0, 0.3);
            let sound = |n: f64| if signal == 0 { hum(n) } else { voice(n) };
            let sent = speak(format(codec, 20), 12.0, (0, 0), sound);
            let arrivals: Vec<_> = sent
                .iter()
                .enumerate()
                .map(|(n, sent)| {
                    let late = if n == 200 { late_ms * 1_000.0 } else { 0.0 };
                    ((sent.us + late) as u64, sent.packet.clone())
                })
                .collect();
            let run = play(&mut leg(codec), arrivals, 7_000, 12.0);
            let before = run.delays[190];
            let back = (210..600).find(|tick| run.delays[*tick] < before + 2.0);
            let back = back.map(|tick| (tick - 200) as f64 / 50.0);
            println!("{codec:?} {name} {late_ms} ms late: back after {back:?} s");
            assert!(back.is_some_and(|s| s <= 5.0), "{codec:?} {name}: {back:?}");
            let concealed = run.pulled[190..].iter();
            let concealed = concealed.filter(|p| **p == Pulled::Concealed).count();
            assert!(concealed <= 3, "{codec:?} {name}: {concealed} concealed");
            if signal == 0 && codec != Codec::Opus {
                // From half a second after the packet on, which is where the delay is taken back.
                let (got, place) = worst(&run.audio[48_000 * 9 / 2..], 440.0);
                println!("{got:.1} dB at {place}");
                assert!(got < -24.0, "{codec:?}: {got} dB at {place}");
            }
        }
    }
}

/// A sender on a busy machine: mostly in time, sometimes a few milliseconds late.
#[test]
fn rare_small_lateness_is_learnt_and_not_heard_again_and_again() {
    let sent = speak(format(Codec::Pcmu, 20), 60.0, (0, 0), tone(440.0, 0.3));
    let mut random = Random(7);
    let (mut concealed, mut cut) = (0, 0);
    for phase in 0..10 {
        let arrivals: Vec<_> = sent
            .iter()
            .map(|sent| {
                let late = random.next().powi(40) * 7_000.0;
                ((sent.us + late) as u64, sent.packet.clone())
            })
            .collect();
        let run = play(&mut leg(Codec::Pcmu), arrivals, phase * 2_000 + 300, 60.0);
        let missing = run.pulled[100..].iter();
        let missing = missing.filter(|p| **p == Pulled::Concealed).count();
        let jumps = run.delays[100..].windows(2);
        cut += jumps.filter(|w| (w[1] - w[0]).abs() > 2.0).count();
        let most = run.delays[100..].iter().copied().fold(0.0, f64::max);
        println!("phase {phase}: {missing} concealed, at most {most:.1} ms");
        assert!(most < 45.0);
        concealed += missing;
    }
    println!("{concealed} concealed, {cut} jumps in ten minutes");
    assert!(concealed <= 20, "{concealed} in ten minutes");
}

#[test]
fn a_blackout_is_forgotten_within_seconds() {
    let sent = speak(format(Codec::Pcmu, 20), 12.0, (0, 0), voice);
    let arrivals: Vec<_> = sent
        .iter()
        .map(|sent| {
            // Nothing comes from 3.0 s to 3.5 s, then all of it at once.
            let us = if (3e6..3.5e6).contains(&sent.us) {
                3.5e6
            } else {
                sent.us
            };
            (us as u64, sent.packet.clone())
        })
        .collect();
    let run = play(&mut leg(Codec::Pcmu), arrivals, 7_000, 12.0);
    let most = run.delays.iter().copied().fold(0.0, f64::max);
    println!(
        "most {most:.0} ms, 5 s after {:.1} ms, end {:.1}",
        run.delays[425],
        run.delays.last().unwrap()
    );
    assert!(most <= 260.0);
    assert!(run.delays[425] < 60.0, "5 s after: {}", run.delays[425]);
    assert!(*run.delays.last().unwrap() < 30.0);
}

/// Speech-like: bursts of a buzz with pauses in between.
fn talk(n: f64) -> f32 {
    if (n / 48_000.0) % 1.5 < 1.0 {
        voice(n)
    } else {
        0.0
    }
}

#[test]
fn a_skewed_clock_is_followed_for_hours() {
    for (ppm, codec, hours) in [
        (-200.0, Codec::Pcmu, 2.0),
        (200.0, Codec::Pcmu, 1.0),
        (30.0, Codec::G722, 0.2),
        (-30.0, Codec::Opus, 0.2),
    ] {
        // The signal repeats every 3 s so that it need be encoded only once.
        let once = speak(format(codec, 20), 3.0, (0, 0), talk);
        let seconds = hours * 3600.0;
        let count = (seconds * 50.0) as u64;
        let ticks = codec.clock_rate() / 50;
        let mut leg = leg(codec);
        let mut next = 0u64;
        let (mut most, mut concealed, mut frames): (f64, u64, u64) = (0.0, 0, 0);
        let mut frame = plenum_media::pcm::PcmFrame::default();
        for tick in 0..(count - 100) {
            let now = 9_000 + tick * 20_000;
            loop {
                let us = ((next + 1) as f64 * 20_000.0 / (1.0 + ppm * 1e-6)) as u64;
                if us > now {
                    break;
                }
                let mut packet = once[(next % 150) as usize].packet.clone();
                packet[2..4].copy_from_slice(&(next as u16).to_be_bytes());
                packet[4..8].copy_from_slice(&(next as u32).wrapping_mul(ticks).to_be_bytes());
                leg.handle_rtp(crate::bench::at(us), crate::bench::peer(), &packet);
                next += 1;
            }
            let pulled = leg.pull(crate::bench::at(now), &mut frame);
            frames += 1;
            concealed += u64::from(pulled == Pulled::Concealed);
            if tick > 500 {
                most = most.max(leg.delay().as_secs_f64() * 1000.0);
            }
        }
        println!(
            "{ppm} ppm {codec:?}: most {most:.1} ms, concealed {concealed} of {frames}, estimate {:.1} ppm",
            leg.skew_ppm()
        );
        assert!(most < 30.0, "{ppm}: {most}");
        assert!(concealed <= 5, "{ppm}: {concealed} concealed");
        assert!((f64::from(leg.skew_ppm()) - ppm).abs() < 20.0);
    }
}

#[test]
fn a_tone_over_a_skewed_clock_stays_clean() {
    for ppm in [200.0, -200.0] {
        let sent = speak(format(Codec::Pcmu, 20), 300.0, (0, 0), tone(440.0, 0.5));
        let arrivals: Vec<_> = sent
            .iter()
            .map(|sent| ((sent.us / (1.0 + ppm * 1e-6)) as u64, sent.packet.clone()))
            .collect();
        let run = play(&mut leg(Codec::Pcmu), arrivals, 9_000, 299.0);
        let concealed = run.pulled[10..]
            .iter()
            .filter(|p| **p == Pulled::Concealed)
            .count();
        let (got, place) = worst(&run.audio[48_000..], 440.0);
        let most = run.delays[500..].iter().copied().fold(0.0, f64::max);
        println!(
            "{ppm} ppm: worst {got:.1} dB at {:.2} s, concealed {concealed}, most {most:.1} ms",
            place as f64 / 48_000.0 + 1.0
        );
        assert!(got < -33.0, "{ppm}: {got} at {place}");
        assert_eq!(concealed, 0);
    }
}

#[test]
fn the_ceiling_is_hard() {
    // The peer sends 20 % too fast for five seconds: no clock, but an attack on memory and delay.
    let sent = speak(format(Codec::Pcmu, 20), 10.0, (0, 0), voice);
    let arrivals: Vec<_> = sent
        .iter()
        .map(|s| ((s.us / 1.2) as u64, s.packet.clone()))
        .collect();
    let mut leg = leg(Codec::Pcmu);
    let run = play(&mut leg, arrivals, 7_000, 8.0);
    let most = run.delays.iter().copied().fold(0.0, f64::max);
    println!("most {most:.0} ms");
    assert!(most <= 270.0);
}

#[test]
fn a_leg_is_small_until_decoded_and_again_when_idle() {
    let mut leg = leg(Codec::Opus);
    let sent = speak(format(Codec::Opus, 20), 20.0, (0, 0), voice);
    let mut next = clean(&sent).into_iter().peekable();
    for tick in 0..900u64 {
        let now = 5_000 + tick * 20_000;
        while let Some((us, packet)) = next.next_if(|(us, _)| *us <= now) {
            leg.handle_rtp(crate::bench::at(us), crate::bench::peer(), &packet);
        }
        if (300..400).contains(&tick) {
            let mut frame = plenum_media::pcm::PcmFrame::default();
            leg.pull(crate::bench::at(now), &mut frame);
        } else {
            leg.skip(crate::bench::at(now));
        }
        let (own, decoded) = leg.memory();
        assert!(own <= 40 * 1024, "tick {tick}: {own}");
        assert_eq!(decoded > 0, (300..650).contains(&tick), "tick {tick}");
    }
}

/// A late packet is played when it comes; what bridged the wait must join it without a break, and the decoder must
/// not have been misled about what it decodes next.
#[test]
fn a_late_packet_leaves_no_break_in_a_tone() {
    let speech = SendFormat {
        bitrate: 24_000,
        ..format(Codec::Opus, 20)
    };
    let others = [Codec::Pcmu, Codec::G722, Codec::Opus].map(|codec| format(codec, 20));
    for format in others.into_iter().chain([speech]) {
        for late_ms in [8.0, 15.0, 19.0] {
            let sent = speak(format, 6.0, (0, 0), tone(1030.0, 0.1));
            let arrivals: Vec<_> = sent
                .iter()
                .enumerate()
                .map(|(n, sent)| {
                    let late = if n == 200 { late_ms * 1_000.0 } else { 0.0 };
                    ((sent.us + late) as u64, sent.packet.clone())
                })
                .collect();
            let run = play(&mut leg(format.codec), arrivals, 2_000, 6.0);
            let (clean, _) = worst(&run.audio[48_000 * 3..48_000 * 39 / 10], 1030.0);
            let (late, place) = worst(&run.audio[48_000 * 39 / 10..48_000 * 9 / 2], 1030.0);
            let codec = format.codec;
            println!("{codec:?} {late_ms} ms late: {late:.1} dB at {place}, {clean:.1} dB before");
            // Periods are whole samples: what is left of the joints is some 28 dB under the tone.
            assert!(
                late < -26.0,
                "{codec:?} {late_ms} ms late: {late} dB at {place}"
            );
        }
    }
}

/// What was repeated while a packet was awaited is cut out again once the packet turns out to be lost.
#[test]
fn a_lost_packet_leaves_no_delay_behind() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        for (name, signal) in [("tone", 0), ("voice", 1)] {
            let hum = tone(1030.0, 0.1);
            let sound = |n: f64| if signal == 0 { hum(n) } else { voice(n) };
            let mut arrivals = clean(&speak(format(codec, 20), 6.0, (0, 0), sound));
            arrivals.remove(200);
            let run = play(&mut leg(codec), arrivals, 2_000, 6.0);
            let concealed = run.pulled[190..].iter();
            let concealed = concealed.filter(|p| **p == Pulled::Concealed).count();
            println!(
                "{codec:?} {name}: {:.1} ms before, {:.1} ms after, {concealed} concealed",
                run.delays[190], run.delays[290]
            );
            assert!(
                (1..=3).contains(&concealed),
                "{codec:?} {name}: {concealed}"
            );
            assert!(run.delays[290] < run.delays[190] + 3.0, "{codec:?} {name}");
        }
    }
}
