//! Cost of training: `cargo bench --bench train` (`-- NAME...` picks parts); netssm `small` but for the
//! part `families`.
//!
//! `SYNTRACE_BENCH_DEVICE=cuda` measures a CUDA device (libtorch's CUDA part must be loaded, as
//! `tools/gpu-check.sh` does), `SYNTRACE_BENCH_PRESET=paper` the published size of netssm.
//!
//! Expected (two cores, f32, width 32, two blocks, 640-token traces): a token costs about 33,000
//! multiply-adds forward and twice that backward, 0.2 MFLOP, and some 2,000 exponentials and passes
//! over memory; the second part dominates. The DP step adds forming each trace's gradient (no more work
//! than summing it) and drawing the noise: at most 1.15 times the plain step.
//!
//! On the CPU `small` trains and samples by the plain loops of `crates/kernel`, each trace alone; the part `loops` runs them
//! against libtorch in turn. Measured on one shared core (`dev` profile, one run): training plain 54,690 tokens/s by tensors
//! and 89,926 by loops (ratio 1.64), with DP 56,965 and 90,200 (1.58), sampling 10,423 and 207,699 (19.9).
//!
//! A CUDA device is bound by the launches of its kernels until a pass is wide: there all traces of all models
//! go through one pass (of the paper's network 16), and a cohort of 33 should cost little more than one model.
//!
//! Measured on one NVIDIA H100 (one run, `small` unless said; the CPU row is one core of its host):
//!
//! ```text
//! step on the CPU   plain    53,771 tokens/s, dp    51,089, ratio 1.05 (an earlier run)
//! step              plain 2,704,439 tokens/s, dp 2,256,184, ratio 1.20
//! step, `paper`     plain    18,040 tokens/s, dp    17,049, ratio 1.06 (1.94 when the CPU drew the noise of 90 million weights)
//! cohort of 4       together 4,564,941 tokens/s, one after another 1,791,787
//! cohort of 11      together 6,482,554 tokens/s, one after another 2,055,251
//! cohort of 33      together 7,219,289 tokens/s, one after another 1,948,305
//! netshare          plain     2,039 traces/s, dp     1,844, ratio 1.11
//! netdiffusion      plain       583 traces/s, dp       570, ratio 1.02
//! ```
//!
//! Rates are per second of this thread's CPU time where the kernel tells it (other load on the machine
//! does not matter), else of wall time, on a CUDA device of wall time until it has finished; the best of
//! several repeats.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench ends where its expectation does not hold, and prints what it measured"
)]

/// As in the program: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::time::Instant;
use syntrace::base::{Device, DeviceChoice, NoProgress, Seed, TraceId};
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::encoding::Generated;
use syntrace::model::netdiffusion::{Base, NetDiffusion};
use syntrace::model::netshare::NetShare;
use syntrace::model::netssm::{DELIMITER, END, LABEL, NetSsm, NetSsmConfig, NetSsmNetwork};
use syntrace::model::{Family, Generator, RawTrace, Weights};
use syntrace::record::{ModelStatus, Regime, TraceUnit};
use syntrace::simulate::{SimulateOptions, simulate};
use syntrace::train::{CohortInput, CohortModel, DpPlan, EncodedTrace, NoCheckpoint, TrainPlan, train_cohort};

const TRACES: usize = 64;
const PACKETS: usize = 10;
const PACKET_BYTES: usize = 63;
const BATCH: f64 = 32.0;
const STEPS: u64 = 4;
const REPEATS: usize = 3;

/// Traces of a host where hosts are the unit of privacy.
const HOST_TRACES: usize = 4;

/// Traces of one sampling: whole groups of all ways.
const SAMPLED: u32 = 64;

/// Traces of the paper's network in one pass of a CUDA device.
const PAPER_PASS: u32 = 16;

/// Seconds of CPU time of this thread, or of wall time where that is not known; of wall time for a CUDA
/// device.
struct Clock(Instant, Device);

impl Clock {
    fn start(device: Device) -> (Self, f64) {
        let clock = Self(Instant::now(), device);
        let now = clock.now();
        (clock, now)
    }

    fn now(&self) -> f64 {
        if self.1 != Device::Cpu {
            syntrace::nn::synchronise(self.1);
            return self.0.elapsed().as_secs_f64();
        }
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let on_cpu = text.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
        on_cpu.map_or_else(|| self.0.elapsed().as_secs_f64(), |nanoseconds| nanoseconds * 1e-9)
    }
}

/// Traces of 642 tokens with some structure.
fn pool() -> Vec<EncodedTrace> {
    let trace = |number: usize| {
        let mut tokens = vec![LABEL];
        for packet in 0..PACKETS {
            tokens.extend((0..PACKET_BYTES).map(|byte| ((number * 31 + packet * byte * 7 + byte) % 256) as u16));
            tokens.push(DELIMITER);
        }
        tokens.push(END);
        let data = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        EncodedTrace { trace_id: TraceId(number as i64), rows: tokens.len() as u32, width: 1, data }
    };
    (0..TRACES).map(trace).collect()
}

