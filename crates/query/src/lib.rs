//! SQL over a study: every record, segment and object of the file as a table, read-only.
//!
//! ```text
//! Snapshot -> Study (ids to names) -> Relation -> StudyTable (the one DataFusion adapter) -> SQL
//! ```
//!
//! Invariants: one redb read transaction per query, so all tables of a query agree; planning reads
//! records only, never a segment's body; a column is declared once and both the SQL schema and
//! `schema/tables.sql` come from it; a view is SQL text in `schema/` (`views.sql`, `paper.sql`), never Rust; nothing
//! here writes. The home of DataFusion; `serve` puts a protocol over [`Service`].

mod catalog;
mod context;
mod correctness;
mod error;
mod file_table;
mod function;
mod information_schema;
mod keys;
mod named;
mod optimizer;
mod output;
mod query_thread;
mod scan;
mod server;
mod service;
mod session;
mod sql;
mod table;

pub use arrow::record_batch::RecordBatch;
pub use catalog::{CATALOG, TableInfo, ViewInfo, create_table_text, tables, tables_of_several, views};
pub use context::{Rules, SessionOptions};
pub use datafusion::scalar::ScalarValue;
pub use function::NAMES as FUNCTIONS;
pub use information_schema::{TypeName, type_name};
pub use keys::{Key, keys};
pub use named::{NamedQuery, Parameter, bind, named, named_queries};
pub use output::cell::not_finite;
pub use output::cell::visible;
pub use output::format::{Format, Rendered, cells, write_answer, write_answer_as};
pub use output::pivot::pivot;
pub use output::text::Look;
pub use server::{listen_on, server_threads, stop_asked};
pub use service::{Rows, Service, StatementPlan, explained};
pub use session::{Answer, Cancellation, Session};
pub use sql::attach::FileName;
pub use sql::disclosure::{RealTraces, Visible, is_about_real_traces};
pub use sql::identifier::study_names;
pub use sql::name_resolution::QUERIES_SCHEMA;
pub use sql::nesting_limits::{STACK_BYTES, require_shallow};
pub use sql::parameter::{Parameters, parse_parameter};
pub use sql::split::{is_complete, split_statements};
pub use sql::walk;
