//! SQL text before it is planned: splitting, what is allowed, parameter values.

use super::nesting_limits::require_few_tables;
use super::walk::{any_expression, each_expression, each_expression_mut, walk_mut};
use crate::correctness::require_exact;
use datafusion::scalar::ScalarValue;
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

/// Where a character of SQL text is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Code,
    Quoted(char),
    LineComment,
    BlockComment,
}

/// Cuts text at the semicolons that are in no string and no comment; each statement comes with the
/// comments before it, without its semicolon. Pieces of comments and blanks only are left out.
pub fn split_statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut place = Place::Code;
    let mut start = 0;
    let mut has_code = false;
    let mut characters = text.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        place = match (place, character) {
            (Place::Code, ';') => {
                if has_code {
                    statements.push(text[start..offset].trim());
                }
                (start, has_code) = (offset + 1, false);
                Place::Code
            }
            (Place::Code, '-') if next == Some('-') => Place::LineComment,
            (Place::Code, '/') if next == Some('*') => Place::BlockComment,
            (Place::Code, quote @ ('\'' | '"')) => Place::Quoted(quote),
            (Place::Code, '$') => {
                let end = dollar_quoted(&text[offset..]).map_or(0, |length| offset + length);
                while characters.next_if(|(offset, _)| *offset < end).is_some() {}
                Place::Code
            }
            (Place::Quoted(quote), found) if found == quote => Place::Code,
            (Place::LineComment, '\n') => Place::Code,
            (Place::BlockComment, '*') if next == Some('/') => {
                characters.next();
                place = Place::Code;
                // Its last star is no code.
                continue;
            }
            (place, _) => place,
        };
        has_code |=
            matches!(place, Place::Code | Place::Quoted(_)) && !character.is_whitespace() && !";/".contains(character);
    }
    if has_code {
        statements.push(text[start..].trim());
    }
    statements
}

/// Bytes of a dollar-quoted string (`$$a;b$$`, `$tag$...$tag$`) at the start of a text, to its end where it is not
/// closed; `None` for a parameter (`$name`).
fn dollar_quoted(text: &str) -> Option<usize> {
    let (tag, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_tag = tag.chars().all(|character| character.is_alphanumeric() || character == '_')
        && !tag.starts_with(|first: char| first.is_ascii_digit());
    let mark = text.get(..tag.len() + 2).filter(|_| is_tag)?;
    let body = &text[mark.len()..];
    Some(body.find(mark).map_or(text.len(), |end| end + 2 * mark.len()))
}

/// True if text ends inside a statement (no closing semicolon): the shell then reads another line.
pub fn is_complete(text: &str) -> bool {
    let marked = format!("{text}\u{0}");
    split_statements(&marked).last().is_none_or(|last| last.trim_matches('\u{0}').trim().is_empty())
}

/// PostgreSQL lets columns of an answer share a name (`SELECT NULL, NULL`); here each has its own, in subqueries too.
fn name_apart(statement: &mut Statement) {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            name_apart_in(select);
            ControlFlow::Continue(())
        }
    }
    if let Some(statement) = inner(statement) {
        let _ = walk_mut(statement, &mut Selects);
    }
}

fn name_apart_in(select: &mut Select) {
    let mut seen = HashSet::new();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expression) = item else { continue };
        // A cast has the name of what it casts.
        let mut named = &*expression;
        while let Expr::Cast { expr, .. } | Expr::Nested(expr) = named {
            named = expr;
        }
        // Nor has it the text of a subquery.
        let name = match named {
            Expr::Exists { negated, .. } => if *negated { "NOT EXISTS" } else { "EXISTS" }.to_owned(),
            Expr::InSubquery { expr, negated, .. } => format!("{expr} {}IN", if *negated { "NOT " } else { "" }),
            Expr::Position { expr, r#in } => format!("strpos({}, {expr})", r#in),
            named => named.to_string(),
        };
        if seen.insert(name.clone()) {
            continue;
        }
        let number = (2..).find(|number| seen.insert(format!("{name}_{number}"))).unwrap_or(2);
        let alias = Ident::with_quote('"', format!("{name}_{number}"));
        *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
    }
}

