//! Epsilons and noise multipliers as text and as JSON, infinite and missing ones too.

use super::print_error;
use crate::error::Result;
use serde_json::{Value, json};

/// The answer of one accountant; why there is none goes to stderr.
pub(super) fn shown<T>(answer: &Result<T>) -> Option<&T> {
    answer.as_ref().map_err(print_error).ok()
}

pub(super) fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.6}") } else { "infinite".to_owned() }
}

/// JSON has no infinity: the text `inf`, which float parsers read.
pub(super) fn number_json(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!("inf") }
}
