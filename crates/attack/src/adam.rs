//! Adam over one flat tensor.

use tch::{TchError, Tensor};

/// Adam (Kingma and Ba 2015, algorithm 1) with L2 added to the gradient, as torch.optim.Adam; betas 0.9
/// and 0.999, epsilon 1e-8.
pub struct Adam {
    learning_rate: f64,
    weight_decay: f64,
    steps: i32,
    moments: Option<(Tensor, Tensor)>,
}

impl Adam {
    const BETA_1: f64 = 0.9;
    const BETA_2: f64 = 0.999;
    const EPSILON: f64 = 1e-8;

    /// An optimiser that has taken no step.
    pub fn new(learning_rate: f64, weight_decay: f64) -> Self {
        Self { learning_rate, weight_decay, steps: 0, moments: None }
    }

    /// What the next step takes from the weights.
    pub(crate) fn change(&mut self, weights: &Tensor, gradient: &Tensor) -> Result<Tensor, TchError> {
        let gradient = match self.weight_decay {
            0.0 => gradient.shallow_clone(),
            decay => gradient.f_add(&weights.f_mul_scalar(decay)?)?,
        };
        let (mut first, mut second) = match self.moments.take() {
            Some(moments) => moments,
            None => (gradient.f_zeros_like()?, gradient.f_zeros_like()?),
        };
        self.steps += 1;
        let _ = first.f_lerp_(&gradient, 1.0 - Self::BETA_1)?;
        let _ = second.f_lerp_(&gradient.f_square()?, 1.0 - Self::BETA_2)?;
        let correction_1 = 1.0 - Self::BETA_1.powi(self.steps);
        let correction_2 = 1.0 - Self::BETA_2.powi(self.steps);
        let mut scale = second.f_sqrt()?;
        let _ = scale.f_div_scalar_(correction_2.sqrt())?;
        let _ = scale.f_add_scalar_(Self::EPSILON)?;
        let mut change = first.f_div(&scale)?;
        let _ = change.f_mul_scalar_(self.learning_rate / correction_1)?;
        self.moments = Some((first, second));
        Ok(change)
    }
}
