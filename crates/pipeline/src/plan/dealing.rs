//! Deals units of work to shares: longest first (Graham 1969), each to the share that has least so far.
//!
//! Units are tied: firmly, so that they are never parted, or loosely, so that they are parted only where a share would
//! be too large otherwise. Costs are whole milliseconds, so that every machine deals alike.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A dealing whose largest share is at most this multiple of the mean is good enough: nothing more is parted for it.
const BALANCED: f64 = 1.08;

/// What is never parted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    /// What it takes.
    pub cost_ms: u64,
    /// Place of a unit of the same firm group, and of the same loose one: chains that end at themselves.
    firm: usize,
    loose: usize,
}

impl Unit {
    /// The unit at a place, tied to nothing.
    pub fn new(place: usize) -> Self {
        Self { cost_ms: 0, firm: place, loose: place }
    }
}

/// Ties two units; what is tied firmly is tied loosely as well.
pub(super) fn tie(units: &mut [Unit], a: usize, b: usize, firmly: bool) {
    let (from, to) = (root(units, a, |unit| unit.loose), root(units, b, |unit| unit.loose));
    if let Some(unit) = units.get_mut(from.max(to)) {
        unit.loose = from.min(to);
    }
    if firmly {
        let (from, to) = (root(units, a, |unit| unit.firm), root(units, b, |unit| unit.firm));
        if let Some(unit) = units.get_mut(from.max(to)) {
            unit.firm = from.min(to);
        }
    }
}

fn root(units: &[Unit], mut place: usize, next: impl Fn(&Unit) -> usize) -> usize {
    while let Some(unit) = units.get(place).filter(|unit| next(unit) != place) {
        place = next(unit);
    }
    place
}

/// Firm groups that go to one share together, in their order.
#[derive(Debug, Clone)]
struct Piece {
    /// Cost and units of each group.
    groups: Vec<(u64, Vec<usize>)>,
}

impl Piece {
    fn cost(&self) -> u64 {
        self.groups.iter().map(|(cost, _)| cost).sum()
    }

    /// Two pieces whose costs differ least, in order; `None` where it cannot be parted.
    fn halves(&self) -> Option<(Self, Self)> {
        if self.groups.len() < 2 {
            return None;
        }
        let (all, mut before) = (self.cost(), 0);
        let mut best = (u64::MAX, 1);
        for (at, (cost, _)) in self.groups.iter().enumerate().take(self.groups.len() - 1) {
            before += cost;
            best = best.min(((2 * before).abs_diff(all), at + 1));
        }
        let (left, right) = self.groups.split_at(best.1);
        Some((Self { groups: left.to_vec() }, Self { groups: right.to_vec() }))
    }
}

/// The share, from 1 to `count`, of each unit.
pub(super) fn deal(units: &[Unit], count: u32) -> Vec<u32> {
    let mut pieces = pieces(units);
    let total: u64 = units.iter().map(|unit| unit.cost_ms).sum();
    let mean = total as f64 / f64::from(count);
    let mut best: Option<(u64, Vec<u32>)> = None;
    loop {
        let (shares, loads) = assign(&pieces, count);
        let largest = loads.iter().copied().max().unwrap_or(0);
        if best.as_ref().is_none_or(|(least, _)| largest < *least) {
            best = Some((largest, of_units(units.len(), &pieces, &shares)));
        }
        if largest as f64 <= BALANCED * mean {
            break;
        }
        let is_largest = |at: &usize| {
            let share = shares.get(*at).and_then(|share| loads.get(*share as usize - 1));
            share == Some(&largest)
        };
        // The costliest of the largest share, else of all.
        let parts = (0..pieces.len()).filter(|at| pieces.get(*at).is_some_and(|piece| piece.groups.len() > 1));
        let part = parts.max_by_key(|at| (is_largest(at), pieces.get(*at).map(Piece::cost), Reverse(*at)));
        let Some((at, (left, right))) = part.and_then(|at| Some((at, pieces.get(at)?.halves()?))) else { break };
        pieces.splice(at..=at, [left, right]);
    }
    best.map(|(_, shares)| shares).unwrap_or_default()
}

