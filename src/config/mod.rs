//! The configuration: what can be set, what it is by default, and every mistake at once.

mod abuse;
mod auth;
mod conference;
mod join;
mod nat;
mod policy;
pub(crate) mod read;
mod recording;
mod trunk;
mod values;
mod video;

pub use abuse::Abuse;
pub use auth::{Auth, AuthDomain, DigestName, Required, StoreSettings};
pub use join::{Authority, Join, PhoneNumber, PublicUrl};
pub use nat::{IceMode, Nat, Peers};
pub(crate) use policy::{factory, host, policy, settings};
pub use read::{KnownKey, Problem};
pub use recording::Recording;
pub use trunk::{
    CalledIn, Day, DialRule, Dtmf, Hours, IdentityHeader, NumberFormat, Recognition, Secret, Trunk,
    Who,
};
pub use values::{Advertise, CodecName, Listen, PortRange};
pub use video::Video;
use video::read_template;

use crate::limits::Limits;
use crate::templates::Templates;
use plenum_focus::policy::Network;
use plenum_focus::record::ConferenceRecord;
use plenum_focus::recording::RecordWhen;
use plenum_focus::uri::id_of;
use read::{Findings, Milliseconds, Seconds, Section, Setting};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[sip]`
    pub sip: Sip,
    /// `[tls]`
    pub tls: crate::tls::Settings,
    /// `[media]`
    pub media: Media,
    /// `[video]`
    pub video: Video,
    /// `[http]`
    pub http: Http,
    /// `[join]`
    pub join: Join,
    /// `[log]`
    pub log: Log,
    /// `[records]`
    pub records: Records,
    /// `[recording]`
    pub recording: Recording,
    /// `[auth]`
    pub auth: Auth,
    /// `[abuse]`
    pub abuse: Abuse,
    /// `[store]`
    pub store: StoreSettings,
    /// `[doctor]`
    pub doctor: Doctor,
    /// `[conferences]`: what holds for every conference that does not say otherwise.
    pub conferences: Conferences,
    /// `[[conference]]`: the configured ones, and `[entry]`, if there is one.
    pub conference: Vec<ConferenceRecord>,
    /// `[[template]]`, by their names.
    pub template: Templates,
    /// `[[trunk]]`: providers of telephone lines.
    pub trunk: Vec<Trunk>,
    /// `[[dial_rule]]`: who may call which numbers.
    pub dial_rule: Vec<DialRule>,
    /// `[limits]`
    pub limits: Limits,
}

/// `[sip]`: signalling.
#[derive(Clone, Debug)]
pub struct Sip {
    /// Sockets to listen on.
    pub listen: Vec<Listen>,
    /// Pages that may open a WebSocket, such as `https://meet.example.com`; empty: any.
    pub websocket_origins: Vec<String>,
    /// Host names and addresses this server answers for; empty: any.
    pub domains: Vec<String>,
    /// Host to put into Via and Contact instead of the address a peer reached us at.
    pub advertise: Option<Advertise>,
    /// Name servers; empty: those of this host.
    pub nameservers: Vec<SocketAddr>,
    /// Session interval offered (RFC 4028).
    pub session_expires: Duration,
    /// Smallest session interval accepted (RFC 4028).
    pub min_session_expires: Duration,
    /// T1 of RFC 3261 §17.1.1.1.
    pub t1: Duration,
    /// How long a call without media may do without its connection.
    pub reconnect: Duration,
    /// What `User-Agent` and `Server` say; empty: they are not sent.
    pub user_agent: String,
}

/// `[media]`: RTP and audio.
#[derive(Clone, Debug)]
pub struct Media {
    /// Addresses to bind; empty: the one at which the signalling arrived.
    pub bind: Vec<IpAddr>,
    /// Addresses to name in SDP instead of the bound ones, one per family.
    pub advertise: Vec<IpAddr>,
    /// UDP ports for RTP (even) and RTCP (odd).
    pub ports: PortRange,
    /// Codecs in order of preference.
    pub codecs: Vec<CodecName>,
    /// Bits a second of Opus towards a listener at most.
    pub opus_bitrate: u32,
    /// Whether media may, or must, be encrypted.
    pub protection: Protection,
    /// Audio per packet that we ask for.
    pub ptime: Duration,
    /// Threads that mix; 0: one per processor.
    pub workers: usize,
    /// Ways through NATs.
    pub nat: Nat,
}

