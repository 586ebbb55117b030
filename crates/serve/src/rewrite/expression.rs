//! Types, casts, operators and subqueries of PostgreSQL.

use super::array::literal as array_literal;
use super::column::{is_type_function, register};
use super::{call, empty_tables, folded, last_name, literal, number, text};
use crate::catalog::types::{arrow_type, is_object_number, type_of};
use crate::function::Kind;
use crate::setting::{Settings, config};
use arrow::datatypes::DataType as ArrowType;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Query, SelectItem, SetExpr, TableFactor, TimezoneInfo, Value, ValueWithSpan, VisitorMut,
};
use pgwire::api::Type;
use std::collections::HashSet;
use std::ops::ControlFlow;
use syntrace_query::walk::any_expression;

/// Rewrites expressions, the inner ones first.
pub(super) struct Expressions<'a> {
    settings: &'a Settings,
    /// What `set_config` is to change.
    pub changes: Vec<(String, String)>,
}

impl<'a> Expressions<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self { settings, changes: Vec::new() }
    }
}

/// Operators by the names that `OPERATOR(pg_catalog.~)` and PostgreSQL's LIKE have.
const OPERATORS: &[(&str, BinaryOperator)] = &[
    ("~", BinaryOperator::PGRegexMatch),
    ("~*", BinaryOperator::PGRegexIMatch),
    ("!~", BinaryOperator::PGRegexNotMatch),
    ("!~*", BinaryOperator::PGRegexNotIMatch),
    ("~~", BinaryOperator::PGLikeMatch),
    ("~~*", BinaryOperator::PGILikeMatch),
    ("!~~", BinaryOperator::PGNotLikeMatch),
    ("!~~*", BinaryOperator::PGNotILikeMatch),
    ("=", BinaryOperator::Eq),
    ("<>", BinaryOperator::NotEq),
    ("<", BinaryOperator::Lt),
    (">", BinaryOperator::Gt),
    ("<=", BinaryOperator::LtEq),
    (">=", BinaryOperator::GtEq),
    ("+", BinaryOperator::Plus),
    ("-", BinaryOperator::Minus),
    ("*", BinaryOperator::Multiply),
    ("/", BinaryOperator::Divide),
    ("||", BinaryOperator::StringConcat),
];

/// Words that are functions without brackets.
const WORDS: &[(&str, &str)] = &[
    ("current_user", "current_user"),
    ("session_user", "session_user"),
    ("user", "current_user"),
    ("current_role", "current_user"),
    ("current_catalog", "current_database"),
    ("current_schema", "current_schema"),
];

impl VisitorMut for Expressions<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        // The name of an object: prorettype::regtype::text.
        if let Expr::Cast { expr, data_type, .. } = expression
            && is_text(data_type)
        {
            let kind = match expr.as_ref() {
                Expr::Cast { data_type: inner, .. } => register(inner),
                column if is_type_function(column) => Some(Kind::Function),
                _ => None,
            };
            if let Some(kind) = kind {
                *expression = call(kind.name_function(), vec![(**expr).clone()]);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let replaced = match expression {
            Expr::Collate { expr, .. } => Some((**expr).clone()),
            Expr::Identifier(name) if name.quote_style.is_none() => {
                let word = folded(name);
                WORDS
                    .iter()
                    .find(|(known, _)| *known == word && word.starts_with("current_"))
                    .map(|(_, function)| call(function, vec![]))
            }
            Expr::BinaryOp { op, .. } => {
                if let BinaryOperator::PGCustomBinaryOperator(names) = op
                    && let Some(name) = names.last()
                    && let Some((_, known)) = OPERATORS.iter().find(|(known, _)| known == name)
                {
                    *op = known.clone();
                }
                None
            }
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
                if let Some(array) = literal(right).and_then(|text| array_literal(text, None)) {
                    **right = array;
                }
                None
            }
            Expr::Function(function) => self.function(function),
            Expr::Cast { .. } => cast(expression),
            Expr::Subquery(query) => {
                limit_to_one(query);
                None
            }
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                escape_with_backslash(pattern, escape_char);
                None
            }
            _ => None,
        };
        if let Some(replaced) = replaced {
            *expression = replaced;
        }
        ControlFlow::Continue(())
    }
}

impl Expressions<'_> {
    fn function(&mut self, function: &mut Function) -> Option<Expr> {
        let name = last_name(&function.name);
        if matches!(function.args, FunctionArguments::None) {
            return WORDS.iter().find(|(known, _)| *known == name).map(|(_, function)| call(function, vec![]));
        }
        if let FunctionArguments::Subquery(query) = &function.args {
            return empty_tables::is_array_of_rows(function).then(|| array_of_rows(query)).flatten();
        }
        let arguments = arguments(function);
        match (name.as_str(), arguments.as_slice()) {
            ("pg_backend_pid", []) => Some(number(self.settings.process)),
            ("current_setting", [name, ..]) => self.settings.value(literal(name)?).map(|value| text(&value)),
            ("set_config", [name, value, _]) => {
                let (name, value) = (literal(name)?, literal(value)?);
                if config(name, value)? {
                    self.changes.push((name.to_ascii_lowercase(), value.to_owned()));
                }
                Some(text(value))
            }
            _ => None,
        }
    }
}

