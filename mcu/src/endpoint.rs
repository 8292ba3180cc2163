//! One participant's media endpoint: what it sends, what it hears, and what it was promised.

use std::collections::VecDeque;
use std::time::Instant;

use plenum_media::leg::{AudioLeg, LegQuality};
use plenum_media::negotiated::{NegotiatedAudio, SendFormat};

use crate::audio::agc::Agc;
use crate::audio::announce::Playback;
use crate::audio::gate::Gate;
use crate::audio::talk::TalkDetector;
use crate::control::{Ambience, EndpointId, EndpointSettings, MediaFilter, Quality, Stage};
use crate::listener::Listener;

/// An endpoint to be added to a conference. `P` is what its datagrams are sent through.
#[derive(Debug)]
pub struct NewEndpoint<P> {
    /// Its name.
    pub endpoint: EndpointId,
    /// Where its datagrams go.
    pub port: P,
    /// Its leg; the conference applies `negotiated` to it.
    pub leg: AudioLeg,
    /// How it starts.
    pub settings: EndpointSettings,
    /// What was agreed on; `None` while our offer is unanswered.
    pub negotiated: Option<NegotiatedAudio>,
}

/// One endpoint in a conference.
#[derive(Debug)]
pub(crate) struct Endpoint<P> {
    pub(crate) id: EndpointId,
    pub(crate) port: P,
    pub(crate) leg: AudioLeg,
    pub(crate) stage: Stage,
    pub(crate) filter: MediaFilter,
    /// The peer agreed to take comfort noise (RFC 3389).
    pub(crate) takes_comfort_noise: bool,
    /// The peer may send.
    pub(crate) receiving: bool,
    pub(crate) on_hold: bool,
    pub(crate) talk: TalkDetector,
    pub(crate) ambience: Ambience,
    pub(crate) playbacks: VecDeque<Playback>,
    pub(crate) voice: Voice,
    pub(crate) listener: Listener,
}

/// What an endpoint sends, on its way to the bus.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    pub(crate) agc: Option<Agc>,
    pub(crate) gate: Option<Gate>,
    /// The gain at the end of the last frame that went to the bus; 0 while none does.
    pub(crate) gain: f32,
    /// The frame of this tick, by its index in the conference's pool.
    pub(crate) frame: Option<usize>,
    /// The frame is part of this tick's bus.
    pub(crate) on_bus: bool,
    /// The level of this tick, dBov, where it was learnt.
    pub(crate) level: Option<f32>,
    /// It had a place in the last tick.
    pub(crate) chosen: bool,
    /// For how many ticks on end it has been decoded.
    pub(crate) decoded: u8,
    /// It begins to look like voice.
    pub(crate) onset: bool,
    /// Only a decoder could tell the level.
    pub(crate) unknown: Option<plenum_media::leg::Hint>,
}

impl Voice {
    fn of(settings: &EndpointSettings) -> Self {
        Self {
            agc: settings.agc.then(Agc::default),
            gate: settings.noise_gate.then(Gate::default),
            ..Self::default()
        }
    }
}

impl<P> Endpoint<P> {
    pub(crate) fn new(now: Instant, new: NewEndpoint<P>) -> Self {
        let NewEndpoint {
            endpoint,
            port,
            leg,
            settings,
            negotiated,
        } = new;
        let mut this = Self {
            id: endpoint,
            port,
            leg,
            stage: settings.stage,
            filter: sane(settings.filter),
            takes_comfort_noise: false,
            receiving: false,
            on_hold: false,
            talk: TalkDetector::default(),
            ambience: Ambience::Silence,
            playbacks: VecDeque::new(),
            voice: Voice::of(&settings),
            listener: Listener::default(),
        };
        if let Some(negotiated) = negotiated {
            this.apply(now, negotiated);
        }
        this
    }

    /// Begins anew in another conference, under this name: what was agreed on and what its leg knows of the peer stay.
    pub(crate) fn settle_in(&mut self, endpoint: EndpointId, settings: &EndpointSettings) {
        self.id = endpoint;
        self.stage = settings.stage;
        self.filter = sane(settings.filter);
        self.talk = TalkDetector::default();
        self.playbacks.clear();
        self.voice = Voice::of(settings);
        self.listener = Listener::default();
    }

    /// Puts what was agreed on in force. Returns whether media now flow another way than before.
    pub(crate) fn apply(&mut self, now: Instant, negotiated: NegotiatedAudio) -> bool {
        let was = (self.receiving, self.on_hold);
        self.takes_comfort_noise = negotiated.send_cn_pt.is_some();
        self.receiving = negotiated.receiving;
        self.on_hold = !negotiated.sending;
        self.leg.apply(now, negotiated);
        was != (self.receiving, self.on_hold)
    }

    /// Whether anything may be sent to it: not to somebody who may never have called.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.stage != Stage::Unconfirmed || self.leg.has_heard()
    }

    /// How to encode what it is sent; `None` while nothing is.
    pub(crate) fn send_format(&self) -> Option<SendFormat> {
        self.leg.send_format().filter(|_| self.is_confirmed())
    }

    /// May the conference hear it?
    pub(crate) fn audible(&self) -> bool {
        self.stage == Stage::Mix && !self.filter.muted && self.receiving
    }

    pub(crate) fn quality(&self) -> Quality {
        quality(&self.leg.quality())
    }
}

/// Gains within what the contract allows, and numbers at all.
pub(crate) fn sane(filter: MediaFilter) -> MediaFilter {
    let gain = |db: f32| {
        if db.is_finite() {
            db.clamp(-40.0, 20.0)
        } else {
            0.0
        }
    };
    MediaFilter {
        gain_in_db: gain(filter.gain_in_db),
        gain_out_db: gain(filter.gain_out_db),
        ..filter
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no 24 bits of a frame count"
)]
fn quality(leg: &LegQuality) -> Quality {
    let played = leg.frames_played.max(1) as f32;
    Quality {
        codec: leg
            .codec
            .map_or_else(String::new, |codec| codec.rtpmap().to_owned()),
        packets_received: leg.packets_received,
        packets_sent: leg.packets_sent,
        packets_lost: leg.packets_lost,
        concealed: (leg.frames_concealed as f32 / played).min(1.0),
        jitter: leg.jitter,
        delay: leg.delay,
        skew_ppm: leg.skew_ppm,
    }
}
