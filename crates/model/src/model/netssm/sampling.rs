//! How traces are drawn from the network's probabilities.

use serde::{Deserialize, Serialize};

/// How traces are sampled: top-k first, then temperature, then top-p within the top-k.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Divides logits; 0 takes the largest.
    pub temperature: f64,
    /// Most candidates; 0 = all.
    pub top_k: u32,
    /// Smallest set of candidates with at least this probability; 1 = all.
    pub top_p: f64,
}

/// What may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decode {
    /// Any byte or delimiter at any place, as published.
    #[default]
    Free,
    /// What can go on to a well-formed packet: see `syntrace_traffic::encoding::PacketGrammar`.
    Packet,
}

impl Decode {
    /// As published, and as in models from before there was a choice: not written.
    pub(super) fn is_free(&self) -> bool {
        *self == Self::Free
    }
}
