//! One TCP connection as the client's capture shows it: handshake, data with acknowledgements,
//! deliberate retransmissions, keep-alives, teardown. Sequence numbers always agree with what passed
//! before (RFC 9293); timestamps follow RFC 7323, duplicate reports RFC 2883.

use super::draw::Draw;
use super::frame::TcpHeader;
use super::system::{System, timestamp_option};
use super::wire::{FlowEnd, Identification, Wire};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const ECE: u8 = 64;
const CWR: u8 = 128;

/// Share of turns that are acknowledged before the answer's data.
const QUICK_ACK_RATE: f64 = 0.88;

/// Parameters of a new connection.
pub(super) struct TcpSetup {
    pub(super) client: System,
    pub(super) server: System,
    pub(super) client_syn_window: u16,
    pub(super) client_mss: u16,
    pub(super) server_mss: u16,
    pub(super) rtt_us: f64,
    /// Timestamp clocks of both ends at `epoch_us`, in ticks of one millisecond.
    pub(super) clocks: [u32; 2],
    pub(super) epoch_us: i64,
    /// Largest IP length after segmentation or receive offload.
    pub(super) offload_bytes: usize,
    /// Chance that one data segment is sent twice.
    pub(super) resend_rate: f64,
}

/// State of one end.
#[derive(Default)]
struct Peer {
    system: System,
    next: u32,
    mss: usize,
    clock: u32,
    /// Peer's newest timestamp, to echo.
    seen_stamp: u32,
    /// Received and not yet acknowledged segments.
    owed: usize,
    received: u64,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// FIN of this side first, then of the other.
    Fin(FlowEnd),
    /// The side resets the connection.
    Reset(FlowEnd),
    /// The capture ends first.
    Open,
}

/// A connection on a wire.
pub(super) struct Tcp<'a> {
    pub(super) wire: &'a mut Wire,
    setup: TcpSetup,
    peers: [Peer; 2],
    timestamps: bool,
}

impl<'a> Tcp<'a> {
    /// A connection that has sent nothing yet.
    pub(super) fn new(wire: &'a mut Wire, setup: TcpSetup) -> Self {
        let timestamps = setup.client.offers_timestamps() && setup.server != System::Windows;
        // A Windows front end answers without timestamps, Linux and Google with them where offered.
        let overhead = 12 * usize::from(timestamps) + 20 * usize::from(wire.is_ipv6());
        let mss = usize::from(setup.client_mss.min(setup.server_mss)) - overhead;
        let peer = |draw: &mut Draw, system, clock| Peer { system, next: draw.word(), mss, clock, ..Peer::default() };
        let peers =
            [peer(&mut wire.draw, setup.client, setup.clocks[0]), peer(&mut wire.draw, setup.server, setup.clocks[1])];
        Self { wire, setup, peers, timestamps }
    }

    /// Three-way handshake; macOS asks for ECN in some connections.
    pub(super) fn open(&mut self) {
        let ecn = self.setup.client == System::Mac && self.wire.draw.chance(0.25);
        self.syn(if ecn { ECE | CWR } else { 0 });
        if self.wire.draw.chance(0.012) {
            // The SYN or its answer is lost: the client tries again after a second.
            self.wire.wait(1_000_000.0);
            self.peers[0].next = self.peers[0].next.wrapping_sub(1);
            self.syn(0);
        }
        self.wait_rtt();
        self.syn_ack(if ecn && self.setup.server != System::Windows { ECE } else { 0 });
        self.wire.pause(60.0);
        self.acknowledge(FlowEnd::Client);
    }

    /// Takes up a connection that began before the capture.
    pub(super) fn resume(&mut self) {
        for side in [FlowEnd::Client, FlowEnd::Server] {
            self.peers[side as usize].seen_stamp = self.clock_of(side.other());
            self.peers[side as usize].received = u64::from(self.wire.draw.word() >> 12);
        }
    }

