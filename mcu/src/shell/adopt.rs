//! An endpoint goes from one conference to another: its leg and sockets from worker to worker, as they are.
//!
//! The control plane moves what it knows of the endpoint at once, so that the next offer finds it where it is going;
//! the leg follows at the next tick. In between nothing is sent to it, which is a packet or two.

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::mpsc::SyncSender;

use super::mcu::{Endpoint, Inner, Settled, post};
use super::sockets::{Place, Sockets};
use super::worker::Mail;
use crate::conference::Leaver;
use crate::control::{Action, CommandId, ConferenceId, EndpointId, EndpointSettings, McuError};

/// Where an endpoint goes.
#[derive(Debug)]
pub(super) struct Journey {
    /// Answered when it has come, or was lost.
    pub(super) command: CommandId,
    /// The conference it goes to.
    pub(super) to: ConferenceId,
    /// What it is called there.
    pub(super) endpoint: EndpointId,
    /// How it starts there.
    pub(super) settings: EndpointSettings,
    /// Its place on the worker of that conference.
    pub(super) place: Place,
    /// The way to that worker.
    pub(super) mail: SyncSender<Mail>,
}

/// An endpoint on its way.
#[derive(Debug)]
pub(super) struct Traveller {
    pub(super) command: CommandId,
    pub(super) conference: ConferenceId,
    pub(super) leaver: Leaver<Sockets>,
}

impl Inner {
    /// Carries out what is not about one conference that is there; anything else comes back.
    pub(super) fn begin(
        &self,
        (command, conference): (CommandId, ConferenceId),
        action: Action,
    ) -> ControlFlow<Result<Settled, McuError>, Action> {
        if let Action::Create(settings) = action {
            return ControlFlow::Break(self.create(conference, settings));
        }
        if let Action::Adopt {
            endpoint,
            from,
            settings,
        } = action
        {
            let from = (endpoint, from);
            return ControlFlow::Break(self.adopt((command, conference), from, settings));
        }
        ControlFlow::Continue(action)
    }

    /// Takes an endpoint of another conference over. The two conferences are locked one after the other, never both.
    fn adopt(
        &self,
        (command, conference): (CommandId, ConferenceId),
        (endpoint, (from, leg)): (EndpointId, (ConferenceId, EndpointId)),
        settings: EndpointSettings,
    ) -> Result<Settled, McuError> {
        let source = self.directory.find(from);
        let source = source.ok_or(McuError::Unknown("conference"))?;
        let (worker, one) = {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let one = source.endpoints.remove(&leg);
            (source.worker, one.ok_or(McuError::Unknown("endpoint"))?)
        };
        let journey = (command, conference, endpoint, settings);
        self.send_off(journey, (from, leg, worker), one)
            .map_err(|(one, error)| {
                let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                source.endpoints.insert(leg, *one);
                error
            })
    }

    /// The endpoint comes back where it cannot go.
    fn send_off(
        &self,
        (command, to, endpoint, settings): (CommandId, ConferenceId, EndpointId, EndpointSettings),
        (from, leg, worker): (ConferenceId, EndpointId, usize),
        mut one: Endpoint,
    ) -> Result<Settled, (Box<Endpoint>, McuError)> {
        let Some(target) = self.directory.find(to) else {
            return Err((Box::new(one), McuError::Unknown("conference")));
        };
        let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = target.endpoints.values();
        let refused = if target.endpoints.contains_key(&endpoint) {
            Some(McuError::Unknown("endpoint: it is already there"))
        } else if target.endpoints.len() >= target.max_endpoints {
            Some(McuError::Full)
        } else if others.any(|other| other.ssrc == one.ssrc) {
            // Two of a conference with one source, once in millions of calls.
            Some(McuError::Overloaded("media sources"))
        } else {
            None
        };
        if let Some(error) = refused {
            return Err((Box::new(one), error));
        }
        let place = match self.admit(target.worker) {
            Ok(place) => place,
            Err(error) => return Err((Box::new(one), error)),
        };
        let links = (self.workers.get(worker), self.workers.get(target.worker));
        let (Some(source), Some(link)) = links else {
            return Err((Box::new(one), McuError::Unknown("worker")));
        };
        one.video.come_in(&settings);
        let journey = Journey {
            command,
            to,
            endpoint,
            settings: settings.clone(),
            place,
            mail: link.mail.clone(),
        };
        let mail = Mail::SendOff {
            conference: from,
            endpoint: leg,
            journey: Box::new(journey),
        };
        if let Err(error) = post(&source.mail, mail) {
            return Err((Box::new(one), error));
        }
        self.enter(to, endpoint, &settings);
        target.endpoints.insert(endpoint, one);
        Ok(Settled::ByWorker)
    }
}
