//! The process: configuration, wiring, HTTP, start and drain. Protocol rules live in the crates it
//! joins; README.md draws them.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | what can be set, every mistake at once |
//! | [`limits`] | every bound of the product, its number and its refusal |
//! | [`selfcheck`] | what this machine says about the configuration |
//! | [`doctor`] | what is wrong with addresses, ports, DNS, certificates and clock |
//! | [`compose`] | builds the shells in the order of their dependencies |
//! | `signalling` | how the SIP endpoint is set up |
//! | [`abuse`] | scanners, guessers and floods: who is watched, limited, banned |
//! | [`store`], [`users`] | what survives a restart, in SQLite; users and what they may |
//! | [`http`] | health, metrics, local control, the join page |
//! | `feed`, `journal` | what happens in conferences, live and as log lines |
//! | [`records`], [`recordings`] | conference detail records; files of sound and pictures |
//! | [`trunk`] | providers of telephone lines |
//! | [`observe`] | log and metrics |
//! | [`tls`] | the certificates of the process |
//! | [`log`] | the log's queue and its writing thread |
//! | [`state`] | where what survives a restart is kept |
//! | [`store`] | what survives a restart: users, registrations, bans, templates |
//! | [`templates`] | layouts of somebody's own |
//! | [`users`] | who may register and call as one of us |
//! | [`abuse`] | who is limited or shut out |
//!
//! # How the pieces are joined
//!
//! The SIP driver's task runs the focus's `SipUser`: an event goes to the conference it belongs to
//! through `Directory`, which finds or activates it. A conference is one task; its actions for SIP
//! come back through a queue that cannot lose any, its commands for the mixer are calls that never
//! block. The mixer's reports come from any of its threads and go the same way as SIP events.
//!
//! # Decisions
//!
//! *Configuration defaults are TOML text, read by the same code as the user's values.* So what the
//! reference prints is what happens, and a default that its own type refuses fails every test.
//!
//! *The release profile has no link-time optimisation.* It doubled the time of the first `make run`
//! and its gain was below the noise: codecs are C, and the hot loops stay within their crates.
//!
//! *One TLS and crypto provider, ring;* `.deny.toml` refuses others.

pub mod abuse;
pub mod compose;
pub mod config;
pub mod doctor;
mod feed;
pub mod http;
mod journal;
pub mod limits;
pub mod log;
pub mod observe;
pub mod recordings;
pub mod records;
pub mod selfcheck;
mod signalling;
pub mod state;
pub mod store;
pub mod templates;
#[cfg(test)]
mod tidy;
pub mod tls;
pub mod trunk;
pub mod users;
