//! Handles the messages of a client.

use super::authentication::{Admission, Authentication, Handshake};
use super::cancellation::{Limits, Running};
use super::catalog::Catalog;
use super::copy::Copy;
use super::describe::described;
use super::error::{of_error, of_query, refused};
use super::parameter::values;
use super::rewrite::Rewriter;
use super::rows::RemainingRows;
use super::setting::Settings;
use super::statement::{Action, Planner, Prepared, fields, parameters};
use async_trait::async_trait;
use datafusion::common::ParamValues;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures::{Sink, SinkExt, StreamExt};
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::CancelHandler;
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{
    ExtendedQueryHandler, SimpleQueryHandler, send_execution_response, send_partial_query_response,
};
use pgwire::api::results::{
    DescribePortalResponse, DescribeStatementResponse, FieldInfo, QueryResponse, Response, Tag,
};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use pgwire::messages::extendedquery::Execute;
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;
use pgwire::types::format::FormatOptions;
use std::fmt::Debug;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Service, StatementPlan, split_statements};
use syntrace_store::Store;

/// State that all connections share.
pub(super) struct Handlers {
    questions: Arc<Questions>,
    authentication: Authentication,
}

impl Handlers {
    /// Adds PostgreSQL's catalog to the service's context.
    pub async fn new(
        names: &[String],
        stores: Vec<Store>,
        service: Service,
        authentication: Authentication,
    ) -> Result<Self> {
        let catalog = Catalog::register(service.context(), names)
            .await
            .map_err(|error| Error::internal(format!("cannot make the PostgreSQL catalog: {error}")))?;
        super::function::register(service.context(), &catalog.objects);
        let planner = Arc::new(Planner::new(service, Rewriter::new(catalog)));
        let questions = Arc::new(Questions { stores, planner, running: Arc::default() });
        Ok(Self { questions, authentication })
    }
}

/// The handlers of one connection.
pub(super) struct Connection {
    handlers: Arc<Handlers>,
    admission: Arc<Admission>,
}

impl Connection {
    pub fn new(handlers: Arc<Handlers>, admission: Arc<Admission>) -> Self {
        Self { handlers, admission }
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.handlers.questions)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::clone(&self.handlers.questions)
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        let handshake: Arc<Handshake> = Arc::new(self.handlers.authentication.handshake(Arc::clone(&self.admission)));
        handshake
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.handlers.questions.running)
    }
}

/// Answers all clients.
pub(super) struct Questions {
    /// One study, or several in their order.
    stores: Vec<Store>,
    pub planner: Arc<Planner>,
    pub running: Arc<Running>,
}

impl Questions {
    /// Runs a plan over the newest snapshots. Returns the result once its first rows are available, so that
    /// a query that fails at once fails before anything is sent.
    pub async fn answer(
        &self,
        client: &(impl ClientInfo + ?Sized),
        plan: StatementPlan,
        text: &str,
        format: &Format,
    ) -> PgWireResult<QueryResponse> {
        let options = Arc::new(FormatOptions::from_client_metadata(client.metadata()));
        let fields = Arc::new(fields(&plan, format, Some(options))?);
        let mut limits = Limits::new(&self.running, client);
        let snapshots = self.stores.iter().map(|store| store.snapshot().map(Arc::new)).collect::<Result<Vec<_>>>();
        let snapshots = snapshots.map_err(|error| of_error(&error))?;
        let started = limits.within(self.planner.service.run_over(plan, &snapshots)).await?;
        let stream = started.map_err(|error| of_query(&error, text))?;
        let mut rest = RemainingRows { stream, limits, text: text.to_owned(), fields: Arc::clone(&fields) };
        let first = rest.next().await?;
        Ok(QueryResponse::new(fields, rest.all(first)))
    }

