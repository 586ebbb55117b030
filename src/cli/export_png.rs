//! `syntrace export STUDY png`: nPrint images of traces, as NetDiffusion is trained on and as it draws them
//! (paper, figures 1 and 8).

use super::atomic_file::{Beside, Existing};
use crate::base::TraceId;
use crate::encoding::{IMAGE_ROWS, NprintLayout};
use crate::error::{Error, Result};
use crate::pipeline::{ImageSelection, TraceSelection, export_images};
use crate::store::Snapshot;
use clap::Args;
use std::path::PathBuf;

/// Highest image: beyond it a PNG of 1,088 columns grows past 16 MiB.
const HEIGHT_MAX: u64 = 65_536;

/// Which images, how high, and where to
#[derive(Debug, Args)]
pub(super) struct PngArgs {
    /// Only this trace (its trace_id); may be given several times
    #[arg(long = "trace", value_name = "TRACE_ID", allow_negative_numbers = true)]
    traces: Vec<i64>,
    /// At most so many traces, in order of trace_id
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Rows of an image, one a packet, the rest blank
    #[arg(long, default_value_t = IMAGE_ROWS as u64, value_parser = clap::value_parser!(u64).range(1..=HEIGHT_MAX))]
    height: u64,
    /// Columns: `addresses` as the study describes and the encoding stores them, `ipv6` as the published code
    #[arg(long, default_value = "addresses", value_parser = ["addresses", "ipv6"])]
    columns: String,
    /// A file NAME.png for one trace, or a new or empty folder for `trace_ID.png` each
    #[arg(short, long)]
    pub(super) out: PathBuf,
}

/// Writes the images; gives how many.
pub(super) fn export_png(
    snapshot: &Snapshot,
    traces: TraceSelection,
    args: &PngArgs,
    existing: Existing,
) -> Result<usize> {
    let selection = ImageSelection {
        traces,
        only: args.traces.iter().copied().map(TraceId).collect(),
        limit: args.limit as usize,
        layout: if args.columns == "ipv6" { NprintLayout::Ipv6 } else { NprintLayout::Addresses },
        height: args.height as usize,
    };
    let is_file = args.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if !is_file {
        super::export_tables::make_empty(&args.out)?;
    }
    let images = export_images(snapshot, &selection)?;
    if !is_file {
        for (trace_id, png) in &images {
            Beside::write_whole(&args.out.join(format!("trace_{trace_id}.png")), existing, png)?;
        }
        return Ok(images.len());
    }
    match images.as_slice() {
        [(_, png)] => Beside::write_whole(&args.out, existing, png)?,
        more => {
            return Err(Error::user(format!("expected one trace for `{}`, found {}", args.out.display(), more.len()))
                .hint("name one by `--trace ID`, take the first by `--limit 1`, or give a folder to `-o`"));
        }
    }
    Ok(1)
}
