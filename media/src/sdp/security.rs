//! What a section says about the protection of its media, and what two of them agree on
//! (RFC 4568, RFC 5763, RFC 8842, RFC 8643).

use super::attr::Profile;
use super::remote::both;
use super::{Incompatible, Local, MediaSection, Offers, SessionDescription};
use crate::crypto::dtls::Role;
use crate::crypto::fingerprint::Fingerprint;
use crate::crypto::sdes::{CryptoLine, Unusable};
use crate::crypto::suite::Suite;
use crate::path::{DtlsParameters, Keying};
use bytes::Bytes;
use std::fmt::Write;

/// Whether media of a peer may, or must, be protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Plain RTP only; encrypted offers are refused.
    Never,
    /// As the peer can and wants; offered beside plain RTP (RFC 8643).
    #[default]
    Optional,
    /// Encrypted only; plain offers are refused.
    Required,
}

/// `a=setup:` (RFC 4145 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The writer begins.
    Active,
    /// The writer waits.
    Passive,
    /// Either; only in offers.
    ActPass,
    /// Nobody for now.
    HoldConn,
}

impl Setup {
    const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn];

    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

/// What the peer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteSecurity {
    /// Its `a=crypto:` lines that can be used, in its order.
    pub crypto: Vec<CryptoLine>,
    /// Why the first of the others cannot.
    pub skipped: Option<Unusable>,
    /// How many cannot.
    pub skips: u64,
    /// Its certificate's fingerprints.
    pub fingerprints: Vec<Fingerprint>,
    /// Its part in the handshake.
    pub setup: Option<Setup>,
    /// Its name of the association (RFC 8842 §4).
    pub tls_id: Option<Bytes>,
}

/// What we say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OurSecurity {
    /// Our `a=crypto:` lines.
    pub crypto: Vec<CryptoLine>,
    /// Our certificate, and our part in the handshake.
    pub dtls: Option<(Fingerprint, Setup)>,
    /// The number of our keys: another one for every new key in the session.
    pub generation: u32,
}

impl RemoteSecurity {
    /// Reads what holds for a section; lines beyond `most` are passed over.
    pub fn read(description: &SessionDescription, section: &MediaSection, most: usize) -> Self {
        let mut read = Self::default();
        for (_, value) in section
            .attributes()
            .filter(|(name, _)| is(name, "crypto"))
            .take(most)
        {
            match CryptoLine::parse(value) {
                Ok(line) => read.crypto.push(line),
                Err(reason) => {
                    read.skips += 1;
                    read.skipped.get_or_insert(reason);
                }
            }
        }
        let values = |wanted: &'static str| {
            let all = both(description, section).filter(move |(name, _)| is(name, wanted));
            all.map(|(_, value)| value)
        };
        // The section's own fingerprints, else the session's (RFC 8122 §5).
        let own = section
            .attributes()
            .any(|(name, _)| is(name, "fingerprint"));
        let level = if own {
            section.attributes().count()
        } else {
            usize::MAX
        };
        let lines = both(description, section).take(level);
        let fingerprints = lines.filter(|(name, _)| is(name, "fingerprint")).take(most);
        read.fingerprints = fingerprints
            .filter_map(|(_, value)| Fingerprint::parse(value))
            .collect();
        let setup = values("setup").next();
        read.setup = setup.and_then(|value| {
            let mut all = Setup::ALL.into_iter();
            all.find(|setup| is(value, setup.as_str()))
        });
        let token = |value: &&str| value.len() <= 255 && !value.is_empty();
        let tls_id = values("tls-id").next().filter(token);
        read.tls_id = tls_id.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        read
    }
}

impl OurSecurity {
    /// Appends the lines.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        for line in &self.crypto {
            line.write(out)?;
        }
        if let Some((fingerprint, setup)) = &self.dtls {
            write!(
                out,
                "a=fingerprint:{fingerprint}\r\na=setup:{}\r\n",
                setup.as_str()
            )?;
        }
        Ok(())
    }

    /// What we offer: the keys in force when there are some, else all that the policy allows.
    pub(super) fn offer(local: &Local, previous: Option<(&Self, &Keying)>) -> Self {
        match previous {
            Some((ours, Keying::Sdes { .. })) => ours.clone(),
            Some((ours, Keying::Dtls(_))) => Self {
                generation: ours.generation,
                crypto: Vec::new(),
                // RFC 8842 §5.2: the association goes on whichever part we offer.
                dtls: local.fingerprint.clone().map(|ours| (ours, Setup::ActPass)),
            },
            Some((_, Keying::Plain)) | None => match local.protection {
                Protection::Never => Self::default(),
                Protection::Optional | Protection::Required => Self {
                    crypto: match local.offers {
                        Offers::Phone | Offers::Either => lines(local),
                        // RFC 8827 §6.5: browsers must not be offered keys in the description.
                        Offers::Browser => Vec::new(),
                    },
                    dtls: local.fingerprint.clone().map(|ours| (ours, Setup::ActPass)),
                    generation: 0,
                },
            },
        }
    }
}

