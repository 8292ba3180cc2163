//! The bindings: RFC 3261 §10.3, RFC 5626 §6 and §7.

use super::binding::{Binding, BindingKey};
use super::gruu::Temporary;
use super::request::{self, Unacceptable, Wish};
use crate::endpoint::{Flow, FlowId, Via};
use crate::msg::{HeaderName, Headers, NameAddr, Request, Text, Uri, scan};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;
use thiserror::Error;

/// Bounds of a registrar.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Contacts of one address of record. Beyond: 403.
    pub contacts_per_user: usize,
    /// Bindings of all. Beyond: 503.
    pub bindings: usize,
    /// Seconds of a binding that does not say.
    pub default_expires: u32,
    /// The least seconds taken. Below: 423.
    pub min_expires: u32,
    /// The most seconds granted.
    pub max_expires: u32,
    /// Seconds within which a device is told to be heard from on its flow (RFC 5626 §4.4).
    pub flow_timer: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            contacts_per_user: 10,
            bindings: 100_000,
            default_expires: 3600,
            min_expires: 60,
            max_expires: 7200,
            flow_timer: 120,
        }
    }
}

/// A change to the bindings, to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is bound now.
    Put(Box<Binding>),
    /// The binding with this key is over.
    Drop(BindingKey),
}

/// What a REGISTER changes once it is stored.
#[derive(Clone, Debug)]
pub struct Plan {
    aor: String,
    changes: Vec<Change>,
    /// The contacts of the request with outbound.
    outbound: bool,
    /// The device understands GRUUs.
    gruu: bool,
    path: Vec<NameAddr>,
    random: u64,
}

/// A place at which somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The Request-URI.
    pub uri: Uri,
    /// The route set, from Path.
    pub route: Vec<NameAddr>,
    /// The way to the next hop, if it is known; else it is to be resolved.
    pub ways: Vec<Via>,
}

/// A binding that was kept has no room here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the registrar is full")]
pub struct Full;

/// The bindings of all users. See the module documentation.
pub struct Registrar {
    limits: Limits,
    temporary: Temporary,
    users: BTreeMap<String, BTreeMap<BindingKey, Binding>>,
    flows: BTreeMap<FlowId, BTreeSet<(String, BindingKey)>>,
    ends: BTreeSet<(u64, String, BindingKey)>,
}

impl Plan {
    /// The address of record.
    #[must_use]
    pub fn aor(&self) -> &str {
        &self.aor
    }

