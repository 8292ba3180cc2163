//! The door: a message from the network goes to the machine it belongs to, or is refused.
//!
//! | order | check | refusal |
//! |---|---|---|
//! | 1 | readable | what the parser says, or a counted drop |
//! | 2 | a response, an ACK, a retransmission, a CANCEL: to its transaction | stray: counted, dropped; a CANCEL: 481, after 3 |
//! | 3 | outside of calls: the screen (see `screen`) | a counted drop |
//! | 4 | room for another transaction, calls that are up last | 503 with Retry-After (RFC 3261 §21.5.4) |
//! | 5 | method | 501, 405 with Allow (§8.2.1) |
//! | 6 | inside a dialog: to its usage | 481 (§12.2.2) |
//! | 7 | not merged | 482 (§8.2.2.2) |
//! | 8 | `sips:` came over TLS | 416 where we have none, else 480 (RFC 5630 §5.3) |
//! | 9 | Max-Forwards, Require, body | 483, 420 with Unsupported, 415 with Accept (§8.2.2, §8.2.3) |
//!
//! Refusals outside a dialog leave no state behind (§8.2.7): their To tag is computed from the
//! request, so that a retransmission is refused with the same one.

use super::holder::call_of;
use super::server::{Arrival, Extra, ServerRole, answer_flow};
use super::{Endpoint, Event, Flow, InviteId, Output, Proof, Screened, Via};
use crate::event::Holder;
use crate::id::hex;
use crate::msg::{
    Framing, HeaderName, Headers, Message, Method, Request, Response, Scheme, StatusCode, Text,
    parse,
};
use crate::transaction::{ServerKey, from_tag, to_tag};
use bytes::Bytes;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Instant;

/// A request that is not taken, and what it is answered.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) headers: Headers,
}

impl Refusal {
    pub(super) fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: Headers::new(),
        }
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Says why in words for a human (RFC 3261 §20.43); `text` needs no escapes.
    pub(super) fn saying(self, text: &str) -> Self {
        self.with(HeaderName::Warning, format!("399 plenum \"{text}\""))
    }
}

