//! What is hashed: RFC 7616 §3.4, and RFC 2617's and RFC 2069's forms of it.

use super::algorithm::{Algorithm, Ha1};

/// Quality of protection (RFC 7616 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// The request line.
    Auth,
    /// The request line and the body.
    AuthInt,
}

impl Qop {
    /// The token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("auth") {
            Some(Self::Auth)
        } else if name.eq_ignore_ascii_case("auth-int") {
            Some(Self::AuthInt)
        } else {
            None
        }
    }
}

/// What a client adds when there is a `qop`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    pub(super) qop: Qop,
    /// Eight hexadecimal digits, as spelled.
    pub(super) nc: &'a str,
    pub(super) cnonce: &'a str,
}

/// All that goes into a digest but the secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a str,
    /// `None`: RFC 2069's form, without `qop`.
    pub(super) counted: Option<Counted<'a>>,
    /// The client nonce; `-sess` needs it even without `qop`.
    pub(super) cnonce: &'a str,
    pub(super) uri: &'a [u8],
    pub(super) body: &'a [u8],
}

impl Subject<'_> {
    /// request-digest (RFC 7616 §3.4.1).
    pub(super) fn request(&self, ha1: &Ha1, method: &[u8]) -> String {
        self.digest(ha1, method)
    }

    /// response-digest, `rspauth` (RFC 7616 §3.5): as the request's with an empty method; `body` is
    /// then that of the response.
    pub(super) fn response(&self, ha1: &Ha1) -> String {
        self.digest(ha1, b"")
    }

    fn digest(&self, ha1: &Ha1, method: &[u8]) -> String {
        let hash = self.algorithm.hash;
        let bound;
        let a1 = if self.algorithm.session {
            let parts = [
                ha1.reveal().as_bytes(),
                b":",
                self.nonce.as_bytes(),
                b":",
                self.cnonce.as_bytes(),
            ];
            bound = hash.hex(&parts);
            &bound
        } else {
            ha1.reveal()
        };
        let a2 = match self.counted.map(|counted| counted.qop) {
            Some(Qop::AuthInt) => {
                let body = hash.hex(&[self.body]);
                hash.hex(&[method, b":", self.uri, b":", body.as_bytes()])
            }
            Some(Qop::Auth) | None => hash.hex(&[method, b":", self.uri]),
        };
        let (a1, a2, nonce) = (a1.as_bytes(), a2.as_bytes(), self.nonce.as_bytes());
        match &self.counted {
            None => hash.hex(&[a1, b":", nonce, b":", a2]),
            Some(counted) => {
                let (nc, cnonce) = (counted.nc.as_bytes(), counted.cnonce.as_bytes());
                let qop = counted.qop.name().as_bytes();
                hash.hex(&[a1, b":", nonce, b":", nc, b":", cnonce, b":", qop, b":", a2])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::algorithm::Hash;
    use super::*;

    fn mufasa(hash: Hash) -> String {
        let subject = Subject {
            algorithm: Algorithm::plain(hash),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            counted: Some(Counted {
                qop: Qop::Auth,
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            uri: b"/dir/index.html",
            body: b"",
        };
        let ha1 = Ha1::new(hash, "Mufasa", "http-auth@example.org", "Circle of Life");
        subject.request(&ha1, b"GET")
    }

    #[test]
    fn rfc7616_3_9_1_examples() {
        assert_eq!(mufasa(Hash::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            mufasa(Hash::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn rfc2617_3_5_example() {
        let subject = Subject {
            algorithm: Algorithm::plain(Hash::Md5),
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            counted: Some(Counted {
                qop: Qop::Auth,
                nc: "00000001",
                cnonce: "0a4f113b",
            }),
            cnonce: "0a4f113b",
            uri: b"/dir/index.html",
            body: b"",
        };
        let ha1 = Ha1::new(Hash::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1.reveal(), "939e7578ed9e3c518a452acee763bce9");
        assert_eq!(
            subject.request(&ha1, b"GET"),
            "6629fae49393a05397450978507c4ef1"
        );
        let old = Subject {
            counted: None,
            ..subject
        };
        assert_eq!(
            old.request(&ha1, b"GET"),
            "670fd8c2df070c60b045671b8b24ff02"
        );
    }

    #[test]
    fn rfc7616_3_9_2_sha_512_256_of_fips_180_4() {
        // The name in RFC 7616's example needs the whole user hash dance; the function itself is
        // what can be checked: FIPS 180-4's SHA-512/256 of "abc".
        assert_eq!(
            Hash::Sha512T256.hex(&[b"a", b"bc"]),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn rfc7616_3_4_2_a_session_key_and_the_body_change_the_digest() {
        let ha1 = Ha1::new(Hash::Sha256, "a", "r", "p");
        let counted = |qop| Counted {
            qop,
            nc: "00000001",
            cnonce: "c",
        };
        let subject = |session, qop, body| Subject {
            algorithm: Algorithm {
                hash: Hash::Sha256,
                session,
            },
            nonce: "n",
            counted: Some(counted(qop)),
            cnonce: "c",
            uri: b"sip:x",
            body,
        };
        let digests = [
            subject(false, Qop::Auth, b"1"),
            subject(true, Qop::Auth, b"1"),
            subject(false, Qop::AuthInt, b"1"),
            subject(false, Qop::AuthInt, b"2"),
        ]
        .map(|subject| subject.request(&ha1, b"INVITE"));
        for (at, one) in digests.iter().enumerate() {
            assert!(digests.iter().skip(at + 1).all(|other| other != one));
        }
        let unprotected = subject(false, Qop::Auth, b"2").request(&ha1, b"INVITE");
        assert_eq!(unprotected, digests[0]);
    }
}
