//! Services over UDP, by IANA's names: their first bytes as their RFCs have them.

use super::super::SimulatedFrame;
use super::super::draw::Draw;
use super::super::payload::{dns, local, stun};
use super::super::wire::FlowEnd;
use super::circumstances::{Circumstances, Line, Ports, Reach};

/// Who talks about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Names,
    MulticastNames,
    LinkLocalNames,
    NetbiosNames,
    Search,
    Announcement,
    Time,
    Configuration,
    Configuration6,
    Discovery,
    Quic,
    Media,
    Plain(usize),
    Odd,
}

const KINDS: &[(f64, Kind)] = &[
    (12.0, Kind::Names),
    (5.0, Kind::MulticastNames),
    (3.0, Kind::LinkLocalNames),
    (3.0, Kind::NetbiosNames),
    (4.0, Kind::Search),
    (2.5, Kind::Announcement),
    (4.0, Kind::Time),
    (2.5, Kind::Configuration),
    (1.5, Kind::Configuration6),
    (3.0, Kind::Discovery),
    (10.0, Kind::Quic),
    (6.0, Kind::Media),
    (4.0, Kind::Odd),
];

/// Services of which only ports, sizes and first bytes are told apart.
struct Plain {
    weight: f64,
    port: u16,
    /// Does the client speak from the same port?
    same: bool,
    reach: Reach,
    first: &'static [u8],
    /// Median bytes; an answer of 0 is none.
    bytes: [f64; 2],
    gap_us: f64,
}

const fn plain(
    weight: f64,
    port: u16,
    same: bool,
    reach: Reach,
    first: &'static [u8],
    bytes: [f64; 2],
    gap_us: f64,
) -> Plain {
    Plain { weight, port, same, reach, first, bytes, gap_us }
}

const DISCOVERY: Reach = Reach::Group([239, 255, 255, 250], [0, 0, 12]);
const PLAIN: &[Plain] = &[
    plain(1.0, 138, true, Reach::Everyone, &[0x11, 0x02], [210.0, 0.0], 60e6),
    plain(1.0, 3_702, false, DISCOVERY, b"<?xml version", [650.0, 0.0], 0.5e6),
    plain(0.8, 17_500, true, Reach::Everyone, b"{\"host_int\": ", [180.0, 0.0], 30e6),
    plain(0.6, 161, false, Reach::Local, &[0x30, 0x29, 0x02, 0x01, 0x01, 0x04], [45.0, 90.0], 1e6),
    plain(0.4, 162, false, Reach::Local, &[0x30, 0x82], [150.0, 0.0], 5e6),
    plain(0.5, 514, false, Reach::Local, b"<134>", [160.0, 0.0], 2e6),
    plain(0.3, 69, false, Reach::Local, &[0, 1], [30.0, 516.0], 0.05e6),
    plain(0.7, 500, true, Reach::Internet, &[], [400.0, 400.0], 1e6),
    plain(0.7, 4_500, true, Reach::Internet, &[0xff], [1.0, 0.0], 20e6),
    plain(0.5, 1_194, false, Reach::Internet, &[0x38], [120.0, 140.0], 0.2e6),
    plain(0.8, 51_820, false, Reach::Internet, &[4, 0, 0, 0], [140.0, 160.0], 0.1e6),
    plain(0.5, 5_060, true, Reach::Internet, b"REGISTER sip:", [620.0, 480.0], 10e6),
    plain(0.5, 5_683, false, Reach::Local, &[0x40, 0x01], [25.0, 70.0], 1e6),
    plain(0.7, 6_881, true, Reach::Internet, b"d1:ad2:id20:", [100.0, 280.0], 1e6),
    plain(0.3, 27_015, false, Reach::Internet, &[0xff, 0xff, 0xff, 0xff], [25.0, 300.0], 0.1e6),
    plain(0.3, 1_812, false, Reach::Local, &[1], [130.0, 90.0], 1e6),
    plain(0.3, 389, false, Reach::Local, &[0x30, 0x84], [180.0, 160.0], 1e6),
    plain(0.3, 88, false, Reach::Local, &[0x6a], [220.0, 700.0], 1e6),
    plain(0.4, 1_701, true, Reach::Internet, &[0xc8, 0x02], [110.0, 90.0], 1e6),
    plain(0.3, 47_808, true, Reach::Everyone, &[0x81, 0x0b], [12.0, 0.0], 5e6),
    plain(0.4, 9_999, false, Reach::Everyone, &[0xd0, 0xf2], [90.0, 150.0], 2e6),
    plain(0.4, 6_666, true, Reach::Everyone, &[0, 0, 0x55, 0xaa], [170.0, 0.0], 5e6),
    plain(0.3, 41_641, true, Reach::Internet, &[], [90.0, 90.0], 1e6),
    plain(0.4, 8_612, true, Reach::Group([224, 0, 0, 1], [0, 0, 1]), b"BJNP", [16.0, 0.0], 1e6),
    plain(0.3, 22_222, true, Reach::Local, &[], [60.0, 60.0], 0.5e6),
];

