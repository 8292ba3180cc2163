//! Between the SIP endpoint and the focus: events go up, actions come down.
//!
//! The driver's task calls [`Calls`], which never waits; a conference's task leaves its actions in
//! the driver's queue.

use plenum_focus::output::SipAction;
use plenum_focus::shell::{Directory, SipSink};
use plenum_mcu::control::ConferenceId;
use plenum_sip::driver::{NotTaken, SipHandle, TransactionUser};
use plenum_sip::endpoint::{CommandError, Counts, Endpoint, Event};
use prometheus_client::metrics::counter::Counter;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::oneshot;

/// What other tasks ask of the SIP endpoint.
#[derive(Debug)]
pub(crate) enum Order {
    /// An action of a conference.
    Act(ConferenceId, SipAction),
    /// How much is alive.
    Count(oneshot::Sender<Counts>),
}

/// The transaction user: the focus decides, this carries it out.
#[derive(Debug)]
pub(crate) struct Calls {
    directory: Directory,
}

impl Calls {
    pub(crate) fn new(directory: Directory) -> Self {
        Self { directory }
    }

    fn act(
        &self,
        now: Instant,
        endpoint: &mut Endpoint,
        conference: ConferenceId,
        action: SipAction,
    ) -> Result<(), CommandError> {
        match action {
            SipAction::Accept { id, accept } => endpoint.accept(now, id, accept),
            SipAction::Reject { id, answer } => endpoint.reject(now, id, answer),
            SipAction::RespondModify { tx, answer } => endpoint.respond_with(now, tx, answer),
            SipAction::Respond { tx, answer } => endpoint.respond_with(now, tx, answer),
            SipAction::Invite { dial_out, invite } => {
                let id = endpoint.invite(now, *invite);
                self.directory.route_placed(conference, dial_out, Some(id));
                Ok(())
            }
            SipAction::Cancel { id, .. } => endpoint.cancel(now, id),
            SipAction::Bye { id, reason } => endpoint.bye(now, id, Some(reason)),
        }
    }
}

impl TransactionUser for Calls {
    type Command = Order;

    fn handle_event(&mut self, _now: Instant, _endpoint: &mut Endpoint, event: Event) {
        self.directory.route(event);
    }

    fn handle_command(&mut self, now: Instant, endpoint: &mut Endpoint, order: Order) {
        match order {
            Order::Act(conference, action) => {
                if let Err(error) = self.act(now, endpoint, conference, action) {
                    // A race with the peer: the event that was faster is on its way.
                    tracing::debug!(conference = conference.0, %error, "an action came too late");
                }
            }
            Order::Count(answer) => {
                // Whoever asked may have gone.
                answer.send(endpoint.counts()).ok();
            }
        }
    }
}

/// The way of conferences to the SIP endpoint. Connected once the driver exists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actions {
    handle: Arc<OnceLock<SipHandle<Order>>>,
    lost: Counter,
}

impl Actions {
    /// `lost` counts the actions that found the driver's queue full.
    pub(crate) fn new(lost: Counter) -> Self {
        Self { handle: Arc::default(), lost }
    }

    /// Connects it; the first connection stays.
    pub(crate) fn connect(&self, handle: SipHandle<Order>) {
        self.handle.set(handle).ok();
    }
}

impl SipSink for Actions {
    fn act(&self, conference: ConferenceId, action: SipAction) {
        let Some(handle) = self.handle.get() else {
            return;
        };
        match handle.try_command(Order::Act(conference, action)) {
            Ok(()) | Err(NotTaken::Stopped(_)) => {}
            Err(NotTaken::Full(_)) => {
                self.lost.inc();
                tracing::error!(
                    conference = conference.0,
                    "the SIP queue is full: an action is lost"
                );
            }
        }
    }
}
