//! The conference as a document (MS-CONFBAS §2.2.4, RFC 4575 §5; CB-104 to CB-126).

use crate::access::Identity;
use crate::conference::Focus;
use crate::conference::attendance::Attendance;
use crate::info::{
    self, Access, AuthMethod, AvState, Capabilities, ConfUri, ConferenceInfo, ConferenceMedium,
    ConferenceState, Description, Endorser, Endpoint, EntityState, EntityView, Media, MediaStatus,
    Organizer, Purpose, Tracker, VideoParameters,
};
use crate::output::McuType;
use crate::recording::RecordWhen;
use crate::roster::{EndpointStatus, JoiningMethod, Participant, SessionType, User};
use plenum_mcu::control::{EndpointId, VideoMedia};

/// The one stream of an endpoint in the audio mixer.
pub(in crate::conference) const AUDIO_ID: &str = "1";
/// The label of the mix (CB-284).
pub(in crate::conference) const MAIN_AUDIO: &str = "main-audio";
/// The stream of pictures of an endpoint, and the label of the composed picture (CB-284).
pub(in crate::conference) const VIDEO_ID: &str = "2";
pub(in crate::conference) const MAIN_VIDEO: &str = "main-video";
/// The stream of slides of an endpoint.
pub(in crate::conference) const SLIDES_ID: &str = "3";
/// Slides, screens (RFC 4796).
const SLIDES: &str = "slides";

impl Focus {
    /// What focus and mixers say of themselves may be different.
    pub(super) fn touch_views(&mut self) {
        self.views_changed = true;
    }

    /// The whole document (CB-104, CB-219).
    pub fn snapshot(&self) -> ConferenceInfo {
        self.tracked().snapshot()
    }

    /// A tracker that knows everything that can be known now.
    pub(super) fn tracked(&self) -> Tracker {
        let departed = self.settings.limits.control.departed;
        let mut tracker = Tracker::new(&*self.uris.focus, departed);
        tracker.set_description(self.description());
        tracker.set_view(self.focus_view());
        if self.mixer_is_up() {
            tracker.set_view(self.mixer_view());
        }
        for user in self.roster.users() {
            if let Some(user) = self.user_document(user) {
                tracker.set_user(user);
            }
        }
        tracker.set_conference_state(self.conference_state(&tracker));
        tracker
    }

    pub(super) fn description(&self) -> Description {
        let record = &self.record;
        let permitted = &record.permitted;
        let mcu = |mcu: McuType| ConfUri {
            uri: self.uris.mcu(mcu),
            display_text: Some(mcu.name().into()),
            purpose: match mcu {
                McuType::AudioVideo => Purpose::AudioVideo,
            },
        };
        let plain = ConfUri {
            uri: format!("sip:{}@{}", record.name.escaped(), self.settings.host),
            display_text: None,
            purpose: Purpose::Participation,
        };
        Description {
            subject: record.subject.clone(),
            conf_uris: McuType::ALL.into_iter().map(mcu).chain([plain]).collect(),
            maximum_user_count: u32::try_from(self.most_endpoints()).ok(),
            organizer: record.members.organizer.as_ref().map(|entity| Organizer {
                entity: Some(entity.clone()),
                display_name: None,
            }),
            conference_id: Some(self.uris.id().to_owned()),
            is_active: Some(true),
            admission_policy: Some(self.access.admission),
            access: Some(Access {
                lobby_capable: Some(record.mode == crate::access::ServerMode::Fourteen),
                anonymous_type_allowed: permitted.anonymous,
                autopromote: Some(self.access.autopromote.0),
                autopromote_allowed: Some(permitted.autopromote.0),
                pstn_lobby_bypass: Some(self.access.pstn_lobby_bypass),
                pstn_lobby_bypass_allowed: Some(permitted.pstn_lobby_bypass),
                server_mode: Some(record.mode.number()),
                recording_allowed: Some(record.recording.when != RecordWhen::Never),
                recording_notification: Some(true),
                ..Access::default()
            }),
            ..Description::default()
        }
    }

