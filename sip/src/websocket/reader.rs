//! Frames from a client, put together to messages (RFC 6455 §5).
//!
//! | what arrives | what comes out |
//! |---|---|
//! | a whole message, in one frame or in fragments | [`Heard::Message`] |
//! | a message of blank lines | [`Heard::KeepAlive`] |
//! | ping, pong, close | the same, also between the fragments of a message (§5.4) |
//! | anything else | a [`WebSocketError`], and nothing ever after |
//!
//! A payload is unmasked where it was received and copied once. What is held is less than one
//! message, its fragments included, and what was read last.

use super::frame::{BINARY, CLOSE, CONTINUATION, CONTROL_OCTETS, FIN, PING, PONG, TEXT};
use bytes::{Buf, Bytes, BytesMut};

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// One message.
    Message(Bytes),
    /// Nothing but CR and LF: wants a CRLF as answer if `ping` (RFC 5626 §3.5.1).
    KeepAlive {
        /// It was a double CRLF.
        ping: bool,
    },
    /// Wants a pong with the same data (§5.5.2).
    Ping(Bytes),
    /// The answer to our ping.
    Pong,
    /// The client ends the connection; it wants a close frame with the same code (§5.5.1).
    Close(u16),
}

/// How a client broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// §5.1: a client masks every frame.
    #[error("a frame of the client is not masked")]
    NotMasked,
    /// §5.2: no extension was agreed on that would use them.
    #[error("reserved bits are set")]
    ReservedBits,
    /// §5.2.
    #[error("the opcode is unknown")]
    UnknownOpcode,
    /// §5.5: at most 125 octets, and whole.
    #[error("a control frame is too long or fragmented")]
    BadControl,
    /// §5.4.
    #[error("a continuation without a beginning, or a beginning inside a message")]
    BadFragment,
    /// §5.2: the length is written with more octets than it needs, or has its highest bit set.
    #[error("the length is not in its shortest form")]
    BadLength,
    /// §8.1.
    #[error("a text message is not UTF-8")]
    NotUtf8,
    /// Beyond the bound of a message.
    #[error("the message is longer than {limit} octets")]
    TooLong {
        /// The bound in octets.
        limit: usize,
    },
}

impl WebSocketError {
    /// The status code of the close frame (RFC 6455 §7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::NotMasked
            | Self::ReservedBits
            | Self::UnknownOpcode
            | Self::BadControl
            | Self::BadFragment
            | Self::BadLength => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLong { .. } => 1009,
        }
    }
}

/// Puts frames together.
#[derive(Debug)]
pub struct Reader {
    buffer: BytesMut,
    /// The fragments of the message under way, and its opcode.
    fragments: BytesMut,
    kind: Option<u8>,
    lost: bool,
    message_bytes: usize,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    fin: bool,
    opcode: u8,
    octets: usize,
    payload: usize,
    mask: [u8; 4],
}

