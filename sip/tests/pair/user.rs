//! What the tests of calls share.

use crate::net::{Pair, sdp, text};
use plenum_sip::endpoint::{Event, InviteId, ServerTxId};
use plenum_sip::msg::Method;

/// The value of an event of this shape.
macro_rules! shape {
    ($event:expr, $pattern:pat => $value:expr) => {
        match $event {
            $pattern => $value,
            other => panic!("expected {}, got {other:?}", stringify!($pattern)),
        }
    };
    ($event:expr, $pattern:pat) => {
        shape!($event, $pattern => ())
    };
}

/// A call that is up: (pair, the caller's id, the callee's id).
pub(crate) fn call_up(mut pair: Pair) -> (Pair, InviteId, InviteId) {
    let caller = pair.invite(0, sdp("offer"));
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    pair.accept(1, callee, sdp("answer")).unwrap();
    shape!(pair.next(0), Event::Answered { .. });
    shape!(pair.next(1), Event::Acked { body: None, .. });
    (pair, caller, callee)
}

pub(crate) fn modify_of(event: Event) -> (ServerTxId, Method, String) {
    shape!(event, Event::Modify { tx, method, body, .. } => (tx, method, text(&body).to_owned()))
}

pub(crate) use shape;
