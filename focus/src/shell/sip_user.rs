//! The focus as the transaction user of a SIP driver (RFC 3261 §5).
//!
//! Events go to the directory in the driver's own task. Actions come back from the actors through
//! a queue of their own, of which the driver's queue carries the wake-up only, one at a time: what
//! an actor says is never lost to a full queue, and there is no more of it than there were events.

use super::{Border, Directory, Passage, Placing, SipSink};
use crate::output::{Dialler, SipAction};
use plenum_mcu::control::ConferenceId;
use plenum_sip::driver::{SipHandle, TransactionUser};
use plenum_sip::endpoint::{CommandError, EndCause, Endpoint, Event, Invite, InviteId};
use plenum_sip::msg::{HeaderName, Headers, Method};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// The wake-up of a [`SipUser`]: actions wait for it.
#[derive(Clone, Copy, Debug)]
pub struct Wake;

/// The actions on their way from the actors to the driver; the [`SipSink`] to give to the
/// directory.
#[derive(Debug, Default)]
pub struct SipActions {
    queue: Mutex<Queue>,
    driver: OnceLock<SipHandle<Wake>>,
    calls: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    actions: Vec<(ConferenceId, SipAction)>,
    woken: bool,
}

impl SipActions {
    /// Tells which driver to wake. Until then actions wait.
    pub fn connect(&self, driver: SipHandle<Wake>) {
        // A second driver would be a second endpoint, which knows none of the first one's calls.
        drop(self.driver.set(driver));
        let waiting = !self.lock().actions.is_empty();
        if waiting {
            self.wake();
        }
    }

    /// How many calls the endpoint has, from INVITE to the answer to BYE, as far as the driver has
    /// told. It is asked to tell anew, as not everything that ends a call is an event.
    pub fn calls(&self) -> usize {
        self.wake();
        self.calls.load(Ordering::Relaxed)
    }

    /// Makes the driver look for what was left for it, here or at a border.
    pub fn wake(&self) {
        let Some(driver) = self.driver.get() else {
            return;
        };
        let mut queue = self.lock();
        if !queue.woken {
            // A full queue means the driver is about to work; a stopped one has no calls.
            queue.woken = driver.try_command(Wake).is_ok();
        }
    }

