//! Rows of hosts: what a model says about all traces of one, for attacks that ask whether any traffic of a host was in the
//! training set.

use super::table::AttributeTable;
use std::collections::BTreeMap;
use syntrace_base::base::TraceId;

/// Numbers that stand for each value of an attribute over a host's traces: mean, least, quartiles, largest.
const SUMMARIES: usize = 6;

/// Shares of a host's traces below the quantiles that are taken.
const QUANTILES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

impl AttributeTable {
    /// One row for each model and host: of each value the mean, the least, the quartiles and the largest over the host's traces
    /// (interpolated linearly between two), behind all of them the number of traces; the loss is their mean. Members and
    /// held-out traces of a host make up rows of their own: a row says whether the traces it is of were trained on, and the
    /// number of traces says nothing of it, since both sides are drawn alike. A row has the id of the first of its traces.
    pub fn by_host<H: Ord>(&self, host: impl Fn(TraceId) -> H) -> Self {
        let mut rows: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (row, ((model, trace), member)) in self.models.iter().zip(&self.traces).zip(&self.member).enumerate() {
            rows.entry((*model, host(*trace), *member)).or_default().push(row);
        }
        let mut joined = Self { width: SUMMARIES * self.width + 1, ..Self::default() };
        for ((model, _, member), rows) in rows {
            let Some(first) = rows.iter().filter_map(|row| self.traces.get(*row)).min() else { continue };
            joined.traces.push(*first);
            joined.models.push(model);
            joined.member.push(member);
            joined.loss.push(mean(rows.iter().filter_map(|row| self.loss.get(*row))));
            for place in 0..self.width {
                let own = rows.iter().filter_map(|row| self.row(*row)?.get(place));
                joined.values.extend(summary(own.copied().collect()));
            }
            joined.values.push(rows.len() as f32);
        }
        joined
    }
}

fn mean<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + f64::from(*value), count + 1));
    (sum / f64::from(count.max(1))) as f32
}

fn summary(mut values: Vec<f32>) -> [f32; SUMMARIES] {
    let mean = mean(values.iter());
    values.sort_by(f32::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |place: usize| f64::from(values.get(place.min(last)).copied().unwrap_or(0.0));
    let quantile = |share: f64| {
        let place = share * last as f64;
        let below = place.floor();
        let (low, high) = (at(below as usize), at(below as usize + 1));
        (low + (place - below) * (high - low)) as f32
    };
    let [least, first, median, third, largest] = QUANTILES.map(quantile);
    [mean, least, first, median, third, largest]
}
