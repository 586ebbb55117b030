//! The guarantee of an epsilon, given the lineage of a model's weights.

use syntrace_base::record::{Guarantee, LineageEdge, ModelRecord, Regime};

/// Word for the guarantee of a model whose delta promises nothing (see [`promises_nothing`]).
pub const NONE_BY_DELTA: &str = "none: delta";

/// `ModelRecord::noise` of a model whose noise follows from its id (`regimes.noise = "reproducible"`).
pub const REPRODUCIBLE_NOISE: &str = "reproducible";

/// Is a delta too large for a meaningful guarantee? A mechanism that publishes each of `members` traces whole with
/// probability delta is (0, delta)-DP: from 1/members on it reveals one of them or more on average.
pub fn promises_nothing(delta: f64, members: u64) -> bool {
    delta.is_nan() || delta >= 1.0 / members as f64
}

/// The guarantee of a stored model's epsilon, given how many traces it was trained on (`None` = not known): the name of
/// the guarantee, and the end-to-end epsilon (infinite where nothing holds end to end, `None` without DP and where the
/// epsilon is only claimed). Noise that is derived from the model's id can be recomputed and subtracted by anyone who
/// has the study, so the guarantee is then conditional on that not happening.
pub fn promise(model: &ModelRecord, members: Option<u32>) -> (&'static str, Option<f64>) {
    let Regime::Dp { delta, .. } = model.regime else { return (model.guarantee.name(), None) };
    let nothing = members.is_some_and(|members| promises_nothing(delta, u64::from(members)));
    let known = model.noise.as_deref() == Some(REPRODUCIBLE_NOISE);
    let word = match model.guarantee {
        _ if nothing => NONE_BY_DELTA,
        Guarantee::EndToEnd if known => Guarantee::Conditional.name(),
        other => other.name(),
    };
    let epsilon = if nothing || known { None } else { model.epsilon_end_to_end };
    (word, model.epsilon_spent.map(|_| epsilon.unwrap_or(f64::INFINITY)))
}

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
    fn a_delta_from_one_over_members_on_promises_nothing() {
        assert!(promises_nothing(1.0 / 49.0, 49) && promises_nothing(0.5, 49) && promises_nothing(f64::NAN, 49));
        assert!(!promises_nothing(0.02, 49) && !promises_nothing(1e-5, 49) && !promises_nothing(1e-5, 0));
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