/// What an answer of ours says, and what comes of it.
///
/// # Errors
/// [`Incompatible`] when the policy or the lack of keys forbids it.
pub(super) fn answer(
    local: &Local,
    profile: Profile,
    remote: &RemoteSecurity,
    ice: bool,
    previous: Option<(&OurSecurity, &Keying)>,
) -> Result<(OurSecurity, Keying), Incompatible> {
    let wanted = local.protection != Protection::Never;
    if let (true, Some(ours), false) = (wanted, &local.fingerprint, remote.fingerprints.is_empty())
    {
        let before = dtls(previous);
        let setup = match remote.setup {
            Some(Setup::ActPass) => match before.and_then(|before| before.role) {
                Some(Role::Active) => Setup::Active,
                Some(Role::Passive) => Setup::Passive,
                // Without ICE the peer may be behind a NAT that only its own message opens.
                None if ice => Setup::Active,
                None => Setup::Passive,
            },
            Some(Setup::Active) | None => Setup::Passive,
            Some(Setup::Passive) => Setup::Active,
            Some(Setup::HoldConn) => Setup::HoldConn,
        };
        let security = OurSecurity {
            dtls: Some((ours.clone(), setup)),
            generation: previous.map_or(0, |(ours, _)| ours.generation),
            ..OurSecurity::default()
        };
        return Ok((security, handshake(remote, setup, before)));
    }
    let line = remote
        .crypto
        .first()
        .filter(|_| wanted && !profile.is_dtls());
    if let (Some(line), Some(seed)) = (line, &local.seed) {
        // The peer's key is the one in force: so is ours. Else both change.
        let generation = match previous {
            Some((ours, Keying::Sdes { receive, .. })) if *receive == line.keys.as_slice() => {
                ours.generation
            }
            Some((ours, _)) => ours.generation.wrapping_add(1),
            None => 0,
        };
        let answer = CryptoLine::new(
            line.tag,
            line.spelling,
            seed.master_key(generation, line.suite),
        );
        let keying = sdes(&answer, line);
        let security = OurSecurity {
            crypto: vec![answer],
            generation,
            ..OurSecurity::default()
        };
        return Ok((security, keying));
    }
    if profile.is_secure() {
        return Err(match remote.skipped {
            _ if !wanted => Incompatible::Encrypted(profile.as_str().to_owned()),
            Some(_) => Incompatible::NoKeys("no a=crypto line can be used"),
            None if profile.is_dtls() => Incompatible::NoKeys("no usable a=fingerprint"),
            None => Incompatible::NoKeys("neither a=crypto nor a=fingerprint"),
        });
    }
    if local.protection == Protection::Required {
        return Err(Incompatible::Unprotected);
    }
    Ok((OurSecurity::default(), Keying::Plain))
}

/// What comes of the peer's answer to what we said.
///
/// # Errors
/// [`Incompatible`] when there are no keys where the profile or the policy wants them.
pub(super) fn conclude(
    local: &Local,
    profile: Profile,
    ours: &OurSecurity,
    remote: &RemoteSecurity,
    previous: Option<(&OurSecurity, &Keying)>,
) -> Result<(OurSecurity, Keying), Incompatible> {
    if let (Some((fingerprint, _)), false) = (&ours.dtls, remote.fingerprints.is_empty()) {
        let setup = match remote.setup {
            Some(Setup::Active | Setup::ActPass) | None => Setup::Passive,
            Some(Setup::Passive) => Setup::Active,
            Some(Setup::HoldConn) => Setup::HoldConn,
        };
        let security = OurSecurity {
            dtls: Some((fingerprint.clone(), setup)),
            generation: ours.generation,
            ..OurSecurity::default()
        };
        return Ok((security, handshake(remote, setup, dtls(previous))));
    }
    let chosen = remote.crypto.iter().find_map(|line| {
        let same = |said: &&CryptoLine| said.tag == line.tag && said.suite == line.suite;
        ours.crypto.iter().find(same).map(|said| (said, line))
    });
    if let Some((said, line)) = chosen {
        let security = OurSecurity {
            crypto: vec![said.clone()],
            generation: ours.generation,
            ..OurSecurity::default()
        };
        return Ok((security, sdes(said, line)));
    }
    if profile.is_secure() {
        return Err(Incompatible::NoKeys(
            "the answer takes up none that we offered",
        ));
    }
    if local.protection == Protection::Required {
        return Err(Incompatible::Unprotected);
    }
    Ok((OurSecurity::default(), Keying::Plain))
}

fn is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}

/// One line for each suite, the tags in order (RFC 4568 §7.1.1).
fn lines(local: &Local) -> Vec<CryptoLine> {
    let Some(seed) = &local.seed else {
        return Vec::new();
    };
    let line = |(tag, suite): (u32, Suite)| {
        CryptoLine::new(tag, suite.sdes_name(), seed.master_key(0, suite))
    };
    (1..).zip(Suite::ALL).map(line).collect()
}

fn sdes(ours: &CryptoLine, theirs: &CryptoLine) -> Keying {
    match ours.keys.first() {
        Some(key) => Keying::Sdes {
            send: key.master.clone(),
            receive: theirs.keys.to_vec(),
        },
        None => Keying::Plain,
    }
}

fn dtls<'a>(previous: Option<(&'a OurSecurity, &'a Keying)>) -> Option<&'a DtlsParameters> {
    match previous {
        Some((_, Keying::Dtls(parameters))) => Some(parameters),
        Some((_, Keying::Sdes { .. } | Keying::Plain)) | None => None,
    }
}

/// RFC 8842 §3: another certificate, part or name asks for a new association.
fn handshake(remote: &RemoteSecurity, ours: Setup, before: Option<&DtlsParameters>) -> Keying {
    let role = match ours {
        Setup::Active => Some(Role::Active),
        Setup::Passive | Setup::ActPass => Some(Role::Passive),
        Setup::HoldConn => before.and_then(|before| before.role),
    };
    let same = |before: &&DtlsParameters| {
        before.role == role
            && before.fingerprints == remote.fingerprints
            && before.tls_id == remote.tls_id
    };
    let generation = match before {
        Some(before) if same(&before) => before.generation,
        Some(before) => before.generation.wrapping_add(1),
        None => 0,
    };
    Keying::Dtls(DtlsParameters {
        role,
        fingerprints: remote.fingerprints.clone(),
        tls_id: remote.tls_id.clone(),
        generation,
    })
}
