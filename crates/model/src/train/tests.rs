//! The loop on a network so small that its gradients are known: what a poisoned trace changes, and what a
//! checkpoint holds.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does not hold")]

use super::{
    CheckpointSink, CohortInput, CohortModel, CohortOutcome, DpPlan, MicroGradients, Microbatch, Network, NoCheckpoint,
    OVERFLOWS, OptimiserPlan, PerSampleGrads, TrainPlan, train_cohort,
};
use crate::nn::{Param, Params, Part, PerTrace};
use syntrace_base::base::{NoProgress, Seed};
use syntrace_base::error::Result;
use syntrace_base::record::ModelStatus;
use tch::{Kind, Tensor};

/// Loss of a trace: its values times the weights, both ways in which a layer can say its gradient.
struct Line {
    params: Params,
    direct: Param,
    outer: Param,
    traces: Tensor,
}

const WIDTH: i64 = 3;

impl Line {
    fn new(models: i64, traces: &[[f32; WIDTH as usize]]) -> Self {
        let mut params = Params::new(models);
        let zeros = || Tensor::zeros([models, 1, WIDTH], (Kind::Float, tch::Device::Cpu));
        let direct = params.add("direct", zeros());
        let outer = params.add("outer", zeros());
        let flat: Vec<f32> = traces.iter().flatten().copied().collect();
        Self { params, direct, outer, traces: Tensor::from_slice(&flat).view([-1, WIDTH]) }
    }

    /// `[M, B, WIDTH]`.
    fn rows(&self, batch: &Microbatch) -> Tensor {
        let index: Vec<i64> = batch.rows.iter().flatten().map(|trace| *trace as i64).collect();
        let rows = self.traces.index_select(0, &Tensor::from_slice(&index));
        rows.view([batch.models.len() as i64, batch.width() as i64, WIDTH])
    }
}

impl Network for Line {
    fn params(&self) -> &Params {
        &self.params
    }
    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }
    fn size(&self, _trace: usize) -> usize {
        1
    }
    fn gradients(&self, batch: &Microbatch, _clipping: bool) -> MicroGradients {
        let rows = self.rows(batch);
        let mut gradients = PerTrace::for_models(&self.params, batch.models.len() as i64, batch.width() as i64);
        gradients.push(self.direct, Part::Direct(rows.copy()));
        let right = rows.unsqueeze(2).unsqueeze(2);
        let left =
            Tensor::ones([batch.models.len() as i64, batch.width() as i64, 1, 1, 1], (Kind::Float, rows.device()));
        gradients.push(self.outer, Part::Outer { left, right });
        MicroGradients { losses: self.losses(batch), gradients: PerSampleGrads::new(gradients) }
    }
    fn losses(&self, batch: &Microbatch) -> Tensor {
        let index: Vec<i64> = batch.models.iter().map(|model| *model as i64).collect();
        let weights = self.params.get(self.direct) + self.params.get(self.outer);
        (self.rows(batch) * weights.index_select(0, &Tensor::from_slice(&index))).sum_dim_intlist(
            [2].as_slice(),
            false,
            None,
        )
    }
}

const HONEST: [f32; WIDTH as usize] = [0.3, -0.2, 0.1];
const STEPS: u64 = 12;

fn plan() -> TrainPlan {
    TrainPlan {
        sampling_rate: 1.0,
        expected_batch: 4.0,
        steps: STEPS,
        epochs: 3,
        clip_norm: 1.0,
        microbatch: 2,
        epochs_per_evaluation: 1,
        optimiser: OptimiserPlan::Adam { rate: 0.01, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 },
        linear_decay: false,
        trainable: crate::train::Trainable::All,
        average: crate::train::Average::None,
    }
}

fn model(members: usize, dp: Option<DpPlan>, noise_seed: Option<Seed>) -> CohortModel {
    CohortModel {
        label: "line".to_owned(),
        seed: Seed::root(1),
        noise_seed,
        members: (0..members).collect(),
        learnt: None,
        held_out: Vec::new(),
        dp,
        initial: None,
    }
}

const DP: DpPlan = DpPlan { noise_multiplier: 1.0, clip_norm: 1.0 };

fn train(traces: &[[f32; WIDTH as usize]], models: Vec<CohortModel>) -> CohortOutcome {
    let mut network = Line::new(models.len() as i64, traces);
    let input = CohortInput { hosts: None, traces: &[], models, base: None, plan: plan() };
    train_cohort(&mut network, &input, None, &mut NoCheckpoint, &NoProgress).unwrap()
}

