//! Translates DataFusion's errors: with the position in the SQL text and a caret, and the nearest name.

use super::parameter::Parameters;
use crate::catalog::views;
use crate::error::own_error;
use crate::function;
use crate::table::TABLES;
use arrow::error::ArrowError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use syntrace_base::error::{Error, HintReader, near, nearest};

/// Line and column of an error in the SQL text, from 1, and the number of characters that it spans.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    line: usize,
    column: usize,
    length: usize,
}

/// Turns an error of planning or running `text` into a readable one.
pub(crate) fn explain(error: &DataFusionError, text: &str) -> Error {
    if let Some(own) = own_error(error) {
        return own;
    }
    let root = error.find_root();
    let (message, hint, name) = wording(root);
    let place = span(error)
        .or_else(|| parser_place(&message, text))
        .or_else(|| name.as_deref().and_then(|name| find_word(text, name)));
    let message = match (place, suspects(root, text).as_slice()) {
        (Some(place), _) => format!("{}\n{}", strip_place(&message), caret(text, place)),
        (None, []) => message,
        (None, [only]) => format!("{message}\n{}", caret(text, *only)),
        (None, several) => {
            let carets: Vec<String> = several.iter().map(|place| caret(text, *place)).collect();
            format!("{message}\nin one of these places:\n{}", carets.join("\n"))
        }
    };
    let built = match root {
        DataFusionError::Internal(what) if !is_of_types(what) => Error::internal(message),
        _ => Error::user(message).with_sqlstate(sqlstate(root)),
    };
    match hint {
        Some(hint) => hint.added_to(built),
        None => built,
    }
}

/// What to do about an error, with other words for those who have neither options nor the shell's commands.
struct Hint {
    text: String,
    postgres: Option<&'static str>,
    python: Option<&'static str>,
}

impl Hint {
    fn added_to(self, error: Error) -> Error {
        let readers = [(HintReader::Postgres, self.postgres), (HintReader::Python, self.python)];
        readers.into_iter().fold(error.hint(self.text), |error, (reader, text)| match text {
            Some(text) => error.hint_for(reader, text),
            None => error,
        })
    }
}

impl<T: Into<String>> From<T> for Hint {
    fn from(text: T) -> Self {
        Self { text: text.into(), postgres: None, python: None }
    }
}

/// PostgreSQL's code of an error's kind (its manual, appendix A).
fn sqlstate(root: &DataFusionError) -> &'static str {
    match root {
        DataFusionError::SQL(..) => "42601",
        DataFusionError::NotImplemented(_) => "0A000",
        DataFusionError::ResourcesExhausted(_) => "53200",
        DataFusionError::Execution(_) => "22023",
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { .. } => "42703",
            SchemaError::AmbiguousReference { .. } => "42702",
            _ => "42000",
        },
        DataFusionError::Plan(what) if quoted_after(what, "Invalid function '").is_some() => "42883",
        DataFusionError::Plan(what) if what.contains("No function matches the given name") => "42883",
        DataFusionError::Plan(what) if what.contains("table '") && what.contains("not found") => "42P01",
        DataFusionError::ArrowError(fault, _) => match fault.as_ref() {
            ArrowError::DivideByZero => "22012",
            ArrowError::ArithmeticOverflow(_) | ArrowError::InvalidArgumentError(_) => "22003",
            ArrowError::CastError(_) | ArrowError::ParseError(_) => "22P02",
            _ => "22000",
        },
        _ => "42000",
    }
}

/// Most candidate expressions that an error lists.
const SUSPECTS_MAX: usize = 3;

