//! Variance of header fields within a trace: mode collapse as paper section 3.5.1 measures it.
//!
//! "In each sample, compute the variance of each feature" of normalised values; the paper gives the
//! medians over samples and features, and of each sample's largest variance, and how far those of
//! synthetic traces lie below those of real ones.
//!
//! Values are normalised by their rank: the share of values below plus half of those equal, the mean of
//! both shares among the reference's packets and among the compared ones. So the measure has no scale (a
//! range does: one IPv6 address makes all IPv4 ones equal), any monotone change of a field leaves it as it
//! is, and both sides are ranked alike. A field that is constant in the reference is left out. A trace
//! varies by the mean over its fields, also where most of them are constant; one without packets not at
//! all. Time enters as the gap to the packet before.

use super::header::{FIELDS, FieldKind};
use super::measure::{Aspect, Metric};
use super::rows::Rows;
use syntrace_base::record::{Packet, Trace};

/// The values of each field: by trace in the order of packets, and all of them sorted.
pub(super) struct Variance {
    fields: Vec<Field>,
    /// Does a trace have packets?
    packets: Vec<bool>,
}

struct Field {
    by_trace: Vec<Vec<u128>>,
    sorted: Vec<u128>,
}

/// What the fields of one side vary by.
struct Within {
    /// Per field that varies in the reference: its median over traces.
    fields: Vec<(&'static str, Vec<f64>)>,
    /// Per trace: the mean over its fields.
    means: Vec<f64>,
    /// Per trace: the largest of its fields.
    largest: Vec<f64>,
}

impl Variance {
    pub fn of(traces: &[&Trace]) -> Self {
        let field = |(_, kind): &(&str, FieldKind)| {
            let by_trace: Vec<Vec<u128>> = traces.iter().map(|trace| keys(*kind, trace)).collect();
            let mut sorted: Vec<u128> = by_trace.iter().flatten().copied().collect();
            sorted.sort_unstable();
            Field { by_trace, sorted }
        };
        let packets = traces.iter().map(|trace| !trace.packets.is_empty()).collect();
        Self { fields: syntrace_base::base::map_ordered(&FIELDS, field), packets }
    }

    /// For each field and for all: the median variance of the compared traces, and the share that is kept of
    /// the reference's.
    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        let (real, other) = (self.within(self, compared), compared.within(self, compared));
        for ((field, real), (_, other)) in real.fields.into_iter().zip(other.fields) {
            self.push(rows, field, Metric::MedianVariance, real, other);
        }
        self.push(rows, "all", Metric::MedianVariance, real.means, other.means);
        self.push(rows, "all", Metric::MedianLargestVariance, real.largest, other.largest);
    }

    /// Variances within the own traces, of values ranked among those of `reference` and `compared`.
    fn within(&self, reference: &Self, compared: &Self) -> Within {
        let traces = self.packets.len();
        let (mut sums, mut largest) = (vec![(0.0, 0u32); traces], vec![0.0f64; traces]);
        let mut fields = Vec::new();
        for (place, (name, _)) in FIELDS.iter().enumerate() {
            let (first, second) = (reference.sorted(place), compared.sorted(place));
            let mut values = Vec::new();
            if first.first() != first.last() {
                let of_traces = self.fields.get(place).map_or(&[][..], |field| &field.by_trace);
                for (((keys, packets), sum), largest) in
                    of_traces.iter().zip(&self.packets).zip(&mut sums).zip(&mut largest)
                {
                    let rank = |key: &u128| 0.5 * (rank(first, *key) + rank(second, *key));
                    let ranks: Vec<f64> = keys.iter().map(rank).collect();
                    // without packets nothing varies; packets without the field say nothing of it
                    let Some(variance) = population_variance(&ranks).or((!packets).then_some(0.0)) else { continue };
                    *sum = (sum.0 + variance, sum.1 + 1);
                    *largest = largest.max(variance);
                    values.push(variance);
                }
            }
            fields.push((*name, values));
        }
        let means = sums.into_iter().map(|(sum, fields)| sum / f64::from(fields.max(1))).collect();
        Within { fields, means, largest }
    }

    fn sorted(&self, place: usize) -> &[u128] {
        self.fields.get(place).map_or(&[], |field| &field.sorted)
    }

    fn push(&self, rows: &mut Rows, field: &'static str, metric: Metric, real: Vec<f64>, other: Vec<f64>) {
        let n = (real.len() as u64, other.len() as u64);
        let (real, other) = (median(real), median(other));
        rows.push((Aspect::Variance, field, None), metric, other, n);
        let kept = match metric {
            Metric::MedianVariance => Metric::VarianceKept,
            _ => Metric::LargestVarianceKept,
        };
        let share = real.zip(other).filter(|(real, _)| *real > 0.0).map(|(real, other)| other / real);
        rows.push((Aspect::Variance, field, None), kept, share, n);
    }
}

/// Share of sorted values below one plus half of those equal to it; 1/2 among none.
fn rank(sorted: &[u128], key: u128) -> f64 {
    if sorted.is_empty() {
        return 0.5;
    }
    let below = sorted.partition_point(|value| *value < key);
    let up_to = sorted.partition_point(|value| *value <= key);
    0.5 * (below + up_to) as f64 / sorted.len() as f64
}

/// The values of a field in a trace, as numbers of the same order.
fn keys(kind: FieldKind, trace: &Trace) -> Vec<u128> {
    let packets = trace.packets.iter();
    match kind {
        FieldKind::Address(extract) => packets.map(|packet: &Packet| extract(packet)).collect(),
        FieldKind::Code(extract) => packets.filter_map(|packet| extract(packet).map(u128::from)).collect(),
        FieldKind::Size(extract) => packets.map(|packet| u128::from(extract(packet))).collect(),
        FieldKind::Gap(extract) => {
            let before = std::iter::once(None).chain(trace.packets.iter().map(Some));
            before.zip(packets).filter_map(|(before, packet)| extract(before, packet)).map(ordered).collect()
        }
    }
}

/// A number as bits that sort as it does.
fn ordered(value: f64) -> u128 {
    let bits = value.to_bits();
    u128::from(if bits >> 63 == 0 { bits | 1 << 63 } else { !bits })
}

/// Of the population (divided by n), `None` without values. Of equal values it is 0, whatever their mean is rounded to: a
/// share of a rounding error is none.
fn population_variance(values: &[f64]) -> Option<f64> {
    if values.windows(2).all(|pair| pair.first() == pair.last()) {
        return values.first().map(|_| 0.0);
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (!values.is_empty()).then(|| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n)
}

/// The middle value, the mean of the two middle ones of an even number.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some(0.5 * (lower + upper))
}
