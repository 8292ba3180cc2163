//! A path that sections share (RFC 9143 §9): what is not of sound is put aside as it came, and what others need to know
//! to send by it.

use super::demultiplex::{self, Kind};
use super::{Inbound, MediaPath};
use crate::crypto::dtls::Keys;
use std::net::SocketAddr;
use std::time::Instant;

/// A set of payload types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadTypes(u128);

impl PayloadTypes {
    /// Those of 0 to 127 among these.
    pub fn of(types: impl IntoIterator<Item = u8>) -> Self {
        let bits = types
            .into_iter()
            .filter_map(|pt| 1_u128.checked_shl(pt.into()));
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// Whether it is one of them.
    pub fn has(self, pt: u8) -> bool {
        1_u128
            .checked_shl(pt.into())
            .is_some_and(|bit| self.0 & bit != 0)
    }
}

/// How a peer is reached by a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The leg's socket.
    pub via: u8,
    /// The peer, or the TURN server.
    pub to: SocketAddr,
    /// The channel whose header the server wants (RFC 8656 §12.4).
    pub channel: Option<u16>,
}

/// Whose a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Sound,
    Pictures,
    Both,
}

/// Looks at what is not protected. In a group a payload type means one thing (RFC 9143 §9.1), and those of sound are
/// known. Feedback that stands alone (RFC 5506) is never about sound, which agrees on none; reports may be about both.
fn whose(datagram: &[u8], sound: PayloadTypes) -> Whose {
    match (demultiplex::kind(datagram), datagram) {
        (Kind::Rtp, [_, pt, ..]) if sound.has(pt & 0x7f) => Whose::Sound,
        (Kind::Rtp, _) | (Kind::Rtcp, [_, 205 | 206, ..]) => Whose::Pictures,
        (Kind::Rtcp, _) => Whose::Both,
        (Kind::Stun | Kind::Channel | Kind::Dtls | Kind::Unknown, _) => Whose::Sound,
    }
}

impl MediaPath {
    /// As [`Self::handle_datagram`] where pictures share the path: what may be theirs is given to `aside` as it came, still
    /// protected. `sound` are the payload types of sound.
    pub fn handle_shared<'d>(
        &mut self,
        now: Instant,
        via: u8,
        from: SocketAddr,
        datagram: &'d mut [u8],
        sound: PayloadTypes,
        aside: &mut impl FnMut(&[u8]),
    ) -> Inbound<'d> {
        let (datagram, from, relayed) = match self.unwrap(now, via, from, datagram) {
            Ok(left) => left,
            Err(other) => return other,
        };
        let whose = whose(datagram, sound);
        if whose != Whose::Sound {
            aside(datagram);
        }
        if whose == Whose::Pictures {
            return Inbound::Consumed;
        }
        self.take(now, via, (from, relayed), datagram)
    }

    /// Other keys, or none any more.
    pub(super) fn share_keys(&mut self, keys: Option<Keys>) {
        if self.keys.1 != keys {
            self.keys = (self.keys.0.wrapping_add(1), keys);
        }
    }

    /// How often the keys changed, and how the peer is reached now: when one of both differs, those who share the path
    /// have to be told.
    pub fn shared(&self) -> (u64, Option<Reach>) {
        (self.keys.0, self.reach())
    }

    /// The keys of the handshake.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.1.as_ref()
    }

    fn reach(&self) -> Option<Reach> {
        let agent = self.ice.as_ref()?;
        let (path, remote) = agent.route(1)?;
        let (to, channel) = agent.shared_way(path, remote)?;
        Some(Reach {
            via: path.socket,
            to,
            channel,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9143_9_1_a_payload_type_tells_sound_from_pictures() {
        let sound = PayloadTypes::of([0, 111, 127, 200]);
        for (datagram, expected) in [
            (&[0x80, 111, 0, 1][..], Whose::Sound),
            (&[0x80, 0x80 | 111, 0, 1], Whose::Sound),
            (&[0x90, 0, 0, 1], Whose::Sound),
            (&[0x80, 96, 0, 1], Whose::Pictures),
            (&[0x80, 0x80 | 96, 0, 1], Whose::Pictures),
            (&[0x80, 200, 0, 6], Whose::Both),
            (&[0x80, 201, 0, 6], Whose::Both),
            (&[0x8f, 205, 0, 6], Whose::Pictures),
            (&[0x81, 206, 0, 2], Whose::Pictures),
            (&[22, 254, 253], Whose::Sound),
            (&[0, 1], Whose::Sound),
            (&[0x80], Whose::Pictures),
            (&[], Whose::Sound),
        ] {
            assert_eq!(whose(datagram, sound), expected, "{datagram:?}");
        }
        assert!(sound.has(127) && !sound.has(200) && !sound.has(1));
    }
}
