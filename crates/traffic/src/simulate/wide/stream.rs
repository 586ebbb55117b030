//! One TCP connection between two drawn stacks (RFC 9293): sequence numbers always follow on what passed.

use super::super::frame::TcpHeader;
use super::super::wire::{FlowEnd, Identification, Wire};
use super::circumstances::Line;
use super::options::{later_options, syn_options};
use super::stack::{Offer, Stack};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const ECE: u8 = 64;
const CWR: u8 = 128;
/// ECN-capable transport (RFC 3168), in the type of service.
const ECT_0: u8 = 2;
/// Largest IP length that a network card glues together.
const GLUED_BYTES_MAX: usize = 65_000;

#[derive(Default)]
struct Peer {
    next: u32,
    /// The other's newest timestamp.
    seen: u32,
    owed: usize,
    received: u64,
}

/// A connection.
pub(super) struct Stream {
    pub(super) wire: Wire,
    stacks: [Stack; 2],
    rtt_us: f64,
    epoch_us: i64,
    peers: [Peer; 2],
    stamps: bool,
    scaled: bool,
    segment_bytes: usize,
    /// Segments that a network card glues together at most, as the watcher sees them.
    glued: usize,
    ecn: bool,
    resend_rate: f64,
}

impl Stream {
    pub(super) fn new(line: Line) -> Self {
        let Line { mut wire, stacks, rtt_us, .. } = line;
        let both = |offer: Offer| stacks.iter().all(|stack| stack.offers.contains(&offer));
        let (stamps, scaled) = (both(Offer::Stamps), both(Offer::Scale));
        let overhead = if wire.is_ipv6() { 20 } else { 0 } + if stamps { 12 } else { 0 };
        // Paths beyond Ethernet's size are few, whatever is announced.
        let announced = stacks[0].segment_bytes.min(stacks[1].segment_bytes).min(1_460);
        let glued = if wire.draw.chance(0.55) { 1 } else { wire.draw.size(2, 44) };
        let peers = [0; 2].map(|_: u8| Peer { next: wire.draw.word(), ..Peer::default() });
        Self {
            stamps,
            scaled,
            segment_bytes: usize::from(announced) - overhead,
            glued,
            ecn: wire.draw.chance(0.12),
            resend_rate: if wire.draw.chance(0.3) { 0.08 } else { 0.005 },
            epoch_us: wire.clock_us,
            rtt_us,
            peers,
            stacks,
            wire,
        }
    }

    /// Handshake; a lost SYN is sent again.
    pub(super) fn open(&mut self) {
        let asked = self.wire.draw.chance(0.08);
        self.syn(if self.ecn || asked { ECE | CWR } else { 0 });
        if self.wire.draw.chance(0.03) {
            self.wire.wait(1_000_000.0);
            self.peers[0].next = self.peers[0].next.wrapping_sub(1);
            self.syn(0);
        }
        self.cross(FlowEnd::Client);
        self.answer_syn(if self.ecn { ECE } else { 0 });
        self.cross(FlowEnd::Server);
        self.acknowledge(FlowEnd::Client);
        if self.ecn {
            for side in [FlowEnd::Client, FlowEnd::Server] {
                let tos = self.wire.end(side).tos & !3 | ECT_0;
                self.wire.end(side).tos = tos;
            }
        }
    }

    /// Takes up a connection in its middle.
    pub(super) fn resume(&mut self) {
        for side in [FlowEnd::Client, FlowEnd::Server] {
            self.peers[side as usize].seen = self.clock(side.other());
            self.peers[side as usize].received = u64::from(self.wire.draw.word() >> 12);
        }
    }

    /// SYNs that nobody answers, or that are refused.
    pub(super) fn fail(&mut self, attempts: usize, refused: bool) {
        let mut wait = self.wire.draw.pick(&[500_000.0, 1_000_000.0, 1_000_000.0, 3_000_000.0]);
        for attempt in 0..attempts {
            if attempt > 0 {
                self.wire.wait(wait);
                wait *= 2.0;
                self.peers[0].next = self.peers[0].next.wrapping_sub(1);
            }
            self.syn(0);
            if refused {
                self.cross(FlowEnd::Client);
                let header = TcpHeader { acknowledgment: self.peers[0].next, flags: RST | ACK, ..TcpHeader::default() };
                self.wire.tcp(FlowEnd::Server, header, &[], self.control_number(FlowEnd::Server));
            }
        }
    }

