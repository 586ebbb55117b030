//! Files beside a study as tables: CSV and Parquet, read anew for each statement that names one.
//!
//! Only the command line attaches files, those that its user names: no statement can, in whatever front end.

use crate::error::external;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use syntrace_base::error::{Error, Result, io_error, panic_text, require_file};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// The batches of an open file.
type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>>>;

/// What a file is by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lines of values, the first of names; an empty value is NULL.
    Lines {
        delimiter: u8,
    },
    Parquet,
}

/// A file as it was when it was attached.
#[derive(Debug)]
struct FileRows {
    path: PathBuf,
    kind: Kind,
    schema: SchemaRef,
    state: (u64, Option<SystemTime>),
}

/// The table of a file. Types of a CSV file follow from all of its rows.
pub(crate) fn file_table(path: &Path) -> Result<Arc<dyn TableProvider>> {
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attached(path)));
    let rows = opened.unwrap_or_else(|panic| Err(unreadable(path, &panic_text(panic.as_ref()))))?;
    let schema = Arc::clone(&rows.schema);
    let table = StreamingTable::try_new(schema, vec![Arc::new(rows)])
        .map_err(|error| Error::internal(format!("cannot make a table of `{}`: {error}", path.display())))?;
    Ok(Arc::new(table))
}

fn attached(path: &Path) -> Result<FileRows> {
    require_file(path)?;
    let file = open(path)?;
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    let (kind, schema) = match ending.to_str() {
        Some("tsv") => lines_schema(path, b'\t')?,
        Some("csv" | "txt") => lines_schema(path, delimiter(path)?)?,
        Some("parquet") => (Kind::Parquet, parquet_schema(path)?),
        _ => {
            let message = format!("expected a file that ends in .csv, .tsv or .parquet, found `{}`", path.display());
            return Err(Error::user(message));
        }
    };
    let mut names = HashSet::new();
    if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name().to_lowercase())) {
        let message = format!("two columns of `{}` are called `{}`", path.display(), twice.name());
        return Err(Error::user(message).hint("give each column of the file a name of its own"));
    }
    let state = state(&file.metadata().map_err(|error| io_error("read", path, &error))?);
    Ok(FileRows { path: path.to_owned(), kind, schema, state })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| io_error("read", path, &error))
}

fn state(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::user(format!("cannot read `{}`: {why}", path.display()))
}

/// The character between the names of the first line: a comma, or a semicolon where there is no comma.
fn delimiter(path: &Path) -> Result<u8> {
    let mut first = Vec::new();
    BufReader::new(open(path)?).read_until(b'\n', &mut first).map_err(|error| io_error("read", path, &error))?;
    Ok(if !first.contains(&b',') && first.contains(&b';') { b';' } else { b',' })
}

fn lines_schema(path: &Path, delimiter: u8) -> Result<(Kind, SchemaRef)> {
    let format = csv::reader::Format::default().with_header(true).with_delimiter(delimiter);
    let (schema, _) =
        format.infer_schema(BufReader::new(open(path)?), None).map_err(|error| unreadable(path, &error))?;
    // Some programs put a byte order mark before the first name. Every value may be missing.
    let field = |field: &Arc<Field>| {
        // A column without any value.
        let kind = if field.data_type().is_null() { DataType::Utf8 } else { field.data_type().clone() };
        Field::new(field.name().trim_start_matches('\u{feff}').trim(), kind, true)
    };
    let fields: Vec<Field> = schema.fields().iter().map(field).collect();
    if fields.is_empty() || fields.iter().any(|field| field.name().is_empty()) {
        let message = format!("expected a first line with the names of all columns in `{}`", path.display());
        return Err(Error::user(message));
    }
    Ok((Kind::Lines { delimiter }, Arc::new(Schema::new(fields))))
}

#[cfg(feature = "parquet")]
fn parquet_builder(path: &Path) -> Result<parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder<File>> {
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(open(path)?)
        .map_err(|error| unreadable(path, &error))
}

#[cfg(feature = "parquet")]
fn parquet_schema(path: &Path) -> Result<SchemaRef> {
    Ok(Arc::clone(parquet_builder(path)?.schema()))
}

#[cfg(feature = "parquet")]
fn parquet_batches(path: &Path) -> Result<Batches> {
    let reader =
        parquet_builder(path)?.with_batch_size(BATCH_ROWS).build().map_err(|error| unreadable(path, &error))?;
    Ok(Box::new(reader))
}

/// Without the feature `parquet`: says so.
#[cfg(not(feature = "parquet"))]
fn parquet_schema(_path: &Path) -> Result<SchemaRef> {
    Err(Error::left_out("Parquet files", "parquet"))
}

/// Without the feature `parquet`: says so.
#[cfg(not(feature = "parquet"))]
fn parquet_batches(_path: &Path) -> Result<Batches> {
    Err(Error::left_out("Parquet files", "parquet"))
}

impl FileRows {
    fn batches(&self) -> Result<Batches> {
        let file = open(&self.path)?;
        let now = state(&file.metadata().map_err(|error| io_error("read", &self.path, &error))?);
        if now != self.state {
            let message = format!("`{}` has changed since it was attached", self.path.display());
            return Err(Error::user(message).hint("ATTACH it again"));
        }
        let Kind::Lines { delimiter } = self.kind else { return parquet_batches(&self.path) };
        let reader = csv::ReaderBuilder::new(Arc::clone(&self.schema))
            .with_header(true)
            .with_delimiter(delimiter)
            .with_batch_size(BATCH_ROWS);
        Ok(Box::new(reader.build(file).map_err(|error| unreadable(&self.path, &error))?))
    }

    /// Gives all batches to `take` until it wants no more.
    fn read_all(&self, take: &mut dyn FnMut(RecordBatch) -> bool) -> Result<()> {
        for batch in self.batches()? {
            if !take(batch.map_err(|error| unreadable(&self.path, &error))?) {
                break;
            }
        }
        Ok(())
    }
}

impl PartitionStream for FileRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches_ahead = 2;
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), batches_ahead);
        let sender = builder.tx();
        let (path, kind, schema) = (self.path.clone(), self.kind, Arc::clone(&self.schema));
        let rows = Self { path, kind, schema, state: self.state };
        builder.spawn_blocking(move || {
            // The receiver was dropped.
            let mut send = |batch| sender.blocking_send(Ok(batch)).is_ok();
            let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| rows.read_all(&mut send)));
            let read = read.unwrap_or_else(|panic| Err(unreadable(&rows.path, &panic_text(panic.as_ref()))));
            read.map_err(external)
        });
        builder.build()
    }
}
