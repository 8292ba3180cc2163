//! Payload type numbers and names of what we speak.

use crate::negotiated::{Codec, Payload};
use smallvec::SmallVec;

/// Payload types and what they mean, in order of preference.
pub(super) type Formats = SmallVec<[(u8, Payload); 8]>;

/// The RTP clock of a codec (RFC 7587 §4.1, RFC 3551 §4.5.2 and table 4).
pub(super) fn clock(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::G722 | Codec::Pcma | Codec::Pcmu => 8_000,
    }
}

/// The value of `a=rtpmap:` after the number.
pub(super) fn encoding(payload: Payload) -> (&'static str, u32, &'static str) {
    match payload {
        Payload::Audio(Codec::Opus) => ("opus", 48_000, "/2"),
        Payload::Audio(Codec::G722) => ("G722", 8_000, ""),
        Payload::Audio(Codec::Pcma) => ("PCMA", 8_000, ""),
        Payload::Audio(Codec::Pcmu) => ("PCMU", 8_000, ""),
        Payload::TelephoneEvent(clock) => ("telephone-event", clock, ""),
        Payload::ComfortNoise(clock) => ("CN", clock, ""),
    }
}

/// The name a human knows a codec by.
pub(super) fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "Opus",
        Codec::G722 => "G.722",
        Codec::Pcma => "PCMA",
        Codec::Pcmu => "PCMU",
    }
}

/// The number we would like for a payload when nobody has chosen one yet.
pub(super) fn usual_number(payload: Payload) -> u8 {
    match payload {
        Payload::Audio(Codec::Opus) => 111,
        Payload::Audio(Codec::G722) => 9,
        Payload::Audio(Codec::Pcma) => 8,
        Payload::Audio(Codec::Pcmu) => 0,
        Payload::TelephoneEvent(48_000) => 110,
        Payload::TelephoneEvent(_) => 101,
        Payload::ComfortNoise(_) => 13,
    }
}

/// The number for a payload in our next description: `wanted`, unless it meant something else
/// earlier in the session or means something else in this description (RFC 3264 §8.3.2: a number
/// keeps its meaning as long as the session lives). `None` when all numbers are used up.
pub(super) fn number(
    payload: Payload,
    wanted: u8,
    history: &[(u8, Payload)],
    here: &[(u8, Payload)],
) -> Option<u8> {
    let free_or_same = |&pt: &u8| {
        history
            .iter()
            .all(|&(used, meaning)| used != pt || meaning == payload)
            && here.iter().all(|&(used, _)| used != pt)
    };
    let known = history
        .iter()
        .rev()
        .filter(|&&(_, meaning)| meaning == payload);
    // Numbers 64 to 95 collide with RTCP on a shared port (RFC 5761 §4).
    std::iter::once(wanted)
        .chain(known.map(|&(pt, _)| pt))
        .chain(96..=127)
        .chain(35..=63)
        .find(free_or_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: Payload = Payload::Audio(Codec::Opus);
    const EVENT: Payload = Payload::TelephoneEvent(8_000);

    #[test]
    fn a_number_keeps_its_meaning() {
        assert_eq!(number(OPUS, 96, &[], &[]), Some(96));
        assert_eq!(
            number(OPUS, 96, &[(96, EVENT)], &[]),
            Some(97),
            "RFC 3264 §8.3.2"
        );
        assert_eq!(
            number(OPUS, 96, &[(96, EVENT), (120, OPUS)], &[]),
            Some(120)
        );
        assert_eq!(number(OPUS, 96, &[], &[(96, EVENT)]), Some(97));
        let all: Vec<_> = (0..=127).map(|pt| (pt, EVENT)).collect();
        assert_eq!(number(OPUS, 96, &all, &[]), None);
    }
}