    /// One side sends `bytes`; the other acknowledges at times.
    pub(super) fn say(&mut self, side: FlowEnd, bytes: usize, think_us: f64) {
        self.turn(side, think_us);
        let mut left = bytes;
        while left > 0 && !self.wire.full() {
            let now = self.burst(left);
            left -= now;
            self.data(side, now, if left == 0 { ACK | PSH } else { ACK });
            self.acknowledge_burst(side.other());
            self.wire.pause(60.0);
        }
    }

    /// A probe of an idle connection and its answer.
    pub(super) fn keep_alive(&mut self, side: FlowEnd) {
        let garbage: &[u8] = if self.wire.draw.chance(0.5) { &[0] } else { &[] };
        let mut header = self.header(side, ACK);
        header.sequence = self.peers[side as usize].next.wrapping_sub(1);
        self.wire.tcp(side, header, garbage, None);
        self.cross(side);
        self.acknowledge(side.other());
    }

    /// Both sides end it, one after the other.
    pub(super) fn finish(&mut self, side: FlowEnd) {
        self.turn(side, 5_000.0);
        self.control(side);
        self.cross(side);
        if self.wire.draw.chance(0.15) {
            self.reset(side.other(), true);
            return;
        }
        if self.wire.draw.chance(0.5) {
            self.acknowledge(side.other());
            self.wire.pause(900.0);
        }
        self.control(side.other());
        self.cross(side.other());
        self.acknowledge(side);
    }

    /// One side ends it at once.
    pub(super) fn reset(&mut self, side: FlowEnd, acknowledging: bool) {
        let mut header = self.header(side, if acknowledging { RST | ACK } else { RST });
        header.options.clear();
        header.window = if self.wire.draw.chance(0.8) { 0 } else { header.window };
        if !acknowledging {
            header.acknowledgment = 0;
        }
        let number = self.control_number(side);
        self.wire.tcp(side, header, &[], number);
    }

    fn syn(&mut self, ecn: u8) {
        let stamps = (self.clock(FlowEnd::Client), 0);
        let size = self.announced(FlowEnd::Client);
        let header = TcpHeader {
            sequence: self.peers[0].next,
            flags: SYN | ecn,
            window: self.stacks[0].syn_window,
            options: syn_options(&self.stacks[0], None, size, stamps),
            ..TcpHeader::default()
        };
        let number = self.control_number(FlowEnd::Client);
        self.wire.tcp(FlowEnd::Client, header, &[], number);
        self.peers[0].next = self.peers[0].next.wrapping_add(1);
        self.peers[1].seen = stamps.0;
    }

    fn answer_syn(&mut self, ecn: u8) {
        let stamps = (self.clock(FlowEnd::Server), self.peers[1].seen);
        let size = self.announced(FlowEnd::Server);
        let header = TcpHeader {
            sequence: self.peers[1].next,
            acknowledgment: self.peers[0].next,
            flags: SYN | ACK | ecn,
            window: self.stacks[1].syn_window,
            options: syn_options(&self.stacks[1], Some(&self.stacks[0].offers), size, stamps),
            ..TcpHeader::default()
        };
        let number = self.control_number(FlowEnd::Server);
        self.wire.tcp(FlowEnd::Server, header, &[], number);
        self.peers[1].next = self.peers[1].next.wrapping_add(1);
        self.peers[0].seen = stamps.0;
    }

    fn announced(&self, side: FlowEnd) -> u16 {
        let size = self.stacks[side as usize].segment_bytes;
        if self.wire.is_ipv6() { size.saturating_sub(20).max(1_220) } else { size }
    }

    fn control_number(&self, side: FlowEnd) -> Option<u16> {
        let stack = &self.stacks[side as usize];
        let counted = !matches!(stack.identification, Identification::Zero);
        (counted && stack.unnumbered_control).then_some(0)
    }

    /// Bytes that are seen as one packet.
    fn burst(&mut self, left: usize) -> usize {
        if left <= self.segment_bytes || self.glued == 1 || self.wire.draw.chance(0.2) {
            return left.min(self.segment_bytes);
        }
        let most = (self.glued * self.segment_bytes).min(GLUED_BYTES_MAX);
        let segments = self.wire.draw.size(1, left.div_ceil(self.segment_bytes).min(most / self.segment_bytes));
        (segments * self.segment_bytes).min(left)
    }

