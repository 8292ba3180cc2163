//! The C3P reader: what it reads, it writes so that it reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_focus::c3p::{Command, read_request, read_response};
use plenum_focus::limits::ControlLimits;

fuzz_target!(|octets: &[u8]| {
    let limits = ControlLimits::default().c3p;
    // What is written may be longer than what was read.
    let generous = plenum_focus::xml::Limits {
        octets: limits.octets * 16,
        ..limits
    };
    match read_request(octets, &limits) {
        Ok(request) if !matches!(request.command, Command::Unsupported(_)) => {
            let again = read_request(&request.to_octets(), &generous);
            assert_eq!(again.as_ref(), Ok(&request));
        }
        Ok(_) => {}
        Err(malformed) => drop(malformed.response().map(|response| response.to_octets())),
    }
    if let Ok(response) = read_response(octets, &limits) {
        let again = read_response(&response.to_octets(), &generous);
        assert_eq!(again.as_ref(), Ok(&response));
    }
});
