//! Recording, as the mixers see it: pieces go onto a [`Tape`], and never wait.
//!
//! Whoever keeps files is behind the port [`Recorder`]; [`matroska`] is what he writes.
//!
//! # Decisions
//!
//! *State, not commands.* Pause and end are flags that the tape and the recorder share, so that neither can be lost in a
//! full queue. A take is over when it was ended, or when nobody holds a tape of it any more: a mixer that fails ends its
//! take by ending.
//!
//! *The disk may be slow, the call not.* Pieces go into a bounded queue; one that finds no place is lost and counted.

pub mod matroska;

use crate::control::{ConferenceId, EndpointId};
use bytes::Bytes;
use plenum_media::negotiated::{Codec, SendFormat};
use plenum_media::video::frame::EncodedFrame;
use prometheus_client::metrics::counter::Counter;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// How recordings sound: Opus, one channel, 48 kHz, 20 ms a packet.
pub const SOUND: SendFormat = SendFormat {
    codec: Codec::Opus,
    ptime_ms: 20,
    bitrate: 64_000,
    playback_rate: 48_000,
    fec: false,
    dtx: false,
    cbr: false,
};

/// A recording under way. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TakeId(pub u64);

/// What is recorded.
#[derive(Clone, Debug)]
pub enum Piece {
    /// 20 ms of everybody's voices and of what is announced to all, in [`SOUND`].
    Sound {
        /// When it was mixed.
        at: Instant,
        /// The Opus packet.
        packet: Bytes,
    },
    /// A composed picture, in VP8.
    Picture {
        /// When what it shows came, in the mean.
        at: Instant,
        /// The picture.
        frame: EncodedFrame,
    },
    /// Somebody is in the conference now, or not any more.
    Attendee(Attendee),
}

/// Somebody who was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// With which endpoint.
    pub endpoint: EndpointId,
    /// What others see it called.
    pub name: String,
    /// The address of record, unless anonymous.
    pub aor: Option<String>,
    /// Came, or left.
    pub present: bool,
}

/// A recording that is wanted.
pub struct Request {
    /// Of which conference.
    pub conference: ConferenceId,
    /// What that is called.
    pub name: String,
    /// Pictures too, should there be some.
    pub pictures: bool,
    /// Who is told what became of it, on the recorder's thread: it must not block.
    pub tell: Box<dyn Fn(Fate) + Send>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("name", &self.name)
            .field("pictures", &self.pictures)
            .finish_non_exhaustive()
    }
}

/// What became of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has begun.
    Begun,
    /// It could not begin, or not go on; in words.
    Failed(String),
}

/// Keeps recordings. Nothing here waits for what is written.
pub trait Recorder: Send + Sync + fmt::Debug {
    /// A new recording. What becomes of it is told later, at least once: that it has begun, or failed.
    ///
    /// # Errors
    /// In words, why it is not even tried: there is no room. Whoever waits to be let in is refused then.
    fn begin(&self, request: Request) -> Result<Tape, String>;
}

/// What a take and its tapes share.
#[derive(Debug, Default)]
struct Flags {
    paused: AtomicBool,
    over: AtomicBool,
}

/// Where pieces of one take go. Cloning gives another way to the same.
#[derive(Clone, Debug)]
pub struct Tape {
    take: TakeId,
    flags: Arc<Flags>,
    queue: SyncSender<(TakeId, Piece)>,
    lost: Counter,
}

/// The recorder's end of a take's tapes.
#[derive(Debug)]
pub struct Reel(Arc<Flags>);

impl Tape {
    /// The first tape of a take, and the recorder's end of it. What finds no place in `queue` is counted by `lost`.
    pub fn new(take: TakeId, queue: SyncSender<(TakeId, Piece)>, lost: Counter) -> (Self, Reel) {
        let flags = Arc::<Flags>::default();
        let tape = Self {
            take,
            flags: Arc::clone(&flags),
            queue,
            lost,
        };
        (tape, Reel(flags))
    }

    /// Records a piece; says whether there was room for it.
    pub fn put(&self, piece: Piece) -> bool {
        let taken = self.is_over() || self.queue.try_send((self.take, piece)).is_ok();
        if !taken {
            self.lost.inc();
        }
        taken
    }

    /// Nothing is recorded meanwhile.
    pub fn pause(&self, paused: bool) {
        self.flags.paused.store(paused, Ordering::Release);
    }

    /// Nothing is recorded just now.
    pub fn is_paused(&self) -> bool {
        self.flags.paused.load(Ordering::Acquire)
    }

    /// Ends the take.
    pub fn end(&self) {
        self.flags.over.store(true, Ordering::Release);
    }

    /// The take was ended, or has failed.
    pub fn is_over(&self) -> bool {
        self.flags.over.load(Ordering::Acquire)
    }
}

impl Reel {
    /// Nothing is to be kept just now.
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Acquire)
    }

    /// It was ended, or nobody holds a tape of it any more.
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire) || Arc::strong_count(&self.0) == 1
    }

    /// Nothing more is taken.
    pub fn end(&self) {
        self.0.over.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    fn piece() -> Piece {
        Piece::Attendee(Attendee {
            endpoint: EndpointId(1),
            name: String::new(),
            aor: None,
            present: true,
        })
    }

    #[test]
    fn a_full_queue_loses_pieces_and_counts_them_but_neither_pause_nor_end() {
        let (queue, pieces) = sync_channel(1);
        let lost = Counter::default();
        let (tape, reel) = Tape::new(TakeId(1), queue, lost.clone());
        tape.put(piece());
        tape.put(piece());
        assert_eq!(lost.get(), 1);
        tape.pause(true);
        assert!(reel.is_paused());
        tape.end();
        assert!(reel.is_over());
        drop(pieces.try_recv());
        tape.put(piece());
        assert!(pieces.try_recv().is_err(), "nothing follows the end");
    }

    #[test]
    fn a_take_without_tapes_is_over() {
        let (queue, _pieces) = sync_channel(1);
        let (tape, reel) = Tape::new(TakeId(1), queue, Counter::default());
        let other = tape.clone();
        drop(tape);
        assert!(!reel.is_over());
        drop(other);
        assert!(reel.is_over());
    }
}
