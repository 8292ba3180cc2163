//! `[tls]` of the configuration.

use crate::config::read::{Seconds, Section, Setting};
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// `[tls]`: certificates, and whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[[tls.certificate]]`; none: one is made for trying out.
    pub certificates: Vec<CertificateFiles>,
    /// Where that one is kept; `None`: in the state folder.
    pub folder: Option<PathBuf>,
    /// The authorities this system trusts are believed.
    pub system_authorities: bool,
    /// Files with further authorities.
    pub ca_files: Vec<PathBuf>,
    /// A wildcard in a server's certificate matches, against RFC 5922 §7.2.
    pub wildcards: bool,
    /// Whether SIP peers are asked for a certificate.
    pub clients: Clients,
    /// Files with the authorities of theirs.
    pub client_ca_files: Vec<PathBuf>,
    /// How often files are looked at.
    pub poll: Duration,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain in PEM, the certificate of the server first.
    pub chain: PathBuf,
    /// The key in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Whether SIP peers are asked for a certificate (mutual TLS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They are not.
    Off,
    /// They are, and may have none.
    Request,
    /// Who has none is refused.
    Require,
}

impl Setting for Clients {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "off" => Ok(Self::Off),
            "request" => Ok(Self::Request),
            "require" => Ok(Self::Require),
            _ => Err("expected \"off\", \"request\" or \"require\"".to_owned()),
        }
    }
}

impl Settings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let paths = |texts: Vec<String>| texts.into_iter().map(PathBuf::from).collect();
        let folder: String = section.get("folder", "\"\"");
        let settings = Self {
            certificates: Self::read_certificates(section),
            folder: Some(folder).filter(|it| !it.is_empty()).map(PathBuf::from),
            system_authorities: section.get("system_authorities", "true"),
            ca_files: paths(section.get("ca_files", "[]")),
            wildcards: section.get("wildcards", "false"),
            clients: section.get("client_certificates", "\"off\""),
            client_ca_files: paths(section.get("client_ca_files", "[]")),
            poll: section.get::<Seconds>("poll_s", "10").0,
        };
        if settings.clients != Clients::Off && settings.client_ca_files.is_empty() {
            section.refuse(
                "client_ca_files",
                "names the authorities of the clients' certificates; without any none can be \
                 verified"
                    .to_owned(),
            );
        }
        if settings.poll.is_zero() {
            section.refuse("poll_s", "is at least 1".to_owned());
        }
        settings
    }

    fn read_certificates(section: &mut Section<'_, '_>) -> Vec<CertificateFiles> {
        let read = section.sections("certificate", |one| {
            let (chain, key) = (
                one.required::<String>("chain"),
                one.required::<String>("key"),
            );
            Some(CertificateFiles {
                chain: chain?.into(),
                key: key?.into(),
            })
        });
        read.into_iter().flatten().collect()
    }
}
