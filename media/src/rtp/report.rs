//! When RTCP goes out (RFC 3550 §6.2, §6.3) and what the peer's reports tell.

use super::rtcp::Statement;
use crate::random::SplitMix;
use std::time::{Duration, Instant};

/// The minimum interval (RFC 3550 §6.2), until the bandwidth is known.
const INTERVAL: Duration = Duration::from_secs(5);
/// The reduced minimum is so many seconds divided by the session's bandwidth in kbit/s (RFC 3550 §6.2).
const REDUCED: f32 = 360.0;
/// A feedback more often than this tells nothing new.
const SHORTEST: Duration = Duration::from_secs(1);
/// The share of RTCP in the session's bandwidth (RFC 3550 §6.2).
const SHARE: f32 = 0.05;
/// The share of the receivers while less than a quarter of the members send (RFC 3550 §6.2).
const RECEIVERS: f32 = 0.75;
/// Octets of IPv4 and UDP before an RTCP packet.
const HEADERS: f32 = 28.0;
/// Octets of the first packet, as a guess (RFC 3550 §6.3.2).
const PROBABLE: f32 = 120.0;
/// e − 3/2, which compensates for the timer reconsideration (RFC 3550 §6.3.1).
const COMPENSATION: f32 = 1.218_28;

/// The timer of our reports and the knowledge from the peer's.
#[derive(Clone, Debug)]
pub struct Reports {
    rng: SplitMix,
    next: Instant,
    /// Of one direction, bit/s; 0 until it is known.
    bandwidth: f32,
    /// Of a compound packet with its headers, octets (RFC 3550 §6.3.3).
    average: f32,
    peer_heard: bool,
    peer_report: Option<(u32, Instant)>,
    loss_percent: u8,
    round_trip: Option<Duration>,
}

impl Reports {
    /// The first report comes after half an interval (RFC 3550 §6.2).
    pub fn new(seed: u64, now: Instant) -> Self {
        let mut this = Self {
            rng: SplitMix::new(seed),
            next: now,
            bandwidth: 0.0,
            average: PROBABLE,
            peer_heard: false,
            peer_report: None,
            loss_percent: 0,
            round_trip: None,
        };
        this.next = now + this.interval(false) / 2;
        this
    }

    /// What was agreed on: bits a second of one direction with the headers of IP, UDP and RTP.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an interval needs no more than 24 bits"
    )]
    pub fn set_bandwidth(&mut self, bits: u32) {
        self.bandwidth = bits as f32;
    }

    /// Whether a report is due; if so the timer is set anew. `sending` is whether we have sent RTP since the last one.
    pub fn due(&mut self, now: Instant, sending: bool) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + self.interval(sending);
        true
    }

    /// A compound packet of so many octets was sent, or received from the peer (RFC 3550 §6.3.3).
    pub fn passed(&mut self, octets: usize, from_peer: bool) {
        let octets = f32::from(u16::try_from(octets).unwrap_or(u16::MAX));
        self.average += (octets + HEADERS - self.average) / 16.0;
        self.peer_heard |= from_peer;
    }

    /// The interval by bandwidth and members, randomised and compensated for the reconsideration of timers
    /// (RFC 3550 §6.3.1). In a call of two, one sender is more than a quarter already.
    fn interval(&mut self, sending: bool) -> Duration {
        let mut calculated = INTERVAL;
        if self.bandwidth > 0.0 {
            let members = if self.peer_heard { 2.0 } else { 1.0 };
            let share = if sending { SHARE } else { SHARE * RECEIVERS };
            let seconds = members * self.average * 8.0 / (self.bandwidth * share);
            let least = (REDUCED * 1_000.0 / self.bandwidth)
                .clamp(SHORTEST.as_secs_f32(), INTERVAL.as_secs_f32());
            calculated = Duration::from_secs_f32(seconds.clamp(least, 3_600.0));
        }
        calculated.mul_f32((0.5 + self.rng.unit()) / COMPENSATION)
    }

    /// Takes in one statement of the peer. `ssrc` is ours, `source` the one that we receive, `ntp_now` the middle 32 bits
    /// of our NTP time. On a transport of several streams others have their say as well (RFC 9143 §9).
    pub fn hear(
        &mut self,
        now: Instant,
        (ssrc, source): (u32, Option<u32>),
        ntp_now: u32,
        statement: Statement,
    ) {
        match statement {
            Statement::Sender { ssrc, .. } if source.is_some_and(|source| source != ssrc) => {}
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

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time has to begin somewhere"
)]
mod tests {
    use super::*;

    /// The mean of many intervals, seconds.
    fn mean(reports: &mut Reports, sending: bool) -> f32 {
        let sum: Duration = (0..2_000).map(|_| reports.interval(sending)).sum();
        sum.as_secs_f32() / 2_000.0 * COMPENSATION
    }

    /// (bits a second, octets of a packet, the peer is heard, we send, seconds).
    #[test]
    fn rfc3550_6_2_the_interval_follows_bandwidth_and_members() {
        for (bits, octets, peer, sending, expected) in [
            // The reduced minimum: 360 divided by kbit/s.
            (80_000, 100, true, true, 4.5),
            (160_000, 100, true, true, 2.25),
            (2_000_000, 100, true, true, 1.0),
            // The bandwidth: 2 members · (172 + 28) octets · 8 / (5 % of 8 kbit/s).
            (8_000, 172, true, true, 8.0),
            (8_000, 172, false, true, 5.0),
            (8_000, 172, true, false, 10.667),
            // Unknown.
            (0, 172, true, true, 5.0),
        ] {
            let mut reports = Reports::new(1, Instant::now());
            reports.set_bandwidth(bits);
            for _ in 0..200 {
                reports.passed(octets, peer);
            }
            let mean = mean(&mut reports, sending);
            assert!((mean / expected - 1.0).abs() < 0.03, "{bits}: {mean} s");
        }
    }
}