/// A conversation over UDP.
pub(super) fn talk(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let all =
        KINDS.iter().copied().chain(PLAIN.iter().enumerate().map(|(index, plain)| (plain.weight, Kind::Plain(index))));
    let index = circumstances.draw.weighted(all.clone().map(|(weight, _)| weight));
    match all.clone().nth(index).map_or(Kind::Odd, |(_, kind)| kind) {
        Kind::Names => names(circumstances),
        Kind::MulticastNames => multicast_names(circumstances),
        Kind::LinkLocalNames => link_local_names(circumstances),
        Kind::NetbiosNames => netbios_names(circumstances),
        Kind::Search => search(circumstances),
        Kind::Announcement => announcement(circumstances),
        Kind::Time => time(circumstances),
        Kind::Configuration => configuration(circumstances),
        Kind::Configuration6 => configuration6(circumstances),
        Kind::Discovery => discovery(circumstances),
        Kind::Quic => quic(circumstances),
        Kind::Media => media(circumstances),
        Kind::Plain(index) => plain_service(circumstances, &PLAIN[index % PLAIN.len()]),
        Kind::Odd => odd(circumstances),
    }
}

fn to(port: u16) -> Ports {
    Ports { own: None, other: Some(port) }
}

fn both(port: u16) -> Ports {
    Ports { own: Some(port), other: Some(port) }
}

fn names(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let name = dns::rare_name(&mut circumstances.draw);
    let edns = circumstances.draw.chance(0.4);
    let reach = if circumstances.draw.chance(0.6) { Reach::Local } else { Reach::Internet };
    let Line { mut wire, rtt_us, .. } = circumstances.line(reach, to(53));
    let questions = wire.draw.weighted([6.0, 3.0, 0.5].into_iter()) + 1;
    let asked: Vec<_> = (0..questions).map(|_| dns::question(&mut wire.draw, &name, edns)).collect();
    for question in &asked {
        wire.udp(FlowEnd::Client, &dns::query(question));
        wire.pause(90.0);
    }
    if wire.draw.chance(0.05) {
        wire.wait(5e6);
        wire.udp(FlowEnd::Client, &dns::query(&asked[0]));
    }
    if wire.draw.chance(0.04) {
        return wire.into_frames();
    }
    wire.wait(rtt_us);
    wire.pause(9_000.0);
    for question in &asked {
        let outcome = [dns::Outcome::Found, dns::Outcome::NoData, dns::Outcome::NoSuchName]
            [wire.draw.weighted([7.0, 1.5, 1.5].into_iter())];
        let answer = dns::answer(&mut wire.draw, question, outcome);
        wire.udp(FlowEnd::Server, &answer);
        wire.pause(1_500.0);
    }
    wire.into_frames()
}

/// Multicast leaves with hop limit 255 (RFC 6762), 1 or a few.
fn multicast(mut circumstances: Circumstances, reach: Reach, ports: Ports, hop_limits: &[u8]) -> Line {
    let hop_limit = circumstances.draw.pick(hop_limits);
    let mut line = circumstances.line(reach, ports);
    line.wire.end(FlowEnd::Client).hop_limit = hop_limit;
    line
}

fn multicast_names(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let responder = circumstances.draw.chance(0.8);
    let ports = if responder { both(5_353) } else { to(5_353) };
    let name = circumstances.draw.label(5, 14);
    let group = Reach::Group([224, 0, 0, 251], [0, 0, 0xfb]);
    let mut wire = multicast(circumstances, group, ports, &[255, 255, 255, 1]).wire;
    let answering = if responder { wire.draw.unit() } else { 0.0 };
    let gap_us = wire.draw.log_normal(1e6, 1.2);
    for _ in 0..wire.draw.size(1, 10) {
        let (service, query) = dns::service_query(&mut wire.draw, !responder);
        if wire.draw.chance(answering) {
            let answer = dns::service_answer(&mut wire.draw, &service, &name);
            wire.udp(FlowEnd::Client, &answer);
        } else {
            wire.udp(FlowEnd::Client, &query);
        }
        wire.pause(gap_us);
    }
    wire.into_frames()
}

