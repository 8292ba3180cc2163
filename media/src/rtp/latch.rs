//! Symmetric RTP (RFC 4961) with a bounded latch: media goes where media comes from, but one stray packet moves nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Packets in a row from another address, none from the latched one between, before the latch moves with the same SSRC.
const REBIND_PACKETS: u32 = 5;
/// For that the latched address must have been silent for a while, so that a burst between two packets is not enough.
const REBIND_SILENCE: Duration = Duration::from_millis(150);
/// A source heard this long without a break is alone of interest; after each break twice as long, up to about a minute.
const STEADY: Duration = Duration::from_secs(1);
const STEADY_DOUBLED_MOST: u32 = 6;
/// A break: longer than the longest usual packet time, and short enough that a new address is heard before
/// [`REBIND_SILENCE`] has gone by.
const BREAK: Duration = Duration::from_millis(80);
/// Packets in a row from another address before the latch moves after silence.
const RELATCH_PACKETS: u32 = 2;

/// The bounds of a latch.
#[derive(Clone, Copy, Debug)]
pub struct LatchRules {
    /// A source from neither the signalled host nor the host of the signalling is believed only this long after signalling.
    pub window: Duration,
    /// A latched source silent for this long may be replaced.
    pub silence: Duration,
}

/// What the latch says to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// From the source we are latched to.
    Accepted,
    /// From now on this is the source.
    Moved,
    /// From somebody else.
    Stray,
}

/// Which source address we believe.
#[derive(Clone, Debug)]
pub struct Latch {
    rules: LatchRules,
    signalled: Option<SocketAddr>,
    signalling_host: Option<IpAddr>,
    signalled_at: Instant,
    latched: Option<SocketAddr>,
    last_heard: Instant,
    /// Since when the source is heard without a break.
    steady_since: Instant,
    /// How often a steady source had a break.
    breaks: u32,
    challenger: Option<(SocketAddr, u32, u32)>,
}

impl Latch {
    /// Latched to nobody.
    pub fn new(rules: LatchRules, signalling_host: Option<IpAddr>, now: Instant) -> Self {
        Self {
            rules,
            signalled: None,
            signalling_host,
            signalled_at: now,
            latched: None,
            last_heard: now,
            steady_since: now,
            breaks: 0,
            challenger: None,
        }
    }

    /// The peer signalled where its media is. Another address than before opens the latch again.
    pub fn signal(&mut self, now: Instant, address: Option<SocketAddr>) {
        if address.is_some() && address != self.signalled {
            self.signalled = address;
            self.signalled_at = now;
            self.latched = None;
            self.challenger = None;
        }
    }

    /// The source we believe.
    pub fn latched(&self) -> Option<SocketAddr> {
        self.latched
    }

    /// The source, while no packet from elsewhere could change anything: it is heard without a break, and is of the host
    /// that was signalled. So the caller may have all others kept away from it.
    pub fn only_source(&self, now: Instant) -> Option<SocketAddr> {
        let latched = self.latched?;
        let as_signalled = self.signalled.is_none_or(|it| it.ip() == latched.ip());
        let present = now.saturating_duration_since(self.last_heard) < BREAK;
        (as_signalled && present && self.is_steady(now)).then_some(latched)
    }

    fn is_steady(&self, now: Instant) -> bool {
        let needed = STEADY * (1 << self.breaks.min(STEADY_DOUBLED_MOST));
        now.saturating_duration_since(self.steady_since) >= needed
    }

