//! Comfort noise in (RFC 3389): the level and the spectrum that the peer announced, and where it announced no spectrum,
//! noise that is gently low-passed.

use crate::codec::resample::{Factor, Upsampler};
use crate::level;
use crate::random::SplitMix;

/// White noise of unit variance through the low-pass keeps this share of its root mean square.
const SHAPED: f32 = 0.577;
/// The low-pass: y = x/2 + y/2.
const POLE: f32 = 0.5;
/// Uniform noise in ±1/2 times this has unit variance.
const UNIT: f32 = 3.464;
/// The highest order of a model; a receiver may leave out the coefficients beyond (RFC 3389 §3.2).
const ORDER: usize = 12;

/// A source of noise.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    rng: SplitMix,
    amplitude: f32,
    last: f32,
    /// The peer announced a spectrum last.
    shaped: bool,
    /// Made with the first spectrum, and kept: a packet allocates nothing.
    spectrum: Option<Box<Spectrum>>,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: SplitMix::new(seed),
            amplitude: 0.0,
            last: 0.0,
            shaped: false,
            spectrum: None,
        }
    }

    /// The peer announced noise: a level in −dBov, then the spectrum. Louder than −30 dBov is no comfort.
    pub(crate) fn announce(&mut self, payload: &[u8]) {
        let (level, spectrum) = match payload.split_first() {
            Some((level, spectrum)) => (level & 0x7f, spectrum),
            None => (level::SILENT, payload),
        };
        self.amplitude = level::amplitude(level.clamp(30, level::SILENT));
        if level >= 100 {
            self.amplitude = 0.0;
        }
        self.shaped = !spectrum.is_empty();
        if self.shaped {
            let fresh = || Box::new(Spectrum::new());
            self.spectrum.get_or_insert_with(fresh).change(spectrum);
        }
    }

    /// No noise was announced.
    pub(crate) fn silence(&mut self) {
        self.amplitude = 0.0;
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.amplitude == 0.0
    }

    /// Appends `count` samples.
    pub(crate) fn extend(&mut self, count: usize, out: &mut Vec<f32>) {
        if self.is_silent() {
            out.resize(out.len() + count, 0.0);
            return;
        }
        if let Some(spectrum) = self.spectrum.as_mut().filter(|_| self.shaped) {
            spectrum.extend(&mut self.rng, self.amplitude, count, out);
            return;
        }
        let scale = UNIT * self.amplitude / SHAPED * POLE;
        out.extend((0..count).map(|_| {
            self.last = self.last * POLE + (self.rng.unit() - 0.5) * scale;
            self.last
        }));
    }
}

/// An all-pole model of the noise at 8 kHz, as a lattice (RFC 3389 §3.2).
#[derive(Clone, Debug)]
struct Spectrum {
    /// The reflection coefficients, each within ±1, so that the lattice is stable.
    reflections: [f32; ORDER],
    /// What the lattice multiplies white noise by, undone.
    gain: f32,
    /// The backward errors of the last sample.
    backward: [f32; ORDER],
    upsampler: Upsampler,
    /// Samples at 48 kHz that were not wanted yet, fewer than six.
    rest: Vec<f32>,
}

impl Spectrum {
    fn new() -> Self {
        Self {
            reflections: [0.0; ORDER],
            gain: 1.0,
            backward: [0.0; ORDER],
            upsampler: Upsampler::new(Factor::Six),
            rest: Vec::with_capacity(Factor::Six.get()),
        }
    }

    /// Another spectrum; the noise goes on without a break.
    fn change(&mut self, octets: &[u8]) {
        self.reflections = [0.0; ORDER];
        self.gain = 1.0;
        for (reflection, octet) in self.reflections.iter_mut().zip(octets) {
            // 255 is reserved; it would make the lattice unstable.
            let index = f32::from((*octet).min(254));
            *reflection = 258.0 * (index - 127.0) / 32_768.0;
            self.gain *= (1.0 - *reflection * *reflection).sqrt();
        }
    }

