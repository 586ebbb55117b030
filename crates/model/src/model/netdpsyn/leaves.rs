//! Leaf columns: synthesised last, each conditional on one other column.

use super::table::{Goal, Shape, project};

/// A column that hangs on one other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'a> {
    /// The leaf.
    pub(super) column: usize,
    /// The column that it is conditional on.
    pub(super) anchor: usize,
    /// Their marginal.
    pub(super) goal: &'a Goal,
}

/// Peels columns that occur in one marginal only, a pair, again and again. Returns them in order, and
/// the goals of the other columns: what is left of the marginals, one-way ones where nothing is left.
pub(super) fn clip_leaves<'a>(goals: &'a [Goal], groups: &[usize], key: Option<usize>) -> (Vec<Leaf<'a>>, Vec<Goal>) {
    let mut open: Vec<&Goal> = goals.iter().filter(|goal| goal.shape.columns.len() > 1).collect();
    let mut leaves: Vec<Leaf<'a>> = Vec::new();
    loop {
        let degree = |column: usize| open.iter().filter(|goal| goal.shape.columns.contains(&column)).count();
        let leaf = open.iter().enumerate().find_map(|(index, goal)| {
            let [a, b] = *goal.shape.columns.as_slice() else { return None };
            // The key column stays, so that the start has it.
            let ends = if Some(b) == key { [(a, b), (b, a)] } else { [(b, a), (a, b)] };
            let end = ends.into_iter().find(|(column, _)| degree(*column) == 1)?;
            Some((index, Leaf { column: end.0, anchor: end.1, goal }))
        });
        let Some((index, leaf)) = leaf else { break };
        open.remove(index);
        leaves.push(leaf);
    }
    let mut kept: Vec<Goal> = open.into_iter().cloned().collect();
    for column in 0..groups.len() {
        let is_leaf = leaves.iter().any(|leaf| leaf.column == column);
        if is_leaf || kept.iter().any(|goal| goal.shape.columns.contains(&column)) {
            continue;
        }
        if let Some(goal) = goals.iter().find(|goal| goal.shape.columns.contains(&column)) {
            kept.push(one_way(goal, column, groups));
        }
    }
    (leaves, kept)
}

fn one_way(goal: &Goal, column: usize, groups: &[usize]) -> Goal {
    let shape = Shape::over(&[column], groups);
    let shares = project(&goal.shares, &goal.shape.projection(&shape), shape.cells());
    Goal { shape, shares }
}
