//! Scenario files: who calls, what they say, on which network, for how long, and what is good enough.

use crate::beside::{Forged, Registering};
use crate::codec::Codec;
use crate::crowd::CrowdSettings;
use crate::netem::NetemSettings;
use crate::sights::Sights;
use crate::storm::StormSettings;
use serde::{Deserialize, Serialize};
use std::fs;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is for, in a sentence.
    pub description: String,
    /// From the last phone's joining to the window, seconds.
    #[serde(default = "four")]
    pub warmup_s: f64,
    /// The window in which everything is measured, seconds.
    pub seconds: f64,
    /// Phones that stay.
    pub phones: Option<Phones>,
    /// Calls that come and go during the window.
    pub storm: Option<StormSettings>,
    /// Participants that watch.
    pub crowd: Option<CrowdSettings>,
    /// Viewers of somebody who flashes and beeps.
    pub sights: Option<Sights>,
    /// INVITEs that nobody stands behind, during the window.
    pub forged: Option<Forged>,
    /// Phones that register, during the window.
    pub registering: Option<Registering>,
    /// How the server is set up.
    #[serde(default)]
    pub server: ServerKeys,
    /// What is good enough.
    #[serde(default)]
    pub good: Good,
}

/// Further keys of the server's configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerKeys {
    /// Of `[conferences]`.
    pub conferences: String,
    /// Sections at the end.
    pub rest: String,
}

/// Phones that join, stay and talk or listen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phones {
    /// How many, over all conferences.
    pub count: u32,
    /// Conferences they are spread over in turn.
    #[serde(default = "one")]
    pub conferences: u32,
    /// The user part of the conferences' URIs; a number follows when there are several.
    pub conference: String,
    /// How many of each conference talk; the others send silence.
    pub talkers: u32,
    /// Talkers beyond the first three say something like speech instead of a tone of their own.
    #[serde(default)]
    pub speech: bool,
    /// The codecs, in turn.
    pub codecs: Vec<Codec>,
    /// Calls begun per second while joining.
    pub ramp: f64,
    /// How many are listened to: talkers first, then others spread evenly.
    pub listen: u32,
    /// Clocks run this much fast and slow in turn, parts per million.
    #[serde(default)]
    pub skew_ppm: f64,
    /// The network of every phone towards the server.
    pub network: Option<NetemSettings>,
    /// Media is encrypted, with keys by SDES.
    #[serde(default)]
    pub srtp: bool,
}

/// Bounds that make a run good or not; what is left out is only reported.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Good {
    /// Server processor time per phone and second, ms.
    pub cpu_ms: Option<f64>,
    /// Server processor time per call of the storm, ms.
    pub cpu_ms_per_call: Option<f64>,
    /// Share of packets towards the phones that got lost, over all phones.
    pub loss: Option<f64>,
    /// Longest time between two packets at any phone, ms.
    pub gap_ms: Option<f64>,
    /// Delay added by the server, median over the marks of the worst listener, ms.
    pub delay_ms: Option<f64>,
    /// Call set-up, 99th percentile, ms.
    pub setup_p99_ms: Option<f64>,
    /// From a command to its success, 99th percentile, ms.
    pub command_p99_ms: Option<f64>,
    /// Resident memory of the server per phone, KiB.
    pub memory_kib: Option<f64>,
    /// Calls per second completed.
    pub calls_per_second: Option<f64>,
    /// From a mute until the last watcher was told, ms.
    pub told_ms: Option<f64>,
    /// From the success of a mute until it is heard, ms.
    pub effect_ms: Option<f64>,
    /// Notifications per watcher.
    pub notifications: Option<f64>,
    /// Server processor time per REGISTER, ms.
    pub cpu_ms_per_register: Option<f64>,
    /// REGISTERs per second answered 200.
    pub registers_per_second: Option<f64>,
    /// From the sending of a flash until its picture is at a viewer, median, ms.
    pub picture_ms: Option<f64>,
    /// Between a flash and its beep at a viewer, either way, worst, ms.
    pub lip_sync_ms: Option<f64>,
}

/// Why a scenario cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither shipped nor a file.
    #[error("no scenario {0:?}: neither shipped (see `plenum-loadtest list`) nor a file")]
    Unknown(String),
    /// The file is not a scenario.
    #[error("scenario {name}: {fault}")]
    Malformed {
        /// Which.
        name: String,
        /// Why.
        fault: toml::de::Error,
    },
}

/// The scenarios shipped, by name.
pub const SHIPPED: [(&str, &str); 18] = [
    ("g711-100", include_str!("../scenarios/g711-100.toml")),
    (
        "g711-100-srtp",
        include_str!("../scenarios/g711-100-srtp.toml"),
    ),
    ("g711-400", include_str!("../scenarios/g711-400.toml")),
    ("opus-100", include_str!("../scenarios/opus-100.toml")),
    (
        "opus-100-all",
        include_str!("../scenarios/opus-100-all.toml"),
    ),
    (
        "calls-per-second",
        include_str!("../scenarios/calls-per-second.toml"),
    ),
    ("control-200", include_str!("../scenarios/control-200.toml")),
    (
        "forty-in-four",
        include_str!("../scenarios/forty-in-four.toml"),
    ),
    ("lossy", include_str!("../scenarios/lossy.toml")),
    (
        "skewed-clocks",
        include_str!("../scenarios/skewed-clocks.toml"),
    ),
    ("churn", include_str!("../scenarios/churn.toml")),
    ("flood", include_str!("../scenarios/flood.toml")),
    ("crowd-500", include_str!("../scenarios/crowd-500.toml")),
    ("crowd-1000", include_str!("../scenarios/crowd-1000.toml")),
    (
        "forged-flood",
        include_str!("../scenarios/forged-flood.toml"),
    ),
    ("registers", include_str!("../scenarios/registers.toml")),
    ("video-1", include_str!("../scenarios/video-1.toml")),
    ("video-20", include_str!("../scenarios/video-20.toml")),
];

impl Scenario {
    /// A shipped scenario by its name, or one from a file by its path.
    pub fn load(name: &str) -> Result<Self, ScenarioError> {
        let shipped = SHIPPED.iter().find(|(known, _)| *known == name);
        let text = match shipped {
            Some((_, text)) => (*text).to_owned(),
            None => {
                fs::read_to_string(name).map_err(|_| ScenarioError::Unknown(name.to_owned()))?
            }
        };
        toml::from_str(&text).map_err(|fault| ScenarioError::Malformed {
            name: name.to_owned(),
            fault,
        })
    }
}

fn one() -> u32 {
    1
}

fn four() -> f64 {
    4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_can_be_read() {
        for (name, _) in SHIPPED {
            let scenario = Scenario::load(name).unwrap();
            assert!(
                scenario.phones.is_some()
                    || scenario.storm.is_some()
                    || scenario.registering.is_some()
                    || scenario.sights.is_some(),
                "{name}"
            );
        }
        assert!(matches!(
            Scenario::load("none"),
            Err(ScenarioError::Unknown(_))
        ));
    }
}
