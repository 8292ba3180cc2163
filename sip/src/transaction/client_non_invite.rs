//! The non-INVITE client transaction: RFC 3261 §17.1.2.

use super::timer::Timer;
use super::{Action, Actions, Path, Reply};
use std::time::Duration;

/// The states; each holds what only it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientNonInvite {
    /// The request is sent and nothing came back.
    Trying(Trying),
    /// A provisional response came; retransmissions go on at T2.
    Proceeding,
    /// The final response came; its retransmissions are dropped.
    Completed,
    /// Over.
    Terminated,
}

/// What [`ClientNonInvite::Trying`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trying {
    /// The interval of timer E.
    interval: Duration,
}

impl ClientNonInvite {
    /// Sends the request and enters Trying (§17.1.2.2).
    pub fn start(path: &Path, actions: &mut Actions) -> Self {
        actions.push(Action::Transmit);
        if !path.reliable {
            actions.push(Action::Set(Timer::E, path.times.t1));
        }
        actions.push(Action::Set(Timer::F, path.times.patience()));
        Self::Trying(Trying {
            interval: path.times.t1,
        })
    }

    /// A response that matches this transaction.
    pub fn on_response(self, reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        match self {
            Self::Trying(_) | Self::Proceeding => Self::unanswered(reply, path, actions),
            Self::Completed | Self::Terminated => self,
        }
    }

    /// A timer of this transaction went off.
    pub fn on_timer(self, timer: Timer, path: &Path, actions: &mut Actions) -> Self {
        match (self, timer) {
            (Self::Trying(trying), Timer::E) => trying.retransmit(path, actions),
            (Self::Proceeding, Timer::E) => {
                actions.push(Action::Transmit);
                actions.push(Action::Set(Timer::E, path.times.t2));
                self
            }
            (Self::Trying(_) | Self::Proceeding, Timer::F) => {
                actions.push(Action::Timeout);
                finish(actions)
            }
            (Self::Completed, Timer::K) => finish(actions),
            (Self::Trying(_) | Self::Proceeding | Self::Completed | Self::Terminated, _) => self,
        }
    }

    /// The transport could not send (§17.1.4).
    pub fn on_transport_error(self, actions: &mut Actions) -> Self {
        match self {
            Self::Trying(_) | Self::Proceeding => {
                actions.push(Action::Unreachable);
                finish(actions)
            }
            Self::Completed | Self::Terminated => self,
        }
    }

    /// Trying and Proceeding (§17.1.2.2): the first final response decides.
    fn unanswered(reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        if reply == Reply::Provisional {
            actions.push(Action::Deliver);
            return Self::Proceeding;
        }
        actions.push(Action::Clear(Timer::E));
        actions.push(Action::Clear(Timer::F));
        if path.reliable {
            actions.push(Action::Deliver);
            return finish(actions);
        }
        actions.push(Action::Set(Timer::K, path.times.t4));
        actions.push(Action::Deliver);
        Self::Completed
    }
}

impl Trying {
    /// Trying (§17.1.2.2): E sends again at intervals doubled up to T2.
    fn retransmit(self, path: &Path, actions: &mut Actions) -> ClientNonInvite {
        let interval = path.times.doubled(self.interval);
        actions.push(Action::Transmit);
        actions.push(Action::Set(Timer::E, interval));
        ClientNonInvite::Trying(Self { interval })
    }
}

fn finish(actions: &mut Actions) -> ClientNonInvite {
    actions.push(Action::Done);
    ClientNonInvite::Terminated
}
