//! `syntrace compact`

use super::{CACHE_BYTES, print_error};
use crate::error::{Error, Result, io_error};
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

/// A file above this multiple of its content is worth packing.
const LOOSE: f64 = 1.5;

/// Content that is packed in about a second.
const SMALL_BYTES: u64 = 256 << 20;

/// A larger study is packed when this share of its content is new, so that adding a model to it costs
/// what the model costs.
const NEW_SHARE: u64 = 4;

/// Packs a study at the end of a run that left it much larger than its content, or says how to.
/// `before` is the content's size at the start. What fails here fails the run no more.
pub(super) fn pack_if_loose(store: &mut StoreWriter, study: &std::path::Path, before: u64) -> Result<()> {
    let (file, content) = store.sizes()?;
    let times = file as f64 / content.max(1) as f64;
    if times <= LOOSE {
        return Ok(());
    }
    if content > SMALL_BYTES && content.saturating_sub(before) < content / NEW_SHARE {
        note!("{} is {times:.1} times its content: `syntrace compact` packs it", study.display());
        return Ok(());
    }
    match store.compact() {
        Ok(_) => note!("{}: packed, {file} bytes before, {} after", study.display(), store.sizes()?.0),
        Err(error) => {
            print_error(&error);
            note!("{} stays {times:.1} times its content; every finished job is stored", study.display());
        }
    }
    Ok(())
}

pub(super) fn compact(args: &CompactArgs) -> Result<ExitCode> {
    let size = || {
        std::fs::metadata(&args.study)
            .map(|metadata| metadata.len())
            .map_err(|error| io_error("open the study", &args.study, &error))
    };
    let before = size()?;
    drop(Store::open(&args.study, CACHE_BYTES)?);
    // What is damaged stays as it is: packed, its wrong pages would pass for right ones.
    if !StoreWriter::open_to_verify(&args.study, CACHE_BYTES)?.check_pages()? {
        return Err(Error::internal(format!("`{}` is damaged: a page has a wrong checksum", args.study.display()))
            .hint("nothing was changed; restore a copy, or see what is damaged: `syntrace verify STUDY`"));
    }
    StoreWriter::open_as_it_is(&args.study, CACHE_BYTES)?.compact()?;
    note!("{before} bytes before, {} after", size()?);
    Ok(ExitCode::SUCCESS)
}
