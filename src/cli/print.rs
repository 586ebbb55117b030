//! Output to stdout and stderr that never panics: `say!` and `note!`. Names in it come from studies, captures and
//! models of other people: terminal control sequences are escaped.

use crate::query::visible;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// As `println!`. A closed pipe (`| head`) ends the process quietly, as with other tools; any other write error is
/// reported.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::print::out(format_args!($($text)*)) };
}

/// As `eprintln!`, but ignores write errors: a run of hours must not end with its terminal.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::print::err(format_args!($($text)*)) };
}

/// Tabs stay: the caret under a fault counts on them.
fn shown(text: &str) -> String {
    text.split('\t').map(|part| visible(part.to_owned())).collect::<Vec<_>>().join("\t")
}

pub(super) fn out(text: Arguments<'_>) {
    match writeln!(std::io::stdout(), "{}", shown(&text.to_string())) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            err(format_args!("error: cannot write to standard output: {error}"));
            std::process::exit(2);
        }
    }
}

pub(super) fn err(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{}", shown(&text.to_string()));
}
