//! The reference vectors, where they lie beside the repository.

use super::LIMITS;
use super::schema::{assert_valid, vectors};
use plenum_focus::c3p::{self, Command};
use plenum_focus::info::{self, Form, Rendering};
use std::fs;
use std::path::Path;

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn body(message: &[u8]) -> Option<&[u8]> {
    let at = message
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    let body = message.get(at + 4..)?;
    (!body.is_empty()).then_some(body)
}

/// Reads whichever of our documents it is and writes it anew; `None` for others.
fn rewrite(name: &str, document: &[u8]) -> Option<Vec<u8>> {
    let root = plenum_focus::xml::read(document, &LIMITS).unwrap_or_else(|e| panic!("{name}: {e}"));
    match &*root.local {
        "request" => {
            let request = c3p::read_request(document, &LIMITS)
                .unwrap_or_else(|malformed| panic!("{name}: {malformed}"));
            assert!(
                !matches!(request.command, Command::Unsupported(_)),
                "{name}"
            );
            Some(request.to_octets())
        }
        "response" => {
            let response = c3p::read_response(document, &LIMITS)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            Some(response.to_octets())
        }
        "conference-info" => {
            let info =
                info::read(document, &LIMITS).unwrap_or_else(|error| panic!("{name}: {error}"));
            let version = info.version.unwrap_or(0);
            Some(
                Rendering::new(&info, Form::Extended)
                    .with_version(version)
                    .to_vec(),
            )
        }
        _ => None,
    }
}

#[test]
fn every_valid_example_is_read_and_written_anew() {
    let Some(vectors) = vectors() else { return };
    let mut written = Vec::new();
    for (name, document) in files(&vectors.join("xml-valid")) {
        if let Some(octets) = rewrite(&name, &document) {
            written.push((name, octets));
        }
    }
    assert!(written.len() >= 35, "only {} documents", written.len());
    for (name, octets) in &written {
        let again = rewrite(name, octets).unwrap();
        assert_eq!(&again, octets, "{name} is stable");
    }
    assert_valid(
        written
            .iter()
            .map(|(name, octets)| (name.clone(), octets.as_slice())),
    );
}

#[test]
fn every_body_on_the_wire_is_read() {
    let Some(vectors) = vectors() else { return };
    let messages = files(&vectors.join("wire"));
    let read = messages
        .iter()
        .filter_map(|(name, message)| rewrite(name, body(message)?))
        .count();
    assert!(read >= 25, "only {read} bodies");
}

/// As printed, the examples break the schema; what is XML at all is read nevertheless, but for
/// what the prose forbids.
#[test]
fn traps_1_to_3_every_request_as_printed_is_read() {
    let Some(vectors) = vectors() else { return };
    let mut read = 0;
    for (name, document) in files(&vectors.join("xml")) {
        let Ok(root) = plenum_focus::xml::read(&document, &LIMITS) else {
            continue;
        };
        if &*root.local != "request" {
            continue;
        }
        match c3p::read_request(&document, &LIMITS) {
            Ok(request) => {
                read += 1;
                // The certificate of the example is none, and is for the command to refuse.
                if !matches!(request.command, Command::GetConference(_)) {
                    assert_valid([(name, request.to_octets().as_slice())]);
                }
            }
            Err(malformed) => println!("{name}: {malformed}"),
        }
    }
    assert!(read >= 9, "only {read} requests");
}
