//! Who has to prove who he is, and what follows from it (RFC 3261 §22.1, RFC 3325 §5).
//!
//! What `auth.required` and `[[auth.domain]]` say decides for whom the last two lines hold. Whose verified
//! certificate speaks for one of `auth.trusted_certificates` is as on a trusted network.
//!
//! | the request | on a trusted network | elsewhere |
//! |---|---|---|
//! | brings right credentials | is of that user | is of that user |
//! | brings wrong ones | 401 | 401 |
//! | brings none, `From` is of a domain with users | is of who `From` or P-Asserted-Identity says | 401 |
//! | brings none, `From` is of another domain | as above | anonymous, or 401 where everybody has to |
//! | is a REGISTER without credentials | is of the user in To, over TCP or TLS; else 401 | 401 |
//!
//! Nobody is on a trusted network who comes over a WebSocket.
//!
//! A wrong password, an unknown user and a user of another domain get the same 401.

use super::metrics::{Denial, DenialReason, Metrics};
use crate::abuse::Watch;
use crate::compose::Guarded;
use crate::config::{Auth, Required};
use crate::signalling::speaks_for;
use plenum_focus::access::Identity;
use plenum_focus::caller::{Peer, Vouched};
use plenum_focus::policy::Policy;
use plenum_focus::store::{User, Users};
use plenum_mcu::control::MediaTerms;
use plenum_sip::auth::{Authenticator, Denied, Granted, Origin, Verdict, Worthless};
use plenum_sip::endpoint::{Answer, Flow};
use plenum_sip::msg::{AuthParams, HeaderName, NameAddr, Request, StatusCode, Text, Uri};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Asks for passwords. See the module documentation.
#[derive(Debug)]
pub(super) struct Gate {
    authenticator: Authenticator,
    auth: Auth,
    /// As it is now.
    policy: watch::Receiver<Arc<Policy>>,
    watch: Watch,
    metrics: Metrics,
}

/// What becomes of a request at the gate.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes on; perhaps it is known now who sent it.
    Pass(Option<Vouched>),
    /// It is answered so.
    Refuse(Answer),
}

/// Who has proved to be a user.
#[derive(Debug)]
pub(super) struct Proven<'a> {
    pub(super) user: &'a User,
    pub(super) granted: Granted,
}

impl Gate {
    pub(super) fn new(
        auth: &Auth,
        (counted_nonces, seed): (usize, [u8; 32]),
        (policy, watch): Guarded,
        now: Instant,
        metrics: Metrics,
    ) -> Self {
        Self {
            authenticator: Authenticator::new(auth.settings(counted_nonces), seed, now),
            auth: auth.clone(),
            policy,
            watch,
            metrics,
        }
    }

    /// What knows to whom challenges were sent.
    pub(super) fn origin(&self) -> Origin {
        self.authenticator.origin()
    }

    /// Whether this host is one of ours.
    pub(super) fn is_ours(&self, uri: &Uri, flow: &Flow) -> bool {
        self.policy
            .borrow()
            .domains
            .contain(&uri.host, flow.local.ip())
    }

    /// A request that asks to come in: INVITE, SUBSCRIBE, REFER, MESSAGE.
    pub(super) fn decide(
        &mut self,
        now: Instant,
        users: &Users,
        request: &Request,
        (flow, names): (&Flow, &[Text]),
    ) -> Decision {
        let Ok(from) = request.headers.from() else {
            return Decision::Pass(None);
        };
        if let Some(realm) = realm_of_credentials(request, users) {
            return match self.prove(now, users, (request, flow), &realm) {
                Ok(proven) => Decision::Pass(Some(vouch(&proven, &from, request))),
                Err(answer) => Decision::Refuse(*answer),
            };
        }
        let policy = Arc::clone(&self.policy.borrow());
        let user = || believe_user(request, flow, &policy, users);
        if policy.trusts(flow) {
            let terms = |vouched: &Vouched| vouched.media != MediaTerms::default();
            return Decision::Pass(Some(user()).filter(terms));
        }
        if speaks_for(names, &self.auth.trusted_certificates) {
            return Decision::Pass(Some(user()));
        }
        let claimed = domain(&from.uri);
        let realm = if users.has_domain(&claimed) {
            Some(claimed)
        } else {
            users.iter().next().map(|user| user.domain.clone())
        };
        let configured = self.policy.borrow().domains.name(&request.uri.host);
        let called = domain(&request.uri);
        let asked = match self.auth.required_for(&called, configured) {
            Required::Nobody => false,
            Required::Users => users.has_domain(&domain(&from.uri)),
            Required::Everybody => true,
        };
        match realm {
            Some(realm) if asked => Decision::Refuse(self.ask(now, (request, flow), &realm)),
            None if asked => Decision::Refuse(said(
                StatusCode::FORBIDDEN,
                "This server has no users, and nobody else may call",
            )),
            Some(_) | None => Decision::Pass(None),
        }
    }

