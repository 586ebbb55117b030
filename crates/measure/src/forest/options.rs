//! How a forest grows: trees, depth, bootstrap, and the features that a split looks at.

/// How many features a split looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureShare {
    /// The root of their number, rounded down, at least one.
    Sqrt,
    /// All.
    All,
}

impl FeatureShare {
    pub(super) fn of(self, features: usize) -> usize {
        match self {
            Self::Sqrt => features.isqrt().max(1),
            Self::All => features,
        }
    }
}

/// How a forest grows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestOptions {
    /// Does each tree see its own bootstrap of the rows?
    pub bootstrap: bool,
    /// Most edges from the root to a leaf; `None`: no limit.
    pub depth_max: Option<u32>,
    /// Features that a split looks at.
    pub features: FeatureShare,
    /// Fewest distinct rows in a leaf.
    pub least_leaf_rows: usize,
    /// Fewest distinct rows in a node that is split.
    pub least_split_rows: usize,
    /// Trees.
    pub trees: usize,
}

impl ForestOptions {
    /// The defaults of scikit-learn's `RandomForestClassifier`: 100 trees, Gini, the root of the number
    /// of features per split, bootstrap, leaves down to one row.
    pub fn standard() -> Self {
        Self {
            bootstrap: true,
            depth_max: None,
            features: FeatureShare::Sqrt,
            least_leaf_rows: 1,
            least_split_rows: 2,
            trees: 100,
        }
    }
}
