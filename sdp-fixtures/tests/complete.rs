//! The list in `lib.rs` and the files under `corpus` are the same.

use std::fs;
use std::path::Path;

#[test]
fn every_file_is_listed_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<String> = fs::read_dir(&root)
        .unwrap()
        .map(|family| family.unwrap().path())
        .filter(|family| family.is_dir())
        .flat_map(|family| fs::read_dir(family).unwrap())
        .map(|case| case.unwrap().path())
        .map(|case| {
            case.strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let listed = |fixture: &sdp_fixtures::Fixture| {
        ["sdp", "expect"].map(|kind| format!("{}/{}.{kind}", fixture.family, fixture.name))
    };
    let mut listed: Vec<String> = sdp_fixtures::corpus().iter().flat_map(listed).collect();
    files.sort();
    listed.sort();
    assert_eq!(files, listed);
}

#[test]
fn a_case_is_found_by_its_path() {
    for fixture in sdp_fixtures::corpus() {
        let path = format!("{}/{}", fixture.family, fixture.name);
        assert_eq!(sdp_fixtures::find(&path), Some(fixture));
    }
    assert_eq!(sdp_fixtures::find("nothing"), None);
}
