//! Conference detail records: who was there with what, how they came, how long they stayed and why
//! they left. One per endpoint, when it is gone.

use crate::access::Role;
use crate::disconnect::DisconnectReason;
use crate::record::ConferenceName;
use crate::roster::{JoiningMethod, SessionType, UserId};
use plenum_mcu::control::{EndpointId, Quality};
use std::net::IpAddr;
use std::time::Duration;

/// One endpoint, looked back upon. Times are lengths: the core knows no calendar, and the record
/// is made the moment the endpoint is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct DetailRecord {
    /// The conference.
    pub conference: ConferenceName,
    /// Its ID in URIs.
    pub conference_id: String,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Whose it was.
    pub user: UserId,
    /// What documents called them.
    pub entity: String,
    /// Their address of record, unless anonymous.
    pub aor: Option<String>,
    /// Their display name.
    pub display: Option<String>,
    /// Their role in the end.
    pub role: Role,
    /// What it was connected to.
    pub session: SessionType,
    /// Who called whom.
    pub joining: JoiningMethod,
    /// Where it called from; `None` for somebody who was called.
    pub source: Option<IpAddr>,
    /// From its arrival to coming in, or to its end if it never did: ringing, PIN, lobby.
    pub waited: Duration,
    /// How long it was in; zero when it never was.
    pub stayed: Duration,
    /// Why it left.
    pub reason: DisconnectReason,
    /// How its media was; empty for a connection to the focus.
    pub quality: Quality,
}
