//! Our own video section, and its text.

use super::remote::TRANSPORT_CC;
use crate::sdp::attr::{Direction, Profile};
use crate::sdp::bundle::MID_EXTENSION;
use crate::sdp::describe::{AudioSection, write_mid, write_transport};
use crate::sdp::ice::OurIce;
use crate::sdp::security::OurSecurity;
use crate::video::frame::VideoCodec;
use crate::video::h264::Params;
use crate::video::negotiated::FeedbackSet;
use bytes::Bytes;
use std::fmt::Write;

/// One format of our section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Its number.
    pub pt: u8,
    /// The codec.
    pub codec: VideoCodec,
    /// What we receive of H.264; `None` for other codecs.
    pub h264: Option<Params>,
    /// The number of retransmissions of it (RFC 4588).
    pub rtx: Option<u8>,
    /// The feedback we take and give.
    pub feedback: FeedbackSet,
}

/// Our video section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSection {
    /// The offer's in an answer.
    pub profile: Profile,
    /// Our ports for RTP and RTCP.
    pub ports: (u16, u16),
    /// Our formats, the most wanted first.
    pub formats: Vec<VideoFormat>,
    /// Macroblocks of the largest picture we receive: `max-fs` of VP8 and VP9.
    pub macroblocks: u32,
    /// Bits a second we receive at most.
    pub bitrate: u32,
    /// Which way pictures may flow, seen from us.
    pub direction: Direction,
    /// RTCP on the RTP port.
    pub rtcp_mux: bool,
    /// The identifier of transport-wide sequence numbers.
    pub transport_cc: Option<u8>,
    /// The offer's `a=mid:`, or none.
    pub mid: Option<Bytes>,
    /// The label (RFC 4574) of slides; `None`: the picture of people.
    pub content: Option<Bytes>,
    /// What we say of keys.
    pub security: OurSecurity,
    /// What we say of ICE.
    pub ice: OurIce,
    /// It shares the transport of our sound (RFC 9143); ports, keys and ICE are that one's.
    pub bundled: bool,
    /// It can be had in a group only: an offer of ours has it with port 0 (RFC 9143 §6).
    pub only: bool,
    /// The identifier of the MID header extension (RFC 9143 §15).
    pub mid_extension: Option<u8>,
    /// Our sources: pictures, retransmissions; and their canonical name (RFC 5576).
    pub sources: (u32, u32, String),
}

/// Octets of IP, UDP and RTP headers in `b=AS`, as a share of what is carried: 5 %.
const HEADERS_SHARE: u32 = 20;

/// The label of slides where the peer gave none.
pub(in crate::sdp) const CONTENT_LABEL: &str = "12";

impl VideoSection {
    /// Appends the section. `shared` are the ports of our sound; `tagged` is our sound where its group's transport is
    /// described here.
    pub(in crate::sdp) fn write(
        &self,
        out: &mut String,
        shared: (u16, u16),
        tagged: Option<&AudioSection>,
    ) -> std::fmt::Result {
        let ports = if self.bundled { shared } else { self.ports };
        let port = if self.only { 0 } else { ports.0 };
        write!(out, "m=video {port} {}", self.profile.as_str())?;
        for format in &self.formats {
            write!(out, " {}", format.pt)?;
            if let Some(rtx) = format.rtx {
                write!(out, " {rtx}")?;
            }
        }
        let with_headers = self.bitrate.saturating_add(self.bitrate / HEADERS_SHARE);
        write!(
            out,
            "\r\nb=AS:{}\r\nb=TIAS:{}\r\n",
            with_headers / 1_000,
            self.bitrate
        )?;
        write_mid(out, self.mid.as_ref())?;
        if let Some(label) = self.content.as_deref() {
            let label = std::str::from_utf8(label).unwrap_or(CONTENT_LABEL);
            // RFC 4796 §5, RFC 4574 §4.
            write!(out, "a=content:slides\r\na=label:{label}\r\n")?;
        }
        for format in &self.formats {
            self.write_format(out, format)?;
        }
        self.write_rest(out, ports, tagged)
    }

    fn write_format(&self, out: &mut String, format: &VideoFormat) -> std::fmt::Result {
        let pt = format.pt;
        write!(out, "a=rtpmap:{pt} {}\r\n", format.codec.rtpmap())?;
        match &format.h264 {
            Some(params) => write!(out, "a=fmtp:{pt} {params}\r\n")?,
            None => write!(out, "a=fmtp:{pt} max-fr=30;max-fs={}\r\n", self.macroblocks)?,
        }
        let flags = format.feedback.flags().into_iter();
        for (_, name) in flags.zip(FeedbackSet::NAMES).filter(|(said, _)| *said) {
            write!(out, "a=rtcp-fb:{pt} {name}\r\n")?;
        }
        if let Some(rtx) = format.rtx {
            write!(out, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n")?;
        }
        Ok(())
    }

    fn write_rest(
        &self,
        out: &mut String,
        (rtp, rtcp): (u16, u16),
        tagged: Option<&AudioSection>,
    ) -> std::fmt::Result {
        if self.only {
            out.push_str("a=bundle-only\r\n");
        }
        if self.rtcp_mux {
            out.push_str("a=rtcp-mux\r\n");
        }
        // RFC 3605 §2.1: needed when the port is not the next one.
        if rtp.checked_add(1) != Some(rtcp) && !self.bundled {
            write!(out, "a=rtcp:{rtcp}\r\n")?;
        }
        if let Some(id) = self.mid_extension {
            write!(out, "a=extmap:{id} {MID_EXTENSION}\r\n")?;
        }
        if let Some(id) = self.transport_cc {
            write!(out, "a=extmap:{id} {TRANSPORT_CC}\r\n")?;
        }
        match tagged {
            Some(audio) => write_transport(out, &audio.security, &audio.ice, audio.rtcp_mux)?,
            None => write_transport(out, &self.security, &self.ice, self.rtcp_mux)?,
        }
        if self.mid.is_some() {
            // RFC 8830 §2: people in the stream of our audio, so that both are played together.
            out.push_str(match self.content {
                None => "a=msid:plenum video\r\n",
                Some(_) => "a=msid:slides slides\r\n",
            });
        }
        // In a group also on hold, as those of sound.
        if self.direction.sends() || self.bundled {
            let (main, repair, cname) = &self.sources;
            if self.formats.iter().any(|format| format.rtx.is_some()) {
                write!(
                    out,
                    "a=ssrc-group:FID {main} {repair}\r\na=ssrc:{main} cname:{cname}\r\n\
                     a=ssrc:{repair} cname:{cname}\r\n"
                )?;
            } else {
                write!(out, "a=ssrc:{main} cname:{cname}\r\n")?;
            }
        }
        write!(out, "a={}\r\n", self.direction.as_str())
    }
}
