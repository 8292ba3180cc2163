//! Request-URIs and what they stand for (RFC 4579 §2, conference URIs).

use crate::record::ConferenceName;
use crate::refusal::Refusal;
use plenum_sip::msg::{Host, Uri};
use std::net::IpAddr;

/// What a Request-URI stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `sip:NAME@domain`: a conference, whether or not there is one of that name.
    Conference(ConferenceName),
    /// `sip:domain`: the server itself.
    Server,
}

/// The hosts this server answers for.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    /// Domain names and addresses; empty: any.
    pub hosts: Vec<Host>,
}

impl Domains {
    /// Whether a URI with this host, which reached us at `local`, is for us. An address that the
    /// message was sent to is always ours; the port is the transport's matter.
    pub fn contain(&self, host: &Host, local: IpAddr) -> bool {
        if self.hosts.is_empty() {
            return true;
        }
        if host
            .ip()
            .is_some_and(|ip| ip.to_canonical() == local.to_canonical())
        {
            return true;
        }
        self.hosts.iter().any(|ours| same_host(ours, host))
    }
}

/// Reads a Request-URI that reached us at the address `local`.
///
/// The user part is unescaped; octets that are no UTF-8 make it a name nobody can have. A URI
/// with an `opaque` parameter names a thing of its own kind and never the user part alone, so
/// that such a URI does not open a conference called like its owner.
///
/// # Errors
/// [`Refusal::Scheme`], [`Refusal::WrongDomain`] or [`Refusal::UnknownConference`].
pub fn target(
    uri: &Uri,
    domains: &Domains,
    local: IpAddr,
    name_bytes: usize,
) -> Result<Target, Refusal> {
    if !uri.is_sip() {
        return Err(Refusal::Scheme);
    }
    if !domains.contain(&uri.host, local) {
        return Err(Refusal::WrongDomain);
    }
    if uri.user.is_none() {
        return Ok(Target::Server);
    }
    let user = uri.user_decoded();
    if uri.param("opaque").is_some() || user.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Refusal::UnknownConference);
    }
    ConferenceName::new(&user, name_bytes)
        .map(Target::Conference)
        .ok_or(Refusal::UnknownConference)
}

fn same_host(ours: &Host, theirs: &Host) -> bool {
    match (ours, theirs) {
        (Host::Name(ours), Host::Name(theirs)) => {
            trim_dot(ours.as_bytes()).eq_ignore_ascii_case(trim_dot(theirs.as_bytes()))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// A name with the dot of the root is the same name.
fn trim_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str) -> Result<Target, Refusal> {
        let hosts = ["conf.example.com", "198.51.100.7", "[2001:db8::7]"];
        let hosts = hosts
            .iter()
            .flat_map(|host| Host::parse(&(*host).into()))
            .collect();
        let uri = Uri::parse(uri.as_bytes()).map_err(|_| Refusal::Scheme)?;
        target(&uri, &Domains { hosts }, IpAddr::from([192, 0, 2, 1]), 16)
    }

    #[test]
    fn rfc4579_conference_uris() {
        for (uri, name) in [
            ("sip:standup@conf.example.com", "standup"),
            ("sip:StandUp@CONF.example.com.", "standup"),
            (
                "sips:standup@conf.example.com:5061;transport=tcp",
                "standup",
            ),
            ("sip:standup@192.0.2.1", "standup"),
            ("sip:standup@192.0.2.1:5070", "standup"),
            ("sip:standup@198.51.100.7", "standup"),
            ("sip:standup@[2001:db8::7]:5060", "standup"),
            ("sip:st%61nd%20up@conf.example.com", "stand up"),
            ("sip:%C3%89quipe@conf.example.com", "équipe"),
            ("sip:standup:secret@conf.example.com", "standup"),
        ] {
            let name = ConferenceName::new(name, 64).unwrap();
            assert_eq!(check(uri), Ok(Target::Conference(name)), "{uri}");
        }
        assert_eq!(check("sip:conf.example.com"), Ok(Target::Server));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for (uri, refusal) in [
            ("sip:standup@example.com", Refusal::WrongDomain),
            ("sip:standup@192.0.2.2", Refusal::WrongDomain),
            ("sip:standup@[2001:db8::8]", Refusal::WrongDomain),
            ("tel:+4930123", Refusal::Scheme),
            (
                "sip:seventeen-letters-@conf.example.com",
                Refusal::UnknownConference,
            ),
            ("sip:a%0d%0ab@conf.example.com", Refusal::UnknownConference),
            ("sip:a%FFb@conf.example.com", Refusal::UnknownConference),
            (
                "sip:bob@conf.example.com;gruu;opaque=app:conf:focus:id:ABC",
                Refusal::UnknownConference,
            ),
        ] {
            assert_eq!(check(uri), Err(refusal), "{uri}");
        }
    }

    #[test]
    fn without_domains_every_host_is_ours() {
        let uri = "sip:standup@anything.example".parse().unwrap();
        let local = IpAddr::from([192, 0, 2, 1]);
        assert!(target(&uri, &Domains::default(), local, 16).is_ok());
    }
}
