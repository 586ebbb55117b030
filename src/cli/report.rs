//! `syntrace report` (being built).
use crate::error::Result;
use clap::Args;
use std::process::ExitCode;
/// Write the report
#[derive(Debug, Args)]
pub(super) struct ReportArgs {}
pub(super) fn report(_: &ReportArgs) -> Result<ExitCode> {
    unreachable!()
}