fn link_local_names(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let query = dns::link_local_query(&mut circumstances.draw);
    let group = Reach::Group([224, 0, 0, 252], [1, 0, 3]);
    let mut wire = multicast(circumstances, group, to(5_355), &[1, 1, 255]).wire;
    for _ in 0..wire.draw.size(1, 3) {
        wire.udp(FlowEnd::Client, &query);
        wire.wait(410_000.0);
    }
    wire.into_frames()
}

fn netbios_names(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let ports = if circumstances.draw.chance(0.85) { both(137) } else { to(137) };
    let mut query = local::netbios_query(&mut circumstances.draw);
    let everyone = circumstances.draw.chance(0.85);
    let mut wire = circumstances.line(if everyone { Reach::Everyone } else { Reach::Local }, ports).wire;
    for _ in 0..wire.draw.size(1, 9) {
        wire.udp(FlowEnd::Client, &query);
        wire.wait(750_000.0);
        if wire.draw.chance(0.3) {
            query = local::netbios_query(&mut wire.draw);
        }
    }
    wire.into_frames()
}

fn search(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let agent = circumstances.draw.label(4, 12);
    let group = Reach::Group([239, 255, 255, 250], [0, 0, 12]);
    let mut wire = multicast(circumstances, group, to(1_900), &[1, 2, 4, 4, 128]).wire;
    let gap_us = wire.draw.log_normal(1e6, 0.8);
    for _ in 0..wire.draw.size(1, 10) {
        let request = local::ssdp_search(&mut wire.draw, &agent);
        wire.udp(FlowEnd::Client, &request);
        wire.wait(gap_us);
    }
    wire.into_frames()
}

fn announcement(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let ports = if circumstances.draw.chance(0.4) { both(1_900) } else { to(1_900) };
    let group = Reach::Group([239, 255, 255, 250], [0, 0, 12]);
    let Line { mut wire, ends, .. } = multicast(circumstances, group, ports, &[1, 2, 4, 4]);
    for _ in 0..wire.draw.size(2, 10) {
        let notice = local::ssdp_notify(&mut wire.draw, &ends[0].to_string());
        wire.udp(FlowEnd::Client, &notice);
        wire.pause(120_000.0);
    }
    wire.into_frames()
}

fn time(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let ports = if circumstances.draw.chance(0.4) { both(123) } else { to(123) };
    let reach = if circumstances.draw.chance(0.1) { Reach::Local } else { Reach::Internet };
    let Line { mut wire, rtt_us, .. } = circumstances.line(reach, ports);
    let (simple, answered) = (wire.draw.chance(0.5), !wire.draw.chance(0.08));
    for _ in 0..wire.draw.size(1, 5) {
        let now_us = wire.clock_us;
        let [request, answer] = local::ntp(&mut wire.draw, now_us, simple);
        wire.udp(FlowEnd::Client, &request);
        wire.wait(rtt_us);
        if answered {
            wire.udp(FlowEnd::Server, &answer);
        }
        wire.pause(32e6);
    }
    wire.into_frames()
}

/// DHCP (RFC 2131): to everyone, or to the server that gave the lease.
fn configuration(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let ports = Ports { own: Some(68), other: Some(67) };
    let everyone = circumstances.draw.chance(0.55);
    let mut wire = circumstances.line(if everyone { Reach::Everyone } else { Reach::Local }, ports).wire;
    if everyone && wire.draw.chance(0.5) {
        wire.end(FlowEnd::Client).ip = std::net::Ipv4Addr::UNSPECIFIED.into();
        wire.end(FlowEnd::Server).ip = std::net::Ipv4Addr::BROADCAST.into();
    }
    let id: [u8; 4] = wire.draw.array();
    let bytes = wire.draw.pick(&[300, 300, 308, 314, 322, 328, 342, 548]);
    for round in 0..wire.draw.size(1, 3) as u8 {
        let mut request = vec![1, 1, 6, 0];
        request.extend(id);
        request.extend([0, round * 3, if everyone { 0x80 } else { 0 }, 0]);
        fill(&mut wire.draw, &mut request, bytes);
        wire.udp(FlowEnd::Client, &request);
        wire.pause(20_000.0);
        if !everyone {
            let mut answer = vec![2, 1, 6, 0];
            answer.extend(id);
            answer.extend([0; 4]);
            fill(&mut wire.draw, &mut answer, 300);
            wire.udp(FlowEnd::Server, &answer);
        }
        wire.pause(3e6);
    }
    wire.into_frames()
}

