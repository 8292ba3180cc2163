//! What a REGISTER asks for (RFC 3261 §10.3, RFC 5626 §6, RFC 3327 §5.3).

use super::binding::Binding;
use super::location::Limits;
use crate::endpoint::{Flow, Target};
use crate::msg::{Contacts, HeaderName, Headers, NameAddr, Request, Scheme, Text};
use crate::msg::{StatusCode, scan};
use thiserror::Error;

/// Why a REGISTER is not done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unacceptable {
    /// It cannot be read, or contradicts itself.
    #[error("{0}")]
    Malformed(&'static str),
    /// A binding was asked for a shorter time than this many seconds.
    #[error("a binding lasts at least {0} s here")]
    TooBrief(u32),
    /// A later REGISTER of the same Call-ID was there before.
    #[error("a later REGISTER came first")]
    OutOfOrder,
    /// The proxy it came through first does not support outbound (RFC 5626 §6).
    #[error("the first proxy does not support outbound")]
    NoOutbound,
    /// The user has too many bindings.
    #[error("more than {0} contacts for one address")]
    TooMany(usize),
    /// The registrar is full.
    #[error("the registrar is full")]
    Full,
}

impl Unacceptable {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooBrief(_) => StatusCode::INTERVAL_TOO_BRIEF,
            Self::OutOfOrder => StatusCode::SERVER_INTERNAL_ERROR,
            Self::NoOutbound => StatusCode::FIRST_HOP_LACKS_OUTBOUND,
            Self::TooMany(_) => StatusCode::FORBIDDEN,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The header fields of the answer.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        if let Self::TooBrief(least) = self {
            headers.push(HeaderName::MinExpires, least.to_string());
        }
        headers.push(HeaderName::Warning, format!("399 plenum \"{self}\""));
        headers
    }
}

/// What a REGISTER asks for.
#[derive(Debug)]
pub(super) enum Wish {
    /// To hear what is bound.
    Query,
    /// To end all bindings.
    Clear,
    /// To bind or end each of these; those with an end of 0 end.
    Bind(Vec<Binding>),
}

/// What all contacts of a REGISTER have in common.
struct Common {
    now: u64,
    call_id: String,
    cseq: u32,
    expires: Option<u32>,
    outbound: bool,
    path: Vec<NameAddr>,
    /// Set where the device itself sent it.
    flow: Option<Flow>,
}

pub(super) fn read(
    now: u64,
    request: &Request,
    from: &Flow,
    limits: &Limits,
) -> Result<Wish, Unacceptable> {
    let headers = &request.headers;
    let malformed = Unacceptable::Malformed;
    let common = common(now, request, from)?;
    let contacts = headers.contacts().map_err(|_| malformed("Bad Contact"))?;
    let list = match contacts {
        Contacts::Star if common.expires == Some(0) => return Ok(Wish::Clear),
        Contacts::Star => return Err(malformed("Contact: * Needs Expires: 0")),
        Contacts::List(list) if list.is_empty() => return Ok(Wish::Query),
        Contacts::List(list) => list,
    };
    if list.len() > limits.contacts_per_user {
        return Err(Unacceptable::TooMany(limits.contacts_per_user));
    }
    let bindings = list.iter().map(|contact| bind(contact, &common, limits));
    bindings.collect::<Result<_, _>>().map(Wish::Bind)
}

