//! The sans-IO endpoint: everything of RFC 3261 between a socket and a transaction user.
//!
//! The verbs are the same in every core of Plenum: `handle_*(now, …)` tells it something, a command
//! asks for something, then [`Endpoint::poll_output`] is called until it answers
//! [`Output::Timeout`].
//!
//! | file | what it does |
//! |---|---|
//! | `event`, `config`, `command` | the words spoken with the shell and the transaction user |
//! | `receive` | a message from the network to the machine it belongs to, or a refusal without state |
//! | `server`, `client` | the transactions: their tables and actions |
//! | `way` | where a request goes: resolving, targets, failover |
//! | `challenge` | credentials for requests of ours that are challenged |
//! | `flow` | who is behind a stream connection, and its end |
//! | `follow` | the ACK and the CANCEL of an INVITE of ours |
//! | `fork` | a call of ours to several places at once |
//! | `compose` | the header fields every message of ours carries |
//! | `uas`, `uac` | the INVITE usage until it is confirmed, from either side |
//! | `in_dialog` | requests inside a dialog |
//! | `modify` | re-INVITE and UPDATE, both ways |
//! | `session` | session timers |
//! | `lost` | calls whose connection broke |
//! | `holder` | the dialogs of subscriptions, with a call and without |
//! | `subscription`, `refer` | SUBSCRIBE and REFER from a peer |
//! | `notify` | NOTIFY and BENOTIFY to a peer |
//! | `watch`, `notified` | subscriptions of ours, and the NOTIFYs to them |

mod challenge;
mod client;
mod command;
mod compose;
mod config;
mod event;
mod flow;
mod follow;
mod fork;
mod holder;
mod in_dialog;
mod lost;
mod modify;
mod notified;
mod notify;
mod receive;
mod refer;
mod screen;
mod server;
mod session;
mod subscription;
mod uac;
mod uas;
mod watch;
mod way;

pub use crate::event::command::{
    AcceptRefer, AcceptSubscription, Bound, Notification, Refer, Standing, Subscribe, Termination,
    Wish,
};
pub use crate::event::report::{NotifierEvent, SubscriberEvent, SubscriptionEnd};
pub use crate::id::{
    ClientTxId, FlowId, InviteId, NotifierId, ResolveId, ServerTxId, SubscriberId,
};
pub use command::{
    Accept, Answer, Branch, CommandError, Contact, Counts, Invite, OutOfDialog, Reach,
};
pub use config::{Advertised, Config, Events, Sources};
pub use event::{Body, EndCause, Event, Flow, Output, Target, Transport, Via};
pub use screen::{Proof, Screen, Screened};

use crate::auth::Checksum;
use crate::dialog::Usage;
use crate::event::notifier::Notifier;
use crate::event::subscriber::Subscriber;
use crate::event::{Alone, Holder};
use crate::id::{DialogId, Keyed, Slab};
use crate::metrics::Metrics;
use crate::msg::{Replaces, Text};
use crate::transaction::ServerKey;
use crate::transaction::timer::{Owner, TimerTable};
pub(crate) use client::Outcome;
use client::{ClientTx, Resolving};
use compose::Lists;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use server::ServerTx;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

/// The endpoint. See the module documentation for how it is driven.
///
/// Commands that fail changed nothing. A command may be late, because a CANCEL, BYE or timeout came
/// first; it then answers [`CommandError::Gone`], and the event that says why is on its way or was
/// given out already.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    sources: Sources,
    metrics: Metrics,
    rng: StdRng,
    screen: Option<Box<dyn Screen>>,
    /// Of the tags that prove where a peer is.
    cookies: Checksum,
    out: VecDeque<Output>,
    timers: TimerTable,
    keyed: Keyed,
    servers: Slab<ServerTxId, ServerTx>,
    server_keys: HashMap<ServerKey, ServerTxId, Keyed>,
    /// From tag, Call-ID and CSeq of the living requests without To tag (RFC 3261 §8.2.2.2).
    merged: HashMap<u64, ServerTxId, Keyed>,
    clients: Slab<ClientTxId, ClientTx>,
    /// The random part of our branches, and whether it is the CANCEL of that branch (§17.1.3).
    branches: HashMap<(u64, bool), ClientTxId, Keyed>,
    resolving: Slab<ResolveId, Resolving>,
    usages: Slab<InviteId, Usage>,
    /// Our tags; they are random, so one of them names one dialog, or the forks of one call.
    tags: HashMap<u64, Holder, Keyed>,
    /// The dialogs without a call.
    alone: Slab<DialogId, Alone>,
    notifiers: Slab<NotifierId, Notifier>,
    /// Whose best effort notifications leave on which stream.
    best_effort: BTreeSet<(FlowId, NotifierId)>,
    behind: flow::Behind,
    /// `sips:` can be reached here at all.
    secured: bool,
    subscribers: Slab<SubscriberId, Subscriber>,
    half_open: usize,
    byes: usize,
    /// Octets of keys and last responses that the server transactions keep.
    kept: usize,
    lists: Lists,
}

