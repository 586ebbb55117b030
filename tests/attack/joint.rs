//! LiRA and RMIA in the protocol: traces differ in difficulty, and only a comparison of models sees through.

use super::{auc, chance_deviation};
use syntrace::attack::{AttackKind, AttributeTable, Evidence, each_target, run_attack};
use syntrace::base::{ModelId, Seed, TraceId};
use syntrace::record::WithoutZero;

/// A group of models over a pool of traces; model 0 is the target.
pub(super) struct Group {
    pub shadows: AttributeTable,
    pub target: AttributeTable,
    pub references: AttributeTable,
}

impl Group {
    pub fn evidence(&self) -> Evidence<'_> {
        let without_zero = WithoutZero::default();
        Evidence { shadows: &self.shadows, target: &self.target, references: &self.references, without_zero }
    }
}

/// How a group is made.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub shadows: usize,
    pub members: usize,
    /// By how much being a member lowers the loss, in deviations of its noise.
    pub leak: f64,
    /// May shadows be trained on the target's traces?
    pub overlap: bool,
}

pub(super) const SHAPE: Shape = Shape { shadows: 8, members: 100, leak: 4.0, overlap: false };

fn normal(rng: &mut syntrace::base::StreamRng) -> f64 {
    // Sum of 12 uniforms minus 6: mean 0, variance 1 (Irwin-Hall).
    let draw = |rng: &mut syntrace::base::StreamRng| f64::from(rand::Rng::next_u32(rng)) / 4_294_967_296.0;
    (0..12).map(|_| draw(rng)).sum::<f64>() - 6.0
}

/// Traces 0..4m: the target's are the first half, or any where models overlap. The loss of a trace is its
/// difficulty (deviation 10) plus noise (deviation 0.3), less the leak.
pub(super) fn group(shape: Shape, seed: Seed) -> Group {
    let mut rng = seed.rng();
    let pool = 4 * shape.members;
    let difficulty: Vec<f64> = (0..pool).map(|_| 50.0 + 10.0 * normal(&mut rng)).collect();
    let empty = || AttributeTable { width: 1, ..AttributeTable::default() };
    let mut group = Group { shadows: empty(), target: empty(), references: empty() };
    for model in 0..=shape.shadows {
        let whole = shape.overlap && model > 0;
        let start = if model == 0 || whole { 0 } else { 2 * shape.members };
        let end = if model > 0 { pool } else { 2 * shape.members };
        let mut own: Vec<(f64, usize)> = (start..end).map(|trace| (normal(&mut rng), trace)).collect();
        own.sort_by(|a, b| a.0.total_cmp(&b.0));
        own.truncate(2 * shape.members);
        let side = |trace: usize| own.iter().position(|(_, other)| *other == trace).map(|at| at < shape.members);
        for (trace, difficulty) in difficulty.iter().enumerate() {
            let member = side(trace);
            let lowered = if member == Some(true) { 0.3 * shape.leak } else { 0.0 };
            let loss = difficulty + 0.3 * normal(&mut rng) - lowered;
            let table = match (member, model) {
                (None, _) => &mut group.references,
                (Some(_), 0) => &mut group.target,
                (Some(_), _) => &mut group.shadows,
            };
            table.models.push(ModelId(model as i64));
            table.traces.push(TraceId(trace as i64));
            table.member.push(member == Some(true));
            table.loss.push(loss as f32);
            table.values.push(loss as f32);
        }
    }
    group
}

const JOINT: [AttackKind; 3] = [AttackKind::Lira, AttackKind::LiraOnline, AttackKind::Rmia];

