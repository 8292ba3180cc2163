//! One DTLS-SRTP association (RFC 5763 §5, RFC 5764 §4): the handshake on the media path, and the
//! keys that come of it.
//!
//! | state | datagram | timer | peer's close |
//! |---|---|---|---|
//! | handshake | on, or failed | repeated, or failed | failed |
//! | established | repeats of the last flight are answered | – | closed |
//! | failed | ignored | – | – |
//!
//! # Decisions
//!
//! `rtc::dtls` does the handshake; only this file imports it. It is told the time and owns no
//! socket. What it lacks is here: a bound on the octets one association may take (its own is two
//! megabytes), an end in time, the fingerprint against the certificate before any key is used, and
//! that a fault in it ends one association and not the conference around it.

use super::fingerprint::{Fingerprint, Hash};
use super::keys::MasterKey;
use super::suite::Suite;
use bytes::BytesMut;
use rtc::crypto::{RTCCryptoProvider, default_provider};
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile as Profile;
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Our certificate and how we shake hands; one for the whole process (RFC 5763 §5: it may be).
#[derive(Clone)]
pub struct Identity {
    fingerprint: Fingerprint,
    client: Arc<HandshakeConfig>,
    server: Arc<HandshakeConfig>,
}

/// Our certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate for encrypted media could be made: {0}")]
pub struct NoIdentity(String);

/// Who begins (RFC 5763 §5, RFC 4145 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We send the first message: `a=setup:active`.
    Active,
    /// The peer does: `a=setup:passive`.
    Passive,
}

/// Why there are no keys, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer's certificate is not the one its session description tells of: somebody else
    /// answers, or a middlebox changed the description.
    #[error("the certificate is not the one of the session description")]
    Fingerprint,
    /// The peer showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// No protection profile in common.
    #[error("no SRTP protection profile in common")]
    NoProfile,
    /// The handshake was not finished in time: the peer does not answer, or cannot be reached.
    #[error("the DTLS handshake was not finished in time")]
    Timeout,
    /// The peer ended the handshake with an alert.
    #[error("the peer ended the DTLS handshake")]
    Alert,
    /// The peer closed the association.
    #[error("the peer closed the DTLS association")]
    Closed,
    /// The peer breaks the protocol.
    #[error("the DTLS handshake failed: {0}")]
    Protocol(String),
    /// The DTLS implementation has a fault.
    #[error("the DTLS handshake failed by a fault of ours")]
    Fault,
}

/// The keys of an association: what we send with, and what the peer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Ours.
    pub send: MasterKey,
    /// The peer's.
    pub receive: MasterKey,
}

/// What came of an input.
#[derive(Debug)]
pub enum Progress {
    /// Nothing yet, or nothing more.
    Continues,
    /// The handshake is done.
    Keys(Keys),
    /// It came to nothing; said once.
    Failed(Failure),
}

/// One association.
pub struct Association {
    endpoint: Endpoint,
    role: Role,
    peer: Vec<Fingerprint>,
    state: State,
    deadline: Instant,
    octets_left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshake,
    Established,
    Failed,
}

impl Identity {
    /// Makes a certificate with a new key on P-256, from the operating system's randomness.
    ///
    /// # Errors
    /// [`NoIdentity`] when there is none.
    pub fn generate() -> Result<Self, NoIdentity> {
        let provider = default_provider().map_err(|error| NoIdentity(error.to_string()))?;
        let certificate =
            Certificate::generate_self_signed(vec!["plenum".to_owned()], provider.crypto());
        let certificate = certificate.map_err(|error| NoIdentity(error.to_string()))?;
        let der = certificate.certificate.first();
        let der = der.ok_or_else(|| NoIdentity("it is empty".to_owned()))?;
        Ok(Self {
            fingerprint: Fingerprint::of(der, Hash::Sha256),
            client: configuration(&provider, &certificate, true)?,
            server: configuration(&provider, &certificate, false)?,
        })
    }

