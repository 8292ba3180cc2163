use super::*;
use crate::video::format::SendFormat;
use crate::video::h264::{NalType, PacketizationMode, nal_units};
use crate::video::picture::Colour;
use bytes::Bytes;

const FORMATS: [SendFormat; 4] = [
    SendFormat::H264(PacketizationMode::SingleNal),
    SendFormat::H264(PacketizationMode::NonInterleaved),
    SendFormat::Vp8,
    SendFormat::Vp9,
];

const CODECS: BuiltIn = BuiltIn {
    limits: DecoderLimits {
        side: 320,
        samples: 320 * 180,
    },
};

fn settings(format: SendFormat, width: usize, height: usize) -> EncoderSettings {
    EncoderSettings {
        format,
        width,
        height,
        frame_rate: 25,
        bitrate: 300_000,
        threads: 1,
        max_payload: 600,
    }
}

fn frame(format: SendFormat, encoder: &mut dyn VideoEncoder, picture: &Picture) -> EncodedFrame {
    let mut data = Vec::new();
    let keyframe = encoder.encode(picture, false, &mut data).unwrap();
    EncodedFrame {
        codec: format.codec(),
        keyframe,
        timestamp: 0,
        data: Bytes::from(data),
    }
}

/// A picture that no codec makes small.
fn noise(width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height, Colour::rgb(10, 20, 30));
    let mut seed = 7_u32;
    for sample in picture.planes_mut()[0].samples_mut() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = (seed >> 24).to_le_bytes()[0];
    }
    picture
}

#[test]
fn every_format_brings_a_colour_across() {
    let colour = Colour::rgb(200, 40, 90);
    for format in FORMATS {
        let mut encoder = CODECS.encoder(&settings(format, 160, 90)).unwrap();
        let mut decoder = CODECS.decoder(format.codec()).unwrap();
        for n in 0..3 {
            let frame = frame(format, encoder.as_mut(), &Picture::new(160, 90, colour));
            assert_eq!(frame.keyframe, n == 0, "{format:?}");
            let picture = decoder.decode(&frame).unwrap().unwrap();
            assert_eq!((picture.width(), picture.height()), (160, 90));
            let seen = picture.colour_at(80, 45);
            let off = seen
                .y
                .abs_diff(colour.y)
                .max(seen.u.abs_diff(colour.u))
                .max(seen.v.abs_diff(colour.v));
            assert!(off < 6, "{format:?}: {seen:?} for {colour:?}");
        }
    }
}

#[test]
fn pictures_beyond_the_bound_are_refused_by_their_header() {
    for format in FORMATS {
        let mut decoder = CODECS.decoder(format.codec()).unwrap();
        for (width, height) in [(336, 64), (320, 192)] {
            let mut encoder = CODECS.encoder(&settings(format, width, height)).unwrap();
            let large = Picture::new(width, height, Colour::rgb(0, 0, 0));
            let key = frame(format, encoder.as_mut(), &large);
            let refused = decoder.decode(&key);
            assert!(
                matches!(refused, Err(DecodeError::TooLarge { .. })),
                "{format:?} {refused:?}"
            );
            let next = frame(format, encoder.as_mut(), &large);
            assert_eq!(decoder.decode(&next), Ok(None), "{format:?}");
        }
        let mut encoder = CODECS.encoder(&settings(format, 64, 48)).unwrap();
        let small = frame(
            format,
            encoder.as_mut(),
            &Picture::new(64, 48, Colour::rgb(0, 0, 0)),
        );
        assert!(
            decoder.decode(&small).unwrap().is_some(),
            "{format:?} goes on"
        );
    }
}

/// A small keyframe with a large one behind it.
fn hidden(index: bool) -> Vec<u8> {
    let [small, large] = [(64, 48), (640, 360)].map(|(width, height)| {
        let mut encoder = CODECS
            .encoder(&settings(SendFormat::Vp9, width, height))
            .unwrap();
        let picture = Picture::new(width, height, Colour::rgb(0, 0, 0));
        frame(SendFormat::Vp9, encoder.as_mut(), &picture).data
    });
    let mut data = [&small[..], &large[..]].concat();
    if index {
        data.push(0xd9);
        for frame in [&small, &large] {
            data.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
        }
        data.push(0xd9);
    }
    data
}

#[test]
fn vp9_annex_b_a_large_frame_behind_a_small_one_is_not_decoded() {
    let frame = |data: Vec<u8>| EncodedFrame {
        codec: VideoCodec::Vp9,
        keyframe: true,
        timestamp: 0,
        data: Bytes::from(data),
    };
    let mut decoder = CODECS.decoder(VideoCodec::Vp9).unwrap();
    let shown = decoder.decode(&frame(hidden(false))).unwrap().unwrap();
    assert_eq!((shown.width(), shown.height()), (64, 48));
    assert!(decoder.decode(&frame(hidden(true))).is_err());
}

#[test]
fn rfc6184_6_2_slices_for_single_nal_unit_mode_fit_a_packet() {
    let format = SendFormat::H264(PacketizationMode::SingleNal);
    let generous = EncoderSettings {
        bitrate: 20_000_000,
        ..settings(format, 160, 96)
    };
    let mut encoder = CODECS.encoder(&generous).unwrap();
    let frame = frame(format, encoder.as_mut(), &noise(160, 96));
    let slices = nal_units(&frame.data)
        .filter(|unit| matches!(NalType::of(unit[0]), NalType::Slice | NalType::IdrSlice));
    assert!(nal_units(&frame.data).all(|unit| unit.len() <= 600));
    assert!(slices.count() > 1);
}

#[test]
fn a_source_may_change_its_resolution() {
    for format in FORMATS {
        let mut decoder = CODECS.decoder(format.codec()).unwrap();
        for (width, height) in [(160, 90), (64, 48), (320, 176), (90, 160)] {
            let mut encoder = CODECS.encoder(&settings(format, width, height)).unwrap();
            let frame = frame(
                format,
                encoder.as_mut(),
                &Picture::new(width, height, Colour::rgb(9, 99, 9)),
            );
            let picture = decoder.decode(&frame).unwrap().unwrap();
            assert_eq!(
                (picture.width(), picture.height()),
                (width, height),
                "{format:?}"
            );
        }
    }
}