/// Expressions that may have caused an error in a value: DataFusion does not say which operator failed.
fn suspects(root: &DataFusionError, text: &str) -> Vec<Place> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location() else { return Vec::new() };
    let quoted = |what: &str| quoted_after(what, "'");
    let is_cast = |token: &Token| match token {
        Token::DoubleColon => true,
        Token::Word(word) => matches!(word.keyword, Keyword::CAST | Keyword::CONVERT),
        _ => false,
    };
    let places = |wanted: &dyn Fn(&Token) -> bool| -> Vec<Place> {
        let found = tokens.iter().filter(|token| wanted(&token.token));
        let place = |token: &TokenWithSpan| Place {
            line: token.span.start.line as usize,
            column: token.span.start.column as usize,
            length: token.token.to_string().chars().count().max(1),
        };
        found.map(place).filter(|place| place.line > 0 && place.column > 0).collect()
    };
    let called = || {
        let names: Vec<Token> = tokens
            .windows(2)
            .filter(|pair| pair[1].token == Token::LParen)
            .map(|pair| pair[0].token.clone())
            .filter(|token| matches!(token, Token::Word(_)))
            .collect();
        let said = root.to_string().to_lowercase();
        let meant = |token: &Token| said.contains(&token.to_string().to_lowercase());
        let found = places(&|token| names.contains(token) && meant(token));
        if found.is_empty() { places(&|token| names.contains(token)) } else { found }
    };
    let is_word = |token: &Token, wanted: Keyword| matches!(token, Token::Word(word) if word.keyword == wanted);
    if regex_fault(root).is_some() {
        let is_match = |token: &Token| {
            use Token::{ExclamationMarkTilde, ExclamationMarkTildeAsterisk, Tilde, TildeAsterisk};
            matches!(token, Tilde | TildeAsterisk | ExclamationMarkTilde | ExclamationMarkTildeAsterisk)
        };
        return few(Some(places(&is_match)).filter(|found| !found.is_empty()).unwrap_or_else(called));
    }
    let fault = match root {
        DataFusionError::Execution(what) if what.contains("calar subquery returned more than one row") => {
            // All but the query's own.
            return few(places(&|token| is_word(token, Keyword::SELECT)).into_iter().skip(1).collect());
        }
        DataFusionError::Execution(_) => return few(called()),
        DataFusionError::Plan(what) if what.contains("LIMIT") || what.contains("OFFSET") => {
            return few(places(&|token| is_word(token, Keyword::LIMIT) || is_word(token, Keyword::OFFSET)));
        }
        DataFusionError::ArrowError(fault, _) => fault,
        _ => return Vec::new(),
    };
    let found = match fault.as_ref() {
        ArrowError::ParseError(what) if what.contains("interval") => places(&|token| is_word(token, Keyword::INTERVAL)),
        ArrowError::DivideByZero => places(&|token| matches!(token, Token::Div | Token::Mod | Token::DuckIntDiv)),
        ArrowError::ArithmeticOverflow(_) => places(&|token| matches!(token, Token::Plus | Token::Minus | Token::Mul)),
        ArrowError::CastError(what) | ArrowError::ParseError(what) => {
            let value = quoted(what);
            let literal =
                places(&|token| matches!(token, Token::SingleQuotedString(found) if value.as_ref() == Some(found)));
            if literal.is_empty() { places(&is_cast) } else { literal }
        }
        ArrowError::InvalidArgumentError(what) if what.contains("Decimal") => places(&is_cast),
        _ => called(),
    };
    few(found)
}

fn few(places: Vec<Place>) -> Vec<Place> {
    if places.len() > SUSPECTS_MAX { Vec::new() } else { places }
}

/// The reason if the error is an invalid regular expression: the last line of its message.
fn regex_fault(root: &DataFusionError) -> Option<String> {
    let text = root.to_string();
    let (_, why) = text.rsplit_once("error: ").filter(|_| text.contains("regex parse error"))?;
    Some(why.trim().to_owned())
}

/// Is an error that DataFusion reports as internal in fact a type error of the statement?
fn is_of_types(what: &str) -> bool {
    what.starts_with("Failed to coerce types")
}

