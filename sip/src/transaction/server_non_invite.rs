//! The non-INVITE server transaction: RFC 3261 §17.2.2.

use super::timer::Timer;
use super::{Action, Actions, Path, Reply};

/// The states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNonInvite {
    /// Nothing was answered.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// The final response was sent and is repeated on request.
    Completed,
    /// Over.
    Terminated,
}

impl ServerNonInvite {
    /// A request came and enters Trying (§17.2.2).
    pub fn start() -> Self {
        Self::Trying
    }

    /// The request came again: Proceeding and Completed repeat their last response (§17.2.2).
    pub fn on_retransmission(self, actions: &mut Actions) -> Self {
        match self {
            Self::Proceeding | Self::Completed => actions.push(Action::Transmit),
            Self::Trying | Self::Terminated => {}
        }
        self
    }

    /// The transaction user answers; the new response is what `Transmit` sends.
    pub fn on_reply(self, reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        match self {
            Self::Trying | Self::Proceeding => Self::unanswered(reply, path, actions),
            // "Any other final responses passed by the TU […] MUST be discarded".
            Self::Completed | Self::Terminated => self,
        }
    }

    /// A timer of this transaction went off (§17.2.2: only J).
    pub fn on_timer(self, timer: Timer, actions: &mut Actions) -> Self {
        match self {
            Self::Completed if timer == Timer::J => finish(actions),
            Self::Trying | Self::Proceeding | Self::Completed | Self::Terminated => self,
        }
    }

    /// Trying and Proceeding (§17.2.2): the first final answer decides.
    fn unanswered(reply: Reply, path: &Path, actions: &mut Actions) -> Self {
        actions.push(Action::Transmit);
        match reply {
            Reply::Provisional => Self::Proceeding,
            Reply::Success | Reply::Failure if path.reliable => finish(actions),
            Reply::Success | Reply::Failure => {
                actions.push(Action::Set(Timer::J, path.times.patience()));
                Self::Completed
            }
        }
    }
}

fn finish(actions: &mut Actions) -> ServerNonInvite {
    actions.push(Action::Done);
    ServerNonInvite::Terminated
}
