//! NetSSM (Chu et al. 2025): packet bytes as tokens, a Mamba-2 language model (Dao and Gu 2024) with
//! tied embedding, next-token loss; the attributes of a trace are summaries of its tokens' logits.
//!
//! The block runs in chunked matmul form for training and one token at a time for generation; both
//! are checked against a plain recurrence. Weights are named as in public `mamba_ssm` checkpoints.
//!
//! Invariants: the loss of a trace is the mean over its own targets, padding excluded; vocabulary,
//! lengths and layout are protocol constants; a sampled id is always a byte, a delimiter or the end.

mod config;
mod private;
mod sampling;
mod tokens;

#[cfg(feature = "torch")]
mod attribute;
#[cfg(feature = "torch")]
mod block;
#[cfg(feature = "torch")]
mod chunked;
mod family;
#[cfg(feature = "torch")]
mod fused;
#[cfg(feature = "torch")]
mod network;
#[cfg(feature = "torch")]
mod plain;
#[cfg(feature = "torch")]
mod sample;
#[cfg(feature = "torch")]
mod ssd;
#[cfg(feature = "torch")]
mod stepper;
#[cfg(feature = "torch")]
mod training;

pub use config::NetSsmConfig;
pub use family::NetSsm;
pub use private::PrivateTraining;
pub use sampling::{Decode, Sampling};
pub use tokens::{DELIMITER, END, LABEL, PADDING, VOCABULARY, trace_tokens};

#[cfg(feature = "torch")]
pub use block::FinalStates;
#[cfg(feature = "torch")]
pub use network::NetSsmNetwork;
#[cfg(feature = "torch")]
pub use ssd::{SsdInput, ssd};
#[cfg(feature = "torch")]
pub use stepper::Stepper;