fn plan(generator: &dyn Generator, models: usize) -> TrainPlan {
    let plan = generator.plan(TRACES as u32, Regime::None);
    let microbatch = match (generator.device(), generator.preset()) {
        (Device::Cpu, _) => plan.microbatch,
        (Device::Cuda(_), "paper") => PAPER_PASS,
        (Device::Cuda(_), _) => TRACES as u32 * models as u32,
    };
    TrainPlan {
        sampling_rate: BATCH / TRACES as f64,
        expected_batch: BATCH,
        steps: STEPS,
        epochs: 1,
        epochs_per_evaluation: 2,
        microbatch,
        ..plan
    }
}

fn model(index: u64, private: bool) -> CohortModel {
    CohortModel {
        label: String::new(),
        seed: Seed::root(index),
        noise_seed: Some(Seed::root(index)),
        members: (0..TRACES).collect(),
        learnt: None,
        held_out: Vec::new(),
        dp: private.then_some(DpPlan { noise_multiplier: 1.0, clip_norm: 1.0 }),
        initial: None,
    }
}

/// Trains a cohort and returns (traces, seconds). Checks that it trained. The last epoch is always
/// evaluated: members are evaluated once, a third of a step's work per trace, the same in all rows.
fn train(generator: &NetSsm, pool: &[EncodedTrace], models: Vec<CohortModel>) -> (f64, f64) {
    train_over(generator, None, (pool, None), models)
}

/// As [`train`], over the weights of a base, and with the hosts of the traces where these are the unit of privacy.
fn train_over(
    generator: &dyn Generator,
    base: Option<&[u8]>,
    (pool, hosts): (&[EncodedTrace], Option<&[u64]>),
    models: Vec<CohortModel>,
) -> (f64, f64) {
    let plan = plan(generator, models.len());
    let input = CohortInput { hosts, traces: pool, models, base, plan };
    let (clock, start) = Clock::start(generator.device());
    let outcome = generator.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).expect("trains");
    let seconds = clock.now() - start;
    let trained = |model: &syntrace::train::ModelOutcome| model.status == ModelStatus::Trained;
    assert!(outcome.models.iter().all(trained));
    let traces: u64 = outcome.models.iter().flat_map(|model| &model.epochs).map(|epoch| epoch.traces).sum();
    (traces as f64, seconds)
}

/// Tokens per second of one training.
fn once(generator: &NetSsm, pool: &[EncodedTrace], models: Vec<CohortModel>) -> f64 {
    let (traces, seconds) = train(generator, pool, models);
    traces * pool.first().map_or(0.0, |trace| f64::from(trace.rows)) / seconds
}

/// Best tokens per second over the repeats.
fn rate(generator: &NetSsm, pool: &[EncodedTrace], models: impl Fn() -> Vec<CohortModel>) -> f64 {
    (0..REPEATS).map(|_| once(generator, pool, models())).fold(0.0, f64::max)
}

/// Plain and DP steps in turn, so that other load meets both.
fn report_step(generator: &NetSsm, pool: &[EncodedTrace]) {
    let (mut plain, mut private) = (0.0f64, 0.0f64);
    for _ in 0..2 * REPEATS {
        plain = plain.max(once(generator, pool, vec![model(0, false)]));
        private = private.max(once(generator, pool, vec![model(0, true)]));
    }
    println!("step      plain {plain:8.0} tokens/s, dp {private:8.0} tokens/s, ratio {:.3}", plain / private);
}

fn report_microbatch(generator: &NetSsm, pool: &[EncodedTrace]) {
    for microbatch in [1, 2, 4, 8, 16, 32] {
        let config = NetSsmConfig { microbatch, ..generator.config().clone() };
        let private = rate(&on(NetSsm::new("bench", config), generator.device()), pool, || vec![model(0, true)]);
        println!("microbatch {microbatch:2}: {private:8.0} tokens/s");
    }
}

fn report_chunk(generator: &NetSsm, pool: &[EncodedTrace]) {
    for chunk in [16, 32, 64, 128] {
        let config = NetSsmConfig { chunk, ..generator.config().clone() };
        let private = rate(&on(NetSsm::new("bench", config), generator.device()), pool, || vec![model(0, true)]);
        println!("chunk {chunk:3}: {private:8.0} tokens/s");
    }
}

