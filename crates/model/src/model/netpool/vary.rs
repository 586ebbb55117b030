//! Changes of whole flows that keep them well-formed: variations that enlarge the pool, and new values of drawn flows.

use super::flow_features::{Ends, SERVICES, known, local_packets, numbering};
use rand::RngExt;
use syntrace_base::base::StreamRng;
use syntrace_traffic::encoding::packets::HeaderPacket;

/// TTLs that systems start with, and those one hop on (RFC 1122 and later practice).
const TTLS: [u8; 10] = [1, 4, 32, 63, 64, 127, 128, 254, 255, 2];

/// Named traffic classes (RFC 2474, 3246, 8622) and ECN.
const CLASSES: [u8; 9] = [0, 2, 8, 16, 32, 72, 136, 184, 192];

/// Probability that a variation changes the traffic class.
const OTHER_CLASS: f64 = 0.2;

/// Weight of an unknown service port, in known ports: unknown ports are drawn as often as this many known ones.
const UNKNOWN: usize = 4;

/// Full packets of common links: lengths are not scaled beyond.
const LENGTH_MAX: f64 = 1_500.0;

/// A copy of a flow, each change with the given chance.
pub(super) fn varied(flow: &[HeaderPacket], chance: f64, rng: &mut StreamRng) -> Vec<HeaderPacket> {
    let mut flow = flow.to_vec();
    let roll = |rng: &mut StreamRng| rng.random::<f64>() < chance;
    if roll(rng) {
        let start = rng.random_range(0..flow.len().min(4));
        flow.drain(..start);
    }
    if roll(rng) {
        let keep = rng.random_range(1..=flow.len());
        flow.truncate(keep);
    }
    if roll(rng) {
        // Services of no registry as well: which port theirs is, a histogram tells.
        let known = SERVICES.get(rng.random_range(0..SERVICES.len() + UNKNOWN));
        let service = known.copied().unwrap_or_else(|| rng.random_range(1_024..32_768));
        set_service(&mut flow, service);
    }
    if roll(rng) {
        set_local_port(&mut flow, 1_024 + rng.random_range(0..64_512u16));
    }
    for local in [true, false] {
        vary_end(&mut flow, local, chance, rng);
    }
    if roll(rng) {
        scale_lengths(&mut flow, (rng.random::<f64>() * 2.0 - 1.0).exp());
    }
    if roll(rng) {
        scale_gaps(&mut flow, 10f64.powf(rng.random::<f64>() * 2.0 - 1.0));
    }
    flow
}

fn vary_end(flow: &mut [HeaderPacket], local: bool, chance: f64, rng: &mut StreamRng) {
    let roll = |rng: &mut StreamRng| rng.random::<f64>() < chance;
    // Twice: what a capture sees of a TTL depends on systems and on hops, which no simulation knows.
    if roll(rng) || roll(rng) {
        let ttl = match rng.random_range(0..3) {
            0 => TTLS[rng.random_range(0..TTLS.len())],
            1 => [64, 128, 255][rng.random_range(0..3)] - rng.random_range(0..32u8),
            _ => rng.random_range(20..=255u8),
        };
        set_ttl(flow, local, ttl);
    }
    if roll(rng) {
        set_numbering(flow, local, rng.random_range(0..3u16), rng);
    }
    if roll(rng) {
        set_flags(flow, local, [0, 2][rng.random_range(0..2)]);
    }
    // Most traffic is best effort: what is not measured should stay so.
    if rng.random::<f64>() < chance * OTHER_CLASS {
        set_tos(flow, local, CLASSES[rng.random_range(0..CLASSES.len())]);
    }
}

/// What a drawn flow gets anew, so that no two of one candidate share what is random on a wire: ports within their step
/// of 4,096, numbers of packets, sequence numbers; time starts at 2000-01-01.
pub(super) fn renewed(flow: &[HeaderPacket], start_us: i64, rng: &mut StreamRng) -> Vec<HeaderPacket> {
    let mut flow = flow.to_vec();
    let Some(first) = flow.first() else { return flow };
    let (begin, ends) = (first.time_us, Ends::of(first));
    if ends.local_port != ends.service_port && ends.local_port >= 4_096 {
        set_local_port(&mut flow, ends.local_port / 4_096 * 4_096 + rng.random_range(0..4_096u16));
    }
    let local = local_packets(&flow);
    for side in [true, false] {
        renumber(&mut flow, &local, side, rng);
    }
    let shifts: [u32; 2] = rng.random();
    for (packet, is_local) in flow.iter_mut().zip(&local) {
        let [sent, acknowledged] = if *is_local { shifts } else { [shifts[1], shifts[0]] };
        packet.shift_sequence(sent, acknowledged);
        packet.time_us = start_us.saturating_add(packet.time_us.saturating_sub(begin).max(0));
    }
    flow
}

