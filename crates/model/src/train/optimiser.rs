//! Optimisers of all models of a cohort at once: state tensors have the model axis first, as weights have.

use super::{Average, OptimiserPlan, PrivateGrad};
use crate::nn::Params;
use tch::Tensor;

/// Optimiser state: one or two tensors per weight, and the number of steps taken.
#[derive(Debug)]
pub struct Optimiser {
    plan: OptimiserPlan,
    /// Momentum or first moment.
    first: Vec<Tensor>,
    /// Second moment (Adam).
    second: Vec<Tensor>,
    /// Running means of the weights, if averaging is on.
    mean: Vec<Tensor>,
    average: Average,
    /// Steps of the whole training, which determine the averaging window.
    steps_all: u64,
    steps: u64,
}

impl Optimiser {
    /// The initial state for some weights.
    pub fn new(plan: OptimiserPlan, params: &Params) -> Self {
        let zeros = || params.handles().map(|param| params.get(param).zeros_like()).collect();
        let (first, second) = match plan {
            OptimiserPlan::Sgd { momentum: 0.0, .. } => (Vec::new(), Vec::new()),
            OptimiserPlan::Sgd { .. } => (zeros(), Vec::new()),
            OptimiserPlan::Adam { .. } => (zeros(), zeros()),
        };
        Self { plan, first, second, mean: Vec::new(), average: Average::None, steps_all: 0, steps: 0 }
    }

    /// Turns on averaging of the weights for a training of `steps` steps.
    pub fn averaging(mut self, average: Average, steps: u64, params: &Params) -> Self {
        if average != Average::None {
            self.mean = params.handles().map(|param| params.get(param).zeros_like()).collect();
        }
        (self.average, self.steps_all) = (average, steps);
        self
    }

    /// Replaces the trained weights by their running means, if averaging is on.
    pub fn settle(&self, params: &mut Params) {
        if self.average.horizon(self.steps, self.steps_all) == 0 {
            return;
        }
        for (param, mean) in params.handles().zip(&self.mean) {
            if params.trainable(param) {
                params.set(param, mean);
            }
        }
    }

    /// Takes one step; `rates [M]` is each model's factor of the learning rate (a schedule; 0 freezes
    /// a model).
    pub fn step(&mut self, params: &mut Params, gradient: PrivateGrad, rates: &Tensor) {
        self.steps += 1;
        let rates = rates.to_device(params.device());
        for (index, (param, gradient)) in params.handles().zip(gradient.gradients).enumerate() {
            let Some(gradient) = gradient else { continue };
            let mut shape = vec![1; gradient.dim()];
            shape[0] = -1;
            let rates = rates.to_kind(gradient.kind()).view(&shape[..]);
            self.update(index, params.get_mut(param), &gradient, &rates);
            let horizon = self.average.horizon(self.steps, self.steps_all);
            if let (Some(mean), 1..) = (self.mean.get_mut(index), horizon) {
                let share = 1.0 / horizon as f64;
                let _ = mean.g_mul_scalar_(1.0 - share).g_add_(&(params.get(param) * share));
            }
        }
    }

    fn update(&mut self, index: usize, weight: &mut Tensor, gradient: &Tensor, rates: &Tensor) {
        match self.plan {
            OptimiserPlan::Sgd { rate, momentum } => {
                if momentum == 0.0 {
                    *weight -= gradient * rates * rate;
                } else {
                    let velocity = &mut self.first[index];
                    let _ = velocity.g_mul_scalar_(momentum).g_add_(gradient);
                    *weight -= &*velocity * rates * rate;
                }
            }
            OptimiserPlan::Adam { rate, betas: (beta1, beta2), eps, weight_decay } => {
                if weight_decay != 0.0 {
                    *weight -= &*weight * rates * (rate * weight_decay);
                }
                let first = &mut self.first[index];
                let _ = first.g_mul_scalar_(beta1).g_add_(&(gradient * (1.0 - beta1)));
                let second = &mut self.second[index];
                let _ = second.g_mul_scalar_(beta2).g_add_(&(gradient * gradient * (1.0 - beta2)));
                let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
                let correction1 = 1.0 - beta1.powi(steps);
                let correction2 = 1.0 - beta2.powi(steps);
                let denominator = second.sqrt() / correction2.sqrt() + eps;
                *weight -= &*first / denominator * rates * (rate / correction1);
            }
        }
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state's tensors with names, for a checkpoint.
    pub(super) fn state(&self) -> Vec<(String, &Tensor)> {
        let name = |kind: &str, index: usize| format!("optimiser.{kind}.{index}");
        let first = self.first.iter().enumerate().map(|(index, tensor)| (name("first", index), tensor));
        let second = self.second.iter().enumerate().map(|(index, tensor)| (name("second", index), tensor));
        let mean = self.mean.iter().enumerate().map(|(index, tensor)| (name("mean", index), tensor));
        first.chain(second).chain(mean).collect()
    }

    /// Restores the state from a checkpoint's tensors.
    pub(super) fn restore(
        &mut self,
        steps: u64,
        tensor: impl Fn(&str, &Tensor) -> syntrace_base::error::Result<Tensor>,
    ) -> syntrace_base::error::Result<()> {
        self.steps = steps;
        let restored: Vec<(String, Tensor)> = self
            .state()
            .into_iter()
            .map(|(name, like)| tensor(&name, like).map(|value| (name, value)))
            .collect::<syntrace_base::error::Result<_>>()?;
        let values = restored.into_iter().map(|(_, value)| value);
        let slots = self.first.iter_mut().chain(self.second.iter_mut()).chain(self.mean.iter_mut());
        for (slot, value) in slots.zip(values) {
            slot.copy_(&value);
        }
        Ok(())
    }
}
