//! Repaired rows to packets: checksums, frames, fields.

use super::RepairedTrace;
use super::flow::{Checksums, Flow, IP_BYTES, Transport, tcp_bytes};
use super::row::{Field, Row, Sheet, columns as c};
use crate::synth::decode::{INTERVAL_US, START_US};
use crate::synth::layout::locate;
use crate::synth::mend::{checksum_without, header_checksum};
use crate::synth::packet::packet_of;
use syntrace_base::base::wire::ones_sum;
use syntrace_base::record::{Direction, DropReason, Packet};

/// Computes checksums and builds the frames.
pub(super) fn finish(mut sheet: Sheet, flow: &Flow) -> RepairedTrace {
    sheet.each("ip_checksum", |_, row| row.set(c::IP_CHECKSUM, header_checksum(&bytes(row, c::IP_FIXED)).into()));
    if flow.checksums == Checksums::All {
        transport_checksums(&mut sheet, flow.transport);
    }
    let mut trace = RepairedTrace::default();
    let mut time_us = START_US;
    for (row, client) in sheet.rows.iter().zip(&flow.from_client) {
        match packet(row, flow.transport, *client, time_us) {
            Ok(packet) => trace.packets.push(packet),
            Err(reason) => trace.rejections.push(reason),
        }
        time_us += INTERVAL_US;
    }
    trace.repairs = sheet.into_repairs();
    trace
}

/// A field's bytes; absent bits count as 0.
fn bytes(row: &Row, field: Field) -> Vec<u8> {
    (field.at..field.at + field.width).step_by(8).map(|at| row.get(Field { at, width: 8 }) as u8).collect()
}

/// Bytes of the transport header: TCP as its data offset says.
fn transport_header(row: &Row, transport: Transport) -> Vec<u8> {
    match transport {
        Transport::Tcp => bytes(row, Field { at: c::TCP.at, width: 8 * tcp_bytes(row) as usize }),
        Transport::Udp => bytes(row, c::UDP),
        Transport::Icmp => bytes(row, c::ICMP),
    }
}

/// RFC 9293 and RFC 768 with pseudo header, over a payload of zeros: they add nothing but their length.
fn transport_checksums(sheet: &mut Sheet, transport: Transport) {
    let (rule, field, skip) = match transport {
        Transport::Tcp => ("tcp_checksum", c::TCP_CHECKSUM, 16),
        Transport::Udp => ("udp_checksum", c::UDP_CHECKSUM, 6),
        Transport::Icmp => return,
    };
    sheet.each(rule, |_, row| {
        let header = transport_header(row, transport);
        let segment = u64::from(row.get(c::TOTAL_LENGTH).saturating_sub(IP_BYTES));
        let addresses = [bytes(row, c::SOURCE), bytes(row, c::DESTINATION)].concat();
        let pseudo = ones_sum(&addresses) + u64::from(transport.number()) + segment;
        let sum = match checksum_without(&header, skip, pseudo) {
            // RFC 768: a computed zero is sent as all ones.
            0 if transport == Transport::Udp => 0xffff,
            sum => sum,
        };
        row.set(field, sum.into())
    });
}

fn packet(row: &Row, transport: Transport, client: bool, time_us: i64) -> Result<Packet, DropReason> {
    // The sender's MAC address says the direction, as in normalised captures.
    let (sender, receiver) = if client { (1, 2) } else { (2, 1) };
    let mut frame = vec![2, 0, 0, 0, 0, receiver, 2, 0, 0, 0, 0, sender, 8, 0];
    frame.extend(bytes(row, c::IP_FIXED));
    frame.extend(transport_header(row, transport));
    let layout = locate(&frame)?;
    let mut packet = packet_of(frame, &layout, time_us);
    packet.direction = if client { Direction::Forward } else { Direction::Backward };
    Ok(packet)
}
