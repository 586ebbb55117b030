//! `syntrace verify`

use super::CACHE_BYTES;
use crate::error::{ErrorKind, Result};
use crate::store::{Finding, Store, StoreWriter};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check everything that a study holds: page checksums, records, digests, references, jobs' outputs, and that no noise seed is left in its bytes
///
/// Exit code 1 if anything is wrong. The file stays as it is, byte for byte. One that cannot be opened for writing (read-only, or in use by
/// a run) is checked without redb's page checksums, and that is said.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The study file
    study: PathBuf,
}

pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode> {
    let mut pages = true;
    let report = match StoreWriter::open_to_verify(&args.study, CACHE_BYTES) {
        Ok(mut store) => store.verify()?,
        Err(error) => {
            let snapshot = Store::open(&args.study, CACHE_BYTES)?.snapshot()?;
            let mut report = snapshot.verify();
            report.find_seeds(&args.study);
            if error.kind() == ErrorKind::Internal {
                report.findings.insert(0, Finding { place: "pages".to_owned(), problem: error.to_string() });
            } else {
                note!("page checksums not checked: {error}");
                pages = false;
            }
            report
        }
    };
    for finding in &report.findings {
        say!("{}: {}", finding.place, finding.problem);
    }
    note!(
        "{} records, {} objects, {} columns, {} jobs checked: {}",
        report.records,
        report.objects,
        report.columns,
        report.jobs,
        if report.findings.is_empty() {
            if pages { "all is well".to_owned() } else { "all that was checked is well".to_owned() }
        } else {
            format!("{} problems", report.findings.len())
        }
    );
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
