//! `syntrace verify`

use super::CACHE_BYTES;
use crate::error::Result;
use crate::store::{Store, StoreWriter};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check everything that a study holds: page checksums, records, digests, references, jobs' outputs
///
/// Exit code 1 if anything is wrong. A file that cannot be opened for writing (read-only, or in use by
/// a run) is checked without redb's page checksums, and that is said.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The study file
    study: PathBuf,
}

pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode> {
    // Refuses what is no study before a writer would touch it.
    let reader = Store::open(&args.study, CACHE_BYTES)?;
    drop(reader.snapshot()?);
    drop(reader);
    let report = match StoreWriter::open_or_create(&args.study, CACHE_BYTES) {
        Ok(mut store) => store.verify()?,
        Err(error) => {
            eprintln!("page checksums not checked: {error}");
            Store::open(&args.study, CACHE_BYTES)?.snapshot()?.verify()
        }
    };
    for finding in &report.findings {
        println!("{}: {}", finding.place, finding.problem);
    }
    eprintln!(
        "{} records, {} objects, {} columns, {} jobs checked: {}",
        report.records,
        report.objects,
        report.columns,
        report.jobs,
        if report.findings.is_empty() {
            "all is well".to_owned()
        } else {
            format!("{} problems", report.findings.len())
        }
    );
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
