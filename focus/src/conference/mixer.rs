//! A mixer that fails does not take the conference with it: those who had media lose them, the
//! mixer is made anew, later and later, and whoever calls again finds the conference as it was
//! (MS-CONFBAS §3.1.4.1, CB-250; CB-114, CB-171). Only a conference that never had a mixer, and has
//! nobody without media, has nothing to wait for: it ends, and the next call makes another.

use crate::conference::Focus;
use crate::conference::call::MediaEndpoint;
use crate::conference::pending::Purpose;
use crate::disconnect::DisconnectReason;
use crate::refusal::Refusal;
use crate::timer::Timer;
use plenum_mcu::control::{Action, ConferenceSettings, EndpointId, Quality};
use std::time::{Duration, Instant};

/// How the mixer of a conference is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mixer {
    /// It is there, or was asked for just now.
    #[default]
    Up,
    /// It failed this often in a row.
    Down(u32),
}

impl Focus {
    /// Asks for the mixer.
    pub(super) fn create_mixer(&mut self, now: Instant) {
        let settings = ConferenceSettings {
            max_endpoints: self.most_endpoints(),
            language: self.record.language.clone(),
            video: self.conference_video(),
            audio_only: self.record.entry,
        };
        self.mcu(now, Purpose::Create, Action::Create(settings));
    }

    pub(super) fn mixer_is_up(&self) -> bool {
        self.mixer == Mixer::Up
    }

    /// How long the conference lasts with nobody in it: long enough for those who lost their media
    /// to call again.
    pub(super) fn solitude(&self) -> Duration {
        if self.bereft {
            self.record.grace.max(self.settings.limits.retry_after)
        } else {
            self.record.grace
        }
    }

    /// CB-171: nothing can be done with a mixer that is not there; later it may be.
    pub(super) fn no_mixer(&self) -> Refusal {
        Refusal::Overloaded("mixers", self.settings.limits.retry_after)
    }

    /// The mixer is there. Media are in the documents from now on.
    pub(super) fn handle_created(&mut self) {
        self.mixed = true;
        if std::mem::take(&mut self.mixer) != Mixer::Up {
            self.touch_views();
        }
    }

    /// The mixer is gone with everything in it, and somebody is there without it.
    pub(super) fn lose_mixer(&mut self, now: Instant) {
        let failures = match self.mixer {
            Mixer::Up => 1,
            Mixer::Down(failures) => failures.saturating_add(1),
        };
        self.mixer = Mixer::Down(failures);
        self.settings.metrics.mixers_lost.inc();
        self.bereft |= !self.calls.is_empty();
        self.touch_views();
        self.lose_recording();
        self.release_all_media(now);
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6).saturating_sub(1));
        self.timers.set(Timer::Mixer, Some(now + pause));
    }

    /// Every call ends: the mixer has nothing of it any more.
    pub(super) fn release_all_media(&mut self, now: Instant) {
        let endpoints: Vec<EndpointId> = self.calls.keys().copied().collect();
        for endpoint in endpoints {
            if let Some(call) = self.calls.get_mut(&endpoint) {
                let removing = call.media == MediaEndpoint::Removing;
                call.media = MediaEndpoint::Absent;
                if removing {
                    self.finish(now, endpoint, Quality::default());
                } else {
                    self.release(now, endpoint, DisconnectReason::Refused(Refusal::Fault));
                }
            }
        }
    }
}

/// Before the mixer is asked for again; it doubles with each failure, up to half a minute.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
