//! The rows of a statement: a stream that is read once, by Arrow's PyCapsule protocol or row by row.

use crate::error::{Raise, raised};
use crate::parameter::parameters;
use crate::process::{OfProcess, received};
use crate::study::Study;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyTuple};
use pyo3_arrow::ffi::to_schema_pycapsule;
use pyo3_arrow::{PyArray, PyRecordBatchReader, PyScalar};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::error::{Error, Result};
use syntrace_query::{Cancellation, Format, bind, cells, write_answer};

/// What the thread of a statement says. It ends with `Failed` or `End`: a channel that closes without is a fault.
enum Message {
    Columns(SchemaRef),
    Batch(RecordBatch),
    Failed(Error),
    End,
}

/// The batches of a statement that runs on a thread of its own. Dropping it cancels the statement.
struct Batches {
    schema: SchemaRef,
    running: OfProcess<(Mutex<Receiver<Message>>, Arc<Cancellation>)>,
    /// What Python raised where the reader is one in C, which passes on text alone.
    failure: Failure,
    over: bool,
}

type Failure = Arc<Mutex<Option<PyErr>>>;

fn drive(answer: Result<syntrace_query::Answer>, to: &SyncSender<Message>) -> Option<()> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return to.send(Message::Failed(error)).ok(),
    };
    to.send(Message::Columns(answer.schema())).ok()?;
    for batch in answer {
        match batch {
            Ok(batch) => to.send(Message::Batch(batch)).ok()?,
            Err(error) => return to.send(Message::Failed(error)).ok(),
        }
    }
    to.send(Message::End).ok()
}

fn broke_off() -> Error {
    Error::internal("the query ended unexpectedly")
}

impl Batches {
    fn next_batch(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        if self.over {
            return Ok(None);
        }
        let (from, cancel) = self.running.get().raise(py)?;
        let next = received(py, from, || cancel.cancel());
        self.over = !matches!(next, Ok(Some(Message::Batch(_))));
        match next? {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::End) => Ok(None),
            Some(Message::Failed(error)) => Err(raised(py, &error)),
            Some(Message::Columns(_)) | None => Err(raised(py, &broke_off())),
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        if let Ok((_, cancel)) = self.running.get() {
            cancel.cancel();
        }
    }
}

/// An answer that nobody has taken: batches that were read to show them, and the rest.
struct Unread {
    shown: VecDeque<RecordBatch>,
    rest: Batches,
}

impl Unread {
    fn next_batch(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        self.shown.pop_front().map_or_else(|| self.rest.next_batch(py), |batch| Ok(Some(batch)))
    }
}

impl Iterator for Unread {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = Python::try_attach(|py| {
            self.next_batch(py).map_err(|error| {
                *self.rest.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone_ref(py));
                ArrowError::ExternalError(Box::new(error))
            })
        });
        next.unwrap_or_else(|| Err(ArrowError::ComputeError("the interpreter has ended".to_owned()))).transpose()
    }
}

impl RecordBatchReader for Unread {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rest.schema)
    }
}

/// Most rows that are shown of an answer.
const SHOWN_ROWS: usize = 20;

/// The rows of a statement, or of a named query. Python's `syntrace.Answer` is a class over it: what calls a reader of Arrow
/// streams may not stand on the stack here, because readers release the interpreter's lock behind PyO3's back.
#[pyclass(frozen, subclass, module = "syntrace._syntrace")]
pub struct Answer {
    schema: SchemaRef,
    /// `None` once it was read, and while it is.
    unread: Mutex<Option<Unread>>,
    failure: Failure,
}

impl Answer {
    /// Runs a statement on a thread of its own until its columns are known.
    fn start(
        py: Python<'_>,
        ask: impl FnOnce(&Arc<Cancellation>) -> Result<syntrace_query::Answer> + Send + 'static,
    ) -> PyResult<Self> {
        let (to, from) = sync_channel(1);
        let (cancel, from) = (Arc::new(Cancellation::default()), Mutex::new(from));
        let cancelled = Arc::clone(&cancel);
        crate::process::started(move || drive(ask(&cancelled), &to)).raise(py)?;
        let schema = match received(py, &from, || cancel.cancel())? {
            Some(Message::Columns(schema)) => schema,
            Some(Message::Failed(error)) => return Err(raised(py, &error)),
            _ => return Err(raised(py, &broke_off())),
        };
        let failure = Failure::default();
        let rest = Batches {
            schema: Arc::clone(&schema),
            running: OfProcess::new((from, cancel)),
            failure: Arc::clone(&failure),
            over: false,
        };
        Ok(Self { schema, unread: Mutex::new(Some(Unread { shown: VecDeque::new(), rest })), failure })
    }

    /// Never held while Python runs: who waits for it may hold the interpreter's lock.
    fn take(&self, py: Python<'_>) -> PyResult<Unread> {
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let unread = unread.ok_or_else(|| {
            Error::user("expected an answer that is not read yet, found one that was: it streams once")
                .hint("ask again, or keep what `to_arrow()` or `to_pandas()` gives")
        });
        unread.raise(py)
    }

    fn put_back(&self, unread: Unread) {
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
    }

