//! RTCP packets (RFC 3550 §6): what we read out of a compound packet and what we write into one.

use super::source::Reception;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const CNAME: u8 = 1;
/// Octets of a canonical name at most.
const MAX_CNAME: usize = 64;

/// One statement of a compound packet that concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The sender information of a sender report (RFC 3550 §6.4.1).
    Sender {
        /// Who reports.
        ssrc: u32,
        /// The middle 32 bits of its NTP timestamp.
        ntp_middle: u32,
    },
    /// A report block, from either kind of report.
    Block {
        /// Whose packets it is about.
        about: u32,
        /// Share lost since the last report, in 256ths.
        fraction_lost: u8,
        /// The middle 32 bits of our sender report it saw last.
        last_report: u32,
        /// Since then, in 65,536ths of a second.
        since: u32,
    },
    /// BYE (RFC 3550 §6.6).
    Bye(u32),
}

/// The datagram is no RTCP compound packet (RFC 3550 §A.2). The sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no RTCP compound packet")]
pub struct NotRtcp;

/// Reads a compound packet and says each statement that concerns us.
///
/// Reduced-size packets (RFC 5506), which begin with any type, are read too.
pub fn read(datagram: &[u8], say: &mut impl FnMut(Statement)) -> Result<(), NotRtcp> {
    // The whole must be well-formed before any part of it is believed.
    let mut rest = datagram;
    while !rest.is_empty() {
        let (_, _, after) = split_packet(rest)?;
        rest = after;
    }
    if datagram.is_empty() {
        return Err(NotRtcp);
    }
    let mut rest = datagram;
    while !rest.is_empty() {
        let (head, body, after) = split_packet(rest)?;
        read_packet(head, body, say);
        rest = after;
    }
    Ok(())
}

/// The count and type of a packet, its body, and what follows.
type Split<'a> = ((u8, u8), &'a [u8], &'a [u8]);

fn split_packet(rest: &[u8]) -> Result<Split<'_>, NotRtcp> {
    let (&[first, kind, l0, l1], rest) = rest.split_first_chunk::<4>().ok_or(NotRtcp)?;
    let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    if first >> 6 != 2 || !(192..=223).contains(&kind) {
        return Err(NotRtcp);
    }
    let (body, after) = rest.split_at_checked(octets).ok_or(NotRtcp)?;
    Ok(((first & 0x1f, kind), body, after))
}

fn read_packet((count, kind): (u8, u8), body: &[u8], say: &mut impl FnMut(Statement)) {
    let (words, _) = body.as_chunks::<4>();
    let word = |at: usize| words.get(at).map(|octets| u32::from_be_bytes(*octets));
    match kind {
        SENDER_REPORT => {
            if let (Some(ssrc), Some(high), Some(low)) = (word(0), word(1), word(2)) {
                say(Statement::Sender {
                    ssrc,
                    ntp_middle: high << 16 | low >> 16,
                });
            }
            read_blocks(words.get(6..).unwrap_or_default(), count, say);
        }
        RECEIVER_REPORT => read_blocks(words.get(1..).unwrap_or_default(), count, say),
        GOODBYE => {
            for octets in words.iter().take(usize::from(count)) {
                say(Statement::Bye(u32::from_be_bytes(*octets)));
            }
        }
        _ => {}
    }
}

fn read_blocks(words: &[[u8; 4]], count: u8, say: &mut impl FnMut(Statement)) {
    for block in words.as_chunks::<6>().0.iter().take(usize::from(count)) {
        let [about, [fraction_lost, ..], _, _, last_report, since] = *block;
        say(Statement::Block {
            about: u32::from_be_bytes(about),
            fraction_lost,
            last_report: u32::from_be_bytes(last_report),
            since: u32::from_be_bytes(since),
        });
    }
}

/// The sender information of a sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderInfo {
    /// NTP time, seconds in the upper and fraction in the lower half.
    pub ntp: u64,
    /// The same instant as an RTP timestamp.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Octets of payload sent.
    pub octets: u32,
}

/// A report block to be written: what was received, and when the peer's last sender report came.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// What was received.
    pub reception: Reception,
    /// The middle 32 bits of the peer's last sender report, 0 without one.
    pub last_report: u32,
    /// Since then, in 65,536ths of a second.
    pub since: u32,
}

/// Appends SR (with sender information) or RR, then SDES with the canonical name (RFC 3550 §6.1).
pub fn write_report(
    ssrc: u32,
    sender: Option<SenderInfo>,
    block: Option<Block>,
    cname: &str,
    out: &mut Vec<u8>,
) {
    let blocks = u16::from(block.is_some());
    let kind = if sender.is_some() {
        SENDER_REPORT
    } else {
        RECEIVER_REPORT
    };
    let words = 1 + if sender.is_some() { 5 } else { 0 } + 6 * blocks;
    out.push(0x80 | u8::from(block.is_some()));
    out.push(kind);
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(info) = sender {
        out.extend_from_slice(&info.ntp.to_be_bytes());
        for word in [info.timestamp, info.packets, info.octets] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    if let Some(block) = block {
        write_block(&block, out);
    }
    write_cname(ssrc, cname, out);
}

/// Appends BYE (RFC 3550 §6.6).
pub fn write_bye(ssrc: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x81, GOODBYE, 0, 1]);
    out.extend_from_slice(&ssrc.to_be_bytes());
}

fn write_block(block: &Block, out: &mut Vec<u8>) {
    let reception = block.reception;
    out.extend_from_slice(&reception.ssrc.to_be_bytes());
    let [_, lost @ ..] = reception.cumulative_lost.to_be_bytes();
    out.push(reception.fraction_lost);
    out.extend_from_slice(&lost);
    for word in [
        reception.highest,
        reception.jitter,
        block.last_report,
        block.since,
    ] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

fn write_cname(ssrc: u32, cname: &str, out: &mut Vec<u8>) {
    let mut length = cname.len().min(MAX_CNAME);
    while !cname.is_char_boundary(length) {
        length -= 1;
    }
    let name = cname.as_bytes().get(..length).unwrap_or_default();
    // The chunk ends with at least one null octet and on a 32-bit boundary (RFC 3550 §6.5).
    let item = 2 + length;
    let padding = 4 - item % 4;
    let words = u16::try_from(1 + (item + padding) / 4).unwrap_or(0);
    out.extend_from_slice(&[0x81, SOURCE_DESCRIPTION]);
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[CNAME, u8::try_from(length).unwrap_or(0)]);
    out.extend_from_slice(name);
    out.extend(std::iter::repeat_n(0, padding));
}
