//! TLS of SIP connections (RFC 3261 §26, RFC 5246, RFC 8446). With the root crate's certificate
//! store this is the only place that knows `rustls`.
//!
//! | file | what it knows |
//! |---|---|
//! | `names` | who a certificate speaks for (RFC 5922 §7.1) |
//! | `verify` | whether a server's certificate is the one of the domain we asked for |
//! | `failure` | why a handshake failed, in words that name the remedy |

mod failure;
mod names;
mod verify;

pub use failure::{HandshakeFailedBy, HandshakeFailure, Reason, Side};
pub use names::Names;
pub use verify::DomainVerifier;

use crate::msg::Text;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// What handshakes are made with. Connections keep what they began with; a new one takes what is
/// current then.
#[derive(Clone, Debug)]
pub struct TlsConfigs {
    /// For connections of SIP peers to us.
    pub sip: Arc<ServerConfig>,
    /// For WebSockets to us: never asks a browser for a certificate.
    pub web: Arc<ServerConfig>,
    /// For connections of ours.
    pub client: Arc<ClientConfig>,
}

/// Whether a SIP peer that connects shows a certificate of its own (mutual TLS).
#[derive(Clone, Debug, Default)]
pub enum PeerCertificates {
    /// It is not asked.
    #[default]
    Off,
    /// It is asked; one that it shows is verified against these roots.
    Request(Arc<RootCertStore>),
    /// Without one that these roots vouch for there is no connection.
    Require(Arc<RootCertStore>),
}

/// Why a configuration for handshakes cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// There is no root to verify with.
    #[error("the certificates of peers cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The provider refuses.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// For connections of SIP peers.
///
/// # Errors
/// Certificates are to be verified and there are no roots.
pub fn sip_server(
    certificates: Arc<dyn ResolvesServerCert>,
    peers: &PeerCertificates,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = |roots: &Arc<RootCertStore>| {
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
    };
    let verifier = match peers {
        PeerCertificates::Off => WebPkiClientVerifier::no_client_auth(),
        PeerCertificates::Request(roots) => verifier(roots).allow_unauthenticated().build()?,
        PeerCertificates::Require(roots) => verifier(roots).build()?,
    };
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificates);
    resumable(config)
}

/// For HTTPS and WebSockets.
///
/// # Errors
/// The provider refuses.
pub fn web_server(
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    resumable(config)
}

/// For connections of ours; `own` is shown to who asks for it.
///
/// # Errors
/// The provider refuses.
pub fn sip_client(
    roots: RootCertStore,
    wildcards: bool,
    own: Arc<dyn ResolvesClientCert>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(DomainVerifier::new(
            roots, algorithms, wildcards,
        )))
        .with_client_cert_resolver(own);
    Ok(Arc::new(config))
}

/// Tickets (RFC 5077, RFC 8446 §4.6.1): a peer that comes back needs no full handshake, and we keep
/// nothing for it.
fn resumable(mut config: ServerConfig) -> Result<Arc<ServerConfig>, TlsSetupError> {
    config.ticketer = ring::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// The present configuration, read for every handshake.
#[derive(Clone, Debug)]
pub(super) struct Handshakes(watch::Receiver<TlsConfigs>);

impl Handshakes {
    pub(super) fn new(configs: watch::Receiver<TlsConfigs>) -> Self {
        Self(configs)
    }

    pub(super) async fn accept_sip(
        &self,
        stream: TcpStream,
    ) -> Result<server::TlsStream<TcpStream>, HandshakeFailure> {
        let config = Arc::clone(&self.0.borrow().sip);
        let accepted = TlsAcceptor::from(config).accept(stream).await;
        accepted.map_err(|error| HandshakeFailure::new(&error))
    }

    pub(super) async fn accept_web(
        &self,
        stream: TcpStream,
    ) -> Result<server::TlsStream<TcpStream>, HandshakeFailure> {
        let config = Arc::clone(&self.0.borrow().web);
        let accepted = TlsAcceptor::from(config).accept(stream).await;
        accepted.map_err(|error| HandshakeFailure::new(&error))
    }

    pub(super) async fn connect(
        &self,
        domain: &str,
        stream: TcpStream,
    ) -> Result<client::TlsStream<TcpStream>, HandshakeFailure> {
        let config = Arc::clone(&self.0.borrow().client);
        let name = ServerName::try_from(domain.to_owned())
            .map_err(|_| HandshakeFailure::WrongName(format!("\"{domain}\" is no host name")))?;
        let connected = TlsConnector::from(config).connect(name, stream).await;
        connected.map_err(|error| HandshakeFailure::new(&error))
    }
}

/// Whom the verified certificate of a peer speaks for; none if it showed none.
pub(super) fn peer_names(certificates: Option<&[CertificateDer<'_>]>) -> Vec<Text> {
    let names = certificates
        .and_then(<[_]>::first)
        .and_then(|certificate| Names::read(certificate));
    let names = names.map(Names::into_identities).unwrap_or_default();
    names.into_iter().map(Text::from).collect()
}

/// RFC 8996: nothing older.
const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
