//! Answers to digest challenges (RFC 7616), written apart from the server's own.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A user and the password.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl Login {
    /// These two.
    pub fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }

    /// The value of `Authorization` for the `nc`th request that answers this challenge; `None` if it
    /// is for another algorithm than MD5, MD5-sess and SHA-256.
    pub fn answer(&self, challenge: &str, method: &str, uri: &str, nc: u32) -> Option<String> {
        let realm = parameter(challenge, "realm")?;
        let nonce = parameter(challenge, "nonce")?;
        let algorithm = parameter(challenge, "algorithm").unwrap_or("MD5");
        let hash = match algorithm {
            "MD5" | "MD5-sess" => hex::<Md5>,
            "SHA-256" => hex::<Sha256>,
            _ => return None,
        };
        let (name, password) = (&self.name, &self.password);
        let mut one = hash(&format!("{name}:{realm}:{password}"));
        if algorithm.ends_with("-sess") {
            one = hash(&format!("{one}:{nonce}:0a4f113b"));
        }
        let two = hash(&format!("{method}:{uri}"));
        let response = hash(&format!("{one}:{nonce}:{nc:08x}:0a4f113b:auth:{two}"));
        Some(format!(
            "Digest username=\"{name}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"0a4f113b\", qop=auth, nc={nc:08x}"
        ))
    }
}

/// A parameter of a challenge, without quotes.
pub fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let list = challenge.strip_prefix("Digest ")?;
    let value = list
        .split(", ")
        .find_map(|one| one.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"'))
}

fn hex<D: Digest>(text: &str) -> String {
    let mut hex = String::new();
    for octet in D::digest(text).iter() {
        // Writing to a String does not fail.
        write!(hex, "{octet:02x}").unwrap_or_default();
    }
    hex
}
