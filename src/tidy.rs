//! The repository's own rules, as tests. Each says what to do when it fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The dependency table of the architecture: a crate, and the workspace crates it may know.
const MAY_KNOW: [(&str, &[&str]); 11] = [
    (
        "plenum",
        &["plenum-focus", "plenum-mcu", "plenum-media", "plenum-sip"],
    ),
    ("plenum-sip", &[]),
    ("plenum-media", &["plenum-native"]),
    ("plenum-native", &[]),
    ("plenum-mcu", &["plenum-media"]),
    ("plenum-focus", &["plenum-mcu", "plenum-sip"]),
    ("plenum-loadtest", &[]),
    ("sdp-fixtures", &[]),
    ("plenum-sip-fuzz", &["plenum-sip"]),
    ("plenum-media-fuzz", &["plenum-media"]),
    (
        "plenum-focus-fuzz",
        &["plenum-focus", "plenum-mcu", "plenum-sip"],
    ),
];

/// Third-party protocol crates, and the one place each is imported in. The load generator imports
/// the codecs as well: with the server's own wrapper on both sides their faults would cancel.
const ONE_IMPORTER: &[(&str, &str)] = &[
    ("cms", "focus/src/seal.rs"),
    ("rsa", "focus/src/seal.rs"),
    ("x509_cert", "focus/src/seal.rs"),
    ("quick_xml", "focus/src/xml/"),
    ("rsip", "sip/tests/"),
    ("rusqlite", "src/store/"),
    ("hickory_resolver", "sip/src/resolve"),
    ("opus", "media/src/codec/opus.rs"),
    ("openh264", "media/native/src/h264.rs"),
    ("vpx_sys", "media/native/src/vpx.rs"),
    ("audio_codec", "media/src/codec/g722.rs"),
    ("rtc", "media/src/crypto/"),
];

/// Words that have no place in a core: clocks, tasks, locks, sockets, ambient randomness.
const IMPURE: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "std::thread",
    "Mutex",
    "RwLock",
    "UdpSocket",
    "TcpStream",
    "rand::rng(",
];

/// Shells: where the words above are allowed. This list may only shrink.
const SHELLS: [&str; 5] = [
    "sip/src/transport/",
    "sip/src/resolve/",
    "sip/src/driver.rs",
    "mcu/src/shell/",
    "focus/src/shell/",
];

const EXEMPT: [&str; 2] = ["loadtest/src/codec.rs", "src/tidy.rs"];
const FILE_LINES: usize = 600;
const BLOB_BYTES: u64 = 100 * 1024;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// All files of the repository, relative to its root, with `/` between folders.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    files_below(&root(), &mut found);
    let relative = |path: PathBuf| {
        path.strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    let mut files: Vec<_> = found.into_iter().map(relative).collect();
    files.sort();
    files
}

fn rust_files() -> Vec<(String, String)> {
    let is_rust = |file: &String| file.ends_with(".rs");
    files()
        .into_iter()
        .filter(is_rust)
        .map(|file| {
            let text = fs::read_to_string(root().join(&file)).unwrap();
            (file, text)
        })
        .collect()
}

fn is_production(file: &str) -> bool {
    let outside = ["/tests/", "/benches/", "/fuzz/", "/examples/"];
    file.contains("src/") && !outside.iter().any(|part| file.contains(part)) && !is_test(file)
}

fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.ends_with("tidy.rs")
}

/// The part of a source file before its test module.
fn production_text(text: &str) -> &str {
    let start = text.find("\nmod tests").unwrap_or(text.len());
    let before = &text[..start];
    before
        .rfind("#[cfg(test)]")
        .map_or(text, |attribute| &before[..attribute])
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let table: BTreeMap<_, _> = MAY_KNOW.into_iter().collect();
    assert_eq!(
        metadata.packages.len(),
        table.len(),
        "a crate is missing in the table"
    );
    for package in &metadata.packages {
        let may = table[package.name.as_str()];
        for dependency in &package.dependencies {
            let ours = table.contains_key(dependency.name.as_str());
            let normal = dependency.kind == cargo_metadata::DependencyKind::Normal;
            assert!(
                !(ours && normal) || may.contains(&dependency.name.as_str()),
                "{} must not know {}: see the architecture table in README.md",
                package.name,
                dependency.name
            );
        }
    }
}

/// The focus speaks to mixers by plain data: nothing of how they mix.
#[test]
fn the_focus_sees_the_mixers_contract_only() {
    let mut seen = 0;
    for (file, text) in rust_files() {
        if !file.starts_with("focus/src") {
            continue;
        }
        for path in text.split("plenum_mcu::").skip(1) {
            seen += 1;
            assert!(path.starts_with("control"), "{file} looks into the mixer");
        }
    }
    assert!(seen > 0);
}

