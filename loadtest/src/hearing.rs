//! What a phone heard: received packets decoded onto one time line, and what is to be found in it.

use crate::clock::{Moment, millis_between};
use crate::codec::{self, Codec, CodecError, Decoder};
use crate::rtp::{Kept, PACKET_TIME, RtpSender};
use crate::signal::{MARK_PERIOD, Signal};
use crate::tones;
use std::time::Duration;

/// A jump of the timestamp beyond this is a new stream, not a pause.
const LONGEST_PAUSE_S: u32 = 5;

/// Decoded audio with the arrival of each of its pieces.
#[derive(Debug)]
pub struct Heard {
    /// Samples a second.
    pub rate: u32,
    /// The audio; what never came is silence.
    pub samples: Vec<f32>,
    pieces: Vec<Piece>,
    codec: Codec,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    arrival: Moment,
}

impl Heard {
    /// Decodes what was kept, in the order of sequence numbers, placed by timestamps.
    pub fn new(codec: Codec, kept: &[Kept]) -> Result<Self, CodecError> {
        let mut order: Vec<&Kept> = kept.iter().collect();
        order.sort_by_key(|packet| packet.sequence);
        order.dedup_by_key(|packet| packet.sequence);
        let mut decoder = Decoder::new(codec)?;
        let per_tick = codec.frame() / codec.timestamp_step() as usize;
        let mut heard = Self {
            rate: codec.rate(),
            samples: Vec::new(),
            pieces: Vec::new(),
            codec,
        };
        let mut expected: Option<u32> = None;
        for packet in order {
            let ahead = packet
                .timestamp
                .wrapping_sub(expected.unwrap_or(packet.timestamp));
            if ahead < codec.timestamp_step() * 50 * LONGEST_PAUSE_S {
                let pause = ahead as usize * per_tick;
                heard.samples.resize(heard.samples.len() + pause, 0.0);
            }
            let start = heard.samples.len();
            heard.pieces.push(Piece {
                start,
                arrival: packet.arrival,
            });
            heard.samples.extend(decoder.decode(&packet.payload));
            let ticks = (heard.samples.len() - start) / per_tick;
            expected = Some(
                packet
                    .timestamp
                    .wrapping_add(u32::try_from(ticks).unwrap_or(0)),
            );
        }
        Ok(heard)
    }

    /// Without its first `time`: joining, prompts and tones of arrival.
    pub fn skip(&mut self, time: Duration) {
        let count = crate::signal::whole(time.as_secs_f64() * f64::from(self.rate));
        let count = count.min(self.samples.len());
        self.samples.drain(..count);
        self.pieces.retain(|piece| piece.start >= count);
        for piece in &mut self.pieces {
            piece.start -= count;
        }
    }

    /// Seconds of audio.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The level of a tone.
    pub fn tone(&self, hz: f64) -> tones::ToneLevel {
        tones::level(&self.samples, self.rate, hz)
    }

    /// For every mark heard: what lies between the packet that carried it to the server and the packet
    /// that carried it here, in milliseconds. The phones' own packet time and codec are left out, so
    /// an echo that sends each packet straight back counts as 0.
    pub fn delays_ms(&self, talker: &RtpSender, hz: f64) -> Vec<f64> {
        let shift = codec_shift(self.codec, hz) / f64::from(self.rate);
        tones::rises(&self.samples, self.rate, hz)
            .into_iter()
            .filter_map(|rise| {
                let after = self
                    .pieces
                    .partition_point(|piece| piece.start as f64 <= rise);
                let piece = self.pieces.get(after.checked_sub(1)?)?;
                let into = (rise - piece.start as f64) / f64::from(self.rate);
                // A rise that lies in a gap belongs to no packet.
                if into > 0.07 {
                    return None;
                }
                let heard_at = piece.arrival.as_secs_f64() + into - shift;
                let heard_at = Duration::try_from_secs_f64(heard_at).ok()?;
                marks(talker)
                    .map(|said_at| millis_between(said_at, heard_at))
                    .filter(|delay| (-10.0..MARK_PERIOD.as_secs_f64() * 900.0).contains(delay))
                    .min_by(f64::total_cmp)
            })
            .collect()
    }
}

