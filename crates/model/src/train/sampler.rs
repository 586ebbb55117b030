//! Poisson batches.

use rand::RngExt;
use syntrace_base::base::Seed;

/// Draws each member (a trace, or the number of a host) independently with probability `rate` (exactly: 53 random bits
/// against the rate) for one step; the draw depends on the model's seed and the step alone.
pub fn poisson_batch(seed: &Seed, step: u64, members: &[usize], rate: f64) -> Vec<usize> {
    let mut rng = seed.named("poisson").numbered(step).rng();
    members.iter().copied().filter(|_| rng.random::<f64>() < rate).collect()
}
