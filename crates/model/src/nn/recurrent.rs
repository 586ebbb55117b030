//! LSTM steps. The weights are shared by all steps: the tape adds up their uses before any norm.

use super::{Param, Tape};
use tch::Tensor;

/// Weights of one LSTM layer, gates in the order input, forget, cell, output.
#[derive(Debug, Clone, Copy)]
pub struct LstmParams {
    /// `[M, 4h, p]`.
    pub weight_input: Param,
    /// `[M, 4h, h]`.
    pub weight_hidden: Param,
    /// `[M, 4h]`.
    pub bias_input: Param,
    /// `[M, 4h]`.
    pub bias_hidden: Param,
}

impl Tape<'_> {
    /// One step: x `[M, B, p]`, hidden and cell state `[M, B, h]`; returns the new two.
    pub fn lstm_step(&self, x: &Tensor, state: (&Tensor, &Tensor), params: LstmParams) -> (Tensor, Tensor) {
        let (hidden, cell) = state;
        let gates = self.linear(x, params.weight_input, Some(params.bias_input))
            + self.linear(hidden, params.weight_hidden, Some(params.bias_hidden));
        let width = hidden.size()[2];
        let gate = |index: i64| gates.narrow(2, index * width, width);
        let cell = gate(1).sigmoid() * cell + gate(0).sigmoid() * gate(2).tanh();
        (gate(3).sigmoid() * cell.tanh(), cell)
    }

    /// All steps from a zero state: x `[M, B, L, p]`, hidden states `[M, B, L, h]`.
    pub fn lstm(&self, x: &Tensor, params: LstmParams) -> Tensor {
        let (models, traces) = self.shape();
        let width = self.params().get(params.weight_hidden).size()[2];
        let mut hidden = Tensor::zeros([models, traces, width], (x.kind(), x.device()));
        let mut cell = hidden.zeros_like();
        let mut all = Vec::new();
        for step in 0..x.size()[2] {
            (hidden, cell) = self.lstm_step(&x.select(2, step), (&hidden, &cell), params);
            all.push(hidden.shallow_clone());
        }
        Tensor::stack(&all, 2)
    }
}
