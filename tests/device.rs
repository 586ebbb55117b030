#![cfg(feature = "torch")]
//! Where networks run: what the command line accepts, that the CPU's results do not know of it, and that a
//! CUDA device gives the CPU's numbers.
//!
//! The comparisons need a CUDA device and say so where there is none. `SYNTRACE_TEST_DEVICE` names the
//! device to compare with the CPU (`cpu` rehearses), which must then be here. Convolutions on CUDA may use
//! TF32 (10 bits of mantissa), where `NVIDIA_TF32_OVERRIDE=0` does not forbid it: set it, the tolerances are
//! those of f32.

use crate::common::{TINY_SPEC, run, run_ok, simulated_traces, write_spec};
use std::sync::OnceLock;
use syntrace::base::{Device, DeviceChoice, NoProgress, Seed};
use syntrace::error::Result;
use syntrace::model::netdiffusion::{AutoencoderConfig, Base, NetDiffusion, NetDiffusionConfig, UnetConfig};
use syntrace::model::netdiffusion::{BaseTraining, NetDiffusionNetwork};
use syntrace::model::netshare::{NetShare, NetShareNetwork};
use syntrace::model::netssm::{NetSsm, NetSsmNetwork};
use syntrace::model::{Generator, Weights};
use syntrace::record::{ModelStatus, Regime};
use syntrace::train::{
    CheckpointSink, Clipping, CohortInput, CohortModel, CohortOutcome, DpPlan, EncodedTrace, Microbatch, Network,
    NoCheckpoint, TrainPlan, gaussian_noise, standard_normal,
};
use tch::{Kind, Tensor};

const PACKETS: u32 = 3;
const TRACES: usize = 24;
const STEPS: u64 = 6;
const DP: DpPlan = DpPlan { noise_multiplier: 1.0, clip_norm: 0.5 };

/// Largest difference of one gradient, relative to the largest element of its weight: sums of some
/// thousand f32 products in another order.
const SUM_TOLERANCE: f64 = 1e-3;
/// Of weights after [`STEPS`] steps of Adam, which turns rounding of gradients near 0 into steps.
const WEIGHT_TOLERANCE: f64 = 5e-2;
/// Of attributes, relative to one plus their size.
const ATTRIBUTE_TOLERANCE: f64 = 2e-3;
/// Share of bytes of sampled traces that must agree: a choice on the edge may fall to the other side, and
/// what follows it differs.
const SAMPLE_AGREEMENT: f64 = 0.5;

/// The device to compare with the CPU; `None` where there is none, which is said.
fn device(test: &str) -> Option<Device> {
    let here = syntrace::nn::cuda_devices();
    if let Ok(name) = std::env::var("SYNTRACE_TEST_DEVICE") {
        return Some(DeviceChoice::from_name(&name).unwrap().among(here).unwrap());
    }
    match DeviceChoice::Only(Device::Cuda(0)).among(here) {
        Ok(device) => Some(device),
        Err(error) => {
            crate::common::skip("cuda", format_args!("{test}: {error}"));
            None
        }
    }
}

fn object(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    let serde_json::Value::Object(map) = value else { panic!("an object") };
    map
}

fn netssm() -> NetSsm {
    let options = serde_json::json!({ "preset": "small", "width": 16, "layers": 2, "batch": 6 });
    NetSsm::from_options(&object(options), PACKETS).unwrap()
}

fn netshare() -> NetShare {
    let options = serde_json::json!({ "preset": "small", "units": 16, "lstm": 8, "fakes": 16, "batch": 6 });
    NetShare::from_options(&object(options), PACKETS).unwrap()
}

