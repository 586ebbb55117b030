//! The generator's step: post-processing of the critics. It sees fresh noise and the critics'
//! weights, never a trace, so it costs no privacy.

use super::config::{ADAM_EPS, BETAS};
use super::generator::Statistics;
use super::network::NetShareNetwork;
use crate::nn::Param;
use tch::{Kind, Tensor};

/// A critic whose score of a generated sample is beyond this has collapsed. Critics with unit gradients
/// over cells in [-1, 1] stay orders of magnitude below it. Only generated samples are asked: what a
/// private model does must not depend on its traces outside the mechanism.
const SCORE_MAX: f64 = 1e6;

impl NetShareNetwork {
    /// After every `critic_rounds`-th step, one Adam step down `-mean D(fake) - weight * mean A(fake)`
    /// (WGAN). Returns the models whose critics have collapsed or whose gradient is not finite; their generators, and
    /// those of inactive models, stay unchanged.
    pub(super) fn generator_step(&mut self, step: u64, active: &[bool]) -> Vec<usize> {
        let rounds = u64::from(self.config.critic_rounds);
        if !(step + 1).is_multiple_of(rounds) {
            return Vec::new();
        }
        let noise = self.noise("generator", step, i64::from(self.config.fakes));
        let leaves: Vec<Tensor> = self
            .moments
            .iter()
            .map(|moments| self.params.get(moments.value).detach().set_requires_grad(true))
            .collect();
        let values = |param: Param| {
            let place = self.moments.iter().position(|moments| moments.value == param);
            place.map_or_else(|| self.params.get(param).shallow_clone(), |place| leaves[place].shallow_clone())
        };
        let made = self.generator.samples(&self.config, &values, &noise, Statistics::Batch);
        let from = self.config.width() - self.config.attribute_width();
        let of_d = self.d.scores(&self.params, None, &made.cells);
        let attributes = made.cells.narrow(2, from, self.config.attribute_width());
        let of_a = self.a.scores(&self.params, None, &attributes);
        let loss = (&of_d + &of_a * self.config.attribute_weight).mean_dim([1].as_slice(), false, None).neg();
        let gradients = Tensor::run_backward(&[loss.sum(of_d.kind())], &leaves, false, false);
        tch::no_grad(|| {
            let sound = sound(&of_d, &of_a, &gradients);
            let active = Tensor::from_slice(active).to_device(sound.device());
            let rate = self.config.rate * self.rate_factor(step);
            self.adam(gradients, &sound.logical_and(&active), rate, (step + 1) / rounds);
            self.keep_running(&made.running, &sound.logical_and(&active));
            let stopped = Vec::<bool>::try_from(sound.logical_not().logical_and(&active)).unwrap_or_default();
            (0..stopped.len()).filter(|&model| stopped[model]).collect()
        })
    }

    /// The critics' rate falls with the plan (`TrainPlan::rate_factor`); the generator's as they do.
    fn rate_factor(&self, step: u64) -> f64 {
        if self.config.linear_decay { 1.0 - step as f64 / self.steps.max(step + 1) as f64 } else { 1.0 }
    }

    /// Adam (Kingma and Ba 2015, algorithm 1), its moments in the params; `count` from 1.
    fn adam(&mut self, gradients: Vec<Tensor>, moving: &Tensor, rate: f64, count: u64) {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        let (beta1, beta2) = BETAS;
        let (correction1, correction2) = (1.0 - beta1.powi(count), 1.0 - beta2.powi(count));
        for (moments, gradient) in self.moments.iter().zip(gradients) {
            let moving = rows(moving, &gradient);
            // Chosen, not multiplied: what is not finite must not spread.
            let gradient = gradient.where_self(&moving, &gradient.zeros_like());
            let first = self.params.get(moments.first) * beta1 + &gradient * (1.0 - beta1);
            let second = self.params.get(moments.second) * beta2 + &gradient * &gradient * (1.0 - beta2);
            let denominator = second.sqrt() / correction2.sqrt() + ADAM_EPS;
            let change = &first / denominator * (rate / correction1);
            let change = change.where_self(&moving, &change.zeros_like());
            self.params.set(moments.first, &first);
            self.params.set(moments.second, &second);
            let value = self.params.get_mut(moments.value);
            *value -= change;
        }
    }

    fn keep_running(&mut self, running: &[(Tensor, Tensor)], moving: &Tensor) {
        let norms: Vec<(Param, Param)> = self
            .generator
            .hidden
            .iter()
            .filter_map(|layer| layer.norm.as_ref().map(|norm| (norm.mean, norm.variance)))
            .collect();
        for ((mean, variance), (new_mean, new_variance)) in norms.into_iter().zip(running) {
            for (param, new) in [(mean, new_mean), (variance, new_variance)] {
                let kept = new.where_self(&rows(moving, new), self.params.get(param));
                self.params.set(param, &kept);
            }
        }
    }
}

/// Which models' scores are in bounds and gradients finite, `[M]`.
fn sound(of_d: &Tensor, of_a: &Tensor, gradients: &[Tensor]) -> Tensor {
    let within = |scores: &Tensor| scores.detach().abs().amax([1].as_slice(), false).less_equal(SCORE_MAX);
    let mut sound = within(of_d).logical_and(&within(of_a));
    for gradient in gradients {
        let finite = gradient.isfinite().flatten(1, -1).all_dim(1, false);
        sound = sound.logical_and(&finite);
    }
    sound.to_kind(Kind::Bool)
}

/// `[M]` as `[M, 1, ...]` beside a tensor `[M, ...]`.
fn rows(of_models: &Tensor, beside: &Tensor) -> Tensor {
    let mut shape = vec![1; beside.dim()];
    shape[0] = -1;
    of_models.view(&shape[..])
}
