//! What a line of `syntrace sql` does, in the shell as in -c, -f and a pipe: statements, and commands
//! that begin with a dot or a backslash.

use super::sql::{Asker, print_text};
use crate::error::{Error, Result, io_error};
use crate::query::{
    Answer, Format, Parameters, bind, create_table_text, is_complete, named, named_queries, parse_parameter, pivot,
    split_statements, tables, views, write_answer,
};
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const HELP: &str = "\
Statements end with `;` and may span lines. Lines that begin with a dot or a backslash are commands:
.tables            tables and what a row of each is (\\dt)
.views             views
.queries           named queries with their questions
.query NAME [n=v]  run a named query
.schema [NAME]     columns of a table, text of a view or query (\\d [NAME])
.examples          a few statements to begin with
.mode FORMAT       table, csv, tsv, json, jsonl, markdown or expanded (\\x: expanded on and off)
.pivot COLUMN|off  turn a column into columns; the last other column gives the values
.output [FILE]     write answers to a file; without one, to the terminal again
.once FILE         write the next answer to a file
.read FILE         run the statements and commands of a file
.explain SQL       how a statement would be run
.set NAME=VALUE    value of the parameter $NAME
.timer on|off      print the time of each statement
.pager on|off      show tall answers in $PAGER
.help              this text
.quit              leave (\\q, Ctrl-D)
";

const EXAMPLES: &str = "\
-- Who leaks how much?
SELECT generator, epsilon, attack, auc, auc_low, auc_high FROM attacks WHERE evaluated_on = 'target' ORDER BY auc DESC;
-- The traces that most models give away.
SELECT trace_id, avg(score) AS exposure FROM attack_scores WHERE member GROUP BY trace_id ORDER BY exposure DESC LIMIT 10;
-- A membership attack of your own: the loss as the score.
SELECT model_id, epsilon, auc(-loss, member) AS auc FROM attributes GROUP BY model_id, epsilon ORDER BY auc DESC;
-- How far are synthetic packet lengths from real ones?
SELECT class, position, jsd(ip_length, synthetic) AS distance FROM packets GROUP BY class, position ORDER BY 1, 2;
-- One packet's bytes.
SELECT hexdump(data) FROM packets WHERE position = 0 LIMIT 1;
";

/// All commands, for completion.
pub(super) const COMMANDS: &[&str] = &[
    ".tables",
    ".views",
    ".queries",
    ".query",
    ".schema",
    ".examples",
    ".mode",
    ".pivot",
    ".output",
    ".once",
    ".read",
    ".explain",
    ".set",
    ".timer",
    ".pager",
    ".help",
    ".quit",
];

/// How deep files may read files.
const READ_DEPTH_MAX: usize = 8;

/// Where an answer goes.
enum Target {
    Stdout,
    File(PathBuf),
}

/// What the user can change along the way.
pub(super) struct State {
    pub format: Format,
    /// The format that `\x` goes back to.
    before_expanded: Format,
    pub parameters: Parameters,
    pub pivot: Option<String>,
    timer: bool,
    pager: bool,
    /// In the shell, rows are counted and errors do not end it.
    interactive: bool,
    output: Option<BufWriter<File>>,
    once: Option<PathBuf>,
    depth: usize,
}

impl State {
    pub fn new(format: Format, parameters: Parameters, pivot: Option<String>, interactive: bool) -> Self {
        Self {
            format,
            before_expanded: format,
            parameters,
            pivot,
            timer: false,
            pager: interactive && std::io::stdout().is_terminal(),
            interactive,
            output: None,
            once: None,
            depth: 0,
        }
    }
}

/// True for a line that is a command rather than a part of a statement.
pub(super) fn is_command(line: &str) -> bool {
    line.trim_start().starts_with(['.', '\\'])
}

/// Number of statements of a text, commands left out.
pub(super) fn statement_count(text: &str) -> usize {
    pieces(text).iter().filter(|piece| !is_command(piece)).flat_map(|piece| split_statements(piece)).count()
}

/// Cuts a text into commands (a line each, where no statement is under way) and runs of statements.
fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut pending) = (Vec::new(), String::new());
    for line in text.lines() {
        if is_command(line) && is_complete(&pending) {
            pieces.push(std::mem::take(&mut pending));
            pieces.push(line.trim().to_owned());
        } else {
            pending.push_str(line);
            pending.push('\n');
        }
    }
    pieces.push(pending);
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// As [`run_text`] for the text of a file; an error says where in it.
pub(super) fn run_file(asker: &Asker, state: &mut State, path: &Path, text: &str) -> Result<bool> {
    run_pieces(asker, state, text, &|statement| {
        // The first of equal statements is the one that failed.
        let line = text.find(statement).map_or(1, |at| text[..at].matches('\n').count() + 1);
        format!("`{}`, statement of line {line}", path.display())
    })
}