/// `x = ANY(ARRAY[...])` is `x IN (...)`, whose answer is NULL where a NULL decides; DataFusion's is false there. Of a list
/// that is a column, NULL is added where it holds one: `array_has(list, x) OR CASE WHEN list has NULL THEN NULL ELSE false END`.
fn list_any(statement: &mut Statement) {
    let Some(statement) = inner(statement) else { return };
    let _ = each_expression_mut(statement, |part| {
        if let Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } = part {
            match right.as_ref() {
                Expr::Array(array) if !array.elem.is_empty() => {
                    *part = Expr::InList { expr: left.clone(), list: array.elem.clone(), negated: false };
                }
                // A parameter's type is read from its one place.
                Expr::Subquery(_) | Expr::Value(_) => {}
                list => *part = any_of(left, list),
            }
        }
        ControlFlow::Continue(())
    });
}

fn any_of(value: &Expr, list: &Expr) -> Expr {
    let null = || Expr::value(Value::Null);
    let has_null = Expr::IsNotNull(Box::new(call("array_position", vec![list.clone(), null()])));
    let unknown = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: has_null, result: null() }],
        else_result: Some(Box::new(Expr::value(Value::Boolean(false)))),
    };
    let found = call("array_has", vec![list.clone(), value.clone()]);
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(found), op: BinaryOperator::Or, right: Box::new(unknown) }))
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
        let mut named = &*expression;
        while let Expr::Cast { expr, .. } | Expr::Nested(expr) = named {
            named = expr;
        }
        let Some(name) = column_name(named).cloned() else { continue };
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

/// The name of an item that is a column or has a name of its own.
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

/// A statement that may be planned: it only reads, its `bytea` literals are bytes and its columns have names of
/// their own.
pub(crate) fn admitted(mut statement: Statement) -> Result<Statement> {
    with_select(&mut statement);
    require_few_tables(&statement)?;
    require_reading(&statement)?;
    require_plain_distinct_from(&mut statement)?;
    if let Some(statement) = inner(&mut statement) {
        require_exact(statement)?;
    }
    read_bytes(&mut statement)?;
    read_decimals(&mut statement);
    list_any(&mut statement);
    keep_casts_apart(&mut statement);
    name_casts(&mut statement);
    name_apart(&mut statement);
    Ok(statement)
}

/// Refuses `a IS DISTINCT FROM b AND c` without parentheses: sqlparser (0.62) takes all that follows for the right side,
/// `a IS DISTINCT FROM (b AND c)`, where PostgreSQL and DuckDB take `b` alone.
fn require_plain_distinct_from(statement: &mut Statement) -> Result<()> {
    let Some(statement) = inner(statement) else { return Ok(()) };
    let is_swallowed = |expression: &Expr| match expression {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            matches!(right.as_ref(), Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
        }
        _ => false,
    };
    if any_expression(statement, is_swallowed) {
        return Err(Error::user("expected parentheses around IS DISTINCT FROM beside AND or OR".to_owned())
            .hint("write (a IS DISTINCT FROM b) AND c: without them, what follows is read as a part of b"));
    }
    Ok(())
}

/// The statement of SQL in one of DataFusion's, `EXPLAIN` left out.
fn inner(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Explain(explain) => inner(&mut explain.statement),
        Statement::Statement(statement) => Some(statement.as_mut()),
        _ => None,
    }
}

