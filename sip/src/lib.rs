//! RFC 3261 user agent core: sans-IO, with a tokio shell.
//!
//! | layer | module | what it knows |
//! |---|---|---|
//! | messages | [`msg`] | parsing, validating, printing |
//! | framing | [`frame`] | one message out of a byte stream |
//! | transactions | [`transaction`] | RFC 3261 §17 as amended by RFC 6026 |
//! | authentication | [`auth`] | digest: RFC 3261 §22, RFC 7616, RFC 8760 |
//! | dialogs | [`dialog`] | RFC 3261 §12, the INVITE usage |
//! | registration | [`registration`] | RFC 3261 §10.2: ours with a provider; recovery by RFC 5626 §4.5 |
//! | registrar | [`registrar`] | RFC 3261 §10.3: where users are reached; GRUU, outbound, Path |
//! | subscriptions | [`event`] | RFC 6665 and REFER: the subscription usage |
//! | keep-alive | [`stun`] | binding requests on the UDP port |
//! | WebSocket | [`websocket`] | the server's half of RFC 6455, as RFC 7118 uses it |
//! | endpoint | [`endpoint`] | the sans-IO top: bytes and commands in, bytes and events out |
//! | shell | [`transport`], [`resolve`], [`driver`] | sockets, DNS, the loop |
//!
//! A body is octets and a media type: this crate reads neither SDP nor XML.
//!
//! # How it is driven
//!
//! [`endpoint::Endpoint`] knows neither clock nor socket. A shell, or a test with virtual time,
//! calls `handle_message`, `handle_timeout`, `handle_resolved`, `handle_send_failed`,
//! `handle_flow_closed` or a command, each with the present instant, and then `poll_output` until it
//! answers `Output::Timeout`. The same seed and the same inputs give the same outputs, octet for
//! octet.
//!
//! # RFCs
//!
//! | RFC | what | status |
//! |---|---|---|
//! | 3261 | SIP | user agent: all of §7 to §9, §11 to §18; no proxy |
//! | 2617, 7616, 8760 | digest | done, both roles: MD5, SHA-256, SHA-512-256, each with `-sess`, `auth` and `auth-int`; no `userhash` |
//! | 2543 | its predecessor | matching without branch cookie (RFC 3261 §17.2.3), peers without tags |
//! | 6026 | INVITE transactions | done: Accepted, timers L and M |
//! | 3262 | 100rel, PRACK | done, both sides; one provisional on its way at a time |
//! | 3263 | locating servers | done: targets in order, failover on 503, timeout and transport failure |
//! | 3264, 6337 | offer/answer | done: placement only, bodies are opaque |
//! | 3311 | UPDATE | done; of our own only when the call is up |
//! | 3326 | Reason | passed through with BYE |
//! | 3420 | sipfrag | written for REFER: the status line; what is received is the user's to read |
//! | 3515, 4488, 7614 | REFER | done, both sides: implicit subscription, `Refer-Sub`, `norefersub`, `nosub`; no `explicitsub` |
//! | 3581 | rport | done, both sides |
//! | 3891 | Replaces | parsed and matched; taking over is the user's |
//! | 4028 | session timers | done, both refreshers, 422 both ways |
//! | 4320 | non-INVITE 1xx, 408 | no 408 and no early 1xx to a non-INVITE is ever made |
//! | 4475, 5118 | torture messages | every case class, see `tests/torture.rs` |
//! | 5057 | usages | call and subscriptions share a dialog, each ends alone; 481 and 408 end the usage they answer, other failures do not |
//! | 5626 | outbound | server: keep-alives by CRLF (§3.5.1) and STUN (§4.4.2), what is behind a flow stays on it, `Event::FlowClosed` |
//! | 5923 | connection reuse | the peer's own connection is used for requests back to it |
//! | 6665 | events | done, notifier and subscriber: refresh, fetch, expiry, 423, 489, timer N, several subscriptions in a dialog; of a forked SUBSCRIBE the first notifier only; packages are their user's |
//! | [MS-SIP] | best effort notify, piggybacked first notify | done, both sides; `com.microsoft.autoextend` is borne, not obeyed |
//! | 5922 | SIP domain certificates | done; wildcards by configuration |
//! | 6455 | WebSocket | server, without extensions |
//! | 7118 | SIP over WebSocket | server |

pub mod auth;
pub mod dialog;
#[cfg(feature = "shell")]
pub mod driver;
pub mod endpoint;
pub mod event;
pub mod frame;
mod id;
pub mod limits;
pub mod metrics;
pub mod msg;
pub mod registrar;
pub mod registration;
#[cfg(feature = "shell")]
pub mod resolve;
pub mod stun;
pub mod transaction;
#[cfg(feature = "shell")]
pub mod transport;
pub mod websocket;
