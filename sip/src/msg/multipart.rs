//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

use super::header::Headers;
use super::message::Message;
use super::name::HeaderName;
use super::scan;
use super::text::Text;
use super::typed::MediaType;
use bytes::Bytes;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its header fields; `Content-Type` may be missing, which means `text/plain`.
    pub headers: Headers,
    /// Its octets.
    pub body: Bytes,
}

/// What is wrong with a multipart body: 400 to who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The media type names no boundary.
    #[error("Missing Multipart Boundary")]
    Boundary,
    /// The body lacks its first or last boundary line.
    #[error("Unterminated Multipart Body")]
    Unterminated,
    /// More parts than anybody needs.
    #[error("Too Many Body Parts")]
    TooMany,
    /// A part nested deeper than anybody needs.
    #[error("Multipart Body Nested Too Deeply")]
    TooDeep,
}

/// Parts of one body, and levels of parts within parts.
const MAX_PARTS: usize = 16;
const MAX_DEPTH: usize = 4;

/// The parts of a `multipart/*` body, sharing its storage.
///
/// # Errors
/// What is wrong with it.
pub fn parse(body: &Bytes, media: &MediaType) -> Result<Vec<Part>, MultipartError> {
    let boundary = media
        .params
        .get_unquoted("boundary")
        .ok_or(MultipartError::Boundary)?;
    if boundary.is_empty() || boundary.len() > 70 {
        return Err(MultipartError::Boundary);
    }
    let whole = Text::from(body.clone());
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut parts = Vec::new();
    let opening = next_delimiter(whole.as_bytes(), &delimiter);
    let Some((_, false, mut rest)) = opening else {
        return Err(MultipartError::Unterminated);
    };
    loop {
        let (part, last, after) =
            next_delimiter(rest, &delimiter).ok_or(MultipartError::Unterminated)?;
        if parts.len() == MAX_PARTS {
            return Err(MultipartError::TooMany);
        }
        parts.push(read_part(&whole, part));
        if last {
            return Ok(parts);
        }
        rest = after;
    }
}

/// The first part of this type, looking into parts within parts; of a body of that type, the body.
///
/// # Errors
/// What is wrong with a multipart body.
pub fn find(
    body: &Bytes,
    media: &MediaType,
    kind: &str,
    subtype: &str,
) -> Result<Option<Part>, MultipartError> {
    find_within(body, media, kind, subtype, MAX_DEPTH)
}

impl Message {
    /// The body of this type: the whole body, or the first such part of a multipart body.
    ///
    /// # Errors
    /// What is wrong with a multipart body.
    pub fn find_body(&self, kind: &str, subtype: &str) -> Result<Option<Part>, MultipartError> {
        match self.headers().content_type() {
            Ok(Some(media)) if !self.body().is_empty() => find(self.body(), &media, kind, subtype),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

fn find_within(
    body: &Bytes,
    media: &MediaType,
    kind: &str,
    subtype: &str,
    depth: usize,
) -> Result<Option<Part>, MultipartError> {
    if media.is(kind, subtype) {
        return Ok(Some(Part {
            headers: Headers::new(),
            body: body.clone(),
        }));
    }
    if !media.kind.eq_ignore_case("multipart") {
        return Ok(None);
    }
    let depth = depth.checked_sub(1).ok_or(MultipartError::TooDeep)?;
    for part in parse(body, media)? {
        let Ok(Some(inner)) = part.headers.content_type() else {
            continue;
        };
        if inner.is(kind, subtype) {
            return Ok(Some(part));
        }
        if let Some(found) = find_within(&part.body, &inner, kind, subtype, depth)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What stands before the next boundary line, whether that is the last, and what follows its line.
/// The CRLF before a boundary line belongs to the boundary (RFC 2046 §5.1.1).
fn next_delimiter<'a>(octets: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], bool, &'a [u8])> {
    let mut from = 0;
    loop {
        let (at, rest) = find_line_start(octets, from, delimiter)?;
        from = at + 1;
        let (closing, tail) = match rest.strip_prefix(b"--") {
            Some(tail) => (true, tail),
            None => (false, rest),
        };
        let end = memchr::memchr(b'\n', tail).map_or(tail.len(), |end| end + 1);
        let (line, after) = tail.split_at(end);
        let padding = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
        if !line.iter().all(padding) || (!closing && line.is_empty()) {
            continue;
        }
        let before = octets.split_at(at).0;
        return Some((
            before.strip_suffix(b"\r\n").unwrap_or(before),
            closing,
            after,
        ));
    }
}

/// The next place at or after `from` where a line starts with the delimiter, and what follows it.
fn find_line_start<'a>(
    octets: &'a [u8],
    from: usize,
    delimiter: &[u8],
) -> Option<(usize, &'a [u8])> {
    let mut at = from;
    loop {
        let rest = octets.get(at..)?;
        let starts = at == 0 || octets.get(at - 1) == Some(&b'\n');
        if starts && let Some(after) = rest.strip_prefix(delimiter) {
            return Some((at, after));
        }
        at += memchr::memchr(b'\n', rest)? + 1;
    }
}

fn read_part(whole: &Text, part: &[u8]) -> Part {
    let mut headers = Headers::new();
    let mut rest = part;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, next) = rest.split_at(end);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            rest = next;
            break;
        }
        let (name, value) = scan::split_once(line, b':');
        match value {
            Some(value) if scan::is_token(scan::trim(name)) => {
                let name = HeaderName::from_part(whole, scan::trim(name));
                headers.push(name, whole.slice_of(scan::trim(value)));
            }
            // A line that is no header field starts the body of a part that lacks the empty line.
            _ => break,
        }
        rest = next;
    }
    Part {
        headers,
        body: whole.slice_of(rest).into_bytes(),
    }
}
