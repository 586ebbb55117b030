//! Public traffic without a class: hosts, stacks, network and service are drawn anew for each flow.
//!
//! ```text
//! seed, index -> circumstances (place: addresses, hops, stacks) -> talk (datagrams | streams) -> wire -> frames
//! ```
//!
//! Variable properties are drawn over the values that protocols and registries allow (RFCs, IANA's ports) and published
//! fingerprints list (p0f 3): domain randomisation, so that models generalise to unknown hosts.
//! No number comes from a capture. Bytes behind the first of a payload are random: encodings read headers, and of
//! UDP the first bytes. Traces hold TCP and UDP, so there is no ICMP.

mod circumstances;
mod datagrams;
mod options;
mod place;
mod stack;
mod stream;
mod streams;

use super::draw::Draw;
use super::options::{START_US, WIDE_CLASS, population};
use super::{SimulatedFrame, WIDE};
use crate::capture::{LINK_HEADER_BYTES, decode_frame};
use circumstances::Circumstances;
use syntrace_base::base::wire::LINK_ETHERNET;
use syntrace_base::base::{Identity, Seed, TraceId, try_map_ordered};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Direction, Trace};

/// Share of flows over UDP.
const DATAGRAM_SHARE: f64 = 0.42;
/// Mean time between the starts of two flows.
const FLOW_GAP_US: f64 = 90_000.0;

/// Frames of flow number `index` of a population that begins at `epoch_us`, at most `limit`.
pub(super) fn conversation(population: &Seed, index: u64, epoch_us: i64, limit: usize) -> Vec<SimulatedFrame> {
    let mut draw = Draw::new(&population.named("flow").numbered(index));
    let start_us = epoch_us + (index as f64 * FLOW_GAP_US + draw.exponential(20.0 * FLOW_GAP_US)) as i64;
    let datagrams = draw.chance(DATAGRAM_SHARE);
    let circumstances = Circumstances::draw(draw, start_us, limit, datagrams);
    if datagrams { datagrams::talk(circumstances) } else { streams::talk(circumstances) }
}

/// Public traces number `first` to `first + count` of at most `packets` packets, straight from the simulator of the
/// dataset [`super::WIDE`] and without a capture between: trace number i is flow i of [`super::simulate`] with the same
/// seed, and depends on the seed and i alone. A pool of ten thousand takes about a second on one core.
///
/// # Errors
/// `user` where `packets` is 0.
pub fn wide_traces(seed: &Seed, first: u64, count: u32, packets: u32) -> Result<Vec<Trace>> {
    if packets == 0 {
        return Err(Error::user("expected traces of at least 1 packet, found `0`").hint("set the packets of a trace"));
    }
    let population = population(seed, WIDE, WIDE_CLASS);
    let numbers: Vec<u64> = (first..first.saturating_add(u64::from(count))).collect();
    try_map_ordered(&numbers, |number| trace(&population, *number, packets as usize))
}

fn trace(population: &Seed, number: u64, packets: usize) -> Result<Trace> {
    let frames = conversation(population, number, START_US, packets);
    let mut read = Vec::with_capacity(frames.len());
    for frame in &frames {
        let packet = decode_frame(LINK_ETHERNET, frame.time_us, &frame.bytes, frame.bytes.len() as u32);
        let packet = packet.map_err(|dropped| Error::internal(format!("public trace `{number}`: {dropped}")))?;
        read.push(packet);
    }
    let first = read.first().map(|packet| (packet.src_ip.clone(), packet.src_port));
    for packet in &mut read {
        let forward = first.as_ref().is_some_and(|(ip, port)| *ip == packet.src_ip && *port == packet.src_port);
        packet.direction = if forward { Direction::Forward } else { Direction::Backward };
    }
    if read.is_empty() {
        return Err(Error::internal(format!("public trace `{number}` has no packet")));
    }
    let bytes = |frame: &SimulatedFrame| frame.bytes.len().saturating_sub(LINK_HEADER_BYTES) as u64;
    Ok(Trace {
        trace_id: TraceId::from(
            Identity::new("wide-trace")
                .bytes(&population.to_bytes())
                .int(number.cast_signed())
                .int(packets as i64)
                .finish(),
        ),
        first_packet: number,
        link_type: LINK_ETHERNET,
        flow_packets: read.len() as u64,
        flow_bytes: frames.iter().map(bytes).sum(),
        packets: read,
    })
}
