//! `syntrace sql` and `query` (being built).
use crate::error::Result;
use clap::Args;
use std::path::Path;
use std::process::ExitCode;
/// Ask in SQL
#[derive(Debug, Args)]
pub(super) struct SqlArgs {}
/// Run a named query
#[derive(Debug, Args)]
pub(super) struct QueryArgs {}
pub(super) fn sql(_: &SqlArgs) -> Result<ExitCode> {
    unreachable!()
}
pub(super) fn query(_: &QueryArgs) -> Result<ExitCode> {
    unreachable!()
}
pub(super) fn print_named(_: &Path, _: &str) -> Result<()> {
    Ok(())
}
