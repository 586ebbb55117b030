//! Membership inference attacks: attributes of shadow models in, membership scores out (paper,
//! section 3.3.3).
//!
//! An [`Attack`] learns from labelled attributes of shadow models and then scores any attributes;
//! [`run`] is the paper's protocol around it. Invariants: a higher score always means "more likely a
//! member"; the outcome depends on the rows, never on their order; every draw comes from the seed that
//! is passed in; an attack never sees the label of a row that it scores.
//!
//! Attacks that learn from attributes (`mlp`, `ocsvm`, `random_forest`) or choose a threshold (`threshold`) need
//! nothing else. Those that compare attributes of one trace from several models (`lira`, `rmia`) need
//! *references*: attributes of models on traces outside their own splits. Offline variants are possible
//! with any split; online ones need shadows that were trained on the target's traces, which only
//! `split.overlap = true` gives.
//!
//! Where values are identifiable only up to an additive constant per model
//! ([`WithoutZero`](syntrace_base::record::WithoutZero): a WGAN critic's score), results do not depend on that
//! constant: every model's median is subtracted first, and attacks that need probabilities (`rmia`; `lira` by logits)
//! are rejected.
//!
//! Any attack that learns from attributes may read hosts in the place of traces ([`AttributeTable::by_host`]): what a model
//! says about all traces of one.
//!
//! Adding an attack: one file with a type that implements [`Attack`], one arm in [`AttackKind`].

#[cfg(feature = "torch")]
mod fit;
mod kind;
mod learner;
mod lira;
mod median_centering;
mod mlp;
mod mlp_options;
#[cfg(feature = "torch")]
mod network;
mod ocsvm;
mod options;
mod protocol;
mod random_forest;
mod references;
mod rmia;
mod scaling;
mod shuffle;
mod source;
mod statistic;
mod table;
mod threshold;

#[cfg(feature = "torch")]
pub use crate::adam::Adam;
pub use kind::{AnyAttack, AttackKind};
pub use learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
pub use lira::{Centre, Lira, LiraMode, LiraOptions, Spread, Transform, Variance, lira_score};
pub use mlp::Mlp;
pub use mlp_options::MlpOptions;
#[cfg(feature = "torch")]
pub use network::MlpNetwork;
pub use ocsvm::{Gamma, GammaRule, Ocsvm, OcsvmOptions, OneClass, Points, SolverOptions};
pub use protocol::{AttackOutcome, Evidence, SHADOW_TRAIN_SHARE, SideScores, each_target, run, run_attack};
pub use random_forest::RandomForest;
pub use rmia::{Rmia, RmiaMode, RmiaOptions, rmia_log_prior, rmia_population_log_prior, rmia_score};
pub use statistic::{Direction, Statistic, StridedRange};
pub use table::AttributeTable;
pub use threshold::Threshold;
