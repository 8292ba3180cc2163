//! Reads TOML so that every mistake is reported at once, each with its line and key.
//!
//! A [`Section`] is asked for its settings one by one. The default of a setting is TOML text read
//! by the same code as the user's value, so what the reference prints is what happens.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 when the mistake has no place.
    pub line: usize,
    /// The key with its sections (`media.ports`), empty for a syntax error.
    pub key: String,
    /// What is wrong and what is expected.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

/// A setting that the reader knows, for the reference in the README.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownKey {
    /// The key with its sections.
    pub key: String,
    /// Its default as TOML.
    pub default: String,
}

/// A type a setting can have.
pub(crate) trait Setting: Sized {
    /// Reads the value, or says what was expected.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;
}

/// What was found while reading one file.
#[derive(Debug)]
pub(crate) struct Findings<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    known: RefCell<Vec<KnownKey>>,
}

impl<'t> Findings<'t> {
    /// Parses `text`; syntax errors are problems, the readable rest is read on.
    pub(crate) fn parse(text: &'t str) -> (Spanned<DeTable<'t>>, Self) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let findings = Self {
            text,
            problems: RefCell::default(),
            known: RefCell::default(),
        };
        for error in errors {
            let at = error.span().map_or(0, |span| findings.line(span.start));
            findings.problem(at, "", error.message().to_owned());
        }
        (root, findings)
    }

    /// The problems in the order of their lines, and every key that was asked for.
    pub(crate) fn finish(self) -> (Vec<Problem>, Vec<KnownKey>) {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        (problems, self.known.into_inner())
    }

    pub(crate) fn problem(&self, line: usize, key: &str, text: String) {
        self.problems.borrow_mut().push(Problem {
            line,
            key: key.to_owned(),
            text,
        });
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        before.bytes().filter(|octet| *octet == b'\n').count() + 1
    }
}

/// One table of the file while it is being read.
#[derive(Debug)]
pub(crate) struct Section<'a, 't> {
    findings: &'a Findings<'t>,
    table: Option<&'a DeTable<'t>>,
    path: String,
    line: usize,
    asked: BTreeSet<String>,
}

impl<'a, 't> Section<'a, 't> {
    /// The whole file.
    pub(crate) fn root(root: &'a Spanned<DeTable<'t>>, findings: &'a Findings<'t>) -> Self {
        Self {
            findings,
            table: Some(root.get_ref()),
            path: String::new(),
            line: 0,
            asked: BTreeSet::new(),
        }
    }

    /// The table `name`; as if empty when the file does not have it.
    pub(crate) fn section(&mut self, name: &str) -> Self {
        self.asked.insert(name.to_owned());
        let mut section = Self {
            findings: self.findings,
            table: None,
            path: self.key(name),
            line: 0,
            asked: BTreeSet::new(),
        };
        let Some(value) = self.table.and_then(|table| table.get(name)) else {
            return section;
        };
        section.line = self.findings.line(value.span().start);
        let found = value.get_ref();
        section.table = found.as_table();
        if section.table.is_none() {
            let text = format!(
                "expected a section [{}], found {}",
                section.path,
                found.type_str()
            );
            self.findings.problem(section.line, &section.path, text);
        }
        section
    }

    /// The tables `[[name]]`, each with what it is read by.
    pub(crate) fn sections<T>(&mut self, name: &str, read: impl Fn(&mut Self) -> T) -> Vec<T> {
        self.asked.insert(name.to_owned());
        let path = self.key(name);
        let Some(value) = self.table.and_then(|table| table.get(name)) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            let line = self.findings.line(value.span().start);
            self.findings
                .problem(line, &path, format!("expected sections [[{path}]]"));
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in items.iter() {
            let line = self.findings.line(item.span().start);
            let DeValue::Table(table) = item.get_ref() else {
                self.findings
                    .problem(line, &path, "expected a section".to_owned());
                continue;
            };
            let mut section = Self {
                findings: self.findings,
                table: Some(table),
                path: path.clone(),
                line,
                asked: BTreeSet::new(),
            };
            all.push(read(&mut section));
            section.finish();
        }
        all
    }