fn netdiffusion() -> NetDiffusion {
    let small = NetDiffusionConfig::preset("small").unwrap();
    let unet = UnetConfig { widths: vec![16, 16], heads: 2, context: 8, time: 16, cell: 8, ..small.unet.clone() };
    let config = NetDiffusionConfig {
        packets: PACKETS,
        rows: PACKETS,
        unet: UnetConfig { patch: 8, words: 3, ..unet },
        autoencoder: AutoencoderConfig { steps: 60, batch: 512, rate: 1e-2, ..small.autoencoder.clone() },
        base: BaseTraining { steps: 10, batch: 4, ..small.base.clone() },
        fixed_steps: vec![100, 500],
        batch: 6,
        ..small
    };
    NetDiffusion::new("tiny", config)
}

fn on<G: Generator>(mut generator: G, device: Device) -> G {
    generator.set_device(device);
    assert_eq!(generator.device(), device);
    generator
}

fn pool(generator: &dyn Generator, dataset: &str, class: &str) -> Vec<EncodedTrace> {
    let encoding = generator.encoding();
    let traces = simulated_traces(dataset, class, 60, PACKETS);
    let encode = |trace: &syntrace::record::Trace| {
        let encoded = encoding.encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    traces.iter().take(TRACES).map(encode).collect()
}

/// Weights of a tiny base of `netdiffusion`, trained on the CPU.
fn base_weights() -> &'static [u8] {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    BASE.get_or_init(|| {
        let generator = netdiffusion();
        let traces = pool(&generator, "public", "zoom");
        generator.train_base(&traces, Seed::root(11), &NoProgress).unwrap().weights
    })
}

/// The base that a generator's models need.
fn base_of(generator: &dyn Generator) -> Option<&'static [u8]> {
    generator.base().map(|_| base_weights())
}

fn model(index: usize, dp: Option<DpPlan>) -> CohortModel {
    CohortModel {
        label: format!("model {index}"),
        seed: Seed::root(index as u64),
        noise_seed: Some(Seed::root(1_000 + index as u64)),
        members: (0..TRACES).filter(|number| (number + index).is_multiple_of(2)).collect(),
        learnt: None,
        held_out: (0..TRACES).filter(|number| !(number + index).is_multiple_of(2)).collect(),
        dp,
        initial: None,
    }
}

fn input<'a>(generator: &dyn Generator, traces: &'a [EncodedTrace]) -> CohortInput<'a> {
    let plan = TrainPlan {
        steps: STEPS,
        epochs: 2,
        epochs_per_evaluation: 1,
        microbatch: 4,
        ..generator.plan(TRACES as u32 / 2, Regime::None)
    };
    let models = vec![model(0, None), model(1, Some(DP)), model(2, Some(DP))];
    CohortInput { hosts: None, traces, models, base: base_of(generator), plan }
}

/// Largest difference of two tensors relative to the largest element, at least of `least`.
fn difference(left: &Tensor, right: &Tensor, least: f64) -> f64 {
    let on_cpu = |tensor: &Tensor| tensor.to_device(tch::Device::Cpu).to_kind(Kind::Double);
    let (left, right) = (on_cpu(left), on_cpu(right));
    assert_eq!(left.size(), right.size());
    if left.numel() == 0 {
        return 0.0;
    }
    (&left - right).abs().max().double_value(&[]) / left.abs().max().double_value(&[]).max(least)
}

fn weights_differ_by(left: &[u8], right: &[u8]) -> f64 {
    let read = safetensors::SafeTensors::deserialize;
    let (left, right) = (read(left).unwrap(), read(right).unwrap());
    let mut worst = 0.0f64;
    for (name, view) in left.tensors() {
        let [a, b] = [view, right.tensor(&name).unwrap()].map(|view| syntrace::nn::tensor_from_view(&view).unwrap());
        worst = worst.max(difference(&a, &b, 1e-2));
    }
    worst
}

/// Clipped sums with the losses and norms before them, all on the network's device.
fn clipped(network: &impl Network, batch: &Microbatch, clip_norm: f64) -> Vec<Tensor> {
    let found = network.gradients(batch, true);
    let plans = vec![Some(DpPlan { noise_multiplier: 1.0, clip_norm }); batch.models.len()];
    let (sum, norms) = found.gradients.clip(&Clipping::new(&plans));
    let sums = sum.sums().iter().flatten().map(Tensor::shallow_clone);
    [found.losses, norms, network.losses(batch)].into_iter().chain(sums).collect()
}

