//! A stream is cut into the same messages however it arrives, and nothing beyond the bounds is held.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_sip::frame::{Frame, Framer};

const HEAD: usize = 512;
const MESSAGE: usize = 2048;

fn frames(octets: &[u8], piece: usize) -> Vec<Frame> {
    let mut framer = Framer::new(HEAD, MESSAGE);
    let mut frames = Vec::new();
    for piece in octets.chunks(piece) {
        framer.buffer().extend_from_slice(piece);
        while let Ok(Some(frame)) = framer.poll() {
            frames.push(frame);
        }
        assert!(framer.buffer().len() <= MESSAGE + piece.len());
    }
    frames
}

fuzz_target!(|octets: &[u8]| {
    let [piece, octets @ ..] = octets else {
        return;
    };
    let piece = usize::from(*piece).max(1);
    let whole = |frames: Vec<Frame>| -> Vec<Frame> {
        let whole = |frame: &Frame| matches!(frame, Frame::Message(_));
        frames.into_iter().filter(whole).collect()
    };
    assert_eq!(whole(frames(octets, 1)), whole(frames(octets, piece)));
});
