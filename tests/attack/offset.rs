//! Scores that are defined only up to a per-model constant: adding a constant to all scores of one model changes no
//! result, and attacks that need probabilities reject such scores.

use super::joint::{Group, SHAPE, Shape, group};
use serde_json::json;
use syntrace::attack::{
    AnyAttack, AttackKind, AttributeTable, Evidence, RmiaMode, RmiaOptions, each_target, rmia_log_prior,
    rmia_population_log_prior, run_attack,
};
use syntrace::base::Seed;
use syntrace::record::WithoutZero;

/// Losses and values are multiples of this, and so are the constants: nothing is lost to rounding, so that results
/// can be compared bit by bit.
const GRID: f32 = 1.0 / 64.0;

const ALL: WithoutZero = WithoutZero { loss: true, values: true };

/// The numbers on the grid, each model's moved by a constant of its own (`by` times its number).
fn moved(table: &AttributeTable, without: WithoutZero, by: f32) -> AttributeTable {
    let mut moved = table.clone();
    for (row, model) in table.models.iter().enumerate() {
        let constant = by * model.0 as f32;
        let on_grid = |number: f32| (number / GRID).round() * GRID;
        let values = moved.values.iter_mut().skip(row * table.width).take(table.width);
        values.for_each(|value| *value = on_grid(*value) + if without.values { constant } else { 0.0 });
        moved.loss[row] = on_grid(moved.loss[row]) + if without.loss { constant } else { 0.0 };
    }
    moved
}

fn moved_group(group: &Group, without: WithoutZero, by: f32) -> Group {
    Group {
        shadows: moved(&group.shadows, without, by),
        target: moved(&group.target, without, by),
        references: moved(&group.references, without, by),
    }
}

/// Every attack with its preset, and those that read a scalar also on a column of the attribute.
fn attacks() -> Vec<AnyAttack> {
    let possible = |kind: &AttackKind| cfg!(feature = "torch") || !kind.needs_torch();
    let mut attacks = Vec::new();
    for kind in AttackKind::ALL.into_iter().filter(possible) {
        attacks.push(kind.attack());
        if kind.needs_references() || kind == AttackKind::Threshold {
            let column = json!({ "column": 0 });
            attacks.push(kind.with(column.as_object().unwrap(), &[]).unwrap().unwrap());
        }
    }
    let own = json!({ "variance": "per_trace" });
    attacks.push(AttackKind::LiraOnline.with(own.as_object().unwrap(), &[]).unwrap().unwrap());
    attacks
}

#[test]
fn a_constant_added_to_all_scores_of_a_model_changes_no_result_or_the_attack_refuses_them() {
    let group = group(Shape { overlap: true, shadows: 4, members: 40, leak: 2.0 }, Seed::root(1));
    let only = |loss, values| WithoutZero { loss, values };
    for without_zero in [ALL, only(true, false), only(false, true)] {
        for attack in attacks() {
            let what = format!("{} with {without_zero:?}", attack.options());
            let of = |by: f32| {
                let group = moved_group(&group, without_zero, by);
                let evidence = Evidence { without_zero, ..group.evidence() };
                let one = run_attack(attack.as_ref(), &evidence, Seed::root(3))?;
                Ok::<_, syntrace::error::Error>((one, each_target(attack.as_ref(), &evidence, Seed::root(3))?))
            };
            if attack.refuses(without_zero) {
                let error = of(0.0).unwrap_err();
                assert!(error.to_string().contains("defined only up to a per-model constant"), "{what}: {error}");
                continue;
            }
            let plain = of(0.0).unwrap();
            for by in [1.0, -37.5, 2_048.0] {
                // As text: a score that is not there is NaN, which equals nothing.
                let (plain, moved) = (format!("{plain:?}"), format!("{:?}", of(by).unwrap()));
                assert!(plain == moved, "{what}, moved by {by} times the number of the model");
            }
        }
    }
}

