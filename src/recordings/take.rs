//! One recording under way: pieces in, files out.
//!
//! # Decisions
//!
//! *Two clocks are one.* Sound and pictures carry the instant at which they were mixed and composed, and go where that
//! falls in the file, pauses left out. Packets of sound follow each other without gaps, unless the mixer missed ticks.
//!
//! *Pictures begin a file.* A file says at its beginning what is in it; so where pictures come to a recording without,
//! another file begins, which is played after the first.

use super::index::{Media, Participant, Pause, Recording, State, date};
use super::shelf::Shelf;
use bytes::Bytes;
use plenum_mcu::recording::matroska::{self, Writer};
use plenum_mcu::recording::{Attendee, Fate, Piece, Reel, Request};
use plenum_media::video::frame::EncodedFrame;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// A packet of sound.
const PACKET: Duration = Duration::from_millis(20);
/// Sound that is later than its place by more than this has a gap before it.
const GAP: Duration = Duration::from_millis(60);
/// What was recorded is written this often, so that the end of the process loses no more.
const WRITE: Duration = Duration::from_millis(200);
/// Sound waits so long for pictures before the first file begins without.
const HOLD: Duration = Duration::from_millis(700);
/// What is known of a recording is written this often, and room is looked for.
const SAVE: Duration = Duration::from_secs(1);
/// Octets that an index takes at most on a disk, as a rule.
const ROOM: u64 = 8_192;

/// One recording under way.
pub(super) struct Take {
    request: Request,
    reel: Reel,
    known: Recording,
    output: Option<Output>,
    /// Sound that waits for the first file, in case that pictures come.
    held: Vec<(Duration, Bytes)>,
    /// Where on the clock the recording begins, pauses added up.
    origin: Option<Instant>,
    /// Since when it pauses.
    paused_at: Option<Instant>,
    /// Where the next packet of sound goes, and where the last picture is.
    sound_at: Duration,
    picture_at: Duration,
    /// Pictures before the next keyframe cannot be shown.
    wants_keyframe: bool,
    saved: Instant,
}

/// The file that is written.
struct Output {
    file: File,
    writer: Writer,
    /// Octets that are in it for sure.
    length: u64,
    /// Everything is in it.
    whole: bool,
    /// Where in the recording the file begins.
    from: Duration,
    video: bool,
    waiting: Vec<u8>,
    written: Instant,
}

impl Output {
    /// Writes what waits. Of what finds no room on the disk nothing stays, so that the file ends with a whole block.
    fn append(&mut self) -> io::Result<()> {
        let done = self.file.write_all_at(&self.waiting, self.length);
        match done {
            Ok(()) => {
                let octets = u64::try_from(self.waiting.len()).unwrap_or(0);
                self.length = self.length.saturating_add(octets);
            }
            Err(_) => {
                self.whole = false;
                // It may fail as well; players do without the end of a block.
                drop(self.file.set_len(self.length));
            }
        }
        self.waiting.clear();
        done
    }

    /// The index, and then what points to it: what comes first is of no harm without what follows.
    fn end(&mut self, lasted: Duration) -> io::Result<()> {
        if !self.whole {
            // The index would lead to what is not there.
            return Ok(());
        }
        self.writer.index(&mut self.waiting);
        self.append()?;
        for patch in self.writer.patches(lasted, self.length) {
            self.file.write_all_at(&patch.octets, patch.at)?;
        }
        Ok(())
    }
}

impl Take {
    /// Begins a recording of this name, with a file.
    pub(super) fn begin(
        request: Request,
        reel: Reel,
        id: String,
        (now, unix): (Instant, Duration),
        shelf: &Shelf,
    ) -> Result<Self, (Request, String)> {
        let take = Self {
            known: Recording::begin(id, &request.name, unix),
            request,
            reel,
            output: None,
            held: Vec::new(),
            origin: None,
            paused_at: None,
            sound_at: Duration::ZERO,
            picture_at: Duration::ZERO,
            wants_keyframe: true,
            saved: now,
        };
        match shelf.put(&take.known) {
            Ok(()) => Ok(take),
            Err(error) => {
                take.reel.end();
                Err((take.request, words(&error)))
            }
        }
    }

    /// Its name.
    pub(super) fn id(&self) -> &str {
        &self.known.id
    }

    /// It was ended.
    pub(super) fn is_over(&self) -> bool {
        self.reel.is_over()
    }

