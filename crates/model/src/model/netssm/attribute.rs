//! Attributes of a trace: fixed-width summaries of the model's logits, in evaluation mode.

use super::config::NetSsmConfig;
use super::network::NetSsmNetwork;
use super::tokens::{ATTRIBUTE_KINDS, DELIMITER, END};
use crate::train::{Microbatch, Network};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{TraceAttribute, WholeAttribute};
use tch::{Kind, Tensor};

/// Traces in one forward pass.
const WIDTH: usize = 16;

/// Numbers of one token of a trace.
#[derive(Debug, Clone, Copy)]
struct TokenScore {
    log_prob: f32,
    entropy: f32,
    /// Log-probability of the true token less that of the best other one.
    margin: f32,
}

/// Rows of all kinds for each pooled trace, by model 0 of the network.
pub(super) fn attributes(network: &NetSsmNetwork, count: usize) -> Result<Vec<Vec<TraceAttribute>>> {
    of_logits(network, count, |tokens, logits| trace_rows(&network.config, tokens, logits))
}

/// The logits of every token of each pooled trace that is to be predicted, by model 0 of the network.
pub(super) fn whole(network: &NetSsmNetwork, count: usize) -> Result<Vec<WholeAttribute>> {
    of_logits(network, count, |tokens, logits| {
        let rows = Vec::<Vec<f32>>::try_from(logits.to_kind(Kind::Float))
            .map_err(|error| Error::internal(format!("logits: {error}")))?;
        Ok(WholeAttribute { loss: loss(&token_scores(tokens, logits)?), rows })
    })
}

/// What is made of each pooled trace's tokens and logits `[targets, vocabulary]`.
fn of_logits<T: Clone>(
    network: &NetSsmNetwork,
    count: usize,
    make: impl Fn(&[i64], &Tensor) -> Result<T>,
) -> Result<Vec<T>> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&trace| (std::cmp::Reverse(network.size(trace)), trace));
    let mut made: Vec<Option<T>> = vec![None; count];
    for traces in order.chunks(WIDTH) {
        let batch = Microbatch { models: vec![0], rows: vec![traces.to_vec()] };
        let tokens = network.token_batch(&batch);
        let length = tokens.tokens.size()[2] - 1;
        let (logits, _) = network.logits(&tokens.tokens.narrow(2, 0, length));
        for (index, &trace) in traces.iter().enumerate() {
            let own = network.tokens(trace);
            let targets = own.len() as i64 - 1;
            let logits = logits.get(0).get(index as i64).narrow(0, 0, targets);
            made[trace] = Some(make(own, &logits)?);
        }
    }
    made.into_iter().map(|made| made.ok_or_else(|| Error::internal("a trace without attributes"))).collect()
}

fn loss(scores: &[TokenScore]) -> f32 {
    (-scores.iter().map(|score| f64::from(score.log_prob)).sum::<f64>() / scores.len().max(1) as f64) as f32
}

fn trace_rows(config: &NetSsmConfig, tokens: &[i64], logits: &Tensor) -> Result<Vec<TraceAttribute>> {
    let scores = token_scores(tokens, logits)?;
    let loss = loss(&scores);
    let mean = logits.mean_dim([0].as_slice(), false, Kind::Float);
    let mean_logits = Vec::<f32>::try_from(mean).map_err(|error| Error::internal(format!("mean logits: {error}")))?;
    let places = places(config, tokens);
    let values = [summary(config, &scores, &places, loss), by_place(config, &scores, &places), mean_logits];
    Ok(ATTRIBUTE_KINDS.iter().zip(values).map(|(kind, values)| TraceAttribute { kind, loss, values }).collect())
}

fn token_scores(tokens: &[i64], logits: &Tensor) -> Result<Vec<TokenScore>> {
    let log_probs = logits.log_softmax(-1, None);
    let targets = Tensor::from_slice(tokens.get(1..).unwrap_or_default()).to_device(logits.device()).unsqueeze(-1);
    let of_target = log_probs.gather(-1, &targets, false);
    let entropy = (log_probs.exp() * &log_probs).sum_dim_intlist([-1].as_slice(), false, None).neg();
    let others = log_probs.scatter_value(-1, &targets, f64::NEG_INFINITY).amax([-1].as_slice(), false);
    let of_target = of_target.squeeze_dim(-1);
    let margin = &of_target - others;
    let scores = Vec::<Vec<f32>>::try_from(Tensor::stack(&[of_target, entropy, margin], 1))
        .map_err(|error| Error::internal(format!("attribute values: {error}")))?;
    Ok(scores.iter().map(|of| TokenScore { log_prob: of[0], entropy: of[1], margin: of[2] }).collect())
}

/// Packet and place inside it of each target token: a delimiter and the end sit behind the last byte.
fn places(config: &NetSsmConfig, tokens: &[i64]) -> Vec<(usize, usize)> {
    let bytes_max = usize::from(config.layout.packet_bytes);
    let mut packet = 0;
    let mut byte = 0;
    let mut places = Vec::with_capacity(tokens.len());
    for &token in tokens.iter().skip(1) {
        if token == i64::from(DELIMITER) || token == i64::from(END) {
            places.push((packet, bytes_max));
            packet += 1;
            byte = 0;
        } else {
            places.push((packet, byte.min(bytes_max)));
            byte += 1;
        }
    }
    places
}

/// Log-probability of the true token at its place, 0 where the trace has none: `packets` times
/// (`packet_bytes` + 1) values and one for the end.
fn by_place(config: &NetSsmConfig, scores: &[TokenScore], places: &[(usize, usize)]) -> Vec<f32> {
    let stride = usize::from(config.layout.packet_bytes) + 1;
    let mut values = vec![0.0; config.packets as usize * stride + 1];
    let last = values.len() - 1;
    for (score, &(packet, byte)) in scores.iter().zip(places) {
        values[(packet * stride + byte).min(last)] = score.log_prob;
    }
    values
}

/// Per packet: mean and least log-probability, mean entropy, mean margin, share of tokens that the
/// model ranks first (zeros for missing packets); then for the whole trace the loss and seven
/// quantiles of the log-probability.
fn summary(config: &NetSsmConfig, scores: &[TokenScore], places: &[(usize, usize)], loss: f32) -> Vec<f32> {
    const QUANTILES: [f64; 7] = [0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9];
    let mut values = Vec::with_capacity(5 * config.packets as usize + 1 + QUANTILES.len());
    for packet in 0..config.packets as usize {
        let of_packet = scores.iter().zip(places).filter(|(_, place)| place.0 == packet);
        let of_packet: Vec<&TokenScore> = of_packet.map(|(score, _)| score).collect();
        let count = of_packet.len().max(1) as f32;
        let mean = |of: fn(&TokenScore) -> f32| of_packet.iter().map(|score| of(score)).sum::<f32>() / count;
        values.push(mean(|score| score.log_prob));
        values.push(of_packet.iter().map(|score| score.log_prob).fold(0.0, f32::min));
        values.push(mean(|score| score.entropy));
        values.push(mean(|score| score.margin));
        values.push(mean(|score| f32::from(u8::from(score.margin >= 0.0))));
    }
    values.push(loss);
    let mut sorted: Vec<f32> = scores.iter().map(|score| score.log_prob).collect();
    sorted.sort_by(f32::total_cmp);
    let last = sorted.len().saturating_sub(1);
    values.extend(QUANTILES.map(|at| sorted.get((at * last as f64).round() as usize).copied().unwrap_or(0.0)));
    values
}
