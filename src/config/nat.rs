//! Settings for being behind a NAT, or reaching people who are.

use super::read::{Section, Setting};
use super::trunk::Secret;
use plenum_focus::policy::Network;
use std::net::IpAddr;
use std::sync::Arc;
use toml::de::DeValue;

/// What we do about ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceMode {
    /// Nothing.
    Off,
    /// Answer checks: right where everybody reaches our addresses.
    Lite,
    /// Make checks as well: right behind a NAT.
    Full,
}

impl Setting for IceMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "off" => Ok(Self::Off),
            "lite" => Ok(Self::Lite),
            "full" => Ok(Self::Full),
            _ => Err("expected \"off\", \"lite\" or \"full\"".to_owned()),
        }
    }
}

/// The part of `[media]` that is about NATs.
#[derive(Clone, Debug)]
pub struct Nat {
    /// What we do about ICE.
    pub ice: IceMode,
    /// A STUN server, `HOST:PORT`; empty: none.
    pub stun: String,
    /// A TURN server, `HOST:PORT`; empty: none.
    pub turn: String,
    /// The user there.
    pub turn_user: String,
    /// Its password.
    pub turn_password: Option<Secret>,
    /// `[[media.network]]`: which address is told to peers of which networks; the first that fits.
    pub networks: Vec<Told>,
}

/// `[[media.network]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Peers of these networks
    pub peers: Vec<Network>,
    /// are told this address.
    pub address: IpAddr,
}

impl Nat {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let nat = Self {
            ice: section.get("ice", "\"lite\""),
            stun: section.get("stun", "\"\""),
            turn: section.get("turn", "\"\""),
            turn_user: section.get("turn_user", "\"\""),
            turn_password: section.optional("turn_password", "(none)"),
            networks: section
                .sections("network", |section| {
                    let peers = section.required("for");
                    let address = section.required("address");
                    peers.zip(address)
                })
                .into_iter()
                .flatten()
                .map(|(peers, address)| Told { peers, address })
                .collect(),
        };
        for (key, server) in [("stun", &nat.stun), ("turn", &nat.turn)] {
            let port = server.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if !server.is_empty() && !matches!(port, Some(Ok(1..))) {
                section.refuse(
                    key,
                    "expected \"HOST:PORT\"; the usual port is 3478".to_owned(),
                );
            }
        }
        if !nat.turn.is_empty() && (nat.turn_user.is_empty() || nat.turn_password.is_none()) {
            section.refuse("turn", "needs turn_user and turn_password".to_owned());
        }
        nat
    }

    /// The same for the mixer.
    #[must_use]
    pub fn for_mixer(&self) -> plenum_mcu::shell::Nat {
        let networks = self.clone();
        plenum_mcu::shell::Nat {
            ice: match self.ice {
                IceMode::Off => plenum_mcu::shell::Ice::Off,
                IceMode::Lite => plenum_mcu::shell::Ice::Lite,
                IceMode::Full => plenum_mcu::shell::Ice::Full,
            },
            told: Arc::new(move |peer| networks.told(peer)),
        }
    }

    /// The address that a peer is told by `[[media.network]]`.
    #[must_use]
    pub fn told(&self, peer: IpAddr) -> Option<IpAddr> {
        let fits = |told: &&Told| {
            let family = told.address.is_ipv4() == peer.to_canonical().is_ipv4();
            family && told.peers.iter().any(|network| network.contains(peer))
        };
        self.networks.iter().find(fits).map(|told| told.address)
    }
}
