//! The attributes of ICE (RFC 8839): what the peer says of its addresses, and our own lines.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Local, SessionDescription};
use crate::ice::candidate::{Candidate, Kind};
use crate::ice::{self, Credentials};
use crate::limits::Limits;

/// What we bring to ICE.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalIce {
    /// We make no checks.
    pub lite: bool,
    /// It stands in our own offers as well as in answers.
    pub offer: bool,
    /// Where credentials come from, and all else that is random.
    pub seed: [u8; 32],
    /// Our candidates.
    pub locals: Vec<ice::Local>,
    /// Where the peer's signalling comes from: behind a NAT its checks do as well, though it may not know that address.
    pub signalled_from: Option<IpAddr>,
}

/// What a section of ours says about ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OurIce {
    /// Nothing.
    Nothing,
    /// That the offer's addresses do not fit together (RFC 8839 §4.2.5).
    Mismatch,
    /// Our credentials and candidates.
    Description(Box<IceDescription>),
}

/// What both sides agreed on, and what an agent needs.
#[derive(Clone, PartialEq, Eq)]
pub struct AgreedIce {
    /// Counts our credentials.
    pub generation: u32,
    /// What we bring.
    pub ours: LocalIce,
    /// What was agreed on.
    pub negotiated: ice::Negotiated,
    /// What a peer can make an agent hold.
    pub limits: ice::Limits,
}

impl LocalIce {
    /// Our credentials number `generation`: always the same ones.
    pub fn credentials(&self, generation: u32) -> Credentials {
        let mut seed = self.seed;
        for (octet, count) in seed.iter_mut().zip(generation.to_be_bytes()) {
            *octet ^= count;
        }
        Credentials::generate(&mut StdRng::from_seed(seed))
    }

    /// What we say with them.
    pub fn describe(&self, generation: u32) -> OurIce {
        let Credentials { ufrag, pwd } = self.credentials(generation);
        OurIce::Description(Box::new(IceDescription {
            ufrag,
            pwd,
            lite: self.lite,
            ice2: true,
            mismatch: false,
            candidates: self.locals.iter().map(|l| l.candidate.clone()).collect(),
            end_of_candidates: true,
            remote_candidates: Vec::new(),
            ignored: 0,
        }))
    }

    /// The answer to an offer with ICE (RFC 8839 §4.2.1): what we say, and what is agreed on. The peer's new credentials
    /// are an ICE restart, and get new ones of ours (§4.4.3).
    pub fn answer(
        &self,
        remote: IceDescription,
        destination: Option<SocketAddr>,
        rtcp_mux: bool,
        previous: Option<&AgreedIce>,
        limits: ice::Limits,
    ) -> (OurIce, Option<Box<AgreedIce>>) {
        if remote.is_mismatched(destination) {
            return (OurIce::Mismatch, None);
        }
        let generation = previous.map_or(0, |previous| {
            let before = &previous.negotiated.remote;
            let same = before.ufrag == remote.ufrag && before.pwd == remote.pwd;
            previous.generation.wrapping_add(u32::from(!same))
        });
        let offered = previous.is_some_and(|previous| previous.negotiated.offered);
        let agreed = self.agreed(generation, remote, offered, rtcp_mux, limits);
        (self.describe(generation), Some(agreed))
    }

    /// What the peer's answer to an offer of ours agrees to; `None` where it does without ICE.
    pub fn conclude(
        &self,
        remote: Option<IceDescription>,
        rtcp_mux: bool,
        previous: Option<&AgreedIce>,
        limits: ice::Limits,
    ) -> Option<Box<AgreedIce>> {
        let remote = remote.filter(|remote| !remote.mismatch)?;
        let generation = previous.map_or(0, |previous| previous.generation);
        let offered = previous.is_none_or(|previous| previous.negotiated.offered);
        Some(self.agreed(generation, remote, offered, rtcp_mux, limits))
    }

    fn agreed(
        &self,
        generation: u32,
        remote: IceDescription,
        offered: bool,
        rtcp_mux: bool,
        limits: ice::Limits,
    ) -> Box<AgreedIce> {
        let negotiated = ice::Negotiated {
            local: self.credentials(generation),
            remote,
            offered,
            rtcp_mux,
        };
        let ours = self.clone();
        Box::new(AgreedIce {
            generation,
            ours,
            negotiated,
            limits,
        })
    }
}

/// ICE in an offer of ours: at the beginning where we want that, later where it was agreed on, with these credentials.
pub(super) fn offered_ice(local: &Local, first: bool, agreed: Option<u32>) -> OurIce {
    match (&local.ice, agreed) {
        (Some(ours), Some(generation)) => ours.describe(generation),
        (Some(ours), None) if first && ours.offer => ours.describe(0),
        (Some(_) | None, _) => OurIce::Nothing,
    }
}

