//! Characters, names and escaping (XML 1.0 §2.2, §2.3, §2.4; Namespaces in XML §4).

/// Whether XML 1.0 knows the character (§2.2).
pub(super) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether it is white space (§2.3).
pub(super) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether it is a name of at most one prefix and a local part.
pub(super) fn is_qualified_name(name: &str) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => is_unprefixed_name(prefix) && is_unprefixed_name(local),
        None => is_unprefixed_name(name),
    }
}

fn is_unprefixed_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_');
    first && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{B7}'))
}

/// Text content: what would be markup is escaped, and so is a carriage return, which readers
/// would take for a line end.
pub(super) fn push_text(out: &mut String, text: &str) {
    push(out, text, |octet| match octet {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// An attribute value between double quotes: white space too is escaped, which readers would
/// normalise.
pub(super) fn push_attribute(out: &mut String, value: &str) {
    push(out, value, |octet| match octet {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// What XML cannot carry at all (control characters, U+FFFE, U+FFFF) becomes U+FFFD.
fn push(out: &mut String, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
    let mut rest = text;
    loop {
        let special = |octet: &u8| {
            escape(*octet).is_some()
                || *octet == 0xEF
                || (*octet < b' ' && !octet.is_ascii_whitespace())
                || *octet == 0x0C
        };
        let Some(at) = rest.bytes().position(|octet| special(&octet)) else {
            out.push_str(rest);
            return;
        };
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut characters = from.chars();
        let Some(first) = characters.next() else {
            return;
        };
        match u8::try_from(first).ok().and_then(&escape) {
            Some(escaped) => out.push_str(escaped),
            None if is_char(first) => out.push(first),
            None => out.push(char::REPLACEMENT_CHARACTER),
        }
        rest = characters.as_str();
    }
}
