//! Ticks of a leg that nobody listens to: time and packets pass, no decoder runs.

use super::adjust::QUIET;
use super::playout::{Decoding, GAP_MOST, Last, Playout, TICK, is_pause, to_i64};
use crate::codec::g711::{self, Law};
use crate::jitter::buffer::Content;
use crate::level;
use crate::negotiated::Codec;
use smallvec::SmallVec;
use std::time::Instant;

/// Ticks without a pull after which the decoder's memory is given back: 5 s.
const IDLE_TICKS: u32 = 250;
/// Ticks without a pull after which the decoder may serve another leg: 0.5 s.
const GIVEN_AFTER: u32 = 25;

impl Playout {
    /// Lets a tick pass without decoding.
    pub(crate) fn skip(&mut self, now: Instant) {
        self.tick();
        if let Some(decoding) = self.decoding.as_mut().filter(|it| !it.cold) {
            decoding.loud = self.level < QUIET;
        }
        self.level = level::SILENT;
        self.idle = self.idle.saturating_add(1);
        if self.idle > IDLE_TICKS {
            self.decoding = None;
        }
        if !self.start(now) {
            return;
        }
        let mut left = TICK;
        if let Some(decoding) = &mut self.decoding {
            let eaten = to_i64(decoding.ring.available());
            decoding.cold = true;
            decoding.ring.clear();
            // What was decoded beyond this tick goes with it; the packets after it follow at once.
            left = (left - eaten).max(0);
            self.edge -= (eaten - TICK).max(0);
        }
        self.slide = 0.0;
        self.move_silently();
        self.enforce_ceiling();
        while left > 0 && self.pass(now, &mut left) {}
    }

    /// Whether the next packet is of Opus and there is no decoder for it.
    pub(super) fn wants_decoder(&self) -> bool {
        let opus = Content::Audio(Codec::Opus);
        self.decoding.is_none() && self.buffer.front().is_some_and(|it| it.content == opus)
    }

    /// Gives away a decoder of Opus that has been idle for a while since the sound ended.
    pub(super) fn give_decoder(&mut self) -> Option<Box<Decoding>> {
        let opus = |it: &Decoding| {
            it.decoder
                .as_ref()
                .is_some_and(|it| it.codec() == Codec::Opus)
        };
        if self.idle < GIVEN_AFTER {
            return None;
        }
        self.decoding.take_if(|it| it.cold && !it.loud && opus(it))
    }

    /// Takes such a decoder over.
    pub(super) fn take_decoder(&mut self, decoding: Box<Decoding>) {
        self.decoding.get_or_insert(decoding);
    }

    /// Passes over (part of) the front packet without decoding. False when nothing waits.
    fn pass(&mut self, now: Instant, left: &mut i64) -> bool {
        let Some(front) = self.buffer.front() else {
            self.stalled += *left;
            return false;
        };
        let Content::Audio(codec) = front.content else {
            self.pause();
            return true;
        };
        let gap = front.media - self.edge;
        if gap > 0 {
            let credit = gap.min(self.stalled);
            self.edge += credit;
            self.stalled -= credit;
            let gap = gap - credit;
            let step = if gap > GAP_MOST { gap } else { gap.min(*left) };
            self.edge += step;
            *left -= step.min(*left);
            return true;
        }
        let rest = front.end() - self.edge;
        if rest <= 0 {
            self.rebase();
            return true;
        }
        let last = if is_pause(front) {
            Last::Pause
        } else {
            Last::Audio
        };
        let activity = front.activity;
        let begins = !front.noted;
        self.note(now, TICK - *left);
        if begins {
            self.listen_undecoded(codec);
        }
        let step = rest.min(*left);
        self.edge += step;
        *left -= step;
        self.stalled = 0;
        self.last = last;
        self.last_activity = activity;
        self.counts.codec = Some(codec);
        if step == rest {
            self.buffer.consume();
        }
        true
    }

    /// Looks for in-band digits in what was just decoded, where asked to.
    pub(super) fn listen(&mut self, codec: Codec, decoding: &Decoding, added: usize) {
        let Some(detector) = &mut self.detector else {
            return;
        };
        let digits = &mut self.digits;
        let mut found = |digit| digits.push(digit);
        match codec {
            Codec::Pcma | Codec::Pcmu => {
                if let Some(decoder) = &decoding.decoder {
                    detector.push(decoder.narrow(), &mut found);
                }
            }
            Codec::G722 | Codec::Opus => {
                // Every sixth sample: what lies above 4 kHz folds, which can only hide a digit, not make one of speech.
                let every: SmallVec<[f32; 160]> = decoding
                    .ring
                    .last(added)
                    .iter()
                    .step_by(6)
                    .copied()
                    .collect();
                detector.push(&every, &mut found);
            }
        }
    }

    /// In-band digits of a skipped G.711 packet cost only a table look-up; other codecs are not decoded for it.
    fn listen_undecoded(&mut self, codec: Codec) {
        let law = match codec {
            Codec::Pcma => Law::A,
            Codec::Pcmu => Law::U,
            Codec::G722 | Codec::Opus => return,
        };
        if let (Some(detector), Some(front)) = (&mut self.detector, self.buffer.front()) {
            let digits = &mut self.digits;
            let mut narrow = [0.0f32; 160];
            for octets in front.payload.chunks(narrow.len()) {
                g711::decode_into(law, octets, &mut narrow);
                let heard = narrow.get(..octets.len()).unwrap_or_default();
                detector.push(heard, &mut |digit| digits.push(digit));
            }
        }
    }
}
