//! The draws that the simulator needs, on top of one seeded stream.

use rand::{Rng, RngExt};
use syntrace_base::base::{Seed, StreamRng};

/// A stream of random draws; every flow has a separate one.
pub(super) struct Draw(StreamRng);

impl Draw {
    pub(super) fn new(seed: &Seed) -> Self {
        Self(seed.rng())
    }

    /// Uniform on `0 <= x < 1`.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform on `low..=high`.
    pub(super) fn size(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high.max(low))
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.0.random()
    }

    pub(super) fn half(&mut self) -> u16 {
        self.0.random()
    }

    pub(super) fn word(&mut self) -> u32 {
        self.0.random()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// One of some constants; the default value when there are none.
    pub(super) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let index = self.size(0, items.len().saturating_sub(1));
        items.get(index).copied().unwrap_or_default()
    }

    /// Index into `weights`, with probability in proportion to the weight.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            last = index;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Log-normal with a median and the standard deviation of the logarithm (Box-Muller).
    pub(super) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        median * (spread * normal).exp()
    }

    /// A heavy-tailed size in bytes, clamped to `low..=high`.
    pub(super) fn heavy(&mut self, median: f64, spread: f64, low: usize, high: usize) -> usize {
        (self.log_normal(median, spread) as usize).clamp(low, high)
    }

    /// A rank in `0..count` with probability close to 1 / (rank + 1): Zipf's law with exponent 1.
    pub(super) fn zipf(&mut self, count: usize) -> usize {
        let rank = ((count as f64 + 1.0).ln() * self.unit()).exp() as usize;
        rank.saturating_sub(1).min(count.saturating_sub(1))
    }

    /// Lower-case letters and digits.
    pub(super) fn label(&mut self, low: usize, high: usize) -> String {
        let count = self.size(low, high);
        (0..count).map(|_| char::from(self.pick(b"abcdefghijklmnopqrstuvwxyz0123456789"))).collect()
    }
}
