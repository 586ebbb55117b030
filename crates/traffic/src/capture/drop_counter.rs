//! Counts what is left out, by reason, with the first packet and one example of each.

use syntrace_base::record::{DropCount, DropReason};

/// Drop counts while a capture is read.
#[derive(Debug, Default)]
pub(crate) struct DropCounter {
    counts: Vec<DropCount>,
}

impl DropCounter {
    /// Counts `packets` under a reason; the example is that of the earliest packet seen so far.
    #[inline]
    pub(crate) fn count(
        &mut self,
        reason: DropReason,
        packets: u64,
        first_packet: u64,
        example: impl FnOnce() -> String,
    ) {
        match self.counts.iter_mut().find(|count| count.reason == reason) {
            Some(count) => {
                count.packets += packets;
                if first_packet < count.first_packet {
                    count.first_packet = first_packet;
                    count.example = example();
                }
            }
            None => self.counts.push(DropCount { reason, packets, first_packet, example: example() }),
        }
    }

    /// The counts in the order of [`DropReason::ALL`]; reasons that never came up are left out.
    pub(crate) fn finish(mut self) -> Vec<DropCount> {
        self.counts.sort_by_key(|count| count.reason);
        self.counts
    }
}
