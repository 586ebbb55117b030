//! `syntrace run` and `syntrace plan`

use super::cluster_script::{self, Scheduler};
use super::compact::pack_if_loose;
use super::device;
use super::progress_bars::Bars;
use super::shard::{self, Shard, Share};
use super::spec_text::read_spec;
use super::sql::print_named;
use super::{CACHE_BYTES, print_error};
use crate::base::{Device, DeviceChoice, thread_count};
use crate::error::{Error, Result};
use crate::pipeline::{self, Estimate, Plan, PlanDevice, RunOptions, RunReport};
use crate::query::{Format, Parameters, Session, SessionOptions, bind, named, parse_parameter, write_answer};
use crate::spec::Spec;
use crate::store::{ShardRecord, Snapshot, Store, StoreWriter};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The query whose answer ends a run.
const HEADLINE: &str = "headline";

/// Memory for the query behind a generator's rows, bytes.
const ANSWER_MEMORY_BYTES: usize = 256 << 20;

/// Where the detail is: the headline has one row a generator and budget, these one a class, model or event.
const DETAILS: &str = "mia_by_model_and_epsilon, fidelity_by_model_and_epsilon, privacy_audit or privacy_ledger; without \
    a name it lists all questions";

/// Run a whole study: plan, train, attack, measure; does only what is missing
///
/// Can be stopped (Ctrl-C) or killed at any point; the same command goes on where it was. A grown spec
/// (a budget, a shadow, a class) adds only what is new. Ends with the headline tables.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The study file; made where no file is
    study: PathBuf,
    /// TOML file, or `demo` for the built-in one
    spec: String,
    /// Jobs side by side; all cores by default
    #[arg(long)]
    threads: Option<usize>,
    /// Where networks run: `cpu`, `cuda`, `cuda:N` or `auto`; what the spec says, else the CPU
    #[arg(long, value_name = "DEVICE", value_parser = parse_device)]
    device: Option<DeviceChoice>,
    /// Seconds between checkpoints of a training
    #[arg(long, default_value_t = 20.0)]
    checkpoint_seconds: f64,
    /// Do share I of N only, into this file: first 0/N, what all need; then 1/N to N/N, each `--from` its file. `auto` is
    /// the number of the task in an array of Slurm or Kubernetes. `merge` unites the shares, a plain `run` does what is left
    #[arg(long, value_name = "I/N", value_parser = shard::parse)]
    shard: Option<Shard>,
    /// File that a new share starts from: that of share 0, which needs to be there only once
    #[arg(long, value_name = "STUDY", requires = "shard")]
    from: Option<PathBuf>,
    /// No tables at the end
    #[arg(long)]
    quiet: bool,
}

/// Print what a run would do, and do nothing
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The study file; need not exist
    study: PathBuf,
    /// TOML file, or `demo` for the built-in one
    spec: String,
    /// Estimate hours on: `cpu`, `cuda`, `cuda:N`, `auto`, or one that is not here (`h100`, `a100`, `rtx4090`, ...); what
    /// the spec says, else the CPU
    #[arg(long, value_name = "DEVICE", value_parser = parse_planned)]
    device: Option<PlannedFor>,
    /// List every missing job
    #[arg(long)]
    jobs: bool,
    /// What each of N shares would do, the prologue before them, and the run after the merge
    #[arg(long, value_name = "N", value_parser = shard::parse_count)]
    shards: Option<u32>,
    /// Print a script that does all of that, and nothing else
    #[arg(long = "as", value_name = "SCHEDULER", requires = "shards")]
    scheduler: Option<Scheduler>,
}

