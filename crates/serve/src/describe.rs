//! The columns of an answer, told before the statement runs.

use super::cursor::{cursor, portals};
use super::error::refused;
use super::rows::text_field;
use super::setting::name_of;
use super::statement::{Action, Prepared, fields};
use datafusion::sql::sqlparser::ast::{ObjectName, Statement as SqlStatement};
use pgwire::api::ClientPortalStore;
use pgwire::api::portal::Format;
use pgwire::api::results::FieldInfo;
use pgwire::api::stmt::StoredStatement;
use pgwire::api::store::{MemPortalStore, PortalStore};
use pgwire::error::PgWireResult;
use std::sync::Arc;

/// The columns that a statement will give to a client.
pub(super) fn described<C>(client: &C, prepared: &Prepared, format: &Format) -> PgWireResult<Vec<FieldInfo>>
where
    C: ClientPortalStore,
    C::PortalStore: PortalStore,
{
    let statement = match &prepared.action {
        Action::Query(plan) => return fields(plan, format, None),
        Action::Declare(_) | Action::Copy(_) => return Ok(Vec::new()),
        Action::Session(statement) => statement.as_ref(),
    };
    match statement {
        SqlStatement::ShowVariable { variable } => Ok(vec![text_field(&name_of(variable))]),
        SqlStatement::Execute { name, .. } => columns_of(stored(portals(client)?, name.as_ref())?.as_ref()),
        SqlStatement::Fetch { name, .. } => columns_of(cursor(portals(client)?, &name.value)?.statement.as_ref()),
        _ => Ok(Vec::new()),
    }
}

/// The columns of a prepared query or cursor, as text; others have none.
fn columns_of(stored: &StoredStatement<Prepared>) -> PgWireResult<Vec<FieldInfo>> {
    match &stored.statement.action {
        Action::Query(plan) => fields(plan, &Format::UnifiedText, None),
        Action::Declare(_) | Action::Copy(_) | Action::Session(_) => Ok(Vec::new()),
    }
}

/// The prepared statement that EXECUTE names.
pub(super) fn stored(
    store: &MemPortalStore<Prepared>,
    name: Option<&ObjectName>,
) -> PgWireResult<Arc<StoredStatement<Prepared>>> {
    let name = name.and_then(|name| name.0.last()?.as_ident()).map(|name| name.value.clone()).unwrap_or_default();
    let found = store.get_statement(&name).and_then(|entry| entry.value().map(Arc::clone));
    found.ok_or_else(|| refused("26000", &format!("prepared statement `{name}` does not exist"), Some("PREPARE it")))
}
