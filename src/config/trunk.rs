//! `[[trunk]]` and `[[dial_rule]]`: providers of telephone lines, and who may call out by them.

use super::read::{Seconds, Section, Setting};
use super::{CodecName, Protection};
use crate::trunk::{NumberPlan, Pattern};
use plenum_focus::policy::Network;
use plenum_mcu::control::{DtmfWays, MediaTerms};
use plenum_sip::msg::{Host, Uri};
use std::fmt;
use std::time::Duration;
use toml::de::DeValue;

/// A provider of telephone lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name, in rules, metrics and the log.
    pub name: String,
    /// The provider's domain or address, with port and transport where they matter.
    pub server: Uri,
    /// Where requests go first instead (RFC 3261 §8.1.2).
    pub outbound_proxy: Option<Uri>,
    /// Register there (RFC 3261 §10.2).
    pub register: bool,
    /// The address of record: what is registered, and who calls where no `caller_id` is set.
    pub aor: Uri,
    /// The user name for digest authentication.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// For how long a registration is asked for.
    pub expires: Duration,
    /// After a failure it is tried again after this, doubled each time (RFC 5626 §4.5).
    pub retry: Duration,
    /// But never after more than this.
    pub retry_ceiling: Duration,
    /// Name the address the provider sees us at in Contact.
    pub learn_address: bool,
    /// Remove the registration when the server drains.
    pub unregister: bool,
    /// By what a call is recognised as this trunk's.
    pub recognise: Vec<Recognition>,
    /// Networks its calls come from, besides the addresses of the server.
    pub from: Vec<Network>,
    /// What its certificate speaks for; empty: the host of `server`.
    pub certificate_names: Vec<String>,
    /// The user name and password the provider presents with its calls.
    pub inbound_user: Option<String>,
    /// See `inbound_user`.
    pub inbound_password: Option<Secret>,
    /// Where the number that was called stands.
    pub called_in: CalledIn,
    /// Which number leads where.
    pub numbers: Vec<(Pattern, String)>,
    /// How numbers are written there.
    pub plan: NumberPlan,
    /// Believe P-Asserted-Identity and Remote-Party-ID (RFC 3325 §5).
    pub trust_identity: bool,
    /// The number we call from.
    pub caller_id: Option<String>,
    /// Where it stands besides From.
    pub identity: IdentityHeader,
    /// Ask for it not to be shown (RFC 3323 §4.1).
    pub anonymous: bool,
    /// How called numbers are written.
    pub number_format: NumberFormat,
    /// With `user=phone` (RFC 3261 §19.1.1).
    pub user_phone: bool,
    /// How often the server is asked whether it is there; zero: never.
    pub options: Duration,
    /// The codecs that are spoken with it, the most wanted first; empty: `media.codecs`.
    pub codecs: Vec<CodecName>,
    /// How keys come from it.
    pub dtmf: Vec<Dtmf>,
    /// Whether media may, or must, be encrypted; `None`: as the network and `media.protection` say.
    pub protection: Option<Protection>,
    /// Calls at once from the provider.
    pub calls_in: usize,
    /// Calls at once to the provider.
    pub calls_out: usize,
    /// Calls to it within an hour.
    pub calls_out_per_hour: usize,
    /// How many redirections of a call are followed, to `redirect_hosts` only.
    pub redirects: usize,
    /// Where a redirection may lead, besides the server.
    pub redirect_hosts: Vec<String>,
}

/// How keys come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtmf {
    /// Telephone events (RFC 4733).
    Rfc4733,
    /// INFO.
    Info,
    /// Tones in the audio.
    Inband,
}

impl Trunk {
    /// Where requests are resolved: the outbound proxy, else the server.
    #[must_use]
    pub fn hop(&self) -> &Uri {
        self.outbound_proxy.as_ref().unwrap_or(&self.server)
    }