/// DHCPv6 (RFC 8415): solicitations with growing times between.
fn configuration6(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    circumstances.over_ipv6();
    let ports = Ports { own: Some(546), other: Some(547) };
    let group = Reach::Group([224, 0, 0, 1], [1, 0, 2]);
    let mut wire = multicast(circumstances, group, ports, &[1, 1, 255]).wire;
    let [a, b, c]: [u8; 3] = wire.draw.array();
    let bytes = wire.draw.size(54, 150);
    let mut gap_us = 1e6;
    for _ in 0..wire.draw.size(1, 9) {
        let mut request = vec![wire.draw.pick(&[1, 1, 3, 11]), a, b, c, 0, 8, 0, 2];
        fill(&mut wire.draw, &mut request, bytes);
        wire.udp(FlowEnd::Client, &request);
        wire.wait(gap_us);
        gap_us *= 2.0;
    }
    wire.into_frames()
}

fn discovery(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let port = circumstances.draw.pick(&[3_478, 3_478, 3_479, 19_302, 5_349, 3_480]);
    let Line { mut wire, rtt_us, ends, .. } = circumstances.line(Reach::Internet, to(port));
    let answered = !wire.draw.chance(0.1);
    for _ in 0..wire.draw.size(1, 5) {
        let mapped = wire.draw.half();
        let [request, answer] = stun::discovery(&mut wire.draw, (ends[0], mapped));
        wire.udp(FlowEnd::Client, &request);
        wire.wait(rtt_us);
        if answered {
            wire.udp(FlowEnd::Server, &answer);
        }
        wire.pause(4e6);
    }
    wire.into_frames()
}

/// QUIC (RFC 9000): Initial packets in datagrams of 1,200 bytes or more, then short headers; or from the middle.
fn quic(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let port = circumstances.draw.pick(&[443, 443, 443, 443, 443, 443, 80, 8_443, 784, 853]);
    let Line { mut wire, rtt_us, .. } = circumstances.line(Reach::Internet, to(port));
    let full =
        wire.draw.pick(&[1_200, 1_228, 1_232, 1_242, 1_250, 1_252, 1_280, 1_330, 1_350, 1_357, 1_378, 1_392, 1_452]);
    let (version, connection) = (wire.draw.pick(&[1u32, 1, 1, 0x6b33_43cf, 0xff00_001d]), wire.draw.array::<8>());
    let hidden = wire.draw.chance(0.7);
    let long = |draw: &mut Draw, kind: u8| {
        let mut packet = vec![0xc0 | kind << 4 | (draw.byte() & 0x0f)];
        packet.extend(version.to_be_bytes());
        packet.push(8);
        packet.extend(connection);
        packet
    };
    if wire.draw.chance(0.7) {
        for _ in 0..wire.draw.size(1, 2) {
            let mut packet = long(&mut wire.draw, 0);
            fill(&mut wire.draw, &mut packet, full);
            wire.udp(FlowEnd::Client, &packet);
        }
        wire.wait(rtt_us);
        for kind in [0, 2, 2].iter().take(wire.draw.size(1, 3)) {
            let mut packet = long(&mut wire.draw, *kind);
            let bytes = if *kind == 0 { 1_200 } else { wire.draw.size(200, full) };
            fill(&mut wire.draw, &mut packet, bytes);
            wire.udp(FlowEnd::Server, &packet);
            wire.pause(200.0);
        }
        let mut packet = long(&mut wire.draw, 2);
        let bytes = wire.draw.size(60, 140);
        fill(&mut wire.draw, &mut packet, bytes);
        wire.udp(FlowEnd::Client, &packet);
    }
    for _ in 0..1 + wire.draw.exponential(4.0) as usize {
        let side = if wire.draw.chance(0.45) { FlowEnd::Client } else { FlowEnd::Server };
        let bytes = if wire.draw.chance(0.35) { full } else { wire.draw.heavy(50.0, 0.9, 22, full) };
        let mut packet = vec![0x40 | (wire.draw.byte() & 0x3f)];
        if side == FlowEnd::Client || !hidden {
            packet.extend(connection);
        }
        fill(&mut wire.draw, &mut packet, bytes);
        wire.udp(side, &packet);
        wire.pause(0.3 * rtt_us);
    }
    wire.into_frames()
}

