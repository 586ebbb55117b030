//! What every attack must give where nothing leaks: one half, and an interval that says so.

use super::joint::{SHAPE, Shape, group};
use super::{auc, kinds};
use syntrace::attack::{AttackKind, AttributeTable, run_attack};
use syntrace::base::{Seed, TraceId, map_ordered};
use syntrace::eval::{Scored, leakage};

/// Repetitions, and in how many of them the interval must hold one half. Its coverage is 0.95 to 0.96 by
/// simulation, so another 100 seeds may well give 94: these are fixed.
const REPETITIONS: u64 = 100;
const INSIDE_LEAST: usize = 95;

fn all_kinds() -> Vec<AttackKind> {
    let mut all = kinds();
    all.extend(AttackKind::ALL.into_iter().filter(|kind| kind.needs_references()));
    all
}

#[test]
fn without_a_leak_the_interval_holds_one_half_in_95_of_100_repetitions() {
    let shape = Shape { shadows: 3, members: 14, leak: 0.0, overlap: true };
    for kind in all_kinds() {
        let seeds: Vec<u64> = (0..REPETITIONS).collect();
        let inside = map_ordered(&seeds, |&repetition| {
            let seed = Seed::root(repetition).named("chance");
            let group = group(shape, seed.named("group"));
            let outcome = run_attack(kind.attack().as_ref(), &group.evidence(), seed).unwrap();
            let traces = outcome.target.score.iter().zip(&outcome.target.member);
            let scored: Vec<Scored> =
                traces.map(|(score, member)| Scored { score: f64::from(*score), member: *member }).collect();
            let found = leakage(&scored, f64::from(outcome.threshold)).unwrap();
            found.auc.low <= 0.5 && 0.5 <= found.auc.high
        });
        let inside = inside.into_iter().filter(|inside| *inside).count();
        assert!(inside >= INSIDE_LEAST, "{}: the interval holds one half in {inside} of 100", kind.name());
    }
}

/// The target's held-out traces repeat its members, whatever any model says about them.
fn doubled(table: &AttributeTable, members: usize) -> AttributeTable {
    let mut out = AttributeTable { width: table.width, ..AttributeTable::default() };
    let mut target: Vec<TraceId> = table.traces.clone();
    target.sort_unstable();
    for row in 0..table.rows() {
        // The original and its twin, far away among the ids.
        for (twin, keep) in [(0, true), (1_000_000, false)] {
            out.traces.push(TraceId(table.traces[row].0 + twin));
            out.models.push(table.models[row]);
            out.member.push(table.member[row] && keep);
            out.loss.push(table.loss[row]);
            out.values.extend_from_slice(table.row(row).unwrap());
        }
    }
    assert!(out.rows() >= members);
    out
}

#[test]
fn identical_members_and_held_out_traces_give_exactly_one_half() {
    let plain = group(Shape { shadows: 4, members: 40, overlap: false, ..SHAPE }, Seed::root(9));
    let members = plain.target.of_models(|_| true);
    let mut target = AttributeTable { width: 1, ..AttributeTable::default() };
    for row in (0..members.rows()).filter(|row| members.member[*row]) {
        target.traces.push(members.traces[row]);
        target.models.push(members.models[row]);
        target.member.push(true);
        target.loss.push(members.loss[row]);
        target.values.extend_from_slice(members.row(row).unwrap());
    }
    let target = doubled(&target, 40);
    let references = doubled(&plain.references, 40);
    for kind in all_kinds() {
        let evidence = syntrace::attack::Evidence { target: &target, references: &references, ..plain.evidence() };
        let outcome = run_attack(kind.attack().as_ref(), &evidence, Seed::root(3)).unwrap();
        assert_eq!(auc(&outcome.target), 0.5, "{}", kind.name());
    }
}
