//! Subscriptions: the event framework (RFC 6665), REFER's implicit subscription (RFC 3515) and best
//! effort notification ([MS-SIP] §3.4 and §3.5).
//!
//! What is here knows states and rules, but neither sockets nor tables: the endpoint drives it.
//!
//! | file | what it does |
//! |---|---|
//! | `command`, `report` | the words spoken with the transaction user |
//! | `notifier` | a subscription that we notify (RFC 6665 §4.2) |
//! | `delivery` | one NOTIFY after the other, and what its answer means (§4.2.2) |
//! | `subscriber` | a subscription of ours (§4.1) |
//! | `refer` | what REFER makes of it (RFC 3515, RFC 4488, RFC 7614) |
//!
//! # Dialogs
//!
//! A subscription made inside a call shares the call's dialog: From, To, Call-ID, both CSeq spaces,
//! routes and target are one (RFC 5057 §3). The call's usage holds the dialog. When the call ends
//! first, the dialog goes on without it as an `Alone`, which also holds the dialogs that a
//! SUBSCRIBE or REFER made. The last subscription of such a dialog ends it.
//!
//! *Invariant:* ending a usage of a dialog sends and ends nothing of another one, unless the
//! transaction user bound a subscription to a call.

pub mod command;
pub(crate) mod delivery;
pub(crate) mod notifier;
pub(crate) mod refer;
pub mod report;
pub(crate) mod subscriber;

use crate::dialog::Dialog;
use crate::endpoint::Contact;
use crate::id::{DialogId, InviteId, NotifierId, SubscriberId};
use crate::msg::{Event as EventField, Text};
use smallvec::SmallVec;

/// Who keeps a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The call whose INVITE made it.
    Invite(InviteId),
    /// Its subscriptions: there is no call, or no call any more.
    Alone(DialogId),
}

/// The subscriptions of one dialog.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) notifiers: SmallVec<[NotifierId; 1]>,
    pub(crate) subscribers: SmallVec<[SubscriberId; 1]>,
    /// A REFER was taken here: the next one has to be told apart by its `id` (RFC 3515 §2.4.6).
    pub(crate) referred: bool,
}

impl Members {
    /// Whether nobody needs the dialog.
    pub(crate) fn is_empty(&self) -> bool {
        self.notifiers.is_empty() && self.subscribers.is_empty()
    }
}

/// A dialog without a call.
#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) call_id: Text,
    pub(crate) local_tag: u64,
    /// `None`: our SUBSCRIBE or REFER is not answered, so that the other side is not known.
    pub(crate) dialog: Option<Dialog>,
    pub(crate) contact: Contact,
    pub(crate) members: Members,
}

/// Which subscription of a dialog it is: package and `id` (RFC 6665 §8.2.1, octet for octet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    package: Text,
    id: Option<Text>,
    /// A REFER's `id` may be left out by the other side (RFC 3515 §2.4.6).
    loose: bool,
}

impl Key {
    /// Out of an Event header field, with storage of its own.
    pub(crate) fn of(event: &EventField) -> Self {
        Self {
            package: event.package.detached(),
            id: event.id().map(|id| id.detached()),
            loose: false,
        }
    }

    /// That of the subscription a REFER with this CSeq makes (RFC 3515 §2.4.6).
    pub(crate) fn refer(seq: u32) -> Self {
        Self {
            package: Text::from_static(refer::PACKAGE),
            id: Some(Text::from(seq.to_string())),
            loose: true,
        }
    }

    /// Whether an Event header field names this subscription.
    pub(crate) fn is_named_by(&self, event: &EventField) -> bool {
        let id = event.id();
        self.package == event.package && (self.id == id || (self.loose && id.is_none()))
    }

    /// The Event header field that names it; `bare` leaves out the `id`.
    pub(crate) fn field(&self, bare: bool) -> Text {
        match &self.id {
            Some(id) if !bare => Text::from(format!("{};id={id}", self.package)),
            Some(_) | None => self.package.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &'static str) -> EventField {
        EventField::parse(&Text::from_static(text)).unwrap()
    }

    /// RFC 6665 §8.2.1: package and `id` are compared, octet for octet, other parameters are not.
    #[test]
    fn rfc6665_8_2_1_package_and_id_name_a_subscription() {
        let cases = [
            ("conference", "conference", true),
            ("conference;x=y", "conference;z", true),
            ("conference", "Conference", false),
            ("conference", "conference;id=1", false),
            ("conference;id=1", "conference;id=1", true),
            ("conference;id=a", "conference;id=A", false),
            ("conference;id=1", "conference", false),
            ("presence;id=1", "conference;id=1", false),
        ];
        for (one, other, same) in cases {
            let key = Key::of(&event(one));
            assert_eq!(key.is_named_by(&event(other)), same, "{one} {other}");
        }
        assert_eq!(
            Key::of(&event("conference;id=7;x")).field(false),
            "conference;id=7"
        );
    }

    /// RFC 3515 §2.4.6.
    #[test]
    fn rfc3515_2_4_6_the_id_of_a_refer_is_its_cseq_and_may_be_left_out() {
        let key = Key::refer(93809);
        for (name, same) in [
            ("refer", true),
            ("refer;id=93809", true),
            ("refer;id=93810", false),
            ("conference", false),
        ] {
            assert_eq!(key.is_named_by(&event(name)), same, "{name}");
        }
        assert_eq!(key.field(true), "refer");
        assert_eq!(key.field(false), "refer;id=93809");
    }
}