/// Runs a text of statements and commands; false once a command asked to leave.
pub(super) fn run_text(asker: &Asker, state: &mut State, text: &str) -> Result<bool> {
    run_pieces(asker, state, text, &|_| String::new())
}

/// Runs text; `place` says of a statement where it is, or nothing.
fn run_pieces(asker: &Asker, state: &mut State, text: &str, place: &dyn Fn(&str) -> String) -> Result<bool> {
    for piece in pieces(text) {
        if is_command(&piece) {
            if !command(asker, state, piece.trim())? {
                return Ok(false);
            }
            continue;
        }
        for statement in split_statements(&piece) {
            ask(asker, state, statement).map_err(|error| match place(statement) {
                place if place.is_empty() => error,
                place => error.context(place),
            })?;
        }
    }
    Ok(true)
}

fn ask(asker: &Asker, state: &mut State, statement: &str) -> Result<()> {
    let parameters = state.parameters.clone();
    ask_with(asker, state, statement, &parameters)
}

fn ask_with(asker: &Asker, state: &mut State, statement: &str, parameters: &Parameters) -> Result<()> {
    let started = Instant::now();
    let rows = show(asker.ask(statement, parameters)?, state)?;
    if state.interactive || state.timer {
        let time = if state.timer { format!(", {:.3} s", started.elapsed().as_secs_f64()) } else { String::new() };
        note!("{rows} {}{time}", if rows == 1 { "row" } else { "rows" });
    }
    Ok(())
}

/// Writes an answer where it belongs; gives the number of rows.
pub(super) fn show(answer: Answer, state: &mut State) -> Result<u64> {
    let schema = answer.schema();
    match state.pivot.clone() {
        Some(column) => {
            let batches = answer.collect_batches()?;
            let turned = pivot(&schema, &batches, &column)?;
            write(&turned.schema(), std::iter::once(Ok(turned)), state)
        }
        None => write(&schema, answer, state),
    }
}

fn write(
    schema: &arrow::datatypes::SchemaRef,
    batches: impl Iterator<Item = Result<arrow::record_batch::RecordBatch>>,
    state: &mut State,
) -> Result<u64> {
    let target = state.once.take().map_or(Target::Stdout, Target::File);
    match (target, &mut state.output) {
        (Target::File(path), _) => {
            let mut file = create(&path)?;
            let rows = write_answer(state.format, schema, batches, &mut file)?;
            file.flush().map_err(|error| io_error("write", &path, &error))?;
            Ok(rows)
        }
        (Target::Stdout, Some(file)) => {
            let rows = write_answer(state.format, schema, batches, file)?;
            file.flush().map_err(|error| Error::user(format!("cannot write the answer: {error}")))?;
            Ok(rows)
        }
        (Target::Stdout, None) if state.pager => paged(state.format, schema, batches),
        (Target::Stdout, None) => super::sql::to_stdout(|out| write_answer(state.format, schema, batches, out)),
    }
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    File::create(path).map(BufWriter::new).map_err(|error| io_error("write", path, &error))
}

/// Shows an answer in the pager, `less` by default, which ends by itself where all fits on a screen.
fn paged(
    format: Format,
    schema: &arrow::datatypes::SchemaRef,
    mut batches: impl Iterator<Item = Result<arrow::record_batch::RecordBatch>>,
) -> Result<u64> {
    // What fails or is stopped before its first rows opens no pager.
    let first = batches.next().transpose()?;
    let batches = first.map(Ok).into_iter().chain(batches);
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let pager = pager.unwrap_or_else(|| "less -FRSX".to_owned());
    let child = std::process::Command::new("sh").args(["-c", &pager]).stdin(std::process::Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        return super::sql::to_stdout(|out| write_answer(format, schema, batches, out));
    };
    let mut left_early = false;
    let mut written = Ok(0);
    if let Some(stdin) = child.stdin.take() {
        let mut out = Leavable { out: BufWriter::new(stdin), left: false };
        written = write_answer(format, schema, batches, &mut out).and_then(|rows| {
            out.flush().map_err(|error| Error::user(format!("cannot write to the pager: {error}")))?;
            Ok(rows)
        });
        left_early = out.left;
    }
    // The pager has the terminal until it ends, also where the answer broke off.
    let status = child.wait();
    // Whoever leaves the pager has seen enough.
    let rows = if left_early { written.unwrap_or(0) } else { written? };
    if !left_early && status.is_ok_and(|status| status.code() == Some(127)) {
        return Err(Error::user(format!("cannot start the pager `{pager}`")).hint("set PAGER, or `.pager off`"));
    }
    Ok(rows)
}

