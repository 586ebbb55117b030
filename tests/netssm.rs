#![cfg(feature = "torch")]
//! The Mamba-2 language model against the conformance vectors.

use crate::common::simulated_traces;
use crate::nn::{Conformance, assert_close};
use syntrace::base::{NoProgress, Seed};
use syntrace::encoding::{Generated, tokens_to_packets};
use syntrace::model::netssm::{Decode, NetSsm, NetSsmConfig, NetSsmNetwork, Stepper};
use syntrace::model::{Family, Generator};
use syntrace::record::{ModelStatus, Regime};
use syntrace::synth::{DecodeOptions, decode_trace};
use syntrace::train::{Clipping, CohortInput, CohortModel, DpPlan, EncodedTrace, NoCheckpoint, TrainPlan};
use tch::{Device, Kind, Tensor};

const CASES: [&str; 4] = ["ssm_tiny", "ssm_two_layer", "ssm_groups", "ssm_short"];

/// The vectors ask for (1e-8, 1e-10) in double precision, but store the norms' weights rounded to f32
/// (see `stored_norm_weights_are_rounded`): agreement ends at that rounding.
const DOUBLE: (f64, f64) = (2e-6, 2e-6);
/// The vectors' tolerances in single precision.
const SINGLE_LOGITS: f64 = 1e-4;
const SINGLE_NORMS: f64 = 1e-3;

fn config(case: &Conformance, chunk: i64) -> NetSsmConfig {
    let of = |name: &str| case.spec["config"][name].as_i64().unwrap();
    NetSsmConfig {
        vocabulary: of("vocab"),
        width: of("d_model"),
        layers: of("n_layer"),
        state: of("d_state"),
        head: of("headdim"),
        expand: of("expand"),
        groups: of("ngroups"),
        taps: of("d_conv"),
        chunk,
        ..NetSsmConfig::preset("small").unwrap()
    }
}

fn network(case: &Conformance, chunk: i64, kind: Kind, models: i64) -> NetSsmNetwork {
    let mut network = NetSsmNetwork::build(&config(case, chunk), models, (kind, Device::Cpu));
    let params = network.weights_mut();
    assert_eq!(params.len(), case.names("param.").len());
    for param in params.handles() {
        let value = case.get(&format!("param.{}", params.name(param)));
        let size = params.get(param).size();
        params.get_mut(param).copy_(&value.unsqueeze(0).expand(&size[..], false));
    }
    network
}

/// Tokens of a case, targets and weights, twice along the model axis, the second model's reversed.
fn batch(case: &Conformance, kind: Kind) -> (Tensor, Tensor, Tensor) {
    let tokens = case.get("tokens");
    let tokens = Tensor::stack(&[tokens.shallow_clone(), tokens.flip([0])], 0);
    let targets = tokens.narrow(2, 1, tokens.size()[2] - 1).contiguous();
    let weights = Tensor::ones(targets.size(), (kind, Device::Cpu)) / targets.size()[2] as f64;
    (tokens, targets, weights)
}

fn check_logits_and_states(case: &Conformance, chunk: i64) {
    let network = network(case, chunk, Kind::Double, 2);
    let (tokens, _, _) = batch(case, Kind::Double);
    let (logits, states) = network.logits(&tokens);
    let traces = tokens.size()[1];
    let (relative, absolute) = DOUBLE;
    assert_close(&logits.get(0), &case.get("logits"), relative, absolute, "logits");
    assert_close(&logits.get(1), &case.get("logits").flip([0]), relative, absolute, "logits of the second model");
    for (layer, state) in states.iter().enumerate() {
        let own = |x: &Tensor| x.narrow(0, 0, traces);
        let expected = |name: &str| case.get(&format!("{name}.{layer}"));
        assert_close(&own(&state.ssm), &expected("final_ssm_state"), relative, absolute, "state");
        assert_close(&own(&state.conv), &expected("final_conv_state"), relative, absolute, "convolution state");
    }
}

fn check_gradients(case: &Conformance, chunk: i64) {
    let network = network(case, chunk, Kind::Double, 2);
    let (tokens, targets, weights) = batch(case, Kind::Double);
    let (relative, absolute) = DOUBLE;
    let result = network.token_gradients(&tokens, &targets, &weights);
    assert_close(&result.losses.get(0), &case.get("per_sample_loss"), relative, absolute, "losses");
    let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm: 1.0 });
    let (sum, norms) = result.gradients.clip(&Clipping::new(&[dp, dp]));
    let expected = case.get("per_sample_grad_norm");
    assert_close(&norms.get(0), &expected, relative, absolute, "norms");
    assert_close(&norms.get(1), &expected.flip([0]), relative, absolute, "norms of the second model");
    let params = network.weights();
    for (param, sum) in params.handles().zip(sum.sums()) {
        let name = params.name(param);
        let expected = case.get(&format!("clipped_sum.{name}"));
        for model in 0..2 {
            let what = format!("clipped sum of {name}, chunk {chunk}");
            assert_close(&sum.as_ref().unwrap().get(model), &expected, relative, absolute, &what);
        }
    }
}