fn common(now: u64, request: &Request, from: &Flow) -> Result<Common, Unacceptable> {
    let malformed = Unacceptable::Malformed;
    let headers = &request.headers;
    let call_id = headers.call_id().map_err(|_| malformed("Bad Call-ID"))?;
    let cseq = headers.cseq().map_err(|_| malformed("Bad CSeq"))?;
    let expires = match headers.get(&HeaderName::Expires) {
        None => None,
        Some(text) => Some(seconds(text.as_bytes()).ok_or_else(|| malformed("Bad Expires"))?),
    };
    let path: Result<Vec<NameAddr>, _> = headers
        .get_all(&HeaderName::Path)
        .flat_map(|value| scan::Elements::of(value.as_bytes()))
        .map(|element| element.and_then(|element| NameAddr::parse(&Text::copy_from(element))))
        .collect();
    let path = path.map_err(|_| malformed("Bad Path"))?;
    let hops = headers.vias().map_or(1, |vias| vias.len());
    Ok(Common {
        now,
        call_id: call_id.to_string(),
        cseq: cseq.seq,
        expires,
        outbound: headers.supported().unwrap_or_default().has("outbound"),
        path,
        flow: (hops == 1).then_some(*from),
    })
}

fn bind(contact: &NameAddr, common: &Common, limits: &Limits) -> Result<Binding, Unacceptable> {
    let malformed = Unacceptable::Malformed;
    if !matches!(contact.uri.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(malformed("Contact Is Not a SIP URI"));
    }
    let instance = contact.params.get_unquoted("+sip.instance");
    let instance = instance.map(|text| text.trim_matches(['<', '>']).to_owned());
    if instance.as_ref().is_some_and(|text| text.len() > LONGEST) {
        return Err(malformed("Instance Too Long"));
    }
    let reg_id = match contact.params.get("reg-id") {
        Some(text) if common.outbound && instance.is_some() => {
            let number = scan::number(text.as_bytes()).ok().filter(|id| *id > 0);
            Some(number.ok_or_else(|| malformed("Bad reg-id"))?)
        }
        Some(_) | None => None,
    };
    // RFC 5626 §6: the first proxy says with `ob` in its Path that it keeps the flow.
    let keeps = |hop: &NameAddr| hop.uri.param("ob").is_some();
    if reg_id.is_some() && common.flow.is_none() && !common.path.last().is_some_and(keeps) {
        return Err(Unacceptable::NoOutbound);
    }
    let lasts = lasting(contact, common, limits)?;
    Ok(Binding {
        contact: contact.uri.detached(),
        instance,
        reg_id,
        q: quality(contact).ok_or_else(|| malformed("Bad q"))?,
        call_id: common.call_id.clone(),
        cseq: common.cseq,
        path: common.path.iter().map(NameAddr::detached).collect(),
        expires_at: if lasts == 0 {
            0
        } else {
            common.now.saturating_add(u64::from(lasts))
        },
        refreshed_at: common.now,
        flow: common.flow,
        source: common.flow.map(|flow| Target {
            transport: flow.transport,
            remote: flow.remote,
        }),
        temporary: 0,
    })
}

/// How long it is to last (RFC 3261 §10.3 step 7); 0 ends it.
fn lasting(contact: &NameAddr, common: &Common, limits: &Limits) -> Result<u32, Unacceptable> {
    // §20.19: a malformed value counts as 3600.
    let own = contact.params.get("expires");
    let own = own.map(|text| seconds(text.as_bytes()).unwrap_or(3600));
    let asked = own.or(common.expires).unwrap_or(limits.default_expires);
    if asked > 0 && asked < limits.min_expires {
        return Err(Unacceptable::TooBrief(limits.min_expires));
    }
    Ok(asked.min(limits.max_expires))
}

/// Digits; more than fit are as many as can be.
fn seconds(text: &[u8]) -> Option<u32> {
    let text = scan::trim(text);
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| scan::number(text).unwrap_or(u32::MAX))
}

/// `q` in thousandths (RFC 3261 §25.1 `qvalue`).
fn quality(contact: &NameAddr) -> Option<u16> {
    let Some(text) = contact.params.get("q") else {
        return Some(1000);
    };
    let text = text.to_str()?.trim().to_owned();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    if fraction.len() > 3 || !digits(fraction) || !matches!(whole, "0" | "1") {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    let q = if whole == "1" { 1000 } else { 0 } + thousandths;
    (q <= 1000).then_some(q)
}

/// Octets of an instance.
const LONGEST: usize = 255;
