//! REGISTER from the proof of its sender to the answer (RFC 3261 §10.3): nothing is acknowledged
//! before it is stored.

use super::devices::Devices;
use super::gate::{Gate, domain, said};
use super::metrics::Metrics;
use plenum_focus::store::{BindingStore, StoreError, Users};
use plenum_sip::auth::Granted;
use plenum_sip::endpoint::{Answer, Endpoint, Flow, FlowId, ServerTxId};
use plenum_sip::msg::{HeaderName, Request, StatusCode, Text, Uri};
use plenum_sip::registrar::{Plan, Reached, Registrar};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The registrar with its store.
pub(super) struct Registrations {
    registrar: Registrar,
    store: Arc<dyn BindingStore>,
    /// What the store has said, on its way to the driver.
    stored: Arc<Mutex<Vec<Stored>>>,
    wake: Arc<dyn Fn() + Send + Sync>,
    rng: StdRng,
    metrics: Metrics,
    devices: Arc<Devices>,
}

/// A REGISTER whose changes are stored, or cannot be.
struct Stored {
    tx: ServerTxId,
    plan: Plan,
    granted: Option<Granted>,
    outcome: Result<(), StoreError>,
}

impl Registrations {
    pub(super) fn new(
        registrar: Registrar,
        store: Arc<dyn BindingStore>,
        wake: Arc<dyn Fn() + Send + Sync>,
        rng: StdRng,
        (metrics, devices): (Metrics, Arc<Devices>),
    ) -> Self {
        let this = Self {
            registrar,
            store,
            stored: Arc::default(),
            wake,
            rng,
            metrics,
            devices,
        };
        for aor in this.registrar.bound() {
            this.look_at_devices(aor);
        }
        this.measure();
        this
    }

    /// A REGISTER came. The answer, unless it has to be stored first.
    pub(super) fn handle_register(
        &mut self,
        now: Instant,
        gate: &mut Gate,
        users: &Users,
        (tx, request, from): (ServerTxId, &Request, (&Flow, &[Text])),
    ) -> Option<Answer> {
        let (flow, _) = from;
        let to = match request.headers.to() {
            Ok(to) => to.uri,
            Err(_) => return Some(said(StatusCode::BAD_REQUEST, "To cannot be read")),
        };
        let realm = domain(&to);
        // §10.3 step 1 and 3: whether the request and the address are for here.
        if !gate.is_ours(&request.uri, flow) || !users.has_domain(&realm) {
            self.metrics.refused_registers.inc();
            return Some(said(StatusCode::NOT_FOUND, "No such domain registers here"));
        }
        let (user, granted) = match gate.registers(now, users, (request, &to), from) {
            Ok(registers) => registers,
            Err(answer) => return Some(*answer),
        };
        let aor = user.aor();
        let random = self.rng.next_u64();
        let planned = self.registrar.register(wall(), &aor, request, flow, random);
        match planned {
            Ok(plan) if plan.changes().is_empty() => {
                Some(self.acknowledge(&plan, granted.as_ref()))
            }
            Ok(plan) => {
                self.keep(tx, plan, granted);
                None
            }
            Err(why) => {
                self.metrics.refused_registers.inc();
                let mut answer = Answer::new(why.status());
                answer.headers = why.headers();
                Some(answer)
            }
        }
    }

    fn keep(&self, tx: ServerTxId, plan: Plan, granted: Option<Granted>) {
        let aor = plan.aor().to_owned();
        let changes = plan.changes().iter().map(|one| (aor.clone(), one.clone()));
        let changes = changes.collect();
        let (stored, wake) = (Arc::clone(&self.stored), Arc::clone(&self.wake));
        let done = Box::new(move |outcome| {
            let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
            stored.push(Stored {
                tx,
                plan,
                granted,
                outcome,
            });
            drop(stored);
            wake();
        });
        self.store.save(changes, done);
    }

