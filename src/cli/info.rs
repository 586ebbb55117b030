//! `syntrace info`

use super::CACHE_BYTES;
use crate::error::{Result, io_error};
use crate::store::schema::SEGMENT_TABLES;
use crate::store::{FORMAT_VERSION, Store};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say what a study holds and where its bytes are
#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// The study file
    study: PathBuf,
}

pub(super) fn info(args: &InfoArgs) -> Result<ExitCode> {
    let metadata = std::fs::metadata(&args.study).map_err(|error| io_error("open the study", &args.study, &error))?;
    let snapshot = Store::open(&args.study, CACHE_BYTES)?.snapshot()?;
    let payload = snapshot.payload_bytes()?;
    println!("study      {}", args.study.display());
    println!("format     {FORMAT_VERSION}");
    println!(
        "file       {} bytes, {:.2} times its compressed payload of {payload} bytes",
        metadata.len(),
        metadata.len() as f64 / payload.max(1) as f64
    );
    if snapshot.is_shared_copy()? {
        println!("redacted   a copy for others: results, hashes and provenance only; its ids are its own");
    }
    for class in snapshot.classes()? {
        println!("class      {}/{} ({:?})", class.dataset, class.class, class.origin);
    }
    println!(
        "records    {} captures, {} splits, {} models, {} attacks, {} jobs, {} objects",
        snapshot.captures()?.len(),
        snapshot.splits()?.len(),
        snapshot.models()?.len(),
        snapshot.attacks()?.len(),
        snapshot.jobs()?.len(),
        snapshot.objects()?.len()
    );
    let open = snapshot.checkpoints()?;
    if !open.is_empty() {
        println!("under way  {} trainings have a checkpoint: `run` goes on with them", open.len());
    }
    println!("\n{:<20} {:>9} {:>12} {:>15} {:>15}", "columns of", "segments", "rows", "stored bytes", "raw bytes");
    for table in SEGMENT_TABLES {
        let segments = snapshot.segments(table)?;
        let rows: u64 = segments.iter().map(|segment| u64::from(segment.rows)).sum();
        let stored: u64 = segments.iter().map(|segment| segment.stored_bytes()).sum();
        let raw: u64 =
            segments.iter().flat_map(|segment| &segment.columns).map(|column| u64::from(column.raw_bytes)).sum();
        println!("{:<20} {:>9} {rows:>12} {stored:>15} {raw:>15}", table.name, segments.len());
    }
    let mut kinds: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for object in snapshot.objects()? {
        let kind = kinds.entry(object.kind).or_default();
        *kind = (kind.0 + 1, kind.1 + object.stored_bytes, kind.2 + object.raw_bytes);
    }
    println!("\n{:<20} {:>9} {:>28} {:>15}", "objects of kind", "objects", "stored bytes", "raw bytes");
    for (kind, (count, stored, raw)) in kinds {
        println!("{kind:<20} {count:>9} {stored:>28} {raw:>15}");
    }
    println!("\n{:<20} {:>9} {:>28} {:>15}", "redb table", "entries", "stored bytes", "unused bytes");
    for table in snapshot.table_sizes()? {
        println!("{:<20} {:>9} {:>28} {:>15}", table.name, table.entries, table.stored_bytes, table.fragmented_bytes);
    }
    Ok(ExitCode::SUCCESS)
}
