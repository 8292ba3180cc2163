//! Prompts and tones: what the server says, and how it is played into a mix frame by frame.

use std::collections::BTreeMap;
use std::sync::Arc;

use plenum_media::pcm::{FRAME_SAMPLES, PcmFrame, SAMPLE_RATE};

use super::ambience::Music;
use super::mixer;
use crate::control::{PlaybackId, Prompt, Sentence};

/// Under a spoken prompt the conference is lowered to this (−12 dB).
pub const UNDER_SPEECH: f32 = 0.25;
/// A pause in a prompt is at most this long; longer ones are cut.
const LONGEST_PAUSE_SAMPLES: usize = 60 * 48_000;
/// A recording is at most this long; longer ones are refused.
const LONGEST_CLIP_SAMPLES: usize = 60 * 48_000;

/// What a recording is a recording of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ClipName(&'static str);

/// Everything the mixer can play, made once and shared by all conferences.
#[derive(Clone, Debug)]
pub struct Sounds {
    clips: BTreeMap<(String, ClipName), Arc<[f32]>>,
    entry: Arc<[f32]>,
    exit: Arc<[f32]>,
    music: Music,
}

/// Why a recording was refused.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// No sentence or digit has this name.
    #[error("no prompt is called {0}")]
    UnknownName(String),
    /// Not a WAV file, or damaged.
    #[error("recording {name} cannot be read")]
    Wav {
        /// Which.
        name: String,
        /// What is wrong.
        #[source]
        source: hound::Error,
    },
    /// Not 16-bit mono at a rate that divides 48 kHz, or too long.
    #[error("recording {0} is not 16-bit mono at 8, 16, 24 or 48 kHz of at most a minute")]
    Format(String),
}

impl Sounds {
    /// Tones and music alone; sentences and digits stay silent until they are added.
    pub fn synthesised() -> Self {
        Self {
            clips: BTreeMap::new(),
            entry: tones(&[523.25, 659.26]),
            exit: tones(&[659.26, 523.25]),
            music: Music::synthesise(),
        }
    }

    /// Tones, music and the recordings that come with the server.
    pub fn shipped() -> Result<Self, SoundError> {
        let mut sounds = Self::synthesised();
        for (language, name, wav) in SHIPPED {
            sounds.add(language, name, wav)?;
        }
        Ok(sounds)
    }

    /// Adds or replaces a recording: a WAV file under its file name without `.wav`.
    pub fn add(&mut self, language: &str, name: &str, wav: &[u8]) -> Result<(), SoundError> {
        let clip = NAMES
            .iter()
            .find(|known| **known == name)
            .ok_or_else(|| SoundError::UnknownName(name.to_owned()))?;
        let samples = read_wav(name, wav)?;
        self.clips
            .insert((language.to_owned(), ClipName(clip)), samples);
        Ok(())
    }

    /// The languages there is at least one recording in.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let mut last = "";
        self.clips.keys().filter_map(move |(language, _)| {
            let new = language != last;
            last = language;
            new.then_some(language.as_str())
        })
    }

    /// The music.
    pub fn music(&self) -> &Music {
        &self.music
    }

    /// The samples of a prompt; English where the language lacks it, nothing where English does.
    fn clip(&self, language: &str, name: &'static str) -> Option<Arc<[f32]>> {
        [language, "en"]
            .iter()
            .find_map(|l| self.clips.get(&((*l).to_owned(), ClipName(name))))
            .map(Arc::clone)
    }

    fn segment(&self, language: &str, prompt: &Prompt) -> Segment {
        let speech = |name| match self.clip(language, name) {
            Some(samples) => Segment::Speech(samples),
            None => Segment::Pause(0),
        };
        match prompt {
            Prompt::Sentence(sentence) => speech(sentence_name(*sentence)),
            Prompt::Digit(digit) => speech(NAMES.get(usize::from(*digit)).copied().unwrap_or("")),
            Prompt::EntryTone => Segment::Tone(Arc::clone(&self.entry)),
            Prompt::ExitTone => Segment::Tone(Arc::clone(&self.exit)),
            Prompt::Pause(length) => {
                let samples = length
                    .as_millis()
                    .saturating_mul(u128::from(SAMPLE_RATE) / 1_000);
                let samples = usize::try_from(samples).unwrap_or(LONGEST_PAUSE_SAMPLES);
                Segment::Pause(samples.min(LONGEST_PAUSE_SAMPLES))
            }
        }
    }
}

