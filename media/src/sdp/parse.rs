//! Octets to model (RFC 8866 §5 and §9).
//!
//! Strict about what would change the meaning, lenient about what real devices send: lines that
//! end in LF alone, no line end after the last line, blank lines, NUL octets at the end, white
//! space before or after a type letter, several spaces between the fields of an `m=` line, missing
//! `o=`, `s=` and `t=`. Values keep their white space, so that well-formed input prints exactly as
//! it came; the readings in [`attr`](super::attr) trim.

use super::{Incompatible, Line, Malformed, MediaLine, MediaSection, SdpError, SessionDescription};
use crate::limits::Limits;
use bytes::Bytes;
use smallvec::SmallVec;

/// Reads a session description. Values are slices of `input`: nothing is copied.
///
/// # Errors
/// [`Malformed`] when it is none; [`Incompatible`] when it exceeds `limits`.
pub fn parse(input: &Bytes, limits: &Limits) -> Result<SessionDescription, SdpError> {
    if input.len() > limits.sdp_bytes {
        return Err(Incompatible::TooLong(limits.sdp_bytes).into());
    }
    let mut description = SessionDescription::default();
    for (number, text) in (1..).zip(input.split(|&octet| octet == b'\n')) {
        let Some(line) = line(input, text, number)? else {
            continue;
        };
        if description.session.is_empty() && (line.kind != b'v' || line.text() != "0") {
            return Err(Malformed::Version.into());
        }
        if line.kind == b'm' {
            if description.media.len() >= limits.sdp_sections {
                return Err(Incompatible::TooManySections(limits.sdp_sections).into());
            }
            let m = MediaLine::parse(line.value).ok_or(Malformed::MediaLine(number))?;
            description.media.push(MediaSection {
                m,
                lines: Vec::new(),
            });
        } else if let Some(section) = description.media.last_mut() {
            section.lines.push(line);
        } else {
            description.session.push(line);
        }
    }
    if description.session.is_empty() {
        Err(Malformed::Empty.into())
    } else {
        Ok(description)
    }
}

/// One line without its LF; `None` when it is blank.
fn line(input: &Bytes, text: &[u8], number: usize) -> Result<Option<Line>, Malformed> {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let blank = |octet: &u8| octet.is_ascii_whitespace() || *octet == 0;
    if text.iter().all(blank) {
        return Ok(None);
    }
    let (&kind, rest) = text
        .trim_ascii_start()
        .split_first()
        .ok_or(Malformed::Line(number))?;
    match rest.trim_ascii_start().split_first() {
        Some((b'=', value)) if kind != b'=' => Ok(Some(Line {
            kind,
            value: input.slice_ref(value),
        })),
        _ => Err(Malformed::Line(number)),
    }
}

impl MediaLine {
    /// Reads the value of an `m=` line; `None` when a field is missing or the port is no port.
    pub fn parse(raw: Bytes) -> Option<Self> {
        let text = std::str::from_utf8(&raw).ok()?;
        let mut fields = text.split_ascii_whitespace();
        let media = fields.next()?;
        let port = fields.next()?;
        let proto = fields.next()?;
        // `<port>/<number of ports>`: consecutive pairs for layered streams. We use the first.
        let port = port
            .split_once('/')
            .map_or(port, |(first, _)| first)
            .parse()
            .ok()?;
        let own = |field: &str| raw.slice_ref(field.as_bytes());
        let formats: SmallVec<_> = fields.map(own).collect();
        // A section of RTP has formats or it says nothing; some gateways leave them out of a
        // section they refuse.
        if formats.is_empty() && port != 0 {
            return None;
        }
        let (media, proto) = (own(media), own(proto));
        Some(Self {
            raw,
            media,
            port,
            proto,
            formats,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::print::print;
    use crate::sdp::tests::limits;

    fn read(text: &str) -> Result<SessionDescription, SdpError> {
        parse(&Bytes::copy_from_slice(text.as_bytes()), &limits())
    }

    #[test]
    fn order_unknown_lines_and_octets_survive() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nz=what\r\ns= \r\na=x\r\nQ=?\r\nt=0 0\r\nk=old\r\n\
             m=audio 4000/2 RTP/AVP 0  8 \r\ni=caf\u{e9}\r\na=rtpmap:0 PCMU/8000\r\nc=IN IP4 192.0.2.1\r\n\
             m=whatever 9 FOO/BAR a b\r\na=b=c:d\r\n";
        let description = read(text).unwrap();
        assert_eq!(description.media.len(), 2);
        assert_eq!(
            description.media[0].m.formats().collect::<Vec<_>>(),
            ["0", "8"]
        );
        assert_eq!(description.media[1].m.proto(), "FOO/BAR");
        assert_eq!(print(&description), text.as_bytes());
    }

    #[test]
    fn latin1_session_name_survives() {
        let octets = b"v=0\r\ns=caf\xe9\r\n";
        let description = parse(&Bytes::from_static(octets), &limits()).unwrap();
        assert_eq!(description.first(b's'), Some(""));
        assert_eq!(print(&description), octets.as_slice());
    }

    #[test]
    fn what_real_devices_send_is_taken() {
        let description = read("\n v=0\n\no =x\nm= audio  4000 RTP/AVP  0\na= ptime : 20 \n\0\0");
        let description = description.unwrap();
        assert_eq!(description.media[0].m.port(), 4000);
        assert_eq!(
            description.media[0].attributes().next(),
            Some(("ptime", "20"))
        );
    }

    #[test]
    fn what_is_no_description_is_named() {
        let cases = [
            ("", Malformed::Empty),
            ("\r\n \r\n", Malformed::Empty),
            ("s=x\r\nv=0\r\n", Malformed::Version),
            ("v=1\r\n", Malformed::Version),
            ("v=0\r\nhello\r\n", Malformed::Line(2)),
            ("v=0\r\n==\r\n", Malformed::Line(2)),
            ("v=0\r\nm=audio\r\n", Malformed::MediaLine(2)),
            (
                "v=0\r\nm=audio 70000 RTP/AVP 0\r\n",
                Malformed::MediaLine(2),
            ),
            ("v=0\r\nm=audio 4000 RTP/AVP\r\n", Malformed::MediaLine(2)),
        ];
        for (text, error) in cases {
            assert_eq!(read(text), Err(SdpError::Malformed(error)), "{text:?}");
        }
    }

    #[test]
    fn limits_are_kept() {
        let long = format!("v=0\r\ni={}\r\n", "x".repeat(limits().sdp_bytes));
        let too_long = Incompatible::TooLong(limits().sdp_bytes);
        assert_eq!(read(&long), Err(SdpError::Incompatible(too_long)));
        let many = format!(
            "v=0\r\n{}",
            "m=audio 0 RTP/AVP 0\r\n".repeat(limits().sdp_sections + 1)
        );
        let too_many = Incompatible::TooManySections(limits().sdp_sections);
        assert_eq!(read(&many), Err(SdpError::Incompatible(too_many)));
    }
}
