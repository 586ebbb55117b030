//! What a line of `syntrace sql` does, in the shell as in -c, -f and a pipe: statements, and commands
//! that begin with a dot or a backslash.

use super::atomic_file::{Beside, Existing};
use super::pager::paged;
use super::query_session::Asker;
use super::script::{Piece, pieces};
use super::stdout::{print_text, to_stdout};
use crate::error::{Error, Result, io_error};
use crate::query::{
    Answer, FileName, Format, Look, Parameters, bind, create_table_text, named, named_queries, parse_parameter, pivot,
    split_statements, views, write_answer_as,
};
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const HELP: &str = "\
Statements end with `;` and may span lines. Lines that begin with a dot or a backslash are commands:
.tables            tables and what a row of each is (\\dt)
.views             views
.queries           named queries with their questions
.studies           names of several studies with their files; each is a schema
.query NAME [n=v]  run a named query
.schema [NAME]     columns of a table, text of a view or query (\\d [NAME])
.examples          a few statements to begin with
.mode FORMAT       table, csv, tsv, json, jsonl, markdown or expanded (\\x: expanded on and off)
.pivot COLUMN|off  turn a column into columns; the last other column gives the values
.output [FILE]     write answers to a file, as .mode says or, where it was not given, as the name ends (.csv, .json, ...);
                   without a file, to the terminal again (\\o)
.once FILE         write the next answer to a file, the same way
.read FILE         run the statements and commands of a file (\\i)
.explain SQL       how a statement would be run
.set NAME=VALUE    value of the parameter $NAME
.nullvalue [TEXT]  what stands for NULL (\\pset null TEXT)
.maxrows N         rows of an answer that the terminal is shown; 0 for all
.width [N]         widest cell of a table; 0 for no limit
.timer [on|off]    print the time of each statement (\\timing)
.pager on|off      show tall answers in $PAGER
.print TEXT        print a line (\\echo)
.shell COMMAND     run a command of the system (\\!)
.help              this text
.quit              leave (\\q, exit, quit, Ctrl-D)
ATTACH 'FILE' [AS NAME];
                   a CSV or Parquet file as a table, to be joined with the study's
\\g [FILE]          end or repeat a statement, with its answer to a file
\\e [FILE]          edit the last statement, or a file, in $EDITOR and run it
\\copy SOURCE TO FILE [FORMAT]
                   a table or (SELECT ...) to a file, as its name ends: .csv, .parquet, ...
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
    ".studies",
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
    ".nullvalue",
    ".maxrows",
    ".width",
    ".timer",
    ".pager",
    ".print",
    ".shell",
    ".help",
    ".quit",
];

/// The least that `.width` cuts to: a letter and the dots that say that something is cut.
const WIDTH_MIN: usize = 4;

/// How deep files may read files.
const READ_DEPTH_MAX: usize = 8;

/// A file that answers go to.
pub(super) enum Output {
    /// Written as answers come.
    Open(BufWriter<File>),
    /// At its place once all answers are in it.
    Whole(Beside),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Open(file) => file.write(bytes),
            Self::Whole(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Open(file) => file.flush(),
            Self::Whole(file) => file.flush(),
        }
    }
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
    output: Option<Output>,
    once: Option<PathBuf>,
    /// Was the format asked for? Otherwise a file's ending says it.
    format_given: bool,
    /// Format of the file that answers go to, by its ending.
    output_format: Option<Format>,
    /// Has it an answer already?
    output_used: bool,
    /// Rows of an answer that the terminal is shown; `None` = all.
    rows_max: Option<u64>,
    look: Look,
    /// The statement that was run last.
    last: Option<String>,
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
            format_given: format != Format::Table,
            output_format: None,
            output_used: false,
            rows_max: None,
            look: Look::default(),
            last: None,
            depth: 0,
        }
    }

    /// Sends all answers to a file, which is at its place after [`State::finish`].
    pub fn write_to(&mut self, path: &Path) -> Result<()> {
        self.output = Some(Output::Whole(Beside::create(path, Existing::Replace)?));
        Ok(())
    }

    /// Ends the file of [`State::write_to`].
    pub fn finish(self) -> Result<()> {
        match self.output {
            Some(Output::Whole(file)) => file.finish(),
            _ => Ok(()),
        }
    }
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

