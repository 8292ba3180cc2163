//! Which commands are the mixer's.

use super::sockets::Sockets;
use crate::conference::Order;
use crate::control::Action;

/// What the mixer does; `None` for what the control plane does.
pub(super) fn in_mixer(action: Action) -> Option<Order<Sockets>> {
    match action {
        Action::Place { endpoint, stage } => Some(Order::Place { endpoint, stage }),
        Action::Filter { endpoint, filter } => Some(Order::Filter { endpoint, filter }),
        Action::Play {
            playback,
            to,
            prompts,
            over_mix,
        } => Some(Order::Play {
            playback,
            to,
            prompts,
            over_mix,
        }),
        Action::Stop { playback } => Some(Order::Stop { playback }),
        Action::Ambience { to, ambience } => Some(Order::Ambience { to, ambience }),
        Action::SignalledDtmf {
            endpoint,
            digit,
            duration,
        } => Some(Order::SignalledDtmf {
            endpoint,
            digit,
            duration,
        }),
        Action::Create(_)
        | Action::Destroy
        | Action::Add { .. }
        | Action::Adopt { .. }
        | Action::Renegotiate { .. }
        | Action::Answer { .. }
        | Action::Rollback { .. }
        | Action::Keyframe { .. }
        | Action::Pictures(_)
        | Action::Looks { .. }
        | Action::Record(_)
        | Action::RevokeFloor
        | Action::GiveFloor { .. }
        | Action::Remove { .. } => None,
    }
}
