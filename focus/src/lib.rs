//! The focus of RFC 4353: conferences, policy, who is in and who may.
//!
//! | module | what it knows |
//! |---|---|
//! | [`uri`] | what a Request-URI stands for |
//! | [`record`], [`pin`], [`keys`] | what is known of a conference before anybody is in it |
//! | [`policy`], [`refusal`] | who may call, and the words for no |
//! | [`access`] | who gets in, and as what: roles, lock, lobby |
//! | [`authorization`] | who may give which command |
//! | [`factory`] | records by name, ad-hoc ones where policy allows |
//! | [`pin_guard`] | slowing sources that guess PINs |
//! | [`conference`] | [`conference::Focus`]: one active conference |
//! | [`caller`], [`roster`] | users and their endpoints |
//! | [`disconnect`], [`detail`] | why somebody left, and the record of it |
//! | [`c3p`], [`info`], [`xml`] | what clients that speak C3P and all subscribers send and get |
//! | [`output`] | actions, commands and events, as plain data |
//! | `shell` | one actor per active conference, and the directory that finds it |
//!
//! # MS-CONFBAS: what is not here, and why
//! Requirements are named `CB-nnn`, here and in tests.
//!
//! | row | why not |
//! |---|---|
//! | CB-001, CB-092 | transports and extended subscriptions are the SIP endpoint's |
//! | CB-002, CB-289 to CB-303 | Simple Join is the HTTP server's |
//! | CB-004, CB-058 | users prove who they are by digest, networks that are trusted stand for it; everybody else is anonymous, and where a PIN is asked does not join by C3P: there is no digest with the conference key |
//! | CB-039 | `Allow` names further methods: one endpoint serves phones and participants |
//! | CB-134, CB-135, CB-142 | mixers are in the process and report typed data, no documents with versions |
//! | CB-212, CB-268 to CB-271 | there is no data MCU |
//! | CB-220, CB-221, CB-224 | secrets are left out of getConference, whatever certificate comes: nothing here writes CMS |
//! | CB-225 | no phone numbers are configured |
//! | CB-245 | the mixer has no permissions to change |
//! | CB-247.7 to CB-247.9 | of these only modifyEndpointMedia is supported: streams are negotiated by SDP |
//! | CB-283.7 to CB-283.16 | of MCUs that are not there |
//! | CB-285 | there is no video; the dominant speaker is in the view |
//! | CB-288 | the mixer has no lock of its own: nobody reaches it but by the focus |
//!
//! The core is sans-IO: it is told the time, the events of the SIP endpoint and the reports of the
//! mixers, and says what is to be done. It does not know SDP, RTP or codecs: an offer is octets on
//! the way to the mixer, and an answer is octets on the way back. A further kind of mixer is one
//! more [`output::McuType`] and one more implementation of [`plenum_mcu::control::Mcu`].

pub mod access;
mod answer;
pub mod authorization;
pub mod c3p;
pub mod caller;
pub mod conference;
pub mod detail;
pub mod disconnect;
pub mod factory;
pub mod info;
mod joining;
pub mod keys;
pub mod limits;
pub mod metrics;
pub mod output;
mod per_source;
pub mod pin;
pub mod pin_guard;
pub mod policy;
pub mod record;
pub mod refusal;
pub mod roster;
mod session_description;
#[cfg(feature = "shell")]
pub mod shell;
mod signalled_digit;
pub mod store;
mod timer;
pub mod uri;
pub mod xml;

pub use per_source::Source;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    /// Some instant: where virtual time starts.
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin, from which tests count by themselves"
    )]
    pub(crate) fn instant() -> Instant {
        Instant::now()
    }
}
