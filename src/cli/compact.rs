//! `syntrace compact`

use super::CACHE_BYTES;
use crate::error::{Result, io_error};
use crate::store::{Store, StoreWriter};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Pack a study as small as it goes
///
/// Writes it anew beside itself (STUDY.compacting) and lets that take its place: needs free space of
/// the packed size, and no other process that writes. Readers go on.
#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    /// The study file
    study: PathBuf,
}

pub(super) fn compact(args: &CompactArgs) -> Result<ExitCode> {
    let size = || {
        std::fs::metadata(&args.study)
            .map(|metadata| metadata.len())
            .map_err(|error| io_error("open the study", &args.study, &error))
    };
    let before = size()?;
    drop(Store::open(&args.study, CACHE_BYTES)?);
    StoreWriter::open_or_create(&args.study, CACHE_BYTES)?.compact()?;
    eprintln!("{before} bytes before, {} after", size()?);
    Ok(ExitCode::SUCCESS)
}
