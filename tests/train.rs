#![cfg(feature = "torch")]
//! DP steps, optimisers and the cohort loop.

use crate::nn::{Conformance, assert_close};
use syntrace::base::{NoProgress, Progress, Seed, TraceId};
use syntrace::encoding::Generated;
use syntrace::encoding::TokenLayout;
use syntrace::error::{ErrorKind, Result};
use syntrace::model::netssm::{NetSsm, NetSsmConfig, NetSsmNetwork};
use syntrace::model::{Family, Generator, RawTrace, Weights};
use syntrace::nn::{Param, Params, Tape};
use syntrace::record::{ModelStatus, Regime};
use syntrace::train::{
    Average, CheckpointSink, ClippedSum, Clipping, CohortInput, CohortModel, CohortOutcome, DpPlan, EncodedTrace,
    ModelOutcome, NoCheckpoint, Optimiser, OptimiserPlan, PerSampleGrads, TrainPlan, Trainable, poisson_batch,
    standard_normal,
};
use tch::{Kind, Tensor};

/// The vectors' own tolerance for an engine in double precision.
const DOUBLE: (f64, f64) = (1e-9, 1e-12);

const DP_STEP_CASES: [(&str, OptimiserPlan); 4] = [
    ("sgd", OptimiserPlan::Sgd { rate: 0.1, momentum: 0.0 }),
    ("sgd_momentum", OptimiserPlan::Sgd { rate: 0.1, momentum: 0.9 }),
    ("adam", OptimiserPlan::Adam { rate: 1e-2, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }),
    ("adamw", OptimiserPlan::Adam { rate: 1e-2, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01 }),
];

/// Clipped sum and norms of a 6-8-3 ReLU network with cross-entropy on the rows of a mask.
fn clipped(params: &Params, handles: &[Param], case: &Conformance, mask: &Tensor, dp: DpPlan) -> (ClippedSum, Tensor) {
    let rows = mask.nonzero().flatten(0, -1);
    let input = case.double("input").index_select(0, &rows).unsqueeze(0);
    let target = case.get("target").index_select(0, &rows).unsqueeze(0);
    let tape = Tape::recording(params, rows.size()[0]);
    let hidden = tape.linear(&input, handles[1], Some(handles[0])).relu();
    let output = tape.linear(&hidden, handles[3], Some(handles[2]));
    let scores = output.log_softmax(-1, None).gather(-1, &target.unsqueeze(-1), false);
    PerSampleGrads::new(tape.backward(&scores.sum(None).neg())).clip(&Clipping::new(&[Some(dp)]))
}

fn check_dp_steps(name: &str, plan: OptimiserPlan) {
    let case = Conformance::load(name);
    let number = |key: &str| case.spec[key].as_f64().unwrap();
    let dp = DpPlan { noise_multiplier: number("noise_multiplier"), clip_norm: number("max_grad_norm") };
    let mut params = Params::new(1);
    let names = case.names("param0.");
    let handles: Vec<Param> =
        names.iter().map(|name| params.add(name, case.double(&format!("param0.{name}")).unsqueeze(0))).collect();
    let mut optimiser = Optimiser::new(plan, &params);
    for step in 0..3 {
        let key = |kind: &str, name: &str| format!("step{step}.{kind}.{name}");
        let mask = case.get(&format!("step{step}.batch_mask"));
        let sum = if mask.any().int64_value(&[]) == 0 {
            ClippedSum::empty(&params)
        } else {
            let (sum, norms) = clipped(&params, &handles, &case, &mask, dp);
            let expected = case.get(&format!("step{step}.norms"));
            assert_close(&norms.get(0), &expected, DOUBLE.0, DOUBLE.1, "norms");
            sum
        };
        let noise: Vec<Tensor> =
            names.iter().map(|name| case.double(&key("std_normal", name)).flatten(0, -1)).collect();
        let noise = Tensor::cat(&noise, 0).unsqueeze(0) * (dp.noise_multiplier * dp.clip_norm);
        let gradient = sum.with_noise(&noise, number("expected_batch_size"));
        for (name, found) in names.iter().zip(gradient.gradients()) {
            let expected = case.get(&key("noisy_grad", name));
            assert_close(&found.as_ref().unwrap().get(0), &expected, DOUBLE.0, DOUBLE.1, "noisy gradient");
        }
        optimiser.step(&mut params, gradient, &Tensor::from_slice(&[1.0f64]));
        for (handle, name) in handles.iter().zip(&names) {
            let expected = case.get(&key("param_after", name));
            assert_close(&params.get(*handle).get(0), &expected, DOUBLE.0, DOUBLE.1, "weights after the step");
        }
    }
}

