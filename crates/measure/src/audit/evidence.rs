//! The evidence about one model in a study, as input of an audit.

use super::one_run::{Guesses, one_run_bound, one_run_provable};
use crate::eval::{Confusion, Roc, empirical_epsilon};
use crate::privacy::promises_nothing;

/// What an attacker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The synthetic traffic alone.
    SyntheticTraffic,
    /// The model: it can be asked about a trace.
    Model,
}

impl Access {
    /// Both, what everybody can have first.
    pub const ALL: [Self; 2] = [Self::SyntheticTraffic, Self::Model];

    /// Who has it.
    pub fn who(self) -> &'static str {
        match self {
            Self::SyntheticTraffic => "whoever has the synthetic traffic alone",
            Self::Model => "whoever may ask the model about a trace",
        }
    }
}

/// An attack's scores taken together by host, on the model's own traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostEvidence {
    /// AUC over hosts by the mean score of their traces.
    pub auc: f64,
    /// Hosts with members.
    pub members: u64,
    /// Hosts with held-out traces.
    pub held_out: u64,
}

/// An attack on the model's own traces.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackEvidence {
    /// Attack and attribute kind.
    pub name: String,
    /// Mean AUC on shadow test data over all targets of the generator and regime, by which the strongest is chosen;
    /// `None` where it has none.
    pub mean_on_shadows: Option<f64>,
    /// AUC on the model's own traces; not a number where it is undefined.
    pub auc: f64,
    /// Members attacked.
    pub members: u64,
    /// Held-out traces attacked.
    pub held_out: u64,
    /// Are those hosts, each with all its traces?
    pub hosts: bool,
    /// Its curve; `None` where the scores are withheld.
    pub roc: Option<Roc>,
    /// What it takes.
    pub access: Access,
    /// The same scores of traces averaged by host, where that is known.
    pub by_host: Option<HostEvidence>,
}

/// One row of the table `leaks`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakEvidence {
    /// Measure.
    pub measure: String,
    /// Of what.
    pub kind: String,
    /// Traces that leaked.
    pub hits: u64,
    /// Out of how many.
    pub n: u64,
    /// Traces of the control that seem to have leaked.
    pub control_hits: u64,
    /// Out of how many; 0 where there is no control.
    pub control_n: u64,
}

/// Components of a lower bound on epsilon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Guesses of an attack about a split of fixed size.
    Attack {
        /// Guesses.
        counts: Confusion,
        /// Delta of the claim.
        delta: f64,
    },
    /// Guesses of a one-run audit, whose canaries were thrown in by fair coins.
    OneRun {
        /// Guesses at the best share of canaries.
        guesses: Guesses,
        /// Delta of the claim.
        delta: f64,
    },
}

impl Bound {
    /// Epsilon is at least this at a confidence, and the most that so much evidence could prove.
    pub fn epsilon(&self, confidence: f64) -> (f64, f64) {
        match *self {
            Self::Attack { counts, delta } => {
                let all_right = Confusion {
                    true_positives: counts.true_positives + counts.false_negatives,
                    false_positives: 0,
                    true_negatives: counts.true_negatives + counts.false_positives,
                    false_negatives: 0,
                };
                let bound = |counts| empirical_epsilon(counts, delta, confidence).lower;
                (bound(counts), bound(all_right))
            }
            Self::OneRun { guesses, delta } => {
                let provable = one_run_provable(guesses.canaries, delta, confidence);
                (one_run_bound(guesses, delta, confidence), provable)
            }
        }
    }
}

/// A lower bound on epsilon.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundEvidence {
    /// How it was found.
    pub method: String,
    /// What was found.
    pub found: Bound,
}

/// The evidence about one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// `netssm os/windows eps4 target`.
    pub name: String,
    /// Trained with DP, or claimed to be?
    pub private: bool,
    /// Epsilon that names it; of models made elsewhere what their makers claim.
    pub epsilon_claimed: Option<f64>,
    /// Epsilon over the whole lineage; infinite where private traces went past the mechanism, `None` where it is not known.
    pub epsilon_end_to_end: Option<f64>,
    /// `end-to-end`, `conditional`, `none`.
    pub guarantee: String,
    /// Delta of its epsilon.
    pub delta: Option<f64>,
    /// Traces (hosts, where they are the unit) that it was trained on, where that is known.
    pub members: Option<u64>,
    /// What its epsilon is about: `trace`, `host`, or as the makers of an imported model claim.
    pub unit: Option<String>,
    /// Of a redacted copy, which holds no scores?
    pub redacted: bool,
    /// Attacks on the model's own members and held-out traces.
    pub attacks: Vec<AttackEvidence>,
    /// Empirical lower bounds.
    pub bounds: Vec<BoundEvidence>,
    /// Leakage into its synthetic traces.
    pub leaks: Vec<LeakEvidence>,
}

impl Evidence {
    /// Is its delta, claimed or accounted, so large that it promises nothing?
    pub(super) fn promises_nothing(&self) -> bool {
        self.delta.zip(self.members).is_some_and(|(delta, members)| promises_nothing(delta, members))
    }

    /// The attack on traces, or on hosts, that works best on shadows: the target takes no part in the choice.
    pub fn strongest(&self, hosts: bool) -> Option<&AttackEvidence> {
        strongest(self.attacks.iter().filter(|attack| attack.hosts == hosts))
    }

    /// The strongest of the attacks on traces that take a certain access.
    pub fn strongest_with(&self, access: Access) -> Option<&AttackEvidence> {
        strongest(self.attacks.iter().filter(|attack| !attack.hosts && attack.access == access))
    }
}

fn strongest<'a>(attacks: impl Iterator<Item = &'a AttackEvidence>) -> Option<&'a AttackEvidence> {
    let strength = |attack: &AttackEvidence| attack.mean_on_shadows.unwrap_or(f64::NEG_INFINITY);
    // of equals the first by name, as queries do
    attacks.min_by(|a, b| strength(b).total_cmp(&strength(a)).then_with(|| a.name.cmp(&b.name)))
}
