//! From a generator's table in a spec to its configuration, alike for all families.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use syntrace_base::error::{Error, Result};

/// The preset that a table names (`small` where it names none), and its other keys.
///
/// # Errors
/// A preset that is no text.
pub(super) fn split_preset(options: &Map<String, Value>) -> Result<(String, Map<String, Value>)> {
    let mut options = options.clone();
    match options.remove("preset") {
        None => Ok(("small".to_owned(), options)),
        Some(Value::String(preset)) => Ok((preset, options)),
        Some(other) => Err(Error::user(format!("`preset` must be a text, found {other}"))),
    }
}

/// A configuration with some keys changed, those of its tables one by one, for traces of at most `packets` packets.
///
/// # Errors
/// Keys that the configuration does not have, and values of a wrong type.
pub(super) fn with_options<T: Serialize + DeserializeOwned>(
    config: &T,
    options: &Map<String, Value>,
    packets: u32,
) -> Result<T> {
    let mut value = serde_json::to_value(config).map_err(|error| Error::internal(error.to_string()))?;
    let Some(map) = value.as_object_mut() else {
        return Err(Error::internal("a configuration did not serialise to a JSON object"));
    };
    map.insert("packets".to_owned(), packets.into());
    for (key, option) in options {
        match (map.get_mut(key), option) {
            (Some(Value::Object(inner)), Value::Object(changed)) => inner.extend(changed.clone()),
            _ => drop(map.insert(key.clone(), option.clone())),
        }
    }
    serde_json::from_value(value).map_err(|error| Error::user(error.to_string()))
}

/// Refuses a batch (the value of `key`) of more traces than there are members.
///
/// # Errors
/// `user`, with both numbers.
pub(super) fn require_batch(key: &str, batch: u32, members: u32) -> Result<()> {
    if batch > members {
        let message = format!("`{key}` must be at most the number of members, {members}, found `{batch}`");
        return Err(Error::user(message).hint(format!("lower `{key}`, or raise `split.members`")));
    }
    Ok(())
}

/// Refuses numbers (by the names of their keys) below 1.
///
/// # Errors
/// `user`, with the first of them.
pub(super) fn require_counts<T: Into<i64> + Copy>(counts: &[(&str, T)]) -> Result<()> {
    match counts.iter().map(|(key, value)| (key, (*value).into())).find(|(_, value)| *value < 1) {
        Some((key, value)) => Err(Error::user(format!("`{key}` must be at least 1, found `{value}`"))),
        None => Ok(()),
    }
}
