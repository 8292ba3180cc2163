//! What a run found, as JSON and as a table.

use crate::beside::Besides;
use crate::codec::Codec;
use crate::crowd::CrowdResult;
use crate::scenario::Good;
use crate::sights::SightsResult;
use crate::storm::StormResult;
use crate::tones::Click;
use serde::Serialize;
use std::fmt::{self, Write};

/// One run of one scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it is for.
    pub description: String,
    /// Length of the window, seconds.
    pub window_s: f64,
    /// Phones whose calls were up in the window.
    pub phones: usize,
    /// Phones whose calls never came up or ended before their time.
    pub phones_failed: usize,
    /// Setting up calls.
    pub setup: Setup,
    /// Packets from the server to the phones.
    pub media: Media,
    /// What the phones that were listened to heard.
    pub listeners: Vec<Listener>,
    /// What the server used, where its process is known.
    pub server: Option<ServerUse>,
    /// The generator's own account: where it is bad, the rest is not to be trusted.
    pub generator: Generator,
    /// The storm.
    pub storm: Option<StormResult>,
    /// Participants that watch.
    pub crowd: Option<CrowdResult>,
    /// What came beside the calls.
    pub besides: Option<Besides>,
    /// What viewers saw.
    pub sights: Option<SightsResult>,
    /// Bounds of the scenario that were not kept, in words.
    pub failures: Vec<String>,
}

/// INVITE to 200, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Setup {
    /// Calls that were answered.
    pub calls: usize,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Worst.
    pub max_ms: f64,
    /// Requests that had to be sent again.
    pub retransmissions: u64,
}

/// What came from the server, over all phones.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Media {
    /// Packets received.
    pub packets: u64,
    /// Packets that never came, by sequence number.
    pub lost: u64,
    /// Packets a second at the phone that got the fewest.
    pub rate_min: f64,
    /// Longest time between two packets: median over the phones.
    pub gap_p50_ms: f64,
    /// Longest time between two packets at any phone.
    pub gap_max_ms: f64,
    /// Interarrival jitter: median over the phones.
    pub jitter_p50_ms: f64,
    /// Interarrival jitter at the worst phone.
    pub jitter_max_ms: f64,
    /// Duplicates, late packets, changes of SSRC, datagrams that are no RTP.
    pub oddities: u64,
}

/// What one phone heard.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listener {
    /// Which phone.
    pub phone: usize,
    /// The conference it is in.
    pub conference: String,
    /// Its codec.
    pub codec: Option<Codec>,
    /// The codecs of the talkers that it hears.
    pub talkers: Vec<Codec>,
    /// Tones it must hear: frequency, level in dBFS, share of time present.
    pub heard: Vec<(f64, f64, f64)>,
    /// The loudest tone it must not hear: frequency and level.
    pub stray: Option<(f64, f64)>,
    /// Its own tone coming back, dBFS.
    pub own_dbfs: Option<f64>,
    /// Longest silence, ms.
    pub silence_ms: f64,
    /// Distortion and noise against the tones, dB.
    pub thd_n_db: Option<f64>,
    /// The same where only the codec is at work, if all talkers have the listener's codec.
    pub thd_n_codec_db: Option<f64>,
    /// Clicks and cuts.
    pub clicks: Vec<Click>,
    /// Delay added by the server, median, ms.
    pub delay_p50_ms: Option<f64>,
    /// Delay added by the server, worst mark, ms.
    pub delay_max_ms: Option<f64>,
}

/// What the server used in the window.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ServerUse {
    /// Processor time, user and system, seconds.
    pub cpu_s: f64,
    /// Per phone and second, ms.
    pub cpu_ms_per_phone_s: Option<f64>,
    /// Per call of the storm, ms.
    pub cpu_ms_per_call: Option<f64>,
    /// Resident memory at the end, MiB.
    pub resident_mib: f64,
    /// Growth of resident memory from before the first call, per phone, KiB.
    pub memory_kib_per_phone: Option<f64>,
    /// Threads.
    pub threads: u64,
}

/// How the generator itself did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Generator {
    /// Its own processor time in the window, seconds.
    pub cpu_s: f64,
    /// The packet that it sent latest was this late, ms.
    pub late_max_ms: f64,
    /// Packets that it sent more than 10 ms late, and all that it sent.
    pub late_packets: (u64, u64),
}

impl Setup {
    /// From set-up times in any order.
    pub fn new(mut times_ms: Vec<f64>, retransmissions: u64) -> Self {
        times_ms.sort_by(f64::total_cmp);
        Self {
            calls: times_ms.len(),
            p50_ms: quantile(&times_ms, 0.5),
            p99_ms: quantile(&times_ms, 0.99),
            max_ms: quantile(&times_ms, 1.0),
            retransmissions,
        }
    }
}

