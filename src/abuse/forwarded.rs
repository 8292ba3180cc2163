//! Whom a web server before ours says that it asks for: `X-Forwarded-For`, or `Forwarded` (RFC 7239), as the
//! configuration says which one it writes. The other one may be the client's own and says nothing.

use crate::config::ForwardedBy;
use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// The addresses, the nearest first; `None` for one that cannot be read, or is hidden (RFC 7239 §6).
pub(super) fn addresses(by: ForwardedBy, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let name = match by {
        ForwardedBy::XForwardedFor => "x-forwarded-for",
        ForwardedBy::Forwarded => "forwarded",
    };
    let fields = headers.get_all(name).into_iter();
    let fields: Vec<&str> = fields.map(|one| one.to_str().unwrap_or("?")).collect();
    let mut found = Vec::new();
    for field in fields {
        match by {
            ForwardedBy::XForwardedFor => found.extend(field.split(',').map(node)),
            ForwardedBy::Forwarded => {
                let elements = parts(field, ',').into_iter();
                found.extend(elements.map(|element| parameter(element).and_then(node)));
            }
        }
    }
    found.reverse();
    found
}

/// The value of `for` in one element.
fn parameter(element: &str) -> Option<&str> {
    parts(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let ours = name.trim().eq_ignore_ascii_case("for");
        ours.then(|| value.trim().trim_matches('"'))
    })
}

/// An address, perhaps with a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let found = bare.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    found.map(|ip| ip.to_canonical())
}

/// A text at its separators outside of quotes; no quoted pair is in what is read here (RFC 7239 §4).
fn parts(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(by: ForwardedBy, lines: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let shown = |one: Option<IpAddr>| one.map_or_else(|| "?".to_owned(), |ip| ip.to_string());
        addresses(by, &headers).into_iter().map(shown).collect()
    }

    #[test]
    fn rfc7239_4_elements_of_forwarded_the_last_first() {
        let by = ForwardedBy::Forwarded;
        let one = [("forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43")];
        assert_eq!(read(by, &one), ["192.0.2.60"]);
        let several = [
            (
                "forwarded",
                "for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\"",
            ),
            ("forwarded", "proto=https; for=\"198.51.100.17:80\""),
        ];
        let expect = ["198.51.100.17", "2001:db8:cafe::17", "192.0.2.43"];
        assert_eq!(read(by, &several), expect);
        for hidden in [
            "for=unknown",
            "for=_secret",
            "proto=http",
            "for=\"a,b\"",
            "",
        ] {
            assert_eq!(read(by, &[("forwarded", hidden)]), ["?"], "{hidden}");
        }
    }

    #[test]
    fn only_the_header_that_is_configured_says_anything() {
        let both = [
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2, [2001:db8::3]"),
        ];
        assert_eq!(read(ForwardedBy::Forwarded, &both), ["192.0.2.1"]);
        let expect = ["2001:db8::3", "192.0.2.2"];
        assert_eq!(read(ForwardedBy::XForwardedFor, &both), expect);
    }
}
