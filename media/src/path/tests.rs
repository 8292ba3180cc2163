//! Two paths against each other over a network that loses what a test wants lost.

use super::*;
use crate::crypto::dtls::Role;
use crate::crypto::fingerprint::Fingerprint;
use crate::crypto::keys::{KeySource, MasterKey};
use crate::crypto::srtp::PeerKey;
use crate::crypto::suite::Suite;
use smallvec::SmallVec;
use std::time::Duration;

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs a time to begin with"
)]
fn start() -> Instant {
    Instant::now()
}

fn config() -> PathConfig {
    PathConfig {
        identity: Arc::new(Identity::generate().unwrap()),
        limits: SecurityLimits::default(),
        handshakes: Handshakes::new(8),
        metrics: Arc::default(),
    }
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4000))
}

fn dtls(role: Role, fingerprint: &Fingerprint, generation: u32) -> NegotiatedPath {
    NegotiatedPath {
        ice: None,
        keying: Keying::Dtls(DtlsParameters {
            role: Some(role),
            fingerprints: vec![fingerprint.clone()],
            tls_id: None,
            generation,
        }),
        rtp: None,
        rtcp: None,
        rtcp_mux: true,
    }
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 9]);
    packet.extend([0x55; 160]);
    packet
}

/// Two paths; the first is active.
struct Pair {
    now: Instant,
    paths: [MediaPath; 2],
    events: [Vec<PathEvent>; 2],
    sent: usize,
    lost: fn(usize) -> bool,
}

impl Pair {
    fn new(lost: fn(usize) -> bool) -> Self {
        let (a, b) = (config(), config());
        let (ours, theirs) = (
            a.identity.fingerprint().clone(),
            b.identity.fingerprint().clone(),
        );
        let mut pair = Self {
            now: start(),
            paths: [MediaPath::new(a), MediaPath::new(b)],
            events: Default::default(),
            sent: 0,
            lost,
        };
        pair.agree(&theirs, &ours, 0);
        pair
    }

    fn agree(&mut self, of_b: &Fingerprint, of_a: &Fingerprint, generation: u32) {
        let mut active = dtls(Role::Active, of_b, generation);
        active.rtp = Some(address(2));
        self.paths[0].apply(self.now, &active);
        self.paths[1].apply(self.now, &dtls(Role::Passive, of_a, generation));
    }

    fn fingerprints(&self) -> (Fingerprint, Fingerprint) {
        let of = |path: &MediaPath| path.config.identity.fingerprint().clone();
        (of(&self.paths[0]), of(&self.paths[1]))
    }

    /// Runs until nothing is to be done for `patience`.
    fn run(&mut self, patience: Duration) {
        let end = self.now + patience;
        while self.now <= end {
            for side in 0..2 {
                self.paths[side].handle_timeout(self.now);
                loop {
                    match self.paths[side].poll_output() {
                        PathOutput::Transmit {
                            via,
                            to,
                            mut octets,
                        } => {
                            assert_eq!((via, to), (0, address(2 - u8::try_from(side).unwrap())));
                            self.sent += 1;
                            if !(self.lost)(self.sent) {
                                let from = address(1 + u8::try_from(side).unwrap());
                                let taken = self.paths[1 - side].handle_datagram(
                                    self.now,
                                    0,
                                    from,
                                    &mut octets,
                                );
                                assert!(matches!(
                                    taken,
                                    Inbound::Consumed | Inbound::Refused(Refused::Unexpected)
                                ));
                            }
                        }
                        PathOutput::Event(event) => self.events[side].push(event),
                        PathOutput::Timeout(_) => break,
                    }
                }
            }
            self.now += Duration::from_millis(20);
        }
    }

    fn media_flows(&mut self, sequence: u16) {
        for side in 0..2 {
            let (plain, mut out) = (rtp(sequence), Vec::new());
            let mut packet = self.paths[side]
                .protect_rtp(&plain, &mut out)
                .unwrap()
                .to_vec();
            assert_ne!(packet[12..], plain[12..]);
            let from = address(1);
            let other = &mut self.paths[1 - side];
            assert_eq!(
                other.handle_datagram(self.now, 0, from, &mut packet),
                Inbound::Rtp(&plain)
            );
        }
    }
}

