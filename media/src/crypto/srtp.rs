//! Protecting and unprotecting packets (RFC 3711 §3.3, §3.4; RFC 7714 §8, §9) in place, without
//! allocation once a stream runs.
//!
//! # Decisions
//!
//! Not the contexts of `rtc::srtp`: they copy every packet, make state for every SSRC a stranger
//! names, and check replays by the 16-bit sequence number. The tests hold every suite against
//! them, in both directions.

use super::keys::MasterKey;
use super::transform::{Numbers, Stream, Transform};
use super::window::{Window, estimate};
use smallvec::SmallVec;
use std::fmt;

/// Why a packet was not taken. The peer, or whoever sent in its name, is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Shorter than its header and tag, or no RTP.
    #[error("it is no SRTP packet")]
    Malformed,
    /// The tag is not the one that our key for the peer gives: a wrong key, or not the peer.
    #[error("its authentication tag is wrong")]
    Authentication,
    /// It came before, or is too old to tell (RFC 3711 §3.3.2).
    #[error("it was received before")]
    Replayed,
    /// SRTCP without encryption (RFC 3711 §3.4, E flag), which we never agree to.
    #[error("it is not encrypted")]
    Unencrypted,
    /// It names a master key that was not signalled (RFC 3711 §3.1, MKI).
    #[error("it names a master key that was not signalled")]
    UnknownKey,
    /// More synchronisation sources than one peer may have.
    #[error("the peer has too many synchronisation sources")]
    TooManySources,
}

/// A packet of ours cannot be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// Not an RTP or RTCP packet: a bug of ours.
    #[error("no packet to protect")]
    NoPacket,
    /// 2^48 RTP packets or 2^31 RTCP packets: the key must not be used any more (RFC 3711 §9.2).
    #[error("the key was used as often as it may be")]
    Key,
    /// More synchronisation sources of ours than were foreseen: a bug of ours.
    #[error("too many synchronisation sources of ours")]
    Sources,
}

/// What protects the packets that we send.
pub struct Sender {
    master: MasterKey,
    rtp: Transform,
    rtcp: Transform,
    /// The SSRCs and the highest index of each.
    sources: SmallVec<[(u32, u64); 2]>,
    rtcp_index: u32,
    most_sources: usize,
}

impl Sender {
    /// `None` never happens with a [`MasterKey`], whose length is its suite's.
    pub fn new(master: &MasterKey, most_sources: usize) -> Option<Self> {
        Some(Self {
            rtp: Transform::new(master, Stream::Rtp)?,
            rtcp: Transform::new(master, Stream::Rtcp)?,
            master: master.clone(),
            sources: SmallVec::new(),
            rtcp_index: 0,
            most_sources,
        })
    }

    /// The key in use.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Writes the protected form of an RTP packet into `out`, which is cleared first.
    ///
    /// # Errors
    /// [`Exhausted`]; `out` is then not to be sent.
    pub fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Exhausted> {
        let (head, sequence, ssrc) = rtp_head(packet).ok_or(Exhausted::NoPacket)?;
        let index = self.index(ssrc, sequence)?;
        out.clear();
        out.reserve(packet.len() + self.rtp.tag());
        out.extend_from_slice(packet);
        let numbers = Numbers {
            ssrc,
            index,
            rtcp: false,
        };
        let sealed = self.rtp.seal(numbers, head, rollover(index), out);
        sealed.then_some(()).ok_or(Exhausted::NoPacket)
    }

    /// Writes the protected form of an RTCP packet into `out`, which is cleared first.
    ///
    /// # Errors
    /// [`Exhausted`]; `out` is then not to be sent.
    pub fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Exhausted> {
        let ssrc = rtcp_ssrc(packet).ok_or(Exhausted::NoPacket)?;
        if self.rtcp_index >= ENCRYPTED {
            return Err(Exhausted::Key);
        }
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let numbers = Numbers {
            ssrc,
            index: u64::from(index),
            rtcp: true,
        };
        out.clear();
        out.reserve(packet.len() + self.rtcp.tag() + trailer.len());
        out.extend_from_slice(packet);
        if !self.rtcp.seal(numbers, RTCP_HEAD, trailer, out) {
            return Err(Exhausted::NoPacket);
        }
        // In counter mode the tag, in Galois mode the index comes last.
        let at = if self.rtcp.tags_last() {
            out.len().saturating_sub(self.rtcp.tag())
        } else {
            out.len()
        };
        out.extend_from_slice(&trailer);
        if let Some(end) = out.get_mut(at..) {
            end.rotate_right(trailer.len());
        }
        Ok(())
    }

