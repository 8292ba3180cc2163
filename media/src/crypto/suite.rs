//! The protection suites we speak, with the names and sizes their RFCs give them.

/// What an SRTP stream is protected with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, 80 bits of HMAC-SHA1 (RFC 4568 §6.2.1).
    AesCm128Tag80,
    /// AES-128 in counter mode, 32 bits of HMAC-SHA1, 80 for RTCP (RFC 4568 §6.2.2).
    AesCm128Tag32,
    /// AES-256 in counter mode, 80 bits of HMAC-SHA1 (RFC 6188 §4).
    AesCm256Tag80,
    /// AES-256 in counter mode, 32 bits of HMAC-SHA1, 80 for RTCP (RFC 6188 §4).
    AesCm256Tag32,
    /// AES-128 in Galois/Counter mode (RFC 7714 §14.2).
    AesGcm128,
    /// AES-256 in Galois/Counter mode (RFC 7714 §14.2).
    AesGcm256,
}

impl Suite {
    /// All of them, in the order in which we offer them: what is cheapest to check comes first
    /// among equals, long keys before short tags.
    pub const ALL: [Self; 6] = [
        Self::AesGcm128,
        Self::AesGcm256,
        Self::AesCm128Tag80,
        Self::AesCm256Tag80,
        Self::AesCm128Tag32,
        Self::AesCm256Tag32,
    ];

    /// The name in an `a=crypto:` line.
    pub const fn sdes_name(self) -> &'static str {
        match self {
            Self::AesCm128Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256Tag32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AesGcm128 => "AEAD_AES_128_GCM",
            Self::AesGcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name, and the spelling to repeat: the names of RFC 6188 were different in
    /// its drafts, and many devices kept those.
    pub fn of_sdes_name(name: &str) -> Option<(Self, &'static str)> {
        const DRAFT: [(&str, Suite); 2] = [
            ("AES_CM_256_HMAC_SHA1_80", Suite::AesCm256Tag80),
            ("AES_CM_256_HMAC_SHA1_32", Suite::AesCm256Tag32),
        ];
        let known = Self::ALL
            .into_iter()
            .map(|suite| (suite.sdes_name(), suite));
        known
            .chain(DRAFT)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(known, suite)| (suite, known))
    }

    /// Octets of the master key.
    pub const fn key_octets(self) -> usize {
        match self {
            Self::AesCm128Tag80 | Self::AesCm128Tag32 | Self::AesGcm128 => 16,
            Self::AesCm256Tag80 | Self::AesCm256Tag32 | Self::AesGcm256 => 32,
        }
    }

    /// Octets of the master salt.
    pub const fn salt_octets(self) -> usize {
        if self.is_gcm() { 12 } else { 14 }
    }

    /// Octets of the tag of an RTP packet.
    pub const fn rtp_tag(self) -> usize {
        match self {
            Self::AesCm128Tag80 | Self::AesCm256Tag80 => 10,
            Self::AesCm128Tag32 | Self::AesCm256Tag32 => 4,
            Self::AesGcm128 | Self::AesGcm256 => 16,
        }
    }

    /// Octets of the tag of an RTCP packet: never the short one (RFC 4568 §6.2.2).
    pub const fn rtcp_tag(self) -> usize {
        if self.is_gcm() { 16 } else { 10 }
    }

    /// Encryption and authentication in one (RFC 7714).
    pub const fn is_gcm(self) -> bool {
        matches!(self, Self::AesGcm128 | Self::AesGcm256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4568_names_are_found_in_any_case_and_in_their_drafts_spelling() {
        for suite in Suite::ALL {
            let lower = suite.sdes_name().to_ascii_lowercase();
            let found = Suite::of_sdes_name(&lower);
            assert_eq!(found, Some((suite, suite.sdes_name())));
        }
        let draft = "AES_CM_256_HMAC_SHA1_80";
        let found = Suite::of_sdes_name(draft);
        assert_eq!(found, Some((Suite::AesCm256Tag80, draft)));
        assert_eq!(Suite::of_sdes_name("F8_128_HMAC_SHA1_80"), None);
    }
}
