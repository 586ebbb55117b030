//! Drawing traces: the generator in evaluation mode, choices by the larger cell.

use super::generator::Statistics;
use super::layout::decode_sample;
use super::network::{NetShareNetwork, noise_size, split_noise};
use crate::model::RawTrace;
use crate::train::standard_normal;
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::Generated;
use tch::{Kind, Tensor};

/// Batch size of samples. Fixed, and short batches are padded: the rounding of a matmul may depend on the
/// number of its rows, and trace i must not depend on how many traces are asked for.
const GROUP: u32 = 64;

/// Draws `count` traces from the one model of a network; trace i from `seed.numbered(i)`.
pub(super) fn sample(
    network: &NetShareNetwork,
    count: u32,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Vec<RawTrace>> {
    let words = network.words()?;
    let width = network.config.width() as usize;
    let mut traces = Vec::with_capacity(count as usize);
    progress.start("sampling", u64::from(count));
    for first in (0..count).step_by(GROUP as usize) {
        if progress.stop_requested() {
            return Err(Error::interrupted(format!("sampling stopped after `{first}` of `{count}` traces")));
        }
        let wanted = GROUP.min(count - first);
        let seeds: Vec<Seed> =
            (0..GROUP).map(|index| seed.named("sample").numbered(u64::from(first + index))).collect();
        let cells = group(network, &seeds)?;
        for (cells, seed) in cells.chunks_exact(width).zip(&seeds).take(wanted as usize) {
            let rows = decode_sample(&network.config, &words, cells, &mut seed.named("ports").rng());
            // The generation flag or the greatest number of packets ended it: always whole.
            traces.push(RawTrace::whole(Generated::Fields(rows)));
        }
        progress.advance(u64::from(wanted), "");
    }
    progress.finish();
    Ok(traces)
}

/// Cells of one sample per seed.
fn group(network: &NetShareNetwork, seeds: &[Seed]) -> Result<Vec<f32>> {
    let size = noise_size(&network.config);
    let rows: Vec<Tensor> = seeds.iter().map(|seed| standard_normal(&seed.named("noise"), 0, size)).collect();
    let flat = Tensor::stack(&rows, 0).unsqueeze(0).to_device(network.weights().device());
    let noise = split_noise(&network.config, &flat);
    let cells = network.generated(&noise, Statistics::Running);
    Vec::<f32>::try_from(cells.flatten(0, -1).to_kind(Kind::Float))
        .map_err(|error| Error::internal(format!("generated cells: {error}")))
}
