//! At which of the addresses we listen on a peer reaches us (RFC 3261 §8.1.1.8, §18.1.1).

use super::Listen;
use super::udp::route_source;
use crate::endpoint::{Sources, Target};
use std::net::{IpAddr, SocketAddr};

/// What stands in the Via and the Contact of requests, where nothing is advertised: the address the
/// kernel takes towards the target, with the port that is listened on over its transport.
#[must_use]
pub fn sources(listening: &[Listen]) -> Sources {
    let listening: Vec<Listen> = listening.to_vec();
    let ports: Vec<_> = listening
        .iter()
        .map(|it| (it.transport, it.addr.port()))
        .collect();
    let sources = Sources::new(move |target| source(&listening, target, route_source));
    sources.listening(move |transport, port| ports.contains(&(transport, port)))
}

/// Of the listening sockets that the target can reach, the one whose address the kernel takes;
/// else the first one. It has to be asked only where an address is not the only one.
fn source(
    listening: &[Listen],
    target: Target,
    route: impl Fn(SocketAddr) -> Option<IpAddr>,
) -> Option<SocketAddr> {
    let remote = target.remote;
    let reaches = |listen: &&Listen| {
        let ip = listen.addr.ip();
        listen.transport == target.transport
            && listen.addr.is_ipv4() == remote.is_ipv4()
            && (!ip.is_loopback() || remote.ip().is_loopback())
    };
    let first = listening.iter().find(reaches)?.addr;
    let only = listening.iter().filter(reaches).count() == 1;
    if only && !first.ip().is_unspecified() {
        return Some(first);
    }
    let ip = route(remote)?;
    let listens = |wanted: IpAddr| {
        let mut fitting = listening.iter().filter(reaches);
        fitting.find(|listen| listen.addr.ip() == wanted)
    };
    let any = if remote.is_ipv4() {
        IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
    };
    let chosen = listens(ip).or_else(|| listens(any));
    Some(chosen.map_or(first, |listen| SocketAddr::new(ip, listen.addr.port())))
}

#[cfg(test)]
mod tests {
    use super::source;
    use crate::endpoint::{Target, Transport};
    use crate::transport::Listen;

    #[test]
    fn rfc3261_8_1_1_8_the_contact_is_where_we_listen() {
        let listen = |transport, addr: &str| Listen {
            transport,
            addr: addr.parse().unwrap(),
        };
        use Transport::{Tcp, Udp};
        let wildcard = [
            listen(Udp, "0.0.0.0:5060"),
            listen(Tcp, "0.0.0.0:5070"),
            listen(Udp, "[::]:5060"),
        ];
        let two = [
            listen(Udp, "127.0.0.9:5060"),
            listen(Udp, "192.0.2.1:5062"),
            listen(Udp, "192.0.2.2:5064"),
        ];
        for (listening, transport, remote, route, expected) in [
            (
                &wildcard,
                Udp,
                "192.0.2.9:5060",
                "192.0.2.1",
                Some("192.0.2.1:5060"),
            ),
            (
                &wildcard,
                Tcp,
                "192.0.2.9:5060",
                "192.0.2.1",
                Some("192.0.2.1:5070"),
            ),
            (
                &wildcard,
                Udp,
                "[2001:db8::9]:5060",
                "2001:db8::1",
                Some("[2001:db8::1]:5060"),
            ),
            (
                &two,
                Udp,
                "192.0.2.9:5060",
                "192.0.2.2",
                Some("192.0.2.2:5064"),
            ),
            // What the kernel takes is not listened on: one that is reached is.
            (
                &two,
                Udp,
                "192.0.2.9:5060",
                "192.0.2.3",
                Some("192.0.2.1:5062"),
            ),
            (
                &two,
                Udp,
                "127.0.0.1:5060",
                "127.0.0.1",
                Some("127.0.0.9:5060"),
            ),
        ] {
            let target = Target {
                transport,
                remote: remote.parse().unwrap(),
            };
            let found = source(listening, target, |_| route.parse().ok());
            assert_eq!(
                found,
                expected.map(|it| it.parse().unwrap()),
                "{remote} {route}"
            );
        }
    }
}
