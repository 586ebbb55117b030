//! Membership inference attacks: attributes of shadow models in, membership scores out (paper,
//! section 3.3.3).
//!
//! An [`Attack`] learns from labelled attributes of shadow models and then scores any attributes;
//! [`run`] is the paper's protocol around it. Invariants: a higher score always means "more likely a
//! member"; the outcome depends on the rows, never on their order; every draw comes from the seed that
//! is passed in; an attack never sees the label of a row that it scores.
//!
//! Adding an attack: one file with a type that implements [`Attack`], one arm in [`AttackKind`].

#[cfg(feature = "torch")]
mod fit;
mod kind;
mod mlp;
#[cfg(feature = "torch")]
mod network;
mod protocol;
mod shuffle;
mod table;
mod threshold;

pub use kind::{Attack, AttackKind, FittedAttack};
pub use mlp::{Mlp, MlpOptions};
#[cfg(feature = "torch")]
pub use network::{Adam, MlpNetwork};
pub use protocol::{AttackOutcome, SHADOW_TRAIN_SHARE, SideScores, run, run_attack};
pub use table::AttributeTable;
pub use threshold::Threshold;
