//! `json_extract` and `json_extract_string`, also written `->` and `->>`: parts of columns that hold JSON (`config`,
//! `spec`, `inputs`, `options`).
//!
//! A place is a key (`'width'`), a number of an item (from 0), a path with `$` (`'$.layers[0].width'`) or a JSON pointer
//! (`'/layers/0/width'`), as in DuckDB. What is not there, and `null`, is NULL.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;
use std::sync::Arc;

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// JSON: texts with their quotes.
    Extract,
    /// Text: texts as they are.
    ExtractString,
}

/// One of both functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JsonFunction {
    kind: Kind,
    signature: Signature,
}

impl JsonFunction {
    pub(super) const ALL: [Kind; 2] = [Kind::Extract, Kind::ExtractString];

    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// A step of a path.
#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Item(usize),
}

/// The steps of a place; `None` where a path with `$` is none.
fn steps(place: &str) -> Option<Vec<Step>> {
    if let Some(pointer) = place.strip_prefix('/') {
        let step = |part: &str| match part.parse() {
            Ok(item) => Step::Item(item),
            Err(_) => Step::Key(part.replace("~1", "/").replace("~0", "~")),
        };
        return Some(pointer.split('/').map(step).collect());
    }
    let Some(mut rest) = place.strip_prefix('$') else { return Some(vec![Step::Key(place.to_owned())]) };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (item, after) = after.split_once(']')?;
            steps.push(Step::Item(item.trim().parse().ok()?));
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".\"") {
            let (key, after) = after.split_once('"')?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, after) = after.split_at(end);
            steps.push(Step::Key(key.to_owned()).into_nonempty()?);
            rest = after;
        }
    }
    Some(steps)
}

impl Step {
    fn into_nonempty(self) -> Option<Self> {
        if self == Self::Key(String::new()) { None } else { Some(self) }
    }
}

fn at<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        // A JSON pointer writes both alike.
        Step::Item(item) => value.get(item).or_else(|| value.get(item.to_string())),
    })
}

impl JsonFunction {
    fn part(&self, text: &str, steps: &[Step]) -> Result<Option<String>> {
        let wrong = |error| {
            let shown: String = text.chars().take(40).collect();
            exec_datafusion_err!("expected JSON, found `{shown}`: {error}")
        };
        let value: Value = serde_json::from_str(text).map_err(wrong)?;
        Ok(match (at(&value, steps), self.kind) {
            (None | Some(Value::Null), _) => None,
            (Some(Value::String(text)), Kind::ExtractString) => Some(text.clone()),
            (Some(value), _) => Some(value.to_string()),
        })
    }

    fn parts(&self, texts: &ArrayRef, places: &ArrayRef) -> Result<ArrayRef> {
        let mut known: Option<(String, Vec<Step>)> = None;
        let mut parts = Vec::with_capacity(texts.len());
        for (row, text) in texts.as_string::<i32>().iter().enumerate() {
            let Some(text) = text.filter(|_| places.is_valid(row)) else {
                parts.push(None);
                continue;
            };
            if let Some(items) = places.as_primitive_opt::<Int64Type>() {
                let item = usize::try_from(items.value(row)).ok();
                parts.push(item.map(|item| self.part(text, &[Step::Item(item)])).transpose()?.flatten());
                continue;
            }
            let place = places.as_string::<i32>().value(row);
            if known.as_ref().is_none_or(|(last, _)| last != place) {
                let wrong = || exec_datafusion_err!("expected a place in JSON like `$.a.b[0]`, found `{place}`");
                known = Some((place.to_owned(), steps(place).ok_or_else(wrong)?));
            }
            let steps = known.as_ref().map(|(_, steps)| steps.as_slice()).unwrap_or_default();
            parts.push(self.part(text, steps)?);
        }
        Ok(Arc::new(StringArray::from(parts)))
    }
}

impl ScalarUDFImpl for JsonFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Extract => "json_extract",
            Kind::ExtractString => "json_extract_string",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [text, place] = take_function_args(self.name(), arguments)?;
        let is_text = |kind: &DataType| {
            matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
        };
        match place {
            _ if !is_text(text) => plan_err!("{} expects JSON as text, found {text}", self.name()),
            place if place.is_integer() => Ok(vec![DataType::Utf8, DataType::Int64]),
            place if is_text(place) => Ok(vec![DataType::Utf8, DataType::Utf8]),
            found => plan_err!("{} expects a key, a path or the number of an item, found {found}", self.name()),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [texts, places] = take_function_args(self.name(), arguments.args)?;
        Ok(ColumnarValue::Array(self.parts(&texts.into_array(rows)?, &places.into_array(rows)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_keys_paths_and_pointers() {
        let text = r#"{"a": {"b": [1, {"c d": "x"}]}, "$": 2, "n": null, "0": "zero"}"#;
        let found = |kind: Kind, place: &str| {
            JsonFunction::new(kind).part(text, &steps(place).unwrap()).unwrap().unwrap_or_else(|| "NULL".to_owned())
        };
        for (place, json, string) in [
            ("a", r#"{"b":[1,{"c d":"x"}]}"#, r#"{"b":[1,{"c d":"x"}]}"#),
            ("$.a.b[0]", "1", "1"),
            ("$.a.b[1].\"c d\"", "\"x\"", "x"),
            ("/a/b/1/c d", "\"x\"", "x"),
            ("/0", "\"zero\"", "zero"),
            ("$.n", "NULL", "NULL"),
            ("n", "NULL", "NULL"),
            ("missing", "NULL", "NULL"),
        ] {
            assert_eq!(found(Kind::Extract, place), json, "{place}");
            assert_eq!(found(Kind::ExtractString, place), string, "{place}");
        }
        for wrong in ["$a", "$.", "$.a[", "$.a[x]", "$..a"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }
}
