use super::*;

const SETTINGS: EncoderSettings = EncoderSettings {
    width: 64,
    height: 48,
    frame_rate: 25,
    bitrate: 200_000,
    threads: 1,
    max_slice: None,
};

/// A picture of one colour with a bright column that moves.
fn picture(n: usize) -> [Vec<u8>; 3] {
    let mut luma = vec![90_u8; 64 * 48];
    for row in luma.chunks_mut(64) {
        row[n % 64] = 230;
    }
    [luma, vec![60; 32 * 24], vec![200; 32 * 24]]
}

fn view(planes: &[Vec<u8>; 3]) -> I420<'_> {
    let [y, u, v] = planes;
    I420::new(64, 48, [y, u, v], [64, 32, 32]).unwrap()
}

fn check_colour(shown: &I420<'_>) {
    assert_eq!((shown.width(), shown.height()), (64, 48));
    for (plane, expected) in [(1, 60_u8), (2, 200)] {
        for row in shown.rows(plane) {
            assert_eq!(row.len(), 32);
            assert!(
                row.iter().all(|sample| sample.abs_diff(expected) < 12),
                "{row:?}"
            );
        }
    }
}

#[test]
fn vpx_pictures_come_back_and_keyframes_come_when_asked_for() {
    for codec in [vpx::Codec::Vp8, vpx::Codec::Vp9] {
        let mut encoder = vpx::Encoder::new(codec, &SETTINGS).unwrap();
        let mut decoder = vpx::Decoder::new(codec).unwrap();
        let mut keys = Vec::new();
        let mut shown = 0;
        for n in 0..8 {
            let mut frame = Vec::new();
            if n == 3 {
                encoder.set_bitrate(400_000).unwrap();
            }
            let planes = picture(n);
            keys.push(encoder.encode(&view(&planes), n == 5, &mut frame).unwrap());
            let mut show = |picture: I420<'_>| {
                check_colour(&picture);
                shown += 1;
            };
            decoder.decode(&frame, &mut show).unwrap();
        }
        assert_eq!(shown, 8);
        assert_eq!(keys, [true, false, false, false, false, true, false, false]);
    }
}

#[test]
fn h264_pictures_come_back_and_keyframes_come_when_asked_for() {
    let mut encoder = h264::Encoder::new(&SETTINGS).unwrap();
    let mut decoder = h264::Decoder::new().unwrap();
    let mut keys = Vec::new();
    let mut shown = 0;
    for n in 0..8 {
        let mut frame = Vec::new();
        if n == 3 {
            encoder.set_bitrate(400_000).unwrap();
        }
        let planes = picture(n);
        keys.push(encoder.encode(&view(&planes), n == 5, &mut frame).unwrap());
        let mut show = |picture: I420<'_>| {
            check_colour(&picture);
            shown += 1;
        };
        decoder.decode(&frame, &mut show).unwrap();
    }
    assert_eq!(shown, 8);
    assert_eq!(keys, [true, false, false, false, false, true, false, false]);
}

#[test]
fn garbage_is_refused_and_the_decoder_lives_on() {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24).to_le_bytes()[0]
    };
    let mut vp8 = vpx::Decoder::new(vpx::Codec::Vp8).unwrap();
    let mut avc = h264::Decoder::new().unwrap();
    for length in [0_usize, 1, 3, 10, 100, 1000] {
        let garbage: Vec<u8> = (0..length).map(|_| next()).collect();
        let _ = vp8.decode(&garbage, &mut |_| {});
        let _ = avc.decode(&garbage, &mut |_| {});
    }
    let mut frame = Vec::new();
    let mut encoder = vpx::Encoder::new(vpx::Codec::Vp8, &SETTINGS).unwrap();
    encoder
        .encode(&view(&picture(0)), false, &mut frame)
        .unwrap();
    let mut shown = 0;
    vp8.decode(&frame, &mut |_| shown += 1).unwrap();
    assert_eq!(shown, 1);
}

#[test]
fn planes_that_are_too_short_make_no_picture() {
    let (luma, chroma) = (vec![0; 64 * 48], vec![0; 32 * 24]);
    let short = &chroma[..32 * 24 - 1];
    assert!(I420::new(64, 48, [&luma, &chroma, &chroma], [64, 32, 32]).is_ok());
    assert!(I420::new(64, 48, [&luma, &chroma, short], [64, 32, 32]).is_err());
    assert!(I420::new(64, 48, [&luma, &chroma, &chroma], [63, 32, 32]).is_err());
    assert!(I420::new(0, 48, [&luma, &chroma, &chroma], [64, 32, 32]).is_err());
}

#[test]
fn a_picture_of_other_dimensions_is_refused() {
    let mut encoder = vpx::Encoder::new(vpx::Codec::Vp8, &SETTINGS).unwrap();
    let plane = vec![0; 32 * 32];
    let other = I420::new(32, 32, [&plane, &plane, &plane], [32, 16, 16]).unwrap();
    assert_eq!(
        encoder.encode(&other, false, &mut Vec::new()),
        Err(CodecError::Format)
    );
}
