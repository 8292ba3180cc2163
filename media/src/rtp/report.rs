//! When RTCP goes out (RFC 3550 §6.2, §6.3) and what the peer's reports tell.

use super::rtcp::Statement;
use crate::random::SplitMix;
use std::time::{Duration, Instant};

/// The minimum interval (RFC 3550 §6.2). Two members at audio rates never need a longer one.
const INTERVAL: Duration = Duration::from_secs(5);
/// e − 3/2, which compensates for the timer reconsideration (RFC 3550 §6.3.1).
const COMPENSATION: f32 = 1.218_28;

/// The timer of our reports and the knowledge from the peer's.
#[derive(Clone, Debug)]
pub struct Reports {
    rng: SplitMix,
    next: Instant,
    peer_report: Option<(u32, Instant)>,
    loss_percent: u8,
    round_trip: Option<Duration>,
}

impl Reports {
    /// The first report comes after half an interval (RFC 3550 §6.2).
    pub fn new(seed: u64, now: Instant) -> Self {
        let mut rng = SplitMix::new(seed);
        let next = now + interval(&mut rng) / 2;
        Self {
            rng,
            next,
            peer_report: None,
            loss_percent: 0,
            round_trip: None,
        }
    }

    /// Whether a report is due; if so the timer is set anew.
    pub fn due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + interval(&mut self.rng);
        true
    }

    /// Takes in one statement of the peer. `ssrc` is ours, `ntp_now` the middle 32 bits of our NTP time.
    pub fn hear(&mut self, now: Instant, ssrc: u32, ntp_now: u32, statement: Statement) {
        match statement {
            Statement::Sender { ntp_middle, .. } => self.peer_report = Some((ntp_middle, now)),
            Statement::Block {
                about,
                fraction_lost,
                last_report,
                since,
            } if about == ssrc => {
                let percent = u32::from(fraction_lost) * 100 / 256;
                self.loss_percent = u8::try_from(percent).unwrap_or(100);
                if last_report != 0 {
                    let ticks = ntp_now.wrapping_sub(last_report).wrapping_sub(since);
                    // A peer with a bad clock makes it negative, which wraps to hours.
                    if ticks < 60 << 16 {
                        self.round_trip =
                            Some(Duration::from_micros(u64::from(ticks) * 1_000_000 / 65_536));
                    }
                }
            }
            Statement::Block { .. } | Statement::Bye(_) => {}
        }
    }

    /// The LSR and DLSR fields of our report block (RFC 3550 §6.4.1).
    pub fn last_sender_report(&self, now: Instant) -> (u32, u32) {
        self.peer_report.map_or((0, 0), |(ntp_middle, heard)| {
            let since = now.saturating_duration_since(heard).as_micros() * 65_536 / 1_000_000;
            (ntp_middle, u32::try_from(since).unwrap_or(u32::MAX))
        })
    }

    /// Share of our packets the peer lost, percent.
    pub fn loss_percent(&self) -> u8 {
        self.loss_percent
    }

    /// Round trip time (RFC 3550 §6.4.1).
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

fn interval(rng: &mut SplitMix) -> Duration {
    INTERVAL.mul_f32((0.5 + rng.unit()) / COMPENSATION)
}
