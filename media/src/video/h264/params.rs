//! The parameters of H.264 in SDP (RFC 6184 §8.1): profile, level, packetization mode and what goes beyond the level.

use super::unpack::ParameterSets;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Octets of parameter sets in SDP that are looked at.
const MAX_SPROP: usize = 2048;

/// How NAL units become packets (RFC 6184 §6.1). Interleaved mode is not spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PacketizationMode {
    /// `packetization-mode=0`: one NAL unit, one packet. What absence means.
    #[default]
    SingleNal,
    /// `packetization-mode=1`: aggregation and fragments.
    NonInterleaved,
}

/// A profile by its sub-profile (RFC 6184 Table 5): what must be equal in offer and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What every decoder of the profiles below can decode; what we encode.
    ConstrainedBaseline,
    /// With flexible macroblock order, which nobody uses.
    Baseline,
    /// With CABAC, B slices and interlacing.
    Main,
    /// The extended profile.
    Extended,
    /// With 8×8 transforms.
    High,
    /// High without interlacing and B slices.
    ConstrainedHigh,
}

impl Profile {
    /// From `profile_idc` and `profile-iop` (RFC 6184 Table 5).
    const fn of(idc: u8, iop: u8) -> Option<Self> {
        match (idc, iop) {
            (0x42, iop) if iop & 0x40 != 0 => Some(Self::ConstrainedBaseline),
            (0x42, _) => Some(Self::Baseline),
            (0x4d, iop) if iop & 0x80 != 0 => Some(Self::ConstrainedBaseline),
            (0x4d, _) => Some(Self::Main),
            (0x58, iop) if iop & 0xc0 == 0xc0 => Some(Self::ConstrainedBaseline),
            (0x58, iop) if iop & 0x80 != 0 => Some(Self::Baseline),
            (0x58, _) => Some(Self::Extended),
            (0x64, iop) if iop & 0x0c == 0x0c => Some(Self::ConstrainedHigh),
            (0x64, _) => Some(Self::High),
            _ => None,
        }
    }

    const fn octets(self) -> (u8, u8) {
        match self {
            Self::ConstrainedBaseline => (0x42, 0xe0),
            Self::Baseline => (0x42, 0x00),
            Self::Main => (0x4d, 0x00),
            Self::Extended => (0x58, 0x00),
            Self::High => (0x64, 0x00),
            Self::ConstrainedHigh => (0x64, 0x0c),
        }
    }
}

/// A level (H.264 Table A-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level {
    /// Ten times the level's number; 9 is level 1b, as `level_idc` writes it in the high profiles.
    idc: u8,
    /// Macroblocks a second.
    pub max_mbps: u32,
    /// Macroblocks of one frame.
    pub max_fs: u32,
    /// Bits a second.
    pub max_br: u32,
}

/// `level_idc`, macroblocks a second, macroblocks, kilobits a second.
const LEVELS: [(u8, u32, u32, u32); 17] = [
    (10, 1_485, 99, 64),
    (9, 1_485, 99, 128),
    (11, 3_000, 396, 192),
    (12, 6_000, 396, 384),
    (13, 11_880, 396, 768),
    (20, 11_880, 396, 2_000),
    (21, 19_800, 792, 4_000),
    (22, 20_250, 1_620, 4_000),
    (30, 40_500, 1_620, 10_000),
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (41, 245_760, 8_192, 50_000),
    (42, 522_240, 8_704, 50_000),
    (50, 589_824, 22_080, 135_000),
    (51, 983_040, 36_864, 240_000),
    (52, 2_073_600, 36_864, 240_000),
];

impl Level {
    /// By ten times its number: 31 is level 3.1, 9 is level 1b. Unknown ones become the next lower one.
    pub fn new(idc: u8) -> Self {
        let exact = LEVELS.iter().find(|level| level.0 == idc);
        let lower = || {
            LEVELS
                .iter()
                .rev()
                .find(|level| level.0 <= idc && level.0 != 9)
        };
        let (idc, max_mbps, max_fs, kilobits) =
            exact.or_else(lower).copied().unwrap_or((10, 1_485, 99, 64));
        Self {
            idc,
            max_mbps,
            max_fs,
            max_br: kilobits * 1000,
        }
    }

    fn of(profile: Profile, iop: u8, idc: u8) -> Self {
        // Below the high profiles level 1b is 1.1 with constraint_set3_flag (H.264 §7.4.2.1.1).
        let high = matches!(profile, Profile::High | Profile::ConstrainedHigh);
        let is_1b = idc == 11 && iop & 0x10 != 0 && !high;
        Self::new(if is_1b { 9 } else { idc })
    }

    fn rank(self) -> usize {
        LEVELS
            .iter()
            .position(|level| level.0 == self.idc)
            .unwrap_or(0)
    }
}

/// The parameters of one H.264 payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Equal in offer and answer.
    pub profile: Profile,
    /// The highest that is received (and, without `level-asymmetry-allowed`, sent).
    pub level: Level,
    /// Equal in offer and answer.
    pub mode: PacketizationMode,
    /// Macroblocks of one frame beyond the level (`max-fs`).
    pub max_fs: Option<u32>,
    /// Macroblocks a second beyond the level (`max-mbps`).
    pub max_mbps: Option<u32>,
    /// Bits a second beyond the level (`max-br`, which counts in 1,000).
    pub max_br: Option<u32>,
    /// Each direction may have its own level.
    pub asymmetry: bool,
    /// Parameter sets that may be missing in the stream.
    pub sets: ParameterSets,
}

