//! Byte ranges (RFC 9110 §14): a part of a file, so that players can go to any place in it.
//!
//! # Decisions
//!
//! *One part at a time.* A request for several is answered with the whole, as §14.2 allows: players ask for one.
//!
//! *A file that grows has no validator.* `If-Range` with whatever is said of it gives the whole, as far as it is written.

use std::ops::Range;

/// What of `length` octets is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: nothing else is said, or nothing that means anything (§14.2).
    Whole,
    /// These octets: at least one.
    Part(Range<u64>),
    /// Nothing that there is (§15.5.17).
    Nothing,
}

/// What the fields of a request ask for. `tag`: the entity tag of the file, with its quotes; `None` where it has none.
pub(super) fn wanted(
    range: Option<&str>,
    if_range: Option<&str>,
    tag: Option<&str>,
    length: u64,
) -> Wanted {
    // §13.1.5: the part only of the very file that the client has the rest of.
    if if_range.is_some_and(|known| tag != Some(known.trim())) {
        return Wanted::Whole;
    }
    range
        .and_then(|range| part(range, length))
        .unwrap_or(Wanted::Whole)
}

/// §14.1.1, §14.1.2; `None` for what is not one range of octets.
fn part(range: &str, length: u64) -> Option<Wanted> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        // What is more than there are numbers for is more than there are octets.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if range.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc9110_14_1_2_the_forms_of_a_range() {
        let of_1000 = |range: &str| wanted(Some(range), None, None, 1_000);
        for (range, part) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1_000),
            ("bytes=500-", 500..1_000),
            ("bytes=-500", 500..1_000),
            ("bytes=-5000", 0..1_000),
            ("bytes=0-0", 0..1),
            ("bytes=-1", 999..1_000),
            ("BYTES=900-99999999999999999999999", 900..1_000),
        ] {
            assert_eq!(of_1000(range), Wanted::Part(part), "{range}");
        }
        for nothing in [
            "bytes=1000-",
            "bytes=1000-1001",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of_1000(nothing), Wanted::Nothing, "{nothing}");
        }
        for odd in [
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0-1,5-6",
            "bytes=+1-2",
            "seconds=0-1",
            "",
        ] {
            assert_eq!(of_1000(odd), Wanted::Whole, "{odd}");
        }
        assert_eq!(wanted(None, None, None, 1_000), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), None, None, 0), Wanted::Nothing);
    }

    #[test]
    fn rfc9110_13_1_5_a_part_only_of_the_file_that_the_client_knows() {
        let range = Some("bytes=1-2");
        let tag = Some("\"a-1\"");
        assert_eq!(wanted(range, tag, tag, 9), Wanted::Part(1..3));
        for other in ["\"a-2\"", "W/\"a-1\"", "Sat, 29 Oct 1994 19:43:31 GMT"] {
            assert_eq!(wanted(range, Some(other), tag, 9), Wanted::Whole, "{other}");
        }
        assert_eq!(wanted(range, tag, None, 9), Wanted::Whole, "it grows");
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_file(range in "(bytes|.{0,6})=?[0-9]{0,21}-?[0-9]{0,21}", length: u64) {
            if let Wanted::Part(part) = wanted(Some(&range), None, None, length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