/// Message, hint, and the name in question.
fn wording(root: &DataFusionError) -> (String, Option<Hint>, Option<String>) {
    if let DataFusionError::NotImplemented(what) | DataFusionError::Plan(what) = root
        && let Some((message, hint)) = subquery_wording(what)
    {
        return (message.to_owned(), Some(hint.into()), None);
    }
    if let DataFusionError::Plan(what) = root
        && what.contains("does not satisfy order requirements")
    {
        let hint = "compute the key first: FROM (SELECT *, length(x) > 4 AS key FROM t) AS t, and PARTITION BY or ORDER BY key";
        let message = "a window or an ordered aggregate over a comparison of computed values is not supported";
        return (message.to_owned(), Some(hint.into()), None);
    }
    if let Some(why) = regex_fault(root) {
        let hint = r"`\(`, `\[` and `\.` are the characters themselves".into();
        return (format!("this is no regular expression: {why}"), Some(hint), None);
    }
    match root {
        DataFusionError::SchemaError(schema, _) => schema_wording(schema),
        DataFusionError::SQL(parser, _) => (plain(&parser.to_string()), None, None),
        DataFusionError::ResourcesExhausted(what) => (
            format!("the query needs more memory than it may use: {}", plain(what)),
            Some(Hint {
                text: "raise --memory, or ask for fewer rows or columns".to_owned(),
                postgres: Some("ask for fewer rows or columns, or of a server that was started with more --memory"),
                python: Some("raise `memory_mib` of `syntrace.open`, or ask for fewer rows or columns"),
            }),
            None,
        ),
        DataFusionError::Plan(what) => match quoted_after(what, "table '") {
            Some(name) if what.contains("not found") => {
                let name = name.rsplit('.').next().unwrap_or(&name).to_owned();
                let known: Vec<&str> = table_names();
                (
                    format!("there is no table or view `{name}`"),
                    Some(match nearest(&name, &known) {
                        Some(near) => format!("did you mean `{near}`?").into(),
                        None => Hint {
                            text: "`.tables` lists all".to_owned(),
                            postgres: Some(
                                "`\\d` in psql and `SELECT table_name FROM information_schema.tables` list all",
                            ),
                            python: Some("`tables` of the study lists all"),
                        },
                    }),
                    Some(name),
                )
            }
            _ => plan_wording(what),
        },
        DataFusionError::ArrowError(fault, _) if fault.to_string().contains("non UTF-8") => (
            "these bytes are no text".to_owned(),
            Some("for bytes: hexdump(data), encode(data, 'hex'), octet_length(data), data = '\\x4500'::bytea".into()),
            None,
        ),
        DataFusionError::ArrowError(fault, _) => {
            (plain(&root.strip_backtrace()), value_hint(fault).map(Hint::from), None)
        }
        DataFusionError::Internal(what) if is_of_types(what) => (plain(what), None, None),
        // The rest of the message is the parser's internal representation.
        DataFusionError::NotImplemented(what) if what.contains(" { ") => {
            let named = what.split(['(', '{']).next().unwrap_or(what);
            (format!("not supported: {}", plain(named)), None, None)
        }
        other => (plain(&other.strip_backtrace()), None, None),
    }
}

/// Message and hint for a subquery that DataFusion cannot turn into a join: its message names internal types.
fn subquery_wording(what: &str) -> Option<(&'static str, &'static str)> {
    if what.contains("Too many columns! The subquery should only return one column") {
        return Some((
            "IN over several columns is not supported",
            "write it as EXISTS (SELECT 1 FROM ... WHERE x = a AND y = b), or NOT EXISTS where nothing may be NULL",
        ));
    }
    if what.starts_with("In/Exist/SetComparison subquery") || what.starts_with("Correlated scalar subquery") {
        return Some(("a subquery is not supported here", "compute it as a column of a query in FROM first"));
    }
    let expression = what.strip_prefix("Physical plan does not support logical expression ")?;
    let kinds = ["InSubquery", "Exists", "SetComparison", "ScalarSubquery", "OuterReferenceColumn"];
    kinds.iter().any(|kind| expression.starts_with(kind)).then_some((
        "a subquery in this position is not supported",
        "join it: FROM o LEFT JOIN i ON ..., or compute it as a column of a query in FROM first",
    ))
}

