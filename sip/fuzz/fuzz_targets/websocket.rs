//! What a client writes on a WebSocket: the request for it, then frames, in any pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_sip::websocket::{Heard, Origins, Reader, UpgradeRequest};

const MESSAGE: usize = 2048;

fn heard(octets: &[u8], piece: usize) -> Vec<Heard> {
    let mut reader = Reader::new(MESSAGE);
    let mut all = Vec::new();
    for piece in octets.chunks(piece) {
        reader.buffer().extend_from_slice(piece);
        while let Ok(Some(heard)) = reader.poll() {
            if let Heard::Message(octets) = &heard {
                assert!(octets.len() <= MESSAGE);
            }
            all.push(heard);
        }
        assert!(reader.buffer().len() <= MESSAGE + 14 + piece.len());
    }
    all
}

fuzz_target!(|octets: &[u8]| {
    if let Ok(head) = std::str::from_utf8(octets)
        && let Ok(request) = UpgradeRequest::read(head)
    {
        drop(request.check(&Origins::Any));
    }
    let [piece, octets @ ..] = octets else {
        return;
    };
    assert_eq!(heard(octets, 1), heard(octets, usize::from(*piece).max(1)));
});
