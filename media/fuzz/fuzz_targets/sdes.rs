//! What is read of an `a=crypto` line prints as what reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_media::crypto::sdes::CryptoLine;

fuzz_target!(|value: &str| {
    let Ok(first) = CryptoLine::parse(value) else {
        return;
    };
    let mut printed = String::new();
    first.write(&mut printed).unwrap();
    let again = printed.trim_end().strip_prefix("a=crypto:").unwrap();
    let second = CryptoLine::parse(again).unwrap();
    assert_eq!(first, second);
    // No key is ever shown.
    let shown = format!("{first:?}");
    for key in again.split("inline:").skip(1) {
        let key = key.split(['|', ';', ' ']).next().unwrap();
        assert!(!shown.contains(key));
    }
});
