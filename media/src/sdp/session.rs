//! The offer/answer state machine of one session (RFC 3264 §4: one offer at a time; RFC 3261 §13).
//!
//! | state | offer from the peer | offer of ours | answer | rollback |
//! |---|---|---|---|---|
//! | `Stable` | `HaveRemoteOffer` | `HaveLocalOffer` | misuse | `Stable` |
//! | `HaveLocalOffer` | misuse (glare, 491) | misuse | from the peer: `Stable` | `Stable` |
//! | `HaveRemoteOffer` | misuse | misuse | of ours: `Stable` | `Stable` |
//!
//! For an INVITE with an offer call [`Session::handle_offer`]; for one without,
//! [`Session::create_offer`] and, with what the ACK brings, [`Session::handle_answer`]; the same
//! for re-INVITE and UPDATE. When our offer is refused or our re-INVITE fails, call
//! [`Session::rollback`]. [`SdpError`] tells 400 from 488 and has the words of the Warning.
//!
//! An error never changes what was agreed: the session goes on as it was (RFC 3261 §14.1).

use super::agreement::Agreement;
use super::attr::Direction;
use super::describe::{OurDescription, describe};
use super::floor::{AgreedFloor, LocalFloor};
use super::negotiate::{self, Offered};
use super::parse::parse;
use super::video::{AgreedVideo, LocalVideo, Role};
use super::{ApiMisuse, Local, SdpError, SessionDescription};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::negotiated::NegotiatedAudio;
use crate::path::NegotiatedPath;
use bytes::Bytes;

/// One session's offers and answers.
#[derive(Debug)]
pub struct Session {
    local: Local,
    limits: Limits,
    metrics: Metrics,
    direction: Direction,
    state: State,
    agreement: Option<Agreement>,
    said: Option<Said>,
}

/// Where the exchange stands.
#[derive(Debug)]
enum State {
    Stable,
    HaveLocalOffer(Box<Offered>),
    HaveRemoteOffer(Box<SessionDescription>),
}

/// What we described last and under which version.
#[derive(Debug)]
struct Said {
    description: OurDescription,
    version: u64,
}

impl Session {
    /// A session that has agreed on nothing yet.
    pub fn new(local: Local, limits: Limits, metrics: Metrics) -> Self {
        Self {
            local,
            limits,
            metrics,
            direction: Direction::SendRecv,
            state: State::Stable,
            agreement: None,
            said: None,
        }
    }

    /// Takes the peer's offer and answers it at once: our answer and what it means.
    ///
    /// # Errors
    /// As [`Self::receive_offer`] and [`Self::create_answer`]; the session is as before.
    pub fn handle_offer(&mut self, offer: &Bytes) -> Result<(Bytes, NegotiatedAudio), SdpError> {
        self.receive_offer(offer)?;
        let answered = self.create_answer();
        if answered.is_err() {
            self.rollback();
        }
        answered
    }

    /// `Stable` → `HaveRemoteOffer` (RFC 3264 §6).
    ///
    /// # Errors
    /// [`SdpError::Malformed`] or [`SdpError::Incompatible`] when it cannot be read within the
    /// limits, [`SdpError::ApiMisuse`] while another offer is open.
    pub fn receive_offer(&mut self, offer: &Bytes) -> Result<(), SdpError> {
        self.require_stable()?;
        let offer = parse(offer, &self.limits);
        let offer = self.counted(offer)?;
        self.state = State::HaveRemoteOffer(Box::new(offer));
        Ok(())
    }

    /// `HaveRemoteOffer` → `Stable` (RFC 3264 §6). On an error the offer stays open; answer it
    /// with [`Self::rollback`].
    ///
    /// # Errors
    /// [`SdpError`] when the offer cannot be agreed to or there is none.
    pub fn create_answer(&mut self) -> Result<(Bytes, NegotiatedAudio), SdpError> {
        let State::HaveRemoteOffer(offer) = &self.state else {
            return Err(ApiMisuse::NoRemoteOffer.into());
        };
        let (local, previous) = (&self.local, self.agreement.as_ref());
        let agreed = negotiate::answer(local, self.direction, offer, previous, &self.limits);
        let agreement = self.counted(agreed)?;
        let answer = self.say(&agreement.ours);
        Ok((answer, self.settle(agreement)))
    }

    /// `Stable` → `HaveLocalOffer` (RFC 3264 §5 and §8).
    ///
    /// # Errors
    /// [`ApiMisuse`] while another offer is open.
    pub fn create_offer(&mut self) -> Result<Bytes, ApiMisuse> {
        self.require_stable()?;
        let offered = negotiate::offer(&self.local, self.direction, self.agreement.as_ref());
        let offer = self.say(&offered.ours);
        self.state = State::HaveLocalOffer(Box::new(offered));
        Ok(offer)
    }