impl Reader {
    /// A reader of messages of at most `message_bytes` octets.
    #[must_use]
    pub fn new(message_bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            fragments: BytesMut::new(),
            kind: None,
            lost: false,
            message_bytes,
        }
    }

    /// Where the next octets of the stream are appended. It holds less than one message and what was
    /// read last, as long as [`Self::poll`] is drained after each read.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// What the client said next; `None` until more octets arrive.
    ///
    /// # Errors
    /// The client broke the protocol. There is nothing to be read any more.
    pub fn poll(&mut self) -> Result<Option<Heard>, WebSocketError> {
        if self.lost {
            self.buffer.clear();
            return Ok(None);
        }
        let heard = self.next();
        self.lost = matches!(heard, Err(_) | Ok(Some(Heard::Close(_))));
        heard
    }

    fn next(&mut self) -> Result<Option<Heard>, WebSocketError> {
        while let Some(head) = self.head()? {
            if self.buffer.len() < head.octets.saturating_add(head.payload) {
                return Ok(None);
            }
            self.buffer.advance(head.octets);
            let mut payload = self.buffer.split_to(head.payload);
            unmask(&mut payload, head.mask);
            let heard = if head.opcode >= CLOSE {
                Some(control(head.opcode, &payload)?)
            } else {
                self.data(head, &payload)?
            };
            if heard.is_some() {
                return Ok(heard);
            }
        }
        Ok(None)
    }

    /// §5.2, checked as soon as it is there: a frame that will be refused is not waited for.
    fn head(&self) -> Result<Option<Head>, WebSocketError> {
        let [first, second, rest @ ..] = self.buffer.as_ref() else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(WebSocketError::ReservedBits);
        }
        if second & 0x80 == 0 {
            return Err(WebSocketError::NotMasked);
        }
        let (fin, opcode) = (first & FIN != 0, first & 0x0F);
        let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        if !known {
            return Err(WebSocketError::UnknownOpcode);
        }
        let short = usize::from(second & 0x7F);
        if opcode >= CLOSE && (short > CONTROL_OCTETS || !fin) {
            return Err(WebSocketError::BadControl);
        }
        let (wide, payload) = match (short, rest) {
            (126, [a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (8, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            (126 | 127, _) => return Ok(None),
            (short, _) => (0, u64::try_from(short).unwrap_or(u64::MAX)),
        };
        let least = match wide {
            0 => 0,
            2 => 126,
            _ => 1 << 16,
        };
        if payload < least || payload > u64::MAX >> 1 {
            return Err(WebSocketError::BadLength);
        }
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        if opcode < CLOSE {
            self.check_order(opcode, payload)?;
        }
        let Some(&[a, b, c, d]) = rest.get(wide..wide + 4) else {
            return Ok(None);
        };
        Ok(Some(Head {
            fin,
            opcode,
            octets: 2 + wide + 4,
            payload,
            mask: [a, b, c, d],
        }))
    }

    fn check_order(&self, opcode: u8, payload: usize) -> Result<(), WebSocketError> {
        if (opcode == CONTINUATION) != self.kind.is_some() {
            return Err(WebSocketError::BadFragment);
        }
        if self.fragments.len().saturating_add(payload) > self.message_bytes {
            return Err(WebSocketError::TooLong {
                limit: self.message_bytes,
            });
        }
        Ok(())
    }

    /// A frame of a message (§5.4, §5.6).
    fn data(&mut self, head: Head, payload: &[u8]) -> Result<Option<Heard>, WebSocketError> {
        let kind = self.kind.unwrap_or(head.opcode);
        if !head.fin {
            self.kind = Some(kind);
            self.fragments.extend_from_slice(payload);
            return Ok(None);
        }
        let whole = if self.kind.take().is_some() {
            let mut whole = std::mem::take(&mut self.fragments);
            whole.extend_from_slice(payload);
            whole.freeze()
        } else {
            // A copy of its own: a message may live as long as a dialog, and must not keep a read
            // buffer alive that long.
            Bytes::copy_from_slice(payload)
        };
        if kind == TEXT && std::str::from_utf8(&whole).is_err() {
            return Err(WebSocketError::NotUtf8);
        }
        if whole.iter().all(|octet| matches!(octet, b'\r' | b'\n')) {
            let ping = whole.as_ref() == b"\r\n\r\n";
            return Ok(Some(Heard::KeepAlive { ping }));
        }
        Ok(Some(Heard::Message(whole)))
    }
}

fn control(opcode: u8, payload: &[u8]) -> Result<Heard, WebSocketError> {
    match (opcode, payload) {
        (PING, data) => Ok(Heard::Ping(Bytes::copy_from_slice(data))),
        (PONG, _) => Ok(Heard::Pong),
        // §7.1.5: without a code it is answered as an ordinary end.
        (_, []) => Ok(Heard::Close(1000)),
        (_, [a, b, reason @ ..]) if std::str::from_utf8(reason).is_ok() => {
            Ok(Heard::Close(u16::from_be_bytes([*a, *b])))
        }
        (_, [_]) => Err(WebSocketError::BadControl),
        (_, [_, _, ..]) => Err(WebSocketError::NotUtf8),
    }
}

/// §5.3.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (octet, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *octet ^= mask;
    }
}
