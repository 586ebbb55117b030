//! Options of an attack: a preset, overlaid by what a spec writes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use syntrace_base::error::{Error, Result};

/// The preset with the written keys in place of its own. Unknown keys are refused with the known ones.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(preset: &T, written: &Map<String, Value>) -> Result<T> {
    let Value::Object(mut merged) = plain(preset)? else {
        return Err(Error::internal("the options of an attack are not a table"));
    };
    for (key, value) in written {
        if !merged.contains_key(key) {
            let known: Vec<String> = merged.keys().map(|key| format!("`{key}`")).collect();
            return Err(Error::user(format!("unknown key `{key}`")).hint(format!("known keys: {}", known.join(", "))));
        }
        merged.insert(key.clone(), value.clone());
    }
    serde_json::from_value(Value::Object(merged)).map_err(|error| Error::user(error.to_string()))
}

fn plain<T: Serialize>(options: &T) -> Result<Value> {
    serde_json::to_value(options).map_err(|error| Error::internal(format!("options of an attack: {error}")))
}

/// Canonical JSON: keys sorted, no blanks, with the kind of the attack among them.
pub(super) fn canonical<T: Serialize>(kind: &str, options: &T) -> String {
    let mut sorted: BTreeMap<String, Value> = match plain(options) {
        Ok(Value::Object(map)) => map.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    sorted.insert("kind".to_owned(), Value::String(kind.to_owned()));
    serde_json::to_string(&sorted).unwrap_or_default()
}

/// Refuses a number outside its range.
pub(super) fn in_range(key: &str, value: f64, range: &str, legal: bool) -> Result<()> {
    if legal { Ok(()) } else { Err(Error::user(format!("`{key}` must be {range}, found `{value}`"))) }
}
