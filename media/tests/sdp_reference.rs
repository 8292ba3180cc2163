//! Session descriptions that others wrote: the bodies of the RFC 4475 torture messages, where the
//! reference folder lies beside the repository.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use plenum_media::limits::Limits;
use plenum_media::metrics::Metrics;
use plenum_media::negotiated::Codec;
use plenum_media::sdp::{Local, Malformed, SdpError, Session, parse, print};
use std::fs;
use std::path::Path;

/// The octets from `v=0` at the beginning of a line to the end of the description.
fn body(message: &[u8]) -> Option<Bytes> {
    let start = message.windows(4).position(|four| four == b"\nv=0")? + 1;
    let body = message.get(start..)?;
    let end = body
        .windows(4)
        .position(|four| four == b"\r\n--" || four == b"\r\n\r\n");
    Some(Bytes::copy_from_slice(
        body.get(..end.map_or(body.len(), |end| end + 2))?,
    ))
}

fn bodies(folder: &Path, found: &mut Vec<(String, Bytes)>) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            bodies(&path, found);
        } else if let Some(body) = body(&fs::read(&path).unwrap()) {
            found.push((path.display().to_string(), body));
        }
    }
}

#[test]
fn the_bodies_of_the_reference_messages_are_read_and_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec/rfc4475");
    let mut found = Vec::new();
    if folder.is_dir() {
        bodies(&folder, &mut found);
        assert!(found.len() >= 15, "only {} have a body", found.len());
    } else {
        println!("absent, not tested: {}", folder.display());
    }
    let limits = Limits {
        sdp_bytes: 32_768,
        sdp_sections: 16,
        sdp_formats: 64,
        ..Limits::default()
    };
    for (name, octets) in found {
        let description = match parse::parse(&octets, &limits) {
            // Its second line has a word where a letter belongs.
            Err(error) if name.ends_with("TC_TEST_I.dat") => {
                assert_eq!(error, SdpError::Malformed(Malformed::Line(2)));
                continue;
            }
            parsed => parsed.unwrap(),
        };
        let printed = print::print(&description);
        assert_eq!(
            parse::parse(&printed, &limits).unwrap(),
            description,
            "{name}"
        );
        let local = Local::new([192, 0, 2, 100].into(), 40_000, 1);
        let answered =
            Session::new(local, limits.clone(), Metrics::default()).handle_offer(&octets);
        assert_eq!(answered.unwrap().1.send.codec, Codec::Pcmu, "{name}");
    }
}