/// `[http]`: health, metrics, local control.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where to listen; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Where to listen for the public side, over TLS: join pages and WebSockets; `None`: nowhere.
    pub public_listen: Option<SocketAddr>,
    /// Where the token for local control is kept.
    pub token_file: String,
    /// Web servers before the public side that are believed in who asks them.
    pub trusted_proxies: Vec<Network>,
    /// The header field in which they say so.
    pub forwarded_by: ForwardedBy,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// A filter as `tracing` understands it.
    pub level: String,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// A file to append to; `None`: standard error.
    pub file: Option<String>,
}

/// `[records]`: conference detail records.
#[derive(Clone, Debug)]
pub struct Records {
    /// A file to append to, one JSON object a line; `None`: no records.
    pub file: Option<String>,
    /// Where to post them, `http://…`; `None`: nowhere.
    pub url: Option<String>,
}

/// `[doctor]`: what `plenum doctor` needs to know.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// An NTP server, to compare the clock with; empty: none.
    pub time_server: String,
}

/// `[conferences]`
#[derive(Clone, Debug)]
pub struct Conferences {
    /// A call to an unknown name creates the conference.
    pub ad_hoc: bool,
    /// Networks whose callers may create one; empty: all.
    pub ad_hoc_from: Vec<Network>,
    /// Networks on which a caller is who `From` says.
    pub trusted: Vec<Network>,
    /// What a conference is like that says nothing else.
    pub template: ConferenceRecord,
}

impl Config {
    /// Reads a configuration; an empty text is the embedded default.
    ///
    /// # Errors
    /// Every problem found, in the order of the lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (config, problems, _) = Self::read(text);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    /// Every key with its default, as the README's reference lists them.
    #[must_use]
    pub fn reference() -> Vec<KnownKey> {
        let (_, _, known) = Self::read(
            "[[conference]]\nname = \"reference\"\n\
             [[conference.person]]\naor = \"sip:ann@example.com\"\n\
             [[template]]\nname = \"reference\"\npanes = [[0, 0, 1, 1]]\n\
             [[trunk]]\nname = \"reference\"\nserver = \"192.0.2.1\"\n\
             [[dial_rule]]\nprefix = \"\"\ntrunks = [\"reference\"]\n\
             [[media.network]]\nfor = []\naddress = \"192.0.2.1\"\n\
             [[auth.domain]]\nname = \"example.com\"\n\
             [[tls.certificate]]\nchain = \"c\"\nkey = \"k\"\n",
        );
        known
    }

    /// `[[template]]`, each name once.
    fn templates(root: &mut Section<'_, '_>) -> Templates {
        let read = root.sections("template", read_template);
        let mut templates = Templates::new();
        for (name, template) in read.into_iter().flatten() {
            if templates.contains_key(&name) {
                let text = format!("two templates are named \"{name}\"");
                root.refuse("template", text);
            }
            templates.insert(name, template);
        }
        templates
    }

    fn read(text: &str) -> (Self, Vec<Problem>, Vec<KnownKey>) {
        let (document, findings) = Findings::parse(text);
        let mut root = Section::root(&document, &findings);
        let sip = Self::within(&mut root, "sip", read_sip);
        let tls = Self::within(&mut root, "tls", crate::tls::Settings::read);
        let media = Self::within(&mut root, "media", read_media);
        let video = Self::within(&mut root, "video", Video::read);
        let http = Self::within(&mut root, "http", read_http);
        let join = Self::within(&mut root, "join", Join::read);
        let log = Self::within(&mut root, "log", read_log);
        let records = Self::within(&mut root, "records", read_records);
        let recording = Self::within(&mut root, "recording", Recording::read);
        let auth = Self::within(&mut root, "auth", Auth::read);
        let abuse = Self::within(&mut root, "abuse", Abuse::read);
        let store = Self::within(&mut root, "store", StoreSettings::read);
        let doctor = Self::within(&mut root, "doctor", |section| Doctor {
            time_server: section.get("time_server", "\"\""),
        });
        let limits = Self::within(&mut root, "limits", Limits::read);
        let keys = Self::within(&mut root, "keys", |section| {
            conference::read_keys(section, &limits)
        });
        let templates = Self::templates(&mut root);
        let conferences = Self::within(&mut root, "conferences", |section| {
            Conferences::read(section, keys, &templates, &limits)
        });
        let conference = root.sections("conference", |section| {
            conference::read(section, &conferences.template, &templates, &limits)
        });
        let entry = Self::within(&mut root, "entry", |section| {
            conference::read_entry(section, &conferences.template, &limits)
        });
        let conference = conference.into_iter().flatten().chain(entry).collect();
        let trunk = root.sections("trunk", trunk::read_trunk);
        let dial_rule = root.sections("dial_rule", trunk::read_rule);
        let config = Self {
            sip,
            tls,
            media,
            video,
            http,
            join,
            log,
            records,
            recording,
            auth,
            abuse,
            store,
            doctor,
            conferences,
            conference,
            template: templates,
            trunk: trunk.into_iter().flatten().collect(),
            dial_rule: dial_rule.into_iter().flatten().collect(),
            limits,
        };
        config.check_together(&root);
        root.finish();
        let (problems, known) = findings.finish();
        (config, problems, known)
    }

