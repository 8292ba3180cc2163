//! Hash functions by their names (RFC 7616 §6.1, RFC 8760 §2.1), and what a user's password
//! becomes.

use crate::msg::Text;
use std::fmt;
use std::fmt::Write as _;
use subtle::ConstantTimeEq as _;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// MD5 (RFC 1321): for devices that know nothing else.
    Md5,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512/256 (FIPS 180-4).
    Sha512T256,
}

impl Hash {
    /// All, the strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512T256, Self::Sha256, Self::Md5];

    /// The hash of the parts one after the other, in lower-case hexadecimal digits.
    pub(crate) fn hex(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => digest::<md5::Md5>(parts),
            Self::Sha256 => digest::<sha2::Sha256>(parts),
            Self::Sha512T256 => digest::<sha2::Sha512_256>(parts),
        }
    }

    /// How many hexadecimal digits it has.
    #[must_use]
    pub const fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512T256 => 64,
        }
    }
}

fn digest<D: md5::Digest>(parts: &[&[u8]]) -> String {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    let octets = hasher.finalize();
    let mut hex = String::with_capacity(octets.len() * 2);
    for octet in octets.iter() {
        // Writing to a String does not fail.
        write!(hex, "{octet:02x}").unwrap_or_default();
    }
    hex
}

/// The `algorithm` of a challenge: a hash function, and whether its key is bound to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Algorithm {
    /// The hash function.
    pub hash: Hash,
    /// `-sess`: A1 takes in the first nonce and cnonce (RFC 7616 §3.4.2).
    pub session: bool,
}

impl Algorithm {
    /// This hash function without `-sess`.
    #[must_use]
    pub const fn plain(hash: Hash) -> Self {
        Self {
            hash,
            session: false,
        }
    }

    /// The algorithm of this name, in either case; `None` if it is not known. (A challenge without
    /// a name means MD5.)
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let (base, session) = lower
            .strip_suffix("-sess")
            .map_or((lower.as_str(), false), |base| (base, true));
        let hash = match base {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            "sha-512-256" => Hash::Sha512T256,
            _ => return None,
        };
        Some(Self { hash, session })
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self.hash, self.session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
            (Hash::Sha512T256, false) => "SHA-512-256",
            (Hash::Sha512T256, true) => "SHA-512-256-sess",
        }
    }
}

impl From<Algorithm> for Text {
    fn from(algorithm: Algorithm) -> Self {
        Self::from_static(algorithm.name())
    }
}

/// H(username:realm:password): what a password is good for in one realm, and all that is to be kept
/// of it (RFC 7616 §3.4.2). As secret as the password, in that realm.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    hash: Hash,
    hex: String,
}

impl Ha1 {
    /// From a password. Name and password are UTF-8 as they are.
    #[must_use]
    pub fn new(hash: Hash, username: &str, realm: &str, password: &str) -> Self {
        let parts = [
            username.as_bytes(),
            b":",
            realm.as_bytes(),
            b":",
            password.as_bytes(),
        ];
        let hex = hash.hex(&parts);
        Self { hash, hex }
    }

    /// From the hexadecimal digits that were kept; `None` if it cannot be one of this function.
    #[must_use]
    pub fn from_hex(hash: Hash, hex: &str) -> Option<Self> {
        let fits = hex.len() == hash.digits() && hex.bytes().all(|octet| octet.is_ascii_hexdigit());
        fits.then(|| Self {
            hash,
            hex: hex.to_ascii_lowercase(),
        })
    }

    /// The function.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The hexadecimal digits, to be kept where nobody reads them.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.hex
    }
}

impl fmt::Debug for Ha1 {
    /// Without the digits: they are as good as the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({:?} …)", self.hash)
    }
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
