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
//! Differences in size: the published system adapts Stable Diffusion 3 Medium (2 billion
//! weights, T5 and CLIP captions, latents of 8 x 8 pixels). Here the autoencoder reduces the bit axis alone,
//! so that it can be exact to the bit, and the caption is a table of frozen vectors. Kept: colours, columns,
//! fixed caption, rank 4 on q, k, v and output projections, noise prediction over 1,000 steps with the
//! scaled-linear schedule, 20 sampling steps, AdamW, argmax decoding, the repair rules (`synth`).
//!
//! Why adapters did not learn with a trained autoencoder (observed with the same networks in PyTorch on simulated
//! traffic): over its latents, a base of 600 steps left 0.5 of the noise's variance in non-blank cells at step 100 and
//! 0.33 at step 300, although the bits are clearly visible there. The loss was dominated by imperfect denoising of the
//! code, not by ignorance of the class, and attention adapters do not fix that (4 to 5 % in 300 steps). `small`
//! therefore has latents that can be denoised by Bayes' rule (see `ternary`): after 200 steps 0.004 and 0.15. The rest
//! is mostly bits that are random in any class (checksums, sequence numbers, ports), and values of single columns,
//! which column adapters can learn (see `columns`).
//!
//! `clip_norm` of `small` is the median norm of a gradient of public traces (`zoom`, fresh adapters over a base of 500
//! steps): 1.2e-3. The loss is a mean over all cells of a latent, most of them constant. Of `paper`, with a trained code and
//! adapters of attention alone, such norms were 3e-4 to 2e-3 and 2e-4 the best bound at epsilon 4.
//!
//! Invariants: the base sees public traces only; a model's own weights are its adapters alone; a trace's
//! noise in evaluation is a function of its cells, never of its role or place.

mod config;
mod family;

#[cfg(feature = "torch")]
mod attention;
#[cfg(feature = "torch")]
mod attribute;
#[cfg(feature = "torch")]
mod autoencoder;
#[cfg(feature = "torch")]
mod base;
#[cfg(feature = "torch")]
mod columns;
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
mod training;
#[cfg(feature = "torch")]
mod unet;

pub use config::{
    AutoencoderConfig, BaseTraining, LatentCode, LoraConfig, NetDiffusionConfig, ScheduleConfig, UnetConfig,
};
pub use family::NetDiffusion;

#[cfg(feature = "torch")]
pub use base::{Base, train_base};
#[cfg(feature = "torch")]
pub use diffusion::Schedule;
#[cfg(feature = "torch")]
pub use image::{classes, images};
#[cfg(feature = "torch")]
pub use network::NetDiffusionNetwork;
