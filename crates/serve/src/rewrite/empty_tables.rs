//! Constant-folds queries over catalog tables that are always empty: such a query is replaced by its columns without
//! rows, such a subquery by its value. A study has no indexes, triggers or policies, and clients query them with SQL that
//! cannot be planned. Keys are told where the statement can be planned, and folded like the others where not.

use super::column::of_item;
use super::{call, folded, last_name};
use crate::catalog::{Catalog, OF_KEYS};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr, SetOperator,
    Statement, TableFactor, TableWithJoins, Value, Visitor, VisitorMut,
};
use std::ops::ControlFlow;
use syntrace_query::walk::walk;

/// Replaces queries without rows, from the outside in.
pub(super) struct Empty<'a> {
    catalog: &'a Catalog,
    /// Are the tables with keys taken for empty too?
    without_keys: bool,
    /// Names of WITH: whether they are empty, the newest last.
    with: Vec<(String, bool)>,
}

/// Aggregate functions, which return one row even for an empty input.
const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "first_value",
    "last_value",
    "stddev",
    "variance",
    "median",
];

impl<'a> Empty<'a> {
    pub fn new(catalog: &'a Catalog, without_keys: bool) -> Self {
        Self { catalog, without_keys, with: Vec::new() }
    }

    fn query(&mut self, query: &Query) -> bool {
        let known = self.with.len();
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let is_empty = self.query(&table.query);
            self.with.push((folded(&table.alias.name), is_empty));
        }
        let is_empty = self.set(&query.body);
        self.with.truncate(known);
        is_empty
    }

    fn set(&mut self, set: &SetExpr) -> bool {
        match set {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, op, right, .. } => {
                let (left, right) = (self.set(left), self.set(right));
                match op {
                    SetOperator::Union => left && right,
                    SetOperator::Intersect => left || right,
                    _ => left,
                }
            }
            _ => false,
        }
    }

    fn select(&mut self, select: &Select) -> bool {
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
        if !grouped && select.projection.iter().any(aggregates) {
            return false;
        }
        select.from.iter().any(|table| self.joined(table))
    }

    fn joined(&mut self, table: &TableWithJoins) -> bool {
        let mut is_empty = self.factor(&table.relation);
        for join in &table.joins {
            let right = self.factor(&join.relation);
            is_empty = match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => is_empty,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => is_empty || right,
                _ => is_empty && right,
            };
        }
        is_empty
    }

    fn factor(&mut self, factor: &TableFactor) -> bool {
        match factor {
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => self.named(name),
            TableFactor::Derived { subquery, .. } => self.query(subquery),
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined(table_with_joins),
            _ => false,
        }
    }

    fn named(&self, name: &ObjectName) -> bool {
        let last = last_name(name);
        let known = self.with.iter().rev().find(|(known, _)| name.0.len() == 1 && *known == last);
        match known {
            Some((_, is_empty)) => *is_empty,
            None => super::table::declared(self.catalog, name)
                .is_some_and(|table| table.query.is_none() || (self.without_keys && OF_KEYS.contains(&table.name))),
        }
    }

    /// The columns of a query without rows; `None` where they cannot be told.
    fn columns(&self, set: &SetExpr) -> Option<Vec<String>> {
        match set {
            SetExpr::Select(select) => {
                let mut columns = Vec::new();
                for item in &select.projection {
                    match item {
                        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                            columns.extend(self.wildcard(select, item)?);
                        }
                        item => columns.push(of_item(item)),
                    }
                }
                Some(columns)
            }
            SetExpr::Query(query) => self.columns(&query.body),
            SetExpr::SetOperation { left, .. } => self.columns(left),
            _ => None,
        }
    }

    fn wildcard(&self, select: &Select, item: &SelectItem) -> Option<Vec<String>> {
        let SelectItem::Wildcard(_) = item else { return None };
        let [TableWithJoins { relation, joins }] = select.from.as_slice() else { return None };
        if !joins.is_empty() {
            return None;
        }
        match relation {
            TableFactor::Table { name, .. } => {
                let table = super::table::declared(self.catalog, name)?;
                Some(table.columns.iter().map(|(name, _)| (*name).to_owned()).collect())
            }
            TableFactor::Derived { subquery, .. } => self.columns(&subquery.body),
            _ => None,
        }
    }

    /// The query with its columns and without a row, where it has none.
    fn replaced(&mut self, query: &Query) -> Option<Query> {
        if !self.query(query) {
            return None;
        }
        let columns = self.columns(&query.body)?;
        let mut seen = Vec::new();
        let column = |name: &String| {
            let name = super::duplicate_names::apart(name, &mut seen);
            format!("NULL AS \"{}\"", name.replace('"', "\"\""))
        };
        let columns: Vec<String> = columns.iter().map(column).collect();
        match super::parse(&format!("SELECT {} WHERE false", columns.join(", ")))? {
            Statement::Query(query) => Some(*query),
            _ => None,
        }
    }
}

impl VisitorMut for Empty<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(nothing) = self.replaced(query) {
            *query = nothing;
        } else {
            for table in query.with.iter().flat_map(|with| &with.cte_tables) {
                let is_empty = self.query(&table.query);
                self.with.push((folded(&table.alias.name), is_empty));
            }
            self.branches(&mut query.body);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let nothing = match expression {
            Expr::Subquery(query) if self.query(query) => Expr::value(Value::Null),
            Expr::Exists { subquery, negated } if self.query(subquery) => Expr::value(Value::Boolean(*negated)),
            Expr::InSubquery { subquery, negated, .. } if self.query(subquery) => Expr::value(Value::Boolean(*negated)),
            Expr::Function(function) => match &function.args {
                FunctionArguments::Subquery(query) if is_array_of_rows(function) && self.query(query) => {
                    super::array::text_array(call("make_array", Vec::new()))
                }
                _ => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        *expression = nothing;
        ControlFlow::Continue(())
    }
}

impl Empty<'_> {
    /// Replaces the empty branches of a union, which are not separate queries.
    fn branches(&mut self, set: &mut SetExpr) {
        let SetExpr::SetOperation { left, right, .. } = set else { return };
        for branch in [left, right] {
            if matches!(branch.as_ref(), SetExpr::Select(_)) && self.set(branch) {
                let query = Query {
                    with: None,
                    body: branch.clone(),
                    order_by: None,
                    limit_clause: None,
                    fetch: None,
                    locks: Vec::new(),
                    for_clause: None,
                    settings: None,
                    format_clause: None,
                    pipe_operators: Vec::new(),
                };
                if let Some(nothing) = self.replaced(&query) {
                    *branch = nothing.body;
                }
            } else {
                self.branches(branch);
            }
        }
    }
}

/// Is it `ARRAY(SELECT ...)`?
pub(super) fn is_array_of_rows(function: &datafusion::sql::sqlparser::ast::Function) -> bool {
    last_name(&function.name) == "array"
}

/// Does a column aggregate all rows?
pub(super) fn aggregates(item: &SelectItem) -> bool {
    let expression = match item {
        SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => expression,
        _ => return false,
    };
    let mut search = Aggregates { subqueries: 0 };
    walk(expression, &mut search).is_break()
}

/// Looks for an aggregate that is not in a subquery: those are of other rows.
struct Aggregates {
    subqueries: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function)
                if self.subqueries == 0
                    && function.over.is_none()
                    && AGGREGATES.contains(&last_name(&function.name).as_str()) =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
