//! Simulating a class of a dataset: all frames of all its flows in the order of time.

use super::class;
use super::flow::Flow;
use super::host::{HOSTS, Host};
use super::options::{CLASSES, SimulateOptions, population};
use super::{SimulatedFrame, wide};
use syntrace_base::base::map_ordered;
use syntrace_base::error::{Error, Result, nearest};

/// Simulates the capture of one class: all frames of all flows, sorted by time.
///
/// Errors are the user's: an unknown dataset or class, or an option out of range.
pub fn simulate(options: &SimulateOptions) -> Result<Vec<SimulatedFrame>> {
    let class = check(options)?;
    let population = population(&options.seed, &options.dataset, &options.class);
    let indices: Vec<u32> = (0..options.flows).collect();
    let Some(class) = class else {
        let limit = options.packets_per_flow_max as usize;
        return Ok(in_order(map_ordered(&indices, |index| {
            wide::conversation(&population, u64::from(*index), options.start_us, limit)
        })));
    };
    let hosts: [Host; HOSTS] = std::array::from_fn(|index| Host::new(&population, index, class.system));
    Ok(in_order(map_ordered(&indices, |index| {
        let flow = Flow::new(options, &population, &hosts, *index, class.offload_bytes);
        class.converse(flow, options.dns_share)
    })))
}

fn in_order(flows: Vec<Vec<SimulatedFrame>>) -> Vec<SimulatedFrame> {
    let mut frames: Vec<SimulatedFrame> = flows.into_iter().flatten().collect();
    // Stable: frames of one microsecond stay in the order of their flows, and in each flow's own.
    frames.sort_by_key(|frame| frame.time_us);
    frames
}

/// The class; `None` for the one of `wide`, whose flows have nothing in common.
fn check(options: &SimulateOptions) -> Result<Option<&'static class::Class>> {
    let datasets: Vec<&str> = CLASSES.iter().map(|(dataset, _)| *dataset).collect();
    let Some((_, classes)) = CLASSES.iter().find(|(dataset, _)| *dataset == options.dataset) else {
        return Err(unknown("dataset", &options.dataset, &datasets));
    };
    for (name, share) in [("dns_share", options.dns_share), ("ipv6_share", options.ipv6_share)] {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::user(format!("{name} must be between 0 and 1, found `{share}`")));
        }
    }
    for (name, count) in [("flows", options.flows), ("packets_per_flow_max", options.packets_per_flow_max)] {
        if count == 0 {
            return Err(Error::user(format!("{name} must be at least 1, found `0`")));
        }
    }
    if !classes.contains(&options.class.as_str()) {
        return Err(unknown(&format!("class of dataset `{}`", options.dataset), &options.class, classes));
    }
    Ok(class::find(&options.dataset, &options.class))
}

fn unknown(what: &str, found: &str, known: &[&str]) -> Error {
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let error = Error::user(format!("no {what} is called `{found}`: expected one of {list}"));
    match nearest(found, known) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error,
    }
}
