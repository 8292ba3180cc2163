//! The trunks between the SIP endpoint and the conferences.

mod failover;
pub(super) mod reload;

use super::exchange::{Exchange, hosts_of, rules_of};
use super::guard::{Denied, Guard, Moment, plan_of, rewritten};
use super::inbound::{self, Destination};
use super::line::{Line, host_of, seconds};
use super::metrics::{Because, Metrics, Why};
use super::view::{Kept, Shown};
use super::{Inbox, Note, outbound};
use crate::abuse::Watch;
use crate::config::DialRule;
use plenum_focus::caller::Vouched;
use plenum_focus::output::Dialler;
use plenum_focus::shell::{Border, Passage, Placing};
use plenum_sip::auth::{Authenticator, Ha1, Origin, Settings, Verdict};
use plenum_sip::endpoint::{Answer, Endpoint, Event, Flow, Invite, InviteId};
use plenum_sip::msg::{HeaderName, Headers, Host, Request, StatusCode, Text};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reload::Wanted;

/// What trunks are made of.
pub(crate) struct Setup {
    pub(crate) trunks: Vec<Wanted>,
    pub(crate) rules: Vec<DialRule>,
    /// The hosts this server answers for; empty: any.
    pub(crate) hosts: Vec<Host>,
    /// Users whose calls are counted.
    pub(crate) most_users: usize,
    /// For who is refused for want of a free line.
    pub(crate) retry_after: Duration,
    pub(crate) metrics: Metrics,
    /// Of the nonces that providers are challenged with.
    pub(crate) gate_seed: [u8; 32],
    /// Who guesses is told to it.
    pub(crate) watch: Watch,
    /// The present instant.
    pub(crate) now: Instant,
    /// Seconds since 1970.
    pub(crate) clock: fn() -> u64,
}

/// All trunks. See the module documentation.
pub(crate) struct Trunks {
    lines: Vec<Line>,
    /// Those that are configured no more, until their registrations are removed.
    leaving: Vec<Line>,
    guard: Guard,
    exchange: Arc<Exchange>,
    calls: BTreeMap<InviteId, Call>,
    hosts: Vec<Host>,
    retry_after: Duration,
    inbox: Inbox,
    shown: Shown,
    metrics: Metrics,
    /// Asks providers for their credentials.
    gate: Authenticator,
    watch: Watch,
    clock: fn() -> u64,
}

/// A call by a trunk.
#[derive(Debug)]
enum Call {
    /// From it.
    In(usize),
    /// To it.
    Out(Box<Outgoing>),
}

/// A call to a telephone number.
#[derive(Debug)]
struct Outgoing {
    line: usize,
    /// The trunks that were not tried.
    rest: VecDeque<usize>,
    rule: usize,
    /// Who wants it.
    by: Dialler,
    /// As the rule has rewritten it.
    number: String,
    wanted: Box<Invite>,
    redirections: usize,
    /// How long it may last.
    longest: Option<Duration>,
    /// When it is ended, once it is answered.
    until: Option<Instant>,
}

impl fmt::Debug for Trunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunks")
            .field("lines", &self.lines)
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

impl Trunks {
    pub(crate) fn new(setup: Setup, inbox: Inbox, shown: Shown) -> Self {
        let metrics = setup.metrics;
        let lines = setup.trunks.into_iter().map(|one| {
            let seed = one.seed.unwrap_or_default();
            Line::new(one.config, one.token, seed, metrics.clone())
        });
        let lines: Vec<Line> = lines.collect();
        let mut this = Self {
            exchange: Arc::default(),
            lines,
            leaving: Vec::new(),
            guard: Guard::new(setup.rules, setup.most_users),
            calls: BTreeMap::new(),
            hosts: setup.hosts,
            retry_after: setup.retry_after,
            inbox,
            shown,
            metrics,
            gate: Authenticator::new(Settings::default(), setup.gate_seed, setup.now),
            watch: setup.watch,
            clock: setup.clock,
        };
        this.connect();
        this.publish();
        this
    }

