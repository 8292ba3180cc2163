//! Packets against the RFCs' vectors and against another implementation.

use super::keys::{KeySource, MasterKey};
use super::srtp::{PeerKey, Receiver, Refusal, Sender};
use super::suite::Suite;
use super::transform::{Numbers, Stream, Transform};
use proptest::prelude::*;
use rtc::crypto::default_provider;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;
use smallvec::SmallVec;

const MOST: usize = 4;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn master(suite: Suite, seed: u8) -> MasterKey {
    KeySource::new(&[seed; 32]).master_key(suite)
}

fn peer(master: &MasterKey) -> PeerKey {
    PeerKey {
        master: master.clone(),
        mki: SmallVec::new(),
    }
}

fn pair(suite: Suite) -> (Sender, Receiver) {
    let key = master(suite, 3);
    let receiver = Receiver::new(&[peer(&key)], MOST).unwrap();
    (Sender::new(&key, MOST).unwrap(), receiver)
}

fn rtp(sequence: u16, ssrc: u32, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(160_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..payload).map(|n| u8::try_from(n % 251).unwrap()));
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

fn sent(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sender.protect_rtp(packet, &mut out).unwrap();
    out
}

/// RFC 3711 §B.3: the session keys of a known master key show in what they encrypt.
#[test]
fn rfc3711_b3_session_keys() {
    let key = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
    let master = MasterKey::new(Suite::AesCm128Tag80, &hex(key)).unwrap();
    let transform = Transform::new(&master, Stream::Rtp).unwrap();
    let numbers = Numbers {
        ssrc: 0,
        index: 0,
        rtcp: false,
    };
    // Zeros become the key stream of the session key and the session salt that the RFC gives.
    let mut packet = vec![0; 16];
    assert!(transform.seal(numbers, 0, [0; 4], &mut packet));
    let expected = block(
        &hex("C61E7A93744F39EE10734AFE3FF7A087"),
        &hex("30CBBC08863D8C85D49DB34A9AE10000"),
    );
    assert_eq!(packet[..16], expected[..]);
}

/// RFC 3711 §B.2: the key stream of AES in counter mode.
#[test]
fn rfc3711_b2_key_stream() {
    let stream = block(
        &hex("2B7E151628AED2A6ABF7158809CF4F3C"),
        &hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"),
    );
    assert_eq!(stream, hex("E03EAD0935C95E80E166B16DD92B4EB4"));
}

/// One block of the bare cipher.
fn block(key: &[u8], vector: &[u8]) -> Vec<u8> {
    use aes::cipher::{BlockEncrypt, KeyInit};
    let mut block = *aes::Block::from_slice(vector);
    aes::Aes128::new_from_slice(key)
        .unwrap()
        .encrypt_block(&mut block);
    block.to_vec()
}

fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128Tag80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128Tag32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256Tag80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256Tag32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AesGcm128 => ProtectionProfile::AeadAes128Gcm,
        Suite::AesGcm256 => ProtectionProfile::AeadAes256Gcm,
    }
}

fn oracle(master: &MasterKey) -> Context {
    let provider = default_provider().unwrap();
    let suite = master.suite();
    let (key, salt) = master.octets().split_at(suite.key_octets());
    Context::new(key, salt, profile(suite), None, None, provider.crypto()).unwrap()
}

/// What we protect the other implementation unprotects, and the other way round, over a rollover
/// and with extensions and contributing sources.
#[test]
fn rfc3711_rfc6188_rfc7714_every_suite_agrees_with_another_implementation() {
    for suite in Suite::ALL {
        let key = master(suite, 9);
        let mut ours = Sender::new(&key, MOST).unwrap();
        let mut receiver = Receiver::new(&[peer(&key)], MOST).unwrap();
        let (mut theirs, mut their_sender) = (oracle(&key), oracle(&key));
        for n in 0..600_u32 {
            let sequence = u16::try_from((65_300 + n) % 65_536).unwrap();
            let mut plain = rtp(sequence, 0x1234_5678, usize::try_from(n).unwrap());
            if n % 3 == 0 {
                plain[0] |= 0x10 | 1;
                let extra = [0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0];
                plain.splice(12..12, extra);
            }
            let protected = sent(&mut ours, &plain);
            assert_eq!(protected.len(), plain.len() + suite.rtp_tag());
            assert_eq!(
                theirs.decrypt_rtp(&protected).unwrap(),
                plain,
                "{suite:?} {n}"
            );
            let mut protected = their_sender.encrypt_rtp(&plain).unwrap();
            assert_eq!(
                receiver.unprotect_rtp(&mut protected),
                Ok(&plain[..]),
                "{suite:?} {n}"
            );
            let report = rtcp(n);
            let mut out = Vec::new();
            ours.protect_rtcp(&report, &mut out).unwrap();
            assert_eq!(theirs.decrypt_rtcp(&out).unwrap(), report, "{suite:?}");
            let mut protected = their_sender.encrypt_rtcp(&rtcp(7)).unwrap();
            assert_eq!(
                receiver.unprotect_rtcp(&mut protected),
                Ok(&rtcp(7)[..]),
                "{suite:?}"
            );
        }
    }
}

