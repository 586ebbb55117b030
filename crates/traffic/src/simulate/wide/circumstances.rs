//! Who talks to whom over what: the two sides, what lies between, and where it is watched.

use super::super::draw::Draw;
use super::super::wire::{End, Wire};
use super::place;
use super::stack::Stack;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Share of flows over IPv6, where the protocol has it.
const IPV6_SHARE: f64 = 0.25;

/// Whom a flow is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reach {
    /// Someone beyond the router.
    #[default]
    Internet,
    /// Someone on the local network.
    Local,
    /// A group of the local network: its IPv4 address, and the last bytes of its link-local IPv6 address.
    Group([u8; 4], [u8; 3]),
    /// Everyone on the local network; IPv4 alone has that.
    Everyone,
}

/// Ports of a flow; `None` is an ephemeral one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ports {
    pub(super) own: Option<u16>,
    pub(super) other: Option<u16>,
}

/// The environment of a flow, drawn before its first packet.
pub(super) struct Circumstances {
    pub(super) draw: Draw,
    start_us: i64,
    limit: usize,
    ipv6: bool,
    stacks: [Stack; 2],
}

/// A flow that can talk.
pub(super) struct Line {
    pub(super) wire: Wire,
    pub(super) stacks: [Stack; 2],
    pub(super) rtt_us: f64,
    pub(super) ends: [IpAddr; 2],
}

impl Circumstances {
    pub(super) fn draw(mut draw: Draw, start_us: i64, limit: usize, datagrams: bool) -> Self {
        let ipv6 = draw.chance(IPV6_SHARE);
        let stacks = [Stack::draw(&mut draw, datagrams), Stack::draw(&mut draw, datagrams)];
        Self { draw, start_us, limit, ipv6, stacks }
    }

    /// What is spoken has IPv6 only.
    pub(super) fn over_ipv6(&mut self) {
        self.ipv6 = true;
    }

    /// Connects the two sides.
    pub(super) fn line(mut self, reach: Reach, ports: Ports) -> Line {
        let draw = &mut self.draw;
        let ipv6 = self.ipv6 && reach != Reach::Everyone;
        let [mut own, mut other] = match reach {
            Reach::Internet => place::apart(draw, ipv6),
            _ => place::neighbours(draw, ipv6),
        };
        let [own_mac, mut other_mac] = [place::mac(draw), place::mac(draw)];
        match reach {
            Reach::Internet | Reach::Local => {}
            Reach::Everyone => other = place::broadcast(draw, own),
            Reach::Group(_, [a, b, c]) if ipv6 => {
                own = place::link_local(draw);
                other = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c]).into();
            }
            Reach::Group(group, _) => other = Ipv4Addr::from(group).into(),
        }
        if matches!(reach, Reach::Everyone | Reach::Group(..)) {
            other_mac = place::group_mac(other);
        }
        let (hops, rtt_us) = match reach {
            Reach::Internet => (draw.size(1, 28) as u8, draw.log_normal(28_000.0, 1.1).min(900_000.0)),
            _ => (u8::from(draw.chance(0.08)), draw.log_normal(900.0, 1.0)),
        };
        // Hops before the point of capture: it is at the client (most often), at the server, or between them.
        let before = match draw.weighted([6.0, 1.0, 2.5].into_iter()) {
            0 => 0,
            1 => hops,
            _ => draw.size(0, usize::from(hops)) as u8,
        };
        let ends = [
            end(&self.stacks[0], own_mac, own, ports.own.unwrap_or(self.stacks[0].port), before),
            end(&self.stacks[1], other_mac, other, ports.other.unwrap_or(self.stacks[1].port), hops - before),
        ];
        let wire = Wire::new(self.start_us, self.limit, self.draw, ends);
        Line { wire, stacks: self.stacks, rtt_us, ends: [own, other] }
    }
}

fn end(stack: &Stack, mac: [u8; 6], ip: IpAddr, port: u16, hops: u8) -> End {
    End {
        mac,
        ip,
        port: port.max(1),
        hop_limit: stack.hop_limit.saturating_sub(hops).max(1),
        tos: stack.tos,
        identification: stack.identification,
        dont_fragment: stack.dont_fragment,
        flow_label: stack.flow_label,
    }
}
