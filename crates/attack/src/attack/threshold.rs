//! One threshold on one number: the attack of Yeom et al. (2018) on the loss, and its like on any other
//! scalar (confidence, entropy, margin, a critic's score), the threshold learnt on shadows.

use super::learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
use super::options::canonical;
use super::statistic::{Direction, Statistic};
use super::table::AttributeTable;
use syntrace_base::error::Result;

/// Score = the statistic, oriented so that higher indicates a member; the threshold maximises balanced
/// accuracy on the training rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// What it reads.
    pub statistic: Statistic,
}

#[derive(serde::Serialize)]
struct Options<'a> {
    criterion: &'static str,
    statistic: &'a Statistic,
}

impl AttackTerms for Threshold {
    fn kind(&self) -> &'static str {
        "threshold"
    }

    fn options(&self) -> String {
        canonical(self.kind(), &Options { criterion: "balanced_accuracy", statistic: &self.statistic })
    }

    fn reads_loss(&self) -> bool {
        self.statistic.is_loss()
    }
}

impl Attack for Threshold {
    fn without_shadows(&self, target: &AttributeTable, rows: &[usize]) -> Result<Option<Box<dyn FittedAttack>>> {
        self.statistic.check(target, "attack `threshold`")?;
        let sign = match self.statistic.direction {
            Direction::High => 1.0,
            Direction::Low => -1.0,
            Direction::Learnt => return Ok(None),
        };
        let mut cut = Cut { statistic: self.statistic.clone(), sign, threshold: 0.0 };
        let mut scores = cut.score(target, rows)?;
        scores.retain(|score| !score.is_nan());
        scores.sort_unstable_by(f32::total_cmp);
        cut.threshold = scores.get(scores.len() / 2).copied().unwrap_or(0.0);
        Ok(Some(Box::new(cut)))
    }

    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        self.statistic.check(training_set.table, "attack `threshold`")?;
        let sign = self.statistic.sign(training_set.table, training_set.rows);
        let mut cut = Cut { statistic: self.statistic.clone(), sign, threshold: 0.0 };
        let scores = cut.score(training_set.table, training_set.rows)?;
        cut.threshold = best_cut(&scores, &training_set.table.labels(training_set.rows));
        Ok(Box::new(cut))
    }
}

struct Cut {
    statistic: Statistic,
    sign: f64,
    threshold: f32,
}

impl FittedAttack for Cut {
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>> {
        let of = |row: &usize| self.statistic.raw(table, *row).map(|value| (self.sign * value) as f32);
        Ok(rows.iter().filter_map(of).collect())
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }
}

/// The cut between two neighbouring distinct scores with the best balanced accuracy; of several, the
/// one that guesses the fewest members. Halfway between the scores, so that rounding does not decide. Rows without
/// a score (NaN) take no part.
pub(super) fn best_cut(scores: &[f32], member: &[bool]) -> f32 {
    let scored = scores.iter().copied().zip(member.iter().copied()).filter(|(score, _)| !score.is_nan());
    let mut sorted: Vec<(f32, bool)> = scored.collect();
    sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let members = sorted.iter().filter(|(_, is)| *is).count().max(1) as f64;
    let held_out = (sorted.len() as f64 - members).max(1.0);
    let (mut hits, mut false_alarms) = (0.0, 0.0);
    let mut best = (f64::NEG_INFINITY, 0.0f32);
    for (place, &(score, is_member)) in sorted.iter().enumerate() {
        if is_member {
            hits += 1.0
        } else {
            false_alarms += 1.0
        }
        let next = sorted.get(place + 1).map(|&(next, _)| next);
        if next == Some(score) {
            continue;
        }
        let advantage = hits / members - false_alarms / held_out;
        if advantage > best.0 {
            let below = f64::from(next.unwrap_or(score));
            best = (advantage, (f64::from(score).midpoint(below)) as f32);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::best_cut;

    #[test]
    fn cut_lies_between_members_and_held_out_traces_when_they_separate() {
        let cut = best_cut(&[-1.0, -3.0, -2.0, -4.0], &[true, false, true, false]);
        assert_eq!(cut, -2.5);
    }

    #[test]
    fn one_high_scoring_held_out_trace_does_not_move_the_cut_above_the_members() {
        let cut = best_cut(&[0.0, -1.0, -1.5, -5.0, -6.0, -7.0], &[false, true, true, false, false, false]);
        assert_eq!(cut, -3.25);
    }

    #[test]
    fn equal_scores_are_never_cut_apart() {
        assert_eq!(best_cut(&[-1.0, -1.0, -1.0], &[true, false, true]), -1.0);
    }
}
