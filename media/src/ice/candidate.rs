//! Candidates and their priorities (RFC 8445 §5.1).

use std::net::SocketAddr;

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address of the machine itself.
    Host,
    /// What a STUN server sees us as.
    ServerReflexive,
    /// What a peer sees the other as.
    PeerReflexive,
    /// An address on a TURN server.
    Relayed,
}

impl Kind {
    /// As SDP writes it (RFC 8839 §5.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }

    /// From the word of SDP; `None` for types to come.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Host,
            Self::ServerReflexive,
            Self::PeerReflexive,
            Self::Relayed,
        ];
        all.into_iter()
            .find(|kind| word.eq_ignore_ascii_case(kind.as_str()))
    }

    /// The type preferences that RFC 8445 §5.1.2.2 recommends.
    fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }
}

/// One address somebody can be reached at, UDP only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The same for candidates of the same type, base and server (RFC 8445 §5.1.1.3); 1 to 32 letters or digits.
    pub foundation: String,
    /// 1: RTP. 2: RTCP.
    pub component: u8,
    /// The greater the better.
    pub priority: u32,
    /// The address.
    pub address: SocketAddr,
    /// Where it comes from.
    pub kind: Kind,
    /// For all but hosts: the address behind it, for the curious only.
    pub related: Option<SocketAddr>,
}

/// The priority of a candidate (RFC 8445 §5.1.2.1). `local` tells several of one type apart, greater is better.
pub fn priority(kind: Kind, local: u16, component: u8) -> u32 {
    (kind.preference() << 24) | (u32::from(local) << 8) | (256 - u32::from(component))
}

/// The priority of a pair (RFC 8445 §6.1.2.3).
pub(super) fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let (less, more) = (controlling.min(controlled), controlling.max(controlled));
    (u64::from(less) << 32) + 2 * u64::from(more) + u64::from(controlling > controlled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8445_5_1_2_1_priorities_are_ordered_by_type_then_preference_then_component() {
        assert_eq!(priority(Kind::Host, 65_535, 1), 2_130_706_431);
        let order = [
            priority(Kind::Host, 65_535, 1),
            priority(Kind::Host, 65_535, 2),
            priority(Kind::Host, 65_534, 1),
            priority(Kind::PeerReflexive, 65_535, 1),
            priority(Kind::ServerReflexive, 65_535, 1),
            priority(Kind::Relayed, 65_535, 1),
        ];
        assert!(order.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn rfc8445_6_1_2_3_both_sides_give_a_pair_the_same_place() {
        assert_eq!(pair_priority(1, 2), (1 << 32) + 4);
        assert_eq!(pair_priority(2, 1), (1 << 32) + 5);
        assert!(pair_priority(5, 3) > pair_priority(4, 2));
    }
}
