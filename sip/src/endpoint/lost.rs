//! Calls whose connection broke.
//!
//! A call without media has nothing but its connection to say that its peer is there. When that
//! breaks, the peer has a while to send a request of the call over another one; then it is asked
//! with OPTIONS, at its Contact if need be, and when the question cannot be delivered, is not
//! answered, or not understood, the call is over (RFC 3261 §12.2.1.2, RFC 5057 §5.1). A call with
//! media goes on without its connection: its media say better whether the peer is there.

use super::client::{Outcome, Purpose};
use super::in_dialog::is_gone;
use super::{EndCause, Endpoint, FlowId, InviteId};
use crate::dialog::{Hop, Lost, Stage, Usage};
use crate::msg::{Headers, Method};
use crate::transaction::timer::{Owner, Timer};
use std::time::Instant;

impl Endpoint {
    /// A stream flow is gone: the calls without media that it carried have a while to come back.
    pub(super) fn note_lost_calls(&mut self, now: Instant, flow: FlowId, calls: &[InviteId]) {
        let at = now + self.config.times.reconnect;
        for &id in calls {
            let usage = self.usages.get_mut(id);
            if let Some(usage) = usage.filter(|usage| relies_on(usage, flow)) {
                usage.lost = Some(Lost { flow, asked: false });
                self.timers.set(Owner::Usage(id), Timer::Reconnect, at);
            }
        }
    }

    /// The peer has had its while.
    pub(super) fn on_reconnect_timer(&mut self, now: Instant, id: InviteId) {
        match self.still_lost(id) {
            Some(Lost { flow, asked: false }) => {
                if let Some(usage) = self.usages.get_mut(id) {
                    usage.lost = Some(Lost { flow, asked: true });
                }
                let at = now + self.config.times.reconnect;
                self.timers.set(Owner::Usage(id), Timer::Reconnect, at);
                self.probe(now, id);
            }
            Some(Lost { asked: true, .. }) => self.lose(now, id),
            None => {}
        }
    }

    /// OPTIONS inside the dialog (§11.1): its answer says that the dialog lives.
    fn probe(&mut self, now: Instant, id: InviteId) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let contact = Some(usage.contact.clone());
        let Some(dialog) = usage.dialogs.first_mut() else {
            return;
        };
        let seq = dialog.next_seq();
        let mut request = dialog.request(Method::Options, seq);
        let hop = dialog.hop.clone();
        self.stamp_user_agent(&mut request);
        self.start_client(now, request, contact, Purpose::Probe(id), &hop);
    }

    pub(super) fn on_probe_response(&mut self, now: Instant, id: InviteId, outcome: &Outcome) {
        let status = outcome.response.status;
        if !status.is_final() || self.still_lost(id).is_none() {
            return;
        }
        if outcome.made_up {
            self.lose(now, id);
        } else if is_gone(status) {
            self.close_with_bye(now, id, EndCause::DialogGone, Headers::default());
        } else {
            self.timers.clear(Owner::Usage(id), Timer::Reconnect);
            if let Some(usage) = self.usages.get_mut(id) {
                usage.lost = None;
            }
        }
    }

    /// A BYE would have no way either.
    fn lose(&mut self, now: Instant, id: InviteId) {
        self.metrics.lost_calls.inc();
        self.end(now, id, EndCause::Unreachable);
    }

    /// What the call has lost, unless a request has come over another connection since.
    fn still_lost(&self, id: InviteId) -> Option<Lost> {
        let usage = self.usages.get(id)?;
        usage.lost.filter(|lost| relies_on(usage, lost.flow))
    }
}

fn relies_on(usage: &Usage, flow: FlowId) -> bool {
    let hop = usage.dialogs.first().map(|dialog| &dialog.hop);
    let there = matches!(hop, Some(Hop::Flow(it)) if it.id == flow && it.transport.is_reliable());
    usage.no_session && there && matches!(usage.stage, Stage::Up(_))
}
