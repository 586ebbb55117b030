//! The published reconstruction, rule by rule (facts: scripts/reconstruction.py), as operations on whole
//! fields. Differences: it works on the rows that it is given and not on 1,024; counters wrap (the
//! published ones keep the carry and lose the lowest bit); no payload of stray memory is written.

use super::flow::{
    Checksums, Flow, IP_BYTES, LENGTH_MAX, Transport, UDP_BYTES, bound_length, pick_transport, set_transport, tcp_bytes,
};
use super::options::scan_reference;
use super::row::{Sheet, columns as c};
use rand::RngExt;
use syntrace_base::base::StreamRng;

/// Transition counts of the published template's source column: client to client of all from the client,
/// server to client of all from the server.
const CLIENT_STAYS: (u32, u32) = (13, 362);
const SERVER_TURNS: (u32, u32) = (349, 661);

const SYN: u32 = 0x002;
const ACK: u32 = 0x010;

/// Applies all rules in the published order.
pub(super) fn apply(sheet: &mut Sheet, rng: &mut StreamRng) -> Flow {
    let from_client = directions(sheet.rows.len(), rng);
    network(sheet, &from_client, rng);
    let transport = pick_transport(sheet);
    set_transport(sheet, transport);
    sheet.each("ip_options", |_, row| row.clear(c::IP_OPTIONS));
    sheet.each("ttl", |_, row| if row.get(c::TTL) == 0 { row.set(c::TTL, 1) } else { 0 });
    sheet.each("ip_header_length", |_, row| row.set(c::IHL, IP_BYTES / 4));
    match transport {
        Transport::Tcp => tcp_header(sheet, rng),
        Transport::Udp => udp_header(sheet, rng),
        Transport::Icmp => {}
    }
    counters(sheet, &from_client, rng);
    ports(sheet, transport, &from_client, rng);
    if transport == Transport::Tcp {
        conversation(sheet, &from_client, rng);
    }
    Flow { transport, from_client, checksums: Checksums::Ipv4 }
}

/// A two-state Markov chain that starts with the client.
fn directions(rows: usize, rng: &mut StreamRng) -> Vec<bool> {
    let mut from_client = true;
    let mut chain = Vec::with_capacity(rows);
    for _ in 0..rows {
        chain.push(from_client);
        let (part, whole) = if from_client { CLIENT_STAYS } else { SERVER_TURNS };
        from_client = rng.random_range(0..whole) < part;
    }
    chain
}

fn network(sheet: &mut Sheet, from_client: &[bool], rng: &mut StreamRng) {
    let ends: [u32; 2] = [rng.random(), rng.random()];
    sheet.each("addresses", |index, row| {
        let (source, destination) = if from_client[index] { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
        row.set(c::SOURCE, source) + row.set(c::DESTINATION, destination)
    });
    sheet.each("ip_version", |_, row| row.set(c::VERSION, 4));
    sheet.each("ip_missing_bits", |_, row| row.fill(c::IP_FIXED, rng));
}

fn tcp_header(sheet: &mut Sheet, rng: &mut StreamRng) {
    sheet.each("tcp_missing_bits", |_, row| row.fill(c::TCP_FIXED, rng));
    sheet.each("tcp_options", |_, row| scan_reference(row, rng));
    sheet.each("tcp_data_offset", |_, row| {
        let bits = row.present(c::TCP_FIXED) + row.present(c::TCP_OPTIONS);
        row.set(c::DATA_OFFSET, bits.div_ceil(32) as u32)
    });
    sheet.each("total_length", |_, row| {
        let least = IP_BYTES + tcp_bytes(row);
        bound_length(row, least)
    });
}

fn udp_header(sheet: &mut Sheet, rng: &mut StreamRng) {
    sheet.each("udp_missing_bits", |_, row| row.fill(c::UDP, rng));
    sheet.each("udp_length", |_, row| {
        let length = row.get(c::UDP_LENGTH).clamp(UDP_BYTES, LENGTH_MAX - IP_BYTES - UDP_BYTES);
        row.set(c::UDP_LENGTH, length)
    });
    sheet.each("total_length", |_, row| {
        let least = IP_BYTES + row.get(c::UDP_LENGTH);
        bound_length(row, least)
    });
}

/// Identification counts up in each direction; no packet is a fragment.
fn counters(sheet: &mut Sheet, from_client: &[bool], rng: &mut StreamRng) {
    let mut next: [u16; 2] = [rng.random(), rng.random()];
    sheet.each("identification", |index, row| {
        let next = &mut next[usize::from(!from_client[index])];
        let value = u32::from(*next);
        *next = next.wrapping_add(1);
        row.set(c::IDENTIFICATION, value)
    });
    sheet.each("fragmentation", |_, row| {
        let bits = [(c::RESERVED_BIT, 0), (c::DONT_FRAGMENT, 1), (c::MORE_FRAGMENTS, 0), (c::FRAGMENT_OFFSET, 0)];
        bits.into_iter().map(|(field, value)| row.set(field, value)).sum()
    });
}

fn ports(sheet: &mut Sheet, transport: Transport, from_client: &[bool], rng: &mut StreamRng) {
    let Some((source, destination)) = transport.ports() else { return };
    let ends: [u16; 2] = [rng.random(), rng.random()];
    sheet.each("ports", |index, row| {
        let (own, other) = if from_client[index] { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
        row.set(source, own.into()) + row.set(destination, other.into())
    });
}

/// Where the published handshake stands.
enum Phase {
    Opening,
    Answered,
    Established,
}

/// Sequence numbers, flags, acknowledgements.
fn conversation(sheet: &mut Sheet, from_client: &[bool], rng: &mut StreamRng) {
    let mut next: [u32; 2] = [rng.random(), rng.random()];
    sheet.each("tcp_sequence", |index, row| {
        let next = &mut next[usize::from(!from_client[index])];
        let value = *next;
        let payload = row.get(c::TOTAL_LENGTH).saturating_sub(IP_BYTES + tcp_bytes(row));
        *next = next.wrapping_add(payload);
        row.set(c::SEQUENCE, value)
    });
    let mut phase = Phase::Opening;
    sheet.each("tcp_flags", |index, row| {
        match (&phase, from_client[index]) {
            (Phase::Opening, false) => phase = Phase::Answered,
            (Phase::Answered, true) => {
                phase = Phase::Established;
                return row.set(c::FLAGS, ACK);
            }
            _ => {}
        }
        let flags = match phase {
            Phase::Opening => SYN,
            Phase::Answered => SYN | ACK,
            Phase::Established => row.get(c::FLAGS) | ACK,
        };
        row.set(c::FLAGS, flags)
    });
    let mut last: [Option<u32>; 2] = [None, None];
    sheet.each("tcp_acknowledgment", |index, row| {
        let own = usize::from(!from_client[index]);
        last[own] = Some(row.get(c::SEQUENCE));
        // Nothing is acknowledged before the server has spoken.
        let value = if last[1].is_some() { last[1 - own].unwrap_or(0) } else { 0 };
        row.set(c::ACKNOWLEDGMENT, value)
    });
}