/// Numbers that count go on counting from another start; others are drawn; zeros stay.
fn renumber(flow: &mut [HeaderPacket], local: &[bool], side: bool, rng: &mut StreamRng) {
    let own: Vec<u16> =
        flow.iter().zip(local).filter(|(_, l)| **l == side).filter_map(|(packet, _)| packet.identification()).collect();
    let counts = own.windows(2).all(|pair| (1..64).contains(&pair[1].wrapping_sub(pair[0])));
    let shift: u16 = rng.random();
    for (packet, _) in flow.iter_mut().zip(local).filter(|(_, l)| **l == side) {
        let (Some(number), Some(flags)) = (packet.identification(), packet.flags()) else { continue };
        let number = if number == 0 {
            0
        } else if counts {
            number.wrapping_add(shift).max(1)
        } else {
            rng.random_range(1..=u16::MAX)
        };
        packet.set_identification(number, flags);
    }
}

fn each(flow: &mut [HeaderPacket], local: bool, mut change: impl FnMut(&mut HeaderPacket)) {
    let sides = local_packets(flow);
    for (packet, _) in flow.iter_mut().zip(sides).filter(|(_, is_local)| *is_local == local) {
        change(packet);
    }
}

/// TTL of all packets of an end.
pub(super) fn set_ttl(flow: &mut [HeaderPacket], local: bool, ttl: u8) {
    each(flow, local, |packet| packet.set_ttl(ttl));
}

/// TOS of all packets of an end.
pub(super) fn set_tos(flow: &mut [HeaderPacket], local: bool, tos: u8) {
    each(flow, local, |packet| packet.set_tos(tos));
}

/// IPv4 flags of all packets of an end.
pub(super) fn set_flags(flow: &mut [HeaderPacket], local: bool, flags: u8) {
    each(flow, local, |packet| {
        let number = packet.identification().unwrap_or(0);
        packet.set_identification(number, flags);
    });
}

/// How an end numbers its packets.
pub(super) fn set_numbering(flow: &mut [HeaderPacket], local: bool, how: u16, rng: &mut StreamRng) {
    let mut counter: u16 = rng.random_range(1..=u16::MAX);
    each(flow, local, |packet| {
        let Some(flags) = packet.flags() else { return };
        counter = counter.wrapping_add(1).max(1);
        let number = match how {
            numbering::ZERO => 0,
            numbering::COUNTER => counter,
            numbering::RANDOM => rng.random_range(1..=u16::MAX),
            _ => return,
        };
        packet.set_identification(number, flags);
    });
}

/// Another local port; that of a service would turn the flow around, and is left.
pub(super) fn set_local_port(flow: &mut [HeaderPacket], port: u16) {
    if known(port).is_none() {
        set_ports(flow, |ends| [port, ends.service_port]);
    }
}

/// Another service; a local port that was the same follows it.
pub(super) fn set_service(flow: &mut [HeaderPacket], service: u16) {
    set_ports(flow, |ends| {
        let local = if ends.local_port == ends.service_port { service } else { ends.local_port };
        [local, service]
    });
}

/// Sets (local, service) port of all packets.
fn set_ports(flow: &mut [HeaderPacket], ports: impl Fn(Ends) -> [u16; 2]) {
    let Some(first) = flow.first() else { return };
    let [local, service] = ports(Ends::of(first));
    let sides = local_packets(flow);
    for (packet, is_local) in flow.iter_mut().zip(sides) {
        packet.set_ports(if is_local { [local, service] } else { [service, local] });
    }
}

/// Payloads longer or shorter by a factor; packets without any stay so, and full ones stay full.
fn scale_lengths(flow: &mut [HeaderPacket], factor: f64) {
    for packet in flow {
        let (length, headers) = (packet.length(), packet.header_bytes());
        let payload = f64::from(length.saturating_sub(headers));
        if payload > 0.0 && f64::from(length) < LENGTH_MAX {
            let scaled = (f64::from(headers) + (payload * factor).max(1.0)).min(LENGTH_MAX);
            packet.set_length(scaled as u16);
        }
    }
}

fn scale_gaps(flow: &mut [HeaderPacket], factor: f64) {
    let Some(begin) = flow.first().map(|first| first.time_us) else { return };
    for packet in flow {
        packet.time_us = begin.saturating_add((packet.time_us.saturating_sub(begin) as f64 * factor) as i64);
    }
}