    /// A SYN that is answered by a reset.
    pub(super) fn refused(&mut self, attempts: usize) {
        for attempt in 0..attempts {
            if attempt > 0 {
                // Windows tries a refused port three times, half a second apart.
                self.wire.wait(500_000.0);
                self.peers[0].next = self.peers[0].next.wrapping_sub(1);
            }
            self.syn(0);
            self.wait_rtt();
            let header = TcpHeader { acknowledgment: self.peers[0].next, flags: RST | ACK, ..TcpHeader::default() };
            self.wire.tcp(FlowEnd::Server, header, &[], Some(0));
        }
    }

    /// SYNs that nobody answers, with the waiting times of the client's system in seconds.
    pub(super) fn unanswered(&mut self, attempts: usize) {
        let waits: &[f64] = match self.setup.client {
            System::Windows | System::Windows7 => &[1.0, 2.0, 4.0, 8.0],
            System::Mac => &[1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0],
            _ => &[1.03, 2.02, 4.06, 8.2, 16.1],
        };
        self.syn(0);
        for wait in waits.iter().take(attempts.saturating_sub(1)) {
            let jitter = 1.0 + 0.01 * self.wire.draw.unit();
            self.wire.wait(wait * 1e6 * jitter);
            self.peers[0].next = self.peers[0].next.wrapping_sub(1);
            self.syn(0);
        }
    }

    /// One side sends bytes; the other acknowledges as it would. `think_us` passes before.
    pub(super) fn say(&mut self, side: FlowEnd, bytes: &[u8], think_us: f64) {
        self.turn(side, think_us);
        let mut left = bytes;
        while !left.is_empty() && !self.wire.full() {
            let (now, later) = left.split_at(self.burst_bytes(side, left.len()));
            left = later;
            self.data(side, now, if left.is_empty() { ACK | PSH } else { ACK });
            self.acknowledge_burst(side.other(), left.is_empty());
            let gap = if side == FlowEnd::Server { 120.0 } else { 15.0 };
            self.wire.pause(gap);
        }
    }

    /// Windows probes with one byte that the other side has, others with none.
    pub(super) fn probes_with_a_byte(&self, side: FlowEnd) -> bool {
        self.peers[side as usize].system.is_windows()
    }

    /// A probe of an idle connection and its answer.
    pub(super) fn keep_alive(&mut self, side: FlowEnd) {
        let garbage: &[u8] = if self.probes_with_a_byte(side) { &[0] } else { &[] };
        let back = self.peers[side as usize].next.wrapping_sub(1);
        let mut header = self.header(side, ACK);
        header.sequence = back;
        self.wire.tcp(side, header, garbage, None);
        self.cross(side);
        // Only a probe with a byte in it is seen as duplicate data, and reported as such (RFC 2883).
        let duplicate = (!garbage.is_empty()).then_some((back, back.wrapping_add(1)));
        self.acknowledge_with(side.other(), duplicate);
    }

    /// Teardown.
    pub(super) fn close(&mut self, ending: Ending) {
        match ending {
            Ending::Open => {}
            Ending::Reset(side) => {
                self.turn(side, 2_000.0);
                let flags = if self.wire.draw.chance(0.7) { RST | ACK } else { RST };
                self.reset(side, flags);
            }
            Ending::Fin(side) => self.fin(side),
        }
    }

    fn fin(&mut self, side: FlowEnd) {
        self.turn(side, 3_000.0);
        self.control(side, FIN | ACK);
        if self.wire.draw.chance(0.12) {
            // The application is gone: the other side resets instead of closing.
            self.cross(side);
            self.reset(side.other(), RST | ACK);
            return;
        }
        self.cross(side);
        if self.wire.draw.chance(0.5) {
            self.acknowledge(side.other());
            self.wire.pause(900.0);
        }
        self.control(side.other(), FIN | ACK);
        self.cross(side.other());
        self.acknowledge(side);
    }

    fn reset(&mut self, side: FlowEnd, flags: u8) {
        let mut header = self.header(side, flags);
        header.options.clear();
        header.window = 0;
        if flags & ACK == 0 {
            header.acknowledgment = 0;
        }
        let identification = (!self.peers[side as usize].system.is_windows()).then_some(0);
        self.wire.tcp(side, header, &[], identification);
    }