/// Why: without knowing that there is no zero, constants decide.
#[test]
fn a_threshold_and_rmia_depend_on_constants_where_nobody_says_that_there_is_no_zero() {
    let group = group(Shape { overlap: true, shadows: 4, members: 40, leak: 2.0 }, Seed::root(1));
    for kind in [AttackKind::Threshold, AttackKind::Rmia] {
        let of = |by: f32| {
            let group = moved_group(&group, ALL, by);
            run_attack(kind.attack().as_ref(), &group.evidence(), Seed::root(3)).unwrap()
        };
        assert_ne!(of(0.0), of(-64.0), "{}", kind.name());
    }
}

#[test]
fn rmia_never_takes_models_that_saw_a_trace_for_models_that_did_not() {
    let standard = RmiaOptions::standard();
    let modes = [RmiaMode::Offline, RmiaMode::Online].map(|mode| RmiaOptions { mode, ..standard });
    for options in modes {
        assert_eq!(rmia_log_prior(options, &[-1.0, -2.0], &[]), None);
        assert_eq!(rmia_population_log_prior(options, &[-1.0, -2.0], &[]), None);
    }
    // P_out = 0.2, a = 0.3: P_in = 0.06 + 0.7, and Pr is half of both together
    let expected = (0.5 * (0.2 + 0.76_f64)).ln();
    let found = modes.map(|options| rmia_log_prior(options, &[], &[0.2_f64.ln()]).unwrap());
    assert!(found.iter().all(|found| (found - expected).abs() < 1e-12), "{found:?}, {expected}");
    // members take no part offline, and are half of Pr online
    let offline = rmia_log_prior(modes[0], &[0.9_f64.ln()], &[0.2_f64.ln()]).unwrap();
    let online = rmia_log_prior(modes[1], &[0.9_f64.ln()], &[0.2_f64.ln()]).unwrap();
    assert!((offline - expected).abs() < 1e-12 && (online - 0.55_f64.ln()).abs() < 1e-12, "{offline}, {online}");
}

#[test]
fn rmia_leaves_out_traces_that_every_other_model_saw_and_learns_nothing_from_them() {
    // two shadows that hold out each other's members: what one held out and the target saw, the others saw all
    let group = group(Shape { shadows: 2, members: 40, ..SHAPE }, Seed::root(6));
    let saw = |table: &AttributeTable| -> Vec<(i64, i64)> {
        let rows = (0..table.rows()).filter(|row| table.member[*row]);
        rows.map(|row| (table.models[row].0, table.traces[row].0)).collect()
    };
    let by_both: Vec<i64> = {
        let saw = saw(&group.shadows);
        let of = |model: i64| saw.iter().filter(move |(other, _)| *other == model).map(|(_, trace)| *trace);
        of(1).filter(|trace| of(2).any(|other| other == *trace)).collect()
    };
    assert!(!by_both.is_empty(), "some traces are members of both shadows");
    // the target's population changes by nothing that is said of them
    let outcome = |group: &Group| run_attack(AttackKind::Rmia.attack().as_ref(), &group.evidence(), Seed::root(3));
    let mut other =
        Group { shadows: group.shadows.clone(), target: group.target.clone(), references: group.references.clone() };
    for row in 0..other.references.rows() {
        if other.references.models[row].0 == 0 && by_both.contains(&other.references.traces[row].0) {
            other.references.loss[row] = 0.0;
        }
    }
    let (plain, changed) = (outcome(&group).unwrap(), outcome(&other).unwrap());
    assert_eq!(plain.target, changed.target, "the target's population is what no other model saw");
    // a trace that all the others saw is no row of the evaluation
    let overlapping = super::joint::group(Shape { shadows: 2, members: 40, overlap: true, ..SHAPE }, Seed::root(6));
    let outcome = run_attack(AttackKind::Rmia.attack().as_ref(), &overlapping.evidence(), Seed::root(3)).unwrap();
    let saw = saw(&overlapping.shadows);
    for trace in &outcome.target.trace {
        let models = saw.iter().filter(|(_, other)| *other == trace.0).count();
        assert!(models < 2, "trace {trace} was seen by both shadows");
    }
    assert!(outcome.target.trace.len() < overlapping.target.rows() && !outcome.target.trace.is_empty());
    assert_eq!(outcome.target.trace.len(), outcome.target.score.len());
}
