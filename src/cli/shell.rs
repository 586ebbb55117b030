//! The SQL shell: line editing, completion, history outside the working folder.

use super::command::{COMMANDS, State, run_text};
use super::print_error;
use super::query_session::Asker;
use super::script::is_ready;
use crate::error::{Error, Result};
use crate::query::{FUNCTIONS, Format, TableInfo, named_queries, tables, views};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::collections::HashSet;
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
        if let Some(names) = editor.helper_mut() {
            names.earlier.clone_from(&pending);
        }
        match editor.readline(prompt) {
            Ok(line) => pending.push_str(&line),
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
        if !is_ready(&pending) {
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
            Ok(false) => break,
            Err(error) => print_error(&error),
        }
        asker.rest()?;
    }
    state.finish()?;
    Ok(ExitCode::SUCCESS)
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

/// Completes names of tables, columns, functions, queries and commands, each where it may stand, and files.
struct Names {
    /// The lines of the statement before the one that is edited.
    earlier: String,
    /// Tables with their columns.
    tables: Vec<TableInfo>,
    relations: Vec<&'static str>,
    columns: Vec<&'static str>,
    queries: Vec<&'static str>,
    /// What may stand anywhere else in a statement.
    words: Vec<&'static str>,
    files: FilenameCompleter,
}

impl Names {
    fn new() -> Self {
        let sorted = |names: &mut Vec<&'static str>| {
            names.sort_unstable();
            names.dedup();
        };
        // Tables before views: they are what is meant more often.
        let relations = tables().iter().map(|table| table.name).chain(views().iter().map(|view| view.name)).collect();
        let mut columns: Vec<&str> =
            tables().iter().flat_map(|table| table.columns.iter().map(|column| column.name)).collect();
        sorted(&mut columns);
        let queries = named_queries().iter().map(|query| query.name).collect();
        let mut words: Vec<&str> = KEYWORDS.iter().chain(FUNCTIONS).chain(COMMON_FUNCTIONS).copied().collect();
        words.extend(columns.iter().chain(&relations).chain(&queries));
        sorted(&mut words);
        let (earlier, tables) = (String::new(), tables());
        Self { earlier, tables, relations, columns, queries, words, files: FilenameCompleter::new() }
    }

    /// Columns of the tables that a statement names; of the one alone that `qualifier` names or stands for.
    fn columns_in(&self, statement: &str, qualifier: Option<&str>) -> Vec<&'static str> {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let words: Vec<&str> =
            statement.split(|character| !is_part(character)).filter(|word| !word.is_empty()).collect();
        let mut columns = Vec::new();
        for (place, word) in words.iter().enumerate() {
            let Some(table) = self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(word)) else { continue };
            let after = words.get(place + 1).filter(|word| !word.eq_ignore_ascii_case("as"));
            let alias = after.or_else(|| words.get(place + 2));
            let is_meant = |name: &str| name.eq_ignore_ascii_case(word) || alias.is_some_and(|alias| name == *alias);
            if qualifier.is_none_or(is_meant) {
                columns.extend(table.columns.iter().map(|column| column.name));
            }
        }
        columns
    }

    /// What may stand where `before` ends in a statement, and whether all of it is offered before the first letter.
    fn candidates(&self, before: &str, statement: &str) -> (Vec<&'static str>, bool) {
        let words: Vec<&str> = before.split_whitespace().collect();
        let last = words.last().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        match words.as_slice() {
            [] if before.ends_with(['.', '\\']) => (Vec::new(), false),
            [".query"] => (self.queries.clone(), true),
            [".schema" | "\\d"] => (self.relations.iter().chain(&self.queries).copied().collect(), true),
            [".mode"] => (Format::ALL.iter().map(|(name, _)| *name).collect(), true),
            [".pivot"] => (self.columns.clone(), false),
            [".timer" | ".pager"] => (vec!["on", "off"], true),
            _ if before.ends_with('.') => {
                let qualifier =
                    before.trim_end_matches('.').rsplit(|one: char| !one.is_alphanumeric() && one != '_').next();
                match self.columns_in(statement, qualifier) {
                    none if none.is_empty() => (self.columns.clone(), false),
                    columns => (columns, true),
                }
            }
            _ if matches!(last.as_str(), "from" | "join") => (self.relations.clone(), false),
            // What the statement's tables have comes first.
            _ => (self.columns_in(statement, None).iter().chain(&self.words).copied().collect(), false),
        }
    }
}

/// Commands whose argument is a file.
const OF_FILES: &[&str] = &[".read", ".output", ".once"];

impl Completer for Names {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or(line);
        let pair = |name: &&str| Pair { display: (*name).to_owned(), replacement: (*name).to_owned() };
        if before.trim_start().starts_with('.')
            && !before.trim().contains(char::is_whitespace)
            && before.trim() == before
        {
            let names = COMMANDS.iter().filter(|name| name.starts_with(before));
            return Ok((0, names.map(pair).collect()));
        }
        if OF_FILES.iter().any(|command| before.trim_start().starts_with(&format!("{command} "))) {
            return self.files.complete_path(before, position);
        }
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let start = before.trim_end_matches(is_part).len();
        let prefix = before[start..].to_lowercase();
        let statement = format!("{}{line}", self.earlier);
        let (names, at_once) = self.candidates(&before[..start], &statement);
        let mut seen = HashSet::new();
        let fitting = names.iter().filter(|name| {
            (at_once || !prefix.is_empty()) && name.to_lowercase().starts_with(&prefix) && seen.insert(**name)
        });
        Ok((start, fitting.map(pair).collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}

impl Validator for Names {}

impl Helper for Names {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_where_they_may_stand() {
        let names = Names::new();
        let history = FileHistory::new();
        let found = |line: &str| -> Vec<String> {
            let (start, pairs) = names.complete(line, line.len(), &Context::new(&history)).unwrap();
            pairs.iter().map(|pair| format!("{}{}", &line[..start], pair.replacement)).collect()
        };
        assert_eq!(found("SELECT * FROM mo")[0], "SELECT * FROM models");
        assert_eq!(found("\\d mod")[0], "\\d models");
        assert_eq!(found(".query head"), [".query headline"]);
        assert!(found(".query ").len() > 20);
        assert_eq!(found(".mode c"), [".mode csv"]);
        assert_eq!(found(".qu"), [".queries", ".query", ".quit"]);
        assert_eq!(found("SELECT m.model_i"), ["SELECT m.model_id"]);
        let first = |before: &str, after: &str| {
            let line = format!("{before}{after}");
            names
                .complete(&line, before.len(), &Context::new(&history))
                .unwrap()
                .1
                .first()
                .map(|one| one.replacement.clone())
        };
        assert_eq!(first("SELECT st", " FROM epochs"), Some("step".to_owned()));
        assert_eq!(first("SELECT st", " FROM models"), Some("steps".to_owned()));
        assert_eq!(found("SELECT * FROM epochs AS e WHERE e.me"), ["SELECT * FROM epochs AS e WHERE e.member_loss"]);
        assert!(
            found("SELECT * FROM epochs e JOIN models m ON m.")
                .contains(&"SELECT * FROM epochs e JOIN models m ON m.steps".to_owned())
        );
        assert!(found("SELECT count(dist").contains(&"SELECT count(DISTINCT".to_owned()));
        assert_eq!(found("SELECT "), Vec::<String>::new());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("question.sql"), "SELECT 1").unwrap();
        let file = folder.path().join("question.sql").display().to_string();
        assert_eq!(found(&format!(".read {}", file.trim_end_matches("stion.sql"))), [format!(".read {file}")]);
    }
}
