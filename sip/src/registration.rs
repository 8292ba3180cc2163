//! A registration of ours with a registrar: RFC 3261 §10.2, its recovery after RFC 5626 §4.5.
//!
//! Sans-IO like the endpoint: [`Registration::poll_output`] says which REGISTER is to be sent and
//! when [`Registration::handle_timeout`] is due; the answer comes back through
//! [`Registration::handle_response`]. Credentials are the endpoint's: a 401 that arrives here is
//! one that the endpoint could not answer, or whose answer was refused.
//!
//! | phase | waits for | leaves it by |
//! |---|---|---|
//! | `Idle` | `start` | `start` |
//! | `Asking` | the answer to a REGISTER | any final response, a failure |
//! | `Resting` | the time to refresh or to try again | the timer, `readdress` |
//! | `Leaving` | the answer to the REGISTER that removes the binding | any final response |
//! | `Over` | nothing | `start` |

use crate::endpoint::{Contact, OutOfDialog, Reach};
use crate::msg::{
    CSeq, HeaderName, Headers, Host, Method, NameAddr, Params, Response, RetryAfter, StatusCode,
    Text, Uri, Via,
};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What is registered, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The registrar's domain, the Request-URI (§10.2): `sip:example.com`, without a user.
    pub registrar: Uri,
    /// The address of record.
    pub aor: NameAddr,
    /// What stands in Contact; host and port are the endpoint's, or learnt.
    pub contact: Contact,
    /// Outbound proxies, first hop first.
    pub route: Vec<NameAddr>,
    /// For how long is asked.
    pub expires: Duration,
    /// RFC 5626 §4.5: the base of the waiting time after a failure, doubled with each.
    pub retry_base: Duration,
    /// RFC 5626 §4.5: the longest waiting time after a failure.
    pub retry_ceiling: Duration,
    /// The endpoint has credentials to answer with.
    pub has_credentials: bool,
    /// Name the address in Contact that the registrar sees us at (RFC 3581), where it is another.
    pub learn_address: bool,
}

/// What is wrong, in terms of what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The credentials were refused.
    #[error("the registrar refuses the user name or password ({0}): check `user` and `password`")]
    Credentials(StatusCode),
    /// It wants credentials and there are none.
    #[error("the registrar asks for a password ({0}): set `user` and `password`")]
    CredentialsMissing(StatusCode),
    /// It does not know the user.
    #[error("the registrar does not know this user ({0}): check `aor` with the provider")]
    UnknownUser(StatusCode),
    /// It does not want us.
    #[error(
        "the registrar forbids it ({0}): ask the provider whether the account is enabled and \
             this address allowed"
    )]
    Forbidden(StatusCode),
    /// It cannot at present.
    #[error("the registrar is out of service at present ({0}): nothing to do, it is tried again")]
    OutOfService(StatusCode),
    /// Any other refusal.
    #[error("the registrar refuses with {0} {1}: ask the provider what that means")]
    Refused(StatusCode, Text),
    /// It answered 200 without our binding.
    #[error("the registrar accepted without keeping our address: ask the provider")]
    NotBound,
    /// The name cannot be found.
    #[error("{0} cannot be found in the DNS: check `server` and the name servers of this host")]
    Dns(String),
    /// Nothing answers.
    #[error(
        "{0} does not answer: check `server`, the network and the firewall; with TLS also what \
             the log says of its certificate"
    )]
    Unreachable(String),
    /// The connection to it was not secured; why, with the remedy.
    #[error("no secure connection to {0}: {1}")]
    NotSecured(String, Text),
}

impl Problem {
    /// One word for it, for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::CredentialsMissing(_) => "credentials_missing",
            Self::UnknownUser(_) => "unknown_user",
            Self::Forbidden(_) => "forbidden",
            Self::OutOfService(_) => "out_of_service",
            Self::Refused(..) => "refused",
            Self::NotBound => "not_bound",
            Self::Dns(_) => "dns",
            Self::Unreachable(_) => "unreachable",
            Self::NotSecured(..) => "not_secured",
        }
    }
}

/// How the registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not begun.
    Idle,
    /// The first answer has not come.
    Trying,
    /// The registrar keeps our address until then.
    Registered(Instant),
    /// It does not; see [`Registration::problem`].
    Failed,
    /// The binding was removed at our own wish.
    Removed,
}