    fn data(&mut self, side: FlowEnd, bytes: usize, flags: u8) {
        let payload = self.wire.draw.bytes(bytes);
        let header = self.header(side, flags);
        let sequence = header.sequence;
        self.wire.tcp(side, header, &payload, None);
        self.peers[side as usize].next = sequence.wrapping_add(bytes as u32);
        self.peers[side as usize].owed = 0;
        let stamp = self.clock(side);
        let other = &mut self.peers[side.other() as usize];
        other.seen = stamp;
        other.owed += bytes.div_ceil(self.segment_bytes);
        other.received += bytes as u64;
        if self.wire.draw.chance(self.resend_rate) {
            let late = self.wire.draw.log_normal(250_000.0, 0.5);
            self.wire.wait(late);
            let mut header = self.header(side, flags);
            header.sequence = sequence;
            self.wire.tcp(side, header, &payload, None);
        }
    }

    fn acknowledge_burst(&mut self, side: FlowEnd) {
        let due = self.peers[side as usize].owed >= 2;
        let prompt = self.stacks[side as usize].prompt;
        if self.wire.draw.chance(if due { 0.5 + 0.5 * prompt } else { prompt }) {
            self.cross(side.other());
            self.acknowledge(side);
        }
    }

    /// Passes the time until `side` speaks; a delayed acknowledgement goes first at times.
    fn turn(&mut self, side: FlowEnd, think_us: f64) {
        let other = side.other();
        if self.peers[other as usize].owed > 0 && self.wire.draw.chance(0.5) {
            self.wire.pause(40_000.0);
            self.acknowledge(other);
        }
        if side == FlowEnd::Server {
            self.cross(FlowEnd::Client);
        }
        self.wire.pause(think_us);
    }

    fn cross(&mut self, side: FlowEnd) {
        if side == FlowEnd::Client {
            let jitter = self.wire.draw.log_normal(1.0, 0.15);
            self.wire.wait(self.rtt_us * jitter);
        } else {
            self.wire.pause(80.0);
        }
    }

    fn acknowledge(&mut self, side: FlowEnd) {
        let header = self.header(side, ACK);
        self.wire.tcp(side, header, &[], None);
        self.peers[side as usize].owed = 0;
        self.peers[side.other() as usize].seen = self.clock(side);
    }

    /// A FIN, which takes one sequence number.
    fn control(&mut self, side: FlowEnd) {
        let header = self.header(side, FIN | ACK);
        self.wire.tcp(side, header, &[], None);
        self.peers[side as usize].next = self.peers[side as usize].next.wrapping_add(1);
        self.peers[side as usize].owed = 0;
        self.peers[side.other() as usize].seen = self.clock(side);
    }

    fn header(&mut self, side: FlowEnd, flags: u8) -> TcpHeader {
        let stamps = self.stamps.then(|| (self.clock(side), self.peers[side as usize].seen));
        TcpHeader {
            sequence: self.peers[side as usize].next,
            acknowledgment: self.peers[side.other() as usize].next,
            flags,
            window: self.window(side),
            options: later_options(stamps),
            ..TcpHeader::default()
        }
    }

    fn window(&mut self, side: FlowEnd) -> u16 {
        let (stack, peer) = (&self.stacks[side as usize], &self.peers[side as usize]);
        let scale = if self.scaled { stack.scale } else { 0 };
        let open = u64::from(stack.open_window_bytes);
        let bytes = if stack.still_window {
            open
        } else {
            let unread = self.wire.draw.exponential(1_200.0) as u64;
            (open + (2 * peer.received).min(1 << 20)).saturating_sub(unread)
        };
        (bytes >> scale).clamp(1, 65_535) as u16
    }

    fn clock(&self, side: FlowEnd) -> u32 {
        let stack = &self.stacks[side as usize];
        let elapsed_ms = (self.wire.clock_us - self.epoch_us) as f64 / 1_000.0;
        stack.clock.wrapping_add((elapsed_ms * stack.ticks_per_ms) as u32)
    }
}
