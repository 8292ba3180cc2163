//! Authorities and certificates for tests.

use plenum_sip::transport::tls::{
    PeerCertificates, TlsConfigs, sip_client, sip_server, web_server,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// From when to when a certificate is valid: years.
pub(crate) type Years = (i32, i32);

/// Longer than these tests will be run.
pub(crate) const ALWAYS: Years = (2020, 2200);

impl Authority {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Two authorities of one name would be told apart by their signatures only.
        let name = format!("Authority {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for these names: `sip:…` as a URI, the others as DNS names or addresses.
    pub(crate) fn certificate(&self, names: &[&str], valid: Years) -> Arc<CertifiedKey> {
        let (uris, plain): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| name.starts_with("sip"));
        let plain: Vec<String> = plain.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(plain).unwrap();
        for uri in uris {
            params
                .subject_alt_names
                .push(SanType::URI(uri.try_into().unwrap()));
        }
        params.not_before = date_time_ymd(valid.0, 1, 1);
        params.not_after = date_time_ymd(valid.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider()).unwrap())
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// Always the same certificate, or none.
#[derive(Debug)]
pub(crate) struct Own(pub(crate) Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Shows `own`, believes `authority`, asks peers as told.
pub(crate) fn configs(
    own: Option<Arc<CertifiedKey>>,
    authority: &Authority,
    peers: &PeerCertificates,
) -> TlsConfigs {
    let own = Arc::new(Own(own));
    TlsConfigs {
        sip: sip_server(Arc::<Own>::clone(&own), peers).unwrap(),
        web: web_server(Arc::<Own>::clone(&own)).unwrap(),
        client: sip_client(authority.roots(), false, own).unwrap(),
    }
}
