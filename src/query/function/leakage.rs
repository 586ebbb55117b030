//! `auc` and `tpr_at_fpr`: how well scores separate members from held-out traces, by `eval`'s curve.

use crate::eval::{Roc, Scored};
use crate::query::batch::external;
use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::Float64Type;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use std::sync::Arc;

/// Which number comes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ScoreMeasure {
    Auc,
    TprAtFpr,
}

/// Keeps all scores of a group.
#[derive(Debug)]
pub(super) struct ScoreAccumulator {
    measure: ScoreMeasure,
    scored: Vec<Scored>,
    fpr: Option<f64>,
}

impl ScoreAccumulator {
    pub fn new(measure: ScoreMeasure) -> Self {
        Self { measure, scored: Vec::new(), fpr: None }
    }

    fn add(&mut self, scores: &Float64Array, members: &BooleanArray) {
        for (score, member) in scores.iter().zip(members) {
            // As in all aggregates, a NULL says nothing; neither does a score that is no number.
            if let (Some(score), Some(member)) = (score, member)
                && !score.is_nan()
            {
                self.scored.push(Scored { score, member });
            }
        }
    }

    fn set_fpr(&mut self, values: &Float64Array) -> Result<()> {
        let Some(fpr) = values.iter().flatten().next() else { return Ok(()) };
        if !(0.0..=1.0).contains(&fpr) {
            return exec_err!("the third argument of tpr_at_fpr must be between 0 and 1, found {fpr}");
        }
        self.fpr = Some(fpr);
        Ok(())
    }
}

impl Accumulator for ScoreAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [scores, members, rest @ ..] = values else { return exec_err!("expected a score and a membership") };
        self.add(scores.as_primitive::<Float64Type>(), members.as_boolean());
        match rest {
            [fpr, ..] => self.set_fpr(fpr.as_primitive::<Float64Type>()),
            [] => Ok(()),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.scored.is_empty() {
            return Ok(ScalarValue::Float64(None));
        }
        let roc = Roc::new(&self.scored).map_err(external)?;
        let value = match (self.measure, self.fpr) {
            (ScoreMeasure::Auc, _) => Some(roc.auc()),
            (ScoreMeasure::TprAtFpr, Some(fpr)) => Some(roc.tpr_at_fpr(fpr)),
            (ScoreMeasure::TprAtFpr, None) => None,
        };
        // Without both sides there is no curve: NULL.
        Ok(ScalarValue::Float64(value.filter(|value| !value.is_nan())))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.scored.capacity() * size_of::<Scored>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |array: ArrayRef| SingleRowListArrayBuilder::new(array).build_list_scalar();
        let mut state = vec![
            list(Arc::new(Float64Array::from_iter_values(self.scored.iter().map(|one| one.score)))),
            list(Arc::new(self.scored.iter().map(|one| Some(one.member)).collect::<BooleanArray>())),
        ];
        if self.measure == ScoreMeasure::TprAtFpr {
            state.push(list(Arc::new(Float64Array::from_iter(self.fpr.iter().copied()))));
        }
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [scores, members, rest @ ..] = states else { return exec_err!("expected scores and memberships") };
        // A state array may be a slice of a larger one: go by its rows, not by its values.
        for (scores, members) in scores.as_list::<i32>().iter().zip(members.as_list::<i32>().iter()) {
            if let (Some(scores), Some(members)) = (scores, members) {
                self.add(scores.as_primitive::<Float64Type>(), members.as_boolean());
            }
        }
        match rest {
            [fpr, ..] => fpr
                .as_list::<i32>()
                .iter()
                .flatten()
                .try_for_each(|fpr| self.set_fpr(fpr.as_primitive::<Float64Type>())),
            [] => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accumulator(measure: ScoreMeasure, rows: &[(f64, bool)]) -> ScoreAccumulator {
        let mut accumulator = ScoreAccumulator::new(measure);
        let scores: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Float64Array>());
        let members: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<BooleanArray>());
        accumulator.update_batch(&[scores, members]).unwrap();
        accumulator
    }

    #[test]
    fn merging_partial_results_equals_one_pass() {
        let rows = [(0.9, true), (0.8, false), (0.8, true), (0.7, true), (0.3, false), (0.3, true), (0.1, false)];
        let whole = accumulator(ScoreMeasure::Auc, &rows).evaluate().unwrap();
        let (left, right) = rows.split_at(3);
        let mut merged = accumulator(ScoreMeasure::Auc, left);
        let state = accumulator(ScoreMeasure::Auc, right).state().unwrap();
        let state: Vec<ArrayRef> = state.iter().map(|part| part.to_array().unwrap()).collect();
        merged.merge_batch(&state).unwrap();
        assert_eq!(merged.evaluate().unwrap(), whole);
    }

    #[test]
    fn one_side_alone_has_no_auc() {
        let only_members = accumulator(ScoreMeasure::Auc, &[(0.5, true), (0.6, true)]).evaluate().unwrap();
        assert_eq!(only_members, ScalarValue::Float64(None));
        assert_eq!(accumulator(ScoreMeasure::Auc, &[]).evaluate().unwrap(), ScalarValue::Float64(None));
    }
}
