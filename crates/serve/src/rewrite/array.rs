//! Arrays of PostgreSQL: literals, `{a,NULL,"b, c"}`, and arrays of text.

use super::text;
use crate::catalog::types::item_of;
use datafusion::sql::sqlparser::ast::{Array, ArrayElemTypeDef, CastKind, DataType, Expr, Value};
use pgwire::api::Type;

/// The items of an array literal of one dimension; `None` for NULL among them, and for a text that is no such array.
pub(crate) fn items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut characters = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(items);
    }
    loop {
        while characters.next_if(|one| one.is_whitespace()).is_some() {}
        let mut item = String::new();
        let quoted = characters.next_if_eq(&'"').is_some();
        loop {
            match characters.peek().copied() {
                Some('"') if quoted => {
                    characters.next();
                    break;
                }
                None if quoted => return None,
                Some(',') | None if !quoted => break,
                Some('{' | '}' | '"') if !quoted => return None,
                Some('\\') => {
                    characters.next();
                    item.push(characters.next()?);
                }
                Some(other) => {
                    characters.next();
                    item.push(other);
                }
                None => return None,
            }
        }
        while characters.next_if(|one| one.is_whitespace()).is_some() {}
        let item = if quoted { Some(item) } else { Some(item.trim_end().to_owned()) };
        items.push(item.filter(|item| quoted || !item.eq_ignore_ascii_case("null")));
        match characters.next() {
            Some(',') => {}
            None => return Some(items),
            Some(_) => return None,
        }
    }
}

/// An array literal as an expression: `ARRAY['a', NULL]`, its items as they are written where they are numbers.
pub(super) fn literal(literal: &str, kind: Option<&Type>) -> Option<Expr> {
    let item = kind.and_then(item_of);
    let is_number = item.is_some_and(|item| {
        matches!(item, Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC | Type::OID)
    });
    let expression = |one: Option<String>| match one {
        Some(number) if is_number && number.parse::<f64>().is_ok() => Expr::value(Value::Number(number, false)),
        Some(item) => text(&item),
        None => Expr::value(Value::Null),
    };
    let elem = items(literal)?.into_iter().map(expression).collect();
    Some(Expr::Array(Array { elem, named: true }))
}

/// An array that is an array of texts.
pub(super) fn text_array(array: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(array),
        data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None)),
        array: false,
        format: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_literals_are_read_as_postgresql_writes_them() {
        let some = |items: &[&str]| Some(items.iter().map(|item| Some((*item).to_owned())).collect::<Vec<_>>());
        assert_eq!(items("{}"), Some(Vec::new()));
        assert_eq!(items("{ r, l ,e}"), some(&["r", "l", "e"]));
        assert_eq!(items(r#"{"a, b","c\"d",e\,f}"#), some(&["a, b", "c\"d", "e,f"]));
        assert_eq!(items(r#"{NULL,"NULL"}"#), Some(vec![None, Some("NULL".to_owned())]));
        for wrong in ["", "a", "{a", "{\"a}", "{{1},{2}}", "{\"a\"b}"] {
            assert_eq!(items(wrong), None, "{wrong}");
        }
    }
}
