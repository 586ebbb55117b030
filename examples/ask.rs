//! A study made and asked in a program: simulated traffic of one class goes into a file, SQL comes out.
//!
//! ```text
//! cargo run --features examples --example ask
//! ```
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::path::Path;
use std::sync::Arc;
use syntrace::error::{Result, io_error};
use syntrace::pipeline::{IngestOptions, default_cut, simulate_into};
use syntrace::query::{Rendered, Session, SessionOptions, cells};
use syntrace::record::Origin;
use syntrace::store::{Store, StoreWriter};

/// Page cache of the file, bytes.
const CACHE_BYTES: usize = 16 << 20;
/// How long are the packets of a trace, by place?
const QUESTION: &str =
    "SELECT position, count(*) AS packets, avg(ip_length) AS mean_bytes, entropy_bits(ip_length) AS bits
    FROM packets GROUP BY position ORDER BY position LIMIT 3";

/// Makes the study and asks it.
///
/// # Errors
/// Where the file cannot be written, or the statement is wrong.
pub fn answered(study: &Path) -> Result<Rendered> {
    let writer = StoreWriter::open_or_create(study, CACHE_BYTES)?;
    let class = IngestOptions {
        dataset: "os".to_owned(),
        class: "mac".to_owned(),
        origin: Origin::Simulated,
        traces: default_cut(),
    };
    simulate_into(&writer, &class, 20, 7)?;
    drop(writer);
    let store = Store::open(study, CACHE_BYTES)?;
    let options = SessionOptions { memory_bytes: 64 << 20, threads: 2 };
    let answer = Session::open(Arc::new(store.snapshot()?), options)?.sql(QUESTION)?;
    let schema = answer.schema();
    cells(&schema, &answer.collect_batches()?)
}

/// Prints the answer.
///
/// # Errors
/// As [`answered`], and where there is no room for temporary files.
pub fn main() -> Result<()> {
    let study = std::env::temp_dir().join(format!("syntrace-example-{}.redb", std::process::id()));
    let answer = answered(&study);
    std::fs::remove_file(&study).map_err(|error| io_error("remove", &study, &error))?;
    let answer = answer?;
    println!("{}", answer.header.join("\t"));
    answer.rows.iter().for_each(|row| println!("{}", row.join("\t")));
    Ok(())
}
