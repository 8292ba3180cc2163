//! What this machine says about the configuration, before the first caller finds out.
//!
//! [`Facts`] are gathered once; [`findings`] is a pure function over them.

use crate::config::{Config, IceMode};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use plenum_sip::endpoint::Transport;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

/// What the machine is like.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The ports the kernel gives to sockets that ask for none (`ip_local_port_range`).
    pub ephemeral_ports: Option<(u16, u16)>,
    /// Files and sockets this process may open, after raising the soft limit to the hard one.
    pub open_files: u64,
    /// Those of the advertised addresses that are not on this machine.
    pub not_ours: Vec<IpAddr>,
}

/// One thing worth knowing at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Calls will fail because of it.
    pub serious: bool,
    /// What is wrong, and how to mend it.
    pub text: String,
}

impl Facts {
    /// Looks at the machine. Raises the limit of open files on the way.
    #[must_use]
    pub fn gather(config: &Config) -> Self {
        let open_files = match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((_, hard)) if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() => hard,
            Ok((soft, _)) => soft,
            Err(_) => 1024,
        };
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
        let ephemeral_ports = range.and_then(|text| {
            let mut ends = text.split_whitespace().map(|end| end.parse::<u16>().ok());
            Some((ends.next()??, ends.next()??))
        });
        let mut not_ours = config.media.advertise.clone();
        let signalling = config.sip.advertise.as_ref();
        not_ours.extend(
            signalling.and_then(|one| one.host.trim_matches(['[', ']']).parse::<IpAddr>().ok()),
        );
        not_ours.retain(|ip: &IpAddr| UdpSocket::bind((*ip, 0)).is_err());
        not_ours.dedup();
        Self {
            ephemeral_ports,
            open_files,
            not_ours,
        }
    }
}

/// The addresses at which somebody may reach sockets bound like this: wildcards stand for all
/// addresses of this host.
pub(crate) fn own_addresses(bound: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for ip in bound {
        if !ip.is_unspecified() {
            found.push(ip);
            continue;
        }
        let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
        found.extend(interfaces.filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        }));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The host by which somebody in the same network can call: the configured name or address, else
/// the first address of this machine that others may reach, IPv4 where there is one.
#[must_use]
pub fn called_at(config: &Config) -> String {
    let named = config.sip.domains.first().cloned();
    let advertised = || config.sip.advertise.as_ref().map(|one| one.host.clone());
    let listened = || {
        let bound = config.sip.listen.iter().map(|one| one.address.ip());
        let mut own = own_addresses(bound);
        own.sort_by_key(|ip| (ip.is_loopback(), !ip.is_ipv4()));
        own.first().map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        })
    };
    let host = named.or_else(advertised).or_else(listened);
    host.unwrap_or_else(|| "HOST".to_owned())
}

/// What follows from the facts for this configuration.
#[must_use]
pub fn findings(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut found = room(config, facts);
    let mut find = |serious, text: String| found.push(Finding { serious, text });
    let tls = crate::tls::findings(&config.tls);
    for (serious, text) in tls.into_iter().chain(together(config)) {
        find(serious, text);
    }
    for ip in &facts.not_ours {
        find(
            false,
            format!(
                "the advertised address {ip} is not on this machine: that is right behind NAT \
                 where the SIP and media ports are forwarded here, and one-way audio otherwise"
            ),
        );
    }
    for ip in advertised(config).filter(|ip| ip.is_unspecified() || ip.is_multicast()) {
        find(
            true,
            format!("the advertised address {ip} cannot be reached by anybody"),
        );
    }
    let everywhere = config
        .sip
        .listen
        .iter()
        .any(|one| !one.address.ip().is_loopback());
    for ip in advertised(config).filter(|ip| everywhere && ip.is_loopback()) {
        find(
            true,
            format!("the advertised address {ip} is this machine only; others get silence"),
        );
    }
    found
}

/// Ports and open files for the calls that are allowed.
fn room(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |text| {
        found.push(Finding {
            serious: false,
            text,
        });
    };
    let ports = config.media.ports;
    let calls = config.limits.sip.invite_usages as u64;
    let legs = u64::from((ports.last - ports.first).div_ceil(2));
    let cameras = if config.video.enabled {
        " without cameras, half as many with"
    } else {
        ""
    };
    if legs < calls {
        find(format!(
            "media.ports has room for {legs} calls{cameras}, limits.calls allows {calls}: \
                 beyond {legs} calls get 503; widen media.ports"
        ));
    }
    if let Some((low, high)) = facts.ephemeral_ports
        && ports.first <= high
        && low <= ports.last
    {
        find(format!(
            "media.ports {}-{} overlaps the ports the kernel gives away ({low}-{high}): \
                 single ports will be taken; set net.ipv4.ip_local_port_range or move media.ports",
            ports.first, ports.last
        ));
    }
    let (calls, connections) = (calls.min(legs), config.limits.sip.connections as u64);
    // RTP and RTCP, and as much again for pictures, of which the workers bound how many there are.
    let seen = config.video_setup().map_or(0, |setup| {
        (setup.workers * config.limits.mcu.video.legs_per_worker) as u64
    });
    let needed = (calls + seen.min(calls)) * 2 + connections + 64;
    if facts.open_files < needed {
        find(format!(
            "{} open files are allowed, not enough for {calls} calls and {connections} SIP connections \
                 together ({needed}): raise `ulimit -n` (LimitNOFILE= under systemd) before that",
            facts.open_files
        ));
    }
    found
}

