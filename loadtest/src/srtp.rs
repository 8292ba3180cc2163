//! SRTP of the simulated phones (RFC 3711): AES in counter mode with 128 bits, HMAC-SHA1 with 80. Written beside the
//! server's own, and from the standard alone.

#![expect(
    clippy::indexing_slicing,
    reason = "keys and blocks have lengths of their own; a packet's are looked at before"
)]

use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Block};
use ring::hmac;

/// Master key and master salt, as SDES has them (RFC 4568 §6.2).
pub type Master = [u8; 30];

/// Octets of the tag.
const TAG: usize = 10;

/// One direction of one phone.
pub struct Srtp {
    cipher: Aes128,
    mac: hmac::Key,
    salt: [u8; 14],
    rollovers: u32,
    highest: Option<u16>,
}

impl std::fmt::Debug for Srtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Srtp").finish_non_exhaustive()
    }
}

impl Srtp {
    /// Derives the session keys (§4.3).
    pub fn new(master: &Master) -> Self {
        let (mut key, mut salt) = ([0; 16], [0; 14]);
        key.copy_from_slice(&master[..16]);
        salt.copy_from_slice(&master[16..]);
        let prf = Aes128::new(&key.into());
        let mut derived = [[0; 32]; 3];
        for (label, out) in (0_u8..).zip(&mut derived) {
            let mut block = [0; 16];
            block[..14].copy_from_slice(&salt);
            block[7] ^= label;
            keystream(&prf, block, out);
        }
        let [encryption, authentication, salting] = derived;
        key.copy_from_slice(&encryption[..16]);
        salt.copy_from_slice(&salting[..14]);
        Self {
            cipher: Aes128::new(&key.into()),
            mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &authentication[..20]),
            salt,
            rollovers: 0,
            highest: None,
        }
    }

    /// Encrypts a packet without CSRCs and extension, and appends its tag.
    pub fn protect(&mut self, packet: &mut Vec<u8>) {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let rollovers = self.count(sequence);
        self.encrypt(packet, 12, rollovers);
        let tag = self.tag(packet, rollovers);
        packet.extend(&tag.as_ref()[..TAG]);
    }

    /// Decrypts a packet; `None` when it is not authentic.
    pub fn unprotect<'p>(&mut self, packet: &'p mut [u8]) -> Option<&'p [u8]> {
        let (packet, tag) = packet.split_at_mut(packet.len().checked_sub(TAG)?);
        let &[first, _, high, low, ..] = &*packet else {
            return None;
        };
        let mut clear = 12 + 4 * usize::from(first & 15);
        if first & 0x10 != 0 {
            let words = packet.get(clear + 2..clear + 4)?;
            clear += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let sequence = u16::from_be_bytes([high, low]);
        let before = (self.rollovers, self.highest);
        let rollovers = self.count(sequence);
        if packet.len() < clear || self.tag(packet, rollovers).as_ref()[..TAG] != *tag {
            (self.rollovers, self.highest) = before;
            return None;
        }
        self.encrypt(packet, clear, rollovers);
        Some(packet)
    }

    /// The rollover counter of a packet that is not far from the last one (§3.3.1).
    fn count(&mut self, sequence: u16) -> u32 {
        let highest = *self.highest.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(highest) < 0x8000;
        if ahead {
            self.highest = Some(sequence);
            self.rollovers += u32::from(sequence < highest);
            self.rollovers
        } else {
            self.rollovers.saturating_sub(u32::from(sequence > highest))
        }
    }

    /// §4.1.1.
    fn encrypt(&self, packet: &mut [u8], clear: usize, rollovers: u32) {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&self.salt);
        let index = [&packet[8..12], &rollovers.to_be_bytes(), &packet[2..4]].concat();
        for (octet, more) in block[4..14].iter_mut().zip(index) {
            *octet ^= more;
        }
        keystream(&self.cipher, block, &mut packet[clear..]);
    }

    /// §4.2: over the packet and the rollover counter.
    fn tag(&self, packet: &[u8], rollovers: u32) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(packet);
        context.update(&rollovers.to_be_bytes());
        context.sign()
    }
}

/// Adds the key stream that begins with this block.
fn keystream(cipher: &Aes128, mut block: [u8; 16], octets: &mut [u8]) {
    for (counter, part) in (0_u16..).zip(octets.chunks_mut(16)) {
        block[14..].copy_from_slice(&counter.to_be_bytes());
        let mut stream = Block::from(block);
        cipher.encrypt_block(&mut stream);
        for (octet, key) in part.iter_mut().zip(stream) {
            *octet ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3711_b_3_session_keys_are_those_of_the_standard() {
        let master: Master = [
            0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE,
            0x41, 0x39, 0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A,
            0xAB, 0xE6,
        ];
        let salt = [
            0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C, 0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1,
        ];
        assert_eq!(Srtp::new(&master).salt, salt);
    }

    #[test]
    fn what_one_phone_encrypts_another_reads_across_a_rollover() {
        let master = [7; 30];
        let (mut one, mut other) = (Srtp::new(&master), Srtp::new(&master));
        for sequence in [0xfffe_u16, 0xffff, 0, 1] {
            let mut plain = vec![0x80, 0];
            plain.extend(sequence.to_be_bytes());
            plain.extend([0; 8]);
            plain.extend([0x55; 160]);
            let mut packet = plain.clone();
            one.protect(&mut packet);
            assert_ne!(packet[12..172], plain[12..]);
            let mut forged = packet.clone();
            forged[20] ^= 1;
            assert_eq!(other.unprotect(&mut forged), None);
            assert_eq!(other.unprotect(&mut packet), Some(plain.as_slice()));
        }
    }
}
