//! Training of the attack network on a table of attributes.

use super::learner::FittedAttack;
use super::mlp_options::MlpOptions;
use super::network::{MlpNetwork, torch};
use super::scaling::Scaling;
use super::shuffle::shuffle;
use super::table::AttributeTable;
use crate::adam::Adam;
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result};
use tch::{Kind, Tensor};

/// Batch size outside training: bounds memory, does not affect results.
const CHUNK_ROWS: usize = 1024;

/// One seventh of the training rows is the validation set for early stopping.
const SLICE_DIVISOR: usize = 7;

/// A trained network and the scaling of its inputs.
pub(super) struct FittedMlp {
    network: MlpNetwork,
    scaling: Option<Scaling>,
}

impl FittedAttack for FittedMlp {
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>> {
        let mut scores = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(CHUNK_ROWS) {
            let input = inputs(table, chunk, self.scaling.as_ref())?;
            let logits = tch::no_grad(|| self.network.logits(&input, false))?;
            let logits = Vec::<f32>::try_from(&logits).map_err(torch)?;
            if let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) {
                return Err(Error::user(format!("expected finite scores of the attack network, found `{logit}`"))
                    .hint("the attributes are too large for an unscaled network: use attack `mlp-tuned`"));
            }
            scores.extend(logits);
        }
        Ok(scores)
    }

    fn threshold(&self) -> f32 {
        0.0
    }
}

/// Trains on the given rows; see [`MlpOptions`].
pub(super) fn fit(options: &MlpOptions, table: &AttributeTable, rows: &[usize], seed: Seed) -> Result<FittedMlp> {
    if table.width == 0 || options.batch_rows < 2 || options.hidden == 0 {
        return Err(Error::user(format!(
            "the attack network expects attributes of at least one number, hidden layers of at least one unit and \
             batches of at least two rows (batch normalisation), found `{}`, `{}` and `{}`",
            table.width, options.hidden, options.batch_rows
        )));
    }
    let mut rows = rows.to_vec();
    shuffle(&mut rows, &mut seed.named("slice").rng());
    let kept = if options.patience.is_some() { rows.len() / SLICE_DIVISOR } else { 0 };
    let (slice, train) = rows.split_at_checked(kept).unwrap_or((&[], &rows));
    if train.len() < 2 {
        return Err(Error::user(format!("expected at least two rows to train the attack on, found `{}`", train.len()))
            .hint("give the split more traces, or the study more shadows"));
    }
    let scaling = options.standardise.then(|| Scaling::of(table, train));
    let network = MlpNetwork::new(table.width, options.hidden, Kind::Float, seed.named("weights"))?;
    let mut fitted = FittedMlp { network, scaling };
    train_epochs(&mut fitted, options, table, train, slice, seed.named("order"))?;
    Ok(fitted)
}

fn train_epochs(
    fitted: &mut FittedMlp,
    options: &MlpOptions,
    table: &AttributeTable,
    train: &[usize],
    slice: &[usize],
    seed: Seed,
) -> Result<()> {
    let mut optimiser = Adam::new(options.learning_rate, options.weight_decay);
    let mut best: Option<(f64, usize, Vec<Tensor>)> = None;
    for epoch in 0..options.epochs {
        let mut order = train.to_vec();
        shuffle(&mut order, &mut seed.numbered(epoch as u64).rng());
        for batch in batches(&order, options.batch_rows) {
            let input = inputs(table, batch, fitted.scaling.as_ref())?;
            fitted.network.step(&mut optimiser, &input, &labels(table, batch)?)?;
        }
        let (Some(patience), false) = (options.patience, slice.is_empty()) else { continue };
        let loss = mean_loss(fitted, table, slice)?;
        match &best {
            Some((least, at, _)) if loss.is_nan() || loss >= *least => {
                if epoch - at >= patience {
                    break;
                }
            }
            _ => best = Some((loss, epoch, fitted.network.snapshot()?)),
        }
    }
    if let Some((_, _, snapshot)) = best {
        fitted.network.restore(&snapshot)?;
    }
    Ok(())
}

/// Consecutive batches. The short last one is kept; one of a single row, which batch normalisation
/// cannot take, joins the batch before it.
fn batches(order: &[usize], size: usize) -> Vec<&[usize]> {
    let mut batches: Vec<&[usize]> = order.chunks(size).collect();
    if batches.len() > 1 && batches.last().is_some_and(|last| last.len() == 1) {
        batches.pop();
        batches.pop();
        batches.extend(order.get(batches.len() * size..));
    }
    batches
}

fn mean_loss(fitted: &FittedMlp, table: &AttributeTable, rows: &[usize]) -> Result<f64> {
    let mut sum = 0.0;
    for chunk in rows.chunks(CHUNK_ROWS) {
        let input = inputs(table, chunk, fitted.scaling.as_ref())?;
        let loss = tch::no_grad(|| MlpNetwork::loss(&fitted.network.logits(&input, false)?, &labels(table, chunk)?))?;
        sum += loss.f_double_value(&[]).map_err(torch)? * chunk.len() as f64;
    }
    Ok(sum / rows.len() as f64)
}

/// Attributes of some rows, `[B, d]`, scaled where the attack scales.
fn inputs(table: &AttributeTable, rows: &[usize], scaling: Option<&Scaling>) -> Result<Tensor> {
    let mut values = Vec::with_capacity(rows.len() * table.width);
    for row in rows.iter().filter_map(|&row| table.row(row)) {
        match scaling {
            None => values.extend_from_slice(row),
            Some(scaling) => values.extend(scaling.apply(row).map(|value| value as f32)),
        }
    }
    Tensor::f_from_slice(&values).and_then(|flat| flat.f_view([-1, table.width as i64])).map_err(torch)
}

/// Labels of some rows, `[B]`: 1 for a member.
fn labels(table: &AttributeTable, rows: &[usize]) -> Result<Tensor> {
    let labels: Vec<f32> = table.labels(rows).into_iter().map(|member| f32::from(u8::from(member))).collect();
    Tensor::f_from_slice(&labels).map_err(torch)
}

#[cfg(test)]
mod tests {
    use super::batches;

    #[test]
    fn a_single_last_row_joins_the_batch_before_it() {
        let order: Vec<usize> = (0..9).collect();
        let sizes = |count: usize| batches(&order[..count], 4).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(9), [4, 5]);
        assert_eq!(sizes(8), [4, 4]);
        assert_eq!(sizes(7), [4, 3]);
        assert_eq!(sizes(5), [5]);
        assert_eq!(sizes(1), [1]);
    }
}
