//! Conference policy (RFC 4353 §3): pure decisions on who may do what.

use crate::access::{Access, Decision, Role, Subject, decide};
use crate::limits::Limits;
use crate::record::{ConferenceRecord, Origin};
use crate::refusal::Refusal;
use crate::uri::Domains;
use plenum_mcu::control::{MediaTerms, Offers};
use plenum_sip::endpoint::{Flow, Transport};
use plenum_sip::msg::Uri;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The policy of the server.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The hosts it answers for.
    pub domains: Domains,
    /// Who may create a conference by calling it.
    pub ad_hoc: AdHoc,
    /// Networks on which a caller is who `From` says. Elsewhere two calls are of one user only
    /// when they also come from one address.
    pub trusted: Vec<Network>,
    /// What links to conferences begin with, `https://…`; participants are told them encrypted
    /// (CB-221).
    pub links: Option<String>,
    /// Who knows what the devices of users are; without, they are telephones.
    pub devices: Option<Arc<dyn Devices>>,
}

/// What is known of those we call.
pub trait Devices: fmt::Debug + Send + Sync {
    /// Whom an offer to this address is for.
    fn of(&self, uri: &Uri) -> Offers;

    /// What is agreed on about media with who has this address.
    fn terms(&self, uri: &Uri) -> MediaTerms;
}

/// Whether a contact is behind a WebSocket (RFC 7118 §5.1).
pub fn is_browser(contact: &Uri) -> bool {
    let transport = contact.param("transport");
    transport.is_some_and(|name| ["ws", "wss"].iter().any(|it| name.eq_ignore_case(it)))
}

/// Who may create a conference by calling it.
#[derive(Clone, Debug, Default)]
pub enum AdHoc {
    /// Nobody: only configured conferences exist.
    Nobody,
    /// Anybody who can call.
    #[default]
    Anybody,
    /// Callers from these networks.
    From(Vec<Network>),
}

/// An address block: an address and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The block of `address` with `prefix` bits; `None` when the address has fewer.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether the address is in the block. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let different = u32::from(net) ^ u32::from(ip);
                different.leading_zeros() >= prefix
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let different = u128::from(net) ^ u128::from(ip);
                different.leading_zeros() >= prefix
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Policy {
    /// Whom an offer to this address is for: what is reached over a WebSocket is a browser (RFC 7118).
    pub fn offers(&self, uri: &Uri) -> Offers {
        if is_browser(uri) {
            return Offers::Browser;
        }
        let devices = self.devices.as_ref();
        devices.map_or(Offers::Phone, |devices| devices.of(uri))
    }

    /// What is agreed on about media with who has this address.
    pub fn terms(&self, uri: &Uri) -> MediaTerms {
        let devices = self.devices.as_ref();
        devices.map_or_else(MediaTerms::default, |devices| devices.terms(uri))
    }

    /// Whether a caller at this address may create a conference by calling it, while `active`
    /// conferences are active. How often it may is the factory's matter.
    ///
    /// # Errors
    /// [`Refusal::UnknownConference`] or [`Refusal::MayNotCreate`].
    pub fn may_create(&self, source: IpAddr) -> Result<(), Refusal> {
        match &self.ad_hoc {
            AdHoc::Nobody => Err(Refusal::UnknownConference),
            AdHoc::Anybody => Ok(()),
            AdHoc::From(networks) if networks.iter().any(|network| network.contains(source)) => {
                Ok(())
            }
            AdHoc::From(_) => Err(Refusal::MayNotCreate),
        }
    }

    /// Whether whoever sends over this flow is who they say. Nobody is over a WebSocket: any page
    /// that a browser on a trusted network has open can make one, and behind a web server all
    /// browsers seem to be on this machine.
    pub fn trusts(&self, flow: &Flow) -> bool {
        let source = flow.remote.ip().to_canonical();
        let browser = matches!(flow.transport, Transport::Ws | Transport::Wss);
        !browser && self.trusted.iter().any(|network| network.contains(source))
    }
}

/// How things stand in an active conference, as far as admission looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Places taken, counting those on their way in.
    pub places: usize,
    /// Endpoints that wait in the lobby.
    pub waiting: usize,
    /// Who gets in.
    pub access: Access,
    /// Whether it is being ended.
    pub ending: bool,
}

impl Occupancy {
    /// How a conference with this record starts.
    pub fn at_start(record: &ConferenceRecord) -> Self {
        Self {
            places: 0,
            waiting: 0,
            access: record.access(),
            ending: false,
        }
    }
}

/// What becomes of somebody who calls in, who may be asked for the PIN besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Comes in.
    Admit(Role),
    /// Waits in the lobby.
    Lobby(Role),
    /// Is refused before the call is answered.
    Refuse(Refusal),
}

/// What becomes of somebody who calls in.
///
/// A conference that is ending says so first; a locked one does not tell whether it is full.
pub fn admit(
    subject: &Subject<'_>,
    record: &ConferenceRecord,
    occupancy: &Occupancy,
    limits: &Limits,
) -> Admission {
    if occupancy.ending {
        return Admission::Refuse(Refusal::Draining(limits.retry_after));
    }
    let full = occupancy.places >= most_endpoints(record, limits);
    let crowded = occupancy.waiting >= limits.control.lobby;
    match decide(subject, &occupancy.access, &record.members, record.mode) {
        Decision::Admit(_) if full => Admission::Refuse(Refusal::Full),
        Decision::Lobby(_) if crowded => Admission::Refuse(Refusal::Full),
        Decision::Admit(role) => Admission::Admit(role),
        Decision::Lobby(role) => Admission::Lobby(role),
        Decision::Refuse(refusal) => Admission::Refuse(refusal),
    }
}

