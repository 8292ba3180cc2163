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
    push(out, text, &SPECIAL_IN_TEXT);
}

/// An attribute value between double quotes: white space too is escaped, which readers would
/// normalise.
pub(super) fn push_attribute(out: &mut String, value: &str) {
    push(out, value, &SPECIAL_IN_ATTRIBUTES);
}

/// What XML cannot carry at all (control characters, U+FFFE, U+FFFF) becomes U+FFFD.
fn push(out: &mut String, text: &str, special: &[bool; 256]) {
    let is_special = |octet: u8| {
        special
            .get(usize::from(octet))
            .is_some_and(|&special| special)
    };
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut characters = from.chars();
        let Some(first) = characters.next() else {
            return;
        };
        match first {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            other if is_char(other) => out.push(other),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// Octets at which text is looked at: markup, control characters, and the first octet of U+FFFE
/// and U+FFFF.
const SPECIAL_IN_TEXT: [bool; 256] = special(b"&<>\r", b"\t\n");

/// The same for attribute values.
const SPECIAL_IN_ATTRIBUTES: [bool; 256] = special(b"&<>\"", b"");

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, which would refuse an index out of bounds"
)]
const fn special(markup: &[u8], plain: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        let control = octet < 0x20 && !contains(plain, octet as u8);
        table[octet] = control || octet == 0xEF || contains(markup, octet as u8);
        octet += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse an index out of bounds"
)]
const fn contains(octets: &[u8], octet: u8) -> bool {
    let mut at = 0;
    while at < octets.len() {
        if octets[at] == octet {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_is_replaced_and_the_rest_is_kept() {
        let mut out = String::new();
        push_text(
            &mut out,
            "a\0\u{1F}\u{FFFE}\u{FFFD}\u{F000}\u{10FFFF}\u{7F}\t\n\"b",
        );
        assert_eq!(
            out,
            "a\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{F000}\u{10FFFF}\u{7F}\t\n\"b"
        );
        out.clear();
        push_attribute(&mut out, "<&>\"'\t\n\r é");
        assert_eq!(out, "&lt;&amp;&gt;&quot;'&#9;&#10;&#13; é");
        out.clear();
        push_text(&mut out, "<&>]]>\r");
        assert_eq!(out, "&lt;&amp;&gt;]]&gt;&#13;");
    }
}