/// A piece of each loose group.
fn pieces(units: &[Unit]) -> Vec<Piece> {
    let mut loose: BTreeMap<usize, BTreeMap<usize, (u64, Vec<usize>)>> = BTreeMap::new();
    for (place, unit) in units.iter().enumerate() {
        let groups = loose.entry(root(units, place, |unit| unit.loose)).or_default();
        let group = groups.entry(root(units, place, |unit| unit.firm)).or_default();
        group.0 += unit.cost_ms;
        group.1.push(place);
    }
    loose.into_values().map(|groups| Piece { groups: groups.into_values().collect() }).collect()
}

/// The share of each piece, and the cost of each share.
fn assign(pieces: &[Piece], count: u32) -> (Vec<u32>, Vec<u64>) {
    let mut order: Vec<(u64, usize)> = pieces.iter().enumerate().map(|(at, piece)| (piece.cost(), at)).collect();
    order.sort_by_key(|(cost, at)| (Reverse(*cost), *at));
    let mut least: BinaryHeap<Reverse<(u64, u32)>> = (1..=count).map(|number| Reverse((0, number))).collect();
    let (mut shares, mut loads) = (vec![1; pieces.len()], vec![0; count as usize]);
    for (cost, at) in order {
        let Some(Reverse((load, number))) = least.pop() else { break };
        if let (Some(share), Some(sum)) = (shares.get_mut(at), loads.get_mut(number as usize - 1)) {
            (*share, *sum) = (number, load + cost);
        }
        least.push(Reverse((load + cost, number)));
    }
    (shares, loads)
}

fn of_units(count: usize, pieces: &[Piece], shares: &[u32]) -> Vec<u32> {
    let mut out = vec![1; count];
    for (piece, share) in pieces.iter().zip(shares) {
        for place in piece.groups.iter().flat_map(|(_, units)| units) {
            if let Some(slot) = out.get_mut(*place) {
                *slot = *share;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(costs: &[u64]) -> Vec<Unit> {
        costs.iter().enumerate().map(|(place, cost)| Unit { cost_ms: *cost, ..Unit::new(place) }).collect()
    }

    fn loads(units: &[Unit], shares: &[u32], count: u32) -> Vec<u64> {
        let of = |number| units.iter().zip(shares).filter(move |(_, share)| **share == number);
        (1..=count).map(|number| of(number).map(|(unit, _)| unit.cost_ms).sum()).collect()
    }

    #[test]
    fn the_longest_come_first_and_each_goes_where_least_is() {
        let units = units(&[2, 3, 7, 5, 4, 3]);
        let shares = deal(&units, 2);
        assert_eq!(loads(&units, &shares, 2), [12, 12]);
        assert_eq!(deal(&units, 1), [1; 6]);
    }

    #[test]
    fn what_is_tied_firmly_stays_together_and_loosely_until_it_is_too_large() {
        let mut tied = units(&[10, 10, 10, 10]);
        tie(&mut tied, 0, 1, true);
        tie(&mut tied, 3, 2, true);
        tie(&mut tied, 1, 2, false);
        assert_eq!(deal(&tied, 1), [1; 4]);
        let shares = deal(&tied, 2);
        assert_eq!(shares[0], shares[1]);
        assert_eq!(shares[2], shares[3]);
        assert_ne!(shares[0], shares[2]);
        // Two groups of one size for two shares: nothing is parted.
        let mut pairs = units(&[6, 5, 5, 6]);
        tie(&mut pairs, 0, 1, false);
        tie(&mut pairs, 2, 3, false);
        let shares = deal(&pairs, 2);
        assert_eq!((shares[0], shares[2]), (shares[1], shares[3]));
    }

    #[test]
    fn of_more_shares_than_units_the_last_are_empty() {
        let units = units(&[5, 4, 3]);
        let shares = deal(&units, 8);
        assert_eq!(shares, [1, 2, 3]);
    }
}
