//! Which conferences have links, and what stands on their pages.

use super::link::Link;
use crate::config::{Authority, Config, Join};
use plenum_focus::record::{ConferenceName, ConferenceRecord, Origin};
use plenum_focus::uri::ConferenceUris;
use plenum_sip::msg::{Host, Uri};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What the join pages are made of, taken from one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(super) join: Join,
    /// Calls can have pictures.
    pub(super) pictures: bool,
    domain: Option<Host>,
    /// Where phones call, unless it is where they call anyway.
    port: Option<u16>,
    /// The configured conferences by user and ID, and by user and name; both in lower case.
    links: BTreeMap<(String, String), ConferenceName>,
    records: BTreeMap<ConferenceName, ConferenceRecord>,
    template: ConferenceRecord,
    name_bytes: usize,
}

/// A conference that a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invitation {
    /// The conference-URI (MS-CONFBAS §2.2.6.3).
    pub(super) conference_uri: String,
    /// What a phone calls.
    pub(super) sip_uri: String,
    /// The user part of the conference-URI, unescaped.
    pub(super) user: String,
    /// The ID, which is the conference key as well (CB-296): PINs are none of a link's business.
    pub(super) id: String,
    /// What to type on a keypad, where the name of the conference can be typed.
    pub(super) number: Option<String>,
}

impl Published {
    /// What this configuration publishes.
    pub(crate) fn new(config: &Config) -> Self {
        let (domain, port) = match &config.join.domain {
            Some(Authority { host, port }) => (Some(host.clone()), *port),
            None => {
                let first = config.sip.domains.first();
                let first = first.and_then(|domain| Authority::parse(domain));
                (first.map(|authority| authority.host), listening(config))
            }
        };
        let mut links = BTreeMap::new();
        let mut records = BTreeMap::new();
        let mut ids = Vec::new();
        for record in &config.conference {
            let (user, id) = user_and_id(record);
            let name = &record.name;
            links.insert((user.clone(), name.to_string()), name.clone());
            ids.push(((user, id), name.clone()));
            records.insert(name.clone(), record.clone());
        }
        // Somebody's name may look like another one's ID: the ID counts.
        links.extend(ids);
        let mut join = config.join.clone();
        join.browser |= config.http.public_listen.is_some();
        Self {
            join,
            pictures: config.video.enabled,
            domain,
            port,
            links,
            records,
            template: config.conferences.template.clone(),
            name_bytes: config.limits.focus.name_bytes,
        }
    }

    /// The conference that a link leads to: a configured one, or one of those that `active` lists.
    pub(super) fn find(
        &self,
        link: &Link,
        active: impl FnOnce() -> Vec<ConferenceName>,
    ) -> Option<Invitation> {
        let (user, id) = link.conference.as_ref()?;
        let host = self.domain.as_ref();
        let host = host.or_else(|| Some(&link.authority.as_ref()?.host))?;
        let key = (user.to_lowercase(), id.to_lowercase());
        if let Some(record) = self.links.get(&key).and_then(|name| self.records.get(name)) {
            return Some(Invitation::new(record, host, self.port));
        }
        let active = active();
        let called = [user, id].into_iter();
        let called = called.filter_map(|name| ConferenceName::new(name, self.name_bytes));
        called
            .filter(|name| active.contains(name) && !self.records.contains_key(name))
            .map(|name| self.ad_hoc(name))
            .find(|record| is_of(&key, record))
            .map(|record| Invitation::new(&record, host, self.port))
    }

    fn ad_hoc(&self, name: ConferenceName) -> ConferenceRecord {
        ConferenceRecord {
            name,
            id: None,
            origin: Origin::AdHoc,
            ..self.template.clone()
        }
    }
}

impl Invitation {
    fn new(record: &ConferenceRecord, host: &Host, port: Option<u16>) -> Self {
        let uris = ConferenceUris::new(record, host);
        let name = record.name.as_str();
        let digits = name.bytes().all(|octet| octet.is_ascii_digit());
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self {
            sip_uri: format!("sip:{}@{host}{port}", record.name.escaped()),
            user: user(&uris.focus),
            id: uris.id().to_owned(),
            number: record
                .number
                .clone()
                .or_else(|| digits.then(|| name.to_owned())),
            conference_uri: uris.focus,
        }
    }
}

/// The port of SIP where it is not the usual one.
fn listening(config: &Config) -> Option<u16> {
    let ports = config.sip.listen.iter().map(|one| one.address.port());
    let mut ports = ports.filter(|port| *port > 0).peekable();
    let first = ports.peek().copied()?;
    (!ports.any(|port| port == SIP_PORT)).then_some(first)
}

fn is_of((user, id): &(String, String), record: &ConferenceRecord) -> bool {
    let (its_user, its_id) = user_and_id(record);
    *user == its_user && (*id == its_id || id == record.name.as_str())
}

/// What links call a conference by, in lower case.
fn user_and_id(record: &ConferenceRecord) -> (String, String) {
    let uris = ConferenceUris::new(record, &Host::V4(Ipv4Addr::UNSPECIFIED));
    (user(&uris.focus).to_lowercase(), uris.id().to_lowercase())
}

/// The user part of a conference-URI, unescaped.
fn user(uri: &str) -> String {
    Uri::parse(uri.as_bytes()).map_or_else(|_| String::new(), |uri| uri.user_decoded())
}