    fn hear(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last_heard) >= BREAK {
            self.breaks += u32::from(self.is_steady(self.last_heard));
            self.steady_since = now;
        }
        self.last_heard = now;
    }

    /// Judges a packet by its source address; `same_ssrc` is the SSRC of the stream in force, if that is what it carries.
    pub fn judge(&mut self, now: Instant, from: SocketAddr, ssrc: u32, same_ssrc: bool) -> Verdict {
        match self.latched {
            Some(latched) if latched == from => {
                self.hear(now);
                self.challenger = None;
                Verdict::Accepted
            }
            Some(latched) => self.challenge(now, latched, from, ssrc, same_ssrc),
            None if self.may_be_first(now, from) => self.move_to(now, from),
            None => Verdict::Stray,
        }
    }

    fn may_be_first(&self, now: Instant, from: SocketAddr) -> bool {
        self.is_expected(from.ip())
            || now.saturating_duration_since(self.signalled_at) <= self.rules.window
    }

    /// The host of the description, or of the signalling.
    fn is_expected(&self, host: IpAddr) -> bool {
        self.signalled.is_some_and(|address| address.ip() == host)
            || self.signalling_host == Some(host)
    }

    fn challenge(
        &mut self,
        now: Instant,
        latched: SocketAddr,
        from: SocketAddr,
        ssrc: u32,
        same_ssrc: bool,
    ) -> Verdict {
        // The signalled address itself always wins over a guess from another host.
        if self.signalled == Some(from)
            && self
                .signalled
                .is_some_and(|address| address.ip() != latched.ip())
        {
            return self.move_to(now, from);
        }
        // So does the host of the description or of the signalling over a stranger who was first: who races the peer
        // to our port has lost as soon as the peer is heard, however much he sends.
        if self.is_expected(from.ip()) && !self.is_expected(latched.ip()) {
            return self.move_to(now, from);
        }
        let count = match self.challenger {
            Some((address, seen, count)) if address == from && seen == ssrc => count + 1,
            Some(_) | None => 1,
        };
        self.challenger = Some((from, ssrc, count));
        let silence = now.saturating_duration_since(self.last_heard);
        let needed = if silence >= self.rules.silence {
            RELATCH_PACKETS
        } else if same_ssrc && silence >= REBIND_SILENCE {
            REBIND_PACKETS
        } else {
            return Verdict::Stray;
        };
        if count >= needed {
            self.move_to(now, from)
        } else {
            Verdict::Stray
        }
    }

    fn move_to(&mut self, now: Instant, from: SocketAddr) -> Verdict {
        self.latched = Some(from);
        self.last_heard = now;
        self.steady_since = now;
        self.challenger = None;
        Verdict::Moved
    }
}

/// Where a peer takes media, as it signalled it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signalled {
    /// RTP; `None` while it wants none.
    pub rtp: Option<SocketAddr>,
    /// RTCP, where it has a port of its own.
    pub rtcp: Option<SocketAddr>,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
}

/// Where a peer is: RTP by the latch, and RTCP beside it.
#[derive(Clone, Debug)]
pub struct Peer {
    latch: Latch,
    signalled: Signalled,
    rtcp_from: Option<SocketAddr>,
}

impl Peer {
    /// Nowhere yet.
    pub fn new(rules: LatchRules, signalling_host: Option<IpAddr>, now: Instant) -> Self {
        Self {
            latch: Latch::new(rules, signalling_host, now),
            signalled: Signalled::default(),
            rtcp_from: None,
        }
    }

    /// The peer signalled where its media is.
    pub fn signal(&mut self, now: Instant, signalled: Signalled) {
        self.latch.signal(now, signalled.rtp);
        self.signalled = signalled;
    }

    /// As [`Latch::judge`].
    pub fn judge(&mut self, now: Instant, from: SocketAddr, ssrc: u32, same_ssrc: bool) -> Verdict {
        self.latch.judge(now, from, ssrc, same_ssrc)
    }

    /// As [`Latch::latched`].
    pub fn latched(&self) -> Option<SocketAddr> {
        self.latch.latched()
    }

    /// As [`Latch::only_source`].
    pub fn only_source(&self, now: Instant) -> Option<SocketAddr> {
        self.latch.only_source(now)
    }

    /// Whether RTCP from there is the peer's: from the host of its RTP, or from the one it signalled.
    pub fn may_report(&self, from: SocketAddr) -> bool {
        let hosts = [self.latch.latched(), self.signalled.rtcp];
        let mut hosts = hosts.iter().flatten();
        hosts.any(|address| address.ip() == from.ip())
    }