    /// The first rows, and whether there are more; `None` where it was read already.
    fn first_rows(&self, py: Python<'_>) -> PyResult<Option<(Vec<RecordBatch>, bool)>> {
        let Ok(mut unread) = self.take(py) else { return Ok(None) };
        let rows = |unread: &Unread| unread.shown.iter().map(RecordBatch::num_rows).sum::<usize>();
        while rows(&unread) <= SHOWN_ROWS
            && let Some(batch) = unread.rest.next_batch(py)?
        {
            unread.shown.push_back(batch);
        }
        let (mut first, mut room) = (Vec::new(), SHOWN_ROWS);
        for batch in &unread.shown {
            first.push(batch.slice(0, room.min(batch.num_rows())));
            room -= room.min(batch.num_rows());
        }
        let more = rows(&unread) > SHOWN_ROWS;
        self.put_back(unread);
        Ok(Some((first, more)))
    }
}

#[pymethods]
impl Answer {
    #[new]
    #[pyo3(signature = (study, text, given, *, named = false))]
    fn new(py: Python<'_>, study: &Study, text: &str, given: &Bound<'_, PyDict>, named: bool) -> PyResult<Self> {
        let (opened, mut parameters, mut sql) = (study.opened(py)?, parameters(given)?, text);
        if named {
            let query = syntrace_query::named(text).raise(py)?;
            (parameters, sql) = (bind(&query, &parameters).raise(py)?, query.sql);
        }
        let sql = sql.to_owned();
        Self::start(py, move |cancel| opened.over_newest(|session| session.sql_until(&sql, &parameters, cancel)))
    }

    /// Names of the columns
    #[getter]
    fn columns(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// All rows as tuples of Python's values
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if let Some(field) = self.schema.fields().iter().find(|field| !has_python_value(field.data_type())) {
            let what =
                format!("column `{}`: expected a type that Python has, found {}", field.name(), field.data_type());
            return Err(Error::user(what).hint("ask for it as text: `CAST(... AS TEXT)`, or read by `to_arrow()`"))
                .raise(py);
        }
        let (mut unread, rows) = (self.take(py)?, PyList::empty(py));
        while let Some(batch) = unread.next_batch(py)? {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
                    let cell = PyScalar::try_new(column.slice(row, 1), Arc::clone(field))?;
                    Bound::new(py, cell)?.call_method0("as_py")
                });
                rows.append(PyTuple::new(py, cells.collect::<PyResult<Vec<_>>>()?)?)?;
            }
        }
        Ok(rows)
    }

    /// All columns as numpy arrays by name; a NULL is refused
    fn _columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (mut unread, mut batches, columns) = (self.take(py)?, Vec::new(), PyDict::new(py));
        while let Some(batch) = unread.next_batch(py)? {
            batches.push(batch);
        }
        let whole = concat_batches(&self.schema, &batches).map_err(|error| Error::internal(error.to_string()));
        for (column, field) in whole.raise(py)?.columns().iter().zip(self.schema.fields()) {
            let array = Bound::new(py, PyArray::new(Arc::clone(column), Arc::clone(field)))?;
            columns.set_item(field.name(), array.call_method0("to_numpy")?)?;
        }
        Ok(columns)
    }

    /// Raises the error that ended an Arrow stream, which readers in C replace by its text
    fn _raise_failure(&self) -> PyResult<()> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// The rows as a stream, by Arrow's PyCapsule protocol
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reader = PyRecordBatchReader::new(Box::new(self.take(py)?));
        Bound::new(py, reader)?.call_method1("__arrow_c_stream__", (requested_schema,))
    }

    /// Names and types of the columns, by Arrow's PyCapsule protocol
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Some((first, more)) = self.first_rows(py)? else { return Ok(self.was_read()) };
        let mut out = Vec::new();
        write_answer(Format::Table, &self.schema, first.into_iter().map(Ok), &mut out).raise(py)?;
        let text = String::from_utf8_lossy(&out).trim_end().to_owned();
        Ok(if more { format!("{text}\nthe first {SHOWN_ROWS} rows") } else { text })
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let Some((first, more)) = self.first_rows(py)? else {
            return Ok(format!("<p>{}</p>", escaped(&self.was_read())));
        };
        let shown = cells(&self.schema, &first).raise(py)?;
        let row = |tag: &str, cells: &[String]| {
            let cells = cells.iter().zip(&shown.numeric).map(|(cell, numeric)| {
                let side = if *numeric { "right" } else { "left" };
                format!("<{tag} style=\"text-align:{side}\">{}</{tag}>", escaped(cell))
            });
            format!("<tr>{}</tr>", cells.collect::<String>())
        };
        let rows: String = shown.rows.iter().map(|cells| row("td", cells)).collect();
        let note = if more { format!("<p>the first {SHOWN_ROWS} rows</p>") } else { String::new() };
        Ok(format!("<table><thead>{}</thead><tbody>{rows}</tbody></table>{note}", row("th", &shown.header)))
    }
}

impl Answer {
    fn was_read(&self) -> String {
        format!("Answer({}), read already", self.columns().join(", "))
    }
}

/// Does pyo3-arrow make a value of it? It panics at the others.
fn has_python_value(kind: &DataType) -> bool {
    match kind {
        DataType::Interval(_) | DataType::ListView(_) | DataType::LargeListView(_) | DataType::RunEndEncoded(..) => {
            false
        }
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_python_value(field.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| has_python_value(field.data_type())),
        DataType::Dictionary(_, value) => has_python_value(value),
        _ => true,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
