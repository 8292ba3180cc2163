//! Codecs: 48 kHz frames to payloads and payloads to 48 kHz samples.

use crate::negotiated::SendFormat;
use crate::pcm::PcmFrame;

/// Encodes 20 ms frames into packets of one [`SendFormat`].
///
/// Listeners that hear the same signal in equal formats share one encoder.
#[derive(Debug)]
pub struct Encoder {
    format: SendFormat,
}

impl Encoder {
    /// An encoder; the codec's state is made with the first frame.
    pub fn new(format: SendFormat) -> Self {
        Self { format }
    }

    /// What it encodes into.
    pub fn format(&self) -> SendFormat {
        self.format
    }

    /// Takes 20 ms and calls `emit(payload, rtp_ticks)` for every packet complete with it: two at a ptime of 10 ms,
    /// none or one at longer ptimes. An empty payload means that discontinuous transmission leaves this packet out.
    pub fn push(&mut self, _frame: &PcmFrame, _emit: &mut dyn FnMut(&[u8], u32)) {}

    /// Opus: the packet loss to prepare for, percent 0 to 100. Costs nothing when unchanged.
    pub fn set_expected_loss(&mut self, _percent: u8) {}

    /// Opus: computational complexity, 0 to 10.
    pub fn set_complexity(&mut self, _complexity: u8) {}
}
