//! Rare values of a column as one group, decided by its noisy one-way marginal.

use super::consistency::norm_sub;
use rand::RngExt;
use syntrace_base::base::StreamRng;

/// Values with a noisy count below this many standard deviations of the noise are rare (as in the published code of
/// NetDPSyn).
const RARE_DEVIATIONS: f64 = 3.0;

/// Cells of a column sorted into groups; each frequent cell is its own group.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// Group of each cell.
    pub group_of: Vec<u16>,
    /// Weight of each cell within its group, for decoding.
    pub weights: Vec<f32>,
    /// Cells of each group.
    members: Vec<Vec<u16>>,
}

impl Grouping {
    /// Groups by a noisy histogram whose counts have noise of this standard deviation; rare cells that
    /// are possible are decoded by their own noisy counts, or evenly.
    pub fn of_noisy(noisy: &[f64], possible: &[bool], deviation: f64, evenly: bool) -> Self {
        let is_possible = |cell: usize| possible.get(cell).copied().unwrap_or(false);
        let frequent =
            |cell: usize, count: f64| is_possible(cell) && count >= RARE_DEVIATIONS * deviation && count > 0.0;
        let rare: Vec<bool> = noisy.iter().enumerate().map(|(cell, count)| !frequent(cell, *count)).collect();
        let mut decoded: Vec<f64> = if evenly { vec![0.0; noisy.len()] } else { noisy.to_vec() };
        let rare_possible: Vec<bool> = (0..noisy.len()).map(|cell| rare[cell] && is_possible(cell)).collect();
        let total: f64 = decoded.iter().zip(&rare_possible).filter(|(_, rare)| **rare).map(|(count, _)| count).sum();
        norm_sub(&mut decoded, &rare_possible, total);
        if total <= 0.0 {
            decoded = rare_possible.iter().map(|rare| f64::from(u8::from(*rare))).collect();
        }
        let mut group_of = Vec::with_capacity(noisy.len());
        let mut next = 0;
        for rare in &rare {
            group_of.push(if *rare { u16::MAX } else { next });
            next += u16::from(!rare);
        }
        // Where only impossible cells are left they need no group: any will do, as none is ever drawn.
        let shared = if rare_possible.contains(&true) || next == 0 { next } else { 0 };
        for group in group_of.iter_mut().filter(|group| **group == u16::MAX) {
            *group = shared;
        }
        let weight = |cell: usize| if rare[cell] { decoded[cell] as f32 } else { 1.0 };
        Self::new(group_of, (0..noisy.len()).map(weight).collect())
    }

    /// From stored groups and weights.
    pub fn new(group_of: Vec<u16>, weights: Vec<f32>) -> Self {
        let groups = group_of.iter().map(|group| usize::from(*group) + 1).max().unwrap_or(0);
        let mut members = vec![Vec::new(); groups];
        for (cell, group) in group_of.iter().enumerate() {
            if let Some(cells) = members.get_mut(usize::from(*group)) {
                cells.push(cell as u16);
            }
        }
        Self { group_of, weights, members }
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.members.len()
    }

    /// Cells of a group.
    pub fn members(&self, group: usize) -> &[u16] {
        self.members.get(group).map_or(&[], Vec::as_slice)
    }

    /// Draws a cell of a group by the weights.
    pub fn draw(&self, group: u16, rng: &mut StreamRng) -> u16 {
        let cells = self.members(usize::from(group));
        let weight = |cell: u16| self.weights.get(usize::from(cell)).copied().map_or(0.0, f64::from);
        let total: f64 = cells.iter().map(|cell| weight(*cell)).sum();
        let mut left = rng.random::<f64>() * total;
        for cell in cells {
            left -= weight(*cell);
            if left < 0.0 {
                return *cell;
            }
        }
        cells.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::base::Seed;

    #[test]
    fn rare_and_impossible_values_share_a_group_and_impossible_ones_are_never_drawn() {
        let noisy = [100.0, 2.0, 50.0, -3.0, 8.0, 90.0];
        let possible = [true, true, true, true, true, false];
        let grouping = Grouping::of_noisy(&noisy, &possible, 5.0, false);
        assert_eq!(grouping.group_of, [0, 2, 1, 2, 2, 2]);
        let mut rng = Seed::root(1).rng();
        let drawn: Vec<u16> = (0..200).map(|_| grouping.draw(2, &mut rng)).collect();
        assert!(drawn.iter().all(|cell| [1, 3, 4].contains(cell)));
        let none_rare = Grouping::of_noisy(&[9.0, 8.0, 7.0], &[true, false, true], 1.0, false);
        assert_eq!((none_rare.groups(), none_rare.group_of[1], none_rare.weights[1]), (2, 0, 0.0));
        let even = Grouping::of_noisy(&noisy, &possible, 5.0, true);
        assert_eq!(even.weights, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    }
}