#[test]
fn logits_and_final_states_agree_with_the_recurrence_for_any_chunk() {
    for name in CASES {
        for chunk in [1, 4, 5, 8, 64] {
            check_logits_and_states(&Conformance::load(name), chunk);
        }
    }
}

/// The hand-written backward pass against autograd on the tape, in f64, with padding inside: per-trace
/// norms and the clipped sums of every weight.
#[test]
fn fused_gradients_equal_the_tapes() {
    const TOLERANCE: f64 = 1e-11;
    for name in CASES {
        let case = Conformance::load(name);
        for chunk in [1, 5, 8, 64] {
            let network = network(&case, chunk, Kind::Double, 2);
            let (tokens, targets, weights) = batch(&case, Kind::Double);
            // The first trace of each model has half of its targets.
            let half = targets.size()[2].div_euclid(2) + 1;
            let _ = weights.narrow(1, 0, 1).narrow(2, half - 1, targets.size()[2] - half + 1).fill_(0.0);
            let fused = network.token_gradients(&tokens, &targets, &weights);
            let tape = network.tape_gradients(&tokens, &targets, &weights);
            assert_close(&fused.losses, &tape.losses, TOLERANCE, TOLERANCE, "losses");
            let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm: 1.0 });
            let clipping = Clipping::new(&[dp, None]);
            let (found, found_norms) = fused.gradients.clip(&clipping);
            let (expected, expected_norms) = tape.gradients.clip(&clipping);
            assert_close(&found_norms, &expected_norms, TOLERANCE, TOLERANCE, "norms");
            for (param, (found, expected)) in network.weights().handles().zip(found.sums().iter().zip(expected.sums()))
            {
                let what = format!("{name}, chunk {chunk}: {}", network.weights().name(param));
                assert_close(found.as_ref().unwrap(), expected.as_ref().unwrap(), TOLERANCE, TOLERANCE, &what);
            }
        }
    }
}

#[test]
fn clipped_gradients_agree_with_one_trace_at_a_time() {
    for name in CASES {
        for chunk in [1, 5, 8, 64] {
            check_gradients(&Conformance::load(name), chunk);
        }
    }
}

#[test]
fn single_precision_stays_within_its_tolerance() {
    for name in CASES {
        let case = Conformance::load(name);
        let network = network(&case, 8, Kind::Float, 2);
        let (tokens, targets, weights) = batch(&case, Kind::Float);
        let (logits, _) = network.logits(&tokens);
        assert_close(&logits.get(0), &case.get("logits"), 0.0, SINGLE_LOGITS, "logits");
        let result = network.token_gradients(&tokens, &targets, &weights);
        let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm: 1.0 });
        let (_, norms) = result.gradients.clip(&Clipping::new(&[dp, dp]));
        assert_close(&norms.get(0), &case.get("per_sample_grad_norm"), SINGLE_NORMS, 0.0, "norms");
    }
}

/// The one-token step against the vectors' logits and final states.
#[test]
fn token_by_token_equals_the_full_pass() {
    for name in CASES {
        let case = Conformance::load(name);
        let network = network(&case, 8, Kind::Double, 1);
        let tokens = case.get("tokens");
        let expected = case.get("logits");
        let mut stepper = Stepper::new(&network, 0, tokens.size()[0]);
        for position in 0..tokens.size()[1] {
            let logits = stepper.step(&tokens.select(1, position));
            assert_close(&logits, &expected.select(1, position), DOUBLE.0, DOUBLE.1, "logits of a step");
        }
        for (layer, state) in stepper.states().iter().enumerate() {
            let expected = case.get(&format!("final_ssm_state.{layer}"));
            assert_close(&state.ssm, &expected, DOUBLE.0, DOUBLE.1, "state");
        }
    }
}

/// Facts section 5: 90,577,344 parameters with 272 embedding rows.
#[test]
fn the_paper_preset_has_the_published_number_of_parameters() {
    assert_eq!(NetSsmConfig::preset("paper").unwrap().parameters(), 90_577_344);
}

