//! Request-URIs and what they stand for (RFC 4579 §2, conference URIs; MS-CONFBAS §2.2, CB-016).
//!
//! | URI | what it is |
//! |---|---|
//! | `sip:NAME@domain` | a conference, for whoever has a phone |
//! | `sip:USER@domain;gruu;opaque=app:conf:focus:id:ID` | its focus, for whoever speaks C3P |
//! | `sip:USER@domain;gruu;opaque=app:conf:audio-video:id:ID` | its mixer, for their media |
//! | `sip:conference-factory@domain` | a new conference for each call (RFC 4579 §5.4) |
//!
//! USER is the organizer's, or NAME where there is none. Where a record has no ID of its own, one
//! follows from its name, so that every conference has all of these URIs. All compare without
//! regard to case (trap 16); documents spell them in one way.

use crate::output::McuType;
use crate::record::{ConferenceName, ConferenceRecord};
use crate::refusal::Refusal;
use plenum_sip::msg::{Host, Uri};
use std::net::IpAddr;

/// What a Request-URI stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `sip:NAME@domain`: a conference, whether or not there is one of that name.
    Conference(ConferenceName),
    /// A conference by its ID, whether or not there is one.
    ById(ById),
    /// A conference that is to be made.
    Factory,
    /// `sip:domain`: the server itself.
    Server,
}

/// A conference by whose it is and its ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ById {
    /// The user part: the organizer's, or the name of the conference.
    pub user: ConferenceName,
    /// The ID, in lower case.
    pub id: String,
    /// What of the conference is meant.
    pub entity: Entity,
}

/// What of a conference a URI means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// Its focus.
    Focus,
    /// One of its mixers.
    Mcu(McuType),
}

/// The URIs of a conference as documents spell them (CB-110).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceUris {
    /// The conference-URI.
    pub focus: String,
    user: String,
    host: String,
    id: String,
}

impl ConferenceUris {
    /// Those of this record, at this host.
    pub fn new(record: &ConferenceRecord, host: &Host) -> Self {
        let (user, host) = (user_of(record), host.to_string());
        let id = id_of(record);
        Self {
            focus: spell(&user, &host, "focus", &id),
            user,
            host,
            id,
        }
    }

    /// The MCU-Conference-URI of one of its mixers.
    pub fn mcu(&self, mcu: McuType) -> String {
        spell(&self.user, &self.host, mcu.name(), &self.id)
    }

    /// The user part, escaped.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The ID.
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn spell(user: &str, host: &str, entity: &str, id: &str) -> String {
    format!("sip:{user}@{host};gruu;opaque=app:conf:{entity}:id:{id}")
}

/// The user part of the URIs with the ID of a record.
fn user_of(record: &ConferenceRecord) -> String {
    let organizer = record.members.organizer.as_deref();
    let organizer = organizer.and_then(|organizer| Uri::parse(organizer.as_bytes()).ok());
    let user = organizer.and_then(|uri| ConferenceName::new(&uri.user_decoded(), usize::MAX));
    user.as_ref().unwrap_or(&record.name).escaped()
}

/// The ID of a record: its own, or the one that follows from its name.
pub fn id_of(record: &ConferenceRecord) -> String {
    match &record.id {
        Some(id) => id.clone(),
        None => derived_id(&record.name),
    }
}

/// The ID of a conference without one of its own: 16 letters and digits (FNV-1a, 64 bits). It is
/// no secret.
pub fn derived_id(name: &ConferenceName) -> String {
    let mix = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    format!("{hash:016X}")
}

/// Whether this conference, known as `user` with this ID, is this record's.
pub(crate) fn is_of(by_id: &ById, record: &ConferenceRecord) -> bool {
    by_id.user.escaped().eq_ignore_ascii_case(&user_of(record))
        && by_id.id.eq_ignore_ascii_case(&id_of(record))
}

/// What of a conference a URI means, if it has an `opaque` parameter that says so.
pub(crate) fn entity_of(uri: &Uri) -> Option<(Entity, String)> {
    let opaque = uri.param("opaque")?.to_str()?.to_ascii_lowercase();
    let mut parts = opaque.trim_matches('"').splitn(5, ':');
    let (app, conf) = (parts.next()?, parts.next()?);
    let (entity, key, id) = (parts.next()?, parts.next()?, parts.next()?);
    if (app, conf, key) != ("app", "conf", "id") || !is_id(id) {
        return None;
    }
    let entity = match entity {
        "focus" => Entity::Focus,
        other => Entity::Mcu(McuType::ALL.into_iter().find(|mcu| mcu.name() == other)?),
    };
    Some((entity, id.to_owned()))
}

/// CB-281.3: letters and digits; the bound is generous.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric())
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
        self.name(host)
    }

    /// Whether this host is one of those that are configured.
    pub fn name(&self, host: &Host) -> bool {
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
    if user.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Refusal::UnknownConference);
    }
    let user = ConferenceName::new(&user, name_bytes).ok_or(Refusal::UnknownConference)?;
    if uri.param("opaque").is_none() {
        return Ok(if user.as_str() == FACTORY {
            Target::Factory
        } else {
            Target::Conference(user)
        });
    }
    let (entity, id) = entity_of(uri).ok_or(Refusal::UnknownConference)?;
    Ok(Target::ById(ById { user, id, entity }))
}