    /// RFC 4575 §5.4. Who is counted is who is listed: nobody who is still being called.
    pub(super) fn conference_state(&self, tracker: &Tracker) -> ConferenceState {
        ConferenceState {
            user_count: u32::try_from(tracker.users().count()).ok(),
            active: Some(true),
            locked: Some(self.access.locked),
        }
    }

    /// CB-108.
    pub(super) fn focus_view(&self) -> EntityView {
        let state = EntityState {
            active: Some(true),
            locked: Some(self.access.locked),
            ..EntityState::default()
        };
        EntityView {
            entity_state: Some(state),
            ..EntityView::new(&*self.uris.focus)
        }
    }

    /// CB-109, CB-111, CB-284, CB-285. The mixer knows no lock and says nothing of one.
    pub(super) fn mixer_view(&self) -> EntityView {
        let rules = &self.filter_rules;
        let has_rules =
            !rules.initial_filters.is_empty() || !rules.may_modify_own_filters.is_empty();
        let speaker = self
            .speaker
            .and_then(|speaker| self.roster.endpoint(speaker));
        let speaker = speaker.and_then(|speaker| self.roster.user(speaker.user));
        let seen = self.roster.has_video();
        let (mode, intended) = (Some(self.video_mode().to_owned()), &self.pictures.intended);
        let state = EntityState {
            user_count: u32::try_from(self.roster.in_mix()).ok(),
            active: Some(true),
            media_filters_rules: has_rules.then(|| rules.clone()),
            media: [
                (true, MAIN_AUDIO, "audio"),
                (seen, MAIN_VIDEO, "video"),
                (self.roster.has_content(), SLIDES, "video"),
            ]
            .into_iter()
            .filter(|(there, ..)| *there)
            .map(|(_, label, media_type)| ConferenceMedium {
                label: label.into(),
                display_text: None,
                media_type: media_type.into(),
                status: Some(MediaStatus::SendRecv),
                video: (label == MAIN_VIDEO).then(|| VideoParameters {
                    mode: mode.clone(),
                    intended_primary_presenter_source: intended.clone(),
                }),
            })
            .collect(),
            av_state: (speaker.is_some() || seen).then(|| AvState {
                video_mode: mode.clone().filter(|_| seen),
                dominant_speaker: speaker.map(|speaker| speaker.entity.clone()),
                intended_prime_presenter_source: intended.clone(),
            }),
            extensions: self.recording_extension().into_iter().collect(),
            ..EntityState::default()
        };
        EntityView {
            capabilities: Some(Capabilities {
                audio_video: Some((true, seen)),
                ..Capabilities::default()
            }),
            entity_state: Some(state),
            ..EntityView::new(self.uris.mcu(McuType::AudioVideo))
        }
    }

    /// CB-116 to CB-124; `None` for somebody who is with nothing that documents show (trap 41).
    pub(super) fn user_document(&self, user: &User) -> Option<info::User> {
        let endpoints: Vec<Endpoint> = user
            .endpoints
            .iter()
            .filter_map(|id| self.endpoint_document(self.roster.endpoint(*id)?))
            .collect();
        (!endpoints.is_empty()).then(|| info::User {
            display_text: user.display.clone(),
            role: Some(user.role),
            endpoints,
            endorser: user
                .endorser
                .clone()
                .map(|(entity, display_name)| Endorser {
                    entity,
                    display_name,
                }),
            ..info::User::new(&*user.entity)
        })
    }

    fn endpoint_document(&self, participant: &Participant) -> Option<Endpoint> {
        let status = match participant.status {
            EndpointStatus::Connected => info::EndpointStatus::Connected,
            EndpointStatus::OnHold => info::EndpointStatus::OnHold,
            EndpointStatus::Pending
            | EndpointStatus::DialingOut
            | EndpointStatus::Alerting
            | EndpointStatus::Disconnecting => return None,
        };
        let endpoint = match participant.session {
            SessionType::Focus => at_focus(self.attendances.get(&participant.id)?),
            SessionType::AudioVideo => self.at_mixer(participant)?,
        };
        Some(Endpoint {
            status: Some(status),
            joining_method: Some(match participant.joining {
                JoiningMethod::DialedIn => info::JoiningMethod::DialedIn,
                JoiningMethod::DialedOut => info::JoiningMethod::DialedOut,
            }),
            ..endpoint
        })
    }