/// Whether somebody who calls a conference nobody is in makes it theirs.
pub fn is_founder(record: &ConferenceRecord) -> bool {
    match record.origin {
        Origin::AdHoc => record.members.organizer.is_none(),
        Origin::Configured => false,
    }
}

/// Endpoints this conference may have.
pub fn most_endpoints(record: &ConferenceRecord, limits: &Limits) -> usize {
    record
        .max_endpoints
        .unwrap_or(limits.endpoints)
        .min(limits.endpoints)
}

/// Whether a conference stays known when nobody is in it.
pub fn outlives_activation(record: &ConferenceRecord) -> bool {
    match record.origin {
        Origin::AdHoc => false,
        Origin::Configured => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Identity, ServerMode};
    use crate::record::ConferenceName;
    use plenum_sip::endpoint::FlowId;

    #[test]
    fn admission_by_record_and_occupancy() {
        let limits = Limits {
            endpoints: 10,
            ..Limits::default()
        };
        let open = ConferenceRecord::ad_hoc(ConferenceName::new("a", 9).unwrap());
        let small = ConferenceRecord {
            max_endpoints: Some(2),
            ..open.clone()
        };
        let huge = ConferenceRecord {
            max_endpoints: Some(99),
            ..open.clone()
        };
        let waiting = ConferenceRecord {
            mode: ServerMode::Fourteen,
            ..small.clone()
        };
        let subject = Subject {
            aor: None,
            identity: Identity::Anonymous,
            phone: false,
            founder: false,
        };
        let admitted = || Admission::Admit(Role::Attendee);
        let lobby = Admission::Lobby(Role::Attendee);
        let draining = Refusal::Draining(limits.retry_after);
        for (record, endpoints, locked, ending, expect) in [
            (&open, 0, false, false, admitted()),
            (&small, 1, false, false, admitted()),
            (&small, 2, false, false, Admission::Refuse(Refusal::Full)),
            (&huge, 9, false, false, admitted()),
            (&huge, 10, false, false, Admission::Refuse(Refusal::Full)),
            (&waiting, 2, true, false, lobby),
            (&small, 2, true, false, Admission::Refuse(Refusal::Locked)),
            (&small, 2, true, true, Admission::Refuse(draining)),
        ] {
            let access = Access {
                locked,
                ..record.access()
            };
            let occupancy = Occupancy {
                places: endpoints,
                waiting: 0,
                access,
                ending,
            };
            let admission = admit(&subject, record, &occupancy, &limits);
            assert_eq!(admission, expect, "{occupancy:?}");
        }
    }

    #[test]
    fn nobody_is_believed_over_a_websocket() {
        let policy = Policy {
            trusted: vec![Network::new([192, 0, 2, 0].into(), 24).unwrap()],
            ..Policy::default()
        };
        for (transport, address, trusted) in [
            (Transport::Udp, "192.0.2.7:5060", true),
            (Transport::Tcp, "[::ffff:192.0.2.7]:5060", true),
            (Transport::Tls, "192.0.2.7:5061", true),
            (Transport::Tls, "198.51.100.7:5061", false),
            (Transport::Ws, "192.0.2.7:80", false),
            (Transport::Wss, "192.0.2.7:443", false),
        ] {
            let flow = Flow {
                id: FlowId(1),
                transport,
                local: "192.0.2.1:5060".parse().unwrap(),
                remote: address.parse().unwrap(),
            };
            assert_eq!(policy.trusts(&flow), trusted, "{flow:?}");
        }
    }

    #[test]
    fn networks_by_prefix() {
        for (net, prefix, address, inside) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("10.0.0.0", 8, "::ffff:10.1.1.1", true),
            ("0.0.0.0", 0, "203.0.113.9", true),
            ("0.0.0.0", 0, "2001:db8::1", false),
            ("192.0.2.1", 32, "192.0.2.1", true),
            ("192.0.2.1", 32, "192.0.2.0", false),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
        ] {
            let network = Network::new(net.parse().unwrap(), prefix).unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{address}"
            );
        }
        assert_eq!(Network::new(IpAddr::from([10, 0, 0, 0]), 33), None);
    }

    #[test]
    fn creation_by_network() {
        let inside = IpAddr::from([10, 0, 0, 1]);
        let outside = IpAddr::from([203, 0, 113, 1]);
        let policy = |ad_hoc| Policy {
            ad_hoc,
            ..Policy::default()
        };
        let network = Network::new(IpAddr::from([10, 0, 0, 0]), 8).unwrap();
        let some = policy(AdHoc::From(vec![network]));
        assert_eq!(some.may_create(inside), Ok(()));
        assert_eq!(some.may_create(outside), Err(Refusal::MayNotCreate));
        assert_eq!(policy(AdHoc::Anybody).may_create(outside), Ok(()));
        let refused = policy(AdHoc::Nobody).may_create(inside);
        assert_eq!(refused, Err(Refusal::UnknownConference));
    }
}
