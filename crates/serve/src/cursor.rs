//! Results that are read in portions: SQL cursors, and portals that a client executes with a row limit. Rows are
//! streamed; no portion is ever buffered as a whole, whatever size a client requests.

use super::error::refused;
use super::statement::{Action, Prepared, fields};
use datafusion::sql::sqlparser::ast::{FetchDirection, Value};
use futures::StreamExt;
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::results::QueryResponse;
use pgwire::api::store::{MemPortalStore, PortalStore};
use pgwire::api::{ClientPortalStore, DEFAULT_NAME};
use pgwire::error::PgWireResult;
use std::sync::Arc;

/// The statements and portals of a client.
pub(super) fn portals<C>(client: &C) -> PgWireResult<&MemPortalStore<Prepared>>
where
    C: ClientPortalStore,
    C::PortalStore: PortalStore,
{
    ClientPortalStore::portal_store(client)
        .as_any()
        .downcast_ref()
        .ok_or_else(|| refused("XX000", "the connection keeps statements of another kind", None))
}

pub(super) fn cursor(store: &MemPortalStore<Prepared>, name: &str) -> PgWireResult<Arc<Portal<Prepared>>> {
    // The portal that is being executed is not a cursor.
    let found = store.get_portal(name).filter(|_| name != DEFAULT_NAME).and_then(|entry| entry.value().map(Arc::clone));
    found.ok_or_else(|| refused("34000", &format!("cursor `{name}` does not exist"), None))
}

/// The rows that a FETCH asks for.
pub(super) async fn fetch(
    store: &MemPortalStore<Prepared>,
    name: &str,
    direction: &FetchDirection,
) -> PgWireResult<QueryResponse> {
    let number = |value: &Value| match value {
        Value::Number(text, _) => text.parse::<usize>().ok(),
        _ => None,
    };
    let most = match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Some(1),
        FetchDirection::Forward { limit: Some(limit) } | FetchDirection::Count { limit } => number(limit),
        FetchDirection::ForwardAll | FetchDirection::All => Some(usize::MAX),
        _ => None,
    };
    let most = most.ok_or_else(|| refused("0A000", "cursors here go forward by a number of rows", None))?;
    let portal = cursor(store, name)?;
    let schema = match (&*portal.state().lock().await, &portal.statement.statement.action) {
        (PortalExecutionState::Suspended(answer), _) => answer.row_schema(),
        // A cursor at its end still has columns.
        (_, Action::Query(plan)) => Arc::new(fields(plan, &Format::UnifiedText, None)?),
        (_, Action::Declare(_) | Action::Copy(_) | Action::Session(_)) => Arc::default(),
    };
    let rows = futures::stream::unfold((portal, most), |(portal, left)| async move {
        let state = portal.state();
        let mut state = state.lock().await;
        let PortalExecutionState::Suspended(answer) = &mut *state else { return None };
        let left = left.checked_sub(1)?;
        let row = answer.data_rows().next().await;
        if row.is_none() {
            *state = PortalExecutionState::Finished;
        }
        drop(state);
        Some((row?, (portal, left)))
    });
    let mut response = QueryResponse::new(schema, rows);
    response.command_tag = "FETCH".to_owned();
    Ok(response)
}
