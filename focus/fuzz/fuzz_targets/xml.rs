//! The XML reader: any octets, within its bounds, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plenum_focus::limits::ControlLimits;
use plenum_focus::xml::{Element, read};

/// How deep a tree is, and how many elements it has.
fn measure(element: &Element) -> (usize, usize) {
    let children = element.children.iter().map(measure);
    let (depth, count) = children.fold((0, 0), |(deepest, sum), (depth, count)| {
        (deepest.max(depth), sum + count)
    });
    (depth + 1, count + 1)
}

fuzz_target!(|octets: &[u8]| {
    let limits = ControlLimits::default().c3p;
    if let Ok(root) = read(octets, &limits) {
        let (depth, elements) = measure(&root);
        assert!(octets.len() <= limits.octets);
        assert!(depth <= limits.depth && elements <= limits.elements);
    }
});
