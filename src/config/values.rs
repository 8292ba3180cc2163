//! The types that settings have.

use super::read::Setting;
use plenum_focus::access::{AdmissionPolicy, Autopromote};
use plenum_focus::keys::KeyAction;
use plenum_focus::policy::Network;
use plenum_focus::record::{Alone, SlidesOf, Watchers};
use plenum_media::negotiated::Codec;
use plenum_sip::endpoint::Transport;
use plenum_sip::msg::Uri;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use toml::de::DeValue;

/// A transport to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// How transports are written in the file.
const TRANSPORTS: [(&str, Transport); 5] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

impl Setting for Listen {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let parsed = text.split_once(':').and_then(|(transport, address)| {
            let known = TRANSPORTS.into_iter().find(|(name, _)| *name == transport);
            Some(Self {
                transport: known?.1,
                address: address.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| {
            format!(
                "expected \"TRANSPORT:ADDRESS:PORT\" with udp, tcp, tls, ws or wss, found \"{text}\""
            )
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = TRANSPORTS
            .into_iter()
            .find(|(_, transport)| *transport == self.transport);
        write!(f, "{}:{}", known.map_or("", |(name, _)| name), self.address)
    }
}

/// A host, with a port where it is not the bound one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// A name or an address (IPv6 in brackets).
    pub host: String,
    /// The port, if another than the bound one.
    pub port: Option<u16>,
}

impl Setting for Advertise {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let expected = || "expected a host or host:port that peers can reach".to_owned();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host.to_owned(), Some(port.parse().map_err(|_| expected())?))
            }
            _ => (text.clone(), None),
        };
        let usual = |octet: u8| octet.is_ascii_alphanumeric() || b"-.[]:_".contains(&octet);
        if host.is_empty() || !host.bytes().all(usual) {
            return Err(expected());
        }
        let bare_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        Ok(Self {
            host: if bare_v6 { format!("[{host}]") } else { host },
            port,
        })
    }
}

/// A range of UDP ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first; even.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Setting for PortRange {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((
                first.trim().parse::<u16>().ok()?,
                last.trim().parse::<u16>().ok()?,
            ))
        });
        let (first, last) =
            ends.ok_or_else(|| "expected two ports, such as \"16384-32767\"".to_owned())?;
        let first = first.checked_add(first % 2).ok_or("has no even port")?;
        if first < 1024 || first >= last {
            return Err("expected a range above 1023 with at least two ports".to_owned());
        }
        Ok(Self { first, last })
    }
}

/// A codec by the name users know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecName {
    /// Opus (RFC 7587).
    Opus,
    /// G.722.
    G722,
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl CodecName {
    /// The codec of this name.
    #[must_use]
    pub fn codec(self) -> Codec {
        match self {
            Self::Opus => Codec::Opus,
            Self::G722 => Codec::G722,
            Self::Pcma => Codec::Pcma,
            Self::Pcmu => Codec::Pcmu,
        }
    }
}

impl Setting for CodecName {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.to_ascii_lowercase().as_str() {
            "opus" => Ok(Self::Opus),
            "g722" => Ok(Self::G722),
            "pcma" => Ok(Self::Pcma),
            "pcmu" => Ok(Self::Pcmu),
            other => Err(format!(
                "no codec \"{other}\"; there are opus, g722, pcma, pcmu"
            )),
        }
    }
}

/// How `alone` is written in the file.
pub(crate) fn alone_name(alone: Alone) -> &'static str {
    match alone {
        Alone::Music => "music",
        Alone::Silence => "silence",
    }
}

impl Setting for Alone {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "music" => Ok(Self::Music),
            "silence" => Ok(Self::Silence),
            _ => Err("expected \"music\" or \"silence\"".to_owned()),
        }
    }
}

