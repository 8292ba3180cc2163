//! What follows from the facts: a pure function, so that each finding has a test.

use crate::config::{Config, PublicUrl};
use crate::doctor::facts::{Certificate, Facts, Offset, Port};
use crate::doctor::{Finding, Severity, Subject};
use crate::selfcheck;
use plenum_sip::endpoint::Target;
use std::net::IpAddr;
use std::time::Duration;

/// Our clock is off by more: tell.
const CLOCK_NOTE: Duration = Duration::from_secs(1);
/// By more than this credentials and certificates are judged wrongly.
const CLOCK_SERIOUS: Duration = Duration::from_secs(30);
/// A certificate that expires within so many days should have been renewed.
const CERTIFICATE_DAYS: i64 = 14;

/// Everything worth saying, by subject.
#[must_use]
pub fn findings(config: &Config, facts: &Facts, machine: &selfcheck::Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    server(&mut found, facts);
    ports(&mut found, facts);
    media_ports(&mut found, facts);
    contact(&mut found, config, facts);
    sdp_address(&mut found, config, facts);
    reflexive(&mut found, config, facts);
    domains(&mut found, config, facts);
    certificates(&mut found, config, facts);
    clock(&mut found, facts);
    let settings = selfcheck::findings(config, machine);
    found.extend(settings.into_iter().map(|finding| Finding {
        severity: if finding.serious {
            Severity::Serious
        } else {
            Severity::Note
        },
        subject: Subject::Server,
        text: finding.text,
    }));
    found
}

fn add(found: &mut Vec<Finding>, severity: Severity, subject: Subject, text: String) {
    found.push(Finding {
        severity,
        subject,
        text,
    });
}

fn server(found: &mut Vec<Finding>, facts: &Facts) {
    let (severity, text) = match facts.running {
        Some(true) => (Severity::Good, "it runs"),
        Some(false) => (
            Severity::Note,
            "it does not run (http.listen does not answer): start it with plenum serve",
        ),
        None => (
            Severity::Note,
            "whether it runs cannot be told: http.listen is empty",
        ),
    };
    add(found, severity, Subject::Server, text.to_owned());
}

fn ports(found: &mut Vec<Finding>, facts: &Facts) {
    for (listen, port) in &facts.ports {
        let (severity, text) = match port {
            Port::Free if facts.running == Some(true) => (
                Severity::Serious,
                format!(
                    "the running server does not listen on {listen}: it was started with another \
                     configuration; restart it"
                ),
            ),
            Port::Free => (Severity::Good, format!("{listen} is free")),
            Port::Taken(Some(owner)) if owner.name == "plenum" => {
                (Severity::Good, format!("{listen} is ours"))
            }
            Port::Taken(Some(owner)) => (
                Severity::Serious,
                format!(
                    "{listen} is in use by {} (process {}): stop that, or change sip.listen",
                    owner.name, owner.pid
                ),
            ),
            Port::Taken(None) if facts.running == Some(true) => (
                Severity::Good,
                format!("{listen} is in use, by the running server as it seems"),
            ),
            Port::Taken(None) => (
                Severity::Serious,
                format!(
                    "{listen} is in use by another user's process: find it with ss -lpn as root, \
                     or change sip.listen"
                ),
            ),
            Port::Refused(why) => (
                Severity::Serious,
                format!("{listen} cannot be listened on ({why}): correct sip.listen"),
            ),
        };
        add(found, severity, Subject::Ports, text);
    }
}

fn media_ports(found: &mut Vec<Finding>, facts: &Facts) {
    let (tried, taken) = &facts.media_ports;
    if *tried == 0 {
        return;
    }
    let severity = match taken.len() * 10 {
        0 => Severity::Good,
        some if some < *tried => Severity::Note,
        some if some < *tried * 9 => Severity::Warning,
        _ => Severity::Serious,
    };
    let text = match taken.first() {
        None => format!("{tried} of media.ports were tried, all are free"),
        Some(first) => format!(
            "{} of {tried} tried are in use, {first} for one: move media.ports away from other \
             programs; fewer calls have room",
            taken.len()
        ),
    };
    add(found, severity, Subject::MediaPorts, text);
}

/// We are behind a NAT: seen from outside as an address that is not on this machine.
fn behind_nat(facts: &Facts) -> Option<IpAddr> {
    let observed = facts.observed.as_ref()?.as_ref().ok()?.ip();
    (!facts.addresses.contains(&observed)).then_some(observed)
}

fn is_ours(facts: &Facts, ip: IpAddr) -> bool {
    facts.addresses.contains(&ip) || behind_nat(facts) == Some(ip)
}

