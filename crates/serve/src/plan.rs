//! From a client's text to what is to be done: a plan over the study, or a word to the session.
//!
//! A statement is read as `syntrace sql` reads it. Only where that fails, or where it asks PostgreSQL's
//! catalog, is it rewritten for the catalog's sake (as psql, JDBC and Grafana write their own questions),
//! so that no question about the study changes its meaning on the way.

use super::encode::{of_error, of_query, refused};
use super::question::{Questions, empty_answer};
use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Declare, Statement as SqlStatement};
use datafusion_postgres::arrow_pg::datatypes::{PG_OID_ALIAS_KEY, into_pg_type, pg_type_for_alias_kind};
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::results::FieldInfo;
use datafusion_postgres::pgwire::api::stmt::QueryParser;
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_query::{Service, require_shallow, split_statements};

/// A statement that is ready to run as often as the client likes.
#[derive(Clone)]
pub(super) struct Prepared {
    pub text: String,
    pub act: Act,
}

/// What a statement does.
#[derive(Clone)]
pub(super) enum Act {
    /// Reads the study; the plan holds no snapshot.
    Query(Box<LogicalPlan>),
    /// Opens a cursor.
    Declare(Box<Declared>),
    /// Concerns the session: transactions, settings, cursors.
    Session(Box<SqlStatement>),
}

/// A cursor to be.
#[derive(Clone)]
pub(super) struct Declared {
    pub name: String,
    /// The query after FOR.
    pub text: String,
    pub plan: LogicalPlan,
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
    "UNLISTEN",
    "SAVEPOINT",
    "RELEASE",
];

/// What only questions to PostgreSQL's catalog contain.
const CATALOG_WORDS: &[&str] = &["pg_", "information_schema", "::reg", "current_schema", "current_setting"];

/// Plans statements, without content.
pub(super) struct Planner {
    pub service: Service,
    rewriter: PostgresCompatibilityParser,
    questions: Questions,
}

impl Planner {
    pub fn new(service: Service) -> Self {
        Self { service, rewriter: PostgresCompatibilityParser::new(), questions: Questions::new() }
    }

