//! `xs:dateTime`, in UTC.

use std::fmt;

/// A point in time, to the second, in UTC, from year 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateTime(u64);

impl DateTime {
    /// The latest: the end of year 9999.
    const LATEST: u64 = 253_402_300_799;

    /// From the seconds since 1970-01-01T00:00:00Z; later than year 9999 is the end of that year.
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        if seconds > Self::LATEST {
            Self(Self::LATEST)
        } else {
            Self(seconds)
        }
    }

    /// The seconds since 1970-01-01T00:00:00Z.
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }

    /// Reads the forms that occur: a fraction of a second is dropped, a zone is applied, a time
    /// without zone is one in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.trim().split_once('T')?;
        let mut date = date.splitn(3, '-').map(digits);
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let (clock, offset) = split_zone(time)?;
        let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
        let mut clock = clock.splitn(3, ':').map(digits);
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let in_range = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour <= 24
            && minute < 60
            && second <= 60;
        if !in_range {
            return None;
        }
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
                - offset;
        Some(Self::from_unix_seconds(u64::try_from(seconds).ok()?))
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / 86_400);
        let second = self.0 % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    }
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The time without its zone, and the zone in seconds east of UTC.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, 0));
    };
    let (time, zone) = time.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some((
        time,
        sign * (digits(hours)? * 3_600 + digits(minutes)? * 60),
    ))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar; years begin in March, so that the
/// leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_both_ways() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_799, "2024-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(DateTime::from_unix_seconds(seconds).to_string(), text);
            assert_eq!(DateTime::parse(text), Some(DateTime(seconds)), "{text}");
        }
    }

    #[test]
    fn fractions_and_zones_are_read() {
        let noon = DateTime::parse("2024-05-01T12:00:00Z");
        assert_eq!(DateTime::parse("2024-05-01T12:00:00.1234567Z"), noon);
        assert_eq!(DateTime::parse("2024-05-01T14:00:00+02:00"), noon);
        assert_eq!(DateTime::parse("2024-05-01T07:30:00-04:30"), noon);
        assert_eq!(DateTime::parse("2024-05-01T12:00:00"), noon);
        for wrong in [
            "",
            "T",
            "2024-13-01T00:00:00Z",
            "2024-05-01",
            "2024-05-01T1x:00:00Z",
        ] {
            assert_eq!(DateTime::parse(wrong), None, "{wrong}");
        }
    }
}