    /// Sends an answer as COPY does. The rows go out as they are made.
    async fn copy<C>(&self, client: &mut C, copy: &Copy) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut answer = self.answer(client, copy.plan.clone(), &copy.text, &copy.form.format()).await?;
        let schema = answer.row_schema();
        let columns: Vec<&str> = schema.iter().map(FieldInfo::name).collect();
        let code = copy.form.code();
        let begin = CopyOutResponse::new(code, columns.len() as i16, vec![i16::from(code); columns.len()]);
        client.feed(PgWireBackendMessage::CopyOutResponse(begin)).await?;
        let mut written = copy.form.begin(&columns);
        let mut count = 0;
        while let Some(row) = answer.data_rows().next().await {
            written.extend(copy.form.row(&row?, &columns));
            client.feed(PgWireBackendMessage::CopyData(CopyData::new(std::mem::take(&mut written).into()))).await?;
            count += 1;
        }
        written.extend(copy.form.end());
        if !written.is_empty() {
            client.feed(PgWireBackendMessage::CopyData(CopyData::new(written.into()))).await?;
        }
        client.feed(PgWireBackendMessage::CopyDone(CopyDone::new())).await?;
        Ok(Response::Execution(Tag::new("COPY").with_rows(count)))
    }
}

/// Does a statement begin with COPY? Its rows are sent at once, before the results of other statements.
fn is_copy(text: &str) -> bool {
    let first = text.split(|character: char| !character.is_ascii_alphabetic()).find(|word| !word.is_empty());
    first.is_some_and(|word| word.eq_ignore_ascii_case("COPY"))
}

#[async_trait]
impl SimpleQueryHandler for Questions {
    /// The library knows one way out of a failed transaction, its end; `ROLLBACK TO` goes on inside it.
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if client.transaction_status() == TransactionStatus::Error && Planner::goes_back(&query.query) {
            client.set_transaction_status(TransactionStatus::Transaction);
        }
        self._on_query(client, query).await
    }

    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut responses = Vec::new();
        let mut status = client.transaction_status();
        for text in split_statements(query) {
            if !responses.is_empty() && is_copy(text) {
                let message = "a COPY to the client has to be the first statement of its query";
                responses.push(Response::Error(Box::new(ErrorInfo::new(
                    "ERROR".to_owned(),
                    "0A000".to_owned(),
                    message.to_owned(),
                ))));
                break;
            }
            match self.one(client, text, status).await {
                Ok(response) => {
                    status = match response {
                        Response::TransactionStart(_) => TransactionStatus::Transaction,
                        Response::TransactionEnd(_) => TransactionStatus::Idle,
                        _ => status,
                    };
                    responses.push(response);
                }
                // What came before is sent; what comes after is not run.
                Err(PgWireError::UserError(info)) if !responses.is_empty() => {
                    responses.push(Response::Error(info));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if responses.is_empty() {
            responses.push(Response::EmptyQuery);
        }
        Ok(responses)
    }
}

impl Questions {
    async fn one<C>(&self, client: &mut C, text: &str, status: TransactionStatus) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = self.planner.prepare(text, &Settings::of(client)).await?;
        require_sound(&prepared, status)?;
        match &prepared.action {
            Action::Session(statement) => self.session(client, statement).await,
            Action::Query(plan) => {
                require_values(plan)?;
                keep(client, &prepared);
                let answer = self.answer(client, (**plan).clone(), text, &Format::UnifiedText).await?;
                Ok(Response::Query(answer))
            }
            Action::Copy(copy) => {
                require_values(&copy.plan)?;
                self.copy(client, copy).await
            }
            Action::Declare(declared) => {
                require_values(&declared.plan)?;
                self.declare(client, declared, declared.plan.clone(), status).await
            }
        }
    }
}

/// Stores the settings that a statement changes with `set_config`.
fn keep(client: &mut (impl ClientInfo + ?Sized), prepared: &Prepared) {
    client.metadata_mut().extend(prepared.changes.iter().cloned());
}

/// Rejects a plan with unbound parameters in the simple query protocol.
fn require_values(plan: &StatementPlan) -> PgWireResult<()> {
    if parameters(plan, 0)?.is_empty() {
        return Ok(());
    }
    let hint = "prepare it, or write the values into the statement";
    Err(refused("42P02", "the statement has parameters and no values for them", Some(hint)))
}

/// A plan with the values that a client bound.
fn bound(plan: &StatementPlan, portal: &Portal<Prepared>) -> PgWireResult<StatementPlan> {
    let parameters = parameters(plan, portal.statement.statement.parameters)?;
    if parameters.len() != portal.parameter_len() {
        let message = format!("expected {} values for parameters, found {}", parameters.len(), portal.parameter_len());
        return Err(refused("08P01", &message, None));
    }
    let values = values(portal, &parameters)?;
    let text = &portal.statement.statement.text;
    plan.with_values(ParamValues::from(values)).map_err(|error| of_query(&error, text))
}

