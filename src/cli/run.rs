//! `syntrace run` and `syntrace plan`

use super::compact::pack_if_loose;
use super::device;
use super::progress_bars::Bars;
use super::spec_text::read_spec;
use super::sql::print_named;
use super::{CACHE_BYTES, print_error};
use crate::base::{Device, DeviceChoice, thread_count};
use crate::error::{Error, Result};
use crate::pipeline::{self, Estimate, Plan, PlanDevice, RunOptions, RunReport};
use crate::query::{Format, Parameters, Session, SessionOptions, bind, named, parse_parameter, write_answer};
use crate::spec::Spec;
use crate::store::{Store, StoreWriter};
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
    /// Do share I of N only, into this file; `merge` unites the shares, a plain `run` does what is left
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<(u32, u32)>,
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

fn parse_shard(text: &str) -> std::result::Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    parts
        .filter(|(index, count)| (1..=*count).contains(index))
        .ok_or_else(|| "expected I/N with I from 1 to N, such as 2/8".to_owned())
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
    print_table(&plan)?;
    let threads = spec.threads.unwrap_or_else(thread_count).max(1);
    for line in plan.total_lines(&PlanDevice { name: device.to_owned(), gpu_flops, threads }) {
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
    let plan = match plan_share(args, &spec, &store, device) {
        Ok(plan) => plan,
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

/// The plan of the spec over what the study holds; with `--shard`, that share of it.
fn plan_share(args: &RunArgs, spec: &Spec, store: &StoreWriter, device: Device) -> Result<Plan> {
    let mut plan = Plan::new(spec, Some(&store.snapshot()?))?;
    plan.set_device(device);
    if let Some((index, count)) = args.shard {
        plan.keep_share(index, count);
    }
    Ok(plan)
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
