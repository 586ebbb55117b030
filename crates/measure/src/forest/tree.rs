//! One grown decision tree.

/// Marks a node without children.
pub(super) const LEAF: u32 = u32::MAX;

/// One node; a row goes left where its feature is at most the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    /// Feature, or [`LEAF`].
    pub feature: u32,
    pub threshold: f32,
    /// Left child; the class shares' number where the node is a leaf.
    pub left: u32,
    pub right: u32,
}

/// A tree: nodes from the root on, and the class shares of its leaves.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    /// Class shares of each leaf, one after the other.
    pub shares: Vec<f32>,
    /// Impurity decrease of each split feature, weighted by the node's share of all rows.
    pub gains: Vec<(u32, f64)>,
    /// Edges from the root to the deepest leaf.
    pub depth: u32,
}

impl Tree {
    /// Class shares of the leaf that a row falls into.
    pub fn shares_of(&self, row: &[f32], classes: usize) -> &[f32] {
        let mut at = 0usize;
        loop {
            let Some(node) = self.nodes.get(at) else { return &[] };
            if node.feature == LEAF {
                let start = node.left as usize * classes;
                return self.shares.get(start..start + classes).unwrap_or(&[]);
            }
            let value = row.get(node.feature as usize).copied().unwrap_or(0.0);
            at = if value <= node.threshold { node.left } else { node.right } as usize;
        }
    }
}