#[test]
fn rfc3711_3_3_2_a_packet_is_taken_once_and_changes_are_noticed() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let plain = rtp(1, 5, 160);
        let protected = sent(&mut sender, &plain);
        for at in [1, 5, 9, 13, 100, protected.len() - 1] {
            let mut forged = protected.clone();
            forged[at] ^= 1;
            assert_eq!(
                receiver.unprotect_rtp(&mut forged),
                Err(Refusal::Authentication),
                "{suite:?} {at}"
            );
        }
        assert_eq!(
            receiver.unprotect_rtp(&mut protected.clone()),
            Ok(&plain[..])
        );
        assert_eq!(
            receiver.unprotect_rtp(&mut protected.clone()),
            Err(Refusal::Replayed)
        );
        let mut report = Vec::new();
        sender.protect_rtcp(&rtcp(5), &mut report).unwrap();
        let mut forged = report.clone();
        forged[4] ^= 1;
        assert_eq!(
            receiver.unprotect_rtcp(&mut forged),
            Err(Refusal::Authentication)
        );
        assert!(receiver.unprotect_rtcp(&mut report.clone()).is_ok());
        assert_eq!(receiver.unprotect_rtcp(&mut report), Err(Refusal::Replayed));
    }
}

#[test]
fn rfc3711_3_4_unencrypted_rtcp_is_refused() {
    for suite in [Suite::AesCm128Tag80, Suite::AesGcm128] {
        let (mut sender, mut receiver) = pair(suite);
        let mut report = Vec::new();
        sender.protect_rtcp(&rtcp(5), &mut report).unwrap();
        let flag = if suite.is_gcm() {
            report.len() - 4
        } else {
            report.len() - 14
        };
        report[flag] &= 0x7f;
        assert_eq!(
            receiver.unprotect_rtcp(&mut report),
            Err(Refusal::Unencrypted)
        );
    }
}

/// The first packets were lost and with them the rollover.
#[test]
fn rfc3711_3_3_1_a_source_may_begin_after_its_rollover() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        sent(&mut sender, &rtp(65_530, 5, 20));
        let plain = rtp(3, 5, 20);
        let mut later = sent(&mut sender, &plain);
        assert_eq!(
            receiver.unprotect_rtp(&mut later),
            Ok(&plain[..]),
            "{suite:?}"
        );
        let reordered = rtp(65_535, 5, 20);
        let mut before = sent(&mut sender, &reordered);
        assert_eq!(
            receiver.unprotect_rtp(&mut before),
            Ok(&reordered[..]),
            "{suite:?}"
        );
    }
}

/// A new key whose sender goes on counting rollovers, as RFC 3711 §3.3.1 has it.
#[test]
fn rfc3711_3_3_1_a_count_may_go_on_under_a_new_key() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for lap in 0..5_u32 {
            for at in [100, 20_000, 40_000, 60_000] {
                let mut packet = sent(&mut sender, &rtp(at, 5, 20));
                assert!(
                    receiver.unprotect_rtp(&mut packet).is_ok(),
                    "{suite:?} {lap} {at}"
                );
            }
        }
        let key = master(suite, 4);
        let mut fresh = Receiver::new(&[peer(&key)], MOST).unwrap();
        fresh.continues(&receiver);
        let mut counting = Sender::new(&key, MOST).unwrap();
        for _ in 0..5 {
            for at in [100, 20_000, 40_000, 60_000] {
                sent(&mut counting, &rtp(at, 5, 20));
            }
        }
        let plain = rtp(60_001, 5, 20);
        let mut protected = sent(&mut counting, &plain);
        assert_eq!(
            fresh.unprotect_rtp(&mut protected),
            Ok(&plain[..]),
            "{suite:?}"
        );
        let mut anew = Receiver::new(&[peer(&key)], MOST).unwrap();
        anew.continues(&receiver);
        let mut protected = sent(&mut Sender::new(&key, MOST).unwrap(), &plain);
        assert_eq!(
            anew.unprotect_rtp(&mut protected),
            Ok(&plain[..]),
            "{suite:?}"
        );
    }
}