/// After an error only the end of a transaction is accepted in it.
fn require_sound(prepared: &Prepared, status: TransactionStatus) -> PgWireResult<()> {
    let ends = matches!(&prepared.action, Action::Session(statement)
        if matches!(statement.as_ref(), SqlStatement::Commit { .. } | SqlStatement::Rollback { .. }));
    if status == TransactionStatus::Error && !ends {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        return Err(refused("25P02", message, Some("ROLLBACK")));
    }
    Ok(())
}

#[async_trait]
impl ExtendedQueryHandler for Questions {
    type Statement = Prepared;
    type QueryParser = Planner;

    fn query_parser(&self) -> Arc<Self::QueryParser> {
        Arc::clone(&self.planner)
    }

    async fn do_describe_statement<C>(
        &self,
        client: &mut C,
        target: &StoredStatement<Self::Statement>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let ours = self.planner.get_parameter_types(&target.statement)?;
        let count = ours.len().max(target.parameter_types.len());
        // What the client says it will send, else what the statement needs.
        let kind = |at: usize| target.parameter_types.get(at).cloned().flatten().or_else(|| ours.get(at).cloned());
        let kinds = (0..count).map(|at| kind(at).unwrap_or(Type::UNKNOWN)).collect();
        let columns = described(client, &target.statement, &Format::UnifiedText)?;
        Ok(DescribeStatementResponse::new(kinds, columns))
    }

    async fn do_describe_portal<C>(
        &self,
        client: &mut C,
        target: &Portal<Self::Statement>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let columns = described(client, &target.statement.statement, &target.result_column_format)?;
        Ok(DescribePortalResponse::new(columns))
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Self::Statement>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        let status = client.transaction_status();
        require_sound(prepared, status)?;
        match &prepared.action {
            Action::Session(statement) => self.session(client, statement).await,
            Action::Query(plan) => {
                let plan = bound(plan, portal)?;
                keep(client, prepared);
                let answer = self.answer(client, plan, &prepared.text, &portal.result_column_format).await?;
                Ok(Response::Query(answer))
            }
            Action::Copy(copy) => {
                require_values(&copy.plan)?;
                self.copy(client, copy).await
            }
            Action::Declare(declared) => {
                let plan = bound(&declared.plan, portal)?;
                self.declare(client, declared, plan, status).await
            }
        }
    }

    /// As the library's own, but for rows: that would collect all of them, outside of the memory budget,
    /// before it sends the first.
    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = client.portal_store().get_portal(name);
        let portal = portal.ok_or_else(|| PgWireError::PortalNotFound(name.to_owned()))?;
        match portal.value() {
            Some(portal) => self.execute(client, portal, usize::try_from(message.max_rows).unwrap_or(0)).await?,
            None => client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?,
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }
}

impl Questions {
    /// Runs a portal, or goes on with it, and sends at most `max_rows` rows; 0 means all.
    async fn execute<C>(&self, client: &mut C, portal: &Arc<Portal<Prepared>>, max_rows: usize) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let status = client.transaction_status();
        let is_new = matches!(&*portal.state().lock().await, PortalExecutionState::Initial);
        if is_new {
            match ExtendedQueryHandler::do_query(self, client, portal, max_rows).await? {
                Response::Query(answer) => portal.start(answer).await,
                Response::TransactionStart(tag) => {
                    send_execution_response(client, tag).await?;
                    client.set_transaction_status(status.to_in_transaction_state());
                    return Ok(());
                }
                Response::TransactionEnd(tag) => {
                    send_execution_response(client, tag).await?;
                    client.set_transaction_status(status.to_idle_state());
                    client.portal_store().rm_portal(DEFAULT_NAME);
                    return Ok(());
                }
                Response::Execution(tag) => return send_execution_response(client, tag).await,
                _ => return Err(refused("XX000", "an answer of this kind cannot be sent", None)),
            }
        }
        let state = portal.state();
        let mut state = state.lock().await;
        let PortalExecutionState::Suspended(answer) = &mut *state else {
            return send_execution_response(client, Tag::new("SELECT").with_rows(0)).await;
        };
        if send_partial_query_response(client, answer, max_rows).await? {
            self.running.rest(&*client);
        } else {
            *state = PortalExecutionState::Finished;
        }
        Ok(())
    }
}
