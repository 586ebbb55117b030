#![cfg(feature = "torch")]
//! Latent diffusion on nPrint images: the base, its adapters, and what comes out.

use crate::nn::assert_close;
use std::sync::OnceLock;
use syntrace::base::{NoProgress, Seed, TraceId};
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::encoding::{EncodingKind, Generated, NprintImage};
use syntrace::error::Result;
use syntrace::model::netdiffusion::{
    Base, BaseTraining, LatentCode, NetDiffusion, NetDiffusionConfig, NetDiffusionNetwork, Schedule, UnetConfig,
    classes, images,
};
use syntrace::model::{BaseOutcome, Family, Generator, Start, Weights, generator};
use syntrace::record::{ModelStatus, Regime, TraceUnit};
use syntrace::simulate::{SimulateOptions, simulate};
use syntrace::synth::{RepairProfile, repair};
use syntrace::train::{
    CheckpointSink, Clipping, CohortInput, CohortModel, CohortOutcome, DpPlan, EncodedTrace, Microbatch, Network,
    NoCheckpoint,
};
use tch::{Kind, Tensor};

const ETHERNET: u32 = 1;
const PACKETS: u32 = 10;

/// Traces of a simulated class, encoded.
pub fn encoded(dataset: &str, class: &str, flows: u32) -> Vec<EncodedTrace> {
    let frames = simulate(&SimulateOptions::new(dataset, class, flows, Seed::root(3))).unwrap();
    let mut capture = Vec::new();
    write_frames(&mut capture, ETHERNET, frames.iter().map(|frame| (frame.time_us, &frame.bytes))).unwrap();
    let options = CutOptions {
        dataset: dataset.to_owned(),
        class: class.to_owned(),
        unit: TraceUnit::Flow,
        trace_packets: PACKETS,
        min_packets: 1,
    };
    let cut = cut(capture.as_slice(), &options).unwrap();
    let encode = |trace| EncodingKind::Nprint.encode(trace);
    let encoded = cut.traces.iter().map(|trace| (trace.trace_id, encode(trace)));
    encoded
        .map(|(trace_id, encoded)| EncodedTrace {
            trace_id,
            rows: encoded.rows,
            width: encoded.width,
            data: encoded.data,
        })
        .collect()
}

fn public(flows: u32) -> Vec<EncodedTrace> {
    ["bsd", "android", "zoom"].iter().flat_map(|class| encoded("public", class, flows)).collect()
}

/// A network of the same shape as `small`, so small that a step takes milliseconds.
fn tiny() -> NetDiffusionConfig {
    let small = NetDiffusionConfig::preset("small").unwrap();
    let mut config = NetDiffusionConfig {
        rows: PACKETS,
        unet: UnetConfig {
            patch: 8,
            widths: vec![16, 16],
            heads: 2,
            words: 3,
            context: 8,
            time: 16,
            cell: 8,
            ..small.unet.clone()
        },
        fixed_steps: vec![100, 500],
        batch: 3,
        epochs: 2,
        ..small
    };
    config.autoencoder.steps = 150;
    config.autoencoder.batch = 512;
    config.autoencoder.rate = 1e-2;
    config.base.steps = 30;
    config.base.batch = 4;
    config
}

/// The tiny network over latents of an autoencoder.
fn tiny_learned() -> NetDiffusion {
    let mut config = tiny();
    config.autoencoder.code = LatentCode::Learned;
    NetDiffusion::new("tiny", config)
}

pub fn tiny_generator() -> NetDiffusion {
    NetDiffusion::new("tiny", tiny())
}

/// A base of the tiny network, trained once for all tests.
pub fn tiny_base() -> &'static BaseOutcome {
    static BASE: OnceLock<BaseOutcome> = OnceLock::new();
    BASE.get_or_init(|| tiny_generator().train_base(&public(16), Seed::root(11), &NoProgress).unwrap())
}

