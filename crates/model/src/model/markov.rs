//! A Markov chain over header bytes: the simplest generator, a baseline for the others, and the worked
//! example of CONTRIBUTING.md. It needs no libtorch.
//!
//! The next token depends on the previous one and on its place in the packet. Training counts these
//! transitions; a probability is (count + s) / (sum of counts + s * allowed tokens) with a public
//! smoothing s. Attribute: log-likelihood. Sampling follows the counts.
//!
//! Under DP each unit's vector of counts (a trace's, or the sum over a host's) is scaled to an L2 norm of at most
//! `clip_norm`, the sum gets Gaussian noise in every cell that the layout allows, and cells below four standard
//! deviations of the noise become 0, which reads noisy counts only. That is one step on all members: the accountant
//! sees a sampling rate of 1. Everything else that shapes the model is a constant of the layout.

use super::options::{split_preset, with_options};
use super::rho_ledger::add_noise;
use super::tokens::trace_tokens;
use super::{Family, Generator, RawTrace, Weights};
use crate::train::{
    CheckpointSink, CohortInput, CohortModel, CohortOutcome, DpPlan, EncodedTrace, EpochRow, ModelOutcome, TrainPlan,
    fit_one_by_one,
};
use rand::RngExt;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use syntrace_base::base::{ClipNorm, NoiseMultiplier, Progress, SamplingRate, Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Mechanism, ModelStatus, PrivacyEvent, Regime, TraceAttribute};
use syntrace_traffic::encoding::tokens::{TOKEN_BYTES, TOKEN_DELIMITER, TOKEN_END, TOKEN_LABEL};
use syntrace_traffic::encoding::{EncodingKind, Generated, TokenLayout};

/// Noisy counts below this many standard deviations of their noise become 0: of four million empty
/// cells about 130 survive.
const KEPT_DEVIATIONS: f64 = 4.0;

/// Place in the packet (0 = its first byte), previous token, next token.
pub type Transition = [u16; 3];

/// All that a model depends on besides data and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkovConfig {
    /// Most packets of a trace.
    pub packets: u32,
    /// Packets to tokens.
    pub layout: TokenLayout,
    /// Added to each count where a probability is asked for.
    pub smoothing: f64,
    /// L2 bound of the counts of one trace (host) under DP.
    pub clip_norm: f64,
}

/// The generator `markov` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Markov {
    preset: String,
    config: MarkovConfig,
}

/// Counts of the tokens that follow one state.
#[derive(Debug, Clone, Default, PartialEq)]
struct Following {
    counts: Vec<(u16, f32)>,
    total: f64,
}

/// A trained model.
struct Chain {
    /// By place and previous token.
    states: BTreeMap<(u16, u16), Following>,
    /// By place alone, for states that were never seen.
    places: BTreeMap<u16, Following>,
}

