//! What the SIP endpoint tells: calls that come in (RFC 4579 §5.1), and the events of all calls.

use crate::answer;
use crate::c3p;
use crate::caller::{Peer, Vouched};
use crate::conference::call::SipLeg;
use crate::conference::pending::Purpose;
use crate::conference::{Entry, Focus};
use crate::disconnect::DisconnectReason;
use crate::joining::{Described, Door, Input, State};
use crate::output::{ConferenceEvent, DialOutId, SipAction};
use crate::pin_guard::PinOutcome;
use crate::policy::{Admission, admit};
use crate::refusal::Refusal;
use crate::roster::{EndpointStatus, JoiningMethod};
use crate::session_description;
use crate::uri::{Entity, entity_of};
use bytes::Bytes;
use plenum_mcu::control::{
    Action, EndpointId, EndpointSettings, MediaFilter, MediaTerms, Offers, Stage,
};
use plenum_sip::endpoint::{Answer, Body, EndCause, Event, Flow, InviteId};
use plenum_sip::msg::{HeaderName, Headers, Host, Request, Response, StatusCode, Text, Uri};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

impl Focus {
    /// An event of the SIP endpoint that concerns this conference.
    ///
    /// Whoever routes has asked the [`crate::pin_guard::PinGuard`] before handing over the INVITE
    /// of a conference with a PIN; each such INVITE leads to one
    /// [`ConferenceEvent::PinSettled`].
    pub fn handle_sip(&mut self, now: Instant, event: Event) {
        self.handle_vouched(now, event, None);
    }

    /// As [`Self::handle_sip`]; who sent the request is who `vouched` says.
    pub fn handle_vouched(&mut self, now: Instant, event: Event, vouched: Option<Arc<Vouched>>) {
        self.vouched = vouched;
        self.handle_event(now, event);
        self.vouched = None;
        self.settle(now);
    }

