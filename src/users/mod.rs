//! Users at the door: who has to prove who he is, who registers, and where a user is called.
//!
//! | file | what it does |
//! |---|---|
//! | `border` | [`UserBorder`]: between the SIP endpoint and the conferences |
//! | `gate` | who has to prove who he is, and what follows from it |
//! | `registrations` | REGISTER, from the proof to the answer once it is stored |
//! | `ringing` | the devices of a user, group after group |
//! | `metrics` | what is counted of it |
//!
//! We are a registrar and a conference server, no proxy: a call from outside to a user is answered
//! as a call to a conference of that name, which is 404 where ad-hoc conferences are not allowed.

mod border;
mod gate;
mod metrics;
mod registrations;
mod ringing;

pub use border::UserBorder;
pub use metrics::{Denial, DenialReason, Metrics};

use crate::config::Config;
use crate::store::{Kept, Store};
use gate::Gate;
use plenum_focus::policy::Policy;
use plenum_focus::store::BindingStore;
use plenum_sip::registrar::Registrar;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use registrations::{Registrations, wall};
use std::sync::Arc;
use std::time::Instant;

/// The border of users, with what the store has kept of registrations. `wake` makes the driver
/// look at it; `seeds` are random.
#[must_use]
pub fn border(
    config: &Config,
    policy: Policy,
    (store, kept): (Arc<Store>, Kept),
    wake: Arc<dyn Fn() + Send + Sync>,
    seeds: [[u8; 32]; 2],
    now: Instant,
    metrics: Metrics,
) -> UserBorder {
    let limits = &config.limits.users;
    let [nonces, gruus] = seeds;
    let mut registrar = Registrar::new(limits.registrar.clone(), kept.gruu_key);
    let alive = wall();
    for one in kept.bindings {
        // The flow of a device that keeps one has died with the process before.
        if one.binding.expires_at <= alive || one.binding.is_cut_off() {
            continue;
        }
        if let Err(full) = registrar.restore(&one.aor, one.binding) {
            tracing::warn!(%full, "not all registrations of before are known");
            break;
        }
    }
    let gate = Gate::new(
        &config.auth,
        limits.counted_nonces,
        policy,
        nonces,
        now,
        metrics.clone(),
    );
    let bindings: Arc<dyn BindingStore> = Arc::<Store>::clone(&store);
    let rng = StdRng::from_seed(gruus);
    let registrations = Registrations::new(registrar, bindings, wake, rng, metrics);
    UserBorder::new(gate, registrations, store, config.auth.registrar, now)
}
