//! NetShare (Yin et al. 2022): header fields of a trace by a GAN of the DoppelGANger kind (Lin et al.
//! 2020). An MLP makes the attributes of a sample (addresses, ports, protocol, start), an LSTM its
//! packets; critic D judges whole samples, critic A the attributes, both by WGAN-GP (Gulrajani et al.
//! 2017). The attribute of a trace is what the critics say about it.
//!
//! ```text
//! fields -> layout (+ words) -> cells -> critic <- generator <- noise
//! cells -> layout -> fields of synthetic packets
//! ```
//!
//! A training step is one round of both critics on a Poisson batch: one sum of per-trace gradients of D
//! and A together, clipped jointly, one release. Every `critic_rounds`-th step is followed by a step of
//! the generator, which sees noise and the critics only. Losses: of a training batch
//! `D(fake) - D(real)`; of members and held-out traces in evaluation `-D(real)`, so that their
//! difference is the generalization gap of the critic.
//!
//! Departures from the published code, all on purpose: Poisson batches that are fresh for each round
//! (it reuses one batch for five); generated samples drawn per step and not per trace; ranges and
//! vocabulary from public constants; the penalty between real and generated samples (`interpolation =
//! "fake_only"` for the published place). IPv6 traces take part with a digest for an address and come
//! back as IPv4 (see `layout`).
//!
//! Invariants: what one trace adds to a step's sum depends on no other trace; no range, vocabulary,
//! length or count comes from traces; weights hold the word vectors that encoded the training traces.

mod config;
mod facade;
mod layout;
mod words;

#[cfg(feature = "torch")]
mod attribute;
#[cfg(feature = "torch")]
mod critic;
#[cfg(feature = "torch")]
mod generator;
#[cfg(feature = "torch")]
mod monitor;
#[cfg(feature = "torch")]
mod network;
#[cfg(feature = "torch")]
mod sample;
#[cfg(feature = "torch")]
mod step;

pub use config::{Activation, Interarrival, Interpolation, Mask, NetShareConfig, Outputs, Samples, StartOption};
pub use facade::NetShare;
pub use layout::{decode_sample, trace_rows, trace_samples};
pub use words::Words;

#[cfg(feature = "torch")]
pub use critic::{Critic, CriticBatch, CriticLoss, PENALTY_EPS};
#[cfg(feature = "torch")]
pub use network::NetShareNetwork;
