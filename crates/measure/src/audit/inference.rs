//! Attribute inference: what synthetic traces tell about packets of a trace whose addresses, ports and protocol are known.
//!
//! The attacker guesses, at each place of the trace, the value that most synthetic traces of the same flow have there; where
//! none has all five, of those that share the most of them (the client's port is given up first, then its address). Of
//! members more can be guessed than of held-out traces only where the model learnt members by heart (Yeom et al. 2018, arXiv
//! 1709.01604, section 5).

use super::leak_row::{LeakRow, Owner, owned};
use std::collections::{BTreeMap, HashMap};
use syntrace_base::base::map_ordered;
use syntrace_base::record::{Packet, Trace};

/// Least share of a trace's values that must be guessed right for the trace to count.
const SHARE_MIN: f64 = 0.5;

/// What is known of a flow, from all five parts of its key to none.
const LEVELS: usize = 6;

/// The key of a trace at each level: its first packet's source is the client.
fn keys(trace: &Trace) -> [Vec<u8>; LEVELS] {
    let Some(first) = trace.packets.first() else { return Default::default() };
    let (protocol, server) = (vec![first.protocol], first.dst_port.to_be_bytes().to_vec());
    let service = [protocol.as_slice(), &server].concat();
    let at_server = [service.as_slice(), &first.dst_ip].concat();
    let hosts = [at_server.as_slice(), &first.src_ip].concat();
    let flow = [hosts.as_slice(), &first.src_port.to_be_bytes()].concat();
    [flow, hosts, at_server, service, protocol, Vec::new()]
}

/// A value of a packet that is guessed; `None` where the packet has none.
type ValueOf = fn(&Packet) -> Option<u32>;

/// How often synthetic traces of one key have each value, by place.
type Counts = Vec<BTreeMap<u32, u32>>;

/// The guesses of an attacker who has the synthetic traces.
struct Guesses {
    value: ValueOf,
    by_key: [HashMap<Vec<u8>, Counts>; LEVELS],
}

impl Guesses {
    fn new(synthetic: &[Trace], value: ValueOf) -> Self {
        let mut by_key: [HashMap<Vec<u8>, Counts>; LEVELS] = Default::default();
        for trace in synthetic.iter().filter(|trace| !trace.packets.is_empty()) {
            for (level, key) in by_key.iter_mut().zip(keys(trace)) {
                let counts = level.entry(key).or_default();
                counts.resize(counts.len().max(trace.packets.len()), BTreeMap::new());
                for (place, packet) in counts.iter_mut().zip(&trace.packets) {
                    if let Some(value) = value(packet) {
                        *place.entry(value).or_default() += 1;
                    }
                }
            }
        }
        Self { value, by_key }
    }

    /// Are enough of a trace's values guessed right? Traces without any such value do not count.
    fn of(&self, trace: &Trace) -> Owner {
        let counts = self.by_key.iter().zip(keys(trace)).find_map(|(level, key)| level.get(&key));
        let guess = |place: usize| {
            let values = counts?.get(place)?;
            // Of values that are equally frequent the largest.
            values.iter().max_by_key(|(_, count)| **count).map(|(value, _)| *value)
        };
        let actual = trace.packets.iter().map(self.value).enumerate();
        let (mut all, mut right) = (0u32, 0u32);
        for (place, value) in actual.filter_map(|(place, value)| Some((place, value?))) {
            all += 1;
            right += u32::from(guess(place) == Some(value));
        }
        Owner { has: all > 0, leaked: f64::from(right) >= SHARE_MIN * f64::from(all) }
    }
}

/// Share of members at least half of whose packet lengths, or TCP flags, are guessed right, beside that of held-out traces.
pub(super) fn attribute_inference(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let values: [(&'static str, ValueOf); 2] =
        [("lengths", |packet| Some(packet.ip_length)), ("tcp_flags", |packet| packet.tcp_flags.map(u32::from))];
    let row = |(kind, value): (&'static str, ValueOf)| {
        let guesses = Guesses::new(synthetic, value);
        let real: Vec<&Trace> = members.iter().chain(held_out).collect();
        let owners = map_ordered(&real, |trace| guesses.of(trace));
        owned("attribute_inference", kind, &owners, members.len())
    };
    values.into_iter().map(row).collect()
}