/// The value below which this share of sorted values lies; 0 of none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = crate::signal::whole(sorted.len() as f64 * share);
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

impl Report {
    /// The worst median delay of all listeners, ms.
    pub fn worst_delay_ms(&self) -> Option<f64> {
        self.listeners
            .iter()
            .filter_map(|l| l.delay_p50_ms)
            .max_by(f64::total_cmp)
    }

    /// Writes down which bounds were not kept.
    pub fn judge(&mut self, good: &Good, refusals_expected: bool) {
        let lost = self.media.lost as f64 / (self.media.packets + self.media.lost).max(1) as f64;
        let server = self.server.unwrap_or_default();
        let storm = self.storm.as_ref();
        let completed = storm.map(|storm| storm.completed as f64 / self.window_s);
        let bounds = [
            (
                "CPU per phone and second, ms",
                server.cpu_ms_per_phone_s,
                good.cpu_ms,
            ),
            (
                "CPU per call, ms",
                server.cpu_ms_per_call,
                good.cpu_ms_per_call,
            ),
            ("share of packets lost", Some(lost), good.loss),
            ("longest gap, ms", Some(self.media.gap_max_ms), good.gap_ms),
            ("delay added, ms", self.worst_delay_ms(), good.delay_ms),
            ("set-up p99, ms", Some(self.setup.p99_ms), good.setup_p99_ms),
            (
                "command p99, ms",
                self.commands().map(|commands| commands.p99_ms),
                good.command_p99_ms,
            ),
            (
                "CPU per REGISTER, ms",
                self.cpu_ms_per_register(),
                good.cpu_ms_per_register,
            ),
            (
                "memory per phone, KiB",
                server.memory_kib_per_phone,
                good.memory_kib,
            ),
        ];
        for (name, found, bound) in bounds.into_iter().chain(self.crowd_bounds(good)) {
            if let (Some(found), Some(bound)) = (found, bound)
                && found > bound
            {
                self.failures
                    .push(format!("{name}: {found:.3}, at most {bound}"));
            }
        }
        if let (Some(found), Some(bound)) = (completed, good.calls_per_second)
            && found < bound
        {
            self.failures
                .push(format!("calls per second: {found:.0}, at least {bound}"));
        }
        if self.phones_failed > 0 {
            self.failures
                .push(format!("{} phones lost their calls", self.phones_failed));
        }
        if let Some(storm) = storm
            && !refusals_expected
            && !storm.refused.is_empty()
        {
            self.failures
                .push(format!("calls refused by status: {:?}", storm.refused));
        }
        if let Some(crowd) = self.crowd.as_ref().filter(|it| it.lost + it.untold > 0) {
            let (lost, untold) = (crowd.lost, crowd.untold);
            self.failures
                .push(format!("{lost} watchers lost, {untold} not told in time"));
        }
        self.judge_registers(good);
        let sights = self.sights.iter().flat_map(|sights| sights.judge(good));
        self.failures.extend(sights);
        let failures: Vec<String> = self.listeners.iter().filter_map(Listener::fault).collect();
        self.failures.extend(failures);
    }

    fn crowd_bounds(&self, good: &Good) -> [(&'static str, Option<f64>, Option<f64>); 3] {
        let crowd = self.crowd.as_ref();
        let last = |times: &Vec<f64>| times.last().copied();
        let each = |crowd: &CrowdResult| crowd.notifications as f64 / crowd.watching.max(1) as f64;
        [
            (
                "all told of a mute, ms",
                crowd.and_then(|crowd| last(&crowd.told_ms)),
                good.told_ms,
            ),
            (
                "effect of a mute, ms",
                crowd.and_then(|crowd| last(&crowd.effect_ms)),
                good.effect_ms,
            ),
            (
                "notifications per watcher",
                crowd.map(each),
                good.notifications,
            ),
        ]
    }
}

impl Report {
    fn judge_registers(&mut self, good: &Good) {
        let registered = self.besides.map(|it| it.registered as f64 / self.window_s);
        if let (Some(found), Some(bound)) = (registered, good.registers_per_second)
            && found < bound
        {
            self.failures.push(format!(
                "REGISTERs per second: {found:.0}, at least {bound}"
            ));
        }
    }

    /// Server processor time, where nothing but REGISTERs came.
    fn cpu_ms_per_register(&self) -> Option<f64> {
        let registers = self.besides.map(|besides| besides.registers);
        let registers = registers.filter(|count| *count > 0 && self.phones == 0)?;
        Some(self.server?.cpu_s * 1e3 / registers as f64)
    }

