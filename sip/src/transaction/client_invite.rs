//! The INVITE client transaction: RFC 3261 §17.1.1 as amended by RFC 6026 §7.2.

use super::timer::Timer;
use super::{Action, Actions, Path, Reply};
use std::time::Duration;

/// The states; each holds what only it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientInvite {
    /// The INVITE is sent and nothing came back.
    Calling(Calling),
    /// A provisional response came.
    Proceeding,
    /// A failure came and was acknowledged; its retransmissions are acknowledged again.
    Completed,
    /// A 2xx came; more may come from other branches of a fork.
    Accepted,
    /// Over.
    Terminated,
}

/// What [`ClientInvite::Calling`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calling {
    /// The interval of timer A.
    interval: Duration,
}

impl ClientInvite {
    /// Sends the INVITE and enters Calling (§17.1.1.2).
    pub fn start(path: &Path, actions: &mut Actions) -> Self {
        actions.push(Action::Transmit);
        if !path.reliable {
            actions.push(Action::Set(Timer::A, path.times.t1));
        }
        actions.push(Action::Set(Timer::B, path.times.patience()));
        Self::Calling(Calling {
            interval: path.times.t1,
        })
    }

    /// A response that matches this transaction.
    pub fn on_response(self, reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        match self {
            Self::Calling(_) | Self::Proceeding => Self::unanswered(reply, path, actions),
            Self::Completed => Self::completed(reply, actions),
            Self::Accepted => Self::accepted(reply, actions),
            Self::Terminated => self,
        }
    }

    /// A timer of this transaction went off.
    pub fn on_timer(self, timer: Timer, actions: &mut Actions) -> Self {
        match self {
            Self::Calling(calling) => calling.on_timer(timer, actions),
            Self::Completed if timer == Timer::D => finish(actions),
            Self::Accepted if timer == Timer::M => finish(actions),
            Self::Proceeding | Self::Completed | Self::Accepted | Self::Terminated => self,
        }
    }

    /// The transport could not send (§17.1.4).
    pub fn on_transport_error(self, actions: &mut Actions) -> Self {
        match self {
            Self::Calling(_) | Self::Proceeding => {
                actions.push(Action::Unreachable);
                finish(actions)
            }
            Self::Completed => finish(actions),
            // RFC 6026 §7.2 keeps waiting: what failed was the ACK, which is not this machine's.
            Self::Accepted | Self::Terminated => self,
        }
    }

    /// Calling and Proceeding (§17.1.1.2): the first final response decides.
    fn unanswered(reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        actions.push(Action::Clear(Timer::A));
        actions.push(Action::Clear(Timer::B));
        match reply {
            Reply::Provisional => {
                actions.push(Action::Deliver);
                Self::Proceeding
            }
            Reply::Success => {
                actions.push(Action::Set(Timer::M, path.times.patience()));
                actions.push(Action::Deliver);
                Self::Accepted
            }
            Reply::Failure if path.reliable => {
                actions.extend([Action::Ack, Action::Deliver]);
                finish(actions)
            }
            Reply::Failure => {
                actions.push(Action::Ack);
                // "at least 32 seconds for unreliable transports": 64·T1 of the default T1.
                actions.push(Action::Set(Timer::D, path.times.patience()));
                actions.push(Action::Deliver);
                Self::Completed
            }
        }
    }

    /// Completed (§17.1.1.2): a retransmitted failure is acknowledged, nothing reaches the user.
    fn completed(reply: Reply, actions: &mut Actions) -> Self {
        if reply == Reply::Failure {
            actions.push(Action::Ack);
        }
        Self::Completed
    }

    /// Accepted (RFC 6026 §7.2): every 2xx goes to the user, anything else is dropped.
    fn accepted(reply: Reply, actions: &mut Actions) -> Self {
        if reply == Reply::Success {
            actions.push(Action::Deliver);
        }
        Self::Accepted
    }
}

impl Calling {
    /// Calling (§17.1.1.2): A sends again at doubled intervals, B gives up.
    fn on_timer(self, timer: Timer, actions: &mut Actions) -> ClientInvite {
        if timer == Timer::B {
            actions.push(Action::Timeout);
            return finish(actions);
        }
        if timer != Timer::A {
            return ClientInvite::Calling(self);
        }
        let interval = self.interval.saturating_mul(2);
        actions.push(Action::Transmit);
        actions.push(Action::Set(Timer::A, interval));
        ClientInvite::Calling(Self { interval })
    }
}

fn finish(actions: &mut Actions) -> ClientInvite {
    actions.push(Action::Done);
    ClientInvite::Terminated
}
