//! What we send of a codec both speak: its rate and the length of its packets.

use super::Local;
use super::attr::{OPUS_BITRATE_MIN, OpusParameters};
use super::remote::RemoteAudio;
use crate::negotiated::{Codec, Payload, SendFormat};

pub(super) fn send_format(local: &Local, remote: &RemoteAudio, codec: Codec) -> SendFormat {
    let ptime_ms = ptime(local, remote, codec);
    let plain = SendFormat {
        codec,
        ptime_ms,
        bitrate: 0,
        playback_rate: 0,
        fec: false,
        dtx: false,
        cbr: false,
    };
    match codec {
        Codec::Opus => {
            let opus = opus(remote);
            SendFormat {
                bitrate: bitrate(local, remote, &opus, ptime_ms),
                playback_rate: opus.playback_rate,
                fec: opus.fec,
                dtx: opus.dtx,
                cbr: opus.cbr,
                ..plain
            }
        }
        Codec::G722 | Codec::Pcma | Codec::Pcmu => plain,
    }
}

fn opus(remote: &RemoteAudio) -> OpusParameters {
    let is_opus = |payload| payload == Payload::Audio(Codec::Opus);
    let format = remote.formats.iter().find(|format| is_opus(format.payload));
    format.map_or_else(OpusParameters::default, |format| format.opus)
}

/// The least of our ceiling, `maxaveragebitrate`, `b=TIAS`, and `b=AS` without the 40 octets
/// (60 with IPv6) of headers that each packet has.
fn bitrate(local: &Local, remote: &RemoteAudio, opus: &OpusParameters, ptime_ms: u8) -> u32 {
    let octets = if local.address.is_ipv6() { 60 } else { 40 };
    let headers = octets * 8 * 1_000 / u32::from(ptime_ms.max(1));
    let of_total = remote.bandwidth.map(|total| total.saturating_sub(headers));
    [Some(opus.bitrate), remote.payload_bandwidth, of_total]
        .into_iter()
        .flatten()
        .fold(local.opus_ceiling(), u32::min)
        .max(OPUS_BITRATE_MIN)
}

/// The packet duration: what the peer asks for, else ours; brought down to one that we make, not
/// above `maxptime`, not below an Opus `minptime` where that is possible.
pub(super) fn ptime(local: &Local, remote: &RemoteAudio, codec: Codec) -> u8 {
    let opus = match codec {
        Codec::Opus => opus(remote),
        Codec::G722 | Codec::Pcma | Codec::Pcmu => OpusParameters::default(),
    };
    let wanted = remote
        .ptime
        .or(opus.ptime)
        .unwrap_or_else(|| u32::from(local.ptime_ms));
    let wanted = wanted.max(opus.minptime.unwrap_or(0));
    let longest = [remote.maxptime, opus.maxptime]
        .into_iter()
        .flatten()
        .fold(wanted, u32::min);
    // Opus has no frame of 30 ms (RFC 6716 §2.1.4).
    let made = |duration: &u8| codec != Codec::Opus || *duration != 30;
    let fits = |duration: &u8| u32::from(*duration) <= longest && made(duration);
    PTIMES.into_iter().rev().find(fits).unwrap_or(10)
}

/// The packet durations we make, milliseconds.
const PTIMES: [u8; 5] = [10, 20, 30, 40, 60];
