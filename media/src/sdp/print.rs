//! Model to octets (RFC 8866 §5): every line as it is kept, each ended by CRLF.

use super::{Line, SessionDescription};
use bytes::{BufMut, Bytes, BytesMut};

/// Prints a session description. What was parsed from well-formed input prints as it came.
pub fn print(description: &SessionDescription) -> Bytes {
    let lines = description.session.len()
        + description
            .media
            .iter()
            .map(|section| 1 + section.lines.len())
            .sum::<usize>();
    let mut out = BytesMut::with_capacity(lines * 40);
    put_lines(&mut out, &description.session);
    for section in &description.media {
        put(&mut out, b'm', section.m.raw());
        put_lines(&mut out, &section.lines);
    }
    out.freeze()
}

fn put_lines(out: &mut BytesMut, lines: &[Line]) {
    for line in lines {
        put(out, line.kind, &line.value);
    }
}

fn put(out: &mut BytesMut, kind: u8, value: &[u8]) {
    out.put_u8(kind);
    out.put_u8(b'=');
    out.put_slice(value);
    out.put_slice(b"\r\n");
}
