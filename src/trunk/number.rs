//! Telephone numbers as providers write them: RFC 3966, RFC 3261 §19.1.6, and national habits.

use plenum_sip::msg::{Scheme, Uri};

/// How numbers are written at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberPlan {
    /// The country calling code (`49`); empty: national numbers stay as they are.
    pub country: String,
    /// What stands before an international number instead of `+` (`00`).
    pub international: String,
    /// What stands before a national number (`0`).
    pub national: String,
}

/// Numbers that lead somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// Digits, `+`, and `?` for any digit.
    fixed: String,
    /// More may follow.
    open: bool,
}

impl NumberPlan {
    /// The number a user part or dialled text means: `+` and digits where the country is known,
    /// else its digits; `None` where it is no number.
    pub fn normalise(&self, text: &str) -> Option<String> {
        let bare: String = text.chars().filter(|c| !"-.() ".contains(*c)).collect();
        let rest = bare.strip_prefix('+').unwrap_or(&bare);
        let usual = |octet: u8| octet.is_ascii_digit() || octet == b'*' || octet == b'#';
        if rest.is_empty() || rest.len() > LONGEST || !rest.bytes().all(usual) {
            return None;
        }
        if bare.starts_with('+') {
            return Some(bare);
        }
        if let Some(rest) = cut(&bare, &self.international) {
            return Some(format!("+{rest}"));
        }
        match cut(&bare, &self.national) {
            Some(rest) if !self.country.is_empty() => Some(format!("+{}{rest}", self.country)),
            Some(_) | None => Some(bare),
        }
    }

    /// The number in a `tel:` or `sip:` URI (RFC 3966 §5, RFC 3261 §19.1.6), normalised.
    pub fn of_uri(&self, uri: &Uri) -> Option<String> {
        let user = uri.user_decoded();
        let (number, inside) = user.split_once(';').unwrap_or((&user, ""));
        let context = match uri.scheme {
            Scheme::Tel => uri
                .param("phone-context")
                .map(|it| it.to_str_lossy().into_owned()),
            Scheme::Sip | Scheme::Sips | Scheme::Other(_) => {
                let mut params = inside.split(';');
                params.find_map(|param| param.strip_prefix("phone-context=").map(str::to_owned))
            }
        };
        let number = number.trim();
        match context {
            Some(context) if context.starts_with('+') && !number.starts_with('+') => {
                self.normalise(&format!("{context}{number}"))
            }
            Some(_) | None => self.normalise(number),
        }
    }

    /// A number as this provider wants it nationally: `030…` within the country, else with the
    /// international prefix.
    pub fn national(&self, number: &str) -> String {
        let home = format!("+{}", self.country);
        match number.strip_prefix(&home) {
            Some(rest) if !self.country.is_empty() => format!("{}{rest}", self.national),
            Some(_) | None => self.international(number),
        }
    }

    /// A number with the international prefix instead of `+`.
    pub fn international(&self, number: &str) -> String {
        match number.strip_prefix('+') {
            Some(rest) => format!("{}{rest}", self.international),
            None => number.to_owned(),
        }
    }
}

impl Pattern {
    /// Reads `+4930123`, `+493012??` or `+49301*`, in any way the plan knows.
    pub fn read(text: &str, plan: &NumberPlan) -> Option<Self> {
        let (fixed, open) = match text.strip_suffix('*') {
            Some(fixed) => (fixed, true),
            None => (text, false),
        };
        if fixed.is_empty() {
            let all = Self {
                fixed: String::new(),
                open,
            };
            return open.then_some(all);
        }
        // A `?` is normalised as the digit that changes no prefix.
        let marks: Vec<usize> = fixed
            .chars()
            .rev()
            .enumerate()
            .filter_map(|(at, c)| (c == '?').then_some(at))
            .collect();
        let number = plan.normalise(&fixed.replace('?', "9"))?;
        let length = number.len();
        let fixed = number.chars().enumerate().map(|(at, c)| {
            if marks.contains(&(length - 1 - at)) {
                '?'
            } else {
                c
            }
        });
        Some(Self {
            fixed: fixed.collect(),
            open,
        })
    }

