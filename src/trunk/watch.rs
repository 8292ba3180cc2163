//! Finds the servers of a trunk, again and again (RFC 3263).

use super::{Inbox, Note};
use plenum_focus::shell::SipActions;
use plenum_sip::endpoint::Target;
use plenum_sip::msg::Uri;
use plenum_sip::resolve::{Resolution, Resolver};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Looks for the servers of one trunk for ever.
pub(crate) async fn watch(
    line: String,
    uri: Uri,
    mut resolver: Resolver,
    inbox: Inbox,
    actions: Arc<SipActions>,
) {
    loop {
        let targets = match resolver.resolve(&uri) {
            Resolution::Done(targets) => targets,
            Resolution::Pending(pending) => pending.run().await.unwrap_or_default(),
            Resolution::Failed(_) => Vec::new(),
        };
        let local = targets.first().and_then(own_address);
        let rest = if targets.is_empty() { SOON } else { LATER };
        inbox.leave(Note::Found {
            line: line.clone(),
            targets,
            local,
        });
        actions.wake();
        tokio::time::sleep(rest).await;
    }
}

/// The address this host would send from. No packet is sent.
fn own_address(target: &Target) -> Option<IpAddr> {
    let any: IpAddr = match target.remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(target.remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// After a name was not found.
const SOON: Duration = Duration::from_secs(10);
/// After it was found: it may be another, and so may our own address.
const LATER: Duration = Duration::from_secs(30);