    /// What is agreed on about media with it.
    #[must_use]
    pub fn terms(&self) -> MediaTerms {
        let comes = |way| self.dtmf.contains(&way);
        MediaTerms {
            protection: self.protection.map(Protection::for_mixer),
            codecs: self.codecs.iter().map(|name| name.codec()).collect(),
            dtmf: DtmfWays {
                events: comes(Dtmf::Rfc4733),
                info: comes(Dtmf::Info),
                inband: comes(Dtmf::Inband),
            },
        }
    }
}

/// By what a call is recognised as a trunk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// Its source address: `from`, and the addresses of the server.
    Address,
    /// The Contact we registered.
    Registration,
    /// The credentials it presents.
    Digest,
    /// The certificate it presents over TLS.
    Certificate,
}

/// Where the number that was called stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledIn {
    /// In the Request-URI.
    RequestUri,
    /// In To.
    To,
    /// In P-Called-Party-ID (RFC 7315 §4.2), else the Request-URI.
    PCalledPartyId,
    /// In the last Diversion, else the Request-URI.
    Diversion,
    /// In the first History-Info (RFC 7044 §5), else the Request-URI.
    HistoryInfo,
}

/// Where the number we call from stands besides From.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// Nowhere.
    None,
    /// P-Asserted-Identity (RFC 3325 §9.1).
    PAssertedIdentity,
    /// P-Preferred-Identity (RFC 3325 §9.2).
    PPreferredIdentity,
    /// Remote-Party-ID.
    RemotePartyId,
}

/// How called numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    /// `+4930123`.
    E164,
    /// `4930123`.
    Digits,
    /// `004930123`.
    International,
    /// `030123` within the country, `00…` elsewhere.
    National,
}

/// Who may call which numbers, when, how often and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialRule {
    /// What numbers begin with.
    pub prefix: String,
    /// Whether they may be called at all.
    pub allow: bool,
    /// By which trunks, the first that works.
    pub trunks: Vec<String>,
    /// Who may.
    pub who: Vec<Who>,
    /// So many characters are taken off the front of the number.
    pub strip: usize,
    /// And this is put there.
    pub prepend: String,
    /// When, in UTC.
    pub hours: Option<Hours>,
    /// On which days, in UTC, 0 is Monday; empty: on all.
    pub days: Vec<Day>,
    /// Calls at once.
    pub calls: usize,
    /// Calls within an hour.
    pub calls_per_hour: usize,
    /// Calls of one user at once.
    pub calls_per_user: usize,
    /// Calls of one user within an hour.
    pub calls_per_user_and_hour: usize,
    /// A call is ended after so long.
    pub longest: Duration,
}

/// Who may call out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The operator and the configuration.
    Operator,
    /// Participants whose address is believed.
    Users,
    /// Everybody in a conference.
    Anonymous,
}

/// Minutes after midnight, from the first to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first minute.
    pub from: u32,
    /// The minute after the last; smaller than `from`: over midnight.
    pub until: u32,
}

/// A day of the week, 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub u32);

/// Something that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// It.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Setting for Secret {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        String::read(value).map(Self)
    }
}

/// A `sip:` URI, or a bare host, port and parameters.
#[derive(Clone, Debug)]
struct SipUri(Uri);

impl Setting for SipUri {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let spelled = if text.starts_with("sip:") || text.starts_with("sips:") {
            text
        } else {
            format!("sip:{text}")
        };
        let expected = "expected a host, such as \"sip.example.com\" or \
                        \"192.0.2.7:5060;transport=tcp\"";
        let uri = Uri::parse(spelled.as_bytes()).map_err(|_| expected.to_owned())?;
        if uri.headers.is_some() || uri.password.is_some() || uri.host.to_string().is_empty() {
            return Err(expected.to_owned());
        }
        Ok(Self(uri))
    }
}

/// Settings that are one word of a list.
macro_rules! words {
    ($type:ident { $($word:literal => $variant:expr,)* }) => {
        impl Setting for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                match String::read(value)?.as_str() {
                    $($word => Ok($variant),)*
                    other => Err(format!(
                        "there is no \"{other}\" here; there are {}",
                        [$($word),*].join(", ")
                    )),
                }
            }
        }
    };
}