    /// Answers what the store has finished.
    pub(super) fn handle_stored(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let stored =
            std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner));
        if stored.is_empty() {
            return;
        }
        for one in stored {
            if let (Ok(()), Some((flow, within))) =
                (&one.outcome, self.registrar.promise(&one.plan))
            {
                endpoint.expect_heard(&flow, within);
            }
            let answer = match one.outcome {
                Ok(()) => {
                    self.registrar.commit(&one.plan);
                    self.look_at_devices(one.plan.aor());
                    self.acknowledge(&one.plan, one.granted.as_ref())
                }
                Err(error) => {
                    self.metrics.refused_registers.inc();
                    unstored(&error)
                }
            };
            // Who does not wait any more has asked again.
            endpoint
                .respond_with(now, one.tx, answer)
                .unwrap_or_default();
        }
        self.measure();
    }

    fn acknowledge(&self, plan: &Plan, granted: Option<&Granted>) -> Answer {
        self.metrics.registered.inc();
        let mut answer = Answer::new(StatusCode::OK);
        answer.headers = self.registrar.answer(wall(), plan);
        if let Some(info) = granted.and_then(|granted| granted.info(b"")) {
            answer.headers.push(HeaderName::AuthenticationInfo, info);
        }
        answer
    }

    /// A connection is gone, and with it what was bound to it alone.
    pub(super) fn handle_flow_closed(&mut self, flow: FlowId) {
        let over = self.registrar.handle_flow_closed(flow);
        self.let_go(over);
    }

    /// Ends what has expired.
    pub(super) fn handle_timeout(&mut self) {
        let over = self.registrar.handle_timeout(wall());
        self.let_go(over);
    }

    fn let_go(&self, over: Vec<(String, plenum_sip::registrar::Change)>) {
        if over.is_empty() {
            return;
        }
        self.measure();
        for (aor, _) in &over {
            self.look_at_devices(aor);
        }
        // Should this be lost, they are over when they are read again.
        self.store.save(over, Box::new(drop));
    }

    /// The users are others now: who is gone or shut out is registered nowhere.
    pub(super) fn handle_users(&mut self, users: &Arc<Users>) {
        self.devices.handle_users(users);
        self.metrics
            .users
            .set(i64::try_from(users.len()).unwrap_or(i64::MAX));
        let bound: Vec<String> = self.registrar.bound().map(str::to_owned).collect();
        for aor in bound {
            if users.find_aor(&aor).is_none_or(|user| user.disabled) {
                self.registrar.forget(&aor);
                self.look_at_devices(&aor);
            }
        }
        self.measure();
    }

    /// Where this URI of ours leads, in groups to be called one after the other; `None` if it is no
    /// user's.
    pub(super) fn find(&self, users: &Users, uri: &Uri) -> Option<Vec<Vec<Reached>>> {
        let (name, host) = (uri.user_decoded(), domain(uri));
        if let Some((aor, binding)) = self.registrar.of_temporary(&name) {
            let gruu = binding.instance.clone().unwrap_or_default();
            let uri = uri.clone().with_param("gr", Some(&gruu));
            return Some(self.registrar.find(wall(), aor, &uri));
        }
        let user = users.find(&name, &host).filter(|user| !user.disabled)?;
        Some(self.registrar.find(wall(), &user.aor(), uri))
    }

    /// Whether this is the address of a user, or of one of his devices. URIs with `opaque` are those
    /// of conferences, whose owner stands in them.
    pub(super) fn is_user(&self, users: &Users, uri: &Uri) -> bool {
        let (name, host) = (uri.user_decoded(), domain(uri));
        let user = users.find(&name, &host).is_some();
        let device = users.has_domain(&host) && self.registrar.of_temporary(&name).is_some();
        uri.is_sip() && uri.param("opaque").is_none() && (user || device)
    }

    /// In how many seconds the next binding ends.
    pub(super) fn seconds_left(&self) -> Option<u64> {
        let next = self.registrar.next_timeout()?;
        Some(next.saturating_sub(wall()))
    }

    /// Tells the focus what the devices of a user are.
    fn look_at_devices(&self, aor: &str) {
        let Ok(uri) = Uri::parse(aor.as_bytes()) else {
            return;
        };
        let groups = self.registrar.find(wall(), aor, &uri);
        let reached = groups.iter().flatten();
        self.devices
            .handle_changed(aor, reached.map(|device| &device.uri));
    }

    fn measure(&self) {
        let bound = i64::try_from(self.registrar.len()).unwrap_or(i64::MAX);
        self.metrics.registrations.set(bound);
    }
}

/// §10.3 step 7: what cannot be stored is a server error; what is only too much now comes again.
fn unstored(error: &StoreError) -> Answer {
    let (status, text) = match error {
        StoreError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many register at once, try again",
        ),
        StoreError::DiskFull(_)
        | StoreError::ReadOnly(_)
        | StoreError::Locked(_)
        | StoreError::Damaged(..)
        | StoreError::Newer(..)
        | StoreError::NoSuchUser(_)
        | StoreError::UserExists(_)
        | StoreError::Failed(_) => (
            StatusCode::SERVER_INTERNAL_ERROR,
            "The server cannot store registrations, its log says why",
        ),
    };
    let mut answer = said(status, text);
    answer.headers.push(HeaderName::RetryAfter, "5");
    answer
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the shell of the registrar")]
pub(crate) fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Registrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registrar.fmt(f)
    }
}