    /// From a command to its success, where commands were given.
    fn commands(&self) -> Option<Setup> {
        let of_storm = self.storm.iter().flat_map(|storm| &storm.command_ms);
        let of_crowd = self.crowd.iter().flat_map(|crowd| &crowd.command_ms);
        let times: Vec<f64> = of_storm.chain(of_crowd).copied().collect();
        (!times.is_empty()).then(|| Setup::new(times, 0))
    }
}

impl Listener {
    /// What is wrong with what it heard, in words.
    ///
    /// A tone must be within 3 dB of −20 dBFS in the mean (−22.3 for a marked one) and there 95 % of
    /// the time. What it must not hear stays below −50 dBFS and its own voice below −66 dBFS: Opus's
    /// own noise at 32 kbit/s reaches −57 dBFS beside three tones, and −70 dBFS away from them.
    fn fault(&self) -> Option<String> {
        let bad = self
            .heard
            .iter()
            .find(|(_, dbfs, present)| (dbfs + 21.0).abs() > 3.0 || *present < 0.95);
        let stray = self.stray.filter(|(_, dbfs)| *dbfs > -50.0);
        let own = self.own_dbfs.filter(|dbfs| *dbfs > -66.0);
        let what = match (bad, stray, own) {
            (Some((hz, dbfs, present)), _, _) => {
                format!(
                    "heard {hz} Hz at {dbfs:.1} dBFS, {:.0} % of the time",
                    present * 100.0
                )
            }
            (None, Some((hz, dbfs)), _) => {
                format!("heard {hz} Hz, not of its conference, at {dbfs:.1} dBFS")
            }
            (None, None, Some(dbfs)) => format!("heard itself at {dbfs:.1} dBFS"),
            (None, None, None) => return None,
        };
        Some(format!(
            "phone {} in {}: {what}",
            self.phone, self.conference
        ))
    }
}

impl Report {
    /// What the load generator itself needed.
    fn own(&self) -> String {
        let own = &self.generator;
        format!(
            "{:.2} s CPU in {:.1} s, latest packet {:.1} ms late, {} of {} over 10 ms late",
            own.cpu_s, self.window_s, own.late_max_ms, own.late_packets.0, own.late_packets.1
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (media, setup) = (&self.media, &self.setup);
        writeln!(f, "{}: {}", self.scenario, self.description)?;
        let mut row = |name: &str, value: String| writeln!(f, "  {name:<22} {value}");
        if self.phones > 0 || self.phones_failed > 0 {
            let phones = format!("{} up, {} failed", self.phones, self.phones_failed);
            row("phones", phones)?;
        }
        row(
            "set-up",
            format!(
                "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms over {} calls, {} retransmissions",
                setup.p50_ms, setup.p99_ms, setup.max_ms, setup.calls, setup.retransmissions
            ),
        )?;
        if let Some(of) = self.commands() {
            let (p50, p99, max, count) = (of.p50_ms, of.p99_ms, of.max_ms, of.calls);
            let times = format!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms over {count}");
            row("commands", times)?;
        }
        if self.phones > 0 {
            row(
                "packets",
                format!(
                    "{} received, {} lost, {:.1}/s at the slowest phone, {} oddities",
                    media.packets, media.lost, media.rate_min, media.oddities
                ),
            )?;
            row(
                "longest gap",
                format!(
                    "{:.1} ms median, {:.1} ms worst",
                    media.gap_p50_ms, media.gap_max_ms
                ),
            )?;
            let (usual, worst) = (media.jitter_p50_ms, media.jitter_max_ms);
            row(
                "jitter",
                format!("{usual:.2} ms median, {worst:.2} ms worst"),
            )?;
        }
        if !self.listeners.is_empty() {
            row("heard", self.heard())?;
        }
        if let Some(server) = &self.server {
            row("server", server.to_string())?;
        }
        if let Some(storm) = &self.storm {
            row("storm", storm.to_string())?;
        }
        if let Some(crowd) = &self.crowd {
            row("crowd", crowd.to_string())?;
        }
        if let Some(sights) = &self.sights {
            row("sights", sights.to_string())?;
        }
        if let Some(besides) = self.beside() {
            row("besides", besides)?;
        }
        row("generator", self.own())?;
        self.failures
            .iter()
            .try_for_each(|failure| row("NOT GOOD", failure.clone()))?;
        if self.failures.is_empty() {
            row("good", "every bound kept".to_owned())
        } else {
            Ok(())
        }
    }
}

impl Report {
    /// What came beside the calls.
    fn beside(&self) -> Option<String> {
        let besides = self.besides?;
        let each = self.cpu_ms_per_register();
        let each = each.map_or_else(String::new, |ms| format!(", {ms:.3} ms CPU each"));
        Some(format!(
            "{} forged INVITEs, {} REGISTERs, {} of them accepted{each}",
            besides.forged, besides.registers, besides.registered
        ))
    }