/// Distortion and noise that the codec alone makes of these signals, dB: each encoded by its talker,
/// mixed without any loss, encoded once more and decoded by the listener.
pub fn codec_floor_db(codec: Codec, signals: &[Signal]) -> Result<f64, CodecError> {
    let there_and_back = |samples: &[f32]| -> Result<Vec<f32>, CodecError> {
        let mut decoder = Decoder::new(codec)?;
        let payloads = codec::encode(codec, samples)?;
        Ok(payloads
            .iter()
            .flat_map(|payload| decoder.decode(payload))
            .collect())
    };
    let mut mixed = vec![0.0; codec.frame() * 200];
    for signal in signals {
        let said = there_and_back(&signal.samples(codec.rate(), mixed.len()))?;
        for (sum, sample) in mixed.iter_mut().zip(said) {
            *sum += sample;
        }
    }
    let heard = there_and_back(&mixed)?;
    let hz: Vec<f64> = signals.iter().filter_map(Signal::hz).collect();
    let settled = heard.get(codec.frame() * 20..).unwrap_or_default();
    Ok(tones::residue(settled, codec.rate(), &hz).thd_n_db)
}

/// When each mark of a talker left, judged by the packet that begins with it.
fn marks(talker: &RtpSender) -> impl Iterator<Item = Moment> {
    let every = usize::try_from(MARK_PERIOD.as_millis() / PACKET_TIME.as_millis()).unwrap_or(1);
    let (first, length) = (talker.first_position(), talker.loop_packets().max(1));
    talker
        .sent_at()
        .iter()
        .enumerate()
        .filter(move |(index, _)| ((first + index) % length).is_multiple_of(every))
        .map(|(_, sent_at)| *sent_at)
}

/// By how many samples a codec alone shifts a mark, there and back on the phone's side.
fn codec_shift(codec: Codec, hz: f64) -> f64 {
    let marked = Signal::Marked { hz, dbfs: -20.0 };
    let samples = marked.samples(codec.rate(), codec.frame() * 150);
    let Ok(payloads) = codec::encode(codec, &samples) else {
        return 0.0;
    };
    let Ok(mut decoder) = Decoder::new(codec) else {
        return 0.0;
    };
    let heard: Vec<f32> = payloads.iter().flat_map(|p| decoder.decode(p)).collect();
    let expected = MARK_PERIOD.as_secs_f64() * f64::from(codec.rate());
    let nearest = tones::rises(&heard, codec.rate(), hz)
        .into_iter()
        .map(|rise| rise - expected)
        .min_by(|a, b| a.abs().total_cmp(&b.abs()));
    nearest.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::RtpReceiver;
    use std::rc::Rc;

    /// A phone that hears itself through an echo of this delay.
    fn echoed(codec: Codec, delay: Duration) -> (RtpSender, Heard) {
        let marked = Signal::Marked {
            hz: 1000.0,
            dbfs: -20.0,
        };
        let samples = marked.samples(codec.rate(), codec.frame() * 400);
        let payloads: Rc<[Vec<u8>]> = codec::encode(codec, &samples).unwrap().into();
        let mut sender = RtpSender::new(codec, payloads, codec.payload(), 3);
        let mut receiver = RtpReceiver::new(codec, true);
        let mut packet = Vec::new();
        for n in 0..400 {
            let now = Duration::from_secs(1000) + PACKET_TIME * n;
            sender.next_packet(now, &mut packet);
            if n > 20 {
                receiver.handle_packet(now + delay, &packet);
            }
        }
        let heard = Heard::new(codec, receiver.kept()).unwrap();
        (sender, heard)
    }

    #[test]
    fn an_echo_has_the_delay_of_its_way_in_every_codec() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            for way in [0, 37, 700] {
                let (sender, heard) = echoed(codec, Duration::from_millis(way));
                let delays = heard.delays_ms(&sender, 1000.0);
                assert_eq!(delays.len(), 3, "{codec:?}");
                assert!(
                    delays.iter().all(|d| (d - way as f64).abs() < 1.0),
                    "{codec:?} {delays:?}"
                );
            }
        }
    }

    #[test]
    fn what_never_came_is_silence_of_its_length() {
        let kept = |n: i64| Kept {
            arrival: Duration::ZERO,
            sequence: n,
            timestamp: u32::try_from(n).unwrap() * 160,
            payload: vec![0; 160],
        };
        let heard = Heard::new(Codec::Pcmu, &[kept(1), kept(3), kept(2), kept(6)]).unwrap();
        assert_eq!(heard.samples.len(), 160 * 6);
        assert!(heard.samples[480..800].iter().all(|s| *s == 0.0));
        assert!(heard.samples[800..].iter().all(|s| *s < -0.9));
    }
}
