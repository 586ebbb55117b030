//! Attributes of many (model, trace) pairs as one table.

use syntrace_base::base::{ModelId, TraceId};
use syntrace_base::error::{Error, Result};

/// Attributes of some traces under some models: row `i` is model `models[i]` on trace `traces[i]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttributeTable {
    /// Trace of each row.
    pub traces: Vec<TraceId>,
    /// Model of each row.
    pub models: Vec<ModelId>,
    /// Was the trace in the model's training set?
    pub member: Vec<bool>,
    /// Loss of the trace under the model, in evaluation mode.
    pub loss: Vec<f32>,
    /// Attributes, row-major: rows x `width`.
    pub values: Vec<f32>,
    /// Numbers in one attribute.
    pub width: usize,
}

impl AttributeTable {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.traces.len()
    }

    /// The attribute of a row; `None` past the end.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        self.values.get(row.checked_mul(self.width)?..(row + 1).checked_mul(self.width)?)
    }

    /// Row numbers sorted by (model, trace): the canonical order, so that results do not depend on the order of the
    /// input.
    pub(super) fn ordered_rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.rows()).collect();
        rows.sort_unstable_by_key(|&row| self.key(row));
        rows
    }

    fn key(&self, row: usize) -> Option<(ModelId, TraceId)> {
        Some((*self.models.get(row)?, *self.traces.get(row)?))
    }

    /// Checks lengths, finiteness and that each (model, trace) pair occurs once. `what` names the
    /// table in errors (`shadow`, `target`).
    pub fn check(&self, what: &str) -> Result<()> {
        let rows = self.rows();
        if rows == 0 {
            return Err(Error::user(format!("the {what} attributes are empty: expected at least one row"))
                .hint("record attributes of these models first"));
        }
        let values = rows.checked_mul(self.width);
        let lengths = [("models", self.models.len()), ("member", self.member.len()), ("loss", self.loss.len())];
        for (column, length) in lengths {
            if length != rows {
                return Err(Error::internal(format!(
                    "{what} attributes: expected `{rows}` values in `{column}`, found `{length}`"
                )));
            }
        }
        if values != Some(self.values.len()) {
            return Err(Error::internal(format!(
                "{what} attributes: expected `{rows}` rows of `{}` values, found `{}` values",
                self.width,
                self.values.len()
            )));
        }
        self.check_finite(what)?;
        self.check_unique(what)
    }

    fn check_finite(&self, what: &str) -> Result<()> {
        let bad_value = self.values.iter().position(|value| !value.is_finite());
        let found = match (self.loss.iter().position(|loss| !loss.is_finite()), bad_value) {
            (None, None) => return Ok(()),
            (Some(row), _) => (row, "loss".to_owned(), self.loss.get(row)),
            (None, Some(at)) => {
                (at / self.width.max(1), format!("values[{}]", at % self.width.max(1)), self.values.get(at))
            }
        };
        let (row, column, value) = found;
        let model = self.models.get(row).map(ModelId::to_string).unwrap_or_default();
        let trace = self.traces.get(row).map(TraceId::to_string).unwrap_or_default();
        Err(Error::user(format!(
            "{what} attributes: expected finite numbers, found `{}` in `{column}` of model `{model}` on trace `{trace}`",
            value.copied().unwrap_or(f32::NAN)
        ))
        .hint("the model diverged: train it with a lower learning rate, or leave it out of the attack"))
    }

    fn check_unique(&self, what: &str) -> Result<()> {
        let rows = self.ordered_rows();
        let twice = rows.iter().zip(rows.iter().skip(1)).find(|&(&a, &b)| self.key(a) == self.key(b));
        match twice.and_then(|(&row, _)| self.key(row)) {
            None => Ok(()),
            Some((model, trace)) => Err(Error::internal(format!(
                "{what} attributes: expected each trace once for each model, found trace `{trace}` of model `{model}` more than once"
            ))),
        }
    }

    /// The rows of the models for which `wanted` holds, in their old order.
    pub fn of_models(&self, wanted: impl Fn(ModelId) -> bool) -> Self {
        let mut part = Self { width: self.width, ..Self::default() };
        for row in (0..self.rows()).filter(|row| self.models.get(*row).is_some_and(|model| wanted(*model))) {
            part.traces.extend(self.traces.get(row));
            part.models.extend(self.models.get(row));
            part.member.extend(self.member.get(row));
            part.loss.extend(self.loss.get(row));
            part.values.extend_from_slice(self.row(row).unwrap_or(&[]));
        }
        part
    }

    /// The membership labels of some rows.
    pub(super) fn labels(&self, rows: &[usize]) -> Vec<bool> {
        rows.iter().filter_map(|&row| self.member.get(row).copied()).collect()
    }

    /// Fails unless the rows hold both members and held-out traces.
    pub(super) fn check_both_sides(&self, rows: &[usize], what: &str) -> Result<()> {
        let members = self.labels(rows).iter().filter(|&&member| member).count();
        if members > 0 && members < rows.len() {
            return Ok(());
        }
        Err(Error::user(format!(
            "{what}: expected members and held-out traces, found `{members}` members among `{}` rows",
            rows.len()
        ))
        .hint("give the split more traces, or the study more shadows"))
    }
}