words!(Recognition {
    "address" => Self::Address,
    "registration" => Self::Registration,
    "digest" => Self::Digest,
    "certificate" => Self::Certificate,
});
words!(CalledIn {
    "request-uri" => Self::RequestUri,
    "to" => Self::To,
    "p-called-party-id" => Self::PCalledPartyId,
    "diversion" => Self::Diversion,
    "history-info" => Self::HistoryInfo,
});
words!(IdentityHeader {
    "none" => Self::None,
    "p-asserted-identity" => Self::PAssertedIdentity,
    "p-preferred-identity" => Self::PPreferredIdentity,
    "remote-party-id" => Self::RemotePartyId,
});
words!(Dtmf {
    "rfc4733" => Self::Rfc4733,
    "info" => Self::Info,
    "inband" => Self::Inband,
});
words!(NumberFormat {
    "e164" => Self::E164,
    "digits" => Self::Digits,
    "international" => Self::International,
    "national" => Self::National,
});
words!(Who {
    "operator" => Self::Operator,
    "users" => Self::Users,
    "anonymous" => Self::Anonymous,
});
words!(Day {
    "mon" => Self(0),
    "tue" => Self(1),
    "wed" => Self(2),
    "thu" => Self(3),
    "fri" => Self(4),
    "sat" => Self(5),
    "sun" => Self(6),
});

impl Setting for Hours {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour * 60 + minute <= DAY_MINUTES && minute < 60).then_some(hour * 60 + minute)
        };
        let ends = text.split_once('-');
        let hours = ends.and_then(|(from, until)| {
            Some(Self {
                from: minute(from.trim())?,
                until: minute(until.trim())?,
            })
        });
        hours.ok_or_else(|| "expected hours, such as \"08:00-18:30\"".to_owned())
    }
}

