//! Statements about the session: transactions, settings, cursors, and PREPARE and EXECUTE in SQL.

use super::catalog::types::type_of;
use super::cursor::{fetch, portals};
use super::describe::stored;
use super::error::{of_query, refused};
use super::handler::Questions;
use super::parameter::written;
use super::rows::one_text;
use super::setting::{Settings, change, is_kept, mode, name_of, shown};
use super::statement::{Action, Declared, Prepared, parameters};
use datafusion::common::ParamValues;
use datafusion::sql::sqlparser::ast::{
    CloseCursor, DataType, Expr, Ident, ObjectName, Statement as SqlStatement, TransactionMode,
};
use futures::{Sink, SinkExt};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::results::{Response, Tag};
use pgwire::api::stmt::StoredStatement;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use std::sync::Arc;
use syntrace_query::StatementPlan;

impl Questions {
    /// Runs a statement about the session.
    pub async fn session<C>(&self, client: &mut C, statement: &SqlStatement) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match statement {
            SqlStatement::StartTransaction { modes, .. } => begin(client, modes),
            SqlStatement::Savepoint { .. } => done("SAVEPOINT"),
            SqlStatement::Rollback { savepoint: Some(_), .. } => rollback_to_savepoint(client),
            SqlStatement::ReleaseSavepoint { .. } => Ok(Response::TransactionStart(Tag::new("RELEASE"))),
            SqlStatement::Commit { .. } => end_transaction(client, true),
            SqlStatement::Rollback { .. } => end_transaction(client, false),
            SqlStatement::Set(set) => {
                if let Some(status) = change(set)?.apply(client) {
                    client.feed(PgWireBackendMessage::ParameterStatus(status)).await?;
                }
                done("SET")
            }
            SqlStatement::Reset(_) => {
                client.metadata_mut().retain(|name, _| !is_kept(name));
                done("RESET")
            }
            SqlStatement::ShowVariable { variable } => {
                let name = name_of(variable);
                one_text(&name, &shown(&name, &*client)).map(Response::Query)
            }
            SqlStatement::Fetch { name, direction, .. } => {
                fetch(portals(client)?, &name.value, direction).await.map(Response::Query)
            }
            SqlStatement::Close { cursor } => {
                match cursor {
                    CloseCursor::All => portals(client)?.clear_portals(),
                    CloseCursor::Specific { name } => portals(client)?.rm_portal(&name.value),
                }
                done("CLOSE CURSOR")
            }
            SqlStatement::Discard { .. } => {
                portals(client)?.clear_portals();
                done("DISCARD")
            }
            SqlStatement::Prepare { name, data_types, statement } => {
                self.prepare(client, name, data_types, statement).await
            }
            SqlStatement::Execute { name, parameters, .. } => {
                self.execute_prepared(client, name.as_ref(), parameters).await
            }
            SqlStatement::Deallocate { name, .. } => {
                portals(client)?.rm_statement(&name.value);
                done("DEALLOCATE")
            }
            _ => done("UNLISTEN"),
        }
    }

    /// PREPARE: what the protocol's Parse message does.
    async fn prepare<C>(
        &self,
        client: &C,
        name: &Ident,
        data_types: &[DataType],
        statement: &SqlStatement,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore,
        C::PortalStore: PortalStore,
    {
        if portals(client)?.get_statement(&name.value).is_some() {
            let message = format!("a prepared statement `{}` exists already", name.value);
            return Err(refused("42P05", &message, Some("DEALLOCATE it first")));
        }
        let query = self.planner.prepare(&statement.to_string(), &Settings::of(client)).await?;
        let kinds = data_types.iter().map(|kind| type_of(&kind.to_string())).collect();
        let stored = StoredStatement::new(name.value.clone(), query, kinds);
        portals(client)?.put_statement(Arc::new(stored));
        done("PREPARE")
    }

    /// EXECUTE: what the protocol's Bind and Execute messages do.
    async fn execute_prepared<C>(&self, client: &C, name: Option<&ObjectName>, given: &[Expr]) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore,
        C::PortalStore: PortalStore,
    {
        let stored = stored(portals(client)?, name)?;
        let Action::Query(plan) = &stored.statement.action else {
            return Err(refused("0A000", "EXECUTE runs queries", None));
        };
        let mut wanted = parameters(plan, stored.statement.parameters)?;
        for ((_, asked), kind) in wanted.iter_mut().zip(&stored.parameter_types) {
            *asked = kind.clone().unwrap_or_else(|| asked.clone());
        }
        let values = ParamValues::from(written(given, &wanted)?);
        let text = &stored.statement.text;
        let plan = plan.with_values(values).map_err(|error| of_query(&error, text))?;
        self.answer(client, plan, text, &Format::UnifiedText).await.map(Response::Query)
    }

    /// Opens a cursor over a plan without parameters.
    pub async fn declare<C>(
        &self,
        client: &C,
        declared: &Declared,
        plan: StatementPlan,
        status: TransactionStatus,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore,
        C::PortalStore: PortalStore,
    {
        let name = &declared.name;
        if status == TransactionStatus::Idle {
            let message = format!("cursor `{name}` would end with its statement: begin a transaction first");
            return Err(refused("25P01", &message, Some("BEGIN; DECLARE ...; FETCH ...; COMMIT")));
        }
        let store = portals(client)?;
        if store.get_portal(name).is_some() {
            return Err(refused("42P03", &format!("cursor `{name}` exists already"), Some("CLOSE it first")));
        }
        let answer = self.answer(client, plan.clone(), &declared.text, &Format::UnifiedText).await?;
        // Clients have a cursor described as a query is.
        let action = Action::Query(Box::new(plan));
        let query = Prepared { text: declared.text.clone(), action, changes: Vec::new(), parameters: 0 };
        let statement = Arc::new(StoredStatement::new(name.clone(), query, Vec::new()));
        let portal = Portal::new_cursor(name.clone(), statement);
        portal.start(answer).await;
        store.put_portal(Arc::new(portal));
        self.running.rest(client);
        Ok(Response::Execution(Tag::new("DECLARE CURSOR")))
    }
}

fn done(tag: &str) -> PgWireResult<Response> {
    Ok(Response::Execution(Tag::new(tag)))
}

/// BEGIN; within a transaction it changes nothing.
fn begin(client: &(impl ClientInfo + ?Sized), modes: &[TransactionMode]) -> PgWireResult<Response> {
    modes.iter().try_for_each(mode)?;
    match client.transaction_status() {
        TransactionStatus::Idle => Ok(Response::TransactionStart(Tag::new("BEGIN"))),
        _ => done("BEGIN"),
    }
}

/// The server is read-only, so this only resets the state after an error.
fn rollback_to_savepoint(client: &mut (impl ClientInfo + ?Sized)) -> PgWireResult<Response> {
    if client.transaction_status() == TransactionStatus::Error {
        client.set_transaction_status(TransactionStatus::Transaction);
    }
    done("ROLLBACK")
}

/// COMMIT or ROLLBACK. After an error both roll back.
fn end_transaction<C>(client: &C, commits: bool) -> PgWireResult<Response>
where
    C: ClientInfo + ClientPortalStore,
    C::PortalStore: PortalStore,
{
    // Cursors end with their transaction, and release their snapshots.
    portals(client)?.clear_portals();
    let is_sound = client.transaction_status() != TransactionStatus::Error;
    Ok(Response::TransactionEnd(Tag::new(if commits && is_sound { "COMMIT" } else { "ROLLBACK" })))
}