/// What to do about a value that an operation cannot take.
fn value_hint(fault: &ArrowError) -> Option<&'static str> {
    let hint = match fault {
        ArrowError::DivideByZero => "x / nullif(y, 0) is NULL where y is 0",
        ArrowError::ArithmeticOverflow(_) => {
            "compute with a larger type: CAST(... AS BIGINT), CAST(... AS NUMERIC(38, 0)) or CAST(... AS DOUBLE)"
        }
        ArrowError::InvalidArgumentError(what) if what.contains("Decimal") => "cast to more digits: NUMERIC(38, 9)",
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            "TRY_CAST(... AS ...) is NULL where a value does not fit"
        }
        _ => return None,
    };
    Some(hint)
}

/// Errors that can be told apart only by DataFusion's message text.
fn plan_wording(what: &str) -> (String, Option<Hint>, Option<String>) {
    if let Some(name) = quoted_after(what, "Invalid function '") {
        let near = quoted_after(what, "Did you mean '");
        let known: Vec<&str> = function::NAMES.iter().copied().chain(near.as_deref()).collect();
        let hint = Some(near_hint(&name, &known, "`SHOW FUNCTIONS` lists all").into());
        return (format!("there is no function `{name}`"), hint, Some(name));
    }
    if let Some(call) = quoted_after(what, "No function matches the given name and argument types '") {
        let candidates = what.split_once("Candidate functions:").map(|(_, list)| {
            let list: Vec<&str> = list.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            format!("it takes: {}", list.join(", ")).into()
        });
        let name = call.split('(').next().map(str::to_owned);
        return (format!("no function takes `{call}`"), candidates, name);
    }
    if what.starts_with("Projections require unique expression names") {
        let name = what.split('"').nth(1).and_then(|text| text.rsplit('.').next()).unwrap_or_default();
        let is_plain = name.chars().all(|character| character.is_alphanumeric() || character == '_');
        let called = if is_plain { format!(" `{name}`") } else { " alike".to_owned() };
        let hint = "give one of them another name: SELECT x AS first, y AS second".into();
        return (format!("two columns of an answer are called{called}"), Some(hint), None);
    }
    (plain(what), None, None)
}

/// `did you mean ...`, or something else where no name is near.
fn near_hint(name: &str, known: &[&str], otherwise: &str) -> String {
    nearest(name, known).map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
}

fn schema_wording(schema: &SchemaError) -> (String, Option<Hint>, Option<String>) {
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = valid_fields.iter().map(|field| field.name.as_str()).collect();
            let fallback = match known.is_empty() {
                true => "name the table that has it: SELECT ... FROM ...".to_owned(),
                false => format!("columns here: {}", known.join(", ")),
            };
            let hint = Some(near_hint(&field.name, &known, &fallback).into());
            (format!("there is no column `{}` here", field.name), hint, Some(field.name.clone()))
        }
        SchemaError::AmbiguousReference { field } => (
            format!("column `{}` is in more than one of the tables", field.name),
            Some(format!("name the table: `some_table.{}`", field.name).into()),
            Some(field.name.clone()),
        ),
        other => (plain(&other.to_string()), None, None),
    }
}

/// All names that may follow FROM.
fn table_names() -> Vec<&'static str> {
    TABLES.iter().map(|table| table.name).chain(views().into_iter().map(|view| view.name)).collect()
}

