//! The RTP header (RFC 3550 §5.1) and the header extensions we look into (RFC 8285).

/// One RTP packet, borrowed from its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The marker bit: for audio, the first packet of a talk spurt.
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp in ticks of the payload's clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The contributing sources, four octets each.
    csrc: &'a [u8],
    /// The header extension: its profile and its octets.
    extension: Option<(u16, &'a [u8])>,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

/// Why a datagram is no RTP packet. The sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header says.
    #[error("truncated")]
    Truncated,
    /// Not version 2.
    #[error("not RTP version 2")]
    Version,
    /// The padding count is zero or exceeds the payload.
    #[error("padding longer than the payload")]
    Padding,
}

/// The most contributing sources a header can carry.
pub const MAX_CSRC: usize = 15;
/// Octets of the header without contributing sources and extension.
pub const FIXED_HEADER: usize = 12;

impl<'a> Packet<'a> {
    /// Reads one datagram (RFC 3550 §A.1, the checks that need no state).
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (&[first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3], rest) = datagram
            .split_first_chunk::<FIXED_HEADER>()
            .ok_or(Malformed::Truncated)?;
        if first >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let (csrc, rest) = rest
            .split_at_checked(usize::from(first & 0x0f) * 4)
            .ok_or(Malformed::Truncated)?;
        let (extension, rest) = if first & 0x10 == 0 {
            (None, rest)
        } else {
            split_extension(rest)?
        };
        let payload = if first & 0x20 == 0 {
            rest
        } else {
            strip_padding(rest)?
        };
        Ok(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            csrc,
            extension,
            payload,
        })
    }

    /// The contributing sources.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.csrc
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| u32::from_be_bytes(*octets))
    }

    /// The data of the extension element `id`, in the one-byte or the two-byte form (RFC 8285 §4.2, §4.3).
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        let (profile, data) = self.extension?;
        match profile {
            0xbede => find_one_byte(data, id),
            0x1000..=0x100f => find_two_byte(data, id),
            _ => None,
        }
    }

    /// The audio level of the extension element `id` (RFC 6464 §3): 0 (loudest) to 127 −dBov.
    pub fn audio_level(&self, id: u8) -> Option<u8> {
        self.extension(id)?.first().map(|octet| octet & 0x7f)
    }
}

/// Whether a datagram on a shared port is RTCP rather than RTP (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

/// What the header of a packet to be sent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// Our synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// Appends the header with at most [`MAX_CSRC`] contributing sources.
    pub fn write(&self, csrcs: &[u32], out: &mut Vec<u8>) {
        let count = csrcs.len().min(MAX_CSRC);
        let count_bits = u8::try_from(count).unwrap_or(0);
        out.push(0x80 | count_bits);
        out.push(u8::from(self.marker) << 7 | (self.payload_type & 0x7f));
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        for csrc in csrcs.iter().take(count) {
            out.extend_from_slice(&csrc.to_be_bytes());
        }
    }
}

/// An extension as its profile and its octets, and what follows it.
type Extended<'a> = (Option<(u16, &'a [u8])>, &'a [u8]);

fn split_extension(rest: &[u8]) -> Result<Extended<'_>, Malformed> {
    let (&[p0, p1, l0, l1], rest) = rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
    let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(octets).ok_or(Malformed::Truncated)?;
    Ok((Some((u16::from_be_bytes([p0, p1]), data)), rest))
}

fn strip_padding(payload: &[u8]) -> Result<&[u8], Malformed> {
    let count = usize::from(*payload.last().ok_or(Malformed::Padding)?);
    let kept = payload.len().checked_sub(count).ok_or(Malformed::Padding)?;
    if count == 0 {
        return Err(Malformed::Padding);
    }
    payload.get(..kept).ok_or(Malformed::Padding)
}

fn find_one_byte(mut data: &[u8], id: u8) -> Option<&[u8]> {
    while let Some((&head, rest)) = data.split_first() {
        if head == 0 {
            data = rest;
            continue;
        }
        if head >> 4 == 15 {
            return None;
        }
        let (element, rest) = rest.split_at_checked(usize::from(head & 0x0f) + 1)?;
        if head >> 4 == id {
            return Some(element);
        }
        data = rest;
    }
    None
}

fn find_two_byte(mut data: &[u8], id: u8) -> Option<&[u8]> {
    while let Some((&head, rest)) = data.split_first() {
        if head == 0 {
            data = rest;
            continue;
        }
        let (&length, rest) = rest.split_first()?;
        let (element, rest) = rest.split_at_checked(usize::from(length))?;
        if head == id {
            return Some(element);
        }
        data = rest;
    }
    None
}
