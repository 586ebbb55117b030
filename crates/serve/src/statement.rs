//! From a client's text to what is to be done: a plan over the study, or a word to the session.
//!
//! A statement is read as `syntrace sql` reads it. Only where that fails, or where it asks PostgreSQL's
//! catalog, is it rewritten for the catalog's sake (as psql, JDBC and Grafana write their own questions),
//! so that no question about the study changes its meaning on the way.

use super::copy::{self, Copy};
use super::error::{of_error, of_query, refused};
use super::rewrite::{Rewriter, Rewritten};
use super::setting::Settings;
use arrow_pg::datatypes::{PG_OID_ALIAS_KEY, into_pg_type};
use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ExprSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Declare, Statement as SqlStatement};
use pgwire::api::portal::Format;
use pgwire::api::results::FieldInfo;
use pgwire::api::stmt::QueryParser;
use pgwire::api::{ClientInfo, Type};
use pgwire::error::PgWireResult;
use pgwire::types::format::FormatOptions;
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_query::{Service, StatementPlan, require_shallow, split_statements};

/// A statement that is ready to run as often as the client likes.
#[derive(Clone)]
pub(super) struct Prepared {
    pub text: String,
    pub action: Action,
    /// Settings that the statement changes for its client, with `set_config`.
    pub changes: Vec<(String, String)>,
    /// Parameters of the text, whether or not the plan still has them.
    pub parameters: usize,
}

/// What a statement does.
#[derive(Clone)]
pub(super) enum Action {
    /// Reads the study; the plan holds no snapshot.
    Query(Box<StatementPlan>),
    /// Opens a cursor.
    Declare(Box<Declared>),
    /// Copies an answer to the client.
    Copy(Box<Copy>),
    /// Concerns the session: transactions, settings, cursors.
    Session(Box<SqlStatement>),
}

/// A cursor to be.
#[derive(Clone)]
pub(super) struct Declared {
    pub name: String,
    /// The query after FOR.
    pub text: String,
    pub plan: StatementPlan,
}

/// Words that statements about the session begin with.
const SESSION_WORDS: &[&str] = &[
    "SET",
    "SHOW",
    "RESET",
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "DECLARE",
    "FETCH",
    "CLOSE",
    "DISCARD",
    "DEALLOCATE",
    "PREPARE",
    "EXECUTE",
    "UNLISTEN",
    "SAVEPOINT",
    "RELEASE",
];

/// What only questions to PostgreSQL's catalog contain.
const CATALOG_WORDS: &[&str] = &["pg_", "information_schema", "::reg", "current_schema", "current_setting"];

/// Plans statements, without content.
pub(super) struct Planner {
    pub service: Service,
    rewriter: Rewriter,
}

impl Planner {
    pub fn new(service: Service, rewriter: Rewriter) -> Self {
        Self { service, rewriter }
    }