fn monitor(base: &BaseOutcome, name: &str) -> f64 {
    base.monitors.iter().find(|row| row.monitor == name).unwrap().value
}

fn seeds(count: u64) -> Vec<Seed> {
    (0..count).map(|index| Seed::root(40 + index)).collect()
}

/// Adapters whose up projections, and shifts, are not zero, so that every gradient is there.
fn network(models: u64) -> NetDiffusionNetwork {
    network_with(models, 1)
}

fn network_with(models: u64, draws: u32) -> NetDiffusionNetwork {
    let config = NetDiffusionConfig { draws, ..tiny() };
    let base = Base::load(&config, &tiny_base().weights).unwrap();
    let mut network = NetDiffusionNetwork::initialised(base, &seeds(models));
    let params = network.params_mut();
    for param in params.handles() {
        if params.name(param).ends_with("lora_up.weight") || params.name(param).ends_with("shift") {
            let value = params.get(param);
            let count = value.numel() as i64;
            let drawn = syntrace::train::standard_normal(&Seed::root(7).named(params.name(param)), 0, count) * 0.1;
            let drawn = drawn.view(&value.size()[..]);
            params.set(param, &drawn);
        }
    }
    network.set_pool(&encoded("os", "mac", 12)).unwrap();
    network.before_step(4);
    network
}

#[test]
fn cells_survive_the_way_to_tensors_and_back() {
    let traces = encoded("vca", "meet", 20);
    let back = images(&classes(&traces, 12).unwrap()).unwrap();
    for (trace, image) in traces.iter().zip(&back) {
        assert_eq!(image.rows.len(), 12);
        let rows = trace.rows as usize;
        let kept = NprintImage { rows: image.rows[..rows].to_vec(), ..image.clone() };
        assert_eq!(kept.to_bytes(), trace.data);
        assert_eq!(NprintImage { rows: image.rows[rows..].to_vec(), ..image.clone() }.color_shares(2), [0.0, 0.0, 1.0]);
    }
}

/// Cells that a tiny training budget may get wrong; the preset's own bound is 1e-4, see below.
const TINY_ERROR_MAX: f64 = 5e-3;
/// Latents are centred and scaled by numbers in f32.
const STATISTICS_TOLERANCE: f64 = 1e-3;

#[test]
fn a_base_learns_from_public_traces_and_is_reproducible() {
    for family in [tiny_generator(), tiny_learned()] {
        let base = family.train_base(&public(16), Seed::root(11), &NoProgress).unwrap();
        assert!(monitor(&base, "autoencoder_error") < TINY_ERROR_MAX, "{:?}", base.monitors);
        if family.config().autoencoder.code == LatentCode::Learned {
            assert!(monitor(&base, "latent_mean").abs() < STATISTICS_TOLERANCE);
            assert!((monitor(&base, "latent_variance") - 1.0).abs() < STATISTICS_TOLERANCE);
        }
        // The first tenth of the training against the last.
        let loss = |index: usize| base.epochs[index].train_loss.unwrap();
        assert!(loss(base.epochs.len() - 1) < loss(0), "{:?}", base.epochs);
        let again = family.train_base(&public(16), Seed::root(11), &NoProgress).unwrap();
        assert!(again.weights == base.weights, "the same seed gives the same bytes");
        let few = family.train_base(&public(2), Seed::root(1), &NoProgress).unwrap_err();
        assert_eq!(few.to_string(), "the base of `netdiffusion` needs at least 8 public traces, found 6");
    }
}

/// Share of wrong cells on public packets that the base has not seen.
const ACCEPTED_ERROR: f64 = 1e-4;

/// The acceptance of both codes, the autoencoder as it is trained for a study, on the public traces that are kept
/// out of its training and on classes that it never sees. The noise predictor, of which the code knows nothing,
/// is left with one step.
#[test]
fn latents_are_exact_on_unseen_packets() {
    for code in [LatentCode::Ternary, LatentCode::Learned] {
        latents_of_a_code_are_exact(code);
    }
}

