//! The interface between a cohort's training loop and a network.

use super::PerSampleGrads;
use crate::nn::Params;
use tch::Tensor;

/// Traces of one forward pass, the same number of each of some models. On the CPU none is padding, however
/// different the Poisson batches of a cohort are; elsewhere a row that is too short is filled with a trace
/// of its own, which the loop leaves out of all sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Microbatch {
    /// Models that take part, ascending: positions on the model axis.
    pub models: Vec<usize>,
    /// Pool positions, one row of equal length per entry of `models`.
    pub rows: Vec<Vec<usize>>,
}

impl Microbatch {
    /// Traces a model, B.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }
}

/// Losses and per-trace gradients of one microbatch.
#[derive(Debug)]
pub struct MicroGradients {
    /// Loss of each trace, `[M, B]`, M the models of the microbatch.
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
    /// Losses in evaluation mode, `[M, B]`.
    fn losses(&self, batch: &Microbatch) -> Tensor;
    /// Called before the gradients of each step: what a network draws for all traces of a step (generated
    /// samples) it draws here, from its own seeds and the step's number.
    fn before_step(&mut self, _step: u64) {}
    /// Called after the optimiser's step: training of parts that see no private trace (a generator
    /// behind its critics). `active` says which models still train; returns those that cannot go on.
    /// What it keeps must lie in [`Params`], where checkpoints find it.
    fn after_step(&mut self, _step: u64, _active: &[bool]) -> Vec<usize> {
        Vec::new()
    }
}
