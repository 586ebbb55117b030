//! Traces anonymised as practitioners do before they hand traffic on: addresses by a keyed map that preserves prefixes,
//! ports and times coarsened, MAC addresses replaced.
//!
//! The map is Crypto-PAn's (Xu et al. 2002, doi 10.1109/ICNP.2002.1181415): bit i of an address is inverted where a
//! pseudorandom function of the i bits before it says so, so that two addresses share exactly as many leading bits
//! after as before. The function is BLAKE3 with a key instead of AES; IPv4 and IPv6 have separate maps.
//!
//! The key is a digest of the whole class's packets. It is written nowhere and follows from neither spec nor seed, so
//! who has the spec, the results and the synthetic traffic cannot invert the map; who can compute the key has the
//! captures and needs no map. All jobs, machines and repetitions agree on it without its being handed on.
//!
//! What is not touched: payload (names and addresses in it stay), lengths, TTL, flags, options. Checksums move by what
//! changed beneath them (RFC 1624): right ones stay right, wrong ones wrong.
//!
//! There is no privacy guarantee: a known flow or an injected one leads to its addresses and to their prefixes.

use crate::capture::{LINK_HEADER_BYTES, PROTOCOL_TCP, SYNTHETIC_FIRST, SYNTHETIC_SECOND, link_type, view_frame};
use syntrace_base::base::wire::{be16, internet_checksum, ones_sum};
use syntrace_base::base::{Digest, Identity, StreamDigest};
use syntrace_base::record::{Direction, Packet, Trace};

/// Raised when the same traces are anonymised otherwise.
pub const ANONYMISATION_VERSION: u32 = 1;

/// The port that stands for all from 1,024 on: the first of the dynamic ones (RFC 6335). Those below are kept.
pub const EPHEMERAL_PORT: u16 = 49_152;

/// First port that is not kept.
const WELL_KNOWN_PORTS: u16 = 1_024;

/// Times are multiples of this: a tenth of a second.
pub const TIME_GRID_US: i64 = 100_000;

/// An anonymisation with its key.
pub struct Anonymiser {
    key: Digest,
}

impl Anonymiser {
    /// The one of a class, by all of its traces in the order of their ids.
    pub fn of(traces: &[Trace]) -> Self {
        let mut content = StreamDigest::default();
        for packet in traces.iter().flat_map(|trace| &trace.packets) {
            content.update(&packet.time_us.to_le_bytes());
            content.update(&(packet.data.len() as u64).to_le_bytes());
            content.update(&packet.data);
        }
        Self::with_key(Identity::new("anonymisation-key").digest(&content.finish()).finish())
    }

    /// The one of a key.
    pub fn with_key(key: Digest) -> Self {
        Self { key }
    }

    /// An address of 4 or 16 bytes under the map.
    pub fn address(&self, address: &[u8]) -> Vec<u8> {
        // the bits before the asked one, and zeros behind them
        let mut before = vec![0; address.len()];
        let mut mapped = Vec::with_capacity(address.len());
        for (at, &byte) in address.iter().enumerate() {
            let mut inverted = 0;
            for bit in 0..8 {
                before.iter_mut().skip(at).take(1).for_each(|last| *last = byte & !(0xff >> bit));
                let asked = [before.as_slice(), &[(8 * at + bit) as u8]].concat();
                inverted |= (self.key.keyed(&asked).0[0] & 1) << (7 - bit);
            }
            before.iter_mut().skip(at).take(1).for_each(|last| *last = byte);
            mapped.push(byte ^ inverted);
        }
        mapped
    }

    /// A trace with anonymised packets; its id and what is counted of its flow stay.
    pub fn trace(&self, trace: &Trace) -> Trace {
        let mut known: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut map = |address: &[u8]| match known.iter().find(|(from, _)| from == address) {
            Some((_, to)) => to.clone(),
            None => {
                let to = self.address(address);
                known.push((address.to_vec(), to.clone()));
                to
            }
        };
        let packets = trace.packets.iter().map(|packet| rewritten(packet, map(&packet.src_ip), map(&packet.dst_ip)));
        Trace { packets: packets.collect(), ..trace.clone() }
    }
}

fn coarse_port(port: u16) -> u16 {
    if port < WELL_KNOWN_PORTS { port } else { EPHEMERAL_PORT }
}

/// A packet with other addresses, with coarse ports and time. One whose bytes are no packet (none that ingest made) has none.
fn rewritten(packet: &Packet, src_ip: Vec<u8>, dst_ip: Vec<u8>) -> Packet {
    let mut data = packet.data.clone();
    let original = packet.ip_length.saturating_add(LINK_HEADER_BYTES as u32);
    let transport = match view_frame(link_type::ETHERNET, &data, original) {
        Ok(view) => LINK_HEADER_BYTES + view.transport_at,
        Err(_) => {
            data.clear();
            0
        }
    };
    let (src_port, dst_port) = (coarse_port(packet.src_port), coarse_port(packet.dst_port));
    let addresses = LINK_HEADER_BYTES + if packet.ip_version == 4 { 12 } else { 8 };
    let macs = match packet.direction {
        Direction::Forward => [SYNTHETIC_SECOND, SYNTHETIC_FIRST].concat(),
        Direction::Backward => [SYNTHETIC_FIRST, SYNTHETIC_SECOND].concat(),
    };
    set(&mut data, 0, &macs);
    let address_change = set(&mut data, addresses, &[src_ip.as_slice(), &dst_ip].concat());
    let port_change = set(&mut data, transport, &[src_port.to_be_bytes(), dst_port.to_be_bytes()].concat());
    if packet.ip_version == 4 {
        adjust(&mut data, LINK_HEADER_BYTES + 10, address_change);
    }
    let checksum_at = transport + if packet.protocol == PROTOCOL_TCP { 16 } else { 6 };
    // A UDP checksum of 0 says that there is none, and a computed 0 is sent as all ones (RFC 768).
    let udp = packet.protocol != PROTOCOL_TCP;
    if !(udp && be16(&data, checksum_at) == Some(0)) {
        adjust(&mut data, checksum_at, address_change + port_change);
        if udp && be16(&data, checksum_at) == Some(0) {
            set(&mut data, checksum_at, &[0xff, 0xff]);
        }
    }
    let checksum = packet.checksum.and_then(|_| be16(&data, LINK_HEADER_BYTES + 10));
    let time_us = packet.time_us.div_euclid(TIME_GRID_US) * TIME_GRID_US;
    Packet { time_us, src_ip, dst_ip, src_port, dst_port, checksum, data, ..packet.clone() }
}

/// Writes bytes at an even offset behind the link header, if they are there: the change of a ones' complement sum over them.
fn set(data: &mut [u8], at: usize, bytes: &[u8]) -> u64 {
    let Some(slot) = data.get_mut(at..at + bytes.len()) else { return 0 };
    // minus the old words is plus their complement
    let words = (bytes.len() / 2) as u64;
    let change = ones_sum(bytes) + (0xffff * words - ones_sum(slot));
    slot.copy_from_slice(bytes);
    change
}

/// Moves the checksum at an offset by the change of a sum (RFC 1624, equation 3).
fn adjust(data: &mut [u8], at: usize, change: u64) {
    if let Some(old) = be16(data, at) {
        set(data, at, &internet_checksum(u64::from(!old) + change).to_be_bytes());
    }
}
