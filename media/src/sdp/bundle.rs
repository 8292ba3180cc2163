//! Sections that share one transport: `a=group:BUNDLE` (RFC 9143).
//!
//! What a group means is worked out once: [`Group::expand`] gives every section of it the transport of its tagged one,
//! so that whoever reads a section afterwards need not know of groups.
//!
//! # Decisions
//!
//! *Pictures share the transport of sound, never the other way round.* A group is taken up with pictures only where a
//! section of sound is in it that we take, and where that has ICE and a handshake: that is how browsers bundle. Other
//! groups are taken up for sound alone, or not at all.

use super::SessionDescription;
use super::remote::mid;
use bytes::Bytes;
use smallvec::SmallVec;

/// The sections of a group, by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The first one is the tagged section: what it says of the transport holds for all (RFC 9143 §7.1.3).
    sections: SmallVec<[usize; 4]>,
}

/// A group that is taken up, as its other sections need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<'a> {
    pub(super) group: &'a Group,
    /// The payload types of our sound: in one group a number means one thing (RFC 9143 §9.1).
    pub(super) taken: &'a [u8],
}

impl Shared<'_> {
    /// Whether a section is in the group, and its payload types are not those of sound.
    pub(super) fn takes(&self, index: usize, types: &[u8]) -> bool {
        self.group.has(index) && !types.iter().any(|pt| self.taken.contains(pt))
    }
}

impl Group {
    /// The first group of a description, where each of its tags names one section and the tagged section is in use.
    /// Sections with port 0 are not in it, unless they can only be bundled (RFC 9143 §6).
    pub fn read(description: &SessionDescription) -> Option<Self> {
        let mut groups = description.attributes();
        let tags = groups.find_map(|(name, value)| {
            let mut words = value.split_ascii_whitespace();
            let bundle =
                name.eq_ignore_ascii_case("group") && words.next()?.eq_ignore_ascii_case("BUNDLE");
            bundle.then_some(words)
        })?;
        let mids: Vec<Option<Bytes>> = description.media.iter().map(mid).collect();
        let mut sections = SmallVec::<[usize; 4]>::new();
        for tag in tags {
            let named = |index: &usize| {
                let mid = mids.get(*index).and_then(Option::as_ref);
                mid.is_some_and(|mid| mid == tag.as_bytes())
            };
            let mut found = (0..mids.len()).filter(named);
            let index = found.next()?;
            if found.next().is_some() || sections.contains(&index) {
                return None;
            }
            if is_usable(description, index) {
                sections.push(index);
            }
        }
        let tagged = description.media.get(*sections.first()?)?;
        (tagged.m.port != 0).then_some(Self { sections })
    }

    /// Whether a section is in it.
    pub fn has(&self, index: usize) -> bool {
        self.sections.contains(&index)
    }

    /// The sections in the group's order.
    pub(super) fn sections(&self) -> Vec<usize> {
        self.sections.to_vec()
    }

