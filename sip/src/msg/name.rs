//! Names of header fields.

use super::text::Text;
use std::fmt;

/// Known names with their compact form (RFC 3261 §7.3.3), and the lookup over them.
macro_rules! names {
    ($($variant:ident $long:literal $($compact:literal)?;)*) => {
        /// The name of a header field. Names match in either case; compact forms are the name they stand for.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "the names are the header fields")]
        pub enum HeaderName {
            $($variant,)*
            /// Any other, kept as it was spelled.
            Other(Text),
        }

        const KNOWN: &[(&str, HeaderName)] = &[
            $(($long, HeaderName::$variant), $(($compact, HeaderName::$variant),)?)*
        ];

        /// A number for each name, in the order above.
        #[derive(Clone, Copy)]
        enum Ordinal {
            $($variant,)*
        }

        impl HeaderName {
            /// A bit of its own for each known name, none for others: sets of names.
            pub(super) const fn bit(&self) -> u128 {
                match self {
                    $(Self::$variant => 1 << Ordinal::$variant as u32,)*
                    Self::Other(_) => 0,
                }
            }

            /// The name in its registered spelling, or as received where it is not known here.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Self::$variant => $long.as_bytes(),)*
                    Self::Other(name) => name.as_bytes(),
                }
            }
        }
    };
}

names! {
    Accept "Accept";
    AcceptContact "Accept-Contact" "a";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AllowEvents "Allow-Events" "u";
    AuthenticationInfo "Authentication-Info";
    Authorization "Authorization";
    CallId "Call-ID" "i";
    CallInfo "Call-Info";
    Contact "Contact" "m";
    ContentDisposition "Content-Disposition";
    ContentEncoding "Content-Encoding" "e";
    ContentId "Content-ID";
    ContentLanguage "Content-Language";
    ContentLength "Content-Length" "l";
    ContentTransferEncoding "Content-Transfer-Encoding";
    ContentType "Content-Type" "c";
    CSeq "CSeq";
    Date "Date";
    Diversion "Diversion";
    ErrorInfo "Error-Info";
    Event "Event" "o";
    Expires "Expires";
    From "From" "f";
    HistoryInfo "History-Info";
    Identity "Identity" "y";
    InReplyTo "In-Reply-To";
    InfoPackage "Info-Package";
    Join "Join";
    MaxForwards "Max-Forwards";
    MimeVersion "MIME-Version";
    MinExpires "Min-Expires";
    MinSe "Min-SE";
    Organization "Organization";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    Path "Path";
    Priority "Priority";
    Privacy "Privacy";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    RAck "RAck";
    Reason "Reason";
    RecordRoute "Record-Route";
    RecvInfo "Recv-Info";
    ReferSub "Refer-Sub";
    ReferTo "Refer-To" "r";
    ReferredBy "Referred-By" "b";
    RejectContact "Reject-Contact" "j";
    RemotePartyId "Remote-Party-ID";
    Replaces "Replaces";
    ReplyTo "Reply-To";
    RequestDisposition "Request-Disposition" "d";
    Require "Require";
    RetryAfter "Retry-After";
    Route "Route";
    RSeq "RSeq";
    Server "Server";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" "x";
    SipEtag "SIP-ETag";
    SipIfMatch "SIP-If-Match";
    Subject "Subject" "s";
    SubscriptionState "Subscription-State";
    Supported "Supported" "k";
    Timestamp "Timestamp";
    To "To" "t";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    Via "Via" "v";
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

impl HeaderName {
    /// The name for these octets, whichever case or form they have.
    #[must_use]
    pub fn from_bytes(name: &[u8]) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(Text::copy_from(name)))
    }

    /// A name this crate gives no meaning to.
    #[must_use]
    pub fn from_static(name: &'static str) -> Self {
        Self::known(name.as_bytes()).unwrap_or(Self::Other(Text::from_static(name)))
    }

    /// As [`HeaderName::from_bytes`], sharing the storage of `whole`, of which `name` is a part.
    pub(crate) fn from_part(whole: &Text, name: &[u8]) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(whole.slice_of(name)))
    }

    /// The name as text; it is a token and therefore ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn known(name: &[u8]) -> Option<Self> {
        let mut slot = slot_of(name);
        loop {
            let (long, known) = KNOWN.get(usize::from(*SLOTS.get(slot)?).checked_sub(1)?)?;
            if long.as_bytes().eq_ignore_ascii_case(name) {
                return Some(known.clone());
            }
            slot = (slot + 1) & (SLOTS.len() - 1);
        }
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.as_bytes().eq_ignore_ascii_case(b.as_bytes()),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for HeaderName {}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Open addressing over `KNOWN`, laid out at compile time: 0 is empty, n is entry n − 1.
const SLOTS: [u8; 512] = lay_out();

/// Where the search for a name starts. Letters count the same in either case.
const fn slot_of(name: &[u8]) -> usize {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 0;
    };
    let (_, back) = name.split_at(name.len() / 2);
    let middle = match back.first() {
        Some(octet) => *octet,
        None => 0,
    };
    let mut hash = name.len();
    hash = hash * 37 + (*first | 0x20) as usize;
    hash = hash * 37 + (middle | 0x20) as usize;
    hash = hash * 37 + (*last | 0x20) as usize;
    hash & 511
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs at compile time, where a mistake is a compile error; there are fewer than 255 names"
)]
const fn lay_out() -> [u8; 512] {
    let mut slots = [0; 512];
    let mut entry = 0;
    while entry < KNOWN.len() {
        let mut slot = slot_of(KNOWN[entry].0.as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) & 511;
        }
        slots[slot] = entry as u8 + 1;
        entry += 1;
    }
    slots
}
