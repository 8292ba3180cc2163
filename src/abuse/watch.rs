//! The sentry as the shells share it.

use super::bucket::{Bucket, Measure};
use super::metrics::Because;
use super::screen::evidence;
use super::sentry::{Consequence, Evidence, Judgement, Offence, Sentry};
use super::{Metrics, Of, forwarded, view};
use crate::config::{Config, ForwardedBy};
use crate::store::{KeptBan, Store};
use crate::trunk::view::Shown;
use crate::users::wall;
use axum::http::HeaderMap;
use plenum_focus::Source;
use plenum_focus::output::ConferenceEvent;
use plenum_focus::per_source::PerSource;
use plenum_focus::pin_guard::PinOutcome;
use plenum_focus::policy::Network;
use plenum_focus::shell::EventSink;
use plenum_mcu::control::ConferenceId;
use plenum_sip::auth::{Denied, Origin, Verdict};
use plenum_sip::endpoint::Flow;
use plenum_sip::msg::Request;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

/// Shared by cloning. Nothing of it blocks for longer than a look into a table.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    enabled: bool,
    sentry: Mutex<Sentry>,
    web: Mutex<PerSource<Visitor>>,
    of_web: OfWeb,
    /// `abuse.exempt` and `http.trusted_proxies`, which only a restart takes.
    configured: Vec<Network>,
    /// Networks that are trusted: these, those of conferences, and those of trunks.
    exempt: RwLock<Vec<Network>>,
    /// For the addresses of their servers.
    trunks: Shown,
    metrics: Metrics,
    /// Where bans are kept; it goes before the watch does.
    store: OnceLock<Weak<Store>>,
    /// Web servers before ours whose word is taken for who asks them.
    proxies: Vec<Network>,
    /// And how they give it.
    forwarded_by: ForwardedBy,
}

/// Bounds of one source on the public side of HTTP.
#[derive(Clone, Copy, Debug)]
struct OfWeb {
    connections: usize,
    requests: Measure,
}

/// A source on the public side of HTTP.
#[derive(Debug, Default)]
struct Visitor {
    connections: usize,
    requests: Bucket,
}

impl Watch {
    /// The watch of this configuration.
    pub(crate) fn new(config: &Config, trunks: Shown, metrics: Metrics) -> Self {
        let (abuse, limits) = (&config.abuse, &config.limits.abuse);
        let configured = [&*abuse.exempt, &*config.http.trusted_proxies].concat();
        let settings = abuse.settings(limits);
        let of_web = OfWeb {
            connections: limits.http_connections_per_source,
            requests: Measure {
                most: limits.http_requests_per_source_and_second,
                within: Duration::from_secs(1),
            },
        };
        Self(Arc::new(Inner {
            enabled: abuse.enabled,
            web: Mutex::new(PerSource::new(settings.watched)),
            sentry: Mutex::new(Sentry::new(settings)),
            of_web,
            exempt: RwLock::new(trusted(&configured, config)),
            configured,
            trunks,
            metrics,
            store: OnceLock::new(),
            proxies: config.http.trusted_proxies.clone(),
            forwarded_by: config.http.forwarded_by,
        }))
    }

    /// Takes over the bans of before, and keeps those that come.
    pub(crate) fn remember(&self, store: &Arc<Store>, bans: Vec<KeptBan>) {
        if !self.0.enabled {
            return;
        }
        let (now, wall) = (now(), wall());
        for ban in bans {
            let left = Duration::from_secs(ban.until.saturating_sub(wall));
            let since = Duration::from_secs(wall.saturating_sub(ban.until));
            let was = (ban.why.as_str(), left, ban.times);
            self.sentry().restore(now, ban.source.into(), was, since);
        }
        self.0.store.set(Arc::downgrade(store)).ok();
        self.measure();
    }

