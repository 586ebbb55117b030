//! The network as plain numbers on the CPU, for the loops of `kernel`: small products by the hundred, where a call of
//! libtorch costs more than its arithmetic.

use super::network::{BlockParams, NetSsmNetwork};
use crate::nn::{Param, Part, PerTrace};
use crate::train::{MicroGradients, Microbatch, PerSampleGrads};
use syntrace_kernel::{BlockWeights, MambaShape, MambaWeights, Real, Trainer};
use tch::kind::Element;
use tch::{Device, Kind, Tensor};

/// Parameters up to which the loops are the faster way: 4 MB of weights stay in the last-level cache. Above that
/// libtorch's blocked products win.
const PARAMETERS_MAX: u64 = 1 << 20;

impl NetSsmNetwork {
    /// Do the plain loops serve this network? A function of its sizes and of where it is.
    pub(super) fn is_plain(&self) -> bool {
        let embedding = self.params.get(self.embedding);
        let here = (embedding.kind(), embedding.device()) == (Kind::Float, Device::Cpu);
        here && !self.by_tensors && self.config.parameters() <= PARAMETERS_MAX
    }

    /// Leaves all work to libtorch, as for a device or a large network: the slow twin of the plain loops.
    pub fn work_by_tensors(&mut self) {
        self.by_tensors = true;
    }

    /// The weights of one model.
    pub(super) fn plain_weights<T: Real + Element>(&self, model: i64) -> MambaWeights<T> {
        let config = &self.config;
        let values = |param: Param| {
            let flat = self.params.get(param).get(model).contiguous();
            let mut values = vec![T::default(); flat.numel()];
            flat.copy_data(&mut values, flat.numel());
            values
        };
        let block = |block: &BlockParams| BlockWeights {
            norm: values(block.norm),
            in_proj: values(block.in_proj),
            conv_weight: values(block.conv_weight),
            conv_bias: values(block.conv_bias),
            a_log: values(block.a_log),
            d: values(block.d),
            dt_bias: values(block.dt_bias),
            gated_norm: values(block.gated_norm),
            out_proj: values(block.out_proj),
        };
        let shape = MambaShape {
            vocabulary: config.vocabulary as usize,
            width: config.width as usize,
            state: config.state as usize,
            head: config.head as usize,
            heads: config.heads() as usize,
            groups: config.groups as usize,
            taps: config.taps as usize,
            eps: config.eps,
        };
        let blocks = self.blocks.iter().map(block).collect();
        MambaWeights { shape, embedding: values(self.embedding), blocks, final_norm: values(self.final_norm) }
    }

    /// Tokens of a pooled trace; all are below [`super::VOCABULARY`].
    fn plain_tokens(&self, trace: usize) -> Vec<u16> {
        self.tokens(trace).iter().map(|&token| token as u16).collect()
    }

    /// Losses and per-trace gradients, one trace after the other: they depend neither on the traces nor on the models
    /// beside.
    pub(super) fn plain_gradients(&self, batch: &Microbatch) -> MicroGradients {
        let (models, traces) = (batch.models.len(), batch.width());
        let mut flat: Vec<Vec<f32>> = self.params.handles().map(|_| Vec::new()).collect();
        let mut losses = Vec::with_capacity(models * traces);
        for (&model, row) in batch.models.iter().zip(&batch.rows) {
            let weights = self.plain_weights::<f32>(model as i64);
            let mut trainer = Trainer::new(&weights);
            for &trace in row {
                let mut gradient = weights.zeros();
                losses.push(trainer.gradient(&self.plain_tokens(trace), &mut gradient) as f32);
                // Both in the order in which the weights were added.
                flat.iter_mut().zip(gradient.all()).for_each(|(flat, own)| flat.extend_from_slice(own));
            }
        }
        let shape = [models as i64, traces as i64];
        let mut gradients = PerTrace::for_models(&self.params, shape[0], shape[1]);
        for (param, flat) in self.params.handles().zip(flat) {
            gradients.push(param, Part::Direct(Tensor::from_slice(&flat).view([shape[0], shape[1], -1])));
        }
        let losses = Tensor::from_slice(&losses).view(shape);
        MicroGradients { losses, gradients: PerSampleGrads::new(gradients) }
    }

