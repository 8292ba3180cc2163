//! Settings for being behind a NAT, or reaching people who are.

use super::Protection;
use super::read::{Section, Setting};
use super::trunk::Secret;
use plenum_focus::policy::Network;
use plenum_mcu::shell::{Servers, TurnLogin};
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
    /// `[[media.network]]`: what holds for peers of which networks; the first that fits and says something.
    pub networks: Vec<Peers>,
}

/// `[[media.network]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Peers of these networks
    pub networks: Vec<Network>,
    /// are told this address of ours,
    pub address: Option<IpAddr>,
    /// and may, or must, encrypt their media.
    pub protection: Option<Protection>,
}

impl Nat {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let nat = Self {
            ice: section.get("ice", "\"lite\""),
            stun: section.get("stun", "\"\""),
            turn: section.get("turn", "\"\""),
            turn_user: section.get("turn_user", "\"\""),
            turn_password: section.optional("turn_password", "(none)"),
            networks: section.sections("network", |section| {
                let peers = Peers {
                    networks: section.required("for").unwrap_or_default(),
                    address: section.optional("address", "(as everybody)"),
                    protection: section.optional("protection", "(as everybody)"),
                };
                if peers.address.is_none() && peers.protection.is_none() {
                    section.refuse("for", "needs an address, a protection or both".to_owned());
                }
                peers
            }),
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
        let (networks, protections) = (self.clone(), self.clone());
        plenum_mcu::shell::Nat {
            ice: match self.ice {
                IceMode::Off => plenum_mcu::shell::Ice::Off,
                IceMode::Lite => plenum_mcu::shell::Ice::Lite,
                IceMode::Full => plenum_mcu::shell::Ice::Full,
            },
            told: Arc::new(move |peer| networks.told(peer)),
            protection: Arc::new(move |peer| Some(protections.protection(peer)?.for_mixer())),
            servers: self.servers(),
        }
    }

    fn servers(&self) -> Servers {
        let named = |server: &String| (!server.is_empty()).then(|| server.clone());
        Servers {
            stun: named(&self.stun),
            turn: named(&self.turn).map(|server| TurnLogin {
                server,
                user: self.turn_user.clone(),
                password: self
                    .turn_password
                    .as_ref()
                    .map_or_else(String::new, |it| it.expose().to_owned()),
            }),
        }
    }

    /// The address that a peer is told by `[[media.network]]`.
    #[must_use]
    pub fn told(&self, peer: IpAddr) -> Option<IpAddr> {
        let family = |address: &IpAddr| address.is_ipv4() == peer.to_canonical().is_ipv4();
        let mut told = self.about(peer).filter_map(|peers| peers.address);
        told.find(family)
    }

    /// Whether a peer at this address may, or must, encrypt, by `[[media.network]]`.
    #[must_use]
    pub fn protection(&self, peer: IpAddr) -> Option<Protection> {
        self.about(peer).find_map(|peers| peers.protection)
    }

    fn about(&self, peer: IpAddr) -> impl Iterator<Item = &Peers> {
        let fits = move |peers: &&Peers| peers.networks.iter().any(|it| it.contains(peer));
        self.networks.iter().filter(fits)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Protection};
    use std::net::IpAddr;

    #[test]
    fn what_holds_for_a_network_goes_by_the_first_section_that_says_it() {
        let text = "[[media.network]]\nfor = [\"10.0.0.0/8\"]\nprotection = \"never\"\n\
                    [[media.network]]\nfor = [\"10.0.0.0/8\", \"fd00::/8\"]\n\
                    address = \"10.0.0.5\"\nprotection = \"required\"\n";
        let nat = Config::parse(text).unwrap().media.nat;
        let ours: IpAddr = [10, 0, 0, 5].into();
        for (peer, told, protection) in [
            ("10.1.2.3", Some(ours), Some(Protection::Never)),
            // An address of the other family is of no use to it.
            ("fd00::7", None, Some(Protection::Required)),
            ("192.0.2.1", None, None),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!((nat.told(peer), nat.protection(peer)), (told, protection));
        }
    }

    #[test]
    fn a_network_about_which_nothing_is_said_is_a_mistake() {
        let text = "[[media.network]]\nfor = [\"10.0.0.0/8\"]\n";
        let problems = Config::parse(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