#[test]
fn a_peer_has_only_so_many_sources_and_strangers_make_none() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128Tag80);
    for ssrc in 100..200 {
        let mut forged = rtp(1, ssrc, 40);
        assert_eq!(
            receiver.unprotect_rtp(&mut forged),
            Err(Refusal::Authentication)
        );
    }
    for ssrc in 0..4 {
        let mut packet = sent(&mut sender, &rtp(1, ssrc, 40));
        assert!(receiver.unprotect_rtp(&mut packet).is_ok());
    }
    let mut other = Sender::new(&master(Suite::AesCm128Tag80, 3), MOST).unwrap();
    let mut packet = sent(&mut other, &rtp(1, 9, 40));
    assert_eq!(
        receiver.unprotect_rtp(&mut packet),
        Err(Refusal::TooManySources)
    );
}

/// RFC 3711 §3.1: the identifier stands before the tag, RFC 7714 §8.3: behind it.
#[test]
fn rfc3711_3_1_a_packet_may_name_its_key() {
    for suite in Suite::ALL {
        let keys = [master(suite, 1), master(suite, 2)];
        let named = |at: usize| PeerKey {
            master: keys[at].clone(),
            mki: SmallVec::from_slice(&[0, u8::try_from(at).unwrap()]),
        };
        let mut receiver = Receiver::new(&[named(0), named(1)], MOST).unwrap();
        for (at, key) in keys.iter().enumerate() {
            let mut sender = Sender::new(key, MOST).unwrap();
            let plain = rtp(7 + u16::try_from(at).unwrap(), 5, 80);
            let with_name = |mut packet: Vec<u8>, behind: usize, name: u8| {
                let place = packet.len() - behind;
                packet.splice(place..place, [0, name]);
                packet
            };
            let behind = |tag: usize| if suite.is_gcm() { 0 } else { tag };
            let name = u8::try_from(at).unwrap();
            let protected = sent(&mut sender, &plain);
            let mut packet = with_name(protected.clone(), behind(suite.rtp_tag()), name);
            assert_eq!(
                receiver.unprotect_rtp(&mut packet),
                Ok(&plain[..]),
                "{suite:?}"
            );
            let mut unknown = with_name(protected, behind(suite.rtp_tag()), 9);
            unknown[3] += 50;
            assert_eq!(
                receiver.unprotect_rtp(&mut unknown),
                Err(Refusal::UnknownKey)
            );
            let mut report = Vec::new();
            sender
                .protect_rtcp(&rtcp(u32::from(name)), &mut report)
                .unwrap();
            let mut report = with_name(report, behind(suite.rtcp_tag()), name);
            assert_eq!(
                receiver.unprotect_rtcp(&mut report),
                Ok(&rtcp(u32::from(name))[..]),
                "{suite:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn nothing_a_stranger_sends_is_taken_or_panics(octets in proptest::collection::vec(any::<u8>(), 0..200), suite in 0..6_usize) {
        let (_, mut receiver) = pair(Suite::ALL[suite]);
        prop_assert!(receiver.unprotect_rtp(&mut octets.clone()).is_err());
        let mut report = octets;
        prop_assert!(receiver.unprotect_rtcp(&mut report).is_err());
    }

    #[test]
    fn packets_out_of_order_all_come_through(order in Just((0..100_u16).collect::<Vec<_>>()).prop_shuffle(), start: u16) {
        let (mut sender, mut receiver) = pair(Suite::AesCm128Tag80);
        let made: Vec<_> = (0..100_u16).map(|n| sent(&mut sender, &rtp(start.wrapping_add(n), 5, 10))).collect();
        // The first packet of a source says where its count is.
        prop_assert!(receiver.unprotect_rtp(&mut made[50].clone()).is_ok() || start.checked_add(50).is_none());
        for at in order {
            let mut packet = made[usize::from(at)].clone();
            let fresh = receiver.unprotect_rtp(&mut packet).is_ok();
            prop_assert!(fresh || at == 50, "{at} {start}");
        }
    }
}
