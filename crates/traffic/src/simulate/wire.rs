//! The wire of one flow: two ends, a clock, and the frames that pass the capturing client.

use super::draw::Draw;
use super::frame::{Network, TcpHeader, tcp_frame, udp_frame};
use std::net::IpAddr;

/// One packet on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedFrame {
    /// Microseconds since 1970.
    pub time_us: i64,
    /// A complete Ethernet II frame without its check sequence; IP, TCP and UDP checksums are valid.
    pub bytes: Vec<u8>,
}

/// Which end of a flow; the capture is taken at the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlowEnd {
    Client = 0,
    Server = 1,
}

impl FlowEnd {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// How an end fills the IPv4 identification field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Identification {
    /// Always 0: macOS with DF set, and Linux before a socket is established.
    Zero,
    /// One more per packet of this flow, from a random start: Linux.
    PerFlow(u16),
    /// One more per packet of the host, whose other flows count too: Windows.
    PerHost(u16),
    /// A fresh random value: macOS without DF.
    Random,
}

/// One end of a flow.
pub(super) struct End {
    pub(super) mac: [u8; 6],
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    /// As seen at the client, after the hops.
    pub(super) hop_limit: u8,
    pub(super) tos: u8,
    pub(super) identification: Identification,
    pub(super) dont_fragment: bool,
    pub(super) flow_label: u32,
}

impl End {
    fn next_identification(&mut self, draw: &mut Draw) -> u16 {
        match &mut self.identification {
            Identification::Zero => 0,
            Identification::Random => draw.half(),
            Identification::PerFlow(next) => {
                *next = next.wrapping_add(1);
                *next
            }
            Identification::PerHost(next) => {
                *next = next.wrapping_add(1 + draw.exponential(0.8) as u16);
                *next
            }
        }
    }
}

/// Collects the frames of one flow; silently ignores what comes after the packet limit, as a capture
/// that has ended does.
pub(super) struct Wire {
    pub(super) clock_us: i64,
    pub(super) draw: Draw,
    ends: [End; 2],
    limit: usize,
    frames: Vec<SimulatedFrame>,
}

impl Wire {
    pub(super) fn new(start_us: i64, limit: usize, draw: Draw, ends: [End; 2]) -> Self {
        Self { clock_us: start_us, draw, ends, limit, frames: Vec::new() }
    }

    pub(super) fn end(&mut self, side: FlowEnd) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.ends[0].ip.is_ipv6()
    }

    /// True once nothing more will be captured.
    pub(super) fn full(&self) -> bool {
        self.frames.len() >= self.limit
    }

    pub(super) fn wait(&mut self, time_us: f64) {
        self.clock_us += (time_us as i64).max(1);
    }

    /// Waits an exponential time.
    pub(super) fn pause(&mut self, mean_us: f64) {
        let time_us = self.draw.exponential(mean_us);
        self.wait(time_us);
    }

    /// Sends a datagram now.
    pub(super) fn udp(&mut self, from: FlowEnd, payload: &[u8]) {
        let network = self.network(from, None);
        let (src, dst) = (self.ends[from as usize].port, self.ends[from.other() as usize].port);
        self.push(udp_frame(&network, src, dst, payload));
    }

    /// Sends a segment now; the ports come from the ends. `identification` overrides the end's rule.
    pub(super) fn tcp(&mut self, from: FlowEnd, mut header: TcpHeader, payload: &[u8], identification: Option<u16>) {
        header.src_port = self.ends[from as usize].port;
        header.dst_port = self.ends[from.other() as usize].port;
        let network = self.network(from, identification);
        self.push(tcp_frame(&network, &header, payload));
    }

    /// The frames in the order sent.
    pub(super) fn into_frames(self) -> Vec<SimulatedFrame> {
        self.frames
    }

    fn network(&mut self, from: FlowEnd, identification: Option<u16>) -> Network {
        let (dst_mac, dst_ip) = (self.ends[from.other() as usize].mac, self.ends[from.other() as usize].ip);
        let end = &mut self.ends[from as usize];
        let own = end.next_identification(&mut self.draw);
        Network {
            src_mac: end.mac,
            dst_mac,
            src_ip: end.ip,
            dst_ip,
            hop_limit: end.hop_limit,
            tos: end.tos,
            identification: identification.unwrap_or(own),
            dont_fragment: end.dont_fragment,
            flow_label: end.flow_label,
            padded: from == FlowEnd::Server,
        }
    }

    fn push(&mut self, bytes: Vec<u8>) {
        if !self.full() {
            self.frames.push(SimulatedFrame { time_us: self.clock_us, bytes });
        }
    }
}
