//! Standard normal numbers from a seed: Box and Muller (1958) on ChaCha output.
//!
//! Two 32-bit words give two normals: a radius from one, in (0, 1] so that its logarithm is finite,
//! an angle from the other. The largest value is sqrt(2 ln 2^32) = 6.66 standard deviations: the mass
//! beyond is 2.7e-11.

use super::chacha::ChaCha;
use crate::base::Seed;
use rand::Rng;
use tch::{Device, Kind, Tensor};

/// Uniform numbers on a grid of 2^-32.
const GRID: f64 = 1.0 / 4_294_967_296.0;

/// `count` independent standard normal numbers for one step of one model, `[count]` f32. The
/// arithmetic runs in f64.
pub fn standard_normal(seed: &Seed, step: u64, count: i64) -> Tensor {
    let pairs = usize::try_from(count.max(0)).unwrap_or(0).div_ceil(2);
    let bytes = bytes(seed, step, pairs);
    let words: Vec<i64> = bytes.as_chunks::<4>().0.iter().map(|chunk| i64::from(u32::from_le_bytes(*chunk))).collect();
    let uniform = Tensor::from_slice(&words).to_kind(Kind::Double).view([2, pairs as i64]);
    normals(&uniform, count)
}

/// As [`standard_normal`], on a device: the same words are made there, so that nothing is moved. The arithmetic
/// of the device may differ in a normal's last digit.
pub fn standard_normal_on(seed: &Seed, step: u64, count: i64, device: Device) -> Tensor {
    if device == Device::Cpu { standard_normal(seed, step, count) } else { of_made_words(seed, step, count, device) }
}

fn of_made_words(seed: &Seed, step: u64, count: i64, device: Device) -> Tensor {
    let pairs = (count.max(0) as u64).div_ceil(2);
    let words = ChaCha::new(&seed.numbered(step), device).words(pairs * 2).view([2, pairs as i64]);
    let uniform = words.to_kind(Kind::Int64).bitwise_and(i64::from(u32::MAX)).to_kind(Kind::Double);
    normals(&uniform, count)
}

/// The stream's first words, two a pair.
fn bytes(seed: &Seed, step: u64, pairs: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; pairs * 8];
    seed.numbered(step).rng().fill_bytes(&mut bytes);
    bytes
}

/// `count` normals from words `[2, pairs]`.
fn normals(words: &Tensor, count: i64) -> Tensor {
    let radius = (((words.get(0) + 1.0) * GRID).log() * -2.0).sqrt();
    let angle = words.get(1) * (GRID * std::f64::consts::TAU);
    Tensor::cat(&[&radius * angle.cos(), &radius * angle.sin()], 0).narrow(0, 0, count).to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways take the same words, and on one device the arithmetic is the same.
    #[test]
    fn made_words_give_the_same_normals_to_the_bit() {
        for count in [0, 1, 8, 33, 10_001] {
            let made = of_made_words(&Seed::root(3), 5, count, Device::Cpu);
            assert_eq!(made, standard_normal(&Seed::root(3), 5, count), "{count} numbers");
        }
    }
}
