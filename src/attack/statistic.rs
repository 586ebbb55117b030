//! One number per (model, trace) out of its attribute: what threshold attacks, LiRA and RMIA read.

use super::table::AttributeTable;
use crate::error::{Error, Result};
use crate::record::Scalar;
use serde::{Deserialize, Serialize};

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

/// A number per row, in the sense "higher = more likely a member" once its direction is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistic {
    /// Which way it speaks.
    pub direction: Direction,
    /// Its name: `loss`, a scalar of the generator, or `column`.
    pub name: String,
    /// Places of the values whose mean it is; `None`: it is the loss.
    pub places: Option<Vec<u32>>,
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
    pub fn resolve(name: Option<&str>, column: Option<u32>, scalars: &[Scalar]) -> Result<Option<Self>> {
        match (name, column) {
            (None | Some("column"), Some(column)) => {
                Ok(Some(Self { direction: Direction::Learnt, name: "column".to_owned(), places: Some(vec![column]) }))
            }
            (Some(name), Some(_)) => {
                Err(Error::user(format!("found both `statistic = \"{name}\"` and `column`")).hint("keep one"))
            }
            (None | Some("loss"), None) => Ok(Some(Self::loss())),
            (Some(name), None) => Ok(scalars.iter().find(|scalar| scalar.name == name).map(|scalar| Self {
                direction: if scalar.member_high { Direction::High } else { Direction::Low },
                name: name.to_owned(),
                places: Some(scalar.places.clone()),
            })),
        }
    }

    /// Fails where an attribute is too short for it.
    pub(super) fn check(&self, table: &AttributeTable, what: &str) -> Result<()> {
        let last = self.places.iter().flatten().max().copied().unwrap_or(0) as usize;
        if self.places.is_none() || table.rows() == 0 || last < table.width {
            return Ok(());
        }
        Err(Error::user(format!(
            "{what}: statistic `{}` reads value `{last}` (from 0), found attributes of `{}` values",
            self.name, table.width
        ))
        .hint("choose a lower `column` or another attribute kind"))
    }

    /// The raw number of a row; `None` past the end.
    pub(super) fn raw(&self, table: &AttributeTable, row: usize) -> Option<f64> {
        let Some(places) = &self.places else { return table.loss.get(row).map(|loss| f64::from(*loss)) };
        let values = table.row(row)?;
        let there = places.iter().filter_map(|place| values.get(*place as usize)).filter(|value| **value != 0.0);
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