impl Endpoint {
    /// One datagram, or one message framed out of a stream.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let framing = if flow.transport.is_reliable() {
            Framing::Stream
        } else {
            Framing::Datagram
        };
        match parse(bytes, &self.config.limits, framing) {
            Ok(Message::Request(request)) => self.on_request(now, flow, request),
            Ok(Message::Response(response)) => self.on_response(now, response),
            Err(malformed) => {
                malformed.count(&self.metrics);
                let screened = self.judge(now, &flow, None);
                if screened == Screened::Drop {
                    return;
                }
                if let Some(answer) = malformed.answer {
                    self.note_answer(now, (&flow, screened), None, answer.status);
                    self.answer_malformed(flow, *answer);
                }
            }
        }
    }

    /// A request that cannot be read is answered from its Via, if it has one that can (§16.3).
    fn answer_malformed(&mut self, flow: Flow, mut answer: Response) {
        answer.headers.stamp_via(flow.remote).unwrap_or_default();
        let flow = answer
            .headers
            .via()
            .map_or(flow, |via| answer_flow(flow, &via));
        let tag = hex(self.hash(&[answer.headers.call_id().unwrap_or_default().as_bytes()]));
        let mut answer = answer.with_to_tag(&tag);
        self.stamp_server(&mut answer.headers);
        self.out.push_back(Output::Transmit {
            via: Via::Flow(flow),
            domain: None,
            bytes: answer.print(),
            tx: None,
        });
    }

    fn on_request(&mut self, now: Instant, from: Flow, mut request: Request) {
        let Ok(via) = request.headers.via() else {
            self.metrics.dropped_malformed.inc();
            return;
        };
        let hops = request.headers.vias().map_or(1, |vias| vias.len());
        let key_method = if matches!(request.method, Method::Ack | Method::Cancel) {
            Method::Invite
        } else {
            request.method.clone()
        };
        let key = ServerKey::new(&request, &via, &key_method);
        // The answer can be given by the Via as it was sent; `received` and `rport` are for the
        // response to carry (§18.2.1, RFC 3581 §4).
        request.headers.stamp_via(from.remote).unwrap_or_default();
        let direct = hops == 1 && (from.transport.is_reliable() || via.rport().is_some());
        let flow = answer_flow(from, &via);
        let arrival = Arrival {
            key,
            flow,
            direct,
            from,
            screened: Screened::Known,
            request,
        };
        if arrival.request.method == Method::Ack {
            return self.on_ack_request(now, &arrival);
        }
        if arrival.request.method == Method::Cancel {
            return self.on_cancel_request(now, &arrival);
        }
        if arrival.request.method == Method::Benotify {
            return self.on_best_effort_notify(now, arrival);
        }
        match self.server_keys.get(&arrival.key) {
            Some(id) => self.on_server_repeat(now, *id, false),
            None => self.on_new_request(now, arrival),
        }
    }

    /// An ACK belongs to a failed INVITE's transaction (§17.1.1.3) or to a dialog (§13.2.2.4).
    fn on_ack_request(&mut self, now: Instant, arrival: &Arrival) {
        match self.server_keys.get(&arrival.key).copied() {
            Some(id) if !self.is_accepted(id) => {
                self.note_refused(now, id, arrival);
                self.on_server_repeat(now, id, true);
            }
            _ => match self.find_usage(&arrival.request) {
                Some(usage) => self.on_dialog_ack(now, usage, arrival),
                None if self.is_proof(now, arrival) => {}
                None => {
                    self.metrics.stray_acks.inc();
                }
            },
        }
    }

    fn on_new_request(&mut self, now: Instant, mut arrival: Arrival) {
        let inside = to_tag(&arrival.request.headers).is_some();
        let holder = inside.then(|| self.find_holder(&arrival.request)).flatten();
        if holder.is_none() {
            arrival.screened = self.judge(now, &arrival.from, Some(&arrival.request));
            if arrival.screened == Screened::Drop {
                return;
            }
        }
        if let Err(refusal) = self.admit(&arrival.request) {
            return self.refuse_stateless(now, &arrival, refusal);
        }
        match holder {
            Some(Holder::Invite(usage)) => return self.on_in_dialog(now, usage, arrival),
            Some(Holder::Alone(dialog)) => return self.on_in_alone(now, dialog, arrival),
            None if inside => {
                let refusal = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST);
                return self.refuse_stateless(now, &arrival, refusal);
            }
            None => {}
        }
        if let Err(refusal) = self.check_outside(&arrival.request, arrival.from) {
            return self.refuse_stateless(now, &arrival, refusal);
        }
        if arrival.request.method == Method::Invite {
            return self.on_invite(now, arrival);
        }
        if arrival.request.method == Method::Subscribe {
            return self.on_subscribe(now, None, arrival);
        }
        if arrival.request.method == Method::Refer {
            return self.on_refer(now, None, arrival);
        }
        let tag = self.random_tag();
        let tx = self.open_server(now, &arrival, ServerRole::User, None, Some(tag));
        self.event(Event::Request {
            tx,
            request: arrival.request,
            flow: arrival.from,
        });
    }

    /// Checks 4 and 5 of the table above.
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let room = |in_call| limits.has_room(self.servers.len(), self.kept, in_call);
        // A BYE frees more than it takes, and every usage sees one only.
        if !room(false)
            && request.method != Method::Bye
            && !(room(true) && self.find_usage(request).is_some())
        {
            return Err(self.overload("This server is too busy, try again later"));
        }
        if self.config.allow.contains(&request.method) {
            return Ok(());
        }
        let status = if matches!(request.method, Method::Extension(_)) {
            StatusCode::NOT_IMPLEMENTED
        } else {
            StatusCode::METHOD_NOT_ALLOWED
        };
        let mut refusal = Refusal::new(status);
        self.lists.push_allow(&mut refusal.headers);
        Err(refusal)
    }

    /// 503 with Retry-After, before any state is made.
    pub(super) fn overload(&self, why: &str) -> Refusal {
        self.metrics.refused_overload.inc();
        let seconds = self.config.limits.retry_after_s.to_string();
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE);
        refusal.with(HeaderName::RetryAfter, seconds).saying(why)
    }

    /// Checks 7 to 9 of the table above.
    fn check_outside(&self, request: &Request, from: Flow) -> Result<(), Refusal> {
        if self
            .merge_key(request)
            .is_some_and(|key| self.merged.contains_key(&key))
        {
            return Err(Refusal::new(StatusCode::LOOP_DETECTED));
        }
        if request.uri.scheme == Scheme::Sips && !from.transport.is_secure() {
            return Err(self.no_sips());
        }
        if request.headers.max_forwards() == Ok(Some(0)) && self.config.refuse_spent_hops {
            return Err(Refusal::new(StatusCode::TOO_MANY_HOPS));
        }
        self.check_content(request)
    }

    /// A request to a `sips:` URI that came over an insecure transport. Without TLS at all we do not
    /// know the scheme (§8.2.2.1); else somebody on the way broke its promise (RFC 5630 §5.3).
    fn no_sips(&self) -> Refusal {
        if self.secured {
            let text = "380 plenum \"SIPS Not Allowed\"";
            Refusal::new(StatusCode::TEMPORARILY_UNAVAILABLE)
                .with(HeaderName::Warning, text.to_owned())
        } else {
            Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME)
        }
    }

    /// Require and the body (§8.2.2.3, §8.2.3), also of requests inside a dialog.
    pub(super) fn check_content(&self, request: &Request) -> Result<(), Refusal> {
        let required = request.headers.require().unwrap_or_default();
        let unknown: Vec<String> = required
            .iter()
            .filter(|option| {
                let known = self.config.supported.iter();
                let mut known = known.chain(&self.config.events.understood);
                !known.any(|known| same(known, option))
            })
            .map(Text::to_string)
            .collect();
        if !unknown.is_empty() {
            let refusal = Refusal::new(StatusCode::BAD_EXTENSION);
            return Err(refusal.with(HeaderName::Unsupported, unknown.join(", ")));
        }
        if matches!(
            request.method,
            Method::Invite | Method::Update | Method::Prack
        ) {
            return self.check_session_body(request);
        }
        Ok(())
    }

    fn check_session_body(&self, request: &Request) -> Result<(), Refusal> {
        if request.body.is_empty() {
            return Ok(());
        }
        let headers = &request.headers;
        let disposition = headers.content_disposition().ok().flatten();
        if disposition
            .as_ref()
            .is_some_and(|disposition| disposition.is_optional())
        {
            return Ok(());
        }
        let encodings = headers.content_encoding().unwrap_or_default();
        if encodings
            .iter()
            .any(|encoding| !encoding.eq_ignore_case("identity"))
        {
            let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(refusal.with(HeaderName::AcceptEncoding, Text::from_static("identity")));
        }
        let kind = headers.content_type().ok().flatten();
        let known = |d: &crate::msg::Disposition| {
            ["session", "render", "early-session"]
                .iter()
                .any(|k| d.kind.eq_ignore_case(k))
        };
        let readable = kind.is_none_or(|kind| self.lists.accepts(&kind));
        if readable && disposition.as_ref().is_none_or(known) {
            return Ok(());
        }
        let mut refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        self.lists.push_accept(&mut refusal.headers);
        Err(refusal)
    }

    /// Answers without a transaction (§8.2.7).
    pub(super) fn refuse_stateless(&mut self, now: Instant, arrival: &Arrival, refusal: Refusal) {
        self.metrics.refused_requests.inc();
        if to_tag(&arrival.request.headers).is_none() {
            let method = &arrival.request.method;
            let from = (&arrival.from, arrival.screened);
            self.note_answer(now, from, Some(method), refusal.status);
        }
        let tag = hex(self.tag_without_state(arrival, refusal.status));
        let mut response = arrival.request.response(refusal.status).with_to_tag(&tag);
        for field in &refusal.headers {
            response
                .headers
                .push(field.name.clone(), field.value.clone());
        }
        self.stamp_server(&mut response.headers);
        let bytes = response.print();
        self.out.push_back(Output::Transmit {
            via: Via::Flow(arrival.flow),
            domain: None,
            bytes,
            tx: None,
        });
    }

    /// The To tag of an answer that leaves nothing behind: a repeated request gets the same.
    fn tag_without_state(&self, arrival: &Arrival, status: StatusCode) -> u64 {
        if arrival.screened != Screened::Unproven || arrival.request.method != Method::Invite {
            return self.hash(&[arrival.key.as_bytes()]);
        }
        let proof = if status == StatusCode::SERVICE_UNAVAILABLE {
            Proof::TurnedAway
        } else {
            Proof::Refused(None)
        };
        self.cookie(arrival, proof)
    }

    /// Answers inside a dialog, in a transaction: a retransmission must meet the same answer, even
    /// when the reason for it is gone.
    pub(super) fn refuse(&mut self, now: Instant, arrival: &Arrival, refusal: Refusal) {
        self.metrics.refused_requests.inc();
        let tx = self.open_server(now, arrival, ServerRole::Own, None, None);
        let extra = Extra {
            headers: refusal.headers,
            ..Extra::default()
        };
        self.reply(now, tx, refusal.status, extra);
    }

    /// A CANCEL finds the INVITE by its branch (§9.2) and is answered without state: its
    /// retransmission finds the INVITE again, or nothing, and both are answered.
    fn on_cancel_request(&mut self, now: Instant, arrival: &Arrival) {
        let Some(id) = self.server_keys.get(&arrival.key).copied() else {
            if self.judge(now, &arrival.from, Some(&arrival.request)) == Screened::Drop {
                return;
            }
            let refusal = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST);
            return self.refuse_stateless(now, arrival, refusal);
        };
        let mut response = arrival.request.response(StatusCode::OK);
        // §9.2: the To tag should be that of the INVITE's response.
        if let Some(tag) = self.local_tag_of(id) {
            response = response.with_to_tag(&hex(tag));
        }
        self.stamp_server(&mut response.headers);
        let bytes = response.print();
        self.out.push_back(Output::Transmit {
            via: Via::Flow(arrival.flow),
            domain: None,
            bytes,
            tx: None,
        });
        self.cancel_invite(now, id);
    }

    fn local_tag_of(&self, id: super::ServerTxId) -> Option<u64> {
        let usage = self.servers.get(id)?.usage?;
        self.usages.get(usage).map(|usage| usage.local_tag)
    }

    /// The call a request names by its tags and Call-ID (§12.2.2).
    fn find_usage(&self, request: &Request) -> Option<InviteId> {
        call_of(self.find_holder(request))
    }

    /// What makes two requests without To tag one request on two ways (§8.2.2.2).
    pub(super) fn merge_key(&self, request: &Request) -> Option<u64> {
        let headers = &request.headers;
        let cseq = headers.get(&HeaderName::CSeq)?;
        let call_id = headers.call_id().ok()?;
        let from = from_tag(headers);
        Some(self.hash(&[from.as_bytes(), call_id.as_bytes(), cseq.as_bytes()]))
    }

    /// A hash nobody outside can compute; two of them do not meet by chance.
    pub(super) fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.keyed.build_hasher();
        for part in parts {
            hasher.write(part);
        }
        hasher.finish()
    }
}

fn same(one: &Text, other: &Text) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}
