//! What is counted about keys and protected packets.

use super::dtls::Failure;
use super::srtp::Refusal;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of everything that secrecy refuses. One set is shared by all legs.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Protected packets whose authentication tag is wrong.
    pub srtp_authentication: Counter,
    /// Protected packets received before or too old to tell.
    pub srtp_replayed: Counter,
    /// Packets that are no SRTP, or name a key nobody signalled.
    pub srtp_malformed: Counter,
    /// Packets that are not encrypted where encryption was agreed on.
    pub srtp_unencrypted: Counter,
    /// Packets of more synchronisation sources than a peer may have.
    pub srtp_sources: Counter,
    /// Packets that came, or were to be sent, before the keys were there.
    pub srtp_no_keys: Counter,
    /// `a=crypto:` lines passed over because they are malformed or ask for what we do not do.
    pub sdes_skipped: Counter,
    /// DTLS handshakes that gave keys.
    pub dtls_done: Counter,
    /// DTLS handshakes refused because the certificate is not the one of the session description.
    pub dtls_fingerprint: Counter,
    /// DTLS handshakes that agreed on no SRTP profile.
    pub dtls_profile: Counter,
    /// DTLS handshakes that were not finished in time.
    pub dtls_timeout: Counter,
    /// DTLS handshakes ended by an alert of the peer.
    pub dtls_alert: Counter,
    /// DTLS handshakes that failed in another way.
    pub dtls_failed: Counter,
    /// DTLS datagrams beyond what a handshake may take.
    pub dtls_excess: Counter,
    /// Times a handshake had to wait for a place.
    pub dtls_waited: Counter,
}

impl Metrics {
    /// A packet was refused.
    pub fn refused(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Malformed | Refusal::UnknownKey => &self.srtp_malformed,
            Refusal::Authentication => &self.srtp_authentication,
            Refusal::Replayed => &self.srtp_replayed,
            Refusal::Unencrypted => &self.srtp_unencrypted,
            Refusal::TooManySources => &self.srtp_sources,
        };
        counter.inc();
    }

    /// A handshake failed.
    pub fn failed(&self, failure: &Failure) {
        let counter = match failure {
            Failure::Fingerprint => &self.dtls_fingerprint,
            Failure::NoProfile => &self.dtls_profile,
            Failure::Timeout => &self.dtls_timeout,
            Failure::Alert | Failure::Closed => &self.dtls_alert,
            Failure::NoCertificate | Failure::Protocol(_) | Failure::Fault => &self.dtls_failed,
        };
        counter.inc();
    }

    /// Makes every counter visible in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let packets: [(&str, &str, &Counter); 7] = [
            (
                "srtp_authentication",
                "Protected packets with a wrong tag",
                &self.srtp_authentication,
            ),
            (
                "srtp_replayed",
                "Protected packets received before",
                &self.srtp_replayed,
            ),
            (
                "srtp_malformed",
                "Packets that are no SRTP",
                &self.srtp_malformed,
            ),
            (
                "srtp_unencrypted",
                "Packets not encrypted though agreed on",
                &self.srtp_unencrypted,
            ),
            (
                "srtp_sources",
                "Packets of too many sources of one peer",
                &self.srtp_sources,
            ),
            (
                "srtp_no_keys",
                "Packets before the keys were there",
                &self.srtp_no_keys,
            ),
            (
                "sdes_skipped",
                "Crypto lines passed over",
                &self.sdes_skipped,
            ),
        ];
        for (name, help, counter) in packets.into_iter().chain(self.handshakes()) {
            registry.register(format!("media_{name}"), help, counter.clone());
        }
    }

    fn handshakes(&self) -> [(&'static str, &'static str, &Counter); 8] {
        [
            (
                "dtls_done",
                "DTLS handshakes that gave keys",
                &self.dtls_done,
            ),
            (
                "dtls_fingerprint",
                "DTLS handshakes with another certificate",
                &self.dtls_fingerprint,
            ),
            (
                "dtls_profile",
                "DTLS handshakes without a common SRTP profile",
                &self.dtls_profile,
            ),
            (
                "dtls_timeout",
                "DTLS handshakes not finished in time",
                &self.dtls_timeout,
            ),
            (
                "dtls_alert",
                "DTLS associations ended by the peer",
                &self.dtls_alert,
            ),
            (
                "dtls_failed",
                "DTLS handshakes failed otherwise",
                &self.dtls_failed,
            ),
            (
                "dtls_excess",
                "DTLS datagrams beyond the bound",
                &self.dtls_excess,
            ),
            (
                "dtls_waited",
                "DTLS handshakes that had to wait",
                &self.dtls_waited,
            ),
        ]
    }
}
