//! The policy of an audit: requirements on a model, as a separate TOML file.

use super::raw::parse_toml;
use serde::Deserialize;
use std::path::Path;
use syntrace_base::error::{Error, Result, ResultExt, io_error};
use syntrace_measure::audit::Policy;

/// The policy that holds where none is named, with the reasons for its values.
pub const DEFAULT_POLICY: &str = include_str!("../../../studies/policy.toml");

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    confidence: Option<f64>,
    #[serde(default)]
    guarantee: RawGuarantee,
    #[serde(default)]
    attacks: RawAttacks,
    #[serde(default)]
    leakage: RawLeakage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGuarantee {
    required: Option<bool>,
    epsilon_max: Option<f64>,
    tested: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttacks {
    required: Option<bool>,
    auc_max: Option<f64>,
    tpr_at_1pct_fpr_max: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLeakage {
    required: Option<bool>,
    copies_max: Option<f64>,
    memorised_max: Option<f64>,
    identifiers_max: Option<f64>,
    coincidences_max: Option<f64>,
    addresses_max: Option<f64>,
}

/// The policy of a file, or the built-in one.
///
/// # Errors
/// Where the file cannot be read, has an unknown key, or a value that cannot be.
pub fn read_policy(path: Option<&Path>) -> Result<Policy> {
    let Some(path) = path else { return parse_policy("") };
    let text = std::fs::read_to_string(path).map_err(|error| io_error("read the policy", path, &error))?;
    parse_policy(&text).context(|| format!("`{}`", path.display()))
}

/// The policy of a text; what it leaves out is as in [`DEFAULT_POLICY`].
///
/// # Errors
/// As [`read_policy`].
pub fn parse_policy(text: &str) -> Result<Policy> {
    let built_in = resolve(parse_toml(DEFAULT_POLICY)?, None).context(|| "the built-in policy")?;
    resolve(parse_toml(text)?, Some(&built_in))
}

fn resolve(raw: RawPolicy, base: Option<&Policy>) -> Result<Policy> {
    let RawPolicy { confidence, guarantee, attacks, leakage } = raw;
    let flag = |own: Option<bool>, of: fn(&Policy) -> bool, key: &str| {
        own.or(base.map(of)).ok_or_else(|| Error::internal(format!("`{key}` is missing")))
    };
    let number = |own: Option<f64>, of: fn(&Policy) -> f64, key: &str| {
        own.or(base.map(of)).ok_or_else(|| Error::internal(format!("`{key}` is missing")))
    };
    let share = |own: Option<f64>, of: fn(&Policy) -> f64, key: &str| match number(own, of, key)? {
        value if (0.0..=1.0).contains(&value) => Ok(value),
        value => Err(Error::user(format!("`{key}` must be between 0 and 1, found `{value}`"))),
    };
    let confidence = number(confidence, |policy| policy.confidence, "confidence")?;
    if !(0.5..1.0).contains(&confidence) {
        return Err(Error::user(format!("`confidence` must be at least 0.5 and below 1, found `{confidence}`")));
    }
    let epsilon_max = number(guarantee.epsilon_max, |policy| policy.epsilon_max, "guarantee.epsilon_max")?;
    if !(epsilon_max > 0.0 && epsilon_max.is_finite()) {
        let error = Error::user(format!("`guarantee.epsilon_max` must be above 0 and finite, found `{epsilon_max}`"));
        return Err(error.hint("`required = false` in [guarantee] asks for no guarantee"));
    }
    Ok(Policy {
        confidence,
        guarantee_required: flag(guarantee.required, |policy| policy.guarantee_required, "guarantee.required")?,
        epsilon_max,
        claim_tested: flag(guarantee.tested, |policy| policy.claim_tested, "guarantee.tested")?,
        attacks_required: flag(attacks.required, |policy| policy.attacks_required, "attacks.required")?,
        auc_max: share(attacks.auc_max, |policy| policy.auc_max, "attacks.auc_max")?,
        tpr_at_1pct_fpr_max: share(
            attacks.tpr_at_1pct_fpr_max,
            |policy| policy.tpr_at_1pct_fpr_max,
            "attacks.tpr_at_1pct_fpr_max",
        )?,
        leakage_required: flag(leakage.required, |policy| policy.leakage_required, "leakage.required")?,
        copies_max: share(leakage.copies_max, |policy| policy.copies_max, "leakage.copies_max")?,
        memorised_max: share(leakage.memorised_max, |policy| policy.memorised_max, "leakage.memorised_max")?,
        identifiers_max: share(leakage.identifiers_max, |policy| policy.identifiers_max, "leakage.identifiers_max")?,
        coincidences_max: share(
            leakage.coincidences_max,
            |policy| policy.coincidences_max,
            "leakage.coincidences_max",
        )?,
        addresses_max: share(leakage.addresses_max, |policy| policy.addresses_max, "leakage.addresses_max")?,
    })
}