fn latents_of_a_code_are_exact(code: LatentCode) {
    let mut config = NetDiffusionConfig::preset("small").unwrap();
    config.autoencoder.code = code;
    config.base.steps = 1;
    let base = NetDiffusion::new("small", config.clone()).train_base(&public(200), Seed::root(5), &NoProgress).unwrap();
    assert!(monitor(&base, "autoencoder_error") < ACCEPTED_ERROR, "{:?}", base.monitors);
    let loaded = Base::load(&config, &base.weights).unwrap();
    for (dataset, class) in [("os", "windows"), ("os", "ubuntu"), ("os", "mac"), ("vca", "meet"), ("vca", "webex")] {
        let cells = classes(&encoded(dataset, class, 100), config.rows).unwrap();
        let decoded = loaded.decode(&loaded.encode(&cells));
        let error = decoded.not_equal_tensor(&cells).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!(error < ACCEPTED_ERROR, "{class}: {error}");
    }
}

/// Sums in another order: one batch of all models against one model alone.
const SINGLE: (f64, f64) = (1e-4, 1e-5);

#[test]
fn fresh_adapters_predict_what_the_base_predicts() {
    let bytes = &tiny_base().weights;
    let load = || Base::load(&tiny(), bytes).unwrap();
    let fresh = NetDiffusionNetwork::initialised(load(), &seeds(2));
    let zeros = NetDiffusionNetwork::zeros(load(), &seeds(2));
    let x = syntrace::train::standard_normal(&Seed::root(2), 0, 2 * tiny().latent_len()).view([2, 16, 10, 136]);
    let steps = [10, 700];
    let base = load().predicted_noise(&x, &steps);
    for network in [fresh, zeros] {
        let with = network.predicted_noise(&x, &steps);
        assert_eq!(with.f_sub(&base).unwrap().abs().max().double_value(&[]), 0.0);
    }
    let adapted = self::network(2).predicted_noise(&x, &steps);
    assert!((adapted - base).abs().max().double_value(&[]) > 1e-3, "adapters matter once they are trained");
}

fn clip_all(network: &NetDiffusionNetwork, batch: &Microbatch, clip_norm: f64) -> (Vec<Tensor>, Tensor, Tensor) {
    let result = network.gradients(batch, true);
    let plans = vec![Some(DpPlan { noise_multiplier: 0.0, clip_norm }); batch.models.len()];
    let (sum, norms) = result.gradients.clip(&Clipping::new(&plans));
    let sums = sum.sums().iter().flatten().map(|sum| sum.shallow_clone()).collect();
    (sums, norms, result.losses)
}

/// Clipped sums, norms and losses of two models with three traces each against the same traces one at a
/// time. The noise of a trace is its model's, step's and id's alone, so both see the same.
#[test]
fn clipped_sums_equal_those_of_one_trace_at_a_time() {
    for draws in [1, 3] {
        clipped_sums_are_those_of_single_traces(&network_with(2, draws));
    }
}

fn clipped_sums_are_those_of_single_traces(network: &NetDiffusionNetwork) {
    let rows = vec![vec![1, 5, 7], vec![5, 2, 0]];
    let all = Microbatch { models: vec![0, 1], rows: rows.clone() };
    let (_, norms, _) = clip_all(network, &all, 1.0);
    // Between the norms, so that some traces are clipped and some are not.
    let clip_norm = norms.median().double_value(&[]);
    let (sums, norms, losses) = clip_all(network, &all, clip_norm);
    for (model, row) in rows.iter().enumerate() {
        let mut expected: Option<Vec<Tensor>> = None;
        for (column, trace) in row.iter().enumerate() {
            let one = Microbatch { models: vec![model], rows: vec![vec![*trace]] };
            let (sum, norm, loss) = clip_all(network, &one, clip_norm);
            let place = [model as i64, column as i64];
            assert_close(&norms.get(place[0]).get(place[1]), &norm.get(0).get(0), SINGLE.0, SINGLE.1, "norm");
            assert_close(&losses.get(place[0]).get(place[1]), &loss.get(0).get(0), SINGLE.0, SINGLE.1, "loss");
            expected = Some(match expected {
                None => sum,
                Some(before) => before.iter().zip(&sum).map(|(a, b)| a + b).collect(),
            });
        }
        for (sum, expected) in sums.iter().zip(expected.unwrap()) {
            assert_close(&sum.get(model as i64), &expected.get(0), SINGLE.0, SINGLE.1, "clipped sum");
        }
    }
}