    fn syn(&mut self, ecn: u8) {
        let stamps = self.setup.client.offers_timestamps().then(|| (self.clock_of(FlowEnd::Client), 0));
        let mss = if self.wire.is_ipv6() { self.setup.client_mss - 20 } else { self.setup.client_mss };
        let header = TcpHeader {
            sequence: self.peers[0].next,
            flags: SYN | ecn,
            window: self.setup.client_syn_window,
            options: self.setup.client.syn_options(mss, stamps),
            ..TcpHeader::default()
        };
        self.wire.tcp(FlowEnd::Client, header, &[], None);
        self.peers[0].next = self.peers[0].next.wrapping_add(1);
        self.peers[1].seen_stamp = stamps.map_or(0, |(value, _)| value);
    }

    fn syn_ack(&mut self, ecn: u8) {
        let stamps = self.timestamps.then(|| (self.clock_of(FlowEnd::Server), self.peers[1].seen_stamp));
        let mss = if self.wire.is_ipv6() { self.setup.server_mss - 20 } else { self.setup.server_mss };
        let header = TcpHeader {
            sequence: self.peers[1].next,
            acknowledgment: self.peers[0].next,
            flags: SYN | ACK | ecn,
            window: if stamps.is_some() && self.setup.server == System::Linux {
                65_160
            } else {
                self.setup.server.syn_window()
            },
            options: self.setup.server.syn_options(mss, stamps),
            ..TcpHeader::default()
        };
        let zero = matches!(self.wire.end(FlowEnd::Server).identification, Identification::PerFlow(_)).then_some(0);
        self.wire.tcp(FlowEnd::Server, header, &[], zero);
        self.peers[1].next = self.peers[1].next.wrapping_add(1);
        self.peers[0].seen_stamp = stamps.map_or(0, |(value, _)| value);
    }

    /// Bytes that pass the capture as one packet: offloading glues segments of a burst together.
    fn burst_bytes(&mut self, side: FlowEnd, left: usize) -> usize {
        let mss = self.peers[side as usize].mss;
        let headers = 20 + if self.wire.is_ipv6() { 40 } else { 20 } + if self.timestamps { 12 } else { 0 };
        let most = self.setup.offload_bytes.saturating_sub(headers).max(mss);
        if left <= mss || most < 2 * mss || self.wire.draw.chance(0.2) {
            return left.min(mss);
        }
        if side == FlowEnd::Client {
            // A sending card gets what there is, in whole segments.
            return if left <= most { left } else { most - most % mss };
        }
        if self.wire.draw.chance(0.15) {
            // The sender wrote in pieces, so the glued segments are not all full.
            return self.wire.draw.size(mss, most).min(left);
        }
        let segments = left.div_ceil(mss).min(most / mss);
        let glued = self.wire.draw.size(1, segments).max(self.wire.draw.size(1, segments));
        (glued * mss).min(left)
    }

    fn data(&mut self, side: FlowEnd, bytes: &[u8], flags: u8) {
        let segments = bytes.len().div_ceil(self.peers[side as usize].mss);
        let header = self.header(side, flags);
        let sequence = header.sequence;
        self.wire.tcp(side, header, bytes, None);
        self.peers[side as usize].next = sequence.wrapping_add(bytes.len() as u32);
        self.peers[side as usize].owed = 0;
        let stamp = self.clock_of(side);
        let other = &mut self.peers[side.other() as usize];
        other.seen_stamp = stamp;
        other.owed += segments;
        other.received += bytes.len() as u64;
        if segments == 1 && self.wire.draw.chance(self.setup.resend_rate) {
            self.resend(side, sequence, bytes, flags);
        }
    }

    /// The same data again after a time-out, and the duplicate report of a receiver that had it.
    fn resend(&mut self, side: FlowEnd, sequence: u32, bytes: &[u8], flags: u8) {
        let time_out = self.wire.draw.log_normal(230_000.0, 0.2);
        self.wire.wait(time_out);
        let mut header = self.header(side, flags | PSH);
        header.sequence = sequence;
        self.wire.tcp(side, header, bytes, None);
        self.cross(side);
        self.acknowledge_with(side.other(), Some((sequence, sequence.wrapping_add(bytes.len() as u32))));
    }

