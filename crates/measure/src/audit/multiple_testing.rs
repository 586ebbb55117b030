//! Family-wise error (Bonferroni) over all comparisons of a study, whichever of them are shown.

use super::evidence::Evidence;
use super::group::Group;
use super::policy::Policy;

/// Error probability of each end of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// Comparisons with a limit, over all targets and all attacks of a study.
    pub comparisons: u64,
    /// Probability with which one end of one interval may err.
    pub error: f64,
}

impl Family {
    /// That of all targets of a study, also of those that are not shown, and of as many results again that newer ones
    /// replaced: what was tried is not untried by another spec.
    pub fn of<'a>(targets: impl IntoIterator<Item = &'a Evidence>, replaced: u64, policy: &Policy) -> Self {
        let count = |target: &Evidence| {
            let leaks = target.leaks.iter().filter(|leak| Group::of(&leak.measure, &leak.kind, policy).is_some());
            2 * target.attacks.len() + target.bounds.len() + leaks.count()
        };
        let standing = targets.into_iter().map(count).sum::<usize>() as u64;
        let comparisons = (standing + 2 * replaced).max(1);
        Self { comparisons, error: (1.0 - policy.confidence) / comparisons as f64 }
    }

    pub(super) fn confidence(&self) -> f64 {
        1.0 - 2.0 * self.error
    }
}