/// Reads one `[[trunk]]`; nothing where what is required is missing.
pub(super) fn read_trunk(section: &mut Section<'_, '_>) -> Option<Trunk> {
    let name = section.required::<String>("name");
    let server = section.required::<SipUri>("server").map(|uri| uri.0);
    let proxy = section.optional::<SipUri>("outbound_proxy", "(none)");
    let user: Option<String> = section.optional("user", "(none)");
    let aor = section.optional::<SipUri>("aor", "(`user` at `server`)");
    let host = server.as_ref().map(|uri| uri.host.clone());
    let own = Uri::sip(user.as_deref(), host.unwrap_or(Host::Name("".into())), None);
    let password: Option<Secret> = section.optional("password", "(none)");
    if password.is_some() && user.is_none() {
        section.refuse("password", "needs `user` as well".to_owned());
    }
    let plan = NumberPlan {
        country: section.get("country", "\"\""),
        international: section.get("international_prefix", "\"00\""),
        national: section.get("national_prefix", "\"0\""),
    };
    let trunk = Trunk {
        numbers: read_numbers(section, &plan),
        name: name.clone().unwrap_or_default(),
        server: server.clone().unwrap_or_else(|| own.clone()),
        outbound_proxy: proxy.map(|uri| loose(uri.0)),
        register: section.get("register", "false"),
        aor: aor.map_or(own, |uri| uri.0.without_params()),
        user,
        password,
        expires: section.get::<Seconds>("expires_s", "600").0,
        retry: section.get::<Seconds>("retry_s", "30").0,
        retry_ceiling: section.get::<Seconds>("retry_ceiling_s", "1800").0,
        learn_address: section.get("learn_address", "true"),
        unregister: section.get("unregister", "true"),
        recognise: section.get("recognise", r#"["address", "registration"]"#),
        from: section.get("from", "[]"),
        certificate_names: section.get("certificate_names", "[]"),
        inbound_user: section.optional("inbound_user", "(none)"),
        inbound_password: section.optional("inbound_password", "(none)"),
        called_in: section.get("called_in", "\"request-uri\""),
        plan,
        trust_identity: section.get("trust_identity", "true"),
        caller_id: section.optional("caller_id", "(the user of `aor`)"),
        identity: section.get("identity", "\"p-asserted-identity\""),
        anonymous: section.get("anonymous", "false"),
        number_format: section.get("number_format", "\"e164\""),
        user_phone: section.get("user_phone", "false"),
        options: section.get::<Seconds>("options_s", "30").0,
        codecs: section.get("codecs", "[]"),
        dtmf: section.get("dtmf", r#"["rfc4733", "info", "inband"]"#),
        protection: section.optional("protection", "(as for everybody)"),
        calls_in: section.get("calls_in", "100"),
        calls_out: section.get("calls_out", "30"),
        calls_out_per_hour: section.get("calls_out_per_hour", "1000"),
        redirects: section.get("redirects", "0"),
        redirect_hosts: section.get("redirect_hosts", "[]"),
    };
    check(section, &trunk);
    name.zip(server).map(|_| trunk)
}

fn check(section: &Section<'_, '_>, trunk: &Trunk) {
    if trunk.register && trunk.aor.user.is_none() {
        let text = "needs `user` or `aor`, to know what to register".to_owned();
        section.refuse("register", text);
    }
    let digest = trunk.recognise.contains(&Recognition::Digest);
    if digest && (trunk.inbound_user.is_none() || trunk.inbound_password.is_none()) {
        let text = "\"digest\" needs `inbound_user` and `inbound_password`".to_owned();
        section.refuse("recognise", text);
    }
    if trunk.retry < Duration::from_secs(1) || trunk.retry_ceiling < trunk.retry {
        let text = "is at least 1, and at most retry_ceiling_s".to_owned();
        section.refuse("retry_s", text);
    }
    let plan = [
        &trunk.plan.country,
        &trunk.plan.international,
        &trunk.plan.national,
    ];
    if plan
        .iter()
        .any(|part| !part.bytes().all(|octet| octet.is_ascii_digit()))
    {
        section.refuse(
            "country",
            "is digits alone, as are both prefixes".to_owned(),
        );
    }
}

fn read_numbers(section: &mut Section<'_, '_>, plan: &NumberPlan) -> Vec<(Pattern, String)> {
    let mut numbers = section.section("numbers");
    let entries = numbers.entries::<String>();
    let mut all = Vec::new();
    for (number, to) in entries {
        match Pattern::read(&number, plan) {
            Some(_) if to.is_empty() => {
                numbers.refuse(&number, "expected the name of a conference".to_owned());
            }
            Some(pattern) => all.push((pattern, to)),
            None => numbers.refuse(
                &number,
                "expected a number, with ? for any digit and * at its end for more".to_owned(),
            ),
        }
    }
    numbers.finish();
    all
}

/// Reads one `[[dial_rule]]`.
pub(super) fn read_rule(section: &mut Section<'_, '_>) -> Option<DialRule> {
    let prefix = section.required::<String>("prefix");
    let rule = DialRule {
        prefix: prefix.clone().unwrap_or_default(),
        allow: section.get("allow", "true"),
        trunks: section.get("trunks", "[]"),
        who: section.get("who", r#"["operator", "users"]"#),
        strip: section.get("strip", "0"),
        prepend: section.get("prepend", "\"\""),
        hours: section.optional("hours_utc", "(always)"),
        days: section.get("days", "[]"),
        calls: section.get("calls", "10"),
        calls_per_hour: section.get("calls_per_hour", "60"),
        calls_per_user: section.get("calls_per_user", "5"),
        calls_per_user_and_hour: section.get("calls_per_user_and_hour", "10"),
        longest: section.get::<Seconds>("longest_s", "14400").0,
    };
    if rule.allow && rule.trunks.is_empty() {
        section.refuse("trunks", "must name at least one trunk".to_owned());
    }
    let usual = |octet: u8| octet.is_ascii_digit() || b"+*#".contains(&octet);
    if !rule.prefix.bytes().all(usual) || !rule.prepend.bytes().all(usual) {
        section.refuse(
            "prefix",
            "is digits, with + before an international number".to_owned(),
        );
    }
    prefix.map(|_| rule)
}

/// A pre-loaded route goes to a loose router (RFC 3261 §16.12).
fn loose(uri: Uri) -> Uri {
    uri.with_param("lr", None)
}

const DAY_MINUTES: u32 = 24 * 60;