/// The published sizes and optimiser on what fits seconds of one core: two of the 24 layers, a cohort of two models, one of
/// them with DP, two steps on a trace of one packet (130 tokens; published are batch 1, 10 epochs, up to 100,000 tokens).
#[test]
fn a_cohort_of_the_paper_preset_trains_a_few_steps() {
    const STEPS: u64 = 2;
    let published = NetSsmConfig::preset("paper").unwrap().with(&serde_json::Map::new(), 1).unwrap();
    let config = NetSsmConfig { layers: 2, ..published };
    let parameters = config.parameters();
    let family = NetSsm::new("paper", config);
    let encode = |trace: &syntrace::record::Trace| {
        let encoded = family.encoding().encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    let traces: Vec<EncodedTrace> = simulated_traces("os", "mac", 8, 1).iter().take(2).map(encode).collect();
    let dp = DpPlan { noise_multiplier: 0.5, clip_norm: 1.0 };
    let models = [None, Some(dp)].map(|dp| CohortModel {
        label: "paper".to_owned(),
        seed: Seed::root(1),
        noise_seed: Some(Seed::root(2)),
        members: vec![0],
        learnt: None,
        held_out: vec![1],
        dp,
        initial: None,
    });
    let published = family.plan(1, Regime::None);
    let plan = TrainPlan { steps: STEPS, epochs: STEPS as u32, epochs_per_evaluation: STEPS as u32, ..published };
    let input = CohortInput { hosts: None, traces: &traces, models: models.to_vec(), base: None, plan };
    let trained = family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models;
    for model in &trained {
        assert_eq!((model.parameters, model.steps, &model.status), (parameters, STEPS, &ModelStatus::Trained));
        assert!(model.epochs.last().unwrap().member_loss.unwrap().is_finite());
    }
    // A fresh network spreads its guesses over 272 ids. The first step of Adam at the published rate, without warm-up,
    // makes it worse before it gets better: what two steps can show is that it moved.
    let loss = |epoch: usize| trained[0].epochs[epoch].train_loss.unwrap();
    assert!((loss(0) - 272f64.ln()).abs() < 0.5, "{}", loss(0));
    assert!((loss(1) - loss(0)).abs() > 0.1, "{} after {}", loss(1), loss(0));
    assert_eq!(trained[1].events[0].steps, STEPS);
}

#[test]
fn initial_weights_depend_on_the_models_own_seed_alone() {
    let config = NetSsmConfig::preset("small").unwrap();
    let alone = NetSsmNetwork::initialised(&config, &[Seed::root(2)]);
    let cohort = NetSsmNetwork::initialised(&config, &[Seed::root(1), Seed::root(2), Seed::root(3)]);
    assert_eq!(alone.weights().to_safetensors(0).unwrap(), cohort.weights().to_safetensors(1).unwrap());
    assert_ne!(cohort.weights().to_safetensors(0).unwrap(), cohort.weights().to_safetensors(1).unwrap());
    assert_eq!(alone.weights().counts().0, config.parameters());
}

/// Weights at random, the worst that a grammar can meet.
#[test]
fn packets_are_drawn_well_formed_and_the_rules_that_decided_are_counted() {
    let small = NetSsmConfig::preset("small").unwrap();
    let packet = NetSsmConfig { packets: 4, ..small };
    assert_eq!(packet.decode, Decode::Packet);
    let free = NetSsmConfig { decode: Decode::Free, ..packet.clone() };
    let sample = |config: &NetSsmConfig| {
        let network = NetSsmNetwork::initialised(config, &[Seed::root(3)]);
        network.sample(30, Seed::root(4), &NoProgress).unwrap()
    };
    for trace in sample(&packet) {
        let Generated::Tokens(tokens) = &trace.content else { panic!("tokens") };
        let frames = tokens_to_packets(tokens, &packet.layout);
        let decoded = decode_trace(&frames, &DecodeOptions::default());
        assert!(trace.complete && !decoded.packets.is_empty());
        assert_eq!(decoded.packets.len(), frames.len());
        assert!(trace.repairs.iter().any(|(rule, count)| *rule == "ip_version" && *count > 0));
    }
    assert!(sample(&free).iter().all(|trace| trace.repairs.is_empty()));
    // What was stored before there was a choice keeps its identity.
    assert!(!free.json(Regime::None).contains("decode") && packet.json(Regime::None).contains(r#""decode":"packet""#));
    let published = NetSsmConfig::preset("paper").unwrap();
    assert_eq!(published.decode, Decode::Free);
}
