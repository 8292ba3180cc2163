//! The parts of the comparison of RFC 3261 §19.1.4.

use crate::msg::params::Params;
use crate::msg::scan;
use crate::msg::text::Text;

/// User and password: the same octets once escapes are resolved.
pub(super) fn escaped(a: Option<&Text>, b: Option<&Text>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => scan::unescape(a.as_bytes()) == scan::unescape(b.as_bytes()),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// §19.1.4: a parameter in both must match; `user`, `ttl`, `method`, `maddr` and (by erratum and
/// RFC 3263) `transport` in only one of them never match.
pub(super) fn params(a: &Params, b: &Params) -> bool {
    const DECISIVE: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];
    let both_match = a.iter().all(|param| {
        let Ok(name) = std::str::from_utf8(param.name) else {
            return true;
        };
        b.get(name).is_none_or(|value| {
            let ours = scan::unescape(param.value.unwrap_or_default());
            ours.eq_ignore_ascii_case(&scan::unescape(value.as_bytes()))
        })
    });
    both_match && DECISIVE.iter().all(|name| a.has(name) == b.has(name))
}

/// §19.1.4: header components are never ignored; their order does not matter.
pub(super) fn headers(a: Option<&Text>, b: Option<&Text>) -> bool {
    let sorted = |text: Option<&Text>| {
        let octets = text.map(Text::as_bytes).unwrap_or_default();
        let mut list: Vec<Vec<u8>> = octets
            .split(|&octet| octet == b'&')
            .map(|pair| scan::unescape(pair).to_ascii_lowercase())
            .collect();
        list.sort();
        list
    };
    sorted(a) == sorted(b)
}