    /// What our session descriptions say of the certificate.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

fn configuration(
    provider: &Arc<dyn RTCCryptoProvider>,
    certificate: &Certificate,
    client: bool,
) -> Result<Arc<HandshakeConfig>, NoIdentity> {
    let builder = ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(provider))
        .with_certificates(vec![certificate.clone()])
        // Both show a certificate (RFC 5763 §5); whose it is the fingerprint tells, afterwards.
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .with_flight_interval(FLIGHT_INTERVAL)
        .with_srtp_protection_profiles(PROFILES.map(|(profile, _)| profile).to_vec());
    let built = builder.build(client, Some(PEER));
    Ok(Arc::new(
        built.map_err(|error| NoIdentity(error.to_string()))?,
    ))
}

impl Association {
    /// A handshake that must be done by `deadline` and take at most `octets` from the peer, whose
    /// certificate must match one of `peer`. As [`Role::Active`] call [`Self::start`] next.
    pub fn new(
        identity: &Identity,
        role: Role,
        peer: Vec<Fingerprint>,
        deadline: Instant,
        octets: usize,
    ) -> Self {
        let server = Arc::clone(&identity.server);
        let passive = (role == Role::Passive).then_some(server);
        Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, passive),
            role,
            peer,
            state: State::Handshake,
            deadline,
            octets_left: octets,
        }
    }

    /// The first message of the active side (RFC 6347 §4.2.4).
    pub fn start(&mut self, now: Instant, identity: &Identity) -> Progress {
        if self.role != Role::Active {
            return Progress::Continues;
        }
        let client = Arc::clone(&identity.client);
        let endpoint = &mut self.endpoint;
        let started = guarded(|| endpoint.connect(now, PEER, client, None));
        self.after(started.map(|()| false))
    }

    /// Takes one datagram of the peer (RFC 6347 §4.2.4).
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Progress {
        if self.state == State::Failed {
            return Progress::Continues;
        }
        let Some(left) = self.octets_left.checked_sub(datagram.len()) else {
            // Whoever still sends after so much wants to fill our memory.
            return Progress::Continues;
        };
        self.octets_left = left;
        let endpoint = &mut self.endpoint;
        let read = guarded(|| endpoint.read(now, PEER, None, BytesMut::from(datagram)));
        let mut closed = false;
        // Nothing but the handshake is of interest (RFC 5764 §4.1).
        let done = read.map(|events| {
            let is_end = |event: &EndpointEvent| matches!(event, EndpointEvent::PeerClosed);
            let is_done = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
            closed = events.iter().any(is_end);
            events.iter().any(is_done)
        });
        if closed {
            return self.fail(Failure::Closed);
        }
        self.after(done)
    }

    /// Repeats what is unanswered, or gives up (RFC 6347 §4.2.4.1).
    pub fn handle_timeout(&mut self, now: Instant) -> Progress {
        if self.state != State::Handshake {
            return Progress::Continues;
        }
        if now >= self.deadline {
            return self.fail(Failure::Timeout);
        }
        if self
            .endpoint
            .poll_timeout(&PEER)
            .is_none_or(|due| due > now)
        {
            return Progress::Continues;
        }
        let endpoint = &mut self.endpoint;
        match guarded(|| endpoint.handle_timeout(PEER, now)) {
            // It has repeated as often as it does.
            Err(Failure::Protocol(_)) => self.fail(Failure::Timeout),
            other => self.after(other.map(|()| false)),
        }
    }

    /// The next datagram to be sent to the peer.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|message| message.message)
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.state == State::Handshake).then(|| {
            let repeat = self.endpoint.poll_timeout(&PEER);
            repeat.map_or(self.deadline, |repeat| repeat.min(self.deadline))
        })
    }

    /// Octets that it still takes; what is beyond is ignored.
    pub fn octets_left(&self) -> usize {
        self.octets_left
    }

    /// Tells the peer that it is over (RFC 5246 §7.2.1).
    pub fn close(&mut self, now: Instant) {
        let endpoint = &mut self.endpoint;
        // Whether the peer hears of it changes nothing.
        drop(guarded(|| endpoint.close(now)));
        self.state = State::Failed;
    }

    fn after(&mut self, done: Result<bool, Failure>) -> Progress {
        match done {
            Ok(false) => Progress::Continues,
            Ok(true) => self.establish(),
            // A fault after the handshake ends nothing: the keys are there.
            Err(_) if self.state == State::Established => Progress::Continues,
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: Failure) -> Progress {
        self.state = State::Failed;
        Progress::Failed(failure)
    }

    /// The certificate is the right one, and the keys are exported (RFC 5764 §4.2).
    fn establish(&mut self) -> Progress {
        let keys = self.keys();
        match keys {
            Ok(keys) => {
                self.state = State::Established;
                Progress::Keys(keys)
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn keys(&self) -> Result<Keys, Failure> {
        let state = self
            .endpoint
            .get_connection_state(PEER)
            .ok_or(Failure::Fault)?;
        let shown = state
            .peer_certificates
            .first()
            .ok_or(Failure::NoCertificate)?;
        if !Fingerprint::match_any(&self.peer, shown) {
            return Err(Failure::Fingerprint);
        }
        let profile = state.srtp_protection_profile();
        let known = PROFILES.into_iter().find(|&(known, _)| known == profile);
        let (_, suite) = known.ok_or(Failure::NoProfile)?;
        let (key, salt) = (suite.key_octets(), suite.salt_octets());
        let material = state.export_keying_material(EXPORTER, &[], 2 * (key + salt));
        let material = material.map_err(|error| Failure::Protocol(error.to_string()))?;
        let material = Zeroizing::new(material.into_bytes());
        // RFC 5764 §4.2: both keys, then both salts, the client's first.
        let part = |at: usize, length: usize| material.get(at..at + length).unwrap_or_default();
        let of = |side: usize| {
            let mut octets = Zeroizing::new(part(side * key, key).to_vec());
            octets.extend_from_slice(part(2 * key + side * salt, salt));
            MasterKey::new(suite, &octets).ok_or(Failure::Fault)
        };
        let (client, server) = (of(0)?, of(1)?);
        Ok(match self.role {
            Role::Active => Keys {
                send: client,
                receive: server,
            },
            Role::Passive => Keys {
                send: server,
                receive: client,
            },
        })
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("role", &self.role)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Calls into the implementation; a panic there is its fault and nobody else's.
fn guarded<T>(run: impl FnOnce() -> rtc::shared::error::Result<T>) -> Result<T, Failure> {
    // The association is never used again after a panic, so no broken state can be seen.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err(Failure::Fault),
    }
}

fn reason(error: &Error) -> Failure {
    let none = [
        Error::ErrServerNoMatchingSrtpProfile,
        Error::ErrClientNoMatchingSrtpProfile,
        Error::ErrRequestedButNoSrtpExtension,
    ];
    if *error == Error::ErrAlertFatalOrClose {
        Failure::Alert
    } else if none.contains(error) {
        Failure::NoProfile
    } else if *error == Error::ErrClientCertificateRequired {
        Failure::NoCertificate
    } else {
        Failure::Protocol(error.to_string())
    }
}

/// The implementation sorts associations by address; we have one, whose peer is wherever the
/// media path finds it.
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
/// RFC 5764 §4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";
/// What is unanswered is repeated after this long: media waits for it, so sooner than the second
/// of RFC 6347 §4.2.4.1.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(500);
/// What we offer, in order of preference.
const PROFILES: [(Profile, Suite); 4] = [
    (Profile::Srtp_Aead_Aes_128_Gcm, Suite::AesGcm128),
    (Profile::Srtp_Aead_Aes_256_Gcm, Suite::AesGcm256),
    (Profile::Srtp_Aes128_Cm_Hmac_Sha1_80, Suite::AesCm128Tag80),
    (Profile::Srtp_Aes128_Cm_Hmac_Sha1_32, Suite::AesCm128Tag32),
];
