//! One-run audits: the bound against the reference and against mechanisms whose epsilon is known; trainings with
//! honest and with broken noise.

use crate::common::fixture;
use proptest::prelude::*;
use syntrace::audit::{
    Canary, Guesses, coin_flips, one_run_audit, one_run_canaries, one_run_epsilon, one_run_guesses, one_run_provable,
};
use syntrace::base::{ClipNorm, Delta, NoiseMultiplier, SamplingRate, Seed, map_ordered};
use syntrace::privacy::{Ledger, pld_epsilon};
use syntrace::record::{Mechanism, PrivacyEvent};

/// The reference bisects to 1e-9 or better; its released code to 1e-5.
const ONE_RUN_TOLERANCE: f64 = 1e-6;

#[test]
fn one_run_bound_equals_the_reference() {
    let text = std::fs::read_to_string(fixture("conformance/attacks.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = document["one_run_audit"].as_array().unwrap();
    assert_eq!(cases.len(), 72);
    for case in cases {
        let count = |name: &str| case[name].as_u64().unwrap();
        let real = |name: &str| case[name].as_f64().unwrap();
        let guesses = Guesses { canaries: count("m"), guesses: count("r"), correct: count("v") };
        let found = one_run_epsilon(guesses, real("delta"), real("confidence"));
        assert!((found - real("eps_lower")).abs() < ONE_RUN_TOLERANCE, "{case}: found {found}");
    }
}

/// A standard normal number (Box and Muller).
pub fn normal(rng: &mut impl rand::Rng) -> f64 {
    let uniform = |rng: &mut dyn FnMut() -> u64| (rng() >> 11) as f64 / (1u64 << 53) as f64;
    let mut draw = || rng.next_u64();
    let (first, second) = (1.0 - uniform(&mut draw), uniform(&mut draw));
    (-2.0 * first.ln()).sqrt() * (2.0 * std::f64::consts::PI * second).cos()
}

/// Canaries of the Gaussian mechanism, each with a coordinate of its own: the score is its noisy sum.
fn gaussian_canaries(count: usize, noise: f64, seed: Seed) -> Vec<Canary> {
    let mut rng = seed.named("gaussian").rng();
    let coins = coin_flips(count, seed);
    coins
        .into_iter()
        .map(|included| Canary { score: f64::from(u8::from(included)) + noise * normal(&mut rng), included })
        .collect()
}

/// Epsilon of the Gaussian mechanism with this noise, closed form.
pub fn gaussian_epsilon(noise: f64, delta: f64) -> f64 {
    let event = PrivacyEvent {
        phase: "sum".to_owned(),
        mechanism: Mechanism::Gaussian,
        sampling_rate: SamplingRate::new(1.0).unwrap(),
        noise_multiplier: NoiseMultiplier::new(noise).unwrap(),
        clip_norm: ClipNorm::new(1.0).unwrap(),
        steps: 1,
    };
    pld_epsilon(&Ledger { events: vec![event] }, Delta::new(delta).unwrap()).unwrap().estimate
}

pub const DELTA: f64 = 1e-5;

/// Runs of a simulation, and in how many of them a bound of 95 % may lie above the truth.
const RUNS: u64 = 400;
const ABOVE_MOST: usize = 20;

/// In how many runs the bound of an audit of 500 canaries lies above the truth.
fn above(truth: f64, delta: f64, canaries: impl Fn(Seed) -> Vec<Canary> + Sync) -> usize {
    let runs: Vec<u64> = (0..RUNS).collect();
    let bounds =
        map_ordered(&runs, |&run| one_run_audit(&canaries(Seed::root(run)), delta, 0.95).unwrap().epsilon_lower);
    bounds.into_iter().filter(|bound| *bound > truth).count()
}

#[test]
fn one_run_bound_stays_below_the_truth_of_a_gaussian_in_at_least_95_percent_of_the_runs() {
    for noise in [0.3, 0.8, 2.0] {
        let truth = gaussian_epsilon(noise, DELTA);
        let found = above(truth, DELTA, |seed| gaussian_canaries(500, noise, seed));
        assert!(found <= ABOVE_MOST, "noise {noise}: {found} of {RUNS} above {truth}");
    }
}

/// Canaries of randomised response: its answer is the coin with probability e^epsilon / (1 + e^epsilon). Among
/// equal answers the score is noise, so that every share of guesses is of answers alone.
fn response_canaries(count: usize, epsilon: f64, seed: Seed) -> Vec<Canary> {
    use rand::RngExt;
    let mut rng = seed.named("response").rng();
    let honest = 1.0 / (1.0 + (-epsilon).exp());
    let answer = |included: bool| {
        let told = included == (rng.random::<f64>() < honest);
        Canary { score: f64::from(u8::from(told)) + 0.5 * rng.random::<f64>(), included }
    };
    coin_flips(count, seed).into_iter().map(answer).collect()
}

#[test]
fn one_run_bound_stays_below_the_truth_of_randomised_response_and_comes_close() {
    for epsilon in [0.5, 2.0, 4.0] {
        let found = above(epsilon, 0.0, |seed| response_canaries(500, epsilon, seed));
        assert!(found <= ABOVE_MOST, "{found} of {RUNS} above {epsilon}");
        // it is the mechanism that gives most away at its epsilon: a bound from all its answers errs as often
        // as it may, and no less than half as often
        let runs: Vec<u64> = (0..RUNS).collect();
        let bound = |run: &u64| {
            let guesses = one_run_guesses(&response_canaries(500, epsilon, Seed::root(*run)), 500);
            one_run_epsilon(guesses, 0.0, 0.95)
        };
        let bounds = map_ordered(&runs, bound);
        let above = bounds.iter().filter(|bound| **bound > epsilon).count();
        assert!(above <= ABOVE_MOST, "{above} of {RUNS} above {epsilon}");
        let mean = bounds.iter().sum::<f64>() / RUNS as f64;
        assert!(mean > 0.6 * epsilon, "mean bound {mean} of {epsilon}");
    }
}

proptest! {
    #[test]
    fn one_run_bound_never_exceeds_what_it_calls_provable(
        scores in proptest::collection::vec((-1.0f64..1.0, any::<bool>()), 1..200),
        delta in prop_oneof![Just(0.0), 1e-9f64..1e-3],
    ) {
        let canaries: Vec<Canary> = scores.iter().map(|&(score, included)| Canary { score, included }).collect();
        let found = one_run_audit(&canaries, delta, 0.95).unwrap();
        prop_assert!((0.0..=found.epsilon_provable).contains(&found.epsilon_lower), "{found:?}");
        // every guess right: then it is reached
        let right: Vec<Canary> =
            canaries.iter().map(|canary| Canary { score: f64::from(u8::from(canary.included)), ..*canary }).collect();
        let inside = right.iter().filter(|canary| canary.included).count();
        if 2 * inside == right.len() {
            prop_assert_eq!(one_run_audit(&right, delta, 0.95).unwrap().epsilon_lower, found.epsilon_provable);
        }
    }

    #[test]
    fn one_run_bound_grows_with_right_guesses_and_falls_with_delta_and_canaries(
        canaries in 2u64..2_000,
        share in 0.0f64..1.0,
        right in 0.0f64..1.0,
        delta in 1e-9f64..1e-4,
    ) {
        let guesses = ((share * canaries as f64) as u64).max(1);
        let correct = ((right * guesses as f64) as u64).max(1);
        let bound = |canaries, correct, delta| one_run_epsilon(Guesses { canaries, guesses, correct }, delta, 0.95);
        let found = bound(canaries, correct, delta);
        prop_assert!(bound(canaries, correct - 1, delta) <= found + ONE_RUN_TOLERANCE);
        prop_assert!(bound(canaries, correct, 2.0 * delta) <= found + ONE_RUN_TOLERANCE);
        prop_assert!(bound(2 * canaries, correct, delta) <= found + ONE_RUN_TOLERANCE);
    }
}

#[test]
fn the_canaries_that_a_claim_takes_are_about_the_fewest_that_prove_it() {
    for epsilon in [0.5, 1.0, 4.0] {
        let enough = one_run_canaries(epsilon, DELTA, 0.95).unwrap();
        assert!(one_run_provable(enough, DELTA, 0.95) > epsilon, "{enough} for {epsilon}");
        // rounding of the shares makes the bound jump by a few canaries
        let fewer = enough * 4 / 5;
        assert!(one_run_provable(fewer, DELTA, 0.95) <= epsilon, "{fewer} for {epsilon}");
    }
    assert!(one_run_canaries(4.0, DELTA, 0.95).is_some_and(|enough| (200..=400).contains(&enough)));
    // With many canaries delta alone explains guesses that epsilon does not.
    assert_eq!(one_run_canaries(8.0, DELTA, 0.95), None);
    assert!(one_run_canaries(8.0, 1e-9, 0.95).is_some());
}

/// Share of a Gaussian's epsilon that the one-run audit proves with 50,000 canaries: the method compares
/// with randomised response, of which a Gaussian of the same epsilon falls short on most outcomes (Steinke,
/// Nasr, Jagielski 2023, figure 1).
const PROVEN_SHARE: f64 = 0.35;

#[test]
fn one_run_bound_comes_near_the_truth_with_many_canaries_and_grows_with_them() {
    let truth = gaussian_epsilon(1.0, DELTA);
    let bound = |count| one_run_audit(&gaussian_canaries(count, 1.0, Seed::root(3)), DELTA, 0.95).unwrap();
    let (few, many) = (bound(500), bound(50_000));
    assert!(few.epsilon_lower < many.epsilon_lower && few.epsilon_provable < many.epsilon_provable);
    assert!(many.epsilon_lower > PROVEN_SHARE * truth && many.epsilon_lower < truth, "{many:?}, truth {truth}");
}

#[test]
fn one_run_audit_catches_a_mechanism_whose_noise_is_broken() {
    // claimed: noise 4; what runs: a twentieth of it
    let claim = gaussian_epsilon(4.0, DELTA);
    let broken = one_run_audit(&gaussian_canaries(400, 0.2, Seed::root(1)), DELTA, 0.95).unwrap();
    let honest = one_run_audit(&gaussian_canaries(400, 4.0, Seed::root(1)), DELTA, 0.95).unwrap();
    assert!(broken.epsilon_lower > claim, "{broken:?} does not refute {claim}");
    assert!(honest.epsilon_lower <= claim, "{honest:?} refutes the honest {claim}");
    assert!(broken.epsilon_lower <= broken.epsilon_provable);
}

#[test]
fn one_run_guesses_take_both_ends_and_abstain_in_the_middle() {
    let canary = |score, included| Canary { score, included };
    let canaries = [canary(0.9, true), canary(0.1, false), canary(0.5, true), canary(0.8, false), canary(0.2, false)];
    assert_eq!(one_run_guesses(&canaries, 2), Guesses { canaries: 5, guesses: 2, correct: 2 });
    assert_eq!(one_run_guesses(&canaries, 4), Guesses { canaries: 5, guesses: 4, correct: 3 });
    assert_eq!(one_run_guesses(&canaries, 9), Guesses { canaries: 5, guesses: 5, correct: 4 });
    assert!(one_run_audit(&[], DELTA, 0.95).is_err());
    assert!(one_run_audit(&[canary(f64::NAN, true)], DELTA, 0.95).is_err());
}

/// What an audit of a training proves that claims `claim` and adds a share of the noise that this takes.
#[cfg(feature = "torch")]
fn audited_training(
    name: &str,
    options: &serde_json::Value,
    claim: f64,
    canaries: usize,
    noise_share: f64,
) -> syntrace::audit::OneRunAudit {
    use syntrace::base::{Epsilon, NoProgress};
    use syntrace::privacy::{Accountant, Budget, noise_multiplier};
    use syntrace::record::Regime;
    use syntrace::train::{DpPlan, EncodedTrace, NoCheckpoint};
    let family = syntrace::model::generator(name, options.as_object().unwrap(), 3).unwrap();
    let traces = crate::common::simulated_traces("os", "windows", canaries as u32 + 80, 3);
    let encoded = |trace: &syntrace::record::Trace| {
        let encoded = family.encoding().encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    let traces: Vec<EncodedTrace> = traces[..canaries].iter().map(encoded).collect();
    let plan = family.plan(canaries as u32 / 2, Regime::Dp { epsilon: claim, delta: DELTA });
    let budget = Budget {
        epsilon: Epsilon::new(claim).unwrap(),
        delta: Delta::new(DELTA).unwrap(),
        sampling_rate: SamplingRate::new(plan.sampling_rate).unwrap(),
        steps: plan.steps,
    };
    let honest = noise_multiplier(&budget, Accountant::Rdp).unwrap().get();
    let experiment = syntrace::pipeline::Experiment {
        label: "test".to_owned(),
        family: family.as_ref(),
        hosts: None,
        traces: &traces,
        plan,
        dp: Some(DpPlan { noise_multiplier: noise_share * honest, clip_norm: plan.clip_norm }),
        base: None,
        seed: Seed::root(11),
        reproducible: true,
    };
    let audited = experiment.run(None, &mut NoCheckpoint, &NoProgress).unwrap();
    one_run_audit(&audited.canaries, DELTA, 0.95).unwrap()
}

#[cfg(feature = "torch")]
#[test]
fn one_run_audit_refutes_a_training_without_its_noise_and_not_the_honest_one() {
    let netssm = serde_json::json!({ "preset": "small", "width": 16, "layers": 1, "batch": 4, "epochs": 20 });
    for (name, options) in [("markov", serde_json::json!({ "preset": "small" })), ("netssm", netssm)] {
        let honest = audited_training(name, &options, 1.0, 80, 1.0);
        let broken = audited_training(name, &options, 1.0, 80, 0.0);
        assert!(honest.epsilon_lower <= 1.0, "{name}: {honest:?}");
        assert!(broken.epsilon_lower > 1.0, "{name}: {broken:?}");
    }
}
