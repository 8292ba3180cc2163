//! Messages as octets (RFC 3261 §7).

use super::header::Headers;
use super::message::{Message, Request, Response};
use super::name::HeaderName;
use bytes::{BufMut, Bytes, BytesMut};

impl Message {
    /// The octets to send.
    #[must_use]
    pub fn print(&self) -> Bytes {
        match self {
            Self::Request(request) => request.print(),
            Self::Response(response) => response.print(),
        }
    }
}

impl Request {
    /// The octets to send, with a true `Content-Length`.
    #[must_use]
    pub fn print(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.headers.printed_len() + self.body.len() + 256);
        self.print_into(&mut out);
        out.freeze()
    }

    /// As [`Request::print`], at the end of what is there.
    pub fn print_into(&self, out: &mut BytesMut) {
        out.put_slice(self.method.as_str().as_bytes());
        out.put_slice(b" ");
        self.uri.write_octets(out);
        out.put_slice(b" SIP/2.0\r\n");
        print_headers(out, &self.headers, self.body.len());
        out.put_slice(&self.body);
    }
}

impl Response {
    /// The octets to send, with a true `Content-Length`.
    #[must_use]
    pub fn print(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.headers.printed_len() + self.body.len() + 256);
        self.print_into(&mut out);
        out.freeze()
    }

    /// As [`Response::print`], at the end of what is there.
    pub fn print_into(&self, out: &mut BytesMut) {
        out.put_slice(b"SIP/2.0 ");
        put_number(out, usize::from(self.status.code()));
        out.put_slice(b" ");
        out.put_slice(self.reason.as_bytes());
        out.put_slice(b"\r\n");
        print_headers(out, &self.headers, self.body.len());
        out.put_slice(&self.body);
    }
}

impl Headers {
    fn printed_len(&self) -> usize {
        self.iter()
            .map(|field| field.name.as_bytes().len() + field.value.len() + 4)
            .sum()
    }
}

/// The fields and the empty line. `Content-Length` keeps its place, or comes last.
fn print_headers(out: &mut BytesMut, headers: &Headers, body: usize) {
    let mut sized = false;
    for field in headers {
        if field.name == HeaderName::ContentLength {
            if !sized {
                print_length(out, body);
            }
            sized = true;
            continue;
        }
        out.put_slice(field.name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(field.value.as_bytes());
        out.put_slice(b"\r\n");
    }
    if !sized {
        print_length(out, body);
    }
    out.put_slice(b"\r\n");
}

fn print_length(out: &mut BytesMut, body: usize) {
    out.put_slice(b"Content-Length: ");
    put_number(out, body);
    out.put_slice(b"\r\n");
}

fn put_number(out: &mut BytesMut, number: usize) {
    if number >= 10 {
        put_number(out, number / 10);
    }
    out.put_u8(b"0123456789".get(number % 10).copied().unwrap_or_default());
}
