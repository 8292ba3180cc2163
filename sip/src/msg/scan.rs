//! The lexical ground of RFC 3261 §25.1: tokens, white space, quoted strings, lists.

use std::borrow::Cow;

/// What is wrong with a value, in words that fit into a reason phrase.
pub(crate) type Reason = &'static str;

pub(crate) const UNBALANCED_QUOTES: Reason = "Unterminated Quoted String";

/// Octets of `token`.
pub(crate) const fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// `1*token-octet`.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&octet| is_token_octet(octet))
}

pub(crate) const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Without the white space on both sides.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let end = text
        .iter()
        .rposition(|&octet| !is_space(octet))
        .map_or(0, |last| last + 1);
    text.split_at(end).0
}

/// Without the white space in front.
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|&octet| !is_space(octet))
        .unwrap_or(text.len());
    text.split_at(start).1
}

/// What stands before the first `mark`, and what stands after it if it is there.
pub(crate) fn split_once(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(mark, text) {
        Some(at) => {
            let (before, rest) = text.split_at(at);
            (before, rest.get(1..))
        }
        None => (text, None),
    }
}

/// Cuts a quoted string off the front: (with its quotes, what follows).
pub(crate) fn split_quoted(text: &[u8]) -> Result<(&[u8], &[u8]), Reason> {
    let mut octets = text.iter().enumerate().skip(1);
    while let Some((at, &octet)) = octets.next() {
        match octet {
            b'"' => return Ok(text.split_at(at + 1)),
            b'\\' => {
                octets.next();
            }
            _ => {}
        }
    }
    Err(UNBALANCED_QUOTES)
}

/// The place of the first octet of `marks` outside of quoted strings.
pub(crate) fn find_outside_quotes(text: &[u8], marks: &[u8]) -> Result<Option<usize>, Reason> {
    let mut octets = text.iter().enumerate();
    let mut quoted = false;
    while let Some((at, &octet)) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                octets.next();
            }
            _ if !quoted && marks.contains(&octet) => return Ok(Some(at)),
            _ => {}
        }
    }
    if quoted {
        Err(UNBALANCED_QUOTES)
    } else {
        Ok(None)
    }
}

/// The elements of a comma-separated list, trimmed. Commas inside quoted strings and `<…>` do not count.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    pub(crate) const fn of(text: &'a [u8]) -> Self {
        Self { rest: Some(text) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        if memchr::memchr(b',', text).is_none() {
            return Some(Ok(trim(text)));
        }
        let mut octets = text.iter().enumerate();
        let (mut quoted, mut angle) = (false, false);
        while let Some((at, &octet)) = octets.next() {
            match octet {
                b'"' if !angle => quoted = !quoted,
                b'\\' if quoted => {
                    octets.next();
                }
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                b',' if !quoted && !angle => {
                    let (element, rest) = text.split_at(at);
                    self.rest = rest.get(1..);
                    return Some(Ok(trim(element)));
                }
                _ => {}
            }
        }
        Some(if quoted {
            Err(UNBALANCED_QUOTES)
        } else {
            Ok(trim(text))
        })
    }
}

/// What a quoted string means: without quotes and backslashes. Anything else means itself.
pub(crate) fn unquote(text: &[u8]) -> Cow<'_, str> {
    let Some(inner) = text
        .strip_prefix(b"\"")
        .and_then(|text| text.strip_suffix(b"\""))
    else {
        return String::from_utf8_lossy(text);
    };
    if memchr::memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(&octet) = octets.next() {
        let octet = if octet == b'\\' {
            octets.next().copied()
        } else {
            Some(octet)
        };
        plain.extend(octet);
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// A quoted string that means `text` (RFC 3261 §25.1 `quoted-string`). Line breaks, which cannot be
/// quoted, become spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' | '\\' => quoted.extend(['\\', symbol]),
            '\r' | '\n' => quoted.push(' '),
            _ => quoted.push(symbol),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether every `%` is followed by two hexadecimal digits.
pub(crate) fn escapes_are_whole(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).all(|at| {
        text.get(at + 1..at + 3)
            .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The octets that `%41` and the like stand for. A broken escape stands for itself.
pub(crate) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        if octet == b'%'
            && let Some((pair, tail)) = tail.split_at_checked(2)
            && let Some(octet) = hex_pair(pair)
        {
            plain.push(octet);
            rest = tail;
        } else {
            plain.push(octet);
        }
    }
    Cow::Owned(plain)
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    if !pair.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

/// `1*DIGIT` that fits into 32 bits.
pub(crate) fn number(text: &[u8]) -> Result<u32, Reason> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err("Not a Number");
    }
    text.iter()
        .try_fold(0_u32, |sum, &digit| {
            sum.checked_mul(10)?.checked_add(u32::from(digit - b'0'))
        })
        .ok_or("Number Out of Range")
}
