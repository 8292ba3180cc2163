//! One binding (RFC 3261 §10.3, RFC 5626 §6).

use crate::endpoint::{Flow, Target};
use crate::msg::{NameAddr, Uri};

/// A contact at which an address of record is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The contact's URI.
    pub contact: Uri,
    /// The device, from `+sip.instance`, without quotes and angle brackets.
    pub instance: Option<String>,
    /// Which of its flows, where it registers with outbound (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// Preference in thousandths, 1000 where nothing was said.
    pub q: u16,
    /// The Call-ID of the REGISTER.
    pub call_id: String,
    /// The CSeq number of the REGISTER.
    pub cseq: u32,
    /// The proxies on the way to it (RFC 3327), the next first.
    pub path: Vec<NameAddr>,
    /// When it ends, in seconds since 1970.
    pub expires_at: u64,
    /// When it was last refreshed, in seconds since 1970.
    pub refreshed_at: u64,
    /// The living flow on which the device itself sent the REGISTER.
    pub flow: Option<Flow>,
    /// Where the REGISTER came from, if it came from the device itself.
    pub source: Option<Target>,
    /// What its temporary GRUUs are made from.
    pub temporary: u64,
}

/// What makes two bindings of one address of record the same (RFC 3261 §10.2.4, RFC 5626 §6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingKey(String);

impl BindingKey {
    /// From text that [`Self::as_str`] gave.
    #[must_use]
    pub fn from_kept(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As text, to be kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Binding {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> BindingKey {
        BindingKey(match (&self.instance, self.reg_id) {
            (Some(instance), Some(reg_id)) => format!("flow {instance} {reg_id}"),
            (Some(_) | None, _) => format!("contact {}", self.contact),
        })
    }

    /// Whether a contact of a new REGISTER is this binding.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        match (self.reg_id, other.reg_id) {
            (Some(one), Some(two)) => one == two && self.instance == other.instance,
            (None, None) => self.contact.equivalent(&other.contact),
            // RFC 5626 §6: a device that has learned outbound replaces what it was bound to before.
            (None, Some(_)) | (Some(_), None) => {
                self.instance.is_some() && self.instance == other.instance
            }
        }
    }

    /// Whether only a flow that is gone leads to it: a stream the device had opened with outbound.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let stream = self
            .source
            .is_some_and(|source| source.transport.is_reliable());
        self.flow.is_none() && self.path.is_empty() && self.reg_id.is_some() && stream
    }
}
