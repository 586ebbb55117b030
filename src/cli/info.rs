//! `syntrace info`

use super::CACHE_BYTES;
use crate::base::{AttackId, JobId, ModelId};
use crate::error::{Result, io_error};
use crate::record::JobRecord;
use crate::store::schema::{PartitionKind, SEGMENT_TABLES};
use crate::store::{FORMAT_VERSION, Snapshot, Store};
use clap::Args;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Say what a study holds and where its bytes are
#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// The study file
    study: PathBuf,
    /// Go on: a line for every job that another process finishes, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// End --follow after this many seconds
    #[arg(long, value_name = "SECONDS", requires = "follow")]
    r#for: Option<f64>,
}

pub(super) fn info(args: &InfoArgs) -> Result<ExitCode> {
    let metadata = std::fs::metadata(&args.study).map_err(|error| io_error("open the study", &args.study, &error))?;
    let store = Store::open(&args.study, CACHE_BYTES)?;
    if args.follow {
        return follow(&store, args.r#for.map(Duration::from_secs_f64));
    }
    let snapshot = store.snapshot()?;
    let payload = snapshot.payload_bytes()?;
    say!("study      {}", args.study.display());
    say!("format     {FORMAT_VERSION}");
    let times = match payload {
        0 => "nothing in it yet".to_owned(),
        _ => format!("{:.2} times its compressed payload of {payload} bytes", metadata.len() as f64 / payload as f64),
    };
    say!("file       {} bytes ({} on disk), {times}", metadata.len(), metadata.blocks() * DISK_BLOCK_BYTES);
    if snapshot.is_shared_copy()? {
        say!("redacted   a copy for others: results, hashes and provenance only; its ids are its own");
    }
    if let Some(shard) = snapshot.shard()? {
        let numbers: Vec<String> = shard.numbers.iter().map(u32::to_string).collect();
        say!(
            "share      {} of {}, of a plan that is done in shares (0 is its prologue)",
            numbers.join(", "),
            shard.count
        );
    }
    print_content(&snapshot)?;
    print_tables(&snapshot)?;
    print_objects(&snapshot)?;
    print_generators(&snapshot)?;
    say!("\n{:<20} {:>9} {:>28} {:>15}", "redb table", "entries", "stored bytes", "unused bytes");
    for table in snapshot.table_sizes()? {
        say!("{:<20} {:>9} {:>28} {:>15}", table.name, table.entries, table.stored_bytes, table.fragmented_bytes);
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that stays on its line.
pub(super) fn line(name: &str) -> String {
    name.replace('\n', "\\n")
}

fn print_content(snapshot: &Snapshot) -> Result<()> {
    for class in snapshot.classes()? {
        say!("class      {}/{} ({:?})", line(&class.dataset), line(&class.class), class.origin);
    }
    say!(
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
        say!("under way  {} trainings have a checkpoint: `run` goes on with them", open.len());
    }
    Ok(())
}

fn print_tables(snapshot: &Snapshot) -> Result<()> {
    say!("\n{:<20} {:>9} {:>12} {:>15} {:>15}", "columns of", "segments", "rows", "stored bytes", "raw bytes");
    for table in SEGMENT_TABLES {
        let segments = snapshot.segments(table)?;
        let rows: u64 = segments.iter().map(|segment| u64::from(segment.rows)).sum();
        let stored: u64 = segments.iter().map(|segment| segment.stored_bytes()).sum();
        let raw: u64 =
            segments.iter().flat_map(|segment| &segment.columns).map(|column| u64::from(column.raw_bytes)).sum();
        say!("{:<20} {:>9} {rows:>12} {stored:>15} {raw:>15}", table.name, segments.len());
    }
    Ok(())
}

fn print_objects(snapshot: &Snapshot) -> Result<()> {
    let mut kinds: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for object in snapshot.objects()? {
        let kind = kinds.entry(object.kind).or_default();
        *kind = (kind.0 + 1, kind.1 + object.stored_bytes, kind.2 + object.raw_bytes);
    }
    say!("\n{:<20} {:>9} {:>28} {:>15}", "objects of kind", "objects", "stored bytes", "raw bytes");
    for (kind, (count, stored, raw)) in kinds {
        say!("{kind:<20} {count:>9} {stored:>28} {raw:>15}");
    }
    Ok(())
}

/// Bytes by generator; a content that several use counts for the first one alone, as it is stored once.
fn print_generators(snapshot: &Snapshot) -> Result<()> {
    let models = snapshot.models()?;
    let generators: HashMap<ModelId, &str> =
        models.iter().map(|model| (model.model_id, model.generator.as_str())).collect();
    let attacks: HashMap<AttackId, ModelId> =
        snapshot.attacks()?.iter().map(|attack| (attack.attack_id, attack.target_model)).collect();
    let generator =
        |model: Option<ModelId>| model.and_then(|model| generators.get(&model)).copied().unwrap_or("(no model)");
    let mut bytes: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    let mut counted = HashSet::new();
    for table in SEGMENT_TABLES {
        for segment in snapshot.segments(table)? {
            let model = match table.partition {
                PartitionKind::Model => Some(ModelId(segment.partition)),
                PartitionKind::Attack => attacks.get(&AttackId(segment.partition)).copied(),
                PartitionKind::Class | PartitionKind::Split | PartitionKind::Job => None,
            };
            let own =
                segment.columns.iter().filter(|column| !column.inline.is_empty() || counted.insert(column.digest));
            bytes.entry(generator(model)).or_default()[0] +=
                own.map(|column| u64::from(column.stored_bytes)).sum::<u64>();
        }
    }
    let owners: HashMap<[u8; 32], ModelId> =
        models.iter().rev().filter_map(|model| model.weights.map(|weights| (weights, model.model_id))).collect();
    for object in snapshot.objects()? {
        bytes.entry(generator(owners.get(&object.digest).copied())).or_default()[1] += object.stored_bytes;
    }
    say!("\n{:<20} {:>9} {:>28} {:>15}", "generator", "models", "bytes of columns", "of objects");
    for (name, [columns, objects]) in bytes {
        let count = models.iter().filter(|model| model.generator == name).count();
        say!("{:<20} {count:>9} {columns:>28} {objects:>15}", line(name));
    }
    Ok(())
}

/// The unit of `st_blocks`. A study grows ahead of its content; what is not written yet is on no disk.
const DISK_BLOCK_BYTES: u64 = 512;

/// Between two looks at the study.
const FOLLOW_PAUSE: Duration = Duration::from_millis(500);

fn follow(store: &Store, limit: Option<Duration>) -> Result<ExitCode> {
    let started = Instant::now();
    let mut known: HashSet<JobId> = HashSet::new();
    let mut first = true;
    loop {
        // The snapshot is let go at once, so that the writer may reuse pages.
        let mut jobs = store.snapshot()?.jobs()?;
        jobs.retain(|job| known.insert(job.job_id));
        jobs.sort_unstable_by_key(|job| job.finished_us);
        if first {
            say!("{} jobs finished", jobs.len());
        } else {
            jobs.iter().enumerate().for_each(|(number, job)| print_job(known.len() - jobs.len() + number + 1, job));
        }
        first = false;
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(FOLLOW_PAUSE);
    }
}

fn print_job(number: usize, job: &JobRecord) {
    let seconds = (job.finished_us - job.started_us) as f64 / 1e6;
    say!("{number} {} in {seconds:.1} s", line(&job.label));
}
