//! What a statement says otherwise to DataFusion than to PostgreSQL, written so that both mean the same: names of columns,
//! numbers, bytes, lists.

use super::walk::{any_expression, each_expression, each_expression_mut, each_select_mut, walk_mut};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr,
    Statement as SqlStatement, UnaryOperator, Value, VisitorMut, WildcardAdditionalOptions,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use syntrace_base::error::{Error, Result};

/// Rewrites a statement.
///
/// # Errors
/// `bytea` literals that are no pairs of hex digits.
pub(super) fn rewrite(statement: &mut Statement) -> Result<()> {
    read_bytes(statement)?;
    read_decimals(statement);
    list_any(statement);
    keep_casts_apart(statement);
    name_casts(statement);
    name_apart(statement);
    Ok(())
}

/// Reads `FROM t` as `SELECT * FROM t`, as DuckDB does; DataFusion gives rows without columns.
pub(super) fn with_select(statement: &mut Statement) {
    let Some(statement) = inner(statement) else { return };
    each_select_mut(statement, |select| {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::Standard;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
    });
}

/// PostgreSQL lets columns of an answer share a name (`SELECT NULL, NULL`); here each has its own, in subqueries too.
fn name_apart(statement: &mut Statement) {
    if let Some(statement) = inner(statement) {
        each_select_mut(statement, name_apart_in);
    }
}

fn name_apart_in(select: &mut Select) {
    // Numbers that no name of the query's own has.
    let mut taken: HashSet<String> =
        select.projection.iter().filter_map(plain_name).map(|own| own.value.clone()).collect();
    let has_one_table = select.from.len() == 1 && select.from.iter().all(|table| table.joins.is_empty());
    let mut seen: HashSet<String> = HashSet::new();
    // Columns that were named with their table, and without it: of one table they are the same.
    let (mut with_table, mut without_table) = (HashSet::new(), HashSet::new());
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expression) = item else { continue };
        let name = answer_name(expression);
        let mut is_seen = !seen.insert(name.clone());
        if let Some(column) = column_name(without_cast(expression)).filter(|_| has_one_table) {
            let (own, other) = match without_cast(expression) {
                Expr::Identifier(_) => (&mut without_table, &with_table),
                _ => (&mut with_table, &without_table),
            };
            is_seen |= other.contains(&column.value);
            own.insert(column.value.clone());
        }
        if is_seen {
            let number = (2..).find(|number| taken.insert(format!("{name}_{number}"))).unwrap_or(2);
            let alias = Ident::with_quote('"', format!("{name}_{number}"));
            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
        }
    }
}

/// What a cast casts: it has that one's name.
fn without_cast(expression: &Expr) -> &Expr {
    match expression {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => without_cast(expr),
        other => other,
    }
}

