//! Readings of single lines: what a value says, or `None` when it does not say it properly.
//!
//! Names of codecs and parameters are compared without regard to case (RFC 8866 §6.6, §9), numbers
//! that real devices get wrong by a white space or a fraction are read as they meant them.

use crate::negotiated::{Codec, Payload};
use std::net::IpAddr;

/// Which way media flows, seen from whoever wrote it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways: what is meant when nothing is said (RFC 3264 §5.1).
    #[default]
    SendRecv,
    /// The writer sends and does not want to receive: hold.
    SendOnly,
    /// The writer only listens.
    RecvOnly,
    /// Neither; RTCP goes on.
    Inactive,
}

impl Direction {
    /// From what the writer does.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// From the name of an attribute or of an extmap direction.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::SendRecv,
            Self::SendOnly,
            Self::RecvOnly,
            Self::Inactive,
        ]
        .into_iter()
        .find(|direction| name.eq_ignore_ascii_case(direction.as_str()))
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other side (RFC 3264 §6.1).
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// Only what both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }
}

/// The transport of a media section (RFC 8866 §8.2.2 registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `RTP/AVP` (RFC 3551).
    Avp,
    /// `RTP/AVPF` (RFC 4585).
    Avpf,
    /// `RTP/SAVP` (RFC 3711), keys by SDES or other means.
    Savp,
    /// `RTP/SAVPF` (RFC 5124).
    Savpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764): DTLS-SRTP.
    UdpTlsSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764): what browsers send.
    UdpTlsSavpf,
    /// Anything else.
    Other,
}

impl Profile {
    const KNOWN: [Self; 6] = [
        Self::Avp,
        Self::Avpf,
        Self::Savp,
        Self::Savpf,
        Self::UdpTlsSavp,
        Self::UdpTlsSavpf,
    ];

    /// From the third field of an `m=` line.
    pub fn parse(proto: &str) -> Self {
        let mut known = Self::KNOWN.into_iter();
        let known = known.find(|profile| proto.eq_ignore_ascii_case(profile.as_str()));
        known.unwrap_or(Self::Other)
    }

    /// The third field of an `m=` line; of [`Self::Other`], which we never write, the plainest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avp | Self::Other => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::UdpTlsSavp => "UDP/TLS/RTP/SAVP",
            Self::UdpTlsSavpf => "UDP/TLS/RTP/SAVPF",
        }
    }

    /// Media must be protected.
    pub fn is_secure(self) -> bool {
        !matches!(self, Self::Avp | Self::Avpf | Self::Other)
    }

    /// Keys come from a handshake.
    pub fn is_dtls(self) -> bool {
        matches!(self, Self::UdpTlsSavp | Self::UdpTlsSavpf)
    }

    /// With the feedback of RFC 4585.
    pub fn has_feedback(self) -> bool {
        matches!(self, Self::Avpf | Self::Savpf | Self::UdpTlsSavpf)
    }
}

/// Why a `c=` line gives no address that we can send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Not three fields.
    Unreadable,
    /// Another network than the Internet, or a host name.
    Format(String),
    /// A group.
    Multicast(IpAddr),
}

/// The address of a `c=` value, `IN IP4 192.0.2.1` (RFC 8866 §5.7).
///
/// # Errors
/// [`AddressError`] says why there is none.
pub fn connection(value: &str) -> Result<IpAddr, AddressError> {
    let mut fields = value.split_ascii_whitespace();
    let (Some(network), Some(kind), Some(address)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(AddressError::Unreadable);
    };
    let internet = network.eq_ignore_ascii_case("IN")
        && (kind.eq_ignore_ascii_case("IP4") || kind.eq_ignore_ascii_case("IP6"));
    if !internet {
        return Err(AddressError::Format(quotable(value)));
    }
    let host = address.split(['/', '%']).next().unwrap_or_default();
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_multicast() => Err(AddressError::Multicast(address)),
        Ok(address) => Ok(address),
        Err(_) => Err(AddressError::Format(quotable(address))),
    }
}

/// `a=rtpmap:` (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// The payload type, 0 to 127.
    pub pt: u8,
    /// The encoding, in the writer's spelling.
    pub name: &'a str,
    /// The RTP clock.
    pub clock: u32,
    /// Channels; 1 when not said.
    pub channels: u8,
}