    /// Whose registration this is: by proof, or by his word on a network that is trusted. A
    /// datagram's source can be forged, and calls would go to the forger: words count on streams.
    pub(super) fn registers<'a>(
        &mut self,
        now: Instant,
        users: &'a Users,
        (request, to): (&Request, &Uri),
        (flow, names): (&Flow, &[Text]),
    ) -> Result<(&'a User, Option<Granted>), Box<Answer>> {
        let realm = domain(to);
        let believed = flow.transport.is_reliable() && self.policy.borrow().trusts(flow);
        let believed = believed || speaks_for(names, &self.auth.trusted_certificates);
        if believed && realm_of_credentials(request, users).is_none() {
            let named = users.find(&to.user_decoded(), &realm);
            return match named.filter(|user| !user.disabled) {
                Some(user) => Ok((user, None)),
                None => Err(Box::new(said(StatusCode::NOT_FOUND, "No such user"))),
            };
        }
        let proven = self.prove(now, users, (request, flow), &realm)?;
        if to.user_decoded() != proven.user.name {
            self.deny(DenialReason::AnotherUser);
            let text = "These credentials are for another user";
            return Err(Box::new(said(StatusCode::FORBIDDEN, text)));
        }
        Ok((proven.user, Some(proven.granted)))
    }

    /// Who sent this, by the credentials for `realm`; else the answer that asks for them.
    pub(super) fn prove<'a>(
        &mut self,
        now: Instant,
        users: &'a Users,
        (request, flow): (&Request, &Flow),
        realm: &str,
    ) -> Result<Proven<'a>, Box<Answer>> {
        let presented = (request, flow.remote.ip());
        let verdict = self
            .authenticator
            .check(now, presented, realm, |name, hash| {
                users.find(name, realm)?.secret(hash).cloned()
            });
        if !is_disabled(users, realm, &verdict) {
            let origin = self.origin();
            self.watch.handle_verdict(origin, (request, flow), &verdict);
        }
        match verdict {
            Verdict::Absent => Err(Box::new(self.ask(now, (request, flow), realm))),
            Verdict::Malformed(what) => {
                self.deny(DenialReason::Malformed);
                let mut answer = said(StatusCode::BAD_REQUEST, what);
                answer.reason = Some(what.into());
                Err(Box::new(answer))
            }
            Verdict::Stale(why) => {
                self.deny(match why {
                    Worthless::Expired | Worthless::UsedUp => DenialReason::Stale,
                    Worthless::Foreign => DenialReason::ForeignNonce,
                });
                Err(Box::new(self.challenge(now, flow, realm, true)))
            }
            Verdict::Denied { username: _, why } => {
                self.deny(reason(why));
                // Who has counted wrongly, or begun to count anew, gets by with a fresh nonce.
                let stale = why == Denied::Replayed;
                Err(Box::new(self.challenge(now, flow, realm, stale)))
            }
            Verdict::Granted(granted) => {
                let known = users.find(&granted.username, realm);
                match known.filter(|user| !user.disabled) {
                    Some(user) => {
                        self.metrics.granted.inc();
                        Ok(Proven { user, granted })
                    }
                    None => {
                        self.deny(DenialReason::Disabled);
                        let answer = said(StatusCode::FORBIDDEN, "This user is disabled");
                        Err(Box::new(answer))
                    }
                }
            }
        }
    }

    pub(super) fn deny(&self, reason: DenialReason) {
        let denial = Denial { reason };
        self.metrics.denied.get_or_create(&denial).inc();
    }

    /// Asks for credentials somebody who has brought none for this realm.
    fn ask(&mut self, now: Instant, (request, flow): (&Request, &Flow), realm: &str) -> Answer {
        if request.headers.get(&HeaderName::Authorization).is_some() {
            self.deny(DenialReason::AnotherRealm);
        }
        self.challenge(now, flow, realm, false)
    }

    fn challenge(&mut self, now: Instant, flow: &Flow, realm: &str, stale: bool) -> Answer {
        self.metrics.challenged.inc();
        let mut answer = Answer::new(StatusCode::UNAUTHORIZED);
        for value in self
            .authenticator
            .challenge(now, realm, stale, flow.remote.ip())
        {
            answer.headers.push(HeaderName::WwwAuthenticate, value);
        }
        answer
    }
}

