//! A table or view of the study in PostgreSQL's catalog.

use pgwire::api::Type;

/// Schema of the tables and views.
pub(crate) const PUBLIC_SCHEMA: &str = "public";

/// A table or view.
#[derive(Debug)]
pub(crate) struct Relation {
    pub number: i32,
    pub space: String,
    pub name: String,
    pub is_view: bool,
    pub comment: Option<String>,
    /// The query of a view.
    pub definition: Option<String>,
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub name: String,
    pub kind: Type,
    pub nullable: bool,
    pub comment: Option<String>,
}
