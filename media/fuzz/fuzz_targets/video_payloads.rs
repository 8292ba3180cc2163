//! Whatever comes as packets of video: frames come out within their bound, and what the assembler asks for is bounded, too.
//!
//! The input is one octet for the codec, then packets: how far the sequence number steps, flags (marker, another
//! timestamp, time that passes), the length, the payload.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_media::video::assemble::{Assembler, AssemblerLimits};
use plenum_media::video::format::ReceiveFormat;
use plenum_media::video::h264::ParameterSets;
use std::time::{Duration, Instant};

const LIMITS: AssemblerLimits = AssemblerLimits {
    packets: 64,
    frame_octets: 4_096,
    missing: 16,
    requests: 3,
    patience: Duration::from_millis(200),
    keyframe_patience: Duration::from_secs(5),
};

fuzz_target!(|octets: &[u8]| {
    let Some((codec, mut rest)) = octets.split_first() else {
        return;
    };
    let format = match codec % 3 {
        0 => ReceiveFormat::H264(ParameterSets::new([])),
        1 => ReceiveFormat::Vp8,
        _ => ReceiveFormat::Vp9,
    };
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let mut now = Instant::now();
    let mut assembler = Assembler::new(format, LIMITS, now);
    let (mut sequence, mut timestamp) = (1_000_i64, 0_i64);
    while let [step, flags, length, after @ ..] = rest {
        sequence += i64::from(*step) - 16;
        if flags & 2 != 0 {
            timestamp += 3_000;
        }
        if flags & 4 != 0 {
            now += Duration::from_millis(50);
        }
        let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        assembler.push(now, sequence, timestamp, flags & 1 != 0, payload);
        while let Some(frame) = assembler.poll_frame(now) {
            assert!(frame.data.len() <= LIMITS.frame_octets);
        }
        let mut asked = 0;
        assembler.poll_missing(now, Duration::from_millis(30), &mut |_| asked += 1);
        assert!(asked <= LIMITS.missing);
        std::hint::black_box(assembler.keyframe_needed());
    }
});
