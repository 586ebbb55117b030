//! From a client's text to what is to be done: a plan over the study, or a word to the session.
//!
//! A statement is read as `syntrace sql` reads it. Only where that fails, or where it asks PostgreSQL's
//! catalog, is it rewritten for the catalog's sake (as psql, JDBC and Grafana write their own questions),
//! so that no question about the study changes its meaning on the way.

use super::encode::{of_error, of_query, refused};
use crate::query::{Service, split_statements};
use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion_postgres::arrow_pg::datatypes::{
    PG_OID_ALIAS_KEY, arrow_schema_to_pg_fields, into_pg_type, pg_type_for_alias_kind,
};
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::results::FieldInfo;
use datafusion_postgres::pgwire::api::stmt::QueryParser;
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use std::collections::HashMap;
use std::sync::Arc;

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
    /// Concerns the session: transactions, settings, cursors.
    Session(Box<SqlStatement>),
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

/// What psql's `\d+` asks about storage, in words that cannot be planned here; no table has any.
const PSQL_STORAGE_OPTIONS: &str = "pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from \
                                    pg_catalog.unnest(tc.reloptions) x), ', ')";

/// Plans statements, without content.
pub(super) struct Planner {
    pub service: Service,
    rewriter: PostgresCompatibilityParser,
}

impl Planner {
    pub fn new(service: Service) -> Self {
        Self { service, rewriter: PostgresCompatibilityParser::new() }
    }

    /// Reads and plans one statement.
    pub async fn prepare(&self, text: &str) -> PgWireResult<Prepared> {
        let prepared = |act| Ok(Prepared { text: text.to_owned(), act });
        let first = text.split(|character: char| !character.is_ascii_alphabetic()).find(|word| !word.is_empty());
        if first.is_some_and(|word| SESSION_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
            && let Some(statement) = rewritten(&self.rewriter, text)
            && super::setting::is_session(&statement)
        {
            return prepared(Act::Session(Box::new(statement)));
        }
        let lower = text.to_ascii_lowercase();
        let asks_catalog = CATALOG_WORDS.iter().any(|word| lower.contains(word));
        if asks_catalog && let Some(plan) = self.plan_rewritten(text).await {
            return prepared(Act::Query(Box::new(plan)));
        }
        if first.is_some_and(|word| word.eq_ignore_ascii_case("COPY")) {
            // Its PostgreSQL forms do not parse here; none of its forms runs.
            let hint = "for a file: psql --csv -c 'SELECT ...', or syntrace export STUDY tables";
            return Err(refused("25006", "SQL here only reads, found `COPY`", Some(hint)));
        }
        let failure = match self.service.parse(text) {
            Ok(statement) => match self.service.plan(statement).await {
                Ok(plan) => return prepared(Act::Query(Box::new(plan))),
                Err(error) => of_query(&error, text),
            },
            Err(error) => of_error(&error),
        };
        match self.plan_rewritten(text).await {
            Some(plan) if !asks_catalog => prepared(Act::Query(Box::new(plan))),
            _ => Err(failure),
        }
    }

    async fn plan_rewritten(&self, text: &str) -> Option<LogicalPlan> {
        let text = text.replace(PSQL_STORAGE_OPTIONS, "''");
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
            Act::Session(_) => Ok(Vec::new()),
        }
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match &statement.act {
            Act::Query(plan) => fields(plan, format.unwrap_or(&Format::UnifiedText), None),
            Act::Session(_) => Ok(Vec::new()),
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
    let schema = plan.schema().as_arrow();
    if let Format::Individual(formats) = format
        && formats.len() != schema.fields().len()
    {
        let message = format!("expected {} result formats, found {}", schema.fields().len(), formats.len());
        return Err(refused("08P01", &message, None));
    }
    arrow_schema_to_pg_fields(schema, format, options)
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