    /// Reads and plans one statement.
    pub async fn prepare(&self, text: &str, settings: &Settings) -> PgWireResult<Prepared> {
        require_shallow(text).map_err(|error| of_error(&error))?;
        let prepared =
            |action, changes, parameters| Ok(Prepared { text: text.to_owned(), action, changes, parameters });
        let first = text.split(|character: char| !character.is_ascii_alphabetic()).find(|word| !word.is_empty());
        if first.is_some_and(|word| SESSION_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
            && let Some(statement) = session_statement(text)
            && super::setting::is_session(&statement)
        {
            return match &statement {
                SqlStatement::Declare { stmts } => {
                    prepared(Action::Declare(Box::new(self.declared(stmts, settings).await?)), Vec::new(), 0)
                }
                _ => prepared(Action::Session(Box::new(statement)), Vec::new(), 0),
            };
        }
        if first.is_some_and(|word| word.eq_ignore_ascii_case("COPY")) {
            return prepared(Action::Copy(Box::new(self.copied(text, settings).await?)), Vec::new(), 0);
        }
        let Planned { plan, changes, parameters } = self.query(text, settings).await?;
        prepared(Action::Query(Box::new(plan)), changes, parameters)
    }

    /// Does a client's text begin with `ROLLBACK TO` a savepoint?
    pub fn goes_back(text: &str) -> bool {
        let first = split_statements(text).into_iter().next().filter(|text| require_shallow(text).is_ok());
        let first = first.and_then(session_statement);
        matches!(first, Some(SqlStatement::Rollback { savepoint: Some(_), .. }))
    }

    /// A copy to the client; everything else that COPY does is refused.
    async fn copied(&self, text: &str, settings: &Settings) -> PgWireResult<Copy> {
        let read = super::rewrite::parse(text).map(|statement| copy::read(&statement)).transpose()?.flatten();
        let Some((text, form)) = read else {
            let hint = "COPY (query) TO STDOUT and \\copy (query) TO 'file' give an answer to the client";
            return Err(refused("25006", "SQL here only reads, found `COPY`", Some(hint)));
        };
        require_shallow(&text).map_err(|error| of_error(&error))?;
        let Planned { plan, .. } = self.query(&text, settings).await?;
        Ok(Copy { text, plan, form })
    }

    async fn declared(&self, declares: &[Declare], settings: &Settings) -> PgWireResult<Declared> {
        let [Declare { names, for_query: Some(query), hold, scroll, binary, .. }] = declares else {
            return Err(refused("42601", "expected DECLARE name CURSOR FOR query", None));
        };
        let [name] = names.as_slice() else {
            return Err(refused("42601", "expected DECLARE name CURSOR FOR query", None));
        };
        if *hold == Some(true) || *scroll == Some(true) || *binary == Some(true) {
            let message = "cursors here go forward, give text, and end with their transaction";
            return Err(refused("0A000", message, Some("leave out WITH HOLD, SCROLL and BINARY")));
        }
        let text = query.to_string();
        let Planned { plan, .. } = self.query(&text, settings).await?;
        Ok(Declared { name: name.value.clone(), text, plan })
    }

    /// Plans one statement that reads the study.
    async fn query(&self, text: &str, settings: &Settings) -> PgWireResult<Planned> {
        let lower = text.to_ascii_lowercase();
        let asks_catalog = CATALOG_WORDS.iter().any(|word| lower.contains(word));
        let rewritten = if asks_catalog { self.plan_rewritten(text, settings).await } else { None };
        let rewriting_failed = match rewritten {
            Some(Ok(planned)) => return Ok(planned),
            Some(Err(error)) => Some(error),
            None => None,
        };
        let failure = match self.service.parse(text) {
            Ok(statement) => match self.service.plan(statement).await {
                Ok(plan) => return Ok(Planned { plan, changes: Vec::new(), parameters: 0 }),
                Err(error) => of_query(&error, text),
            },
            Err(error) => of_error(&error),
        };
        if asks_catalog {
            // The rewritten statement is what the client means.
            return Err(rewriting_failed.unwrap_or(failure));
        }
        match self.plan_rewritten(text, settings).await {
            Some(Ok(planned)) => Ok(planned),
            _ => Err(failure),
        }
    }

    /// Plans the statement as the catalog's clients mean it; `None` where it cannot be read. Where only its questions about keys
    /// cannot be planned, those have no rows: a client that asks for more than keys gets the rest.
    async fn plan_rewritten(&self, text: &str, settings: &Settings) -> Option<PgWireResult<Planned>> {
        // Clients unfold lists of columns in ways that cannot be planned, or fail only when they run.
        let without_keys = text.to_ascii_lowercase().contains("conkey");
        let planned = self.plan_rewritten_with(text, settings, without_keys).await?;
        if planned.is_err()
            && let Some(Ok(without_keys)) = self.plan_rewritten_with(text, settings, true).await
        {
            return Some(Ok(without_keys));
        }
        Some(planned)
    }

    async fn plan_rewritten_with(
        &self,
        text: &str,
        settings: &Settings,
        without_keys: bool,
    ) -> Option<PgWireResult<Planned>> {
        let Rewritten { statement, changes, parameters } = self.rewriter.rewritten(text, settings, without_keys)?;
        let plan = self.service.plan(Statement::Statement(Box::new(statement))).await;
        Some(plan.map(|plan| Planned { plan, changes, parameters }).map_err(|error| of_query(&error, text)))
    }
}

/// A plan, the settings that it changes, and how many parameters its text had.
struct Planned {
    plan: StatementPlan,
    changes: Vec<(String, String)>,
    parameters: usize,
}

/// A statement about the session. `ABORT` is PostgreSQL's other word for `ROLLBACK`.
fn session_statement(text: &str) -> Option<SqlStatement> {
    let word = text.trim_start();
    match word.get(..5).filter(|word| word.eq_ignore_ascii_case("abort")) {
        Some(_) => super::rewrite::parse(&format!("ROLLBACK{}", &word[5..])),
        None => super::rewrite::parse(text),
    }
}

#[async_trait]
impl QueryParser for Planner {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        match split_statements(sql).as_slice() {
            [] => Ok(None),
            [one] => self.prepare(one, &Settings::of(client)).await.map(Some),
            more => {
                let message = format!("expected one statement to prepare, found {}", more.len());
                Err(refused("42601", &message, None))
            }
        }
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        match &statement.action {
            Action::Query(plan) => {
                Ok(parameters(plan, statement.parameters)?.into_iter().map(|(_, wire)| wire).collect())
            }
            Action::Declare(declared) => Ok(parameters(&declared.plan, 0)?.into_iter().map(|(_, wire)| wire).collect()),
            Action::Copy(_) | Action::Session(_) => Ok(Vec::new()),
        }
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match &statement.action {
            Action::Query(plan) => fields(plan, format.unwrap_or(&Format::UnifiedText), None),
            Action::Declare(_) | Action::Copy(_) | Action::Session(_) => Ok(Vec::new()),
        }
    }
}