    fn within<'a, 't, T>(
        root: &mut Section<'a, 't>,
        name: &str,
        read: impl FnOnce(&mut Section<'a, 't>) -> T,
    ) -> T {
        let mut section = root.section(name);
        let value = read(&mut section);
        section.finish();
        value
    }

    /// What rules and trunks say together.
    fn check_rules(&self, root: &Section<'_, '_>) {
        let known = |name: &String| self.trunk.iter().any(|trunk| trunk.name == *name);
        for name in self.dial_rule.iter().flat_map(|rule| &rule.trunks) {
            if !known(name) {
                root.refuse("dial_rule", format!("there is no trunk \"{name}\""));
            }
        }
        for rule in &self.dial_rule {
            // One offer is for all of them: who is called next gets the same.
            let trunks = || {
                self.trunk
                    .iter()
                    .filter(|it| rule.trunks.contains(&it.name))
            };
            let first = trunks().next().map(Trunk::terms);
            if trunks().any(|trunk| Some(trunk.terms()) != first) {
                let prefix = &rule.prefix;
                let text = format!(
                    "the trunks of \"{prefix}\" have different codecs, dtmf or protection; one offer is for all of them"
                );
                root.refuse("dial_rule", text);
            }
        }
    }

    /// What no setting can say alone.
    fn check_together(&self, root: &Section<'_, '_>) {
        for (at, one) in self.conference.iter().enumerate() {
            let before = || self.conference.iter().take(at);
            if before().any(|other| other.name == one.name) {
                root.refuse(
                    "conference",
                    format!("two conferences are named \"{}\"", one.name),
                );
            } else if before().any(|other| id_of(other).eq_ignore_ascii_case(&id_of(one))) {
                root.refuse(
                    "conference",
                    format!("two conferences have the id \"{}\"", id_of(one)),
                );
            } else if let Some(number) = &one.number
                && before().any(|other| other.number.as_ref() == Some(number))
            {
                let text = format!("two conferences have the number \"{number}\"");
                root.refuse("conference", text);
            }
        }
        for (at, one) in self.trunk.iter().enumerate() {
            if self
                .trunk
                .iter()
                .take(at)
                .any(|other| other.name == one.name)
            {
                root.refuse("trunk", format!("two trunks are named \"{}\"", one.name));
            }
        }
        self.check_rules(root);
        let always = |one: &&ConferenceRecord| one.recording.when == RecordWhen::Always;
        let template = std::iter::once(&self.conferences.template);
        if self.recording.directory.is_none()
            && let Some(one) = self.conference.iter().chain(template).find(always)
        {
            let text = format!(
                "record = \"always\" ({}) needs recording.directory",
                one.name
            );
            root.refuse("recording", text);
        }
        if self.sip.min_session_expires > self.sip.session_expires {
            root.refuse(
                "sip",
                "min_session_expires_s is more than session_expires_s".to_owned(),
            );
        }
    }
}

fn read_sip(section: &mut Section<'_, '_>) -> Sip {
    let sip = Sip {
        listen: section.get(
            "listen",
            r#"["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "tls:0.0.0.0:5061", "udp:[::]:5060", "tcp:[::]:5060", "tls:[::]:5061"]"#,
        ),
        websocket_origins: section.get("websocket_origins", "[]"),
        domains: section.get("domains", "[]"),
        advertise: section.optional("advertise", "(the address a peer reached us at)"),
        nameservers: section.get("nameservers", "[]"),
        session_expires: section.get::<Seconds>("session_expires_s", "1800").0,
        min_session_expires: section.get::<Seconds>("min_session_expires_s", "90").0,
        t1: section.get::<Milliseconds>("t1_ms", "500").0,
        reconnect: section.get::<Milliseconds>("reconnect_ms", "5000").0,
        user_agent: section.get("user_agent", "\"Plenum\""),
    };
    if sip.listen.is_empty() {
        section.refuse("listen", "must name at least one socket".to_owned());
    }
    if sip.min_session_expires < Duration::from_secs(90) {
        section.refuse(
            "min_session_expires_s",
            "is at least 90 (RFC 4028 §4)".to_owned(),
        );
    }
    sip
}