/// Where phones call when a URI names no port (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderMap, header};
    use plenum_focus::uri::derived_id;

    fn name(text: &str) -> ConferenceName {
        ConferenceName::new(text, 64).unwrap()
    }

    /// The conference-URI that a link to these leads to while those are active.
    fn find(config: &Config, user: &str, id: &str, active: &[&str]) -> Option<String> {
        let link = Link {
            conference: Some((user.to_owned(), id.to_owned())),
            document: false,
            authority: None,
            target: String::new(),
        };
        let active = active.iter().map(|one| name(one)).collect();
        let invitation = Published::new(config).find(&link, || active)?;
        Some(invitation.conference_uri)
    }

    fn config() -> Config {
        let text = "[join]\ndomain = \"c.example\"\n\
             [[conference]]\nname = \"Board\"\n[[conference]]\nname = \"weekly\"\n";
        let mut config = Config::parse(text).unwrap();
        let weekly = config.conference.last_mut().unwrap();
        weekly.id = Some("W33KLY".into());
        weekly.members.organizer = Some("sip:Olga@example.com".into());
        config
    }

    #[test]
    fn configured_conferences_are_found_by_id_and_by_name() {
        let board = derived_id(&name("board"));
        let expect = format!("sip:board@c.example;gruu;opaque=app:conf:focus:id:{board}");
        for id in [board.as_str(), "board", "BOARD"] {
            let found = find(&config(), "Board", id, &[]);
            assert_eq!(found.as_deref(), Some(expect.as_str()), "{id}");
        }
        let expect = "sip:olga@c.example;gruu;opaque=app:conf:focus:id:W33KLY";
        for id in ["W33KLY", "w33kly", "weekly"] {
            let found = find(&config(), "olga", id, &[]);
            assert_eq!(found.as_deref(), Some(expect), "{id}");
        }
        let derived = derived_id(&name("weekly"));
        for (user, id) in [
            ("weekly", "weekly"),
            ("weekly", "W33KLY"),
            ("olga", derived.as_str()),
            ("olga", "board"),
            ("board", "W33KLY"),
        ] {
            assert_eq!(find(&config(), user, id, &["weekly"]), None, "{user} {id}");
        }
    }

    #[test]
    fn ad_hoc_conferences_are_found_while_they_are_active() {
        let id = derived_id(&name("standup"));
        let expect = format!("sip:standup@c.example;gruu;opaque=app:conf:focus:id:{id}");
        for id in [id.as_str(), "standup"] {
            let found = find(&config(), "standup", id, &["retro", "standup"]);
            assert_eq!(found.as_deref(), Some(expect.as_str()), "{id}");
            assert_eq!(find(&config(), "standup", id, &["retro"]), None, "{id}");
            assert_eq!(find(&config(), "retro", id, &["retro", "standup"]), None);
        }
    }

    #[test]
    fn an_id_counts_more_than_a_name_that_looks_like_it() {
        let mut config = config();
        let mut other = config.conference.last().unwrap().clone();
        other.name = name("w33kly");
        other.id = Some("ZZZ".into());
        config.conference.push(other);
        let found = find(&config, "olga", "w33kly", &[]).unwrap();
        assert!(found.ends_with("W33KLY"), "{found}");
    }

    #[test]
    fn the_host_is_the_configured_one_before_the_first_domain() {
        let host = |text: &str| {
            let text = format!("{text}\n[[conference]]\nname = \"board\"\n");
            let found = find(&Config::parse(&text).unwrap(), "board", "board", &[]);
            found.map(|uri| uri.split(['@', ';']).nth(1).unwrap().to_owned())
        };
        let sip = "[sip]\ndomains = [\"one.example\", \"two.example\"]\n";
        assert_eq!(host(sip).as_deref(), Some("one.example"));
        let join = format!("{sip}[join]\ndomain = \"2001:db8::7\"\n");
        assert!(Config::parse(&join).is_err());
        let join = format!("{sip}[join]\ndomain = \"[2001:db8::7]\"\n");
        assert_eq!(host(&join).as_deref(), Some("[2001:db8::7]"));
        assert_eq!(host(""), None);
    }

    #[test]
    fn phones_call_the_port_that_is_listened_on() {
        let called = |text: &str| {
            let text = format!("{text}\n[[conference]]\nname = \"board\"\n");
            let headers = HeaderMap::from_iter([(header::HOST, "192.0.2.7:80".parse().unwrap())]);
            let link = Link::read(&"/meet/board/board".parse().unwrap(), &headers);
            let published = Published::new(&Config::parse(&text).unwrap());
            published.find(&link, Vec::new).unwrap().sip_uri
        };
        let odd = "[sip]\nlisten = [\"udp:192.0.2.7:5070\"]\n";
        assert_eq!(called(odd), "sip:board@192.0.2.7:5070");
        let both = "[sip]\nlisten = [\"udp:192.0.2.7:5070\", \"tcp:192.0.2.7:5060\"]\n";
        assert_eq!(called(both), "sip:board@192.0.2.7");
        let named = |name| format!("{odd}[join]\ndomain = \"{name}\"\n");
        assert_eq!(called(&named("c.example")), "sip:board@c.example");
        assert_eq!(called(&named("c.example:5080")), "sip:board@c.example:5080");
    }
}