/// The same network on both devices, some of its models and all.
fn compare_sums<N: Network>(name: &str, make: impl Fn(Device) -> N, device: Device) {
    let (mut on_cpu, mut there) = (make(Device::Cpu), make(device));
    assert_eq!(there.params().device(), syntrace::nn::placed(device));
    for (step, models) in [(0, vec![0, 1, 2]), (1, vec![0, 2])] {
        let rows = models.iter().map(|model| (*model..model + 6).collect()).collect();
        let batch = Microbatch { models, rows };
        on_cpu.before_step(step);
        there.before_step(step);
        let free = clipped(&on_cpu, &batch, 1e9);
        let middle = free[1].mean(Kind::Double).double_value(&[]);
        let pairs = clipped(&on_cpu, &batch, middle).into_iter().zip(clipped(&there, &batch, middle));
        let worst = pairs.map(|(left, right)| difference(&left, &right, 1e-6)).fold(0.0, f64::max);
        eprintln!("{name} on {device}: clipped sums differ by at most {worst:.1e}");
        assert!(worst <= SUM_TOLERANCE, "{name}: {worst}");
    }
}

#[test]
fn clipped_sums_on_a_device_are_those_of_the_cpu() {
    let Some(device) = device("clipped_sums_on_a_device_are_those_of_the_cpu") else { return };
    let seeds: Vec<Seed> = (0..3).map(Seed::root).collect();
    let traces = pool(&netssm(), "os", "windows");
    let make = |device| {
        let mut network = NetSsmNetwork::initialised(netssm().config(), &seeds);
        network.set_pool(&traces).unwrap();
        network.move_to(device);
        network
    };
    compare_sums("netssm", make, device);
    let traces = pool(&netshare(), "os", "windows");
    let make = |device| {
        let kind = (Kind::Float, tch::Device::Cpu);
        let mut network = NetShareNetwork::initialised(netshare().config(), &seeds, kind);
        network.set_pool(&traces).unwrap();
        network.move_to(device);
        network
    };
    compare_sums("netshare", make, device);
    let traces = pool(&netdiffusion(), "os", "windows");
    let make = |device| {
        let base = Base::load(netdiffusion().config(), base_weights()).unwrap();
        let mut network = NetDiffusionNetwork::initialised(base, &seeds);
        let params = network.params_mut();
        for param in params.handles().filter(|param| params.name(*param).ends_with("lora_up.weight")) {
            let size = params.get(param).size();
            let drawn = standard_normal(&Seed::root(7).named(params.name(param)), 0, size.iter().product()) * 0.1;
            params.get(param).shallow_clone().copy_(&drawn.view(&size[..]));
        }
        network.move_to(device);
        // Encoded where the base is.
        network.set_pool(&traces).unwrap();
        network
    };
    compare_sums("netdiffusion", make, device);
}

#[test]
fn noise_on_a_device_comes_from_the_same_words() {
    /// Two steps of an f32 near 4.
    const ROUNDING: f64 = 1e-6;
    let Some(device) = device("noise_on_a_device_comes_from_the_same_words") else { return };
    for count in [0, 1, 7, 100_000, 5_000_001] {
        let here = gaussian_noise(&Seed::root(3), 5, count, tch::Device::Cpu);
        let there = gaussian_noise(&Seed::root(3), 5, count, syntrace::nn::placed(device));
        assert_eq!((there.device(), there.kind()), (syntrace::nn::placed(device), Kind::Float));
        assert!(difference(&here, &there, 1.0) <= ROUNDING, "{count}");
    }
}

/// Keeps the checkpoint after half of the steps.
#[derive(Default)]
struct Halfway(Vec<u8>);