/// With it and without it: the same status, the same steps, the same noise, so the same weights to the bit.
#[test]
fn a_poisoned_trace_changes_nothing_about_a_private_model() {
    for poison in [f32::NAN, f32::INFINITY, 3e38] {
        let mut traces = vec![HONEST; 4];
        traces.push([poison, 0.0, -poison]);
        let private = |members| model(members, Some(DP), Some(Seed::root(5)));
        let without = train(&traces, vec![private(4)]);
        let with = train(&traces, vec![private(5)]);
        assert_eq!(with.models[0].status, ModelStatus::Trained, "{poison}");
        assert_eq!(with.models[0].steps, STEPS);
        assert_eq!(with.models[0].weights, without.models[0].weights, "{poison}");
        assert_eq!(with.models[0].events, without.models[0].events);
        // It is counted where nothing but the operator looks.
        let counted =
            |outcome: &CohortOutcome| outcome.models[0].monitors.iter().map(|row| row.value).collect::<Vec<_>>();
        assert_eq!((counted(&without), counted(&with)), (vec![], vec![STEPS as f64]));
        assert_eq!(with.models[0].monitors[0].monitor, OVERFLOWS);
    }
}

/// Without DP it ends the model, also beside a private one that goes on.
#[test]
fn a_poisoned_trace_ends_a_model_without_dp_only() {
    let mut traces = vec![HONEST; 4];
    traces.push([f32::NAN; WIDTH as usize]);
    let outcome = train(&traces, vec![model(5, None, None), model(5, Some(DP), None)]);
    assert_eq!(outcome.models[0].status, ModelStatus::Diverged { step: 0 });
    assert!(outcome.models[0].monitors.is_empty());
    assert_eq!(outcome.models[1].status, ModelStatus::Trained);
    assert_eq!(outcome.models[1].events[0].steps, STEPS);
}

#[derive(Default)]
struct Kept(Vec<Vec<u8>>);

impl CheckpointSink for Kept {
    fn due(&mut self, _steps: u64) -> bool {
        true
    }
    fn save(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.push(bytes.to_vec());
        Ok(())
    }
    fn seconds(&mut self) -> f64 {
        0.0
    }
}

/// The state text of each checkpoint.
fn states(models: Vec<CohortModel>) -> Vec<serde_json::Value> {
    let mut network = Line::new(models.len() as i64, &[HONEST; 4]);
    let mut kept = Kept::default();
    let input = CohortInput { hosts: None, traces: &[], models, base: None, plan: plan() };
    train_cohort(&mut network, &input, None, &mut kept, &NoProgress).unwrap();
    let state = |bytes: &Vec<u8>| {
        let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["syntrace.training"]).unwrap()
    };
    kept.0.iter().map(state).collect()
}

/// A seed would be an array of 32 bytes or a text; what is not released would be in the running sums.
#[test]
fn checkpoints_hold_no_seed_and_of_secret_models_no_unnoised_sum() {
    let models = || vec![model(4, Some(DP), None), model(4, Some(DP), Some(Seed::root(5))), model(4, None, None)];
    let all = states(models());
    assert_eq!(all.len() as u64, STEPS - 1);
    for state in &all {
        let text = state.to_string();
        assert!(!text.contains("seed"), "{text}");
        let of = |index: usize, key: &str| state["models"][index]["running"][key].as_u64().unwrap();
        for key in ["traces", "loss", "norm", "clipped"] {
            assert_eq!(of(0, key), 0, "{key} in {text}");
        }
        // Epochs end at every fourth step.
        if state["step"].as_u64().unwrap() % 4 != 0 {
            assert!(of(1, "traces") > 0 && of(2, "traces") > 0, "{text}");
        }
        let longest = state["models"].as_array().unwrap().iter().flat_map(|model| model.as_object().unwrap());
        assert!(longest.filter_map(|(_, value)| value.as_array()).all(|items| items.len() < 32), "{text}");
    }
}

/// Its layout is another one, and it holds seeds: it is as if there were none.
#[test]
fn a_checkpoint_of_an_earlier_version_starts_the_training_again() {
    let state = serde_json::json!({ "version": 2, "step": 7, "models": [{ "noise_seed": vec![1u8; 32] }] }).to_string();
    let texts = std::collections::HashMap::from([("syntrace.training".to_owned(), state)]);
    let none: [(&str, safetensors::tensor::TensorView<'_>); 0] = [];
    let old = safetensors::serialize(none, Some(texts)).unwrap();
    let ends = |resume: Option<&[u8]>| {
        let mut network = Line::new(1, &[HONEST; 4]);
        let models = vec![model(4, None, None)];
        let input = CohortInput { hosts: None, traces: &[], models, base: None, plan: plan() };
        train_cohort(&mut network, &input, resume, &mut NoCheckpoint, &NoProgress).unwrap()
    };
    assert_eq!(ends(Some(&old)), ends(None));
}
