//! Why a handshake failed, in words that name the remedy.

use crate::websocket::Refused;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::io;

/// Why a connection was not secured, or not upgraded to a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFailure {
    /// No root that we trust vouches for the peer's certificate.
    #[error(
        "no authority we trust signed the peer's certificate; \
         add the certificate of its authority to tls.ca_files"
    )]
    UnknownAuthority,
    /// It is over.
    #[error("the peer's certificate has expired; its owner has to renew it (is our clock right?)")]
    Expired,
    /// It has not begun.
    #[error("the peer's certificate is not valid yet; check the clocks of both machines")]
    NotValidYet,
    /// It is another one's certificate.
    #[error("the peer's certificate is for another name: {0}")]
    WrongName(String),
    /// The certificate is unusable otherwise.
    #[error("the peer's certificate cannot be used: {0}")]
    BadCertificate(String),
    /// Mutual TLS is required and the peer showed none.
    #[error(
        "the peer shows no certificate and tls.client_certificates = \"require\"; \
         give it one, or set \"request\""
    )]
    NoCertificate,
    /// Neither TLS 1.2 nor 1.3.
    #[error("no common TLS version: the peer must do TLS 1.2 or 1.3")]
    NoCommonVersion,
    /// No common cipher suite, group or signature.
    #[error("no common cipher suite, key exchange or signature algorithm: {0}")]
    NoCommonAlgorithm(String),
    /// The peer does not like ours.
    #[error(
        "the peer refuses our certificate ({0}); it must trust the authority of ours, and ours must \
         name the host it asks for"
    )]
    RefusedByPeer(String),
    /// What came is no TLS.
    #[error("the peer does not speak TLS here; check the transport and port it is set to")]
    NotTls,
    /// The peer closed or reset the connection.
    #[error("the peer closed the connection during the handshake")]
    PeerClosed,
    /// The handshake took too long.
    #[error("the peer did not finish the handshake in time")]
    TimedOut,
    /// It is no WebSocket for SIP.
    #[error("no WebSocket: {0}")]
    NotWebSocket(#[from] Refused),
    /// Anything else.
    #[error("the handshake failed: {0}")]
    Other(String),
}

/// Which handshakes failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HandshakeFailedBy {
    /// Who opened the connection.
    pub side: Side,
    /// Why, in one word of the log's.
    pub reason: Reason,
}

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Side {
    /// The peer: we are the server.
    Inbound,
    /// We.
    Outbound,
}

/// The kinds of [`HandshakeFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(missing_docs, reason = "the names are those of the failures")]
pub enum Reason {
    UnknownAuthority,
    Expired,
    NotValidYet,
    WrongName,
    BadCertificate,
    NoCertificate,
    NoCommonVersion,
    NoCommonAlgorithm,
    RefusedByPeer,
    NotTls,
    PeerClosed,
    TimedOut,
    NotWebSocket,
    Other,
}

impl HandshakeFailure {
    /// From what the stream says.
    #[must_use]
    pub fn new(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(error) => Self::of_tls(error),
            None => Self::of_stream(error),
        }
    }

    fn of_stream(error: &io::Error) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the kinds are the standard library's"
        )]
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::PeerClosed,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Other(error.to_string()),
        }
    }

    fn of_tls(error: &Error) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the errors are rustls's, and may become more"
        )]
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::NoCertificatesPresented => Self::NoCertificate,
            // Nothing older than TLS 1.2 names its algorithms (RFC 5246 §7.4.1.4.1).
            Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) => {
                Self::NoCommonVersion
            }
            Error::PeerIncompatible(why) => {
                let why = format!("{why:?}");
                if why.contains("Version") || why.contains("Tls1") {
                    Self::NoCommonVersion
                } else {
                    Self::NoCommonAlgorithm(why)
                }
            }
            Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::NoCommonVersion,
            Error::AlertReceived(AlertDescription::HandshakeFailure) => {
                Self::NoCommonAlgorithm("the peer says so".to_owned())
            }
            Error::AlertReceived(AlertDescription::CertificateRequired) => Self::RefusedByPeer(
                "it wants a client certificate that it trusts: tls.certificate".to_owned(),
            ),
            Error::AlertReceived(alert) => Self::RefusedByPeer(format!("{alert:?}")),
            Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(other.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the errors are rustls's, and may become more"
        )]
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotValidYet
            }
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName(mismatch(&expected.to_str(), presented)),
            other => Self::BadCertificate(other.to_string()),
        }
    }

    /// Its kind, for the counter.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownAuthority => Reason::UnknownAuthority,
            Self::Expired => Reason::Expired,
            Self::NotValidYet => Reason::NotValidYet,
            Self::WrongName(_) => Reason::WrongName,
            Self::BadCertificate(_) => Reason::BadCertificate,
            Self::NoCertificate => Reason::NoCertificate,
            Self::NoCommonVersion => Reason::NoCommonVersion,
            Self::NoCommonAlgorithm(_) => Reason::NoCommonAlgorithm,
            Self::RefusedByPeer(_) => Reason::RefusedByPeer,
            Self::NotTls => Reason::NotTls,
            Self::PeerClosed => Reason::PeerClosed,
            Self::TimedOut => Reason::TimedOut,
            Self::NotWebSocket(_) => Reason::NotWebSocket,
            Self::Other(_) => Reason::Other,
        }
    }
}

fn mismatch(expected: &str, presented: &[String]) -> String {
    let shown = if presented.is_empty() {
        "no host".to_owned()
    } else {
        presented.join(", ")
    };
    let wild = presented.iter().any(|name| name.starts_with("*."));
    let remedy = if wild {
        "; tls.wildcards = true would take a wildcard"
    } else {
        ""
    };
    format!("we asked for {expected}, it names {shown}{remedy}")
}