/// Runs text; `place` gives the position of a statement for errors, or nothing.
fn run_pieces(asker: &Asker, state: &mut State, text: &str, place: &dyn Fn(&str) -> String) -> Result<bool> {
    for piece in pieces(text) {
        let statements = match piece {
            Piece::Command(line) => {
                if !command(asker, state, &line)? {
                    return Ok(false);
                }
                continue;
            }
            Piece::Statements(statements) => statements,
        };
        for statement in split_statements(&statements) {
            state.last = Some(statement.to_owned());
            ask(asker, state, statement).map_err(|error| match place(statement) {
                place if place.is_empty() => error,
                place => error.context(place),
            })?;
        }
    }
    Ok(true)
}

fn ask(asker: &Asker, state: &mut State, statement: &str) -> Result<()> {
    if let Some(file) = FileName::of_statement(statement)? {
        return attach(asker, &file);
    }
    let parameters = state.parameters.clone();
    let started = Instant::now();
    let answer = asker.ask(statement, &parameters)?;
    answered(asker, state, answer, (statement, &parameters), started)
}

/// Makes a file a table, and says how it is called.
pub(super) fn attach(asker: &Asker, file: &FileName) -> Result<()> {
    let name = asker.attach_file(file)?;
    note!("{} is the table {name}", file.path.display());
    Ok(())
}

/// Shows an answer and what is to be said of it.
fn answered(
    asker: &Asker,
    state: &mut State,
    answer: Answer,
    (statement, parameters): (&str, &Parameters),
    started: Instant,
) -> Result<()> {
    let rows = show(answer, state)?;
    if rows == 0 {
        asker.note_absent(statement, parameters);
    }
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
    let (format, look) = (state.format, state.look.clone());
    if let Some(path) = state.once.take() {
        let format = Format::of_file(&path).filter(|_| !state.format_given).unwrap_or(format);
        let mut file = Beside::create(&path, Existing::Replace)?;
        let rows = write_answer_as(&look, format, schema, batches, &mut file)?;
        file.finish()?;
        return Ok(rows);
    }
    if let Some(file) = &mut state.output {
        let format = state.output_format.filter(|_| !state.format_given).unwrap_or(format);
        if format.is_binary() && state.output_used {
            return Err(Error::user("binary output holds one answer a file")
                .hint("`.output FILE` again, or `.once FILE` before each statement"));
        }
        let rows = write_answer_as(&look, format, schema, batches, file)?;
        file.flush().map_err(|error| Error::user(format!("cannot write the answer: {error}")))?;
        state.output_used = true;
        return Ok(rows);
    }
    let mut first = FirstRows { batches, left: state.rows_max.unwrap_or(u64::MAX), cut: false };
    let rows = if state.pager {
        paged(&look, format, schema, &mut first)?
    } else {
        to_stdout(|out| write_answer_as(&look, format, schema, &mut first, out))?
    };
    if first.cut {
        note!("only the first {rows} rows; `.maxrows 0` shows all");
    }
    Ok(rows)
}

/// The first rows of an answer.
struct FirstRows<I> {
    batches: I,
    left: u64,
    /// Were there more?
    cut: bool,
}

impl<I: Iterator<Item = Result<arrow::record_batch::RecordBatch>>> Iterator for FirstRows<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        while !self.cut {
            let batch = match self.batches.next()? {
                Ok(batch) if batch.num_rows() > 0 => batch,
                other => return Some(other),
            };
            let rows = batch.num_rows() as u64;
            self.cut = rows > self.left;
            let kept = rows.min(self.left);
            self.left -= kept;
            if kept > 0 {
                return Some(Ok(batch.slice(0, kept as usize)));
            }
        }
        None
    }
}