/// What keys can do, by the names used in the file.
const KEY_ACTIONS: [(&str, KeyAction); 12] = [
    ("toggle-mute", KeyAction::ToggleMute),
    ("toggle-deaf", KeyAction::ToggleDeaf),
    ("louder", KeyAction::Louder),
    ("softer", KeyAction::Softer),
    ("speak-louder", KeyAction::SpeakLouder),
    ("speak-softer", KeyAction::SpeakSofter),
    ("say-count", KeyAction::SayCount),
    ("next-layout", KeyAction::NextLayout),
    ("leave", KeyAction::Leave),
    ("admit-all", KeyAction::AdmitAll),
    ("mute-all", KeyAction::MuteAll),
    ("toggle-lock", KeyAction::ToggleLock),
];

impl Setting for KeyAction {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let name = String::read(value)?;
        let known = KEY_ACTIONS.iter().find(|(known, _)| *known == name);
        known.map(|(_, action)| *action).ok_or_else(|| {
            let names = KEY_ACTIONS.map(|(name, _)| name).join(", ");
            format!("no action \"{name}\"; there are {names}")
        })
    }
}

impl Setting for Network {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let (address, prefix) = text.split_once('/').unwrap_or((text.as_str(), ""));
        let expected = || format!("expected a network, such as \"10.0.0.0/8\", found \"{text}\"");
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            "" => longest,
            digits => digits.parse().map_err(|_| expected())?,
        };
        Self::new(address, prefix).ok_or_else(expected)
    }
}

/// An address of record: `sip:user@host`, as a caller's is compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aor(pub(crate) String);

impl Setting for Aor {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let expected = || {
            format!(
                "expected an address of record, such as \"sip:ann@example.com\", found \"{text}\""
            )
        };
        let uri = Uri::parse(text.as_bytes()).map_err(|_| expected())?;
        let user = uri.user_decoded();
        let bare = uri.port.is_none() && uri.password.is_none() && !text.contains([';', '?']);
        if !uri.is_sip() || user.is_empty() || !bare {
            return Err(expected());
        }
        let host = uri.host.to_string().to_ascii_lowercase();
        Ok(Self(format!("sip:{user}@{host}")))
    }
}

impl Setting for AdmissionPolicy {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        Self::from_token(&text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|policy| policy.as_str()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// Whom `autopromote` can name.
const PROMOTED: [(&str, Autopromote); 2] = [
    ("everyone", Autopromote::EVERYONE),
    ("company", Autopromote::COMPANY),
];

/// How `autopromote` is written in the file.
pub(crate) fn autopromote_list(autopromote: Autopromote) -> String {
    let named = PROMOTED
        .iter()
        .filter(|(_, bits)| autopromote.covers(*bits));
    let names: Vec<_> = named.map(|(name, _)| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}

impl Setting for Autopromote {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let mut bits = 0;
        for name in Vec::<String>::read(value)? {
            let known = PROMOTED.iter().find(|(known, _)| *known == name);
            let (_, named) = known.ok_or_else(|| {
                format!("nobody is called \"{name}\"; there are \"everyone\" and \"company\"")
            })?;
            bits |= named.0;
        }
        Ok(Self(bits))
    }
}

/// How `watchers` is written in the file.
pub(crate) fn watchers_name(watchers: Watchers) -> &'static str {
    match watchers {
        Watchers::Participants => "participants",
        Watchers::Trusted => "trusted",
    }
}

impl Setting for Watchers {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "participants" => Ok(Self::Participants),
            "trusted" => Ok(Self::Trusted),
            _ => Err("expected \"participants\" or \"trusted\"".to_owned()),
        }
    }
}

/// What becomes of a conference without a presenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unled {
    /// It goes on.
    Keep,
    /// It ends after the grace.
    End,
}

impl Setting for Unled {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "keep" => Ok(Self::Keep),
            "end" => Ok(Self::End),
            _ => Err("expected \"keep\" or \"end\"".to_owned()),
        }
    }
}

impl Setting for SlidesOf {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "everybody" => Ok(Self::Everybody),
            "presenters" => Ok(Self::Presenters),
            _ => Err("expected \"everybody\" or \"presenters\"".to_owned()),
        }
    }
}

/// Who may show slides, as it is written.
pub(super) fn slides_name(slides: SlidesOf) -> &'static str {
    match slides {
        SlidesOf::Everybody => "everybody",
        SlidesOf::Presenters => "presenters",
    }
}
