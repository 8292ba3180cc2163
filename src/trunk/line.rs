//! One trunk: its registration, its servers, and whether they answer (RFC 3261 §10.2, §11).

use super::hourly::Hourly;
use super::metrics::{Because, Metrics, Of};
use super::view::{self, Kept};
use crate::config::Trunk;
use plenum_sip::auth::Credentials;
use plenum_sip::endpoint::{ClientTxId, Contact, Endpoint, OutOfDialog, Reach, Target};
use plenum_sip::msg::{Headers, Host, Method, NameAddr, Params, Response, Text};
use plenum_sip::registration::{Config, Output, Problem, Registration, Standing};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One trunk.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) config: Arc<Trunk>,
    /// What our Contact carries and nobody else knows.
    pub(crate) token: String,
    pub(crate) registration: Option<Registration>,
    pub(crate) servers: Vec<Server>,
    /// The name was looked for, and not found.
    lost: bool,
    /// The REGISTER that waits for a server.
    waiting: Option<Box<OutOfDialog>>,
    /// The REGISTER on its way.
    asked: Option<ClientTxId>,
    local: Option<IpAddr>,
    next: Option<Instant>,
    pub(crate) calls_in: usize,
    pub(crate) calls_out: usize,
    /// Calls to it.
    begun: Hourly,
    /// It is to end: nothing is asked any more, but that its registration be removed.
    stopping: bool,
    /// What was logged last.
    told: Option<(bool, Option<Problem>)>,
    metrics: Metrics,
}

/// A server of a trunk.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) target: Target,
    /// Whether it answers; `None`: not known yet.
    pub(crate) up: Option<bool>,
    /// Why no connection to it was secured, the last time it was asked.
    insecure: Option<Text>,
    ping: Option<ClientTxId>,
    ping_at: Instant,
}

impl Line {
    pub(crate) fn new(config: Arc<Trunk>, token: String, seed: [u8; 32], metrics: Metrics) -> Self {
        let registration = config.register.then(|| {
            let mut registration = Registration::new(registration(&config, &token), seed);
            registration.start();
            registration
        });
        Self {
            registration,
            config,
            token,
            servers: Vec::new(),
            lost: false,
            waiting: None,
            asked: None,
            local: None,
            next: None,
            calls_in: 0,
            calls_out: 0,
            begun: Hourly::default(),
            stopping: false,
            told: None,
            metrics,
        }
    }

    /// The servers in order, those that do not answer last.
    pub(crate) fn ways(&self) -> Vec<Target> {
        let (down, up): (Vec<_>, Vec<_>) =
            self.servers.iter().partition(|one| one.up == Some(false));
        up.into_iter().chain(down).map(|one| one.target).collect()
    }

    /// A pre-loaded route: the outbound proxy, then what the registrar said (RFC 3608 §6.1).
    pub(crate) fn route(&self) -> Vec<NameAddr> {
        let proxy = self.config.outbound_proxy.clone().map(NameAddr::new);
        let service = self.registration.iter().flat_map(|one| one.service_route());
        proxy.into_iter().chain(service.cloned()).collect()
    }

    pub(crate) fn credentials(&self) -> Credentials {
        credentials(&self.config)
    }

    /// Whether a call can be tried by it.
    pub(crate) fn is_up(&self) -> bool {
        let answers = self.servers.iter().any(|one| one.up != Some(false));
        let registered = self
            .registration
            .as_ref()
            .is_none_or(|one| matches!(one.standing(), Standing::Registered(_)));
        answers && registered
    }

    /// Whether it takes one more call now.
    pub(crate) fn is_free(&self, now: Instant) -> bool {
        let hour = self.begun.count(now);
        self.calls_out < self.config.calls_out && hour < self.config.calls_out_per_hour
    }