    /// RTCP came from there that [`Self::may_report`] and could be read.
    pub fn reported(&mut self, from: SocketAddr) {
        self.rtcp_from = Some(from);
    }

    /// Where RTP goes: the latched source, else what the peer signalled. `None` while the peer wants none.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        let signalled = self.signalled.rtp?;
        Some(self.latch.latched().unwrap_or(signalled))
    }

    /// Where RTCP goes: with RTP when multiplexed, else where it comes from, else what the peer signalled.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        if self.signalled.rtcp_mux {
            return self.rtp_destination();
        }
        self.rtcp_from.or(self.signalled.rtcp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PEER: &str = "203.0.113.9:61000";
    const ATTACKER: &str = "198.51.100.66:4000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A phone behind a NAT: its description names a private address, its signalling came from the NAT's.
    fn behind_nat() -> (Latch, Instant) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some moment to begin at"
        )]
        let now = Instant::now();
        let rules = LatchRules {
            window: Duration::from_secs(10),
            silence: Duration::from_secs(2),
        };
        let mut latch = Latch::new(rules, Some(address(PEER).ip()), now);
        latch.signal(now, Some(address("10.0.0.2:4000")));
        (latch, now)
    }

    #[test]
    fn rfc4961_an_attacker_who_was_first_loses_as_soon_as_the_peer_is_heard() {
        let (mut latch, mut now) = behind_nat();
        assert_eq!(
            latch.judge(now, address(ATTACKER), 1, false),
            Verdict::Moved
        );
        // He floods, ten packets for each of the peer.
        let mut verdicts = Vec::new();
        for tick in 0..200_u32 {
            for _ in 0..10 {
                let verdict = latch.judge(now, address(ATTACKER), 1, tick % 2 == 0);
                verdicts.push((ATTACKER, verdict));
            }
            verdicts.push((PEER, latch.judge(now, address(PEER), 7, true)));
            now += 20 * MS;
        }
        let moved = verdicts
            .iter()
            .position(|(_, verdict)| *verdict == Verdict::Moved);
        assert_eq!(moved, Some(10), "by the peer's first packet");
        for (from, verdict) in &verdicts[11..] {
            let wanted = if *from == PEER {
                Verdict::Accepted
            } else {
                Verdict::Stray
            };
            assert_eq!(*verdict, wanted);
        }
        assert_eq!(latch.latched(), Some(address(PEER)));
    }

    #[test]
    fn rfc4961_a_stranger_is_first_within_the_window_only() {
        let (mut latch, now) = behind_nat();
        let late = now + Duration::from_secs(11);
        assert_eq!(
            latch.judge(late, address(ATTACKER), 1, false),
            Verdict::Stray
        );
        assert_eq!(latch.judge(late, address(PEER), 7, false), Verdict::Moved);
    }

    #[test]
    fn rfc4961_a_talking_peer_is_not_replaced_by_whoever_guesses_its_ssrc() {
        let (mut latch, mut now) = behind_nat();
        latch.judge(now, address(PEER), 7, false);
        for _ in 0..500 {
            now += 20 * MS;
            for _ in 0..20 {
                assert_eq!(latch.judge(now, address(ATTACKER), 7, true), Verdict::Stray);
            }
            assert_eq!(latch.judge(now, address(PEER), 7, true), Verdict::Accepted);
        }
    }

    #[test]
    fn rfc4961_a_new_mapping_of_the_nat_is_followed_while_one_packet_of_a_stranger_moves_nothing() {
        let (mut latch, mut now) = behind_nat();
        latch.judge(now, address(PEER), 7, false);
        now += Duration::from_secs(3);
        assert_eq!(
            latch.judge(now, address(ATTACKER), 1, false),
            Verdict::Stray
        );
        let mapped = address("203.0.113.9:61001");
        assert_eq!(latch.judge(now, mapped, 7, true), Verdict::Stray);
        assert_eq!(latch.judge(now + 20 * MS, mapped, 7, true), Verdict::Moved);
        assert_eq!(latch.latched(), Some(mapped));
    }
}