impl RunArgs {
    pub(super) fn device(&self) -> DeviceChoice {
        device::asked(self.device, &self.spec)
    }
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
enum PlannedFor {
    Here(DeviceChoice),
    /// A graphics processor by its name, with its operations a second.
    Elsewhere(&'static str, f64),
}

impl PlanArgs {
    /// The device of this machine that is asked for; nothing is asked of one that is elsewhere.
    pub(super) fn device(&self) -> DeviceChoice {
        match self.device {
            Some(PlannedFor::Elsewhere(..)) => DeviceChoice::Only(Device::Cpu),
            Some(PlannedFor::Here(choice)) => device::asked(Some(choice), &self.spec),
            None => device::asked(None, &self.spec),
        }
    }
}

fn parse_planned(text: &str) -> std::result::Result<PlannedFor, String> {
    if let Some((name, flops)) = pipeline::KNOWN_GPUS.iter().find(|(name, _)| *name == text.to_ascii_lowercase()) {
        return Ok(PlannedFor::Elsewhere(name, *flops));
    }
    let names: Vec<&str> = pipeline::KNOWN_GPUS.iter().map(|(name, _)| *name).collect();
    let here = DeviceChoice::from_name(text).map(PlannedFor::Here);
    here.map_err(|error| format!("{error}; a plan can also be made for {}", names.join(", ")))
}

fn parse_device(text: &str) -> std::result::Result<DeviceChoice, String> {
    DeviceChoice::from_name(text).map_err(|error| error.to_string())
}

/// A plan for this machine's CPU: names nothing of libtorch.
pub(super) fn plan(args: &PlanArgs) -> Result<ExitCode> {
    match args.device {
        Some(PlannedFor::Elsewhere(name, flops)) => print_plan(args, name, Some(flops)),
        _ => print_plan(args, "the CPU", None),
    }
}

/// A plan for a device that may be a CUDA device, whose speed is measured.
pub(super) fn plan_on_device(args: &PlanArgs) -> Result<ExitCode> {
    let device = match device::resolve(args.device()) {
        // A plan may be made anywhere for a device that is elsewhere.
        Err(error) if args.device.is_none() => {
            note!("note: {error}: hours are those of the CPU");
            Device::Cpu
        }
        found => found?,
    };
    if device == Device::Cpu {
        return print_plan(args, "the CPU", None);
    }
    print_plan(args, &device.to_string(), pipeline::device_flops(device))
}

/// Prints the plan; `gpu_flops` are the operations that a graphics processor does a second at most.
fn print_plan(args: &PlanArgs, device: &str, gpu_flops: Option<f64>) -> Result<ExitCode> {
    let spec = read_spec(&args.spec)?;
    let snapshot = if args.study.exists() { Some(Store::open(&args.study, CACHE_BYTES)?.snapshot()?) } else { None };
    let plan = Plan::new(&spec, snapshot.as_ref())?;
    let threads = spec.threads.unwrap_or_else(thread_count).max(1);
    let device = PlanDevice { name: device.to_owned(), gpu_flops, threads };
    let record = args.shards.map(|count| dealt(&plan, snapshot.as_ref(), count)).transpose()?;
    if let (Some(scheduler), Some(record)) = (args.scheduler, &record) {
        let seconds = plan.share_totals(record, &device).iter().map(|share| share.seconds).collect();
        cluster_script::print(scheduler, &args.study, &args.spec, seconds)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_table(&plan)?;
    for line in plan.total_lines(&device) {
        say!("{line}");
    }
    for line in record.iter().flat_map(|record| plan.share_lines(record, &device)) {
        say!("{line}");
    }
    print_notes(&plan);
    if args.jobs {
        for label in plan.missing_labels() {
            say!("{label}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How a plan is dealt: as a prologue in the study dealt it, otherwise as one would.
fn dealt(plan: &Plan, snapshot: Option<&Snapshot>, count: u32) -> Result<ShardRecord> {
    let stored = snapshot.map(Snapshot::shard).transpose()?.flatten();
    let stored = stored.filter(|stored| stored.count == count && plan.fingerprint() == Some(stored.plan));
    stored.map_or_else(|| plan.deal(count), Ok)
}

fn print_table(plan: &Plan) -> Result<()> {
    say!("{:<12} {:>7} {:>7} {:>7}", "job", "planned", "done", "missing");
    for (kind, planned, done) in plan.summary() {
        say!("{:<12} {planned:>7} {done:>7} {:>7}", kind.name(), planned - done);
    }
    for line in plan.training_lines()? {
        say!("{line}");
    }
    Ok(())
}

pub(super) fn run(args: &RunArgs) -> Result<ExitCode> {
    let spec = read_spec(&args.spec)?;
    // Everything that can be checked without touching the study is checked first.
    require_checkpoint_interval(args.checkpoint_seconds)?;
    let device = device::resolve(args.device())?;
    let mut store = open_whole(&args.study)?;
    let bytes_before = store.sizes()?.1;
    let (plan, shard) = match plan_share(args, &spec, &store, device) {
        Ok(planned) => planned,
        Err(error) => {
            store.remove_if_unused()?;
            return Err(error);
        }
    };
    let threads = args.threads.or(spec.threads).unwrap_or_else(thread_count).max(1);
    print_notes(&plan);
    let secret_noise = plan.trains_with_secret_noise();
    if secret_noise {
        begin_training(&mut store)?;
    }
    let place = if device == Device::Cpu { String::new() } else { format!(", networks on {device}") };
    note!("{}: {} jobs to do, {threads} side by side{place}", spec.name, plan.missing());
    let estimate = plan.estimate(&store.snapshot()?, threads)?;
    let result = run_with_bars(args, &store, &plan, estimate, threads);
    if secret_noise {
        store.end_training()?;
    }
    let report = result?;
    let code = report_run(&report);
    if shard.is_some_and(|shard| Some(shard.plan) == plan.fingerprint()) && report.is_whole() {
        store.set_shard(None)?;
    }
    if report.finished > 0 {
        pack_if_loose(&mut store, &args.study, bytes_before)?;
    }
    drop(store);
    if !args.quiet {
        print_headline(&args.study)?;
    }
    Ok(code)
}

fn require_checkpoint_interval(seconds: f64) -> Result<()> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(Error::user(format!("--checkpoint-seconds must be 0 or above, found `{seconds}`")));
    }
    Ok(())
}

/// Opens the study, or makes one where no file is; refuses one with a damaged page.
fn open_whole(study: &Path) -> Result<StoreWriter> {
    let checked = StoreWriter::require_whole(study)?;
    let store = StoreWriter::open_or_create(study, CACHE_BYTES)?;
    if !checked {
        note!("note: the study is large, so its pages were not looked through; `syntrace verify` does it");
    }
    Ok(store)
}

/// The plan of the spec over what the study holds; with `--shard`, that share of it. A study that is the union of shares,
/// of which a plain run does what is left, has their record.
fn plan_share(args: &RunArgs, spec: &Spec, store: &StoreWriter, device: Device) -> Result<(Plan, Option<ShardRecord>)> {
    let Some(shard) = args.shard else {
        let snapshot = store.snapshot()?;
        let mut plan = Plan::new(spec, Some(&snapshot))?;
        plan.set_device(device);
        let shard = snapshot.shard()?;
        if let Some(shard) = shard.as_ref().filter(|shard| plan.fingerprint() == Some(shard.plan)) {
            note_missing_shares(shard);
        }
        return Ok((plan, shard));
    };
    let Share { mut plan, number, record } = shard::share(store, spec, shard, args.from.as_deref())?;
    plan.set_device(device);
    note!("share {number} of {}, plan {}", record.count, spec.name);
    if number > 0 && plan.missing() == 0 {
        note!("note: this share has nothing (more) to do");
    }
    Ok((plan, None))
}

/// Says which shares a union lacks: what they would do is done here.
pub(super) fn note_missing_shares(shard: &ShardRecord) {
    let missing: Vec<String> = shard.missing().iter().map(u32::to_string).collect();
    if !missing.is_empty() {
        note!(
            "note: of {} shares these are missing: {}; `run` does what they lack, so merge first what they hold",
            shard.count,
            missing.join(", ")
        );
    }
}

/// Marks the study as under training with secret noise, and packs it first where an earlier run was killed in one.
fn begin_training(store: &mut StoreWriter) -> Result<()> {
    if !store.begin_training()? {
        return Ok(());
    }
    note!(
        "an earlier run was killed while it trained with DP: packing, so that nothing is left of what it did not commit"
    );
    store.compact()?;
    store.begin_training().map(drop)
}

/// Runs the jobs of a plan under progress bars and, unless quiet, prints each generator's rows when its jobs are done.
fn run_with_bars(
    args: &RunArgs,
    store: &StoreWriter,
    plan: &Plan,
    estimate: Estimate,
    threads: usize,
) -> Result<RunReport> {
    let mut bars = Bars::new(estimate);
    if !args.quiet {
        bars = bars.with_answers(Box::new(|generator| {
            let rows = headline_rows(store, generator);
            Some(rows.unwrap_or_else(|error| format!("note: no rows of `{generator}` yet: {error}")))
        }));
    }
    let options = RunOptions { threads, checkpoint_seconds: args.checkpoint_seconds };
    let result = pipeline::run(store, plan, options, &bars);
    bars.clear();
    result
}

/// The headline's rows of one generator, from what is stored now.
fn headline_rows(store: &StoreWriter, generator: &str) -> Result<String> {
    let query = named(HEADLINE)?;
    let mut parameters = bind(&query, &Parameters::new())?;
    let (name, value) = parse_parameter(&format!("generator='{}'", generator.replace('\'', "''")))?;
    parameters.insert(name, value);
    let options = SessionOptions { memory_bytes: ANSWER_MEMORY_BYTES, threads: 1 };
    let session = Session::open(Arc::new(store.snapshot()?), options)?;
    let text =
        format!("SELECT * FROM ({}) AS headline WHERE generator = $generator", query.sql.trim_end_matches([';', '\n']));
    let answer = session.sql_with(&text, &parameters)?;
    let mut out = Vec::new();
    let schema = answer.schema();
    write_answer(Format::Table, &schema, answer, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Says on stderr what a run did; gives the exit code.
pub(super) fn report_run(report: &RunReport) -> ExitCode {
    note!("{} jobs done, {} were there already", report.finished, report.skipped);
    let code = print_failed(report);
    if report.blocked > 0 {
        note!("{} jobs could not run because of that", report.blocked);
    }
    code
}

/// Says what failed; gives the exit code of the worst.
pub(super) fn print_failed(report: &RunReport) -> ExitCode {
    for (label, error) in &report.failed {
        print_error(&error.clone().context(format!("failed: {label}")));
    }
    ExitCode::from(report.failed.iter().map(|(_, error)| error.exit_code()).max().unwrap_or(0))
}

/// Says on stderr what a plan leaves out, and why.
pub(super) fn print_notes(plan: &Plan) {
    for note in plan.notes() {
        note!("note: {note}");
    }
}

fn print_headline(study: &Path) -> Result<()> {
    print_named(study, HEADLINE)?;
    let program = std::env::args().next().unwrap_or_else(|| "syntrace".to_owned());
    note!("more: {} query {} {DETAILS}", program.trim_end_matches("-torch"), study.display());
    Ok(())
}
