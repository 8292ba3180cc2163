//! One message out of a byte stream: framing by Content-Length (RFC 3261 §18.3, §20.14), leading
//! CRLFs (§7.5) and the CRLF keep-alive (RFC 5626 §3.5.1).
//!
//! | what arrives | what comes out |
//! |---|---|
//! | double CRLF between messages | [`Frame::Ping`], to be answered by [`PONG`] |
//! | single CRLF between messages | nothing: a pong, or the stray CRLF of §7.5 |
//! | a head with a readable Content-Length, and that many octets | [`Frame::Message`] |
//! | a head that does not tell where its message ends | [`Frame::Broken`], and nothing ever after |
//! | a head that is too long | [`FrameError::HeadTooLong`], and nothing ever after |
//!
//! Every octet of a head is looked at twice at most (once for the end of its line, once when the
//! head is complete), and no octet of a body is, however small the pieces are in which they arrive.
//! A head may end its lines with a bare LF: the parser decides whether it likes that.

use bytes::{Buf, Bytes, BytesMut};

/// The answer to a ping (RFC 5626 §3.5.1).
pub const PONG: &[u8] = b"\r\n";

/// What [`Framer::poll`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message in an allocation of its own.
    Message(Bytes),
    /// A keep-alive that wants a [`PONG`].
    Ping,
    /// The head of a message whose end cannot be known. The parser can make a 400 or 513 of it; the
    /// stream is lost for reading.
    Broken {
        /// Start line and header fields.
        head: Bytes,
        /// Why.
        error: FrameError,
    },
}

/// Why a stream cannot be framed any longer. All of them are the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Start line and header fields exceed their bound.
    #[error("the header fields are longer than {limit} octets")]
    HeadTooLong {
        /// The bound in octets.
        limit: usize,
    },
    /// Head and announced body exceed the bound of a message.
    #[error("the message is longer than {limit} octets")]
    MessageTooLong {
        /// The bound in octets.
        limit: usize,
    },
    /// Content-Length is mandatory on a stream (RFC 3261 §18.3).
    #[error("Content-Length is missing")]
    NoContentLength,
    /// Content-Length is not a number.
    #[error("Content-Length is not a decimal number")]
    BadContentLength,
    /// Two Content-Length fields contradict each other.
    #[error("Content-Length is given twice with different values")]
    ConflictingContentLength,
}

/// Cuts a byte stream into messages.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    /// Start of the head's current line.
    line: usize,
    /// Up to here there is no line end that has not been seen.
    scanned: usize,
    /// Octets of the message at the front of the buffer, once its head is complete.
    needed: Option<usize>,
    /// One CRLF was skipped since the last message; a second one makes a ping.
    half_ping: bool,
    /// Set by the first error.
    lost: bool,
    head_bytes: usize,
    message_bytes: usize,
}