#[test]
fn cores_are_told_the_time() {
    for (file, text) in rust_files() {
        let core = ["sip/", "media/", "mcu/", "focus/"]
            .iter()
            .any(|part| file.starts_with(part));
        let shell = SHELLS.iter().any(|part| file.starts_with(part));
        if !core || shell || !is_production(&file) {
            continue;
        }
        for (number, line) in production_text(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in IMPURE {
                assert!(
                    !code.contains(word),
                    "{file}:{}: {word} in a core",
                    number + 1
                );
            }
        }
    }
}

#[test]
fn protocol_crates_have_one_importer() {
    for (file, text) in rust_files() {
        for &(third_party, place) in ONE_IMPORTER {
            let used = text
                .lines()
                .any(|line| line.starts_with(&format!("use {third_party}::")));
            assert!(
                !used || file.starts_with(place) || EXEMPT.contains(&file.as_str()),
                "{file} imports {third_party}; only {place} may"
            );
        }
    }
}

#[test]
fn files_have_one_purpose() {
    for (file, text) in rust_files() {
        let lines = text.lines().count();
        assert!(
            lines <= FILE_LINES,
            "{file} has {lines} lines, at most {FILE_LINES}: split it"
        );
    }
}

#[test]
fn every_state_machine_cites_its_rfc() {
    for (file, text) in rust_files() {
        let machine =
            file.starts_with("sip/src/transaction/") || file.starts_with("sip/src/dialog/");
        if machine && is_production(&file) {
            let docs: String = text
                .lines()
                .take_while(|line| line.starts_with("//!"))
                .collect();
            assert!(docs.contains("RFC "), "{file}: the module docs cite no RFC");
        }
    }
}

#[test]
fn nothing_is_left_unfinished_or_silenced() {
    let forbidden = [
        "#[ignore",
        "#[allow(",
        "#![allow(",
        "TODO",
        "FIXME",
        "todo!(",
        "unimplemented!(",
    ];
    for (file, text) in rust_files() {
        if file == "src/tidy.rs" {
            continue;
        }
        for word in forbidden {
            assert!(!text.contains(word), "{file} contains {word}");
        }
    }
}

#[test]
fn no_large_blobs() {
    for file in files() {
        let size = fs::metadata(root().join(&file)).unwrap().len();
        // The README has a row for every key, metric and RFC.
        let written = ["Cargo.lock", "README.md"].contains(&file.as_str());
        let exempt = written || file.contains("/corpus/");
        assert!(exempt || size <= BLOB_BYTES, "{file} has {size} octets");
    }
}

#[test]
fn the_top_level_is_the_design_card() {
    let expected = [
        ".cargo",
        ".ci",
        ".clippy.toml",
        ".deny.toml",
        ".git",
        ".gitignore",
        ".rustfmt.toml",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "Makefile",
        "README.md",
        "focus",
        "loadtest",
        "mcu",
        "media",
        "sdp-fixtures",
        "sip",
        "src",
        "target",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        // What a failing property test leaves behind must not fail another test.
        if name == "proptest-regressions" {
            continue;
        }
        assert!(
            expected.contains(&name.as_str()),
            "{name} is not on the design card"
        );
    }
}

#[test]
fn the_readme_tells_the_truth() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for known in crate::config::Config::reference() {
        let row = format!("| `{}` | `{}` |", known.key, known.default);
        assert!(
            readme.contains(&row),
            "README's configuration reference lacks: {row}"
        );
    }
    for (file, _) in rust_files() {
        let Some(module) = file.strip_suffix("/src/lib.rs") else {
            continue;
        };
        assert!(
            readme.contains(&format!("`{module}`")),
            "README's table lacks the crate {module}"
        );
    }
    for metric in crate::observe::metric_names() {
        assert!(
            readme.contains(&format!("`{metric}`")),
            "README's metrics list lacks {metric}"
        );
    }
}

#[test]
fn the_readme_lists_metrics_that_have_not_happened_yet() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (mut found, mut missing) = (0, Vec::new());
    for (file, text) in rust_files() {
        if !is_production(&file) {
            continue;
        }
        for registered in text.split(".register(").skip(1) {
            let name = registered.trim_start().strip_prefix('"');
            let Some((name, _)) = name.and_then(|rest| rest.split_once('"')) else {
                continue;
            };
            found += 1;
            if !readme.contains(&format!("_{name}`")) {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(found > 50, "metrics are registered in another way now");
    assert!(missing.is_empty(), "README's metrics lack {missing:?}");
}

#[test]
fn the_readme_lists_every_rfc_that_the_code_cites() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (file, text) in rust_files() {
        if !is_production(&file) {
            continue;
        }
        for cited in text.split("RFC ").skip(1) {
            let number: String = cited.chars().take_while(char::is_ascii_digit).collect();
            assert!(
                number.is_empty() || readme.contains(&format!("RFC {number}")),
                "{file} cites RFC {number}, README does not list it"
            );
        }
    }
}