    /// `HaveLocalOffer` → `Stable` (RFC 3264 §7). On an error our offer stays open; end it with
    /// [`Self::rollback`].
    ///
    /// # Errors
    /// [`SdpError`] when the answer cannot be used or we have no offer out.
    pub fn handle_answer(&mut self, answer: &Bytes) -> Result<NegotiatedAudio, SdpError> {
        let State::HaveLocalOffer(offered) = &self.state else {
            return Err(ApiMisuse::NoLocalOffer.into());
        };
        let (local, previous) = (&self.local, self.agreement.as_ref());
        let concluded = parse(answer, &self.limits).and_then(|answer| {
            negotiate::conclude(local, offered, &answer, previous, &self.limits)
        });
        let agreement = self.counted(concluded)?;
        Ok(self.settle(agreement))
    }

    /// Any state → `Stable`: the open offer came to nothing, what was agreed before holds
    /// (RFC 3261 §14.1).
    pub fn rollback(&mut self) {
        self.state = State::Stable;
    }

    /// What we want from the next offer or answer on: [`Direction::SendOnly`] or
    /// [`Direction::Inactive`] is our hold (RFC 3264 §8.4).
    pub fn set_direction(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// What is agreed now.
    pub fn negotiated(&self) -> Option<&NegotiatedAudio> {
        self.agreement.as_ref().map(|agreement| &agreement.audio)
    }

    /// How packets are to travel; `None` where nothing but plain RTP was agreed on.
    pub fn path(&self) -> Option<NegotiatedPath> {
        self.agreement.as_ref().and_then(Agreement::path)
    }

    /// What is agreed about the picture of people now.
    pub fn video(&self) -> Option<&AgreedVideo> {
        self.stream(Role::Main)
    }

    /// What we do with pictures from the next offer or answer on. What it takes the place of must not be in force any
    /// more: its keys would be used twice.
    pub fn set_video(&mut self, video: Option<Box<LocalVideo>>) {
        self.local.video = video;
    }

    /// What is agreed about pictures of this kind now.
    pub fn stream(&self, role: Role) -> Option<&AgreedVideo> {
        self.agreement.as_ref()?.stream(role)
    }

    /// What is agreed about the floor of slides now.
    pub fn floor(&self) -> Option<&AgreedFloor> {
        self.agreement.as_ref()?.pictures.floor.as_deref()
    }

    /// As [`Self::set_video`], for pictures of this kind.
    pub fn set_stream(&mut self, role: Role, pictures: Option<Box<LocalVideo>>) {
        match role {
            Role::Main => self.local.video = pictures,
            Role::Content => self.local.content = pictures,
        }
    }

    /// As [`Self::set_video`], for floor control.
    pub fn set_floor(&mut self, floor: Option<LocalFloor>) {
        self.local.floor = floor;
    }

    /// No offer is open.
    pub fn is_stable(&self) -> bool {
        matches!(self.state, State::Stable)
    }

    /// Our side of the session.
    pub fn local(&self) -> &Local {
        &self.local
    }

    fn require_stable(&self) -> Result<(), ApiMisuse> {
        match self.state {
            State::Stable => Ok(()),
            State::HaveLocalOffer(_) => Err(ApiMisuse::OfferOutstanding),
            State::HaveRemoteOffer(_) => Err(ApiMisuse::AnswerOwed),
        }
    }

    fn settle(&mut self, agreement: Agreement) -> NegotiatedAudio {
        self.state = State::Stable;
        let audio = agreement.audio.clone();
        self.agreement = Some(agreement);
        audio
    }

    /// Prints our description. RFC 3264 §8: the version goes up by one when, and only when, it
    /// differs from the last one.
    fn say(&mut self, description: &OurDescription) -> Bytes {
        let version = match &self.said {
            Some(said) if said.description == *description => said.version,
            Some(said) => said.version.saturating_add(1),
            None => 1,
        };
        self.said = Some(Said {
            description: description.clone(),
            version,
        });
        describe(&self.local, version, description)
    }

    fn counted<T>(&self, result: Result<T, SdpError>) -> Result<T, SdpError> {
        match &result {
            Err(SdpError::Malformed(_)) => self.metrics.sdp_malformed.inc(),
            Err(SdpError::Incompatible(_)) => self.metrics.sdp_incompatible.inc(),
            Err(SdpError::ApiMisuse(_)) | Ok(_) => 0,
        };
        result
    }
}