    /// A call to it begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.calls_out += 1;
        self.begun.begin(now);
    }

    /// Where the servers are now.
    pub(crate) fn handle_found(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        targets: Vec<Target>,
        local: Option<IpAddr>,
    ) {
        self.lost = targets.is_empty();
        // What was found before may still work while the DNS does not.
        if !targets.is_empty() {
            let mut former = std::mem::take(&mut self.servers);
            let each = targets.into_iter().take(SERVERS).map(|target| {
                let known = former.iter().position(|one| one.target == target);
                known.map(|at| former.swap_remove(at)).unwrap_or(Server {
                    target,
                    up: None,
                    insecure: None,
                    ping: None,
                    ping_at: now,
                })
            });
            self.servers = each.collect();
        }
        if local.is_some() && local != self.local {
            let moved = self.local.is_some();
            self.local = local;
            if let Some(registration) = self.registration.as_mut().filter(|_| moved) {
                registration.readdress();
            }
        }
        if let Some(waiting) = self.waiting.take() {
            self.register(now, endpoint, waiting);
        }
        self.run(now, endpoint);
    }

    /// Registrations and pings whose time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        if let Some(registration) = &mut self.registration {
            registration.handle_timeout(now);
        }
        self.run(now, endpoint);
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let resting = self.servers.iter().filter(|one| one.ping.is_none());
        let pings = resting.map(|one| one.ping_at);
        let pings = pings.filter(|_| self.pings()).min();
        self.next.into_iter().chain(pings).min()
    }

    /// A response to a request of ours; false if it was none of this trunk's.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        tx: ClientTxId,
        (response, insecure): (&Response, Option<&Text>),
    ) -> bool {
        let (last, answered) = (response.status.is_final(), is_answer(response));
        if self.asked == Some(tx) {
            if last {
                self.asked = None;
                self.on_registered(now, response, answered, insecure);
                self.run(now, endpoint);
            }
            return true;
        }
        let rest = self.config.options;
        let pinged = self.servers.iter_mut().find(|one| one.ping == Some(tx));
        let Some(server) = pinged else {
            return false;
        };
        if last {
            server.ping = None;
            server.ping_at = now + rest;
            server.insecure = insecure.cloned();
            let up = answered && response.status.code() != 503;
            let before = server.up.replace(up);
            if before != Some(up) && (before.is_some() || !up) {
                let (trunk, address) = (&self.config.name, server.target.remote);
                if up {
                    tracing::info!(trunk, %address, "the server answers again");
                } else {
                    tracing::warn!(trunk, %address, "the server does not answer OPTIONS");
                }
            }
            // One that is back may have forgotten us; where one is gone another has to know us.
            if before.is_some_and(|before| before != up) && !self.stopping {
                self.registration.iter_mut().for_each(Registration::start);
            }
            self.run(now, endpoint);
        }
        true
    }

    /// Ends it: removes the registration, where that is wished.
    pub(crate) fn stop(&mut self, now: Instant, endpoint: &mut Endpoint) {
        self.stopping = true;
        self.waiting = None;
        if self.config.unregister
            && let Some(registration) = &mut self.registration
        {
            registration.stop();
            self.run(now, endpoint);
        }
    }

    /// When it is to end, its registration has to be removed first, or may come about yet and has to
    /// be then.
    pub(crate) fn is_leaving(&self) -> bool {
        let standing = self.registration.as_ref().map(Registration::standing);
        let registered = matches!(standing, Some(Standing::Registered(_)));
        self.config.unregister && (registered || self.asked.is_some())
    }

    /// Whether its servers are asked if they are there.
    fn pings(&self) -> bool {
        !self.stopping && !self.config.options.is_zero()
    }

    /// Sets its gauges.
    pub(crate) fn measure(&self) {
        let of = Of {
            trunk: self.config.name.clone(),
        };
        let standing = self.registration.as_ref().map(Registration::standing);
        let registered = matches!(standing, Some(Standing::Registered(_)));
        let calls = |calls: usize| i64::try_from(calls).unwrap_or(i64::MAX);
        let metrics = &self.metrics;
        metrics.up.get_or_create(&of).set(self.is_up().into());
        metrics.registered.get_or_create(&of).set(registered.into());
        metrics
            .calls_in
            .get_or_create(&of)
            .set(calls(self.calls_in));
        metrics
            .calls_out
            .get_or_create(&of)
            .set(calls(self.calls_out));
    }

    /// Takes its gauges away.
    pub(crate) fn unmeasure(&self) {
        let of = Of {
            trunk: self.config.name.clone(),
        };
        let Metrics {
            up,
            registered,
            calls_in,
            calls_out,
            ..
        } = &self.metrics;
        for gauge in [up, registered, calls_in, calls_out] {
            gauge.remove(&of);
        }
    }

    pub(crate) fn show(&self) -> Kept {
        let standing = self.registration.as_ref().map(Registration::standing);
        let trunk = view::Trunk {
            name: self.config.name.clone(),
            server: self.config.server.to_string(),
            up: self.is_up(),
            registration: view::word(standing).into(),
            registered_for_s: None,
            problem: self.problem(),
            servers: self
                .servers
                .iter()
                .map(|one| view::Server {
                    address: format!(
                        "{}:{}",
                        one.target.transport.via_name().to_ascii_lowercase(),
                        one.target.remote
                    ),
                    up: one.up,
                })
                .collect(),
            calls_in: self.calls_in,
            calls_out: self.calls_out,
        };
        Kept {
            trunk,
            standing,
            leaving: self.is_leaving(),
            hidden: false,
            addresses: self
                .servers
                .iter()
                .map(|one| one.target.remote.ip().to_canonical())
                .collect(),
        }
    }

    fn problem(&self) -> Option<String> {
        let registering = self.registration.as_ref().and_then(Registration::problem);
        let host = || self.config.hop().host.to_string();
        match registering {
            Some(problem) => Some(problem.to_string()),
            None if self.lost && self.servers.is_empty() => Some(Problem::Dns(host()).to_string()),
            None if !self.servers.is_empty()
                && self.servers.iter().all(|one| one.up == Some(false)) =>
            {
                let insecure = self.servers.iter().find_map(|one| one.insecure.clone());
                Some(unreached(host(), insecure).to_string())
            }
            None => None,
        }
    }

    fn on_registered(
        &mut self,
        now: Instant,
        response: &Response,
        answered: bool,
        insecure: Option<&Text>,
    ) {
        let host = self.config.hop().host.to_string();
        let Some(registration) = &mut self.registration else {
            return;
        };
        if answered {
            registration.handle_response(now, response);
        } else {
            registration.handle_failure(now, unreached(host, insecure.cloned()));
        }
    }

    /// Sends what is to be sent.
    fn run(&mut self, now: Instant, endpoint: &mut Endpoint) {
        while let Some(registration) = &mut self.registration {
            match registration.poll_output() {
                Output::Register(out) => self.register(now, endpoint, out),
                Output::Changed => self.tell(),
                Output::Timeout(next) => {
                    self.next = next;
                    break;
                }
            }
        }
        if self.pings() {
            self.ping(now, endpoint);
        }
    }

    fn register(&mut self, now: Instant, endpoint: &mut Endpoint, mut out: Box<OutOfDialog>) {
        let targets = self.ways();
        if targets.is_empty() && self.lost {
            let host = self.config.hop().host.to_string();
            if let Some(registration) = &mut self.registration {
                registration.handle_failure(now, Problem::Dns(host));
            }
        } else if targets.is_empty() {
            self.waiting = Some(out);
        } else {
            out.reach = Reach {
                targets,
                credentials: self.credentials(),
                ..Reach::default()
            };
            self.asked = Some(endpoint.request(now, *out));
        }
    }

    fn ping(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let uri = self.config.server.clone();
        let (from, route) = (NameAddr::new(self.config.aor.clone()), self.route());
        for server in &mut self.servers {
            if server.ping.is_some() || server.ping_at > now {
                continue;
            }
            let out = OutOfDialog {
                method: Method::Options,
                uri: uri.clone(),
                to: NameAddr::new(uri.clone()),
                from: from.clone(),
                headers: Headers::new(),
                body: None,
                route: route.clone(),
                contact: None,
                reach: Reach {
                    targets: vec![server.target],
                    ..Reach::default()
                },
            };
            server.ping = Some(endpoint.request(now, out));
        }
    }

    /// Into the log, where it is news.
    fn tell(&mut self) {
        let Some(registration) = &self.registration else {
            return;
        };
        let registered = matches!(registration.standing(), Standing::Registered(_));
        let problem = registration.problem().cloned();
        let trunk = &self.config.name;
        if let Some(problem) = &problem {
            let because = Because {
                trunk: trunk.clone(),
                reason: problem.name(),
            };
            self.metrics
                .registration_failures
                .get_or_create(&because)
                .inc();
        }
        let news = Some((registered, problem.clone()));
        if self.told == news {
            return;
        }
        self.told = news;
        match (problem, registration.standing()) {
            (Some(problem), _) => tracing::warn!(trunk, registered, "not registered: {problem}"),
            (None, Standing::Registered(_)) => tracing::info!(trunk, "registered"),
            (None, Standing::Removed) => tracing::info!(trunk, "registration removed"),
            (None, Standing::Idle | Standing::Trying | Standing::Failed) => {}
        }
    }
}

