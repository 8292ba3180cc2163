//! What is heard: tones through encoder, leg and decoder.

use crate::bench::{agreed, at, clean, format, leg, play, speak};
use crate::tone::{thd_n, tone, worst};
use plenum_media::codec::{Encoder, g711};
use plenum_media::negotiated::Codec;
use plenum_media::pcm::PcmFrame;

fn through(codec: Codec, ptime: u8, hz: f64, seconds: f64) -> Vec<f32> {
    let sent = speak(
        format(codec, ptime),
        seconds,
        (65_500, u32::MAX - 20_000),
        tone(hz, 0.5),
    );
    let run = play(&mut leg(codec), clean(&sent), 5_000, seconds);
    run.audio
}

/// What the ideal quantizer of the codec makes of the same tone, with no resampling around it.
fn ideal_g711(law: g711::Law, hz: f64) -> f64 {
    let samples: Vec<f32> = (0..8000)
        .map(|n| tone(hz, 0.5)(f64::from(n) * 6.0))
        .collect();
    let (mut octets, mut back) = (Vec::new(), Vec::new());
    g711::encode(law, &samples, &mut octets);
    g711::decode(law, &octets, &mut back);
    // The fit knows only 48 kHz, so the frequency is scaled instead.
    thd_n(&back, hz * 6.0)
}

#[test]
fn g711_adds_nothing_to_the_quantizer() {
    for (codec, law) in [(Codec::Pcma, g711::Law::A), (Codec::Pcmu, g711::Law::U)] {
        for hz in [440.0, 1004.0, 2900.0] {
            let audio = through(codec, 20, hz, 2.0);
            let got = thd_n(&audio[24_000..72_000], hz);
            let ideal = ideal_g711(law, hz);
            println!("{codec:?} {hz} Hz: {got:.1} dB, quantizer alone {ideal:.1} dB");
            assert!(got < ideal + 1.0, "{codec:?} {hz}: {got} against {ideal}");
        }
    }
}

#[test]
fn g722_and_opus_carry_a_tone() {
    for (codec, hz, most) in [(Codec::G722, 1004.0, -35.0), (Codec::Opus, 1004.0, -40.0)] {
        let audio = through(codec, 20, hz, 2.0);
        let got = thd_n(&audio[48_000..90_000], hz);
        println!("{codec:?} {hz} Hz: {got:.1} dB");
        assert!(got < most, "{codec:?}: {got}");
    }
}

#[test]
fn every_packet_time_plays_without_a_gap() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        for ptime in [10, 20, 30, 40, 60] {
            let audio = through(codec, ptime, 1004.0, 3.0);
            let (got, place) = worst(&audio[48_000..], 1004.0);
            println!("{codec:?} {ptime} ms: worst window {got:.1} dB at {place}");
            assert!(got < -30.0, "{codec:?} at {ptime} ms: {got} at {place}");
        }
    }
}

#[test]
fn reordered_and_duplicated_packets_are_not_heard() {
    let codec = Codec::Pcma;
    let sent = speak(format(codec, 20), 4.0, (65_500, 0), tone(440.0, 0.5));
    let mut arrivals = clean(&sent);
    for index in (0..arrivals.len() - 2).step_by(7) {
        // Every seventh packet is overtaken by the next, and every fifth comes twice.
        arrivals[index].0 = arrivals[index + 1].0 + 3_000;
    }
    let twice: Vec<_> = arrivals
        .iter()
        .step_by(5)
        .map(|(us, p)| (us + 500, p.clone()))
        .collect();
    arrivals.extend(twice);
    let mut leg = leg(codec);
    let run = play(&mut leg, arrivals, 5_000, 4.0);
    let (got, place) = worst(&run.audio[72_000..180_000], 440.0);
    println!(
        "reordered: worst {got:.1} dB at {place}, delay {:.1} ms",
        run.delays.last().unwrap()
    );
    assert!(got < -30.0, "{got} at {place}");
    assert_eq!(leg.quality().packets_lost, 0);
    assert!(*run.delays.last().unwrap() < 60.0);
}

#[test]
fn single_losses_are_mended_by_opus_fec() {
    let codec = Codec::Opus;
    let mut fmt = format(codec, 20);
    fmt.bitrate = 32_000;
    fmt.playback_rate = 16_000;
    let mut encoder = Encoder::new(fmt);
    encoder.set_expected_loss(20);
    let mut arrivals = Vec::new();
    let mut sequence = 0u16;
    for frame in 0..400 {
        let mut pcm = PcmFrame::default();
        for (n, sample) in pcm.0.iter_mut().enumerate() {
            *sample = voice((frame * 960 + n) as f64);
        }
        encoder.push(&pcm, &mut |payload, _| {
            let packet =
                crate::bench::rtp(96, false, sequence, u32::from(sequence) * 960, 1, payload);
            if sequence % 10 != 9 {
                arrivals.push((u64::from(sequence) * 20_000, packet));
            }
            sequence += 1;
        });
    }
    let mut leg = leg(codec);
    let run = play(&mut leg, arrivals, 5_000, 8.0);
    let quality = leg.quality();
    assert!(quality.packets_lost >= 38, "{quality:?}");
    // No frame may fall silent, and the level must stay even.
    let levels: Vec<f32> = run.audio[192_000..380_000]
        .chunks(960)
        .map(|frame| (frame.iter().map(|x| x * x).sum::<f32>() / 960.0).sqrt())
        .collect();
    let mean = levels.iter().sum::<f32>() / levels.len() as f32;
    let least = levels.iter().copied().fold(f32::MAX, f32::min);
    println!(
        "fec: mean {mean:.3}, least {least:.3}, delay {:.1} ms",
        run.delays.last().unwrap()
    );
    assert!(least > mean * 0.5, "least {least} of mean {mean}");
}

