//! A SQL statement over an empty study.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use syntrace::query::{Session, SessionOptions};
use syntrace::store::StoreWriter;

static SESSION: LazyLock<Session> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("syntrace-fuzz-{}.redb", std::process::id()));
    let writer = StoreWriter::open_or_create(&path, 1 << 20).expect("a study in the temporary folder");
    let snapshot = Arc::new(writer.snapshot().expect("a snapshot"));
    Session::open(snapshot, SessionOptions { memory_bytes: 64 << 20, threads: 1 }).expect("a session")
});

fuzz_target!(|text: &str| {
    if let Ok(answer) = SESSION.sql(text) {
        for batch in answer.take(10) {
            let _ = batch;
        }
    }
});
