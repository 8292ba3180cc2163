//! What a conference is told between ticks.

use std::time::{Duration, Instant};

use plenum_media::negotiated::NegotiatedAudio;

use super::{McuConference, Network};
use crate::audio::announce::Playback;
use crate::control::{
    Ambience, Audience, Digit, EndpointId, EndpointSettings, McuError, MediaFilter, PlaybackId,
    Prompt, Report, Stage,
};
use crate::endpoint::{Endpoint, NewEndpoint, sane};

/// A command as far as it concerns the mixer: negotiation is done before it comes here.
#[derive(Debug)]
pub enum Order<P> {
    /// A new endpoint.
    Add(Box<NewEndpoint<P>>),
    /// An endpoint of another conference comes over.
    Adopt(Box<Leaver<P>>),
    /// Another agreement is in force.
    Apply {
        /// Whose.
        endpoint: EndpointId,
        /// What was agreed on.
        negotiated: Box<NegotiatedAudio>,
    },
    /// The endpoint goes.
    Remove {
        /// Which.
        endpoint: EndpointId,
    },
    /// In the mix or apart.
    Place {
        /// Which.
        endpoint: EndpointId,
        /// Where.
        stage: Stage,
    },
    /// What passes between the endpoint and the mix.
    Filter {
        /// Which.
        endpoint: EndpointId,
        /// The whole filter.
        filter: MediaFilter,
    },
    /// Play prompts.
    Play {
        /// Comes back.
        playback: PlaybackId,
        /// To whom.
        to: Audience,
        /// What.
        prompts: Vec<Prompt>,
        /// The conference is heard under it.
        over_mix: bool,
    },
    /// Stop a playback.
    Stop {
        /// Which.
        playback: PlaybackId,
    },
    /// What is heard when nothing else is.
    Ambience {
        /// To whom.
        to: Audience,
        /// What.
        ambience: Ambience,
    },
    /// A digit that came by signalling.
    SignalledDtmf {
        /// From whom.
        endpoint: EndpointId,
        /// Which.
        digit: Digit,
        /// How long.
        duration: Duration,
    },
}

/// An endpoint that has left a conference for another, its session, keys and jitter buffer as they were.
#[derive(Debug)]
pub struct Leaver<P>(Box<Endpoint<P>>);

impl<P> Leaver<P> {
    /// What it is called and how it starts where it comes to; `port` does what its datagrams need for that.
    #[must_use]
    pub fn under(
        mut self,
        endpoint: EndpointId,
        settings: &EndpointSettings,
        port: impl FnOnce(&mut P),
    ) -> Self {
        port(&mut self.0.port);
        self.0.settle_in(endpoint, settings);
        self
    }
}

impl<P> McuConference<P> {
    /// Carries out one order. It is heard from the next tick on.
    ///
    /// # Errors
    /// [`McuError`] when the endpoint is unknown or a bound is reached; nothing has changed then.
    pub fn handle(
        &mut self,
        now: Instant,
        order: Order<P>,
        network: &mut impl Network<P>,
    ) -> Result<(), McuError> {
        match order {
            Order::Add(new) => self.add(now, *new),
            Order::Adopt(leaver) => self.adopt(*leaver),
            Order::Apply {
                endpoint,
                negotiated,
            } => self.apply(now, endpoint, *negotiated),
            Order::Remove { endpoint } => self.remove(now, endpoint, network),
            Order::Place { endpoint, stage } => {
                self.endpoint(endpoint)?.stage = stage;
                Ok(())
            }
            Order::Filter { endpoint, filter } => {
                let this = self.endpoint(endpoint)?;
                this.filter = sane(filter);
                let media = media(this);
                self.reports.push(media);
                Ok(())
            }
            Order::Play {
                playback,
                to,
                prompts,
                over_mix,
            } => self.play(playback, to, &prompts, over_mix),
            Order::Stop { playback } => self.stop(playback),
            Order::Ambience { to, ambience } => self.set_ambience(to, ambience),
            Order::SignalledDtmf {
                endpoint,
                digit,
                duration,
            } => {
                let this = self.endpoint(endpoint)?;
                this.leg.handle_signalled_dtmf(now, digit.0, duration);
                Ok(())
            }
        }
    }

    fn add(&mut self, now: Instant, new: NewEndpoint<P>) -> Result<(), McuError> {
        if self.members >= self.settings.max_endpoints {
            return Err(McuError::Full);
        }
        if self.slot_of(new.endpoint).is_some() {
            return Err(McuError::Unknown("endpoint: it is already there"));
        }
        let agreed = new.negotiated.is_some();
        self.seat(Box::new(Endpoint::new(now, new)), agreed);
        Ok(())
    }

    /// Somebody comes over from another conference.
    fn adopt(&mut self, leaver: Leaver<P>) -> Result<(), McuError> {
        if self.members >= self.settings.max_endpoints {
            return Err(McuError::Full);
        }
        if self.slot_of(leaver.0.id).is_some() {
            return Err(McuError::Unknown("endpoint: it is already there"));
        }
        self.seat(leaver.0, true);
        Ok(())
    }

