//! Every fault at once, at random, with a printed seed: nothing panics, hangs, grows or falls silent.

use crate::bench::{Random, at, format, leg, peer, speak};
use crate::quality::voice;
use plenum_media::leg::Pulled;
use plenum_media::negotiated::Codec;
use plenum_media::pcm::PcmFrame;

#[test]
fn bad_networks_of_every_kind() {
    for seed in 1..=12u64 {
        for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
            storm(codec, seed);
        }
    }
}

fn storm(codec: Codec, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let ptime = [10u8, 20, 30, 40, 60][(seed % 5) as usize];
    let (loss, jitter, double) = (
        random.next() * 0.1,
        random.next() * 80_000.0,
        random.next() * 0.1,
    );
    let skew = 1.0 + (random.next() - 0.5) * 4e-4;
    let mut arrivals = Vec::new();
    for sent in speak(
        format(codec, ptime),
        15.0,
        (65_400, u32::MAX - 9_999),
        voice,
    ) {
        // The last seven seconds are clean.
        let bad = sent.us < 8e6;
        if bad && random.next() < loss {
            continue;
        }
        let delay = if bad { random.next() * jitter } else { 0.0 };
        let us = (sent.us / skew + delay) as u64;
        if bad && random.next() < double {
            arrivals.push((us + (random.next() * 40_000.0) as u64, sent.packet.clone()));
        }
        arrivals.push((us, sent.packet));
    }
    arrivals.sort_by_key(|(us, _)| *us);
    let mut leg = leg(codec);
    let mut next = arrivals.iter().peekable();
    let (mut silent, mut skipping) = (0, false);
    for tick in 0..740u64 {
        let now = 3_000 + tick * 20_000 + (random.next() * 2_000.0) as u64;
        while let Some((us, packet)) = next.next_if(|(us, _)| *us <= now) {
            leg.handle_rtp(at(*us), peer(), packet);
        }
        if tick % 50 == 0 {
            skipping = random.next() < 0.3 && tick < 350;
        }
        if skipping {
            leg.skip(at(now));
            continue;
        }
        let mut frame = PcmFrame::default();
        let pulled = leg.pull(at(now), &mut frame);
        assert!(
            frame.0.iter().all(|sample| sample.abs() < 2.0),
            "{codec:?} seed {seed} tick {tick}"
        );
        silent += u32::from(pulled == Pulled::Nothing && tick > 10);
    }
    let quality = leg.quality();
    let delay = leg.delay().as_millis();
    // Two packets of 40 ms lost in a row outlast the concealment; nothing else may fall silent.
    assert!(
        silent <= 12,
        "{codec:?} seed {seed}: {silent} silent frames"
    );
    assert!(delay < 60, "{codec:?} seed {seed}: {delay} ms");
    assert!(
        quality.frames_concealed * 3 < quality.frames_played,
        "{codec:?} seed {seed}: {quality:?}"
    );
}
