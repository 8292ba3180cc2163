//! The session descriptions a simulated phone needs: its own, and where the answer wants its audio.

use crate::codec::Codec;
use crate::srtp::Master;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, SocketAddr};

/// The one suite of the simulated phones (RFC 4568 §6.2.1).
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// The payload type the generator gives to telephone events (RFC 4733).
pub const DTMF_PAYLOAD: u8 = 101;

/// What the far side's description says about its audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAudio {
    /// Where it wants RTP.
    pub rtp: SocketAddr,
    /// Its first payload type: the codec it chose.
    pub payload: u8,
    /// The payload type it takes telephone events with.
    pub dtmf: Option<u8>,
}

/// Our description with one codec and telephone events, `direction` being `sendrecv`, `sendonly` …
pub fn describe(rtp: SocketAddr, codec: Codec, version: u32, direction: &str) -> String {
    let (payload, map) = (codec.payload(), codec.rtpmap());
    let clock = if codec == Codec::Opus { 48_000 } else { 8_000 };
    let (ip, port) = (rtp.ip(), rtp.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let fmtp = match codec {
        Codec::Opus => format!("a=fmtp:{payload} useinbandfec=1;stereo=0;sprop-stereo=0\r\n"),
        Codec::Pcmu | Codec::Pcma | Codec::G722 => String::new(),
    };
    format!(
        "v=0\r\no=load 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload} {DTMF_PAYLOAD}\r\na=rtpmap:{payload} {map}\r\n{fmtp}\
         a=rtpmap:{DTMF_PAYLOAD} telephone-event/{clock}\r\na=fmtp:{DTMF_PAYLOAD} 0-16\r\n\
         a=ptime:20\r\na={direction}\r\n"
    )
}

/// The same description with these keys instead of plain RTP (RFC 4568).
pub fn encrypted(description: &str, key: &Master) -> String {
    let key = STANDARD.encode(key);
    let secure = description.replacen(" RTP/AVP ", " RTP/SAVP ", 1);
    format!("{secure}a=crypto:1 {SUITE} inline:{key}\r\n")
}

/// The peer's key, where it took ours up.
pub fn remote_key(description: &str) -> Option<Master> {
    let line = description
        .lines()
        .find(|line| line.starts_with("a=crypto:1 "))?;
    let mut words = line.split_whitespace().skip(1);
    let suite = words.next().filter(|suite| *suite == SUITE);
    let inline = suite.and_then(|_| words.next())?.strip_prefix("inline:")?;
    STANDARD
        .decode(inline.split('|').next()?)
        .ok()?
        .try_into()
        .ok()
}

/// Reads the first audio section of a description; `None` when it has none or refuses it.
pub fn remote_audio(description: &str) -> Option<RemoteAudio> {
    let mut session_ip = None;
    let mut media: Option<(u16, u8)> = None;
    let mut media_ip = None;
    let mut dtmf = None;
    for line in description.lines() {
        if line.starts_with("m=") && media.is_some() {
            break;
        }
        if let Some(rest) = line.strip_prefix("m=audio ") {
            let mut words = rest.split_whitespace();
            let port = words.next()?.parse().ok()?;
            media = Some((port, words.nth(1)?.parse().ok()?));
        } else if let Some(rest) = line.strip_prefix("c=IN ") {
            let ip = rest
                .split_whitespace()
                .nth(1)
                .and_then(|ip| ip.parse::<IpAddr>().ok());
            if media.is_some() {
                media_ip = ip
            } else {
                session_ip = ip
            }
        } else if let Some(rest) = line.strip_prefix("a=rtpmap:")
            && let Some((payload, map)) = rest.split_once(' ')
            && map.to_ascii_lowercase().starts_with("telephone-event")
        {
            dtmf = dtmf.or_else(|| payload.parse().ok());
        }
    }
    let (port, payload) = media.filter(|(port, _)| *port != 0)?;
    let rtp = SocketAddr::new(media_ip.or(session_ip)?, port);
    Some(RemoteAudio { rtp, payload, dtmf })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_describe_we_read() {
        let rtp = "127.0.0.1:4000".parse().unwrap();
        let audio = remote_audio(&describe(rtp, Codec::Opus, 1, "sendrecv")).unwrap();
        assert_eq!(
            audio,
            RemoteAudio {
                rtp,
                payload: 111,
                dtmf: Some(101)
            }
        );
    }

    #[test]
    fn rfc4568_a_key_reads_as_it_is_written() {
        let rtp = "127.0.0.1:4000".parse().unwrap();
        let plain = describe(rtp, Codec::Pcmu, 1, "sendrecv");
        let secure = encrypted(&plain, &[9; 30]);
        assert!(secure.contains("m=audio 4000 RTP/SAVP 0 101"), "{secure}");
        assert_eq!(remote_key(&secure), Some([9; 30]));
        assert_eq!(remote_key(&plain), None);
    }

    #[test]
    fn port_0_is_no_audio() {
        let refused = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n";
        assert_eq!(remote_audio(refused), None);
    }
}
