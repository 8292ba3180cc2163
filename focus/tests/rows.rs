//! Every row of the requirements that concern a server is in the name of a test or in the crate's
//! documentation with the reason why not. The rows are read where their list is.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows that are tables, with rows of their own.
const TABLES: [u32; 5] = [247, 281, 282, 283, 304];

/// `CB-247.7` is `(247, 7)`, `CB-001` is `(1, 0)`.
type Row = (u32, u32);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn row(text: &str) -> Option<Row> {
    let (number, part) = text.split_once('.').unwrap_or((text, "0"));
    Some((number.parse().ok()?, part.parse().ok()?))
}

/// The rows with a server's role; those inside of tables have none of their own.
fn of_servers(list: &str) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for line in list.lines() {
        let Some((_, rest)) = line.split_once("**CB-") else {
            continue;
        };
        let (id, rest) = rest.split_once("**").unwrap();
        let role = rest.trim_start().strip_prefix('[');
        let role = role.and_then(|role| role.split(' ').next());
        let concerns = role.is_none_or(|role| role.contains(['F', 'U', 'H']));
        if concerns && (line.starts_with("- ") || line.starts_with("| ")) {
            rows.insert(row(id).unwrap());
        }
    }
    rows
}

fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// `cb_188_to_cb_195_…`, `cb_196_to_201_…`, `cb_002_289_290_…`, `cb_247_7_to_10_…`.
fn of_name(name: &str, rows: &mut BTreeSet<Row>) {
    let (mut last, mut to) = (None::<Row>, false);
    for word in name.split('_') {
        match (word, word.parse::<u32>(), last) {
            ("cb", ..) => {}
            ("to", _, Some(_)) => {
                to = true;
                continue;
            }
            (_, Ok(number), Some((table, part))) if TABLES.contains(&table) && number < 100 => {
                let from = if to { part } else { number };
                rows.extend((from..=number).map(|part| (table, part)));
                last = Some((table, number));
            }
            (_, Ok(number), Some((from, _))) if to => {
                rows.extend((from..=number).map(|number| (number, 0)));
                last = Some((number, 0));
            }
            (_, Ok(number), _) => {
                rows.insert((number, 0));
                last = Some((number, 0));
            }
            (_, Err(_), _) if last.is_some() => return,
            (_, Err(_), _) => {}
        }
        to = to && word == "cb";
    }
}

/// The rows of the tables in the crate's documentation.
fn of_documentation(text: &str, rows: &mut BTreeSet<Row>) {
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("//! | CB-"))
    {
        let (ids, _) = line.split_once(" | ").unwrap();
        for ids in ids.split(", ") {
            let ids = ids.trim_start_matches("CB-");
            let (first, last) = ids.split_once(" to CB-").unwrap_or((ids, ids));
            let (first, last) = (row(first).unwrap(), row(last).unwrap());
            if first.1 > 0 {
                rows.extend((first.1..=last.1).map(|part| (first.0, part)));
            } else {
                rows.extend((first.0..=last.0).map(|number| (number, 0)));
            }
        }
    }
}

#[test]
fn every_row_is_tested_or_has_a_reason() {
    let list = repository().join("../shared/spec/confbas.md");
    let Ok(list) = fs::read_to_string(&list) else {
        println!("no list of requirements: {}", list.display());
        return;
    };
    let mut texts = Vec::new();
    for folder in ["focus", "loadtest", "src"] {
        sources(&repository().join(folder), &mut texts);
    }
    let mut seen = BTreeSet::new();
    for name in texts.iter().flat_map(|text| text.split("fn ").skip(1)) {
        let name = name.split('(').next().unwrap();
        if name.contains("cb_") && !name.contains(char::is_whitespace) {
            of_name(name, &mut seen);
        }
    }
    let documentation = fs::read_to_string(repository().join("focus/src/lib.rs")).unwrap();
    of_documentation(&documentation, &mut seen);
    let wanted = of_servers(&list);
    assert!(wanted.len() > 300, "the list was read");
    let missing: Vec<_> = wanted.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_test_that_the_documentation_names_exists() {
    let mut texts = Vec::new();
    for folder in ["focus", "loadtest", "src"] {
        sources(&repository().join(folder), &mut texts);
    }
    let documentation = fs::read_to_string(repository().join("focus/src/lib.rs")).unwrap();
    let rows = documentation.lines();
    let quoted = rows
        .filter(|line| line.starts_with("//! | CB-"))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let names: Vec<&str> = quoted.filter(|name| name.starts_with("cb_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let function = format!("fn {name}(");
        assert!(
            texts.iter().any(|text| text.contains(&function)),
            "there is no test {name}"
        );
    }
}

#[test]
fn names_are_read_as_they_are_meant() {
    for (name, expect) in [
        ("cb_001_it_is", vec![(1, 0)]),
        (
            "cb_188_to_cb_190_removing",
            vec![(188, 0), (189, 0), (190, 0)],
        ),
        ("cb_176_to_177_roles", vec![(176, 0), (177, 0)]),
        ("cb_002_289_290_page", vec![(2, 0), (289, 0), (290, 0)]),
        (
            "cb_247_7_cb_286_muting_2_phones",
            vec![(247, 0), (247, 7), (286, 0)],
        ),
        (
            "cb_247_7_to_9_commands",
            vec![(247, 0), (247, 7), (247, 8), (247, 9)],
        ),
    ] {
        let mut rows = BTreeSet::new();
        of_name(name, &mut rows);
        assert_eq!(rows.into_iter().collect::<Vec<_>>(), expect, "{name}");
    }
}
