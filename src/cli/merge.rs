//! `syntrace merge`

use super::CACHE_BYTES;
use super::progress_bars::Bar;
use super::run::note_missing_shares;
use crate::base::JobId;
use crate::error::{Error, Result, ResultExt};
use crate::pipeline::{self, AskedFor};
use crate::record::JobKind;
use crate::store::{ShardRecord, Snapshot, Store, StoreWriter};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Unite studies: take over every finished job of the sources that the destination does not hold
///
/// What the destination holds stays as it is. The same id with other content is a conflict: it is
/// listed, it and everything that builds on it stays behind, and the exit code is 1. Wall-clock times
/// are not compared. The order of the sources does not matter unless they contradict each other, and
/// merging again adds nothing. Shares of a plan (`run --shard`) must be of one plan: otherwise nothing is merged, what
/// differs is named, and the exit code is 2; which shares are missing is said.
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The study that takes over; made where no file is
    destination: PathBuf,
    /// Studies to take from; they are only read
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// What stays behind: models keep their results and can neither be sampled nor asked again
    #[arg(long, value_name = "WHAT")]
    without: Option<Without>,
}

/// What a merge can leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Without {
    /// The weights of all models, bases too.
    Weights,
}

pub(super) fn merge(args: &MergeArgs) -> Result<ExitCode> {
    // Everything that can be checked without touching the destination is checked first.
    let mut sources = Vec::new();
    for path in &args.sources {
        if is_same_file(path, &args.destination) {
            return Err(Error::user(format!("`{}` is destination and source", path.display())));
        }
        let snapshot = Store::open(path, CACHE_BYTES)?.snapshot()?;
        if snapshot.is_shared_copy()? {
            return Err(Error::user(format!("`{}` is a redacted copy made by `export share`", path.display())).hint(
                "its ids were made anew, so nothing in it can be matched: merge the study that it was made from",
            ));
        }
        sources.push((path, snapshot));
    }
    let without: &[&str] = if args.without == Some(Without::Weights) { &["weights"] } else { &[] };
    let store = StoreWriter::open_or_create(&args.destination, CACHE_BYTES)?;
    let united = match united_shards(&args.destination, &store.snapshot()?, &sources) {
        Ok(united) => united,
        Err(error) => {
            store.remove_if_unused()?;
            return Err(error);
        }
    };
    let mut plans = plans_of(&store.snapshot()?)?;
    for (_, source) in &sources {
        plans.extend(plans_of(source)?);
    }
    let mut lines = Vec::new();
    let merged = sources.iter().try_for_each(|(path, snapshot)| merge_one(&store, path, snapshot, without, &mut lines));
    if let (Some(shard), Ok(())) = (&united, &merged) {
        note_shards(&store, shard)?;
    }
    // All at once: a reader who leaves (`| head`) must not end a merge halfway.
    drop(store);
    let conflicts = lines.iter().filter(|line| line.starts_with(CONFLICT)).count();
    for line in lines {
        say!("{line}");
    }
    merged?;
    if plans.len() > 1 {
        let names: Vec<&str> = plans.values().map(String::as_str).collect();
        note!(
            "note: what is united here was asked for by {} different specs ({}): the column `plan` tells them apart, and \
             no row of a view mixes them",
            plans.len(),
            names.join(", ")
        );
    }
    Ok(if conflicts > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What the union of the destination and the sources is a share of.
fn united_shards(destination: &Path, held: &Snapshot, sources: &[(&PathBuf, Snapshot)]) -> Result<Option<ShardRecord>> {
    let name = |path: &Path| path.display().to_string();
    let mut all = vec![(name(destination), held)];
    all.extend(sources.iter().map(|(path, snapshot)| (name(path), snapshot)));
    pipeline::united_shards(&all)
}

/// Stores what the union is a share of, unless it is the whole plan, and says what is missing.
fn note_shards(store: &StoreWriter, shard: &ShardRecord) -> Result<()> {
    let snapshot = store.snapshot()?;
    let missing = AskedFor::stored(&snapshot, shard.plan)?.missing_in(&snapshot)?;
    if missing == 0 {
        return store.set_shard(None);
    }
    store.set_shard(Some(shard))?;
    note_missing_shares(shard);
    note!("{missing} results of the plan are not here: `run` with its spec makes them, `plan --jobs` lists them");
    Ok(())
}

/// The plans that a study holds: id and name. A study that holds none beside others is one of an earlier version, or
/// was only ingested or imported into.
fn plans_of(snapshot: &Snapshot) -> Result<BTreeMap<JobId, String>> {
    let plans = snapshot.jobs()?.into_iter().filter(|job| job.kind == JobKind::Plan);
    Ok(plans.map(|job| (job.job_id, job.plan_name())).collect())
}

const CONFLICT: &str = "conflict: ";

fn merge_one(
    store: &StoreWriter,
    path: &Path,
    snapshot: &Snapshot,
    without: &[&str],
    lines: &mut Vec<String>,
) -> Result<()> {
    let report = store.merge(snapshot, without, &Bar::alone()).context(|| format!("`{}`", path.display()))?;
    for conflict in &report.conflicts {
        lines.push(format!("{CONFLICT}{}: {} ({})", path.display(), conflict.place, conflict.job));
    }
    for label in &report.blocked {
        lines.push(format!("left behind: {}: {label}", path.display()));
    }
    note!(
        "{}: {} jobs taken over ({} bytes), {} were there already, {} conflicts, {} left behind",
        path.display(),
        report.added,
        report.bytes,
        report.present,
        report.conflicts.len(),
        report.blocked.len()
    );
    Ok(())
}

/// By device and inode: two names of one file are found as well as two links to it.
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