fn contact(found: &mut Vec<Finding>, config: &Config, facts: &Facts) {
    let mut say = |severity, text| add(found, severity, Subject::Contact, text);
    let Some(advertised) = &config.sip.advertise else {
        match behind_nat(facts) {
            Some(observed) => say(
                Severity::Serious,
                format!(
                    "peers outside are told an address of this machine, but reach it as {observed}: \
                     set sip.advertise = \"{observed}\" and forward the SIP ports"
                ),
            ),
            None => say(
                Severity::Good,
                "peers are told the address they reached".to_owned(),
            ),
        }
        return;
    };
    let literal = advertised.host.trim_matches(['[', ']']).parse::<IpAddr>();
    let addresses = match (&literal, &facts.advertised_name) {
        (Ok(ip), _) => vec![*ip],
        (Err(_), Some(Ok(addresses))) => addresses.clone(),
        (Err(_), Some(Err(why))) => {
            return say(
                Severity::Serious,
                format!(
                    "sip.advertise = \"{}\" has no address ({why}): peers cannot answer; add an A or \
                     AAAA record or name an address",
                    advertised.host
                ),
            );
        }
        (Err(_), None) => return,
    };
    let host = &advertised.host;
    match addresses.iter().find(|ip| !is_ours(facts, **ip)) {
        None => say(
            Severity::Good,
            format!("sip.advertise = \"{host}\" leads here"),
        ),
        Some(ip) => match (&facts.observed, behind_nat(facts)) {
            (Some(Ok(_)), Some(observed)) => say(
                Severity::Serious,
                format!(
                    "sip.advertise = \"{host}\" is {ip}, but we are seen as {observed}: correct it"
                ),
            ),
            (Some(Ok(observed)), None) => say(
                Severity::Serious,
                format!(
                    "sip.advertise = \"{host}\" is {ip}, which is not on this machine, and there is no \
                     NAT: correct it, {} for example",
                    observed.ip()
                ),
            ),
            (Some(Err(_)) | None, _) => say(
                Severity::Note,
                format!(
                    "sip.advertise = \"{host}\" is {ip}, not an address of this machine: right behind a \
                     NAT that forwards the ports; set media.stun to have it checked"
                ),
            ),
        },
    }
}

fn sdp_address(found: &mut Vec<Finding>, config: &Config, facts: &Facts) {
    let mut say = |severity, text| add(found, severity, Subject::Sdp, text);
    let observed = behind_nat(facts);
    let advertised = &config.media.advertise;
    if advertised.is_empty() {
        match observed {
            Some(observed) => say(
                Severity::Serious,
                format!(
                    "session descriptions name an address of this machine, but from outside it is \
                     {observed}: callers hear nothing; set media.advertise = [\"{observed}\"] and \
                     forward media.ports {}-{} (UDP)",
                    config.media.ports.first, config.media.ports.last
                ),
            ),
            None => say(
                Severity::Good,
                "session descriptions name the address the caller reached".to_owned(),
            ),
        }
        return;
    }
    for ip in advertised {
        if is_ours(facts, *ip) {
            say(Severity::Good, format!("media.advertise {ip} leads here"));
        } else if let Some(Ok(seen)) = &facts.observed
            && seen.is_ipv4() == ip.is_ipv4()
        {
            say(
                Severity::Serious,
                format!(
                    "media.advertise has {ip}, but from outside we are {}: callers send their \
                     voice to somebody else; correct it",
                    seen.ip()
                ),
            );
        } else {
            say(
                Severity::Note,
                format!(
                    "media.advertise has {ip}, not an address of this machine: right behind a NAT \
                     that forwards media.ports; set media.stun to have it checked"
                ),
            );
        }
    }
}

fn reflexive(found: &mut Vec<Finding>, config: &Config, facts: &Facts) {
    match &facts.observed {
        Some(Ok(observed)) if behind_nat(facts).is_some() => add(
            found,
            Severity::Note,
            Subject::Stun,
            format!("we are behind a NAT, seen as {observed}"),
        ),
        Some(Ok(observed)) => add(
            found,
            Severity::Good,
            Subject::Stun,
            format!("no NAT: we are seen as {observed}"),
        ),
        Some(Err(why)) => add(
            found,
            Severity::Warning,
            Subject::Stun,
            format!(
                "media.stun = \"{}\" does not help ({why}): check the name, the port, and that \
                 UDP gets out and back",
                config.media.nat.stun
            ),
        ),
        None => {}
    }
    match &facts.relayed {
        Some(Ok(relayed)) => add(
            found,
            Severity::Good,
            Subject::Turn,
            format!("the server relays for us at {relayed}"),
        ),
        Some(Err(why)) => add(found, Severity::Serious, Subject::Turn, why.to_string()),
        None => {}
    }
}

fn domains(found: &mut Vec<Finding>, config: &Config, facts: &Facts) {
    for (domain, targets) in &facts.domains {
        let (severity, text) = match targets {
            Err(why) => (
                Severity::Serious,
                format!(
                    "sip:NAME@{domain} leads nowhere ({why}): add an A or AAAA record for {domain}, \
                     or SRV records _sip._udp.{domain} and _sip._tcp.{domain}"
                ),
            ),
            Ok(targets) => judge_targets(config, facts, domain, targets),
        };
        add(found, severity, Subject::Dns, text);
    }
}

