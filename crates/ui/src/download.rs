//! Answers as files: written by the query crate as `syntrace sql --format` does, while the statement runs.

use crate::failure::Answered;
use crate::study::{Running, TIME_LIMIT};
use axum::body::Body;
use axum::http::header;
use axum::response::IntoResponse;
use std::io::{BufWriter, Error as IoError, Result as IoResult, Write};
use syntrace_base::error::{Error, Result};
use syntrace_query::{Format, write_answer};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bytes that are sent together.
const CHUNK_BYTES: usize = 64 << 10;

/// The formats that pages offer, with their types.
const FORMATS: [(&str, Format, &str); 2] =
    [("csv", Format::Csv, "text/csv; charset=utf-8"), ("json", Format::Json, "application/json")];

/// A format that a page was asked for.
#[derive(Clone, Copy)]
pub(crate) struct FileFormat {
    ending: &'static str,
    /// How it is written.
    pub format: Format,
    content_type: &'static str,
}

impl FileFormat {
    /// The format of a name; none is a page.
    pub fn asked(name: Option<&str>) -> Result<Option<Self>> {
        let Some(name) = name else { return Ok(None) };
        let found = FORMATS.iter().find(|(known, ..)| *known == name);
        let found = found.map(|&(ending, format, content_type)| Self { ending, format, content_type });
        found.map(Some).ok_or_else(|| {
            Error::user(format!("expected `csv` or `json` as format, found `{name}`"))
                .hint("`syntrace sql --format` writes the others")
        })
    }

    /// A file of a name as an answer.
    pub fn answer(self, name: &str, body: impl Into<Body>) -> impl IntoResponse {
        let disposition = format!("inline; filename=\"{name}.{}\"", self.ending);
        let headers =
            [(header::CONTENT_TYPE, self.content_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
        (headers, body.into())
    }

    /// All rows of a statement; one that fails at once has a page that says why.
    pub async fn stream(self, name: &str, mut running: Running) -> Answered {
        let first = running.next_of_file().await.transpose()?;
        let (sender, receiver) = mpsc::channel(2);
        let threads = Handle::current();
        tokio::task::spawn_blocking(move || {
            let schema = running.rows.schema();
            let rest = std::iter::from_fn(|| threads.block_on(running.next_of_file()));
            let batches = first.into_iter().map(Ok).chain(rest);
            let chunks = Chunks { sender: sender.clone(), threads: threads.clone() };
            let mut out = BufWriter::with_capacity(CHUNK_BYTES, chunks);
            let written = write_answer(self.format, &schema, batches, &mut out);
            let flushed = out.flush().map_err(|error| Error::user(format!("cannot send the answer: {error}")));
            if let Err(error) = written.map(drop).and(flushed) {
                // The file ends with an error of the transfer: whoever reads it sees that it is not whole.
                let _ = sender.try_send(Err(IoError::other(error.to_string())));
            }
        });
        let chunks = futures::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        Ok(self.answer(name, Body::from_stream(chunks)).into_response())
    }
}

/// Sends what is written to whoever asked, who has [`TIME_LIMIT`] to take each part: one who does not read must not hold a
/// query and its memory.
struct Chunks {
    sender: mpsc::Sender<IoResult<Vec<u8>>>,
    threads: Handle,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let gone = IoError::from(std::io::ErrorKind::BrokenPipe);
        let sent = self.threads.block_on(timeout(TIME_LIMIT, self.sender.send(Ok(bytes.to_vec()))));
        match sent {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) | Err(_) => Err(gone),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
