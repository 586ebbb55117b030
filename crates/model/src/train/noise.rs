//! Standard normal numbers from a seed: Box and Muller (1958) on ChaCha output.
//!
//! [`gaussian_noise`] is the noise of a mechanism: two numbers of 53 bits give two normals, a radius from one, in
//! (0, 1] so that its logarithm is finite, an angle from the other. The largest value is
//! sqrt(2 ln 2^53) = 8.57 standard deviations, the mass beyond 1.1e-16 a pair. With 32 bits it was 6.66 and 2.3e-10,
//! which at a noise multiplier of 0.5, a rate of 0.1 and 1,000 steps alone costs 1.6e-4 of delta.
//! The numbers are f32 at the end, as the sums are that they are added to: what rounding may tell about a sum
//! (Mironov 2012) is not accounted for.
//!
//! [`standard_normal`] is for initial weights and a generator's own input, where nothing private is hidden: two
//! 32-bit words a pair.

use super::chacha::ChaCha;
use rand::Rng;
use syntrace_base::base::Seed;
use tch::{Device, Kind, Tensor};

/// Uniform numbers on a grid of 2^-32.
const GRID: f64 = 1.0 / 4_294_967_296.0;

/// Uniform numbers on a grid of 2^-53: as many bits as an f64 holds.
const FINE_GRID: f64 = 1.0 / 9_007_199_254_740_992.0;

/// `count` independent standard normal numbers for one step of one model, `[count]` f32. The
/// arithmetic runs in f64. No noise for a mechanism: it ends at 6.66.
pub fn standard_normal(seed: &Seed, step: u64, count: i64) -> Tensor {
    let pairs = usize::try_from(count.max(0)).unwrap_or(0).div_ceil(2);
    let bytes = bytes(&seed.numbered(step), pairs * 2);
    let words: Vec<i64> = bytes.as_chunks::<4>().0.iter().map(|chunk| i64::from(u32::from_le_bytes(*chunk))).collect();
    normals(&Tensor::from_slice(&words).to_kind(Kind::Double).view([2, pairs as i64]), GRID, count)
}

/// Numbers from which on a device makes its words: some 300 launches for any number of them, where drawing and
/// moving take 11 ns a word (seen on an H100).
const MADE_FROM: i64 = 1 << 17;

/// The noise of one step of one model: `count` independent standard normal numbers, `[count]` f32, on a device.
/// All devices take the same words: few are drawn on the CPU and moved, many are made there. The arithmetic of a
/// device may differ in a normal's last digit.
pub fn gaussian_noise(seed: &Seed, step: u64, count: i64, device: Device) -> Tensor {
    let (pairs, seed) = ((count.max(0) as u64).div_ceil(2), seed.numbered(step));
    if device != Device::Cpu && count >= MADE_FROM {
        return of_words(&made_words(&seed, pairs * 4, device), count);
    }
    normals(&drawn_numbers(&seed, pairs as usize).to_device(device), FINE_GRID, count)
}

/// Integers of 53 bits as f64, `[2, pairs]`: the upper ones of 64-bit words.
fn drawn_numbers(seed: &Seed, pairs: usize) -> Tensor {
    let bytes = bytes(seed, pairs * 4);
    let numbers: Vec<f64> =
        bytes.as_chunks::<8>().0.iter().map(|chunk| (u64::from_le_bytes(*chunk) >> 11) as f64).collect();
    Tensor::from_slice(&numbers).view([2, pairs as i64])
}

fn made_words(seed: &Seed, count: u64, device: Device) -> Tensor {
    ChaCha::new(seed, device).words(count)
}

/// `count` normals from 32-bit words as signed integers, four a pair: the lower half of a 64-bit word comes first.
fn of_words(words: &Tensor, count: i64) -> Tensor {
    let halves = words.to_kind(Kind::Int64).bitwise_and(i64::from(u32::MAX)).view([-1, 2]);
    let (low, high) = (halves.select(1, 0), halves.select(1, 1));
    let numbers =
        high.bitwise_left_shift_tensor_scalar(21).bitwise_or_tensor(&low.bitwise_right_shift_tensor_scalar(11));
    normals(&numbers.to_kind(Kind::Double).view([2, words.numel() as i64 / 4]), FINE_GRID, count)
}

