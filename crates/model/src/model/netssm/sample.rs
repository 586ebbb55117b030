//! Drawing traces token by token.

use super::config::NetSsmConfig;
use super::network::NetSsmNetwork;
use super::sampling::{Decode, Sampling};
use super::stepper::Stepper;
use super::tokens::{DELIMITER, END, LABEL, VOCABULARY};
use crate::model::RawTrace;
use rand::RngExt;
use syntrace_base::base::{Progress, Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use syntrace_kernel::{Drawing, LANES, Limits, Recurrence};
use syntrace_traffic::encoding::{Generated, PacketGrammar};
use tch::{Kind, Tensor};

/// Batch size of traces. Fixed, and short batches are padded: the rounding of a matmul may depend on the
/// number of its rows, and trace i must not depend on how many traces are asked for.
const GROUP: u32 = 64;

/// A trace while it is drawn.
#[derive(Debug, Default)]
struct Draft {
    tokens: Vec<u16>,
    complete: bool,
    /// With `decode = "packet"`: what may come next.
    grammar: Option<PacketGrammar>,
    /// How often each rule of the grammar kept out what would have been drawn.
    decided: Vec<(&'static str, u32)>,
}

impl Draft {
    fn new(config: &NetSsmConfig) -> Self {
        let grammar = PacketGrammar::new(config.layout, config.packets as usize);
        Self { grammar: (config.decode == Decode::Packet).then_some(grammar), ..Self::default() }
    }

    /// Draws an id by `draw` (among all with `None`): where there is a grammar, among what it allows. A rule decides
    /// where the same random number would have drawn what it does not allow.
    fn choose(&mut self, allowed: &mut Vec<u16>, mut draw: impl FnMut(Option<&[u16]>) -> Option<u16>) -> Option<u16> {
        let Some(grammar) = &self.grammar else { return draw(None) };
        let rule = grammar.next(allowed);
        if draw(None).is_none_or(|free| allowed.binary_search(&free).is_err()) {
            match self.decided.iter_mut().find(|(name, _)| *name == rule) {
                Some((_, count)) => *count += 1,
                None => self.decided.push((rule, 1)),
            }
        }
        draw(Some(allowed))
    }
}

impl NetSsmNetwork {
    /// Draws `count` traces from model 0; trace i from `seed.numbered(i)`.
    ///
    /// # Errors
    /// Interrupted when `progress` asks to stop.
    pub fn sample(&self, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        progress.start("sampling", u64::from(count));
        let drafts = if self.is_plain() {
            sample_plain(self, count, seed, progress)?
        } else {
            sample_tensors(self, count, seed, progress)?
        };
        progress.finish();
        let raw = |draft: Draft| RawTrace {
            content: Generated::Tokens(draft.tokens),
            complete: draft.complete,
            repairs: draft.decided,
        };
        Ok(drafts.into_iter().map(raw).collect())
    }
}

fn stopped(drawn: u32, count: u32) -> Error {
    Error::interrupted(format!("sampling stopped after `{drawn}` of `{count}` traces"))
}

/// The random numbers of a trace, one a token.
fn stream(seed: &Seed, trace: u32) -> StreamRng {
    seed.named("sample").numbered(u64::from(trace)).rng()
}

/// A lane of the plain recurrence at work on a trace.
struct Lane {
    trace: u32,
    rng: StreamRng,
    draft: Draft,
}

/// By the plain recurrence: a lane whose trace is whole takes the next one, and no lane sees another.
fn sample_plain(network: &NetSsmNetwork, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<Draft>> {
    let config = &network.config;
    let weights = network.plain_weights::<f32>(0);
    let mut recurrence = Recurrence::new(&weights);
    let Sampling { temperature, top_k, top_p } = config.sampling;
    let allowed = (0..VOCABULARY).filter(|&id| is_allowed(id, config)).collect();
    let mut drawing = Drawing::new(Limits { temperature, top_k: top_k as usize, top_p }, allowed);
    let mut drafts: Vec<Option<Draft>> = (0..count).map(|_| None).collect();
    let mut waiting = 0..count;
    let mut next = || waiting.next().map(|trace| Lane { trace, rng: stream(&seed, trace), draft: Draft::new(config) });
    let mut lanes: [Option<Lane>; LANES] = std::array::from_fn(|_| next());
    let mut tokens = [LABEL; LANES];
    let mut drawn = 0;
    let mut next_allowed = Vec::new();
    while lanes.iter().any(Option::is_some) {
        if progress.stop_requested() {
            return Err(stopped(drawn, count));
        }
        recurrence.step(&tokens);
        for (index, slot) in lanes.iter_mut().enumerate() {
            let Some(lane) = slot else { continue };
            let (logits, uniform) = (recurrence.logits(), lane.rng.random::<f64>());
            let id = lane.draft.choose(&mut next_allowed, |among| match among {
                Some(among) => drawing.draw_among(among, logits, index, uniform),
                None => drawing.draw(logits, index, uniform),
            });
            let id = id.ok_or_else(|| Error::internal("no token may be drawn"))?;
            advance(&mut lane.draft, id, config);
            tokens[index] = id;
            // The label is given, all others are drawn.
            if !lane.draft.complete && lane.draft.tokens.len() + 1 < config.length_max() {
                continue;
            }
            drafts[lane.trace as usize] = Some(std::mem::take(&mut lane.draft));
            *slot = next();
            recurrence.reset(index);
            tokens[index] = LABEL;
            drawn += 1;
            progress.advance(1, "");
        }
    }
    Ok(drafts.into_iter().map(Option::unwrap_or_default).collect())
}

/// By tensors, in groups: on a device, and for networks too large for the plain loops.
fn sample_tensors(network: &NetSsmNetwork, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<Draft>> {
    let mut drafts = Vec::with_capacity(count as usize);
    for first in (0..count).step_by(GROUP as usize) {
        if progress.stop_requested() {
            return Err(stopped(first, count));
        }
        let wanted = GROUP.min(count - first);
        drafts.extend(sample_group(network, first, seed)?.into_iter().take(wanted as usize));
        progress.advance(u64::from(wanted), "");
    }
    Ok(drafts)
}

fn sample_group(network: &NetSsmNetwork, first: u32, seed: Seed) -> Result<Vec<Draft>> {
    let config = &network.config;
    let mut rngs: Vec<StreamRng> = (0..GROUP).map(|index| stream(&seed, first + index)).collect();
    let mut open: Vec<Draft> = (0..GROUP).map(|_| Draft::new(config)).collect();
    let mut stepper = Stepper::new(network, 0, i64::from(GROUP));
    let device = network.weights().device();
    let forbidden = forbidden_ids(config).to_device(device);
    let mut allowed = Vec::new();
    let mut tokens = Tensor::full([i64::from(GROUP)], i64::from(LABEL), (Kind::Int64, device));
    // The label is given, all others are drawn.
    for _ in 1..config.length_max() {
        let logits = stepper.step(&tokens).masked_fill(&forbidden, f64::NEG_INFINITY);
        let uniform: Vec<f64> = rngs.iter_mut().map(|rng| rng.random::<f64>()).collect();
        let mut drawn = ids(&draw(&logits, &uniform, config.sampling))?;
        if config.decode == Decode::Packet {
            let among = logits.masked_fill(&refused_ids(&open, config).to_device(device), f64::NEG_INFINITY);
            let among = ids(&draw(&among, &uniform, config.sampling))?;
            for (trace, (free, &among)) in open.iter_mut().zip(drawn.iter_mut().zip(&among)) {
                let chosen = trace.choose(&mut allowed, |set| Some(if set.is_some() { among } else { *free }));
                *free = chosen.unwrap_or(among);
            }
        }
        for (trace, &id) in open.iter_mut().zip(&drawn) {
            advance(trace, id, config);
        }
        if open.iter().all(|trace| trace.complete) {
            break;
        }
        tokens = Tensor::from_slice(&drawn.iter().map(|&id| i64::from(id)).collect::<Vec<_>>()).to_device(device);
    }
    Ok(open)
}

/// Adds a drawn token to a trace that is still open.
fn advance(trace: &mut Draft, id: u16, config: &NetSsmConfig) {
    if trace.complete {
        return;
    }
    trace.tokens.push(id);
    if let Some(grammar) = &mut trace.grammar {
        grammar.push(id);
    }
    if id == END {
        trace.complete = true;
        trace.grammar = None;
        return;
    }
    let whole = config.length_max() - 1;
    // As published there is no end token: a trace is whole when all its packets are there.
    if config.layout.published && trace.tokens.len() == whole {
        trace.complete = true;
    }
}

/// May an id be drawn? It is a byte, a delimiter or, unless published, the end.
fn is_allowed(id: u16, config: &NetSsmConfig) -> bool {
    id < 256 || id == DELIMITER || (id == END && !config.layout.published)
}

/// Boolean `[V]`: ids that may not be drawn.
fn forbidden_ids(config: &NetSsmConfig) -> Tensor {
    let allowed = |id: i64| u16::try_from(id).is_ok_and(|id| is_allowed(id, config));
    let flags: Vec<bool> = (0..config.vocabulary).map(|id| !allowed(id)).collect();
    Tensor::from_slice(&flags)
}

/// Boolean `[GROUP, V]`: ids that the grammar of an open trace refuses.
fn refused_ids(open: &[Draft], config: &NetSsmConfig) -> Tensor {
    let width = config.vocabulary as usize;
    let mut refused = vec![false; open.len() * width];
    let mut allowed = Vec::new();
    for (trace, row) in open.iter().zip(refused.chunks_mut(width)) {
        let Some(grammar) = &trace.grammar else { continue };
        grammar.next(&mut allowed);
        row.fill(true);
        allowed.iter().for_each(|&id| row[usize::from(id)] = false);
    }
    Tensor::from_slice(&refused).view([-1, config.vocabulary])
}

/// Drawn ids of a group.
fn ids(drawn: &Tensor) -> Result<Vec<u16>> {
    let ids = Vec::<i64>::try_from(drawn).map_err(|error| Error::internal(format!("sampled ids: {error}")))?;
    Ok(ids.into_iter().map(|id| id as u16).collect())
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
    use syntrace_base::base::NoProgress;

    /// Fresh weights with an embedding large enough for logits of several units.
    fn network(config: &NetSsmConfig) -> NetSsmNetwork {
        let mut network = NetSsmNetwork::initialised(config, &[Seed::root(5)]);
        let embedding = network.embedding;
        let _ = network.weights_mut().get_mut(embedding).g_mul_scalar_(20.0);
        network
    }

    fn two_groups() -> NetSsmConfig {
        NetSsmConfig { groups: 2, taps: 3, layers: 3, ..NetSsmConfig::preset("small").unwrap() }
    }

    /// The recurrence token by token against the chunked form over the whole trace, both in f32.
    #[test]
    fn logits_of_the_plain_recurrence_agree_with_the_chunked_network() {
        // Rounding of some hundred steps in two orders, logits up to 15.
        const TOLERANCE: f64 = 2e-4;
        const LENGTH: usize = 150;
        for config in [NetSsmConfig::preset("small").unwrap(), two_groups()] {
            let network = network(&config);
            let weights = network.plain_weights::<f32>(0);
            let id = |lane: usize, position: usize| ((lane * 37 + position * position * 11) % 260) as u16;
            let tokens: Vec<i64> =
                (0..LANES).flat_map(|lane| (0..LENGTH).map(move |at| i64::from(id(lane, at)))).collect();
            let tokens = Tensor::from_slice(&tokens).view([1, LANES as i64, LENGTH as i64]);
            let (expected, _) = network.logits(&tokens);
            let mut recurrence = Recurrence::new(&weights);
            // A trace before it leaves nothing in a lane.
            recurrence.step(&[7; LANES]);
            (0..LANES).for_each(|lane| recurrence.reset(lane));
            for position in 0..LENGTH {
                recurrence.step(&std::array::from_fn(|lane| id(lane, position)));
                let found = Tensor::from_slice(recurrence.logits().as_flattened()).view([-1, LANES as i64]);
                let expected = expected.get(0).select(1, position as i64).transpose(0, 1);
                let difference = (found - expected).abs().max().double_value(&[]);
                assert!(difference < TOLERANCE, "difference {difference:e} at {position}");
            }
        }
    }

    /// Same numbers, same draws: a token differs only where a uniform number falls into the rounding between two
    /// candidates, some 1e-6 of them, and with it the rest of its trace.
    #[test]
    fn plain_loops_draw_the_traces_that_tensors_draw() {
        const COUNT: u32 = 40;
        const SAME: usize = 36;
        for config in [NetSsmConfig::preset("small").unwrap(), two_groups()] {
            let config = NetSsmConfig { packets: 1, ..config };
            let draw = |by_tensors: bool| {
                let mut network = network(&config);
                if by_tensors {
                    network.work_by_tensors();
                }
                network.sample(COUNT, Seed::root(4), &NoProgress).unwrap()
            };
            let (plain, tensors) = (draw(false), draw(true));
            let same = plain.iter().zip(&tensors).filter(|(plain, tensors)| plain == tensors).count();
            assert!(same >= SAME, "{same} of {COUNT} traces");
        }
    }

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
