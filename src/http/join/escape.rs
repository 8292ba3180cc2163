//! Escaping: one type per context, so that what stands where is seen in the types.

use std::fmt::{self, Write};

/// Text in the content or in an attribute of XML.
///
/// Characters that XML 1.0 cannot carry at all become U+FFFD.
#[derive(Clone, Copy, Debug)]
pub(super) struct Xml<'a>(pub(super) &'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '\'' => f.write_str("&apos;")?,
                '"' => f.write_str("&quot;")?,
                // A reader would turn them into spaces or line feeds.
                '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(character))?,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                usual => f.write_char(usual)?,
            }
        }
        Ok(())
    }
}

/// A whole XML document as the join page's scripts expect it: markup as entities, quotes as they
/// are (CB-298).
#[derive(Clone, Copy, Debug)]
pub(super) struct Entities<'a>(pub(super) &'a str);

impl fmt::Display for Entities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                usual => f.write_char(usual)?,
            }
        }
        Ok(())
    }
}

/// A string literal of a script inside HTML, with its quotes.
///
/// Besides what ends the literal, it escapes what ends or confuses the script element (`<`, `>`)
/// and the line ends of old scripts (U+2028, U+2029). What is not ASCII is escaped as well, so
/// that no reader's idea of the encoding matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptString<'a>(pub(super) &'a str);

impl fmt::Display for ScriptString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut units = [0; 2];
        for character in self.0.chars() {
            match character {
                '"' | '\\' | '<' | '>' | '\0'..='\u{1f}' | '\u{7f}'.. => {
                    for unit in character.encode_utf16(&mut units) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
                usual => f.write_char(usual)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_context_has_its_escapes() {
        let text = "a'\"<&>\\\n\u{2028}é😀\0";
        assert_eq!(
            Xml(text).to_string(),
            "a&apos;&quot;&lt;&amp;&gt;\\&#10;\u{2028}é😀\u{fffd}"
        );
        assert_eq!(
            Entities("<a b='&lt;'/>").to_string(),
            "&lt;a b='&amp;lt;'/&gt;"
        );
        assert_eq!(
            ScriptString(text).to_string(),
            r#""a'\u0022\u003c&\u003e\u005c\u000a\u2028\u00e9\ud83d\ude00\u0000""#
        );
    }
}