    fn acknowledge_burst(&mut self, side: FlowEnd, last: bool) {
        let owed = self.peers[side as usize].owed;
        if side == FlowEnd::Client {
            // Every second segment at once. A last one too while the connection is young (Linux calls it
            // quick acknowledgement) or when the next data takes longer than the delay.
            let now = owed >= 2 || self.wire.draw.chance(if last { QUICK_ACK_RATE } else { 0.4 });
            if now {
                self.wire.pause(35.0);
                self.acknowledge(side);
            }
        } else if last && self.wire.draw.chance(QUICK_ACK_RATE) {
            self.wait_rtt();
            self.acknowledge(side);
        }
    }

    /// Passes the time until `side` speaks, and lets a delayed acknowledgement go first at times.
    fn turn(&mut self, side: FlowEnd, think_us: f64) {
        let other = side.other();
        if self.peers[other as usize].owed > 0 && self.wire.draw.chance(0.5) {
            self.wire.pause(if other == FlowEnd::Client { 30_000.0 } else { self.setup.rtt_us });
            self.acknowledge(other);
        }
        if side == FlowEnd::Server {
            self.wait_rtt();
        }
        self.wire.pause(think_us);
    }

    /// Time between a packet of `side` and the other side's answer to it, as the client sees it.
    fn cross(&mut self, side: FlowEnd) {
        if side == FlowEnd::Client { self.wait_rtt() } else { self.wire.pause(50.0) }
    }

    fn wait_rtt(&mut self) {
        let jitter = self.wire.draw.log_normal(1.0, 0.08);
        self.wire.wait(self.setup.rtt_us * jitter);
    }

    fn acknowledge(&mut self, side: FlowEnd) {
        self.acknowledge_with(side, None);
    }

    fn acknowledge_with(&mut self, side: FlowEnd, duplicate: Option<(u32, u32)>) {
        let mut header = self.header(side, ACK);
        if let Some((left, right)) = duplicate {
            header.options.extend([1, 1, 5, 10]);
            header.options.extend(left.to_be_bytes());
            header.options.extend(right.to_be_bytes());
        }
        self.wire.tcp(side, header, &[], None);
        self.peers[side as usize].owed = 0;
        let stamp = self.clock_of(side);
        self.peers[side.other() as usize].seen_stamp = stamp;
    }

    /// A segment without data that takes one sequence number (FIN).
    fn control(&mut self, side: FlowEnd, flags: u8) {
        let header = self.header(side, flags);
        self.wire.tcp(side, header, &[], None);
        self.peers[side as usize].next = self.peers[side as usize].next.wrapping_add(1);
        self.peers[side as usize].owed = 0;
        let stamp = self.clock_of(side);
        self.peers[side.other() as usize].seen_stamp = stamp;
    }

    fn header(&mut self, side: FlowEnd, flags: u8) -> TcpHeader {
        let mut options = Vec::new();
        if self.timestamps {
            options.extend([1, 1]);
            options.extend(timestamp_option((self.clock_of(side), self.peers[side as usize].seen_stamp)));
        }
        TcpHeader {
            sequence: self.peers[side as usize].next,
            acknowledgment: self.peers[side.other() as usize].next,
            flags,
            window: self.window(side),
            options,
            ..TcpHeader::default()
        }
    }

    /// The scaled window: opens with what was received (auto-tuning), closes a little by what is unread.
    fn window(&mut self, side: FlowEnd) -> u16 {
        let peer = &self.peers[side as usize];
        let opened = u64::from(peer.system.open_window_bytes()) + (2 * peer.received).min(1 << 20);
        let scale = peer.system.window_scale();
        let unread = self.wire.draw.exponential(900.0) as u64;
        (opened.saturating_sub(unread) >> scale).clamp(1, 65_535) as u16
    }

    fn clock_of(&self, side: FlowEnd) -> u32 {
        let elapsed_ms = (self.wire.clock_us - self.setup.epoch_us) / 1_000;
        self.peers[side as usize].clock.wrapping_add(elapsed_ms as u32)
    }
}
