//! What a message tells a human or a log: Retry-After, Reason, Warning, Date, User-Agent, Server.

use super::media::split_params;
use super::sequence::{delta_seconds, split_space};
use crate::msg::header::{HeaderError, Headers};
use crate::msg::name::HeaderName;
use crate::msg::params::Params;
use crate::msg::scan;
use crate::msg::text::Text;
use smallvec::SmallVec;
use std::fmt;

/// Retry-After (RFC 3261 §20.33).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds to stay away.
    pub seconds: u32,
    /// What stands in parentheses.
    pub comment: Option<Text>,
    /// Seconds the callee will then be there, if it says so.
    pub duration: Option<u32>,
}

/// One value of Reason (RFC 3326 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another token.
    pub protocol: Text,
    /// The status or cause code.
    pub cause: Option<u16>,
    /// In words.
    pub text: Option<String>,
}

/// One value of Warning (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits.
    pub code: u16,
    /// Who warns: host or pseudonym.
    pub agent: Text,
    /// In words.
    pub text: String,
}

/// Date (RFC 3261 §20.17), always in GMT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Seconds since the beginning of 1970, without leap seconds.
    pub unix_seconds: u64,
}

impl RetryAfter {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let octets = scan::trim(text.as_bytes());
        let end = octets
            .iter()
            .position(|octet| !octet.is_ascii_digit())
            .unwrap_or(octets.len());
        let (seconds, rest) = octets.split_at(end);
        let mut rest = scan::trim(rest);
        let mut comment = None;
        if let Some(inner) = rest.strip_prefix(b"(") {
            let end = comment_end(inner).ok_or("Unterminated Comment")?;
            let (inside, tail) = inner.split_at(end);
            comment = Some(text.slice_of(inside));
            rest = scan::trim(tail.get(1..).unwrap_or_default());
        }
        if !matches!(rest.first(), None | Some(b';')) {
            return Err("Bad Delay");
        }
        let params = Params::of_header(text.slice_of(rest))?;
        let duration = params
            .get("duration")
            .map(|value| delta_seconds(value.as_bytes()));
        Ok(Self {
            seconds: delta_seconds(seconds)?,
            comment,
            duration: duration.transpose()?,
        })
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        if let Some(comment) = &self.comment {
            write!(f, " ({comment})")?;
        }
        match self.duration {
            Some(duration) => write!(f, ";duration={duration}"),
            None => Ok(()),
        }
    }
}

impl Reason {
    /// Reads one value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (protocol, params) = split_params(text);
        if !scan::is_token(protocol) {
            return Err("Bad Token");
        }
        let params = Params::of_header(params)?;
        let cause = match params.get("cause") {
            None => None,
            Some(cause) => {
                let cause = scan::number(cause.as_bytes())?;
                Some(u16::try_from(cause).map_err(|_| "Number Out of Range")?)
            }
        };
        Ok(Self {
            protocol: text.slice_of(protocol),
            cause,
            text: params.get_unquoted("text"),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.protocol.fmt(f)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        match &self.text {
            Some(text) => write!(f, ";text={}", scan::quote(text)),
            None => Ok(()),
        }
    }
}

impl Warning {
    /// Reads one value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (code, rest) = split_space(scan::trim(text.as_bytes()));
        let (agent, quoted) = split_space(rest);
        if code.len() != 3 || agent.is_empty() {
            return Err("Bad Warning");
        }
        if quoted.first() != Some(&b'"') || !scan::split_quoted(quoted)?.1.is_empty() {
            return Err("Bad Warning Text");
        }
        Ok(Self {
            code: u16::try_from(scan::number(code)?).map_err(|_| "Number Out of Range")?,
            agent: text.slice_of(agent),
            text: scan::unquote(quoted).into_owned(),
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:03} {} {}",
            self.code,
            self.agent,
            scan::quote(&self.text)
        )
    }
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Date {
    /// Reads `Sat, 13 Nov 2010 23:29:00 GMT`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        const BAD: &str = "Bad Date";
        let text = text.to_str().ok_or(BAD)?;
        let (weekday, rest) = text.split_once(',').ok_or(BAD)?;
        let mut words = rest.split_ascii_whitespace();
        let mut word = || words.next().ok_or(BAD);
        let (day, month, year, clock, zone) = (word()?, word()?, word()?, word()?, word()?);
        let month = MONTHS
            .iter()
            .position(|name| name.eq_ignore_ascii_case(month))
            .ok_or(BAD)?;
        if zone != "GMT" || words.next().is_some() {
            return Err("Time Zone Other Than GMT");
        }
        if !DAYS
            .iter()
            .any(|name| name.eq_ignore_ascii_case(weekday.trim()))
        {
            return Err(BAD);
        }
        let digits = |text: &str| scan::number(text.as_bytes()).map(u64::from);
        let mut clock = clock.split(':').map(digits);
        let mut part = || clock.next().ok_or(BAD)?;
        let (hour, minute, second) = (part()?, part()?, part()?);
        let (day, year) = (digits(day)?, digits(year)?);
        if hour > 23 || minute > 59 || second > 60 || !(1..=31).contains(&day) {
            return Err(BAD);
        }
        if !(1970..=9999).contains(&year) {
            return Err(BAD);
        }
        let days = days_since_1970(year, month as u64 + 1, day);
        Ok(Self {
            unix_seconds: ((days * 24 + hour) * 60 + minute) * 60 + second,
        })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, clock) = (self.unix_seconds / 86_400, self.unix_seconds % 86_400);
        let (year, month, day) = civil_from_days(days);
        let name = |names: &'static [&'static str], at: u64| {
            usize::try_from(at)
                .ok()
                .and_then(|at| names.get(at))
                .copied()
                .unwrap_or_default()
        };
        let (weekday, month) = (name(&DAYS, days % 7), name(&MONTHS, month - 1));
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        write!(
            f,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

impl Headers {
    /// Retry-After.
    ///
    /// # Errors
    /// Malformed.
    pub fn retry_after(&self) -> Result<Option<RetryAfter>, HeaderError> {
        self.one(HeaderName::RetryAfter, RetryAfter::parse)
    }

    /// Reason: one value for each protocol.
    ///
    /// # Errors
    /// Malformed.
    pub fn reason(&self) -> Result<SmallVec<[Reason; 1]>, HeaderError> {
        self.list(&HeaderName::Reason, true, Reason::parse)
    }

    /// Warning.
    ///
    /// # Errors
    /// Malformed.
    pub fn warning(&self) -> Result<SmallVec<[Warning; 1]>, HeaderError> {
        self.list(&HeaderName::Warning, true, Warning::parse)
    }

    /// Date.
    ///
    /// # Errors
    /// Malformed.
    pub fn date(&self) -> Result<Option<Date>, HeaderError> {
        self.one(HeaderName::Date, Date::parse)
    }

    /// User-Agent of a request, Server of a response: who is at the other end, for the log.
    #[must_use]
    pub fn product(&self) -> Option<&Text> {
        self.get(&HeaderName::UserAgent)
            .or_else(|| self.get(&HeaderName::Server))
    }
}

/// The place of the parenthesis that closes a comment (they nest), whose opening one is cut off.
fn comment_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut octets = text.iter().enumerate();
    while let Some((at, &octet)) = octets.next() {
        match octet {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            b'\\' => {
                octets.next();
            }
            _ => {}
        }
    }
    None
}

/// Days from 1 January 1970 to a day of the Gregorian calendar; years count from March, so that
/// the leap day is the last.
const fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_since_1970`].
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}
