//! A membership inference attack on losses, and its measures with intervals. Shadows and target are made up: members
//! have a loss that is half a nat lower.
//!
//! ```text
//! cargo run --features examples --example attack
//! ```
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use syntrace::attack::{AttackKind, AttributeTable, run};
use syntrace::base::{ModelId, Seed, TraceId};
use syntrace::error::Result;
use syntrace::eval::{Leakage, Scored, leakage};

/// Members of a model; as many traces are held out.
const MEMBERS: i64 = 100;
/// By how much a member's loss is lower, nats.
const LEAK: f32 = 0.5;

/// What some models say about their own traces: a loss, and no other attribute than its negative.
fn table(models: std::ops::Range<i64>) -> AttributeTable {
    let mut table = AttributeTable { width: 1, ..AttributeTable::default() };
    for model in models {
        for trace in 0..2 * MEMBERS {
            let member = trace % 2 == 0;
            // Evenly spread over a nat, in an order without meaning.
            let spread = ((trace * 37 + model * 11) % (2 * MEMBERS)) as f32 / (2 * MEMBERS) as f32;
            let loss = 2.0 + spread - if member { LEAK } else { 0.0 };
            table.models.push(ModelId(model));
            table.traces.push(TraceId(model * 1_000 + trace));
            table.member.push(member);
            table.loss.push(loss);
            table.values.push(-loss);
        }
    }
    table
}

/// Learns on two shadows, scores the target.
///
/// # Errors
/// Where the attack or the measures refuse the numbers.
pub fn attacked() -> Result<Leakage> {
    let outcome = run(AttackKind::Threshold, &table(1..3), &table(0..1), Seed::root(7))?;
    let scored: Vec<Scored> = outcome
        .target
        .score
        .iter()
        .zip(&outcome.target.member)
        .map(|(&score, &member)| Scored { score: f64::from(score), member })
        .collect();
    leakage(&scored, f64::from(outcome.threshold))
}

/// Prints how much leaks.
///
/// # Errors
/// As [`attacked`].
pub fn main() -> Result<()> {
    let found = attacked()?;
    println!("{} members of {} traces", found.n_members, found.n);
    for (name, measure) in
        [("AUC", found.auc), ("balanced accuracy", found.balanced_accuracy), ("TPR at 1 % FPR", found.tpr_at_1pct_fpr)]
    {
        println!("{name}: {:.3} ({:.3} to {:.3})", measure.value, measure.low, measure.high);
    }
    Ok(())
}