impl CheckpointSink for Halfway {
    fn due(&mut self, steps: u64) -> bool {
        steps == STEPS / 2
    }

    fn save(&mut self, bytes: &[u8]) -> Result<()> {
        self.0 = bytes.to_vec();
        Ok(())
    }

    fn seconds(&mut self) -> f64 {
        0.0
    }
}

/// What must be the same, exactly: Poisson draws, events, status.
fn facts(outcome: &CohortOutcome) -> Vec<(Vec<u64>, u64, ModelStatus)> {
    let of = |model: &syntrace::train::ModelOutcome| {
        let traces = model.epochs.iter().map(|epoch| epoch.traces).collect();
        (traces, model.events.first().map_or(0, |event| event.steps), model.status.clone())
    };
    outcome.models.iter().map(of).collect()
}

fn compare_training(here: &dyn Generator, there: &dyn Generator) {
    let traces = pool(here, "os", "windows");
    let input = input(here, &traces);
    let mut halfway = Halfway::default();
    let train = |generator: &dyn Generator, resume: Option<&[u8]>, sink: &mut dyn CheckpointSink| {
        generator.train_cohort(&input, resume, sink, &NoProgress).unwrap()
    };
    let on_cpu = train(here, None, &mut NoCheckpoint);
    let whole = train(there, None, &mut halfway);
    let resumed = train(there, Some(&halfway.0), &mut NoCheckpoint);
    for (what, other) in [("trained", &whole), ("resumed", &resumed)] {
        assert_eq!(facts(&on_cpu), facts(other), "{} {what}", here.name());
        let pairs = on_cpu.models.iter().zip(&other.models);
        let worst = pairs.map(|(left, right)| weights_differ_by(&left.weights, &right.weights)).fold(0.0, f64::max);
        eprintln!("{} {what} on {}: weights differ by at most {worst:.1e}", here.name(), there.device());
        assert!(worst <= WEIGHT_TOLERANCE, "{} {what}: {worst}", here.name());
    }
    for model in &on_cpu.models {
        let weights = Weights { own: &model.weights, base: base_of(here) };
        compare_attributes(here, there, weights, &traces);
        compare_samples(here, there, weights);
    }
}

fn compare_attributes(here: &dyn Generator, there: &dyn Generator, weights: Weights<'_>, traces: &[EncodedTrace]) {
    let mut worst = 0.0f64;
    let (left, right) = (here.attributes(weights, traces).unwrap(), there.attributes(weights, traces).unwrap());
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().flatten().zip(right.iter().flatten()) {
        assert_eq!((left.kind, left.values.len()), (right.kind, right.values.len()));
        let values = |row: &syntrace::record::TraceAttribute| [vec![row.loss], row.values.clone()].concat();
        for (a, b) in values(left).into_iter().zip(values(right)) {
            worst = worst.max(f64::from((a - b).abs()) / (1.0 + f64::from(a.abs())));
        }
    }
    eprintln!("{} on {}: attributes differ by at most {worst:.1e}", here.name(), there.device());
    assert!(worst <= ATTRIBUTE_TOLERANCE, "{}: {worst}", here.name());
}

fn compare_samples(here: &dyn Generator, there: &dyn Generator, weights: Weights<'_>) {
    let sample = |generator: &dyn Generator| {
        let traces = generator.sample(weights, 20, Seed::root(9), &NoProgress).unwrap();
        traces.iter().map(|trace| trace.content.to_bytes()).collect::<Vec<_>>()
    };
    let (left, right) = (sample(here), sample(there));
    assert_eq!(left.len(), right.len());
    let (mut same, mut all) = (0, 0);
    for (left, right) in left.iter().zip(&right) {
        same += left.iter().zip(right).filter(|(a, b)| a == b).count();
        all += left.len().max(right.len());
    }
    let share = same as f64 / all.max(1) as f64;
    eprintln!("{} on {}: {:.2} % of sampled bytes agree", here.name(), there.device(), 100.0 * share);
    assert!(share >= SAMPLE_AGREEMENT, "{}: {share}", here.name());
}