    /// What is to be stored; nothing for a query.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

impl Registrar {
    /// Without bindings. Temporary GRUUs made with one `key` are understood with the same only.
    #[must_use]
    pub fn new(limits: Limits, key: [u8; 32]) -> Self {
        Self {
            limits,
            temporary: Temporary::new(key),
            users: BTreeMap::new(),
            flows: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    /// Takes other bounds; what is bound stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes a binding that was stored. Its flow is gone with the process it was of.
    ///
    /// # Errors
    /// There are too many.
    pub fn restore(&mut self, aor: &str, mut binding: Binding) -> Result<(), Full> {
        if self.ends.len() >= self.limits.bindings {
            return Err(Full);
        }
        binding.flow = None;
        self.put(aor, binding);
        Ok(())
    }

    /// What this REGISTER for `aor`, which came over `from`, would change. `random` is any number.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn register(
        &self,
        now: u64,
        aor: &str,
        request: &Request,
        from: &Flow,
        random: u64,
    ) -> Result<Plan, Unacceptable> {
        let wish = request::read(now, request, from, &self.limits)?;
        let supported = request.headers.supported().unwrap_or_default();
        let mut plan = Plan {
            aor: aor.to_owned(),
            changes: Vec::new(),
            outbound: false,
            gruu: supported.has("gruu"),
            path: Vec::new(),
            random,
        };
        let empty = BTreeMap::new();
        let bound = self.users.get(aor).unwrap_or(&empty);
        match wish {
            Wish::Query => {}
            Wish::Clear => self.clear(request, bound, &mut plan)?,
            Wish::Bind(bindings) => self.bind(bindings, bound, &mut plan)?,
        }
        Ok(plan)
    }

    fn clear(
        &self,
        request: &Request,
        bound: &BTreeMap<BindingKey, Binding>,
        plan: &mut Plan,
    ) -> Result<(), Unacceptable> {
        let call_id = request.headers.call_id().map(|id| id.to_string());
        let seq = request.headers.cseq().map_or(0, |cseq| cseq.seq);
        for (key, binding) in bound {
            if call_id.as_ref() == Ok(&binding.call_id) && seq <= binding.cseq {
                return Err(Unacceptable::OutOfOrder);
            }
            plan.changes.push(Change::Drop(key.clone()));
        }
        Ok(())
    }

    fn bind(
        &self,
        bindings: Vec<Binding>,
        bound: &BTreeMap<BindingKey, Binding>,
        plan: &mut Plan,
    ) -> Result<(), Unacceptable> {
        let mut count = bound.len();
        for mut binding in bindings {
            let key = binding.key();
            let former = bound.iter().filter(|(_, former)| former.is_of(&binding));
            let former: Vec<_> = former.collect();
            for (old, former) in &former {
                if former.call_id == binding.call_id && binding.cseq <= former.cseq {
                    return Err(Unacceptable::OutOfOrder);
                }
                if **old != key || binding.expires_at == 0 {
                    plan.changes.push(Change::Drop((*old).clone()));
                    count = count.saturating_sub(1);
                }
            }
            if binding.expires_at == 0 {
                continue;
            }
            plan.outbound |= binding.reg_id.is_some();
            plan.path.clone_from(&binding.path);
            // RFC 5627 §5.1: a new Call-ID ends the temporary GRUUs of a device.
            let same = former
                .first()
                .filter(|(_, it)| it.call_id == binding.call_id);
            binding.temporary = same.map_or(plan.random, |(_, former)| former.temporary);
            if !bound.contains_key(&key) {
                count += 1;
            }
            plan.changes.push(Change::Put(Box::new(binding)));
        }
        if count > self.limits.contacts_per_user {
            return Err(Unacceptable::TooMany(self.limits.contacts_per_user));
        }
        let more = count.saturating_sub(bound.len());
        if self.ends.len().saturating_add(more) > self.limits.bindings {
            return Err(Unacceptable::Full);
        }
        Ok(())
    }

    /// Carries out what was planned and stored.
    pub fn commit(&mut self, plan: &Plan) {
        for change in &plan.changes {
            match change {
                Change::Put(binding) => self.put(&plan.aor, Binding::clone(binding)),
                Change::Drop(key) => {
                    self.remove(&plan.aor, key);
                }
            }
        }
    }

    /// The header fields of the 200 (RFC 3261 §10.3 step 8): every binding, and what goes with it.
    #[must_use]
    pub fn answer(&self, now: u64, plan: &Plan) -> Headers {
        let mut headers = Headers::new();
        for binding in self.living(now, &plan.aor) {
            headers.push(HeaderName::Contact, self.contact(now, plan, binding));
        }
        for hop in &plan.path {
            headers.push(HeaderName::Path, hop);
        }
        // The parameter of Contact is what counts; old clients read the header field.
        if let Some(granted) = granted(now, plan) {
            headers.push(HeaderName::Expires, granted.to_string());
        }
        let supported = Text::from_static("path, outbound, gruu");
        headers.push(HeaderName::Supported, supported);
        if plan.outbound {
            headers.push(HeaderName::Require, Text::from_static("outbound"));
            let name = HeaderName::Other(Text::from_static("Flow-Timer"));
            headers.push(name, self.limits.flow_timer.to_string());
        }
        headers
    }

    /// The stream on which the device was told by `Flow-Timer` to be heard from, and the silence after
    /// which the flow has failed (RFC 5626 §4.4): its network has some time more than was told.
    #[must_use]
    pub fn promise(&self, plan: &Plan) -> Option<(Flow, Duration)> {
        let flow = plan.changes.iter().find_map(|change| match change {
            Change::Put(binding) => binding.flow,
            Change::Drop(_) => None,
        });
        let told = Duration::from_secs(self.limits.flow_timer.into());
        let flow = flow.filter(|flow| plan.outbound && flow.transport.is_reliable());
        flow.map(|flow| (flow, told + GRACE))
    }

    fn contact(&self, now: u64, plan: &Plan, binding: &Binding) -> String {
        let left = binding.expires_at.saturating_sub(now);
        let mut value = format!("<{}>;expires={left}", binding.contact);
        let mut param = |name: &str, what: &str| {
            // Writing to a String does not fail.
            write!(value, ";{name}={what}").unwrap_or_default();
        };
        if binding.q < 1000 {
            param("q", &format!("0.{:03}", binding.q));
        }
        if let Some(instance) = &binding.instance {
            param("+sip.instance", &scan::quote(&format!("<{instance}>")));
            if plan.gruu {
                param("pub-gruu", &scan::quote(&public_gruu(&plan.aor, instance)));
                let user = self.temporary.user(binding.temporary, plan.random);
                let host = plan.aor.rsplit_once('@').map_or("", |(_, host)| host);
                param("temp-gruu", &scan::quote(&format!("sip:{user}@{host};gr")));
            }
        }
        if let Some(reg_id) = binding.reg_id {
            param("reg-id", &reg_id.to_string());
        }
        value
    }

    /// Where `aor` is reached, in groups to be called one after the other: the contacts of the
    /// highest q first. `uri` is what is called; a GRUU leads to its device only. Of the flows of
    /// one device the one that was refreshed last is called (RFC 5626 §5.3).
    #[must_use]
    pub fn find(&self, now: u64, aor: &str, uri: &Uri) -> Vec<Vec<Reached>> {
        let wanted = uri.param("gr").map(|gr| gr.to_string());
        let mut best: Vec<&Binding> = Vec::new();
        for binding in self.living(now, aor) {
            let device = |one: &&mut &Binding| {
                one.instance.is_some() && one.instance == binding.instance && one.reg_id.is_some()
            };
            let other = wanted.as_ref().is_some_and(|wanted| {
                !wanted.is_empty() && Some(wanted) != binding.instance.as_ref()
            });
            if other || binding.is_cut_off() {
                continue;
            }
            match best.iter_mut().find(device) {
                Some(known) if known.refreshed_at < binding.refreshed_at => *known = binding,
                Some(_) => {}
                None => best.push(binding),
            }
        }
        best.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        let groups = best.chunk_by(|one, other| one.q == other.q);
        groups
            .map(|group| group.iter().map(|binding| reached(binding)).collect())
            .collect()
    }

    /// The address of record and device of a temporary GRUU.
    #[must_use]
    pub fn of_temporary(&self, user: &str) -> Option<(&str, &Binding)> {
        let secret = self.temporary.binding(user)?;
        self.users.iter().find_map(|(aor, bound)| {
            let binding = bound.values().find(|it| it.temporary == secret)?;
            Some((aor.as_str(), binding))
        })
    }

    /// A stream is gone: what was bound to it and cannot be reached otherwise is over, and is to be
    /// removed from the store (RFC 5626 §7).
    pub fn handle_flow_closed(&mut self, flow: FlowId) -> Vec<(String, Change)> {
        let lost = self.flows.remove(&flow).unwrap_or_default();
        let mut changes = Vec::new();
        for (aor, key) in lost {
            let binding = self.users.get_mut(&aor).and_then(|it| it.get_mut(&key));
            let Some(binding) = binding else { continue };
            binding.flow = None;
            if binding.is_cut_off() {
                self.remove(&aor, &key);
                changes.push((aor, Change::Drop(key)));
            }
        }
        changes
    }

    /// Ends what has expired; to be removed from the store.
    pub fn handle_timeout(&mut self, now: u64) -> Vec<(String, Change)> {
        let mut changes = Vec::new();
        while let Some((at, aor, key)) = self.ends.first().cloned() {
            if at > now {
                break;
            }
            self.remove(&aor, &key);
            changes.push((aor, Change::Drop(key)));
        }
        changes
    }

    /// When the next binding ends, in seconds since 1970.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        self.ends.first().map(|(at, _, _)| *at)
    }

