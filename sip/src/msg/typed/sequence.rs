//! Numbers and what counts with them: CSeq, RSeq, RAck, Max-Forwards, lifetimes.

use crate::msg::header::{HeaderError, Headers};
use crate::msg::method::Method;
use crate::msg::name::HeaderName;
use crate::msg::scan::{self, Reason};
use crate::msg::text::Text;
use std::fmt;

/// CSeq (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2³¹ (RFC 3261 §8.1.1.5).
    pub seq: u32,
    /// The method of the request it numbers.
    pub method: Method,
}

/// RAck (RFC 3262 §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of the response it acknowledges.
    pub rseq: u32,
    /// The CSeq number of the response.
    pub seq: u32,
    /// The CSeq method of the response.
    pub method: Method,
}

impl CSeq {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (seq, rest) = split_space(scan::trim(text.as_bytes()));
        let seq = scan::number(seq)?;
        if seq >= 1 << 31 {
            return Err("Number Out of Range");
        }
        Ok(Self {
            seq,
            method: Method::from_part(text, rest).ok_or("Bad Method")?,
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

impl RAck {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (rseq, rest) = split_space(scan::trim(text.as_bytes()));
        let (seq, method) = split_space(rest);
        Ok(Self {
            rseq: scan::number(rseq)?,
            seq: scan::number(seq)?,
            method: Method::from_part(text, method).ok_or("Bad Method")?,
        })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.seq, self.method)
    }
}

impl Headers {
    /// CSeq.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.must(HeaderName::CSeq, CSeq::parse)
    }

    /// Call-ID (RFC 3261 §20.8), compared octet for octet.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn call_id(&self) -> Result<Text, HeaderError> {
        self.must(HeaderName::CallId, |value| {
            let octets = value.as_bytes();
            if octets.is_empty() {
                return Err(crate::msg::header::MISSING);
            }
            if octets.iter().any(|&octet| scan::is_space(octet)) {
                return Err("White Space");
            }
            Ok(value.clone())
        })
    }

    /// Max-Forwards (RFC 3261 §20.22).
    ///
    /// # Errors
    /// Malformed, or above 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.one(HeaderName::MaxForwards, |value| {
            u8::try_from(scan::number(value.as_bytes())?).map_err(|_| "Number Out of Range")
        })
    }

    /// Content-Length (RFC 3261 §20.14).
    ///
    /// # Errors
    /// Malformed, negative or out of range.
    pub fn content_length(&self) -> Result<Option<u32>, HeaderError> {
        self.one(HeaderName::ContentLength, |value| {
            scan::number(value.as_bytes())
        })
    }

    /// Expires (RFC 3261 §20.19), in seconds. What is beyond 32 bits is as long as can be said.
    ///
    /// # Errors
    /// Malformed.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.one(HeaderName::Expires, |value| delta_seconds(value.as_bytes()))
    }

    /// Min-Expires (RFC 3261 §20.23), in seconds.
    ///
    /// # Errors
    /// Malformed.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.one(HeaderName::MinExpires, |value| {
            delta_seconds(value.as_bytes())
        })
    }

    /// RSeq (RFC 3262 §7.1), 1 to 2³² − 1.
    ///
    /// # Errors
    /// Malformed.
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.one(HeaderName::RSeq, |value| scan::number(value.as_bytes()))
    }

    /// RAck, mandatory in PRACK.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn rack(&self) -> Result<RAck, HeaderError> {
        self.must(HeaderName::RAck, RAck::parse)
    }
}

/// `1*DIGIT` seconds; more than 2³² − 1 counts as that (RFC 3261 §20.19 allows no more).
pub(super) fn delta_seconds(text: &[u8]) -> Result<u32, Reason> {
    match scan::number(text) {
        Err(_) if !text.is_empty() && text.iter().all(u8::is_ascii_digit) => Ok(u32::MAX),
        result => result,
    }
}

/// What stands before the first white space, and what stands after it.
pub(super) fn split_space(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|&octet| scan::is_space(octet))
        .unwrap_or(text.len());
    let (before, after) = text.split_at(end);
    (before, scan::trim_start(after))
}