/// The name of the first parameter without a value.
pub(crate) fn unbound_parameter(plan: &LogicalPlan, given: &Parameters) -> datafusion::common::Result<Option<String>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::Placeholder(placeholder) = expression {
                    let name = placeholder.id.trim_start_matches('$');
                    if !given.contains_key(name) {
                        found = Some(name.to_owned());
                        return Ok(TreeNodeRecursion::Stop);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// The error for a parameter without a value.
pub(crate) fn unbound(name: &str, given: &[&str]) -> Error {
    let error = Error::user(format!("parameter `${name}` has no value"));
    match given.iter().find(|candidate| near(name, candidate)) {
        Some(candidate) => error.hint(format!("did you mean `{name}=...` instead of `{candidate}=...`?")),
        None => error
            .hint(format!("give it one: -v {name}=VALUE, in the shell `.set {name}=VALUE`"))
            .hint_for(HintReader::Python, format!("give it one: `sql(statement, {name}=value)`")),
    }
}

/// First line without DataFusion's prefixes and full stop.
fn plain(message: &str) -> String {
    let message = message.split("\n\nbacktrace").next().unwrap_or(message);
    let prefixes = [
        "Error during planning: ",
        "SQL error: ",
        "sql parser error: ",
        "Schema error: ",
        "Execution error: ",
        "Arrow error: ",
        "Arithmetic overflow: ",
        "Cast error: ",
        "Compute error: ",
        "Invalid argument error: ",
        "Parser error: ",
    ];
    let mut text = message.trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let text = text.trim_end_matches('.');
    let mut characters = text.chars();
    match characters.next() {
        // A word of capitals stays one.
        Some(first) if characters.clone().next().is_some_and(char::is_uppercase) => {
            std::iter::once(first).chain(characters).collect()
        }
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

fn quoted_after(text: &str, start: &str) -> Option<String> {
    let rest = text.split_once(start)?.1;
    rest.split_once('\'').map(|(name, _)| name.to_owned())
}

fn span(error: &DataFusionError) -> Option<Place> {
    let span = error.diagnostic()?.span?;
    if span.start.line == 0 || span.start.column == 0 {
        return None;
    }
    let on_one_line = span.end.line == span.start.line && span.end.column > span.start.column;
    let length = if on_one_line { span.end.column - span.start.column } else { 1 };
    Some(Place { line: span.start.line as usize, column: span.start.column as usize, length: length as usize })
}

/// The parser's `at Line: 1, Column: 8`, or the end of the text if the parser found it unexpectedly.
fn parser_place(message: &str, text: &str) -> Option<Place> {
    if message.ends_with("found: EOF") {
        let line = text.lines().count().max(1);
        let column = text.lines().last().map_or(0, |last| last.chars().count()) + 1;
        return Some(Place { line, column, length: 1 });
    }
    let rest = message.split_once("Line: ")?.1;
    let (line, rest) = rest.split_once(", Column: ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let found = message.split_once("found: ").and_then(|(_, rest)| rest.split_once(" at ")).map(|(found, _)| found);
    let length = found.map_or(1, |found| found.chars().count().max(1));
    Some(Place { line: line.parse().ok()?, column: digits.parse().ok()?, length })
}

fn strip_place(message: &str) -> &str {
    message.split_once(" at Line: ").map_or(message, |(before, _)| before)
}

fn find_word(text: &str, word: &str) -> Option<Place> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_ascii_lowercase();
        for (offset, _) in lower.match_indices(&word.to_ascii_lowercase()) {
            let before = lower[..offset].chars().next_back().is_none_or(|character| !is_part(character));
            let after = lower[offset + word.len()..].chars().next().is_none_or(|character| !is_part(character));
            if before && after {
                let column = lower[..offset].chars().count() + 1;
                return Some(Place { line: number + 1, column, length: word.chars().count() });
            }
        }
    }
    None
}

/// The line of the error with a caret under it.
fn caret(text: &str, place: Place) -> String {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    let margin = format!("  {} | ", place.line);
    // Tabs are kept, so that the caret is aligned with the text in the terminal.
    let blank = |character: char| if character == '\t' { '\t' } else { ' ' };
    let indent: String = line.chars().take(place.column - 1).map(blank).collect();
    let left = line.chars().count().saturating_sub(place.column - 1).max(1);
    format!("{margin}{line}\n{}{indent}{}", " ".repeat(margin.len()), "^".repeat(place.length.min(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_fault() {
        let text = "SELECT a,\n\tb FROM t";
        let place = find_word(text, "B").unwrap();
        assert_eq!(place, Place { line: 2, column: 2, length: 1 });
        assert_eq!(caret(text, place), "  2 | \tb FROM t\n      \t^");
    }
}