    /// CB-123, CB-286.
    fn at_mixer(&self, participant: &Participant) -> Option<Endpoint> {
        let call = self.calls.get(&participant.id)?;
        let filter = |blocked: bool| {
            Some(if blocked {
                info::MediaFilter::Block
            } else {
                info::MediaFilter::Unblock
            })
        };
        let media = Media {
            media_type: Some("audio".into()),
            label: Some(MAIN_AUDIO.into()),
            status: Some(match (participant.on_hold, participant.silent) {
                (true, _) => MediaStatus::Inactive,
                (false, true) => MediaStatus::RecvOnly,
                (false, false) => MediaStatus::SendRecv,
            }),
            ingress_filter: filter(participant.filter.muted),
            egress_filter: filter(participant.filter.deaf),
            talking: participant.talking,
            ..Media::new(AUDIO_ID)
        };
        let looks = &participant.looks;
        let layout = self.layout_in_use(looks);
        let agreed = participant.video.filter(|_| call.unseen.is_none());
        let pictures = agreed.map(|video| Media {
            ingress_filter: filter(looks.hidden),
            egress_filter: filter(looks.blind),
            layout: video.receives.then_some(layout),
            seen: if looks.blind {
                Vec::new()
            } else {
                self.seen_document(participant)
            },
            ..video_document(VIDEO_ID, MAIN_VIDEO, video)
        });
        let slides = participant.content.map(|content| Media {
            ingress_filter: filter(looks.barred),
            presenting: participant.presenting,
            barred: looks.barred,
            ..video_document(SLIDES_ID, SLIDES, content)
        });
        Some(Endpoint {
            session_type: Some(McuType::AudioVideo.name().into()),
            // CB-247.8.
            media: call
                .withheld
                .is_none()
                .then_some(media)
                .into_iter()
                .chain(pictures)
                .chain(slides)
                .collect(),
            role: Some(self.role_of(participant.id)),
            auth_method: Some(auth_method(call.peer.identity)),
            is_pstn_endpoint: call.peer.phone.then_some(true),
            ..Endpoint::new(self.media_entity(participant.id)?)
        })
    }

    /// What an endpoint in the mixer is called: as its user announced it, or by a name of ours.
    pub(super) fn media_entity(&self, endpoint: EndpointId) -> Option<String> {
        let call = self.calls.get(&endpoint)?;
        let made = || format!("audio-{}", endpoint.0 & 0x00FF_FFFF);
        Some(call.entity.clone().unwrap_or_else(made))
    }
}

/// A stream of pictures.
fn video_document(id: &str, label: &str, video: VideoMedia) -> Media {
    Media {
        media_type: Some("video".into()),
        label: Some(label.into()),
        status: Some(match (video.sends, video.receives) {
            (true, true) => MediaStatus::SendRecv,
            (true, false) => MediaStatus::SendOnly,
            (false, true) => MediaStatus::RecvOnly,
            (false, false) => MediaStatus::Inactive,
        }),
        ..Media::new(id)
    }
}

/// CB-120 to CB-122, CB-013.
fn at_focus(attendance: &Attendance) -> Endpoint {
    Endpoint {
        session_type: Some("focus".into()),
        epid: attendance.epid.clone(),
        sip_instance: attendance.sip_instance.clone(),
        endpoint_uri: attendance.endpoint_uri.clone(),
        auth_method: Some(auth_method(attendance.peer.identity)),
        client_info: attendance.client_info.clone(),
        session_on_behalf_of: attendance.on_behalf_of.clone(),
        client_recording: attendance.recording,
        ..Endpoint::new(&*attendance.entity)
    }
}

/// CB-059: what we found, not what they say.
fn auth_method(identity: Identity) -> AuthMethod {
    match identity {
        Identity::Enterprise => AuthMethod::Enterprise,
        Identity::Federated => AuthMethod::Federated,
        Identity::Anonymous => AuthMethod::Anonymous,
    }
}