impl<'a> RtpMap<'a> {
    /// Reads `111 opus/48000/2`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (pt, encoding) = value.split_once(|letter: char| letter.is_ascii_whitespace())?;
        let mut parts = encoding.trim().split('/').map(str::trim);
        let (name, clock) = (parts.next()?, parts.next()?.parse().ok()?);
        let channels = parts
            .next()
            .map_or(Some(1), |channels| channels.parse().ok())?;
        Some(Self {
            pt: payload_type(pt)?,
            name,
            clock,
            channels,
        })
    }

    /// What packets of this encoding are to us; `None` for what we do not speak.
    pub fn payload(&self) -> Option<Payload> {
        let is = |name: &str| self.name.eq_ignore_ascii_case(name);
        let mono8k = self.clock == 8_000 && self.channels == 1;
        // RFC 7587 §7 demands two channels; some softphones say one or none and mean the same.
        if is("opus") && self.clock == 48_000 && self.channels <= 2 {
            Some(Payload::Audio(Codec::Opus))
        } else if is("G722") && mono8k {
            Some(Payload::Audio(Codec::G722))
        } else if is("PCMA") && mono8k {
            Some(Payload::Audio(Codec::Pcma))
        } else if is("PCMU") && mono8k {
            Some(Payload::Audio(Codec::Pcmu))
        } else if is("telephone-event") && matches!(self.clock, 8_000 | 48_000) {
            Some(Payload::TelephoneEvent(self.clock))
        } else if is("CN") && mono8k {
            Some(Payload::ComfortNoise(self.clock))
        } else {
            None
        }
    }
}

/// What a payload type means without an rtpmap (RFC 3551 §6).
pub fn static_payload(pt: u8) -> Option<Payload> {
    match pt {
        0 => Some(Payload::Audio(Codec::Pcmu)),
        8 => Some(Payload::Audio(Codec::Pcma)),
        9 => Some(Payload::Audio(Codec::G722)),
        13 => Some(Payload::ComfortNoise(8_000)),
        _ => None,
    }
}

/// A payload type number, 0 to 127.
pub fn payload_type(text: &str) -> Option<u8> {
    text.trim().parse().ok().filter(|&pt| pt < 128)
}

/// `a=fmtp:` (RFC 8866 §6.15): the payload type and its parameters.
pub fn fmtp(value: &str) -> Option<(u8, &str)> {
    let (pt, parameters) = value.split_once(|letter: char| letter.is_ascii_whitespace())?;
    Some((payload_type(pt)?, parameters.trim()))
}

/// What a peer wants Opus to be that it receives (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// `maxplaybackrate`: 8,000 to 48,000 Hz.
    pub playback_rate: u32,
    /// `maxaveragebitrate`: 6,000 to 510,000 bits a second.
    pub bitrate: u32,
    /// `useinbandfec`.
    pub fec: bool,
    /// `usedtx`.
    pub dtx: bool,
    /// `cbr`.
    pub cbr: bool,
    /// `ptime` as a parameter, milliseconds.
    pub ptime: Option<u32>,
    /// `minptime`, milliseconds.
    pub minptime: Option<u32>,
    /// `maxptime` as a parameter, milliseconds.
    pub maxptime: Option<u32>,
}

impl Default for OpusParameters {
    fn default() -> Self {
        Self {
            playback_rate: 48_000,
            bitrate: OPUS_BITRATE_MAX,
            fec: false,
            dtx: false,
            cbr: false,
            ptime: None,
            minptime: None,
            maxptime: None,
        }
    }
}

impl OpusParameters {
    /// Reads `useinbandfec=1; maxplaybackrate=16000`; what it does not say keeps its default,
    /// `stereo` needs no reading since we send mono, which every decoder takes.
    pub fn parse(parameters: &str) -> Self {
        let mut opus = Self::default();
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let (name, Some(value)) = (name.trim(), whole(value)) else {
                continue;
            };
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("maxplaybackrate") {
                opus.playback_rate = value.clamp(8_000, 48_000);
            } else if is("maxaveragebitrate") {
                opus.bitrate = value.clamp(OPUS_BITRATE_MIN, OPUS_BITRATE_MAX);
            } else if is("useinbandfec") {
                opus.fec = value == 1;
            } else if is("usedtx") {
                opus.dtx = value == 1;
            } else if is("cbr") {
                opus.cbr = value == 1;
            } else if is("ptime") {
                opus.ptime = Some(value);
            } else if is("minptime") {
                opus.minptime = Some(value);
            } else if is("maxptime") {
                opus.maxptime = Some(value);
            }
        }
        opus
    }
}

/// `a=extmap:` (RFC 8285 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtMap<'a> {
    /// The local identifier.
    pub id: u16,
    /// The direction, seen from the writer.
    pub direction: Direction,
    /// What it is.
    pub uri: &'a str,
}

impl<'a> ExtMap<'a> {
    /// Reads `1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let (id, uri) = (fields.next()?, fields.next()?);
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Direction::parse(direction)?),
            None => (id, Direction::SendRecv),
        };
        Some(Self {
            id: id.parse().ok()?,
            direction,
            uri,
        })
    }
}

