//! Bodies against the schemas of MS-CONFBAS §6, where those are at hand.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Fails when the XML in a message is not valid; says so when that cannot be known.
pub(crate) fn check(message: &str) {
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    if body.is_empty() {
        return;
    }
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec/confbas-vectors/xsd/all.xsd");
    let mut lint = Command::new("xmllint");
    lint.arg("--noout");
    if schema.exists() {
        lint.arg("--schema").arg(&schema);
    } else {
        println!("no schemas at {}: XML is only read", schema.display());
    }
    lint.arg("-").stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut lint) = lint.stdout(Stdio::null()).spawn() else {
        println!("no xmllint: XML is not judged");
        return;
    };
    let mut input = lint.stdin.take().unwrap();
    input.write_all(body.as_bytes()).unwrap();
    drop(input);
    let judged = lint.wait_with_output().unwrap();
    let faults = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{faults}\n{message}");
}
