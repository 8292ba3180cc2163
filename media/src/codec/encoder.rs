//! From 48 kHz frames to the payloads of one [`SendFormat`].

use super::g711::{self, Law};
use super::g722;
use super::opus;
use super::resample::{Downsampler, Factor};
use crate::negotiated::{Codec, SendFormat};
use crate::pcm::PcmFrame;

/// Octets a millisecond of G.711 and G.722.
const OCTETS_PER_MS: usize = 8;
/// Samples a millisecond at 48 kHz.
const SAMPLES_PER_MS: usize = 48;
/// Opus complexity unless told otherwise.
const COMPLEXITY: u8 = 5;

/// Encodes 20 ms frames into packets of one [`SendFormat`].
///
/// Listeners that hear the same signal in equal formats share one encoder. The codec's state is made with the first frame.
#[derive(Debug)]
pub struct Encoder {
    format: SendFormat,
    complexity: u8,
    expected_loss: u8,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    G711 {
        law: Law,
        down: Downsampler,
        octets: Octets,
    },
    G722 {
        encoder: Box<g722::Encoder>,
        down: Downsampler,
        octets: Octets,
    },
    Opus {
        encoder: Box<opus::Encoder>,
        pending: Vec<f32>,
    },
}

/// What the codecs of one octet per 125 µs gather until a packet is full.
#[derive(Debug, Default)]
struct Octets {
    narrow: Vec<f32>,
    pending: Vec<u8>,
}

impl Encoder {
    /// An encoder; the codec's state is made with the first frame.
    pub fn new(format: SendFormat) -> Self {
        Self {
            format,
            complexity: COMPLEXITY,
            expected_loss: 0,
            state: State::Idle,
        }
    }

    /// What it encodes into.
    pub fn format(&self) -> SendFormat {
        self.format
    }

    /// Takes 20 ms and calls `emit(payload, rtp_ticks)` for every packet complete with it: two at a ptime of 10 ms,
    /// none or one at longer ptimes. An empty payload means that discontinuous transmission leaves this packet out.
    ///
    /// Opus has no frame of 30 ms (RFC 6716 §2.1.4); it is sent in 20 ms.
    pub fn push(&mut self, frame: &PcmFrame, emit: &mut dyn FnMut(&[u8], u32)) {
        if matches!(self.state, State::Idle) {
            self.state = self.started();
        }
        let packet_ms = usize::from(self.format.ptime_ms).max(1);
        match &mut self.state {
            State::Idle => {}
            State::G711 { law, down, octets } => {
                octets.narrow.clear();
                down.push(&frame.0, &mut octets.narrow);
                g711::encode(*law, &octets.narrow, &mut octets.pending);
                octets.emit(packet_ms, emit);
            }
            State::G722 {
                encoder,
                down,
                octets,
            } => {
                octets.narrow.clear();
                down.push(&frame.0, &mut octets.narrow);
                encoder.encode(&octets.narrow, &mut octets.pending);
                octets.emit(packet_ms, emit);
            }
            State::Opus { encoder, pending } => {
                push_opus(encoder, pending, frame, opus_samples(packet_ms), emit);
            }
        }
    }

    /// Forgets the codec's state, so that a silent encoder costs no memory. The next frame makes it anew.
    pub fn release(&mut self) {
        self.state = State::Idle;
    }

    /// Opus: the packet loss to prepare for, percent 0 to 100. Costs nothing when unchanged.
    pub fn set_expected_loss(&mut self, percent: u8) {
        if percent == self.expected_loss {
            return;
        }
        self.expected_loss = percent;
        if let State::Opus { encoder, .. } = &mut self.state {
            encoder.set_expected_loss(percent);
        }
    }

    /// Opus: computational complexity, 0 to 10; 5 unless set.
    pub fn set_complexity(&mut self, complexity: u8) {
        if complexity == self.complexity {
            return;
        }
        self.complexity = complexity;
        if let State::Opus { encoder, .. } = &mut self.state {
            encoder.set_complexity(complexity);
        }
    }

    /// The next packet must not build upon those before: the receiver may have heard them from another encoder.
    pub fn begin_anew(&mut self) {
        if let State::Opus { encoder, .. } = &mut self.state {
            encoder.begin_anew();
        }
    }

    fn started(&self) -> State {
        let g711 = |law| State::G711 {
            law,
            down: Downsampler::new(Factor::Six),
            octets: Octets::default(),
        };
        match self.format.codec {
            Codec::Pcma => g711(Law::A),
            Codec::Pcmu => g711(Law::U),
            Codec::G722 => State::G722 {
                encoder: Box::new(g722::Encoder::default()),
                down: Downsampler::new(Factor::Three),
                octets: Octets::default(),
            },
            Codec::Opus => opus::Encoder::new(&self.format, self.complexity, self.expected_loss)
                .map_or(State::Idle, |encoder| State::Opus {
                    encoder: Box::new(encoder),
                    pending: Vec::new(),
                }),
        }
    }
}

impl Octets {
    fn emit(&mut self, packet_ms: usize, emit: &mut dyn FnMut(&[u8], u32)) {
        let size = packet_ms * OCTETS_PER_MS;
        let whole = self.pending.len() / size * size;
        for packet in self.pending.chunks_exact(size) {
            emit(packet, u32::try_from(size).unwrap_or(0));
        }
        self.pending.drain(..whole);
    }
}

/// The Opus frame for a packet time.
fn opus_samples(packet_ms: usize) -> usize {
    let frame_ms = match packet_ms {
        0..20 => 10,
        20..40 => 20,
        40..60 => 40,
        60.. => 60,
    };
    frame_ms * SAMPLES_PER_MS
}

fn push_opus(
    encoder: &mut opus::Encoder,
    pending: &mut Vec<f32>,
    frame: &PcmFrame,
    size: usize,
    emit: &mut dyn FnMut(&[u8], u32),
) {
    let ticks = u32::try_from(size).unwrap_or(0);
    let mut encode = |samples: &[f32]| {
        // A frame the codec refuses is left out like one of discontinuous transmission.
        emit(encoder.encode(samples).unwrap_or(&[]), ticks);
    };
    if pending.is_empty() && frame.0.len().is_multiple_of(size) {
        frame.0.chunks_exact(size).for_each(&mut encode);
        return;
    }
    pending.extend_from_slice(&frame.0);
    let whole = pending.len() / size * size;
    pending.chunks_exact(size).for_each(&mut encode);
    pending.drain(..whole);
}