/// A piece of a playback.
#[derive(Clone, Debug)]
enum Segment {
    Speech(Arc<[f32]>),
    Tone(Arc<[f32]>),
    Pause(usize),
}

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Speech(samples) | Self::Tone(samples) => samples.len(),
            Self::Pause(samples) => *samples,
        }
    }
}

/// Prompts being played one after another.
#[derive(Clone, Debug)]
pub struct Playback {
    id: PlaybackId,
    over_mix: bool,
    segments: Vec<Segment>,
    segment: usize,
    offset: usize,
    stopping: bool,
}

impl Playback {
    /// A playback at its beginning.
    pub fn new(
        id: PlaybackId,
        prompts: &[Prompt],
        over_mix: bool,
        language: &str,
        sounds: &Sounds,
    ) -> Self {
        Self {
            id,
            over_mix,
            segments: prompts
                .iter()
                .map(|p| sounds.segment(language, p))
                .collect(),
            segment: 0,
            offset: 0,
            stopping: false,
        }
    }

    /// The name the focus gave it.
    pub fn id(&self) -> PlaybackId {
        self.id
    }

    /// Ends with the next frame, which fades out.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// How much of the conference is heard under the next frame, 0 to 1.
    pub fn under(&self) -> f32 {
        match self.segments.get(self.segment) {
            _ if !self.over_mix => 0.0,
            Some(Segment::Speech(_)) => UNDER_SPEECH,
            Some(Segment::Tone(_) | Segment::Pause(_)) | None => 1.0,
        }
    }

    /// Writes the next 20 ms. Returns whether the playback is over with it.
    pub fn frame(&mut self, out: &mut PcmFrame) -> bool {
        *out = PcmFrame::SILENCE;
        let mut rest = out.0.as_mut_slice();
        while let Some(segment) = self.segments.get(self.segment) {
            let take = (segment.len() - self.offset).min(rest.len());
            let (now, later) = rest.split_at_mut(take);
            match segment {
                Segment::Speech(samples) | Segment::Tone(samples) => {
                    for (x, y) in now.iter_mut().zip(samples.iter().skip(self.offset)) {
                        *x = *y;
                    }
                }
                Segment::Pause(_) => {}
            }
            rest = later;
            self.offset += take;
            if self.offset < segment.len() {
                break;
            }
            self.segment += 1;
            self.offset = 0;
        }
        if self.stopping {
            mixer::fade(out, 1.0, 0.0);
        }
        self.stopping || self.segment >= self.segments.len()
    }
}

/// Two soft notes of 120 ms after one another.
fn tones(notes: &[f32]) -> Arc<[f32]> {
    const NOTE: u16 = 5_760;
    let mut samples = Vec::with_capacity(notes.len() * usize::from(NOTE));
    for hz in notes {
        for n in 0..NOTE {
            let t = f32::from(n) / 48_000.0;
            let edge = (t / 0.008).min((0.12 - t) / 0.03).clamp(0.0, 1.0);
            samples.push(0.12 * edge * (std::f32::consts::TAU * hz * t).sin());
        }
    }
    samples.into()
}

/// Reads a recording and brings it to 48 kHz.
fn read_wav(name: &str, wav: &[u8]) -> Result<Arc<[f32]>, SoundError> {
    let refused = |source| SoundError::Wav {
        name: name.to_owned(),
        source,
    };
    let mut reader = hound::WavReader::new(wav).map_err(refused)?;
    let spec = reader.spec();
    let factor = match spec.sample_rate {
        8_000 => 6,
        16_000 => 3,
        24_000 => 2,
        SAMPLE_RATE => 1,
        _ => return Err(SoundError::Format(name.to_owned())),
    };
    let length = usize::try_from(reader.duration()).unwrap_or(usize::MAX);
    if spec.channels != 1
        || spec.bits_per_sample != 16
        || spec.sample_format != hound::SampleFormat::Int
        || length.saturating_mul(factor) > LONGEST_CLIP_SAMPLES
    {
        return Err(SoundError::Format(name.to_owned()));
    }
    let samples = reader
        .samples::<i16>()
        .map(|sample| sample.map(|s| f32::from(s) / 32_768.0))
        .collect::<Result<Vec<_>, _>>()
        .map_err(refused)?;
    Ok(upsample(&samples, factor))
}

