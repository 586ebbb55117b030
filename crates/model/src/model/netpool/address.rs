//! Addresses that many flows have, from a noisy histogram of all that there are.
//!
//! The histogram has a cell for every key (of peers the service, of local hosts one for all) and every IPv4 and IPv6
//! address: a flow adds 1 to one cell, so its L2 sensitivity is 1, and all 2^128 cells get Gaussian noise. What leaves
//! the mechanism are the cells above a cut, with their noisy counts, which reads noisy counts only.
//!
//! Nobody draws 2^128 numbers. Cells with a flow get their noise one by one. Of the cells of a block (all of one cut), each is
//! above it with the same chance p by noise alone, independently: how many are is drawn by the gaps between them, which are
//! geometric; each is an even draw among the block's cells, its noisy count a normal beyond the cut (Robert 1995). A draw
//! that hits a cell with a flow is dropped, since that cell's own noise decides. So the outcome has the distribution of
//! the whole mechanism, cells outside the data included, and needs no share of delta.
//!
//! The cut follows from the block's size, a public number: p times its cells times the keys is a fixed share of
//! `false_addresses`. Private ranges are small, so that an address there stands out at 4.5 to 5.5 deviations; of all of
//! IPv4 it takes 6.5, of all of IPv6 13.5.

use crate::model::netdpsyn::add_noise;
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use syntrace_base::base::{Seed, StreamRng};

/// An address and how many flows have it, with noise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frequent {
    /// Service cell of peers, 0 of local hosts.
    pub key: u16,
    /// 4 or 16 bytes.
    pub address: Vec<u8>,
    pub count: f64,
}

/// Consecutive addresses: those that share the first `bits` bits.
struct Block {
    prefix: &'static [u8],
    bits: u32,
    /// 4 or 16.
    bytes: usize,
}

/// Narrower blocks first: an address is of the first that holds it. RFC 1918, 3927, 5771, 4291, 4193.
const BLOCKS: [Block; 9] = [
    Block { prefix: &[192, 168], bits: 16, bytes: 4 },
    Block { prefix: &[169, 254], bits: 16, bytes: 4 },
    Block { prefix: &[172, 16], bits: 12, bytes: 4 },
    Block { prefix: &[10], bits: 8, bytes: 4 },
    Block { prefix: &[], bits: 0, bytes: 4 },
    // Link-local multicast groups (the last 32 bits), then link-local hosts.
    Block { prefix: &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], bits: 96, bytes: 16 },
    Block { prefix: &[0xfe, 0x80, 0, 0, 0, 0, 0, 0], bits: 64, bytes: 16 },
    Block { prefix: &[0x20], bits: 3, bytes: 16 },
    Block { prefix: &[], bits: 0, bytes: 16 },
];

impl Block {
    /// Its cells for one key, those of narrower blocks inside it included.
    fn cells(&self) -> f64 {
        2f64.powi(8 * self.bytes as i32 - self.bits as i32)
    }

    fn holds(&self, address: &[u8]) -> bool {
        let bit = |bytes: &[u8], at: u32| bytes.get(at as usize / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
        address.len() == self.bytes && (0..self.bits).all(|at| bit(address, at) == bit(self.prefix, at))
    }

    fn draw(&self, rng: &mut StreamRng) -> Vec<u8> {
        let mut address: Vec<u8> = (0..self.bytes).map(|_| rng.random()).collect();
        for at in 0..self.bits {
            let (place, bit) = (at as usize / 8, 1u8 << (7 - at % 8));
            let wanted = self.prefix.get(place).is_some_and(|byte| byte & bit != 0);
            if let Some(byte) = address.get_mut(place) {
                *byte = if wanted { *byte | bit } else { *byte & !bit };
            }
        }
        address
    }
}

/// The block of an address.
fn block_of(address: &[u8]) -> Option<usize> {
    BLOCKS.iter().position(|block| block.holds(address))
}

/// Addresses above the cut, by key and address: see the module. `deviation` is that of the noise, `expected` the number of
/// addresses of nobody that may be expected among them.
pub(super) fn frequent(
    flows: impl IntoIterator<Item = (u16, Vec<u8>)>,
    keys: u16,
    deviation: f64,
    expected: f64,
    seed: Seed,
) -> Vec<Frequent> {
    let mut counts: BTreeMap<(u16, Vec<u8>), f64> = BTreeMap::new();
    for (key, address) in flows {
        if key < keys && block_of(&address).is_some() {
            *counts.entry((key, address)).or_default() += 1.0;
        }
    }
    let chance = |block: &Block| expected / BLOCKS.len() as f64 / (block.cells() * f64::from(keys));
    let cuts: Vec<f64> = BLOCKS.iter().map(|block| upper_quantile(chance(block))).collect();
    let mut noisy: Vec<f64> = counts.values().copied().collect();
    add_noise(&mut noisy, deviation, seed.named("addresses with a flow"));
    let mut found = Vec::new();
    for ((key, address), count) in counts.keys().zip(&noisy) {
        let cut = block_of(address).and_then(|block| cuts.get(block)).copied().unwrap_or(f64::INFINITY);
        if *count > cut * deviation {
            found.push(Frequent { key: *key, address: address.clone(), count: *count });
        }
    }
    let mut rng = seed.named("addresses without a flow").rng();
    for ((number, block), cut) in BLOCKS.iter().enumerate().zip(&cuts) {
        for cell in distinct_cells(block, keys, chance(block), &mut rng) {
            let count = normal_beyond(*cut, &mut rng) * deviation;
            // Cells of narrower blocks have their own cut.
            if block_of(&cell.1) == Some(number) && !counts.contains_key(&cell) {
                found.push(Frequent { key: cell.0, address: cell.1, count });
            }
        }
    }
    found.sort_by(|a, b| (a.key, &a.address).cmp(&(b.key, &b.address)));
    found
}

/// The cells of a block that noise alone lifts above the cut, each with the same chance.
fn distinct_cells(block: &Block, keys: u16, chance: f64, rng: &mut StreamRng) -> BTreeSet<(u16, Vec<u8>)> {
    let wanted = successes(block.cells() * f64::from(keys), chance, rng) as usize;
    let mut cells = BTreeSet::new();
    while cells.len() < wanted {
        cells.insert((rng.random_range(0..keys), block.draw(rng)));
    }
    cells
}

/// z with P(Z > z) = p of a standard normal Z.
fn upper_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 38.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if 0.5 * libm::erfc(middle / std::f64::consts::SQRT_2) > p { low = middle } else { high = middle }
    }
    high
}