fn report_cohort(generator: &NetSsm, pool: &[EncodedTrace]) {
    let sizes: &[u64] = if generator.device() == Device::Cpu { &[2, 4, 8] } else { &[1, 4, 11, 33] };
    for &size in sizes {
        let (mut together, mut alone) = (0.0f64, 0.0f64);
        for _ in 0..REPEATS {
            together = together.max(once(generator, pool, (0..size).map(|index| model(index, true)).collect()));
            let singles: Vec<(f64, f64)> =
                (0..size).map(|index| train(generator, pool, vec![model(index, true)])).collect();
            let traces: f64 = singles.iter().map(|single| single.0).sum();
            let seconds: f64 = singles.iter().map(|single| single.1).sum();
            alone = alone.max(traces * f64::from(pool[0].rows) / seconds);
        }
        println!("cohort {size:2} together {together:8.0} tokens/s, one after another {alone:8.0}");
    }
}

/// Wall time: one cohort against two side by side.
fn report_threads(generator: &NetSsm, pool: &[EncodedTrace]) {
    let wall = |threads: u64| {
        let once = |_| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for index in 0..threads {
                    scope.spawn(move || train(generator, pool, vec![model(index, true)]));
                }
            });
            start.elapsed().as_secs_f64()
        };
        (0..2 * REPEATS).map(once).fold(f64::INFINITY, f64::min)
    };
    println!("threads   throughput of two over one: {:.2}", 2.0 * wall(1) / wall(2));
}

/// A netssm network over the pool; `by_tensors` leaves all to libtorch, as it was before the plain loops.
fn network(generator: &NetSsm, pool: &[EncodedTrace], by_tensors: bool) -> NetSsmNetwork {
    syntrace::nn::use_threads(1);
    let mut network = NetSsmNetwork::initialised(generator.config(), &[Seed::root(0)]);
    network.move_to(generator.device());
    network.set_pool(pool).expect("tokens");
    if by_tensors {
        network.work_by_tensors();
    }
    network
}

/// Plain loops against tensors in turn: training, plain and with DP, and sampling.
fn report_loops(generator: &NetSsm, pool: &[EncodedTrace]) {
    let steps = |by_tensors: bool, private: bool| {
        let mut network = network(generator, pool, by_tensors);
        let plan = plan(generator, 1);
        let input = CohortInput { hosts: None, traces: pool, models: vec![model(0, private)], base: None, plan };
        let (clock, start) = Clock::start(generator.device());
        let outcome = train_cohort(&mut network, &input, None, &mut NoCheckpoint, &NoProgress).expect("trains");
        let seconds = clock.now() - start;
        let traces: u64 = outcome.models[0].epochs.iter().map(|epoch| epoch.traces).sum();
        traces as f64 * f64::from(pool[0].rows) / seconds
    };
    let samples = |by_tensors: bool| {
        let network = network(generator, pool, by_tensors);
        let (clock, start) = Clock::start(generator.device());
        let traces = network.sample(SAMPLED, Seed::root(1), &NoProgress).expect("samples");
        tokens(&traces) / (clock.now() - start)
    };
    let mut best = [[0.0f64; 2]; 3];
    for _ in 0..REPEATS {
        for (at, by_tensors) in [true, false].into_iter().enumerate() {
            let found = [steps(by_tensors, false), steps(by_tensors, true), samples(by_tensors)];
            best.iter_mut().zip(found).for_each(|(best, found)| best[at] = best[at].max(found));
        }
    }
    for (name, [tensors, loops]) in ["plain", "dp", "sampling"].into_iter().zip(best) {
        let ratio = loops / tensors;
        println!("loops     {name:8} by tensors {tensors:8.0} tokens/s, by loops {loops:8.0}, ratio {ratio:.2}");
    }
}

fn host_numbers(pool: &[EncodedTrace]) -> Vec<u64> {
    (0..pool.len()).map(|trace| (trace / HOST_TRACES) as u64).collect()
}

/// Private steps whose unit is a host of four traces against steps whose unit is the trace, as many traces in both, in turn.
fn report_hosts(generator: &NetSsm, pool: &[EncodedTrace]) {
    let numbers = host_numbers(pool);
    let once = |hosts: Option<&[u64]>, by_tensors: bool| {
        let mut network = network(generator, pool, by_tensors);
        let plan = TrainPlan { epochs_per_evaluation: STEPS as u32 + 1, ..plan(generator, 1) };
        let input = CohortInput { hosts, traces: pool, models: vec![model(0, true)], base: None, plan };
        let (clock, start) = Clock::start(generator.device());
        let outcome = train_cohort(&mut network, &input, None, &mut NoCheckpoint, &NoProgress).expect("trains");
        let seconds = clock.now() - start;
        let traces: u64 = outcome.models[0].epochs.iter().map(|epoch| epoch.traces).sum();
        traces as f64 * f64::from(pool[0].rows) / seconds
    };
    for (name, by_tensors) in [("loops", false), ("tensors", true)] {
        let (mut by_trace, mut by_host) = (0.0f64, 0.0f64);
        for _ in 0..2 * REPEATS {
            by_trace = by_trace.max(once(None, by_tensors));
            by_host = by_host.max(once(Some(&numbers), by_tensors));
        }
        let ratio = by_trace / by_host;
        println!("hosts     {name:8} by trace {by_trace:8.0} tokens/s, by host {by_host:8.0}, ratio {ratio:.3}");
    }
}