impl fmt::Debug for LocalIce {
    /// Without the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalIce")
            .field("lite", &self.lite)
            .field("locals", &self.locals)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AgreedIce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgreedIce")
            .field("generation", &self.generation)
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}

/// What one side says for ICE about a session and one section of it (RFC 8839 §4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceDescription {
    /// `a=ice-ufrag`: 4 to 256 letters, digits, `+` and `/`.
    pub ufrag: String,
    /// `a=ice-pwd`: 22 to 256 of the same.
    pub pwd: String,
    /// `a=ice-lite`: it makes no checks.
    pub lite: bool,
    /// `a=ice-options` has `ice2`: it follows RFC 8445 rather than RFC 5245.
    pub ice2: bool,
    /// `a=ice-mismatch`: it saw that somebody on the way changed the addresses, and does without ICE.
    pub mismatch: bool,
    /// `a=candidate`: UDP, components 1 and 2, with addresses that can be sent to.
    pub candidates: Vec<Candidate>,
    /// `a=end-of-candidates` (RFC 8838 §8.2).
    pub end_of_candidates: bool,
    /// `a=remote-candidates`: what the controlling side selected, by component.
    pub remote_candidates: Vec<(u8, SocketAddr)>,
    /// How many candidates were left out: TCP, names (`.local` of RFC 8828 too), groups, and those beyond the limit.
    pub ignored: usize,
}

impl IceDescription {
    /// What `description` says about section `index`; `None` when the peer does not do ICE: without name fragment or
    /// password of the proper form, in the section or for the session.
    ///
    /// At most `limits.ice.candidates` are kept, in the order of the lines.
    pub fn read(description: &SessionDescription, index: usize, limits: &Limits) -> Option<Self> {
        let section = description.media.get(index)?;
        let find = |name: &str, shortest: usize| {
            let mut both = section.attributes().chain(description.attributes());
            let (_, value) = both.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            credential(value, shortest)
        };
        let mut read = Self {
            ufrag: find("ice-ufrag", 4)?,
            pwd: find("ice-pwd", 22)?,
            lite: false,
            ice2: false,
            mismatch: false,
            candidates: Vec::new(),
            end_of_candidates: false,
            remote_candidates: Vec::new(),
            ignored: 0,
        };
        for (name, value) in description.attributes() {
            match name.to_ascii_lowercase().as_str() {
                "ice-lite" => read.lite = true,
                "ice-options" => read.ice2 |= has_ice2(value),
                _ => {}
            }
        }
        for (name, value) in section.attributes() {
            read.section_attribute(name, value, limits);
        }
        Some(read)
    }

    fn section_attribute(&mut self, name: &str, value: &str, limits: &Limits) {
        match name.to_ascii_lowercase().as_str() {
            "candidate" => match parse_candidate(value) {
                Some(candidate) if self.candidates.len() < limits.ice.candidates => {
                    self.candidates.push(candidate);
                }
                Some(_) | None => self.ignored += 1,
            },
            // RFC 8839 §5.6 has it in both places.
            "ice-options" => self.ice2 |= has_ice2(value),
            "ice-mismatch" => self.mismatch = true,
            "end-of-candidates" => self.end_of_candidates = true,
            "remote-candidates" => self.remote_candidates = remote_candidates(value),
            _ => {}
        }
    }

    /// Somebody on the way wrote another address into the description than the candidates say (RFC 8839 §4.2.5): the
    /// default destination of RTP is none of the candidates. Then we answer [`Self::MISMATCH`] and do without ICE.
    /// With candidates that we did not read there is no telling, and without any there is nothing to compare.
    pub fn is_mismatched(&self, destination: Option<SocketAddr>) -> bool {
        let first = |candidate: &&Candidate| candidate.component == 1;
        let mut known = self.candidates.iter().filter(first).peekable();
        let Some(destination) = destination.filter(|_| self.ignored == 0) else {
            return false;
        };
        known.peek().is_some() && known.all(|candidate| candidate.address != destination)
    }

    /// The line of the answer to a mismatched offer (RFC 8839 §5.5).
    pub const MISMATCH: &'static str = "a=ice-mismatch\r\n";

    /// Writes the lines that belong before the first `m=`.
    ///
    /// # Errors
    /// None of its own.
    pub fn write_session(&self, out: &mut impl Write) -> fmt::Result {
        if self.lite {
            out.write_str("a=ice-lite\r\n")?;
        }
        if self.ice2 {
            out.write_str("a=ice-options:ice2\r\n")?;
        }
        Ok(())
    }