/// The default name of a result column without an alias; names of columns and functions are in lower case.
fn answer_name(expression: &Expr) -> String {
    // The name leaves out the text of a subquery.
    match without_cast(expression) {
        Expr::Exists { negated, .. } => if *negated { "NOT EXISTS" } else { "EXISTS" }.to_owned(),
        Expr::InSubquery { expr, negated, .. } => format!("{expr} {}IN", if *negated { "NOT " } else { "" }),
        Expr::Position { expr, r#in } => format!("strpos({}, {expr})", r#in),
        Expr::Identifier(name) if name.quote_style.is_none() => name.value.to_lowercase(),
        Expr::Function(function) => {
            let text = function.to_string();
            let (name, arguments) = text.split_at(text.find('(').unwrap_or(text.len()));
            format!("{}{arguments}", name.to_lowercase())
        }
        named => named.to_string(),
    }
}

/// `x = ANY(ARRAY[...])` is `x IN (...)`, whose answer is NULL where a NULL decides; DataFusion's is false there. Of other
/// lists and operators, NULL is added where the list holds one: `x > ANY(list) OR CASE WHEN list has NULL THEN NULL ELSE false
/// END`.
fn list_any(statement: &mut Statement) {
    let Some(statement) = inner(statement) else { return };
    let _ = each_expression_mut(statement, |part| {
        let Expr::AnyOp { left, compare_op, right, .. } = &*part else { return ControlFlow::Continue(()) };
        let rewritten = match right.as_ref() {
            Expr::Array(array) if !array.elem.is_empty() && *compare_op == BinaryOperator::Eq => {
                Expr::InList { expr: left.clone(), list: array.elem.clone(), negated: false }
            }
            // A parameter's type is read from its one place.
            Expr::Subquery(_) | Expr::Value(_) => return ControlFlow::Continue(()),
            list => or_unknown(part, list),
        };
        *part = rewritten;
        ControlFlow::Continue(())
    });
}

/// A comparison with any item of a list, which is unknown where it is false and an item is NULL.
fn or_unknown(any: &Expr, list: &Expr) -> Expr {
    let null = || Expr::value(Value::Null);
    let has_null = Expr::IsNotNull(Box::new(call("array_position", vec![list.clone(), null()])));
    let unknown = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: has_null, result: null() }],
        else_result: Some(Box::new(Expr::value(Value::Boolean(false)))),
    };
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(any.clone()),
        op: BinaryOperator::Or,
        right: Box::new(unknown),
    }))
}

/// A call of a function.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// In an ordered query a cast column is called as in PostgreSQL, by its own name: `SELECT x::text ... ORDER BY x` is
/// ordered by what it shows. DataFusion would add the `x` before the cast, which it calls the same, and refuse both.
fn name_casts(statement: &mut Statement) {
    struct Queries;
    impl VisitorMut for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            name_casts_of(query);
            ControlFlow::Continue(())
        }
    }
    if let Some(statement) = inner(statement) {
        let _ = walk_mut(statement, &mut Queries);
    }
}

fn name_casts_of(query: &mut Query) {
    let (Some(order), SetExpr::Select(select)) = (&query.order_by, query.body.as_mut()) else { return };
    let OrderByKind::Expressions(order) = &order.kind else { return };
    // What the order is by, as a name alone or as part of an expression.
    let named_alone = |name: &Ident| {
        order
            .iter()
            .any(|part| matches!(&part.expr, Expr::Identifier(own) if own.value.eq_ignore_ascii_case(&name.value)))
    };
    let named_within = |name: &Ident| {
        let is_it = |part: &Expr| column_name(part).is_some_and(|own| own.value.eq_ignore_ascii_case(&name.value));
        order.iter().any(|part| any_expression(&part.expr, is_it))
    };
    let mut names: HashSet<String> =
        select.projection.iter().filter_map(plain_name).map(|name| name.value.clone()).collect();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expression @ Expr::Cast { .. }) = item else { continue };
        let Some(name) = column_name(without_cast(expression)).cloned() else { continue };
        let alias = match (named_alone(&name), named_within(&name)) {
            (true, _) => name,
            (false, true) => Ident::with_quote('"', expression.to_string()),
            (false, false) => continue,
        };
        if names.insert(alias.value.clone()) {
            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
        }
    }
}

/// The name of an item that is a column or has an alias.
fn plain_name(item: &SelectItem) -> Option<&Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias),
        SelectItem::UnnamedExpr(expression) => column_name(expression),
        _ => None,
    }
}

fn column_name(expression: &Expr) -> Option<&Ident> {
    match expression {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

/// Reads the number in `12345678901234567890.5::decimal(30, 1)` digit by digit: DataFusion's number is a double, which
/// has 17.
fn read_decimals(statement: &mut Statement) {
    let Some(statement) = inner(statement) else { return };
    let digits = |expression: &Expr| match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) if !digits.contains(['e', 'E']) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    };
    let _ = each_expression_mut(statement, |part| {
        if let Expr::Cast { expr, data_type: DataType::Decimal(_) | DataType::Numeric(_) | DataType::Dec(_), .. } = part
        {
            let written = match expr.as_ref() {
                Expr::UnaryOp { op: UnaryOperator::Minus, expr } => digits(expr).map(|digits| format!("-{digits}")),
                plain => digits(plain),
            };
            if let Some(written) = written {
                **expr = Expr::value(Value::SingleQuotedString(written));
            }
        }
        ControlFlow::Continue(())
    });
}

