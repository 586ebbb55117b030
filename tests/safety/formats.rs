//! Studies of every released format open. Until the first release the fixture of format 1 is written
//! anew when a layout changes: `SYNTRACE_WRITE_FIXTURE=tests/fixtures/format-1.redb cargo test --test
//! tests safety::formats`.

use super::content::{CACHE, commit, contents, uninterrupted};
use crate::common::fixture;
use std::path::Path;
use syntrace::store::{Store, StoreWriter};

const JOBS: i64 = 5;

#[test]
fn a_study_of_format_1_opens_with_all_its_content() {
    if let Some(path) = std::env::var_os("SYNTRACE_WRITE_FIXTURE") {
        let path = Path::new(&path);
        let _ = std::fs::remove_file(path);
        let mut writer = StoreWriter::open_or_create(path, CACHE).unwrap();
        for number in 0..JOBS {
            commit(&writer, number).unwrap();
        }
        writer.compact().unwrap();
    }
    // A copy: opening repairs what a killed writer left, and the fixture must stay as it is.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.redb");
    std::fs::copy(fixture("format-1.redb"), &path).unwrap();
    let snapshot = Store::open(&path, CACHE).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.verify().findings, vec![]);
    assert_eq!(contents(&snapshot), uninterrupted(JOBS));
    drop(snapshot);
    let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    assert_eq!(writer.verify().unwrap().findings, vec![]);
    commit(&writer, JOBS).unwrap();
}
