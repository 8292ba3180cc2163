//! What mixers report: the only thing that changes what the roster says of the mix (RFC 4353 §3,
//! focus and mixer).

use crate::conference::call::{MediaEndpoint, SipLeg};
use crate::conference::pending::{Purpose, SILENCE};
use crate::conference::{Focus, Phase};
use crate::disconnect::DisconnectReason;
use crate::joining::Input;
use crate::output::{CommandError, ConferenceEvent, SipAction};
use crate::picture_update;
use bytes::Bytes;
use plenum_mcu::control::{
    EndpointId, McuError, MediaFilter, PlaybackId, Prompt, Quality, Report, Sentence,
};
use plenum_sip::endpoint::Body;
use plenum_sip::msg::Text;
use std::time::Instant;

impl Focus {
    /// One report, from whichever mixer: endpoints and commands have ids of their own.
    pub(super) fn handle_report(&mut self, now: Instant, report: Report) {
        match report {
            Report::Done { command, result } => self.handle_answered(now, command, result),
            Report::Answer { endpoint, sdp } | Report::Offer { endpoint, sdp } => {
                self.handle_described(now, endpoint, sdp);
            }
            Report::Removed { endpoint, quality } => self.handle_removed(now, endpoint, quality),
            Report::Talking { endpoint, talking } => {
                if self.roster.set_talking(endpoint, talking) {
                    self.event(ConferenceEvent::Talking { endpoint, talking });
                }
            }
            Report::ActiveSpeaker { endpoint } => {
                self.speaker = endpoint;
                self.touch_views();
                self.event(ConferenceEvent::ActiveSpeaker { endpoint });
            }
            Report::Media {
                endpoint,
                filter,
                on_hold,
                silent,
            } => {
                self.handle_media(endpoint, filter, on_hold, silent);
            }
            Report::Video { endpoint, video } => self.handle_video(endpoint, video),
            Report::Seen { endpoint, panes } => {
                self.roster.set_seen(endpoint, panes);
            }
            Report::Content { endpoint, content } => self.handle_content(endpoint, content),
            Report::Presenter { endpoint } => self.handle_presenter(endpoint),
            Report::KeyframeNeeded { endpoint } => self.ask_for_keyframe(endpoint),
            Report::Dtmf { endpoint, digit } => self.advance(now, endpoint, Input::Digit(digit.0)),
            Report::Played { playback } => self.handle_played(now, playback),
            Report::MediaLost { endpoint } => self.handle_media_lost(now, endpoint),
            Report::MediaFailed { endpoint, .. } => {
                self.handle_media_failed(now, endpoint);
            }
            Report::RecordingFailed { reason } => {
                self.fail_recording(now, McuError::NotRecorded(reason));
            }
            Report::Failed { reason } => self.handle_failed(now, reason),
        }
    }

    /// What the answer to a command means.
    pub(super) fn handle_done(
        &mut self,
        now: Instant,
        purpose: Purpose,
        result: Result<(), McuError>,
    ) {
        match purpose {
            Purpose::Create => match result {
                Ok(()) => self.handle_created(),
                Err(error) => self.handle_failed(now, error.to_string()),
            },
            Purpose::Destroy => self.over(None),
            Purpose::Add(endpoint) => self.handle_added(now, endpoint, result),
            Purpose::Settle(endpoint) | Purpose::Place(endpoint) => {
                self.advance(now, endpoint, Input::Done(result));
            }
            Purpose::Renegotiate(endpoint) => self.handle_renegotiated(now, endpoint, result),
            Purpose::Remove(endpoint) => {
                if result.is_err() {
                    self.handle_removed(now, endpoint, Quality::default());
                }
            }
            Purpose::Filter {
                endpoint,
                say,
                request,
            } => {
                self.handle_filtered(now, endpoint, say, result.clone());
                if let Some(request) = request {
                    self.complete(request, result.map_err(CommandError::Mcu));
                }
            }
            Purpose::Looks {
                endpoint,
                looks,
                request,
            } => {
                if result.is_ok() {
                    self.handle_looked(endpoint, *looks);
                }
                if let Some(request) = request {
                    self.complete(request, result.map_err(CommandError::Mcu));
                }
            }
            Purpose::Play(playback) => {
                if result.is_err() {
                    self.handle_played(now, playback);
                }
            }
            Purpose::Record => self.handle_recorded(now, result),
            Purpose::Nothing => {}
        }
    }

