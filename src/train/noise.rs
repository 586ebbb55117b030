//! Standard normal numbers from a seed: Box and Muller (1958) on ChaCha output.
//!
//! Two 32-bit words give two normals: a radius from one, in (0, 1] so that its logarithm is finite,
//! an angle from the other. The largest value is sqrt(2 ln 2^32) = 6.66 standard deviations: the mass
//! beyond is 2.7e-11.

use crate::base::Seed;
use rand::Rng;
use tch::{Kind, Tensor};

/// Uniform numbers on a grid of 2^-32.
const GRID: f64 = 1.0 / 4_294_967_296.0;

/// `count` independent standard normal numbers for one step of one model, `[count]` f32. The
/// arithmetic runs in f64.
pub fn standard_normal(seed: &Seed, step: u64, count: i64) -> Tensor {
    let pairs = usize::try_from(count.max(0)).unwrap_or(0).div_ceil(2);
    let mut bytes = vec![0u8; pairs * 8];
    seed.numbered(step).rng().fill_bytes(&mut bytes);
    let words: Vec<i64> = bytes.as_chunks::<4>().0.iter().map(|chunk| i64::from(u32::from_le_bytes(*chunk))).collect();
    let uniform = Tensor::from_slice(&words).to_kind(Kind::Double).view([2, pairs as i64]);
    let radius = (((uniform.get(0) + 1.0) * GRID).log() * -2.0).sqrt();
    let angle = uniform.get(1) * (GRID * std::f64::consts::TAU);
    Tensor::cat(&[&radius * angle.cos(), &radius * angle.sin()], 0).narrow(0, 0, count).to_kind(Kind::Float)
}