fn advertised(config: &Config) -> impl Iterator<Item = IpAddr> + '_ {
    let signalling = config.sip.advertise.iter();
    let signalling = signalling.filter_map(|one| one.host.trim_matches(['[', ']']).parse().ok());
    config.media.advertise.iter().copied().chain(signalling)
}

/// What does not go together.
fn together(config: &Config) -> impl Iterator<Item = (bool, String)> {
    [browsers(config), consent(config)].into_iter().flatten()
}

/// RFC 7675 §5.1: consent is asked for about every five seconds, six at most.
fn consent(config: &Config) -> Option<(bool, String)> {
    let least = Duration::from_secs(7);
    let within = config.limits.mcu.media.ice.consent;
    (config.media.nat.ice == IceMode::Full && within < least).then(|| {
        let text = "limits.ice_consent_s is less than 7 and media.ice = \"full\": peers are asked \
                    whether they consent every 4 to 6 s (RFC 7675), so all of them would be hung \
                    up; set it to 7 or more";
        (true, text.to_owned())
    })
}

/// Browsers are invited, but find no WebSocket.
fn browsers(config: &Config) -> Option<(bool, String)> {
    let mut sockets = config.sip.listen.iter().map(|one| one.transport);
    let reached = config.http.public_listen.is_some()
        || sockets.any(|transport| matches!(transport, Transport::Ws | Transport::Wss));
    (config.join.browser && !reached).then(|| {
        let text = "join.browser is on, but browsers cannot call: set http.public_listen, or \
                    listen with ws: in sip.listen behind a web server that passes on /sip";
        (false, text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            ephemeral_ports: Some((32768, 60999)),
            open_files: 1 << 20,
            not_ours: Vec::new(),
        }
    }

    fn check(text: &str, facts: &Facts) -> Vec<String> {
        let config = Config::parse(text).unwrap();
        findings(&config, facts)
            .into_iter()
            .map(|finding| finding.text)
            .collect()
    }

    #[test]
    fn people_are_told_a_host_that_they_can_call() {
        for (text, host) in [
            (
                "domains = [\"example.com\"]\nadvertise = \"192.0.2.1\"",
                "example.com",
            ),
            ("advertise = \"192.0.2.1\"", "192.0.2.1"),
            (
                "listen = [\"udp:[::1]:5060\", \"udp:127.0.0.1:5060\"]",
                "127.0.0.1",
            ),
            ("listen = [\"udp:[::1]:5060\"]", "[::1]"),
        ] {
            let config = Config::parse(&format!("[sip]\n{text}\n")).unwrap();
            assert_eq!(called_at(&config), host, "{text}");
        }
    }

    #[test]
    fn the_default_has_nothing_to_find() {
        let found = check("", &facts());
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn each_fault_is_named_with_its_remedy() {
        let narrow = "[media]\nports = \"20000-20099\"\n";
        assert!(check(narrow, &facts())[0].contains("room for 50 calls without cameras"));
        let audio = format!("{narrow}[video]\nenabled = false\n");
        assert!(check(&audio, &facts())[0].contains("room for 50 calls, "));
        let invited = "[join]\nbrowser = true\n";
        assert!(check(invited, &facts())[0].contains("http.public_listen"));
        let both = format!("{invited}[http]\npublic_listen = \"127.0.0.1:8443\"\n");
        assert!(check(&both, &facts()).is_empty());
        let quiet = "[limits]\ncalls = 100\n";
        assert!(check(quiet, &facts()).is_empty());
        let overlapping = "[media]\nports = \"30000-40000\"\n[limits]\ncalls = 100\n";
        assert!(check(overlapping, &facts())[0].contains("ip_local_port_range"));
        let few = Facts {
            open_files: 1024,
            ..facts()
        };
        assert!(check(quiet, &few)[0].contains("ulimit -n"));
        // A hundred calls with cameras have four sockets each.
        let text = "[limits]\ncalls = 100\nsip_connections = 100\n";
        let files = |open_files| Facts {
            open_files,
            ..facts()
        };
        assert!(check(text, &files(563))[0].contains("(564)"));
        assert!(check(text, &files(564)).is_empty());
        let audio = format!("{text}[video]\nenabled = false\n");
        assert!(check(&audio, &files(364)).is_empty());
        let nat = Facts {
            not_ours: vec!["192.0.2.1".parse().unwrap()],
            ..facts()
        };
        assert!(check(quiet, &nat)[0].contains("192.0.2.1"));
        let zero = "[media]\nadvertise = [\"0.0.0.0\"]\n[limits]\ncalls = 100\n";
        assert!(check(zero, &facts())[0].contains("cannot be reached"));
        let hasty = "[media]\nice = \"full\"\n[limits]\ncalls = 100\nice_consent_s = ";
        assert!(check(&format!("{hasty}6"), &facts())[0].contains("set it to 7 or more"));
        assert!(check(&format!("{hasty}7"), &facts()).is_empty());
        let lite = hasty.replace("full", "lite");
        assert!(check(&format!("{lite}2"), &facts()).is_empty());
        let local = "[sip]\nadvertise = \"127.0.0.1\"\n[limits]\ncalls = 100\n";
        assert!(check(local, &facts())[0].contains("this machine only"));
    }
}