/// The user part of the URI that makes conferences.
pub const FACTORY: &str = "conference-factory";

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
                "sip:bob@conf.example.com;gruu;opaque=app:conf:cinema:id:ABC",
                Refusal::UnknownConference,
            ),
            (
                "sip:bob@conf.example.com;gruu;opaque=app:conf:focus:id:",
                Refusal::UnknownConference,
            ),
            (
                "sip:bob@conf.example.com;opaque=user:epid:xyz;gruu",
                Refusal::UnknownConference,
            ),
        ] {
            assert_eq!(check(uri), Err(refusal), "{uri}");
        }
    }

    #[test]
    fn cb_016_cb_217_conferences_by_id() {
        let name = |text| ConferenceName::new(text, 16).unwrap();
        for (uri, entity) in [
            (
                "sip:Bob@conf.example.com;gruu;opaque=app:conf:focus:id:AbC1",
                Entity::Focus,
            ),
            (
                "sip:bob@CONF.EXAMPLE.COM;GRUU;OPAQUE=APP:CONF:FOCUS:ID:ABC1;x=y",
                Entity::Focus,
            ),
            (
                "sip:bob@conf.example.com;gruu;opaque=app:conf:audio-video:id:abc1",
                Entity::Mcu(McuType::AudioVideo),
            ),
        ] {
            let (user, id) = (name("bob"), "abc1".to_owned());
            let expect = ById { user, id, entity };
            assert_eq!(check(uri), Ok(Target::ById(expect)), "{uri}");
        }
        let factory = "sip:Conference-Factory@conf.example.com";
        let uri: Uri = factory.parse().unwrap();
        let local = IpAddr::from([192, 0, 2, 1]);
        let found = target(&uri, &Domains::default(), local, 64);
        assert_eq!(found, Ok(Target::Factory));
    }

    #[test]
    fn cb_110_uris_as_documents_spell_them() {
        let host = Host::parse(&"conf.example.com".into()).unwrap();
        let mut record = ConferenceRecord::ad_hoc(ConferenceName::new("standup", 16).unwrap());
        let uris = ConferenceUris::new(&record, &host);
        let id = derived_id(&record.name);
        assert_eq!(id.len(), 16);
        assert_eq!(
            uris.focus,
            format!("sip:standup@conf.example.com;gruu;opaque=app:conf:focus:id:{id}")
        );
        let by_id = |uri: &str| match target(
            &uri.parse().unwrap(),
            &Domains::default(),
            IpAddr::from([192, 0, 2, 1]),
            64,
        ) {
            Ok(Target::ById(by_id)) => by_id,
            other => panic!("{other:?}"),
        };
        assert!(is_of(
            &by_id(&uris.focus.to_uppercase().replace("SIP:", "sip:")),
            &record
        ));
        record.id = Some("Q1".into());
        record.members.organizer = Some("sip:olga@example.com".into());
        assert!(!is_of(&by_id(&uris.focus), &record));
        let uris = ConferenceUris::new(&record, &host);
        let mcu = uris.mcu(McuType::AudioVideo);
        let expect = "sip:olga@conf.example.com;gruu;opaque=app:conf:audio-video:id:Q1";
        assert_eq!(mcu, expect);
        assert!(is_of(&by_id(&mcu), &record));
    }

    #[test]
    fn without_domains_every_host_is_ours() {
        let uri = "sip:standup@anything.example".parse().unwrap();
        let local = IpAddr::from([192, 0, 2, 1]);
        assert!(target(&uri, &Domains::default(), local, 16).is_ok());
    }
}
