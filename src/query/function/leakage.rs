//! `auc` and `tpr_at_fpr`: how well scores separate members from held-out traces.

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
    scores: Vec<f64>,
    members: Vec<bool>,
    fpr: Option<f64>,
}

impl ScoreAccumulator {
    pub fn new(measure: ScoreMeasure) -> Self {
        Self { measure, scores: Vec::new(), members: Vec::new(), fpr: None }
    }

    fn add(&mut self, scores: &Float64Array, members: &BooleanArray) {
        for (score, member) in scores.iter().zip(members) {
            // As in all aggregates, a NULL says nothing; neither does a score that is no number.
            if let (Some(score), Some(member)) = (score, member)
                && !score.is_nan()
            {
                self.scores.push(score);
                self.members.push(member);
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
        let value = match (self.measure, self.fpr) {
            (ScoreMeasure::Auc, _) => auc(&self.scores, &self.members),
            (ScoreMeasure::TprAtFpr, Some(fpr)) => tpr_at_fpr(&self.scores, &self.members, fpr),
            (ScoreMeasure::TprAtFpr, None) => None,
        };
        Ok(ScalarValue::Float64(value))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.scores.capacity() * size_of::<f64>() + self.members.capacity()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |array: ArrayRef| SingleRowListArrayBuilder::new(array).build_list_scalar();
        let mut state = vec![
            list(Arc::new(Float64Array::from(std::mem::take(&mut self.scores)))),
            list(Arc::new(BooleanArray::from(std::mem::take(&mut self.members)))),
        ];
        if self.measure == ScoreMeasure::TprAtFpr {
            state.push(list(Arc::new(Float64Array::from_iter(self.fpr.iter().copied()))));
        }
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [scores, members, rest @ ..] = states else { return exec_err!("expected scores and memberships") };
        self.add(
            scores.as_list::<i32>().values().as_primitive::<Float64Type>(),
            members.as_list::<i32>().values().as_boolean(),
        );
        match rest {
            [fpr, ..] => self.set_fpr(fpr.as_list::<i32>().values().as_primitive::<Float64Type>()),
            [] => Ok(()),
        }
    }
}

/// Indices of scores from the highest to the lowest.
fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&left, &right| scores[right].total_cmp(&scores[left]));
    order
}

/// Corners of the ROC curve as counts (false positives, true positives), one per distinct score.
fn corners(scores: &[f64], members: &[bool]) -> Vec<(u64, u64)> {
    let order = ranking(scores);
    let mut corners = vec![(0, 0)];
    let (mut false_positives, mut true_positives) = (0, 0);
    for (place, &index) in order.iter().enumerate() {
        if members[index] {
            true_positives += 1;
        } else {
            false_positives += 1;
        }
        let next = order.get(place + 1).map(|&next| scores[next]);
        if next != Some(scores[index]) {
            corners.push((false_positives, true_positives));
        }
    }
    corners
}

fn sides(members: &[bool]) -> Option<(f64, f64)> {
    let positives = members.iter().filter(|member| **member).count();
    let negatives = members.len() - positives;
    (positives > 0 && negatives > 0).then_some((negatives as f64, positives as f64))
}

/// Area under the ROC curve by trapezoids, which counts ties half; `None` without both sides.
pub(super) fn auc(scores: &[f64], members: &[bool]) -> Option<f64> {
    let (negatives, positives) = sides(members)?;
    let corners = corners(scores, members);
    let doubled: f64 =
        corners.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 * (pair[1].1 + pair[0].1) as f64).sum();
    Some(doubled / (2.0 * negatives * positives))
}

/// Largest TPR of a threshold whose FPR is at most `fpr`; `None` without both sides.
pub(super) fn tpr_at_fpr(scores: &[f64], members: &[bool], fpr: f64) -> Option<f64> {
    let (negatives, positives) = sides(members)?;
    let allowed = corners(scores, members).into_iter().filter(|corner| corner.0 as f64 / negatives <= fpr);
    allowed.map(|corner| corner.1 as f64 / positives).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_equals_the_share_of_ordered_pairs() {
        // Slow twin: every (member, held-out) pair, a tie counting half.
        let scores = [0.9, 0.8, 0.8, 0.7, 0.3, 0.3, 0.1];
        let members = [true, false, true, true, false, true, false];
        let mut pairs = (0.0, 0.0);
        for (left, _) in scores.iter().zip(members).filter(|(_, member)| *member) {
            for (right, _) in scores.iter().zip(members).filter(|(_, member)| !member) {
                pairs.1 += 1.0;
                pairs.0 += if left > right {
                    1.0
                } else if left == right {
                    0.5
                } else {
                    0.0
                };
            }
        }
        // Sums of halves: exact.
        assert_eq!(auc(&scores, &members), Some(pairs.0 / pairs.1));
    }

    #[test]
    fn one_side_alone_has_no_auc() {
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auc(&[], &[]), None);
    }

    #[test]
    fn tpr_never_uses_a_threshold_above_the_allowed_fpr() {
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5];
        let members = [true, false, true, true, false];
        assert_eq!(tpr_at_fpr(&scores, &members, 0.0), Some(1.0 / 3.0));
        assert_eq!(tpr_at_fpr(&scores, &members, 0.49), Some(1.0 / 3.0));
        assert_eq!(tpr_at_fpr(&scores, &members, 0.5), Some(1.0));
    }
}
