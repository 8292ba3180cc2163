//! Whatever comes to a floor control port: what can be read can be written, and reads the same; a stream ends or goes on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_media::bfcp::Message;
use plenum_media::bfcp::message::{RELIABLE, UNRELIABLE};
use plenum_media::bfcp::stream::MessageStream;

fuzz_target!(|octets: &[u8]| {
    for version in [RELIABLE, UNRELIABLE] {
        // What a group left unpadded may be too long once it is padded.
        if let Ok(message) = Message::read(octets, version)
            && let Some(written) = message.write()
        {
            assert_eq!(Message::read(&written, version), Ok(message));
        }
    }
    let mut stream = MessageStream::new(1_200);
    for piece in octets.chunks(7) {
        assert_eq!(stream.push(piece), piece.len());
        loop {
            match stream.next_message() {
                Ok(Some(message)) => drop(Message::read(&message, RELIABLE)),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});