impl Endpoint {
    /// An endpoint without state. `seed` is the source of all its tags, branches and choices.
    pub fn new(config: Config, seed: [u8; 32], metrics: Metrics) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let keyed = Keyed::new(rng.next_u64(), rng.next_u64());
        let mut cookie_key = [0; 32];
        rng.fill_bytes(&mut cookie_key);
        Self {
            lists: Lists::new(&config),
            config,
            sources: Sources::default(),
            metrics,
            rng,
            screen: None,
            cookies: Checksum::new(cookie_key),
            out: VecDeque::new(),
            timers: TimerTable::default(),
            keyed,
            servers: Slab::default(),
            server_keys: HashMap::with_hasher(keyed),
            merged: HashMap::with_hasher(keyed),
            clients: Slab::default(),
            branches: HashMap::with_hasher(keyed),
            resolving: Slab::default(),
            usages: Slab::default(),
            alone: Slab::default(),
            notifiers: Slab::default(),
            best_effort: BTreeSet::new(),
            behind: flow::Behind::default(),
            secured: false,
            subscribers: Slab::default(),
            tags: HashMap::with_hasher(keyed),
            half_open: 0,
            byes: 0,
            kept: 0,
        }
    }

    /// Runs every timer that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((owner, timer)) = self.timers.pop(now) {
            match owner {
                Owner::Client(id) => self.on_client_timer(now, id, timer),
                Owner::Server(id) => self.on_server_timer(now, id, timer),
                Owner::Usage(id) => self.on_usage_timer(now, id, timer),
                Owner::Notifier(id) => self.on_notifier_timer(now, id, timer),
                Owner::Subscriber(id) => self.on_subscriber_timer(now, id, timer),
            }
        }
    }

    /// What is to be done next. [`Output::Timeout`] is the last; it stays the same until something
    /// is handled or commanded.
    pub fn poll_output(&mut self) -> Output {
        self.out
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.timers.next()))
    }

    /// How much is alive, for draining.
    pub fn counts(&self) -> Counts {
        Counts {
            usages: self.usages.len(),
            byes: self.byes,
            half_open: self.half_open,
            notifiers: self.notifiers.len(),
            subscribers: self.subscribers.len(),
            dialogs: self.alone.len(),
            server_transactions: self.servers.len(),
            client_transactions: self.clients.len(),
        }
    }

    /// Every living usage, oldest slot first: what a drain has to end.
    pub fn usages(&self) -> Vec<InviteId> {
        self.usages.ids().collect()
    }

    /// The call an INVITE with this `Replaces` wants to take over (RFC 3891 §3).
    pub fn find_dialog(&self, replaces: &Replaces) -> Option<InviteId> {
        let tag = crate::id::unhex(replaces.to_tag.as_bytes())?;
        let Holder::Invite(id) = *self.tags.get(&tag)? else {
            return None;
        };
        let usage = self.usages.get(id)?;
        // §3: "early-only" must not match a dialog that is up; an incoming early one never matches.
        let state = match usage.stage {
            crate::dialog::Stage::Up(_) => !replaces.early_only,
            crate::dialog::Stage::Calling(_) => true,
            crate::dialog::Stage::Incoming(_) => false,
        };
        let dialog = usage.dialog_with(&replaces.from_tag);
        (state && usage.call_id == replaces.call_id && dialog.is_some()).then_some(id)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Tells where requests leave from. Until then, what is not advertised is not known.
    pub fn set_sources(&mut self, sources: Sources) {
        self.sources = sources;
    }

    /// Tells whether peers can reach us over TLS. Until then a request to a `sips:` URI is refused
    /// with 416 (RFC 3261 §8.2.2.1).
    pub fn set_secured(&mut self, secured: bool) {
        self.secured = secured;
    }

    /// Replaces the configuration (on reload); running calls keep what they agreed on.
    pub fn set_config(&mut self, config: Config) {
        self.lists = Lists::new(&config);
        self.config = config;
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn supports(&self, option: &str) -> bool {
        self.config
            .supported
            .iter()
            .any(|tag| tag.eq_ignore_case(option))
    }

    fn random_tag(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn random_call_id(&mut self) -> Text {
        Text::from(format!(
            "{:016x}{:016x}",
            self.rng.next_u64(),
            self.rng.next_u64()
        ))
    }
}
