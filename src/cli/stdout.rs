//! Standard output of text and results; exits quietly if the pipe is closed.

use crate::error::{Error, Result};
use crate::query::{Answer, Format, write_answer};
use std::io::{BufWriter, Write};

/// Writes an answer to standard output; gives the number of rows.
pub(super) fn print_answer(answer: Answer, format: Format) -> Result<u64> {
    let schema = answer.schema();
    to_stdout(|out| write_answer(format, &schema, answer, out))
}

/// Hands standard output to `write`, and flushes it.
pub(super) fn to_stdout<T>(write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut out = BufWriter::new(QuietPipe(std::io::stdout().lock()));
    let written = write(&mut out)?;
    out.flush().map_err(|error| Error::user(format!("cannot write the answer: {error}")))?;
    Ok(written)
}

/// Writes text to standard output.
pub(super) fn print_text(text: &str) -> Result<()> {
    let mut out = QuietPipe(std::io::stdout().lock());
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::user(format!("cannot write: {error}")))
}

/// A writer that ends the process quietly when the pipe is closed (`| head`), as other tools do.
pub(super) struct QuietPipe<W>(pub W);

impl<W: Write> QuietPipe<W> {
    fn ended(error: std::io::Error) -> std::io::Error {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        error
    }
}

impl<W: Write> Write for QuietPipe<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(Self::ended)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().map_err(Self::ended)
    }
}