#[test]
fn joint_attacks_see_a_leak_that_the_difficulty_of_traces_hides_from_a_threshold() {
    let group = group(Shape { overlap: true, ..SHAPE }, Seed::root(1));
    let of = |kind: AttackKind| run_attack(kind.attack().as_ref(), &group.evidence(), Seed::root(3)).unwrap();
    let threshold = auc(&of(AttackKind::Threshold).target);
    assert!(threshold < 0.65, "the loss alone: {threshold}");
    for kind in [AttackKind::Lira, AttackKind::LiraOnline] {
        let outcome = of(kind);
        let found = (auc(&outcome.target), auc(&outcome.shadow_test));
        assert!(found.0 > 0.95 && found.1 > 0.95, "{}: {found:?}", kind.name());
        let guessed = |wanted: bool| {
            let of = outcome.target.member.iter().zip(&outcome.target.score).filter(|(member, _)| **member == wanted);
            of.clone().filter(|(_, score)| **score >= outcome.threshold).count() as f64 / of.count() as f64
        };
        assert!(guessed(true) > 0.8 && guessed(false) < 0.2, "{}: the threshold of the shadows serves", kind.name());
    }
}

#[test]
fn offline_attacks_work_on_the_split_of_the_paper() {
    let group = group(SHAPE, Seed::root(2));
    let of = |kind: AttackKind| run_attack(kind.attack().as_ref(), &group.evidence(), Seed::root(3)).unwrap();
    assert!(auc(&of(AttackKind::Lira).target) > 0.95);
    // with a = 1 the prior is the mean of the others alone, so difficulty cancels
    let written = serde_json::json!({ "offline_a": 1.0, "gamma": 1.0 });
    let rmia = AttackKind::Rmia.with(written.as_object().unwrap(), &[]).unwrap().unwrap();
    let outcome = run_attack(rmia.as_ref(), &group.evidence(), Seed::root(3)).unwrap();
    assert!(auc(&outcome.target) > 0.95, "{}", auc(&outcome.target));
}

#[test]
fn joint_attacks_without_references_say_what_is_missing() {
    let group = group(SHAPE, Seed::root(2));
    let references = &AttributeTable::default();
    for kind in JOINT {
        let evidence = Evidence { references, ..group.evidence() };
        let error = run_attack(kind.attack().as_ref(), &evidence, Seed::root(3)).unwrap_err();
        assert!(error.to_string().contains("found no attributes of models on traces outside their own splits"));
    }
}

#[test]
fn each_model_in_turn_gives_one_pooled_side_that_agrees_with_the_target_alone() {
    let group = group(SHAPE, Seed::root(4));
    for kind in [AttackKind::Threshold, AttackKind::RandomForest, AttackKind::Lira] {
        let attack = kind.attack();
        let (pooled, converged) = each_target(attack.as_ref(), &group.evidence(), Seed::root(3)).unwrap();
        assert_eq!(converged, None, "{} iterates nothing", kind.name());
        assert_eq!(pooled.score.len(), 9 * 200);
        let alone = run_attack(attack.as_ref(), &group.evidence(), Seed::root(3)).unwrap();
        let of_target: Vec<f32> =
            pooled.model.iter().zip(&pooled.score).filter(|(model, _)| model.0 == 0).map(|(_, score)| *score).collect();
        let expected: Vec<f32> = alone.target.score.iter().map(|score| score - alone.threshold).collect();
        assert_eq!(of_target, expected, "{}: the target's part is the plain protocol", kind.name());
        // Deviations of chance shrink with the root of the number of targets.
        assert!(chance_deviation(&pooled) < 0.4 * chance_deviation(&alone.target));
    }
}

#[test]
fn an_attack_does_not_see_the_labels_of_the_rows_that_it_scores() {
    let group = group(SHAPE, Seed::root(5));
    let mut flipped = group.target.clone();
    flipped.member.iter_mut().for_each(|member| *member = !*member);
    for kind in AttackKind::ALL.into_iter().filter(|kind| cfg!(feature = "torch") || !kind.needs_torch()) {
        let attack = kind.attack();
        let plain = run_attack(attack.as_ref(), &group.evidence(), Seed::root(3)).unwrap();
        let evidence = Evidence { target: &flipped, ..group.evidence() };
        let other = run_attack(attack.as_ref(), &evidence, Seed::root(3)).unwrap();
        assert_eq!(plain.target.score, other.target.score, "{}", kind.name());
    }
}