/// `[media] protection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Plain RTP only.
    Never,
    /// As the peer can and wants.
    Optional,
    /// Encrypted only.
    Required,
}

impl Setting for Protection {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "never" => Ok(Self::Never),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err("is \"never\", \"optional\" or \"required\"".to_owned()),
        }
    }
}

impl Protection {
    /// The same for the mixer.
    pub(crate) fn for_mixer(self) -> plenum_mcu::control::Protection {
        match self {
            Self::Never => plenum_mcu::control::Protection::Never,
            Self::Optional => plenum_mcu::control::Protection::Optional,
            Self::Required => plenum_mcu::control::Protection::Required,
        }
    }
}

fn read_media(section: &mut Section<'_, '_>) -> Media {
    let media = Media {
        bind: section.get("bind", "[]"),
        advertise: section.get("advertise", "[]"),
        ports: section.get("ports", "\"16384-32767\""),
        codecs: section.get("codecs", r#"["opus", "g722", "pcma", "pcmu"]"#),
        opus_bitrate: section.get("opus_bitrate", "40000"),
        ptime: section.get::<Milliseconds>("ptime_ms", "20").0,
        protection: section.get("protection", "\"optional\""),
        workers: section.get("workers", "0"),
        nat: Nat::read(section),
    };
    if media.codecs.is_empty() {
        section.refuse("codecs", "must name at least one codec".to_owned());
    }
    if !(6_000..=256_000).contains(&media.opus_bitrate) {
        section.refuse("opus_bitrate", "is from 6000 to 256000".to_owned());
    }
    if ![10, 20, 30, 40, 60].contains(&media.ptime.as_millis()) {
        section.refuse("ptime_ms", "is 10, 20, 30, 40 or 60".to_owned());
    }
    media
}

fn read_http(section: &mut Section<'_, '_>) -> Http {
    let listen: String = section.get("listen", "\"127.0.0.1:8060\"");
    let public: String = section.get("public_listen", "\"\"");
    let http = Http {
        listen: listen.parse().ok(),
        public_listen: public.parse().ok(),
        token_file: section.get("token_file", "\"\""),
        trusted_proxies: section.get("trusted_proxies", "[]"),
        forwarded_by: section.get("forwarded_by", "\"X-Forwarded-For\""),
    };
    let expected = "expected an address with a port, or \"\" for none";
    if http.listen.is_none() && !listen.is_empty() {
        section.refuse("listen", expected.to_owned());
    }
    if http.public_listen.is_none() && !public.is_empty() {
        section.refuse("public_listen", expected.to_owned());
    }
    http
}

/// `[http] forwarded_by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBy {
    /// What most write.
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Setting for ForwardedBy {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("is \"X-Forwarded-For\" or \"Forwarded\"".to_owned()),
        }
    }
}

fn read_log(section: &mut Section<'_, '_>) -> Log {
    let log = Log {
        level: section.get("level", "\"info\""),
        json: section.get("json", "false"),
        file: Some(section.get::<String>("file", "\"\"")).filter(|file| !file.is_empty()),
    };
    if let Err(error) = log.level.parse::<tracing_subscriber::EnvFilter>() {
        section.refuse(
            "level",
            format!("is not a filter such as \"info,plenum_sip=debug\": {error}"),
        );
    }
    log
}

fn is_http(url: &str) -> bool {
    let authority = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next());
    authority.is_some_and(|text| Authority::parse(text).is_some())
}

fn read_records(section: &mut Section<'_, '_>) -> Records {
    let file: String = section.get("file", "\"\"");
    let url: Option<String> = section.optional("url", "(none)");
    if url.as_ref().is_some_and(|url| !is_http(url)) {
        section.refuse(
            "url",
            "expected \"http://HOST/…\"; for https let a proxy on this machine encrypt".to_owned(),
        );
    }
    Records {
        file: Some(file).filter(|file| !file.is_empty()),
        url,
    }
}

#[cfg(test)]
mod tests;
