//! The SQL shell: line editing, completion, history outside the working folder, dot commands.

use super::print_error;
use super::sql::{Asker, print_answer, print_text};
use crate::error::{Error, Result};
use crate::query::{
    Format, Parameters, bind, create_table_text, is_complete, named, named_queries, parse_parameter, split_statements,
    tables, views,
};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
Statements end with `;` and may span lines. Lines that begin with a dot are commands:
.tables            tables and what a row of each is
.views             views
.queries           named queries with their questions
.query NAME [n=v]  run a named query
.schema [NAME]     columns of a table, text of a view or query
.mode FORMAT       table, csv, tsv, json, jsonl or markdown
.timer on|off      print the time of each statement
.help              this text
.quit              leave (also Ctrl-D)
";

const KEYWORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "WITH",
    "HAVING",
    "DISTINCT",
    "EXPLAIN",
    "DESCRIBE",
    "BETWEEN",
    "IS NULL",
    "IS NOT NULL",
    "NULLS FIRST",
    "FILTER",
    "OVER",
    "PARTITION BY",
];

const FUNCTIONS: &[&str] = &[
    "auc",
    "tpr_at_fpr",
    "jsd",
    "js_divergence",
    "wasserstein",
    "entropy_bits",
    "ip_text",
    "hexdump",
    "list_sum",
    "list_mean",
    "list_std",
    "count",
    "avg",
    "sum",
    "min",
    "max",
    "median",
];

const COMMANDS: &[&str] = &[".tables", ".views", ".queries", ".query", ".schema", ".mode", ".timer", ".help", ".quit"];

/// What the user can change while in the shell.
struct State {
    format: Format,
    timer: bool,
}

/// Reads and runs statements until the user leaves. Errors are printed and the shell goes on.
pub(super) fn shell(asker: &Asker, format: Format, parameters: Parameters) -> Result<ExitCode> {
    let failed = |error| Error::user(format!("cannot read from the terminal: {error}"));
    let mut editor: Editor<Names, FileHistory> =
        Editor::with_config(Config::builder().auto_add_history(false).build()).map_err(failed)?;
    editor.set_helper(Some(Names::new()));
    let history = history_file();
    if let Some(history) = &history {
        // No history yet is no error.
        let _ = editor.load_history(history);
    }
    let mut state = State { format, timer: false };
    let mut pending = String::new();
    asker.rest()?;
    loop {
        let prompt = if pending.is_empty() { "syntrace> " } else { "     ...> " };
        match editor.readline(prompt) {
            Ok(line) => pending.push_str(&line),
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(failed(error)),
        }
        let is_command = pending.trim_start().starts_with('.');
        if !is_command && !is_complete(&pending) {
            pending.push('\n');
            continue;
        }
        let text = std::mem::take(&mut pending);
        if text.trim().is_empty() {
            continue;
        }
        // A shell without history is still a shell: a full disk must not end it.
        let _ = editor.add_history_entry(text.trim());
        if let Some(history) = &history {
            let _ = editor.save_history(history);
        }
        let done = if is_command {
            command(asker, &mut state, text.trim())
        } else {
            statements(asker, &state, &text, &parameters)
        };
        match done {
            Ok(true) => {}
            Ok(false) => return Ok(ExitCode::SUCCESS),
            Err(error) => print_error(&error),
        }
        asker.rest()?;
    }
}

fn statements(asker: &Asker, state: &State, text: &str, parameters: &Parameters) -> Result<bool> {
    for statement in split_statements(text) {
        ask(asker, state, statement, parameters)?;
    }
    Ok(true)
}

fn ask(asker: &Asker, state: &State, statement: &str, parameters: &Parameters) -> Result<()> {
    let started = Instant::now();
    let rows = print_answer(asker.ask(statement, parameters)?, state.format)?;
    let time = if state.timer { format!(", {:.3} s", started.elapsed().as_secs_f64()) } else { String::new() };
    eprintln!("{rows} {}{time}", if rows == 1 { "row" } else { "rows" });
    Ok(())
}

/// Runs a dot command; false ends the shell.
fn command(asker: &Asker, state: &mut State, text: &str) -> Result<bool> {
    let mut words = text.trim_end_matches(';').split_whitespace();
    let verb = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    match (verb, rest.as_slice()) {
        (".quit" | ".exit", []) => return Ok(false),
        (".help", []) => print_text(HELP)?,
        (".tables", []) => print_text(&listing(tables().iter().map(|table| (table.name, table.doc))))?,
        (".views", []) => print_text(&listing(views().iter().map(|view| (view.name, view.doc))))?,
        (".queries", []) => {
            print_text(&listing(named_queries().iter().map(|query| (query.name, query.question.as_str()))))?;
        }
        (".query", [name, given @ ..]) => {
            let query = named(name)?;
            let given = given.iter().map(|text| parse_parameter(text)).collect::<Result<Parameters>>()?;
            ask(asker, state, query.sql, &bind(&query, &given)?)?;
        }
        (".schema", []) => print_text(&tables().iter().map(create_table_text).collect::<Vec<_>>().join("\n"))?,
        (".schema", [name]) => print_text(&schema_of(name)?)?,
        (".mode", [name]) => {
            let format = Format::from_name(name)?;
            if format.is_binary() {
                return Err(
                    Error::user(format!("{name} is for files")).hint("use `syntrace sql STUDY -c ... --format`")
                );
            }
            state.format = format;
        }
        (".timer", ["on"]) => state.timer = true,
        (".timer", ["off"]) => state.timer = false,
        _ => return Err(Error::user(format!("no such command: `{text}`")).hint("`.help` lists all commands")),
    }
    Ok(true)
}

fn listing<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    lines.map(|(name, doc)| format!("{name:<30} {doc}\n")).collect()
}

fn schema_of(name: &str) -> Result<String> {
    if let Some(table) = tables().iter().find(|table| table.name == name) {
        return Ok(create_table_text(table));
    }
    if let Some(view) = views().iter().find(|view| view.name == name) {
        return Ok(format!("-- {}\n{};\n", view.doc, view.sql));
    }
    named(name).map(|query| query.sql.to_owned()).map_err(|_| {
        Error::user(format!("there is no table, view or query `{name}`"))
            .hint("`.tables`, `.views` and `.queries` list them")
    })
}

/// `$XDG_STATE_HOME/syntrace/sql_history`, by default under `~/.local/state`; `None` without a home.
fn history_file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    let folder = base.join("syntrace");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("sql_history"))
}

/// Completes names of tables, columns, functions, queries and commands.
struct Names {
    names: Vec<String>,
}

impl Names {
    fn new() -> Self {
        let mut names: Vec<String> = tables()
            .iter()
            .flat_map(|table| std::iter::once(table.name).chain(table.columns.iter().map(|column| column.name)))
            .chain(views().iter().map(|view| view.name))
            .chain(named_queries().iter().map(|query| query.name))
            .chain(KEYWORDS.iter().chain(FUNCTIONS).chain(COMMANDS).copied())
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.dedup();
        Self { names }
    }
}

impl Completer for Names {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or(line);
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let mut start = before.trim_end_matches(is_part).len();
        if before[..start].ends_with('.') && before[..start].trim() == "." {
            start -= 1;
        }
        let prefix = before[start..].to_lowercase();
        let pairs = self.names.iter().filter(|name| !prefix.is_empty() && name.to_lowercase().starts_with(&prefix));
        let pair = |name: &String| Pair { display: name.clone(), replacement: name.clone() };
        Ok((start, pairs.map(pair).collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}

impl Validator for Names {}

impl Helper for Names {}
