//! Traces from a model: blocks of a fixed number of traces, each from its own seed, so that trace i
//! does not depend on how many are asked for.

use super::assemble;
use super::config::RowMode;
use super::gum::{GumOptions, Rows, synthesise};
use super::model::Model;
use super::table::Goal;
use syntrace_base::base::{Progress, Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::FieldRow;

/// Draws `count` traces; trace i from block i / block size.
///
/// # Errors
/// Interrupted, when asked to stop.
pub fn sample(model: &Model, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<Vec<FieldRow>>> {
    let block = model.config.block;
    let mut traces = Vec::with_capacity(count as usize);
    progress.start("sampling", u64::from(count));
    for number in 0..count.div_ceil(block) {
        if progress.stop_requested() {
            return Err(Error::interrupted(format!("sampling stopped after `{}` of `{count}` traces", number * block)));
        }
        let mut rng = seed.named("block").numbered(u64::from(number)).rng();
        let rows = block_rows(model, &mut rng);
        let wanted = (count - number * block).min(block);
        traces.extend(assemble::traces(model, &rows, &mut rng).into_iter().take(wanted as usize));
        progress.advance(u64::from(wanted), "");
    }
    progress.finish();
    Ok(traces)
}

/// Rows of one block, by stratum.
pub(super) fn block_rows(model: &Model, rng: &mut StreamRng) -> Vec<Rows> {
    let block = model.config.block as usize;
    let groups = model.groups();
    let options = GumOptions {
        iterations: model.config.iterations,
        singleton_start: model.config.published,
        key: model.schema.key(),
    };
    let strata = model.totals.iter().enumerate().map(|(stratum, total)| {
        let rows = match model.config.rows {
            // Traces of this many rows are cut from them.
            RowMode::Packets => block * model.schema.packets,
            RowMode::Positions => (f64::from(*total) * block as f64).round() as usize,
            RowMode::Traces => block,
        };
        synthesise(&goals(model, stratum), &groups, rows, options, rng)
    });
    strata.collect()
}

/// Mean error of one block's rows against the model's own marginals, 0 to 2.
pub fn block_error(model: &Model, seed: Seed) -> f64 {
    let rows = block_rows(model, &mut seed.rng());
    let errors: Vec<f64> =
        rows.iter().filter(|rows| !rows.columns.iter().all(Vec::is_empty)).map(|r| r.error).collect();
    errors.iter().sum::<f64>() / errors.len().max(1) as f64
}

fn goals(model: &Model, stratum: usize) -> Vec<Goal> {
    let goals = model.targets.iter().map(|target| {
        let cells = target.shape.cells();
        let shares = target.shares.get(stratum * cells..(stratum + 1) * cells).unwrap_or_default();
        let sum: f64 = shares.iter().map(|share| f64::from(*share)).sum();
        let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
        Goal { shape: target.shape.clone(), shares: shares.iter().map(|share| f64::from(*share) * scale).collect() }
    });
    goals.collect()
}