/// A writer that notes when its reader left.
struct Leavable<W> {
    out: W,
    left: bool,
}

impl<W: Write> Leavable<W> {
    fn noted<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        self.left |= result.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
        result
    }
}

impl<W: Write> Write for Leavable<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let result = self.out.write(bytes);
        self.noted(result)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let result = self.out.flush();
        self.noted(result)
    }
}

/// Runs a command; false ends the shell or the batch.
fn command(asker: &Asker, state: &mut State, text: &str) -> Result<bool> {
    let (verb, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // Of a command a semicolon at the end is habit; of `.explain` it ends the statement.
    let (verb, argument) = (verb.trim_end_matches(';'), argument.trim().trim_end_matches(';').trim());
    let words: Vec<&str> = argument.split_whitespace().collect();
    match (verb, words.as_slice()) {
        (".quit" | ".exit" | "\\q", []) => return Ok(false),
        (".help" | "\\?", []) => print_text(HELP)?,
        (".examples", []) => print_text(EXAMPLES)?,
        (".tables" | "\\dt" | "\\d", []) => {
            print_text(&listing(tables().iter().map(|table| (table.name, table.doc))))?;
        }
        (".views" | "\\dv", []) => print_text(&listing(views().iter().map(|view| (view.name, view.doc))))?,
        (".queries", []) => {
            print_text(&listing(named_queries().iter().map(|query| (query.name, query.question.as_str()))))?;
        }
        (".query", [name, given @ ..]) => {
            let query = named(name)?;
            let given = given.iter().map(|text| parse_parameter(text)).collect::<Result<Parameters>>()?;
            ask_with(asker, state, query.sql, &bind(&query, &given)?)?;
        }
        (".schema", []) => print_text(&tables().iter().map(create_table_text).collect::<Vec<_>>().join("\n"))?,
        (".schema" | "\\d", [name]) => print_text(&schema_of(name)?)?,
        (".explain", [_, ..]) => ask(asker, state, &format!("EXPLAIN {argument}"))?,
        (".read", [path]) => return read(asker, state, Path::new(path)),
        _ => setting(asker, state, verb, &words, text)?,
    }
    Ok(true)
}

/// The commands that change how answers are shown.
fn setting(asker: &Asker, state: &mut State, verb: &str, words: &[&str], text: &str) -> Result<()> {
    match (verb, words) {
        (".mode", [name]) => {
            let format = Format::from_name(name)?;
            if format.is_binary() && state.interactive && state.output.is_none() {
                return Err(
                    Error::user(format!("{name} is for files")).hint("name the file first: `.output answer.parquet`")
                );
            }
            state.format = format;
        }
        ("\\x", []) if state.format == Format::Expanded => state.format = state.before_expanded,
        ("\\x", []) => {
            state.before_expanded = state.format;
            state.format = Format::Expanded;
        }
        (".pivot", ["off"]) => state.pivot = None,
        (".pivot", [column]) => state.pivot = Some((*column).to_owned()),
        (".output", []) => state.output = None,
        (".output", [path]) => {
            super::require_other_file(Path::new(path), asker.study())?;
            state.output = Some(create(Path::new(path))?);
        }
        (".once", [path]) => {
            super::require_other_file(Path::new(path), asker.study())?;
            state.once = Some(PathBuf::from(path));
        }
        (".set", [assignment]) => {
            let (name, value) = parse_parameter(assignment)?;
            state.parameters.insert(name, value);
        }
        (".timer", ["on"]) => state.timer = true,
        (".timer", ["off"]) => state.timer = false,
        (".pager", ["on"]) => state.pager = true,
        (".pager", ["off"]) => state.pager = false,
        _ => return Err(Error::user(format!("no such command: `{text}`")).hint("`.help` lists all commands")),
    }
    Ok(())
}

fn read(asker: &Asker, state: &mut State, path: &Path) -> Result<bool> {
    if state.depth >= READ_DEPTH_MAX {
        return Err(Error::user(format!("`{}` is read by a file that it reads", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|error| io_error("read", path, &error))?;
    state.depth += 1;
    let done = run_file(asker, state, path, &text);
    state.depth -= 1;
    done
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