/// Raises the rate by a whole factor with a windowed sinc of 16 input samples either side.
fn upsample(samples: &[f32], factor: usize) -> Arc<[f32]> {
    const REACH: usize = 16;
    if factor == 1 {
        return samples.into();
    }
    let padding = std::iter::repeat_n(0.0, REACH);
    let padded: Vec<f32> = padding
        .clone()
        .chain(samples.iter().copied())
        .chain(padding)
        .collect();
    let kernels: Vec<Vec<f32>> = (0..factor)
        .map(|phase| kernel(phase, factor, REACH))
        .collect();
    padded
        .windows(2 * REACH)
        .skip(1)
        .take(samples.len())
        .flat_map(|window| {
            kernels
                .iter()
                .map(move |kernel| window.iter().zip(kernel).map(|(x, k)| x * k).sum())
        })
        .collect()
}

/// The weights of the input samples around an output sample `phase/factor` after one of them.
#[expect(clippy::cast_precision_loss, reason = "kernel indices are small")]
fn kernel(phase: usize, factor: usize, reach: usize) -> Vec<f32> {
    (0..2 * reach)
        .map(|tap| {
            let x = (tap as f32 - (reach as f32 - 1.0)) - phase as f32 / factor as f32;
            let window = 0.5 + 0.5 * (std::f32::consts::PI * x / reach as f32).cos();
            let angle = std::f32::consts::PI * x;
            let sinc = if x == 0.0 { 1.0 } else { angle.sin() / angle };
            sinc * window
        })
        .collect()
}

fn sentence_name(sentence: Sentence) -> &'static str {
    match sentence {
        Sentence::EnterPin => "enter_pin",
        Sentence::WrongPin => "wrong_pin",
        Sentence::Welcome => "welcome",
        Sentence::YouAreFirst => "you_are_first",
        Sentence::Muted => "muted",
        Sentence::Unmuted => "unmuted",
        Sentence::Locked => "locked",
        Sentence::Full => "full",
        Sentence::ConferenceEnded => "conference_ended",
        Sentence::Goodbye => "goodbye",
        Sentence::Waiting => "waiting",
        Sentence::Recorded => "recorded",
        Sentence::RecordingPaused => "recording_paused",
        Sentence::RecordingEnded => "recording_ended",
        Sentence::NotRecorded => "not_recorded",
        Sentence::EnterNumber => "enter_number",
        Sentence::WrongNumber => "wrong_number",
    }
}

/// Every name a recording may have; the digits first, in order.
const NAMES: [&str; 27] = [
    "digit_0",
    "digit_1",
    "digit_2",
    "digit_3",
    "digit_4",
    "digit_5",
    "digit_6",
    "digit_7",
    "digit_8",
    "digit_9",
    "enter_pin",
    "wrong_pin",
    "welcome",
    "you_are_first",
    "muted",
    "unmuted",
    "locked",
    "full",
    "conference_ended",
    "goodbye",
    "waiting",
    "recorded",
    "recording_paused",
    "recording_ended",
    "not_recorded",
    "enter_number",
    "wrong_number",
];

macro_rules! shipped {
    ($language:literal: $($name:literal)*) => {
        [$((
            $language,
            $name,
            include_bytes!(concat!("../../prompts/", $language, "/", $name, ".wav")),
        )),*]
    };
}

/// Language, name and WAV file of the recordings compiled into the server.
const SHIPPED: [(&str, &str, &[u8]); 27] = shipped!("en":
    "digit_0" "digit_1" "digit_2" "digit_3" "digit_4" "digit_5" "digit_6" "digit_7" "digit_8"
    "digit_9" "enter_pin" "wrong_pin" "welcome" "you_are_first" "muted" "unmuted" "locked" "full"
    "conference_ended" "goodbye" "waiting" "recorded" "recording_paused" "recording_ended"
    "not_recorded" "enter_number" "wrong_number");