    /// What knows to whom providers' challenges were sent.
    pub(crate) fn origin(&self) -> Origin {
        self.gate.origin()
    }

    fn publish(&self) {
        self.lines.iter().for_each(Line::measure);
        let leaving = self.leaving.iter().map(|line| Kept {
            hidden: true,
            ..line.show()
        });
        let all = self.lines.iter().map(Line::show).chain(leaving);
        self.shown.set(all.collect());
    }

    /// A call that comes in, perhaps from a trunk.
    fn on_invite(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        call: (InviteId, Request, Flow),
        vouched: Option<Box<Vouched>>,
    ) -> Passage {
        let (id, mut request, flow) = call;
        let names = endpoint.certificate_names(flow.id);
        let known = |line: &Line| inbound::recognises(line, &request, (&flow, names));
        let mut found = self.lines.iter().position(known);
        if found.is_none()
            && let Some(at) = self
                .lines
                .iter()
                .position(|line| inbound::asks(line, &request))
        {
            if let Some(answer) = self.challenge(now, at, &request, &flow) {
                return self.refuse(now, endpoint, at, id, answer, "credentials");
            }
            found = Some(at);
        }
        let Some((at, line)) = found.and_then(|at| Some((at, self.lines.get_mut(at)?))) else {
            return Passage::On(Event::Invite { id, request, flow }, vouched);
        };
        if line.calls_in >= line.config.calls_in {
            let mut answer = Answer::new(StatusCode::BUSY_HERE);
            answer
                .headers
                .push(HeaderName::RetryAfter, seconds(self.retry_after));
            return self.refuse(now, endpoint, at, id, answer, "full");
        }
        let conference = match inbound::destination(line, &request) {
            Destination::Conference(name) => name,
            Destination::Unknown(number) => {
                let trunk = &line.config.name;
                tracing::info!(
                    trunk,
                    ?number,
                    uri = %request.uri.without_params(),
                    "no entry in `numbers` for the number called"
                );
                let answer = Answer::new(StatusCode::NOT_FOUND);
                return self.refuse(now, endpoint, at, id, answer, "unknown_number");
            }
        };
        let caller = inbound::caller(line, &request);
        line.calls_in += 1;
        endpoint.entrust_call(id, line.credentials());
        let local = host_of(flow.local.ip());
        let host = self.hosts.first().cloned().unwrap_or(local);
        inbound::redirect(&mut request, &conference, host);
        self.calls.insert(id, Call::In(at));
        self.publish();
        Passage::On(Event::Invite { id, request, flow }, Some(Box::new(caller)))
    }

    /// RFC 3261 §22.2: what a call is answered that has not presented the credentials of this
    /// trunk; nothing if it has.
    fn challenge(
        &mut self,
        now: Instant,
        line: usize,
        request: &Request,
        flow: &Flow,
    ) -> Option<Answer> {
        let line = self.lines.get(line)?;
        let realm = line.config.name.as_str();
        let (user, password) = (&line.config.inbound_user, &line.config.inbound_password);
        let secret = |name: &str, hash| {
            let password = password
                .as_ref()
                .filter(|_| user.as_deref() == Some(name))?;
            Some(Ha1::new(hash, name, realm, password.expose()))
        };
        let presented = (request, flow.remote.ip());
        let verdict = self.gate.check(now, presented, realm, secret);
        let origin = self.gate.origin();
        self.watch.handle_verdict(origin, (request, flow), &verdict);
        let stale = match verdict {
            Verdict::Granted(_) => return None,
            Verdict::Stale(_) => true,
            Verdict::Absent | Verdict::Denied { .. } => false,
            Verdict::Malformed(what) => {
                let mut answer = Answer::new(StatusCode::BAD_REQUEST);
                answer.reason = Some(Text::from_static(what));
                return Some(answer);
            }
        };
        let mut answer = Answer::new(StatusCode::UNAUTHORIZED);
        for challenge in self.gate.challenge(now, realm, stale, flow.remote.ip()) {
            answer.headers.push(HeaderName::WwwAuthenticate, challenge);
        }
        Some(answer)
    }

