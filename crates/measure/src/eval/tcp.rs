//! Rules of TCP over the packets of a trace (RFC 9293): flags, order of connection states, sequence
//! numbers. A trace may begin inside a connection, so only what is seen is held against the rules.

use super::header_checks::Frame;
use std::collections::HashMap;
use syntrace_base::record::{Direction, Packet, Trace};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
/// FIN, SYN, RST and ACK: the flags that the rules are about.
const STATE_FLAGS: u8 = FIN | SYN | RST | ACK;

/// A sequence number this far from the expected one is no gap or repetition of the same stream: the
/// largest window without scaling is 2^16, and captures lose runs of packets.
const SEQUENCE_SLACK: i64 = 1 << 20;

/// Can a segment carry these flags? Every segment but a SYN or a reset has ACK (section 3.10.7.4: else
/// it is dropped), and SYN, FIN and RST exclude each other.
pub(super) fn flags_are_legal(flags: u8) -> bool {
    let exclusive = [SYN, FIN, RST].iter().filter(|&&flag| flags & flag != 0).count();
    exclusive <= 1 && (flags & (SYN | RST | ACK) != 0)
}

/// What is known of one side of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Sender {
    /// Sequence number of its SYN.
    syn: Option<u32>,
    /// That SYN had no ACK: it opened the connection.
    opened: bool,
    /// It sent FIN; the sequence number after it.
    end: Option<u32>,
    reset: bool,
    /// Sequence number after its furthest byte.
    next: Option<u32>,
    sent: u32,
}

/// One connection as its packets come.
#[derive(Debug, Clone, Copy, Default)]
struct Connection {
    sides: [Sender; 2],
}

/// One TCP segment.
#[derive(Debug, Clone, Copy)]
struct Segment {
    side: usize,
    flags: u8,
    sequence: u32,
    acknowledged: u32,
    payload: u32,
}

/// Is every TCP connection of the trace legal by flags and order of states? `None` without TCP, or
/// where a header is not there.
pub(super) fn state_is_legal(trace: &Trace) -> Option<bool> {
    walk(trace, |connection, segment| connection.state_allows(segment))
}

/// Do sequence and acknowledgement numbers continue what each side sent, up to gaps and repetitions?
pub(super) fn sequence_is_plausible(trace: &Trace) -> Option<bool> {
    walk(trace, |connection, segment| connection.numbers_fit(segment))
}

/// Applies a rule to every TCP segment, connection by connection.
fn walk(trace: &Trace, rule: impl Fn(&Connection, Segment) -> bool) -> Option<bool> {
    let mut connections: HashMap<[(&[u8], u16); 2], Connection> = HashMap::new();
    let (mut seen, mut legal) = (false, true);
    for packet in trace.packets.iter().filter(|packet| packet.tcp_flags.is_some()) {
        let (ends, side) = ends(packet);
        let (sequence, acknowledged) = Frame::of(packet)?.tcp_numbers()?;
        let flags = packet.tcp_flags? & STATE_FLAGS;
        let segment = Segment { side, flags, sequence, acknowledged, payload: packet.payload_length };
        let connection = connections.entry(ends).or_default();
        if connection.begins_again(segment) {
            *connection = Connection::default();
        }
        legal &= rule(connection, segment);
        connection.take(segment);
        seen = true;
    }
    seen.then_some(legal)
}

/// The two ends of a packet in a fixed order, and which of them sent it. Ends that are equal are told
/// apart by the packet's direction.
fn ends(packet: &Packet) -> ([(&[u8], u16); 2], usize) {
    let source = (packet.src_ip.as_slice(), packet.src_port);
    let destination = (packet.dst_ip.as_slice(), packet.dst_port);
    match source.cmp(&destination) {
        std::cmp::Ordering::Less => ([source, destination], 0),
        std::cmp::Ordering::Greater => ([destination, source], 1),
        std::cmp::Ordering::Equal => ([source, destination], usize::from(packet.direction == Direction::Backward)),
    }
}

impl Connection {
    fn own(&self, segment: Segment) -> Sender {
        if segment.side == 0 { self.sides[0] } else { self.sides[1] }
    }

    fn peer(&self, segment: Segment) -> Sender {
        if segment.side == 0 { self.sides[1] } else { self.sides[0] }
    }

    /// A SYN on a connection that a reset or two FINs have ended: the ports are used again.
    fn begins_again(&self, segment: Segment) -> bool {
        let [a, b] = &self.sides;
        segment.flags & (SYN | ACK) == SYN && (a.reset || b.reset || (a.end.is_some() && b.end.is_some()))
    }

    fn state_allows(&self, segment: Segment) -> bool {
        let (own, peer) = (self.own(segment), self.peer(segment));
        let flags = segment.flags;
        if !flags_are_legal(flags) || (own.reset && flags & RST == 0) {
            return false;
        }
        if flags & RST != 0 {
            return true;
        }
        if flags & SYN != 0 {
            return self.syn_allowed(segment);
        }
        // after the own opening SYN nothing goes out before the peer's, and the answer to one is a SYN
        if (own.opened && peer.sent == 0) || (peer.opened && own.sent == 0) {
            return false;
        }
        // no new bytes after FIN: a repeated segment ends at or before it
        let end = segment.sequence.wrapping_add(segment.payload);
        segment.payload == 0 || own.end.is_none_or(|last| distance(end, last) <= 0)
    }

    fn syn_allowed(&self, segment: Segment) -> bool {
        let (own, peer) = (self.own(segment), self.peer(segment));
        let repeated = own.syn == Some(segment.sequence);
        let first = own.sent == 0;
        if segment.flags & ACK == 0 {
            // the first segment of both sides, a repetition, or a simultaneous open
            return repeated || (first && (peer.sent == 0 || peer.syn.is_some()));
        }
        let answers = peer.syn.is_none_or(|syn| segment.acknowledged == syn.wrapping_add(1));
        (repeated || first) && answers && (peer.sent == 0 || peer.syn.is_some())
    }

    fn numbers_fit(&self, segment: Segment) -> bool {
        let near =
            |number: u32, next: Option<u32>| next.is_none_or(|next| distance(number, next).abs() <= SEQUENCE_SLACK);
        if segment.flags & RST != 0 {
            // a reset may carry 0 (section 3.10.7.1)
            return true;
        }
        let acknowledges = segment.flags & ACK == 0 || near(segment.acknowledged, self.peer(segment).next);
        near(segment.sequence, self.own(segment).next) && acknowledges
    }

    fn take(&mut self, segment: Segment) {
        let own = if segment.side == 0 { &mut self.sides[0] } else { &mut self.sides[1] };
        own.sent += 1;
        if segment.flags & RST != 0 {
            own.reset = true;
            return;
        }
        if segment.flags & SYN != 0 {
            own.opened |= segment.flags & ACK == 0;
            own.syn.get_or_insert(segment.sequence);
        }
        let control = u32::from(segment.flags & SYN != 0) + u32::from(segment.flags & FIN != 0);
        let end = segment.sequence.wrapping_add(segment.payload).wrapping_add(control);
        if segment.flags & FIN != 0 {
            own.end.get_or_insert(end.wrapping_sub(1));
        }
        if own.next.is_none_or(|next| distance(end, next) > 0) {
            own.next = Some(end);
        }
    }
}

/// Signed distance from `b` to `a` in sequence space (RFC 9293, section 3.4).
fn distance(a: u32, b: u32) -> i64 {
    i64::from(a.wrapping_sub(b) as i32)
}
