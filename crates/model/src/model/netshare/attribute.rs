//! Attributes of a real trace: the critics' scores under the model's own encoder.

use super::config::{ATTRIBUTE_KINDS, ATTRIBUTE_NUMBERS, NetShareConfig};
use super::network::{NetShareNetwork, RealBatch};
use super::options::Samples;
use crate::train::Microbatch;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::TraceAttribute;
use tch::{Kind, Tensor};

/// Traces in one pass.
const WIDTH: usize = 256;

/// Rows of all kinds for each pooled trace, by the one model of the network. A trace of several samples
/// (directional flows) gives mean, least and largest of each number, then the number of samples.
pub(super) fn attributes(network: &NetShareNetwork, count: usize) -> Result<Vec<Vec<TraceAttribute>>> {
    let mut rows = Vec::with_capacity(count);
    let all: Vec<usize> = (0..count).collect();
    for traces in all.chunks(WIDTH) {
        let batch = Microbatch { models: vec![0], rows: vec![traces.to_vec()] };
        let RealBatch { samples, weights } = network.real(&batch);
        let of_sample = tch::no_grad(|| numbers(network, &samples));
        let of_sample = table(&of_sample)?;
        let weights = table(&weights)?;
        let per_trace = samples.size()[2] as usize;
        for (numbers, weights) in of_sample.chunks(5 * per_trace).zip(weights.chunks(per_trace)) {
            rows.push(trace_rows(&network.config, numbers, weights));
        }
    }
    Ok(rows)
}

/// `[B S, 5]`: D (one attribute kind), then D, A and D's two gradient norms (another kind).
fn numbers(network: &NetShareNetwork, samples: &Tensor) -> Tensor {
    let flat = samples.flatten(1, 2);
    let from = network.config.width() - network.config.attribute_width();
    let d = network.d.scores(&network.params, None, &flat);
    let attributes = flat.narrow(2, from, network.config.attribute_width());
    let a = network.a.scores(&network.params, None, &attributes);
    let (of_weights, of_sample) = network.d.gradient_norms(&network.params, &flat);
    Tensor::stack(&[&d, &d, &a, &of_weights, &of_sample], 2).get(0)
}

fn trace_rows(config: &NetShareConfig, numbers: &[f32], weights: &[f32]) -> Vec<TraceAttribute> {
    let samples: Vec<&[f32]> =
        numbers.chunks_exact(5).zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(cells, _)| cells).collect();
    let mean = |at: usize| samples.iter().map(|cells| cells[at]).sum::<f32>() / samples.len().max(1) as f32;
    let loss = -mean(0);
    let mut from = 0;
    let mut rows = Vec::with_capacity(ATTRIBUTE_KINDS.len());
    for (kind, numbers) in ATTRIBUTE_KINDS.iter().zip(ATTRIBUTE_NUMBERS) {
        let mut values = Vec::new();
        for at in from..from + numbers {
            values.push(mean(at));
            if config.samples == Samples::Directional {
                values.push(samples.iter().map(|cells| cells[at]).fold(f32::INFINITY, f32::min));
                values.push(samples.iter().map(|cells| cells[at]).fold(f32::NEG_INFINITY, f32::max));
            }
        }
        if config.samples == Samples::Directional {
            values.push(samples.len() as f32);
        }
        from += numbers;
        rows.push(TraceAttribute { kind, loss, values });
    }
    rows
}

fn table(values: &Tensor) -> Result<Vec<f32>> {
    Vec::<f32>::try_from(values.flatten(0, -1).to_kind(Kind::Float))
        .map_err(|error| Error::internal(format!("attribute values: {error}")))
}
