//! Whether the server at the other end is the domain we asked for (RFC 5922 §4, §7.3).
//!
//! # Decisions
//!
//! The chain of trust is verified by `webpki`, the name here, because `webpki` knows neither the
//! `sip:` URIs of RFC 5922 §7.1 nor that wildcards are not to match (§7.2).

use super::Names;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Verifies certificates of SIP domains.
#[derive(Debug)]
pub struct DomainVerifier {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    wildcards: bool,
}

impl DomainVerifier {
    /// Verifies against these roots; with `wildcards` a name such as `*.example.com` matches too,
    /// which RFC 5922 §7.2 does not allow and some providers rely on.
    #[must_use]
    pub fn new(
        roots: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
        wildcards: bool,
    ) -> Self {
        Self {
            roots,
            algorithms,
            wildcards,
        }
    }
}

impl ServerCertVerifier for DomainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let all = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, all)?;
        let names = Names::read(end_entity)
            .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if names.covers(&server_name.to_str(), self.wildcards) {
            return Ok(ServerCertVerified::assertion());
        }
        let error = CertificateError::NotValidForNameContext {
            expected: server_name.to_owned(),
            presented: names.into_identities(),
        };
        Err(Error::InvalidCertificate(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
