//! The order of SRV and NAPTR records (RFC 2782, RFC 3263 §4.1, RFC 3403 §4.1).

use crate::endpoint::Transport;

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower is tried first.
    pub priority: u16,
    /// Share of the load among records of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; empty if the service is not offered.
    pub target: String,
}

/// One NAPTR record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower comes first.
    pub order: u16,
    /// Lower comes first within the same order.
    pub preference: u16,
    /// `s` leads to SRV records.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub service: String,
    /// The name of the SRV records.
    pub replacement: String,
}

impl Naptr {
    /// The transport this record stands for, if it leads to SRV records of SIP.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        if !self.flags.eq_ignore_ascii_case("s") {
            return None;
        }
        let services = [
            ("SIP+D2U", Transport::Udp),
            ("SIP+D2T", Transport::Tcp),
            ("SIPS+D2T", Transport::Tls),
            ("SIP+D2W", Transport::Ws),
            ("SIPS+D2W", Transport::Wss),
        ];
        services
            .into_iter()
            .find(|(service, _)| self.service.eq_ignore_ascii_case(service))
            .map(|(_, transport)| transport)
    }
}

/// Sorts SRV records into the order in which they are to be tried (RFC 2782, "Usage rules").
///
/// `draw(n)` gives a number from 0 to `n`, both included, each with the same probability.
/// Records that say that the service is not offered are left out.
pub fn order(mut records: Vec<Srv>, mut draw: impl FnMut(u32) -> u32) -> Vec<Srv> {
    records.retain(|record| !record.target.is_empty());
    // Zero weights first, so that they have a very small chance to be chosen before others.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let same = records
            .iter()
            .take_while(|record| record.priority == priority);
        let sum = same.map(|record| u32::from(record.weight)).sum();
        let drawn = draw(sum);
        let mut running = 0;
        let chosen = records.iter().position(|record| {
            running += u32::from(record.weight);
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}