    /// Lets an endpoint go, as it is, for another conference to adopt; `None` if it is not here.
    pub fn part_with(&mut self, endpoint: EndpointId) -> Option<Leaver<P>> {
        self.take_out(endpoint).map(Leaver)
    }

    fn seat(&mut self, mut endpoint: Box<Endpoint<P>>, agreed: bool) {
        endpoint.ambience = self.ambience;
        let slot = match self.slots.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.speakers.insert(slot);
        let filtered = endpoint.filter != MediaFilter::default();
        if endpoint.on_hold || filtered || (agreed && !endpoint.receiving) {
            self.reports.push(media(&endpoint));
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(endpoint);
        }
        self.members += 1;
    }

    /// Off its slot, with all that was reported of it taken back.
    fn take_out(&mut self, endpoint: EndpointId) -> Option<Box<Endpoint<P>>> {
        let slot = self.slot_of(endpoint)?;
        let mut gone = self.slots.get_mut(slot).and_then(Option::take)?;
        self.members -= 1;
        self.speakers.remove(slot);
        if gone.talk.silence().is_some() {
            self.reports.push(Report::Talking {
                endpoint,
                talking: false,
            });
        }
        if self.active.remove(slot).is_some() {
            self.reports.push(Report::ActiveSpeaker { endpoint: None });
        }
        for playback in &gone.playbacks {
            let playback = playback.id();
            self.reports.push(Report::Played { playback });
        }
        Some(gone)
    }

    fn apply(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        negotiated: NegotiatedAudio,
    ) -> Result<(), McuError> {
        let this = self.endpoint(endpoint)?;
        if this.apply(now, negotiated) {
            let media = media(this);
            self.reports.push(media);
        }
        Ok(())
    }

    fn remove(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        network: &mut impl Network<P>,
    ) -> Result<(), McuError> {
        let gone = self.take_out(endpoint);
        let mut gone = gone.ok_or(McuError::Unknown("endpoint"))?;
        gone.leg.write_bye(now, &mut self.packet);
        if let Some(to) = gone.leg.rtcp_destination().filter(|_| gone.is_confirmed())
            && !self.packet.is_empty()
        {
            network.send_rtcp(&mut gone.port, to, &self.packet);
        }
        self.reports.push(Report::Removed {
            endpoint,
            quality: gone.quality(),
        });
        Ok(())
    }

    fn play(
        &mut self,
        id: PlaybackId,
        to: Audience,
        prompts: &[Prompt],
        over_mix: bool,
    ) -> Result<(), McuError> {
        if prompts.len() > self.limits.prompts {
            return Err(McuError::Overloaded("prompts in one playback"));
        }
        let language = &self.settings.language;
        let playback = Playback::new(id, prompts, over_mix, language, &self.sounds);
        let most = self.limits.playbacks;
        let waiting = match to {
            Audience::One(endpoint) => &mut self.endpoint(endpoint)?.playbacks,
            Audience::All => &mut self.announcements,
        };
        if waiting.len() >= most {
            return Err(McuError::Overloaded("waiting playbacks"));
        }
        waiting.push_back(playback);
        Ok(())
    }

    /// The one being played ends with a fade; one that waits ends at once.
    fn stop(&mut self, id: PlaybackId) -> Result<(), McuError> {
        let own = self.slots.iter_mut().flatten().map(|e| &mut e.playbacks);
        for waiting in own.chain(std::iter::once(&mut self.announcements)) {
            let Some(at) = waiting.iter().position(|p| p.id() == id) else {
                continue;
            };
            match waiting.front_mut() {
                Some(front) if at == 0 => front.stop(),
                Some(_) | None => {
                    waiting.remove(at);
                    self.reports.push(Report::Played { playback: id });
                }
            }
            return Ok(());
        }
        Err(McuError::Unknown("playback"))
    }

    fn set_ambience(&mut self, to: Audience, ambience: Ambience) -> Result<(), McuError> {
        match to {
            Audience::One(endpoint) => self.endpoint(endpoint)?.ambience = ambience,
            Audience::All => {
                self.ambience = ambience;
                let mixed = self.slots.iter_mut().flatten();
                for endpoint in mixed.filter(|e| e.stage == Stage::Mix) {
                    endpoint.ambience = ambience;
                }
            }
        }
        Ok(())
    }

    fn endpoint(&mut self, id: EndpointId) -> Result<&mut Endpoint<P>, McuError> {
        let mut endpoints = self.slots.iter_mut().flatten();
        endpoints
            .find(|e| e.id == id)
            .map(Box::as_mut)
            .ok_or(McuError::Unknown("endpoint"))
    }
}

fn media<P>(endpoint: &Endpoint<P>) -> Report {
    Report::Media {
        endpoint: endpoint.id,
        filter: endpoint.filter,
        on_hold: endpoint.on_hold,
        silent: !endpoint.receiving,
    }
}
