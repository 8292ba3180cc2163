//! What offer and answer agreed on: the contract between SDP and the RTP leg.

use smallvec::SmallVec;
use std::net::SocketAddr;
use std::time::Duration;

/// An audio codec Plenum speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716, RFC 7587. RTP clock 48 kHz.
    Opus,
    /// G.722 at 64 kbit/s. 16 kHz audio, RTP clock 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl Codec {
    /// The RTP clock rate in hertz. For G.722 it is 8,000 although the audio has 16,000 (RFC 3551 §4.5.2).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcma | Self::Pcmu => 8_000,
        }
    }

    /// The audio sampling rate in hertz.
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 => 16_000,
            Self::Pcma | Self::Pcmu => 8_000,
        }
    }

    /// The codec as SDP writes it: `opus/48000/2`.
    pub const fn rtpmap(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::G722 => "G722/8000",
            Self::Pcma => "PCMA/8000",
            Self::Pcmu => "PCMU/8000",
        }
    }
}

/// What a payload type means on receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Audio in this codec.
    Audio(Codec),
    /// RFC 4733 telephone events with this RTP clock rate.
    TelephoneEvent(u32),
    /// RFC 3389 comfort noise with this RTP clock rate.
    ComfortNoise(u32),
}

/// How we encode what we send. Listeners with equal formats can share one encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SendFormat {
    /// The codec.
    pub codec: Codec,
    /// Audio per packet: 10, 20, 30, 40 or 60 ms.
    pub ptime_ms: u8,
    /// Opus only: bits a second at most (`maxaveragebitrate`, our own ceiling); 0 otherwise.
    pub bitrate: u32,
    /// Opus only: the peer plays at most this rate (`maxplaybackrate`), 8,000 to 48,000 Hz; 0 otherwise.
    pub playback_rate: u32,
    /// Opus only: the peer wants in-band FEC.
    pub fec: bool,
    /// Opus only: the peer wants DTX.
    pub dtx: bool,
    /// Opus only: the peer wants constant bit rate.
    pub cbr: bool,
}

/// One agreed audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedAudio {
    /// How we encode.
    pub send: SendFormat,
    /// The payload type we send it with: the peer's number.
    pub send_pt: u8,
    /// The payload type we may send telephone events with: one with the clock of the codec, as
    /// RFC 4733 §2.1 demands, so `None` when the peer has Opus and events at 8 kHz only.
    pub send_dtmf_pt: Option<u8>,
    /// The payload type we may send comfort noise with; never with Opus, which has DTX.
    pub send_cn_pt: Option<u8>,
    /// What each payload type means that may come in: our numbers.
    pub receive: SmallVec<[(u8, Payload); 8]>,
    /// Where the peer wants RTP; `None` while it wants none (port 0, or the old hold address `0.0.0.0`).
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP; `None` while it wants no RTP or has turned RTCP off (RFC 3556).
    pub remote_rtcp: Option<SocketAddr>,
    /// RTP and RTCP share the port (RFC 5761).
    pub rtcp_mux: bool,
    /// We may send audio (the peer is not on hold, the section not inactive).
    pub sending: bool,
    /// The peer may send audio.
    pub receiving: bool,
    /// The header extension id of RFC 6464 levels the peer sends.
    pub audio_level_id: Option<u8>,
}

impl NegotiatedAudio {
    /// The duration of one packet we send.
    pub fn ptime(&self) -> Duration {
        Duration::from_millis(u64::from(self.send.ptime_ms))
    }
}