    /// Losses `[M, B]`.
    pub(super) fn plain_losses(&self, batch: &Microbatch) -> Tensor {
        let mut losses = Vec::with_capacity(batch.models.len() * batch.width());
        for (&model, row) in batch.models.iter().zip(&batch.rows) {
            let weights = self.plain_weights::<f32>(model as i64);
            let mut trainer = Trainer::new(&weights);
            losses.extend(row.iter().map(|&trace| trainer.loss(&self.plain_tokens(trace)) as f32));
        }
        Tensor::from_slice(&losses).view([batch.models.len() as i64, batch.width() as i64])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::netssm::{DELIMITER, NetSsmConfig};
    use crate::train::{Clipping, DpPlan, EncodedTrace, Network};
    use syntrace_base::base::{Seed, TraceId};

    fn configs() -> [NetSsmConfig; 3] {
        let small = NetSsmConfig { packets: 1, ..NetSsmConfig::preset("small").unwrap() };
        let groups = NetSsmConfig { groups: 2, taps: 3, layers: 3, width: 20, head: 5, state: 7, ..small.clone() };
        let wide_heads = NetSsmConfig { head: 32, taps: 1, layers: 1, ..small.clone() };
        [small, groups, wide_heads]
    }

    fn trace(number: usize, length: usize) -> EncodedTrace {
        let id = |at: usize| if at % 9 == 8 { DELIMITER } else { ((number * 31 + at * at * 7) % 256) as u16 };
        let data = (0..length).flat_map(|at| id(at).to_le_bytes()).collect();
        EncodedTrace { trace_id: TraceId(number as i64), rows: length as u32, width: 1, data }
    }

    fn network(config: &NetSsmConfig, models: u64, lengths: &[usize]) -> NetSsmNetwork {
        let seeds: Vec<Seed> = (0..models).map(Seed::root).collect();
        let mut network = NetSsmNetwork::initialised(config, &seeds);
        let embedding = network.embedding;
        let _ = network.weights_mut().get_mut(embedding).g_mul_scalar_(20.0);
        let pool: Vec<EncodedTrace> = lengths.iter().enumerate().map(|(at, length)| trace(at, *length)).collect();
        network.set_pool(&pool).unwrap();
        network
    }

    fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
        let expected = expected.view(found.size().as_slice());
        let scale = expected.abs().max().double_value(&[]).max(1e-6);
        let difference = (found - expected).abs().max().double_value(&[]);
        assert!(difference <= tolerance * scale, "{what}: difference {difference:e} of {scale:e}");
    }

    /// The loops in f64 against autograd in f64: the loss and the gradient of every weight, for traces shorter and longer
    /// than the parts that the loops work on.
    #[test]
    fn plain_gradient_equals_autograd_in_double_precision() {
        const TOLERANCE: f64 = 1e-10;
        for config in configs() {
            for length in [2, 3, 33, 65, 98] {
                let mut network = network(&config, 1, &[length]);
                network.weights_mut().set_kind(Kind::Double);
                let weights = network.plain_weights::<f64>(0);
                let mut gradient = weights.zeros();
                let loss = Trainer::new(&weights).gradient_double(&network.plain_tokens(0), &mut gradient);
                let ids = Tensor::from_slice(network.tokens(0)).view([1, 1, -1]);
                let targets = ids.narrow(2, 1, length as i64 - 1).contiguous();
                let even = Tensor::ones(targets.size(), (Kind::Double, Device::Cpu)) / (length as f64 - 1.0);
                let expected = network.tape_gradients(&ids, &targets, &even);
                assert!((loss - expected.losses.double_value(&[0, 0])).abs() < TOLERANCE);
                let sum = expected.gradients.sum_unclipped();
                for ((param, found), expected) in network.params.handles().zip(gradient.all()).zip(sum.sums()) {
                    let what = format!("{} at length {length}", network.params.name(param));
                    assert_close(
                        &Tensor::from_slice(found),
                        &expected.as_ref().unwrap().flatten(0, -1),
                        TOLERANCE,
                        &what,
                    );
                }
            }
        }
    }

    /// What training sees of the loops in f32 (losses, norms, clipped sums, of two of three models) against the same by
    /// tensors.
    #[test]
    fn plain_clipped_sums_agree_with_those_of_tensors() {
        // Rounding of sums over some hundred positions in two orders.
        const TOLERANCE: f64 = 2e-4;
        for config in configs() {
            let batch = Microbatch { models: vec![0, 2], rows: vec![vec![0, 1, 2], vec![3, 1, 0]] };
            let mut network = network(&config, 3, &[60, 33, 2, 141]);
            assert!(network.is_plain());
            let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm: 0.5 });
            let clipping = Clipping::new(&[dp, None]);
            let found = network.gradients(&batch, true);
            let found_losses = network.losses(&batch);
            network.work_by_tensors();
            assert!(!network.is_plain());
            let expected = network.gradients(&batch, true);
            assert_close(&found.losses, &expected.losses, TOLERANCE, "losses");
            assert_close(&found_losses, &expected.losses, TOLERANCE, "losses in evaluation");
            let (found, found_norms) = found.gradients.clip(&clipping);
            let (expected, expected_norms) = expected.gradients.clip(&clipping);
            assert_close(&found_norms, &expected_norms, TOLERANCE, "norms");
            for (param, (found, expected)) in network.params.handles().zip(found.sums().iter().zip(expected.sums())) {
                let what = network.params.name(param);
                assert_close(found.as_ref().unwrap(), expected.as_ref().unwrap(), TOLERANCE, what);
            }
        }
    }
}