/// What comes out.
#[derive(Debug)]
pub enum Output {
    /// Send this REGISTER; [`Registration::handle_response`] or
    /// [`Registration::handle_failure`] tells how it went.
    Register(Box<OutOfDialog>),
    /// The standing, the problem or the service route is another.
    Changed,
    /// Nothing more until this instant, or until something is handled.
    Timeout(Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Asking,
    Resting(Instant),
    Leaving,
    Over,
}

/// The state machine. See the module documentation.
#[derive(Debug)]
pub struct Registration {
    config: Config,
    rng: StdRng,
    call_id: Text,
    seq: u32,
    phase: Phase,
    /// Seconds asked for; a 423 raises them.
    wanted: u32,
    bound_until: Option<Instant>,
    problem: Option<Problem>,
    /// Consecutive failures, the exponent of the waiting time.
    failures: u32,
    /// Consecutive changes of the learnt address, which an odd translation could go on with.
    moves: u32,
    /// The binding of an address that is ours no more, to be removed; and our transport.
    former: Option<(Contact, Text)>,
    service_route: Vec<NameAddr>,
    /// Again as soon as the present answer is there.
    again: bool,
    /// To be removed as soon as the present answer is there.
    leaving: bool,
    out: VecDeque<Output>,
}

impl Registration {
    /// One that has not begun. `seed` is the source of its Call-ID and waiting times.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let call_id = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
        Self {
            wanted: seconds(config.expires),
            config,
            rng,
            call_id: call_id.into(),
            seq: 0,
            phase: Phase::Idle,
            bound_until: None,
            problem: None,
            failures: 0,
            moves: 0,
            former: None,
            service_route: Vec::new(),
            again: false,
            leaving: false,
            out: VecDeque::new(),
        }
    }

    /// Begins, or asks again at once.
    pub fn start(&mut self) {
        match self.phase {
            Phase::Asking | Phase::Leaving => self.again = true,
            Phase::Idle | Phase::Resting(_) | Phase::Over => self.ask(),
        }
    }

    /// Our own address may be another: a registration with the present one (§10.2.4).
    pub fn readdress(&mut self) {
        self.forget_learnt();
        match self.phase {
            Phase::Asking => self.again = true,
            Phase::Resting(_) => self.ask(),
            Phase::Idle | Phase::Leaving | Phase::Over => {}
        }
    }

    /// Removes the binding (§10.2.2), if there may be one.
    pub fn stop(&mut self) {
        match self.phase {
            Phase::Asking => self.leaving = true,
            Phase::Resting(_) if self.bound_until.is_some() => self.leave(),
            Phase::Resting(_) | Phase::Idle => self.rest_over(),
            Phase::Leaving | Phase::Over => {}
        }
    }

    /// The final answer to the REGISTER (§10.2.4 to §10.2.8).
    pub fn handle_response(&mut self, now: Instant, response: &Response) {
        // The endpoint may have sent it again with credentials, under a higher number.
        let seq = response.headers.cseq().map_or(0, |cseq| cseq.seq);
        self.seq = self.seq.max(seq);
        if response.status.is_provisional() {
            return;
        }
        if self.phase == Phase::Leaving {
            return self.rest_over();
        }
        if self.phase != Phase::Asking {
            return;
        }
        match response.status {
            status if status.is_success() => self.on_success(now, response),
            StatusCode::INTERVAL_TOO_BRIEF => self.on_too_brief(now, response),
            _ => {
                let problem = self.problem_of(response);
                self.on_failure(now, problem, retry_after(response));
            }
        }
    }

    /// The REGISTER could not be sent, or nobody answered.
    pub fn handle_failure(&mut self, now: Instant, problem: Problem) {
        match self.phase {
            Phase::Leaving => self.rest_over(),
            Phase::Asking => self.on_failure(now, problem, None),
            Phase::Idle | Phase::Resting(_) | Phase::Over => {}
        }
    }

