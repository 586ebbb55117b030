//! Values of `$name` parameters.

use datafusion::scalar::ScalarValue;
use std::collections::HashMap;
use syntrace_base::error::{Error, Result};

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
