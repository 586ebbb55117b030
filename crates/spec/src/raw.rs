//! A spec as written: TOML with unknown keys refused.

use serde::Deserialize;
use std::collections::BTreeMap;
use syntrace_base::error::{Error, Result, nearest};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSpec {
    pub name: String,
    #[serde(default)]
    pub seed: u64,
    pub threads: Option<usize>,
    pub device: Option<String>,
    #[serde(default = "trace")]
    pub unit: String,
    #[serde(default = "four")]
    pub host_traces: u32,
    #[serde(default = "summary")]
    pub attributes: String,
    pub dataset: Vec<RawDataset>,
    #[serde(default)]
    pub traces: RawTraces,
    pub split: RawSplit,
    #[serde(default)]
    pub regimes: RawRegimes,
    #[serde(default)]
    pub generator: BTreeMap<String, toml::Table>,
    #[serde(default)]
    pub attack: BTreeMap<String, toml::Table>,
    #[serde(default)]
    pub synthesis: RawSynthesis,
    #[serde(default)]
    pub utility: RawUtility,
    #[serde(default)]
    pub audit: RawAudit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDataset {
    pub name: String,
    pub classes: Option<Vec<String>>,
    pub simulate: Option<RawSimulate>,
    pub folder: Option<String>,
    #[serde(default)]
    pub public: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSimulate {
    pub flows: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraces {
    #[serde(default = "ten")]
    pub packets: u32,
    #[serde(default = "one")]
    pub min_packets: u32,
    #[serde(default = "flow")]
    pub unit: String,
    #[serde(default = "yes")]
    pub keep_captures: bool,
}

impl Default for RawTraces {
    fn default() -> Self {
        Self { packets: ten(), min_packets: one(), unit: flow(), keep_captures: true }
    }
}

fn summary() -> String {
    "summary".to_owned()
}

fn trace() -> String {
    "trace".to_owned()
}

fn four() -> u32 {
    4
}

fn ten() -> u32 {
    10
}

fn one() -> u32 {
    1
}

fn flow() -> String {
    "flow".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSplit {
    pub members: u32,
    pub shadows: u32,
    #[serde(default)]
    pub overlap: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegimes {
    #[serde(default = "yes")]
    pub none: bool,
    #[serde(default)]
    pub anonymised: bool,
    #[serde(default)]
    pub epsilon: Vec<f64>,
    #[serde(default = "delta")]
    pub delta: f64,
    #[serde(default = "system")]
    pub noise: String,
    #[serde(default = "pld")]
    pub accountant: String,
}

impl Default for RawRegimes {
    fn default() -> Self {
        Self { none: true, anonymised: false, epsilon: Vec::new(), delta: delta(), noise: system(), accountant: pld() }
    }
}

fn delta() -> f64 {
    1e-5
}

fn pld() -> String {
    "pld".to_owned()
}

fn system() -> String {
    "system".to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSynthesis {
    #[serde(default)]
    pub traces: u32,
    #[serde(default)]
    pub shadows: RawShadows,
}

/// `true`, `false` or names of generators.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`synthesis.shadows` must be true, false or a list of generators")]
pub(super) enum RawShadows {
    All(bool),
    Of(Vec<String>),
}

impl Default for RawShadows {
    fn default() -> Self {
        Self::All(false)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUtility {
    #[serde(default = "small")]
    pub forecaster: String,
    #[serde(default)]
    pub augment: Vec<f64>,
    #[serde(default = "augment_draws")]
    pub augment_draws: u32,
}

impl Default for RawUtility {
    fn default() -> Self {
        Self { forecaster: small(), augment: Vec::new(), augment_draws: augment_draws() }
    }
}

fn augment_draws() -> u32 {
    super::Augment::none().draws
}

fn small() -> String {
    "small".to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    #[serde(default)]
    pub one_run: bool,
}

/// Parses TOML; an unknown key is refused with the nearest known one.
pub(super) fn parse(text: &str) -> Result<RawSpec> {
    parse_toml(text)
}

/// Parses any TOML of ours, with line and nearest key in its errors.
pub(super) fn parse_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let message = error.message();
        let built = Error::user(format!("{place}{message}"));
        match nearest_key(message) {
            Some(hint) => built.hint(hint),
            None => built,
        }
    })
}

#[derive(Deserialize)]
struct RawAttacks {
    #[serde(default)]
    attack: BTreeMap<String, toml::Table>,
}

/// Parses the attacks of a spec, or of a file that has nothing else.
pub(super) fn parse_attacks(text: &str) -> Result<BTreeMap<String, toml::Table>> {
    let parsed: std::result::Result<RawAttacks, toml::de::Error> = toml::from_str(text);
    parsed.map(|raw| raw.attack).map_err(|error| Error::user(error.message().to_owned()))
}

/// "did you mean" out of serde's ``unknown field `a`, expected one of `b`, `c` ``.
fn nearest_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let mut quoted = rest.split('`');
    let found = quoted.next()?;
    let known: Vec<&str> = quoted.skip(1).step_by(2).collect();
    let near = nearest(found, &known).map(|key| format!("did you mean `{key}`?"));
    let moved = "limits stand in a policy: `syntrace audit STUDY --policy FILE`, with the keys of studies/policy.toml";
    near.or_else(|| (known == ["one_run"]).then(|| moved.to_owned()))
}