    fn heard(&self) -> String {
        let mut text = format!("{} listeners", self.listeners.len());
        let worst = |pick: fn(&Listener) -> Option<f64>| {
            self.listeners
                .iter()
                .filter_map(pick)
                .max_by(f64::total_cmp)
        };
        let delay = self.worst_delay_ms().zip(worst(|l| l.delay_max_ms));
        if let Some((median, max)) = delay {
            let _ = write!(text, ", delay {median:.1} ms (worst mark {max:.1} ms)");
        }
        if let Some(thd) = worst(|l| l.thd_n_db) {
            let _ = write!(text, ", THD+N {thd:.1} dB");
        }
        if let Some(codec) = worst(|l| l.thd_n_codec_db) {
            let _ = write!(text, " (codec alone {codec:.1} dB)");
        }
        if let Some(own) = worst(|l| l.own_dbfs) {
            let _ = write!(text, ", own voice {own:.1} dBFS");
        }
        if let Some(stray) = worst(|l| l.stray.map(|(_, dbfs)| dbfs)) {
            let _ = write!(text, ", strays {stray:.1} dBFS");
        }
        if let Some(silence) = worst(|l| Some(l.silence_ms)) {
            let _ = write!(text, ", longest silence {silence:.0} ms");
        }
        let clicks: usize = self.listeners.iter().map(|l| l.clicks.len()).sum();
        let _ = write!(text, ", {clicks} clicks");
        if clicks > 0 {
            let _ = write!(text, " ({})", self.clicks());
        }
        text
    }

    /// Clicks by listener codec, with the worst of its listeners.
    fn clicks(&self) -> String {
        let mut text = String::new();
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let of = self.listeners.iter().filter(|l| l.codec == Some(codec));
            let counts: Vec<usize> = of.map(|l| l.clicks.len()).collect();
            let (all, worst) = (counts.iter().sum::<usize>(), counts.iter().max());
            if let Some(worst) = worst.filter(|_| all > 0) {
                let comma = if text.is_empty() { "" } else { "; " };
                let _ = write!(
                    text,
                    "{comma}{codec:?}: {all} at {} listeners, {worst} at the worst",
                    counts.len()
                );
            }
        }
        text
    }
}

impl fmt::Display for StormResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} begun, {} completed, {} ended by the server, refused {:?}",
            self.begun, self.completed, self.ended_by_server, self.refused
        )
    }
}

impl fmt::Display for CrowdResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} watch, {} lost, {} notifications of {:.1} MiB",
            self.watching,
            self.lost,
            self.notifications,
            self.octets as f64 / 1_048_576.0
        )?;
        for (what, times) in [
            ("told of a mute after", &self.told_ms),
            ("effect after the success", &self.effect_ms),
        ] {
            if let Some(last) = times.last() {
                let median = quantile(times, 0.5);
                write!(f, ", {what} {median:.1} ms, at most {last:.1} ms")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ServerUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s CPU", self.cpu_s)?;
        if let Some(cost) = self.cpu_ms_per_phone_s {
            write!(f, ", {cost:.3} ms per phone and second")?;
        }
        if let Some(cost) = self.cpu_ms_per_call {
            write!(f, ", {cost:.3} ms per call")?;
        }
        write!(f, ", {:.1} MiB", self.resident_mib)?;
        if let Some(memory) = self.memory_kib_per_phone {
            write!(f, " ({memory:.0} KiB per phone)")?;
        }
        write!(f, ", {} threads", self.threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_are_not_kept_are_named() {
        let mut report = Report {
            phones: 2,
            phones_failed: 1,
            ..Report::default()
        };
        report.media = Media {
            packets: 90,
            lost: 10,
            gap_max_ms: 10.0,
            ..Media::default()
        };
        let good = Good {
            loss: Some(0.05),
            gap_ms: Some(60.0),
            ..Good::default()
        };
        report.judge(&good, false);
        assert_eq!(report.failures.len(), 2, "{:?}", report.failures);
        assert!(report.failures[0].starts_with("share of packets lost: 0.100"));
        assert!(report.to_string().contains("NOT GOOD"));
    }

    #[test]
    fn a_listener_that_hears_itself_or_strangers_is_at_fault() {
        let fine = Listener {
            heard: vec![(440.0, -20.0, 1.0)],
            ..Listener::default()
        };
        assert_eq!(fine.fault(), None);
        let own = Listener {
            own_dbfs: Some(-40.0),
            ..fine.clone()
        };
        assert!(own.fault().unwrap().contains("heard itself"));
        let stranger = Listener {
            stray: Some((1000.0, -30.0)),
            ..fine
        };
        assert!(stranger.fault().unwrap().contains("not of its conference"));
    }

    #[test]
    fn quantiles_of_few_values() {
        let setup = Setup::new(vec![3.0, 1.0, 2.0], 0);
        assert_eq!((setup.p50_ms, setup.p99_ms, setup.max_ms), (2.0, 3.0, 3.0));
        assert_eq!(Setup::new(Vec::new(), 0).max_ms, 0.0);
    }
}
