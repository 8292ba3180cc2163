//! Gathers the facts: sockets, name servers, STUN, TURN, time. Everything ends within seconds.

use crate::config::{Config, Listen};
use crate::doctor::facts::{Certificate, Facts, Offset, Port};
use crate::doctor::owner::Owner;
use crate::doctor::sntp;
use crate::tls::{self, CertificateFiles};
use plenum_media::ice::gather::{GatherOutput, Gathered, Gatherer};
use plenum_media::ice::turn::{TurnConfig, TurnFailure};
use plenum_sip::endpoint::{Target, Transport};
use plenum_sip::msg::Uri;
use plenum_sip::resolve::{Policy, Resolution, Resolver};
use plenum_sip::transport::Unresolved;
use rand::TryRng;
use rand::rngs::SysRng;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

/// How long an answer of a server is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// Media ports that are tried.
const TRIED: usize = 50;

/// Looks at everything that the configuration names.
pub async fn facts(config: &Config) -> Facts {
    let mut facts = Facts {
        running: running(config),
        ports: config
            .sip
            .listen
            .iter()
            .map(|one| (*one, port(one)))
            .collect(),
        media_ports: media_ports(config),
        addresses: addresses(),
        synchronised: synchronised(),
        ..Facts::default()
    };
    if let Some(advertised) = &config.sip.advertise {
        let host = advertised.host.trim_matches(['[', ']']);
        if host.parse::<IpAddr>().is_err() {
            let found = (host, 0)
                .to_socket_addrs()
                .map_err(|error| error.to_string());
            facts.advertised_name = Some(found.map(|all| {
                let all: BTreeSet<IpAddr> = all.map(|one| one.ip()).collect();
                all.into_iter().collect()
            }));
        }
    }
    for domain in &config.sip.domains {
        if domain.trim_matches(['[', ']']).parse::<IpAddr>().is_err() {
            facts
                .domains
                .push((domain.clone(), resolve(config, domain).await));
        }
    }
    for files in &config.tls.certificates {
        let since = wall().duration_since(SystemTime::UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_secs());
        let certificate = certificate(files, i64::try_from(now).unwrap_or(i64::MAX));
        facts
            .certificates
            .push((files.chain.display().to_string(), certificate));
    }
    (facts.observed, facts.relayed) = gather(config);
    let server = &config.doctor.time_server;
    if !server.is_empty() {
        facts.offset = Some(offset(server));
    }
    facts
}

fn running(config: &Config) -> Option<bool> {
    let address = config.http.listen?;
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .build();
    let agent: ureq::Agent = agent.into();
    Some(
        agent
            .get(format!("http://{address}/healthz"))
            .call()
            .is_ok(),
    )
}

fn port(listen: &Listen) -> Port {
    let stream = listen.transport.is_reliable();
    let bound = if stream {
        TcpListener::bind(listen.address).map(drop)
    } else {
        UdpSocket::bind(listen.address).map(drop)
    };
    match bound {
        Ok(()) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Port::Taken(Owner::of(listen.address, stream))
        }
        Err(error) => Port::Refused(error.to_string()),
    }
}

/// Some ports from all over the range. Those of a running server's calls are in use as well, and rightly so.
fn media_ports(config: &Config) -> (usize, Vec<u16>) {
    let range = config.media.ports;
    let step = (usize::from(range.last - range.first) / TRIED).max(1);
    let address = config.media.bind.first().copied();
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let tried: Vec<u16> = (range.first..=range.last)
        .step_by(step)
        .take(TRIED)
        .collect();
    let taken = |port: &u16| {
        let socket = SocketAddr::new(address, *port);
        let refused = UdpSocket::bind(socket).is_err_and(|e| e.kind() == ErrorKind::AddrInUse);
        refused && Owner::of(socket, false).is_none_or(|owner| owner.name != "plenum")
    };
    (tried.len(), tried.iter().copied().filter(taken).collect())
}

fn addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs();
    let all = interfaces.into_iter().flatten().filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    all.collect()
}

/// What a certificate's files hold, and whether key and certificate fit together.
fn certificate(files: &CertificateFiles, now: i64) -> Certificate {
    match tls::certified(files) {
        Ok(certified) => Certificate::Readable {
            days: (certified.names.not_after() - now).div_euclid(24 * 60 * 60),
            names: certified.names.into_identities(),
        },
        Err(why) => Certificate::Unreadable(why.to_string()),
    }
}

/// Where a caller of `sip:NAME@domain` goes: by UDP, and by TCP.
async fn resolve(config: &Config, domain: &str) -> Result<Vec<Target>, String> {
    let uri = Uri::parse(format!("sip:{domain}").as_bytes()).map_err(|error| error.to_string())?;
    let policy = Policy {
        transports: vec![Transport::Udp, Transport::Tcp],
        v4: true,
        v6: true,
        targets: 16,
    };
    let patience = config.limits.sip_shell.resolve_timeout;
    let mut resolver = Resolver::system(policy, patience, seed()?);
    match resolver.resolve(&uri) {
        Resolution::Done(targets) => Ok(targets),
        Resolution::Pending(pending) => pending.run().await.map_err(why),
        Resolution::Failed(error) => Err(why(error)),
    }
}

