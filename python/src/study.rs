//! A study opened for reading.

use crate::error::Raise;
use crate::process::{OfProcess, computed};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::base::{NoProgress, thread_count};
use syntrace_base::error::{Error, Result};
use syntrace_pipeline::{TraceSelection, import_models, selected_traces};
use syntrace_query::{Session, SessionOptions, named_queries, tables, views};
use syntrace_report::{FigureFormat, Members, figure};
use syntrace_spec::ImportManifest;
use syntrace_store::{Snapshot, Store, StoreWriter};
use syntrace_traffic::encoding::EncodingKind;

/// Page cache of the study file, bytes.
const CACHE_BYTES: usize = 256 << 20;

/// What a study's questions need.
pub struct Opened {
    store: Store,
    /// One statement is planned at a time; their answers are read side by side.
    session: Mutex<Session>,
}

impl Opened {
    fn open(path: &std::path::Path, options: SessionOptions) -> Result<Self> {
        let store = Store::open(path, CACHE_BYTES)?;
        let session = Session::open(Arc::new(store.snapshot()?), options)?;
        session.detach()?;
        Ok(Self { store, session: Mutex::new(session) })
    }

    /// Works over the newest finished job.
    pub fn over_newest<T>(&self, work: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.attach(Arc::new(self.snapshot()?))?;
        let done = work(&session);
        // The snapshot would keep pages that a writer has replaced.
        session.detach()?;
        done
    }

    fn snapshot(&self) -> Result<Snapshot> {
        self.store.snapshot()
    }
}

/// A study, opened for reading. Each question sees the newest finished job; a run may write meanwhile.
#[pyclass(frozen, subclass, module = "syntrace._syntrace")]
pub struct Study {
    path: PathBuf,
    opened: OfProcess<Arc<Opened>>,
}

impl Study {
    /// What is open; in a fork of the process that opened it an error.
    pub fn opened(&self, py: Python<'_>) -> PyResult<Arc<Opened>> {
        self.opened.get().map(Arc::clone).raise(py)
    }
}

#[pymethods]
impl Study {
    #[new]
    #[pyo3(signature = (path, *, memory_mib = 1024, threads = None))]
    fn new(py: Python<'_>, path: PathBuf, memory_mib: usize, threads: Option<usize>) -> PyResult<Self> {
        let threads = threads.unwrap_or_else(thread_count).max(1);
        let options = SessionOptions { memory_bytes: memory_mib.max(1) << 20, threads };
        let opened = py.detach(|| Opened::open(&path, options)).raise(py)?;
        Ok(Self { path, opened: OfProcess::new(Arc::new(opened)) })
    }

    /// The study file
    #[getter]
    fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Tables and views by name, with what one row is
    #[getter]
    fn tables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let names = PyDict::new(py);
        for table in tables() {
            names.set_item(table.name, table.doc)?;
        }
        for view in views() {
            names.set_item(view.name, view.doc)?;
        }
        Ok(names)
    }

    /// Named queries by name, with the question that each answers
    #[getter]
    fn queries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let names = PyDict::new(py);
        for query in named_queries() {
            names.set_item(query.name, query.question)?;
        }
        Ok(names)
    }

    /// Columns of a table with their types and meanings, or the definition of a view, as SQL
    fn schema(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        let (tables, views) = (tables(), views());
        if let Some(table) = tables.iter().find(|table| table.name == name) {
            return Ok(syntrace_query::create_table_text(table));
        }
        if let Some(view) = views.iter().find(|view| view.name == name) {
            return Ok(format!("-- {}\n{}\n", view.doc, view.sql));
        }
        let known: Vec<&str> =
            tables.iter().map(|table| table.name).chain(views.iter().map(|view| view.name)).collect();
        let error = Error::user(format!("there is no table or view `{name}`"));
        Err(error.hint_near(name, &known, "`study.tables` lists all")).raise(py)
    }

    /// A figure of the report, drawn from the study; `members` lets it show real traces that models were trained on
    #[pyo3(signature = (name, *, members = false))]
    fn figure(&self, py: Python<'_>, name: String, members: bool) -> PyResult<Figure> {
        let opened = self.opened(py)?;
        let members = if members { Members::Named } else { Members::Hidden };
        let svg =
            computed(py, move || opened.over_newest(|session| figure(session, &name, FigureFormat::Svg, members)))?;
        Ok(Figure { svg: String::from_utf8_lossy(&svg.raise(py)?).into_owned() })
    }

    /// The traces of a class in nPrint: id, packets, and the planes of values and of presence, one after the other
    fn _nprint<'py>(
        &self,
        py: Python<'py>,
        dataset: String,
        class_: String,
    ) -> PyResult<Vec<(i64, u32, Bound<'py, PyBytes>)>> {
        let opened = self.opened(py)?;
        let encoded = computed(py, move || -> Result<Vec<_>> {
            let traces = selected_traces(&opened.snapshot()?, &TraceSelection::Class { dataset, class: class_ })?;
            Ok(traces.iter().map(|trace| (trace.trace_id.0, EncodingKind::Nprint.encode(trace))).collect())
        })?;
        let planes =
            encoded.raise(py)?.into_iter().map(|(id, planes)| (id, planes.rows, PyBytes::new(py, &planes.data)));
        Ok(planes.collect())
    }

    /// Imports the models of a manifest, one job each
    fn _import(&self, py: Python<'_>, manifest: PathBuf) -> PyResult<()> {
        self.opened(py)?;
        let path = self.path.clone();
        let imported = py.detach(|| {
            let store = StoreWriter::open_or_create(&path, CACHE_BYTES)?;
            import_models(&store, &ImportManifest::read(&manifest)?, &NoProgress)
        });
        imported.map(drop).raise(py)
    }

    fn __repr__(&self) -> String {
        format!("Study({:?})", self.path.to_string_lossy())
    }
}

/// A figure as SVG: a notebook shows it, `svg` is its text
#[pyclass(frozen, module = "syntrace")]
pub struct Figure {
    svg: String,
}

#[pymethods]
impl Figure {
    /// The figure's text
    #[getter]
    fn svg(&self) -> &str {
        &self.svg
    }

    fn _repr_svg_(&self) -> &str {
        &self.svg
    }

    /// Writes the figure to a file
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let written = std::fs::write(&path, &self.svg);
        written.map_err(|error| syntrace_base::error::io_error("write", &path, &error)).raise(py)
    }
}
