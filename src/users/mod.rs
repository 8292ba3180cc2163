//! Users at the door: who has to prove who he is, who registers, and where a user is called.
//!
//! | file | what it does |
//! |---|---|
//! | `border` | [`UserBorder`]: between the SIP endpoint and the conferences |
//! | `gate` | who has to prove who he is, and what follows from it |
//! | `devices` | which users have browsers among their devices |
//! | `registrations` | REGISTER, from the proof to the answer once it is stored |
//! | `ringing` | the devices of a user, group after group |
//! | `metrics` | what is counted of it |
//!
//! We are a registrar and a conference server, no proxy: a call from outside to a user's address is
//! refused, with 403 where the caller is known, else with the 404 of any name that is not there.

mod border;
mod devices;
mod gate;
mod metrics;
mod registrations;
mod ringing;

pub use border::UserBorder;
pub(crate) use devices::Devices;
pub use metrics::{Denial, DenialReason, Metrics};

use crate::compose::Guarded;
use crate::config::Config;
use crate::observe;
use crate::store::{self, Kept, Store};
use crate::templates::Shelf;
use gate::Gate;
use plenum_focus::shell::SipActions;
use plenum_focus::store::{BindingStore, StoreError};
use plenum_sip::registrar::Registrar;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use registrations::Registrations;
pub(crate) use registrations::wall;
use std::sync::Arc;

/// Opens the store, and lets users in. `seeds` are random.
///
/// # Errors
/// What is wrong with the store, and the remedy.
pub(crate) fn start(
    config: &Config,
    actions: &Arc<SipActions>,
    metrics: &observe::Metrics,
    devices: &Arc<Devices>,
    seeds: [[u8; 32]; 3],
    (policy, watch): Guarded,
    templates: &Shelf,
) -> Result<UserBorder, StoreError> {
    let wake = || {
        let actions = Arc::clone(actions);
        move || actions.wake()
    };
    let [gruus, nonces, random] = seeds;
    let limits = &config.limits.users;
    let path = store::path(&config.store.file);
    let counters = metrics.store.clone();
    let room = store::Room {
        queue: limits.store_queue,
        bans: config.limits.abuse.banned_sources,
    };
    let (store, mut kept) = Store::start(&path, room, gruus, counters, wake())?;
    let store = Arc::new(store);
    watch.remember(&store, std::mem::take(&mut kept.bans));
    templates.remember(&store, std::mem::take(&mut kept.templates));
    tracing::info!(store = %path.display(), registrations = kept.bindings.len(), "users");
    let registrar = restored(config, kept);
    let now = tokio::time::Instant::now().into_std();
    let counters = metrics.users.clone();
    let nonces = (limits.counted_nonces, nonces);
    let gate = Gate::new(&config.auth, nonces, (policy, watch), now, counters.clone());
    let bindings: Arc<dyn BindingStore> = Arc::<Store>::clone(&store);
    let rng = StdRng::from_seed(random);
    let (wake, devices) = (Arc::new(wake()), Arc::clone(devices));
    let registrations = Registrations::new(registrar, bindings, wake, rng, (counters, devices));
    let registers = config.auth.registrar;
    Ok(UserBorder::new(gate, registrations, store, registers, now))
}

/// The registrar with what was kept of before.
fn restored(config: &Config, kept: Kept) -> Registrar {
    let limits = config.limits.users.registrar.clone();
    let mut registrar = Registrar::new(limits, kept.gruu_key);
    let now = wall();
    for one in kept.bindings {
        // The flow of a device that keeps one has died with the process before.
        if one.binding.expires_at <= now || one.binding.is_cut_off() {
            continue;
        }
        if let Err(full) = registrar.restore(&one.aor, one.binding) {
            tracing::warn!(%full, "not all registrations of before are known");
            break;
        }
    }
    registrar
}
