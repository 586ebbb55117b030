//! Next-token loss in closed form.

use tch::Tensor;

/// A loss per trace, and its gradient with respect to the logits.
#[derive(Debug)]
pub struct TokenLoss {
    /// `[M, B]`: weighted sum of the trace's token losses (natural log).
    pub losses: Tensor,
    /// Gradient of the sum of `losses`, the shape of the logits.
    pub gradient: Tensor,
}

/// Cross-entropy of logits `[M, B, L, V]` against `targets [M, B, L]` with `weights [M, B, L]` (one
/// over the trace's number of targets where there is one, else 0), and its gradient
/// `(softmax - onehot) * weight`. Overwrites the logits' buffer; call without autograd.
pub fn token_cross_entropy(logits: Tensor, targets: &Tensor, weights: &Tensor) -> TokenLoss {
    let mut scores = logits.log_softmax(-1, None);
    drop(logits);
    let targets = targets.unsqueeze(-1);
    let weights = weights.unsqueeze(-1);
    let of_targets = scores.gather(-1, &targets, false);
    let losses = (of_targets * &weights).sum_dim_intlist([-2, -1].as_slice(), false, None).neg();
    let _ = scores.exp_();
    let _ = scores.scatter_add_(-1, &targets, &weights.ones_like().neg());
    let _ = scores.g_mul_(&weights);
    TokenLoss { losses, gradient: scores }
}
