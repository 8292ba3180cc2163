//! Session keys out of a master key (RFC 3711 §4.3), and what they do to the octets of a packet:
//! counter mode with HMAC-SHA1 (RFC 3711 §4), Galois/Counter mode (RFC 7714).

use super::keys::MasterKey;
use super::suite::Suite;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Aes256, Block};
use hmac::{Hmac, Mac as _};
use ring::aead;
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Which of the two streams of a session the keys are for (RFC 3711 §4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Rtp,
    Rtcp,
}

impl Stream {
    /// The labels of the encryption key, the authentication key and the salt.
    fn labels(self) -> (u8, u8, u8) {
        match self {
            Self::Rtp => (0, 1, 2),
            Self::Rtcp => (3, 4, 5),
        }
    }
}

/// The session keys of one stream in one direction, ready to use.
pub(super) struct Transform {
    kind: Kind,
    salt: Zeroizing<[u8; 14]>,
    tag: usize,
}

enum Kind {
    /// The MAC has taken its key: each packet begins with a copy of that state.
    Counter {
        cipher: Aes,
        mac: Box<Hmac<Sha1>>,
    },
    Galois(Box<aead::LessSafeKey>),
}

/// AES with either key length.
enum Aes {
    Short(Box<Aes128>),
    Long(Box<Aes256>),
}

impl Transform {
    /// Derives the keys of `stream`. `None` never happens with a [`MasterKey`], whose lengths are
    /// those of its suite.
    pub(super) fn new(master: &MasterKey, stream: Stream) -> Option<Self> {
        let suite = master.suite();
        let derive = Aes::new(master.key())?;
        let master_salt = master.salt();
        let (encryption, authentication, salting) = stream.labels();
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..suite.key_octets())?;
        derive.derive(&master_salt, encryption, key);
        let mut salt = Zeroizing::new([0; 14]);
        let used = salt.get_mut(..suite.salt_octets())?;
        derive.derive(&master_salt, salting, used);
        let kind = if suite.is_gcm() {
            let algorithm = match suite {
                Suite::AesGcm256 => &aead::AES_256_GCM,
                Suite::AesGcm128
                | Suite::AesCm128Tag80
                | Suite::AesCm128Tag32
                | Suite::AesCm256Tag80
                | Suite::AesCm256Tag32 => &aead::AES_128_GCM,
            };
            let key = aead::UnboundKey::new(algorithm, key).ok()?;
            Kind::Galois(Box::new(aead::LessSafeKey::new(key)))
        } else {
            let mut mac = Zeroizing::new([0; 20]);
            derive.derive(&master_salt, authentication, mac.as_mut_slice());
            let mac = <Hmac<Sha1> as hmac::Mac>::new_from_slice(mac.as_slice()).ok()?;
            Kind::Counter {
                cipher: Aes::new(key)?,
                mac: Box::new(mac),
            }
        };
        let tag = match stream {
            Stream::Rtp => suite.rtp_tag(),
            Stream::Rtcp => suite.rtcp_tag(),
        };
        Some(Self { kind, salt, tag })
    }

    /// Octets of the tag.
    pub(super) fn tag(&self) -> usize {
        self.tag
    }

    /// The tag comes after what follows the encrypted octets (RFC 3711 §3.4), instead of at once
    /// behind them (RFC 7714 §17).
    pub(super) fn tags_last(&self) -> bool {
        matches!(self.kind, Kind::Counter { .. })
    }

    /// Encrypts `packet` from `clear` on, and appends the tag. `ssrc` and the 48-bit `index` make
    /// the initialisation vector; `trailer` is authenticated as well (rollover counter or SRTCP
    /// index).
    pub(super) fn seal(
        &self,
        numbers: Numbers,
        clear: usize,
        trailer: [u8; 4],
        packet: &mut Vec<u8>,
    ) -> bool {
        match &self.kind {
            Kind::Counter { cipher, mac } => {
                let Some(payload) = packet.get_mut(clear..) else {
                    return false;
                };
                cipher.xor(self.counter_iv(numbers), payload);
                let tag = authenticate(mac, packet, trailer);
                packet.extend_from_slice(tag.get(..self.tag).unwrap_or_default());
                true
            }
            Kind::Galois(key) => {
                let nonce = self.galois_nonce(numbers);
                let Some((head, payload)) = packet.split_at_mut_checked(clear) else {
                    return false;
                };
                let associated = Associated::of(head, numbers, trailer);
                let aad = aead::Aad::from(associated.octets());
                let Ok(tag) = key.seal_in_place_separate_tag(nonce, aad, payload) else {
                    return false;
                };
                packet.extend_from_slice(tag.as_ref());
                true
            }
        }
    }

    /// Checks and decrypts `packet` from `clear` on in place; its last octets are `tag` when that is not given
    /// apart. Returns how many octets of packet there are. In counter mode a refused packet is left as it was, in
    /// Galois mode it is not.
    pub(super) fn open(
        &self,
        numbers: Numbers,
        clear: usize,
        trailer: [u8; 4],
        packet: &mut [u8],
        tag: Option<&[u8]>,
    ) -> Option<usize> {
        match &self.kind {
            Kind::Counter { cipher, mac } => {
                let (body, tag) = match tag {
                    Some(tag) => (packet, tag),
                    None => {
                        let at = packet.len().checked_sub(self.tag)?;
                        let (body, tag) = packet.split_at_mut_checked(at)?;
                        (body, &*tag)
                    }
                };
                let expected = authenticate(mac, body, trailer);
                let expected = expected.get(..self.tag)?;
                if !bool::from(expected.ct_eq(tag)) {
                    return None;
                }
                cipher.xor(self.counter_iv(numbers), body.get_mut(clear..)?);
                Some(body.len())
            }
            Kind::Galois(key) => {
                let nonce = self.galois_nonce(numbers);
                let (head, sealed) = packet.split_at_mut_checked(clear)?;
                let associated = Associated::of(head, numbers, trailer);
                let aad = aead::Aad::from(associated.octets());
                let opened = key.open_in_place(nonce, aad, sealed).ok()?;
                Some(clear + opened.len())
            }
        }
    }

    /// RFC 3711 §4.1.1: `(salt << 16) ^ (ssrc << 64) ^ (index << 16)`.
    fn counter_iv(&self, numbers: Numbers) -> [u8; 16] {
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(self.salt.iter()) {
            *to = *from;
        }
        let vector = u128::from_be_bytes(salt)
            ^ (u128::from(numbers.ssrc) << 64)
            ^ (u128::from(numbers.index) << 16);
        salt.zeroize();
        vector.to_be_bytes()
    }

    /// RFC 7714 §8.1 and §9.1: two zero octets, the SSRC, and the index in six octets, against the salt.
    fn galois_nonce(&self, numbers: Numbers) -> aead::Nonce {
        let vector = (u128::from(numbers.ssrc) << 48) ^ u128::from(numbers.index);
        let mut nonce = [0; 12];
        let octets = vector.to_be_bytes();
        let plain = octets.iter().skip(4);
        for ((to, from), salt) in nonce.iter_mut().zip(plain).zip(self.salt.iter()) {
            *to = from ^ salt;
        }
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

/// The numbers that make each packet's encryption another: never the same twice under one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) ssrc: u32,
    /// 48 bits: rollover counter and sequence number, or the SRTCP index.
    pub(super) index: u64,
    /// RTCP, whose index goes into the associated data (RFC 7714 §9.2).
    pub(super) rtcp: bool,
}

