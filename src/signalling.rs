//! How the SIP endpoint is set up.

use crate::config::{Config, Listen, Sip, host};
use plenum_sip::endpoint::{Advertised, Transport};
use plenum_sip::msg::{Method, Text};
use plenum_sip::transaction::timer::Times;

/// How the SIP endpoint is set up.
pub(crate) fn sip_config(config: &Config) -> plenum_sip::endpoint::Config {
    let sip = &config.sip;
    let advertised = sip.advertise.iter().flat_map(|advertise| {
        let host = host(&advertise.host);
        ALL_TRANSPORTS.map(|transport| Advertised {
            transport,
            host: host.clone(),
            // The port stands for the plain transports, whose default it replaces.
            port: match transport {
                Transport::Udp | Transport::Tcp => advertise.port,
                Transport::Tls | Transport::Ws | Transport::Wss => listened_port(sip, transport),
            },
        })
    });
    plenum_sip::endpoint::Config {
        user_agent: sip.user_agent.as_str().into(),
        allow: METHODS.into(),
        supported: vec!["100rel".into(), "timer".into()],
        allow_events: vec!["conference".into()],
        accept: vec!["application/sdp".into(), "application/cccp+xml".into()],
        advertised: advertised.collect(),
        times: Times {
            t1: sip.t1,
            reconnect: sip.reconnect,
            ..Times::default()
        },
        session_expires: Some(sip.session_expires),
        min_se: sip.min_session_expires,
        refuse_spent_hops: false,
        events: plenum_sip::endpoint::Events::default(),
        limits: config.limits.sip.clone(),
    }
}

/// The first port that a transport listens on, where it is not its default.
fn listened_port(sip: &Sip, transport: Transport) -> Option<u16> {
    let first = sip.listen.iter().find(|one| one.transport == transport);
    let port = first.map(|one| one.address.port());
    port.filter(|port| *port != transport.default_port())
}

/// Whether a verified certificate that speaks for these names speaks for one that is wanted.
pub(crate) fn speaks_for(names: &[Text], wanted: &[String]) -> bool {
    let is = |name: &Text, one: &String| name.as_bytes().eq_ignore_ascii_case(one.as_bytes());
    names
        .iter()
        .any(|name| wanted.iter().any(|one| is(name, one)))
}

/// Where to listen.
pub(crate) fn listen(wanted: &[Listen]) -> Vec<plenum_sip::transport::Listen> {
    wanted
        .iter()
        .map(|one| plenum_sip::transport::Listen {
            transport: one.transport,
            addr: one.address,
        })
        .collect()
}

/// Every transport there is.
const ALL_TRANSPORTS: [Transport; 5] = [
    Transport::Udp,
    Transport::Tcp,
    Transport::Tls,
    Transport::Ws,
    Transport::Wss,
];
/// What `Allow` says.
const METHODS: [Method; 11] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Info,
    Method::Update,
    Method::Prack,
    Method::Subscribe,
    Method::Refer,
    Method::Register,
];
