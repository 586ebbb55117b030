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

mod absent;
mod apart;
mod batch;
mod boxes;
mod catalog;
mod cell;
mod cooperate;
mod diagnose;
mod early;
mod exact;
mod format;
mod function;
mod grouping;
mod growth;
mod information;
mod json_text;
mod named;
mod names;
mod narrow;
mod operator;
#[cfg(feature = "parquet")]
mod parquet_file;
mod pivot;
mod plans;
mod provider;
mod prune;
mod relation;
mod replace;
mod service;
mod session;
mod shallow;
mod statement;
mod study;
mod summary;
mod table;
mod turned;
pub mod walk;
mod watch;
mod whole;

pub use arrow::record_batch::RecordBatch;
pub use catalog::{TableInfo, ViewInfo, create_table_text, tables, views};
pub use cell::not_finite;
pub use cell::visible;
pub use format::{Format, Look, Rendered, cells, write_answer, write_answer_as};
pub use function::NAMES as FUNCTIONS;
pub use information::{TypeName, type_name};
pub use named::{NamedQuery, Parameter, bind, named, named_queries};
pub use names::QUERIES_SCHEMA;
pub use pivot::pivot;
pub use service::{Service, explained};
pub use session::{Answer, CATALOG, Parameters, Rules, Session, SessionOptions};
pub use shallow::{STACK_BYTES, require_shallow};
pub use statement::{is_complete, parse_parameter, split_statements};