    /// Writes the lines of the section; without RTCP's candidates where it shares RTP's port (`rtcp_mux`).
    ///
    /// # Errors
    /// None of its own.
    pub fn write_media(&self, out: &mut impl Write, rtcp_mux: bool) -> fmt::Result {
        write!(
            out,
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            self.ufrag, self.pwd
        )?;
        for candidate in self
            .candidates
            .iter()
            .filter(|c| c.component == 1 || !rtcp_mux)
        {
            let Candidate {
                foundation,
                component,
                priority,
                address,
                kind,
                related,
            } = candidate;
            let (ip, port, kind) = (address.ip(), address.port(), kind.as_str());
            write!(
                out,
                "a=candidate:{foundation} {component} UDP {priority} {ip} {port} typ {kind}"
            )?;
            if let Some(related) = related {
                write!(out, " raddr {} rport {}", related.ip(), related.port())?;
            }
            out.write_str("\r\n")?;
        }
        let mut selected = self
            .remote_candidates
            .iter()
            .filter(|(c, _)| *c == 1 || !rtcp_mux);
        if let Some((component, address)) = selected.next() {
            write!(
                out,
                "a=remote-candidates:{component} {} {}",
                address.ip(),
                address.port()
            )?;
            for (component, address) in selected {
                write!(out, " {component} {} {}", address.ip(), address.port())?;
            }
            out.write_str("\r\n")?;
        }
        if self.end_of_candidates {
            out.write_str("a=end-of-candidates\r\n")?;
        }
        Ok(())
    }
}

impl fmt::Debug for IceDescription {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceDescription")
            .field("ufrag", &self.ufrag)
            .field("lite", &self.lite)
            .field("mismatch", &self.mismatch)
            .field("candidates", &self.candidates)
            .finish_non_exhaustive()
    }
}

/// `ice-char`s in a number that RFC 8839 §5.4 allows.
fn credential(value: &str, shortest: usize) -> Option<String> {
    let usual = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    let sound = (shortest..=256).contains(&value.len()) && value.bytes().all(usual);
    sound.then(|| value.to_owned())
}

fn has_ice2(value: &str) -> bool {
    value
        .split_ascii_whitespace()
        .any(|option| option == "ice2")
}

/// `1 1 UDP 2130706431 192.0.2.1 9000 typ srflx raddr 10.0.0.1 rport 9000` (RFC 8839 §5.1); `None` for what we do not
/// send to: other transports, further components, names, groups, port 0.
fn parse_candidate(value: &str) -> Option<Candidate> {
    let mut words = value.split_ascii_whitespace();
    let foundation = words.next()?;
    let usual = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    if foundation.len() > 32 || !foundation.bytes().all(usual) {
        return None;
    }
    let component = words.next()?.parse().ok().filter(|c| (1..=2).contains(c))?;
    if !words.next()?.eq_ignore_ascii_case("UDP") {
        return None;
    }
    let priority = words
        .next()?
        .parse()
        .ok()
        .filter(|p| (1..1 << 31).contains(p))?;
    let address = address(words.next()?, words.next()?)?;
    if !words.next()?.eq_ignore_ascii_case("typ") {
        return None;
    }
    let kind = Kind::parse(words.next()?)?;
    let related = match (words.next(), words.next(), words.next(), words.next()) {
        (Some("raddr"), Some(ip), Some("rport"), Some(port)) => {
            let (ip, port) = (ip.parse().ok(), port.parse().ok());
            ip.zip(port)
                .map(|(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port))
        }
        _ => None,
    };
    let foundation = foundation.to_owned();
    Some(Candidate {
        foundation,
        component,
        priority,
        address,
        kind,
        related,
    })
}

/// An address that a check may be sent to.
fn address(ip: &str, port: &str) -> Option<SocketAddr> {
    let (ip, port) = (ip.parse::<IpAddr>().ok()?, port.parse().ok()?);
    let ip = ip.to_canonical();
    let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    let usable =
        port != 0 && !ip.is_unspecified() && !ip.is_multicast() && !link_local && !broadcast;
    usable.then(|| SocketAddr::new(ip, port))
}

