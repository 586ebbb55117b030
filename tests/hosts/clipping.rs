//! Clipped sums of hosts against slow twins: each host's gradients summed one trace at a time, clipped, summed.

use crate::common::simulated_traces;
use crate::nn::assert_close;
use std::collections::BTreeMap;
use syntrace::base::{NoProgress, Seed, TraceId};
use syntrace::encoding::TokenLayout;
use syntrace::model::netshare::{NetShare, NetShareConfig};
use syntrace::model::netssm::{NetSsm, NetSsmConfig, NetSsmNetwork};
use syntrace::model::{Family, Generator};
use syntrace::nn::tensor_from_view;
use syntrace::record::Regime;
use syntrace::train::{
    Clipping, CohortInput, CohortModel, DpPlan, EncodedTrace, Microbatch, Network, NoCheckpoint, OptimiserPlan,
    TrainPlan,
};
use tch::{Kind, Tensor};

/// Rounding of single precision in sums of a few hundred terms.
const SINGLE: (f64, f64) = (2e-4, 2e-6);

fn tiny() -> NetSsmConfig {
    NetSsmConfig {
        width: 8,
        layers: 1,
        state: 4,
        head: 8,
        chunk: 8,
        packets: 2,
        layout: TokenLayout { link_header: false, packet_bytes: 8, padded: false, published: false },
        ..NetSsmConfig::preset("small").unwrap()
    }
}

/// Trace number i: two packets of a few bytes, of different lengths.
fn trace(number: usize) -> EncodedTrace {
    let mut tokens: Vec<u16> = vec![260];
    for packet in 0..2 {
        tokens.extend((0..3 + (number + packet) % 4).map(|byte| ((number * 7 + byte * 13 + packet) % 256) as u16));
        tokens.push(259);
    }
    tokens.push(257);
    let data = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    EncodedTrace { trace_id: TraceId(number as i64), rows: tokens.len() as u32, width: 1, data }
}

/// Two models, three hosts of four traces each, by plain loops and by tensors.
#[test]
fn clipped_sums_of_hosts_equal_those_of_their_traces_one_at_a_time() {
    const TRACES: usize = 4;
    let pool: Vec<EncodedTrace> = (0..24).map(trace).collect();
    for by_tensors in [false, true] {
        let mut network = NetSsmNetwork::initialised(&tiny(), &[Seed::root(1), Seed::root(2)]);
        network.set_pool(&pool).unwrap();
        if by_tensors {
            network.work_by_tensors();
        }
        let rows: Vec<Vec<usize>> = vec![(0..12).collect(), (6..18).rev().collect()];
        let all = |clip_norm: f64| {
            let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm });
            let batch = Microbatch { models: vec![0, 1], rows: rows.clone() };
            network.gradients(&batch, true).gradients.joined(TRACES).clip(&Clipping::new(&[dp, dp]))
        };
        let (_, norms) = all(1.0);
        assert_eq!(norms.size(), [2, 3]);
        let clip_norm = norms.median().double_value(&[]);
        let (sum, norms) = all(clip_norm);
        for (model, row) in rows.iter().enumerate() {
            let mut expected: Vec<Option<Tensor>> = Vec::new();
            for (host, traces) in row.chunks(TRACES).enumerate() {
                let mut own: Vec<Option<Tensor>> = Vec::new();
                for trace in traces {
                    let one = Microbatch { models: vec![model], rows: vec![vec![*trace]] };
                    add(&mut own, network.gradients(&one, true).gradients.sum_unclipped().sums(), 1.0);
                }
                let norm = own.iter().flatten().map(squares).sum::<f64>().sqrt();
                let found = norms.get(model as i64).double_value(&[host as i64]);
                assert!((found / norm - 1.0).abs() < SINGLE.0, "norm {found} for {norm}");
                add(&mut expected, &own, (clip_norm / norm).min(1.0));
            }
            for (found, expected) in sum.sums().iter().zip(&expected) {
                let (Some(found), Some(expected)) = (found, expected) else { continue };
                assert_close(&found.get(model as i64), &expected.get(0), SINGLE.0, SINGLE.1, "clipped sum of hosts");
            }
        }
    }
}

fn squares(value: &Tensor) -> f64 {
    let value = value.to_kind(Kind::Double);
    (&value * &value).sum(None).double_value(&[])
}

fn add(into: &mut Vec<Option<Tensor>>, more: &[Option<Tensor>], factor: f64) {
    into.resize_with(more.len(), || None);
    for (sum, more) in into.iter_mut().zip(more) {
        let Some(more) = more else { continue };
        *sum = Some(match sum.take() {
            None => more * factor,
            Some(before) => before + more * factor,
        });
    }
}

fn encoded(generator: &NetShare, packets: u32) -> Vec<EncodedTrace> {
    let encode = |trace: &syntrace::record::Trace| {
        let encoded = generator.encoding().encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    simulated_traces("os", "mac", 24, packets).iter().take(12).map(encode).collect()
}

/// One step of plain gradient descent with rate 1 on all of `members` at once.
struct Step<'a> {
    generator: &'a dyn Generator,
    base: Option<&'a [u8]>,
    traces: &'a [EncodedTrace],
    /// Prefix of the names of weights that the step moves.
    trained: &'a str,
}

type WeightsByName = BTreeMap<String, Vec<f64>>;