/// Something like a vowel: a buzz of 120 Hz with falling harmonics.
pub(crate) fn voice(n: f64) -> f32 {
    (1..20)
        .map(|k| tone(120.0 * f64::from(k), 0.2 / k as f32)(n))
        .sum()
}

#[test]
fn g711_single_losses_are_concealed_without_a_click() {
    let sent = speak(format(Codec::Pcmu, 20), 4.0, (0, 0), voice);
    let arrivals: Vec<_> = clean(&sent)
        .into_iter()
        .enumerate()
        .filter(|(index, _)| index % 25 != 24)
        .map(|(_, packet)| packet)
        .collect();
    let run = play(&mut leg(Codec::Pcmu), arrivals, 5_000, 4.0);
    let whole = play(&mut leg(Codec::Pcmu), clean(&sent), 5_000, 4.0);
    let steepest = |audio: &[f32]| {
        audio
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    };
    let (with, without) = (
        steepest(&run.audio[48_000..180_000]),
        steepest(&whole.audio[48_000..180_000]),
    );
    println!("steepest step with losses {with:.3}, without {without:.3}");
    assert!(with < without * 1.5);
}

#[test]
fn packet_time_source_and_timestamps_may_change() {
    let hz = 1004.0;
    let mut all = Vec::new();
    let mut offset = 0u64;
    // 20 ms, then 40 ms in the same stream; then another SSRC; then a timestamp jump back.
    let phases = [
        (20u8, 0u16, 0u32, 0xabcdu32),
        (40, 100, 16_000, 0xabcd),
        (20, 7_000, 99, 0x5555),
        (20, 7_100, 4_000_000_000, 0x5555),
    ];
    for (ptime, sequence, timestamp, ssrc) in phases {
        let sent = speak(
            format(Codec::Pcmu, ptime),
            2.0,
            (sequence, timestamp),
            tone(hz, 0.5),
        );
        for sent in sent {
            let mut packet = sent.packet;
            packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
            all.push((offset + sent.us as u64, packet));
        }
        offset += 2_000_000;
    }
    let run = play(&mut leg(Codec::Pcmu), all, 5_000, 8.0);
    for second in [1, 3, 5, 7] {
        let window = &run.audio[second * 48_000..second * 48_000 + 40_000];
        let got = thd_n(window, hz);
        println!("second {second}: {got:.1} dB");
        assert!(got < -33.0, "second {second}: {got}");
    }
    let silent = run.audio[24_000..380_000]
        .chunks(960)
        .filter(|f| f.iter().all(|x| x.abs() < 1e-4))
        .count();
    println!("silent frames: {silent}");
    assert!(silent <= 3, "{silent} frames of silence");
}

#[test]
fn codecs_may_change_from_packet_to_packet() {
    let mut all = Vec::new();
    for (index, codec) in [Codec::Pcmu, Codec::Opus, Codec::G722, Codec::Pcma]
        .into_iter()
        .enumerate()
    {
        let first = (index as u16 * 100, index as u32 * 777_777);
        for sent in speak(format(codec, 20), 2.0, first, tone(1004.0, 0.5)) {
            all.push((index as u64 * 2_000_000 + sent.us as u64, sent.packet));
        }
    }
    let run = play(&mut leg(Codec::Pcmu), all, 5_000, 8.0);
    for second in [1, 3, 5, 7] {
        let got = thd_n(
            &run.audio[second * 48_000..second * 48_000 + 40_000],
            1004.0,
        );
        println!("second {second}: {got:.1} dB");
        assert!(got < -30.0, "second {second}: {got}");
    }
    assert!(run.delays.last().unwrap() < &30.0);
}

#[test]
fn a_pull_after_skips_does_not_click() {
    let sent = speak(format(Codec::Pcma, 20), 4.0, (0, 0), tone(440.0, 0.5));
    let mut leg = leg(Codec::Pcma);
    let arrivals = clean(&sent);
    let mut next = arrivals.iter().peekable();
    let mut audio = Vec::new();
    for tick in 0..200u64 {
        let now = 5_000 + tick * 20_000;
        while let Some((us, packet)) = next.next_if(|(us, _)| *us <= now) {
            leg.handle_rtp(at(*us), crate::bench::peer(), packet);
        }
        if tick / 10 % 2 == 0 {
            leg.skip(at(now));
            audio.extend([0.0; 960]);
        } else {
            let mut frame = PcmFrame::default();
            leg.pull(at(now), &mut frame);
            // The mixer fades the other side out; only the beginning is looked at.
            let begins = tick % 10 == 0;
            if begins {
                let step = frame
                    .0
                    .windows(2)
                    .map(|pair| (pair[1] - pair[0]).abs())
                    .fold(frame.0[0].abs(), f32::max);
                assert!(step < 0.05, "tick {tick}: a step of {step}");
            }
        }
    }
    assert_eq!(leg.quality().packets_lost, 0);
}

#[test]
fn agreement_without_receiving_plays_nothing() {
    let mut on_hold = leg(Codec::Pcmu);
    let mut held = agreed(Codec::Pcmu);
    held.receiving = false;
    on_hold.apply(at(0), held);
    let sent = speak(format(Codec::Pcmu, 20), 1.0, (0, 0), tone(440.0, 0.5));
    let run = play(&mut on_hold, clean(&sent), 5_000, 1.0);
    assert!(run.audio.iter().all(|sample| *sample == 0.0));
}