    fn index(&mut self, ssrc: u32, sequence: u16) -> Result<u64, Exhausted> {
        let known = self.sources.iter_mut().find(|(known, _)| *known == ssrc);
        let Some((_, highest)) = known else {
            if self.sources.len() >= self.most_sources {
                return Err(Exhausted::Sources);
            }
            self.sources.push((ssrc, u64::from(sequence)));
            return Ok(u64::from(sequence));
        };
        let index = estimate(*highest, sequence).ok_or(Exhausted::Key)?;
        *highest = index.max(*highest);
        Ok(index)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sender");
        shown.field("master", &self.master).finish_non_exhaustive()
    }
}

/// A key that the peer protects its packets with, and the name it may give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerKey {
    /// The key.
    pub master: MasterKey,
    /// The master key identifier, as long as it stands in each packet (RFC 3711 §3.1); empty for
    /// none.
    pub mki: SmallVec<[u8; 4]>,
}

/// What unprotects the packets of a peer.
pub struct Receiver {
    keys: SmallVec<[Keyed; 1]>,
    sources: Vec<Source>,
    most_sources: usize,
    /// A packet to be tried more than once in a mode that destroys what it refuses.
    scratch: Vec<u8>,
}

struct Keyed {
    peer: PeerKey,
    rtp: Transform,
    rtcp: Transform,
}

/// What we know of one SSRC of the peer, which an authentic packet told us of.
#[derive(Debug, Default)]
struct Source {
    ssrc: u32,
    rtp: Option<Window>,
    rtcp: Option<Window>,
    /// Where its count stood under the keys before these.
    before: Option<u64>,
}

impl Receiver {
    /// For a peer that uses one of `keys`, all with MKIs of the same length. `None` when there is
    /// no key or the lengths differ.
    pub fn new(keys: &[PeerKey], most_sources: usize) -> Option<Self> {
        let first = keys.first()?;
        let keyed: Option<SmallVec<[Keyed; 1]>> = keys
            .iter()
            .map(|peer| {
                let same = peer.mki.len() == first.mki.len()
                    && peer.master.suite() == first.master.suite();
                same.then_some(())?;
                Some(Keyed {
                    rtp: Transform::new(&peer.master, Stream::Rtp)?,
                    rtcp: Transform::new(&peer.master, Stream::Rtcp)?,
                    peer: peer.clone(),
                })
            })
            .collect();
        Some(Self {
            keys: keyed?,
            sources: Vec::new(),
            most_sources,
            scratch: Vec::new(),
        })
    }

    /// Whether these are the keys in use.
    pub fn has(&self, keys: &[PeerKey]) -> bool {
        self.keys.iter().map(|keyed| &keyed.peer).eq(keys)
    }

    /// New keys do not always begin to count anew: what the old ones counted is worth a try.
    pub fn continues(&mut self, before: &Self) {
        for source in &before.sources {
            if let Some(window) = &source.rtp {
                self.sources.push(Source {
                    ssrc: source.ssrc,
                    before: Some(window.highest()),
                    ..Source::default()
                });
            }
        }
    }

