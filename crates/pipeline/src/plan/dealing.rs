//! Deals units of work to shares: longest first (Graham 1969), each to the share that has least so far.
//!
//! Units are tied by bonds of three strengths. The firmest is never parted; the others are, the loosest first, where a
//! share would be too large otherwise. Costs are whole milliseconds, so that every machine deals alike.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A dealing whose largest share is at most this multiple of the mean is good enough: nothing more is parted for it.
const BALANCED: f64 = 1.08;

/// How strongly units are tied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// Never parted.
    Firm = 0,
    /// Parted where nothing looser can be.
    Loose = 1,
    /// Parted first.
    Near = 2,
}

/// What is never parted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    /// What it takes.
    pub cost_ms: u64,
    /// Place of a unit of the same group by each bond: chains that end at themselves. What is tied is tied by all looser
    /// bonds as well.
    next: [usize; 3],
}

impl Unit {
    /// The unit at a place, tied to nothing.
    pub fn new(place: usize) -> Self {
        Self { cost_ms: 0, next: [place; 3] }
    }
}

/// Ties two units.
pub(super) fn tie(units: &mut [Unit], a: usize, b: usize, bond: Bond) {
    for bond in [Bond::Firm, Bond::Loose, Bond::Near].into_iter().skip(bond as usize) {
        let (a, b) = (root(units, a, bond), root(units, b, bond));
        if let Some(unit) = units.get_mut(a.max(b)) {
            unit.next[bond as usize] = a.min(b);
        }
    }
}

fn root(units: &[Unit], mut place: usize, bond: Bond) -> usize {
    while let Some(next) = units.get(place).map(|unit| unit.next[bond as usize]).filter(|next| *next != place) {
        place = next;
    }
    place
}

/// A firm group: its loose group, its cost and its units.
type Group = (usize, u64, Vec<usize>);

/// Firm groups that go to one share together; those of one loose group stand together.
#[derive(Debug, Clone)]
struct Piece {
    groups: Vec<Group>,
}

impl Piece {
    fn cost(&self) -> u64 {
        self.groups.iter().map(|(_, cost, _)| cost).sum()
    }

    /// Two pieces whose costs differ least, in order, cut between loose groups where it holds several; `None` where it
    /// cannot be parted.
    fn halves(&self) -> Option<(Self, Self)> {
        let (all, mut before) = (self.cost(), 0);
        let pairs = self.groups.windows(2).enumerate();
        let cuts = pairs.filter_map(|(at, pair)| match pair {
            [(left, cost, _), (right, ..)] => {
                before += cost;
                Some((left == right, (2 * before).abs_diff(all), at + 1))
            }
            _ => None,
        });
        let (_, _, at) = cuts.min()?;
        let (left, right) = self.groups.split_at(at);
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

/// A piece of each group by the loosest bond.
fn pieces(units: &[Unit]) -> Vec<Piece> {
    let mut near: BTreeMap<usize, BTreeMap<(usize, usize), Group>> = BTreeMap::new();
    for (place, unit) in units.iter().enumerate() {
        let [firm, loose, piece] = [Bond::Firm, Bond::Loose, Bond::Near].map(|bond| root(units, place, bond));
        let groups = near.entry(piece).or_default();
        let group = groups.entry((loose, firm)).or_insert_with(|| (loose, 0, Vec::new()));
        group.1 += unit.cost_ms;
        group.2.push(place);
    }
    near.into_values().map(|groups| Piece { groups: groups.into_values().collect() }).collect()
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
        for place in piece.groups.iter().flat_map(|(_, _, units)| units) {
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
        tie(&mut tied, 0, 1, Bond::Firm);
        tie(&mut tied, 3, 2, Bond::Firm);
        tie(&mut tied, 1, 2, Bond::Loose);
        assert_eq!(deal(&tied, 1), [1; 4]);
        let shares = deal(&tied, 2);
        assert_eq!(shares[0], shares[1]);
        assert_eq!(shares[2], shares[3]);
        assert_ne!(shares[0], shares[2]);
        // Two groups of one size for two shares: nothing is parted.
        let mut pairs = units(&[6, 5, 5, 6]);
        tie(&mut pairs, 0, 1, Bond::Loose);
        tie(&mut pairs, 2, 3, Bond::Loose);
        let shares = deal(&pairs, 2);
        assert_eq!((shares[0], shares[2]), (shares[1], shares[3]));
    }

    #[test]
    fn the_loosest_bond_is_parted_first() {
        // The middle of the costs is inside the second pair; the cut is beside it.
        let mut tied = units(&[3, 3, 5, 5, 2, 2]);
        for (a, b) in [(0, 5), (1, 4), (2, 3)] {
            tie(&mut tied, a, b, Bond::Loose);
        }
        tie(&mut tied, 0, 1, Bond::Near);
        tie(&mut tied, 1, 2, Bond::Near);
        let shares = deal(&tied, 2);
        assert_eq!([shares[0], shares[1], shares[2]], [shares[5], shares[4], shares[3]], "{shares:?}");
        assert_eq!(loads(&tied, &shares, 2), [10, 10]);
    }

    #[test]
    fn of_more_shares_than_units_the_last_are_empty() {
        let units = units(&[5, 4, 3]);
        let shares = deal(&units, 8);
        assert_eq!(shares, [1, 2, 3]);
    }
}