    pub(super) fn peer_of(&self, request: &Request, flow: &Flow) -> Peer {
        Peer::of_request(
            request,
            flow,
            &self.settings.policy,
            self.vouched.as_deref(),
        )
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Invite { id, request, flow } => self.handle_invite(now, id, &request, &flow),
            Event::Cancelled { id } => self.handle_end(now, id, DisconnectReason::Cancelled),
            Event::Ended { id, cause } => self.handle_ended(now, id, &cause),
            Event::Acked {
                id,
                local_tag,
                body,
            } => self.handle_acked(now, id, local_tag, body.as_ref()),
            Event::Modify {
                id,
                tx,
                method,
                body,
                request: _,
            } => {
                self.handle_modify(now, id, tx, &method, body.as_ref());
            }
            // We send no reliable provisional, so nothing a PRACK offers can be for us.
            Event::Pracked { tx: Some(tx), .. } => {
                let answer = Answer::new(StatusCode::NOT_ACCEPTABLE_HERE);
                self.sip(SipAction::RespondModify { tx, answer });
            }
            // Another way is a border's to find.
            Event::Pracked { tx: None, .. }
            | Event::Response { .. }
            | Event::Refused { .. }
            | Event::FlowClosed { .. }
            | Event::Subscriber { .. } => {}
            Event::Subscribe {
                tx,
                invite,
                package,
                request,
                flow,
                ..
            } => self.handle_subscribe(tx, invite, &package, &request, &flow),
            Event::Refer {
                tx,
                invite,
                request,
                flow,
            } => self.handle_refer(now, tx, invite, &request, &flow),
            Event::Notifier { id, event } => self.handle_notifier(id, &event),
            Event::InDialog { id, tx, request } => self.handle_in_dialog(now, id, tx, &request),
            Event::Request { tx, request, flow } => self.handle_request(tx, &request, &flow),
            Event::Progress { id, response } => self.handle_progress(now, id, &response),
            Event::Answered { id, response } => self.handle_call_answered(now, id, &response),
            Event::Modified { id, response } => {
                if let Some(sdp) = session_description::of_response(&response) {
                    self.handle_refreshed(now, id, sdp);
                }
            }
        }
    }

    /// The call that was asked for by [`SipAction::Invite`] is known as `id` from here on; `None`
    /// when the endpoint could not even try.
    pub fn handle_placed(&mut self, now: Instant, dial_out: DialOutId, id: Option<InviteId>) {
        let call = self.by_dial_out.remove(&dial_out);
        let call = call.and_then(|endpoint| Some((endpoint, self.calls.get_mut(&endpoint)?)));
        match (call, id) {
            (Some((endpoint, call)), Some(id)) if call.sip == SipLeg::Unplaced(dial_out) => {
                call.sip = SipLeg::Calling(id);
                self.by_invite.insert(id, endpoint);
            }
            (Some((endpoint, _)), None) => {
                self.release_over(now, endpoint, DisconnectReason::Unreachable);
            }
            // Given up in the meantime.
            (_, Some(id)) => {
                let reason = DisconnectReason::Cancelled.header().into();
                self.sip(SipAction::Cancel { id, reason });
            }
            (None, None) => {}
        }
        self.settle(now);
    }

    /// The call that was asked for by [`SipAction::Invite`] is not to be made, for this reason.
    pub fn handle_not_placed(&mut self, now: Instant, dial_out: DialOutId, why: Box<str>) {
        if let Some(endpoint) = self.by_dial_out.remove(&dial_out)
            && self.calls.contains_key(&endpoint)
        {
            self.release_over(now, endpoint, DisconnectReason::NotPlaced(why));
        }
        self.settle(now);
    }

    /// RFC 4579 §5.1: admission, then the offer goes to the mixer.
    fn handle_invite(&mut self, now: Instant, id: InviteId, request: &Request, flow: &Flow) {
        self.visited = true;
        let peer = self.peer_of(request, flow);
        if c3p::is_carried(request) && !self.record.entry {
            self.handle_c3p_invite(now, id, peer, request);
            return;
        }
        match self.consider(&peer, request) {
            Ok((entry, offer)) => {
                self.settle_unasked(&peer, &entry);
                self.begin_join(now, id, peer, entry, offer);
            }
            Err(refusal) => {
                let guarded = self.record.pin.is_some() || self.record.entry;
                if let (true, Some(source)) = (guarded, peer.source) {
                    self.tell_guard(source, PinOutcome::Wrong(0), false);
                }
                self.refuse_invite(id, &peer, refusal);
            }
        }
    }

    /// Somebody who was counted is not asked for the PIN after all.
    pub(super) fn settle_unasked(&mut self, peer: &Peer, entry: &Entry) {
        if let (Some(_), false, Some(source)) = (&self.record.pin, entry.pin_asked, peer.source) {
            let outcome = if peer.key {
                PinOutcome::Right
            } else {
                PinOutcome::Wrong(0)
            };
            self.tell_guard(source, outcome, false);
        }
    }

    fn consider(&self, peer: &Peer, request: &Request) -> Result<(Entry, Option<Bytes>), Refusal> {
        let to_focus = matches!(entity_of(&request.uri), Some((Entity::Focus, _)));
        if to_focus && request.body.is_empty() {
            // CB-019.
            return Err(Refusal::MalformedOffer("there is none".into()));
        }
        let entry = self.way_in(peer)?;
        Ok((entry, session_description::of_request(request)?))
    }

    /// How somebody comes in who may.
    pub(super) fn way_in(&self, peer: &Peer) -> Result<Entry, Refusal> {
        if !self.mixer_is_up() {
            return Err(self.no_mixer());
        }
        if let Some(entry) = self.participant_entry(peer)? {
            return Ok(entry);
        }
        let (role, door) = match self.admission(peer) {
            Admission::Admit(role) => (role, Door::Open),
            Admission::Lobby(role) => (role, Door::Lobby),
            Admission::Refuse(refusal) => return Err(refusal),
        };
        Ok(Entry {
            role,
            door,
            pin_asked: self.record.pin.is_some() && !peer.key,
            filter: self.initial_filter(role),
            entity: None,
        })
    }

    /// CB-213, CB-262: the media of somebody who is in the conference already come in, those of
    /// somebody who waits do not.
    fn participant_entry(&self, peer: &Peer) -> Result<Option<Entry>, Refusal> {
        let Some(user) = self.roster.user_of(peer).filter(|_| self.is_active()) else {
            return Ok(None);
        };
        if !self.participates(user.id) {
            return Ok(None);
        }
        if !self.is_inside(user.id) {
            return Err(Refusal::NotInvited);
        }
        let (role, door) = (user.role, Door::Open);
        Ok(Some(Entry {
            role,
            door,
            pin_asked: false,
            filter: self.initial_filter(role),
            entity: None,
        }))
    }

    /// What becomes of a call of this peer, now.
    pub(super) fn admission(&self, peer: &Peer) -> Admission {
        let mut occupancy = self.occupancy();
        if self.record.replace_on_redial {
            let earlier = self.roster.endpoints_of(peer).iter();
            let earlier = earlier.filter(|id| self.calls.contains_key(id)).count();
            occupancy.places -= earlier.min(occupancy.places);
        }
        let subject = self.subject(peer);
        admit(&subject, &self.record, &occupancy, &self.settings.limits)
    }

    fn begin_join(
        &mut self,
        now: Instant,
        id: InviteId,
        peer: Peer,
        entry: Entry,
        offer: Option<Bytes>,
    ) {
        let state = State::Negotiating(Described::awaited(offer.is_some()));
        let mut settings = self.endpoint_settings(&peer, entry.filter);
        if offer.is_some() {
            // Before its ACK nobody knows whether it was this peer who called (RFC 3261 §26.3.2.4).
            settings.stage = Stage::Unconfirmed;
        }
        let leg = SipLeg::Offered(id);
        let endpoint = self.admit(now, peer, leg, state, JoiningMethod::DialedIn, entry);
        self.by_invite.insert(id, endpoint);
        let action = Action::Add {
            endpoint,
            offer,
            settings,
        };
        self.mcu(now, Purpose::Add(endpoint), action);
    }

    /// Everybody starts apart: who is not through the door is neither heard nor hears.
    pub(super) fn endpoint_settings(&self, peer: &Peer, filter: MediaFilter) -> EndpointSettings {
        EndpointSettings {
            stage: Stage::Apart,
            filter,
            // Whoever we call by an address is most likely there.
            signalled_from: peer.source.or_else(|| host_address(peer.uri.as_ref()?)),
            reached_at: peer.reached_at,
            agc: self.record.agc,
            noise_gate: self.record.noise_gate,
            terms: self.terms_of(peer),
            offers: peer
                .uri
                .as_ref()
                .map_or(Offers::Phone, |uri| self.settings.policy.offers(uri)),
            name: shown_name(peer),
            looks: Box::new(self.looks_of(peer)),
        }
    }

    /// What is agreed on about media: with who calls as somebody has vouched, with who is called by the address.
    pub(super) fn terms_of(&self, peer: &Peer) -> MediaTerms {
        let called = peer.uri.as_ref();
        called.map_or_else(|| peer.media.clone(), |uri| self.settings.policy.terms(uri))
    }

    fn refuse_invite(&mut self, id: InviteId, peer: &Peer, refusal: Refusal) {
        self.settings.metrics.refused(&refusal);
        let answer = answer::refuse(&refusal, &self.settings.agent);
        self.sip(SipAction::Reject { id, answer });
        self.event(ConferenceEvent::Refused {
            source: peer.source,
            refusal,
        });
    }

    /// RFC 3261 §15, RFC 5057 §5: a call that ended, however, leaves by the one way out.
    fn handle_ended(&mut self, now: Instant, id: InviteId, cause: &EndCause) {
        self.handle_end(now, id, DisconnectReason::from_end(cause));
        self.by_invite.remove(&id);
    }

    fn handle_end(&mut self, now: Instant, id: InviteId, reason: DisconnectReason) {
        if let Some(endpoint) = self.endpoint_of(id) {
            self.release_over(now, endpoint, reason);
        }
    }

    /// The call is over by itself: nothing is to be said by SIP any more.
    fn release_over(&mut self, now: Instant, endpoint: EndpointId, reason: DisconnectReason) {
        match self.calls.get_mut(&endpoint) {
            Some(call) => {
                call.sip = SipLeg::Over;
                self.release(now, endpoint, reason);
            }
            None => self.end_attendance(now, endpoint, &reason, true),
        }
    }

    fn handle_acked(&mut self, now: Instant, id: InviteId, local_tag: Text, body: Option<&Body>) {
        let Some(endpoint) = self.endpoint_of(id) else {
            return;
        };
        if let Some(attendance) = self.attendances.get_mut(&endpoint) {
            attendance.dialog.local_tag = Some(local_tag);
        }
        if let Some(call) = self.calls.get_mut(&endpoint) {
            call.acked = true;
        }
        let sdp = session_description::of_body(body).ok().flatten();
        if !self.acknowledge_renegotiation(now, endpoint, sdp.as_ref()) {
            self.advance(now, endpoint, Input::Acked(sdp));
        }
    }

    /// RFC 4575 §5.7.2 "alerting". An answer may come before the 2xx; what is sent meanwhile, ringing
    /// tones and announcements, is for one person and is not mixed.
    fn handle_progress(&mut self, now: Instant, id: InviteId, response: &Response) {
        let Some(endpoint) = self.endpoint_of(id) else {
            return;
        };
        let reliable = response.headers.get(&HeaderName::RSeq).is_some();
        let answer = session_description::of_response(response).filter(|_| reliable);
        if let (Some(answer), Some(tag), Some(call)) =
            (answer, tag_of(response), self.calls.get_mut(&endpoint))
        {
            call.early_answer = Some((tag, answer));
        }
        let dialing = self
            .roster
            .endpoint(endpoint)
            .is_some_and(|endpoint| endpoint.status == EndpointStatus::DialingOut);
        if dialing && response.status == StatusCode::RINGING {
            self.roster
                .set_status(now, endpoint, EndpointStatus::Alerting);
        }
    }

    fn handle_call_answered(&mut self, now: Instant, id: InviteId, response: &Response) {
        let Some(endpoint) = self.endpoint_of(id) else {
            // It was given up and answered all the same (RFC 3261 §9.1).
            let reason = DisconnectReason::Cancelled.header().into();
            let headers = Headers::default();
            self.sip(SipAction::Bye {
                id,
                reason,
                headers,
            });
            return;
        };
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        match call.sip {
            SipLeg::Calling(id) => {
                call.sip = SipLeg::Answered(id);
                let early = call.early_answer.take();
                // RFC 3262 §5: the 2xx need not repeat it; that of another device has its own.
                let early = early.filter(|(tag, _)| tag_of(response).as_ref() == Some(tag));
                let sdp = session_description::of_response(response);
                let sdp = sdp.or_else(|| early.map(|(_, answer)| answer));
                self.advance(now, endpoint, Input::Answered(sdp));
            }
            SipLeg::Over => {
                let reason = DisconnectReason::Cancelled.header().into();
                let headers = Headers::default();
                self.sip(SipAction::Bye {
                    id,
                    reason,
                    headers,
                });
            }
            SipLeg::Offered(_) | SipLeg::Unplaced(_) | SipLeg::Answered(_) => {}
        }
    }
}

/// The tag of the device that responds.
fn tag_of(response: &Response) -> Option<Text> {
    response.headers.to().ok()?.tag()
}

/// The address that a URI has as its host.
fn host_address(uri: &Uri) -> Option<IpAddr> {
    match uri.host {
        Host::V4(ip) => Some(ip.into()),
        Host::V6(ip) => Some(ip.into()),
        Host::Name(_) => None,
    }
}

/// What others see an endpoint called: the name it gave, else the user part of its address.
fn shown_name(peer: &Peer) -> String {
    let user = || {
        let aor = peer.aor.as_deref()?;
        let rest = aor.split_once(':').map_or(aor, |(_, rest)| rest);
        Some(rest.split_once('@').map_or(rest, |(user, _)| user))
    };
    let name = peer.display.as_deref().or_else(user);
    name.unwrap_or_default().to_owned()
}
