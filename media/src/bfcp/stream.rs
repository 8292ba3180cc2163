//! Messages in a TCP stream (RFC 8855 §6.1): each says in its header how long it is.

use super::message::{HEADER, Header};

/// The stream cannot be followed any further: the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is longer than any is taken")]
pub struct TooLong;

/// Octets that have come and are not yet a message.
#[derive(Debug)]
pub struct MessageStream {
    buffer: Vec<u8>,
    most: usize,
}

impl MessageStream {
    /// An empty one. `most`: octets of one message, header included.
    pub const fn new(most: usize) -> Self {
        Self {
            buffer: Vec::new(),
            most,
        }
    }

    /// What came. Takes at most as much as two messages can be long; answers how much it took.
    pub fn push(&mut self, octets: &[u8]) -> usize {
        let room = (self.most * 2).saturating_sub(self.buffer.len());
        let taken = octets.get(..room.min(octets.len())).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        taken.len()
    }

    /// The next whole message.
    ///
    /// # Errors
    /// [`TooLong`] ends the stream.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(header) = Header::read(&self.buffer) else {
            return Ok(None);
        };
        let length = HEADER + header.payload;
        if length > self.most {
            return Err(TooLong);
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(length);
        Ok(Some(std::mem::replace(&mut self.buffer, rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bfcp::Attribute;
    use crate::bfcp::message::{Message, Primitive, RELIABLE};

    fn hello(transaction: u16) -> Vec<u8> {
        let message = Message {
            version: RELIABLE,
            responds: false,
            primitive: Primitive::Hello,
            conference: 1,
            transaction,
            user: 2,
            attributes: vec![Attribute::FloorId(1)],
        };
        message.write().unwrap()
    }

    #[test]
    fn rfc8855_6_1_messages_come_out_whole_however_the_stream_was_cut() {
        let octets: Vec<u8> = (1..4).flat_map(hello).collect();
        for size in 1..octets.len() {
            let mut stream = MessageStream::new(64);
            let mut found = Vec::new();
            for piece in octets.chunks(size) {
                assert_eq!(stream.push(piece), piece.len());
                while let Some(message) = stream.next_message().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, [hello(1), hello(2), hello(3)]);
        }
    }

    #[test]
    fn a_message_beyond_the_bound_ends_the_stream() {
        let mut stream = MessageStream::new(64);
        stream.push(&[0x20, 11, 0, 60, 0, 0, 0, 1, 0, 1, 0, 1]);
        assert_eq!(stream.next_message(), Err(TooLong));
        assert_eq!(MessageStream::new(64).push(&[0; 1_000]), 128);
    }
}