    /// Has the store say of a source what holds now.
    fn keep(&self, source: Source) {
        let Some(store) = self.0.store.get().and_then(Weak::upgrade) else {
            return;
        };
        let mut bans = self.sentry().bans(now()).into_iter();
        match bans.find(|ban| ban.source == source) {
            Some(ban) => store.keep_ban(KeptBan {
                source: source.address(),
                why: ban.why.to_owned(),
                until: wall().saturating_add(ban.left.as_secs()),
                times: ban.times,
            }),
            None => store.lift_ban(source.address()),
        }
    }

    /// Who asks by a request that came from `remote`: of what a trusted web server before ours says, the last address
    /// that is not a trusted server's itself.
    pub(super) fn visitor(&self, remote: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |ip: IpAddr| self.0.proxies.iter().any(|network| network.contains(ip));
        let mut source = remote.to_canonical();
        if !trusted(source) {
            return source;
        }
        for before in forwarded::addresses(self.0.forwarded_by, headers) {
            let (Some(before), true) = (before, trusted(source)) else {
                break;
            };
            source = before;
        }
        source
    }

    /// Takes the networks that this configuration trusts, for conferences and trunks.
    pub(crate) fn reload(&self, config: &Config) {
        let exempt = trusted(&self.0.configured, config);
        *self
            .0
            .exempt
            .write()
            .unwrap_or_else(PoisonError::into_inner) = exempt;
    }

    /// Whether a source is of a trusted network or a trunk.
    pub(super) fn is_exempt(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        let Inner { exempt, trunks, .. } = &*self.0;
        let exempt = exempt.read().unwrap_or_else(PoisonError::into_inner);
        exempt.iter().any(|network| network.contains(source)) || trunks.is_server(source)
    }

    /// What becomes of something new.
    pub(crate) fn judge(&self, now: Instant, source: IpAddr, evidence: Evidence) -> Judgement {
        if !self.0.enabled {
            return Judgement::Pass;
        }
        let exempt = || self.is_exempt(source);
        let judged = self.sentry().judge(now, source.into(), evidence, exempt);
        let because = match judged {
            Judgement::Pass | Judgement::Unproven => return judged,
            Judgement::Banned => Because::Banned,
            Judgement::Limited => Because::Limited,
            Judgement::Flood => Because::Flood,
        };
        self.0.metrics.shut(because);
        judged
    }

    /// Whether a connection from here is to be closed.
    pub(crate) fn is_banned(&self, source: IpAddr) -> bool {
        self.judge(now(), source, Evidence::Proven) == Judgement::Banned
    }

    /// Somebody did something that counts against him.
    pub(crate) fn offence(&self, source: IpAddr, offence: Offence, evidence: Evidence) {
        if !self.0.enabled {
            return;
        }
        let of = Of {
            kind: match offence {
                Offence::Probe => "probe",
                Offence::Look => "look",
                Offence::Guess => "guess",
            },
            proven: match evidence {
                Evidence::Proven => "true",
                Evidence::Claimed => "false",
            },
        };
        self.0.metrics.offences.get_or_create(&of).inc();
        let exempt = || self.is_exempt(source);
        let what = (offence, evidence);
        let came = self
            .sentry()
            .handle_offence(now(), source.into(), what, exempt);
        match came {
            None => {}
            Some(Consequence::Banned(source, why, time)) => {
                self.0.metrics.bans.inc();
                let for_s = time.as_secs();
                tracing::warn!(%source, why, for_s, "banned; `plenum ban lift` ends it");
                self.keep(source);
                self.measure();
            }
            Some(Consequence::Limited(source, time)) => {
                self.0.metrics.limits.inc();
                let for_s = time.as_secs();
                tracing::warn!(%source, for_s, "asks too much over UDP without proof: limited");
            }
        }
    }

