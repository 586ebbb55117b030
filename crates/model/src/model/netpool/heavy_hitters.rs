//! Frequent values (heavy hitters), from a noisy histogram over the whole domain.
//!
//! The histogram has a cell for every key (the service for peers' addresses, the protocol for ports, else one for all)
//! and every value: a flow adds 1 (its share of a host) to at most one cell, so the L2 sensitivity is 1, and all
//! cells, 2^128 with IPv6, get Gaussian noise. The mechanism releases the cells above a threshold with their noisy
//! counts: post-processing.
//!
//! The noise of the 2^128 cells is sampled lazily. Cells with a flow get their noise one by one. In a block of cells
//! with one threshold, each empty cell exceeds it with the same probability p by noise alone, independently: their
//! number is drawn by the gaps between them, which are geometric; each is uniform among the block's cells, its noisy
//! count a normal truncated at the threshold (Robert 1995). A draw that hits a cell with a flow is dropped, since that
//! cell has its own noise. So the output has the distribution of the whole mechanism, empty cells included, and needs
//! no share of delta.
//!
//! The threshold follows from the block's size, which is public: p times its cells times the keys is a fixed share of
//! `false_values`. Private address ranges are small, so that an address in them is detected at 4.5 to 5.5 standard
//! deviations; in all of IPv4 it takes 6.5, in all of IPv6 13.5, for networks of 16 bits 4.8.

use crate::model::rho_ledger::add_noise;
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use syntrace_base::base::{Seed, StreamRng};

/// A cell of a histogram: key and value.
pub(super) type Cell = (u16, Vec<u8>);

/// A value and how many flows have it, with noise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frequent {
    /// Key of the histogram's cell.
    pub key: u16,
    /// 2 bytes of a port, 4 or 16 of an address; of a network the bits behind it are 0.
    pub value: Vec<u8>,
    pub count: f64,
}

/// Consecutive values: those that share the first `bits` bits.
pub(super) struct Block {
    prefix: &'static [u8],
    bits: u32,
    /// 2, 4 or 16.
    bytes: usize,
}