    /// Checks and decrypts an RTP packet where it is: the octets of the plain packet.
    ///
    /// # Errors
    /// [`Refusal`]; the octets are then not to be used.
    pub fn unprotect_rtp<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p [u8], Refusal> {
        let (head, sequence, ssrc) = rtp_head(packet).ok_or(Refusal::Malformed)?;
        let Self {
            keys,
            sources,
            most_sources,
            scratch,
        } = self;
        let at = place(sources, ssrc, *most_sources)?;
        let tries = tries(sources.get(at), sequence)?;
        let (key, length) = named(keys, packet, Stream::Rtp)?;
        if packet.len() < head + key.rtp.tag() {
            return Err(Refusal::Malformed);
        }
        let destroys = !key.rtp.tags_last() && tries.len() > 1;
        if destroys {
            scratch.clear();
            scratch.extend_from_slice(packet);
        }
        for (count, &index) in tries.iter().enumerate() {
            if destroys && count > 0 {
                packet.copy_from_slice(scratch);
            }
            let numbers = Numbers {
                ssrc,
                index,
                rtcp: false,
            };
            let opened = open_rtp(key, numbers, head, packet, length);
            if let Some(plain) = opened {
                accept(sources, at, ssrc, index, Stream::Rtp);
                return packet.get(..plain).ok_or(Refusal::Malformed);
            }
        }
        Err(Refusal::Authentication)
    }

    /// Checks and decrypts an RTCP packet where it is: the octets of the plain packet.
    ///
    /// # Errors
    /// [`Refusal`]; the octets are then not to be used.
    pub fn unprotect_rtcp<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p [u8], Refusal> {
        let ssrc = rtcp_ssrc(packet).ok_or(Refusal::Malformed)?;
        let Self {
            keys,
            sources,
            most_sources,
            ..
        } = self;
        let at = place(sources, ssrc, *most_sources)?;
        let (key, mki) = named(keys, packet, Stream::Rtcp)?;
        let tag = key.rtcp.tag();
        // Counter mode: octets, index, MKI, tag. Galois mode: octets, tag, index, MKI.
        let last = if key.rtcp.tags_last() { tag } else { 0 };
        let index_at = packet
            .len()
            .checked_sub(4 + mki + last)
            .ok_or(Refusal::Malformed)?;
        let (body, rest) = packet
            .split_at_mut_checked(index_at)
            .ok_or(Refusal::Malformed)?;
        let (trailer, rest) = rest.split_first_chunk::<4>().ok_or(Refusal::Malformed)?;
        let word = u32::from_be_bytes(*trailer);
        if word & ENCRYPTED == 0 {
            return Err(Refusal::Unencrypted);
        }
        let index = u64::from(word & !ENCRYPTED);
        let window = sources.get(at).and_then(|source| source.rtcp);
        if window.is_some_and(|window| !window.is_new(index)) {
            return Err(Refusal::Replayed);
        }
        if body.len() < RTCP_HEAD {
            return Err(Refusal::Malformed);
        }
        let numbers = Numbers {
            ssrc,
            index,
            rtcp: true,
        };
        let apart = key.rtcp.tags_last().then(|| rest.get(mki..)).flatten();
        let opened = key.rtcp.open(numbers, RTCP_HEAD, *trailer, body, apart);
        let plain = opened.ok_or(Refusal::Authentication)?;
        accept(sources, at, ssrc, index, Stream::Rtcp);
        packet.get(..plain).ok_or(Refusal::Malformed)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("keys", &self.keys.len())
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

/// Counter mode: octets, MKI, tag (RFC 3711 §3.1). Galois mode: octets with tag, MKI (RFC 7714 §8.3).
fn open_rtp(
    key: &Keyed,
    numbers: Numbers,
    head: usize,
    packet: &mut [u8],
    mki: usize,
) -> Option<usize> {
    let trailer = rollover(numbers.index);
    if mki == 0 {
        return key.rtp.open(numbers, head, trailer, packet, None);
    }
    let tag = if key.rtp.tags_last() {
        key.rtp.tag()
    } else {
        0
    };
    let end = packet.len().checked_sub(tag + mki)?;
    let (body, rest) = packet.split_at_mut_checked(end)?;
    let apart = key.rtp.tags_last().then(|| rest.get(mki..)).flatten();
    (body.len() >= head).then_some(())?;
    key.rtp.open(numbers, head, trailer, body, apart)
}

/// The key that a packet names, and the octets that its name takes there.
fn named<'k>(
    keys: &'k [Keyed],
    packet: &[u8],
    stream: Stream,
) -> Result<(&'k Keyed, usize), Refusal> {
    let first = keys.first().ok_or(Refusal::UnknownKey)?;
    let length = first.peer.mki.len();
    if length == 0 {
        return Ok((first, 0));
    }
    let transform = match stream {
        Stream::Rtp => &first.rtp,
        Stream::Rtcp => &first.rtcp,
    };
    let behind = if transform.tags_last() {
        transform.tag()
    } else {
        0
    };
    let end = packet.len().checked_sub(behind).ok_or(Refusal::Malformed)?;
    let start = end.checked_sub(length).ok_or(Refusal::Malformed)?;
    let name = packet.get(start..end).ok_or(Refusal::Malformed)?;
    let key = keys.iter().find(|key| key.peer.mki.as_slice() == name);
    Ok((key.ok_or(Refusal::UnknownKey)?, length))
}

/// Where the source is in the list, or will be once a packet of it proves authentic.
fn place(sources: &[Source], ssrc: u32, most: usize) -> Result<usize, Refusal> {
    let known = sources.iter().position(|source| source.ssrc == ssrc);
    match known {
        Some(at) => Ok(at),
        None if sources.len() < most => Ok(sources.len()),
        None => Err(Refusal::TooManySources),
    }
}

/// The indexes that a sequence number may stand for, the likeliest first. Of a source not heard
/// before nobody tells whether its first packets before a rollover were lost, or whether its count
/// went on from the keys before.
fn tries(source: Option<&Source>, sequence: u16) -> Result<SmallVec<[u64; 3]>, Refusal> {
    let plain = u64::from(sequence);
    let mut tries = SmallVec::new();
    match source.and_then(|source| source.rtp.as_ref()) {
        Some(window) => {
            let index = window.estimate(sequence).ok_or(Refusal::Replayed)?;
            if !window.is_new(index) {
                return Err(Refusal::Replayed);
            }
            tries.push(index);
        }
        None => {
            tries.push(plain);
            tries.push(1 << 16 | plain);
            let before = source.and_then(|source| source.before);
            let on = before.and_then(|highest| estimate(highest, sequence));
            tries.extend(on.filter(|on| on >> 16 > 1));
        }
    }
    Ok(tries)
}

fn accept(sources: &mut Vec<Source>, at: usize, ssrc: u32, index: u64, stream: Stream) {
    if at == sources.len() {
        sources.push(Source {
            ssrc,
            ..Source::default()
        });
    }
    let Some(source) = sources.get_mut(at) else {
        return;
    };
    let window = match stream {
        Stream::Rtp => &mut source.rtp,
        Stream::Rtcp => &mut source.rtcp,
    };
    match window {
        Some(window) => window.accept(index),
        None => *window = Some(Window::new(index)),
    }
}

/// The upper 32 bits of an index: the rollover counter.
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}