    fn refuse(
        &self,
        now: Instant,
        endpoint: &mut Endpoint,
        line: usize,
        id: InviteId,
        answer: Answer,
        reason: &'static str,
    ) -> Passage {
        if let Some(line) = self.lines.get(line) {
            let trunk = line.config.name.clone();
            let because = Because { trunk, reason };
            self.metrics.refused_in.get_or_create(&because).inc();
        }
        // A CANCEL may have been faster.
        endpoint.reject_once(now, id, answer).ok();
        Passage::Kept
    }

    fn on_ended(&mut self, id: InviteId) {
        match self.calls.remove(&id) {
            Some(Call::In(line)) => {
                if let Some(line) = self.lines.get_mut(line) {
                    line.calls_in = line.calls_in.saturating_sub(1);
                }
            }
            Some(Call::Out(call)) => {
                self.guard.end(&call.by, call.rule);
                self.leave(call.line);
            }
            None => return,
        }
        self.publish();
    }

    fn leave(&mut self, line: usize) {
        if let Some(line) = self.lines.get_mut(line) {
            line.calls_out = line.calls_out.saturating_sub(1);
        }
    }

    /// Looks anew which addresses are whose.
    fn connect(&mut self) {
        let lines = || self.lines.iter();
        let servers = lines().flat_map(|line| &line.servers);
        self.exchange = Arc::new(Exchange {
            plan: plan_of(lines().map(|line| &line.config.plan)),
            hosts: self.hosts.clone(),
            providers: lines().flat_map(|line| hosts_of(&line.config)).collect(),
            servers: servers.map(|one| one.target.remote.ip()).collect(),
            rules: rules_of(self.guard.rules(), lines().map(|line| &*line.config)),
        });
        self.shown.set_exchange(&self.exchange);
    }

    /// The trunks a call may go by now, and the number as the rule has it.
    fn route(
        &mut self,
        now: Instant,
        by: &Dialler,
        number: &str,
    ) -> Result<(usize, VecDeque<usize>, String), Denied> {
        let moment = Moment::of((self.clock)());
        let rule = self.guard.admit(now, moment, by, number)?;
        let chosen = self.guard.rule(rule).ok_or(Denied::NoTrunk)?;
        let named = |name: &String| self.lines.iter().position(|line| line.config.name == *name);
        let all: Vec<usize> = chosen.trunks.iter().filter_map(named).collect();
        let up = |at: &usize| self.lines.get(*at).is_some_and(Line::is_up);
        let working: Vec<usize> = all.into_iter().filter(up).collect();
        if working.is_empty() {
            return Err(Denied::NoTrunk);
        }
        let free = |at: &usize| self.lines.get(*at).is_some_and(|line| line.is_free(now));
        let free: VecDeque<usize> = working.into_iter().filter(free).collect();
        if free.is_empty() {
            return Err(Denied::TrunksFull);
        }
        Ok((rule, free, rewritten(chosen, number)))
    }

    fn cut(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let late = |(id, call): (&InviteId, &Call)| match call {
            Call::Out(call) if call.until.is_some_and(|until| until <= now) => Some(*id),
            Call::Out(_) | Call::In(_) => None,
        };
        let late: Vec<InviteId> = self.calls.iter().filter_map(late).collect();
        for id in late {
            if let Some(Call::Out(call)) = self.calls.get_mut(&id) {
                call.until = None;
            }
            self.metrics.cut.inc();
            let mut headers = Headers::new();
            let reason = "SIP;cause=480;text=\"The call has lasted as long as is allowed\"";
            headers.push(HeaderName::Reason, Text::from_static(reason));
            endpoint.bye_with(now, id, headers).ok();
        }
    }
}

