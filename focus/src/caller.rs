//! Who is at the other end of a call, as far as we know (RFC 3261 §20.20, RFC 3325).

use crate::access::{Identity, Subject};
use crate::policy::Policy;
use plenum_mcu::control::MediaTerms;
use plenum_sip::endpoint::Flow;
use plenum_sip::msg::{Headers, Host, NameAddr, Request, Uri};
use std::net::{IpAddr, Ipv6Addr};

/// What somebody says of a caller who knows better than its own header fields: a trunk it came
/// through, or the gate that asked it for its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The address of record, `sip:user@host`; `None` for somebody who does not want to say.
    pub aor: Option<String>,
    /// The display name.
    pub display: Option<String>,
    /// Who they are to policy.
    pub identity: Identity,
    /// Whether the aor can be believed.
    pub trusted: bool,
    /// A telephone behind a gateway.
    pub phone: bool,
    /// Whether they have proved to know the key of the conference (MS-CONFBAS CB-058).
    pub key: bool,
    /// What is agreed on about media with them.
    pub media: MediaTerms,
}

/// Who is at the other end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of record, `sip:user@host`; `None` for somebody who does not want to say.
    pub aor: Option<String>,
    /// The display name.
    pub display: Option<String>,
    /// Where the signalling came from; `None` for somebody we call.
    pub source: Option<IpAddr>,
    /// Our address the signalling came to; an unspecified one says its family and no more.
    pub reached_at: Option<IpAddr>,
    /// Whether the aor can be believed.
    pub trusted: bool,
    /// Who they are to policy.
    pub identity: Identity,
    /// A phone behind a gateway that is trusted (RFC 3261 §19.1.1, `user=phone`).
    pub phone: bool,
    /// Whether they have proved to know the key of the conference (MS-CONFBAS CB-058).
    pub key: bool,
    /// What is agreed on about media, as far as somebody has vouched for it.
    pub media: MediaTerms,
    /// What is called; `None` for somebody who calls.
    pub uri: Option<Uri>,
}

impl Peer {
    /// Who sent this request over this flow: whom somebody has `vouched` for, else who it claims to
    /// be.
    pub fn of_request(
        request: &Request,
        flow: &Flow,
        policy: &Policy,
        vouched: Option<&Vouched>,
    ) -> Self {
        if let Some(vouched) = vouched {
            return Self {
                aor: vouched.aor.clone().map(short),
                display: vouched.display.clone().map(short),
                source: Some(flow.remote.ip().to_canonical()),
                reached_at: reached_at(flow),
                trusted: vouched.trusted,
                identity: vouched.identity,
                phone: vouched.phone,
                key: vouched.key,
                media: vouched.media.clone(),
                uri: None,
            };
        }
        Self::claimed(request, flow, policy, policy.trusts(flow))
    }

    /// Who this request over this flow claims to be from. `P-Asserted-Identity` counts where its
    /// sender is `trusted` (RFC 3325 §8); elsewhere the identity is what `From` claims.
    pub fn claimed(request: &Request, flow: &Flow, policy: &Policy, trusted: bool) -> Self {
        let address = asserted(&request.headers)
            .or_else(|| remote_party(&request.headers))
            .filter(|_| trusted)
            .or_else(|| request.headers.from().ok());
        let anonymous = request
            .headers
            .privacy()
            .is_ok_and(|privacy| privacy.has("id"))
            || (trusted && is_private(&request.headers));
        let address = address.filter(|address| !anonymous && !is_anonymous(&address.uri));
        let uri = address.as_ref().map(|address| &address.uri);
        Self {
            identity: identity(uri, trusted, flow, policy),
            phone: trusted && uri.is_some_and(is_phone),
            aor: uri.map(aor),
            display: address.and_then(|address| address.display).map(short),
            source: Some(flow.remote.ip().to_canonical()),
            reached_at: reached_at(flow),
            trusted,
            key: false,
            media: MediaTerms::default(),
            uri: None,
        }
    }

    /// Somebody the focus calls.
    pub fn called(uri: Uri) -> Self {
        Self {
            aor: Some(aor(&uri)),
            display: None,
            source: None,
            reached_at: matches!(uri.host, Host::V6(_)).then_some(Ipv6Addr::UNSPECIFIED.into()),
            trusted: true,
            identity: Identity::Anonymous,
            phone: is_phone(&uri),
            key: false,
            media: MediaTerms::default(),
            uri: Some(uri),
        }
    }

