//! As few changes as make the rows one flow whose packets other tools read without complaint.
//!
//! A row whose fixed IPv4 columns are mostly absent is no packet: it is dropped, not filled. What the model
//! wrote decides the rest: the endpoints are those that most rows agree on, a row's direction is the one
//! that its addresses and ports are nearer to, sequence numbers go on from the first one of each side.

use super::flow::{
    Checksums, Flow, IP_BYTES, LENGTH_MAX, Transport, UDP_BYTES, bound_length, pick_transport, set_transport, tcp_bytes,
};
use super::options::close_strict;
use super::row::{Field, Row, Sheet, columns as c};
use syntrace_base::base::StreamRng;

const FIN: u32 = 0x001;
const SYN: u32 = 0x002;
const RST: u32 = 0x004;
const ACK: u32 = 0x010;

/// Applies all rules.
pub(super) fn apply(sheet: &mut Sheet, rng: &mut StreamRng) -> Flow {
    drop_blank_rows(sheet);
    let transport = pick_transport(sheet);
    set_transport(sheet, transport);
    sheet.each("ip_version", |_, row| row.set(c::VERSION, 4));
    sheet.each("ip_header_length", |_, row| row.set(c::IHL, IP_BYTES / 4));
    sheet.each("ip_options", |_, row| row.clear(c::IP_OPTIONS));
    sheet.each("ip_missing_bits", |_, row| row.fill(c::IP_FIXED, rng));
    sheet.each("ttl", |_, row| if row.get(c::TTL) == 0 { row.set(c::TTL, 1) } else { 0 });
    sheet.each("fragmentation", |_, row| {
        [c::RESERVED_BIT, c::MORE_FRAGMENTS, c::FRAGMENT_OFFSET].into_iter().map(|field| row.set(field, 0)).sum()
    });
    match transport {
        Transport::Tcp => tcp_header(sheet, rng),
        Transport::Udp => udp_header(sheet, rng),
        Transport::Icmp => {}
    }
    let from_client = endpoints(sheet, transport);
    if transport == Transport::Tcp {
        let starts = flags(sheet, &from_client);
        numbers(sheet, &from_client, starts);
    }
    Flow { transport, from_client, checksums: Checksums::All }
}

fn drop_blank_rows(sheet: &mut Sheet) {
    let is_packet = |row: &Row| row.present(c::IP_FIXED) * 2 > c::IP_FIXED.width;
    let all = Field { at: 0, width: crate::encoding::nprint::NPRINT_BITS };
    let dropped = sheet.rows.iter().filter(|row| !is_packet(row)).map(|row| row.present(all) as u32).sum();
    sheet.rows.retain(is_packet);
    sheet.count("blank_rows", dropped);
}

fn tcp_header(sheet: &mut Sheet, rng: &mut StreamRng) {
    sheet.each("tcp_missing_bits", |_, row| row.fill(c::TCP_FIXED, rng));
    sheet.each("tcp_options", |_, row| close_strict(row));
    sheet.each("tcp_data_offset", |_, row| {
        let bits = c::TCP_FIXED.width + row.present(c::TCP_OPTIONS);
        row.set(c::DATA_OFFSET, (bits / 32) as u32) + row.set(c::TCP_RESERVED, 0)
    });
    sheet.each("total_length", |_, row| {
        let least = IP_BYTES + tcp_bytes(row);
        bound_length(row, least)
    });
}

fn udp_header(sheet: &mut Sheet, rng: &mut StreamRng) {
    sheet.each("udp_missing_bits", |_, row| row.fill(c::UDP, rng));
    sheet.each("total_length", |_, row| bound_length(row, IP_BYTES + UDP_BYTES));
    sheet.each("udp_length", |_, row| {
        let length = row.get(c::TOTAL_LENGTH).min(LENGTH_MAX) - IP_BYTES;
        row.set(c::UDP_LENGTH, length)
    });
}

/// An address and a port, as they stand in a row.
type End = (u32, u32);

