//! Seeded order of rows.

use rand::Rng;
use syntrace_base::base::StreamRng;

/// Shuffles in place (Fisher-Yates). Implemented here so that the order for a seed never changes: library
/// shuffles may change between releases. The multiply-shift draw is biased by less than 2^-40 here.
pub(super) fn shuffle(rows: &mut [usize], rng: &mut StreamRng) {
    for last in (1..rows.len()).rev() {
        let draw = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        rows.swap(last, draw as usize);
    }
}

/// Uniform draw in [-bound, bound), 24 bits fine.
#[cfg(feature = "torch")]
pub(super) fn uniform(bound: f64, rng: &mut StreamRng) -> f64 {
    let unit = f64::from(rng.next_u32() >> 8) / f64::from(1u32 << 24);
    bound * (2.0 * unit - 1.0)
}
