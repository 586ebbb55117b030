//! The key of a bidirectional flow and a fast, keyed hash of it.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::decode::PacketView;

/// One end of a flow: address as an integer, port.
pub(super) type Endpoint = (u128, u16);

/// A bidirectional 5-tuple: both ends in ascending order, protocol, IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    protocol: u8,
    version: u8,
}

impl FlowKey {
    /// The key of a packet and the end that sent it.
    #[inline]
    pub(super) fn of(view: &PacketView<'_>) -> (Self, Endpoint) {
        let source = (address(view.src_ip), view.src_port);
        let destination = (address(view.dst_ip), view.dst_port);
        let (low, high) = if source <= destination { (source, destination) } else { (destination, source) };
        (Self { low, high, protocol: view.protocol, version: view.version }, source)
    }
}

/// An address of 4 or 16 bytes as an integer; versions never mix, the key holds the version.
#[inline]
pub(super) fn address(bytes: &[u8]) -> u128 {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return u128::from(u32::from_be_bytes(four));
    }
    <[u8; 16]>::try_from(bytes).map_or(0, u128::from_be_bytes)
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u64::from(self.low.1) << 32 | u64::from(self.high.1) << 16 | u64::from(self.protocol);
        for word in [self.low.0, self.high.0] {
            state.write_u64(word as u64);
            if self.version != 4 {
                state.write_u64((word >> 64) as u64);
            }
        }
        state.write_u64(ports);
    }
}

/// Hashes with a random key per map, so that no capture can force collisions. Results do not depend
/// on it: flows are kept in order of appearance.
#[derive(Debug, Clone)]
pub(super) struct FlowHash {
    key: u64,
}

impl FlowHash {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new().hash_one(0u64) | 1 }
    }
}

impl BuildHasher for FlowHash {
    type Hasher = FoldHasher;

    #[inline]
    fn build_hasher(&self) -> FoldHasher {
        FoldHasher { state: self.key }
    }
}

/// Folded multiplication of 64-bit words (as in wyhash and foldhash): a few instructions a word.
#[derive(Debug, Clone)]
pub(super) struct FoldHasher {
    state: u64,
}

/// An odd constant with well-mixed bits (the fraction of the golden ratio).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for FoldHasher {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(MULTIPLIER);
        self.state = ((product >> 64) as u64 ^ product as u64).wrapping_add(MULTIPLIER);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}