fn create(path: &Path) -> Result<Output> {
    File::create(path).map(|file| Output::Open(BufWriter::new(file))).map_err(|error| io_error("write", path, &error))
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
            print_text(&table_list(asker))?;
        }
        (".studies", []) => {
            let studies = asker.studies();
            print_text(&listing(studies.iter().map(|(name, path)| (*name, path.to_string_lossy()))))?;
        }
        (".views" | "\\dv", []) => print_text(&listing(views().iter().map(|view| (view.name, view.doc))))?,
        (".queries", []) => {
            print_text(&listing(named_queries().iter().map(|query| (query.name, query.question.as_str()))))?;
        }
        (".query", [name, given @ ..]) => {
            let query = named(name)?;
            let given = given.iter().map(|text| parse_parameter(text)).collect::<Result<Parameters>>()?;
            // What the shell has by `-v` and `.set`, where the query asks for it; what stands here wins.
            let mut all = state.parameters.clone();
            all.retain(|name, _| query.parameters.iter().any(|own| own.name == *name));
            all.extend(given);
            let (values, started) = (bind(&query, &all)?, Instant::now());
            let answer = asker.ask_named(&query, &values)?;
            answered(asker, state, answer, (query.sql, &values), started)?;
        }
        (".schema", []) => print_text(&asker.tables().iter().map(create_table_text).collect::<Vec<_>>().join("\n"))?,
        (".schema" | "\\d", [name]) if asker.files().contains_key(*name) => {
            ask(asker, state, &format!("DESCRIBE \"{name}\""))?;
        }
        (".schema" | "\\d", [name]) => print_text(&schema_of(asker, name)?)?,
        (".explain", [_, ..]) => ask(asker, state, &format!("EXPLAIN {argument}"))?,
        (".read" | "\\i", [path]) => return read(asker, state, Path::new(path)),
        ("\\g", file) if file.len() < 2 => {
            let Some(last) = state.last.clone() else { return Err(Error::user("there is no statement to run again")) };
            if let Some(program) = file.first().and_then(|file| file.strip_prefix('|')) {
                return Err(Error::user("`\\g` writes to a file, not to a program")
                    .hint(format!("outside this shell: syntrace sql STUDY -c '...' | {program}")));
            }
            state.once = file.first().map(PathBuf::from);
            ask(asker, state, &last)?;
        }
        ("\\e", file) if file.len() < 2 => {
            let text = edited(state, file.first().map(Path::new))?;
            return run_text(asker, state, &text);
        }
        ("\\copy", [_, ..]) => copy(asker, state, argument)?,
        (".shell" | ".system" | "\\!", [_, ..]) => shell_out(argument)?,
        (".print" | "\\echo", _) => print_text(&format!("{}\n", unquoted(argument)))?,
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
            (state.format, state.format_given) = (format, true);
        }
        ("\\x", []) if state.format == Format::Expanded => state.format = state.before_expanded,
        ("\\x", []) => {
            state.before_expanded = state.format;
            state.format = Format::Expanded;
        }
        (".pivot", ["off"]) => state.pivot = None,
        (".pivot", [column]) => state.pivot = Some((*column).to_owned()),
        (".output" | "\\o", []) => state.output = None,
        (".output" | "\\o", [path]) => {
            asker.require_other_file(Path::new(path))?;
            state.output = Some(create(Path::new(path))?);
            (state.output_format, state.output_used) = (Format::of_file(Path::new(path)), false);
        }
        (".once", [path]) => {
            asker.require_other_file(Path::new(path))?;
            state.once = Some(PathBuf::from(path));
        }
        (".set", [assignment]) => {
            let (name, value) = parse_parameter(assignment)?;
            state.parameters.insert(name, value);
        }
        (".timer" | "\\timing", []) => state.timer = !state.timer,
        (".timer" | "\\timing", ["on"]) => state.timer = true,
        (".timer" | "\\timing", ["off"]) => state.timer = false,
        (".nullvalue", []) => state.look.null = None,
        (".nullvalue", [text]) | ("\\pset", ["null", text]) => state.look.null = Some(unquoted(text)),
        (".maxrows", [number]) => state.rows_max = Some(count(verb, number)?).filter(|rows| *rows > 0),
        (".width", []) => state.look.width = Look::default().width,
        (".width", [number]) => {
            let width = count(verb, number)?;
            state.look.width = if width == 0 { usize::MAX } else { (width as usize).max(WIDTH_MIN) };
        }
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

fn count(verb: &str, text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::user(format!("`{verb}` expects a whole number, 0 for no limit; found `{text}`")))
}

