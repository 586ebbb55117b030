//! NetDiffusion (Jiang et al. 2024) without downloaded weights: a trace as an nPrint image, a latent
//! diffusion model that is trained on public traffic, and low-rank adapters on its attention projections as
//! the only weights that see private traces.
//!
//! ```text
//! cells [R, 1088] -> autoencoder -> latent [c, R, 136] -> U-Net (+ LoRA) -> noise -> 20 steps -> cells
//! ```
//!
//! Layout: the columns with addresses ([`syntrace_traffic::encoding::NprintLayout::Addresses`]), as the study describes
//! them and as the encoding `nprint` stores them. The published code has another 1,088 columns without
//! addresses; there the fidelity of addresses measures a random fill, here it measures the model.
//!
//! What cannot have its published size: the published system adapts Stable Diffusion 3 Medium (2 billion
//! weights, T5 and CLIP captions, latents of 8 x 8 pixels). Here the autoencoder reduces the bit axis alone,
//! so that it can be exact to the bit, and the caption is a table of frozen vectors. Kept: colours, columns,
//! fixed caption, rank 4 on q, k, v and output projections, noise prediction over 1,000 steps with the
//! scaled-linear schedule, 20 sampling steps, AdamW, argmax decoding, the repair rules (`synth`).
//!
//! How `small` trains its adapters was chosen on public traces alone: a base on the simulated classes `bsd` and
//! `android`, adapters on 40 traces of `zoom`, other seeds than any study's. The loss is a mean over all cells of a
//! latent, most of them constant, so a trace's gradient has a norm of 3e-4 to 2e-3: with `clip_norm` 0.1 nothing was ever
//! clipped and the noise was hundreds of times the signal. Member loss after 80 steps of batch 8, `clip_norm` 2e-4
//! (65 to 80 % of gradients clipped at the two lower rates), mean of three steps of the noise:
//!
//! | rate | without DP | epsilon 4 |
//! | ---- | ---------- | --------- |
//! | 3e-3 | 0.0964     | 0.0987    |
//! | 1e-2 | 0.0956     | 0.0986    |
//! | 3e-2 | 0.0956     | 0.0986    |
//!
//! At 3e-2 the noise makes the loss of another model rise between step 40 and 80, so 1e-2 it is. Attention on all levels
//! lowers the base's own loss and not the share that adapters take off (0.0895 at epsilon 4, 0.0866 without DP), and
//! costs more. How much adapters can do hangs on the base: over another one and other traces of `zoom`, a loss of
//! 0.0771 became 0.0766 without DP and 0.0771 (by 0.00004) at epsilon 4.
//!
//! Invariants: the base sees public traces only; a model's own weights are its adapters alone; a trace's
//! noise in evaluation is a function of its cells, never of its role or place.

mod config;
mod facade;

#[cfg(feature = "torch")]
mod attention;
#[cfg(feature = "torch")]
mod attribute;
#[cfg(feature = "torch")]
mod autoencoder;
#[cfg(feature = "torch")]
mod base;
#[cfg(feature = "torch")]
mod diffusion;
#[cfg(feature = "torch")]
mod image;
#[cfg(feature = "torch")]
mod layers;
#[cfg(feature = "torch")]
mod monitor;
#[cfg(feature = "torch")]
mod network;
#[cfg(feature = "torch")]
mod sample;
#[cfg(feature = "torch")]
mod ternary;
#[cfg(feature = "torch")]
mod unet;

pub use config::{
    AutoencoderConfig, BaseTraining, LatentCode, LoraConfig, NetDiffusionConfig, ScheduleConfig, UnetConfig,
};
pub use facade::NetDiffusion;

#[cfg(feature = "torch")]
pub use base::{Base, train_base};
#[cfg(feature = "torch")]
pub use diffusion::Schedule;
#[cfg(feature = "torch")]
pub use image::{classes, images};
#[cfg(feature = "torch")]
pub use network::NetDiffusionNetwork;