impl Framer {
    /// A framer for heads of at most `head_bytes` and messages of at most `message_bytes` octets.
    #[must_use]
    pub fn new(head_bytes: usize, message_bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            line: 0,
            scanned: 0,
            needed: None,
            half_ping: false,
            lost: false,
            head_bytes: head_bytes.min(message_bytes),
            message_bytes,
        }
    }

    /// Where the next octets of the stream are appended. It grows by what the caller reserves and
    /// holds less than one message and what was read last, as long as [`Self::poll`] is drained
    /// after each read.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether an unfinished message is waiting for its rest.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame; `None` until more octets arrive.
    ///
    /// # Errors
    /// The head exceeds its bound. After an error or a [`Frame::Broken`] there is never a frame again.
    pub fn poll(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.lost {
            self.buffer.clear();
            return Ok(None);
        }
        if self.needed.is_none() {
            if self.skip_blank_lines() {
                return Ok(Some(Frame::Ping));
            }
            let Some(head) = self.find_head()? else {
                return Ok(None);
            };
            match self.measure(head) {
                Ok(needed) => self.needed = Some(needed),
                Err(error) => return Ok(Some(self.give_up(head, error))),
            }
        }
        let Some(needed) = self.needed.filter(|needed| self.buffer.len() >= *needed) else {
            return Ok(None);
        };
        let message = self.take(needed);
        Ok(Some(Frame::Message(message)))
    }

    /// Skips the CRLFs before a start line; true when two of them made a ping.
    ///
    /// RFC 5626 §3.5.1: "the client sends a 'ping' […] a double-CRLF (4 bytes) between messages".
    fn skip_blank_lines(&mut self) -> bool {
        loop {
            match self.buffer.as_ref() {
                [b'\r', b'\n', ..] => {
                    self.buffer.advance(2);
                    self.half_ping = !self.half_ping;
                    if !self.half_ping {
                        return true;
                    }
                }
                [b'\n', ..] => self.buffer.advance(1),
                [b'\r'] | [] => return false,
                [_, ..] => {
                    self.half_ping = false;
                    return false;
                }
            }
        }
    }

    /// The length of the head including its empty line, once it is there.
    fn find_head(&mut self) -> Result<Option<usize>, FrameError> {
        while let Some(found) = self
            .buffer
            .get(self.scanned..)
            .and_then(|rest| memchr::memchr(b'\n', rest))
        {
            let end = self.scanned + found;
            let line = self.buffer.get(self.line..end).unwrap_or_default();
            self.scanned = end + 1;
            self.line = end + 1;
            if self.scanned > self.head_bytes {
                break;
            }
            if matches!(line, [] | [b'\r']) {
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = self.buffer.len().max(self.scanned);
        if self.scanned > self.head_bytes {
            self.lost = true;
            return Err(FrameError::HeadTooLong {
                limit: self.head_bytes,
            });
        }
        Ok(None)
    }

    /// Octets of the whole message whose head has this length.
    fn measure(&self, head: usize) -> Result<usize, FrameError> {
        let body = content_length(self.buffer.get(..head).unwrap_or_default())?;
        head.checked_add(body)
            .filter(|whole| *whole <= self.message_bytes)
            .ok_or(FrameError::MessageTooLong {
                limit: self.message_bytes,
            })
    }

    fn give_up(&mut self, head: usize, error: FrameError) -> Frame {
        let head = self.take(head);
        self.lost = true;
        Frame::Broken { head, error }
    }

    /// Takes a copy of its own: a message may live as long as a dialog, and must not keep a read
    /// buffer alive that long.
    fn take(&mut self, octets: usize) -> Bytes {
        let message = Bytes::copy_from_slice(self.buffer.get(..octets).unwrap_or_default());
        self.buffer.advance(octets.min(self.buffer.len()));
        self.line = 0;
        self.scanned = 0;
        self.needed = None;
        message
    }
}

/// The value of Content-Length in a complete head (RFC 3261 §20.14), compact or not, folded or not.
fn content_length(head: &[u8]) -> Result<usize, FrameError> {
    let mut lines = head
        .split_inclusive(|octet| *octet == b'\n')
        .skip(1)
        .peekable();
    let mut known: Option<usize> = None;
    while let Some(line) = lines.next() {
        let Some(first) = value_of_content_length(line) else {
            continue;
        };
        let mut number = Decimal::default();
        number.read(first)?;
        // RFC 3261 §7.3.1: a line that begins with white space continues the one before.
        while let Some(folded) = lines.next_if(|line| matches!(line, [b' ' | b'\t', ..])) {
            number.read(folded)?;
        }
        let value = number.value.ok_or(FrameError::BadContentLength)?;
        if known.is_some_and(|other| other != value) {
            return Err(FrameError::ConflictingContentLength);
        }
        known = Some(value);
    }
    known.ok_or(FrameError::NoContentLength)
}

/// What follows the colon, if this line is a Content-Length field.
fn value_of_content_length(line: &[u8]) -> Option<&[u8]> {
    // Cheap refusal first: nearly every line of a head is another field.
    if !matches!(line, [b'l' | b'L' | b'c' | b'C', ..]) {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?.trim_ascii_end(), line.get(colon + 1..)?);
    (name.eq_ignore_ascii_case(b"l") || name.eq_ignore_ascii_case(b"content-length"))
        .then_some(value)
}

/// A run of digits between white space, read piece by piece.
#[derive(Debug, Default)]
struct Decimal {
    value: Option<usize>,
    ended: bool,
}

impl Decimal {
    fn read(&mut self, piece: &[u8]) -> Result<(), FrameError> {
        for octet in piece {
            match octet {
                b'0'..=b'9' if !self.ended => {
                    // A number too large to hold is a message too long, whatever the bound is.
                    let value = self.value.unwrap_or(0).saturating_mul(10);
                    self.value = Some(value.saturating_add(usize::from(octet - b'0')));
                }
                b' ' | b'\t' | b'\r' | b'\n' => self.ended = self.value.is_some(),
                _ => return Err(FrameError::BadContentLength),
            }
        }
        Ok(())
    }
}
