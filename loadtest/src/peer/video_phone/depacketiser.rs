//! Packets into pictures, in their order, with those asked for again that are missing (RFC 4585 §6.2.1).

use super::seen::{Received, VideoCodec};
use super::{Shared, h264, vp8};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Packets into pictures.
#[derive(Default)]
pub(super) struct Depacketiser {
    pub(super) source: u32,
    /// Packets that wait for one before them, by sequence number since the beginning.
    waiting: BTreeMap<u64, (bool, Vec<u8>)>,
    next: Option<u64>,
    asked: BTreeMap<u64, Duration>,
    count: u32,
    picture: Vec<u8>,
    keyframe: bool,
}

impl Depacketiser {
    /// Takes one packet; answers which ones are to be asked for.
    pub(super) fn take(
        &mut self,
        at: Duration,
        datagram: &[u8],
        loss: u32,
        shared: &Shared,
    ) -> Vec<u16> {
        let (Some(&[_, kind, high, low, _, _, _, _, s0, s1, s2, s3]), Some(payload)) =
            (datagram.first_chunk::<12>(), datagram.get(12..))
        else {
            return Vec::new();
        };
        self.source = u32::from_be_bytes([s0, s1, s2, s3]);
        let low = u16::from_be_bytes([high, low]);
        let next = self.next.unwrap_or_else(|| u64::from(low) + (1 << 32));
        let ahead = low.wrapping_sub(u16::try_from(next & 0xffff).unwrap_or(0));
        let wide = if ahead < 1 << 15 {
            next + u64::from(ahead)
        } else {
            // Here already.
            return Vec::new();
        };
        self.next = Some(next);
        let again = self.asked.contains_key(&wide);
        // Every so manieth is lost, but not when it comes again.
        self.count = self.count.wrapping_add(loss);
        if !again && self.count >= 100 {
            self.count -= 100;
            return self.missing(at, wide + 1);
        }
        if again && !self.waiting.contains_key(&wide) {
            shared.repeated.fetch_add(1, Ordering::Relaxed);
        }
        self.waiting
            .insert(wide, (kind & 0x80 != 0, payload.to_vec()));
        while let Some(next) = self.next
            && let Some((marker, payload)) = self.waiting.remove(&next)
        {
            self.next = Some(next + 1);
            self.asked.remove(&next);
            self.keyframe |= match shared.codec {
                VideoCodec::H264 => h264::unpack(&payload, &mut self.picture),
                VideoCodec::Vp8 => vp8::unpack(&payload, &mut self.picture),
            };
            if marker {
                let octets = std::mem::take(&mut self.picture);
                let keyframe = std::mem::take(&mut self.keyframe);
                let mut received = shared
                    .received
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                received.push(Received {
                    at,
                    keyframe,
                    octets,
                });
            }
        }
        self.missing(at, wide)
    }

    /// What is missing before this one, and was not asked for just now.
    fn missing(&mut self, at: Duration, before: u64) -> Vec<u16> {
        let Some(next) = self.next else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        for wide in next..before {
            let asked = self.asked.get(&wide);
            let lately = asked.is_some_and(|then| at.saturating_sub(*then).as_millis() < 60);
            if !self.waiting.contains_key(&wide) && !lately {
                self.asked.insert(wide, at);
                missing.push(u16::try_from(wide & 0xffff).unwrap_or(0));
            }
        }
        missing
    }
}
