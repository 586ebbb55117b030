//! The capturing hosts: households with a private subnet, a router and a few machines each.

use super::draw::Draw;
use super::system::System;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use syntrace_base::base::Seed;

/// As in the paper's VCA data (section 3.3.2): calls from 15 households.
const HOUSEHOLDS: usize = 15;
const HOSTS_PER_HOUSEHOLD: usize = 4;
/// All machines that take part.
pub(super) const HOSTS: usize = HOUSEHOLDS * HOSTS_PER_HOUSEHOLD;

/// Share of households whose line carries IPv6.
pub(super) const IPV6_HOSTS_SHARE: f64 = 0.6;

/// First bytes of network card addresses by maker: Intel, Realtek, Dell, Apple, Raspberry Pi.
const CARD_MAKERS: [[u8; 3]; 5] =
    [[0x3c, 0xa9, 0xf4], [0x00, 0xe0, 0x4c], [0xb8, 0x85, 0x84], [0xa4, 0x83, 0xe7], [0xb8, 0x27, 0xeb]];
const ROUTER_MAKERS: [[u8; 3]; 4] = [[0xc4, 0x04, 0x15], [0x14, 0xcc, 0x20], [0xfc, 0xec, 0xda], [0x50, 0xc7, 0xbf]];

/// Even ports of Linux' ephemeral range by which readers of captures (Wireshark 4.0) recognise a UDP or
/// TCP protocol; media from there would be read as EtherNet/IP and the like.
const PROTOCOL_PORTS: [u16; 21] = [
    34_962, 34_980, 37_008, 41_170, 44_322, 44_818, 45_564, 47_000, 47_808, 48_898, 54_328, 56_000, 56_500, 57_000,
    57_032, 57_500, 57_532, 59_000, 59_032, 59_500, 59_532,
];

/// One machine in one household. It is the same in every flow of a seed, dataset and class.
pub(super) struct Host {
    pub(super) system: System,
    pub(super) name: String,
    pub(super) mac: [u8; 6],
    pub(super) router_mac: [u8; 6],
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    pub(super) router_v4: Ipv4Addr,
    pub(super) router_v6: Ipv6Addr,
    pub(super) subnet_broadcast: Ipv4Addr,
    /// Another machine of the household (file server, printer).
    pub(super) neighbour_v4: Ipv4Addr,
    pub(super) neighbour_mac: [u8; 6],
    /// Largest segment that the access line lets through (PPPoE and tunnels clamp it).
    pub(super) line_mss: u16,
    pub(super) line_rtt_us: f64,
    pub(super) line_hops: u8,
    pub(super) has_ipv6: bool,
    pub(super) syn_window: u16,
    pub(super) clock_base: u32,
    identification_base: u16,
    identification_rate_hz: f64,
    port_base: u64,
    /// Browser flavour, 0..4.
    pub(super) browser: usize,
}

impl Host {
    /// Machine `index` (below [`HOSTS`]) of a population.
    pub(super) fn new(population: &Seed, index: usize, system: System) -> Self {
        let household = index / HOSTS_PER_HOUSEHOLD;
        let mut home = Draw::new(&population.named("household").numbered(household as u64));
        let mut own = Draw::new(&population.named("host").numbered(index as u64));
        let subnet = subnet(&mut home, household);
        let site = [0x20, 0x01, 0x04, 0x70 + home.byte() % 4, home.byte(), household as u8, 0, home.byte()];
        let router_mac = mac(home.pick(&ROUTER_MAKERS), &mut home);
        // Households may have the same subnet, as real ones do; no two machines share an address.
        let machine = 10 + 40 * (index % HOSTS_PER_HOUSEHOLD) as u8 + 2 * household as u8 + own.byte() % 2;
        let neighbour = 200 + home.byte() % 50;
        let neighbour_mac = mac(home.pick(&CARD_MAKERS), &mut home);
        let maker = match system {
            System::Mac => CARD_MAKERS[3],
            _ => own.pick(&CARD_MAKERS),
        };
        let v4 = |last| Ipv4Addr::new(subnet[0], subnet[1], subnet[2], last);
        Self {
            system,
            name: format!("{}-{}", own.pick(&["desktop", "laptop", "office", "studio", "pc"]), own.label(3, 7)),
            mac: mac(maker, &mut own),
            router_mac,
            v4: v4(machine),
            v6: v6(&site, own.array()),
            router_v4: v4(1),
            router_v6: v6(&site, [0, 0, 0, 0, 0, 0, 0, 1]),
            subnet_broadcast: v4(255),
            neighbour_v4: v4(neighbour),
            neighbour_mac,
            line_mss: home.pick(&[1460, 1460, 1460, 1452, 1440, 1420]),
            line_rtt_us: home.log_normal(9_000.0, 0.6),
            line_hops: 2 + home.byte() % 4,
            has_ipv6: home.chance(IPV6_HOSTS_SHARE),
            syn_window: if system == System::Windows && own.chance(0.75) { 64_240 } else { system.syn_window() },
            clock_base: own.word(),
            identification_base: own.half(),
            identification_rate_hz: own.log_normal(6.0, 0.8),
            port_base: u64::from(own.word()),
            browser: own.size(0, 3),
        }
    }

    /// The counter of a host that numbers all its packets, at a time since the start of the capture.
    pub(super) fn identification_at(&self, elapsed_us: i64) -> u16 {
        let passed = elapsed_us as f64 / 1e6 * self.identification_rate_hz;
        self.identification_base.wrapping_add(passed as u64 as u16)
    }

    /// The ephemeral port of this host's flow number `slot`: no two of the first 14,000 share one.
    /// Windows and macOS count upwards, Linux takes even ports in a scattered order.
    pub(super) fn ephemeral_port(&self, slot: u64) -> u16 {
        let (first, end) = self.system.ephemeral_ports();
        let span = u64::from(end - first);
        let offset = match self.system {
            // 5,003 is coprime to half the span (14,115 = 3 * 5 * 941), so this walks all even ports.
            System::Linux | System::Android => 2 * ((self.port_base + slot * 5_003) % (span / 2)),
            _ => (self.port_base + slot) % span,
        };
        let port = first + offset as u16;
        // Odd ports are free, since all ports of the walk on Linux are even.
        if self.system.is_linux() && PROTOCOL_PORTS.contains(&port) { port + 3 } else { port }
    }

    pub(super) fn address(&self, ipv6: bool) -> IpAddr {
        if ipv6 { self.v6.into() } else { self.v4.into() }
    }

    pub(super) fn router(&self, ipv6: bool) -> IpAddr {
        if ipv6 { self.router_v6.into() } else { self.router_v4.into() }
    }
}

fn subnet(draw: &mut Draw, household: usize) -> [u8; 3] {
    match draw.size(0, 5) {
        0 => [10, 0, household as u8],
        1 => [10, draw.byte(), draw.byte()],
        2 => [172, 16 + draw.byte() % 16, draw.byte()],
        _ => [192, 168, draw.pick(&[0, 1, 2, 10, 20, 50, 86, 88, 100, 178, 254])],
    }
}

fn mac(maker: [u8; 3], draw: &mut Draw) -> [u8; 6] {
    let own: [u8; 3] = draw.array();
    [maker[0], maker[1], maker[2], own[0], own[1], own[2]]
}

fn v6(site: &[u8; 8], interface: [u8; 8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(site);
    octets[8..].copy_from_slice(&interface);
    octets.into()
}