impl Markov {
    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let (preset, options) = split_preset(options)?;
        let layout = match preset.as_str() {
            "small" => TokenLayout::small(),
            "paper" => TokenLayout::paper(),
            _ => return Err(Error::user("preset of `markov` must be `small` or `paper`")),
        };
        let config = MarkovConfig { packets, layout, smoothing: 0.01, clip_norm: 20.0 };
        let config = with_options(&config, &options, packets)?;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !positive(config.smoothing) || !positive(config.clip_norm) || config.layout.published {
            return Err(Error::user(
                "`markov` needs `smoothing` and `clip_norm` above 0, and a layout with an end (not `published`)",
            ));
        }
        Ok(Self { preset, config })
    }

    /// Tokens that the layout allows behind a state: a packet has a byte, a delimiter ends it at the
    /// latest when it is full, the end stands behind a delimiter.
    fn allowed(&self, place: u16, previous: u16) -> impl Iterator<Item = u16> + use<> {
        let bytes = if place < self.config.layout.packet_bytes { TOKEN_BYTES } else { 0 };
        let ends = [(TOKEN_DELIMITER, place > 0), (TOKEN_END, previous == TOKEN_DELIMITER)];
        (0..bytes).chain(ends.into_iter().filter(|(_, allowed)| *allowed).map(|(token, _)| token))
    }

    /// All states: the label or a delimiter before a packet's first byte, a byte before the others.
    fn states(&self) -> impl Iterator<Item = (u16, u16)> {
        let inside = (1..=self.config.layout.packet_bytes).flat_map(|place| (0..TOKEN_BYTES).map(move |b| (place, b)));
        [(0, TOKEN_LABEL), (0, TOKEN_DELIMITER)].into_iter().chain(inside)
    }

    /// A trace's transitions in order, and the packet of each; what the layout does not allow is left out.
    fn transitions(&self, tokens: &[u16]) -> Vec<(usize, Transition)> {
        let (mut packet, mut place) = (0, 0);
        let mut found = Vec::with_capacity(tokens.len());
        for pair in tokens.windows(2) {
            let [previous, next] = [pair[0], pair[1]];
            if self.allowed(place, previous).any(|token| token == next) {
                found.push((packet, [place, previous, next]));
            }
            place = if next == TOKEN_DELIMITER { 0 } else { place.saturating_add(1) };
            packet += usize::from(next == TOKEN_DELIMITER);
        }
        found
    }

    /// Sum of the counts of units, each the traces of one host or one trace, each unit's scaled to an L2 norm of at most
    /// `clip_norm` where one is given: one unit more or less then moves the sum by at most that. Second, the norms before
    /// scaling.
    pub fn counts<'a, U: IntoIterator<Item = &'a EncodedTrace>>(
        &self,
        units: impl IntoIterator<Item = U>,
        clip_norm: Option<f64>,
    ) -> Result<(BTreeMap<Transition, f64>, Vec<f64>)> {
        let (mut sum, mut norms) = (BTreeMap::new(), Vec::new());
        for unit in units {
            let mut own: BTreeMap<Transition, f64> = BTreeMap::new();
            for trace in unit {
                for (_, transition) in self.transitions(&trace_tokens(trace)?) {
                    *own.entry(transition).or_default() += 1.0;
                }
            }
            let norm = own.values().map(|count| count * count).sum::<f64>().sqrt();
            let factor = clip_norm.map_or(1.0, |clip_norm| (clip_norm / norm).min(1.0));
            for (transition, count) in own {
                *sum.entry(transition).or_default() += factor * count;
            }
            norms.push(norm);
        }
        Ok((sum, norms))
    }

    /// Noise in every allowed cell, then only what stands out of it.
    fn privatise(&self, counts: &BTreeMap<Transition, f64>, dp: DpPlan, seed: Seed) -> BTreeMap<Transition, f64> {
        let deviation = dp.noise_multiplier * dp.clip_norm;
        let mut kept = BTreeMap::new();
        for (number, (place, previous)) in self.states().enumerate() {
            let next: Vec<u16> = self.allowed(place, previous).collect();
            let mut noisy = vec![0.0; next.len()];
            for ([.., token], count) in counts.range([place, previous, 0]..=[place, previous, u16::MAX]) {
                if let Some(cell) = next.iter().position(|own| own == token).and_then(|at| noisy.get_mut(at)) {
                    *cell = *count;
                }
            }
            add_noise(&mut noisy, deviation, seed.numbered(number as u64));
            let standing = next.into_iter().zip(noisy).filter(|(_, count)| *count > KEPT_DEVIATIONS * deviation);
            kept.extend(standing.map(|(token, count)| ([place, previous, token], count)));
        }
        kept
    }

    fn train(&self, input: &CohortInput<'_>, model: &CohortModel) -> Result<ModelOutcome> {
        let pick = |positions: &[usize]| -> Vec<&EncodedTrace> {
            positions.iter().filter_map(|position| input.traces.get(*position)).collect()
        };
        let (members, held_out) = (pick(&model.members), pick(&model.held_out));
        let learnt = model.learns_from();
        let units = input.units(learnt);
        let (mut counts, norms) = self.counts(units.iter().map(|unit| pick(unit)), model.dp.map(|dp| dp.clip_norm))?;
        if let Some(dp) = model.dp {
            let seed = model.noise_seed.map_or_else(Seed::from_system, Ok)?;
            counts = self.privatise(&counts, dp, seed.named("markov"));
        }
        let chain = Chain::new(&counts);
        let event = |dp: DpPlan| -> Result<PrivacyEvent> {
            Ok(PrivacyEvent {
                phase: "transition counts".to_owned(),
                mechanism: Mechanism::Gaussian,
                sampling_rate: SamplingRate::new(1.0)?,
                noise_multiplier: NoiseMultiplier::new(dp.noise_multiplier)?,
                clip_norm: ClipNorm::new(dp.clip_norm)?,
                steps: 1,
            })
        };
        let clipped = |dp: DpPlan| norms.iter().filter(|norm| **norm > dp.clip_norm).count() as f64;
        let epoch = EpochRow {
            member_loss: self.mean_loss(&chain, &members)?,
            held_out_loss: self.mean_loss(&chain, &held_out)?,
            clipped_fraction: model.dp.map(|dp| clipped(dp) / norms.len().max(1) as f64),
            ..EpochRow::of_pass(learnt.len() as u64)
        };
        Ok(ModelOutcome {
            weights: write(&counts)?,
            epochs: vec![epoch],
            monitors: Vec::new(),
            events: model.dp.map(event).into_iter().collect::<Result<_>>()?,
            steps: 1,
            status: ModelStatus::Trained,
            parameters: self.parameters(),
            parameters_private: self.parameters(),
        })
    }

    /// ln p of a transition.
    fn log_likelihood(&self, chain: &Chain, [place, previous, next]: Transition) -> f64 {
        let smoothing = self.config.smoothing;
        let mass = smoothing * self.allowed(place, previous).count() as f64;
        let Some(following) = chain.states.get(&(place, previous)) else { return (smoothing / mass).ln() };
        let count = following.counts.iter().find(|(token, _)| *token == next).map_or(0.0, |(_, count)| *count);
        ((f64::from(count) + smoothing) / (following.total + mass)).ln()
    }

    /// Mean and least ln p of each packet (zeros where there is none), then the loss of the trace.
    fn attribute(&self, chain: &Chain, trace: &EncodedTrace) -> Result<TraceAttribute> {
        let packets = self.config.packets as usize;
        let mut by_packet = vec![Vec::new(); packets];
        let mut all = Vec::new();
        for (packet, transition) in self.transitions(&trace_tokens(trace)?) {
            let log_likelihood = self.log_likelihood(chain, transition);
            all.push(log_likelihood);
            // The end stands behind the last packet.
            if let Some(values) = by_packet.get_mut(packet.min(packets.saturating_sub(1))) {
                values.push(log_likelihood);
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let loss = -mean(&all) as f32;
        let least = |values: &[f64]| values.iter().copied().fold(0.0, f64::min);
        let summaries = by_packet.iter().flat_map(|values| [mean(values) as f32, least(values) as f32]);
        Ok(TraceAttribute { kind: ATTRIBUTE_KINDS[0], loss, values: summaries.chain([loss]).collect() })
    }

    fn mean_loss(&self, chain: &Chain, traces: &[&EncodedTrace]) -> Result<Option<f64>> {
        let losses = traces.iter().map(|trace| Ok(f64::from(self.attribute(chain, trace)?.loss)));
        let losses = losses.collect::<Result<Vec<f64>>>()?;
        Ok((!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64))
    }

    /// One trace, always ended: behind the last packet only the end may follow.
    fn draw(&self, chain: &Chain, rng: &mut StreamRng) -> Vec<u16> {
        let (mut tokens, mut place, mut previous, mut packets) = (Vec::new(), 0, TOKEN_LABEL, 0);
        loop {
            let full = packets == self.config.packets;
            let next = if full { TOKEN_END } else { self.draw_next(chain, (place, previous), rng) };
            tokens.push(next);
            if next == TOKEN_END {
                return tokens;
            }
            packets += u32::from(next == TOKEN_DELIMITER);
            place = if next == TOKEN_DELIMITER { 0 } else { place + 1 };
            previous = next;
        }
    }

    /// Follows the counts of the state, else those of its place, else anything that is allowed.
    fn draw_next(&self, chain: &Chain, (place, previous): (u16, u16), rng: &mut StreamRng) -> u16 {
        let allowed: Vec<u16> = self.allowed(place, previous).collect();
        let state = chain.states.get(&(place, previous)).or_else(|| chain.places.get(&place));
        let counts = state.map_or(&[][..], |following| &following.counts);
        let open: Vec<(u16, f64)> = counts
            .iter()
            .filter(|(token, _)| allowed.contains(token))
            .map(|(token, count)| (*token, f64::from(*count)))
            .collect();
        let mut left = rng.random::<f64>() * open.iter().map(|(_, count)| count).sum::<f64>();
        for (token, count) in &open {
            left -= count;
            if left < 0.0 {
                return *token;
            }
        }
        let any = rng.random_range(0..allowed.len().max(1));
        open.last().map(|(token, _)| *token).or_else(|| allowed.get(any).copied()).unwrap_or(TOKEN_END)
    }
}

impl Chain {
    fn new(counts: &BTreeMap<Transition, f64>) -> Self {
        let mut chain = Self { states: BTreeMap::new(), places: BTreeMap::new() };
        for ([place, previous, next], count) in counts {
            chain.states.entry((*place, *previous)).or_default().add(*next, *count);
            chain.places.entry(*place).or_default().add(*next, *count);
        }
        chain
    }

    /// Reads what [`write`] wrote.
    fn read(bytes: &[u8]) -> Result<Self> {
        let damaged = |error: &dyn std::fmt::Display| Error::internal(format!("transitions: {error}"));
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let data = |name: &str| file.tensor(name).map(|view| view.data()).map_err(|error| damaged(&error));
        let (words, _) = data("transitions")?.as_chunks::<2>();
        let tokens: Vec<u16> = words.iter().map(|word| u16::from_le_bytes(*word)).collect();
        let (words, _) = data("counts")?.as_chunks::<4>();
        let counts = words.iter().map(|word| f64::from(f32::from_le_bytes(*word)));
        let (transitions, rest) = tokens.as_chunks::<3>();
        if transitions.len() != words.len()
            || !rest.is_empty()
            || counts.clone().any(|count| count.is_nan() || count <= 0.0)
        {
            return Err(damaged(&"expected three tokens and a count above 0 each"));
        }
        Ok(Self::new(&transitions.iter().copied().zip(counts).collect()))
    }
}

impl Following {
    fn add(&mut self, next: u16, count: f64) {
        match self.counts.iter_mut().find(|(token, _)| *token == next) {
            Some((_, sum)) => *sum += count as f32,
            None => self.counts.push((next, count as f32)),
        }
        self.total += count;
    }
}

/// Weights as safetensors: `transitions` u16 `[n, 3]`, `counts` f32 `[n]`.
fn write(counts: &BTreeMap<Transition, f64>) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("cannot write transitions: {error}"));
    let transitions: Vec<u8> = counts.keys().flatten().flat_map(|token| token.to_le_bytes()).collect();
    let values: Vec<u8> = counts.values().flat_map(|count| (*count as f32).to_le_bytes()).collect();
    let transitions =
        TensorView::new(Dtype::U16, vec![counts.len(), 3], &transitions).map_err(|error| failed(&error))?;
    let values = TensorView::new(Dtype::F32, vec![counts.len()], &values).map_err(|error| failed(&error))?;
    safetensors::serialize([("transitions", transitions), ("counts", values)], None).map_err(|error| failed(&error))
}