    /// Forgets everything of this address: the user is gone or disabled.
    pub fn forget(&mut self, aor: &str) {
        let keys: Vec<_> = self.users.get(aor).into_iter().flatten().collect();
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(aor, &key);
        }
    }

    /// The addresses that are bound, in order.
    pub fn bound(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// The bindings of this address that are alive.
    pub fn living(&self, now: u64, aor: &str) -> impl Iterator<Item = &Binding> {
        let bound = self.users.get(aor).into_iter().flat_map(BTreeMap::values);
        bound.filter(move |binding| binding.expires_at > now)
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn put(&mut self, aor: &str, binding: Binding) {
        let key = binding.key();
        self.remove(aor, &key);
        let named = (binding.expires_at, aor.to_owned(), key.clone());
        self.ends.insert(named);
        if let Some(flow) = binding.flow.filter(|flow| flow.transport.is_reliable()) {
            let on_it = self.flows.entry(flow.id).or_default();
            on_it.insert((aor.to_owned(), key.clone()));
        }
        let user = self.users.entry(aor.to_owned()).or_default();
        user.insert(key, binding);
    }

    fn remove(&mut self, aor: &str, key: &BindingKey) -> Option<Binding> {
        let user = self.users.get_mut(aor)?;
        let binding = user.remove(key)?;
        if user.is_empty() {
            self.users.remove(aor);
        }
        let named = (binding.expires_at, aor.to_owned(), key.clone());
        self.ends.remove(&named);
        if let Some(flow) = binding.flow
            && let Some(on_it) = self.flows.get_mut(&flow.id)
        {
            on_it.remove(&(named.1, named.2));
            if on_it.is_empty() {
                self.flows.remove(&flow.id);
            }
        }
        Some(binding)
    }
}

/// The seconds for which the request's own contacts are bound; the longest where they differ.
fn granted(now: u64, plan: &Plan) -> Option<u64> {
    let put = plan.changes.iter().filter_map(|change| match change {
        Change::Put(binding) => Some(binding.expires_at.saturating_sub(now)),
        Change::Drop(_) => None,
    });
    put.max()
}

/// RFC 5627 §3.1: the address of record with the instance.
fn public_gruu(aor: &str, instance: &str) -> String {
    let safe = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.:".contains(octet);
    let mut gruu = format!("{aor};gr=");
    for octet in instance.bytes() {
        if safe(&octet) {
            gruu.push(char::from(octet));
        } else {
            write!(gruu, "%{octet:02X}").unwrap_or_default();
        }
    }
    gruu
}

fn reached(binding: &Binding) -> Reached {
    let way = match (binding.flow, binding.source) {
        (Some(flow), _) => Some(Via::Flow(flow)),
        // Through an address translation a datagram finds back as long as the translation lives.
        (None, Some(source)) if !source.transport.is_reliable() => Some(Via::Target(source)),
        (None, Some(_) | None) => None,
    };
    Reached {
        uri: binding.contact.clone(),
        route: binding.path.clone(),
        ways: way
            .filter(|_| binding.path.is_empty())
            .into_iter()
            .collect(),
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar")
            .field("users", &self.users.len())
            .field("bindings", &self.ends.len())
            .finish_non_exhaustive()
    }
}

/// What a device may be late with its keep-alive.
const GRACE: Duration = Duration::from_secs(30);