    /// Somebody presented credentials to whoever has this origin. Right ones count for a source that
    /// is there, wrong ones against it; a count that was used before may be a repetition.
    pub(crate) fn handle_verdict(
        &self,
        origin: Origin,
        (request, flow): (&Request, &Flow),
        verdict: &Verdict,
    ) {
        let evidence = || evidence(&[origin], flow, Some(request));
        let source = flow.remote.ip();
        match verdict {
            Verdict::Granted(_) => {
                if evidence() == Evidence::Proven {
                    self.success(source);
                }
            }
            Verdict::Denied {
                why: Denied::UnknownUser | Denied::WrongPassword,
                ..
            } => self.offence(source, Offence::Guess, evidence()),
            Verdict::Denied {
                why: Denied::Replayed,
                ..
            }
            | Verdict::Absent
            | Verdict::Malformed(_)
            | Verdict::Stale(_) => {}
        }
    }

    /// The source is there, and has presented what is right.
    fn success(&self, source: IpAddr) {
        if self.0.enabled {
            self.sentry().handle_success(now(), source.into());
        }
    }

    pub(super) fn proof(&self, now: Instant, source: IpAddr) {
        self.sentry().handle_proof(now, source.into());
    }

    pub(super) fn call(&self, now: Instant, source: IpAddr) {
        self.sentry().handle_call(now, source.into());
    }

    pub(super) fn count(&self, because: Because) {
        self.0.metrics.shut(because);
    }

    /// Takes a place for a connection to the public side of HTTP; false if it is to be closed.
    pub(super) fn connect(&self, source: IpAddr) -> bool {
        if !self.0.enabled || self.is_exempt(source) {
            return true;
        }
        if self.is_banned(source) {
            return false;
        }
        let mut web = self.web();
        let visitor = web.touch(now(), source.into());
        let room = visitor.connections < self.0.of_web.connections;
        if room {
            visitor.connections += 1;
        } else {
            self.count(Because::HttpConnections);
        }
        room
    }

    pub(super) fn disconnect(&self, source: IpAddr) {
        if let Some(visitor) = self.web().get_mut(source.into()) {
            visitor.connections = visitor.connections.saturating_sub(1);
        }
    }

    /// Whether a request on the public side of HTTP is answered.
    pub(super) fn request(&self, source: IpAddr) -> bool {
        if !self.0.enabled || self.is_exempt(source) {
            return true;
        }
        let measure = self.0.of_web.requests;
        let mut web = self.web();
        let fits = web
            .touch(now(), source.into())
            .requests
            .take(now(), measure);
        if !fits {
            self.count(Because::HttpRate);
        }
        fits
    }

    /// Who is shut out.
    pub(crate) fn list(&self) -> Vec<view::Ban> {
        let (sentry, now) = (self.sentry(), now());
        let bans = sentry.bans(now).into_iter().map(|ban| view::Ban {
            source: ban.source.to_string(),
            kind: "banned".into(),
            why: ban.why.into(),
            left_s: ban.left.as_secs(),
            times: ban.times,
            dropped: ban.dropped,
        });
        let limits = sentry.limits(now);
        let limits = limits.into_iter().map(|(source, left)| view::Ban {
            source: source.to_string(),
            kind: "limited".into(),
            why: "unproven".into(),
            left_s: left.as_secs(),
            times: 0,
            dropped: 0,
        });
        bans.chain(limits).collect()
    }

    /// Bans by hand, for a year at most; answers for how long.
    pub(crate) fn ban(&self, source: IpAddr, time: Option<Duration>) -> Duration {
        let time = self.sentry().ban(now(), source.into(), time);
        tracing::warn!(%source, for_s = time.as_secs(), "banned by hand");
        self.keep(source.into());
        self.measure();
        time
    }

    /// Ends a ban; false if there is none.
    pub(crate) fn lift(&self, source: IpAddr) -> bool {
        let lifted = self.sentry().lift(now(), source.into());
        if lifted {
            tracing::info!(%source, "the ban was lifted");
            self.keep(source.into());
        }
        self.measure();
        lifted
    }

    /// Sets the gauges.
    pub(crate) fn measure(&self) {
        let banned = self.sentry().bans(now()).len();
        let banned = i64::try_from(banned).unwrap_or(i64::MAX);
        self.0.metrics.banned.set(banned);
    }

