//! In-band DTMF (ITU-T Q.23, Q.24): Goertzel filters at the eight frequencies, with protection against speech.
//!
//! A block of 102 samples at 8 kHz counts as a digit when one low and one high frequency stand out of their groups,
//! differ by no more than the twist Q.24 allows, hold nearly all of the block's energy, and have no strong second
//! harmonics. A digit needs three such blocks in a row (38 ms) and is reported once until two blocks disagree.

/// Samples of one block: 12.75 ms.
const BLOCK: usize = 102;
/// Blocks in a row that make a digit.
const NEEDED: u8 = 3;
/// Blocks in a row without it that end it.
const GONE: u8 = 2;
/// Mean square below which nobody looks: −36 dBov.
const QUIET: f32 = 2.5e-4;
/// Normal twist, high over low group: 4 dB, with a margin for lines that attenuate; reverse twist: 8 dB.
const TWIST: f32 = 6.3;
const REVERSE_TWIST: f32 = 6.3;
/// A tone must exceed any other of its group by this: 8 dB.
const STANDS_OUT: f32 = 6.3;
/// The share of the block's energy the two tones must hold.
const SHARE: f32 = 0.70;

/// 2·cos(2πf/8000) for 697, 770, 852 and 941 Hz.
const LOW: [f32; 4] = [1.707_737_8, 1.645_281, 1.568_686_9, 1.478_204_6];
/// 2·cos(2πf/8000) for 1209, 1336, 1477 and 1633 Hz.
const HIGH: [f32; 4] = [1.164_104, 0.996_370_2, 0.798_618_4, 0.568_532_7];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Detects digits in samples at 8 kHz.
#[derive(Clone, Debug)]
pub struct Detector {
    block: [f32; BLOCK],
    filled: usize,
    candidate: Option<char>,
    run: u8,
    held: Option<char>,
    gone: u8,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            block: [0.0; BLOCK],
            filled: 0,
            candidate: None,
            run: 0,
            held: None,
            gone: 0,
        }
    }
}

impl Detector {
    /// Takes samples at 8 kHz and calls `found` for every digit that begins in them.
    pub fn push(&mut self, samples: &[f32], found: &mut impl FnMut(char)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.block.get_mut(self.filled..).unwrap_or_default();
            let take = room.len().min(rest.len());
            for (to, from) in room.iter_mut().zip(rest) {
                *to = *from;
            }
            self.filled += take;
            rest = rest.get(take..).unwrap_or_default();
            if self.filled == BLOCK {
                self.filled = 0;
                let heard = key(&self.block);
                if let Some(digit) = self.judge(heard) {
                    found(digit);
                }
            }
        }
    }

    fn judge(&mut self, heard: Option<char>) -> Option<char> {
        self.run = if heard.is_some() && heard == self.candidate {
            self.run + 1
        } else {
            1
        };
        self.run = self.run.min(NEEDED);
        self.candidate = heard;
        if self.held.is_some() {
            self.gone = if heard == self.held { 0 } else { self.gone + 1 };
            if self.gone >= GONE {
                self.held = None;
                self.gone = 0;
            }
        }
        let begins = self.held.is_none() && heard.is_some() && self.run >= NEEDED;
        if !begins {
            return None;
        }
        self.held = heard;
        heard
    }
}

/// The key whose tones a block holds, if it holds nothing else.
fn key(block: &[f32; BLOCK]) -> Option<char> {
    let energy: f32 = block.iter().map(|sample| sample * sample).sum();
    if energy < QUIET * length() {
        return None;
    }
    let low = LOW.map(|coefficient| power(block, coefficient));
    let high = HIGH.map(|coefficient| power(block, coefficient));
    let (row, low_peak) = peak(&low)?;
    let (column, high_peak) = peak(&high)?;
    // A tone of amplitude a gives power (aN/2)² and energy a²N/2, so energy = 2·power/N.
    let tones = 2.0 * (low_peak + high_peak) / length();
    let twisted = high_peak > low_peak * TWIST || low_peak > high_peak * REVERSE_TWIST;
    if twisted || tones < SHARE * energy || has_harmonic(block, row, low_peak) {
        return None;
    }
    KEYS.get(row)?.get(column).copied()
}

/// Speech that imitates a low tone has its second harmonic too.
fn has_harmonic(block: &[f32; BLOCK], row: usize, fundamental: f32) -> bool {
    let doubled = LOW
        .get(row)
        .map_or(0.0, |coefficient| coefficient * coefficient - 2.0);
    power(block, doubled) > fundamental * 0.1
}

fn peak(powers: &[f32; 4]) -> Option<(usize, f32)> {
    let (index, best) = powers
        .iter()
        .copied()
        .enumerate()
        .max_by(|left, right| left.1.total_cmp(&right.1))?;
    let rival = powers
        .iter()
        .enumerate()
        .any(|(other, power)| other != index && power * STANDS_OUT > best);
    if rival { None } else { Some((index, best)) }
}

fn power(block: &[f32; BLOCK], coefficient: f32) -> f32 {
    let (mut before, mut last) = (0.0, 0.0);
    for sample in block {
        let next = sample + coefficient * last - before;
        before = last;
        last = next;
    }
    before * before + last * last - coefficient * before * last
}

#[expect(clippy::cast_precision_loss, reason = "102 is exact")]
fn length() -> f32 {
    BLOCK as f32
}