/// `a=fmtp` of H.264 that cannot be accepted. The peer is at fault, or speaks what we do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// `packetization-mode` is neither 0 nor 1.
    #[error("packetization mode not spoken")]
    Mode,
    /// `profile-level-id` is not six hexadecimal digits, or of a profile not spoken.
    #[error("profile not spoken")]
    Profile,
}

impl Default for Params {
    /// What an absent `a=fmtp` means: Baseline, level 1, single NAL unit mode (RFC 6184 §8.1).
    fn default() -> Self {
        Self {
            profile: Profile::Baseline,
            level: Level::new(10),
            mode: PacketizationMode::SingleNal,
            max_fs: None,
            max_mbps: None,
            max_br: None,
            asymmetry: false,
            sets: ParameterSets::default(),
        }
    }
}

impl Params {
    /// What we offer and receive: Constrained Baseline at `level`.
    pub fn own(level: u8, mode: PacketizationMode) -> Self {
        Self {
            profile: Profile::ConstrainedBaseline,
            level: Level::new(level),
            mode,
            asymmetry: true,
            ..Self::default()
        }
    }

    /// Reads the value of `a=fmtp` after the payload type. Unknown parameters are ignored.
    pub fn parse(fmtp: &str) -> Result<Self, ParamsError> {
        let mut params = Self::default();
        for parameter in fmtp.split(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            params.take(name.trim(), value.trim())?;
        }
        Ok(params)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), ParamsError> {
        match name.to_ascii_lowercase().as_str() {
            "profile-level-id" => {
                let (profile, level) = profile_level(value).ok_or(ParamsError::Profile)?;
                self.profile = profile;
                self.level = level;
            }
            "packetization-mode" => {
                self.mode = match value {
                    "0" => PacketizationMode::SingleNal,
                    "1" => PacketizationMode::NonInterleaved,
                    _ => return Err(ParamsError::Mode),
                }
            }
            "max-fs" => self.max_fs = value.parse().ok(),
            "max-mbps" => self.max_mbps = value.parse().ok(),
            "max-br" => {
                self.max_br = value
                    .parse::<u32>()
                    .ok()
                    .map(|kilobits| kilobits.saturating_mul(1000));
            }
            "level-asymmetry-allowed" => self.asymmetry = value == "1",
            "sprop-parameter-sets" => self.sets = sprop(value),
            _ => {}
        }
        Ok(())
    }

    /// Our parameters in the answer to this offer (RFC 6184 §8.2.2): its profile and mode, our level if each
    /// direction may have its own, else the lower of both.
    pub fn answer(&self, own: &Self) -> Self {
        let lower = if own.level.rank() < self.level.rank() {
            own.level
        } else {
            self.level
        };
        let asymmetry = self.asymmetry && own.asymmetry;
        Self {
            profile: self.profile,
            level: if asymmetry { own.level } else { lower },
            mode: self.mode,
            asymmetry,
            sets: ParameterSets::default(),
            ..own.clone()
        }
    }

    /// Macroblocks of one frame the peer takes at most. A value below the level's is a mistake and not believed
    /// (RFC 6184 §8.1: "greater than or equal").
    pub fn frame_macroblocks(&self) -> u32 {
        self.max_fs.unwrap_or(0).max(self.level.max_fs)
    }

    /// Macroblocks a second the peer takes at most.
    pub fn macroblocks_per_second(&self) -> u32 {
        self.max_mbps.unwrap_or(0).max(self.level.max_mbps)
    }

    /// Bits a second the peer takes at most.
    pub fn bits_per_second(&self) -> u32 {
        self.max_br.unwrap_or(0).max(self.level.max_br)
    }
}

impl fmt::Display for Params {
    /// The value of `a=fmtp` after the payload type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idc, iop) = self.profile.octets();
        let high = matches!(self.profile, Profile::High | Profile::ConstrainedHigh);
        let (iop, level) = if self.level.idc == 9 && !high {
            (iop | 0x10, 11)
        } else {
            (iop, self.level.idc)
        };
        let mode = u8::from(self.mode == PacketizationMode::NonInterleaved);
        write!(
            f,
            "profile-level-id={idc:02x}{iop:02x}{level:02x};packetization-mode={mode}"
        )?;
        if self.asymmetry {
            f.write_str(";level-asymmetry-allowed=1")?;
        }
        let kilobits = self.max_br.map(|bits| bits / 1000);
        for (name, value) in [
            ("max-mbps", self.max_mbps),
            ("max-fs", self.max_fs),
            ("max-br", kilobits),
        ] {
            if let Some(value) = value {
                write!(f, ";{name}={value}")?;
            }
        }
        for (index, set) in self.sets.iter().enumerate() {
            f.write_str(if index == 0 {
                ";sprop-parameter-sets="
            } else {
                ","
            })?;
            f.write_str(&STANDARD.encode(set))?;
        }
        Ok(())
    }
}

fn profile_level(value: &str) -> Option<(Profile, Level)> {
    let number = u32::from_str_radix(value, 16)
        .ok()
        .filter(|_| value.len() == 6)?;
    let [_, idc, iop, level] = number.to_be_bytes();
    let profile = Profile::of(idc, iop)?;
    Some((profile, Level::of(profile, iop, level)))
}

fn sprop(value: &str) -> ParameterSets {
    let looked_at = value.get(..value.len().min(MAX_SPROP)).unwrap_or_default();
    ParameterSets::new(
        looked_at
            .split(',')
            .filter_map(|set| STANDARD.decode(set.trim()).ok()),
    )
}