    fn handle_added(&mut self, now: Instant, endpoint: EndpointId, result: Result<(), McuError>) {
        // A mixer that said no has no endpoint; one that said nothing may have one.
        if let Err(error) = &result
            && *error != SILENCE
            && let Some(call) = self.calls.get_mut(&endpoint)
            && call.media == MediaEndpoint::Present
        {
            call.media = MediaEndpoint::Absent;
        }
        self.advance(now, endpoint, Input::Done(result));
    }

    fn handle_described(&mut self, now: Instant, endpoint: EndpointId, sdp: Bytes) {
        if let Some(sdp) = self.describe_renegotiation(endpoint, sdp) {
            self.advance(now, endpoint, Input::Described(sdp));
        }
    }

    fn handle_removed(&mut self, now: Instant, endpoint: EndpointId, quality: Quality) {
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let asked = call.media == MediaEndpoint::Removing;
        call.media = MediaEndpoint::Absent;
        if asked {
            self.finish(now, endpoint, quality);
        } else {
            self.release(now, endpoint, DisconnectReason::Fault);
        }
    }

    fn handle_media(
        &mut self,
        endpoint: EndpointId,
        filter: MediaFilter,
        on_hold: bool,
        silent: bool,
    ) {
        if self.roster.set_media(endpoint, filter, on_hold, silent) {
            self.event(ConferenceEvent::Media {
                endpoint,
                filter,
                on_hold,
            });
        }
    }

    /// RFC 5168: the endpoint understands no feedback in RTCP.
    fn ask_for_keyframe(&mut self, endpoint: EndpointId) {
        let Some(SipLeg::Answered(id)) = self.calls.get(&endpoint).map(|call| &call.sip) else {
            return;
        };
        let body = Body {
            content_type: Text::from_static(picture_update::MEDIA_TYPE),
            octets: picture_update::request(),
        };
        self.sip(SipAction::Info { id: *id, body });
    }

    fn handle_filtered(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        say: Option<Sentence>,
        result: Result<(), McuError>,
    ) {
        match result {
            Ok(()) => {
                if let Some(sentence) = say {
                    self.play_to(now, endpoint, vec![Prompt::Sentence(sentence)]);
                }
            }
            Err(_) => {
                let in_force = self
                    .roster
                    .endpoint(endpoint)
                    .map(|endpoint| endpoint.filter);
                if let (Some(call), Some(filter)) = (self.calls.get_mut(&endpoint), in_force)
                    && call.withheld.is_none()
                {
                    call.wanted = filter;
                }
            }
        }
    }

    fn handle_played(&mut self, now: Instant, playback: PlaybackId) {
        if self.farewell == Some(playback) {
            self.hang_up_all(now);
            return;
        }
        let Some(&endpoint) = self.playing.get(&playback) else {
            return;
        };
        self.forget_playback(endpoint);
        self.advance(now, endpoint, Input::Played);
    }

    /// RFC 3550 §6.3.5: a participant that is not heard of for long enough is gone.
    fn handle_media_lost(&mut self, now: Instant, endpoint: EndpointId) {
        if self.record.hang_up_on_media_loss && self.calls.contains_key(&endpoint) {
            self.settings.metrics.media_lost.inc();
            self.release(now, endpoint, DisconnectReason::MediaLost);
        }
    }

    /// RFC 8122 §5: without the encryption that was agreed on there is no call.
    fn handle_media_failed(&mut self, now: Instant, endpoint: EndpointId) {
        if self.calls.contains_key(&endpoint) {
            self.release(now, endpoint, DisconnectReason::MediaLost);
        }
    }

    /// The mixer is gone with everything in it.
    fn handle_failed(&mut self, now: Instant, reason: String) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.settings.metrics.faults.inc();
        if (self.mixed || !self.attendances.is_empty()) && self.is_active() {
            self.lose_mixer(now);
            return;
        }
        self.begin_ending();
        self.end_attendances(now, &DisconnectReason::Fault);
        self.release_all_media(now);
        self.over(Some(reason));
    }
}
