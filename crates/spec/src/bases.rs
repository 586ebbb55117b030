//! Recipes of bases: what `syntrace base train` reads.

use super::raw::parse_toml;
use super::{ITEMS_MAX, PACKETS_MAX, between};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use syntrace_base::error::{Error, Result, ResultExt, io_error};

/// How a base is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseRecipe {
    /// Its name: that of its files.
    pub name: String,
    /// Family of generators.
    pub family: String,
    /// Traffic: `wide`, or a dataset of a study.
    pub dataset: String,
    /// Traces of it, at most.
    pub traces: u32,
    /// Packets of a trace, at most.
    pub packets: u32,
    /// Source of the traffic and of all draws of the training.
    pub seed: u64,
    /// Options of the family, as in a `[generator]` table.
    pub options: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBases {
    base: BTreeMap<String, RawBase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBase {
    family: Option<String>,
    dataset: String,
    traces: u32,
    #[serde(default = "ten")]
    packets: u32,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    options: toml::Table,
}

fn ten() -> u32 {
    10
}

/// The `[base.NAME]` tables of a file.
///
/// # Errors
/// Where the file cannot be read, has an unknown key, or a value out of its range.
pub fn read_bases(path: &Path) -> Result<Vec<BaseRecipe>> {
    let text = std::fs::read_to_string(path).map_err(|error| io_error("read the recipes", path, &error))?;
    parse_bases(&text).context(|| format!("`{}`", path.display()))
}

/// As [`read_bases`], of a text.
///
/// # Errors
/// As [`read_bases`].
pub fn parse_bases(text: &str) -> Result<Vec<BaseRecipe>> {
    let raw: RawBases = parse_toml(text)?;
    raw.base.into_iter().map(|(name, base)| resolve(name, base)).collect()
}

fn resolve(name: String, raw: RawBase) -> Result<BaseRecipe> {
    let name = super::import::name(&name, "base").context(|| "the name of a [base]")?;
    let value = serde_json::to_value(&raw.options).map_err(|error| Error::user(format!("[base.{name}]: {error}")))?;
    let serde_json::Value::Object(options) = value else {
        return Err(Error::user(format!("[base.{name}]: `options` must be keys and values")));
    };
    let key = |key: &str| format!("base.{name}.{key}");
    Ok(BaseRecipe {
        family: raw.family.unwrap_or_else(|| name.clone()),
        dataset: raw.dataset,
        traces: between(u64::from(raw.traces), 1, ITEMS_MAX, &key("traces"))? as u32,
        packets: between(u64::from(raw.packets), 1, PACKETS_MAX, &key("packets"))? as u32,
        seed: raw.seed,
        options,
        name,
    })
}
