//! Standard normal numbers from a seed: Box and Muller (1958) on ChaCha output.
//!
//! Two 32-bit words give two normals: a radius from one, in (0, 1] so that its logarithm is finite,
//! an angle from the other. The largest value is sqrt(2 ln 2^32) = 6.66 standard deviations: the mass
//! beyond is 2.7e-11.

use super::chacha::ChaCha;
use rand::Rng;
use syntrace_base::base::Seed;
use tch::{Device, Kind, Tensor};

/// Uniform numbers on a grid of 2^-32.
const GRID: f64 = 1.0 / 4_294_967_296.0;

/// `count` independent standard normal numbers for one step of one model, `[count]` f32. The
/// arithmetic runs in f64.
pub fn standard_normal(seed: &Seed, step: u64, count: i64) -> Tensor {
    let pairs = usize::try_from(count.max(0)).unwrap_or(0).div_ceil(2);
    let bytes = bytes(&seed.numbered(step), pairs * 2);
    let words: Vec<i64> = bytes.as_chunks::<4>().0.iter().map(|chunk| i64::from(u32::from_le_bytes(*chunk))).collect();
    let uniform = Tensor::from_slice(&words).to_kind(Kind::Double).view([2, pairs as i64]);
    normals(&uniform, count)
}

/// Numbers from which on a device makes its words: some 300 launches for any number of them, where drawing and
/// moving take 11 ns a word (seen on an H100).
const MADE_FROM: i64 = 1 << 18;

/// As [`standard_normal`], on a device, from the same words: few are drawn on the CPU and moved, many are made
/// there. The arithmetic of the device may differ in a normal's last digit.
pub fn standard_normal_on(seed: &Seed, step: u64, count: i64, device: Device) -> Tensor {
    if device == Device::Cpu {
        return standard_normal(seed, step, count);
    }
    let pairs = (count.max(0) as u64).div_ceil(2);
    let words = if count < MADE_FROM { moved_words } else { made_words };
    of_words(&words(&seed.numbered(step), pairs * 2, device), count)
}

fn moved_words(seed: &Seed, count: u64, device: Device) -> Tensor {
    Tensor::from_data_size(&bytes(seed, count as usize), &[count as i64], Kind::Int).to_device(device)
}

fn made_words(seed: &Seed, count: u64, device: Device) -> Tensor {
    ChaCha::new(seed, device).words(count)
}

/// `count` normals from words as signed integers, two a pair.
fn of_words(words: &Tensor, count: i64) -> Tensor {
    let uniform = words.to_kind(Kind::Int64).bitwise_and(i64::from(u32::MAX)).to_kind(Kind::Double);
    normals(&uniform.view([2, words.numel() as i64 / 2]), count)
}

/// The stream's first words.
fn bytes(seed: &Seed, words: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; words * 4];
    seed.rng().fill_bytes(&mut bytes);
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

    /// All ways take the same words, and on one device the arithmetic is the same.
    #[test]
    fn moved_and_made_words_give_the_same_normals_to_the_bit() {
        for count in [0, 1, 8, 33, 10_001] {
            let expected = standard_normal(&Seed::root(3), 5, count);
            for words in [moved_words, made_words] {
                let words = words(&Seed::root(3).numbered(5), (count as u64).div_ceil(2) * 2, Device::Cpu);
                assert_eq!(of_words(&words, count), expected, "{count} numbers");
            }
        }
    }
}
