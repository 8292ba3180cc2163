//! `plenum doctor`.

use super::{Failure, load, other, say};
use plenum::doctor::{Severity, judge, look};
use plenum::selfcheck;
use std::path::Path;

/// Prints every finding, the worst last; fails when one is serious.
pub(crate) fn run(config: Option<&Path>) -> Result<(), Failure> {
    let config = load(config)?;
    let machine = selfcheck::Facts::gather(&config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(other)?;
    let facts = runtime.block_on(look::facts(&config));
    let mut findings = judge::findings(&config, &facts, &machine);
    findings.sort_by_key(|finding| finding.severity);
    for finding in &findings {
        say(&finding.to_string())?;
    }
    let serious = |finding: &&plenum::doctor::Finding| finding.severity == Severity::Serious;
    match findings.iter().filter(serious).count() {
        0 => Ok(()),
        1 => Err(other("one error: calls will fail until it is mended")),
        errors => Err(other(format!(
            "{errors} errors: calls will fail until they are mended"
        ))),
    }
}
