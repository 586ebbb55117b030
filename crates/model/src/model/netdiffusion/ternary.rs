//! A fixed latent code without training: each ternary bit is one of three points on a circle, in two separate channels.
//!
//! Of bits that are independent given what the network knows, the mean of the clean latent given a noisy one is
//! exact: Bayes' rule with the likelihood of each point and the prior that the network gives, two numbers a bit
//! (as in diffusion of analog bits, Chen et al. 2022, and in its cross-entropy form, Dieleman et al. 2022). So a
//! network learns what traffic is like, not how to take noise off a code; on the trained code of as many channels it
//! spent most of its error on that: of public traces at step 100, 0.13 of the noise's variance after 600 steps of training,
//! against 0.001 after 200.

use super::config::{COLUMNS, TERNARY_CHANNELS};
use super::image::CELLS;
use tch::{Kind, Tensor};

/// Corners of an equilateral triangle with variance 1 in each coordinate, for the classes 0, 1 and absent.
const POINTS: [[f64; 2]; 3] = {
    let (wide, high) = (1.224_744_871_391_589, std::f64::consts::FRAC_1_SQRT_2);
    [[-wide, high], [wide, high], [0.0, -2.0 * high]]
};
/// Latents of classes `[n, rows, 1088]`: `[n, 16, rows, 136]`.
pub(super) fn encode(classes: &Tensor) -> Tensor {
    let size = classes.size();
    let points: Vec<f32> = POINTS.iter().flatten().map(|place| *place as f32).collect();
    let points = Tensor::from_slice(&points).view([3, 2]).to_device(classes.device());
    let placed = points.index_select(0, &classes.to_kind(Kind::Int64).flatten(0, -1));
    let by_cell = placed.view([size[0], size[1], COLUMNS, CELLS, 2]);
    by_cell.permute([0, 3, 4, 1, 2]).reshape([size[0], TERNARY_CHANNELS, size[1], COLUMNS])
}

/// Nearest classes of latents: `[n, rows, 1088]` u8.
pub(super) fn decode(latents: &Tensor) -> Tensor {
    let size = latents.size();
    let classes = products(latents).argmax(2, false).to_kind(Kind::Uint8);
    classes.permute([0, 2, 3, 1]).reshape([size[0], size[2], size[3] * CELLS])
}

/// Mean of the clean latent given `x = signal clean + noise N(0, 1)`, both `[n, 1, 1, 1]`, and the logarithms of each
/// bit's prior odds, 0 against absent and 1 against absent: `[n, 16, rows, 136]` as x.
pub(super) fn mean(x: &Tensor, signal: &Tensor, noise: &Tensor, odds: &Tensor) -> Tensor {
    // All points are equally far from the middle: what is left of the squares is the product.
    let evidence = products(x) * (signal / (noise * noise)).unsqueeze(-1);
    let odds = pairs(odds);
    let prior = Tensor::cat(&[&odds, &odds.narrow(2, 0, 1).zeros_like()], 2);
    let chance = (evidence + prior).softmax(2, None);
    let coordinate = |axis: usize| {
        let share = |class: usize| chance.select(2, class as i64) * POINTS[class][axis];
        share(0) + share(1) + share(2)
    };
    Tensor::stack(&[coordinate(0), coordinate(1)], 2).reshape(&x.size()[..])
}

/// `[n, 16, rows, columns]` as `[n, 8, 2, rows, columns]`.
fn pairs(x: &Tensor) -> Tensor {
    let size = x.size();
    x.reshape([size[0], CELLS, 2, size[2], size[3]])
}

/// Scalar products with the three points, `[n, 8, 3, rows, columns]`.
fn products(x: &Tensor) -> Tensor {
    let x = pairs(x);
    let (across, up) = (x.select(2, 0), x.select(2, 1));
    Tensor::stack(&POINTS.map(|[right, high]| &across * right + &up * high), 2)
}
