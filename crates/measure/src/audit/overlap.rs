//! Synthetic traces that partly coincide with real ones: how often they are near copies of real traces, or share their
//! addresses, endpoints, payloads or whole headers, compared with how often *other* real traces do.
//!
//! A fraudulent generator that passes real traffic off as synthetic copies members and held-out traces alike, so the
//! difference between the two is not informative. It is detected because real traces from the same network share few
//! headers and payloads with each other, while copies share all.

use super::closest_record::has_near_copy;
use super::identifier::header;
use super::leak_row::{LeakRow, counted};
use super::packet_digest::{Content, content, payload_content};
use std::collections::HashSet;
use syntrace_base::base::map_ordered;
use syntrace_base::record::{Packet, Trace};

/// What of a packet is looked for among real packets; `None` where it has none.
type Part = fn(&Packet) -> Option<Content>;

const PARTS: [(&str, Part); 4] =
    [("addresses", addresses), ("endpoints", endpoints), ("headers", headers), ("payload", payload_content)];

/// Synthetic traces that coincide with members, beside held-out traces that do (the same members, so that chance has the
/// same share in both); and the same with members exchanged for all other real traces, held-out and in no list.
pub(super) fn coincidences(
    members: &[Trace],
    held_out: &[Trace],
    unlisted: &[Trace],
    synthetic: &[Trace],
) -> Vec<LeakRow> {
    let against = |measure, real: &[&[Trace]], others: &[Trace]| {
        let parts = PARTS.map(|(kind, part)| {
            let packets = real.iter().copied().flatten().flat_map(|trace| &trace.packets);
            let known: HashSet<Content> = packets.filter_map(part).collect();
            let count = |traces: &[Trace]| {
                if real.iter().all(|traces| traces.is_empty()) {
                    return (0, 0);
                }
                let shares = traces.iter().filter_map(|trace| share_known(trace, part, &known));
                (shares.clone().filter(|share| *share > 0.5).count() as u64, shares.count() as u64)
            };
            counted(measure, kind, count(synthetic), count(others))
        });
        let near = |traces: &[Trace]| {
            let near = |own: &Trace| real.iter().any(|side| has_near_copy(own, side));
            let compared = if real.iter().all(|side| side.is_empty()) { &[][..] } else { traces };
            let found = map_ordered(compared, near);
            (found.iter().filter(|is_near| **is_near).count() as u64, compared.len() as u64)
        };
        parts.into_iter().chain([counted(measure, "trace", near(synthetic), near(others))])
    };
    let of_members = against("coincide_members", &[members], held_out);
    of_members.chain(against("coincide_held_out", &[held_out, unlisted], members)).collect()
}

/// Share of a trace's packets whose part is known; `None` where none has such a part.
fn share_known(trace: &Trace, part: Part, known: &HashSet<Content>) -> Option<f64> {
    let parts: Vec<Content> = trace.packets.iter().filter_map(part).collect();
    let found = parts.iter().filter(|part| known.contains(*part)).count();
    (!parts.is_empty()).then(|| found as f64 / parts.len() as f64)
}

/// Both addresses, in either direction.
fn addresses(packet: &Packet) -> Option<Content> {
    let mut ends = [packet.src_ip.as_slice(), packet.dst_ip.as_slice()];
    ends.sort_unstable();
    Some(content(&ends.concat()))
}

/// Protocol and both ends' addresses and ports, in either direction.
fn endpoints(packet: &Packet) -> Option<Content> {
    let end = |address: &[u8], port: u16| [address, &port.to_be_bytes()].concat();
    let mut ends = [end(&packet.src_ip, packet.src_port), end(&packet.dst_ip, packet.dst_port)];
    ends.sort_unstable();
    let [first, second] = ends;
    Some(content(&[first.as_slice(), &second, &[packet.protocol]].concat()))
}

/// All bytes of the network and transport headers.
fn headers(packet: &Packet) -> Option<Content> {
    let bytes = header(packet);
    (!bytes.is_empty()).then(|| content(bytes))
}
