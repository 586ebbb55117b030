//! Runs of a sample's cells by the activation of the generator's output.

#![cfg_attr(
    not(feature = "torch"),
    allow(dead_code, reason = "what only training calls has no caller without libtorch")
)]

use super::modes::{self, LENGTHS, TOS as TOS_RANGES, TTLS};
use super::options::{Numbers, Samples};

/// Activation of the generator's output for a run of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// One of this many.
    Softmax(i64),
    /// In [0, 1].
    Sigmoid,
    /// In [-1, 1].
    Tanh,
}

/// A run of cells that share an activation: their number, and the activation.
pub(super) type Segment = (i64, Head);

/// Heads of the attributes.
pub(super) fn attribute_segments(word_width: i64) -> Vec<Segment> {
    vec![(128, Head::Softmax(2)), (3 * word_width, Head::Tanh), (1, Head::Sigmoid)]
}

/// Choices of one packet with `numbers = "modes"`: ranges of gap, length, identification and TTL, flags,
/// type of service; a place stands for each but the flags.
pub(super) const CHOICES: [usize; 6] =
    [modes::GAP_MODES, LENGTHS.count(), modes::IDENTIFICATION_MODES, TTLS.count(), 3, TOS_RANGES.count()];

/// Places of one packet: gap, length, identification, TTL, type of service.
pub(super) const PLACES: usize = 5;

/// Heads of one packet's features; the last two cells are the generation flag.
pub(super) fn feature_segments(samples: Samples, numbers: Numbers) -> Vec<Segment> {
    let flags = if samples == Samples::Bidirectional { 4 } else { 2 };
    match numbers {
        Numbers::Linear => {
            vec![(4, Head::Sigmoid), (3, Head::Softmax(3)), (2, Head::Sigmoid), (flags, Head::Softmax(2))]
        }
        Numbers::Modes => {
            let mut segments = vec![(PLACES as i64, Head::Sigmoid)];
            segments.extend(CHOICES.map(|choices| (choices as i64, Head::Softmax(choices as i64))));
            segments.push((flags, Head::Softmax(2)));
            segments
        }
    }
}