/// Narrower blocks first: an address is of the first that holds it. RFC 1918, 3927, 5771, 4291, 4193.
pub(super) const ADDRESSES: [Block; 9] = [
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

/// All ports.
pub(super) const PORTS: [Block; 1] = [Block { prefix: &[], bits: 0, bytes: 2 }];

/// All cells of a histogram, whatever the data.
#[derive(Clone, Copy)]
pub(super) struct Domain {
    pub blocks: &'static [Block],
    pub keys: u16,
    /// Leading bits of a value of 2, 4 and 16 bytes that make it a cell.
    pub bits: [u32; 3],
}

impl Block {
    fn holds(&self, value: &[u8]) -> bool {
        value.len() == self.bytes && (0..self.bits).all(|at| bit(value, at) == bit(self.prefix, at))
    }
}

fn bit(bytes: &[u8], at: u32) -> bool {
    bytes.get(at as usize / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
}

/// The first `bits` bits of a value, those of `behind` after them.
pub(super) fn joined(value: &[u8], behind: &[u8], bits: u32) -> Vec<u8> {
    let join = |(place, own): (usize, &u8)| {
        let kept = u32::min(8, bits.saturating_sub(8 * place as u32));
        let mask = !(0xffu16 >> kept) as u8;
        own & mask | behind.get(place).copied().unwrap_or(0) & !mask
    };
    value.iter().enumerate().map(join).collect()
}

impl Domain {
    /// Leading bits of a value of this many bytes.
    pub fn bits_of(&self, bytes: usize) -> u32 {
        match bytes {
            2 => self.bits[0],
            4 => self.bits[1],
            _ => self.bits[2],
        }
    }

    /// The cell of a value.
    fn cell(&self, (key, value): &Cell) -> Option<Cell> {
        let value = joined(value, &[], self.bits_of(value.len()));
        (*key < self.keys && self.block_of(&value).is_some()).then_some((*key, value))
    }

    fn block_of(&self, value: &[u8]) -> Option<usize> {
        self.blocks.iter().position(|block| block.holds(value))
    }

    /// Cells of a block for one key, those of narrower blocks inside it included.
    fn cells(&self, block: &Block) -> f64 {
        2f64.powi(self.bits_of(block.bytes).saturating_sub(block.bits) as i32)
    }

    fn draw(&self, block: &Block, rng: &mut StreamRng) -> Vec<u8> {
        let drawn: Vec<u8> = (0..block.bytes).map(|_| rng.random()).collect();
        let mut prefix = block.prefix.to_vec();
        prefix.resize(block.bytes, 0);
        joined(&joined(&prefix, &drawn, block.bits), &[], self.bits_of(block.bytes).max(block.bits))
    }

    /// Chance that noise alone lifts a cell of a block above its cut, which is above 0.
    fn chance(&self, block: &Block, expected: f64) -> f64 {
        (expected / self.blocks.len() as f64 / (self.cells(block) * f64::from(self.keys))).min(0.4)
    }

    /// Thresholds of the blocks, in standard deviations; `expected` is the expected number of false positives (values
    /// that no member has) above them.
    fn cuts(&self, expected: f64) -> Vec<f64> {
        self.blocks.iter().map(|block| upper_quantile(self.chance(block, expected))).collect()
    }

    fn count<'a>(&self, flows: impl IntoIterator<Item = &'a (Cell, f64)>) -> BTreeMap<Cell, f64> {
        let mut counts = BTreeMap::new();
        for (cell, weight) in flows.into_iter().filter_map(|(flow, weight)| Some((self.cell(flow)?, weight))) {
            *counts.entry(cell).or_default() += weight;
        }
        counts
    }

    /// Values above the cut, by key and value: see the module. `deviation` is that of the noise, `expected` the number of
    /// false positives (values that no member has) expected among them.
    pub fn measure<'a>(
        &self,
        flows: impl IntoIterator<Item = &'a (Cell, f64)>,
        deviation: f64,
        expected: f64,
        seed: Seed,
    ) -> Vec<Frequent> {
        let counts = self.count(flows);
        let cuts = self.cuts(expected);
        let mut noisy: Vec<f64> = counts.values().copied().collect();
        add_noise(&mut noisy, deviation, seed.named("values with a flow"));
        let mut found = Vec::new();
        for ((key, value), count) in counts.keys().zip(&noisy) {
            let cut = self.block_of(value).and_then(|block| cuts.get(block)).copied().unwrap_or(f64::INFINITY);
            if *count > cut * deviation {
                found.push(Frequent { key: *key, value: value.clone(), count: *count });
            }
        }
        let mut rng = seed.named("values without a flow").rng();
        for ((number, block), cut) in self.blocks.iter().enumerate().zip(&cuts) {
            for cell in self.distinct_cells(block, self.chance(block, expected), &mut rng) {
                let count = normal_beyond(*cut, &mut rng) * deviation;
                // Cells of narrower blocks have their own cut.
                if self.block_of(&cell.1) == Some(number) && !counts.contains_key(&cell) {
                    found.push(Frequent { key: cell.0, value: cell.1, count });
                }
            }
        }
        found.sort_by(|a, b| (a.key, &a.value).cmp(&(b.key, &b.value)));
        found
    }

    /// The cells of a block that noise alone lifts above the cut, each with the same chance.
    fn distinct_cells(&self, block: &Block, chance: f64, rng: &mut StreamRng) -> BTreeSet<Cell> {
        let wanted = successes(self.cells(block) * f64::from(self.keys), chance, rng) as usize;
        let mut cells = BTreeSet::new();
        while cells.len() < wanted {
            cells.insert((rng.random_range(0..self.keys), self.draw(block, rng)));
        }
        cells
    }
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

    const HOSTS: Domain = Domain { blocks: &ADDRESSES, keys: 1, bits: [16, 32, 128] };
    const NETWORKS: Domain = Domain { blocks: &ADDRESSES, keys: 1, bits: [16, 16, 32] };

    #[test]
    fn every_value_is_of_one_block_and_a_blocks_draws_are_its_own() {
        let mut rng = Seed::root(1).rng();
        for domain in [HOSTS, NETWORKS] {
            for (number, block) in domain.blocks.iter().enumerate() {
                for _ in 0..50 {
                    let drawn = domain.draw(block, &mut rng);
                    assert!(block.holds(&drawn) && domain.block_of(&drawn).unwrap() <= number);
                    assert_eq!(domain.cell(&(0, drawn.clone())), Some((0, drawn)));
                }
            }
        }
        assert_eq!(HOSTS.block_of(&[192, 168, 1, 1]), Some(0));
        assert_eq!(HOSTS.block_of(&[8, 8, 8, 8]), Some(4));
        assert_eq!(HOSTS.block_of(&[1, 2, 3]), None);
        assert_eq!(NETWORKS.cell(&(0, vec![52, 113, 7, 9])), Some((0, vec![52, 113, 0, 0])));
        assert_eq!(NETWORKS.cell(&(1, vec![52, 113, 7, 9])), None);
        assert_eq!(NETWORKS.cells(&ADDRESSES[0]), 1.0);
        assert_eq!(joined(&[1, 2, 3, 4], &[9, 9, 255, 9], 20), [1, 2, 15, 9]);
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
        let flows: Vec<(Cell, f64)> = many.chain(few).chain(lost).map(|cell| (cell, 1.0)).collect();
        let found = HOSTS.measure(&flows, 3.0, 1e-9, Seed::root(3));
        assert_eq!(found.iter().map(|frequent| frequent.value.clone()).collect::<Vec<_>>(), [vec![192, 168, 1, 7]]);
        assert!((found[0].count - 60.0).abs() < 15.0);
        let noise = HOSTS.measure(&[], 1.0, 200.0, Seed::root(4));
        assert!((100..300).contains(&noise.len()), "{}", noise.len());
    }
}
