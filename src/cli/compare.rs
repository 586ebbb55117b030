//! `syntrace compare`

use super::command::{State, show};
use super::query_session::Asker;
use super::stdout::print_text;
use crate::error::Result;
use crate::query::{Format, Parameters, ScalarValue};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which models two studies have in common.
const MODELS_SQL: &str = include_str!("../../queries/compare/models.sql");
/// What they say, side by side.
const RESULTS_SQL: &str = include_str!("../../queries/compare/results.sql");

/// Memory of the questions, MiB.
const MEMORY_MIB: usize = 1024;

/// Put the results of two studies side by side, with their intervals
///
/// Models that only one of them has, then attacks, fidelity and utility by dataset, class, generator and regime: `differs`
/// where the 95 % intervals do not overlap. `diff` compares what is stored instead, down to rows. The questions are SQL of
/// queries/compare, over both studies in one session.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The first study
    first: PathBuf,
    /// The second study
    second: PathBuf,
    /// Only what differs, or is in one of them alone
    #[arg(long)]
    changed: bool,
    /// Models alone, in whatever format; without it formats for programs have the results alone
    #[arg(long)]
    models: bool,
    /// Output: as with `syntrace sql`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn compare(args: &CompareArgs) -> Result<ExitCode> {
    let of_file = || args.output.as_deref().and_then(Format::of_file).unwrap_or(Format::Table);
    let format = args.format.as_deref().map_or_else(|| Ok(of_file()), Format::from_name)?;
    let asker = Asker::open_several(&args.first, std::slice::from_ref(&args.second), MEMORY_MIB, None)?;
    let mut parameters = Parameters::from([("changed".to_owned(), ScalarValue::Boolean(Some(args.changed)))]);
    for (place, (name, path)) in ["first", "second"].into_iter().zip(asker.studies()) {
        note!("{place}: {}", path.display());
        parameters.insert(place.to_owned(), ScalarValue::Utf8(Some(name.to_owned())));
    }
    let is_for_people = matches!(format, Format::Table | Format::Markdown | Format::Expanded);
    let mut state = State::new(format, parameters.clone(), None, false);
    if let Some(path) = &args.output {
        asker.require_other_file(path)?;
        state.write_to(path)?;
    }
    if args.models || is_for_people {
        show(asker.ask(MODELS_SQL, &parameters)?, &mut state)?;
    }
    if is_for_people && !args.models && args.output.is_none() {
        print_text("\n")?;
    }
    if !args.models {
        show(asker.ask(RESULTS_SQL, &parameters)?, &mut state)?;
        note!("{}", verdicts(&asker, parameters)?);
    }
    state.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// How many results have which verdict, in words.
fn verdicts(asker: &Asker, mut parameters: Parameters) -> Result<String> {
    parameters.insert("changed".to_owned(), ScalarValue::Boolean(Some(false)));
    let counted =
        format!("SELECT verdict, count(*) AS n FROM (\n{RESULTS_SQL}\n) AS results GROUP BY verdict ORDER BY verdict");
    let mut words = Vec::new();
    for batch in asker.ask(&counted, &parameters)? {
        let batch = batch?;
        let (verdicts, counts) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
        words.extend(
            verdicts.iter().zip(counts).map(|(verdict, n)| format!("{} {}", n.unwrap_or(0), verdict.unwrap_or(""))),
        );
    }
    Ok(if words.is_empty() { "no results to compare".to_owned() } else { format!("results: {}", words.join(", ")) })
}
