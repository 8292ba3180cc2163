//! Typed views of header values. Each reads its field when asked, and only then.
//!
//! | file | fields |
//! |---|---|
//! | `address` | From, To, Contact, Route, Record-Route, Refer-To, Referred-By, P-Asserted-Identity, Remote-Party-ID |
//! | `via` | Via |
//! | `sequence` | CSeq, RSeq, RAck, Max-Forwards and other numbers |
//! | `tokens` | Require, Supported, Unsupported, Proxy-Require, Allow, Allow-Events, Privacy |
//! | `media` | Content-Type, Content-Disposition, Accept |
//! | `session` | Session-Expires, Min-SE, Replaces |
//! | `event` | Event, Subscription-State |
//! | `notice` | Retry-After, Reason, Warning, Date |
//! | `auth` | WWW-/Proxy-Authenticate, (Proxy-)Authorization |

mod address;
mod auth;
mod event;
mod media;
mod notice;
mod sequence;
mod session;
mod tokens;
mod via;

pub use address::{Contacts, NameAddr};
pub use auth::AuthParams;
pub use event::{Event, SubscriptionState};
pub use media::{Disposition, MediaType};
pub use notice::{Date, Reason, RetryAfter, Warning};
pub use sequence::{CSeq, RAck};
pub use session::{Refresher, Replaces, SessionExpires};
pub use tokens::Tokens;
pub use via::Via;

pub(super) use address::AddressRef;
pub(super) use via::HopRef;

use super::header::{HeaderError, Headers, MISSING};
use super::name::HeaderName;
use super::scan;
use super::text::Text;
use smallvec::SmallVec;

/// Values that are ASCII or UTF-8 whatever they hold become texts as they are displayed.
macro_rules! printed {
    ($($typed:ty)*) => {
        $(impl From<$typed> for Text {
            fn from(value: $typed) -> Self {
                Self::from(value.to_string())
            }
        })*
    };
}

printed! {
    AuthParams CSeq Date Disposition Event MediaType RAck Reason Replaces RetryAfter SessionExpires
    SubscriptionState Tokens Warning
}

impl Headers {
    /// The value of a field that may stand only once; `None` if it is absent.
    fn one<T>(
        &self,
        name: HeaderName,
        read: impl FnOnce(&Text) -> Result<T, scan::Reason>,
    ) -> Result<Option<T>, HeaderError> {
        match self.get(&name) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .map_err(|reason| HeaderError::new(name, reason)),
        }
    }

    /// The value of a mandatory field.
    fn must<T>(
        &self,
        name: HeaderName,
        read: impl FnOnce(&Text) -> Result<T, scan::Reason>,
    ) -> Result<T, HeaderError> {
        let value = self
            .get(&name)
            .ok_or_else(|| HeaderError::new(name.clone(), MISSING))?;
        read(value).map_err(|reason| HeaderError::new(name, reason))
    }

    /// The elements of a comma-separated field, over all fields of the name (RFC 3261 §7.3.1).
    /// Empty elements are skipped where `gaps` says so, as the `#rule` of old allowed.
    fn list<T, const N: usize>(
        &self,
        name: &HeaderName,
        gaps: bool,
        read: impl Fn(&Text) -> Result<T, scan::Reason>,
    ) -> Result<SmallVec<[T; N]>, HeaderError>
    where
        [T; N]: smallvec::Array<Item = T>,
    {
        let mut list = SmallVec::new();
        for value in self.get_all(name) {
            for element in scan::Elements::of(value.as_bytes()) {
                let item = element.and_then(|element| match element {
                    [] if gaps => Ok(None),
                    [] => Err(EMPTY_ELEMENT),
                    _ => read(&value.slice_of(element)).map(Some),
                });
                list.extend(item.map_err(|reason| HeaderError::new(name.clone(), reason))?);
            }
        }
        Ok(list)
    }
}

/// Between two commas, or before or after one, where an element must be.
pub(super) const EMPTY_ELEMENT: scan::Reason = "Empty List Element";
