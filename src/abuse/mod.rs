//! Abuse: who asks too often or guesses, and what follows from it.
//!
//! | file | what it does |
//! |---|---|
//! | `bucket` | counts that leak |
//! | `sentry` | `Sentry`: the core, told the time: offences in, judgements out |
//! | `bans` | who is shut out until when, and why |
//! | `forwarded` | whom a web server before ours asks for |
//! | `watch` | `Watch`: the sentry as the shells share it; what is logged |
//! | `screen` | requests of SIP from outside of calls |
//! | `web` | connections and requests of the public side of HTTP |
//! | `metrics` | what is counted |
//!
//! # What counts against a source
//!
//! A source is an IPv4 address or an IPv6 /64 (RFC 6177).
//!
//! | offence | what | leaks |
//! |---|---|---|
//! | probe | a request from outside of calls that is answered 400, 401, 403, 404, 405, 407, 416, 501 or 505, any OPTIONS, what cannot be read, a join link that leads nowhere | `abuse.probes` in `abuse.probes_window_s` |
//! | guess | a wrong password, an unknown user name, a wrong PIN or conference key | `abuse.guesses` in `abuse.guesses_window_s` |
//!
//! Right credentials (a password, also of a trunk, a PIN, a conference key) make good for all probes
//! of their source, a call that comes about for one.
//!
//! # What is proven
//!
//! Whoever sends UDP in another's name must not get him shut out. An offence is *proven* when its
//! sender was there to receive what we sent:
//!
//! | how it came | proven by |
//! |---|---|
//! | TCP, TLS, WebSocket, HTTPS | the handshake of TCP |
//! | UDP, with credentials, for whatever realm | a nonce that was sent to this very address |
//! | UDP, an INVITE that is refused | the To tag of the refusal in its ACK |
//! | UDP, a wrong PIN | the ACK of the call in which it is keyed in |
//! | UDP, anything else | nothing |
//!
//! Proven offences beyond the measure **ban** their source: nothing new from it is answered, over
//! SIP or HTTPS, for `abuse.ban_s`, twice as long each time.
//! Unproven ones **limit** it: of its UDP requests that bring no proof one every two seconds is
//! looked at, the rest is dropped. Who is really there gets by with credentials, over TCP, or by
//! being lucky once: right credentials end the limit.
//! Calls that are up are never concerned: what belongs to a call does not come here.
//!
//! Networks that are trusted (`conferences.trusted`, `abuse.exempt`, the networks and servers of
//! trunks) are neither banned nor limited.
//!
//! # Forged floods
//!
//! What comes over UDP from sources that nobody has seen proof of lately shares
//! `limits.unproven_per_second`, and each of them has `limits.unproven_per_source_and_second`;
//! beyond, it is dropped without an answer. See `plenum_sip::endpoint::Screen` for how little is
//! done and sent for the rest.
//!
//! # Memory
//!
//! Bounded by `limits.watched_sources` and `limits.banned_sources`. A flood from ever new addresses
//! makes the longest quiet ones forgotten; those who have shown to be there, and those who are
//! banned, have tables of their own, which no forged packet fills. Bans are kept in the store,
//! nothing else outlives the process.

mod bans;
mod bucket;
mod forwarded;
mod metrics;
mod screen;
mod sentry;
pub mod view;
mod watch;
pub(crate) mod web;

pub use metrics::{Because, Metrics, Of, Shut};
pub(crate) use screen::SipScreen;
pub(crate) use sentry::Settings;
pub(crate) use watch::{Watch, Witness, source_of};
