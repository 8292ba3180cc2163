//! What the focus and the gate go by: domains, ad-hoc conferences, trusted networks.

use super::Config;
use crate::users::Devices;
use plenum_focus::conference::Settings;
use plenum_focus::factory::FocusFactory;
use plenum_focus::metrics::Metrics;
use plenum_focus::policy::{AdHoc, Policy};
use plenum_focus::uri::Domains;
use plenum_sip::msg::{Host, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// The policy of the focus.
pub(crate) fn policy(config: &Config) -> Policy {
    let conferences = &config.conferences;
    let ad_hoc = match (conferences.ad_hoc, conferences.ad_hoc_from.as_slice()) {
        (false, _) => AdHoc::Nobody,
        (true, []) => AdHoc::Anybody,
        (true, networks) => AdHoc::From(networks.to_vec()),
    };
    let hosts = config.sip.domains.iter().map(|name| host(name)).collect();
    Policy {
        domains: Domains { hosts },
        ad_hoc,
        trusted: conferences.trusted.clone(),
        links: config
            .join
            .public_url
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        devices: None,
    }
}

/// The conferences that are made on demand or configured.
pub(crate) fn factory(config: &Config) -> FocusFactory {
    FocusFactory::new(
        policy(config),
        config.limits.focus.clone(),
        config.conference.clone(),
        config.conferences.template.clone(),
    )
}

/// What all conferences share.
pub(crate) fn settings(config: &Config, metrics: &Metrics, devices: &Arc<Devices>) -> Settings {
    let first = config.sip.domains.first();
    let advertised = config.sip.advertise.as_ref().map(|one| &one.host);
    let listened = config.sip.listen.first().map(|one| one.address.ip());
    let ours = match (first.or(advertised), listened) {
        (Some(name), _) => host(name),
        (None, Some(ip)) if !ip.is_unspecified() => host(&ip.to_string()),
        (None, _) => host("plenum.invalid"),
    };
    Settings {
        policy: Policy {
            devices: Some(Arc::<Devices>::clone(devices)),
            ..policy(config)
        },
        limits: config.limits.focus.clone(),
        metrics: metrics.clone(),
        host: ours,
        agent: "plenum".to_owned(),
        ringing: config.limits.sip.ringing,
    }
}

/// A host as URIs write it; what cannot be read stays a name nobody has.
pub(crate) fn host(text: &str) -> Host {
    let bare = text.trim_matches(['[', ']']);
    match bare.parse() {
        Ok(IpAddr::V4(ip)) => Host::V4(ip),
        Ok(IpAddr::V6(ip)) => Host::V6(ip),
        Err(_) => Uri::parse(format!("sip:{text}").as_bytes())
            .map_or_else(|_| Host::Name(text.into()), |uri| uri.host.clone()),
    }
}