    /// Each holder of the lock makes one change.
    fn sentry(&self) -> MutexGuard<'_, Sentry> {
        self.0.sentry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn web(&self) -> MutexGuard<'_, PerSource<Visitor>> {
        self.0.web.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees PINs and conference keys, right and wrong, among what happens in conferences.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) watch: Watch,
    pub(crate) next: Arc<dyn EventSink>,
}

impl Witness {
    fn judge(&self, source: IpAddr, outcome: PinOutcome, proven: bool) {
        match outcome {
            PinOutcome::Right if proven => self.watch.success(source),
            PinOutcome::Right => {}
            PinOutcome::Wrong(wrong) => {
                let evidence = if proven {
                    Evidence::Proven
                } else {
                    Evidence::Claimed
                };
                for _ in 0..wrong {
                    self.watch.offence(source, Offence::Guess, evidence);
                }
            }
        }
    }
}

impl EventSink for Witness {
    fn event(&self, conference: ConferenceId, event: &ConferenceEvent) {
        if let ConferenceEvent::PinSettled {
            source,
            outcome,
            proven,
        } = event
        {
            self.judge(*source, *outcome, *proven);
        }
        self.next.event(conference, event);
    }
}

/// The networks of which nobody is watched.
fn trusted(configured: &[Network], config: &Config) -> Vec<Network> {
    let trunks = config.trunk.iter().flat_map(|trunk| &trunk.from);
    let all = configured.iter().chain(&config.conferences.trusted);
    all.chain(trunks).copied().collect()
}

/// Whom an operator means by an address, or by an IPv6 /64 as it is listed. Other networks are
/// nobody's: a ban is of an address or of a /64.
pub(crate) fn source_of(text: &str) -> Option<IpAddr> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    let source = Source::from(address).address();
    let meant = match prefix {
        None => true,
        Some("64") => source.is_ipv6() && address == source,
        Some(_) => false,
    };
    meant.then_some(source)
}

/// The time of the shells: tokio's.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(trusted: &str, trunk: &str) -> Config {
        let text = format!(
            "[conferences]\ntrusted = [{trusted}]\n[abuse]\nexempt = [\"192.0.2.0/28\"]\n\
             [[trunk]]\nname = \"t\"\nserver = \"203.0.113.1\"\nfrom = [\"{trunk}\"]\n"
        );
        Config::parse(&text).unwrap()
    }

    #[test]
    fn the_networks_of_another_configuration_are_trusted_from_then_on() {
        let first = config("\"10.1.0.0/16\"", "203.0.113.0/28");
        let watch = Watch::new(&first, Shown::default(), Metrics::default());
        let exempt = |address: &str| watch.is_exempt(address.parse().unwrap());
        assert!(exempt("10.1.0.1") && exempt("203.0.113.2") && exempt("192.0.2.1"));
        watch.reload(&config("\"10.2.0.0/16\"", "203.0.113.16/28"));
        assert!(!exempt("10.1.0.1") && !exempt("203.0.113.2"));
        assert!(exempt("10.2.0.1") && exempt("203.0.113.18") && exempt("192.0.2.1"));
    }

    #[tokio::test]
    async fn a_right_pin_makes_good_for_probes_of_who_is_there() {
        for (proven, banned) in [(true, false), (false, true)] {
            let config = Config::parse("[abuse]\nprobes = 5\n").unwrap();
            let watch = Watch::new(&config, Shown::default(), Metrics::default());
            let witness = Witness {
                watch: watch.clone(),
                next: Arc::new(crate::journal::Journal),
            };
            let source: IpAddr = "192.0.2.1".parse().unwrap();
            for number in 0..6 {
                if number == 5 {
                    let event = ConferenceEvent::PinSettled {
                        source,
                        outcome: PinOutcome::Right,
                        proven,
                    };
                    witness.event(ConferenceId(1), &event);
                }
                watch.offence(source, Offence::Probe, Evidence::Proven);
            }
            assert_eq!(watch.is_banned(source), banned);
        }
    }
}