    /// Refreshes or tries again, when it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.bound_until.is_some_and(|until| until <= now) {
            self.bound_until = None;
            self.out.push_back(Output::Changed);
        }
        if let Phase::Resting(at) = self.phase
            && at <= now
        {
            self.moves = 0;
            self.ask();
        }
    }

    /// What is to be done next; [`Output::Timeout`] is the last.
    pub fn poll_output(&mut self) -> Output {
        self.out.pop_front().unwrap_or_else(|| {
            let rest = match self.phase {
                Phase::Resting(at) => Some(at),
                Phase::Idle | Phase::Asking | Phase::Leaving | Phase::Over => None,
            };
            Output::Timeout(rest.into_iter().chain(self.bound_until).min())
        })
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        match (self.phase, self.bound_until) {
            (Phase::Over, _) => Standing::Removed,
            (Phase::Idle, _) => Standing::Idle,
            (Phase::Asking | Phase::Resting(_) | Phase::Leaving, Some(until)) => {
                Standing::Registered(until)
            }
            (Phase::Asking | Phase::Leaving, None) if self.problem.is_none() => Standing::Trying,
            (Phase::Asking | Phase::Resting(_) | Phase::Leaving, None) => Standing::Failed,
        }
    }

    /// What was wrong with the last REGISTER.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The route of requests through this registrar (RFC 3608 §5).
    pub fn service_route(&self) -> &[NameAddr] {
        &self.service_route
    }

    /// Our Contact towards this registrar, with the address it sees us at where that was learnt.
    pub fn contact(&self) -> &Contact {
        &self.config.contact
    }

    fn ask(&mut self) {
        self.phase = Phase::Asking;
        self.again = false;
        let expires = self.wanted;
        self.send(expires);
    }

    fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.leaving = false;
        self.send(0);
    }

    fn rest_over(&mut self) {
        self.phase = Phase::Over;
        self.bound_until = None;
        self.problem = None;
        self.service_route.clear();
        self.out.push_back(Output::Changed);
        if self.again {
            self.ask();
        }
    }

    fn send(&mut self, expires: u32) {
        self.seq = self.seq.saturating_add(1);
        let mut headers = Headers::with_capacity(6);
        headers.push(HeaderName::CallId, self.call_id.clone());
        let method = Method::Register;
        headers.push(
            HeaderName::CSeq,
            CSeq {
                seq: self.seq,
                method,
            },
        );
        headers.push(HeaderName::Expires, expires.to_string());
        headers.push(HeaderName::Supported, Text::from_static("path, outbound"));
        if let Some((former, transport)) = self.former.take() {
            // Two addresses in one request: the endpoint writes none then.
            let present = written(&self.config.contact, &transport);
            headers.push(HeaderName::Contact, present);
            let former = written(&former, &transport).with_param("expires", Some("0"));
            headers.push(HeaderName::Contact, former);
        }
        let out = OutOfDialog {
            method: Method::Register,
            uri: self.config.registrar.clone(),
            to: self.config.aor.clone(),
            from: self.config.aor.clone(),
            headers,
            body: None,
            route: self.config.route.clone(),
            contact: Some(self.config.contact.clone()),
            reach: Reach::default(),
        };
        self.out.push_back(Output::Register(Box::new(out)));
    }

    fn on_success(&mut self, now: Instant, response: &Response) {
        if self.learn(response) {
            return;
        }
        let Some(granted) = self.granted(response) else {
            return self.on_failure(now, Problem::NotBound, None);
        };
        self.problem = None;
        self.failures = 0;
        self.service_route = routes(&response.headers);
        self.bound_until = Some(now + Duration::from_secs(u64::from(granted)));
        let permille = self.rng.random_range(REFRESH_PERMILLE);
        let rest = u64::from(granted).saturating_mul(permille);
        self.rest(now, Duration::from_millis(rest));
    }

    /// §10.2.8: "the UA […] may try again with an expiration interval equal to or greater" than
    /// Min-Expires.
    fn on_too_brief(&mut self, now: Instant, response: &Response) {
        let least = response.headers.min_expires().ok().flatten().unwrap_or(0);
        if least > self.wanted && least <= LONGEST {
            self.wanted = least;
            self.ask();
        } else {
            let problem = Problem::Refused(response.status, response.reason.detached());
            self.on_failure(now, problem, None);
        }
    }

    fn on_failure(&mut self, now: Instant, problem: Problem, at_least: Option<Duration>) {
        self.problem = Some(problem);
        let wait = self.backoff().max(at_least.unwrap_or_default());
        self.failures = self.failures.saturating_add(1);
        self.rest(now, wait);
    }

    fn rest(&mut self, now: Instant, wait: Duration) {
        self.phase = Phase::Resting(now + wait);
        self.out.push_back(Output::Changed);
        if self.leaving {
            self.leave();
        } else if self.again {
            self.ask();
        }
    }

    /// RFC 5626 §4.5: doubled with each failure up to the ceiling; then "a uniform random time
    /// between 50 and 100% of the upper-bound wait time".
    fn backoff(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX);
        let bound = self.config.retry_base.saturating_mul(doubled);
        let bound = bound.min(self.config.retry_ceiling);
        bound * self.rng.random_range(500..=1000) / 1000
    }

    /// Takes the address the registrar sees us at (RFC 3581 §4); true if that makes another
    /// REGISTER, which also removes the binding just made.
    fn learn(&mut self, response: &Response) -> bool {
        let Ok(via) = response.headers.via() else {
            return false;
        };
        let Some(seen) = seen_as(&via).filter(|_| self.config.learn_address) else {
            return false;
        };
        let contact = &mut self.config.contact;
        if contact.seen_as.as_ref() == Some(&seen) || self.moves >= MOVES {
            return false;
        }
        let mut former = contact.clone();
        let named = || (via.host.clone(), via.port);
        former.seen_as.get_or_insert_with(named);
        contact.seen_as = Some(seen);
        self.moves += 1;
        self.former = Some((former, via.transport.detached()));
        self.ask();
        true
    }

    fn forget_learnt(&mut self) {
        self.config.contact.seen_as = None;
        self.moves = 0;
    }

    /// Seconds the registrar keeps our binding (§10.2.4); `None` if it does not.
    fn granted(&self, response: &Response) -> Option<u32> {
        let contacts = response.headers.contacts().ok();
        let list: &[NameAddr] = match &contacts {
            Some(crate::msg::Contacts::List(list)) => list,
            Some(crate::msg::Contacts::Star) | None => &[],
        };
        let user = self.config.contact.user.as_ref();
        let line = self.config.contact.uri_params.get("line");
        let ours = |one: &&NameAddr| {
            one.uri.user.as_ref() == user && (line.is_none() || one.uri.param("line") == line)
        };
        let own = list.iter().find(ours);
        let said = response.headers.expires().ok().flatten();
        let granted = match own {
            Some(own) => {
                let said = own.params.get("expires");
                said.and_then(|said| said.to_str()?.parse().ok())
            }
            // Some registrars answer without Contact, which §10.3 does not allow them.
            None if list.is_empty() && said.is_some() => None,
            None => return None,
        };
        let granted = granted.or(said).unwrap_or(self.wanted);
        (granted > 0).then_some(granted.min(LONGEST))
    }

    fn problem_of(&self, response: &Response) -> Problem {
        let status = response.status;
        match status.code() {
            401 | 407 if self.config.has_credentials => Problem::Credentials(status),
            401 | 407 => Problem::CredentialsMissing(status),
            403 => Problem::Forbidden(status),
            404 | 410 | 604 => Problem::UnknownUser(status),
            408 => Problem::Unreachable(self.config.registrar.host.to_string()),
            480 | 500..=599 => Problem::OutOfService(status),
            _ => Problem::Refused(status, response.reason.detached()),
        }
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs())
        .unwrap_or(LONGEST)
        .clamp(1, LONGEST)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let asked: Option<RetryAfter> = response.headers.retry_after().ok().flatten();
    asked.map(|asked| Duration::from_secs(u64::from(asked.seconds.min(LONGEST))))
}