    /// The setting `key`, or its default.
    ///
    /// A value that cannot be read is a problem, and the default is used to read on.
    #[expect(
        clippy::panic,
        reason = "a default that its own type refuses is a bug in this file"
    )]
    pub(crate) fn get<T: Setting>(&mut self, key: &str, default: &str) -> T {
        match self.optional(key, default) {
            Some(value) => value,
            None => match DeValue::parse(default).map(|value| T::read(value.get_ref())) {
                Ok(Ok(value)) => value,
                Ok(Err(text)) => panic!("default of {}: {text}", self.key(key)),
                Err(error) => panic!("default of {}: {error}", self.key(key)),
            },
        }
    }

    /// The setting `key` if the file has it. `shown` stands in the reference for its absence.
    pub(crate) fn optional<T: Setting>(&mut self, key: &str, shown: &str) -> Option<T> {
        let path = self.key(key);
        self.asked.insert(key.to_owned());
        self.findings.known.borrow_mut().push(KnownKey {
            key: path.clone(),
            default: shown.to_owned(),
        });
        let value = self.table.and_then(|table| table.get(key))?;
        match T::read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(text) => {
                let line = self.findings.line(value.span().start);
                self.findings.problem(line, &path, text);
                None
            }
        }
    }

    /// The setting `key`, which has no default.
    pub(crate) fn required<T: Setting>(&mut self, key: &str) -> Option<T> {
        let value = self.optional(key, "(required)");
        if value.is_none() && !self.table.is_some_and(|table| table.contains_key(key)) {
            self.refuse(key, "is required".to_owned());
        }
        value
    }

    /// All keys of a table of free names, each with its value and its line.
    pub(crate) fn entries<T: Setting>(&mut self) -> Vec<(String, T)> {
        let mut all = Vec::new();
        for (name, value) in self.table.into_iter().flat_map(DeTable::iter) {
            let name = name.get_ref().to_string();
            self.asked.insert(name.clone());
            match T::read(value.get_ref()) {
                Ok(read) => all.push((name, read)),
                Err(text) => {
                    let line = self.findings.line(value.span().start);
                    self.findings.problem(line, &self.key(&name), text);
                }
            }
        }
        all
    }

    /// Reports that the value of `key` cannot stand, although it could be read.
    pub(crate) fn refuse(&self, key: &str, text: String) {
        let line = self
            .table
            .and_then(|table| table.get(key))
            .map_or(self.line, |value| self.findings.line(value.span().start));
        self.findings.problem(line, &self.key(key), text);
    }

    /// Reports the keys nobody asked for.
    pub(crate) fn finish(self) {
        for (name, value) in self.table.into_iter().flat_map(DeTable::iter) {
            let name = name.get_ref();
            if !self.asked.contains(name.as_ref()) {
                let line = self.findings.line(value.span().start);
                self.findings
                    .problem(line, &self.key(name), "no such setting".to_owned());
            }
        }
    }

    fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| "expected true or false".to_owned())
    }
}

impl Setting for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "expected a text in quotes".to_owned())
    }
}

impl Setting for u64 {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = value.as_integer().and_then(|integer| {
            Self::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
        });
        number.ok_or_else(|| "expected a whole number, not negative".to_owned())
    }
}

impl Setting for usize {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        Self::try_from(u64::read(value)?).map_err(|_| "is too large".to_owned())
    }
}

impl Setting for u32 {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        Self::try_from(u64::read(value)?).map_err(|_| format!("is at most {}", Self::MAX))
    }
}

/// Seconds, as a whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Setting for Seconds {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        u64::read(value)
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .map_err(|_| "expected whole seconds".to_owned())
    }
}

/// Milliseconds, as a whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Milliseconds(pub(crate) Duration);

impl Setting for Milliseconds {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        u64::read(value)
            .map(|ms| Self(Duration::from_millis(ms)))
            .map_err(|_| "expected whole milliseconds".to_owned())
    }
}

impl Setting for IpAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        String::read(value)?
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| {
                "expected an IP address, such as \"192.0.2.7\" or \"2001:db8::7\"".to_owned()
            })
    }
}

impl Setting for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        String::read(value)?.parse().map_err(|_| {
            "expected an address with a port, such as \"127.0.0.1:8060\" or \"[::1]:8060\""
                .to_owned()
        })
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let items = value
            .as_array()
            .ok_or_else(|| "expected a list in [ ]".to_owned())?;
        items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                T::read(item.get_ref()).map_err(|text| format!("entry {}: {text}", at + 1))
            })
            .collect()
    }
}