#[test]
fn training_attributes_and_samples_on_a_device_are_those_of_the_cpu() {
    let Some(device) = device("training_attributes_and_samples_on_a_device_are_those_of_the_cpu") else { return };
    compare_training(&netssm(), &on(netssm(), device));
    compare_training(&netshare(), &on(netshare(), device));
    compare_training(&netdiffusion(), &on(netdiffusion(), device));
}

#[test]
fn a_base_trained_on_a_device_learns_as_on_the_cpu() {
    /// Of the noise's mean error after ten steps, which is near 1.
    const TOLERANCE: f64 = 0.05;
    let Some(device) = device("a_base_trained_on_a_device_learns_as_on_the_cpu") else { return };
    let traces = pool(&netdiffusion(), "public", "zoom");
    let train = |device| on(netdiffusion(), device).train_base(&traces, Seed::root(11), &NoProgress).unwrap();
    let (here, there) = (train(Device::Cpu), train(device));
    assert_eq!((&here.status, here.parameters), (&there.status, there.parameters));
    let losses = |base: &syntrace::model::BaseOutcome| -> Vec<f64> {
        base.epochs.iter().map(|epoch| epoch.held_out_loss.unwrap()).collect()
    };
    for (left, right) in losses(&here).into_iter().zip(losses(&there)) {
        assert!((left - right).abs() <= TOLERANCE * left, "{left} and {right}");
    }
}

/// Expects exit code 2 and no study.
fn refused(study: &str, arguments: &[&str], message: &str, hint: &str) {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(code, 2, "{arguments:?}\n{stdout}\n{stderr}");
    assert!(stderr.contains(message) && stderr.contains(hint), "{arguments:?}\n{stderr}");
    assert!(!std::path::Path::new(study).exists(), "{arguments:?} made a study");
}

/// No machine has a hundred devices.
#[test]
fn a_device_that_is_not_here_is_refused_before_the_study_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let (absent, unknown) = ("device `cuda:99` is not available", "`cpu`, `cuda`, `cuda:N` or `auto`, found `gpu`");
    refused(&study, &["run", &study, &spec, "--device", "cuda:99"], absent, "--device cpu");
    refused(&study, &["plan", &study, &spec, "--device", "cuda:99"], absent, "--device cpu");
    refused(&study, &["run", &study, &spec, "--device", "gpu"], unknown, "");
    let spec = write_spec(folder.path(), &format!("device = \"gpu\"\n{TINY_SPEC}"));
    refused(&study, &["run", &study, &spec], unknown, "N is the number");
    let spec = write_spec(folder.path(), &format!("device = \"cuda:99\"\n{TINY_SPEC}"));
    refused(&study, &["run", &study, &spec], absent, "--device cpu");
    let (code, _, stderr) = run(&["plan", &study, &spec]);
    assert!(code == 0 && stderr.contains("hours are those of the CPU"), "a plan may be made elsewhere\n{stderr}");
}

#[test]
fn the_device_is_no_part_of_a_job_and_the_cpu_is_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), &format!("device = \"cpu\"\n{TINY_SPEC}"));
    run_ok(&["run", &study, &spec, "--quiet"]);
    let programs = run_ok(&["sql", &study, "-c", "SELECT DISTINCT program FROM jobs", "--format", "csv"]);
    assert_eq!(programs, format!("program\nsyntrace {}\n", env!("CARGO_PKG_VERSION")));
    // Whatever is here: nothing is left to do.
    let spec = write_spec(folder.path(), &format!("device = \"auto\"\n{TINY_SPEC}"));
    let plan = run_ok(&["plan", &study, &spec, "--jobs"]);
    let kinds = plan.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| words.len() == 4);
    let missing: Vec<&str> = kinds.map(|words| words[3]).skip(1).collect();
    assert!(missing.len() > 5 && missing.iter().all(|count| *count == "0"), "{plan}");
}
