//! A one-class support vector machine (Schoelkopf et al. 2001) on the attributes of members: the
//! published attack on NetShare (paper, section 3.4.1: scikit-learn's defaults after `StandardScaler`,
//! "1,000 steps").
//!
//! It is trained on members alone; the score is the decision value, and traces inside the boundary are
//! predicted to be members. A solver that is stopped early stays close to its initial point, which depends on the
//! order of the rows; so rows are shuffled by the seed first, and `ocsvm-converged` runs to the tolerance.

mod exponential;
mod kernel;
mod solver;

use super::learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
use super::options::{canonical, in_range, overlay};
use super::scaling::Scaling;
use super::shuffle::shuffle;
use super::table::AttributeTable;
pub use kernel::Points;
use serde::{Deserialize, Serialize};
pub use solver::{OneClass, SolverOptions};
use syntrace_base::error::{Error, Result};

/// Width of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Gamma {
    /// A number.
    Fixed(f64),
    /// Derived from the data.
    Rule(GammaRule),
}

/// How the width of the kernel is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GammaRule {
    /// 1 / (columns * variance of all entries).
    Scale,
    /// 1 / columns.
    Auto,
}

/// Settings of the one-class SVM.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcsvmOptions {
    /// Width of the RBF kernel.
    pub gamma: Gamma,
    /// Most iterations of the solver; 0: until it converges.
    pub iterations_max: u64,
    /// Upper bound of the share of training rows outside, lower bound of the share of support vectors.
    pub nu: f64,
    /// Scale each input by mean and standard deviation over the rows learnt from?
    pub standardise: bool,
    /// Violation of optimality at which the solver stops.
    pub tolerance: f64,
}

impl OcsvmOptions {
    /// As published: scikit-learn's defaults, stopped after 1,000 iterations.
    pub fn paper() -> Self {
        let gamma = Gamma::Rule(GammaRule::Scale);
        Self { gamma, iterations_max: 1_000, nu: 0.5, standardise: true, tolerance: 1e-3 }
    }

    /// The same, run until it converges.
    pub fn converged() -> Self {
        Self { iterations_max: 0, ..Self::paper() }
    }

    fn check(&self) -> Result<()> {
        in_range("nu", self.nu, "above 0 and at most 1", self.nu > 0.0 && self.nu <= 1.0)?;
        in_range("tolerance", self.tolerance, "above 0", self.tolerance > 0.0)?;
        match self.gamma {
            Gamma::Fixed(gamma) => in_range("gamma", gamma, "above 0, `scale` or `auto`", gamma > 0.0),
            Gamma::Rule(_) => Ok(()),
        }
    }
}

/// The one-class SVM attack with some options.
#[derive(Debug, Clone, PartialEq)]
pub struct Ocsvm {
    kind: &'static str,
    options: OcsvmOptions,
}

impl Ocsvm {
    /// An attack of that kind: the preset overlaid by what is written.
    pub fn new(
        kind: &'static str,
        preset: &OcsvmOptions,
        written: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self> {
        let options = overlay(preset, written)?;
        options.check()?;
        Ok(Self { kind, options })
    }
}

impl AttackTerms for Ocsvm {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn options(&self) -> String {
        canonical(self.kind, &self.options)
    }
}

impl Attack for Ocsvm {
    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        let table = training_set.table;
        let mut rows: Vec<usize> = training_set.rows.iter().copied().filter(|&row| is_member(table, row)).collect();
        if rows.is_empty() || table.width == 0 {
            return Err(Error::user(format!(
                "attack `{}` expects members with attributes of at least one number, found `{}` members and `{}` numbers",
                self.kind,
                rows.len(),
                table.width
            ))
            .hint("give the split more traces, or the study more shadows"));
        }
        shuffle(&mut rows, &mut training_set.seed.named("rows").rng());
        let scaling = if self.options.standardise { Scaling::of(table, &rows) } else { Scaling::none(table.width) };
        let points = points(&scaling, table, &rows);
        let gamma = match self.options.gamma {
            Gamma::Fixed(gamma) => gamma,
            Gamma::Rule(GammaRule::Auto) => 1.0 / table.width as f64,
            Gamma::Rule(GammaRule::Scale) => points.scale_gamma(),
        };
        let solver = SolverOptions {
            nu: self.options.nu,
            tolerance: self.options.tolerance,
            iterations_max: (self.options.iterations_max > 0).then_some(self.options.iterations_max),
        };
        Ok(Box::new(FittedOcsvm { scaling, machine: OneClass::fit(&points, gamma, &solver)? }))
    }
}

fn is_member(table: &AttributeTable, row: usize) -> bool {
    table.member.get(row) == Some(&true)
}

fn points(scaling: &Scaling, table: &AttributeTable, rows: &[usize]) -> Points {
    let rows = rows.iter().filter_map(|&row| table.row(row));
    Points::new(rows.flat_map(|row| scaling.apply(row)).collect(), table.width)
}

struct FittedOcsvm {
    scaling: Scaling,
    machine: OneClass,
}

impl FittedAttack for FittedOcsvm {
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>> {
        let scores = self.machine.decision(&points(&self.scaling, table, rows));
        Ok(scores.into_iter().map(|score| score as f32).collect())
    }

    fn threshold(&self) -> f32 {
        0.0
    }

    fn converged(&self) -> Option<bool> {
        Some(!self.machine.hit_cap)
    }
}