/// Whether right credentials are of a user who may not come in.
fn is_disabled(users: &Users, realm: &str, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Granted(granted) => users
            .find(&granted.username, realm)
            .is_none_or(|user| user.disabled),
        Verdict::Absent | Verdict::Malformed(_) | Verdict::Stale(_) | Verdict::Denied { .. } => {
            false
        }
    }
}

/// The first realm with users for which the request brings credentials.
fn realm_of_credentials(request: &Request, users: &Users) -> Option<String> {
    let fields = request.headers.get_all(&HeaderName::Authorization);
    let realms = fields.filter_map(|value| AuthParams::parse(value).ok()?.get("realm"));
    let mut ours = realms.filter(|realm| users.has_domain(realm));
    ours.next()
}

/// Who somebody is whose word is believed, as if on a trusted network.
fn believe(request: &Request, flow: &Flow, policy: &Policy) -> Vouched {
    let peer = Peer::claimed(request, flow, policy, true);
    Vouched {
        aor: peer.aor,
        display: peer.display,
        identity: peer.identity,
        trusted: true,
        phone: peer.phone,
        key: false,
        media: MediaTerms::default(),
    }
}

/// The same, with what is agreed on about the media of the user he says he is.
fn believe_user(request: &Request, flow: &Flow, policy: &Policy, users: &Users) -> Vouched {
    let mut vouched = believe(request, flow, policy);
    let user = vouched.aor.as_deref().and_then(|aor| users.find_aor(aor));
    vouched.media = user.map_or_else(MediaTerms::default, User::terms);
    vouched
}

/// The identity that roster and conference control see.
fn vouch(proven: &Proven<'_>, from: &NameAddr, request: &Request) -> Vouched {
    let privacy = request.headers.privacy().unwrap_or_default();
    let hidden = privacy.has("id") || privacy.has("user");
    let aor = proven.user.aor();
    let same =
        from.uri.user_decoded() == proven.user.name && domain(&from.uri) == proven.user.domain;
    let chosen = from.display.clone().filter(|_| same);
    Vouched {
        aor: (!hidden).then_some(aor),
        display: chosen
            .or_else(|| proven.user.display.clone())
            .filter(|_| !hidden),
        identity: Identity::Enterprise,
        trusted: true,
        phone: false,
        key: false,
        media: proven.user.terms(),
    }
}

/// The host of a URI as users' domains are spelled.
pub(super) fn domain(uri: &Uri) -> String {
    let mut host = uri.host.to_string().to_ascii_lowercase();
    // The dot of the root names the same domain.
    if host.ends_with('.') {
        host.pop();
    }
    host
}

/// An answer with a warning in words.
pub(super) fn said(status: StatusCode, text: &str) -> Answer {
    let mut answer = Answer::new(status);
    let warning = format!("399 plenum \"{text}\"");
    answer.headers.push(HeaderName::Warning, warning);
    answer
}

const fn reason(why: Denied) -> DenialReason {
    match why {
        Denied::UnknownUser => DenialReason::UnknownUser,
        Denied::WrongPassword => DenialReason::WrongPassword,
        Denied::Replayed => DenialReason::Replayed,
    }
}
