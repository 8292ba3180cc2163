//! What stands between the SIP endpoint and the conferences: trunks, and whoever asks for passwords.
//!
//! Each border sees every event before the directory does, in the order they were given, and may
//! keep it for itself or say who its sender is. A call out of a conference is placed by the first
//! border that is for it, else by the endpoint as it is.

use crate::caller::Vouched;
use crate::output::Dialler;
use plenum_sip::endpoint::{Endpoint, Event, Invite, InviteId};
use std::fmt::Debug;
use std::time::Instant;

/// What becomes of an event at a border.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from one border to the next"
)]
pub enum Passage {
    /// It goes on, to the next border or the directory; perhaps it is known now who sent it.
    On(Event, Option<Box<Vouched>>),
    /// The border has dealt with it.
    Kept,
}

/// What becomes of a call that a conference wants made.
#[derive(Debug)]
pub enum Placing {
    /// It is on its way.
    Placed(InviteId),
    /// It is not to be made; why, in words for whoever asked.
    Refused(String),
    /// It is for another border, or for none.
    NotMine(Box<Invite>),
}

/// See the module documentation. None of its functions may block.
pub trait Border: Send + Debug {
    /// An event of the endpoint. `vouched`: what a border before has said of its sender.
    fn handle_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
        vouched: Option<Box<Vouched>>,
    ) -> Passage;

    /// A conference wants somebody called.
    fn place(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        by: &Dialler,
        invite: Box<Invite>,
    ) -> Placing;

    /// Something was left for the border by another task, or its time has come.
    fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint);

    /// When its time comes.
    fn next_timeout(&self) -> Option<Instant>;
}
