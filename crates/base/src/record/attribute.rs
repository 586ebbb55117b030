//! Attributes of traces: what attacks read.

/// One attribute of a trace: what a model, or its synthetic traces alone, say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceAttribute {
    /// Which attribute.
    pub kind: &'static str,
    /// Loss of the trace: lower = likelier a member. Of a model in evaluation mode.
    pub loss: f32,
    /// Its values; as many for every trace of a kind.
    pub values: Vec<f32>,
}

/// How the names of attribute kinds begin that are kept whole, position by position.
pub const WHOLE: &str = "whole_";

/// What a model says of every position of a trace, before it is summarised.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeAttribute {
    /// Loss of the trace, as beside its summaries.
    pub loss: f32,
    /// Numbers of each position that the trace has; equally many at each.
    pub rows: Vec<Vec<f32>>,
}

/// Scores of an attribute that are identifiable only up to an additive constant per model: adding it to all scores of
/// a model changes nothing about the model (the score of a WGAN critic, logits).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WithoutZero {
    /// The loss beside the attribute.
    pub loss: bool,
    /// Its values.
    pub values: bool,
}

impl WithoutZero {
    /// What is identifiable only up to a constant in an attribute of this family and kind: a constant added to a WGAN
    /// critic does not change its training (only differences of scores enter the loss), one added to all logits does
    /// not change the probabilities. Log-probabilities and squared errors are absolute.
    pub fn of(family: &str, kind: &str) -> Self {
        // Computed from synthetic traces: distances and likelihoods, whatever generated the traces.
        if kind.starts_with("synthetic_") {
            return Self::default();
        }
        let values = match (family, kind) {
            // norms of gradients do not see the constant, the loss beside them is the score
            ("netshare", "critic_gradient_norm") => false,
            ("netshare", _) | ("netssm", "mean_logits" | "whole_logits") => true,
            _ => false,
        };
        Self { loss: !Self::loss_has_zero(family), values }
    }

    /// Does the loss of a family have a zero? A critic's score has none.
    pub fn loss_has_zero(family: &str) -> bool {
        family != "netshare"
    }

    /// Is there nothing of the kind?
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A scalar inside an attribute: the mean of some of its values, those that are exactly 0 (a packet that
/// the trace lacks) left out. The values are `start`, `start + step`, ... up to `tail` before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedScalar {
    /// Name in specs (`confidence`, `entropy`, `margin`, `critic`).
    pub name: &'static str,
    /// First value, from 0.
    pub start: u32,
    /// Values from one to the next; 0: there is only the first.
    pub step: u32,
    /// Values at the end that take no part.
    pub tail: u32,
    /// Does a higher value speak for a member?
    pub member_high: bool,
}
