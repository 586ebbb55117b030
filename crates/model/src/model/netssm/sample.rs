//! Drawing traces token by token.

use super::config::{NetSsmConfig, Sampling};
use super::network::NetSsmNetwork;
use super::stepper::Stepper;
use super::tokens::{DELIMITER, END, LABEL};
use crate::model::RawTrace;
use rand::RngExt;
use syntrace_base::base::{Progress, Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::Generated;
use tch::{Kind, Tensor};

/// Traces side by side. Fixed, and short groups are filled up: a matmul's digits may depend on the
/// number of its rows, and trace i must not depend on how many traces are asked for.
const GROUP: u32 = 64;

/// A trace while it is drawn.
struct Draft {
    tokens: Vec<u16>,
    complete: bool,
}

/// Draws `count` traces from model 0 of a network; trace i from `seed.numbered(i)`.
pub(super) fn sample(
    network: &NetSsmNetwork,
    count: u32,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Vec<RawTrace>> {
    let mut traces = Vec::with_capacity(count as usize);
    progress.start("sampling", u64::from(count));
    for first in (0..count).step_by(GROUP as usize) {
        if progress.stop_requested() {
            return Err(Error::interrupted(format!("sampling stopped after `{first}` of `{count}` traces")));
        }
        let wanted = GROUP.min(count - first);
        let group = sample_group(network, first, seed)?;
        let whole = |draft: Draft| RawTrace { content: Generated::Tokens(draft.tokens), complete: draft.complete };
        traces.extend(group.into_iter().take(wanted as usize).map(whole));
        progress.advance(u64::from(wanted), "");
    }
    progress.finish();
    Ok(traces)
}

fn sample_group(network: &NetSsmNetwork, first: u32, seed: Seed) -> Result<Vec<Draft>> {
    let config = &network.config;
    let mut rngs: Vec<StreamRng> =
        (0..GROUP).map(|index| seed.named("sample").numbered(u64::from(first + index)).rng()).collect();
    let mut open: Vec<Draft> = (0..GROUP).map(|_| Draft { tokens: Vec::new(), complete: false }).collect();
    let mut stepper = Stepper::new(network, 0, i64::from(GROUP));
    let device = network.weights().device();
    let forbidden = forbidden_ids(config).to_device(device);
    let mut tokens = Tensor::full([i64::from(GROUP)], i64::from(LABEL), (Kind::Int64, device));
    // The label is given, all others are drawn.
    for _ in 1..config.length_max() {
        let logits = stepper.step(&tokens).masked_fill(&forbidden, f64::NEG_INFINITY);
        let uniform: Vec<f64> = rngs.iter_mut().map(|rng| rng.random::<f64>()).collect();
        let drawn = draw(&logits, &uniform, config.sampling);
        let ids = Vec::<i64>::try_from(&drawn).map_err(|error| Error::internal(format!("sampled ids: {error}")))?;
        for (trace, &id) in open.iter_mut().zip(&ids) {
            advance(trace, id as u16, config);
        }
        if open.iter().all(|trace| trace.complete) {
            break;
        }
        tokens = drawn;
    }
    Ok(open)
}

/// Adds a drawn token to a trace that is still open.
fn advance(trace: &mut Draft, id: u16, config: &NetSsmConfig) {
    if trace.complete {
        return;
    }
    trace.tokens.push(id);
    if id == END {
        trace.complete = true;
        return;
    }
    let whole = config.length_max() - 1;
    // As published there is no end token: a trace is whole when all its packets are there.
    if config.layout.published && trace.tokens.len() == whole {
        trace.complete = true;
    }
}

/// Boolean `[V]`: ids that are neither a byte nor a delimiter (nor, unless published, the end).
fn forbidden_ids(config: &NetSsmConfig) -> Tensor {
    let allowed =
        |id: i64| id < 256 || id == i64::from(DELIMITER) || (id == i64::from(END) && !config.layout.published);
    let flags: Vec<bool> = (0..config.vocabulary).map(|id| !allowed(id)).collect();
    Tensor::from_slice(&flags)
}

/// Draws one id per row of logits `[n, V]` from uniform numbers in [0, 1), by the cumulative
/// distribution in f64.
fn draw(logits: &Tensor, uniform: &[f64], sampling: Sampling) -> Tensor {
    if sampling.temperature == 0.0 {
        return logits.argmax(-1, false);
    }
    let mut logits = logits.to_kind(Kind::Double);
    let vocabulary = logits.size()[1];
    if sampling.top_k > 0 && i64::from(sampling.top_k) < vocabulary {
        let (largest, _) = logits.topk(i64::from(sampling.top_k), -1, true, true);
        let smallest = largest.narrow(1, i64::from(sampling.top_k) - 1, 1);
        logits = logits.masked_fill(&logits.less_tensor(&smallest), f64::NEG_INFINITY);
    }
    let mut probabilities = (logits / sampling.temperature).softmax(-1, None);
    if sampling.top_p < 1.0 {
        let (sorted, order) = probabilities.sort(-1, true);
        // A candidate stays while those before it have not reached top_p.
        let outside = (sorted.cumsum(-1, None) - &sorted).greater_equal(sampling.top_p);
        let kept = sorted.masked_fill(&outside, 0.0);
        probabilities = probabilities.zeros_like().scatter(-1, &order, &kept);
    }
    let cumulative = probabilities.cumsum(-1, None);
    let total = cumulative.narrow(1, vocabulary - 1, 1);
    let threshold = Tensor::from_slice(uniform).to_device(total.device()).unsqueeze(1) * total;
    cumulative
        .less_equal_tensor(&threshold)
        .sum_dim_intlist([-1].as_slice(), false, Kind::Int64)
        .clamp_max(vocabulary - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two of four ids have probability; frequencies against the probabilities.
    #[test]
    fn drawn_frequencies_follow_the_probabilities_and_zero_ids_never_come() {
        const DRAWS: usize = 20_000;
        // Four standard deviations of a frequency at p = 0.25.
        const TOLERANCE: f64 = 4.0 * 0.433 / 141.4;
        let row = Tensor::from_slice(&[f64::NEG_INFINITY, 0.75f64.ln(), f64::NEG_INFINITY, 0.25f64.ln()]);
        let logits = row.unsqueeze(0).expand([DRAWS as i64, 4], false);
        let mut rng = Seed::root(1).rng();
        let uniform: Vec<f64> = (0..DRAWS).map(|_| rng.random::<f64>()).collect();
        let plain = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0 };
        let ids = Vec::<i64>::try_from(draw(&logits, &uniform, plain)).unwrap();
        assert!(ids.iter().all(|&id| id == 1 || id == 3));
        let frequency = ids.iter().filter(|&&id| id == 3).count() as f64 / DRAWS as f64;
        assert!((frequency - 0.25).abs() < TOLERANCE, "frequency {frequency}");
        for limited in [Sampling { top_k: 1, ..plain }, Sampling { top_p: 0.5, ..plain }] {
            let ids = Vec::<i64>::try_from(draw(&logits, &uniform, limited)).unwrap();
            assert!(ids.iter().all(|&id| id == 1), "only the most likely id is left");
        }
    }
}
