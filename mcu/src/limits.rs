//! The bounds of this crate. The numbers are the process's: `src/limits.rs` of the root crate.

use crate::floor::server::FloorLimits;
use plenum_media::video::assemble::AssemblerLimits;
use plenum_media::video::codec::DecoderLimits;
use plenum_media::video::rtx::HistoryLimits;
use std::time::Duration;

/// Bounds on what conferences, endpoints and workers hold and spend.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Conferences at once. Beyond: `Overloaded`.
    pub conferences: usize,
    /// Legs one worker carries. Beyond: `Overloaded`.
    pub legs_per_worker: usize,
    /// Commands waiting for one worker's next tick. Beyond: `Overloaded`.
    pub mailbox: usize,
    /// Share of a worker's time, in permille of real time, beyond which it takes no more legs: `Overloaded`.
    pub load_permille: u32,
    /// How many are heard at once in a conference, 1 to 15.
    pub talkers: usize,
    /// Legs without a level before decoding (Opus, G.722 without RFC 6464) that are decoded in one tick,
    /// the chosen included; at least `talkers`. The others wait for their turn.
    pub decodes_per_tick: usize,
    /// Playbacks waiting for one endpoint, or for all of a conference. Beyond: `Overloaded`.
    pub playbacks: usize,
    /// Prompts of one playback. Beyond: `Overloaded`.
    pub prompts: usize,
    /// Octets of one datagram that are read; longer ones are cut and then refused as malformed.
    pub datagram: usize,
    /// Datagrams read from one socket at a time (each 20 ms). Further ones wait in the kernel.
    pub datagrams_per_read: usize,
    /// Kernel receive buffer of one socket, octets.
    pub socket_buffer: usize,
    /// Legs whose handshakes a worker goes on with in one tick. Others wait for the next one.
    pub handshakes_per_tick: usize,
    /// Pairs of sockets with addresses from STUN and TURN servers that are kept ready. Beyond: a call does without.
    pub reserve: usize,
    /// Neither RTP nor RTCP from an endpoint for this long: `MediaLost`.
    pub media_timeout: Duration,
    /// From a host that neither SDP nor signalling named, the first RTP source is accepted for this long.
    pub latch_window: Duration,
    /// Another RTP source is accepted after the latched one was silent for this long.
    pub relatch_silence: Duration,
    /// What legs and session descriptions may hold.
    pub media: plenum_media::limits::Limits,
    /// Bounds of video.
    pub video: VideoLimits,
}

/// Bounds on what video holds and spends.
#[derive(Clone, Copy, Debug)]
pub struct VideoLimits {
    /// Video legs one worker carries. Beyond: the call goes without video.
    pub legs_per_worker: usize,
    /// Commands waiting for one worker. Beyond: the call goes without video.
    pub mailbox: usize,
    /// Frames waiting between the two threads of a worker. Beyond: dropped, and a keyframe is asked for.
    pub frames: usize,
    /// Octets of all frames waiting for one of these threads. Beyond: as above.
    pub queue_octets: usize,
    /// Share of the picture thread's time, in permille, beyond which calls go without video.
    pub load_permille: u32,
    /// People in the pictures of one conference. Beyond: heard, but not seen.
    pub members: usize,
    /// Encoders of one conference. Beyond: viewers see the picture of another one.
    pub encoders: usize,
    /// Datagrams read from one socket at a time (each 5 ms). Further ones wait in the kernel.
    pub datagrams_per_read: usize,
    /// Datagrams of one leg that shares a transport with sound (RFC 9143): read at a time (each 20 ms), and waiting for
    /// the thread of video. Beyond: dropped.
    pub bundled_datagrams: usize,
    /// Kernel receive buffer of one socket, octets.
    pub socket_buffer: usize,
    /// Octets of one RTP payload that we send.
    pub max_payload: usize,
    /// What a stream may hold that is received.
    pub assembler: AssemblerLimits,
    /// What is kept of a stream that is sent, for retransmission.
    pub history: HistoryLimits,
    /// Pictures larger than this are not decoded.
    pub decoder: DecoderLimits,
    /// Of floor control.
    pub floor: FloorLimits,
}

impl Default for VideoLimits {
    /// What suits a server of two processors.
    fn default() -> Self {
        Self {
            legs_per_worker: 200,
            mailbox: 1_024,
            frames: 512,
            queue_octets: 64 << 20,
            load_permille: 850,
            members: 200,
            encoders: 16,
            datagrams_per_read: 64,
            bundled_datagrams: 128,
            socket_buffer: 1 << 20,
            max_payload: 1_180,
            assembler: AssemblerLimits {
                packets: 2_048,
                frame_octets: 2 << 20,
                missing: 256,
                requests: 6,
                patience: Duration::from_millis(300),
                keyframe_patience: Duration::from_secs(10),
            },
            history: HistoryLimits {
                packets: 1_024,
                octets: 1 << 20,
                age: Duration::from_secs(1),
                share_percent: 30,
            },
            decoder: DecoderLimits {
                side: 4_096,
                samples: 1_920 * 1_088,
            },
            floor: FloorLimits::default(),
        }
    }
}

impl Default for Limits {
    /// What suits a server of a thousand legs.
    fn default() -> Self {
        Self {
            conferences: 1_000,
            legs_per_worker: 1_000,
            mailbox: 1_000,
            load_permille: 900,
            talkers: 4,
            decodes_per_tick: 12,
            playbacks: 4,
            prompts: 16,
            datagram: 2_048,
            datagrams_per_read: 8,
            socket_buffer: 65_536,
            handshakes_per_tick: 4,
            reserve: 4,
            media_timeout: Duration::from_secs(30),
            latch_window: Duration::from_secs(10),
            relatch_silence: Duration::from_secs(5),
            media: plenum_media::limits::Limits::default(),
            video: VideoLimits::default(),
        }
    }
}
