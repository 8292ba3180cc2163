//! Our side of a video section.

use crate::crypto::keys::Seed;
use crate::sdp::Local;
use crate::sdp::ice::LocalIce;
use crate::video::frame::VideoCodec;
use crate::video::h264::{PacketizationMode, Params};
use crate::video::rate::LADDER;

/// What a video section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The picture of people.
    Main,
    /// Slides, a screen (RFC 4796 §5).
    Content,
}

/// What we can do with pictures in one session, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalVideo {
    /// Where RTP comes in; not 0.
    pub rtp_port: u16,
    /// Where RTCP comes in when it does not share RTP's port.
    pub rtcp_port: u16,
    /// Where our keys come from: another seed than that of audio.
    pub seed: Option<Seed>,
    /// What we bring to ICE.
    pub ice: Option<LocalIce>,
    /// The codecs we speak, the most wanted first.
    pub codecs: Vec<VideoCodec>,
    /// Luma rows of a picture at most, in either direction.
    pub rows: usize,
    /// Bits a second at most, in either direction.
    pub bitrate: u32,
    /// Our synchronisation source, and that of our retransmissions.
    pub sources: (u32, u32),
    /// Our canonical name: that of audio, so that both are played in time with each other (RFC 3550 §6.5.1).
    pub cname: String,
}

impl LocalVideo {
    /// The session's side with the addresses and keys of video.
    pub(in crate::sdp) fn of(&self, session: &Local) -> Local {
        Local {
            rtp_port: self.rtp_port,
            rtcp_port: self.rtcp_port,
            seed: self.seed.clone(),
            ice: self.ice.clone(),
            video: None,
            content: None,
            floor: None,
            ..session.clone()
        }
    }

    /// What we receive of H.264.
    pub(in crate::sdp) fn h264(&self, mode: PacketizationMode) -> Params {
        // H.264 Table A-1: the level that has our rows at 30 frames a second.
        let level = match self.rows {
            0..=180 => 13,
            181..=360 => 30,
            361..=720 => 31,
            _ => 40,
        };
        Params::own(level, mode)
    }

    /// Macroblocks of the largest picture we receive.
    pub(in crate::sdp) fn macroblocks(&self) -> u32 {
        let [lowest, ..] = LADDER;
        let rungs = LADDER.iter().rev();
        let largest = rungs.clone().find(|rung| rung.height <= self.rows);
        let rung = largest.unwrap_or(&lowest);
        let side = |length: usize| u32::try_from(length.div_ceil(16)).unwrap_or(u32::MAX);
        side(rung.width).saturating_mul(side(rung.height))
    }
}