impl Border for Trunks {
    fn handle_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
        vouched: Option<Box<Vouched>>,
    ) -> Passage {
        match event {
            Event::Invite { id, request, flow } => {
                return self.on_invite(now, endpoint, (id, request, flow), vouched);
            }
            Event::Response {
                tx,
                ref response,
                ref insecure,
            } => {
                let said = (response, insecure.as_ref());
                let mut lines = self.lines.iter_mut().chain(&mut self.leaving);
                if lines.any(|line| line.handle_response(now, endpoint, tx, said)) {
                    self.publish();
                    return Passage::Kept;
                }
            }
            Event::Refused {
                id,
                ref response,
                unreachable,
            } if self.calls.contains_key(&id) => {
                self.on_refused(now, endpoint, id, response, unreachable);
                return Passage::Kept;
            }
            Event::Answered { id, .. } => {
                if let Some(Call::Out(call)) = self.calls.get_mut(&id) {
                    call.until = call.longest.map(|longest| now + longest);
                }
            }
            Event::Ended { id, .. } => self.on_ended(id),
            Event::Cancelled { .. }
            | Event::Pracked { .. }
            | Event::Acked { .. }
            | Event::Modify { .. }
            | Event::InDialog { .. }
            | Event::Subscribe { .. }
            | Event::Refer { .. }
            | Event::Notifier { .. }
            | Event::Subscriber { .. }
            | Event::Request { .. }
            | Event::Progress { .. }
            | Event::Refused { .. }
            | Event::FlowClosed { .. }
            | Event::Modified { .. } => {}
        }
        Passage::On(event, vouched)
    }

    fn place(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        by: &Dialler,
        invite: Box<Invite>,
    ) -> Placing {
        let Some(number) = self.exchange.number_of(&invite.uri) else {
            return Placing::NotMine(invite);
        };
        let (rule, mut lines, number) = match self.route(now, by, &number) {
            Ok(found) => found,
            Err(denied) => {
                let reason = denied.name();
                self.metrics
                    .refused_out
                    .get_or_create(&Why { reason })
                    .inc();
                tracing::info!(reason, "a call to a telephone number is refused: {denied}");
                return Placing::Refused(denied.to_string());
            }
        };
        let chosen = lines
            .pop_front()
            .and_then(|at| Some((at, self.lines.get_mut(at)?)));
        let Some((at, line)) = chosen else {
            return Placing::Refused(Denied::NoTrunk.to_string());
        };
        if !outbound::is_offered_enough(line, &invite) {
            let trunk = &line.config.name;
            return Placing::Refused(format!("trunk \"{trunk}\" takes encrypted media only"));
        }
        line.begin(now);
        let id = endpoint.invite(now, outbound::invite(line, &invite, &number));
        self.guard.begin(now, by, rule);
        let call = Outgoing {
            line: at,
            rest: lines,
            rule,
            by: by.clone(),
            number,
            wanted: invite,
            redirections: 0,
            longest: self.guard.rule(rule).map(|rule| rule.longest),
            until: None,
        };
        self.calls.insert(id, Call::Out(Box::new(call)));
        self.publish();
        Placing::Placed(id)
    }

    fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        for note in self.inbox.take() {
            match note {
                Note::Found {
                    line,
                    targets,
                    local,
                } => {
                    let mut lines = self.lines.iter_mut();
                    if let Some(line) = lines.find(|one| one.token == line) {
                        line.handle_found(now, endpoint, targets, local);
                        self.connect();
                    }
                }
                Note::Reload(wanted, rules) => self.reload(now, endpoint, wanted, rules),
                Note::Stop => {
                    for line in &mut self.lines {
                        line.stop(now, endpoint);
                    }
                }
            }
        }
        for line in self.lines.iter_mut().chain(&mut self.leaving) {
            line.handle_timeout(now, endpoint);
        }
        self.let_go();
        self.cut(now, endpoint);
        self.publish();
    }

    fn next_timeout(&self) -> Option<Instant> {
        let lines = self.lines.iter().chain(&self.leaving);
        let lines = lines.filter_map(Line::next_timeout);
        let cuts = self.calls.values().filter_map(|call| match call {
            Call::Out(call) => call.until,
            Call::In(_) => None,
        });
        lines.chain(cuts).min()
    }
}