fn registration(config: &Trunk, token: &str) -> Config {
    let mut registrar = config.server.clone();
    registrar.user = None;
    registrar.host = config.aor.host.clone();
    if config.aor.host.to_string() == config.server.host.to_string() {
        registrar.host = config.server.host.clone();
    }
    let proxy = config.outbound_proxy.clone().map(NameAddr::new);
    Config {
        registrar,
        aor: NameAddr::new(config.aor.clone()),
        contact: Contact {
            user: config.aor.user.clone(),
            uri_params: Params::new().with("line", Some(token)),
            ..Contact::default()
        },
        route: proxy.into_iter().collect(),
        expires: config.expires,
        retry_base: config.retry,
        retry_ceiling: config.retry_ceiling,
        has_credentials: config.password.is_some(),
        learn_address: config.learn_address,
    }
}

fn credentials(config: &Trunk) -> Credentials {
    match (&config.user, &config.password) {
        (Some(user), Some(password)) => Credentials::password(user, password.expose()),
        (Some(_) | None, _) => Credentials::default(),
    }
}

/// What is wrong where nothing came back.
fn unreached(host: String, insecure: Option<Text>) -> Problem {
    match insecure {
        Some(why) => Problem::NotSecured(host, why),
        None => Problem::Unreachable(host),
    }
}

/// A response that came from somewhere has a To tag (RFC 3261 §8.2.6.2); one the endpoint made up
/// for want of an answer has none.
fn is_answer(response: &Response) -> bool {
    response.headers.to().is_ok_and(|to| to.tag().is_some())
}

/// The host of a domain, or an address, for URIs of ours.
pub(crate) fn host_of(ip: IpAddr) -> Host {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Host::V4(ip),
        IpAddr::V6(ip) => Host::V6(ip),
    }
}

/// The header field value that tells a caller to come back later.
pub(crate) fn seconds(duration: Duration) -> Text {
    duration.as_secs().to_string().into()
}

/// Servers of one trunk that are asked and tried.
const SERVERS: usize = 8;
