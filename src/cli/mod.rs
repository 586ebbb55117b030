//! The command line: a file for each verb (an `Args` struct whose doc is the help, and one
//! function) or for two that are near (`run` and `plan`), and files of what they share.
//!
//! Results go to stdout, everything else to stderr. Exit 0 done, 1 negative result (`verify` found
//! damage), 2 user error, 3 internal error, 75 the study is held by another process, 130 interrupted. The only home of clap and indicatif.

#[macro_use]
mod print;

mod address_space;
mod atomic_file;
mod attack;
mod audit;
mod base;
mod cluster_script;
mod command;
mod compact;
mod compare;
mod compose;
mod device;
mod diff;
mod export;
mod export_kit;
mod export_png;
mod export_tables;
mod forget;
mod format_epsilon;
mod import;
mod info;
mod ingest;
#[cfg(feature = "install")]
mod install;
mod merge;
mod nprint;
mod pager;
mod privacy;
mod progress_bars;
mod query_session;
mod report;
mod run;
mod script;
mod serve;
mod shard;
mod share;
mod shell;
mod simulate;
mod spec_text;
mod sql;
mod stdout;
mod ui;
mod verify;

use crate::base::{Device, DeviceChoice};
use crate::error::{Error, Result, panic_text};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// How private, and how good, is synthetic network traffic? One study, one file, answers in SQL.
#[derive(Debug, Parser)]
#[command(name = "syntrace", bin_name = "syntrace", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once a process")]
enum Verb {
    Run(run::RunArgs),
    Plan(run::PlanArgs),
    Attack(attack::AttackArgs),
    Sql(sql::SqlArgs),
    Query(sql::QueryArgs),
    Serve(serve::ServeArgs),
    Ui(ui::UiArgs),
    Report(report::ReportArgs),
    Info(info::InfoArgs),
    Ingest(ingest::IngestArgs),
    Simulate(simulate::SimulateArgs),
    Import(import::ImportArgs),
    Base(base::BaseArgs),
    Nprint(nprint::NprintArgs),
    Audit(audit::AuditArgs),
    Privacy(privacy::PrivacyArgs),
    Export(export::ExportArgs),
    Verify(verify::VerifyArgs),
    Compact(compact::CompactArgs),
    Merge(merge::MergeArgs),
    Forget(forget::ForgetArgs),
    Rename(forget::RenameArgs),
    Diff(diff::DiffArgs),
    Compare(compare::CompareArgs),
    #[cfg(feature = "install")]
    #[command(hide = true)]
    Complete(install::CompleteArgs),
    #[cfg(feature = "install")]
    #[command(hide = true)]
    Install(install::InstallArgs),
    #[cfg(feature = "install")]
    #[command(hide = true)]
    Uninstall(install::UninstallArgs),
}

/// Page cache of the study file, bytes.
const CACHE_BYTES: usize = 256 << 20;

/// A verb that needs the generators.
pub struct TrainingVerb(Trains);

#[expect(clippy::large_enum_variant, reason = "made once a process")]
enum Trains {
    Run(run::RunArgs),
    Plan(run::PlanArgs),
    Attack(attack::AttackArgs),
    Import(import::ImportArgs),
    Base(base::BaseArgs),
}

impl TrainingVerb {
    /// The requested device.
    fn device(&self) -> DeviceChoice {
        match &self.0 {
            Trains::Run(args) => args.device(),
            Trains::Plan(args) => args.device(),
            Trains::Attack(_) | Trains::Import(_) | Trains::Base(_) => DeviceChoice::Only(Device::Cpu),
        }
    }

    /// What `syntrace-torch` is told besides the arguments of this process.
    fn told(&self) -> &'static [&'static str] {
        // The models are stored by then.
        let import = matches!(&self.0, Trains::Import(args) if args.evaluate_only());
        let said = std::env::args_os().any(|argument| argument == "--evaluate-only");
        if import && !said { &["--evaluate-only"] } else { &[] }
    }
}

/// Runs a verb that needs the generators in this process. Whatever names this function is linked to
/// libtorch.
pub fn training(verb: TrainingVerb) -> Result<ExitCode> {
    device::restart_for(verb.device())?;
    match verb.0 {
        Trains::Run(args) => run::run(&args),
        Trains::Plan(args) => run::plan_on_device(&args),
        Trains::Attack(args) => attack::attack(&args),
        Trains::Import(args) => import::import_with_networks(&args),
        Trains::Base(args) => base::train(&args),
    }
}