/// The stream's first words.
fn bytes(seed: &Seed, words: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; words * 4];
    seed.rng().fill_bytes(&mut bytes);
    bytes
}

/// `count` normals from whole numbers `[2, pairs]` below `1 / grid`.
fn normals(numbers: &Tensor, grid: f64, count: i64) -> Tensor {
    let radius = (((numbers.get(0) + 1.0) * grid).log() * -2.0).sqrt();
    let angle = numbers.get(1) * (grid * std::f64::consts::TAU);
    Tensor::cat(&[&radius * angle.cos(), &radius * angle.sin()], 0).narrow(0, 0, count).to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All ways take the same words, and on one device the arithmetic is the same.
    #[test]
    fn drawn_and_made_words_give_the_same_noise_to_the_bit() {
        for count in [0, 1, 8, 33, 10_001] {
            let expected = gaussian_noise(&Seed::root(3), 5, count, Device::Cpu);
            let words = made_words(&Seed::root(3).numbered(5), (count as u64).div_ceil(2) * 4, Device::Cpu);
            assert_eq!(of_words(&words, count), expected, "{count} numbers");
        }
    }

    /// The least number gives the largest radius: 8.57 from 53 bits; from 32 it was 6.66.
    #[test]
    fn noise_reaches_beyond_eight_standard_deviations() {
        let least = Tensor::zeros([4], (Kind::Int, Device::Cpu));
        let largest = of_words(&least, 1).double_value(&[0]);
        assert!((largest - (2.0 * 53.0 * 2f64.ln()).sqrt()).abs() < 1e-5, "{largest}");
        // One bit more than the least of 32-bit numbers could tell apart.
        let next = Tensor::from_slice(&[0i32, 1, 0, 0]);
        let second = of_words(&next, 1).double_value(&[0]);
        assert!((second - (-2.0 * ((2f64.powi(21) + 1.0) * FINE_GRID).ln()).sqrt()).abs() < 1e-5, "{second}");
    }

    /// Mean, variance, fourth moment and correlation of 2^20 numbers, each within five standard errors, and the mass
    /// beyond two and three standard deviations.
    #[test]
    fn noise_is_standard_normal_and_differs_by_step() {
        const COUNT: i64 = 1 << 20;
        const STANDARD_ERROR: f64 = 1.0 / 1024.0;
        let noise = gaussian_noise(&Seed::root(1), 0, COUNT, Device::Cpu).to_kind(Kind::Double);
        let moment = |power: f64| noise.pow_tensor_scalar(power).mean(None).double_value(&[]);
        assert!(moment(1.0).abs() < 5.0 * STANDARD_ERROR);
        assert!((moment(2.0) - 1.0).abs() < 5.0 * 2f64.sqrt() * STANDARD_ERROR);
        assert!((moment(4.0) - 3.0).abs() < 5.0 * 96f64.sqrt() * STANDARD_ERROR);
        for (bound, mass) in [(2.0, 0.045_500_26), (3.0, 0.002_699_80)] {
            let beyond = noise.abs().gt(bound).to_kind(Kind::Double).mean(None).double_value(&[]);
            let error = (mass * (1.0 - mass) / COUNT as f64).sqrt();
            assert!((beyond - mass).abs() < 5.0 * error, "beyond {bound}: {beyond}");
        }
        let next = gaussian_noise(&Seed::root(1), 1, COUNT, Device::Cpu).to_kind(Kind::Double);
        let halves = [&noise * next, noise.narrow(0, 0, COUNT / 2) * noise.narrow(0, COUNT / 2, COUNT / 2)];
        for product in halves {
            let correlation = product.mean(None).double_value(&[]);
            assert!(correlation.abs() < 5.0 * 2f64.sqrt() * STANDARD_ERROR, "{correlation}");
        }
    }
}
