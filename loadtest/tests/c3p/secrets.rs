//! What only the asker of getConference can read (MS-CONFBAS §3.12; CB-218 to CB-224), with OpenSSL
//! as the judge.

use super::{body, focus_uri, start, start_more};
use crate::joined;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    output.stdout
}

/// A key and a self-signed certificate, as clients make them (trap 73).
fn key_pair(bits: u32) -> (PathBuf, PathBuf, String) {
    let file = |kind| format!("plenum-cb220-{bits}-{}.{kind}", std::process::id());
    let (key, certificate) = (file("key"), file("pem"));
    let folder = std::env::temp_dir();
    let (key, certificate) = (folder.join(key), folder.join(certificate));
    let new = format!("rsa:{bits}");
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        &new,
        "-nodes",
        "-subj",
        "/CN=UCCP_CONF_MGR_CERT",
        "-days",
        "2",
        "-keyout",
        path(&key),
        "-out",
        path(&certificate),
    ];
    openssl(&arguments, b"");
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let base64 = lines.collect::<Vec<_>>().join("\n");
    (key, certificate, base64)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The texts of the elements `cms-data`, decrypted.
fn decrypted(response: &str, key: &Path, certificate: &Path) -> Vec<String> {
    let sealed = response.split("cms-data>").skip(1).step_by(2);
    let open = |text: &str| {
        let base64 = text.split('<').next().unwrap();
        let der = openssl(&["base64", "-d", "-A"], base64.as_bytes());
        let arguments = [
            "cms",
            "-decrypt",
            "-inform",
            "DER",
            "-inkey",
            path(key),
            "-recip",
            path(certificate),
        ];
        String::from_utf8(openssl(&arguments, &der)).unwrap()
    };
    sealed.map(open).collect()
}

#[test]
fn cb_220_to_cb_224_secrets_are_for_the_asker_only() {
    let join = "[join]\npublic_url = \"https://meet.example.com\"\n";
    let server = start_more("", "", join);
    let focus = focus_uri(&server);
    let mut pia = joined(&server, "pia", true);
    pia.subscribe("");
    let full = pia.notified("state=\"full\"");
    assert!(
        !full.contains("meet.example.com") && !full.contains("cms-data"),
        "CB-126: {full}"
    );
    let plain = pia.succeed(&body::get_conference(&focus));
    assert!(!plain.contains("cms-data"), "CB-222: {plain}");
    for bits in [1024, 2048] {
        let (key, certificate, base64) = key_pair(bits);
        let response = pia.succeed(&body::get_conference_for(&focus, &base64));
        assert!(!response.contains("meet.example.com"), "{response}");
        let mut secrets = decrypted(&response, &key, &certificate);
        secrets.sort();
        let link = format!("https://meet.example.com/meet/standup/{}", super::ID);
        assert_eq!(secrets, [super::ID.to_owned(), link]);
        std::fs::remove_file(key).unwrap();
        std::fs::remove_file(certificate).unwrap();
    }
    let garbage = body::get_conference_for(&focus, "MIIDGzCCAgOgAwIBAgIU");
    pia.fail(&garbage, &["otherFailure", "invalidEncryptionKey"]);
}

#[test]
fn cb_058_cb_220_the_conference_key_is_the_pin_where_there_is_one() {
    let server = start("pin = \"4711\"\n");
    let mut pia = joined(&server, "pia", true);
    let (key, certificate, base64) = key_pair(2048);
    let response = pia.succeed(&body::get_conference_for(&focus_uri(&server), &base64));
    assert_eq!(decrypted(&response, &key, &certificate), ["4711"]);
    std::fs::remove_file(key).unwrap();
    std::fs::remove_file(certificate).unwrap();
}