/// The octets of an RTP header with contributing sources and extension, the sequence number and
/// the synchronisation source.
fn rtp_head(packet: &[u8]) -> Option<(usize, u16, u32)> {
    let (&[first, _, s0, s1, _, _, _, _, r0, r1, r2, r3], rest) =
        packet.split_first_chunk::<12>()?;
    if first >> 6 != 2 {
        return None;
    }
    let sources = usize::from(first & 0x0f) * 4;
    let mut head = 12 + sources;
    if first & 0x10 != 0 {
        let extension = rest.get(sources..)?.first_chunk::<4>()?;
        let [_, _, l0, l1] = *extension;
        head += 4 + usize::from(u16::from_be_bytes([l0, l1])) * 4;
    }
    let whole = packet.len() >= head;
    whole.then(|| {
        (
            head,
            u16::from_be_bytes([s0, s1]),
            u32::from_be_bytes([r0, r1, r2, r3]),
        )
    })
}

fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let &[first, _, _, _, r0, r1, r2, r3] = packet.first_chunk::<RTCP_HEAD>()?;
    (first >> 6 == 2).then(|| u32::from_be_bytes([r0, r1, r2, r3]))
}

/// Octets of RTCP that stay readable (RFC 3711 §3.4).
const RTCP_HEAD: usize = 8;
/// The E flag before the 31 bits of the SRTCP index.
const ENCRYPTED: u32 = 1 << 31;
