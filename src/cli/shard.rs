//! Shares of a plan: which of them a process does, and what it starts from.

use super::CACHE_BYTES;
use super::progress_bars::Bar;
use crate::error::{Error, Result, ResultExt};
use crate::pipeline::Plan;
use crate::spec::Spec;
use crate::store::{ShardRecord, Snapshot, Store, StoreWriter};
use std::path::Path;

/// The most shares of a plan.
const SHARES_MAX: u32 = 100_000;

/// A share as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shard {
    /// Number (0 is the prologue) and how many there are besides that.
    Only(u32, u32),
    /// What the scheduler says of this task.
    Auto,
}

pub(super) fn parse(text: &str) -> std::result::Result<Shard, String> {
    if text == "auto" {
        return Ok(Shard::Auto);
    }
    let parts = text.split_once('/').and_then(|(number, count)| Some((number.parse().ok()?, count.parse().ok()?)));
    match parts {
        Some((number, count)) if (1..=SHARES_MAX).contains(&count) && number <= count => Ok(Shard::Only(number, count)),
        _ => Err("expected I/N with I from 1 to N, such as 2/8, 0/8 for what all need first, or `auto`".to_owned()),
    }
}

pub(super) fn parse_count(text: &str) -> std::result::Result<u32, String> {
    let count = text.parse().ok().filter(|count| (1..=SHARES_MAX).contains(count));
    count.ok_or_else(|| format!("expected a number of shares from 1 to {SHARES_MAX}"))
}

/// A plan of which one share is to be done.
pub(super) struct Share {
    pub plan: Plan,
    pub number: u32,
    pub record: ShardRecord,
}

/// The share's plan over its study file, which is made from the file `from` where it is new; all other jobs are marked as
/// done elsewhere.
///
/// # Errors
/// `user` where the file holds another share, or the spec is not that of the prologue.
pub(super) fn share(store: &StoreWriter, spec: &Spec, shard: Shard, from: Option<&Path>) -> Result<Share> {
    let own = store.snapshot()?.shard()?;
    // A share that was begun needs nothing more of it.
    let start = match from.filter(|_| own.is_none()) {
        Some(path) => Some((path, Store::open(path, CACHE_BYTES)?.snapshot()?)),
        None => None,
    };
    let begun = match (&own, &start) {
        (Some(own), _) => Some(own.clone()),
        (None, Some((_, start))) => start.shard()?,
        (None, None) => None,
    };
    let (number, count) = match shard {
        Shard::Only(number, count) => (number, count),
        Shard::Auto => of_scheduler(begun.as_ref().map(|begun| begun.count))?,
    };
    if let Some(own) = own.as_ref().filter(|own| own.numbers != [number] || own.count != count) {
        let numbers: Vec<String> = own.numbers.iter().map(u32::to_string).collect();
        return Err(Error::user(format!(
            "this file holds share {} of {}, and share {number} of {count} is asked for",
            numbers.join(", "),
            own.count
        ))
        .hint("each share has a file of its own"));
    }
    let mut share = match number {
        0 => prologue(store, spec, own, count, start)?,
        _ => later(store, spec, own, (number, count), start)?,
    };
    share.plan.keep_share(&share.record, number);
    Ok(share)
}

/// Share 0: deals the plan where that was not done yet.
fn prologue(
    store: &StoreWriter,
    spec: &Spec,
    own: Option<ShardRecord>,
    count: u32,
    start: Option<(&Path, Snapshot)>,
) -> Result<Share> {
    if let Some((path, start)) = start {
        take_over(store, path, &start, &[])?;
    }
    let snapshot = store.snapshot()?;
    let plan = Plan::new(spec, Some(&snapshot))?;
    // One that was killed before it wrote down its plan has done nothing.
    let own = match own {
        Some(own) if snapshot.job(own.plan)?.is_some() => Some(own),
        _ => None,
    };
    let record = match own {
        Some(own) => {
            plan.require_shard(&snapshot, &own)?;
            own
        }
        None => {
            let record = plan.deal(count)?;
            store.set_shard(Some(&record))?;
            record
        }
    };
    Ok(Share { plan, number: 0, record })
}

