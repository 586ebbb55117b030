//! One flow in its population: which host, when, with which draws; and wires to whom it talks.

use super::SimulateOptions;
use super::draw::Draw;
use super::host::{HOSTS, Host, IPV6_HOSTS_SHARE};
use super::service::Server;
use super::system::System;
use super::tcp::TcpSetup;
use super::wire::{End, FlowEnd, Identification, Wire};
use std::net::IpAddr;
use syntrace_base::base::Seed;

/// Mean time between the starts of two flows.
const FLOW_GAP_US: f64 = 150_000.0;

/// Flow number `index` of a population, about to start.
pub(super) struct Flow<'a> {
    pub(super) host: &'a Host,
    /// This is the host's flow number `slot`; no other flow of the host has it.
    pub(super) slot: u64,
    pub(super) draw: Draw,
    pub(super) ipv6: bool,
    pub(super) start_us: i64,
    epoch_us: i64,
    limit: usize,
    offload_bytes: usize,
}

/// Someone on the local network, or everyone there.
pub(super) struct Local {
    pub(super) mac: [u8; 6],
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    pub(super) hop_limit: u8,
    /// Hop limit of what the host sends there (multicast often uses a small one).
    pub(super) own_hop_limit: Option<u8>,
    pub(super) own_port: Option<u16>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(
        options: &SimulateOptions,
        population: &Seed,
        hosts: &'a [Host; HOSTS],
        index: u32,
        offload_bytes: usize,
    ) -> Self {
        let mut draw = Draw::new(&population.named("flow").numbered(u64::from(index)));
        // Blocks of one flow per host, each block starting at another host: the share of a host is
        // the same, and a host's slots are its own, so its ports never repeat.
        let slot = u64::from(index) / HOSTS as u64;
        let turn = Draw::new(&population.named("block").numbered(slot)).size(0, HOSTS - 1);
        let host = &hosts[(index as usize + turn) % HOSTS];
        let delay_us = f64::from(index) * FLOW_GAP_US + draw.exponential(20.0 * FLOW_GAP_US);
        let ipv6 = host.has_ipv6 && draw.chance(options.ipv6_share / IPV6_HOSTS_SHARE);
        Self {
            host,
            slot,
            ipv6,
            start_us: options.start_us + delay_us as i64,
            epoch_us: options.start_us,
            limit: options.packets_per_flow_max as usize,
            offload_bytes,
            draw,
        }
    }

    /// A TCP wire to a server, and what a connection on it needs.
    pub(super) fn tcp(self, server: &Server, port: u16) -> (Wire, TcpSetup) {
        let host = self.host;
        let mut pair = Draw::new(&server.seed.numbered(u64::from(host.clock_base)));
        let setup = TcpSetup {
            client: host.system,
            server: server.system,
            client_syn_window: host.syn_window,
            client_mss: 1460,
            server_mss: server.mss.min(host.line_mss),
            rtt_us: host.line_rtt_us + server.rtt_us,
            clocks: [host.clock_base.wrapping_add(pair.word()), pair.word()],
            epoch_us: self.epoch_us,
            offload_bytes: self.offload_bytes,
            resend_rate: 0.008,
        };
        let mut ends = self.ends(server, port, None);
        for end in &mut ends {
            end.dont_fragment = true;
        }
        ends[0].identification = self.client_identification(true);
        (self.wire(ends), setup)
    }

    /// A TCP wire to a Windows neighbour without the access line in between.
    pub(super) fn local_tcp(self, port: u16) -> (Wire, TcpSetup) {
        let host = self.host;
        let local = Local {
            mac: host.neighbour_mac,
            ip: host.neighbour_v4.into(),
            port,
            hop_limit: 128,
            own_hop_limit: None,
            own_port: None,
        };
        let setup = TcpSetup {
            client: host.system,
            server: System::Windows,
            client_syn_window: host.syn_window,
            client_mss: 1460,
            server_mss: 1460,
            rtt_us: 700.0,
            clocks: [host.clock_base, host.clock_base.rotate_left(7)],
            epoch_us: self.epoch_us,
            offload_bytes: self.offload_bytes,
            resend_rate: 0.001,
        };
        let identification = self.client_identification(true);
        let mut wire = self.local(local);
        for side in [FlowEnd::Client, FlowEnd::Server] {
            wire.end(side).dont_fragment = true;
        }
        wire.end(FlowEnd::Client).identification = identification;
        let start = wire.draw.half();
        wire.end(FlowEnd::Server).identification = Identification::PerHost(start);
        (wire, setup)
    }