/// Media over RTP (RFC 3550), checks of STUN before it at times, from odd ports to odd ports.
fn media(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let own = circumstances.draw.half().max(1_024);
    let other = if circumstances.draw.chance(0.4) {
        circumstances.draw.size(3_478, 3_497) as u16
    } else {
        circumstances.draw.half().max(1_024)
    };
    let reach = if circumstances.draw.chance(0.15) { Reach::Local } else { Reach::Internet };
    let Line { mut wire, rtt_us, ends, .. } = circumstances.line(reach, Ports { own: Some(own), other: Some(other) });
    if wire.draw.chance(0.4) {
        let [request, answer] = stun::discovery(&mut wire.draw, (ends[0], own));
        wire.udp(FlowEnd::Client, &request);
        wire.wait(rtt_us);
        wire.udp(FlowEnd::Server, &answer);
    }
    let (kind, source) = (wire.draw.size(96, 127) as u8, wire.draw.array::<4>());
    let typical = wire.draw.heavy(180.0, 0.9, 30, 1_200);
    let spread = wire.draw.unit() * 0.6;
    let (mut number, mut stamp) = (wire.draw.half(), wire.draw.word());
    let step = wire.draw.pick(&[160, 480, 960, 3_000, 1_500]);
    let client = wire.draw.unit();
    for _ in 0..wire.draw.size(1, 14) {
        let side = if wire.draw.chance(client) { FlowEnd::Client } else { FlowEnd::Server };
        let mut packet = vec![wire.draw.pick(&[0x80, 0x80, 0x90]), kind | if wire.draw.chance(0.1) { 0x80 } else { 0 }];
        packet.extend(number.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend(source);
        let bytes = wire.draw.heavy(typical as f64, spread, 14, 1_400);
        fill(&mut wire.draw, &mut packet, bytes);
        wire.udp(side, &packet);
        (number, stamp) = (number.wrapping_add(1), stamp.wrapping_add(step));
        wire.pause(20_000.0);
    }
    wire.into_frames()
}

fn plain_service(mut circumstances: Circumstances, service: &Plain) -> Vec<SimulatedFrame> {
    let ports = if service.same { both(service.port) } else { to(service.port) };
    let scale = circumstances.draw.log_normal(1.0, 0.3);
    let Line { mut wire, rtt_us, .. } = circumstances.line(service.reach, ports);
    let sizes = service.bytes.map(|median| median * scale);
    let answered = service.bytes[1] > 0.0 && !wire.draw.chance(0.12);
    for _ in 0..wire.draw.size(1, 6) {
        for side in [FlowEnd::Client, FlowEnd::Server] {
            if side == FlowEnd::Server && !answered {
                continue;
            }
            let bytes = wire.draw.heavy(sizes[side as usize], 0.2, 1, 1_400);
            let mut packet = service.first.to_vec();
            packet.truncate(bytes);
            fill(&mut wire.draw, &mut packet, bytes);
            wire.udp(side, &packet);
            wire.wait(rtt_us);
        }
        wire.pause(service.gap_us);
    }
    wire.into_frames()
}

/// Any port to any port, any size: games, peers, tunnels.
fn odd(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let draw = &mut circumstances.draw;
    let port = draw.half().max(1);
    let ports = Ports { own: draw.chance(0.3).then_some(port), other: Some(port) };
    let reach = match draw.weighted([5.0, 2.0, 1.5, 0.7].into_iter()) {
        0 => Reach::Internet,
        1 => Reach::Local,
        2 => Reach::Everyone,
        _ => Reach::Group([239, draw.byte(), draw.byte(), draw.byte()], [0, 0, draw.byte()]),
    };
    let answering = if matches!(reach, Reach::Internet | Reach::Local) { draw.unit() } else { 0.0 };
    let Line { mut wire, rtt_us, .. } = circumstances.line(reach, ports);
    let typical = wire.draw.heavy(90.0, 1.0, 1, 1_300) as f64;
    let gap_us = wire.draw.log_normal(0.3e6, 2.0);
    for _ in 0..1 + wire.draw.exponential(4.0) as usize {
        let bytes = wire.draw.heavy(typical, 0.4, 1, 1_450);
        let payload = wire.draw.bytes(bytes);
        wire.udp(FlowEnd::Client, &payload);
        if wire.draw.chance(answering) {
            wire.wait(rtt_us);
            let bytes = wire.draw.heavy(typical, 0.6, 1, 1_450);
            let payload = wire.draw.bytes(bytes);
            wire.udp(FlowEnd::Server, &payload);
        }
        wire.pause(gap_us);
    }
    wire.into_frames()
}

/// Random bytes behind what is there, up to a length.
fn fill(draw: &mut Draw, packet: &mut Vec<u8>, bytes: usize) {
    let missing = bytes.saturating_sub(packet.len());
    packet.extend(draw.bytes(missing));
}
