//! The judge of credentials (RFC 3261 §22.1, RFC 7616 §3.4.6).

use super::algorithm::{Algorithm, Ha1, Hash, same};
use super::challenge::{Challenge, push, quote};
use super::digest::{Counted, Qop, Subject};
use super::nonce::{NonceId, Nonces, Origin, Standing, Worthless};
use crate::msg::{AuthParams, HeaderName, Request, Text, Uri};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The algorithms offered, the preferred first; one challenge each (RFC 8760 §2.3).
    pub algorithms: Vec<Algorithm>,
    /// Whether `auth-int` is offered beside `auth`.
    pub auth_int: bool,
    /// How long a nonce can be used.
    pub nonce_life: Duration,
    /// Nonces whose counts are remembered. Beyond: the oldest becomes stale.
    pub counted_nonces: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::plain(Hash::Sha256), Algorithm::plain(Hash::Md5)],
            auth_int: true,
            nonce_life: Duration::from_secs(300),
            counted_nonces: 100_000,
        }
    }
}

/// Challenges, and judges the answers. See the module documentation.
pub struct Authenticator {
    settings: Settings,
    nonces: Nonces,
    rng: StdRng,
    /// What unknown users are judged by.
    nobody: String,
}

/// What became of the credentials of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has none for this realm: challenge.
    Absent,
    /// They cannot be read: 400 with these words (RFC 3261 §22.4).
    Malformed(&'static str),
    /// They are right, but their nonce is worthless: challenge with `stale`. Why is for counters only.
    Stale(Worthless),
    /// They are wrong: challenge again. Who answers must not say which it was.
    Denied {
        /// The name that was tried.
        username: String,
        /// For counters and bans only.
        why: Denied,
    },
    /// They are right.
    Granted(Granted),
}

/// Why credentials are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denied {
    /// There is no such user.
    UnknownUser,
    /// The password is another.
    WrongPassword,
    /// Everything is right, but these very credentials were used before.
    Replayed,
}

/// Right credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// The name they prove.
    pub username: String,
    info: Option<Info>,
}

/// What `Authentication-Info` is made of.
#[derive(Clone, PartialEq, Eq)]
struct Info {
    ha1: Ha1,
    algorithm: Algorithm,
    nonce: String,
    qop: Qop,
    nc: String,
    cnonce: String,
    uri: String,
    next: Option<String>,
}

/// Credentials as they came.
struct Presented {
    username: String,
    nonce: String,
    uri: String,
    response: String,
    algorithm: Algorithm,
    cnonce: String,
    counted: Option<(Qop, String, u32)>,
}

impl Authenticator {
    /// One whose key, nonces and all come from this seed. Nonces of another seed are stale.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        let nobody = format!("{:032x}", rng.next_u64());
        let nonces = Nonces::new(key, now, settings.nonce_life, settings.counted_nonces);
        Self {
            settings,
            nonces,
            rng,
            nobody,
        }
    }

    /// The values of `WWW-Authenticate` (or `Proxy-Authenticate`) for this realm, in order, to be
    /// sent to `peer`.
    pub fn challenge(&mut self, now: Instant, realm: &str, stale: bool, peer: IpAddr) -> Vec<Text> {
        let nonce = self.nonces.make(now, realm, self.rng.next_u64(), peer);
        let qop = if self.settings.auth_int {
            vec![Qop::Auth, Qop::AuthInt]
        } else {
            vec![Qop::Auth]
        };
        let challenge = |algorithm: &Algorithm| Challenge {
            realm: realm.to_owned(),
            nonce: nonce.clone(),
            opaque: None,
            algorithm: *algorithm,
            qop: qop.clone(),
            stale,
        };
        let offered = self.settings.algorithms.iter();
        offered.map(|one| challenge(one).print()).collect()
    }

    /// Judges the credentials in `Authorization` for this realm. `secret` answers what is kept of
    /// the password of a user of this realm; it is asked once. The answer is sent to `peer`, with
    /// the next nonce where this one ages.
    pub fn check(
        &mut self,
        now: Instant,
        (request, peer): (&Request, IpAddr),
        realm: &str,
        secret: impl FnOnce(&str, Hash) -> Option<Ha1>,
    ) -> Verdict {
        let name = HeaderName::Authorization;
        self.check_field(now, (request, peer), &name, realm, secret)
    }

    /// As [`Self::check`], from this field (`Proxy-Authorization`).
    pub fn check_field(
        &mut self,
        now: Instant,
        (request, peer): (&Request, IpAddr),
        field: &HeaderName,
        realm: &str,
        secret: impl FnOnce(&str, Hash) -> Option<Ha1>,
    ) -> Verdict {
        let presented = match presented(request, field, realm) {
            Ok(Some(presented)) => presented,
            Ok(None) => return Verdict::Absent,
            Err(what) => return Verdict::Malformed(what),
        };
        if !is_meant(&presented.uri, &request.uri) {
            return Verdict::Malformed("Digest URI Is Not the Request-URI");
        }
        // RFC 8760 §2.4: what was not offered is no answer.
        if !self.settings.algorithms.contains(&presented.algorithm) {
            return Verdict::Malformed("Digest Algorithm Not Offered");
        }
        let hash = presented.algorithm.hash;
        let known = secret(&presented.username, hash);
        let ha1 = known
            .clone()
            .unwrap_or_else(|| Ha1::new(hash, &presented.username, realm, &self.nobody));
        let expected = presented
            .subject(&request.body)
            .request(&ha1, request.method.as_str().as_bytes());
        let right = same(&expected, &presented.response);
        let why = match (known.is_some(), right) {
            (true, true) => return self.grant(now, realm, ha1, presented, peer),
            (true, false) => Denied::WrongPassword,
            (false, _) => Denied::UnknownUser,
        };
        Verdict::Denied {
            username: presented.username,
            why,
        }
    }

    /// The digest is right; the nonce decides.
    fn grant(
        &mut self,
        now: Instant,
        realm: &str,
        ha1: Ha1,
        presented: Presented,
        peer: IpAddr,
    ) -> Verdict {
        let id = match self.nonces.judge(now, realm, &presented.nonce) {
            Standing::Fresh(id) => id,
            Standing::Stale(why) => return Verdict::Stale(why),
        };
        // Without `qop` nothing counts, and a nonce is good for one request (RFC 2069).
        let nc = presented.counted.as_ref().map_or(1, |(_, _, nc)| *nc);
        if !self.nonces.count(now, id, nc) {
            return if presented.counted.is_some() {
                Verdict::Denied {
                    username: presented.username,
                    why: Denied::Replayed,
                }
            } else {
                Verdict::Stale(Worthless::UsedUp)
            };
        }
        let next = self.next_nonce(now, realm, id, peer);
        let info = presented.counted.map(|(qop, nc, _)| Info {
            ha1,
            algorithm: presented.algorithm,
            nonce: presented.nonce,
            qop,
            nc,
            cnonce: presented.cnonce,
            uri: presented.uri,
            next,
        });
        Verdict::Granted(Granted {
            username: presented.username,
            info,
        })
    }

    fn next_nonce(
        &mut self,
        now: Instant,
        realm: &str,
        id: NonceId,
        peer: IpAddr,
    ) -> Option<String> {
        let ageing = self.nonces.is_ageing(now, id);
        ageing.then(|| self.nonces.make(now, realm, self.rng.next_u64(), peer))
    }

    /// What knows to whom nonces were sent, by challenges.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.nonces.origin()
    }

    /// How many nonces take room.
    #[must_use]
    pub fn counted_nonces(&self) -> usize {
        self.nonces.counted()
    }
}

