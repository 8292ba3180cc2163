//! `[join]`: joining by link.

use super::read::{Section, Setting};
use plenum_sip::msg::Host;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use toml::de::DeValue;

/// `[join]`: the pages at `/meet/`.
#[derive(Clone, Debug)]
pub struct Join {
    /// What links begin with; `None`: what the request was sent to.
    pub public_url: Option<PublicUrl>,
    /// The telephone number that leads to the conferences.
    pub phone_number: Option<PhoneNumber>,
    /// The host of SIP URIs on the pages, and the port of those that phones call; `None`: the first
    /// of `sip.domains`, else the host that the request was sent to, with the port of `sip.listen`.
    pub domain: Option<Authority>,
    /// Browsers can join: the pages have a button for it.
    pub browser: bool,
}

impl Join {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            public_url: section.optional("public_url", "(what the request was sent to)"),
            phone_number: section.optional("phone_number", "(none)"),
            domain: section.optional("domain", "(the first of sip.domains)"),
            browser: section.get("browser", "false"),
        }
    }
}

/// A host, and a port where one is spelled; nothing else, so that it can stand in any URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A domain name, in lower case, or an address.
    pub host: Host,
    /// The port.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `name`, `192.0.2.7`, `[2001:db8::7]`, each with or without `:port`. A name is made of
    /// labels of letters, digits and hyphens, as host names are.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None => None,
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
        };
        let host = match host.strip_prefix('[') {
            Some(rest) => Host::V6(rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
            None => match host.parse::<Ipv4Addr>() {
                Ok(address) => Host::V4(address),
                Err(_) => name(host)?,
            },
        };
        Some(Self { host, port })
    }
}

/// A host name. One whose last label is a number would be taken for an address elsewhere.
fn name(text: &str) -> Option<Host> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    let last = bare.rsplit('.').next()?;
    let number = last.bytes().all(|octet| octet.is_ascii_digit());
    (bare.len() <= 253 && !number && bare.split('.').all(is_label))
        .then(|| Host::Name(bare.to_ascii_lowercase().as_str().into()))
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => self.host.fmt(f),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

impl Setting for Authority {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        Self::parse(&String::read(value)?)
            .ok_or_else(|| "expected a host name or an address".to_owned())
    }
}

/// `http://` or `https://` and a host, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// It as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        let (_, authority) = self.0.split_once("://").unwrap_or(("", &self.0));
        let end = authority.find(']').map_or(0, |end| end + 1);
        let port = authority.get(end..).and_then(|rest| rest.find(':'));
        let host = port.and_then(|port| authority.get(..end + port));
        host.unwrap_or(authority)
    }
}

impl Setting for PublicUrl {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let bare = text.strip_suffix('/').unwrap_or(&text);
        let parsed = bare.split_once("://").and_then(|(scheme, rest)| {
            let known = ["http", "https"].contains(&scheme);
            let authority = Authority::parse(rest).filter(|_| known)?;
            Some(Self(format!("{scheme}://{authority}")))
        });
        parsed.ok_or_else(|| {
            "expected \"https://HOST\", without a path, because the pages are always at /meet/"
                .to_owned()
        })
    }
}

/// A telephone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    /// As people read it.
    pub shown: String,
    /// Its digits, with `+` before an international one (RFC 3966 §5.1.4).
    pub digits: String,
}

impl Setting for PhoneNumber {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let shown = String::read(value)?.trim().to_owned();
        let plus = if shown.starts_with('+') { "+" } else { "" };
        let rest = shown.strip_prefix('+').unwrap_or(&shown);
        let usual = |octet: u8| octet.is_ascii_digit() || b" -()./".contains(&octet);
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        if !rest.bytes().all(usual) || !(2..=20).contains(&digits.len()) {
            return Err("expected a telephone number, such as \"+49 30 901820\"".to_owned());
        }
        let digits = format!("{plus}{digits}");
        Ok(Self { shown, digits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn authorities_are_read_strictly() {
        for (text, expect) in [
            ("Conf.Example.com", Some("conf.example.com")),
            ("conf.example.com.:8080", Some("conf.example.com:8080")),
            ("localhost", Some("localhost")),
            ("192.0.2.7:80", Some("192.0.2.7:80")),
            ("[2001:DB8::7]:80", Some("[2001:db8::7]:80")),
            ("[2001:db8::7]", Some("[2001:db8::7]")),
            ("2001:db8::7", None),
            ("", None),
            (":80", None),
            ("a:0", None),
            ("a:+80", None),
            ("a:65536", None),
            ("a:", None),
            ("a b", None),
            ("a..b", None),
            ("-a", None),
            ("a_b", None),
            ("a;b", None),
            ("user@a", None),
            ("a/b", None),
            ("\"><script>", None),
            ("1.2.3", None),
            ("192.0.2.256", None),
            ("café.example", None),
        ] {
            let found = Authority::parse(text).map(|authority| authority.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        }
        assert_eq!(Authority::parse(&"a".repeat(64)), None);
        assert_eq!(Authority::parse(&["a"; 128].join(".")), None);
    }

    #[test]
    fn the_section_is_read() {
        let text = "[join]\npublic_url = \"https://Conf.example.com/\"\n\
             phone_number = \"+49 (30) 90-1820\"\ndomain = \"sip.example.com\"\nbrowser = true\n";
        let join = Config::parse(text).unwrap().join;
        let url = join.public_url.unwrap();
        assert_eq!(url.as_str(), "https://conf.example.com");
        assert_eq!(url.host(), "conf.example.com");
        for (text, host) in [
            ("https://a.example:8443", "a.example"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]"),
            ("https://[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(PublicUrl(text.to_owned()).host(), host);
        }
        assert_eq!(join.phone_number.unwrap().digits, "+4930901820");
        assert_eq!(join.domain.unwrap().to_string(), "sip.example.com");
        assert!(join.browser);
    }

    #[test]
    fn what_cannot_stand_in_a_link_is_refused() {
        let text = "[join]\npublic_url = \"https://conf.example.com/x\"\n\
             phone_number = \"call me\"\ndomain = \"sip.example.com:sip\"\n";
        let problems = Config::parse(text).unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4], "{problems:?}");
    }
}
