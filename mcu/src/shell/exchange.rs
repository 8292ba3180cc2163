//! Offers and answers of audio and video together, and what video must know of what is done about audio.

use super::mcu::{Conference, Endpoint, EventSink, Inner, Settled};
use super::video::Video;
use crate::control::{
    Action, ConferenceId, ConferenceVideo, EndpointId, EndpointSettings, EndpointVideo, McuError,
    McuEvent, Report, Stage,
};
use bytes::Bytes;
use plenum_media::negotiated::NegotiatedAudio;
use plenum_media::sdp::SdpError;
use std::sync::Arc;

impl Inner {
    /// The peer modifies the session, or asks for an offer.
    pub(super) fn renegotiate(
        &self,
        conference: ConferenceId,
        this: &mut Conference,
        endpoint: EndpointId,
        offer: Option<&Bytes>,
        reports: &mut Vec<Report>,
    ) -> Result<Settled, McuError> {
        let worker = this.worker;
        let one = this.endpoint(endpoint)?;
        let negotiated = self.negotiate((conference, endpoint), one, offer, reports)?;
        if negotiated.is_some() {
            self.follow(conference, worker, endpoint, one)?;
        }
        self.apply(conference, worker, endpoint, negotiated)
    }

    /// The peer's answer to our offer.
    pub(super) fn conclude(
        &self,
        conference: ConferenceId,
        this: &mut Conference,
        endpoint: EndpointId,
        answer: &Bytes,
        reports: &mut Vec<Report>,
    ) -> Result<Settled, McuError> {
        let worker = this.worker;
        let one = this.endpoint(endpoint)?;
        let Endpoint { session, video, .. } = one;
        let negotiated = session.handle_answer(answer).map_err(refusal)?;
        // Its section was answered; without a leg the peer sees nothing until the next exchange takes it back.
        self.settle_video(session, video, (conference, endpoint), reports);
        self.follow(conference, worker, endpoint, one)?;
        self.apply(conference, worker, endpoint, Some(negotiated))
    }

    /// Answers an offer, or makes one. `None` while ours is unanswered.
    pub(super) fn negotiate(
        &self,
        (conference, endpoint): (ConferenceId, EndpointId),
        one: &mut Endpoint,
        offer: Option<&Bytes>,
        reports: &mut Vec<Report>,
    ) -> Result<Option<NegotiatedAudio>, McuError> {
        let Endpoint { session, video, .. } = one;
        let ids = (conference, endpoint);
        self.prepare_video(session, video, ids, offer);
        let Some(offer) = offer else {
            let sdp = session.create_offer();
            let sdp = sdp.map_err(|error| refusal(error.into()))?;
            reports.push(Report::Offer { endpoint, sdp });
            return Ok(None);
        };
        let answered = session.handle_offer(offer);
        if answered.is_err() {
            Self::abandon_video(session, video);
        }
        let (mut sdp, mut negotiated) = answered.map_err(refusal)?;
        let mut said = Vec::new();
        if !self.settle_video(session, video, ids, &mut said) {
            // Nobody has seen the answer yet: the call goes without video.
            (sdp, negotiated) = session.handle_offer(offer).map_err(refusal)?;
        }
        reports.push(Report::Answer { endpoint, sdp });
        reports.append(&mut said);
        Ok(Some(negotiated))
    }

    /// Somebody is in the conference, as far as its pictures are concerned.
    pub(super) fn enter(
        &self,
        conference: ConferenceId,
        endpoint: EndpointId,
        settings: &EndpointSettings,
    ) {
        if let Some(video) = &self.video {
            video.rooms.enter(conference, endpoint, settings);
        }
    }

    pub(super) fn leave(&self, conference: ConferenceId, endpoint: EndpointId) {
        if let Some(video) = &self.video {
            video.rooms.leave(conference, endpoint);
        }
    }

    /// The mixer has taken an action; so do the pictures.
    pub(super) fn show(&self, conference: ConferenceId, change: Change) {
        let Some(video) = &self.video else {
            return;
        };
        match change {
            Change::Nothing => {}
            Change::Place(endpoint, stage) => video.rooms.place(conference, endpoint, stage),
            Change::Leave(endpoint) => video.rooms.leave(conference, endpoint),
            Change::Pictures(pictures) => video.rooms.arrange(conference, &pictures),
            Change::Looks(endpoint, looks) => video.rooms.look(conference, endpoint, &looks),
            Change::RevokeFloor => video.revoke_floor(conference),
            Change::GiveFloor(endpoint) => video.give_floor(conference, endpoint),
            Change::Close => video.rooms.close(conference),
        }
    }
}

/// What an action on the mixer means for pictures.
#[derive(Debug)]
pub(super) enum Change {
    Nothing,
    Place(EndpointId, Stage),
    Leave(EndpointId),
    Pictures(Box<ConferenceVideo>),
    Looks(EndpointId, Box<EndpointVideo>),
    RevokeFloor,
    GiveFloor(EndpointId),
    Close,
}

impl Change {
    pub(super) fn of(action: &Action) -> Self {
        match action {
            Action::Place { endpoint, stage } => Self::Place(*endpoint, *stage),
            Action::Remove { endpoint } => Self::Leave(*endpoint),
            Action::Pictures(pictures) => Self::Pictures(pictures.clone()),
            Action::Looks { endpoint, looks } => Self::Looks(*endpoint, looks.clone()),
            Action::RevokeFloor => Self::RevokeFloor,
            Action::GiveFloor { endpoint } => Self::GiveFloor(*endpoint),
            Action::Destroy => Self::Close,
            Action::Create(_)
            | Action::Add { .. }
            | Action::Adopt { .. }
            | Action::Renegotiate { .. }
            | Action::Answer { .. }
            | Action::Rollback { .. }
            | Action::Filter { .. }
            | Action::Keyframe { .. }
            | Action::Record(_)
            | Action::Play { .. }
            | Action::Stop { .. }
            | Action::Ambience { .. }
            | Action::SignalledDtmf { .. } => Self::Nothing,
        }
    }
}

/// The sink, with video listening to what the mixer says.
pub(super) fn overheard(sink: EventSink, video: Option<&Video>) -> EventSink {
    let Some(rooms) = video.map(|video| Arc::clone(&video.rooms)) else {
        return sink;
    };
    Arc::new(move |event: McuEvent| {
        rooms.note(&event);
        sink(event);
    })
}

fn refusal(error: SdpError) -> McuError {
    match error {
        SdpError::Malformed(malformed) => McuError::MalformedSdp(malformed.to_string()),
        SdpError::Incompatible(incompatible) => McuError::Incompatible {
            warn_code: incompatible.warning_code(),
            reason: incompatible.to_string(),
        },
        SdpError::ApiMisuse(_) => McuError::Unknown("offer or answer at this point"),
    }
}