impl Step<'_> {
    fn weights(&self, members: &[usize], hosts: Option<&[u64]>, dp: Option<DpPlan>) -> (WeightsByName, f64) {
        let plan = TrainPlan {
            sampling_rate: 1.0,
            expected_batch: 1.0,
            steps: 1,
            epochs: 1,
            microbatch: 4,
            optimiser: OptimiserPlan::Sgd { rate: 1.0, momentum: 0.0 },
            linear_decay: false,
            trainable: syntrace::train::Trainable::All,
            average: syntrace::train::Average::None,
            ..self.generator.plan(12, Regime::None)
        };
        let model = CohortModel {
            label: "hosts".to_owned(),
            seed: Seed::root(1),
            noise_seed: Some(Seed::root(2)),
            members: members.to_vec(),
            learnt: None,
            held_out: Vec::new(),
            dp,
            initial: None,
        };
        let input = CohortInput { hosts, traces: self.traces, models: vec![model], base: self.base, plan };
        let outcome =
            self.generator.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models.remove(0);
        let file = safetensors::SafeTensors::deserialize(&outcome.weights).unwrap();
        let trained = file.tensors().into_iter().filter(|(name, _)| name.starts_with(self.trained));
        let numbers =
            |view| Vec::<f64>::try_from(tensor_from_view(&view).unwrap().to_kind(Kind::Double).flatten(0, -1));
        let weights = trained.map(|(name, view)| (name, numbers(view).unwrap())).collect();
        (weights, outcome.epochs[0].gradient_norm.unwrap_or(f64::NAN))
    }

    /// What a step moves, by name.
    fn moves(
        &self,
        start: &WeightsByName,
        members: &[usize],
        hosts: Option<&[u64]>,
        dp: Option<DpPlan>,
    ) -> (WeightsByName, f64) {
        let (after, norm) = self.weights(members, hosts, dp);
        let moved = after.into_iter().map(|(name, values)| {
            let before = &start[&name];
            let moved = values.iter().zip(before).map(|(after, before)| after - before).collect();
            (name, moved)
        });
        (moved.collect(), norm)
    }

    /// Hosts of one to four traces in one private step without noise, against each host alone in a step without DP.
    fn check(&self) {
        const HOSTS: [u64; 12] = [7, 7, 7, 7, 3, 3, 3, 9, 9, 5, 7_000, 8];
        let name = self.generator.name();
        let (start, _) = self.weights(&[], None, None);
        let all: Vec<usize> = (0..12).collect();
        let mut hosts = HOSTS.to_vec();
        hosts.dedup();
        let of = |host: u64| -> Vec<usize> { (0..12).filter(|at| HOSTS[*at] == host).collect() };
        let alone: Vec<WeightsByName> = hosts.iter().map(|host| self.moves(&start, &of(*host), None, None).0).collect();
        let norm = |moved: &WeightsByName| moved.values().flatten().map(|value| value * value).sum::<f64>().sqrt();
        let mut norms: Vec<f64> = alone.iter().map(norm).collect();
        let mean = norms.iter().sum::<f64>() / norms.len() as f64;
        norms.sort_by(f64::total_cmp);
        let clip_norm = norms[norms.len() / 2];
        let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm });
        let (moved, mean_norm) = self.moves(&start, &all, Some(&HOSTS), dp);
        assert!((mean_norm / mean - 1.0).abs() < 1e-3, "{name}: mean norm of hosts {mean_norm} for {mean}");
        let largest = moved.values().flatten().fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(largest > 0.0, "{name}");
        for (tensor, found) in &moved {
            for (at, found) in found.iter().enumerate() {
                let expected: f64 = alone.iter().map(|own| own[tensor][at] * (clip_norm / norm(own)).min(1.0)).sum();
                assert!((found - expected).abs() < 1e-3 * largest, "{name} {tensor} {at}: {found} for {expected}");
            }
        }
        // The clipped hosts are those above the median, not traces.
        let (single, _) = self.moves(&start, &all, None, dp);
        assert!((norm(&single) / norm(&moved) - 1.0).abs() > 1e-3, "{name}: hosts are clipped as traces are");
    }
}

#[test]
fn a_step_of_every_network_moves_by_the_clipped_sums_of_hosts() {
    let netssm = NetSsm::new("tiny", tiny());
    let traces: Vec<EncodedTrace> = (0..12).map(trace).collect();
    Step { generator: &netssm, base: None, traces: &traces, trained: "" }.check();

    let config = NetShareConfig {
        packets: 4,
        units: 12,
        lstm: 6,
        noise: 3,
        sample_len: 2,
        fakes: 8,
        batch: 6,
        ..NetShareConfig::preset("small").unwrap()
    };
    let netshare = NetShare::new("tiny", config);
    let traces = encoded(&netshare, 4);
    Step { generator: &netshare, base: None, traces: &traces, trained: "critic" }.check();
}

#[test]
fn a_step_of_adapters_moves_by_the_clipped_sums_of_hosts() {
    let netdiffusion = crate::netdiffusion::tiny_generator();
    let traces: Vec<EncodedTrace> = crate::netdiffusion::encoded("os", "mac", 24).into_iter().take(12).collect();
    let base = Some(crate::netdiffusion::tiny_base().weights.as_slice());
    Step { generator: &netdiffusion, base, traces: &traces, trained: "" }.check();
}