/// Number of successes among `trials` independent ones of chance p, by the gaps between them.
fn successes(trials: f64, p: f64, rng: &mut StreamRng) -> u32 {
    let (mut at, mut found) = (0.0, 0);
    loop {
        // 1 - u lies in (0, 1].
        at += 1.0 + ((1.0 - rng.random::<f64>()).ln() / (-p).ln_1p()).floor();
        if at > trials || found == u32::MAX {
            return found;
        }
        found += 1;
    }
}

/// A standard normal number given that it is above `cut` (Robert 1995: exponential proposals), for cuts above 0.
fn normal_beyond(cut: f64, rng: &mut StreamRng) -> f64 {
    let rate = (cut + (cut * cut + 4.0).sqrt()) / 2.0;
    loop {
        let value = cut - (1.0 - rng.random::<f64>()).ln() / rate;
        if rng.random::<f64>() <= (-(value - rate).powi(2) / 2.0).exp() {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_of_one_block_and_a_blocks_draws_are_its_own() {
        let mut rng = Seed::root(1).rng();
        for (number, block) in BLOCKS.iter().enumerate() {
            for _ in 0..50 {
                let drawn = block.draw(&mut rng);
                assert!(block.holds(&drawn) && block_of(&drawn).unwrap() <= number);
            }
        }
        assert_eq!(block_of(&[192, 168, 1, 1]), Some(0));
        assert_eq!(block_of(&[8, 8, 8, 8]), Some(4));
        assert_eq!(block_of(&[1, 2, 3]), None);
    }

    /// A mechanism that noises every cell of a small histogram, and ours on as many cells: the same number above the cut
    /// and the same mean count, each within five standard errors.
    #[test]
    fn empty_cells_above_the_cut_are_as_many_and_as_high_as_if_all_were_drawn() {
        let (trials, p) = (1000.0, 0.004);
        let cut = upper_quantile(p);
        let mut rng = Seed::root(2).rng();
        let runs = 4_000;
        let found: Vec<u32> = (0..runs).map(|_| successes(trials, p, &mut rng)).collect();
        let mean = f64::from(found.iter().sum::<u32>()) / f64::from(runs);
        let error = (trials * p * (1.0 - p) / f64::from(runs)).sqrt();
        assert!((mean - trials * p).abs() < 5.0 * error, "{mean}");
        // E[Z | Z > c] = density(c) / p.
        let expected = (-cut * cut / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() / p;
        let values: Vec<f64> = (0..runs).map(|_| normal_beyond(cut, &mut rng)).collect();
        let mean = values.iter().sum::<f64>() / f64::from(runs);
        assert!(values.iter().all(|value| *value > cut));
        assert!((mean - expected).abs() < 5.0 * 0.36 / f64::from(runs).sqrt(), "{mean} {expected}");
    }

    #[test]
    fn what_many_flows_have_is_found_and_what_few_have_is_not() {
        let many = std::iter::repeat_n((0, vec![192, 168, 1, 7]), 60);
        let few = std::iter::repeat_n((0, vec![8, 8, 4, 4]), 4);
        let lost = std::iter::repeat_n((5, vec![10, 0, 0, 1]), 60);
        let found = frequent(many.chain(few).chain(lost), 1, 3.0, 1e-9, Seed::root(3));
        assert_eq!(found.iter().map(|frequent| frequent.address.clone()).collect::<Vec<_>>(), [vec![192, 168, 1, 7]]);
        assert!((found[0].count - 60.0).abs() < 15.0);
        let noise = frequent([], 1, 1.0, 200.0, Seed::root(4));
        assert!((100..300).contains(&noise.len()), "{}", noise.len());
    }
}
