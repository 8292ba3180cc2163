//! From the entry to a conference: the focus of the entry lets a call go with everything it has, and the focus of the
//! conference takes it in as if it had been called there (RFC 4579 §5.1). The caller's dialog and media stay as they
//! are; only what stands behind them is another.

use crate::caller::Peer;
use crate::conference::Focus;
use crate::conference::call::SipLeg;
use crate::conference::pending::Purpose;
use crate::conference::renegotiation::Renegotiation;
use crate::disconnect::DisconnectReason;
use crate::joining::{Input, State};
use crate::output::{ConferenceEvent, HandOver, Output};
use crate::refusal::Refusal;
use crate::roster::JoiningMethod;
use crate::timer::Timer;
use plenum_mcu::control::{Action, ConferenceId, EndpointId, Quality};
use plenum_sip::endpoint::InviteId;
use std::time::Instant;

/// A call on its way to a conference.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Which.
    pub call: InviteId,
    /// Where its media are, and what they are called there.
    pub from: (ConferenceId, EndpointId),
    /// Who calls.
    pub peer: Peer,
}

impl Focus {
    /// A number was keyed in. An exchange of offer and answer that is under way is waited for.
    pub(super) fn hand_over(&mut self, now: Instant, endpoint: EndpointId, number: String) {
        let Some(call) = self.calls.get(&endpoint) else {
            return;
        };
        let (SipLeg::Answered(id), Renegotiation::Idle) = (call.sip, &call.renegotiation) else {
            let busy = Refusal::Busy(self.settings.limits.retry_after);
            self.advance(now, endpoint, Input::TurnedAway(busy));
            return;
        };
        let arrival = Arrival {
            call: id,
            from: (self.id, endpoint),
            peer: call.peer.clone(),
        };
        self.outputs
            .push_back(Output::HandOver(Box::new(HandOver { number, arrival })));
    }

    /// What became of [`Output::HandOver`].
    pub fn handle_handed_over(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        result: Result<(), Refusal>,
    ) {
        match result {
            Ok(()) => self.let_go(now, endpoint),
            Err(refusal) => self.advance(now, endpoint, Input::TurnedAway(refusal)),
        }
        self.settle(now);
    }

    /// The call is another conference's now, its media included.
    fn let_go(&mut self, now: Instant, endpoint: EndpointId) {
        let going = |state: &State| matches!(state, State::HandingOver(_));
        if !self.calls.get(&endpoint).is_some_and(|it| going(&it.state)) {
            // It has ended here meanwhile, and so it does there.
            return;
        }
        self.settings.metrics.numbers_right.inc();
        self.forget_playback(endpoint);
        self.settle_pin(endpoint, true);
        let Some(call) = self.calls.remove(&endpoint) else {
            return;
        };
        self.by_invite.retain(|_, other| *other != endpoint);
        self.timers.set(Timer::Call(endpoint), None);
        self.settings.metrics.participants.dec();
        let (reason, source) = (DisconnectReason::WentOn, call.peer.source);
        self.leave(now, endpoint, &reason, Quality::default(), source);
    }

    /// A call comes from the entry.
    ///
    /// # Errors
    /// Why it cannot come in, as for a call that comes from outside; it stays where it was then.
    pub fn handle_arrival(&mut self, now: Instant, arrival: Arrival) -> Result<(), Refusal> {
        self.visited = true;
        let Arrival { call, from, peer } = arrival;
        let entry = self.way_in(&peer)?;
        self.settle_unasked(&peer, &entry);
        let settings = self.endpoint_settings(&peer, entry.filter);
        let leg = SipLeg::Answered(call);
        let (state, joining) = (State::Settling, JoiningMethod::DialedIn);
        let endpoint = self.admit(now, peer, leg, state, joining, entry);
        if let Some(call) = self.calls.get_mut(&endpoint) {
            call.acked = true;
        }
        self.by_invite.insert(call, endpoint);
        let action = Action::Adopt {
            endpoint,
            from,
            settings,
        };
        self.mcu(now, Purpose::Settle(endpoint), action);
        self.settle(now);
        Ok(())
    }

    /// A number that no conference has was keyed in.
    pub(super) fn count_wrong_number(&mut self, endpoint: EndpointId) {
        self.settings.metrics.numbers_wrong.inc();
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let source = call.peer.source;
        if let Some(wrong) = &mut call.pin_wrong {
            *wrong += 1;
        }
        self.event(ConferenceEvent::WrongNumber { endpoint, source });
    }
}
