//! Trunks: the providers of telephone lines.
//!
//! | file | what |
//! |---|---|
//! | `number` | how numbers are written, and which leads where |
//! | `line` | one trunk: its registration (RFC 3261 §10.2), its servers and whether they answer |
//! | `inbound` | whose a call is, which number it is for, who calls |
//! | `outbound` | the INVITE as a provider wants it |
//! | `guard` | who may call which number, when, how often and how long |
//! | `exchange` | which addresses are numbers, and what is agreed on about media there |
//! | `hourly` | how often something began within the last hour |
//! | `border` | all of it between the SIP endpoint and the conferences |
//! | `switchboard` | the way to them for the rest of the process |
//! | `watch` | the tasks that find the servers (RFC 3263) |
//! | `view`, `metrics` | what operators see |
//!
//! Everything but `watch` runs in the SIP driver's task and is told the time; what a task has
//! found is left in the inbox, as are other trunks and rules when the configuration is read again.

mod border;
mod exchange;
mod guard;
mod hourly;
mod inbound;
mod line;
mod metrics;
mod number;
mod outbound;
mod switchboard;
#[cfg(test)]
mod tests;
pub mod view;
mod watch;

pub(crate) use border::Trunks;
use border::reload::Wanted;
use line::Line;
pub use metrics::{Because, Metrics, Of, Why};
pub use number::{NumberPlan, Pattern};
pub(crate) use switchboard::Switchboard;
use watch::watch;

use crate::config::DialRule;
use plenum_sip::endpoint::Target;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What other tasks leave for the trunks. There is no more in it than one note of each trunk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<Note>>>);

/// What a task has found, or the operator wants.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Where the servers of a trunk are.
    Found {
        /// Which trunk, by its token.
        line: String,
        /// Best first; none: its name was not found.
        targets: Vec<Target>,
        /// Our own address on the way there.
        local: Option<IpAddr>,
    },
    /// These are the trunks and rules from now on.
    Reload(Vec<Wanted>, Vec<DialRule>),
    /// The server goes down: registrations are removed where that is wished.
    Stop,
}

impl Inbox {
    pub(crate) fn leave(&self, note: Note) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |other: &Note| match (other, &note) {
            (Note::Found { line: a, .. }, Note::Found { line: b, .. }) => a == b,
            (Note::Stop, Note::Stop) => true,
            (Note::Found { .. } | Note::Reload(..) | Note::Stop, _) => false,
        };
        notes.retain(|other| !same(other));
        notes.push(note);
    }

    fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