    /// Reads and plans one statement.
    pub async fn prepare(&self, text: &str) -> PgWireResult<Prepared> {
        require_shallow(text).map_err(|error| of_error(&error))?;
        let prepared = |act| Ok(Prepared { text: text.to_owned(), act });
        let first = text.split(|character: char| !character.is_ascii_alphabetic()).find(|word| !word.is_empty());
        if first.is_some_and(|word| SESSION_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
            && let Some(statement) = rewritten(&self.rewriter, text)
            && super::setting::is_session(&statement)
        {
            return match &statement {
                SqlStatement::Declare { stmts } => prepared(Act::Declare(Box::new(self.declared(stmts).await?))),
                _ => prepared(Act::Session(Box::new(statement))),
            };
        }
        prepared(Act::Query(Box::new(self.query(text).await?)))
    }

    /// Does a client's text begin with `ROLLBACK TO` a savepoint?
    pub fn goes_back(&self, text: &str) -> bool {
        let first = split_statements(text).into_iter().next().filter(|text| require_shallow(text).is_ok());
        let first = first.and_then(|text| rewritten(&self.rewriter, text));
        matches!(first, Some(SqlStatement::Rollback { savepoint: Some(_), .. }))
    }

    async fn declared(&self, declares: &[Declare]) -> PgWireResult<Declared> {
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
        let plan = self.query(&text).await?;
        Ok(Declared { name: name.value.clone(), text, plan })
    }

    /// Plans one statement that reads the study.
    async fn query(&self, text: &str) -> PgWireResult<LogicalPlan> {
        let first = text.split(|character: char| !character.is_ascii_alphabetic()).find(|word| !word.is_empty());
        let lower = text.to_ascii_lowercase();
        let asks_catalog = CATALOG_WORDS.iter().any(|word| lower.contains(word));
        if asks_catalog && let Some(plan) = self.plan_rewritten(text).await {
            return Ok(plan);
        }
        if first.is_some_and(|word| word.eq_ignore_ascii_case("COPY")) {
            // Its PostgreSQL forms do not parse here; none of its forms runs.
            let hint = "for a file: psql --csv -c 'SELECT ...', or syntrace export STUDY tables";
            return Err(refused("25006", "SQL here only reads, found `COPY`", Some(hint)));
        }
        let failure = match self.service.parse(text) {
            Ok(statement) => match self.service.plan(statement).await {
                Ok(plan) => return Ok(plan),
                Err(error) => of_query(&error, text),
            },
            Err(error) => of_error(&error),
        };
        match self.plan_rewritten(text).await {
            Some(plan) if !asks_catalog => Ok(plan),
            _ => Err(failure),
        }
    }

    async fn plan_rewritten(&self, text: &str) -> Option<LogicalPlan> {
        if let Some(nothing) = empty_answer(text) {
            return self.service.plan(self.service.parse(&nothing).ok()?).await.ok();
        }
        let text = self.questions.replaced(text);
        let statement = rewritten(&self.rewriter, &text)?;
        self.service.plan(Statement::Statement(Box::new(statement))).await.ok()
    }
}

#[async_trait]
impl QueryParser for Planner {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        match split_statements(sql).as_slice() {
            [] => Ok(None),
            [one] => self.prepare(one).await.map(Some),
            more => {
                let message = format!("expected one statement to prepare, found {}", more.len());
                Err(refused("42601", &message, None))
            }
        }
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        match &statement.act {
            Act::Query(plan) => Ok(parameters(plan)?.into_iter().map(|(_, wire)| wire).collect()),
            Act::Declare(declared) => Ok(parameters(&declared.plan)?.into_iter().map(|(_, wire)| wire).collect()),
            Act::Session(_) => Ok(Vec::new()),
        }
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match &statement.act {
            Act::Query(plan) => fields(plan, format.unwrap_or(&Format::UnifiedText), None),
            Act::Declare(_) | Act::Session(_) => Ok(Vec::new()),
        }
    }
}

fn rewritten(rewriter: &PostgresCompatibilityParser, text: &str) -> Option<SqlStatement> {
    let mut statements = rewriter.parse(text).ok()?;
    if statements.len() == 1 { statements.pop() } else { None }
}

/// The columns of a plan's answer. A client that gives formats gives one for each column.
pub(super) fn fields(
    plan: &LogicalPlan,
    format: &Format,
    options: Option<Arc<FormatOptions>>,
) -> PgWireResult<Vec<FieldInfo>> {
    super::encode::fields(plan.schema().as_arrow(), format, options)
}

/// The parameters of a plan in their order: the type they have here, where it follows from the
/// statement, and the type that clients are asked to send.
pub(super) fn parameters(plan: &LogicalPlan) -> PgWireResult<Vec<(Option<DataType>, Type)>> {
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
        let kind = placeholder.field.as_ref().and_then(|field| field.metadata().get(PG_OID_ALIAS_KEY));
        if let Some(kind) = kind.and_then(|kind| pg_type_for_alias_kind(kind)) {
            catalog.insert(placeholder.id.clone(), kind);
        }
    };
    let walked = plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            expression.apply(|inner| {
                look(inner);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(failed)?;
    let mut ordered = Vec::new();
    for (id, kind) in types {
        let Ok(number) = id.trim_start_matches('$').parse::<u32>() else {
            return Err(refused("42P02", &format!("expected parameters $1, $2, ..., found `{id}`"), None));
        };
        let wire = match (catalog.remove(&id), &kind) {
            (Some(wire), _) => wire,
            (None, Some(kind)) => into_pg_type(kind)?,
            (None, None) => Type::UNKNOWN,
        };
        ordered.push((number, (kind, wire)));
    }
    ordered.sort_by_key(|(number, _)| *number);
    Ok(ordered.into_iter().map(|(_, parameter)| parameter).collect())
}
