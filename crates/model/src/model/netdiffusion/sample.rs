//! Drawing images: 20 steps of DDIM from seeded noise, then the most likely class of each cell.

use super::base::normal;
use super::image::images;
use super::network::NetDiffusionNetwork;
use crate::model::RawTrace;
use crate::nn::Tape;
use crate::train::Network;
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::Generated;
use tch::{Device, Kind, Tensor};

/// Batch size of traces. Fixed, and short batches are padded: the rounding of a matmul may depend on the
/// number of its rows, and trace i must not depend on how many traces are asked for.
const GROUP: u32 = 16;

/// Draws `count` traces from the one model of a network; trace i from `seed.numbered(i)`.
pub(super) fn sample(
    network: &NetDiffusionNetwork,
    count: u32,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Vec<RawTrace>> {
    let mut traces = Vec::with_capacity(count as usize);
    progress.start("sampling", u64::from(count));
    for first in (0..count).step_by(GROUP as usize) {
        if progress.stop_requested() {
            return Err(Error::interrupted(format!("sampling stopped after `{first}` of `{count}` traces")));
        }
        let wanted = GROUP.min(count - first);
        let latents = tch::no_grad(|| sample_group(network, first, seed));
        let drawn = images(&network.base.decode(&latents))?;
        let whole = |image| RawTrace::whole(Generated::Nprint(image));
        traces.extend(drawn.into_iter().take(wanted as usize).map(whole));
        progress.advance(u64::from(wanted), "");
    }
    progress.finish();
    Ok(traces)
}

/// For each trace the edge map of a public trace, times its strength.
fn control(network: &NetDiffusionNetwork, first: u32, seed: Seed) -> Option<Tensor> {
    let strength = network.config.control_strength;
    let of = |index: u32| network.base.template(&seed.named("control").numbered(u64::from(first + index)));
    (strength > 0.0).then(|| Tensor::stack(&(0..GROUP).map(of).collect::<Vec<_>>(), 0) * strength)
}

/// Latents `[GROUP, c, rows, 136]`.
fn sample_group(network: &NetDiffusionNetwork, first: u32, seed: Seed) -> Tensor {
    let config = &network.config;
    let shape = [config.autoencoder.channels, i64::from(config.rows), super::config::COLUMNS];
    let blank = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let start = |index: u32| normal(&blank, &seed.named("sample").numbered(u64::from(first + index)));
    let mut x = Tensor::stack(&(0..GROUP).map(start).collect::<Vec<_>>(), 0).to_device(network.params().device());
    let control = control(network, first, seed);
    let steps = network.base.schedule.sampler_steps(config.sampler_steps);
    for (index, &step) in steps.iter().enumerate() {
        let tape = Tape::evaluation(network.params(), i64::from(GROUP));
        let noise = network.predict(&tape, &x, &vec![step; GROUP as usize], control.as_ref());
        x = network.base.schedule.denoise(&x, &noise, step, steps.get(index + 1).copied());
    }
    x
}