/// Gives all rows the same two endpoints; returns who sends each. ICMP has addresses only.
fn endpoints(sheet: &mut Sheet, transport: Transport) -> Vec<bool> {
    let fields = transport.ports();
    let ends = |row: &Row| -> [End; 2] {
        let (source, destination) = fields.map_or((0, 0), |(own, other)| (row.get(own), row.get(other)));
        [(row.get(c::SOURCE), source), (row.get(c::DESTINATION), destination)]
    };
    let seen: Vec<[End; 2]> = sheet.rows.iter().map(ends).collect();
    let Some(first) = seen.first().copied() else { return Vec::new() };
    let apart = |a: End, b: End| (a.0 ^ b.0).count_ones() + (a.1 ^ b.1).count_ones();
    let from_client: Vec<bool> = seen
        .iter()
        .map(|[own, other]| {
            apart(*own, first[0]) + apart(*other, first[1]) <= apart(*own, first[1]) + apart(*other, first[0])
        })
        .collect();
    let of_side = |side: usize| -> Vec<End> {
        seen.iter().zip(&from_client).map(|(ends, client)| ends[if *client { side } else { 1 - side }]).collect()
    };
    let agreed = [majority(&of_side(0)), majority(&of_side(1))];
    let pair = |client: bool| if client { (agreed[0], agreed[1]) } else { (agreed[1], agreed[0]) };
    sheet.each("addresses", |index, row| {
        let (own, other) = pair(from_client[index]);
        row.set(c::SOURCE, own.0) + row.set(c::DESTINATION, other.0)
    });
    if let Some((source, destination)) = fields {
        sheet.each("ports", |index, row| {
            let (own, other) = pair(from_client[index]);
            row.set(source, own.1) + row.set(destination, other.1)
        });
    }
    from_client
}

/// Bitwise majority vote over the rows; the first row decides ties.
fn majority(ends: &[End]) -> End {
    let vote = |value: fn(&End) -> u32| {
        let first = ends.first().map_or(0, value);
        (0..32).fold(0, |sum, bit| {
            let ones = ends.iter().filter(|end| value(end) >> bit & 1 == 1).count();
            let is_one = match (2 * ones).cmp(&ends.len()) {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => first >> bit & 1 == 1,
            };
            sum | u32::from(is_one) << bit
        })
    };
    (vote(|end| end.0), vote(|end| end.1))
}

/// Removes combinations that no stack sends: SYN with FIN or RST, FIN with RST, a SYN after other segments
/// of its side, neither SYN nor RST nor ACK, an answer to a SYN without ACK.
fn flags(sheet: &mut Sheet, from_client: &[bool]) -> [Option<usize>; 2] {
    let mut spoken: [Option<usize>; 2] = [None, None];
    let mut only_syns = [true; 2];
    sheet.each("tcp_flags", |index, row| {
        let side = usize::from(!from_client[index]);
        let mut flags = row.get(c::FLAGS);
        if flags & SYN != 0 && !only_syns[side] {
            flags &= !SYN;
        }
        if flags & SYN != 0 {
            flags &= !(FIN | RST);
        } else if flags & RST != 0 {
            flags &= !FIN;
        }
        if flags & (SYN | RST) == 0 || (flags & SYN != 0 && spoken[1 - side].is_some()) {
            flags |= ACK;
        }
        only_syns[side] &= flags & SYN != 0;
        spoken[side].get_or_insert(index);
        row.set(c::FLAGS, flags)
    });
    spoken
}

/// Sequence and acknowledgement numbers modulo 2^32: each side goes on from its first number by payload,
/// SYN and FIN; ACK acknowledges all that the other side has sent. Where a side is acknowledged before it
/// speaks, it starts there.
fn numbers(sheet: &mut Sheet, from_client: &[bool], starts: [Option<usize>; 2]) {
    let start = |side: usize| starts[side].and_then(|index| sheet.rows.get(index)).map(|row| row.get(c::SEQUENCE));
    let mut next = [start(0), start(1)];
    let mut sent_syn = [None; 2];
    let mut sequences = Vec::with_capacity(sheet.rows.len());
    let mut acknowledged: [Option<u32>; 2] = [None, None];
    let mut acknowledgments = Vec::with_capacity(sheet.rows.len());
    for (row, client) in sheet.rows.iter().zip(from_client) {
        let (side, flags) = (usize::from(!client), row.get(c::FLAGS));
        let own = next[side].unwrap_or(0);
        // A SYN that is sent again has the same number.
        let sequence = if flags & SYN != 0 { *sent_syn[side].get_or_insert(own) } else { own };
        let payload = row.get(c::TOTAL_LENGTH).saturating_sub(IP_BYTES + tcp_bytes(row));
        next[side] = Some(sequence.wrapping_add(payload + u32::from(flags & (SYN | FIN) != 0)));
        sequences.push(sequence);
        let has_spoken = acknowledged[side].is_some() || starts[1 - side].is_some();
        let acknowledgment = match (flags & ACK != 0, has_spoken) {
            (false, _) => 0,
            (true, true) => next[1 - side].unwrap_or(0),
            (true, false) => *acknowledged[side].get_or_insert(row.get(c::ACKNOWLEDGMENT)),
        };
        acknowledgments.push(acknowledgment);
    }
    sheet.each("tcp_sequence", |index, row| row.set(c::SEQUENCE, sequences[index]));
    sheet.each("tcp_acknowledgment", |index, row| row.set(c::ACKNOWLEDGMENT, acknowledgments[index]));
}
