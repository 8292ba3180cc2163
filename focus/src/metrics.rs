//! What this crate counts. The root crate registers it; cores only increment.

use crate::refusal::Refusal;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters of all focuses of the process, shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Endpoints that came into a mix.
    pub joins: Counter,
    /// Calls and requests refused, by reason.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Conferences active now.
    pub conferences: Gauge,
    /// Endpoints in all conferences now, from their admission to their end.
    pub participants: Gauge,
    /// Wrong PINs.
    pub pin_failures: Counter,
    /// Callers who went on from the entry to a conference.
    pub numbers_right: Counter,
    /// Numbers that were keyed in at the entry and that no conference has.
    pub numbers_wrong: Counter,
    /// Calls made from a focus.
    pub dial_outs: Counter,
    /// Endpoints hung up because their media stopped coming.
    pub media_lost: Counter,
    /// Commands a mixer did not answer in time.
    pub mcu_timeouts: Counter,
    /// Messages dropped or refused because a conference's mailbox was full.
    pub mailbox_full: Counter,
    /// Conferences ended by a fault of our own.
    pub faults: Counter,
    /// Joins by C3P refused, malformed and too large ones included.
    pub refused_joins: Counter,
    /// Commands by C3P that were carried out, or begun.
    pub commands: Counter,
    /// Commands by C3P that were refused or failed at once.
    pub refused_commands: Counter,
    /// Subscriptions to conferences now.
    pub subscriptions: Gauge,
    /// Subscriptions refused.
    pub refused_subscriptions: Counter,
    /// Notifications to subscribers, first ones included.
    pub notifications: Counter,
    /// Mixers that failed and were asked for again.
    pub mixers_lost: Counter,
}

impl Metrics {
    /// Makes the counters visible under `focus_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("focus");
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("joins", "Endpoints that came into a mix", &self.joins);
        counter("pin_failures", "Wrong PINs", &self.pin_failures);
        counter(
            "numbers_right",
            "Callers who went on from the entry to a conference",
            &self.numbers_right,
        );
        counter(
            "numbers_wrong",
            "Wrong conference numbers at the entry",
            &self.numbers_wrong,
        );
        counter("dial_outs", "Calls made from a conference", &self.dial_outs);
        counter(
            "media_lost",
            "Endpoints hung up for want of media",
            &self.media_lost,
        );
        counter(
            "mcu_timeouts",
            "Commands a mixer did not answer in time",
            &self.mcu_timeouts,
        );
        counter(
            "mailbox_full",
            "Messages a full mailbox turned away",
            &self.mailbox_full,
        );
        counter(
            "faults",
            "Conferences ended by a fault of the server",
            &self.faults,
        );
        counter("refused_joins", "Joins by C3P refused", &self.refused_joins);
        counter("commands", "Commands by C3P carried out", &self.commands);
        counter(
            "refused_commands",
            "Commands by C3P refused",
            &self.refused_commands,
        );
        counter(
            "refused_subscriptions",
            "Subscriptions refused",
            &self.refused_subscriptions,
        );
        counter(
            "notifications",
            "Notifications to subscribers",
            &self.notifications,
        );
        counter(
            "mixers_lost",
            "Mixers that failed and were asked for again",
            &self.mixers_lost,
        );
        self.register_others(registry);
    }

    /// What is not a mere counter.
    fn register_others(&self, registry: &mut Registry) {
        registry.register(
            "subscriptions",
            "Subscriptions to conferences",
            self.subscriptions.clone(),
        );
        registry.register(
            "refusals",
            "Calls refused, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "conferences",
            "Conferences active now",
            self.conferences.clone(),
        );
        registry.register(
            "participants",
            "Endpoints in all conferences",
            self.participants.clone(),
        );
    }

    /// Counts one refusal.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        self.refusals
            .get_or_create(&RefusalLabels {
                reason: refusal.label(),
            })
            .inc();
    }
}

/// Labels of [`Metrics::refusals`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// [`Refusal::label`].
    pub reason: &'static str,
}