/// Central differences in double precision against the gradient of one trace: their error is the third derivative
/// times the square of the step. In single precision such a step drowns in rounding, and one that does not (0.02) leads
/// through a bend of the loss: with adapters of standard deviation 1 it gave 0.0028 where the slope is 0.0016.
const DIFFERENCE_TOLERANCE: f64 = 1e-4;
const DIFFERENCE_STEP: f64 = 2e-5;
/// Smaller gradients have fewer digits left in the difference of two losses near 1.
const GRADIENT_MIN: f64 = 1e-7;

#[test]
fn gradients_are_slopes_of_the_loss() {
    for (adapter_scale, draws) in [(0.1, 1), (1.0, 1), (1.0, 3)] {
        gradients_are_slopes(adapter_scale, draws);
    }
}

/// With adapters of this standard deviation, and so many noises a trace.
fn gradients_are_slopes(adapter_scale: f64, draws: u32) {
    let mut network = network_with(1, draws);
    network.set_kind(Kind::Double);
    // Three, as at a low noise level hardly anything is left to learn.
    let batch = Microbatch { models: vec![0], rows: vec![vec![3, 5, 7]] };
    let params: Vec<_> = network.params().handles().collect();
    // Fresh adapters change nothing and have hardly a gradient: these change much.
    for (number, param) in params.iter().enumerate() {
        let shape = network.params().get(*param).size();
        let value = syntrace::train::standard_normal(&Seed::root(77), number as u64, shape.iter().product());
        network.params_mut().set(*param, &(value.view(&shape[..]) * adapter_scale));
    }
    let (sums, _, _) = clip_all(&network, &batch, 1e9);
    let mut compared = 0;
    for (param, gradient) in params.into_iter().zip(&sums) {
        // Along the gradient itself, where the slope is its norm.
        let norm = gradient.norm().double_value(&[]);
        let direction = gradient / norm.max(1e-12);
        let loss_at = |network: &mut NetDiffusionNetwork, distance: f64| {
            let before = network.params().get(param).copy();
            network.params_mut().set(param, &(&before + &direction * distance));
            let loss = network.gradients(&batch, false).losses.sum(Kind::Double).double_value(&[]);
            network.params_mut().set(param, &before);
            loss
        };
        // Where the loss is steep it bends too, and has digits enough for a shorter step.
        let step = DIFFERENCE_STEP * (1e-3 / norm).sqrt().clamp(0.1, 1.0);
        let slope = (loss_at(&mut network, step) - loss_at(&mut network, -step)) / (2.0 * step);
        if norm > GRADIENT_MIN {
            assert!((slope / norm - 1.0).abs() < DIFFERENCE_TOLERANCE, "scale {adapter_scale}: {slope} and {norm}");
            compared += 1;
        }
    }
    assert!(compared >= 20, "scale {adapter_scale}: only {compared} weights have a gradient to compare");
}

