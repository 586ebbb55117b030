//! Shows results in a pager.

use crate::error::{Error, Result};
use crate::query::{Format, Look, write_answer_as};
use std::io::{BufWriter, Write};

/// Shows an answer in the pager, `less` by default, which ends by itself where all fits on a screen.
pub(super) fn paged(
    look: &Look,
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
        return super::stdout::to_stdout(|out| write_answer_as(look, format, schema, batches, out));
    };
    let mut left_early = false;
    let mut written = Ok(0);
    if let Some(stdin) = child.stdin.take() {
        let mut out = Leavable { out: BufWriter::new(stdin), left: false };
        written = write_answer_as(look, format, schema, batches, &mut out).and_then(|rows| {
            out.flush().map_err(|error| Error::user(format!("cannot write to the pager: {error}")))?;
            Ok(rows)
        });
        left_early = out.left;
    }
    // The pager has the terminal until it exits, also if writing the result failed.
    let status = child.wait();
    // Quitting the pager early is no error.
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