    /// Whether pictures may share its transport with sound: it has sound in it, its tagged section has ICE, a handshake
    /// and RTCP on the same port, which a group cannot do without (RFC 9143 §9.3).
    pub(super) fn has_transport(&self, description: &SessionDescription) -> bool {
        let section = self
            .sections
            .first()
            .and_then(|at| description.media.get(*at));
        let says = |wanted: &str| {
            let own = section.into_iter().flat_map(|section| section.attributes());
            let mut all = own.chain(description.attributes());
            all.any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let mut media = self
            .sections
            .iter()
            .filter_map(|at| description.media.get(*at));
        let sound = media.any(|section| section.m.media().eq_ignore_ascii_case("audio"));
        sound
            && ["ice-ufrag", "fingerprint", "rtcp-mux"]
                .into_iter()
                .all(says)
    }

    /// The description as the group means it: in each of its sections port, address and all else of the transport are
    /// those of the tagged section.
    pub fn expand(&self, description: &SessionDescription) -> SessionDescription {
        let mut expanded = description.clone();
        let Some((first, others)) = self.sections.split_first() else {
            return expanded;
        };
        let Some(tagged) = description.media.get(*first) else {
            return expanded;
        };
        for index in others {
            let Some(section) = expanded.media.get_mut(*index) else {
                continue;
            };
            section.m.port = tagged.m.port;
            section
                .lines
                .retain(|line| !is_transport(line.kind, line.text()));
            let lines = tagged.lines.iter();
            let shared = lines.filter(|line| is_transport(line.kind, line.text()));
            section.lines.extend(shared.cloned());
        }
        expanded
    }
}

/// Whether a section is offered at all: port 0 refuses it, unless it can only be bundled (RFC 9143 §6).
fn is_usable(description: &SessionDescription, index: usize) -> bool {
    description.media.get(index).is_some_and(|section| {
        let mut attributes = section.attributes();
        let mut only = || attributes.any(|(name, _)| name.eq_ignore_ascii_case("bundle-only"));
        section.m.port != 0 || only()
    })
}

/// What a line says is of the transport (RFC 9143 §7.1.3: of what we read).
fn is_transport(kind: u8, text: &str) -> bool {
    const SHARED: [&str; 15] = [
        "candidate",
        "crypto",
        "end-of-candidates",
        "fingerprint",
        "ice-lite",
        "ice-mismatch",
        "ice-options",
        "ice-pwd",
        "ice-ufrag",
        "remote-candidates",
        "rtcp",
        "rtcp-mux",
        "rtcp-mux-only",
        "setup",
        "tls-id",
    ];
    let name = text.split(':').next().unwrap_or_default().trim_end();
    kind == b'c' || (kind == b'a' && SHARED.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// The identifier of the MID header extension that a section offers in a form that we write (RFC 9143 §15, RFC 8285 §4.2).
pub(super) const MID_EXTENSION: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::parse::parse;
    use crate::sdp::tests::limits;

    fn description(text: &str) -> SessionDescription {
        let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n{text}");
        parse(&Bytes::from(text.replace('|', "\r\n")), &limits()).unwrap()
    }

    const SECTIONS: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111|c=IN IP4 0.0.0.0|a=mid:a|a=ice-ufrag:abcd|\
        a=fingerprint:x|a=rtcp-mux|a=candidate:1|a=sendonly|m=video 0 UDP/TLS/RTP/SAVPF 96|a=mid:v|a=bundle-only|\
        a=ice-ufrag:other|m=video 0 UDP/TLS/RTP/SAVPF 96|a=mid:off|";

    #[test]
    fn rfc9143_6_bundle_only_is_no_refusal_and_port_0_is() {
        let offer = description(&format!("a=group:BUNDLE a v off|{SECTIONS}"));
        let group = Group::read(&offer).unwrap();
        assert_eq!(group.sections(), [0, 1]);
        assert!(group.has_transport(&offer));
    }

    #[test]
    fn rfc9143_7_1_3_the_tagged_section_speaks_for_all() {
        let offer = description(&format!("a=group:BUNDLE a v|{SECTIONS}"));
        let expanded = Group::read(&offer).unwrap().expand(&offer);
        let video = &expanded.media[1];
        assert_eq!(video.m.port(), 9);
        let said: Vec<_> = video
            .attributes()
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        assert_eq!(
            said,
            [
                "mid:v",
                "bundle-only:",
                "ice-ufrag:abcd",
                "fingerprint:x",
                "rtcp-mux:",
                "candidate:1"
            ]
        );
        assert_eq!(video.first(b'c'), Some("IN IP4 0.0.0.0"));
        assert_eq!(expanded.media[0], offer.media[0]);
        assert_eq!(expanded.media[2], offer.media[2]);
    }

    #[test]
    fn rfc9143_7_2_a_group_that_does_not_read_is_none() {
        for group in [
            "a=group:LS a v|",
            "a=group:BUNDLE|",
            "a=group:BUNDLE a nobody|",
            "a=group:BUNDLE a a|",
            "a=group:BUNDLE off|",
            // The tagged section has to have an address.
            "a=group:BUNDLE v a|",
        ] {
            assert_eq!(
                Group::read(&description(&format!("{group}{SECTIONS}"))),
                None,
                "{group}"
            );
        }
        let twice =
            description(&format!("a=group:BUNDLE a v|{SECTIONS}").replace("mid:off", "mid:v"));
        assert_eq!(Group::read(&twice), None, "two sections of one name");
    }
}
