//! Which section of a group a packet belongs to (RFC 9143 §9.2).

use crate::rtp::packet::Packet;
use bytes::Bytes;
use smallvec::SmallVec;

/// Sources that are remembered. Beyond: the one that was learnt first is forgotten, and learnt again.
const SOURCES: usize = 16;

/// A section of a group, as its packets tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<K> {
    /// Which one it is.
    pub key: K,
    /// Its name, and the header extension that has it (RFC 9143 §15).
    pub mid: Option<(u8, Bytes)>,
    /// Its payload types; others may have the same.
    pub types: SmallVec<[u8; 2]>,
    /// The sources that its description names (RFC 5576).
    pub sources: SmallVec<[u32; 4]>,
}

/// The sections of a group, and whose the sources are.
#[derive(Clone, Debug)]
pub struct Sections<K> {
    sections: Vec<Section<K>>,
    sources: SmallVec<[(u32, K); 4]>,
}

impl<K> Default for Sections<K> {
    fn default() -> Self {
        Self {
            sections: Vec::new(),
            sources: SmallVec::new(),
        }
    }
}

impl<K: Copy + PartialEq> Sections<K> {
    /// A section is described, for the first time or anew.
    pub fn set(&mut self, section: Section<K>) {
        self.remove(section.key);
        for ssrc in &section.sources {
            self.learn(*ssrc, section.key);
        }
        self.sections.push(section);
    }

    /// A section is not in the group any more.
    pub fn remove(&mut self, key: K) {
        self.sections.retain(|section| section.key != key);
        self.sources.retain(|(_, of)| *of != key);
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Whose an authentic packet is: the section that it names, which its source belongs to from then on; else the one its
    /// source belongs to; else the only one with its payload type.
    pub fn section_of(&mut self, packet: &Packet<'_>) -> Option<K> {
        let named = self.sections.iter().find(|section| {
            let mid = section.mid.as_ref();
            mid.is_some_and(|(id, mid)| packet.extension(*id) == Some(mid))
        });
        if let Some(key) = named.map(|section| section.key) {
            self.learn(packet.ssrc, key);
            return Some(key);
        }
        let mut known = self.sources.iter();
        if let Some((_, key)) = known.find(|(ssrc, _)| *ssrc == packet.ssrc) {
            return Some(*key);
        }
        let fits = |section: &&Section<K>| section.types.contains(&packet.payload_type);
        let mut fitting = self.sections.iter().filter(fits);
        let key = fitting.next()?.key;
        if fitting.next().is_some() {
            return None;
        }
        self.learn(packet.ssrc, key);
        Some(key)
    }

    fn learn(&mut self, ssrc: u32, key: K) {
        if let Some((_, of)) = self.sources.iter_mut().find(|(known, _)| *known == ssrc) {
            *of = key;
            return;
        }
        if self.sources.len() >= SOURCES {
            self.sources.remove(0);
        }
        self.sources.push((ssrc, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn section(key: char, mid: &'static str, types: &[u8], sources: &[u32]) -> Section<char> {
        Section {
            key,
            mid: Some((4, Bytes::from_static(mid.as_bytes()))),
            types: types.iter().copied().collect(),
            sources: sources.iter().copied().collect(),
        }
    }

    fn packet(pt: u8, ssrc: u8, mid: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, pt, 0, 1, 0, 0, 0, 0, 0, 0, 0, ssrc, 0xbe, 0xde, 0, 1];
        let mut element = vec![0; 4];
        if let [a, b] = *mid {
            element = vec![4 << 4 | 1, a, b, 0];
        }
        packet.extend(element);
        packet
    }

    fn of(sections: &mut Sections<char>, packet: &[u8]) -> Option<char> {
        sections.section_of(&Packet::parse(packet).unwrap())
    }

    #[test]
    fn rfc9143_9_2_name_before_source_before_payload_type() {
        let mut sections = Sections::default();
        sections.set(section('p', "v1", &[96, 97], &[1]));
        sections.set(section('s', "v2", &[96, 98], &[2]));
        for (packet, expected) in [
            (packet(96, 1, b""), Some('p')),
            (packet(96, 2, b""), Some('s')),
            // Of two sections with the same type neither is meant.
            (packet(96, 3, b""), None),
            (packet(99, 3, b""), None),
            (packet(96, 3, b"v2"), Some('s')),
            (packet(96, 3, b""), Some('s')),
            (packet(96, 3, b"v1"), Some('p')),
            (packet(96, 3, b"xx"), Some('p')),
            (packet(98, 4, b""), Some('s')),
            (packet(96, 4, b""), Some('s')),
        ] {
            assert_eq!(of(&mut sections, &packet), expected, "{packet:?}");
        }
        sections.remove('s');
        assert_eq!(
            of(&mut sections, &packet(96, 4, b"")),
            Some('p'),
            "the only one left"
        );
        sections.remove('p');
        assert!(sections.is_empty());
        assert_eq!(of(&mut sections, &packet(96, 1, b"")), None);
    }

    #[test]
    fn a_peer_with_ever_new_sources_fills_nothing() {
        let mut sections = Sections::default();
        sections.set(Section {
            key: 'p',
            mid: None,
            types: smallvec![96],
            sources: SmallVec::new(),
        });
        for ssrc in 0..=255 {
            assert_eq!(of(&mut sections, &packet(96, ssrc, b"")), Some('p'));
        }
        assert_eq!(sections.sources.len(), SOURCES);
    }
}
