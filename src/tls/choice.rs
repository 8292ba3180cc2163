//! Which certificate is shown for which name (RFC 6066 §3).

use super::files::Certified;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Choice(pub(crate) Vec<Certified>);

impl Choice {
    /// The first that the peer can verify and that bears the name it asks for; without one the first
    /// that it can verify. So one name may have a certificate for RSA and one for ECDSA.
    fn of(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut usable = self
            .0
            .iter()
            .filter(|one| one.key.key.choose_scheme(schemes).is_some());
        let named = name.and_then(|name| {
            let mut named = usable.clone().filter(|one| one.names.covers(name, true));
            named.next()
        });
        let chosen = named.or_else(|| usable.next());
        chosen.map(|one| Arc::clone(&one.key))
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of(hello.server_name(), hello.signature_schemes())
    }
}

impl ResolvesClientCert for Choice {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.of(None, schemes)
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}
