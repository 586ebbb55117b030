//! Tokens of encoded traces, as all models over tokens read them.

use crate::train::EncodedTrace;
use syntrace_base::error::{Error, Result};

/// Rows of the embedding: 260 + labels, rounded up to a multiple of 16; fixed for up to 12 labels.
pub const VOCABULARY: u16 = 272;

/// Reads the tokens of an encoded trace.
///
/// # Errors
/// A token outside the vocabulary, an odd number of bytes, or fewer than two tokens.
pub fn trace_tokens(trace: &EncodedTrace) -> Result<Vec<u16>> {
    let (pairs, rest) = trace.data.as_chunks::<2>();
    let tokens: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let found = |what: String| Error::internal(format!("tokens of trace `{}`: {what}", trace.trace_id));
    if !rest.is_empty() {
        return Err(found(format!("whole tokens of 2 bytes expected, found `{}` bytes", trace.data.len())));
    }
    if tokens.len() < 2 {
        return Err(found(format!("2 or more expected, found `{}`", tokens.len())));
    }
    match tokens.iter().find(|&&token| token >= VOCABULARY) {
        Some(token) => Err(found(format!("ids below `{VOCABULARY}` expected, found `{token}`"))),
        None => Ok(tokens),
    }
}
