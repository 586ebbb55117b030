//! TCP options as bytes (RFC 9293, RFC 7323, RFC 2018).

use super::stack::{Offer, Stack};
use crate::simulate::system::timestamp_option;

const NOP: u8 = 1;

/// Options of a SYN, or of its answer, which takes up only what was offered: a multiple of 4 bytes.
pub(super) fn syn_options(stack: &Stack, offered: Option<&[Offer]>, segment_bytes: u16, stamps: (u32, u32)) -> Vec<u8> {
    let mut bytes = vec![2, 4];
    bytes.extend(segment_bytes.to_be_bytes());
    let taken: Vec<Offer> =
        stack.offers.iter().copied().filter(|offer| offered.is_none_or(|offered| offered.contains(offer))).collect();
    for (index, offer) in taken.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| taken.get(index));
        let after = taken.get(index + 1);
        match offer {
            Offer::Scale => {
                pad(&mut bytes, stack, 1);
                bytes.extend([3, 3, stack.scale]);
            }
            Offer::Selective => {
                // In front of timestamps it fills their place; as the last it is filled up behind.
                if after.is_some_and(|after| *after != Offer::Stamps)
                    || (after.is_none() && before != Some(&Offer::Stamps))
                {
                    pad(&mut bytes, stack, 2);
                }
                bytes.extend([4, 2]);
            }
            Offer::Stamps => {
                if before != Some(&Offer::Selective) {
                    pad(&mut bytes, stack, 2);
                }
                bytes.extend(timestamp_option(stamps));
            }
        }
    }
    let filler = if stack.packed { NOP } else { 0 };
    bytes.resize(bytes.len().next_multiple_of(4), filler);
    bytes
}

/// Options of a later segment.
pub(super) fn later_options(stamps: Option<(u32, u32)>) -> Vec<u8> {
    let Some(stamps) = stamps else { return Vec::new() };
    let mut bytes = vec![NOP, NOP];
    bytes.extend(timestamp_option(stamps));
    bytes
}

fn pad(bytes: &mut Vec<u8>, stack: &Stack, count: usize) {
    if !stack.packed {
        bytes.extend(std::iter::repeat_n(NOP, count));
    }
}
