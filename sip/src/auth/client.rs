//! Credentials of ours, and the answer to a challenge (RFC 3261 §22.2, RFC 7616 §3.4).

use super::algorithm::Ha1;
use super::challenge::{Challenge, push, quote};
use super::digest::{Counted, Qop, Subject};
use crate::msg::{AuthParams, Method, Text};
use std::fmt;
use std::sync::Arc;

/// What we can answer challenges with. Cheap to clone; never shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(Arc<[Credential]>);

/// A name and secret for one realm, or for any.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// For which realm, exactly as the challenge spells it; `None`: for any that no other is for.
    pub realm: Option<String>,
    /// The user name.
    pub username: String,
    /// What proves it.
    pub secret: Secret,
}

/// What proves a name.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password.
    Password(String),
    /// What passwords become, one for each hash function that can be answered, all for one realm.
    Ha1(Vec<Ha1>),
}

/// The request that was challenged.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its Request-URI as it is printed.
    pub uri: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

impl Credentials {
    /// Those given.
    #[must_use]
    pub fn new(credentials: Vec<Credential>) -> Self {
        Self(credentials.into())
    }

    /// One password for any realm.
    #[must_use]
    pub fn password(username: &str, password: &str) -> Self {
        Self::new(vec![Credential {
            realm: None,
            username: username.to_owned(),
            secret: Secret::Password(password.to_owned()),
        }])
    }

    /// Those for this realm, or for any.
    #[must_use]
    pub fn of_realm(&self, realm: &str) -> Option<&Credential> {
        let named = |one: &&Credential| one.realm.as_deref() == Some(realm);
        let any = |one: &&Credential| one.realm.is_none();
        self.0
            .iter()
            .find(named)
            .or_else(|| self.0.iter().find(any))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Credential {
    fn ha1(&self, challenge: &Challenge) -> Option<Ha1> {
        let hash = challenge.algorithm.hash;
        match &self.secret {
            Secret::Password(password) => {
                Some(Ha1::new(hash, &self.username, &challenge.realm, password))
            }
            Secret::Ha1(all) => all.iter().find(|ha1| ha1.hash() == hash).cloned(),
        }
    }
}

/// The challenges to answer: of those for one realm the first that can be (RFC 8760 §2.4). At most
/// eight realms are looked at.
#[must_use]
pub fn choose(challenges: &[AuthParams]) -> Vec<Challenge> {
    let mut chosen: Vec<Challenge> = Vec::new();
    for challenge in challenges.iter().filter_map(|it| Challenge::read(it).ok()) {
        let known = chosen.iter().any(|one| one.realm == challenge.realm);
        if !known && chosen.len() < REALMS {
            chosen.push(challenge);
        }
    }
    chosen
}

impl Challenge {
    /// The value of `Authorization` or `Proxy-Authorization` that answers it; `None` where the
    /// credential has no secret for its hash function.
    ///
    /// `nc` counts the requests with this nonce from 1; `cnonce` is random text of ours.
    #[must_use]
    pub fn answer(
        &self,
        credential: &Credential,
        asked: &Asked<'_>,
        nc: u32,
        cnonce: &str,
    ) -> Option<Text> {
        let ha1 = credential.ha1(self)?;
        let nc = format!("{nc:08x}");
        // The body is protected where that is all that is offered; elsewhere proxies may change it.
        let qop = if self.qop.contains(&Qop::Auth) {
            Some(Qop::Auth)
        } else {
            self.qop.first().copied()
        };
        let subject = Subject {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            counted: qop.map(|qop| Counted {
                qop,
                nc: &nc,
                cnonce,
            }),
            cnonce,
            uri: asked.uri.as_bytes(),
            body: asked.body,
        };
        let response = subject.request(&ha1, asked.method.as_str().as_bytes());
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quote(&credential.username),
            quote(&self.realm),
            quote(&self.nonce),
            quote(asked.uri),
        );
        push(&mut value, "algorithm", self.algorithm.name());
        if qop.is_some() || self.algorithm.session {
            push(&mut value, "cnonce", &quote(cnonce));
        }
        if let Some(qop) = qop {
            push(&mut value, "qop", qop.name());
            push(&mut value, "nc", &nc);
        }
        if let Some(opaque) = &self.opaque {
            push(&mut value, "opaque", &quote(opaque));
        }
        Some(Text::from(value))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

impl fmt::Debug for Credential {
    /// Without name and secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential(for {:?})", self.realm)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Challenges for more realms than this are not answered.
const REALMS: usize = 8;
