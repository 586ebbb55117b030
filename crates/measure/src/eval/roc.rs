//! The ROC curve of scored traces, ties handled as one step.

use syntrace_base::error::{Error, Result};

/// One attacked trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Higher = more likely a member; infinite is allowed, not a number is not.
    pub score: f64,
    /// Was it trained on?
    pub member: bool,
}

/// A corner of the curve: guess member where the score is at least `threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocCorner {
    /// Threshold; infinite at the first corner (nothing is guessed).
    pub threshold: f64,
    /// False positive rate.
    pub fpr: f64,
    /// True positive rate.
    pub tpr: f64,
}

/// Counts of members and held-out traces per distinct score, from the highest score down.
#[derive(Debug, Clone, PartialEq)]
pub struct Roc {
    pub(super) steps: Vec<Step>,
    members: u64,
    held_out: u64,
}

/// The traces of one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) score: f64,
    pub(super) members: u64,
    pub(super) held_out: u64,
}

impl Roc {
    /// Sorts and groups the scores.
    ///
    /// # Errors
    /// Where there is no trace, or a score is not a number.
    pub fn new(scored: &[Scored]) -> Result<Self> {
        if scored.is_empty() {
            return Err(Error::user("a ROC curve needs at least one scored trace, found none"));
        }
        if let Some(index) = scored.iter().position(|trace| trace.score.is_nan()) {
            return Err(Error::internal(format!("the score of trace `{index}` (from 0) is not a number"))
                .hint("look for infinite losses in the attributes that the attack read"));
        }
        let mut order: Vec<Scored> = scored.to_vec();
        order.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let mut steps: Vec<Step> = Vec::new();
        for trace in order {
            let (member, held_out) = (u64::from(trace.member), u64::from(!trace.member));
            match steps.last_mut() {
                // `==` and not total order: 0.0 and -0.0 are one score
                Some(step) if step.score == trace.score => {
                    step.members += member;
                    step.held_out += held_out;
                }
                _ => steps.push(Step { score: trace.score, members: member, held_out }),
            }
        }
        let members = scored.iter().filter(|trace| trace.member).count() as u64;
        Ok(Self { steps, members, held_out: scored.len() as u64 - members })
    }

    /// (Members, held-out traces) per distinct score, from the highest score down.
    pub(super) fn counts(&self) -> Vec<(u64, u64)> {
        self.steps.iter().map(|step| (step.members, step.held_out)).collect()
    }

    /// Members.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// Held-out traces.
    pub fn held_out(&self) -> u64 {
        self.held_out
    }

    /// Area under the curve, ties counted half; not a number where a side is empty.
    pub fn auc(&self) -> f64 {
        auc(&self.counts())
    }

    /// Largest TPR among thresholds whose FPR is at most `fpr`; guessing nothing is one of them.
    pub fn tpr_at_fpr(&self, fpr: f64) -> f64 {
        tpr_at_fpr(&self.counts(), fpr)
    }

    /// Largest balanced accuracy, (TPR + 1 - FPR) / 2, over all thresholds.
    pub fn best_balanced_accuracy(&self) -> f64 {
        let best = self.corners().iter().map(|corner| (corner.tpr + 1.0 - corner.fpr) / 2.0).fold(0.0, f64::max);
        if self.members == 0 || self.held_out == 0 { f64::NAN } else { best }
    }

    /// The corners from (0, 0) to (1, 1), points on a straight line left out. Rates of an empty side are
    /// not numbers.
    pub fn corners(&self) -> Vec<RocCorner> {
        let mut points = vec![(f64::INFINITY, 0u64, 0u64)];
        let (mut members, mut held_out) = (0, 0);
        for step in &self.steps {
            members += step.members;
            held_out += step.held_out;
            if let [.., before, last] = points.as_slice()
                && is_straight(*before, *last, (step.score, members, held_out))
            {
                points.pop();
            }
            points.push((step.score, members, held_out));
        }
        let rate = |count: u64, of: u64| count as f64 / of as f64;
        let corner =
            |(threshold, tp, fp)| RocCorner { threshold, fpr: rate(fp, self.held_out), tpr: rate(tp, self.members) };
        points.into_iter().map(corner).collect()
    }
}

/// Does the middle point lie on the line through its neighbours? Exact in integers.
fn is_straight(a: (f64, u64, u64), b: (f64, u64, u64), c: (f64, u64, u64)) -> bool {
    let first = (u128::from(b.1 - a.1), u128::from(b.2 - a.2));
    let second = (u128::from(c.1 - b.1), u128::from(c.2 - b.2));
    first.0 * second.1 == first.1 * second.0
}

/// Area under the curve of (members, held-out) counts from the highest score down.
pub(super) fn auc(counts: &[(u64, u64)]) -> f64 {
    // pairs (member, held-out) in which the member scores higher, ties half; doubled to stay exact
    let (mut doubled_pairs, mut members_above, mut held_out_above) = (0u128, 0u64, 0u64);
    for &(members, held_out) in counts {
        doubled_pairs += u128::from(held_out) * (2 * u128::from(members_above) + u128::from(members));
        members_above += members;
        held_out_above += held_out;
    }
    doubled_pairs as f64 / (2.0 * members_above as f64 * held_out_above as f64)
}

/// Members and all members at the last threshold with an FPR of at most `fpr`, of (members, held-out)
/// counts from the highest score down.
pub(super) fn members_at_fpr(counts: &[(u64, u64)], fpr: f64) -> (u64, u64) {
    let (all_members, all_held_out) =
        counts.iter().fold((0, 0), |sum: (u64, u64), count| (sum.0 + count.0, sum.1 + count.1));
    let (mut true_positives, mut false_positives) = (0u64, 0u64);
    for &(members, held_out) in counts {
        if (false_positives + held_out) as f64 / all_held_out as f64 > fpr {
            break;
        }
        true_positives += members;
        false_positives += held_out;
    }
    (true_positives, all_members)
}

/// Largest TPR at an FPR of at most `fpr`, of (members, held-out) counts from the highest score down.
pub(super) fn tpr_at_fpr(counts: &[(u64, u64)], fpr: f64) -> f64 {
    let (true_positives, all_members) = members_at_fpr(counts, fpr);
    let held_out = counts.iter().any(|count| count.1 > 0);
    if held_out { true_positives as f64 / all_members as f64 } else { f64::NAN }
}