/// The columns of a plan's answer. A client that gives formats gives one for each column.
pub(super) fn fields(
    plan: &StatementPlan,
    format: &Format,
    options: Option<Arc<FormatOptions>>,
) -> PgWireResult<Vec<FieldInfo>> {
    super::encode::fields(plan.columns(), format, options)
}

/// Of `x = ANY($1)`: the parameter, and the type of lists of `x`.
fn list_of_any(expression: &Expr, node: &LogicalPlan) -> Option<(String, DataType)> {
    let Expr::ScalarFunction(call) = expression else { return None };
    let [Expr::Placeholder(list), item] = call.args.as_slice() else { return None };
    if call.func.name() != "array_has" {
        return None;
    }
    let kind = node.inputs().iter().find_map(|input| item.get_type(input.schema()).ok())?;
    Some((list.id.clone(), DataType::new_list(kind, true)))
}

/// Of `x = ANY($1::oid[])`, where `x` is the OID of an object: the parameter, whose type the cast alone does not tell.
fn numbers_of_any(expression: &Expr, node: &LogicalPlan) -> Option<(String, Type)> {
    let Expr::ScalarFunction(call) = expression else { return None };
    let [Expr::Cast(cast), Expr::Column(column)] = call.args.as_slice() else { return None };
    let Expr::Placeholder(list) = cast.expr.as_ref() else { return None };
    let is_number = |input: &LogicalPlan| {
        let field = input.schema().as_ref().field_from_column(column);
        field.is_ok_and(|field| field.metadata().contains_key(PG_OID_ALIAS_KEY))
    };
    let is_of_numbers = call.func.name() == "array_has" && node.inputs().into_iter().any(is_number);
    is_of_numbers.then(|| (list.id.clone(), Type::OID_ARRAY))
}

/// The parameters of a plan in their order: the type they have here, where it follows from the
/// statement, and the type that clients are asked to send. At least so many; one that the plan does not have is of any type.
pub(super) fn parameters(plan: &StatementPlan, least: usize) -> PgWireResult<Vec<(Option<DataType>, Type)>> {
    let plan = plan.logical();
    let failed = |error| of_query(&error, "");
    let mut types = plan.get_parameter_types().map_err(failed)?;
    let mut catalog: HashMap<String, Type> = HashMap::new();
    let mut look = |expression: &Expr| {
        let (placeholder, cast) = match expression {
            Expr::Cast(cast) => (cast.expr.as_ref(), Some(cast.field.data_type().clone())),
            other => (other, None),
        };
        let Expr::Placeholder(placeholder) = placeholder else { return };
        let known = types.entry(placeholder.id.clone()).or_insert(None);
        if known.is_none() {
            *known = cast;
        }
        let field = placeholder.field.as_ref();
        if field.is_some_and(|field| field.metadata().contains_key(PG_OID_ALIAS_KEY)) {
            catalog.insert(placeholder.id.clone(), Type::OID);
        }
    };
    let (mut lists, mut numbers): (HashMap<String, DataType>, HashMap<String, Type>) = Default::default();
    let walked = plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            expression.apply(|inner| {
                look(inner);
                lists.extend(list_of_any(inner, node));
                numbers.extend(numbers_of_any(inner, node));
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(failed)?;
    catalog.extend(numbers);
    for (name, kind) in lists {
        types.entry(name).or_insert(None).get_or_insert(kind);
    }
    let mut ordered: Vec<(Option<DataType>, Type)> = vec![(None, Type::UNKNOWN); least];
    for (id, kind) in types {
        let number = id.trim_start_matches('$').parse::<u16>().ok().map(usize::from).filter(|number| *number > 0);
        let Some(number) = number else {
            return Err(refused("42P02", &format!("expected parameters $1, $2, ..., found `{id}`"), None));
        };
        let wire = match (catalog.remove(&id), &kind) {
            (Some(wire), _) => wire,
            (None, Some(kind)) => into_pg_type(kind)?,
            (None, None) => Type::UNKNOWN,
        };
        if ordered.len() < number {
            ordered.resize(number, (None, Type::UNKNOWN));
        }
        ordered[number - 1] = (kind, wire);
    }
    Ok(ordered)
}
