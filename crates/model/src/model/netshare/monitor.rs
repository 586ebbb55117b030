//! A sign of mode collapse, measured on a finished model. How much fields vary within its traces is a
//! measure of fidelity.

use super::network::NetShareNetwork;
use super::sample::sample;
use crate::train::MonitorRow;
use std::collections::BTreeSet;
use syntrace_base::base::{NoProgress, Seed};
use syntrace_base::error::Result;
use syntrace_traffic::encoding::Generated;

/// Generated traces that are looked at.
const TRACES: u32 = 256;

/// How many of the generated traces repeat a 5-tuple.
pub(super) fn monitors(network: &NetShareNetwork, seed: Seed) -> Result<Vec<MonitorRow>> {
    let generated: Vec<_> = sample(network, TRACES, seed, &NoProgress)?
        .into_iter()
        .filter_map(|trace| match trace.content {
            Generated::Fields(rows) => Some(rows),
            _ => None,
        })
        .collect();
    let tuples: BTreeSet<Vec<Option<i64>>> =
        generated.iter().filter_map(|rows| rows.first().map(|row| row[..5].to_vec())).collect();
    let duplicates = (generated.len() - tuples.len()) as f64;
    Ok(vec![MonitorRow::new("duplicate_5_tuples", "", duplicates)])
}