/// Norms, noisy gradients and weights of three steps; the second batch is empty in half of the files.
#[test]
fn dp_steps_agree_with_the_vectors_for_every_optimiser() {
    for (name, plan) in DP_STEP_CASES {
        check_dp_steps(&format!("dpstep_{name}"), plan);
        check_dp_steps(&format!("dpstep_{name}_emptybatch"), plan);
    }
}

/// Mean, variance, kurtosis and correlation of 2^20 normals, each within five standard errors.
#[test]
fn noise_is_standard_normal_and_differs_by_step_and_seed() {
    const COUNT: i64 = 1 << 20;
    const STANDARD_ERROR: f64 = 1.0 / 1024.0;
    let first = standard_normal(&Seed::root(1), 0, COUNT).to_kind(Kind::Double);
    let second = standard_normal(&Seed::root(1), 1, COUNT).to_kind(Kind::Double);
    let moment = |power: f64| first.pow_tensor_scalar(power).mean(None).double_value(&[]);
    assert!(moment(1.0).abs() < 5.0 * STANDARD_ERROR);
    // Variances of x^2 and x^4 under the normal: 2 and 96.
    assert!((moment(2.0) - 1.0).abs() < 5.0 * 2f64.sqrt() * STANDARD_ERROR);
    assert!((moment(4.0) - 3.0).abs() < 5.0 * 96f64.sqrt() * STANDARD_ERROR);
    for other in [second, first.roll([1], [0]), standard_normal(&Seed::root(2), 0, COUNT).to_kind(Kind::Double)] {
        let correlation = (&first * other).mean(None).double_value(&[]);
        assert!(correlation.abs() < 5.0 * STANDARD_ERROR, "correlation {correlation}");
    }
    let halves = (&first.narrow(0, 0, COUNT / 2) * first.narrow(0, COUNT / 2, COUNT / 2)).mean(None).double_value(&[]);
    assert!(halves.abs() < 5.0 * 2f64.sqrt() * STANDARD_ERROR, "cosine and sine halves");
}

/// Sizes of 4,000 draws of Binomial(50, 0.3): mean and variance within five standard errors.
#[test]
fn poisson_batches_take_each_member_independently() {
    const DRAWS: u64 = 4_000;
    let members: Vec<usize> = (100..150).collect();
    let sizes: Vec<f64> =
        (0..DRAWS).map(|step| poisson_batch(&Seed::root(3), step, &members, 0.3).len() as f64).collect();
    let mean = sizes.iter().sum::<f64>() / DRAWS as f64;
    let variance = sizes.iter().map(|size| (size - mean).powi(2)).sum::<f64>() / DRAWS as f64;
    let expected = 50.0 * 0.3 * 0.7;
    assert!((mean - 15.0).abs() < 5.0 * (expected / DRAWS as f64).sqrt(), "mean {mean}");
    assert!((variance - expected).abs() < 5.0 * expected * (2.0 / DRAWS as f64).sqrt(), "variance {variance}");
    assert_eq!(poisson_batch(&Seed::root(3), 0, &members, 1.0), members);
}

