//! What a cohort's loop needs from a network.

use super::PerSampleGrads;
use crate::nn::Params;
use tch::Tensor;

/// Traces of one forward pass: `rows[m]` are positions in the pool for model m; a row shorter than
/// `width` is padded with traces of weight 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Microbatch {
    /// Pool positions per model.
    pub rows: Vec<Vec<usize>>,
    /// Traces a model, B.
    pub width: usize,
}

impl Microbatch {
    /// `[M, B]` ones for traces and zeros for padding.
    pub fn weights(&self) -> Tensor {
        let mut weights = vec![0f32; self.rows.len() * self.width];
        for (row, traces) in self.rows.iter().enumerate() {
            let start = row * self.width;
            weights[start..start + traces.len()].fill(1.0);
        }
        Tensor::from_slice(&weights).view([self.rows.len() as i64, self.width as i64])
    }
}

/// Losses and per-trace gradients of one microbatch.
#[derive(Debug)]
pub struct MicroGradients {
    /// Loss of each trace, `[M, B]`; 0 for padding.
    pub losses: Tensor,
    /// Their gradients.
    pub gradients: PerSampleGrads,
}

/// A network whose loss is a sum over traces. The rejected alternative, a closure from a batch to a
/// loss, could not keep hand-written backward passes; every torch generator implements this.
pub trait Network {
    /// The weights.
    fn params(&self) -> &Params;
    /// The weights, for the optimiser.
    fn params_mut(&mut self) -> &mut Params;
    /// Size of a pooled trace by which microbatches are sorted (its length): less padding.
    fn size(&self, trace: usize) -> usize;
    /// Losses and gradients; `clipping` says whether per-trace norms will be asked for.
    fn gradients(&self, batch: &Microbatch, clipping: bool) -> MicroGradients;
    /// Losses in evaluation mode, `[M, B]`; 0 for padding.
    fn losses(&self, batch: &Microbatch) -> Tensor;
}
