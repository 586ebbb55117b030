//! Studies of every released format open. Until the first release the fixtures of format 1 are written
//! anew when a layout changes: `SYNTRACE_WRITE_FIXTURE=tests/fixtures cargo test --test tests
//! safety::formats`.

use super::content::{CACHE, commit, contents, uninterrupted};
use crate::common::fixture;
use crate::query::study;
use std::path::Path;
use std::sync::Arc;
use syntrace::base::Digest;
use syntrace::query::{Format, Session, SessionOptions, TableInfo, tables, write_answer};
use syntrace::store::{Finding, Store, StoreWriter};

const JOBS: i64 = 5;

#[test]
fn a_study_of_format_1_opens_with_all_its_content() {
    if let Some(path) = std::env::var_os("SYNTRACE_WRITE_FIXTURE") {
        let path = Path::new(&path).join("format-1.redb");
        let _ = std::fs::remove_file(&path);
        let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
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

/// Of each table: its name, the number of its rows, the digest of its rows as CSV, its columns.
fn answers(study: &Path, columns_of: impl Fn(&TableInfo) -> Option<String>) -> Vec<String> {
    let options = SessionOptions { memory_bytes: 64 << 20, threads: 1 };
    let session = Session::open(Arc::new(Store::open(study, CACHE).unwrap().snapshot().unwrap()), options).unwrap();
    let mut lines = Vec::new();
    for table in tables() {
        let Some(columns) = columns_of(&table) else { continue };
        let answer = session.sql(&format!("SELECT {columns} FROM {}", table.name)).unwrap();
        let (schema, mut csv) = (answer.schema(), Vec::new());
        let rows = write_answer(Format::Csv, &schema, answer, &mut csv).unwrap();
        lines.push(format!("{} {rows} {} {columns}", table.name, Digest::of(&csv).hex()));
    }
    lines
}

/// Every record and every columnar table of format 1, as they were written: a layout that changes
/// without keeping the old one readable gives another digest or does not open.
#[test]
fn every_table_of_format_1_answers_as_it_was_written() {
    if let Some(folder) = std::env::var_os("SYNTRACE_WRITE_FIXTURE") {
        let path = Path::new(&folder).join("format-1-tables.redb");
        let _ = std::fs::remove_file(&path);
        study::write(&path);
        StoreWriter::open_or_create(&path, CACHE).unwrap().compact().unwrap();
        // Constants of this program are no content of the file.
        let columns = |table: &TableInfo| {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            (!table.name.starts_with("paper_")).then(|| names.join(","))
        };
        let lines = answers(&path, columns);
        std::fs::write(path.with_extension("txt"), lines.join("\n") + "\n").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.redb");
    std::fs::copy(fixture("format-1-tables.redb"), &path).unwrap();
    let written = std::fs::read_to_string(fixture("format-1-tables.txt")).unwrap();
    let parts: Vec<Vec<&str>> = written.lines().map(|line| line.split(' ').collect()).collect();
    let columns = |table: &TableInfo| {
        let known = parts.iter().find(|parts| parts[0] == table.name);
        known.map(|parts| parts[3].to_owned())
    };
    assert!(parts.len() > 20 && parts.iter().filter(|parts| parts[1] != "0").count() > 20, "{written}");
    assert_eq!(answers(&path, columns), written.lines().collect::<Vec<_>>());
    let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    let report = writer.verify().unwrap();
    // Its models were made by hand, without weights.
    let without_weights = |finding: &Finding| finding.problem == "its weights are missing";
    assert!(report.findings.iter().all(without_weights), "{:?}", report.findings);
}
