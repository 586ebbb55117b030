//! What an epsilon is worth, given what a model's weights descend from.

use syntrace_base::record::{Guarantee, LineageEdge};

/// Guarantee and end-to-end epsilon (`None` = infinite) of a model whose mechanism spent
/// `epsilon_spent` (`None` = trained without DP). The epsilon holds end to end only if nothing in the
/// lineage saw private traces outside the mechanism; otherwise it is conditional on what did.
pub fn guarantee(epsilon_spent: Option<f64>, lineage: &[LineageEdge]) -> (Guarantee, Option<f64>) {
    let Some(epsilon) = epsilon_spent else { return (Guarantee::None, None) };
    if lineage.iter().any(|edge| edge.saw_private && !edge.through_mechanism) {
        return (Guarantee::Conditional, None);
    }
    (Guarantee::EndToEnd, epsilon.is_finite().then_some(epsilon))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::record::LineageKind;

    fn edge(saw_private: bool, through_mechanism: bool) -> LineageEdge {
        LineageEdge {
            kind: LineageKind::Weights,
            source_id: 0,
            description: String::new(),
            through_mechanism,
            saw_private,
        }
    }

    #[test]
    fn one_private_ancestor_outside_the_mechanism_makes_it_conditional() {
        let clean = [edge(true, true), edge(false, false)];
        assert_eq!(guarantee(Some(2.0), &clean), (Guarantee::EndToEnd, Some(2.0)));
        let leaky = [edge(true, true), edge(true, false)];
        assert_eq!(guarantee(Some(2.0), &leaky), (Guarantee::Conditional, None));
        assert_eq!(guarantee(None, &clean), (Guarantee::None, None));
    }
}
