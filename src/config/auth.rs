//! `[auth]` and `[store]`: who has to prove who he is, and where users are kept.

use super::read::{Seconds, Section, Setting};
use plenum_sip::auth::{Algorithm, Hash};
use std::fmt;
use std::time::Duration;
use toml::de::DeValue;

/// `[auth]`: digest authentication (RFC 7616, RFC 8760) and the registrar.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Who has to prove who he is before he calls.
    pub required: Required,
    /// The hash functions offered, the preferred first.
    pub algorithms: Vec<DigestName>,
    /// Whether the protection of bodies is offered, too.
    pub auth_int: bool,
    /// How long a nonce can be used.
    pub nonce_life: Duration,
    /// Whether users can register here.
    pub registrar: bool,
    /// Peers whose certificate speaks for one of these are who `From` says.
    pub trusted_certificates: Vec<String>,
    /// `[[auth.domain]]`: what is different for calls to a domain.
    pub domains: Vec<AuthDomain>,
}

/// `[[auth.domain]]`
#[derive(Clone, Debug)]
pub struct AuthDomain {
    /// The host of what is called.
    pub name: String,
    /// Who has to prove who he is before he calls it.
    pub required: Required,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The file; empty: `plenum.db` in the state folder.
    pub file: String,
}

/// Who has to prove who he is before he calls, apart from trusted networks and trunks. The
/// strictest is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Required {
    /// Nobody: who proves nothing is anonymous.
    Nobody,
    /// Who says he is of a domain that has users here.
    Users,
    /// Everybody.
    Everybody,
}

/// The name of a hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestName(pub Hash);

impl Auth {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let auth = Self {
            required: section.get("required", "\"users\""),
            algorithms: section.get("algorithms", r#"["SHA-256", "MD5"]"#),
            auth_int: section.get("auth_int", "false"),
            nonce_life: section.get::<Seconds>("nonce_life_s", "300").0,
            registrar: section.get("registrar", "true"),
            trusted_certificates: section.get("trusted_certificates", "[]"),
            domains: section
                .sections("domain", |one| {
                    let name = one.required::<String>("name");
                    let required = one.get("required", "\"everybody\"");
                    name.map(|name| AuthDomain { name, required })
                })
                .into_iter()
                .flatten()
                .collect(),
        };
        if auth.algorithms.is_empty() {
            section.refuse("algorithms", "must name at least one".to_owned());
        }
        auth
    }

    /// Who has to prove who he is before he calls this host. Conferences are the same by whatever
    /// host they are called: one that is no `domain` of ours, such as our bare address, is no way
    /// around the strictest of all.
    #[must_use]
    pub fn required_for(&self, host: &str, domain: bool) -> Required {
        let name = |host: &str| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let mut domains = self.domains.iter();
        let own = domains.find(|domain| name(&domain.name) == name(host));
        let all = || self.domains.iter().map(|domain| domain.required);
        match own {
            Some(own) => own.required,
            None if domain => self.required,
            None => all().chain([self.required]).max().unwrap_or(self.required),
        }
    }

    /// What the authenticator is to ask for.
    #[must_use]
    pub fn settings(&self, counted_nonces: usize) -> plenum_sip::auth::Settings {
        let plain = |name: &DigestName| Algorithm::plain(name.0);
        plenum_sip::auth::Settings {
            algorithms: self.algorithms.iter().map(plain).collect(),
            auth_int: self.auth_int,
            nonce_life: self.nonce_life,
            counted_nonces,
        }
    }
}

impl StoreSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            file: section.get("file", "\"\""),
        }
    }
}

impl Setting for Required {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "users" => Ok(Self::Users),
            "everybody" => Ok(Self::Everybody),
            "nobody" => Ok(Self::Nobody),
            _ => Err("expected \"users\", \"everybody\" or \"nobody\"".to_owned()),
        }
    }
}

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Everybody => "everybody",
            Self::Nobody => "nobody",
        })
    }
}

impl Setting for DigestName {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let name = String::read(value)?;
        let known = Algorithm::from_name(&name).filter(|algorithm| !algorithm.session);
        let known = known.ok_or("expected \"MD5\", \"SHA-256\" or \"SHA-512-256\"")?;
        Ok(Self(known.hash))
    }
}
