//! Who a certificate speaks for in SIP (RFC 5922 §7.1, §7.2).

use crate::msg::Uri;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The names in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Hosts of `sip:` URIs without a user.
    uris: Vec<String>,
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
    /// The common name, where there is no subjectAltName at all.
    common: Option<String>,
    /// The last instant it is valid, in seconds since 1970.
    not_after: i64,
}

impl Names {
    /// Reads a certificate in DER. `None` if it cannot be read.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut names = Self {
            not_after: certificate.validity().not_after.timestamp(),
            ..Self::default()
        };
        let alternative = certificate.subject_alternative_name().ok()?;
        let Some(alternative) = alternative else {
            let mut common = certificate.subject().iter_common_name();
            let common = common.next().and_then(|name| name.as_str().ok());
            names.common = common.map(str::to_owned);
            return Some(names);
        };
        for name in &alternative.value.general_names {
            names.add(name);
        }
        Some(names)
    }

    fn add(&mut self, name: &GeneralName<'_>) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "RFC 5922 §7.1 knows no other kinds of names"
        )]
        match name {
            GeneralName::URI(uri) => self.uris.extend(sip_domain(uri)),
            GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => self.addresses.extend(address(octets)),
            _ => {}
        }
    }

    /// Seconds since 1970 after which it is not valid any more.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The SIP domains: those of `sip:` URIs; only without any, those of DNS names; only without any
    /// subjectAltName, the common name (RFC 5922 §7.1).
    #[must_use]
    pub fn into_identities(self) -> Vec<String> {
        let mut found = if !self.uris.is_empty() {
            self.uris
        } else if !self.dns.is_empty() {
            self.dns
        } else {
            self.common.into_iter().collect()
        };
        found.extend(self.addresses.iter().map(ToString::to_string));
        found
    }

    /// Whether it speaks for this domain: equal as a whole, whatever the case (RFC 5922 §7.2). That
    /// section knows no wildcards; with `wildcards` a leftmost label `*` stands for one label.
    #[must_use]
    pub fn covers(&self, domain: &str, wildcards: bool) -> bool {
        if let Ok(ip) = domain.parse::<IpAddr>() {
            return self.addresses.contains(&ip);
        }
        let domain = domain.trim_end_matches('.');
        let found = if self.uris.is_empty() {
            &self.dns
        } else {
            &self.uris
        };
        let common = self.common.iter().filter(|_| found.is_empty());
        found.iter().chain(common).any(|name| {
            let equal = name.eq_ignore_ascii_case(domain);
            equal || (wildcards && is_below(name, domain))
        })
    }
}

/// Whether `*.example.com` stands for this host.
fn is_below(name: &str, host: &str) -> bool {
    let parent = name.strip_prefix("*.");
    let rest = host.split_once('.').map(|(_, rest)| rest);
    match (parent, rest) {
        (Some(parent), Some(rest)) => parent.contains('.') && parent.eq_ignore_ascii_case(rest),
        _ => false,
    }
}

/// §7.1: a URI with the scheme `sip` and without a user part names the domain of its host.
fn sip_domain(uri: &str) -> Option<String> {
    let scheme = uri.get(..4)?;
    let uri = Uri::parse(uri.as_bytes()).ok()?;
    let domain = scheme.eq_ignore_ascii_case("sip:") && uri.user.is_none();
    domain.then(|| uri.host.to_string())
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
    v4.or(v6).ok()
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn names(uris: &[&str], dns: &[&str], common: Option<&str>) -> Names {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names {
            uris: owned(uris),
            dns: owned(dns),
            addresses: vec!["192.0.2.1".parse().unwrap()],
            common: common.map(str::to_owned),
            not_after: 0,
        }
    }

    #[test]
    fn rfc5922_7_1_a_sip_uri_counts_before_dns_names_and_those_before_the_common_name() {
        let both = names(&["example.com"], &["sip1.example.com"], None);
        assert!(both.covers("Example.COM", false));
        assert!(!both.covers("sip1.example.com", false));
        let dns = names(&[], &["example.com"], None);
        assert!(dns.covers("example.com.", false));
        let common = names(&[], &[], Some("example.com"));
        assert!(common.covers("example.com", false));
        assert!(common.covers("192.0.2.1", false));
        assert!(!common.covers("192.0.2.2", false));
    }

    #[test]
    fn rfc5922_7_2_suffixes_and_wildcards_do_not_match_unless_allowed() {
        let wild = names(&[], &["*.example.com"], None);
        assert!(!wild.covers("a.example.com", false));
        assert!(wild.covers("a.example.com", true));
        assert!(!wild.covers("a.b.example.com", true));
        assert!(!wild.covers("example.com", true));
        assert!(!names(&[], &["*.com"], None).covers("example.com", true));
        assert!(!names(&[], &["example.com"], None).covers("a.example.com", true));
    }

    #[test]
    fn rfc5922_7_1_only_sip_uris_without_user_name_a_domain() {
        assert_eq!(super::sip_domain("SIP:a.test"), Some("a.test".to_owned()));
        assert_eq!(super::sip_domain("sips:a.test"), None);
        assert_eq!(super::sip_domain("sip:u@a.test"), None);
        assert_eq!(super::sip_domain("http://a.test"), None);
    }
}
