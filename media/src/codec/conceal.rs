//! Concealment of lost packets for codecs that have none of their own: the last pitch periods go on, fading.
//!
//! The behaviour is that of ITU-T G.711 Appendix I: a pitch search over the last samples, one period repeated for 10 ms,
//! then two, then three so that it does not buzz, attenuation from 10 ms on until silence after 60 ms, and an overlap
//! with the first good packet that grows with the length of the loss. It works at the codec's own rate.

/// The shortest pitch period, 400 Hz, in tenths of a millisecond.
const SHORTEST: usize = 25;
/// The longest pitch period, 66 Hz, in tenths of a millisecond.
const LONGEST: usize = 150;
/// The correlation window, in tenths of a millisecond.
const WINDOW: usize = 200;
/// What is remembered, in tenths of a millisecond: three of the longest periods and a quarter for the overlap.
const MEMORY: usize = 500;
/// Attenuation begins here, in tenths of a millisecond.
const FADE_BEGINS: usize = 100;
/// Attenuation ends here.
const FADE_ENDS: usize = 600;

/// The memory of one stream and the state of a loss in it.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// Samples in a tenth of a millisecond, times ten: the rate in kHz.
    khz: usize,
    history: Vec<f32>,
    loss: Option<Loss>,
}

#[derive(Clone, Debug)]
struct Loss {
    period: usize,
    /// Samples made up so far.
    made: usize,
    /// One, two or three periods, and the position in them.
    cycle: Vec<f32>,
    periods: usize,
    position: usize,
    /// The step from the last real sample to the first of the cycle, faded out over a millisecond.
    step: f32,
}

impl Concealer {
    /// A concealer for samples at this many kHz.
    pub fn new(khz: usize) -> Self {
        Self {
            khz,
            history: Vec::new(),
            loss: None,
        }
    }

    /// Takes the samples just decoded: blends their beginning with a loss before them and remembers them.
    pub fn join(&mut self, decoded: &mut [f32]) {
        if let Some(mut loss) = self.loss.take() {
            // 4 ms, and 4 ms more for every 10 ms lost, but not over 10 ms.
            let overlap = (40 + 4 * loss.made / self.khz).min(100) * self.khz / 10;
            let overlap = overlap.min(decoded.len());
            let khz = self.khz;
            for (index, sample) in decoded.iter_mut().take(overlap).enumerate() {
                let weight = ratio(index + 1, overlap + 1);
                *sample = *sample * weight + loss.next(&self.history, khz) * (1.0 - weight);
            }
        }
        self.remember(decoded);
    }

    /// Appends `count` made-up samples.
    pub fn extend(&mut self, count: usize, out: &mut Vec<f32>) {
        let khz = self.khz;
        let mut loss = self
            .loss
            .take()
            .unwrap_or_else(|| Loss::begin(&self.history, khz));
        out.extend((0..count).map(|_| loss.next(&self.history, khz)));
        self.loss = Some(loss);
    }

    fn remember(&mut self, decoded: &[f32]) {
        let memory = MEMORY * self.khz / 10;
        let decoded = decoded
            .get(decoded.len().saturating_sub(memory)..)
            .unwrap_or_default();
        let gone = (self.history.len() + decoded.len()).saturating_sub(memory);
        self.history.copy_within(gone.., 0);
        self.history.truncate(self.history.len() - gone);
        self.history.extend_from_slice(decoded);
    }
}

impl Loss {
    fn begin(history: &[f32], khz: usize) -> Self {
        let period = pitch(history, khz);
        let mut loss = Self {
            period,
            made: 0,
            cycle: Vec::new(),
            periods: 0,
            position: 0,
            step: 0.0,
        };
        loss.lengthen(history);
        if let (Some(last), Some(first)) = (history.last(), loss.cycle.first()) {
            // A good period continues by itself; what is left over is the step.
            let ahead = history
                .len()
                .checked_sub(period + 1)
                .and_then(|at| history.get(at));
            loss.step = last - ahead.copied().unwrap_or(*first);
        }
        loss
    }

    fn next(&mut self, history: &[f32], khz: usize) -> f32 {
        let tenths = self.made * 10 / khz;
        if tenths >= FADE_ENDS {
            return 0.0;
        }
        if self.position >= self.cycle.len() {
            self.position = 0;
            let wanted = (1 + tenths / 100).min(3);
            if wanted > self.periods {
                self.lengthen(history);
            }
        }
        let sample = self.cycle.get(self.position).copied().unwrap_or(0.0);
        let step = self.step * (1.0 - ratio(self.made, khz)).max(0.0);
        let gain = 1.0
            - ratio(
                tenths.max(FADE_BEGINS) - FADE_BEGINS,
                FADE_ENDS - FADE_BEGINS,
            );
        self.position += 1;
        self.made += 1;
        (sample + step) * gain
    }

    /// Takes one period more into the cycle; its end is blended so that it runs into its beginning.
    fn lengthen(&mut self, history: &[f32]) {
        let length = (self.periods + 1) * self.period;
        let overlap = self.period / 4;
        let Some(start) = history.len().checked_sub(length + overlap) else {
            // Not enough was heard for a period (more): what there is goes on.
            return;
        };
        let before = history.get(start..start + overlap).unwrap_or_default();
        self.cycle.clear();
        self.cycle
            .extend_from_slice(history.get(start + overlap..).unwrap_or_default());
        let tail = length - overlap;
        for (index, (sample, before)) in self.cycle.iter_mut().skip(tail).zip(before).enumerate() {
            let weight = ratio(index + 1, overlap + 1);
            *sample = *sample * (1.0 - weight) + before * weight;
        }
        self.periods += 1;
    }
}

/// The lag of the highest normalized correlation.
fn pitch(history: &[f32], khz: usize) -> usize {
    let window = WINDOW * khz / 10;
    let longest = LONGEST * khz / 10;
    let shortest = SHORTEST * khz / 10;
    let Some(start) = history.len().checked_sub(window) else {
        return longest;
    };
    let recent = history.get(start..).unwrap_or_default();
    let mut best = (longest, 0.0);
    for lag in shortest..=longest.min(start) {
        let earlier = history
            .get(start - lag..start - lag + window)
            .unwrap_or_default();
        let product = super::resample::dot(recent, earlier);
        if product <= 0.0 {
            continue;
        }
        let score = product * product / (super::resample::dot(earlier, earlier) + 1e-9);
        if score > best.1 {
            best = (lag, score);
        }
    }
    best.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of samples stay far below 2^24"
)]
fn ratio(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}
