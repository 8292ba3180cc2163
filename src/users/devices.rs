//! What is known of those we call: whether the devices of users are browsers, telephones or both, and what is agreed on
//! about the media of users and trunks. The focus asks before it makes an offer.

use crate::trunk::view::Shown;
use plenum_focus::policy;
use plenum_focus::store::{User, Users};
use plenum_mcu::control::{MediaTerms, Offers};
use plenum_sip::msg::Uri;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    /// Those who have a browser among their devices, by address of record. As the registrar has them.
    kinds: Mutex<BTreeMap<String, Offers>>,
    users: Mutex<Arc<Users>>,
    trunks: Shown,
}

impl Devices {
    /// Those of the users that will come, and these trunks.
    pub(crate) fn new(trunks: Shown) -> Self {
        Self {
            trunks,
            ..Self::default()
        }
    }

    /// The users are these now.
    pub(super) fn handle_users(&self, users: &Arc<Users>) {
        *self.users.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(users);
    }

    /// The devices of a user are others now.
    pub(super) fn handle_changed<'c>(&self, aor: &str, contacts: impl Iterator<Item = &'c Uri>) {
        let kinds = contacts.map(policy::is_browser);
        let (browsers, phones): (Vec<bool>, Vec<bool>) = kinds.partition(|browser| *browser);
        let offers = match (browsers.is_empty(), phones.is_empty()) {
            (true, _) => None,
            (false, true) => Some(Offers::Browser),
            (false, false) => Some(Offers::Either),
        };
        let mut known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        match offers {
            Some(offers) => drop(known.insert(aor.to_owned(), offers)),
            None => drop(known.remove(aor)),
        }
    }
}

impl policy::Devices for Devices {
    fn of(&self, uri: &Uri) -> Offers {
        let known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&aor(uri)).copied().unwrap_or_default()
    }

    fn terms(&self, uri: &Uri) -> MediaTerms {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let user = users.find_aor(&aor(uri)).map(User::terms);
        drop(users);
        user.or_else(|| self.trunks.terms(uri)).unwrap_or_default()
    }
}

fn aor(uri: &Uri) -> String {
    let domain = super::gate::domain(uri);
    format!("sip:{}@{domain}", uri.user_decoded())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plenum_focus::policy::Devices as _;

    fn uri(text: &str) -> Uri {
        Uri::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn rfc7118_devices_behind_websockets_are_browsers() {
        let devices = Devices::default();
        let jane = uri("sip:jane@Example.com");
        let desk = uri("sip:jane@192.0.2.7:5060");
        let page = uri("sip:x7k2@9p3.invalid;transport=ws");
        let offers = |contacts: &[&Uri]| {
            devices.handle_changed("sip:jane@example.com", contacts.iter().copied());
            devices.of(&jane)
        };
        assert_eq!(offers(&[&desk]), Offers::Phone);
        assert_eq!(offers(&[&page]), Offers::Browser);
        assert_eq!(offers(&[&page, &desk]), Offers::Either);
        assert_eq!(offers(&[]), Offers::Phone);
        assert_eq!(devices.of(&uri("sip:joe@example.com")), Offers::Phone);
    }
}
