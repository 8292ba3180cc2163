//! What a join URL says, before anybody knows whether it leads anywhere.

use crate::config::Authority;
use axum::http::{HeaderMap, Uri, header};
use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode,
};

/// A request for something at `/meet/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// `<user>` and `<conference-id>`, unescaped; `None` when the path has not this form.
    pub(super) conference: Option<(String, String)>,
    /// Whether the ocsmeet document is wanted rather than the page.
    pub(super) document: bool,
    /// Where the request was sent to, if it says so in a form that can stand in links.
    pub(super) authority: Option<Authority>,
    /// Path and query in printable ASCII.
    pub(super) target: String,
}

impl Link {
    /// Reads a request.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap) -> Self {
        let query = uri.query().unwrap_or_default();
        let (path, suffix) = match uri.path().strip_suffix(SUFFIX) {
            Some(path) => (path, true),
            None => (uri.path(), false),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Self {
            conference: conference(path),
            document: suffix || query.split('&').any(|one| one == "ocsmeet"),
            authority: authority(uri, headers),
            target: utf8_percent_encode(target, CONTROLS).to_string(),
        }
    }
}

/// The path of the ocsmeet document of a conference.
pub(super) fn document_path(user: &str, id: &str) -> String {
    let segment = |text| utf8_percent_encode(text, SEGMENT).to_string();
    format!("{PREFIX}{}/{}{SUFFIX}", segment(user), segment(id))
}

/// `/meet/<user>/<conference-id>` (CB-289), perhaps with a slash at its end.
fn conference(path: &str) -> Option<(String, String)> {
    let rest = path.strip_prefix(PREFIX)?;
    let (user, id) = rest.strip_suffix('/').unwrap_or(rest).split_once('/')?;
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8().ok()?;
        (!text.is_empty() && !text.contains('/')).then(|| decoded.into_owned())
    };
    Some((plain(user)?, plain(id)?))
}

/// An absolute request target counts more than Host.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let absolute = uri.authority().map(|authority| authority.as_str());
    let host = || headers.get(header::HOST)?.to_str().ok();
    Authority::parse(absolute.or_else(host)?)
}

pub(super) const PREFIX: &str = "/meet/";
const SUFFIX: &str = ".ocsmeet";
/// What a path segment need not escape.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Link {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "Conf.example.com:8060".parse().unwrap());
        Link::read(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn cb_289_the_form_of_links() {
        for (target, expect, document) in [
            ("/meet/bob/B0B", Some(("bob", "B0B")), false),
            ("/meet/bob/B0B/", Some(("bob", "B0B")), false),
            ("/meet/bob/B0B?sl=1", Some(("bob", "B0B")), false),
            ("/meet/bob/B0B?ocsmeet", Some(("bob", "B0B")), true),
            ("/meet/bob/B0B.ocsmeet?x", Some(("bob", "B0B")), true),
            ("/meet/bob/B0B?xocsmeet", Some(("bob", "B0B")), false),
            ("/meet/caf%C3%A9/a%2Fb", Some(("café", "a/b")), false),
            ("/meet/%FF/b", None, false),
            ("/meet/a/b/c", None, false),
            ("/meet/a//", None, false),
            ("/meet//b", None, false),
            ("/meet/a", None, false),
            ("/meet/", None, false),
        ] {
            let link = read(target);
            let expect = expect.map(|(user, id)| (user.to_owned(), id.to_owned()));
            assert_eq!(
                (link.conference, link.document),
                (expect, document),
                "{target}"
            );
            assert_eq!(link.target, target);
        }
        assert_eq!(read("/meet/a\"b/c").target, "/meet/a\"b/c");
    }

    #[test]
    fn where_it_was_sent_to() {
        let host = |link: Link| link.authority.map(|authority| authority.to_string());
        assert_eq!(
            host(read("/meet/a/b")).as_deref(),
            Some("conf.example.com:8060")
        );
        let absolute = "http://other.example/meet/a/b";
        assert_eq!(host(read(absolute)).as_deref(), Some("other.example"));
        assert_eq!(host(read("http://user@other.example/meet/a/b")), None);
    }

    #[test]
    fn the_path_of_a_document_is_read_back() {
        let (user, id) = ("o'l ga/ß", "x?.#%");
        let link = read(&document_path(user, id));
        assert_eq!(link.conference, Some((user.to_owned(), id.to_owned())));
        assert!(link.document);
    }
}
