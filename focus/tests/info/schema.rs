//! The judge that we did not write: xmllint, with the schemas of the protocol.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder of reference vectors, if it is there.
pub(crate) fn vectors() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec/confbas-vectors");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("reference vectors absent: {}", folder.display());
    None
}

/// Panics unless every document is valid. Says so where the schemas are absent.
pub(crate) fn assert_valid<'d>(documents: impl IntoIterator<Item = (String, &'d [u8])>) {
    if let Some(vectors) = vectors() {
        judge(&vectors.join("xsd/all.xsd"), documents);
    }
}

/// Panics unless every document is one of RFC 4575 as narrow as we write it: the schema is ours,
/// lies with the tests, and knows no extension.
pub(crate) fn assert_standard<'d>(documents: impl IntoIterator<Item = (String, &'d [u8])>) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/info/standard.xsd");
    judge(&schema, documents);
}

fn judge<'d>(schema: &Path, documents: impl IntoIterator<Item = (String, &'d [u8])>) {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let name = format!("plenum-schema-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let documents: Vec<_> = documents.into_iter().collect();
    if documents.is_empty() {
        return;
    }
    fs::create_dir_all(&folder).unwrap();
    let files: Vec<_> = documents
        .into_iter()
        .map(|(name, document)| {
            let file = folder.join(format!("{name}.xml"));
            fs::write(&file, document).unwrap();
            file
        })
        .collect();
    let verdict = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .args(&files)
        .output()
        .expect("xmllint (Debian: libxml2-utils) is installed by `make deps`");
    let words = String::from_utf8_lossy(&verdict.stderr);
    let complaints: String = words
        .lines()
        .filter(|line| !line.ends_with(" validates"))
        .take(12)
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::remove_dir_all(&folder).unwrap();
    assert!(verdict.status.success(), "{complaints}");
}
