//! The SQL shell: line editing, completion, history outside the working folder.

use super::command::{COMMANDS, State, is_command, run_text};
use super::print_error;
use super::sql::Asker;
use crate::error::{Error, Result};
use crate::query::{FUNCTIONS, is_complete, named_queries, tables, views};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::path::PathBuf;
use std::process::ExitCode;

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

/// Functions of SQL itself that are often asked for; the study's own are `query::FUNCTIONS`.
const COMMON_FUNCTIONS: &[&str] =
    &["count", "avg", "sum", "min", "max", "median", "stddev", "corr", "round", "coalesce", "approx_percentile_cont"];

/// Reads and runs statements until the user leaves. Errors are printed and the shell goes on.
pub(super) fn shell(asker: &Asker, mut state: State) -> Result<ExitCode> {
    let failed = |error| Error::user(format!("cannot read from the terminal: {error}"));
    let mut editor: Editor<Names, FileHistory> =
        Editor::with_config(Config::builder().auto_add_history(false).build()).map_err(failed)?;
    editor.set_helper(Some(Names::new()));
    let history = history_file();
    if let Some(history) = &history {
        // No history yet is no error.
        let _ = editor.load_history(history);
    }
    let mut pending = String::new();
    asker.session().stop_on_interrupt()?;
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
        if !is_command(&pending) && !is_complete(&pending) {
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
        match run_text(asker, &mut state, &text) {
            Ok(true) => {}
            Ok(false) => return Ok(ExitCode::SUCCESS),
            Err(error) => print_error(&error),
        }
        asker.rest()?;
    }
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
            .chain(KEYWORDS.iter().chain(FUNCTIONS).chain(COMMON_FUNCTIONS).chain(COMMANDS).copied())
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
