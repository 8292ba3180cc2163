//! What viewers see of somebody who flashes and beeps at the same moments: how late the picture is, and whether lips
//! would fit words.

use crate::clock::{Moment, millis_between, now};
use crate::peer::video_phone::{Rgb, VideoPhone, VideoPhoneSettings, alike};
use crate::report::quantile;
use crate::scenario::Good;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What a flash looks like.
const LIGHT: Rgb = (220, 220, 220);
/// A flash is seen and a beep is heard within this time, or not at all; the next ones come after a second.
const PATIENCE: Duration = Duration::from_millis(900);

/// One who flashes, and viewers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sights {
    /// The user part of the conference's URI.
    pub conference: String,
    /// How many look; they send no picture.
    pub viewers: u32,
}

/// The phones in their calls.
#[derive(Debug)]
pub struct Show {
    source: VideoPhone,
    viewers: Vec<VideoPhone>,
    begun: Moment,
}

/// What was seen in the window; times are the first viewer's.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SightsResult {
    /// How many looked.
    pub viewers: usize,
    /// Flashes, and those of them that were both seen and heard.
    pub flashes: (usize, usize),
    /// Pictures a second at the viewer who got the fewest.
    pub rate_min: f64,
    /// From the sending of a flash's first packet until its picture was there, ms, sorted.
    pub picture_ms: Vec<f64>,
    /// How much later the flash came than the beep, ms, sorted: negative where it came earlier.
    pub lip_sync_ms: Vec<f64>,
}

impl Show {
    /// Everybody calls.
    pub fn start(settings: &Sights, server: SocketAddr) -> io::Result<Self> {
        let conference = &settings.conference;
        let flashing = VideoPhoneSettings {
            flashes: true,
            ..VideoPhoneSettings::of(LIGHT)
        };
        let looking = VideoPhoneSettings {
            direction: "recvonly",
            ..VideoPhoneSettings::of(LIGHT)
        };
        let source = VideoPhone::call(server, conference, "source", flashing)?;
        let viewers = (0..settings.viewers).map(|number| {
            let name = format!("viewer{number}");
            VideoPhone::call(server, conference, &name, looking.clone())
        });
        Ok(Self {
            source,
            viewers: viewers.collect::<io::Result<_>>()?,
            begun: now(),
        })
    }

    /// What happens from now on is measured.
    pub fn begin_window(&mut self) {
        self.begun = now();
    }

    /// Judges the window that ends now, and hangs up.
    pub fn stop(self) -> io::Result<SightsResult> {
        let ended = now();
        let window = millis_between(self.begun, ended) / 1e3;
        let inside = |at: Moment| at >= self.begun && at < ended;
        let counts = self.viewers.iter().map(|viewer| {
            let begun = viewer.marks().begun;
            let all = viewer.received();
            all.iter().filter(|one| inside(begun + one.at)).count()
        });
        let mut result = SightsResult {
            viewers: self.viewers.len(),
            rate_min: counts.min().unwrap_or(0) as f64 / window,
            ..SightsResult::default()
        };
        if let Some(first) = self.viewers.first() {
            let (sent, heard) = (self.source.marks(), first.marks());
            let seen: Vec<Moment> = first
                .seen()?
                .iter()
                .filter(|seen| alike(seen.at(0.5, 0.5), LIGHT))
                .map(|seen| heard.begun + seen.at)
                .collect();
            let last = ended.saturating_sub(PATIENCE);
            let both = sent.flashed.iter().zip(&sent.beeped);
            for (flash, beep) in both.filter(|(flash, _)| inside(**flash) && **flash < last) {
                result.flashes.0 += 1;
                if let Some((picture, sound)) = after(&seen, *flash).zip(after(&heard.heard, *beep))
                {
                    result.flashes.1 += 1;
                    result.picture_ms.push(picture);
                    result.lip_sync_ms.push(picture - sound);
                }
            }
        }
        result.picture_ms.sort_by(f64::total_cmp);
        result.lip_sync_ms.sort_by(f64::total_cmp);
        for viewer in self.viewers {
            viewer.hang_up()?;
        }
        self.source.hang_up()?;
        Ok(result)
    }
}

/// How long after a moment the first of these came, ms.
fn after(moments: &[Moment], from: Moment) -> Option<f64> {
    let within = |at: &&Moment| **at >= from && **at < from + PATIENCE;
    let first = moments.iter().find(within)?;
    Some(millis_between(from, *first))
}

impl SightsResult {
    /// The worst of both directions, ms.
    fn lip_sync_worst(&self) -> Option<f64> {
        let worst = self.lip_sync_ms.iter().map(|ms| ms.abs());
        worst.max_by(f64::total_cmp)
    }

    /// Which bounds were not kept.
    pub fn judge(&self, good: &Good) -> Vec<String> {
        let (flashes, found) = self.flashes;
        let median = (found > 0).then(|| quantile(&self.picture_ms, 0.5));
        let bounds = [
            ("picture delay, ms", median, good.picture_ms),
            ("lip sync, ms", self.lip_sync_worst(), good.lip_sync_ms),
        ];
        let kept = |found: Option<f64>, bound: f64| found.is_some_and(|found| found <= bound);
        let mut failures: Vec<String> = bounds
            .into_iter()
            .filter_map(|(name, found, bound)| {
                let bound = bound.filter(|bound| !kept(found, *bound))?;
                Some(format!("{name}: {found:?}, at most {bound}"))
            })
            .collect();
        if found < flashes {
            failures.push(format!("{} of {flashes} flashes missed", flashes - found));
        }
        failures
    }
}

impl fmt::Display for SightsResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flashes, found) = self.flashes;
        write!(
            f,
            "{} viewers, {:.1} pictures/s at the slowest, {found} of {flashes} flashes seen and heard",
            self.viewers, self.rate_min
        )?;
        if let (Some(first), Some(last), Some(worst)) = (
            self.lip_sync_ms.first(),
            self.lip_sync_ms.last(),
            self.picture_ms.last(),
        ) {
            let median = quantile(&self.picture_ms, 0.5);
            write!(
                f,
                ", picture after {median:.1} ms, at most {worst:.1} ms, {first:+.1} to {last:+.1} ms after its sound"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_is_late_or_missing_is_named() {
        let good = Good {
            picture_ms: Some(120.0),
            lip_sync_ms: Some(60.0),
            ..Good::default()
        };
        let mut result = SightsResult {
            flashes: (2, 2),
            picture_ms: vec![50.0, 70.0],
            lip_sync_ms: vec![-30.0, 20.0],
            ..SightsResult::default()
        };
        assert_eq!(result.judge(&good), Vec::<String>::new());
        result.lip_sync_ms = vec![-70.0, 20.0];
        result.flashes = (3, 2);
        assert_eq!(result.judge(&good).len(), 2);
        assert_eq!(SightsResult::default().judge(&good).len(), 2);
    }

    #[test]
    fn the_first_mark_after_a_moment_counts_until_patience_ends() {
        let moments = [1_000, 2_050, 2_090].map(Duration::from_millis);
        let from = Duration::from_millis(2_000);
        assert!(after(&moments, from).is_some_and(|ms| (ms - 50.0).abs() < 1e-6));
        assert_eq!(after(&moments, Duration::from_millis(2_100)), None);
    }
}