    /// What of the number follows the fixed part, if it matches.
    pub fn rest<'n>(&self, number: &'n str) -> Option<&'n str> {
        let (head, rest) = number.split_at_checked(self.fixed.len())?;
        let fits = head.bytes().zip(self.fixed.bytes());
        let fits = fits.fold(true, |fits, (octet, wanted)| {
            fits && (octet == wanted || (wanted == b'?' && octet.is_ascii_digit()))
        });
        (fits && (self.open || rest.is_empty())).then_some(rest)
    }

    /// The more exact of two patterns that both match is the greater.
    pub fn exactness(&self) -> (bool, usize, usize) {
        let marks = self.fixed.bytes().filter(|octet| *octet == b'?').count();
        (!self.open, self.fixed.len() - marks, self.fixed.len())
    }
}

/// Where a number leads: the value of the most exact pattern, its `*` being what the pattern left
/// open.
pub(crate) fn lead<'a>(numbers: &'a [(Pattern, String)], number: &str) -> Option<String> {
    let fits = |(pattern, to): &'a (Pattern, String)| {
        Some((pattern.exactness(), pattern.rest(number)?.to_owned(), to))
    };
    let best = numbers
        .iter()
        .filter_map(fits)
        .max_by_key(|(exactness, ..)| *exactness);
    best.map(|(_, rest, to)| to.replace('*', &rest))
}

fn cut<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return None;
    }
    text.strip_prefix(prefix).filter(|rest| !rest.is_empty())
}

/// A number has at most 15 digits (E.164); dialling codes come before it.
const LONGEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> NumberPlan {
        NumberPlan {
            country: "49".to_owned(),
            international: "00".to_owned(),
            national: "0".to_owned(),
        }
    }

    #[test]
    fn rfc3966_numbers_are_one_however_they_are_written() {
        for (uri, expect) in [
            ("tel:+49-30-123", Some("+4930123")),
            ("tel:030.123", Some("+4930123")),
            ("tel:123;phone-context=+4930", Some("+4930123")),
            ("tel:123;phone-context=example.com", Some("123")),
            ("sip:+4930123@x;user=phone", Some("+4930123")),
            ("sip:004930123@x", Some("+4930123")),
            ("sip:030123@x", Some("+4930123")),
            ("sip:123;phone-context=+4930@x;user=phone", Some("+4930123")),
            ("sip:%2B4930123@x", Some("+4930123")),
            ("sip:board@x", None),
            ("sip:x.example", None),
            ("sip:0@x", Some("0")),
        ] {
            let uri = Uri::parse(uri.as_bytes()).unwrap();
            assert_eq!(plan().of_uri(&uri).as_deref(), expect, "{uri}");
        }
        let none = NumberPlan::default();
        assert_eq!(none.normalise("0301").as_deref(), Some("0301"));
        assert_eq!(none.normalise(&"1".repeat(33)), None);
    }

    #[test]
    fn the_most_exact_pattern_leads() {
        let table = [
            ("*", "catch"),
            ("+49301*", "room-*"),
            ("+493012?", "two"),
            ("030123", "board"),
        ];
        let table: Vec<_> = table
            .iter()
            .map(|(pattern, to)| (Pattern::read(pattern, &plan()).unwrap(), (*to).to_owned()))
            .collect();
        for (number, expect) in [
            ("+4930123", "board"),
            ("+4930124", "two"),
            ("+49301999", "room-999"),
            ("+44", "catch"),
        ] {
            assert_eq!(lead(&table, number).as_deref(), Some(expect), "{number}");
        }
        assert_eq!(lead(&table[1..], "+44"), None);
        assert_eq!(Pattern::read("bo?rd", &plan()), None);
    }

    #[test]
    fn numbers_are_written_as_the_provider_wants() {
        assert_eq!(plan().national("+4930123"), "030123");
        assert_eq!(plan().national("+44123"), "0044123");
        assert_eq!(plan().international("+44123"), "0044123");
        assert_eq!(plan().international("112"), "112");
    }
}