/// Attribute kinds; the first is the attack's default.
const ATTRIBUTE_KINDS: &[&str] = &["log_likelihood"];

impl Family for Markov {
    fn name(&self) -> &'static str {
        "markov"
    }

    fn preset(&self) -> &str {
        &self.preset
    }

    fn config_json(&self, _regime: Regime) -> String {
        // A struct of plain numbers always serialises.
        serde_json::to_value(&self.config).unwrap_or_default().to_string()
    }

    fn encoding(&self) -> EncodingKind {
        EncodingKind::Tokens(self.config.layout)
    }

    fn check(&self, _members: u32) -> Result<()> {
        Ok(())
    }

    fn attribute_kinds(&self) -> &'static [&'static str] {
        ATTRIBUTE_KINDS
    }

    /// One step on all members.
    fn plan(&self, members: u32, _regime: Regime) -> TrainPlan {
        TrainPlan::one_release(members, self.config.clip_norm)
    }

    /// Cells that the layout allows; those with a count are stored.
    fn parameters(&self) -> u64 {
        self.states().map(|(place, previous)| self.allowed(place, previous).count() as u64).sum()
    }

    /// About ten operations a token, and twenty for the noise of a cell.
    fn training_flops(&self, members: u32, regime: Regime) -> f64 {
        let tokens = f64::from(members) * self.config.layout.tokens_max(self.config.packets as usize) as f64;
        let noise = if regime.epsilon().is_some() { self.parameters() as f64 } else { 0.0 };
        10.0 * tokens + 20.0 * noise
    }

    fn attribute_values(&self) -> u64 {
        2 * u64::from(self.config.packets) + 1
    }
}

impl Generator for Markov {
    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        _resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        fit_one_by_one(input, sink, progress, |model| self.train(input, model))
    }

    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        let chain = Chain::read(weights.own)?;
        traces.iter().map(|trace| Ok(vec![self.attribute(&chain, trace)?])).collect()
    }

    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, _progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        let chain = Chain::read(weights.own)?;
        let trace = |number: u32| {
            let mut rng = seed.named("sample").numbered(u64::from(number)).rng();
            RawTrace::whole(Generated::Tokens(self.draw(&chain, &mut rng)))
        };
        Ok((0..count).map(trace).collect())
    }
}
