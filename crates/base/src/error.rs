//! One error type for the whole crate: what was expected, what was found, where, and what to do.
//!
//! Messages are lower case, put values in backticks and end without a full stop. Context is added at
//! module borders with [`ResultExt::context`]; the hint stands on its own line.

use std::fmt;

/// Result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Who has to act on an error; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input, the arguments or the environment (a full disk, a read-only file): exit code 2.
    User,
    /// A fault of this program or damage inside a study file: exit code 3.
    Internal,
    /// The user or a scheduler asked to stop; what was finished is stored, the same command goes on: exit code 130.
    Interrupted,
    /// Another process writes to the study; the same command works later: exit code 75 (`EX_TEMPFAIL`).
    Busy,
}

/// Who reads a hint: what helps is said in the words of the tool at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintReader {
    /// Someone at the command line, or at the shell of `syntrace sql`.
    CommandLine,
    /// Someone whose client speaks PostgreSQL's protocol.
    Postgres,
    /// Someone who calls the Python package.
    Python,
}

/// An error with its context chain (outermost last) and an optional hint.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    context: Vec<String>,
    hint: Option<String>,
    /// Hints that take the place of `hint` for some readers.
    reader_hints: Vec<(HintReader, String)>,
    of_storage: bool,
    sqlstate: Option<&'static str>,
}

impl Error {
    /// Builds an error that the user can fix.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::User, message)
    }

    /// Builds an error that the user cannot fix: a bug of this program, or damaged content.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Builds the error that ends a run which was asked to stop.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Interrupted, message)
    }

    /// Builds the error for a study that another process holds.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    /// Builds the error for something that this build of the program was made without.
    pub fn left_out(what: &str, feature: &str) -> Self {
        Self::user(format!("this build has no {what}"))
            .hint(format!("`make build` builds everything (or: cargo build --features {feature})"))
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (context, hint, reader_hints) = (Vec::new(), None, Vec::new());
        Self { kind, message: message.into(), context, hint, reader_hints, of_storage: false, sqlstate: None }
    }

    /// Adds where it happened; printed before the message, outermost first.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context.push(context.into());
        self
    }

    /// What the study holds is damaged, or was written wrongly.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::internal(message).hint("`syntrace verify STUDY` lists everything that is damaged")
    }

    /// Adds a hint what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint in the words of one kind of reader; it takes the place of [`Error::hint`] there.
    #[must_use]
    pub fn hint_for(mut self, reader: HintReader, hint: impl Into<String>) -> Self {
        self.reader_hints.push((reader, hint.into()));
        self
    }

    /// Says which of the known names is near to one that is not known, or something else where none is.
    #[must_use]
    pub fn hint_near(self, found: &str, known: &[impl AsRef<str>], otherwise: impl Into<String>) -> Self {
        match nearest(found, known) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self.hint(otherwise),
        }
    }

    /// Marks the error as one of the study's file or its disk: further operations would fail too.
    #[must_use]
    pub fn of_storage(mut self) -> Self {
        self.of_storage = true;
        self
    }

    /// Is it of the study's file or its disk?
    pub fn is_of_storage(&self) -> bool {
        self.of_storage
    }

    /// Gives it PostgreSQL's code of its kind (the manual's appendix A), by which clients tell errors apart.
    #[must_use]
    pub fn with_sqlstate(mut self, code: &'static str) -> Self {
        self.sqlstate = Some(code);
        self
    }

    /// PostgreSQL's code: its own where it has one, otherwise that of who has to act.
    pub fn sqlstate(&self) -> &'static str {
        match (self.kind, self.sqlstate) {
            (ErrorKind::Internal, _) => "XX000",
            (ErrorKind::Interrupted, _) => "57014",
            (ErrorKind::Busy, _) => "55006",
            (ErrorKind::User, Some(code)) => code,
            (ErrorKind::User, None) => "42000",
        }
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The hint at the command line, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint_text_for(HintReader::CommandLine)
    }

    /// The hint for a reader, if there is one.
    pub fn hint_text_for(&self, reader: HintReader) -> Option<&str> {
        let own = self.reader_hints.iter().find(|(of, _)| *of == reader).map(|(_, hint)| hint.as_str());
        own.or(self.hint.as_deref())
    }

    /// Exit code of a process that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::User => 2,
            ErrorKind::Internal => 3,
            ErrorKind::Interrupted => 130,
            ErrorKind::Busy => 75,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.context.iter().rev() {
            write!(formatter, "{context}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Adds context to the error of a result.
pub trait ResultExt<T> {
    /// Adds where it happened; the closure runs only on failure.
    fn context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.context(context()))
    }
}

/// The message of a panic payload from `catch_unwind`.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
}

/// Refuses what has no end or waits for another process (devices, pipes): a content is read twice, to know it and
/// to take it.
pub fn require_file(path: &std::path::Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| io_error("open", path, &error))?;
    if metadata.is_file() {
        return Ok(());
    }
    let found = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
    Err(Error::user(format!("expected a file, found `{}`, which is {found}", path.display())))
}

/// Converts an I/O error: a full disk, a missing or forbidden file are user errors.
pub fn io_error(action: &str, path: &std::path::Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let built = Error::user(format!("cannot {action} `{}`: {error}", path.display()));
    match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => {
            built.hint("free space on that disk and run the same command again; finished jobs are stored")
        }
        Io::NotFound => built.hint("check the path"),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => built.hint("check the permissions of the file and its folder"),
        _ => built,
    }
}

/// The known name nearest to a misspelt one (Damerau-Levenshtein), if any is near: at most one edit for two characters.
pub fn nearest<'a>(found: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let near = known.iter().map(AsRef::as_ref).map(|name: &str| (strsim::damerau_levenshtein(found, name), name));
    near.filter(|(edits, name)| is_near(*edits, found, name)).min().map(|(_, name)| name)
}

/// Is a name near enough to another to be meant?
pub fn near(found: &str, name: &str) -> bool {
    is_near(strsim::damerau_levenshtein(found, name), found, name)
}

fn is_near(edits: usize, found: &str, name: &str) -> bool {
    edits <= found.len().max(name.len()) / 2
}