fn tokens(traces: &[RawTrace]) -> f64 {
    let of = |trace: &RawTrace| match &trace.content {
        Generated::Tokens(tokens) => tokens.len(),
        Generated::Fields(_) | Generated::Nprint(_) | Generated::Packets(_) => 0,
    };
    traces.iter().map(of).sum::<usize>() as f64
}

fn report_sampling(generator: &NetSsm, pool: &[EncodedTrace]) {
    let input =
        CohortInput { hosts: None, traces: pool, models: vec![model(0, false)], base: None, plan: plan(generator, 1) };
    let outcome = generator.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).expect("trains");
    let (clock, start) = Clock::start(generator.device());
    let weights = Weights { own: &outcome.models[0].weights, base: None };
    let traces = generator.sample(weights, SAMPLED, Seed::root(1), &NoProgress).expect("samples");
    println!("sampling  {:8.0} tokens/s", tokens(&traces) / (clock.now() - start));
}

/// Traces of a simulated class in the encoding of a generator.
fn simulated(generator: &dyn Generator) -> Vec<EncodedTrace> {
    let frames = simulate(&SimulateOptions::new("os", "windows", 4 * TRACES as u32, Seed::root(7))).expect("a class");
    let mut capture = Vec::new();
    write_frames(&mut capture, 1, frames.iter().map(|frame| (frame.time_us, &frame.bytes))).expect("in memory");
    let options = CutOptions {
        dataset: "os".to_owned(),
        class: "windows".to_owned(),
        unit: TraceUnit::Flow,
        trace_packets: PACKETS as u32,
        min_packets: 1,
    };
    let traces = cut(capture.as_slice(), &options).expect("own capture").traces;
    let encoding = generator.encoding();
    let encode = |trace| {
        let encoded = encoding.encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    let pool: Vec<EncodedTrace> = traces.iter().take(TRACES).map(encode).collect();
    assert_eq!(pool.len(), TRACES);
    pool
}

/// Traces a second of the other networks, `small`, plain and DP in turn.
fn report_families(generator: &NetSsm, _pool: &[EncodedTrace]) {
    let device = generator.device();
    let report = |family: &dyn Generator, base: Option<&[u8]>| {
        let pool = simulated(family);
        let numbers = host_numbers(&pool);
        let once = |private, hosts| {
            let (traces, seconds) = train_over(family, base, (&pool, hosts), vec![model(0, private)]);
            traces / seconds
        };
        let (mut plain, mut private, mut by_host) = (0.0f64, 0.0f64, 0.0f64);
        for _ in 0..REPEATS {
            plain = plain.max(once(false, None));
            private = private.max(once(true, None));
            by_host = by_host.max(once(true, Some(numbers.as_slice())));
        }
        let (name, ratio, hosts) = (family.name(), plain / private, private / by_host);
        println!(
            "{name:12} plain {plain:8.0} traces/s, dp {private:8.0} traces/s, ratio {ratio:.3}; by host {by_host:8.0}, ratio {hosts:.3}"
        );
    };
    report(&on(NetShare::preset("small").expect("preset"), device), None);
    let netdiffusion = on(NetDiffusion::preset("small").expect("preset"), device);
    let base = Base::fresh(netdiffusion.config(), &Seed::root(3)).to_bytes().expect("weights");
    report(&netdiffusion, Some(&base));
}

fn on<G: Generator>(mut generator: G, device: Device) -> G {
    generator.set_device(device);
    generator
}

fn main() {
    let option = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let device = DeviceChoice::from_name(&option("SYNTRACE_BENCH_DEVICE", "cpu"))
        .and_then(|choice| choice.among(syntrace::nn::cuda_devices()))
        .expect("a device that is here");
    let preset = option("SYNTRACE_BENCH_PRESET", "small");
    let generator = on(NetSsm::preset(&preset).expect("preset"), device);
    println!("netssm {preset} on {device}");
    let pool = pool();
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    type Part = (&'static str, fn(&NetSsm, &[EncodedTrace]));
    let parts: [Part; 9] = [
        ("loops", report_loops),
        ("step", report_step),
        ("hosts", report_hosts),
        ("microbatch", report_microbatch),
        ("chunk", report_chunk),
        ("cohort", report_cohort),
        ("threads", report_threads),
        ("sampling", report_sampling),
        ("families", report_families),
    ];
    for (name, part) in parts {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            part(&generator, &pool);
        }
    }
}