fn judge_targets(
    config: &Config,
    facts: &Facts,
    domain: &str,
    targets: &[Target],
) -> (Severity, String) {
    let wrong = |target: &&Target| !is_ours(facts, target.remote.ip());
    if let Some(target) = targets.iter().find(wrong) {
        let all = targets.iter().filter(wrong).count() == targets.len();
        let severity = if all && facts.observed.is_some() {
            Severity::Serious
        } else {
            Severity::Warning
        };
        return (
            severity,
            format!(
                "sip:NAME@{domain} leads to {}, which is not this machine{}: correct the records, or \
                 take the domain out of sip.domains",
                target.remote,
                if facts.observed.is_some() {
                    ""
                } else {
                    " (nor known to be our NAT: set media.stun to have it checked)"
                }
            ),
        );
    }
    let heard = |target: &Target| {
        config.sip.listen.iter().any(|listen| {
            listen.transport == target.transport && listen.address.port() == target.remote.port()
        })
    };
    match targets.iter().find(|target| !heard(target)) {
        Some(target) if behind_nat(facts).is_none() => (
            Severity::Serious,
            format!(
                "sip:NAME@{domain} leads to port {} by {:?}, where we do not listen: correct the SRV \
                 records or sip.listen",
                target.remote.port(),
                target.transport
            ),
        ),
        Some(_) | None => (Severity::Good, format!("sip:NAME@{domain} leads here")),
    }
}

fn certificates(found: &mut Vec<Finding>, config: &Config, facts: &Facts) {
    let names: Vec<&str> = facts.certificates.iter().flat_map(names).collect();
    // Elsewhere a web server in front of us has a certificate of its own.
    let public = config
        .http
        .public_listen
        .and(config.join.public_url.as_ref());
    let public = public.map(PublicUrl::host);
    let mut missing = false;
    let asked_for = config.sip.domains.iter().map(String::as_str).chain(public);
    for domain in asked_for.filter(|_| !names.is_empty()) {
        if !names.iter().any(|name| covers(name, domain)) {
            let text = format!(
                "no certificate is for {domain}, those there are for {}: who calls {domain} by TLS \
                 refuses them; get one for {domain} too, as another [[tls.certificate]]",
                names.join(", ")
            );
            add(found, Severity::Serious, Subject::Certificate, text);
            missing = true;
        }
    }
    for (file, certificate) in &facts.certificates {
        let (severity, text) = match certificate {
            Certificate::Unreadable(why) => {
                (Severity::Serious, format!("{file} cannot be used: {why}"))
            }
            Certificate::Readable { days, .. } if *days < 0 => (
                Severity::Serious,
                format!(
                    "{file} expired {} days ago: renew it; the server takes the new file up by itself",
                    -days
                ),
            ),
            Certificate::Readable { days, .. } if *days < CERTIFICATE_DAYS => (
                Severity::Warning,
                format!("{file} expires in {days} days: renew it"),
            ),
            Certificate::Readable { names, days } => {
                let names = names.join(", ");
                (
                    Severity::Good,
                    format!("{file} holds for {days} days, for {names}"),
                )
            }
        };
        // That it is good otherwise does not help.
        if severity != Severity::Good || !missing {
            add(found, severity, Subject::Certificate, text);
        }
    }
}

/// What a certificate that can be read is for.
fn names((_, certificate): &(String, Certificate)) -> impl Iterator<Item = &str> {
    let names = match certificate {
        Certificate::Readable { names, .. } => names.as_slice(),
        Certificate::Unreadable(_) => &[],
    };
    names.iter().map(String::as_str)
}

/// RFC 6125 §6.4.3: a star stands for one label.
fn covers(name: &str, domain: &str) -> bool {
    let rest = || Some((name.strip_prefix("*.")?, domain.split_once('.')?.1));
    name.eq_ignore_ascii_case(domain)
        || rest().is_some_and(|(name, domain)| name.eq_ignore_ascii_case(domain))
}

fn clock(found: &mut Vec<Finding>, facts: &Facts) {
    let mend = "let a time service (chrony, systemd-timesyncd) set it";
    let (severity, text) = match (&facts.offset, facts.synchronised) {
        (Some(Ok(Offset { behind, by })), _) if *by > CLOCK_NOTE => (
            if *by > CLOCK_SERIOUS {
                Severity::Serious
            } else {
                Severity::Warning
            },
            format!(
                "it is {:.1} s {}: {mend}; certificates and credentials are judged by it",
                by.as_secs_f64(),
                if *behind { "slow" } else { "fast" }
            ),
        ),
        (Some(Ok(Offset { by, .. })), _) => (
            Severity::Good,
            format!("right within {} ms", by.as_millis().max(1)),
        ),
        (Some(Err(why)), _) => (
            Severity::Warning,
            format!("doctor.time_server does not help ({why}): whether it is right is not known"),
        ),
        (None, Some(true)) => (Severity::Good, "a time service sets it".to_owned()),
        (None, Some(false)) => (Severity::Warning, format!("nobody sets it: {mend}")),
        (None, None) => (
            Severity::Note,
            "whether it is right cannot be told: set doctor.time_server".to_owned(),
        ),
    };
    add(found, severity, Subject::Clock, text);
}

#[cfg(test)]
mod tests;