/// RFC 3608 §5.
fn routes(headers: &Headers) -> Vec<NameAddr> {
    let all = headers.get_all(&HeaderName::ServiceRoute);
    let each = all.flat_map(|value| {
        let value = value.to_str_lossy();
        let parts: Vec<_> = value
            .split(',')
            .map(|part| Text::from(part.trim()))
            .collect();
        parts
    });
    each.filter_map(|part| NameAddr::parse(&part).ok())
        .take(ROUTES)
        .collect()
}

/// The address a response says we were seen at, if it is not the one we named. A connection comes
/// from a port of its own, so on a stream another port alone says nothing.
fn seen_as(via: &Via) -> Option<(Host, Option<u16>)> {
    let named = via.host.ip()?;
    let received = via.received().unwrap_or(named);
    let rport = via.rport().flatten();
    let other_port = rport.is_some() && rport != Some(via.port.unwrap_or(DEFAULT_PORT));
    let datagram = via.transport.eq_ignore_case("UDP");
    let host = match received.to_canonical() {
        IpAddr::V4(ip) => Host::V4(ip),
        IpAddr::V6(ip) => Host::V6(ip),
    };
    (received != named || (datagram && other_port)).then_some((host, rport))
}

/// A Contact whose address is known, letter for letter as the endpoint writes it: some registrars
/// compare bindings as texts.
fn written(contact: &Contact, transport: &Text) -> NameAddr {
    let (host, port) = contact
        .seen_as
        .clone()
        .unwrap_or_else(|| (Host::Name(Text::from_static("localhost")), None));
    let mut uri = Uri::sip(None, host, port);
    uri.user.clone_from(&contact.user);
    let params = contact.uri_params.as_bytes();
    uri.params = if transport.eq_ignore_case("UDP") {
        contact.uri_params.clone()
    } else {
        let lower = transport.to_str_lossy().to_ascii_lowercase();
        let params = [format!(";transport={lower}").as_bytes(), params].concat();
        Params::checked(Text::from(params))
    };
    let mut address = NameAddr::new(uri);
    address.params = contact.params.clone();
    address
}

/// Refreshed after so much of the granted time, so that many servers do not come together.
const REFRESH_PERMILLE: std::ops::Range<u64> = 800..900;
/// No registration is longer: a week.
const LONGEST: u32 = 604_800;
/// How often in a row the address may be learnt anew.
const MOVES: u32 = 2;
/// More service routes than this are not obeyed.
const ROUTES: usize = 8;
const DEFAULT_PORT: u16 = 5060;
