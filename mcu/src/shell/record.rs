//! The control plane of recording: one tape for the mixer, one for the pictures.

use super::mcu::{Conference, Inner, Settled, post};
use super::worker::Mail;
use crate::control::{CommandId, ConferenceId, McuError, McuEvent, Record, Report};
use crate::recording::{Fate, Piece, Request, Tape};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Inner {
    pub(super) fn record(
        &self,
        conference: ConferenceId,
        command: CommandId,
        this: &mut Conference,
        record: Record,
    ) -> Result<Settled, McuError> {
        if let Record::Start { name, pictures } = record {
            return self.start_tape(conference, command, this, (name, pictures));
        }
        let tape = this.tape.as_ref().filter(|tape| !tape.is_over());
        let tape = tape.ok_or(McuError::Unknown("recording"))?;
        match record {
            Record::Start { .. } | Record::Stop => {
                tape.end();
                this.tape = None;
                self.show_tape(conference, None);
                self.hand_tape(conference, this.worker, None)?;
            }
            Record::Pause(paused) => {
                tape.pause(paused);
                self.touch_room(conference);
            }
            Record::Attendee(attendee) => {
                tape.put(Piece::Attendee(attendee));
            }
        }
        Ok(Settled::Now)
    }

    fn start_tape(
        &self,
        conference: ConferenceId,
        command: CommandId,
        this: &mut Conference,
        (name, pictures): (String, bool),
    ) -> Result<Settled, McuError> {
        if this.tape.as_ref().is_some_and(|tape| !tape.is_over()) {
            return Err(McuError::Unknown("recording: there is one already"));
        }
        let recorder = self.config.recorder.as_ref();
        let none =
            || McuError::NotRecorded("recordings have no place (recording.directory)".into());
        let recorder = recorder.ok_or_else(none)?;
        let request = Request {
            conference,
            name,
            pictures: pictures && self.video.is_some(),
            tell: self.teller(conference, command),
        };
        let tape = recorder.begin(request).map_err(McuError::NotRecorded)?;
        this.tape = Some(tape.clone());
        self.show_tape(conference, Some((tape.clone(), pictures)));
        self.hand_tape(conference, this.worker, Some(tape))?;
        Ok(Settled::ByWorker)
    }

    /// The answer to the command that began a recording, and later what became of it.
    fn teller(&self, conference: ConferenceId, command: CommandId) -> Box<dyn Fn(Fate) + Send> {
        let sink = Arc::clone(&self.sink);
        let answered = AtomicBool::new(false);
        Box::new(move |fate| {
            let first = !answered.swap(true, Ordering::Relaxed);
            let report = match fate {
                Fate::Begun => Report::Done {
                    command,
                    result: Ok(()),
                },
                Fate::Failed(reason) if first => Report::Done {
                    command,
                    result: Err(McuError::NotRecorded(reason)),
                },
                Fate::Failed(reason) => Report::RecordingFailed { reason },
            };
            sink(McuEvent { conference, report });
        })
    }

    fn hand_tape(
        &self,
        conference: ConferenceId,
        worker: usize,
        tape: Option<Tape>,
    ) -> Result<(), McuError> {
        let link = self.workers.get(worker);
        let link = link.ok_or(McuError::Unknown("worker"))?;
        post(&link.mail, Mail::Tape { conference, tape })
    }

    fn show_tape(&self, conference: ConferenceId, tape: Option<(Tape, bool)>) {
        if let Some(video) = &self.video {
            video.rooms.record(conference, tape);
        }
    }

    fn touch_room(&self, conference: ConferenceId) {
        if let Some(video) = &self.video {
            video.rooms.touch(conference);
        }
    }
}
