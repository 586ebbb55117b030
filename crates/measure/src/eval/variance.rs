//! Variance of header fields within a trace: mode collapse as paper section 3.5.1 measures it.
//!
//! "In each sample, compute the variance of each feature" of normalised values; the paper gives the
//! medians over samples and features, and of each sample's largest variance. A field is normalised by
//! its range in the reference; a field that is constant there has no normalised variance and is left
//! out. Time enters as the gap to the packet before.

use super::fidelity::Rows;
use super::header::{FIELDS, FieldKind};
use super::measure::{Aspect, Metric};
use syntrace_base::record::{Packet, Trace};

const FIELD_COUNT: usize = FIELDS.len();

/// Variances within each trace, before normalisation, and the range of each field.
pub(super) struct Variance {
    /// Per trace and field; `None` where no packet has a value.
    within: Vec<[Option<f64>; FIELD_COUNT]>,
    /// Largest minus smallest value of each field; 0 without values.
    range: [f64; FIELD_COUNT],
}

impl Variance {
    pub fn of(traces: &[&Trace]) -> Self {
        let mut low = [f64::INFINITY; FIELD_COUNT];
        let mut high = [f64::NEG_INFINITY; FIELD_COUNT];
        let within = traces.iter().map(|trace| {
            let mut variances = [None; FIELD_COUNT];
            for (((_, kind), variance), (low, high)) in
                FIELDS.iter().zip(&mut variances).zip(low.iter_mut().zip(&mut high))
            {
                let values = field_values(*kind, trace);
                *low = values.iter().copied().fold(*low, f64::min);
                *high = values.iter().copied().fold(*high, f64::max);
                *variance = population_variance(&values);
            }
            variances
        });
        let within = within.collect();
        let mut range = [0.0; FIELD_COUNT];
        for ((range, low), high) in range.iter_mut().zip(low).zip(high) {
            *range = (high - low).max(0.0);
        }
        Self { within, range }
    }

    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        let (mut all, mut largest) = (Vec::new(), vec![f64::NEG_INFINITY; compared.within.len()]);
        for (place, ((field, _), range)) in FIELDS.iter().zip(self.range).enumerate() {
            let mut values = Vec::new();
            for (trace, largest) in compared.within.iter().zip(&mut largest) {
                let Some(variance) = trace.get(place).copied().flatten().filter(|_| range > 0.0) else { continue };
                let normalised = variance / (range * range);
                *largest = largest.max(normalised);
                values.push(normalised);
            }
            all.extend_from_slice(&values);
            self.push(rows, field, Metric::MedianVariance, values);
        }
        largest.retain(|value| value.is_finite());
        self.push(rows, "all", Metric::MedianVariance, all);
        self.push(rows, "all", Metric::MedianLargestVariance, largest);
    }

    fn push(&self, rows: &mut Rows, field: &'static str, metric: Metric, values: Vec<f64>) {
        let n = (self.within.len() as u64, values.len() as u64);
        rows.push((Aspect::Variance, field, None), metric, median(values), n);
    }
}

/// The values of a field in a trace, as numbers.
fn field_values(kind: FieldKind, trace: &Trace) -> Vec<f64> {
    let packets = trace.packets.iter();
    match kind {
        FieldKind::Address(extract) => packets.map(|packet: &Packet| extract(packet) as f64).collect(),
        FieldKind::Code(extract) => packets.filter_map(|packet| extract(packet).map(f64::from)).collect(),
        FieldKind::Size(extract) => packets.map(|packet| f64::from(extract(packet))).collect(),
        FieldKind::Gap(extract) => {
            let before = std::iter::once(None).chain(trace.packets.iter().map(Some));
            before.zip(packets).filter_map(|(before, packet)| extract(before, packet)).collect()
        }
    }
}

/// Of the population (divided by n), `None` without values.
fn population_variance(values: &[f64]) -> Option<f64> {
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
