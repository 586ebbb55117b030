//! One scalar per (model, trace), computed from its attribute: the input of threshold attacks, LiRA and RMIA.

use super::table::AttributeTable;
use serde::{Deserialize, Serialize};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{NamedScalar, WithoutZero};

/// Which way a statistic speaks for membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Higher = more likely a member.
    High,
    /// Lower = more likely a member.
    Low,
    /// As on the shadows that the attack learns from.
    Learnt,
}

/// Some values of an attribute: `start`, `start + step`, ... up to `tail` before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StridedRange {
    /// First value, from 0.
    pub start: u32,
    /// Values from one to the next; 0: there is only the first.
    pub step: u32,
    /// Values at the end that take no part.
    pub tail: u32,
}

/// A number per row, in the sense "higher = more likely a member" once its direction is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistic {
    /// Which way it speaks.
    pub direction: Direction,
    /// Its name: `loss`, a scalar of the generator, or `column`.
    pub name: String,
    /// The values whose mean it is; `None`: it is the loss.
    pub places: Option<StridedRange>,
}

impl Statistic {
    /// The loss of the trace, negative.
    pub fn loss() -> Self {
        Self { direction: Direction::Low, name: "loss".to_owned(), places: None }
    }

    /// The statistic of a spec's words: a name, or a column of the attribute. `None` where the attribute
    /// has no such scalar.
    ///
    /// # Errors
    /// Where both a column and a name are given.
    pub fn resolve(name: Option<&str>, column: Option<u32>, scalars: &[NamedScalar]) -> Result<Option<Self>> {
        match (name, column) {
            (None | Some("column"), Some(column)) => Ok(Some(Self {
                direction: Direction::Learnt,
                name: "column".to_owned(),
                places: Some(StridedRange { start: column, step: 0, tail: 0 }),
            })),
            (Some(name), Some(_)) => {
                Err(Error::user(format!("found both `statistic = \"{name}\"` and `column`")).hint("keep one"))
            }
            (None | Some("loss"), None) => Ok(Some(Self::loss())),
            (Some(name), None) => Ok(scalars.iter().find(|scalar| scalar.name == name).map(|scalar| Self {
                direction: if scalar.member_high { Direction::High } else { Direction::Low },
                name: name.to_owned(),
                places: Some(StridedRange { start: scalar.start, step: scalar.step, tail: scalar.tail }),
            })),
        }
    }

    /// Does it read the loss?
    pub fn is_loss(&self) -> bool {
        self.places.is_none()
    }

    /// Is its value defined only up to a per-model constant?
    pub(super) fn is_without_zero(&self, without: WithoutZero) -> bool {
        if self.is_loss() { without.loss } else { without.values }
    }

    /// Fails where an attribute is too short for it.
    pub(super) fn check(&self, table: &AttributeTable, what: &str) -> Result<()> {
        let Some(places) = self.places else { return Ok(()) };
        let least = u64::from(places.start) + u64::from(places.tail) + 1;
        if table.rows() == 0 || least <= table.width as u64 {
            return Ok(());
        }
        Err(Error::user(format!(
            "{what}: statistic `{}` needs attributes of at least `{least}` values, found `{}`",
            self.name, table.width
        ))
        .hint("choose a lower `column` or another attribute kind"))
    }

    /// The raw number of a row; `None` past the end.
    pub(super) fn raw(&self, table: &AttributeTable, row: usize) -> Option<f64> {
        let Some(places) = self.places else { return table.loss.get(row).map(|loss| f64::from(*loss)) };
        let values = table.row(row)?;
        let end = if places.step == 0 { places.start as usize + 1 } else { values.len() };
        let part = values.get(places.start as usize..end.min(values.len().saturating_sub(places.tail as usize)))?;
        let there = part.iter().step_by(places.step.max(1) as usize).filter(|value| **value != 0.0);
        let (sum, count) = there.fold((0.0, 0u32), |(sum, count), value| (sum + f64::from(*value), count + 1));
        Some(if count == 0 { 0.0 } else { sum / f64::from(count) })
    }

    /// +1 or -1: what the raw number is multiplied with. A learnt direction is that in which members are
    /// higher on average over the given rows.
    pub(super) fn sign(&self, table: &AttributeTable, rows: &[usize]) -> f64 {
        match self.direction {
            Direction::High => 1.0,
            Direction::Low => -1.0,
            Direction::Learnt => {
                let mean = |wanted: bool| {
                    let of = rows.iter().filter(|row| table.member.get(**row) == Some(&wanted));
                    let (sum, count) = of
                        .filter_map(|row| self.raw(table, *row))
                        .fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
                    sum / f64::from(count.max(1))
                };
                if mean(true) < mean(false) { -1.0 } else { 1.0 }
            }
        }
    }
}
