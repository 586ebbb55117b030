//! The noise process (Ho et al. 2020) and its deterministic sampler (Song et al. 2021).

use super::config::ScheduleConfig;
use tch::{Device, Kind, Tensor};

/// `alpha_bar` of each step: `x_t = sqrt(alpha_bar) z + sqrt(1 - alpha_bar) noise`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    alpha_bar: Vec<f64>,
}

impl Schedule {
    /// The schedule of a configuration.
    pub fn new(config: &ScheduleConfig) -> Self {
        let [first, last] = config.beta.map(f64::sqrt);
        let spacing = (last - first) / f64::from(config.steps.saturating_sub(1).max(1));
        let mut product = 1.0;
        let alpha_bar = (0..config.steps).map(|step| {
            product *= 1.0 - (first + spacing * f64::from(step)).powi(2);
            product
        });
        Self { alpha_bar: alpha_bar.collect() }
    }

    /// Number of steps.
    pub fn steps(&self) -> u32 {
        self.alpha_bar.len() as u32
    }

    /// Share of the signal's variance at a step; 1 before the first.
    pub fn alpha_bar(&self, step: Option<u32>) -> f64 {
        step.map_or(1.0, |step| self.alpha_bar.get(step as usize).copied().unwrap_or(0.0))
    }

    /// Roots of the signal's and of the noise's share at some steps, `[n, 1, 1, 1]` each.
    pub(super) fn roots(&self, steps: &[u32], device: Device) -> (Tensor, Tensor) {
        let column = |of: fn(f64) -> f64| {
            let values: Vec<f32> = steps.iter().map(|step| of(self.alpha_bar(Some(*step))) as f32).collect();
            Tensor::from_slice(&values).to_device(device).view([-1, 1, 1, 1])
        };
        (column(f64::sqrt), column(|share| (1.0 - share).sqrt()))
    }

    /// The steps of a sampler with `count` steps, from the noisiest: `(i + 1) steps / count - 1`.
    pub fn sampler_steps(&self, count: u32) -> Vec<u32> {
        (1..=count)
            .rev()
            .map(|index| (u64::from(index) * u64::from(self.steps()) / u64::from(count)) as u32 - 1)
            .collect()
    }

    /// One step of DDIM without noise (Song et al. 2021, eq. 12 with eta 0): from `step` to `next`, by the
    /// predicted noise.
    pub(super) fn denoise(&self, x: &Tensor, noise: &Tensor, step: u32, next: Option<u32>) -> Tensor {
        let (now, then) = (self.alpha_bar(Some(step)), self.alpha_bar(next));
        let clean = (x - noise * (1.0 - now).sqrt()) / now.sqrt();
        clean * then.sqrt() + noise * (1.0 - then).sqrt()
    }
}

/// Steps as the network's input, `[n]` f32.
pub(super) fn step_tensor(steps: &[u32], device: Device) -> Tensor {
    let values: Vec<f32> = steps.iter().map(|step| *step as f32).collect();
    Tensor::from_slice(&values).to_device(device).to_kind(Kind::Float)
}