#[test]
fn rfc5764_a_handshake_gives_both_sides_the_same_keys() {
    let mut pair = Pair::new(|_| false);
    let mut out = Vec::new();
    assert_eq!(
        pair.paths[0].protect_rtp(&rtp(0), &mut out),
        Err(Unprotected::NoKeys)
    );
    pair.run(Duration::from_millis(200));
    assert_eq!(
        pair.events,
        [vec![PathEvent::Ready], vec![PathEvent::Ready]]
    );
    pair.media_flows(1);
    assert_eq!(pair.paths[0].config.handshakes.running(), 0);
}

#[test]
fn rfc6347_4_2_4_what_is_lost_is_repeated() {
    let mut pair = Pair::new(|count| matches!(count, 1 | 3 | 6 | 7));
    pair.run(Duration::from_secs(14));
    assert_eq!(
        pair.events,
        [vec![PathEvent::Ready], vec![PathEvent::Ready]]
    );
    pair.media_flows(1);
}

#[test]
fn rfc5763_5_another_certificate_ends_media() {
    let mut pair = Pair::new(|_| false);
    let (of_a, _) = pair.fingerprints();
    // The description that the active side has tells of another certificate.
    pair.agree(&of_a.clone(), &of_a, 1);
    pair.run(Duration::from_millis(400));
    assert_eq!(pair.events[0], [PathEvent::Failed(Failure::Fingerprint)]);
    let mut out = Vec::new();
    assert!(pair.paths[0].protect_rtp(&rtp(0), &mut out).is_err());
    assert_eq!(
        pair.paths[0].config.metrics.security.dtls_fingerprint.get(),
        1
    );
}

#[test]
fn rfc5763_a_peer_that_never_answers_is_given_up() {
    let mut pair = Pair::new(|_| true);
    pair.run(Duration::from_secs(16));
    let failed = [PathEvent::Failed(Failure::Timeout)];
    assert_eq!(pair.events, [failed.to_vec(), failed.to_vec()]);
    assert_eq!(pair.paths[1].config.metrics.security.dtls_timeout.get(), 1);
}

#[test]
fn rfc8842_the_same_association_goes_on_and_a_new_one_replaces_it() {
    let mut pair = Pair::new(|_| false);
    pair.run(Duration::from_millis(200));
    pair.media_flows(1);
    let (of_a, of_b) = pair.fingerprints();
    pair.agree(&of_b, &of_a, 0);
    pair.run(Duration::from_millis(200));
    pair.media_flows(2);
    assert_eq!(pair.events[0].len(), 1, "nothing began anew");
    let mut late = Vec::new();
    let mut late = pair.paths[0]
        .protect_rtp(&rtp(3), &mut late)
        .unwrap()
        .to_vec();
    pair.agree(&of_b, &of_a, 1);
    pair.run(Duration::from_millis(200));
    assert_eq!(pair.events[0].len(), 2, "a new association");
    pair.media_flows(4);
    let now = pair.now;
    assert_eq!(
        pair.paths[1].handle_datagram(now, 0, address(1), &mut late.clone()),
        Inbound::Rtp(&rtp(3)),
        "late"
    );
    let after = now + SecurityLimits::default().late_key + Duration::from_millis(1);
    late[3] += 100;
    pair.paths[1].handle_timeout(after);
    let refused = pair.paths[1].handle_datagram(after, 0, address(1), &mut late);
    assert_eq!(
        refused,
        Inbound::Refused(Refused::Srtp(Refusal::Authentication))
    );
}

#[test]
fn rfc5246_7_2_1_the_peer_hears_that_we_close() {
    let mut pair = Pair::new(|_| false);
    pair.run(Duration::from_millis(200));
    let now = pair.now;
    pair.paths[0].close(now);
    pair.run(Duration::from_millis(100));
    assert_eq!(
        pair.events[1].last(),
        Some(&PathEvent::Failed(Failure::Closed))
    );
}