impl Granted {
    /// The value of `Authentication-Info` for a 2xx with this body, to whoever asked with `qop`
    /// (RFC 7616 §3.5): that we know the secret, too, and the next nonce when this one ages.
    #[must_use]
    pub fn info(&self, body: &[u8]) -> Option<Text> {
        let info = self.info.as_ref()?;
        let subject = Subject {
            algorithm: info.algorithm,
            nonce: &info.nonce,
            counted: Some(Counted {
                qop: info.qop,
                nc: &info.nc,
                cnonce: &info.cnonce,
            }),
            cnonce: &info.cnonce,
            uri: info.uri.as_bytes(),
            body,
        };
        let mut value = format!("rspauth=\"{}\"", subject.response(&info.ha1));
        push(&mut value, "qop", info.qop.name());
        push(&mut value, "cnonce", &quote(&info.cnonce));
        push(&mut value, "nc", &info.nc);
        if let Some(next) = &info.next {
            push(&mut value, "nextnonce", &quote(next));
        }
        Some(Text::from(value))
    }
}

impl Presented {
    fn subject<'a>(&'a self, body: &'a [u8]) -> Subject<'a> {
        Subject {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            counted: self.counted.as_ref().map(|(qop, nc, _)| Counted {
                qop: *qop,
                nc,
                cnonce: &self.cnonce,
            }),
            cnonce: &self.cnonce,
            uri: self.uri.as_bytes(),
            body,
        }
    }
}

/// The credentials for this realm.
fn presented(
    request: &Request,
    field: &HeaderName,
    realm: &str,
) -> Result<Option<Presented>, &'static str> {
    for value in request.headers.get_all(field) {
        let params = AuthParams::parse(value)?;
        let ours = params.scheme.eq_ignore_case("Digest")
            && params.get("realm").is_some_and(|theirs| theirs == realm);
        if ours {
            return read(&params).map(Some);
        }
    }
    Ok(None)
}

fn read(params: &AuthParams) -> Result<Presented, &'static str> {
    let needed = |name, what: &'static str| params.get(name).ok_or(what);
    let algorithm = match params.get("algorithm") {
        None => Algorithm::plain(Hash::Md5),
        Some(name) => Algorithm::from_name(&name).ok_or("Unknown Digest Algorithm")?,
    };
    let cnonce = params.get("cnonce");
    let counted = match params.get("qop") {
        None => None,
        Some(qop) => {
            let qop = Qop::from_name(&qop).ok_or("Unknown Quality of Protection")?;
            let nc = needed("nc", "Nonce Count Missing")?;
            let well = nc.len() == 8 && nc.bytes().all(|octet| octet.is_ascii_hexdigit());
            let count = u32::from_str_radix(&nc, 16).ok().filter(|_| well);
            let count = count.ok_or("Bad Nonce Count")?;
            Some((qop, nc, count))
        }
    };
    if cnonce.is_none() && (counted.is_some() || algorithm.session) {
        return Err("Client Nonce Missing");
    }
    Ok(Presented {
        username: needed("username", "User Name Missing")?,
        nonce: needed("nonce", "Nonce Missing")?,
        uri: needed("uri", "Digest URI Missing")?,
        response: needed("response", "Digest Response Missing")?.to_ascii_lowercase(),
        algorithm,
        cnonce: cnonce.unwrap_or_default(),
        counted,
    })
}

/// Whether the digest is for this request (RFC 7616 §3.4.6). A proxy on the way may have put another
/// host into the Request-URI; the user part is what we route by.
fn is_meant(uri: &str, request: &Uri) -> bool {
    Uri::parse(uri.as_bytes()).is_ok_and(|uri| {
        uri.scheme == request.scheme && uri.user_decoded() == request.user_decoded()
    })
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("settings", &self.settings)
            .field("counted", &self.nonces.counted())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({:?})", self.username)
    }
}