fn cohort<'a>(traces: &'a [EncodedTrace], base: &'a [u8], models: &[(u64, Option<DpPlan>)]) -> CohortInput<'a> {
    let models = models.iter().map(|(seed, dp)| CohortModel {
        label: format!("model {seed}"),
        seed: Seed::root(*seed),
        noise_seed: Some(Seed::root(1_000 + seed)),
        members: (0..6).map(|index| index + (*seed as usize) % 2).collect(),
        learnt: None,
        held_out: (8..12).collect(),
        dp: *dp,
        initial: None,
    });
    let plan = tiny().plan(6, Regime::None);
    CohortInput { hosts: None, traces, models: models.collect(), base: Some(base), plan }
}

const DP: Option<DpPlan> = Some(DpPlan { noise_multiplier: 0.8, clip_norm: 0.05 });

fn train(input: &CohortInput<'_>) -> CohortOutcome {
    tiny_generator().train_cohort(input, None, &mut NoCheckpoint, &NoProgress).unwrap()
}

/// Largest difference between two models' weights.
fn distance(a: &[u8], b: &[u8]) -> f64 {
    let tensors = |bytes: &[u8]| -> Vec<(String, Vec<f32>)> {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let mut all: Vec<(String, Vec<f32>)> = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                (name, view.data().as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let pairs = tensors(a).into_iter().zip(tensors(b));
    pairs
        .flat_map(|((left, a), (right, b))| {
            assert_eq!(left, right);
            a.into_iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).collect::<Vec<_>>()
        })
        .fold(0.0, f64::max)
}

/// Adam divides by the root of tiny second moments, which spreads rounding over the first steps.
const COHORT_TOLERANCE: f64 = 2e-4;

#[test]
fn a_cohort_trains_as_its_models_alone_and_stores_adapters_only() {
    let traces = encoded("os", "mac", 12);
    let base = &tiny_base().weights;
    let models = [(1, None), (2, DP), (3, DP)];
    let together = train(&cohort(&traces, base, &models));
    for (outcome, model) in together.models.iter().zip(models) {
        let alone = train(&cohort(&traces, base, &[model]));
        assert!(distance(&outcome.weights, &alone.models[0].weights) < COHORT_TOLERANCE);
        assert_eq!(outcome.status, ModelStatus::Trained);
        let file = safetensors::SafeTensors::deserialize(&outcome.weights).unwrap();
        assert!(
            file.names().iter().all(|name| name.contains(".lora_") || name.ends_with(".shift")),
            "{:?}",
            file.names()
        );
        assert_eq!((outcome.parameters, outcome.parameters_private), (tiny().parameters(), tiny().parameters()));
        let events: Vec<(u64, f64)> =
            outcome.events.iter().map(|event| (event.steps, event.noise_multiplier.get())).collect();
        assert_eq!(events, model.1.map(|dp| (outcome.steps, dp.noise_multiplier)).into_iter().collect::<Vec<_>>());
        let kinds: Vec<&str> = outcome.monitors.iter().map(|row| row.monitor.as_str()).collect();
        assert_eq!(kinds, ["image_entropy_bits", "noise_error", "noise_error"]);
    }
    assert!(distance(&together.models[1].weights, &together.models[2].weights) > 1e-3, "seeds differ");
}

#[test]
fn frozen_down_projections_halve_the_private_weights_and_stay_as_drawn() {
    let mut config = tiny();
    config.lora.train_down = false;
    let family = NetDiffusion::new("tiny", config.clone());
    let traces = encoded("os", "mac", 12);
    let input = cohort(&traces, &tiny_base().weights, &[(1, None)]);
    let outcome = family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models.remove(0);
    assert_eq!(outcome.parameters_private, config.parameters_trained());
    assert!(outcome.parameters_private < outcome.parameters);
    let start = NetDiffusionNetwork::initialised(Base::load(&config, &tiny_base().weights).unwrap(), &[Seed::root(1)]);
    let mut trained = NetDiffusionNetwork::zeros(Base::load(&config, &tiny_base().weights).unwrap(), &seeds(1));
    trained.weights_mut().load_safetensors(0, &outcome.weights).unwrap();
    for param in start.weights().handles() {
        let change = (start.weights().get(param) - trained.weights().get(param)).abs().max().double_value(&[]);
        assert_eq!(change == 0.0, start.weights().name(param).contains("down"), "{}", start.weights().name(param));
    }
}

/// A base that has learnt, not the one of few steps of the other tests; members' loss at the fixed steps before and after
/// training without DP.
#[test]
fn adapters_take_a_tenth_off_the_members_loss() {
    let mut config = tiny();
    config.base = BaseTraining { steps: 120, batch: 8, ..config.base };
    config.epochs = 30;
    let family = NetDiffusion::new("tiny", config.clone());
    let base = family.train_base(&public(60), Seed::root(12), &NoProgress).unwrap();
    let traces = encoded("os", "mac", 40);
    let mut input = cohort(&traces, &base.weights, &[(1, None)]);
    input.models[0].members = (0..24).collect();
    input.plan = family.plan(24, Regime::None);
    let mut fresh = NetDiffusionNetwork::initialised(Base::load(&config, &base.weights).unwrap(), &[Seed::root(1)]);
    fresh.set_pool(&traces).unwrap();
    let all = Microbatch { models: vec![0], rows: vec![input.models[0].members.clone()] };
    let before = fresh.losses(&all).mean(Kind::Double).double_value(&[]);
    let outcome = family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models.remove(0);
    let after = outcome.epochs.last().unwrap().member_loss.unwrap();
    assert!(after < 0.9 * before, "from {before} to {after}");
}

/// A rate that no network survives: the step is recorded, the weights are the last good ones.
#[test]
fn adapters_and_bases_that_diverge_keep_their_last_good_weights() {
    let traces = encoded("os", "mac", 12);
    let mut input = cohort(&traces, &tiny_base().weights, &[(1, None), (2, DP)]);
    if let syntrace::train::OptimiserPlan::Adam { rate, .. } = &mut input.plan.optimiser {
        *rate = 1e30;
    }
    for model in train(&input).models {
        assert!(matches!(model.status, ModelStatus::Diverged { .. }), "{:?}", model.status);
        assert!(largest(&model.weights) < 10.0, "{}", largest(&model.weights));
    }
    for part in ["base", "autoencoder"] {
        let mut config = tiny_learned().config().clone();
        let rate = if part == "base" { &mut config.base.rate } else { &mut config.autoencoder.rate };
        *rate = 1e30;
        let base = NetDiffusion::new("wild", config).train_base(&public(8), Seed::root(1), &NoProgress).unwrap();
        assert!(matches!(base.status, ModelStatus::Diverged { .. }), "{part}: {:?}", base.status);
        assert!(largest(&base.weights) < 1e3, "{part}: {}", largest(&base.weights));
    }
}

/// Largest weight; infinite where one is not finite.
fn largest(weights: &[u8]) -> f64 {
    let file = safetensors::SafeTensors::deserialize(weights).unwrap();
    let of = |view| syntrace::nn::tensor_from_view(&view).unwrap().abs().max().double_value(&[]);
    let all = file.tensors().into_iter().map(|(_, view)| of(view));
    all.fold(0.0, |most, value| if value.is_finite() { most.max(value) } else { f64::INFINITY })
}

/// Keeps the checkpoint after a number of steps.
struct KeepAt(u64, Option<Vec<u8>>);

impl CheckpointSink for KeepAt {
    fn due(&mut self, steps: u64) -> bool {
        steps == self.0
    }

    fn save(&mut self, bytes: &[u8]) -> Result<()> {
        self.1 = Some(bytes.to_vec());
        Ok(())
    }

    fn seconds(&mut self) -> f64 {
        0.0
    }
}

#[test]
fn a_training_resumed_from_a_checkpoint_ends_with_the_same_bytes() {
    let traces = encoded("os", "mac", 12);
    let input = cohort(&traces, &tiny_base().weights, &[(1, None), (2, DP)]);
    let mut sink = KeepAt(2, None);
    let whole = tiny_generator().train_cohort(&input, None, &mut sink, &NoProgress).unwrap();
    let resumed = tiny_generator().train_cohort(&input, sink.1.as_deref(), &mut NoCheckpoint, &NoProgress).unwrap();
    assert_eq!(whole, resumed);
}

/// The same computation in another place of a batch.
const PLACE_TOLERANCE: f32 = 1e-4;

#[test]
fn attributes_are_functions_of_model_and_cells_alone() {
    let family = tiny_generator();
    let mut traces = encoded("os", "mac", 12);
    let base = &tiny_base().weights;
    let own = train(&cohort(&traces, base, &[(1, None)])).models.remove(0).weights;
    let weights = Weights { own: &own, base: Some(base) };
    let rows = family.attributes(weights, &traces).unwrap();
    for kinds in &rows {
        let names: Vec<&str> = kinds.iter().map(|row| row.kind).collect();
        assert_eq!(names, family.attribute_kinds());
        assert_eq!(kinds.iter().map(|row| row.values.len() as u64).sum::<u64>(), family.attribute_values());
        // The loss is the mean over the fixed steps of each step's error, the first of its values.
        let stride = 1 + tiny().rows as usize;
        let errors = &kinds[1].values;
        let mean = (0..2).map(|step| errors[step * stride]).sum::<f32>() / 2.0;
        assert!((mean - kinds[0].loss).abs() < 1e-5 && kinds[0].loss == kinds[1].loss);
        let row_mean = errors[1..stride].iter().sum::<f32>() / tiny().rows as f32;
        assert!((row_mean - errors[0]).abs() < 1e-5);
    }
    traces.reverse();
    for trace in &mut traces {
        trace.trace_id = TraceId(trace.trace_id.0 / 2);
    }
    for (kinds, twin) in family.attributes(weights, &traces).unwrap().iter().zip(rows.iter().rev()) {
        for (row, twin) in kinds.iter().zip(twin) {
            let apart = row.values.iter().zip(&twin.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < PLACE_TOLERANCE, "{}: {apart}", row.kind);
        }
    }
    let mut full = tiny();
    full.full_maps = true;
    let full = NetDiffusion::new("tiny", full);
    let row = &full.attributes(weights, &traces[..1]).unwrap()[0];
    assert_eq!(row[0].values.len() as i64, 2 * tiny().latent_len());
    assert_eq!(row.iter().map(|row| row.values.len() as u64).sum::<u64>(), full.attribute_values());
}

#[test]
fn a_drawn_trace_depends_on_its_number_alone_and_becomes_packets() {
    let family = tiny_generator();
    let traces = encoded("os", "mac", 12);
    let base = &tiny_base().weights;
    let own = train(&cohort(&traces, base, &[(1, DP)])).models.remove(0).weights;
    let weights = Weights { own: &own, base: Some(base) };
    let draw = |count| family.sample(weights, count, Seed::root(9), &NoProgress).unwrap();
    let many = draw(18);
    assert_eq!(many[..3], draw(3)[..]);
    assert_ne!(many[0], many[16]);
    for raw in &many {
        let Generated::Nprint(image) = &raw.content else { panic!("netdiffusion writes cells") };
        assert_eq!(image.rows.len(), tiny().rows as usize);
        let trace = repair(image, RepairProfile::Reference, PACKETS as usize, Seed::root(1));
        assert_eq!(trace.packets.len() + trace.rejections.len(), PACKETS as usize);
    }
}

/// Recurrences worked out in another way: products of the published betas; 20 steps of a clean predictor
/// lead back to the latent.
#[test]
fn the_schedule_is_scaled_linear_and_its_sampler_ends_at_the_first_step() {
    let schedule = Schedule::new(&tiny().schedule);
    let root = |index: f64| 0.00085f64.sqrt() + (0.012f64.sqrt() - 0.00085f64.sqrt()) * index / 999.0;
    let logs: f64 = (0..1000).map(|index| (1.0 - root(f64::from(index)).powi(2)).ln()).sum();
    assert!((schedule.alpha_bar(Some(999)) / logs.exp() - 1.0).abs() < 1e-12);
    assert!((schedule.alpha_bar(Some(0)) - (1.0 - 0.00085)).abs() < 1e-15);
    assert_eq!(schedule.alpha_bar(None), 1.0);
    let steps = schedule.sampler_steps(20);
    assert_eq!((steps.len(), steps[0], steps[1], steps[19]), (20, 999, 949, 49));
}

#[test]
fn options_are_checked_and_models_that_differ_in_adapters_share_a_base() {
    let build = |text: &str| {
        let options: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
        generator("netdiffusion", &options, PACKETS)
    };
    let plain = build("{}").unwrap();
    let changed = build(r#"{"lora": {"rank": 8}, "rate": 0.01, "repair": "reference"}"#).unwrap();
    assert_ne!(plain.config_json(Regime::None), changed.config_json(Regime::None));
    assert_eq!(plain.base(), changed.base());
    assert_eq!(changed.repair(), Some(("reference", PACKETS)));
    let adapters = |text: &str| build(text).unwrap().parameters();
    let [once, twice] = [4, 8].map(|rank| adapters(&format!(r#"{{"lora": {{"rank": {rank}, "columns": false}}}}"#)));
    assert_eq!(twice, 2 * once);
    // For each of 34 words of a header: 32 channels down to rank 4, up to 4 x 16 of `out` and 4 x 32 of the cells'
    // features, and as many numbers of shifts.
    assert_eq!(plain.parameters(), once + 34 * (4 * 32 + 4 * (64 + 128) + 64 + 128));
    assert_eq!(plain.start(Regime::None), Start::Base);
    assert_ne!(plain.base(), build(r#"{"unet": {"patch": 8}}"#).unwrap().base());
    let message = |text: &str| build(text).map(|_| ()).unwrap_err().to_string();
    assert_eq!(message(r#"{"rows": 4}"#), "`rows` must be between the packets of a trace, 10, and 1024, found `4`");
    assert_eq!(message(r#"{"repair": "none"}"#), "`repair` must be `reference` or `strict`, found `none`");
    assert_eq!(message(r#"{"unet": {"patch": 3}}"#), "`unet.patch` must divide 136, found `3`");
    let channels = "`autoencoder.channels` must be 16 where `autoencoder.code` is `ternary`, found `8`";
    assert_eq!(message(r#"{"autoencoder": {"channels": 8}}"#), channels);
    assert!(message(r#"{"colour": 1}"#).contains("unknown field `colour`"));
}

/// The `paper` preset: published rank, rate and batch over the large U-Net, two steps from a fresh base (its
/// training takes hours).
#[test]
fn the_paper_preset_trains() {
    let family = NetDiffusion::preset("paper").unwrap();
    let traces = encoded("os", "mac", 12);
    let base = Base::fresh(family.config(), &Seed::root(1)).to_bytes().unwrap();
    let mut input = cohort(&traces, &base, &[(1, DP)]);
    input.plan = family.plan(6, Regime::None);
    input.plan.steps = 2;
    input.models[0].held_out.truncate(1);
    input.models[0].members.truncate(2);
    input.plan.sampling_rate = 1.0;
    let outcome = family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models.remove(0);
    assert_eq!((outcome.steps, outcome.status), (2, ModelStatus::Trained));
    assert_eq!(outcome.parameters, family.parameters());
    assert!(outcome.epochs[0].gradient_norm.unwrap() >= 0.0);
    let flops = family.training_flops(6, Regime::None);
    assert!(flops > NetDiffusion::preset("small").unwrap().training_flops(6, Regime::None), "{flops}");
}
