//! The typed documents: XML, C3P and the conference document (RFC 4575, MS-CONFBAS).
//!
//! Everything that is written here is also judged by xmllint against the schemas of the protocol,
//! where the folder with the schemas lies beside the repository; where it does not, the tests say
//! so and judge the rest.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod lobby;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod roster;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod subscriber;
#[cfg(test)]
mod vectors;

use plenum_focus::xml::Limits;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// Limits that nothing in these tests reaches by accident.
const LIMITS: Limits = Limits {
    octets: 4 << 20,
    depth: 32,
    elements: 200_000,
    attributes: 32,
};

/// The same random cases every time.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(4575),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
