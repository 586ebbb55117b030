//! Token ids and layouts (as in noise-lab/netssm, tokenizers/create_tokenizer.py).

pub use crate::model::tokens::{VOCABULARY, trace_tokens};

/// End of a trace.
pub const END: u16 = 257;
/// Fills batches; never a target.
pub const PADDING: u16 = 258;
/// Between packets.
pub const DELIMITER: u16 = 259;
/// First label id.
pub const LABEL: u16 = 260;

/// Attribute kinds in the order of a trace's rows; the first is the attack's default.
pub(super) const ATTRIBUTE_KINDS: &[&str] = &["summary", "token_logprob", "mean_logits"];

/// Logits of every token, where a spec asks for them.
pub(super) const WHOLE_KIND: &str = "whole_logits";