    fn extend(&mut self, rng: &mut SplitMix, amplitude: f32, count: usize, out: &mut Vec<f32>) {
        let end = out.len() + count;
        let early = count.min(self.rest.len());
        out.extend(self.rest.drain(..early));
        while out.len() < end {
            let excitation = (rng.unit() - 0.5) * UNIT * self.gain * amplitude;
            let sample = self.filter(excitation);
            self.upsampler.push(&[sample], out);
        }
        self.rest.extend(out.drain(end..));
    }

    /// One step of the synthesis lattice.
    fn filter(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        // The backward error of stage i goes to stage i + 1; that of the last stage goes nowhere.
        let mut above: Option<&mut f32> = None;
        for (backward, reflection) in self.backward.iter_mut().zip(&self.reflections).rev() {
            forward -= reflection * *backward;
            let error = reflection * forward + *backward;
            if let Some(above) = above {
                *above = error;
            }
            above = Some(backward);
        }
        if let Some(first) = above {
            *first = forward;
        }
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(payload: &[u8]) -> Vec<f32> {
        let mut noise = Noise::new(1);
        noise.announce(payload);
        let mut out = Vec::new();
        // Odd portions, as clocks that drift ask for.
        for count in [961, 959, 7, 1, 0, 960].iter().cycle().take(600) {
            noise.extend(*count, &mut out);
        }
        out.split_off(9_600)
    }

    fn level(samples: &[f32]) -> f32 {
        let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
        10.0 * power.log10()
    }

    /// How alike samples are that are this far apart: 1 for the same, 0 for white noise.
    fn likeness(samples: &[f32], apart: usize) -> f32 {
        let later = samples.iter().skip(apart);
        let product = samples.iter().zip(later).map(|(a, b)| a * b).sum::<f32>();
        product / samples.iter().map(|x| x * x).sum::<f32>()
    }

    #[test]
    fn rfc3389_3_2_a_coefficient_colours_the_noise_and_keeps_its_level() {
        // N = 64 is k = −0.496, which makes y(n) = x(n) + 0.496 y(n − 1) at 8 kHz: low; 190 is the opposite,
        // of which the upsampler takes what lies at 4 kHz.
        for (octet, alike) in [(64, 0.45..0.55), (190, -0.55..-0.3)] {
            let samples = noise(&[50, octet]);
            assert!((level(&samples) + 50.0).abs() < 1.5, "{}", level(&samples));
            let found = likeness(&samples, 6);
            assert!(alike.contains(&found), "{octet}: {found}");
        }
    }

    #[test]
    fn rfc3389_3_2_a_second_coefficient_is_applied_after_the_first() {
        // k₁ = −0.496, k₂ = 0.496: a₁ = k₁(1 + k₂), and neighbours are alike by −k₁ all the same, those two apart by
        // −a₁ × 0.496 − k₂.
        let samples = noise(&[40, 64, 190]);
        assert!((likeness(&samples, 6) - 0.496).abs() < 0.05);
        assert!((likeness(&samples, 12) - (0.742 * 0.496 - 0.496)).abs() < 0.05);
    }

    #[test]
    fn rfc3389_3_2_a_level_alone_is_noise_without_the_spectrum_before() {
        let mut noise = Noise::new(1);
        let mut out = Vec::new();
        noise.announce(&[50, 190]);
        noise.extend(960, &mut out);
        let kept = noise.spectrum.as_deref().map(std::ptr::from_ref);
        noise.announce(&[50]);
        out.clear();
        noise.extend(9_600, &mut out);
        assert!(likeness(&out, 1) > 0.4, "low-passed");
        noise.announce(&[50, 64]);
        assert_eq!(noise.spectrum.as_deref().map(std::ptr::from_ref), kept);
    }

    proptest! {
        #[test]
        fn whatever_is_announced_stays_under_its_level(payload in proptest::collection::vec(any::<u8>(), 0..20)) {
            let samples = noise(&payload);
            prop_assert!(samples.iter().all(|sample| sample.abs() < 1.0));
        }
    }
}