const _: () = assert!(FRAME_SAMPLES <= LONGEST_PAUSE_SAMPLES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;
    use std::time::Duration;

    fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            writer.write_sample(*sample).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn frames(playback: &mut Playback) -> Vec<PcmFrame> {
        let mut frames = Vec::new();
        loop {
            let mut frame = PcmFrame::SILENCE;
            let over = playback.frame(&mut frame);
            frames.push(frame);
            if over {
                return frames;
            }
        }
    }

    #[test]
    fn every_shipped_recording_is_readable_and_audible() {
        let sounds = Sounds::shipped().unwrap();
        assert_eq!(sounds.languages().collect::<Vec<_>>(), ["en"]);
        for name in NAMES {
            let samples = sounds.clip("en", name).unwrap();
            assert!(samples.len() > 48_000 / 5, "{name}");
            assert!(level::dbov_of(&samples) > -35.0, "{name}");
            assert!(level::peak(&samples) < 1.0, "{name}");
        }
        assert!(sounds.clip("de", "welcome").is_some(), "English stands in");
    }

    #[test]
    fn upsampling_keeps_a_tone_clean() {
        for (rate, factor) in [(16_000_u32, 3), (8_000, 6), (24_000, 2)] {
            let tone = |n: usize, r: u32| {
                0.5 * (std::f32::consts::TAU * 1_000.0 * n as f32 / r as f32).sin()
            };
            let low: Vec<f32> = (0..rate as usize).map(|n| tone(n, rate)).collect();
            let high = upsample(&low, factor);
            assert_eq!(high.len(), 48_000);
            let error: Vec<f32> = (4_800..43_200).map(|n| high[n] - tone(n, 48_000)).collect();
            assert!(
                level::dbov_of(&error) < -60.0,
                "{rate}: {}",
                level::dbov_of(&error)
            );
        }
    }

    #[test]
    fn prompts_follow_one_another_without_a_gap() {
        let mut sounds = Sounds::synthesised();
        sounds
            .add("en", "digit_1", &wav(48_000, 1, &[8_192; 1_000]))
            .unwrap();
        sounds
            .add("en", "digit_2", &wav(48_000, 1, &[-8_192; 500]))
            .unwrap();
        let prompts = [
            Prompt::Digit(1),
            Prompt::Pause(Duration::from_millis(10)),
            Prompt::Digit(2),
        ];
        let mut playback = Playback::new(PlaybackId(1), &prompts, false, "en", &sounds);
        let frames = frames(&mut playback);
        let all: Vec<f32> = frames.iter().flat_map(|f| f.0).collect();
        assert_eq!(frames.len(), 3, "1000 + 480 + 500 samples");
        assert!(all[..1_000].iter().all(|x| *x == 0.25));
        assert!(all[1_000..1_480].iter().all(|x| *x == 0.0));
        assert!(all[1_480..1_980].iter().all(|x| *x == -0.25));
        assert!(all[1_980..].iter().all(|x| *x == 0.0));
    }

    #[test]
    fn speech_lowers_the_conference_under_it_and_tones_do_not() {
        let mut sounds = Sounds::synthesised();
        sounds
            .add("en", "muted", &wav(48_000, 1, &[1; 960]))
            .unwrap();
        let under = |prompt, over_mix| {
            Playback::new(PlaybackId(1), &[prompt], over_mix, "en", &sounds).under()
        };
        assert_eq!(under(Prompt::Sentence(Sentence::Muted), true), UNDER_SPEECH);
        assert_eq!(under(Prompt::EntryTone, true), 1.0);
        assert_eq!(under(Prompt::EntryTone, false), 0.0);
    }

    #[test]
    fn a_stopped_playback_fades_out_and_is_over() {
        let sounds = Sounds::shipped().unwrap();
        let prompts = [Prompt::Sentence(Sentence::EnterPin)];
        let mut playback = Playback::new(PlaybackId(1), &prompts, false, "en", &sounds);
        let mut frame = PcmFrame::SILENCE;
        assert!(!playback.frame(&mut frame));
        playback.stop();
        assert!(playback.frame(&mut frame));
        assert!(frame.0[240..].iter().all(|x| *x == 0.0));
    }

    #[test]
    fn recordings_of_another_shape_are_refused() {
        let mut sounds = Sounds::synthesised();
        for bytes in [wav(44_100, 1, &[0; 10]), wav(48_000, 2, &[0; 10])] {
            let refused = sounds.add("en", "muted", &bytes);
            assert!(matches!(refused, Err(SoundError::Format(_))));
        }
        assert!(matches!(
            sounds.add("en", "muted", b"RIFF"),
            Err(SoundError::Wav { .. })
        ));
        assert!(matches!(
            sounds.add("en", "nonsense", b""),
            Err(SoundError::UnknownName(_))
        ));
    }
}