    /// A UDP wire to a server; `own_port` instead of an ephemeral one.
    pub(super) fn udp(self, server: &Server, port: u16, own_port: Option<u16>) -> Wire {
        let mut ends = self.ends(server, port, own_port);
        ends[1].dont_fragment = server.system != System::Windows;
        self.wire(ends)
    }

    /// A UDP wire on the local network.
    pub(super) fn local(mut self, local: Local) -> Wire {
        let host = self.host;
        let ipv6 = local.ip.is_ipv6();
        let own = End {
            mac: host.mac,
            ip: host.address(ipv6),
            port: local.own_port.unwrap_or_else(|| host.ephemeral_port(self.slot)),
            hop_limit: local.own_hop_limit.unwrap_or_else(|| host.system.initial_hop_limit()),
            tos: 0,
            identification: self.client_identification(false),
            dont_fragment: host.system.is_linux() && local.own_hop_limit.is_none(),
            flow_label: self.draw.word(),
        };
        let other = End {
            mac: local.mac,
            ip: local.ip,
            port: local.port,
            hop_limit: local.hop_limit,
            tos: 0,
            identification: Identification::PerFlow(self.draw.half()),
            dont_fragment: self.draw.chance(0.7),
            flow_label: 0,
        };
        self.wire([own, other])
    }

    /// The household's resolver.
    pub(super) fn resolver(&self, port: u16) -> Local {
        let host = self.host;
        Local {
            mac: host.router_mac,
            ip: host.router(self.ipv6),
            port,
            hop_limit: 64,
            own_hop_limit: None,
            own_port: None,
        }
    }

    /// The flow's own port, as seen from outside its household.
    pub(super) fn public_view(&mut self) -> (IpAddr, u16) {
        let port = self.host.ephemeral_port(self.slot);
        if self.ipv6 {
            return (self.host.v6.into(), port);
        }
        // The household's public address: one in 81.0.0.0/8 by its subnet.
        let [_, a, b, _] = self.host.router_v4.octets();
        (IpAddr::V4([81, a, b, 17].into()), if self.draw.chance(0.6) { port } else { 1_024 | self.draw.half() })
    }

    fn ends(&self, server: &Server, port: u16, own_port: Option<u16>) -> [End; 2] {
        let host = self.host;
        let mut draw = Draw::new(&server.seed.numbered(self.slot ^ u64::from(host.clock_base) << 20));
        let hops = server.hops + host.line_hops;
        let own = End {
            mac: host.mac,
            ip: host.address(self.ipv6),
            port: own_port.unwrap_or_else(|| host.ephemeral_port(self.slot)),
            hop_limit: host.system.initial_hop_limit(),
            tos: 0,
            identification: self.client_identification(false),
            dont_fragment: host.system.is_linux(),
            flow_label: draw.word(),
        };
        let other = End {
            mac: host.router_mac,
            ip: server.address(self.ipv6),
            port,
            hop_limit: server.system.initial_hop_limit() - hops,
            // Some networks mark what comes in; the mark belongs to the path.
            tos: [0, 0, 0, 0, 0x20, 0x28][server.hops as usize % 6],
            identification: match server.system {
                System::Windows => Identification::PerHost(draw.half()),
                System::Google => Identification::Random,
                _ => Identification::PerFlow(draw.half()),
            },
            dont_fragment: true,
            flow_label: if server.system == System::Linux { draw.word() } else { 0 },
        };
        [own, other]
    }

    fn client_identification(&self, tcp: bool) -> Identification {
        match self.host.system {
            System::FreeBsd if tcp => Identification::Zero,
            System::Windows | System::Windows7 | System::FreeBsd => {
                Identification::PerHost(self.host.identification_at(self.start_us - self.epoch_us))
            }
            System::Mac if tcp => Identification::Zero,
            System::Mac => Identification::Random,
            // Linux starts each socket at a random number.
            _ => Identification::PerFlow(
                (self.host.ephemeral_port(self.slot) ^ (self.start_us as u16)).wrapping_mul(40_503),
            ),
        }
    }

    fn wire(self, ends: [End; 2]) -> Wire {
        Wire::new(self.start_us, self.limit, self.draw, ends)
    }
}
