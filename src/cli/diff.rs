//! `syntrace diff`

use super::CACHE_BYTES;
use super::info::line;
use crate::error::Result;
use crate::pipeline::{Comparison, compare};
use crate::store::Store;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say what two studies share and what differs, down to rows
///
/// The same id is the same work on the same inputs: what differs under it is a difference of results.
/// Wall-clock times are not compared. Exit code 0 if nothing differs, 1 if anything does.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The first study
    first: PathBuf,
    /// The second study
    second: PathBuf,
    /// Differing values to list of one table of one job
    #[arg(long, default_value_t = 10)]
    rows: usize,
    /// Only the counts
    #[arg(long)]
    brief: bool,
}

pub(super) fn diff(args: &DiffArgs) -> Result<ExitCode> {
    let first = Store::open(&args.first, CACHE_BYTES)?.snapshot()?;
    let second = Store::open(&args.second, CACHE_BYTES)?.snapshot()?;
    let comparison = compare(&first, &second, args.rows)?;
    print(&comparison, args.brief);
    Ok(if comparison.same() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print(comparison: &Comparison, brief: bool) {
    say!("{:<12} {:>8} {:>12} {:>12}", "job", "in both", "only first", "only second");
    for (kind, [both, first, second]) in &comparison.jobs {
        say!("{:<12} {both:>8} {first:>12} {second:>12}", kind.name());
    }
    if !brief {
        for label in &comparison.only_first {
            say!("only in the first: {}", line(label));
        }
        for label in &comparison.only_second {
            say!("only in the second: {}", line(label));
        }
        let mut job = "";
        for difference in &comparison.differences {
            if difference.job != job {
                say!("differs: {}", line(&difference.job));
                job = &difference.job;
            }
            let [place, first, second] =
                [&difference.place, &difference.first, &difference.second].map(|text| line(text));
            say!("    {place}: {first} | {second}");
        }
    }
    note!(
        "{} values differ under one id{}",
        comparison.differences.len(),
        if comparison.same() { "; the studies hold the same" } else { "" }
    );
}