/// A share from 1: starts from the prologue's file.
fn later(
    store: &StoreWriter,
    spec: &Spec,
    own: Option<ShardRecord>,
    (number, count): (u32, u32),
    start: Option<(&Path, Snapshot)>,
) -> Result<Share> {
    let record = match own {
        Some(own) => own,
        None => {
            let (path, start) = start.ok_or_else(|| {
                Error::user(format!("share {number}/{count} starts from the prologue's file, and `--from` names none"))
                    .hint(format!("make it by `syntrace run 0.redb SPEC --shard 0/{count}`, then say `--from 0.redb`"))
            })?;
            let record = begin(store, spec, (number, count), &start).context(|| format!("`{}`", path.display()))?;
            take_over(store, path, &start, &["capture"])?;
            store.set_shard(Some(&record))?;
            record
        }
    };
    let plan = Plan::of_shard(spec, &store.snapshot()?)?;
    Ok(Share { plan, number, record })
}

/// The record of a share that starts from a prologue.
fn begin(store: &StoreWriter, spec: &Spec, (number, count): (u32, u32), start: &Snapshot) -> Result<ShardRecord> {
    let record = start.shard()?.filter(|record| record.numbers.contains(&0)).ok_or_else(|| {
        Error::user("it is no prologue").hint(format!("`syntrace run 0.redb SPEC --shard 0/{count}` makes one"))
    })?;
    if record.count != count {
        return Err(Error::user(format!(
            "it was dealt into {} shares, found `--shard {number}/{count}`",
            record.count
        ))
        .hint("use its number of shares, or make another prologue"));
    }
    let missing = Plan::of_shard(spec, start)?.missing_in_prologue();
    if missing > 0 {
        return Err(Error::user(format!("the prologue has {missing} jobs left to do"))
            .hint("run it to its end before the shares: the same command with `--shard 0/N` goes on"));
    }
    if store.snapshot()?.jobs()?.iter().any(|job| job.kind == crate::record::JobKind::Plan && job.job_id != record.plan)
    {
        return Err(
            Error::user("the share's file is a study of another plan").hint("name a file that does not exist yet")
        );
    }
    Ok(ShardRecord { numbers: vec![number], ..record })
}

/// Takes over what another file holds, but for objects of some kinds.
fn take_over(store: &StoreWriter, path: &Path, start: &Snapshot, without: &[&str]) -> Result<()> {
    let named = || format!("`{}`", path.display());
    let report = store.merge(start, without, &Bar::alone()).context(named)?;
    match report.conflicts.first() {
        None => Ok(()),
        Some(conflict) => Err(Error::user(format!("{}: it contradicts this file in {}", named(), conflict.place))
            .hint("remove the share's file and start it again")),
    }
}

/// Number and count of the share that a scheduler's task is, of a plan that was dealt into `count`.
fn of_scheduler(count: Option<u32>) -> Result<(u32, u32)> {
    let count = count.ok_or_else(|| {
        Error::user("`--shard auto` takes the number of shares from the prologue's file, and `--from` names none")
            .hint("say `--from 0.redb`, or the share by its number: `--shard 2/8`")
    })?;
    let (task, first) = match (variable("SLURM_ARRAY_TASK_ID")?, variable("JOB_COMPLETION_INDEX")?) {
        (Some(task), _) => {
            let (tasks, first) = (variable("SLURM_ARRAY_TASK_COUNT")?, variable("SLURM_ARRAY_TASK_MIN")?);
            if let Some(tasks) = tasks.filter(|tasks| *tasks != count) {
                return Err(Error::user(format!(
                    "the plan was dealt into {count} shares, and the array has {tasks} tasks"
                ))
                .hint(format!("`sbatch --array=1-{count}`; or the share by its number: `--shard {task}/{count}`")));
            }
            (task, first.unwrap_or(1))
        }
        (None, Some(task)) => (task, 0),
        (None, None) => {
            return Err(Error::user(
                "`--shard auto` reads SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, and neither is set",
            )
            .hint("it is for tasks of an array; elsewhere name the share: `--shard 2/8`"));
        }
    };
    match task.checked_sub(first).map(|place| place + 1).filter(|number| *number <= count) {
        Some(number) => Ok((number, count)),
        None => Err(Error::user(format!("task {task} of an array that begins at {first} is none of {count} shares"))
            .hint(format!("let the tasks be numbered from {first} to {}, one by one", first + count - 1))),
    }
}

fn variable(name: &str) -> Result<Option<u32>> {
    let Some(text) = std::env::var_os(name) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Error::user(format!("expected a number in {name}, found {text:?}")))
}