/// Replaces this process by `syntrace-torch` from the same folder, with the same arguments (exec).
pub fn delegated_training(verb: TrainingVerb) -> Result<ExitCode> {
    let here =
        std::env::current_exe().map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
    let sibling = here.with_file_name("syntrace-torch");
    let error = device::go_on_in(&sibling, verb.told(), verb.device());
    Err(Error::user(format!("cannot start `{}`: {error}", sibling.display()))
        .hint("`syntrace` and `syntrace-torch` belong into one folder; `make build` makes both"))
}

/// Parses the process's arguments, runs the verb, prints its error, gives the exit code.
pub fn main(training: fn(TrainingVerb) -> Result<ExitCode>) -> ExitCode {
    hide_panics_of_pages();
    if let Err(error) = address_space::require_addresses() {
        print_error(&error);
        return ExitCode::from(error.exit_code());
    }
    let verb = Cli::parse().verb;
    let run = || run_verb(verb, training);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        if !OVER_PAGES.swap(false, Ordering::SeqCst) {
            std::panic::resume_unwind(panic);
        }
        let text = panic_text(panic.as_ref());
        Err(Error::internal(format!("the study is damaged: a page contradicts itself ({text})"))
            .hint("restore a copy; `syntrace verify STUDY` says how much is left"))
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Did the last panic come from redb, which meets damaged pages with panics in places?
static OVER_PAGES: AtomicBool = AtomicBool::new(false);

/// A damaged study is damage and no fault of the program: its panics are not shown as one.
fn hide_panics_of_pages() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let over_pages = info.location().is_some_and(|place| place.file().contains("/redb-"));
        OVER_PAGES.store(over_pages, Ordering::SeqCst);
        if !over_pages {
            default(info);
        }
    }));
}

fn run_verb(verb: Verb, training: fn(TrainingVerb) -> Result<ExitCode>) -> Result<ExitCode> {
    match verb {
        Verb::Run(args) => training(TrainingVerb(Trains::Run(args))),
        Verb::Plan(args) if args.device().may_be_cuda() => training(TrainingVerb(Trains::Plan(args))),
        Verb::Plan(args) => run::plan(&args),
        Verb::Attack(args) => training(TrainingVerb(Trains::Attack(args))),
        Verb::Import(args) if args.evaluate_only() => training(TrainingVerb(Trains::Import(args))),
        Verb::Import(args) => match import::import(&args)? {
            import::Rest::Nothing(code) => Ok(code),
            import::Rest::Networks => training(TrainingVerb(Trains::Import(args.stored()))),
        },
        Verb::Sql(args) => sql::sql(&args),
        Verb::Query(args) => sql::query(&args),
        Verb::Serve(args) => serve::serve(&args),
        Verb::Ui(args) => ui::ui(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Info(args) => info::info(&args),
        Verb::Ingest(args) => ingest::ingest(&args),
        Verb::Simulate(args) => simulate::simulate(&args),
        Verb::Base(args) if args.trains() => training(TrainingVerb(Trains::Base(args))),
        Verb::Base(args) => base::base(&args),
        Verb::Nprint(args) => nprint::nprint(&args),
        Verb::Audit(args) => audit::audit(&args),
        Verb::Privacy(args) => privacy::privacy(&args),
        Verb::Export(args) => export::export(&args),
        Verb::Verify(args) => verify::verify(&args),
        Verb::Compact(args) => compact::compact(&args),
        Verb::Merge(args) => merge::merge(&args),
        Verb::Forget(args) => forget::forget(&args),
        Verb::Rename(args) => forget::rename(&args),
        Verb::Diff(args) => diff::diff(&args),
        Verb::Compare(args) => compare::compare(&args),
        #[cfg(feature = "install")]
        Verb::Complete(args) => install::complete(&args),
        #[cfg(feature = "install")]
        Verb::Install(args) => install::install(&args),
        #[cfg(feature = "install")]
        Verb::Uninstall(args) => install::uninstall(&args),
    }
}

/// Refuses to write an answer over the study that it comes from, by whatever name.
fn require_other_file(out: &std::path::Path, study: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let identity = |path| std::fs::metadata(path).ok().map(|found: std::fs::Metadata| (found.dev(), found.ino()));
    match (identity(out), identity(study)) {
        (Some(out_file), Some(study_file)) if out_file == study_file => {
            Err(Error::user(format!("`{}` is the study itself", out.display())).hint("name another file"))
        }
        _ => Ok(()),
    }
}

/// Prints an error and its hint to stderr.
fn print_error(error: &Error) {
    note!("error: {error}");
    if let Some(hint) = error.hint_text() {
        note!("hint: {hint}");
    }
}