    /// Nobody was in it.
    pub(super) fn is_empty(&self) -> bool {
        self.known.participants.is_empty()
    }

    /// Tells whoever wanted it what became of it.
    pub(super) fn tell(&self, fate: Fate) {
        (self.request.tell)(fate);
    }

    /// One piece.
    pub(super) fn take(&mut self, piece: Piece, unix: Duration, folder: &Path) -> io::Result<()> {
        let at = match &piece {
            Piece::Sound { at, .. } | Piece::Picture { at, .. } => *at,
            Piece::Attendee(attendee) => {
                self.note(attendee, unix);
                return Ok(());
            }
        };
        if self.pauses(at, unix) {
            return Ok(());
        }
        let now = at;
        let place = at.saturating_duration_since(*self.origin.get_or_insert(at));
        match piece {
            Piece::Sound { packet, .. } => {
                // The first packet stands where it belongs, also where a picture came before it.
                if self.sound_at.is_zero() || place > self.sound_at + GAP {
                    self.sound_at = place;
                }
                let at = self.sound_at;
                self.sound_at += PACKET;
                self.held.push((at, packet));
                if self.output.is_none() && (!self.request.pictures || at >= HOLD) {
                    self.open(None, (now, unix), folder)?;
                }
                self.pour();
            }
            Piece::Picture { frame, .. } => self.picture(place, &frame, (now, unix), folder)?,
            Piece::Attendee(_) => {}
        }
        self.write(now, false)
    }

    /// Time has passed: what waits is written, and what is known is kept.
    ///
    /// # Errors
    /// In words, why it cannot go on.
    pub(super) fn tick(
        &mut self,
        (now, unix): (Instant, Duration),
        shelf: &Shelf,
    ) -> Result<(), String> {
        // The pieces that would say so may be missing.
        self.pauses(now, unix);
        if now.saturating_duration_since(self.saved) < SAVE {
            return Ok(());
        }
        self.saved = now;
        let written = self.write(now, true);
        self.measure();
        written
            .and_then(|()| shelf.put(&self.known))
            .map_err(|error| words(&error))?;
        match shelf.refuses(&self.known.conference) {
            Some(reason) => Err(reason),
            None => Ok(()),
        }
    }

    /// The end, orderly or not.
    pub(super) fn end(
        &mut self,
        failed: Option<String>,
        (now, unix): (Instant, Duration),
        (shelf, folder): (&Shelf, &Path),
    ) -> io::Result<()> {
        self.reel.end();
        let opened = match self.held.is_empty() {
            true => Ok(()),
            false => self.open(None, (now, unix), folder),
        };
        let closed = self.close(now);
        let state = match &failed {
            Some(_) => State::Failed,
            None => State::Complete,
        };
        self.known.reason = failed;
        self.known.end(state, unix);
        let kept = shelf.put(&self.known).or_else(|error| {
            if error.kind() != ErrorKind::StorageFull {
                return Err(error);
            }
            self.make_room(folder)?;
            shelf.put(&self.known)
        });
        opened.and(closed).and(kept)
    }

    /// On a full disk the last second of a file gives way to what is known of the recording.
    fn make_room(&mut self, folder: &Path) -> io::Result<()> {
        let Some(media) = self.known.files.last_mut() else {
            return Ok(());
        };
        let file = OpenOptions::new()
            .write(true)
            .open(folder.join(&media.name))?;
        media.bytes = media.bytes.saturating_sub(ROOM);
        file.set_len(media.bytes)?;
        self.known.sum_up();
        Ok(())
    }

    /// Whether it pauses at this moment; pauses are taken out of the time.
    fn pauses(&mut self, at: Instant, unix: Duration) -> bool {
        let paused = self.reel.is_paused();
        match (paused, self.paused_at) {
            (true, None) => {
                self.paused_at = Some(at);
                self.known.state = State::Paused;
                self.known.pauses.push(Pause {
                    from: date(unix),
                    to: None,
                });
            }
            (false, Some(since)) => {
                self.paused_at = None;
                self.known.state = State::Recording;
                self.wants_keyframe = true;
                let lasted = at.saturating_duration_since(since);
                self.origin = self.origin.map(|origin| origin + lasted);
                if let Some(pause) = self.known.pauses.last_mut() {
                    pause.to = Some(date(unix));
                }
            }
            (true, Some(_)) | (false, None) => {}
        }
        paused
    }