fn remote_candidates(value: &str) -> Vec<(u8, SocketAddr)> {
    let mut words = value.split_ascii_whitespace();
    let one = || {
        let component = words.next()?.parse().ok()?;
        Some((component, address(words.next()?, words.next()?)?))
    };
    // One for each component is all there can be.
    std::iter::from_fn(one).take(2).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sdp::parse::parse;

    fn read(session: &str, media: &str) -> Option<IceDescription> {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{session}m=audio 9000 RTP/AVP 0\r\n{media}"
        );
        let limits = crate::sdp::tests::limits();
        let description = parse(&Bytes::from(text), &limits).unwrap();
        IceDescription::read(&description, 0, &limits)
    }

    const CREDENTIALS: &str = "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n";

    #[test]
    fn rfc8839_5_1_candidates_read_and_print_the_same() {
        let lines = format!(
            "{CREDENTIALS}a=candidate:1 1 UDP 2130706431 192.0.2.1 9000 typ host\r\n\
             a=candidate:1 2 UDP 2130706430 192.0.2.1 9001 typ host\r\n\
             a=candidate:2 1 UDP 1694498815 203.0.113.9 45664 typ srflx raddr 192.0.2.1 rport 9000\r\n\
             a=candidate:3 1 UDP 2130706175 2001:db8::7 9000 typ host\r\n\
             a=remote-candidates:1 198.51.100.3 4000 2 198.51.100.3 4001\r\n\
             a=end-of-candidates\r\n"
        );
        let read = read("a=ice-lite\r\na=ice-options:trickle ice2\r\n", &lines).unwrap();
        assert!(read.lite && read.ice2 && !read.mismatch);
        let mut session = String::new();
        read.write_session(&mut session).unwrap();
        assert_eq!(session, "a=ice-lite\r\na=ice-options:ice2\r\n");
        let mut printed = String::new();
        read.write_media(&mut printed, false).unwrap();
        assert_eq!(printed, lines);
        printed.clear();
        read.write_media(&mut printed, true).unwrap();
        assert!(!printed.contains(" 9001 ") && !printed.contains(" 4001"));
        assert!(!format!("{read:?}").contains(&read.pwd));
    }

    #[test]
    fn rfc8839_5_4_credentials_of_another_form_are_none() {
        assert_eq!(read("", ""), None);
        assert_eq!(read("", "a=ice-ufrag:8hhY\r\n"), None);
        assert_eq!(
            read(
                "",
                "a=ice-ufrag:8hh\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
            ),
            None
        );
        assert_eq!(
            read(
                "",
                "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZ\r\n"
            ),
            None
        );
        assert_eq!(
            read(
                "",
                "a=ice-ufrag:8h:Y\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
            ),
            None
        );
        let session = "a=ice-ufrag:sess\r\na=ice-pwd:0000000000000000000000\r\n";
        assert_eq!(read(session, "").unwrap().ufrag, "sess");
        assert_eq!(
            read(session, CREDENTIALS).unwrap().ufrag,
            "8hhY",
            "the section's own comes first"
        );
    }

    #[test]
    fn rfc8445_5_1_what_cannot_be_sent_to_is_ignored_and_counted() {
        let bad = [
            "1 1 TCP 2130706431 192.0.2.1 9 typ host tcptype active",
            "1 1 UDP 2130706431 3f9c1d2e-0000-4000-8000-000000000000.local 9000 typ host",
            "1 1 UDP 2130706431 0.0.0.0 9000 typ host",
            "1 1 UDP 2130706431 224.0.0.1 9000 typ host",
            "1 1 UDP 2130706431 255.255.255.255 9000 typ host",
            "1 1 UDP 2130706431 fe80::1 9000 typ host",
            "1 1 UDP 2130706431 192.0.2.1 0 typ host",
            "1 3 UDP 2130706431 192.0.2.1 9000 typ host",
            "1 1 UDP 0 192.0.2.1 9000 typ host",
            "1 1 UDP 99999999999 192.0.2.1 9000 typ host",
            "1 1 UDP 2130706431 192.0.2.1 9000 typ elsewhere",
            "1 1 UDP 2130706431 192.0.2.1 9000",
            "",
        ];
        for candidate in bad {
            let read = read("", &format!("{CREDENTIALS}a=candidate:{candidate}\r\n")).unwrap();
            assert_eq!((read.candidates.len(), read.ignored), (0, 1), "{candidate}");
        }
        let many = "a=candidate:1 1 UDP 2130706431 192.0.2.1 9000 typ host\r\n".repeat(20);
        let read = read("", &format!("{CREDENTIALS}{many}")).unwrap();
        assert_eq!(
            read.candidates.len(),
            crate::sdp::tests::limits().ice.candidates
        );
    }

    #[test]
    fn rfc8839_4_2_5_a_default_destination_that_is_no_candidate_is_a_mismatch() {
        let line = "a=candidate:1 1 UDP 2130706431 192.0.2.1 9000 typ host\r\n";
        let one = read("", &format!("{CREDENTIALS}{line}")).unwrap();
        assert!(!one.is_mismatched("192.0.2.1:9000".parse().ok()));
        assert!(one.is_mismatched("203.0.113.1:9000".parse().ok()));
        assert!(!one.is_mismatched(None));
        assert!(
            !read("", CREDENTIALS)
                .unwrap()
                .is_mismatched("192.0.2.1:9".parse().ok())
        );
    }
}
