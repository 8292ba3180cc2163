//! What a datagram on a shared port is (RFC 7983 §7, RFC 5761 §4).

/// A kind of datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// STUN (RFC 8489).
    Stun,
    /// A TURN channel (RFC 8656 §12).
    Channel,
    /// DTLS.
    Dtls,
    /// RTP, plain or protected.
    Rtp,
    /// RTCP, plain or protected.
    Rtcp,
    /// Nothing that we know.
    Unknown,
}

/// Looks at the first octets.
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [64..=79, ..] => Kind::Channel,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7983_7_the_first_octet_tells() {
        for (first, expected) in [
            (0, Kind::Stun),
            (3, Kind::Stun),
            (4, Kind::Unknown),
            (19, Kind::Unknown),
            (20, Kind::Dtls),
            (63, Kind::Dtls),
            (64, Kind::Channel),
            (79, Kind::Channel),
            (80, Kind::Unknown),
            (127, Kind::Unknown),
            (128, Kind::Rtp),
            (191, Kind::Rtp),
            (192, Kind::Unknown),
        ] {
            assert_eq!(kind(&[first, 0]), expected, "{first}");
        }
        assert_eq!(kind(&[128, 200]), Kind::Rtcp, "RFC 5761 §4");
        assert_eq!(kind(&[]), Kind::Unknown);
    }
}
