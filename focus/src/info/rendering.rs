//! Document to octets, in two forms, once for all subscribers.

use super::write::write_content;
use super::{ConferenceInfo, Secrets, State};
use crate::xml::write::{DECLARATION, attribute, declare};
use crate::xml::{Fragment, Ns, Writer};
use bytes::Bytes;

/// In which words a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// With the extensions of MS-CONFBAS.
    Extended,
    /// RFC 4575 and nothing else.
    Standard,
}

/// A document as octets, all but its version: the version is each subscriber's own (CB-102),
/// everything else is made once and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendering {
    before: Bytes,
    after: Bytes,
}

impl Rendering {
    /// Renders a document; its own version is ignored.
    pub fn new(info: &ConferenceInfo, form: Form) -> Self {
        let mut writer = Writer::new(Ns::Ci);
        write_content(&mut writer, info, form, &Secrets::default());
        Self::of_content(&info.entity, info.state, &writer.into_fragment())
    }

    /// Puts the document element around its content.
    pub(super) fn of_content(entity: &str, state: State, content: &Fragment) -> Self {
        let mut before = String::with_capacity(1024);
        before.push_str(DECLARATION);
        before.push_str("<conference-info");
        declare(&mut before, Ns::Ci, content.used());
        attribute(&mut before, "entity", entity);
        attribute(&mut before, "state", state.as_str());
        before.push_str(" version=\"");
        let mut after = String::with_capacity(content.as_str().len() + 32);
        after.push_str("\">");
        after.push_str(content.as_str());
        after.push_str("</conference-info>");
        Self {
            before: before.into(),
            after: after.into(),
        }
    }

    /// The document for one subscriber.
    pub fn with_version(&self, version: u32) -> Bytes {
        let digits = version.to_string();
        let mut octets = Vec::with_capacity(self.before.len() + digits.len() + self.after.len());
        octets.extend_from_slice(&self.before);
        octets.extend_from_slice(digits.as_bytes());
        octets.extend_from_slice(&self.after);
        octets.into()
    }

    /// The document for one subscriber in parts that are shared, for transports that gather.
    pub fn parts(&self, version: u32) -> [Bytes; 3] {
        [
            self.before.clone(),
            version.to_string().into(),
            self.after.clone(),
        ]
    }
}
