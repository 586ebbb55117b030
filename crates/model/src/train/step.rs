//! The differentially private step as owned types that can only be used in order.

use super::{DpPlan, noise::gaussian_noise};
use crate::nn::PerTrace;
use syntrace_base::base::Seed;
use syntrace_base::record::PrivacyEvent;
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

/// How a per-trace gradient is handled if it, or its norm, is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// It enters the sum, which becomes NaN: for a caller that checks the norms.
    Kept,
    /// It counts as zero, a contribution within every clip norm.
    Zeroed,
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

    /// Makes each `count` neighbouring traces one unit: their gradients are summed before any norm is taken.
    pub fn joined(self, count: usize) -> Self {
        if count == 1 { self } else { Self(self.0.join_rows(count as i64)) }
    }

    /// Clips each trace's gradient to its model's norm and sums over traces; one whose norm is not finite counts
    /// as zero. Returns the norms before clipping, `[M, B]`.
    pub fn clip(self, clipping: &Clipping) -> (ClippedSum, Tensor) {
        self.clip_own(clipping, None, Overflow::Zeroed)
    }

    /// As [`PerSampleGrads::clip`] for a pass with padding: `own [M, B]` is 1 for a model's traces, 0 for what
    /// fills its row.
    pub(super) fn clip_own(
        mut self,
        clipping: &Clipping,
        own: Option<&Tensor>,
        overflow: Overflow,
    ) -> (ClippedSum, Tensor) {
        let norms = self.0.squared_norms().sqrt();
        let mut factors = clipping.factors(&norms);
        if overflow == Overflow::Zeroed {
            let finite = norms.isfinite();
            self.0.zero_except(&finite);
            factors = factors.where_self(&finite, &factors.zeros_like());
        }
        if let Some(own) = own {
            factors *= own;
        }
        (ClippedSum { sums: self.0.weighted_sum(Some(&factors)) }, norms)
    }

    /// Sums without clipping: for cohorts without any DP model, where no norm is needed.
    pub fn sum_unclipped(self) -> ClippedSum {
        self.sum_own(None)
    }

    /// As [`PerSampleGrads::sum_unclipped`] for a pass with padding; `own` as in [`PerSampleGrads::clip_own`].
    pub(super) fn sum_own(self, own: Option<&Tensor>) -> ClippedSum {
        ClippedSum { sums: self.0.weighted_sum(own) }
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
        let index = Tensor::from_slice(&index).to_device(self.device());
        for (sum, more) in self.sums.iter_mut().zip(part.sums) {
            if let (Some(sum), Some(more)) = (sum, more) {
                let _ = sum.index_add_(0, &index, &more);
            }
        }
    }

    fn device(&self) -> tch::Device {
        self.sums.iter().flatten().next().map_or(tch::Device::Cpu, Tensor::device)
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
        let (total, device) = (sizes.iter().sum(), self.device());
        let rows: Vec<Tensor> = plans
            .iter()
            .zip(seeds)
            .map(|(plan, seed)| match plan {
                Some(plan) => gaussian_noise(seed, step, total, device) * (plan.noise_multiplier * plan.clip_norm),
                None => Tensor::zeros([total], (Kind::Float, device)),
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
        let noise = noise.map(|noise| noise.to_device(self.device()));
        let mut sizes = sizes.iter();
        let gradients = self
            .sums
            .into_iter()
            .map(|sum| {
                let mut sum = sum?;
                let size = sizes.next().copied().unwrap_or(0);
                if let Some(noise) = &noise {
                    let part = noise.narrow(1, offset, size).to_kind(sum.kind());
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
            let active = active.to_device(gradient.device());
            *gradient = gradient.where_self(&active.view(&shape[..]), &gradient.zeros_like());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Params, Part};

    /// Two models of two traces, the second's last one padding, against sums by hand.
    #[test]
    fn padding_is_in_no_sum_clipped_or_not() {
        let mut params = Params::new(2);
        let weight = params.add("w", Tensor::zeros([2, 2], (Kind::Float, tch::Device::Cpu)));
        let gradients = || {
            let values = [3.0f32, 4.0, 0.3, 0.4, 6.0, 8.0, 60.0, 80.0];
            let mut per_trace = PerTrace::new(&params, 2);
            per_trace.push(weight, Part::Direct(Tensor::from_slice(&values).view([2, 2, 2])));
            PerSampleGrads::new(per_trace)
        };
        let own = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 0.0]).view([2, 2]);
        let first = |sum: ClippedSum| Vec::<Vec<f32>>::try_from(sum.sums[0].as_ref().unwrap()).unwrap();
        let dp = DpPlan { noise_multiplier: 1.0, clip_norm: 1.0 };
        let (clipped, norms) = gradients().clip_own(&Clipping::new(&[Some(dp), Some(dp)]), Some(&own), Overflow::Kept);
        let close = |left: Vec<Vec<f32>>, right: [[f32; 2]; 2]| {
            left.iter().flatten().zip(right.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        assert!(close(first(clipped), [[0.9, 1.2], [0.6, 0.8]]));
        assert!(close(Vec::try_from(norms).unwrap(), [[5.0, 0.5], [10.0, 100.0]]));
        assert!(close(first(gradients().sum_own(Some(&own))), [[3.3, 4.4], [6.0, 8.0]]));
        assert!(close(first(gradients().sum_unclipped()), [[3.3, 4.4], [66.0, 88.0]]));
    }
}