/// Reads `FROM t` as `SELECT * FROM t`, as DuckDB does; DataFusion gives rows without columns.
fn with_select(statement: &mut Statement) {
    struct All;
    impl VisitorMut for All {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            if select.flavor == SelectFlavor::FromFirstNoSelect {
                select.flavor = SelectFlavor::Standard;
                select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
            }
            ControlFlow::Continue(())
        }
    }
    if let Some(statement) = inner(statement) {
        let _ = walk_mut(statement, &mut All);
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

/// Gives `avg(x)` and `avg(x::double)` names of their own: DataFusion calls both `avg(x)` and refuses a query that has
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
            // Each by a number of its own.
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

/// Refuses everything but reading.
fn require_reading(statement: &Statement) -> Result<()> {
    let what = match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            SqlStatement::Query(query) if query.to_string().contains(" INTO ") => return require_no_into(statement),
            SqlStatement::Query(_)
            | SqlStatement::ExplainTable { .. }
            | SqlStatement::ShowTables { .. }
            | SqlStatement::ShowColumns { .. }
            | SqlStatement::ShowFunctions { .. }
            | SqlStatement::ShowVariable { .. } => return Ok(()),
            SqlStatement::Explain { statement, .. } => {
                return require_reading(&Statement::Statement(statement.clone()));
            }
            other => first_words(&other.to_string()),
        },
        Statement::Explain(explain) => return require_reading(&explain.statement),
        Statement::CreateExternalTable(_) => "CREATE EXTERNAL TABLE".to_owned(),
        Statement::CopyTo(_) => "COPY".to_owned(),
        Statement::Reset(_) => "RESET".to_owned(),
    };
    Err(refusal(&what))
}

fn require_no_into(statement: &SqlStatement) -> Result<()> {
    match statement {
        SqlStatement::Query(query) => match query.body.as_ref() {
            SetExpr::Select(select) if select.into.is_some() => Err(refusal("SELECT INTO")),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn refusal(what: &str) -> Error {
    Error::user(format!("SQL here only reads, found `{what}`")).with_sqlstate("25006").hint(
        "SELECT, WITH, EXPLAIN, DESCRIBE and SHOW work; to keep a result, use --format csv|parquet|... and redirect it",
    )
}

fn first_words(statement: &str) -> String {
    statement.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Reads `name=value`: an integer, a number, `true`, `false`, `null`, or text (quoted or not).
pub fn parse_parameter(text: &str) -> Result<(String, ScalarValue)> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Error::user(format!("expected `name=value`, found `{text}`")).hint("for example -v class=windows"));
    };
    let name = name.trim().trim_start_matches('$');
    if name.is_empty() || !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
        return Err(Error::user(format!("expected a parameter name of letters, digits and `_`, found `{name}`")));
    }
    Ok((name.to_owned(), parse_value(value.trim())))
}

/// A parameter's value from its text.
pub(crate) fn parse_value(text: &str) -> ScalarValue {
    let quoted = |quote: char| text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote);
    if quoted('\'') || quoted('"') {
        return ScalarValue::Utf8(Some(text[1..text.len() - 1].replace("''", "'")));
    }
    if text.eq_ignore_ascii_case("null") {
        return ScalarValue::Null;
    }
    if let Ok(value) = text.parse::<i64>() {
        return ScalarValue::Int64(Some(value));
    }
    let looks_numeric = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    if looks_numeric && let Ok(value) = text.parse::<f64>() {
        return ScalarValue::Float64(Some(value));
    }
    match text.to_ascii_lowercase().as_str() {
        "true" => ScalarValue::Boolean(Some(true)),
        "false" => ScalarValue::Boolean(Some(false)),
        _ => ScalarValue::Utf8(Some(text.to_owned())),
    }
}

