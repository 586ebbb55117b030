//! `syntrace sql` and `syntrace query`: the shell, batches of statements, named queries.

use super::command::{State, attach, run_file, run_text, show};
use super::query_session::Asker;
use super::script::statement_count;
use super::shell::shell;
use super::stdout::{print_answer, print_text};
use crate::error::{Error, Result, io_error};
use crate::query::{FileName, Format, Parameters, bind, named, named_queries, parse_parameter};
use clap::Args;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Ask the study in SQL: a shell, or statements from -c, -f or standard input
///
/// Read-only, and works while a run is writing. Every table is in schema/tables.sql; `.tables` and
/// `.schema NAME` in the shell show them. The first error of a batch ends it. Several studies are asked together: each is a
/// schema named after its file, and the tables, views and named queries of all are united, with the column `study` first.
#[derive(Debug, Args)]
pub(super) struct SqlArgs {
    /// The study file
    study: PathBuf,
    /// Further studies, to be asked together with the first
    #[arg(value_name = "STUDY")]
    others: Vec<PathBuf>,
    /// CSV or Parquet file that becomes a table beside the study's, called after the file where no name is given; may be
    /// given several times
    #[arg(long, value_name = "[NAME=]FILE")]
    attach: Vec<String>,
    /// Statements to run; may be given several times
    #[arg(short, long, value_name = "SQL")]
    command: Vec<String>,
    /// File of statements to run, after those of -c
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    options: QueryOptions,
}

/// Run a named query, or list them all
#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// The study file
    study: PathBuf,
    /// Name of the query; without one, all are listed
    name: Option<String>,
    /// Print the query's SQL and parameters instead of running it
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    options: QueryOptions,
}

/// What both verbs have.
#[derive(Debug, Args)]
pub(super) struct QueryOptions {
    /// Output: table, csv, tsv, json, jsonl, markdown, expanded, parquet or arrow; by default what the ending of the file of -o says, else table
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Value of a parameter `$name`; `null`, numbers, true and false are what they look like
    #[arg(short, long = "value", value_name = "NAME=VALUE")]
    value: Vec<String>,
    /// Write the answer to a file, `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Turn this column of the answer into columns; the last other column gives the values
    #[arg(long, value_name = "COLUMN")]
    pivot: Option<String>,
    /// Memory that a query may hold before it spills to disk, MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    memory: usize,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
}

impl QueryOptions {
    fn format(&self) -> Result<Format> {
        let format = match &self.format {
            Some(name) => Format::from_name(name)?,
            None => self.file().and_then(Format::of_file).unwrap_or(Format::Table),
        };
        if format.is_binary() && self.file().is_none() && std::io::stdout().is_terminal() {
            return Err(Error::user("binary output would go to the terminal").hint("name a file: -o answer.parquet"));
        }
        Ok(format)
    }

    /// The file that is asked for.
    fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// What the verb starts with.
    fn state(&self, asker: &Asker, parameters: Parameters, interactive: bool) -> Result<State> {
        let mut state = State::new(self.format()?, parameters, self.pivot.clone(), interactive);
        if let Some(path) = self.file() {
            asker.require_other_file(path)?;
            state.write_to(path)?;
        }
        Ok(state)
    }

    fn parameters(&self) -> Result<Parameters> {
        self.value.iter().map(|text| parse_parameter(text)).collect()
    }
}

pub(super) fn sql(args: &SqlArgs) -> Result<ExitCode> {
    let format = args.options.format()?;
    let parameters = args.options.parameters()?;
    let mut texts: Vec<(Option<&Path>, String)> = args.command.iter().map(|text| (None, text.clone())).collect();
    for file in &args.file {
        let text = std::fs::read_to_string(file).map_err(|error| io_error("read", file, &error))?;
        texts.push((Some(file), text));
    }
    let asker = Asker::open_several(&args.study, &args.others, args.options.memory, args.options.threads)?;
    for file in &args.attach {
        attach(&asker, &FileName::of_argument(file))?;
    }
    if texts.is_empty() {
        if std::io::stdin().is_terminal() {
            for (name, path) in asker.studies() {
                note!("{name} is {}", path.display());
            }
            return shell(&asker, args.options.state(&asker, parameters, true)?);
        }
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Error::user(format!("cannot read statements from standard input: {error}")))?;
        texts.push((None, text));
    }
    let statements: usize = texts.iter().map(|(_, text)| statement_count(text)).sum();
    if format.is_binary() && statements != 1 {
        return Err(Error::user(format!("binary output holds one answer a file, found {statements} statements"))
            .hint("ask for one statement at a time"));
    }
    let mut state = args.options.state(&asker, parameters, false)?;
    for (file, text) in &texts {
        let goes_on = match file {
            Some(file) => run_file(&asker, &mut state, file, text)?,
            None => run_text(&asker, &mut state, text)?,
        };
        if !goes_on {
            break;
        }
    }
    state.finish()?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn query(args: &QueryArgs) -> Result<ExitCode> {
    // A format that cannot be is refused before anything is asked.
    args.options.format()?;
    let Some(name) = &args.name else {
        let list: String =
            named_queries().iter().map(|query| format!("{:<30} {}\n", query.name, query.question)).collect();
        print_text(&list)?;
        return Ok(ExitCode::SUCCESS);
    };
    let query = named(name)?;
    if args.show {
        print_text(query.sql)?;
        return Ok(ExitCode::SUCCESS);
    }
    let parameters = bind(&query, &args.options.parameters()?)?;
    let asker = Asker::open(&args.study, args.options.memory, args.options.threads)?;
    let mut state = args.options.state(&asker, parameters.clone(), false)?;
    if show(asker.ask(query.sql, &parameters)?, &mut state)? == 0 {
        asker.note_absent(query.sql, &parameters);
    }
    state.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a named query with its question above, as a run does at its end.
pub(super) fn print_named(study: &Path, name: &str) -> Result<()> {
    let query = named(name)?;
    let parameters = bind(&query, &Parameters::new())?;
    let memory_mib = 256;
    let answer = Asker::open(study, memory_mib, None)?.ask(query.sql, &parameters)?;
    print_text(&format!("\n{} ({name})\n", query.question))?;
    print_answer(answer, Format::Table)?;
    Ok(())
}