/// A tiny generator whose trainings take a fraction of a second.
fn tiny() -> NetSsm {
    let config = NetSsmConfig {
        width: 8,
        layers: 1,
        state: 4,
        head: 8,
        chunk: 8,
        packets: 2,
        layout: TokenLayout { link_header: false, packet_bytes: 8, padded: false, published: false },
        ..NetSsmConfig::preset("small").unwrap()
    };
    NetSsm::new("tiny", config)
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

fn pool() -> Vec<EncodedTrace> {
    (0..24).map(trace).collect()
}

fn model(index: u64, dp: Option<DpPlan>) -> CohortModel {
    CohortModel {
        label: format!("model {index}"),
        seed: Seed::root(index),
        noise_seed: Some(Seed::root(1_000 + index)),
        members: (0..24).filter(|number| (number + index as usize).is_multiple_of(2)).collect(),
        learnt: None,
        held_out: (0..24).filter(|number| !(number + index as usize).is_multiple_of(2)).collect(),
        dp,
        initial: None,
    }
}

fn plan() -> TrainPlan {
    let plan = tiny().plan(12, Regime::None);
    TrainPlan {
        sampling_rate: 0.25,
        expected_batch: 3.0,
        steps: 24,
        epochs: 6,
        microbatch: 2,
        epochs_per_evaluation: 1,
        ..plan
    }
}

const DP: DpPlan = DpPlan { noise_multiplier: 1.0, clip_norm: 1.0 };

fn train(pool: &[EncodedTrace], models: Vec<CohortModel>, plan: TrainPlan) -> CohortOutcome {
    let input = CohortInput { hosts: None, traces: pool, models, base: None, plan };
    tiny().train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap()
}

/// Largest difference of two models' weights relative to the largest weight.
fn weights_differ_by(left: &[u8], right: &[u8]) -> f64 {
    let (left, right) =
        (safetensors::SafeTensors::deserialize(left).unwrap(), safetensors::SafeTensors::deserialize(right).unwrap());
    let mut worst = 0.0f64;
    for (name, view) in left.tensors() {
        let (a, b) = (
            syntrace::nn::tensor_from_view(&view).unwrap(),
            syntrace::nn::tensor_from_view(&right.tensor(&name).unwrap()).unwrap(),
        );
        let scale = a.abs().max().double_value(&[]).max(1e-3);
        worst = worst.max((a - b).abs().max().double_value(&[]) / scale);
    }
    worst
}

/// A cohort of four against its models alone: the same draws, so only rounding may differ.
#[test]
fn a_model_is_the_same_alone_and_in_a_cohort() {
    // 24 Adam steps amplify f32 rounding; a wrong seed or mixed rows give differences of order 1.
    const ROUNDING: f64 = 2e-2;
    let pool = pool();
    let models = || vec![model(0, None), model(1, Some(DP)), model(2, None), model(3, Some(DP))];
    let cohort = train(&pool, models(), plan());
    for (single, together) in models().into_iter().zip(&cohort.models) {
        let alone = train(&pool, vec![single], plan());
        let difference = weights_differ_by(&alone.models[0].weights, &together.weights);
        assert!(difference < ROUNDING, "difference {difference}");
        assert_eq!(alone.models[0].events, together.events);
    }
}

#[test]
fn events_count_every_step_of_private_models_only() {
    let outcome = train(&pool(), vec![model(0, None), model(1, Some(DP))], plan());
    assert!(outcome.models[0].events.is_empty());
    let [event] = outcome.models[1].events.as_slice() else { panic!("one event") };
    let rate_noise_norm = (event.sampling_rate.get(), event.noise_multiplier.get(), event.clip_norm.get());
    assert_eq!((event.steps, rate_noise_norm), (24, (0.25, 1.0, 1.0)));
}

/// With a rate of 0 in effect (no member is ever drawn) a private model still moves, by noise alone.
#[test]
fn empty_poisson_batch_still_takes_a_noisy_step() {
    let empty = |dp| CohortModel { members: Vec::new(), ..model(1, dp) };
    let start = train(&pool(), vec![empty(None)], plan());
    let outcome = train(&pool(), vec![empty(Some(DP))], plan());
    assert_eq!(outcome.models[0].events[0].steps, 24);
    assert!(weights_differ_by(&start.models[0].weights, &outcome.models[0].weights) > 0.01);
    assert!(outcome.models[0].epochs.iter().all(|epoch| epoch.train_loss.is_none() && epoch.traces == 0));
}

/// Noise 0 and a clip norm that nothing reaches, against a plain training.
#[test]
fn without_noise_and_clipping_dp_equals_plain_training() {
    const ROUNDING: f64 = 2e-2;
    let free = DpPlan { noise_multiplier: 0.0, clip_norm: 1e9 };
    let plain = train(&pool(), vec![model(1, None)], plan());
    let private = train(&pool(), vec![model(1, Some(free))], plan());
    let tight = train(&pool(), vec![model(1, Some(DpPlan { noise_multiplier: 0.0, clip_norm: 1e-3 }))], plan());
    let difference = weights_differ_by(&plain.models[0].weights, &private.models[0].weights);
    assert!(difference < ROUNDING, "difference {difference}");
    assert!(tight.models[0].epochs.iter().all(|epoch| epoch.clipped_fraction == Some(1.0)));
    assert!(private.models[0].epochs.iter().all(|epoch| epoch.clipped_fraction == Some(0.0)));
}

#[test]
fn training_lowers_the_loss_and_epochs_are_complete() {
    let outcome = train(&pool(), vec![model(0, None)], TrainPlan { steps: 120, epochs: 10, ..plan() });
    let epochs = &outcome.models[0].epochs;
    assert_eq!(epochs.len(), 10);
    assert_eq!(epochs.last().unwrap().step, 120);
    let loss = |index: usize| epochs[index].member_loss.unwrap();
    assert!(loss(9) < 0.7 * loss(0), "{} to {}", loss(0), loss(9));
    assert!(epochs.iter().all(|epoch| epoch.held_out_loss.is_some() && epoch.clipped_fraction.is_none()));
    assert_eq!(outcome.models[0].status, ModelStatus::Trained);
}

/// Saves when told to, and asks to stop after some steps.
struct StopAfter {
    steps: u64,
    done: std::sync::atomic::AtomicU64,
}

impl Progress for StopAfter {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, units: u64, _note: &str) {
        self.done.fetch_add(units, std::sync::atomic::Ordering::Relaxed);
    }
    fn finish(&self) {}
    fn stop_requested(&self) -> bool {
        self.done.load(std::sync::atomic::Ordering::Relaxed) >= self.steps
    }
}