/// `a=rtcp:` (RFC 3605 §2.1): the port, and the address if it is another than RTP's.
pub fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let (port, rest) = value
        .split_once(|letter: char| letter.is_ascii_whitespace())
        .map_or((value, None), |(port, rest)| (port, Some(rest)));
    Some((
        port.parse().ok()?,
        rest.and_then(|rest| connection(rest).ok()),
    ))
}

/// A whole number; a fraction after it is cut off.
pub fn whole(text: &str) -> Option<u32> {
    text.trim().split('.').next()?.parse().ok()
}

/// Text of a peer in a form that may stand in a quoted string of ours: short, printable ASCII.
pub fn quotable(text: &str) -> String {
    text.chars()
        .filter(|&c| matches!(c, ' '..='~') && c != '"' && c != '\\')
        .take(64)
        .collect()
}

/// RFC 6464 levels of one's own voice, in a header extension.
pub const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The least `maxaveragebitrate` (RFC 7587 §6.1).
pub const OPUS_BITRATE_MIN: u32 = 6_000;
/// The greatest `maxaveragebitrate` (RFC 7587 §6.1).
pub const OPUS_BITRATE_MAX: u32 = 510_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtpmap_reads_what_we_speak_in_any_case() {
        let cases = [
            ("111 OPUS/48000/2", Some(Payload::Audio(Codec::Opus))),
            ("111 opus/48000", Some(Payload::Audio(Codec::Opus))),
            ("111 opus/16000/2", None),
            ("9 g722/8000", Some(Payload::Audio(Codec::G722))),
            ("9 G722/16000", None),
            ("8  pcma/8000/1", Some(Payload::Audio(Codec::Pcma))),
            ("8 PCMA/8000/2", None),
            (
                "101 Telephone-Event/8000",
                Some(Payload::TelephoneEvent(8_000)),
            ),
            ("126 telephone-event/16000", None),
            ("13 cn/8000", Some(Payload::ComfortNoise(8_000))),
            ("105 CN/16000", None),
            ("18 G729/8000", None),
        ];
        for (text, payload) in cases {
            assert_eq!(RtpMap::parse(text).unwrap().payload(), payload, "{text}");
        }
        for text in [
            "",
            "8",
            "200 PCMA/8000",
            "8 PCMA",
            "8 PCMA/x",
            "8 PCMA/8000/x",
        ] {
            assert_eq!(RtpMap::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn connections_and_why_not() {
        assert_eq!(
            connection("IN IP4 192.0.2.1"),
            Ok("192.0.2.1".parse().unwrap())
        );
        assert_eq!(
            connection("in ip6 fe80::1%eth0"),
            Ok("fe80::1".parse().unwrap())
        );
        assert_eq!(connection("IN IP4"), Err(AddressError::Unreadable));
        let group = "224.2.1.1".parse().unwrap();
        assert_eq!(
            connection("IN IP4 224.2.1.1/127"),
            Err(AddressError::Multicast(group))
        );
        let name = AddressError::Format("phone.example.org".to_owned());
        assert_eq!(connection("IN IP4 phone.\"example.org"), Err(name));
        let atm = AddressError::Format("ATM NSAP 47.0091".to_owned());
        assert_eq!(connection("ATM NSAP 47.0091"), Err(atm));
    }

    #[test]
    fn opus_parameters_are_clamped() {
        let opus = OpusParameters::parse(
            "MaxPlaybackRate=96000; maxaveragebitrate=100;useinbandfec=1;usedtx=0;cbr=1;ptime=40.5;x",
        );
        let expected = OpusParameters {
            bitrate: 6_000,
            fec: true,
            cbr: true,
            ptime: Some(40),
            ..OpusParameters::default()
        };
        assert_eq!(opus, expected);
    }

    #[test]
    fn extmap_and_rtcp() {
        let extmap = ExtMap::parse("3/sendonly urn:x vad=on").unwrap();
        assert_eq!(
            (extmap.id, extmap.direction, extmap.uri),
            (3, Direction::SendOnly, "urn:x")
        );
        assert_eq!(ExtMap::parse("3/up urn:x"), None);
        assert_eq!(rtcp("53020"), Some((53_020, None)));
        let other = "192.0.2.9".parse().unwrap();
        assert_eq!(rtcp("53020 IN IP4 192.0.2.9"), Some((53_020, Some(other))));
        assert_eq!(rtcp("no"), None);
    }

    #[test]
    fn directions_turn_round() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(
            Direction::SendRecv.and(Direction::RecvOnly),
            Direction::RecvOnly
        );
        assert_eq!(
            Direction::SendOnly.and(Direction::RecvOnly),
            Direction::Inactive
        );
        assert_eq!(Direction::parse("SENDONLY"), Some(Direction::SendOnly));
    }
}