/// An expression's text without the casts in it: DataFusion's name for it.
fn without_casts(expression: &Expr) -> String {
    let mut expression = expression.clone();
    let _ = each_expression_mut(&mut expression, |part| {
        while let Expr::Cast { expr, .. } = part {
            *part = expr.as_ref().clone();
        }
        ControlFlow::Continue(())
    });
    expression.to_string()
}

/// Gives `avg(x)` and `avg(x::double)` distinct names: DataFusion calls both `avg(x)` and refuses a query that has
/// both. `coalesce` of one argument is that argument, but its name is another.
fn keep_casts_apart(statement: &mut Statement) {
    let Some(statement) = inner(statement) else { return };
    let mut texts: HashMap<String, BTreeSet<String>> = HashMap::new();
    each_expression(statement, |part| {
        if matches!(part, Expr::Function(_)) {
            texts.entry(without_casts(part)).or_default().insert(part.to_string());
        }
    });
    texts.retain(|_, texts| texts.len() > 1);
    if texts.is_empty() {
        return;
    }
    let _ = each_expression_mut(statement, |part| {
        let (bare, text) = (without_casts(part), part.to_string());
        if let Expr::Function(function) = part
            && bare != text
            && let Some(place) = texts
                .get(&bare)
                .and_then(|texts| texts.iter().filter(|known| **known != bare).position(|known| *known == text))
        {
            // Each gets its own number.
            (0..=place).for_each(|_| mark_casts(function));
        }
        ControlFlow::Continue(())
    });
}

fn mark_casts(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument else { continue };
        if without_casts(value) == value.to_string() {
            continue;
        }
        *value = call("coalesce", vec![value.clone()]);
    }
}

/// Reads `'\x4500'::bytea` as pairs of hex digits, as PostgreSQL does (its manual, section 8.4.1); DataFusion
/// takes the characters for the bytes, so that such a value would be equal to nothing. Text without a
/// backslash is its own bytes in both.
fn read_bytes(statement: &mut Statement) -> Result<()> {
    let statement = match statement {
        Statement::Explain(explain) => return read_bytes(&mut explain.statement),
        Statement::Statement(statement) => statement.as_mut(),
        _ => return Ok(()),
    };
    let mut read = Ok(());
    let _ = each_expression_mut(statement, |expression| {
        match bytes_of(expression) {
            Some(Ok(digits)) => *expression = Expr::value(Value::HexStringLiteral(digits)),
            Some(Err(error)) => {
                read = Err(error);
                return ControlFlow::Break(());
            }
            None => {}
        }
        ControlFlow::Continue(())
    });
    read
}

/// The hex digits of a text that is cast to `bytea` and has a backslash.
fn bytes_of(expression: &Expr) -> Option<Result<String>> {
    let Expr::Cast { expr, data_type: DataType::Bytea, .. } = expression else { return None };
    let Expr::Value(value) = expr.as_ref() else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    if !text.contains('\\') {
        return None;
    }
    let digits = text
        .strip_prefix("\\x")
        .filter(|digits| digits.len() % 2 == 0 && digits.chars().all(|character| character.is_ascii_hexdigit()));
    let refused = || Error::user(format!("expected bytes as '\\x' and pairs of hex digits, found '{text}'"));
    Some(digits.map(str::to_owned).ok_or_else(refused))
}

/// The statement of SQL in one of DataFusion's, `EXPLAIN` left out.
pub(super) fn inner(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Explain(explain) => inner(&mut explain.statement),
        Statement::Statement(statement) => Some(statement.as_mut()),
        _ => None,
    }
}