/// Values of `$name` parameters.
pub type Parameters = HashMap<String, ScalarValue>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_strings_and_comments_do_not_split() {
        let text = "-- a; b\nSELECT ';' AS x; /* ; */ SELECT \"a;b\" -- end;\n;\n-- only a comment;\n";
        let found = split_statements(text);
        assert_eq!(found, vec!["-- a; b\nSELECT ';' AS x", "/* ; */ SELECT \"a;b\" -- end;"]);
    }

    #[test]
    fn a_comment_alone_is_no_statement() {
        assert_eq!(split_statements("SELECT 1; /* c */"), ["SELECT 1"]);
        assert_eq!(split_statements("/* a */ SELECT 1; -- x\n/* b\n*/"), ["/* a */ SELECT 1"]);
    }

    #[test]
    fn semicolons_in_dollar_quoted_strings_do_not_split() {
        let found = split_statements("SELECT $$a;b$$ AS x; SELECT $t$;$$;$t$; SELECT $a + $b; SELECT $a");
        assert_eq!(found, vec!["SELECT $$a;b$$ AS x", "SELECT $t$;$$;$t$", "SELECT $a + $b", "SELECT $a"]);
        assert!(!is_complete("SELECT $$a;"));
        assert!(is_complete("SELECT $$a;$$;"));
    }

    #[test]
    fn a_statement_is_complete_at_its_semicolon_only() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("  \n"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT 1; SELECT 2"));
    }

    #[test]
    fn columns_of_one_name_are_named_apart() {
        let statement = admitted(crate::sql::parse::parse("SELECT NULL, NULL::int, 1 AS a, NULL").unwrap()).unwrap();
        assert_eq!(statement.to_string(), "SELECT NULL, NULL::INT AS \"NULL_2\", 1 AS a, NULL AS \"NULL_3\"");
    }

    #[test]
    fn a_query_may_begin_with_from_and_end_there() {
        for (text, read) in [("FROM t", "SELECT * FROM t"), ("SELECT 1 IN (FROM u)", "SELECT 1 IN (SELECT * FROM u)")] {
            let statement = admitted(crate::sql::parse::parse(text).unwrap()).unwrap();
            assert_eq!(statement.to_string(), read);
        }
    }

    #[test]
    fn calls_that_differ_in_casts_alone_are_named_apart() {
        let admitted = |text: &str| admitted(crate::sql::parse::parse(text).unwrap()).unwrap().to_string();
        let found = admitted("SELECT avg(x), avg(x::real) AS b FROM t HAVING avg(x::real) > 1");
        assert_eq!(found, "SELECT avg(x), avg(coalesce(x::REAL)) AS b FROM t HAVING avg(coalesce(x::REAL)) > 1");
        let alone = "SELECT avg(x::REAL), avg(x::REAL) + 1 FROM t";
        assert_eq!(admitted(alone), alone);
    }

    #[test]
    fn bytea_literals_are_pairs_of_hex_digits() {
        let admitted = |text: &str| Ok::<_, Error>(admitted(crate::sql::parse::parse(text)?)?.to_string());
        let found = admitted(r"SELECT '\x45aF'::bytea, CAST('\x' AS BYTEA), 'ab'::bytea, '\x45'").unwrap();
        assert_eq!(found, r"SELECT X'45aF', X'', 'ab'::BYTEA, '\x45'");
        assert_eq!(admitted(r"EXPLAIN SELECT '\x00'::bytea").unwrap(), "EXPLAIN SELECT X'00'");
        for wrong in [r"'\x4'", r"'\x4g'", r"'\000'", r"'a\x00'"] {
            let error = admitted(&format!("SELECT 1 WHERE data = {wrong}::bytea")).unwrap_err().to_string();
            assert!(error.contains("pairs of hex digits"), "{error}");
        }
    }

    #[test]
    fn parameter_values_get_the_type_that_they_look_like() {
        assert_eq!(parse_parameter("n=10").unwrap().1, ScalarValue::Int64(Some(10)));
        assert_eq!(parse_parameter("epsilon=0.5").unwrap().1, ScalarValue::Float64(Some(0.5)));
        assert_eq!(parse_parameter("class='10'").unwrap().1, ScalarValue::Utf8(Some("10".to_owned())));
        assert_eq!(parse_parameter("class=nan").unwrap().1, ScalarValue::Utf8(Some("nan".to_owned())));
        assert_eq!(parse_parameter("epsilon=NULL").unwrap().1, ScalarValue::Null);
        assert!(parse_parameter("class").is_err());
        assert!(parse_parameter("a b=1").is_err());
    }
}