/// Rewrites LIKE with ESCAPE: the planner supports the backslash as the only escape character.
fn escape_with_backslash(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) {
    let Some(Value::SingleQuotedString(character)) = escape.as_ref().map(|one| &one.value) else { return };
    if character.is_empty() || character == "\\" {
        return;
    }
    let doubled = call("replace", vec![pattern.clone(), text("\\"), text("\\\\")]);
    *pattern = call("replace", vec![doubled, text(character), text("\\")]);
    *escape = None;
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let plain = |one: &'_ FunctionArg| matches!(one, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !list.args.iter().all(plain) {
        return Vec::new();
    }
    let expression = |one| match one {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expression)) => Some(expression),
        _ => None,
    };
    list.args.iter().filter_map(expression).collect()
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::String(_) => true,
        DataType::Custom(name, _) => matches!(last_name(name).as_str(), "text" | "varchar" | "name"),
        _ => false,
    }
}

/// A cast to a type of PostgreSQL.
fn cast(expression: &mut Expr) -> Option<Expr> {
    let Expr::Cast { expr, data_type, .. } = expression else { return None };
    if let Some(kind) = register(data_type) {
        return Some(number_of_object(kind, expr));
    }
    let kind = type_of(&data_type.to_string());
    if let (DataType::Array(_), Some(array)) =
        (&*data_type, literal(expr).and_then(|text| array_literal(text, kind.as_ref())))
    {
        **expr = array;
    }
    if let (true, Some(kind)) = (needs_name(data_type), kind) {
        // A number of an object that is written as a text.
        if is_object_number(&kind)
            && let Some(found) = literal(expr).and_then(|text| text.parse::<i64>().ok())
        {
            return Some(number(found));
        }
        *data_type = sql_type(&kind);
    }
    None
}

/// The number of an object, from its name or its number.
fn number_of_object(kind: Kind, operand: &Expr) -> Expr {
    match operand {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(name) if name.parse::<i64>().is_ok() => number(name),
            Value::SingleQuotedString(_) => call(kind.number_function(), vec![operand.clone()]),
            Value::Placeholder(_) => {
                let name = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(operand.clone()),
                    data_type: DataType::Text,
                    array: false,
                    format: None,
                };
                call(kind.number_function(), vec![name])
            }
            _ => operand.clone(),
        },
        Expr::Cast { data_type, .. } if is_text(data_type) => call(kind.number_function(), vec![operand.clone()]),
        other => other.clone(),
    }
}

/// Is it a type that the planner does not know by its name?
fn needs_name(kind: &DataType) -> bool {
    match kind {
        DataType::Custom(..) | DataType::JSON | DataType::JSONB | DataType::Uuid => true,
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => needs_name(item),
        _ => false,
    }
}

/// The planner's name of a type.
fn sql_type(kind: &Type) -> DataType {
    fn of(kind: &ArrowType) -> DataType {
        match kind {
            ArrowType::Boolean => DataType::Boolean,
            ArrowType::Int16 => DataType::SmallInt(None),
            ArrowType::Int32 => DataType::Int(None),
            ArrowType::Int64 => DataType::BigInt(None),
            ArrowType::Float32 => DataType::Real,
            ArrowType::Float64 => DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
            ArrowType::Binary => DataType::Bytea,
            ArrowType::Date32 => DataType::Date,
            ArrowType::Timestamp(_, None) => DataType::Timestamp(None, TimezoneInfo::None),
            ArrowType::Timestamp(_, Some(_)) => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
            ArrowType::List(item) => {
                DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(of(item.data_type())), None))
            }
            _ => DataType::Text,
        }
    }
    of(&arrow_type(kind))
}

/// `ARRAY(SELECT x FROM ... ORDER BY y)` as a subquery with one row.
fn array_of_rows(query: &Query) -> Option<Expr> {
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let [SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    *column = call("array_agg", vec![column.clone()]);
    query.order_by = None;
    Some(Expr::Subquery(Box::new(query)))
}

/// Tables that a query names itself: columns of others are of the query around it.
fn own_tables(query: &Query) -> HashSet<String> {
    let mut names = HashSet::new();
    let SetExpr::Select(select) = query.body.as_ref() else { return names };
    let factors = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    for factor in factors {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                names.insert(alias.as_ref().map_or_else(|| last_name(name), |alias| folded(&alias.name)));
            }
            TableFactor::Derived { alias: Some(alias), .. } | TableFactor::Function { alias: Some(alias), .. } => {
                names.insert(folded(&alias.name));
            }
            _ => {}
        }
    }
    names
}

/// The planner accepts a correlated scalar subquery only if it returns at most one row: limits it to the first one.
/// PostgreSQL raises an error for more than one.
fn limit_to_one(query: &mut Query) {
    let own = own_tables(query);
    let outer = any_expression(query, |expression| match expression {
        Expr::CompoundIdentifier(names) => names.first().is_some_and(|name| !own.contains(&folded(name))),
        _ => false,
    });
    if !outer || query.limit_clause.is_some() {
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let [item] = select.projection.as_mut_slice() else { return };
    if empty_tables::aggregates(item) {
        return;
    }
    if let SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. } = item {
        *column = call("first_value", vec![column.clone()]);
        query.order_by = None;
    }
}