    fn take(&self) -> Vec<(ConferenceId, SipAction)> {
        std::mem::take(&mut self.lock().actions)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SipSink for SipActions {
    fn act(&self, conference: ConferenceId, action: SipAction) {
        self.lock().actions.push((conference, action));
        self.wake();
    }
}

/// The transaction user to give to the driver.
#[derive(Debug)]
pub struct SipUser {
    directory: Directory,
    actions: Arc<SipActions>,
    borders: Vec<Box<dyn Border>>,
}

impl SipUser {
    /// A transaction user for this directory, which must have `actions` as its [`SipSink`].
    pub fn new(directory: Directory, actions: Arc<SipActions>) -> Self {
        Self {
            directory,
            actions,
            borders: Vec::new(),
        }
    }

    /// With one more border, behind those it has.
    #[must_use]
    pub fn with_border(mut self, border: Box<dyn Border>) -> Self {
        self.borders.push(border);
        self
    }

    /// A conference calls somebody: by the border whose call it is, else as it is.
    fn place(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        by: &Dialler,
        mut invite: Box<Invite>,
    ) -> Result<InviteId, String> {
        for border in &mut self.borders {
            match border.place(now, endpoint, by, invite) {
                Placing::Placed(id) => return Ok(id),
                Placing::Refused(why) => return Err(why),
                Placing::NotMine(back) => invite = back,
            }
        }
        if invite.uri.is_sip() {
            Ok(endpoint.invite(now, *invite))
        } else {
            Err("no trunk is configured for calls to telephone numbers".to_owned())
        }
    }

    fn carry_out(&mut self, now: Instant, endpoint: &mut Endpoint) {
        for (conference, action) in self.actions.take() {
            if let Err(error) = self.act(now, endpoint, conference, action) {
                match error {
                    CommandError::Gone => {}
                    CommandError::WrongState
                    | CommandError::Pending
                    | CommandError::BodyMissing
                    | CommandError::BodyUnexpected
                    | CommandError::BadStatus => {
                        tracing::debug!(conference = conference.0, %error, "too late for SIP");
                    }
                }
            }
        }
        let counts = endpoint.counts();
        let calls = counts.usages.saturating_add(counts.byes);
        self.actions.calls.store(calls, Ordering::Relaxed);
    }

    fn act(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        conference: ConferenceId,
        action: SipAction,
    ) -> Result<(), CommandError> {
        match action {
            SipAction::Accept { id, accept } => endpoint.accept(now, id, accept),
            SipAction::Reject { id, answer } => endpoint.reject_once(now, id, answer),
            SipAction::RespondModify { tx, answer } => endpoint.respond_modify(now, tx, answer),
            SipAction::Respond { tx, answer } => endpoint.respond_with(now, tx, answer),
            SipAction::Invite {
                dial_out,
                invite,
                by,
            } => {
                match self.place(now, endpoint, &by, invite) {
                    Ok(id) => self.directory.route_placed(conference, dial_out, Some(id)),
                    Err(why) => self.directory.route_not_placed(conference, dial_out, why),
                }
                Ok(())
            }
            SipAction::Cancel { id, reason: _ } => endpoint.cancel(now, id),
            SipAction::Info { id, body } => endpoint
                .request_in_dialog(now, id, Method::Info, Headers::new(), Some(body))
                .map(drop),
            SipAction::AcceptSubscription {
                tx,
                subscription,
                accept,
            } => {
                let accepted = endpoint.accept_subscription(now, tx, *accept);
                let id = accepted.ok();
                self.directory
                    .route_subscribed(conference, subscription, id);
                accepted.map(drop)
            }
            SipAction::AcceptRefer {
                tx,
                subscription,
                accept,
            } => {
                let accepted = endpoint.accept_refer(now, tx, *accept);
                let id = accepted.unwrap_or_default();
                self.directory
                    .route_subscribed(conference, subscription, id);
                accepted.map(drop)
            }
            SipAction::NotifyRefer { id, status } => endpoint.notify_refer(now, id, status, None),
            SipAction::Notify { id, notification } => endpoint.notify(now, id, notification),
            SipAction::Terminate { id, termination } => {
                endpoint.terminate_subscription(now, id, *termination)
            }
            SipAction::Bye {
                id,
                reason,
                mut headers,
            } => {
                headers.push(HeaderName::Reason, reason);
                endpoint.bye_with(now, id, headers)
            }
        }
    }
}

impl TransactionUser for SipUser {
    type Command = Wake;

    fn handle_event(&mut self, now: Instant, endpoint: &mut Endpoint, event: Event) {
        let (mut event, mut vouched) = (event, None);
        for border in &mut self.borders {
            match border.handle_event(now, endpoint, event, vouched) {
                Passage::On(next, says) => (event, vouched) = (next, says),
                Passage::Kept => return self.carry_out(now, endpoint),
            }
        }
        if let Event::Refused { id, response, .. } = event {
            // No border knows another way. The call may be over by its own timer.
            let cause = EndCause::Rejected(response.status, response.reason);
            endpoint.give_up(now, id, cause).ok();
            return;
        }
        let vouched = vouched.map(|vouched| *vouched);
        self.directory.route_vouched(event, vouched);
        self.carry_out(now, endpoint);
    }

    fn handle_command(&mut self, now: Instant, endpoint: &mut Endpoint, _wake: Wake) {
        // Before anything is looked at: what is left from now on needs a wake of its own.
        self.actions.lock().woken = false;
        for border in &mut self.borders {
            border.handle_timeout(now, endpoint);
        }
        self.carry_out(now, endpoint);
    }

    fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        for border in &mut self.borders {
            border.handle_timeout(now, endpoint);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let next = self.borders.iter().map(|border| border.next_timeout());
        next.flatten().min()
    }
}
