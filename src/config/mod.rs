//! The configuration: what can be set, what it is by default, and every mistake at once.

pub(crate) mod read;
mod values;

pub use read::{KnownKey, Problem};
pub use values::{Advertise, Alone, CodecName, KeyAction, Listen, Network, PortRange};

use crate::limits::Limits;
use read::{Findings, Milliseconds, Seconds, Section};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[sip]`
    pub sip: Sip,
    /// `[media]`
    pub media: Media,
    /// `[http]`
    pub http: Http,
    /// `[log]`
    pub log: Log,
    /// `[conferences]`: what holds for every conference that does not say otherwise.
    pub conferences: Conferences,
    /// `[[conference]]`: the configured ones.
    pub conference: Vec<Conference>,
    /// `[keys]`: what callers' keys do.
    pub keys: Vec<(String, KeyAction)>,
    /// `[limits]`
    pub limits: Limits,
}

/// `[sip]`: signalling.
#[derive(Clone, Debug)]
pub struct Sip {
    /// Sockets to listen on.
    pub listen: Vec<Listen>,
    /// Host names and addresses this server answers for; empty: any.
    pub domains: Vec<String>,
    /// Host to put into Via and Contact instead of the address a peer reached us at.
    pub advertise: Option<Advertise>,
    /// Session interval offered (RFC 4028).
    pub session_expires: Duration,
    /// Smallest session interval accepted (RFC 4028).
    pub min_session_expires: Duration,
    /// T1 of RFC 3261 §17.1.1.1.
    pub t1: Duration,
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
    /// Opus encoder complexity, 0 to 10.
    pub opus_complexity: u32,
    /// Audio per packet that we ask for.
    pub ptime: Duration,
    /// Threads that mix; 0: one per processor.
    pub workers: usize,
    /// How many are heard at once.
    pub loudest: usize,
    /// Nothing heard from a participant for so long: the call is ended.
    pub timeout: Duration,
    /// Automatic gain control on every participant.
    pub agc: bool,
    /// Noise gate on every participant.
    pub noise_gate: bool,
}

/// `[http]`: health, metrics, local control.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where to listen; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Where the token for local control is kept.
    pub token_file: String,
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

/// `[conferences]`
#[derive(Clone, Debug)]
pub struct Conferences {
    /// A call to an unknown name creates the conference.
    pub ad_hoc: bool,
    /// Networks whose callers may create one; empty: all.
    pub ad_hoc_from: Vec<Network>,
    /// Who redials replaces the earlier call of the same user.
    pub replace_on_redial: bool,
    /// A conference lives on for so long after the last one left.
    pub linger: Duration,
    /// What conferences have when they do not say otherwise.
    pub defaults: Traits,
}

/// What a conference is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Participants at most.
    pub max_participants: usize,
    /// A tone when somebody comes.
    pub entry_tone: bool,
    /// A tone when somebody leaves.
    pub exit_tone: bool,
    /// What somebody alone hears.
    pub alone: Alone,
    /// Language of the prompts.
    pub language: String,
}

/// `[[conference]]`
#[derive(Clone, PartialEq, Eq)]
pub struct Conference {
    /// The user part of its URI.
    pub name: String,
    /// What it is about.
    pub subject: String,
    /// Digits to enter; `None`: nothing is asked.
    pub pin: Option<String>,
    /// Nobody may enter.
    pub locked: bool,
    /// What it is like.
    pub traits: Traits,
    /// SIP URIs to call at the start.
    pub dial_out: Vec<String>,
}

impl std::fmt::Debug for Conference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conference")
            .field("name", &self.name)
            .field("pin", &self.pin.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
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
        let (_, _, known) = Self::read("[[conference]]\nname = \"reference\"\n");
        known
    }

    fn read(text: &str) -> (Self, Vec<Problem>, Vec<KnownKey>) {
        let (document, findings) = Findings::parse(text);
        let mut root = Section::root(&document, &findings);
        let sip = Self::within(&mut root, "sip", read_sip);
        let media = Self::within(&mut root, "media", read_media);
        let http = Self::within(&mut root, "http", read_http);
        let log = Self::within(&mut root, "log", read_log);
        let conferences = Self::within(&mut root, "conferences", read_conferences);
        let keys = Self::within(&mut root, "keys", read_keys);
        let limits = Self::within(&mut root, "limits", Limits::read);
        let conference = root.sections("conference", |section| {
            read_conference(section, &conferences.defaults)
        });
        let config = Self {
            sip,
            media,
            http,
            log,
            conferences,
            conference: conference.into_iter().flatten().collect(),
            keys,
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

    /// What no setting can say alone.
    fn check_together(&self, root: &Section<'_, '_>) {
        for (at, one) in self.conference.iter().enumerate() {
            let same = |other: &Conference| other.name.eq_ignore_ascii_case(&one.name);
            if self.conference.iter().take(at).any(same) {
                root.refuse(
                    "conference",
                    format!("two conferences are named \"{}\"", one.name),
                );
            }
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
            r#"["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "udp:[::]:5060", "tcp:[::]:5060"]"#,
        ),
        domains: section.get("domains", "[]"),
        advertise: section.optional("advertise", "(the address a peer reached us at)"),
        session_expires: section.get::<Seconds>("session_expires_s", "1800").0,
        min_session_expires: section.get::<Seconds>("min_session_expires_s", "90").0,
        t1: section.get::<Milliseconds>("t1_ms", "500").0,
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

fn read_media(section: &mut Section<'_, '_>) -> Media {
    let media = Media {
        bind: section.get("bind", "[]"),
        advertise: section.get("advertise", "[]"),
        ports: section.get("ports", "\"16384-32767\""),
        codecs: section.get("codecs", r#"["opus", "g722", "pcma", "pcmu"]"#),
        opus_bitrate: section.get("opus_bitrate", "40000"),
        opus_complexity: section.get("opus_complexity", "5"),
        ptime: section.get::<Milliseconds>("ptime_ms", "20").0,
        workers: section.get("workers", "0"),
        loudest: section.get("loudest", "4"),
        timeout: section.get::<Seconds>("timeout_s", "60").0,
        agc: section.get("agc", "false"),
        noise_gate: section.get("noise_gate", "false"),
    };
    if media.codecs.is_empty() {
        section.refuse("codecs", "must name at least one codec".to_owned());
    }
    if !(6_000..=256_000).contains(&media.opus_bitrate) {
        section.refuse("opus_bitrate", "is from 6000 to 256000".to_owned());
    }
    if media.opus_complexity > 10 {
        section.refuse("opus_complexity", "is from 0 to 10".to_owned());
    }
    if ![10, 20, 30, 40, 60].contains(&media.ptime.as_millis()) {
        section.refuse("ptime_ms", "is 10, 20, 30, 40 or 60".to_owned());
    }
    if !(1..=16).contains(&media.loudest) {
        section.refuse("loudest", "is from 1 to 16".to_owned());
    }
    media
}

fn read_http(section: &mut Section<'_, '_>) -> Http {
    let listen: String = section.get("listen", "\"127.0.0.1:8060\"");
    let http = Http {
        listen: listen.parse().ok(),
        token_file: section.get("token_file", "\"\""),
    };
    if http.listen.is_none() && !listen.is_empty() {
        section.refuse(
            "listen",
            "expected an address with a port, or \"\" for none".to_owned(),
        );
    }
    http
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

fn read_conferences(section: &mut Section<'_, '_>) -> Conferences {
    let ad_hoc = section.get("ad_hoc", "true");
    let ad_hoc_from = section.get("ad_hoc_from", "[]");
    let replace_on_redial = section.get("replace_on_redial", "false");
    let linger = section.get::<Seconds>("linger_s", "0").0;
    let builtin = Traits {
        max_participants: 500,
        entry_tone: true,
        exit_tone: true,
        alone: Alone::Music,
        language: "en".to_owned(),
    };
    let defaults = read_traits(section, &builtin);
    Conferences {
        ad_hoc,
        ad_hoc_from,
        replace_on_redial,
        linger,
        defaults,
    }
}

fn read_traits(section: &mut Section<'_, '_>, defaults: &Traits) -> Traits {
    let traits = Traits {
        max_participants: section.get("max_participants", &defaults.max_participants.to_string()),
        entry_tone: section.get("entry_tone", &defaults.entry_tone.to_string()),
        exit_tone: section.get("exit_tone", &defaults.exit_tone.to_string()),
        alone: section.get("alone", &format!("\"{}\"", defaults.alone.as_str())),
        language: section.get("language", &format!("\"{}\"", defaults.language)),
    };
    if traits.max_participants == 0 {
        section.refuse("max_participants", "is at least 1".to_owned());
    }
    if traits.language != "en" {
        section.refuse(
            "language",
            "has no prompts here; there are: \"en\"".to_owned(),
        );
    }
    traits
}

fn read_conference(section: &mut Section<'_, '_>, defaults: &Traits) -> Option<Conference> {
    let name: Option<String> = section.required("name");
    let subject = section.get("subject", "\"\"");
    let pin: Option<String> = section.optional("pin", "(none)");
    let locked = section.get("locked", "false");
    let dial_out: Vec<String> = section.get("dial_out", "[]");
    let traits = read_traits(section, defaults);
    if pin.as_ref().is_some_and(|pin| !is_pin(pin)) {
        section.refuse("pin", "is 1 to 32 digits".to_owned());
    }
    if name
        .as_ref()
        .is_some_and(|name| name.is_empty() || name.len() > 64)
    {
        section.refuse("name", "is 1 to 64 characters".to_owned());
        return None;
    }
    if let Some(odd) = dial_out.iter().find(|uri| !uri.starts_with("sip:")) {
        section.refuse("dial_out", format!("\"{odd}\" is not a SIP URI (sip:…)"));
    }
    Some(Conference {
        name: name?,
        subject,
        pin,
        locked,
        traits,
        dial_out,
    })
}

fn is_pin(pin: &str) -> bool {
    (1..=32).contains(&pin.len()) && pin.bytes().all(|octet| octet.is_ascii_digit())
}

fn read_keys(section: &mut Section<'_, '_>) -> Vec<(String, KeyAction)> {
    let keys: Vec<(String, KeyAction)> = section.entries();
    for (sequence, _) in &keys {
        let dialable = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D');
        if sequence.is_empty() || sequence.len() > 4 || !sequence.chars().all(dialable) {
            section.refuse(
                sequence,
                "is not 1 to 4 telephone keys (0-9 * # A-D)".to_owned(),
            );
        }
    }
    if keys.is_empty() {
        vec![("*6".to_owned(), KeyAction::ToggleMute)]
    } else {
        keys
    }
}

#[cfg(test)]
mod tests;