    /// Who this is to the policy of a conference.
    pub(crate) fn subject(&self, founder: bool) -> Subject<'_> {
        Subject {
            aor: self.aor.as_deref(),
            identity: self.identity,
            phone: self.phone,
            founder,
        }
    }
}

fn reached_at(flow: &Flow) -> Option<IpAddr> {
    Some(flow.local.ip().to_canonical()).filter(|ip| !ip.is_unspecified())
}

/// `sip:user@host`, the host in lower case, without port and parameters: a user is the same user
/// on every one of their devices.
pub(crate) fn aor(uri: &Uri) -> String {
    let mut uri = uri.without_params();
    uri.port = None;
    uri.password = None;
    let user = uri.user_decoded();
    let host = uri.host.to_string().to_ascii_lowercase();
    let text = if user.is_empty() {
        format!("sip:{host}")
    } else {
        format!("sip:{user}@{host}")
    };
    short(text)
}

/// An address of record as a URI of documents: its user part is escaped where RFC 3261 §25.1
/// demands it.
pub(crate) fn entity(aor: &str) -> String {
    let bare = aor.strip_prefix("sip:").unwrap_or(aor);
    let Some((user, host)) = bare.rsplit_once('@') else {
        return aor.to_owned();
    };
    let mut entity = String::with_capacity(aor.len());
    entity.push_str("sip:");
    for octet in user.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet) {
            entity.push(char::from(octet));
        } else {
            entity.push_str(&format!("%{octet:02X}"));
        }
    }
    entity.push('@');
    entity.push_str(host);
    entity
}

fn asserted(headers: &Headers) -> Option<NameAddr> {
    headers
        .p_asserted_identity()
        .ok()?
        .into_iter()
        .find(|address| address.uri.is_sip())
}

/// What devices and proxies said before there was P-Asserted-Identity.
fn remote_party(headers: &Headers) -> Option<NameAddr> {
    let all = headers.remote_party_id().ok()?;
    all.into_iter().find(|address| {
        let party = address.params.get("party");
        address.uri.is_sip() && party.is_none_or(|party| party.eq_ignore_case("calling"))
    })
}

/// Remote-Party-ID's own way to ask for privacy.
fn is_private(headers: &Headers) -> bool {
    let privacy = remote_party(headers).and_then(|address| address.params.get("privacy"));
    privacy.is_some_and(|privacy| !privacy.eq_ignore_case("off"))
}

/// RFC 3323 §4.1.1.3, RFC 3261 §8.1.1.3. Another user part of that domain is a name somebody
/// chose for this one conference (MS-SIPAE §3.2.4.3).
fn is_anonymous(uri: &Uri) -> bool {
    is_nowhere(uri) && uri.user_decoded().eq_ignore_ascii_case("anonymous")
}

fn is_nowhere(uri: &Uri) -> bool {
    let host = uri.host.to_string();
    host.eq_ignore_ascii_case("anonymous.invalid")
}

/// CB-056: on networks that are trusted, a user of our domains or of another one.
fn identity(uri: Option<&Uri>, trusted: bool, flow: &Flow, policy: &Policy) -> Identity {
    match uri.filter(|uri| trusted && !is_nowhere(uri)) {
        Some(uri) if policy.domains.contain(&uri.host, flow.local.ip()) => Identity::Enterprise,
        Some(_) => Identity::Federated,
        None => Identity::Anonymous,
    }
}

fn is_phone(uri: &Uri) -> bool {
    let user = uri.user_decoded();
    let number = user.strip_prefix('+').unwrap_or_default();
    let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    digits
        || uri
            .param("user")
            .is_some_and(|user| user.eq_ignore_case("phone"))
}

/// What is shown to others and kept has a bound, whatever a message may carry.
pub(crate) fn short(text: String) -> String {
    if text.chars().count() <= MOST {
        text
    } else {
        text.chars().take(MOST).collect()
    }
}

const MOST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_25_1_entities_are_uris() {
        for (aor, uri) in [
            ("sip:bob@example.com", "sip:bob@example.com"),
            ("sip:bob b@example.com", "sip:bob%20b@example.com"),
            ("sip:é%@example.com", "sip:%C3%A9%25@example.com"),
            ("sip:a@b@[2001:db8::1]", "sip:a%40b@[2001:db8::1]"),
            ("sip:example.com", "sip:example.com"),
        ] {
            assert_eq!(entity(aor), uri);
            assert_eq!(super::aor(&uri.parse().unwrap()), aor);
        }
    }
}
