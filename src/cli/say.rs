//! Lines on stdout and stderr that never panic: `say!` and `note!`. Names in them come from studies, captures and
//! models of other people: what would steer a terminal is shown and not done.

use crate::query::visible;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// As `println!`. A reader that has left (`| head`) ends the process quietly, as with other tools; what
/// cannot be written for another reason is an error.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::say::out(format_args!($($text)*)) };
}

/// As `eprintln!`. Work goes on where nobody reads: a run of hours must not end with its terminal.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::say::err(format_args!($($text)*)) };
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