    fn picture(
        &mut self,
        place: Duration,
        frame: &EncodedFrame,
        now: (Instant, Duration),
        folder: &Path,
    ) -> io::Result<()> {
        if self.wants_keyframe && !frame.keyframe {
            return Ok(());
        }
        if self.output.as_ref().is_none_or(|output| !output.video) {
            let Some(size) = matroska::size_of(frame.codec, &frame.data) else {
                return Ok(());
            };
            self.close(now.0)?;
            self.open(Some(size), now, folder)?;
        }
        self.wants_keyframe = false;
        self.picture_at = place.max(self.picture_at + Duration::from_millis(1));
        if let Some(output) = &mut self.output {
            let at = self.picture_at.saturating_sub(output.from);
            let (writer, waiting) = (&mut output.writer, &mut output.waiting);
            writer.picture(at, frame.keyframe, &frame.data, waiting);
        }
        Ok(())
    }

    fn open(
        &mut self,
        size: Option<(u16, u16)>,
        (now, unix): (Instant, Duration),
        folder: &Path,
    ) -> io::Result<()> {
        let kind = if size.is_some() { "webm" } else { "mka" };
        let name = format!("{}-{}.{kind}", self.known.id, self.known.files.len() + 1);
        let mut options = OpenOptions::new();
        // Who said what is nobody else's business.
        options.write(true).create_new(true).mode(0o640);
        let file = options.open(folder.join(&name))?;
        let mut waiting = Vec::new();
        let writer = Writer::begin(unix, size, &mut waiting);
        let held = self.held.first().map(|(at, _)| *at);
        self.output = Some(Output {
            file,
            writer,
            length: 0,
            whole: true,
            from: held.unwrap_or(self.sound_at),
            video: size.is_some(),
            waiting,
            written: now,
        });
        self.known.files.push(Media {
            name,
            video: size.is_some(),
            duration_ms: 0,
            bytes: 0,
        });
        self.pour();
        self.write(now, true)
    }

    /// Sound that waits goes into the file, if there is one.
    fn pour(&mut self) {
        if let Some(output) = &mut self.output {
            for (at, packet) in self.held.drain(..) {
                let at = at.saturating_sub(output.from);
                output.writer.sound(at, &packet, &mut output.waiting);
            }
        }
    }

    fn write(&mut self, now: Instant, all: bool) -> io::Result<()> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let due = all || now.saturating_duration_since(output.written) >= WRITE;
        if !due || output.waiting.is_empty() {
            return Ok(());
        }
        output.written = now;
        let done = output.append();
        if let Some(media) = self.known.files.last_mut() {
            media.bytes = output.length;
        }
        done
    }

    /// The file that is written comes to its end: it gets an index, and says how long it is.
    fn close(&mut self, now: Instant) -> io::Result<()> {
        let written = self.write(now, true);
        let lasted = self.measure();
        let Some(mut output) = self.output.take() else {
            return written;
        };
        // What could not be written is not in the index either; the file plays without.
        let ended = written.and_then(|()| output.end(lasted));
        if let Some(media) = self.known.files.last_mut() {
            media.bytes = output.length;
        }
        self.known.sum_up();
        ended
    }

    fn measure(&mut self) -> Duration {
        let from = self
            .output
            .as_ref()
            .map_or(Duration::ZERO, |output| output.from);
        let lasted = self.sound_at.max(self.picture_at).saturating_sub(from);
        if let (Some(media), Some(_)) = (self.known.files.last_mut(), &self.output) {
            media.duration_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        }
        self.known.sum_up();
        lasted
    }

    fn note(&mut self, attendee: &Attendee, unix: Duration) {
        let at = date(unix);
        let number = attendee.endpoint.0;
        let mut here = self.known.participants.iter_mut().rev();
        let known = here.find(|one| one.endpoint == number && one.left.is_none());
        match (attendee.present, known) {
            (false, Some(known)) => known.left = Some(at),
            (true, None) => self.known.participants.push(Participant {
                endpoint: number,
                name: attendee.name.clone(),
                aor: attendee.aor.clone(),
                joined: at,
                left: None,
            }),
            (true, Some(_)) | (false, None) => {}
        }
    }
}

/// Why something cannot be written, in words for people.
pub(super) fn words(error: &io::Error) -> String {
    if error.kind() == ErrorKind::StorageFull {
        "the disk is full".to_owned()
    } else if error.kind() == ErrorKind::QuotaExceeded {
        "the disk quota of the server's user is used up".to_owned()
    } else {
        error.to_string()
    }
}
