//! What is read of ICE in a description prints as what reads the same again, within the bounds.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use plenum_media::limits::Limits;
use plenum_media::sdp::ice::IceDescription;
use plenum_media::sdp::parse::parse;

fn read(lines: &str, limits: &Limits) -> Option<IceDescription> {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let text = format!("{head}m=audio 9000 RTP/AVP 0\r\n{lines}\r\n");
    IceDescription::read(&parse(&Bytes::from(text), limits).ok()?, 0, limits)
}

fuzz_target!(|lines: &str| {
    let limits = Limits {
        sdp_bytes: 65_536,
        sdp_sections: 4,
        sdp_formats: 8,
        ..Limits::default()
    };
    let Some(first) = read(lines, &limits) else {
        return;
    };
    assert!(first.candidates.len() <= limits.ice.candidates);
    let mut printed = String::new();
    first.write_media(&mut printed, false).unwrap();
    let second = read(&printed, &limits).unwrap();
    assert_eq!((&first.ufrag, &first.pwd), (&second.ufrag, &second.pwd));
    assert_eq!(first.candidates, second.candidates);
});