#[test]
fn handshakes_wait_for_a_place() {
    let mut pair = Pair::new(|_| false);
    let places = Handshakes::new(0);
    pair.paths[0].config.handshakes = places;
    let (of_a, of_b) = pair.fingerprints();
    pair.agree(&of_b, &of_a, 1);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.sent, 0);
    assert!(pair.paths[0].config.metrics.security.dtls_waited.get() > 0);
    pair.paths[0].config.handshakes = Handshakes::new(1);
    pair.run(Duration::from_secs(1));
    pair.media_flows(1);
}

#[test]
fn a_stranger_fills_nothing_and_stops_nothing() {
    let mut pair = Pair::new(|_| false);
    let now = pair.now;
    let most = SecurityLimits::default().dtls_waiting;
    for n in 0..100 {
        let mut junk = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, n, 0, 1, 1];
        let taken = pair.paths[0].handle_datagram(now, 0, address(9), &mut junk);
        let expected = if usize::from(n) < most {
            Inbound::Consumed
        } else {
            Inbound::Refused(Refused::Excess)
        };
        assert_eq!(taken, expected);
    }
    assert!(pair.paths[0].has_work(pair.now));
    let mut unknown = [100; 20];
    assert_eq!(
        pair.paths[0].handle_datagram(now, 0, address(9), &mut unknown),
        Inbound::Refused(Refused::Unexpected)
    );
}

fn sdes(send: &MasterKey, receive: &MasterKey) -> NegotiatedPath {
    NegotiatedPath {
        ice: None,
        keying: Keying::Sdes {
            send: send.clone(),
            receive: vec![PeerKey {
                master: receive.clone(),
                mki: SmallVec::new(),
            }],
        },
        rtp: None,
        rtcp: None,
        rtcp_mux: false,
    }
}

#[test]
fn rfc4568_keys_of_the_description_are_in_force_at_once_and_change() {
    let mut source = KeySource::new(&[5; 32]);
    let mut key = |suite| source.master_key(suite);
    let config = config();
    let (mut a, mut b) = (MediaPath::new(config.clone()), MediaPath::new(config));
    let now = start();
    let mut last = Vec::new();
    for (sequence, suite) in (1..).zip(Suite::ALL) {
        let (ours, theirs) = (key(suite), key(suite));
        b.apply(now, &sdes(&theirs, &ours));
        if !last.is_empty() {
            let taken = b.handle_datagram(now, 0, address(1), &mut last);
            assert_eq!(
                taken,
                Inbound::Rtp(&rtp(sequence * 10 - 1)),
                "a late packet of the old key"
            );
        }
        a.apply(now, &sdes(&ours, &theirs));
        for part in 0..9 {
            let mut out = Vec::new();
            let mut packet = a
                .protect_rtp(&rtp(sequence * 10 + part), &mut out)
                .unwrap()
                .to_vec();
            assert_eq!(
                b.handle_datagram(now, 0, address(1), &mut packet),
                Inbound::Rtp(&rtp(sequence * 10 + part))
            );
            // The same again in force changes nothing: what came is still known.
            b.apply(now, &sdes(&theirs, &ours));
            let mut out = Vec::new();
            let mut again = a
                .protect_rtp(&rtp(sequence * 10 + part), &mut out)
                .unwrap()
                .to_vec();
            let replayed = Inbound::Refused(Refused::Srtp(Refusal::Replayed));
            assert_eq!(b.handle_datagram(now, 0, address(1), &mut again), replayed);
        }
        let mut out = Vec::new();
        last = a
            .protect_rtp(&rtp(sequence * 10 + 9), &mut out)
            .unwrap()
            .to_vec();
        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let mut out = Vec::new();
        let mut packet = a.protect_rtcp(&report, &mut out).unwrap().to_vec();
        assert_eq!(
            b.handle_datagram(now, 1, address(1), &mut packet),
            Inbound::Rtcp(&report)
        );
    }
    let mut plain = rtp(999);
    assert!(matches!(
        b.handle_datagram(now, 0, address(1), &mut plain),
        Inbound::Refused(Refused::Srtp(_))
    ));
}
