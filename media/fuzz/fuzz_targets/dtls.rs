//! Whatever a peer sends for a handshake: it ends in no keys, no panic, and within the octets it is given.

#![no_main]
#![expect(
    clippy::disallowed_methods,
    reason = "somebody has to say what time it is"
)]

use libfuzzer_sys::fuzz_target;
use plenum_media::crypto::dtls::{Association, Identity, Progress, Role};
use plenum_media::crypto::fingerprint::Fingerprint;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fuzz_target!(|octets: &[u8]| {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| Identity::generate().unwrap());
    let nobody = "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
                  00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    let peer = vec![Fingerprint::parse(nobody).unwrap()];
    let now = Instant::now();
    let (&role, octets) = octets.split_first().unwrap_or((&0, &[]));
    let role = if role & 1 == 0 {
        Role::Passive
    } else {
        Role::Active
    };
    let deadline = now + Duration::from_secs(15);
    let mut association = Association::new(identity, role, peer, deadline, 65_536);
    association.start(now, identity);
    // Datagrams of the lengths that stand before them.
    let mut rest = octets;
    while let [high, low, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (datagram, after) = more.split_at(length);
        let progress = association.handle_datagram(now, datagram);
        assert!(!matches!(progress, Progress::Keys(_)));
        while association.poll_transmit().is_some() {}
        rest = after;
    }
    let late = association.handle_timeout(now + Duration::from_secs(16));
    assert!(!matches!(late, Progress::Keys(_)));
});
