//! Shared by the tests: temporary folders, packet builders, tolerances, where `../shared` is.
#![allow(dead_code)]

use std::path::PathBuf;

/// A file of this repository's tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A path under `../shared` (real captures, large conformance files), or `None` with a line that says
/// which test is skipped.
pub fn shared(name: &str, test: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {test}: ../shared/{name} is not here");
    None
}
