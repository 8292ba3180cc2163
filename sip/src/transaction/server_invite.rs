//! The INVITE server transaction: RFC 3261 §17.2.1 as amended by RFC 6026 §7.1.

use super::timer::Timer;
use super::{Action, Actions, Path, Reply};
use std::time::Duration;

/// How long the transaction user has before a 100 is sent in its place (§17.2.1).
pub const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The states; each holds what only it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInvite {
    /// Not answered finally.
    Proceeding(Proceeding),
    /// A failure was sent and waits for its ACK.
    Completed(Completed),
    /// The ACK came; its retransmissions are absorbed.
    Confirmed,
    /// A 2xx was sent; retransmissions of the INVITE are absorbed, the 2xx is the user's to repeat.
    Accepted,
    /// Over.
    Terminated,
}

/// What [`ServerInvite::Proceeding`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proceeding {
    /// Whether a provisional went out that a retransmitted INVITE is answered with.
    answered: bool,
}

/// What [`ServerInvite::Completed`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The interval of timer G.
    interval: Duration,
}

impl ServerInvite {
    /// An INVITE came and enters Proceeding (§17.2.1).
    pub fn start(actions: &mut Actions) -> Self {
        actions.push(Action::Set(Timer::Trying, TRYING_AFTER));
        Self::Proceeding(Proceeding { answered: false })
    }

    /// The INVITE came again.
    pub fn on_retransmission(self, actions: &mut Actions) -> Self {
        match self {
            Self::Proceeding(Proceeding { answered: true }) | Self::Completed(_) => {
                actions.push(Action::Transmit);
            }
            // RFC 6026 §7.1: absorbed in Accepted, the user repeats the 2xx on its own timer.
            Self::Proceeding(_) | Self::Confirmed | Self::Accepted | Self::Terminated => {}
        }
        self
    }

    /// The transaction user answers; the new response is what `Transmit` sends.
    pub fn on_reply(self, reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        match self {
            Self::Proceeding(_) => Self::proceeding(reply, path, actions),
            Self::Accepted => {
                if reply == Reply::Success {
                    actions.push(Action::Transmit);
                }
                self
            }
            Self::Completed(_) | Self::Confirmed | Self::Terminated => self,
        }
    }

    /// An ACK of this transaction came.
    pub fn on_ack(self, path: &Path, actions: &mut Actions) -> Self {
        match self {
            Self::Completed(_) => Self::completed(path, actions),
            // RFC 6026 §7.1: an ACK for a 2xx goes to the user.
            Self::Accepted => {
                actions.push(Action::Deliver);
                self
            }
            Self::Proceeding(_) | Self::Confirmed | Self::Terminated => self,
        }
    }

    /// A timer of this transaction went off.
    pub fn on_timer(self, timer: Timer, path: &Path, actions: &mut Actions) -> Self {
        match (self, timer) {
            (Self::Proceeding(Proceeding { answered: false }), Timer::Trying) => {
                actions.push(Action::Trying);
                Self::Proceeding(Proceeding { answered: true })
            }
            (Self::Completed(completed), Timer::G) => completed.retransmit(path, actions),
            (Self::Completed(_), Timer::H) | (Self::Accepted, Timer::L) => {
                actions.push(Action::Timeout);
                finish(actions)
            }
            (Self::Confirmed, Timer::I) => finish(actions),
            (
                Self::Proceeding(_)
                | Self::Completed(_)
                | Self::Confirmed
                | Self::Accepted
                | Self::Terminated,
                _,
            ) => self,
        }
    }

    /// Proceeding (§17.2.1, RFC 6026 §7.1): the user's answer decides where it goes.
    fn proceeding(reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        actions.push(Action::Clear(Timer::Trying));
        actions.push(Action::Transmit);
        match reply {
            Reply::Provisional => Self::Proceeding(Proceeding { answered: true }),
            Reply::Success => {
                actions.push(Action::Set(Timer::L, path.times.patience()));
                Self::Accepted
            }
            Reply::Failure => {
                if !path.reliable {
                    actions.push(Action::Set(Timer::G, path.times.t1));
                }
                actions.push(Action::Set(Timer::H, path.times.patience()));
                Self::Completed(Completed {
                    interval: path.times.t1,
                })
            }
        }
    }

    /// Completed (§17.2.1): the ACK ends the retransmissions.
    fn completed(path: &Path, actions: &mut Actions) -> Self {
        actions.push(Action::Clear(Timer::G));
        actions.push(Action::Clear(Timer::H));
        if path.reliable {
            return finish(actions);
        }
        actions.push(Action::Set(Timer::I, path.times.t4));
        Self::Confirmed
    }
}

impl Completed {
    /// Completed (§17.2.1): G sends again at intervals doubled up to T2.
    fn retransmit(self, path: &Path, actions: &mut Actions) -> ServerInvite {
        let interval = path.times.doubled(self.interval);
        actions.push(Action::Transmit);
        actions.push(Action::Set(Timer::G, interval));
        ServerInvite::Completed(Self { interval })
    }
}

fn finish(actions: &mut Actions) -> ServerInvite {
    actions.push(Action::Done);
    ServerInvite::Terminated
}