#[derive(Default)]
struct Kept {
    saved: Vec<Vec<u8>>,
    every: u64,
}

impl CheckpointSink for Kept {
    fn due(&mut self, steps: u64) -> bool {
        self.every > 0 && steps.is_multiple_of(self.every)
    }
    fn save(&mut self, bytes: &[u8]) -> Result<()> {
        self.saved.push(bytes.to_vec());
        Ok(())
    }
    fn seconds(&mut self) -> f64 {
        0.0
    }
}

/// Stopped after 9 of 24 steps (inside an epoch) and resumed: all outcomes, weights bit for bit.
#[test]
fn resumed_training_ends_with_the_same_bytes() {
    let pool = pool();
    for average in [Average::None, Average::Ema] {
        let plan = TrainPlan { average, ..plan() };
        let input = CohortInput {
            hosts: None,
            traces: &pool,
            models: vec![model(0, None), model(1, Some(DP))],
            base: None,
            plan,
        };
        let whole = tiny().train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap();
        let mut sink = Kept::default();
        let stop = StopAfter { steps: 9, done: Default::default() };
        let error = tiny().train_cohort(&input, None, &mut sink, &stop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(sink.saved.len(), 1);
        let resumed = tiny().train_cohort(&input, Some(&sink.saved[0]), &mut NoCheckpoint, &NoProgress).unwrap();
        assert_eq!(resumed, whole);
    }
}

/// Weights of a model by name.
fn named(weights: &[u8]) -> Vec<(String, Vec<f32>)> {
    let file = safetensors::SafeTensors::deserialize(weights).unwrap();
    let numbers = |data: &[u8]| data.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let mut all: Vec<(String, Vec<f32>)> =
        file.tensors().iter().map(|(name, view)| (name.clone(), numbers(view.data()))).collect();
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

#[test]
fn only_the_weights_that_are_trained_move_are_clipped_and_are_counted() {
    let initial = NetSsmNetwork::initialised(tiny().config(), &[model(1, None).seed]);
    let initial = named(&initial.weights().to_safetensors(0).unwrap());
    let of = |trainable| train(&pool(), vec![model(1, Some(DP))], TrainPlan { trainable, ..plan() }).models.remove(0);
    let all = of(Trainable::All);
    let sets = [
        (Trainable::Norms, vec!["norm.weight", "norm_f.weight"]),
        (Trainable::Biases, vec![".bias", "_bias"]),
        (Trainable::Vectors, vec!["norm.weight", "norm_f.weight", ".bias", "_bias", ".A_log", ".D"]),
        (Trainable::Output, vec!["norm_f.weight"]),
    ];
    for (trainable, endings) in sets {
        let trained = of(trainable);
        let mut moved = 0;
        for ((name, before), (_, after)) in initial.iter().zip(named(&trained.weights)) {
            let is_trained = endings.iter().any(|ending| name.ends_with(ending));
            assert_eq!(*before != after, is_trained, "{trainable:?}: {name}");
            moved += if is_trained { after.len() as u64 } else { 0 };
        }
        assert_eq!((trained.parameters_private, trained.parameters), (moved, all.parameters), "{trainable:?}");
        let norm = |outcome: &ModelOutcome| outcome.epochs[0].gradient_norm.unwrap();
        assert!(norm(&trained) < norm(&all), "{trainable:?}: the norm is that of what is trained");
        assert_eq!(trained.events, all.events, "{trainable:?}");
    }
}

#[test]
fn averaged_weights_are_means_of_released_ones_and_cost_no_privacy() {
    let of = |steps, average| {
        let plan = TrainPlan { steps, epochs: 1, average, linear_decay: false, ..plan() };
        train(&pool(), vec![model(1, Some(DP))], plan).models.remove(0)
    };
    let passed: Vec<_> = (1..=8).map(|steps| of(steps, Average::None)).collect();
    let weights: Vec<_> = passed.iter().map(|outcome| named(&outcome.weights)).collect();
    // An exponential mean of horizon 2 takes half of what was and half of what is.
    let shares = [0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25];
    let halves = [1.0 / 128.0, 1.0 / 128.0, 1.0 / 64.0, 1.0 / 32.0, 1.0 / 16.0, 1.0 / 8.0, 1.0 / 4.0, 1.0 / 2.0];
    for (average, shares) in [(Average::Tail, shares), (Average::Ema, halves)] {
        let kept = of(8, average);
        assert_eq!(kept.events, passed[7].events, "{average:?}");
        for (place, (name, found)) in named(&kept.weights).iter().enumerate() {
            for (index, found) in found.iter().enumerate() {
                let mean: f64 =
                    shares.iter().zip(&weights).map(|(share, all)| share * f64::from(all[place].1[index])).sum();
                assert!((mean - f64::from(*found)).abs() < 1e-4, "{average:?} {name}: {mean} {found}");
            }
        }
    }
}

/// With system noise two trainings differ, and one resumed from a checkpoint of the first draws fresh noise: what
/// the checkpoint holds does not tell it. The number of releases stays the plan's.
#[test]
fn system_noise_is_fresh_after_a_checkpoint_too() {
    let pool = pool();
    let models = vec![CohortModel { noise_seed: None, ..model(1, Some(DP)) }, model(2, None)];
    let input = CohortInput { hosts: None, traces: &pool, models, base: None, plan: plan() };
    let mut sink = Kept { every: 7, ..Kept::default() };
    let first = tiny().train_cohort(&input, None, &mut sink, &NoProgress).unwrap();
    assert_eq!(sink.saved.len(), 3);
    for checkpoint in &sink.saved {
        let resumed = tiny().train_cohort(&input, Some(checkpoint), &mut NoCheckpoint, &NoProgress).unwrap();
        assert_ne!(resumed.models[0].weights, first.models[0].weights);
        assert_eq!(resumed.models[0].events, first.models[0].events);
        assert_eq!(resumed.models[1].steps, first.models[1].steps);
    }
}

#[test]
fn damaged_checkpoint_is_an_error_that_says_what_to_do() {
    let pool = pool();
    let input = CohortInput { hosts: None, traces: &pool, models: vec![model(0, None)], base: None, plan: plan() };
    let error = tiny().train_cohort(&input, Some(b"not a checkpoint"), &mut NoCheckpoint, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("checkpoint"), "{error}");
    assert!(error.hint_text().unwrap().contains("starts again"));
}

/// A learning rate of 1e30 makes every loss infinite; with a private row beside it at rate 0... the
/// rate is the cohort's, so divergence is provoked in one model by a broken trace weight: an enormous
/// noise multiplier.
#[test]
fn a_diverged_model_is_recorded_with_its_step_and_the_others_go_on() {
    let wild = DpPlan { noise_multiplier: 1e38, clip_norm: 1.0 };
    let sgd = OptimiserPlan::Sgd { rate: 0.5, momentum: 0.0 };
    let plan = TrainPlan { optimiser: sgd, sampling_rate: 1.0, ..plan() };
    let outcome = train(&pool(), vec![model(0, None), model(1, Some(wild)), model(2, Some(DP))], plan);
    let ModelStatus::Diverged { step } = outcome.models[1].status else { panic!("diverged") };
    assert_eq!(outcome.models[1].steps, step);
    assert_eq!(outcome.models[1].events[0].steps, step);
    for index in [0, 2] {
        assert_eq!(outcome.models[index].status, ModelStatus::Trained);
        assert_eq!(outcome.models[index].steps, 24);
        assert!(outcome.models[index].epochs.last().unwrap().member_loss.unwrap().is_finite());
    }
}

#[test]
fn attributes_have_fixed_widths_and_their_loss_is_the_training_loss() {
    // One f32 forward pass in two batch shapes.
    const ROUNDING: f64 = 1e-4;
    let pool = pool();
    let outcome = train(&pool, vec![model(0, None)], plan());
    let generator = tiny();
    let rows = generator.attributes(Weights { own: &outcome.models[0].weights, base: None }, &pool).unwrap();
    for of_trace in &rows {
        let kinds: Vec<&str> = of_trace.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, generator.attribute_kinds());
        assert_eq!(of_trace[1].values.len(), 2 * 9 + 1);
        for (row, first) in of_trace.iter().zip(&rows[0]) {
            assert_eq!(row.values.len(), first.values.len());
            assert!(row.values.iter().all(|value| value.is_finite()));
        }
    }
    let members = &model(0, None).members;
    let mean = members.iter().map(|&trace| f64::from(rows[trace][0].loss)).sum::<f64>() / members.len() as f64;
    let expected = outcome.models[0].epochs.last().unwrap().member_loss.unwrap();
    assert!((mean - expected).abs() < ROUNDING * expected, "{mean} and {expected}");
}

#[test]
fn sampled_traces_do_not_depend_on_how_many_are_drawn() {
    let outcome = train(&pool(), vec![model(0, None)], plan());
    let draw = |count| {
        let weights = Weights { own: &outcome.models[0].weights, base: None };
        tiny().sample(weights, count, Seed::root(9), &NoProgress).unwrap()
    };
    let (few, many): (Vec<RawTrace>, Vec<RawTrace>) = (draw(3), draw(70));
    assert_eq!(few[..], many[..3]);
    let tokens = |trace: &RawTrace| match &trace.content {
        Generated::Tokens(tokens) => tokens.clone(),
        other => panic!("expected tokens, found {other:?}"),
    };
    assert!(many.iter().flat_map(tokens).all(|token| token < 256 || token == 259 || token == 257));
    for trace in &many {
        assert_eq!(trace.complete, tokens(trace).last() == Some(&257));
    }
    assert!(many.iter().any(|trace| trace.content != many[0].content));
}
