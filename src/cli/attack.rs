//! `syntrace attack`

use super::CACHE_BYTES;
use super::progress_bars::Bars;
use super::run::{print_notes, report_run};
use super::sql::print_named;
use crate::base::thread_count;
use crate::error::{Error, Result};
use crate::pipeline::{self, RunOptions};
use crate::spec::Spec;
use crate::store::StoreWriter;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Attack the models of a study again, over stored attributes: nothing is trained or sampled
///
/// Reads the `[attack.NAME]` tables of a spec, and nothing else of it; runs what the study lacks; ends
/// with the table of attack results. Attacks that compare models (`lira`, `rmia`) need attributes on
/// traces outside each model's split, which `syntrace run` records where its spec names such an attack.
#[derive(Debug, Args)]
pub(super) struct AttackArgs {
    /// The study file
    study: PathBuf,
    /// TOML file with [attack.NAME] tables
    spec: PathBuf,
    /// Jobs side by side; all cores by default
    #[arg(long)]
    threads: Option<usize>,
    /// No table at the end
    #[arg(long)]
    quiet: bool,
}

pub(super) fn attack(args: &AttackArgs) -> Result<ExitCode> {
    let attacks = Spec::read_attacks(&args.spec)?;
    if !args.study.exists() {
        return Err(Error::user(format!("cannot open `{}`: there is no such study", args.study.display()))
            .hint("check the path; `syntrace run STUDY SPEC` makes one"));
    }
    let store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    let plan = pipeline::reattack(&store.snapshot()?, &attacks)?;
    print_notes(&plan);
    let threads = args.threads.unwrap_or_else(thread_count).max(1);
    note!("{} attacks to do, {threads} side by side", plan.missing());
    let bars = Bars::new(plan.estimate(&store.snapshot()?, threads)?);
    let options = RunOptions { threads, checkpoint_seconds: 0.0 };
    let result = pipeline::run(&store, &plan, options, &bars);
    bars.clear();
    let code = report_run(&result?);
    drop(store);
    if !args.quiet {
        print_named(&args.study, "mia_by_model_and_epsilon")?;
    }
    Ok(code)
}
