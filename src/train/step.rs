//! The differentially private step as owned types that can only be used in order.

use super::{DpPlan, PrivacyEvent, noise::standard_normal};
use crate::base::Seed;
use crate::nn::PerTrace;
use tch::{Kind, Tensor};

/// Per-trace gradients of one microbatch, not yet clipped.
#[derive(Debug)]
pub struct PerSampleGrads(PerTrace);

/// The clip norms of a cohort: row m is `None` where model m trains without DP.
#[derive(Debug)]
pub struct Clipping {
    norms: Vec<Option<f64>>,
    /// `[M, 1]`, infinite without DP.
    bounds: Tensor,
}

/// Sum of clipped per-trace gradients over the microbatches of one step, `[M, ...]` per weight.
#[derive(Debug)]
pub struct ClippedSum {
    sums: Vec<Option<Tensor>>,
}

/// A gradient that may touch the weights: with noise where the model has DP, divided by the expected
/// batch size.
#[derive(Debug)]
pub struct PrivateGrad {
    pub(super) gradients: Vec<Option<Tensor>>,
}

impl Clipping {
    /// Clip norms from the models' plans.
    pub fn new(plans: &[Option<DpPlan>]) -> Self {
        let norms: Vec<Option<f64>> = plans.iter().map(|plan| plan.map(|plan| plan.clip_norm)).collect();
        let bounds: Vec<f64> = norms.iter().map(|norm| norm.unwrap_or(f64::INFINITY)).collect();
        Self { norms, bounds: Tensor::from_slice(&bounds).unsqueeze(1) }
    }

    /// The clip norms of some models.
    pub fn select(&self, models: &[usize]) -> Self {
        let norms: Vec<Option<f64>> = models.iter().map(|&model| self.norms.get(model).copied().flatten()).collect();
        let bounds: Vec<f64> = norms.iter().map(|norm| norm.unwrap_or(f64::INFINITY)).collect();
        Self { norms, bounds: Tensor::from_slice(&bounds).unsqueeze(1) }
    }

    /// Does any model clip?
    pub fn any(&self) -> bool {
        self.norms.iter().any(Option::is_some)
    }

    /// `min(1, C / norm)` per trace, one for a zero norm; norms `[M, B]`.
    pub fn factors(&self, norms: &Tensor) -> Tensor {
        let bounds = self.bounds.to_kind(norms.kind()).to_device(norms.device());
        // C / 0 is infinite, so the minimum is one; with C infinite it is one for every finite norm.
        (bounds / norms).clamp_max(1.0)
    }
}

impl PerSampleGrads {
    /// Takes the gradients of one backward pass.
    pub fn new(per_trace: PerTrace) -> Self {
        Self(per_trace)
    }

    /// Clips each trace's gradient to its model's norm and sums over traces. Returns the norms before
    /// clipping, `[M, B]`.
    pub fn clip(mut self, clipping: &Clipping) -> (ClippedSum, Tensor) {
        let norms = self.0.squared_norms().sqrt();
        let factors = clipping.factors(&norms);
        (ClippedSum { sums: self.0.weighted_sum(Some(&factors)) }, norms)
    }

    /// Sums without clipping: for cohorts without any DP model, where no norm is needed.
    pub fn sum_unclipped(self) -> ClippedSum {
        ClippedSum { sums: self.0.weighted_sum(None) }
    }
}

impl ClippedSum {
    /// The sum of no traces: what an empty Poisson batch gives.
    pub fn empty(params: &crate::nn::Params) -> Self {
        let sums = params.handles().map(|param| params.trainable(param).then(|| params.get(param).zeros_like()));
        Self { sums: sums.collect() }
    }

    /// Adds a microbatch of the same step: row i of `part` to row `models[i]`.
    pub fn add_rows(&mut self, models: &[usize], part: Self) {
        let index: Vec<i64> = models.iter().map(|&model| model as i64).collect();
        let index = Tensor::from_slice(&index);
        for (sum, more) in self.sums.iter_mut().zip(part.sums) {
            if let (Some(sum), Some(more)) = (sum, more) {
                let _ = sum.index_add_(0, &index.to_device(more.device()), &more);
            }
        }
    }

    /// The sums, for comparisons: one per weight, `None` where it is not trained.
    pub fn sums(&self) -> &[Option<Tensor>] {
        &self.sums
    }

    /// Adds Gaussian noise of standard deviation sigma C to each private model's sum, divides by the
    /// expected batch size, and counts one step of each private model's event.
    pub fn privatise(
        self,
        plans: &[Option<DpPlan>],
        seeds: &[Seed],
        step: u64,
        expected_batch: f64,
        ledger: &mut [Option<PrivacyEvent>],
    ) -> PrivateGrad {
        let sizes: Vec<i64> = self.sums.iter().flatten().map(|sum| sum.get(0).numel() as i64).collect();
        if plans.iter().all(Option::is_none) {
            return self.finish(None, &sizes, expected_batch);
        }
        let total: i64 = sizes.iter().sum();
        let rows: Vec<Tensor> = plans
            .iter()
            .zip(seeds)
            .map(|(plan, seed)| match plan {
                Some(plan) => standard_normal(seed, step, total) * (plan.noise_multiplier * plan.clip_norm),
                None => Tensor::zeros([total], (Kind::Float, tch::Device::Cpu)),
            })
            .collect();
        let noise = Tensor::stack(&rows, 0);
        for event in ledger.iter_mut().flatten() {
            event.steps += 1;
        }
        self.finish(Some(&noise), &sizes, expected_batch)
    }

    /// As [`ClippedSum::privatise`] with the noise given, `[M, all parameters]`, already scaled.
    pub fn with_noise(self, noise: &Tensor, expected_batch: f64) -> PrivateGrad {
        let sizes: Vec<i64> = self.sums.iter().flatten().map(|sum| sum.get(0).numel() as i64).collect();
        self.finish(Some(noise), &sizes, expected_batch)
    }

    fn finish(self, noise: Option<&Tensor>, sizes: &[i64], expected_batch: f64) -> PrivateGrad {
        let mut offset = 0;
        let mut sizes = sizes.iter();
        let gradients = self
            .sums
            .into_iter()
            .map(|sum| {
                let mut sum = sum?;
                let size = sizes.next().copied().unwrap_or(0);
                if let Some(noise) = noise {
                    let part = noise.narrow(1, offset, size).to_device(sum.device()).to_kind(sum.kind());
                    sum += part.reshape(sum.size());
                }
                offset += size;
                Some(sum.g_div_scalar_(expected_batch))
            })
            .collect();
        PrivateGrad { gradients }
    }
}

impl PrivateGrad {
    /// The gradients, for comparisons.
    pub fn gradients(&self) -> &[Option<Tensor>] {
        &self.gradients
    }

    /// Sets the gradient of inactive models (`active [M]`, boolean) to zero, whatever it was.
    pub(super) fn only(&mut self, active: &Tensor) {
        for gradient in self.gradients.iter_mut().flatten() {
            let mut shape = vec![1; gradient.dim()];
            shape[0] = -1;
            *gradient = gradient.where_self(&active.view(&shape[..]), &gradient.zeros_like());
        }
    }
}
