//! Functions over names and arrays: quoting, splitting, bounds.

use super::{Register, number_at, text_at, utf8};
use arrow::array::Array;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};

pub(super) fn register(register: &Register<'_>) {
    let quote = |values: &[ScalarValue]| utf8(text_at(values, 0).map(|name| quote_identifier(&name)));
    register.add("quote_ident", 1..=1, DataType::Utf8, quote);
    let literal = |values: &[ScalarValue]| utf8(text_at(values, 0).map(|text| quote_literal(&text)));
    register.add("quote_literal", 1..=1, DataType::Utf8, literal);
    let parse = |values: &[ScalarValue]| {
        let names = match text_at(values, 0) {
            Some(text) => identifiers(&text)?,
            None => return Ok(ScalarValue::new_null_list(DataType::Utf8, true, 1)),
        };
        let items: Vec<ScalarValue> = names.into_iter().map(|name| ScalarValue::Utf8(Some(name))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Utf8)))
    };
    register.add("parse_ident", 1..=2, DataType::new_list(DataType::Utf8, true), parse);
    register.add("array_lower", 2..=2, DataType::Int32, |values| bound(values, |_| 1));
    register.add("array_upper", 2..=2, DataType::Int32, |values| bound(values, |length| length));
}

/// A bound of an array, in its first dimension; NULL where the array is empty.
fn bound(values: &[ScalarValue], of: fn(i32) -> i32) -> Result<ScalarValue> {
    let length = match values.first() {
        Some(ScalarValue::List(list)) if list.is_valid(0) => list.value_length(0),
        Some(ScalarValue::LargeList(list)) if list.is_valid(0) => {
            i32::try_from(list.value_length(0)).unwrap_or(i32::MAX)
        }
        Some(value) if value.is_null() => return Ok(ScalarValue::Int32(None)),
        Some(ScalarValue::List(_) | ScalarValue::LargeList(_)) | None => return Ok(ScalarValue::Int32(None)),
        Some(other) => return plan_err!("expected an array, found {}", other.data_type()),
    };
    let is_first = number_at(values, 1) == Some(1);
    Ok(ScalarValue::Int32((is_first && length > 0).then(|| of(length))))
}

/// A name as SQL has it: in quotes where it is not plain lower case, or is a word of SQL.
pub(crate) fn quote_identifier(name: &str) -> String {
    use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS};
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_');
    let upper = name.to_ascii_uppercase();
    let at = ALL_KEYWORDS.binary_search(&upper.as_str()).ok();
    let is_word = at.is_some_and(|at| RESERVED_FOR_COLUMN_ALIAS.contains(&ALL_KEYWORDS_INDEX[at]));
    if is_plain && !is_word { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The names of a dotted name; those without quotes in lower case.
pub(crate) fn identifiers(text: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(inner) => {
                let mut name = String::new();
                let mut characters = inner.char_indices().peekable();
                let end = loop {
                    match characters.next() {
                        Some((_, '"')) if characters.next_if(|(_, next)| *next == '"').is_some() => name.push('"'),
                        Some((at, '"')) => break at + 1,
                        Some((_, character)) => name.push(character),
                        None => return plan_err!("expected a closing quote in the name `{text}`"),
                    }
                };
                (name, &inner[end..])
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].trim().to_ascii_lowercase(), &rest[end..])
            }
        };
        if name.is_empty() {
            return plan_err!("expected a name, found `{text}`");
        }
        names.push(name);
        rest = match after.trim_start().strip_prefix('.') {
            Some(more) => more.trim_start(),
            None if after.trim().is_empty() => return Ok(names),
            None => return plan_err!("expected names with points between them, found `{text}`"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_sql_needs_it_and_read_back() {
        for (name, wanted) in
            [("models", "models"), ("Models", "\"Models\""), ("a\"b", "\"a\"\"b\""), ("select", "\"select\"")]
        {
            assert_eq!(quote_identifier(name), wanted);
            assert_eq!(identifiers(wanted).unwrap(), [name]);
        }
        assert_eq!(identifiers(" Public . \"A.b\" ").unwrap(), ["public", "A.b"]);
        for wrong in ["", "a.", "\"a", "\"a\"b"] {
            assert!(identifiers(wrong).is_err(), "{wrong}");
        }
    }
}
