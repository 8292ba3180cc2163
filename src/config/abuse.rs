//! `[abuse]`: what is too much, and what follows.

use super::read::{Seconds, Section};
use crate::abuse::Settings;
use crate::limits::AbuseLimits;
use plenum_focus::policy::Network;
use std::time::Duration;

/// `[abuse]`: see the module `abuse`.
#[derive(Clone, Debug)]
pub struct Abuse {
    /// Whether anybody is watched.
    pub enabled: bool,
    /// Networks that are not, besides `conferences.trusted` and those of trunks.
    pub exempt: Vec<Network>,
    /// So many refused requests of a source are free.
    pub probes: u32,
    /// Within this.
    pub probes_window: Duration,
    /// So many wrong passwords, PINs and keys of a source are free.
    pub guesses: u32,
    /// Within this.
    pub guesses_window: Duration,
    /// How long the first ban lasts.
    pub ban: Duration,
    /// The longest ban.
    pub ban_ceiling: Duration,
    /// Requests to domains that are not ours are not answered at all.
    pub silent: bool,
}

impl Abuse {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let silent = match section
            .get::<String>("unknown_domains", "\"refuse\"")
            .as_str()
        {
            "refuse" => false,
            "silent" => true,
            _ => {
                let text = "is \"refuse\" or \"silent\"".to_owned();
                section.refuse("unknown_domains", text);
                false
            }
        };
        let abuse = Self {
            enabled: section.get("enabled", "true"),
            exempt: section.get("exempt", "[]"),
            probes: section.get("probes", "200"),
            probes_window: section.get::<Seconds>("probes_window_s", "60").0,
            guesses: section.get("guesses", "30"),
            guesses_window: section.get::<Seconds>("guesses_window_s", "600").0,
            ban: section.get::<Seconds>("ban_s", "600").0,
            ban_ceiling: section.get::<Seconds>("ban_ceiling_s", "86400").0,
            silent,
        };
        if abuse.ban > abuse.ban_ceiling {
            section.refuse("ban_s", "is at most ban_ceiling_s".to_owned());
        }
        abuse
    }

    /// What the sentry goes by.
    pub(crate) fn settings(&self, limits: &AbuseLimits) -> Settings {
        Settings::new(
            (self.probes, self.probes_window),
            (self.guesses, self.guesses_window),
            (self.ban, self.ban_ceiling),
            limits,
        )
    }
}
