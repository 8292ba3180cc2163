//! A bad network, from a seed: what happens to the packets that a phone sends.

use crate::clock::Moment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetemSettings {
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Mean length of a burst of losses in packets; below 1 counts as 1 (independent losses).
    pub burst: f64,
    /// Delay of every packet, ms.
    pub delay_ms: f64,
    /// Further delay, evenly spread from 0 to this, ms. Packets overtake each other only by `reorder`.
    pub jitter_ms: f64,
    /// Share of packets that are held back behind the next one or two, 0 to 1.
    pub reorder: f64,
    /// Share of packets that come twice, 0 to 1.
    pub duplicate: f64,
}

/// One direction of one phone's network.
#[derive(Debug)]
pub struct Netem {
    settings: NetemSettings,
    random: StdRng,
    losing: bool,
    last: Moment,
}

impl Netem {
    /// A network that behaves the same for the same seed.
    pub fn new(settings: NetemSettings, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self {
            settings,
            random,
            losing: false,
            last: Moment::ZERO,
        }
    }

    /// When a packet sent `now` goes out: never, once or twice.
    pub fn departures(&mut self, now: Moment) -> impl Iterator<Item = Moment> + use<> {
        let settings = self.settings;
        let lost = self.loses();
        let jitter = self.random.random_range(0.0..=settings.jitter_ms.max(0.0));
        let mut when = now + millis(settings.delay_ms + jitter);
        if self.chance(settings.reorder) {
            when += Duration::from_millis(25);
        } else {
            when = when.max(self.last);
            self.last = when;
        }
        let twice = self.chance(settings.duplicate) && !lost;
        let again = twice.then(|| when + Duration::from_millis(1));
        (!lost).then_some(when).into_iter().chain(again)
    }

    /// Gilbert's two states: the longer the bursts, the rarer they begin.
    fn loses(&mut self) -> bool {
        let leave = 1.0 / self.settings.burst.max(1.0);
        let loss = self.settings.loss.clamp(0.0, 0.99);
        let enter = leave * loss / (1.0 - loss);
        self.losing = if self.losing {
            !self.chance(leave)
        } else {
            self.chance(enter)
        };
        self.losing
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random_bool(share.min(1.0))
    }
}

fn millis(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(settings: NetemSettings) -> Vec<(u32, Moment)> {
        let mut netem = Netem::new(settings, 7);
        let step = Duration::from_millis(20);
        (0..20_000)
            .flat_map(|n| netem.departures(step * n).map(move |at| (n, at)))
            .collect()
    }

    #[test]
    fn a_clean_network_changes_nothing() {
        let out = run(NetemSettings::default());
        assert_eq!(out.len(), 20_000);
        assert!(
            out.iter()
                .all(|(n, at)| *at == Duration::from_millis(20) * *n)
        );
    }

    #[test]
    fn loss_has_its_share_with_and_without_bursts() {
        for burst in [0.0, 4.0] {
            let out = run(NetemSettings {
                loss: 0.05,
                burst,
                ..Default::default()
            });
            let share = 1.0 - out.len() as f64 / 20_000.0;
            assert!((share - 0.05).abs() < 0.01, "{share} at burst {burst}");
        }
    }

    #[test]
    fn jitter_keeps_order_and_reordering_breaks_it() {
        let ordered = |out: &[(u32, Moment)]| out.windows(2).all(|w| w[0].1 <= w[1].1);
        assert!(ordered(&run(NetemSettings {
            jitter_ms: 80.0,
            ..Default::default()
        })));
        assert!(!ordered(&run(NetemSettings {
            reorder: 0.02,
            ..Default::default()
        })));
    }

    #[test]
    fn duplicates_come_as_often_as_asked() {
        let out = run(NetemSettings {
            duplicate: 0.1,
            ..Default::default()
        });
        assert!((21_800..22_200).contains(&out.len()), "{}", out.len());
    }
}
