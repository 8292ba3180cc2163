//! What offer and answer agreed on for video: the contract between SDP and the video leg.

use super::format::{ReceiveFormat, SendFormat};
use super::rate::PictureLimits;
use super::receive::VideoReceive;
use super::send::VideoSend;
use bytes::Bytes;
use std::net::SocketAddr;

/// The feedback messages both sides understand (RFC 4585 §4.2, RFC 5104 §7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackSet {
    /// `nack`.
    pub nack: bool,
    /// `nack pli`.
    pub pli: bool,
    /// `ccm fir`.
    pub fir: bool,
    /// `ccm tmmbr`.
    pub tmmbr: bool,
    /// `goog-remb`.
    pub remb: bool,
    /// `transport-cc`.
    pub transport_cc: bool,
}

impl FeedbackSet {
    /// All that we speak.
    pub const ALL: Self = Self {
        nack: true,
        pli: true,
        fir: true,
        tmmbr: true,
        remb: true,
        transport_cc: true,
    };

    /// The values of `a=rtcp-fb` after the payload type, in the order in which we write them.
    pub const NAMES: [&'static str; 6] = [
        "nack",
        "nack pli",
        "ccm fir",
        "ccm tmmbr",
        "goog-remb",
        "transport-cc",
    ];

    /// Which of [`Self::NAMES`] are in the set.
    pub const fn flags(&self) -> [bool; 6] {
        [
            self.nack,
            self.pli,
            self.fir,
            self.tmmbr,
            self.remb,
            self.transport_cc,
        ]
    }

    /// The set with these of [`Self::NAMES`].
    pub const fn of(flags: [bool; 6]) -> Self {
        let [nack, pli, fir, tmmbr, remb, transport_cc] = flags;
        Self {
            nack,
            pli,
            fir,
            tmmbr,
            remb,
            transport_cc,
        }
    }
}

/// One agreed video stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedVideo {
    /// How pictures are packed that we send.
    pub send: SendFormat,
    /// The payload type we send them with: the peer's number.
    pub send_pt: u8,
    /// The peer's payload type for retransmissions of them (RFC 4588).
    pub send_rtx: Option<u8>,
    /// How packets become pictures that we receive.
    pub receive: ReceiveFormat,
    /// The payload type they come with: our number.
    pub receive_pt: u8,
    /// Our payload type for retransmissions of them.
    pub receive_rtx: Option<u8>,
    /// The header extension of transport-wide sequence numbers.
    pub transport_cc: Option<u8>,
    /// The header extension that names our section, and its name (RFC 9143 §15).
    pub mid: Option<(u8, Bytes)>,
    /// The feedback both understand.
    pub feedback: FeedbackSet,
    /// How large a picture may be that we send.
    pub limits: PictureLimits,
    /// Bits a second that we send at most.
    pub bitrate: u32,
    /// Our synchronisation source, and that of our retransmissions.
    pub sources: (u32, u32),
    /// Where the peer wants RTP; `None` while it wants none.
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTP and RTCP share the port.
    pub rtcp_mux: bool,
    /// We may send.
    pub sending: bool,
    /// The peer may send.
    pub receiving: bool,
}

impl NegotiatedVideo {
    /// The sending stream. `max_payload`: octets of one RTP payload.
    pub fn sender(&self, max_payload: usize) -> VideoSend {
        VideoSend {
            format: self.send,
            payload_type: self.send_pt,
            ssrc: self.sources.0,
            rtx: self
                .send_rtx
                .map(|payload_type| (payload_type, self.sources.1)),
            transport_cc: self.transport_cc,
            mid: self.mid.clone(),
            max_payload,
        }
    }

    /// The receiving stream.
    pub fn receiver(&self) -> VideoReceive {
        VideoReceive {
            formats: vec![(self.receive_pt, self.receive.clone())],
            rtx: self.receive_rtx,
            transport_cc: self.transport_cc,
            nack: self.feedback.nack,
            pli: self.feedback.pli,
            fir: self.feedback.fir,
        }
    }

    /// The codec as SDP writes it: `H264/90000`.
    pub const fn rtpmap(&self) -> &'static str {
        self.send.codec().rtpmap()
    }
}
