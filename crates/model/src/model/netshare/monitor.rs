//! Signs of mode collapse, measured on a finished model (paper section 3.5.1).

use super::config::NetShareConfig;
use super::layout::{decode_sample, trace_rows, trace_samples};
use super::network::NetShareNetwork;
use super::sample::sample;
use crate::train::{EncodedTrace, MonitorRow};
use std::collections::BTreeSet;
use syntrace_base::base::{NoProgress, Seed};
use syntrace_base::error::Result;
use syntrace_traffic::encoding::fields::FIELD_NAMES;
use syntrace_traffic::encoding::{FieldRow, Generated};

/// Generated traces that are looked at.
const TRACES: u32 = 256;

/// Fields by their place in a row, with the largest value: variances are of values over it. Time and
/// constants (the fragment offset among them) are left out; the gap between packets stands for the time.
const FIELDS: [(usize, f64); 10] = [
    (0, 4_294_967_295.0),
    (1, 4_294_967_295.0),
    (2, 65_535.0),
    (3, 65_535.0),
    (4, 255.0),
    (6, 1_500.0),
    (9, 255.0),
    (10, 65_535.0),
    (11, 7.0),
    (13, 255.0),
];
const TIME_US: usize = 5;

/// Variance of each feature over all packets of the generated traces and of the members, both decoded
/// from cells, on the scale of the field; and how many of the generated traces repeat a 5-tuple.
/// `members` are private: like a held-out loss, these rows describe a study and release nothing.
pub(super) fn monitors(network: &NetShareNetwork, members: &[&EncodedTrace], seed: Seed) -> Result<Vec<MonitorRow>> {
    let config = &network.config;
    let generated: Vec<Vec<FieldRow>> = sample(network, TRACES, seed, &NoProgress)?
        .into_iter()
        .filter_map(|trace| match trace.content {
            Generated::Fields(rows) => Some(rows),
            _ => None,
        })
        .collect();
    let words = network.words()?;
    let mut real = Vec::new();
    for trace in members {
        for cells in trace_samples(config, &words, &trace_rows(trace)?) {
            real.push(decode_sample(config, &words, &cells, &mut seed.rng()));
        }
    }
    let mut rows = Vec::new();
    for (monitor, traces) in [("feature_variance_generated", &generated), ("feature_variance_real", &real)] {
        rows.extend(variances(config, traces).into_iter().map(|(field, value)| MonitorRow {
            epoch: None,
            monitor: monitor.to_owned(),
            field,
            value,
        }));
    }
    let tuples: BTreeSet<Vec<Option<i64>>> =
        generated.iter().filter_map(|rows| rows.first().map(|row| row[..5].to_vec())).collect();
    rows.push(MonitorRow {
        epoch: None,
        monitor: "duplicate_5_tuples".to_owned(),
        field: String::new(),
        value: (generated.len() - tuples.len()) as f64,
    });
    Ok(rows)
}

fn variances(config: &NetShareConfig, traces: &[Vec<FieldRow>]) -> Vec<(String, f64)> {
    let packets = || traces.iter().flatten();
    let mut found: Vec<(String, f64)> = FIELDS
        .iter()
        .map(|&(field, largest)| {
            let name = FIELD_NAMES.get(field).copied().unwrap_or_default();
            (name.to_owned(), variance(packets().map(|row| number(row, field) / largest)))
        })
        .collect();
    let cap = f64::from(config.gap_cap_us).ln_1p();
    let gaps = traces.iter().flat_map(|rows| {
        rows.windows(2).map(|pair| (number(&pair[1], TIME_US) - number(&pair[0], TIME_US)).max(0.0).ln_1p() / cap)
    });
    found.push(("interarrival_us".to_owned(), variance(gaps)));
    let lengths = traces.iter().map(|rows| rows.len() as f64 / f64::from(config.packets));
    found.push(("packets".to_owned(), variance(lengths)));
    found
}

fn number(row: &FieldRow, field: usize) -> f64 {
    row[field].unwrap_or(0) as f64
}

/// Population variance; 0 of nothing.
fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count
}
