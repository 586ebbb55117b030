//! Selects the columns of a Parquet file that make up the attribute.

use arrow::datatypes::{DataType, Schema};
use syntrace_base::error::{Error, Result};

/// Columns with a reserved meaning.
const NAMES: [&str; 7] = ["trace", "trace_id", "capture", "first_packet", "member", "kind", "loss"];

/// Columns that are the whole attribute.
const LISTS: [&str; 2] = ["values", "vector"];

/// What the attribute of a row is taken from.
pub(super) struct Chosen {
    /// One column of lists, or columns of one number each in the order of the values.
    pub taken: Vec<String>,
    /// Columns without a meaning here.
    pub left_out: Vec<String>,
}

impl Chosen {
    /// # Errors
    /// `user` where a column that is asked for is missing, where no column is an attribute, or where number columns are
    /// there that may be one or not.
    pub fn new(schema: &Schema, asked: &[String]) -> Result<Self> {
        let others: Vec<(&str, &DataType)> = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field.data_type()))
            .filter(|(name, _)| !NAMES.contains(name))
            .collect();
        let taken = if asked.is_empty() { by_contract(&others) } else { asked_for(schema, asked)? };
        let left: Vec<_> = others.iter().filter(|(name, _)| !taken.iter().any(|taken| taken == name)).collect();
        // Beside columns that say what they are, and the index of pandas, nothing is in doubt.
        let is_clear = !asked.is_empty() || LISTS.iter().any(|list| taken == [*list]);
        let unknown: Vec<&str> = left
            .iter()
            .filter(|(name, kind)| !is_clear && may_be_attribute(kind) && !is_index_of_pandas(name))
            .map(|(name, _)| *name)
            .collect();
        let hint = "say which columns are the attribute (`columns = [\"x\", ...]` beside `file`, or --columns x,...), or \
                    name one list column `values`, or number columns `0`, `1`, ...; `df.to_parquet(index=False)` \
                    leaves the index of pandas out";
        if !unknown.is_empty() {
            return Err(Error::user(format!(
                "expected number columns that are named as attributes, found `{}`, which may be some or not",
                unknown.join("`, `")
            ))
            .hint(hint));
        }
        if taken.is_empty() {
            let found: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Error::user(format!(
                "expected a list column `values` or number columns, found `{}`",
                found.join("`, `")
            ))
            .hint(hint));
        }
        Ok(Self { taken, left_out: left.iter().map(|(name, _)| (*name).to_owned()).collect() })
    }
}

fn may_be_attribute(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_numeric()
        }
        kind => kind.is_numeric(),
    }
}

/// The index of a table, which pandas writes as a column unless it is told not to.
fn is_index_of_pandas(name: &str) -> bool {
    let number = name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__"));
    number.is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `values` or `vector`, or else the numbered columns in the order of their numbers.
fn by_contract(others: &[(&str, &DataType)]) -> Vec<String> {
    if let Some(name) = LISTS.into_iter().find(|name| others.iter().any(|(other, _)| other == name)) {
        return vec![name.to_owned()];
    }
    let number = |name: &str| {
        let digits =
            ["value_", "values_", "vector_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        is_number(digits).then(|| digits.parse::<u64>().ok()).flatten()
    };
    let mut numbered: Vec<(u64, &str)> =
        others.iter().filter_map(|(name, _)| number(name).map(|number| (number, *name))).collect();
    numbered.sort_unstable();
    numbered.into_iter().map(|(_, name)| name.to_owned()).collect()
}

fn asked_for(schema: &Schema, asked: &[String]) -> Result<Vec<String>> {
    for name in asked {
        let found = schema.fields().iter().find(|field| field.name() == name).map(|field| field.data_type());
        match found {
            None => {
                let there: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(Error::user(format!("expected a column `{name}`, found `{}`", there.join("`, `"))));
            }
            Some(kind) if kind.is_nested() && asked.len() > 1 => {
                return Err(Error::user(format!("column `{name}`: expected numbers, found {kind}"))
                    .hint("a list column is an attribute by itself: name it alone"));
            }
            Some(_) => {}
        }
    }
    Ok(asked.to_vec())
}
