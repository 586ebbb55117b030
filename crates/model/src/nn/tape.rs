//! The record of one forward pass: what was captured and which weights used it.

use super::{Param, Params, Part, PerTrace};
use std::cell::RefCell;
use tch::Tensor;

/// Turns the gradients of a use's captured tensors into its part of a weight's per-trace gradient.
type ToPart = Box<dyn FnOnce(&[Tensor]) -> Part>;

struct Use {
    param: Param,
    slots: Vec<usize>,
    to_part: ToPart,
}

#[derive(Default)]
struct Record {
    captured: Vec<Tensor>,
    uses: Vec<Use>,
}

/// A forward pass over `[M, B, ...]` activations: recording (training) or not (evaluation).
pub struct Tape<'p> {
    params: &'p Params,
    traces: i64,
    record: Option<RefCell<Record>>,
}

impl<'p> Tape<'p> {
    /// A pass that can be differentiated, over `traces` traces a model.
    pub fn recording(params: &'p Params, traces: i64) -> Self {
        Self { params, traces, record: Some(RefCell::new(Record::default())) }
    }

    /// A pass that keeps nothing; run it under `tch::no_grad`.
    pub fn evaluation(params: &'p Params, traces: i64) -> Self {
        Self { params, traces, record: None }
    }

    /// The weights of this pass.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// Models M and traces B of this pass.
    pub fn shape(&self) -> (i64, i64) {
        (self.params.models(), self.traces)
    }

    /// Marks a tensor whose gradient is wanted; continue with the returned one.
    pub(super) fn capture(&self, tensor: Tensor) -> (Tensor, usize) {
        let Some(record) = &self.record else { return (tensor, 0) };
        let tensor = if tensor.requires_grad() { tensor } else { tensor.set_requires_grad(true) };
        let mut record = record.borrow_mut();
        record.captured.push(tensor.shallow_clone());
        let slot = record.captured.len() - 1;
        (tensor, slot)
    }

    /// Records that `param` was used where `slots` were captured.
    pub(super) fn used(&self, param: Param, slots: Vec<usize>, to_part: impl FnOnce(&[Tensor]) -> Part + 'static) {
        let Some(record) = &self.record else { return };
        if self.params.trainable(param) {
            record.borrow_mut().uses.push(Use { param, slots, to_part: Box::new(to_part) });
        }
    }

    /// A small weight as a per-trace view `[M, B, ...]` (no copy): its per-trace gradient is the
    /// gradient of the view. For weights that enter formulas of their own.
    pub fn per_trace(&self, param: Param) -> Tensor {
        let value = self.params.get(param);
        let mut shape = value.size();
        shape.insert(1, self.traces);
        let view = value.unsqueeze(1).expand(&shape, false);
        if !self.params.trainable(param) {
            return view;
        }
        let (view, slot) = self.capture(view);
        self.used(param, vec![slot], |gradients| Part::Direct(gradients[0].flatten(2, -1)));
        view
    }

    /// One backward pass from scalar `loss` (a sum over models and traces); consumes the record.
    pub fn backward(self, loss: &Tensor) -> PerTrace {
        let record = self.record.map(RefCell::into_inner).unwrap_or_default();
        let mut gradients = Tensor::run_backward(&[loss], &record.captured, false, false);
        for (gradient, captured) in gradients.iter_mut().zip(&record.captured) {
            if !gradient.defined() {
                *gradient = captured.zeros_like();
            }
        }
        let mut per_trace = PerTrace::new(self.params, self.traces);
        for item in record.uses {
            let of_use: Vec<Tensor> = item.slots.iter().map(|&slot| gradients[slot].shallow_clone()).collect();
            per_trace.push(item.param, (item.to_part)(&of_use));
        }
        per_trace
    }
}
