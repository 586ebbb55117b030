//! Attributes of a trace: the noise that the model predicts at fixed steps, and its error.

use super::network::NetDiffusionNetwork;
use crate::train::Network;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{TraceAttribute, WholeAttribute};
use tch::{Kind, Tensor};

/// Traces in one pass.
const WIDTH: usize = 16;
/// Latent columns that a pooled map averages over.
const POOLED_COLUMNS: i64 = 8;

/// Rows of all kinds for each pooled trace, by the one model of the network.
pub(super) fn attributes(network: &NetDiffusionNetwork, count: usize) -> Result<Vec<Vec<TraceAttribute>>> {
    let all: Vec<usize> = (0..count).collect();
    let mut rows = Vec::with_capacity(count);
    for traces in all.chunks(WIDTH) {
        let (mut maps, mut errors, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        for step in &network.config.fixed_steps {
            let (error, predicted) = network.at_fixed_step(network.params(), traces, *step);
            let of_trace = error.mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float).unsqueeze(1);
            let of_row = error.mean_dim([1i64, 3].as_slice(), false, Kind::Float);
            maps.push(if network.config.full_maps { predicted.flatten(1, -1) } else { pooled(&predicted) });
            errors.push(Tensor::cat(&[&of_trace, &of_row], 1));
            losses.push(of_trace);
        }
        let loss = Tensor::cat(&losses, 1).mean_dim([1i64].as_slice(), false, Kind::Float);
        let (maps, errors, losses) =
            (table(&Tensor::cat(&maps, 1))?, table(&Tensor::cat(&errors, 1))?, numbers(&loss)?);
        for ((map, error), loss) in maps.into_iter().zip(errors).zip(losses) {
            let values = [map, error];
            let kinds = super::config::ATTRIBUTE_KINDS.iter().zip(values);
            rows.push(kinds.map(|(kind, values)| TraceAttribute { kind, loss, values }).collect());
        }
    }
    Ok(rows)
}

/// The predicted noise of every latent cell of each pooled trace: a row of the latent image is a position, which has the channels
/// and columns of all fixed steps.
pub(super) fn whole(network: &NetDiffusionNetwork, count: usize) -> Result<Vec<WholeAttribute>> {
    let all: Vec<usize> = (0..count).collect();
    let mut found = Vec::with_capacity(count);
    for traces in all.chunks(WIDTH) {
        let (mut maps, mut losses) = (Vec::new(), Vec::new());
        for step in &network.config.fixed_steps {
            let (error, predicted) = network.at_fixed_step(network.params(), traces, *step);
            losses.push(error.mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float).unsqueeze(1));
            // [traces, channels, rows, columns] to [traces, rows, channels x columns]
            maps.push(predicted.permute([0, 2, 1, 3]).flatten(2, 3));
        }
        let losses = numbers(&Tensor::cat(&losses, 1).mean_dim([1i64].as_slice(), false, Kind::Float))?;
        let maps = Vec::<Vec<Vec<f32>>>::try_from(Tensor::cat(&maps, 2).to_kind(Kind::Float))
            .map_err(|error| Error::internal(format!("predicted noise: {error}")))?;
        found.extend(losses.into_iter().zip(maps).map(|(loss, rows)| WholeAttribute { loss, rows }));
    }
    Ok(found)
}

/// Mean over channels and over eight columns each, `[n, rows x 17]`.
fn pooled(predicted: &Tensor) -> Tensor {
    let size = predicted.size();
    let grouped = predicted.reshape([size[0], size[1], size[2], size[3] / POOLED_COLUMNS, POOLED_COLUMNS]);
    grouped.mean_dim([1i64, 4].as_slice(), false, Kind::Float).flatten(1, -1)
}

fn table(values: &Tensor) -> Result<Vec<Vec<f32>>> {
    Vec::<Vec<f32>>::try_from(values).map_err(|error| Error::internal(format!("attribute values: {error}")))
}

fn numbers(values: &Tensor) -> Result<Vec<f32>> {
    Vec::<f32>::try_from(values).map_err(|error| Error::internal(format!("attribute values: {error}")))
}
