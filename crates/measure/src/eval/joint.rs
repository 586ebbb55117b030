//! Two header fields of one packet together: the distance of their contingency tables.

use super::distribution::{Absent, Distribution, compare};
use super::dynamics::length_bucket;
use super::header::address_bits;
use super::measure::{Aspect, Metric};
use super::rows::Rows;
use syntrace_base::record::{Direction, Packet, Trace};

const STORED: [Metric; 2] = [Metric::JensenShannonDistance, Metric::TotalVariation];

/// A field of a packet as a number that is equal where the field is.
type Folded = fn(&Packet) -> u64;

/// The paired fields: those with few enough values that a pair can occur twice. Identification and
/// checksum are nearly unique, so that every pair with them differs between any two samples.
const JOINT_FIELDS: [(&str, Folded); 11] = [
    ("direction", |packet| u64::from(packet.direction == Direction::Backward)),
    ("src_ip", |packet| folded(&packet.src_ip)),
    ("dst_ip", |packet| folded(&packet.dst_ip)),
    ("src_port", |packet| packet.src_port.into()),
    ("dst_port", |packet| packet.dst_port.into()),
    ("protocol", |packet| packet.protocol.into()),
    // by powers of two, as contingency tables need categories
    ("ip_length", length_bucket),
    ("tos", |packet| packet.tos.into()),
    ("flags", |packet| packet.flags.map_or(u64::MAX, u64::from)),
    ("ttl", |packet| packet.ttl.into()),
    ("tcp_flags", |packet| packet.tcp_flags.map_or(u64::MAX, u64::from)),
];

/// 128 bits of an address in 64: the halves of an IPv6 address mixed, IPv4 exact.
fn folded(address: &[u8]) -> u64 {
    let bits = address_bits(address);
    // 2^64 / golden ratio spreads the upper half (Knuth, volume 3, section 6.4); it is 0 for IPv4
    ((bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bits as u64
}

/// The joint distributions of one side, pooled over positions.
pub(super) struct Joint {
    traces: u64,
    /// Packets of the longest trace.
    longest: u64,
    pairs: Vec<(String, Distribution)>,
}

impl Joint {
    pub fn of(traces: &[&Trace]) -> Self {
        let columns: Vec<Vec<u64>> = syntrace_base::base::map_ordered(&JOINT_FIELDS, |(_, extract)| {
            traces.iter().flat_map(|trace| trace.packets.iter().map(extract)).collect()
        });
        let named: Vec<(&str, &Vec<u64>)> = JOINT_FIELDS.iter().map(|(name, _)| *name).zip(&columns).collect();
        let pairs: Vec<_> = named
            .iter()
            .enumerate()
            .flat_map(|(index, first)| named.iter().skip(index + 1).map(move |second| (*first, *second)))
            .collect();
        Self {
            traces: traces.len() as u64,
            longest: traces.iter().map(|trace| trace.packets.len() as u64).max().unwrap_or(0),
            pairs: syntrace_base::base::map_ordered(&pairs, |((a, left), (b, right))| {
                let keys = left.iter().zip(*right).map(|(&a, &b)| u128::from(a) << 64 | u128::from(b));
                (format!("{a}+{b}"), Distribution::categories(keys))
            }),
        }
    }

    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        // packets that traces would have if each were as long as the longest one of either side, and do not
        let longest = self.longest.max(compared.longest);
        let absent =
            |side: &Self, values: &Distribution| Absent { packets: side.traces * longest - values.len(), fields: 0 };
        for ((field, real), (_, other)) in self.pairs.iter().zip(&compared.pairs) {
            let found = compare(real.with(absent(self, real)), other.with(absent(compared, other)), 1.0);
            rows.comparison(Aspect::Joint, field.clone(), None, &found, &STORED);
        }
    }
}