/// The data that Galois mode authenticates without encrypting it: the head of the packet, and for
/// RTCP the octets with the index behind it.
enum Associated<'a> {
    Head(&'a [u8]),
    Report([u8; 12]),
}

impl<'a> Associated<'a> {
    fn of(head: &'a [u8], numbers: Numbers, trailer: [u8; 4]) -> Self {
        if !numbers.rtcp {
            return Self::Head(head);
        }
        let mut octets = [0; 12];
        for (to, from) in octets.iter_mut().zip(head.iter().take(8).chain(&trailer)) {
            *to = *from;
        }
        Self::Report(octets)
    }

    fn octets(&self) -> &[u8] {
        match self {
            Self::Head(head) => head,
            Self::Report(octets) => octets,
        }
    }
}

fn authenticate(mac: &Hmac<Sha1>, packet: &[u8], trailer: [u8; 4]) -> [u8; 20] {
    let mut mac = mac.clone();
    mac.update(packet);
    mac.update(&trailer);
    mac.finalize().into_bytes().into()
}

impl Aes {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Some(Self::Short(Box::new(Aes128::new_from_slice(key).ok()?))),
            32 => Some(Self::Long(Box::new(Aes256::new_from_slice(key).ok()?))),
            _ => None,
        }
    }

    fn encrypt(&self, blocks: &mut [Block]) {
        match self {
            Self::Short(aes) => aes.encrypt_blocks(blocks),
            Self::Long(aes) => aes.encrypt_blocks(blocks),
        }
    }

    /// The key derivation function AES-CM (RFC 3711 §4.3.3, RFC 6188 §3) with a derivation rate
    /// of zero.
    fn derive(&self, salt: &[u8; 14], label: u8, out: &mut [u8]) {
        let mut vector = [0; 16];
        for (to, from) in vector.iter_mut().zip(salt) {
            *to = *from;
        }
        // The label stands 48 bits above the end of the salt.
        if let Some(octet) = vector.get_mut(7) {
            *octet ^= label;
        }
        out.fill(0);
        self.xor(vector, out);
        vector.zeroize();
    }

    /// Adds the key stream that begins at `vector`, whose last two octets count the blocks
    /// (RFC 3711 §4.1.1).
    fn xor(&self, vector: [u8; 16], octets: &mut [u8]) {
        let base = u128::from_be_bytes(vector);
        let [.., high, low] = vector;
        let mut count = u16::from_be_bytes([high, low]);
        let base = base & !0xffff;
        for chunk in octets.chunks_mut(16 * PARALLEL) {
            let mut blocks = [Block::default(); PARALLEL];
            let needed = chunk.len().div_ceil(16);
            for block in blocks.iter_mut().take(needed) {
                *block = (base | u128::from(count)).to_be_bytes().into();
                count = count.wrapping_add(1);
            }
            let (used, _) = blocks.split_at_mut(needed.min(PARALLEL));
            self.encrypt(used);
            let (whole, rest) = chunk.as_chunks_mut::<16>();
            let mut keys = used.iter();
            for (octets, key) in whole.iter_mut().zip(&mut keys) {
                let sum = u128::from_ne_bytes(*octets) ^ u128::from_ne_bytes((*key).into());
                *octets = sum.to_ne_bytes();
            }
            for (octet, key) in rest.iter_mut().zip(keys.flatten()) {
                *octet ^= key;
            }
        }
    }
}

/// Blocks encrypted at a time: the processor works at so many at once, and at the remainder of fewer one by one.
const PARALLEL: usize = 8;
