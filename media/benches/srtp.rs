//! What it costs to protect and unprotect a packet of G.711 (172 octets), in nanoseconds of wall time.
//!
//! `cargo bench -p plenum-media`. No framework: the best of twenty rounds is printed.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]
#![expect(clippy::disallowed_methods, reason = "measuring needs the clock")]

use plenum_media::crypto::keys::{KeySource, MasterKey};
use plenum_media::crypto::srtp::{PeerKey, Receiver, Sender};
use plenum_media::crypto::suite::Suite;
use smallvec::SmallVec;
use std::hint::black_box;
use std::time::{Duration, Instant};

const PACKETS: u16 = 2_000;
const ROUNDS: usize = 20;
const PAYLOAD: usize = 160;

fn main() {
    for suite in Suite::ALL {
        let key = KeySource::new(&[7; 32]).master_key(suite);
        let plain: Vec<Vec<u8>> = (0..PACKETS).map(packet).collect();
        let protected = protected(&key, &plain);
        report(suite, "protect", || protect(&key, &plain));
        report(suite, "unprotect", || unprotect(&key, &protected));
    }
}

fn report(suite: Suite, what: &str, mut run: impl FnMut() -> Duration) {
    let best = (0..ROUNDS).map(|_| run()).min().unwrap_or_default();
    let each = best.as_nanos() / u128::from(PACKETS);
    println!("{:<24} {what:<10} {each:>6} ns", suite.sdes_name());
}

fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(1_u32.to_be_bytes());
    packet.resize(12 + PAYLOAD, 0x55);
    packet
}

fn protected(key: &MasterKey, plain: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let Some(mut sender) = Sender::new(key, 1) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for packet in plain {
        let mut out = Vec::new();
        if sender.protect_rtp(packet, &mut out).is_ok() {
            all.push(out);
        }
    }
    all
}

fn protect(key: &MasterKey, plain: &[Vec<u8>]) -> Duration {
    let Some(mut sender) = Sender::new(key, 1) else {
        return Duration::ZERO;
    };
    let mut out = Vec::with_capacity(256);
    let began = Instant::now();
    for packet in plain {
        black_box(sender.protect_rtp(black_box(packet), &mut out).is_ok());
    }
    began.elapsed()
}

/// Packets are decrypted where they are, so that each round needs a copy, which is made before the clock runs.
fn unprotect(key: &MasterKey, protected: &[Vec<u8>]) -> Duration {
    let peer = PeerKey {
        master: key.clone(),
        mki: SmallVec::new(),
    };
    let Some(mut receiver) = Receiver::new(&[peer], 1) else {
        return Duration::ZERO;
    };
    let mut packets = protected.to_vec();
    let began = Instant::now();
    let mut taken = 0;
    for packet in &mut packets {
        taken += usize::from(receiver.unprotect_rtp(black_box(packet)).is_ok());
    }
    let took = began.elapsed();
    if taken == protected.len() {
        took
    } else {
        Duration::ZERO
    }
}
