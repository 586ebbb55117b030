//! Layers with a leading model axis and book-keeping clipping (the crate's only neural-network code).
//!
//! Shapes: weights are `[M, ...]`, activations `[M, B, ...]`: M models of one shape are trained in
//! lockstep on B traces each; M = 1 is the same code. A forward pass through a recording [`Tape`]
//! keeps, for each weight, its input and captures its pre-activation output; one backward pass then
//! gives the gradients of the captured tensors, from which [`PerTrace`] forms per-trace norms and
//! clipped sums. There is never a second backward pass.
//!
//! Invariants: weights never require gradients themselves, so no batch gradient is ever formed behind
//! the clipping; the uses of a shared weight add up *before* a norm is taken; nothing here draws
//! random numbers; everything that meets a weight lies on the weights' device ([`Params::device`]).

mod attention;
mod conv;
mod device;
mod embedding;
mod linear;
mod loss;
mod norm;
mod params;
mod per_trace;
mod recurrent;
mod tape;

pub use attention::{AttentionParams, LinearParams, attend};
pub use conv::ConvShape;
pub use device::{cuda_devices, multiply_squares, placed, synchronise, use_threads};
pub use loss::{TokenLoss, token_cross_entropy};
pub use params::{Param, Params, kind_bytes, tensor_from_view};
pub use per_trace::{Part, PerTrace};
pub use recurrent::LstmParams;
pub use tape::Tape;