fn why(unresolved: Unresolved) -> String {
    let text = match unresolved {
        Unresolved::Unsupported => "it asks for a transport we do not have",
        Unresolved::NotFound => "no such name, or none with an address",
        Unresolved::TimedOut | Unresolved::Overload => "the name server does not answer",
    };
    text.to_owned()
}

fn seed() -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    let filled = SysRng.try_fill_bytes(&mut seed);
    filled.map_err(|error| error.to_string())?;
    Ok(seed)
}

type Observed = Option<Result<SocketAddr, String>>;
type Relayed = Option<Result<SocketAddr, TurnFailure>>;

/// Asks the STUN and the TURN server.
fn gather(config: &Config) -> (Observed, Relayed) {
    let nat = &config.media.nat;
    let stun = (!nat.stun.is_empty()).then(|| first_address(&nat.stun));
    let turn = (!nat.turn.is_empty()).then(|| first_address(&nat.turn));
    let mut observed = stun.as_ref().map(|_| Err("no answer".to_owned()));
    if let Some(Err(why)) = &stun {
        observed = Some(Err(why.clone()));
    }
    let mut relayed = turn.as_ref().map(|_| Err(TurnFailure::NoAnswer));
    let (stun, turn) = (stun.and_then(Result::ok), turn.and_then(Result::ok));
    let Ok(seed) = seed() else {
        return (observed, relayed);
    };
    let credentials = |server| TurnConfig {
        server,
        user: nat.turn_user.clone(),
        password: nat
            .turn_password
            .as_ref()
            .map_or_else(String::new, |it| it.expose().to_owned()),
        seed,
    };
    if let Some(server) = stun
        && let Ok((gathered, _)) = ask(Some(server), None, seed)
        && let Some(mapped) = gathered.mapped
    {
        observed = Some(Ok(mapped));
    }
    if let Some(server) = turn {
        match ask(None, Some(credentials(server)), seed) {
            Ok((
                Gathered {
                    relayed: Some(address),
                    ..
                },
                _,
            )) => relayed = Some(Ok(address)),
            Ok((_, Some(failure))) => relayed = Some(Err(failure)),
            Ok((_, None)) | Err(_) => {}
        }
    }
    (observed, relayed)
}

fn first_address(server: &str) -> Result<SocketAddr, String> {
    let mut all = server
        .to_socket_addrs()
        .map_err(|error| error.to_string())?;
    all.next().ok_or_else(|| "it has no address".to_owned())
}

/// Lets a gatherer work on a socket of its own until it is done. An allocation is given back.
fn ask(
    stun: Option<SocketAddr>,
    turn: Option<TurnConfig>,
    seed: [u8; 32],
) -> std::io::Result<(Gathered, Option<TurnFailure>)> {
    let server = stun.or_else(|| turn.as_ref().map(|turn| turn.server));
    let any: IpAddr = if server.is_some_and(|server| server.is_ipv6()) {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    let start = now();
    let mut gatherer = Gatherer::new(start, stun, turn, seed);
    let mut failure = None;
    let mut buffer = [0; 1_500];
    while now().saturating_duration_since(start) < PATIENCE {
        let due = match gatherer.poll_output() {
            GatherOutput::Transmit { to, bytes } => {
                socket.send_to(&bytes, to)?;
                continue;
            }
            GatherOutput::Complete(_) => break,
            GatherOutput::StunFailed => continue,
            GatherOutput::TurnFailed(why) => {
                failure = Some(why);
                continue;
            }
            GatherOutput::Timeout(due) => due,
        };
        let wait = due.map_or(PATIENCE, |due| due.saturating_duration_since(now()));
        socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), PATIENCE)))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let datagram = buffer.get(..length).unwrap_or_default();
                gatherer.handle_datagram(now(), from, datagram);
            }
            Err(_) => gatherer.handle_timeout(now()),
        }
    }
    let gathered = gatherer.gathered();
    if let Some(mut turn) = gatherer.into_turn() {
        turn.close(now());
        while let plenum_media::ice::turn::TurnOutput::Transmit(bytes) = turn.poll_output() {
            socket.send_to(&bytes, turn.server())?;
        }
    }
    Ok((gathered, failure))
}

/// systemd-timesyncd leaves a file; of chrony and ntpd their running is all there is to see.
fn synchronised() -> Option<bool> {
    let timesyncd = std::path::Path::new("/run/systemd/timesync");
    timesyncd
        .exists()
        .then(|| timesyncd.join("synchronized").exists())
}

fn offset(server: &str) -> Result<Offset, String> {
    let with_port = if server.contains(':') {
        server.to_owned()
    } else {
        format!("{server}:123")
    };
    let address = first_address(&with_port)?;
    let any: IpAddr = if address.is_ipv6() {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let failed = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
    socket.connect(address).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let asked = wall();
    socket.send(&sntp::question(asked)).map_err(failed)?;
    let mut answer = [0; 128];
    let length = socket
        .recv(&mut answer)
        .map_err(|_| "no answer".to_owned())?;
    let answer = answer.get(..length).unwrap_or_default();
    sntp::offset(answer, asked, wall()).ok_or_else(|| "its answer is none".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the doctor looks at the clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the doctor looks at the clock")]
fn wall() -> SystemTime {
    SystemTime::now()
}