/// Text without the quotes around it.
fn unquoted(text: &str) -> String {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).unwrap_or(text).to_owned()
}

/// Lets the user edit the last statement, or a file; gives the text.
fn edited(state: &State, file: Option<&Path>) -> Result<String> {
    if !state.interactive {
        return Err(Error::user("`\\e` needs a terminal").hint("it edits a statement in $EDITOR, in the shell"));
    }
    let own = std::env::temp_dir().join(format!("syntrace-{}.sql", std::process::id()));
    let path = file.unwrap_or(&own);
    if file.is_none() {
        let text = state.last.clone().unwrap_or_default() + ";\n";
        std::fs::write(path, text).map_err(|error| io_error("write", path, &error))?;
    }
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok());
    let editor = editor.filter(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
    let status = std::process::Command::new("sh").args(["-c", &format!("{editor} \"$0\"")]).arg(path).status();
    let text = std::fs::read_to_string(path).map_err(|error| io_error("read", path, &error));
    if file.is_none() {
        let _ = std::fs::remove_file(path);
    }
    match status {
        Ok(status) if status.success() => text,
        Ok(status) => Err(Error::user(format!("`{editor}` ended with {status}: nothing is run"))),
        Err(error) => Err(Error::user(format!("cannot start `{editor}`: {error}")).hint("set EDITOR")),
    }
}

/// Runs a command of the system's shell on this terminal.
fn shell_out(command: &str) -> Result<()> {
    let status = std::process::Command::new("sh").args(["-c", command]).status();
    let status = status.map_err(|error| Error::user(format!("cannot start `sh`: {error}")))?;
    if status.success() { Ok(()) } else { Err(Error::user(format!("`{command}` ended with {status}"))) }
}

/// `\copy TABLE TO FILE` and `\copy (SELECT ...) TO FILE`, with a format behind it or as the file's name ends.
fn copy(asker: &Asker, state: &mut State, argument: &str) -> Result<()> {
    let usage = || {
        Error::user(format!("cannot read `\\copy {argument}`"))
            .hint("`\\copy (SELECT ...) TO 'answer.csv'`; a study is read only, so there is no FROM")
    };
    let lower = argument.to_ascii_lowercase();
    let at = lower.rfind(" to ").ok_or_else(usage)?;
    let (source, rest) = (argument[..at].trim(), argument[at + 4..].trim());
    let (file, options) = match rest.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'').ok_or_else(usage)?,
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    let statement = match source.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')) {
        Some(query) => query.to_owned(),
        None => format!("SELECT * FROM {source}"),
    };
    let is_part = |character: char| character.is_ascii_alphanumeric();
    let named = options
        .split(|character| !is_part(character))
        .find_map(|word| Format::from_name(&word.to_ascii_lowercase()).ok());
    let path = PathBuf::from(file);
    let is_stdout = !rest.starts_with('\'') && file.eq_ignore_ascii_case("stdout");
    if !is_stdout {
        asker.require_other_file(&path)?;
    }
    let before = std::mem::replace(&mut state.format, named.or(Format::of_file(&path)).unwrap_or(Format::Csv));
    let given = std::mem::replace(&mut state.format_given, true);
    let pivot = state.pivot.take();
    state.once = Some(path).filter(|_| !is_stdout);
    let done = ask(asker, state, &statement);
    (state.format, state.format_given, state.pivot, state.once) = (before, given, pivot, None);
    done
}

fn listing(lines: impl Iterator<Item = (impl Display, impl Display)>) -> String {
    lines.map(|(name, doc)| format!("{name:<30} {doc}\n")).collect()
}

/// The tables, and those that are files.
fn table_list(asker: &Asker) -> String {
    let own: String = asker.studies().iter().map(|(name, _)| format!(", {name}.models")).collect();
    let head = match own.is_empty() {
        true => String::new(),
        false => format!("-- of all studies, the column study first; each has its own{own}\n"),
    };
    let tables = listing(asker.tables().iter().map(|table| (table.name, table.doc)));
    head + &tables + &listing(asker.files().iter().map(|(name, path)| (name, path.display())))
}

fn schema_of(asker: &Asker, name: &str) -> Result<String> {
    if let Some(table) = asker.tables().iter().find(|table| table.name == name) {
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
