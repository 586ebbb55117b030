//! Public flows: the pool as bytes, candidates made of it, and candidates drawn again around weights.

use super::config::NetPoolConfig;
use super::flow::Flow;
use super::flow_features::{Attribute, Cells, SILENT, describe, numbering};
use super::vary::{self, varied};
use rand::RngExt;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};
use syntrace_base::base::StreamRng;
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::{Encoded, packets};

/// Chance that a crossed candidate takes an attribute from the other one.
const CROSSED: f64 = 0.4;

/// Chance that the other one is of the same kind.
const SAME_KIND: f64 = 0.7;

/// Share of candidates that are drawn again as they are.
const UNCHANGED: f64 = 0.25;

/// Of each variation of a candidate that is drawn again around weights that marginals give.
pub(super) const VARY_AGAIN: f64 = 0.03;

/// Candidates with their attributes; the order of both is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    pub flows: Vec<Flow>,
    pub cells: Vec<Cells>,
}

impl Candidates {
    fn push(&mut self, flow: Flow, packets: usize) {
        if let Some(cells) = describe(&flow, packets) {
            self.flows.push(flow);
            self.cells.push(cells);
        }
    }

    /// Public flows, each as it is once and then in variations, `records` of them; the marks (TOS) of
    /// each end go with the chance `best_effort`.
    ///
    /// # Errors
    /// A pool without a flow.
    pub fn of_pool(
        pool: &[Flow],
        config: &NetPoolConfig,
        records: u32,
        best_effort: f64,
        rng: &mut StreamRng,
    ) -> Result<Self> {
        let packets = config.packets as usize;
        let pool: Vec<&Flow> = pool.iter().filter(|flow| !flow.is_empty()).collect();
        if pool.is_empty() {
            return Err(Error::user("the pool of `netpool` has no trace with a packet")
                .hint("name a dataset with `public = true` that has some, or leave them out: `simulate` gives one"));
        }
        let records = records as usize;
        let mut candidates = Self::default();
        for number in 0..records {
            let source = match pool.get(number) {
                // Of a pool that is larger than the candidates an even part.
                Some(_) if pool.len() > records => pool[rng.random_range(0..pool.len())],
                Some(own) => own,
                None => pool[rng.random_range(0..pool.len())],
            };
            let chance = if number < pool.len().min(records / 3) { 0.0 } else { config.vary };
            let mut flow = cut(varied(source, chance, rng), packets);
            for local in [true, false] {
                if rng.random::<f64>() < best_effort {
                    vary::set_tos(&mut flow, local, 0);
                }
            }
            candidates.push(flow, packets);
        }
        Ok(candidates)
    }

    /// Candidates drawn by weight: some as they are, the others with attributes of a second one and varied, each variation
    /// with the chance `vary`.
    pub fn again(&self, weights: &[f64], packets: usize, vary: f64, rng: &mut StreamRng) -> Self {
        let count = self.flows.len();
        let mut kinds: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        let chosen = systematic(weights, count, rng);
        for at in &chosen {
            if let Some(cells) = self.cells.get(*at) {
                kinds.entry(cells[Attribute::Kind.index()]).or_default().push(*at);
            }
        }
        let mut next = Self::default();
        for at in &chosen {
            let (Some(flow), Some(cells)) = (self.flows.get(*at), self.cells.get(*at)) else { continue };
            if rng.random::<f64>() < UNCHANGED {
                next.push(flow.clone(), packets);
                continue;
            }
            let same = kinds.get(&cells[Attribute::Kind.index()]).filter(|_| rng.random::<f64>() < SAME_KIND);
            let other = same.unwrap_or(&chosen);
            let other = other.get(rng.random_range(0..other.len().max(1))).and_then(|at| self.cells.get(*at));
            let mut flow = flow.clone();
            if let Some(other) = other {
                cross(&mut flow, other, rng);
            }
            next.push(cut(varied(&flow, vary, rng), packets), packets);
        }
        next
    }

    /// Flows drawn by weight, `count` of them.
    pub fn drawn(&self, weights: &[f64], count: usize, rng: &mut StreamRng) -> Vec<Flow> {
        systematic(weights, count, rng).into_iter().filter_map(|at| self.flows.get(at).cloned()).collect()
    }
}

fn cut(mut flow: Flow, packets: usize) -> Flow {
    flow.truncate(packets);
    flow
}

/// Gives a flow some attributes of another one.
fn cross(flow: &mut Flow, other: &Cells, rng: &mut StreamRng) {
    let sides = [
        (true, Attribute::LocalTtl, Attribute::LocalTos, Attribute::LocalFlags, Attribute::LocalNumbering),
        (false, Attribute::PeerTtl, Attribute::PeerTos, Attribute::PeerFlags, Attribute::PeerNumbering),
    ];
    for (local, ttl, tos, flags, number) in sides {
        let mut taken = |attribute: Attribute, limit: u16| {
            let cell = other[attribute.index()];
            (rng.random::<f64>() < CROSSED && cell < limit).then_some(cell)
        };
        let found = [taken(ttl, SILENT), taken(tos, SILENT), taken(flags, 8), taken(number, numbering::NONE)];
        let [ttl, tos, flags, number] = found;
        if let Some(ttl) = ttl {
            vary::set_ttl(flow, local, ttl as u8);
        }
        if let Some(tos) = tos {
            vary::set_tos(flow, local, tos as u8);
        }
        if let Some(flags) = flags {
            vary::set_flags(flow, local, flags as u8);
        }
        if let Some(number) = number {
            vary::set_numbering(flow, local, number, rng);
        }
    }
    let port = other[Attribute::Port.index()];
    if port < 16 && rng.random::<f64>() < CROSSED {
        vary::set_local_port(flow, (port * 4_096 + rng.random_range(0..4_096u16)).max(1_024));
    }
}

/// Positions drawn by weight with one random number: each as often as its share says, up to one.
fn systematic(weights: &[f64], count: usize, rng: &mut StreamRng) -> Vec<usize> {
    let step = weights.iter().sum::<f64>() / count.max(1) as f64;
    let mut next = step * rng.random::<f64>();
    let (mut below, mut chosen) = (0.0, Vec::with_capacity(count));
    for (place, weight) in weights.iter().enumerate() {
        below += weight;
        while next < below && chosen.len() < count {
            chosen.push(place);
            next += step;
        }
    }
    chosen
}

/// Flows and a text as safetensors: `lengths` u32 `[flows]`, bytes of each, and `flows` u8, one behind the other in the
/// encoding `packets`.
pub(super) fn write(flows: &[Flow], key: &str, text: String) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("cannot write flows: {error}"));
    let encoded: Vec<Vec<u8>> = flows.iter().map(|flow| packets::to_bytes(flow)).collect();
    let lengths: Vec<u8> = encoded.iter().flat_map(|flow| (flow.len() as u32).to_le_bytes()).collect();
    let data = encoded.concat();
    let views = [
        ("flows", TensorView::new(Dtype::U8, vec![data.len()], &data).map_err(|error| failed(&error))?),
        ("lengths", TensorView::new(Dtype::U32, vec![flows.len()], &lengths).map_err(|error| failed(&error))?),
    ];
    safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), text)]))).map_err(|error| failed(&error))
}

/// Flows and text of [`write`].
///
/// # Errors
/// Bytes of another kind, or with parts that do not fit each other.
pub(super) fn read(bytes: &[u8], key: &str) -> Result<(Vec<Flow>, String)> {
    let damaged = |what: String| Error::internal(format!("flows: {what}"));
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|texts| texts.get(key));
    let text = text.ok_or_else(|| damaged(format!("expected the key `{key}`, not found")))?.clone();
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let tensor = |name: &str| file.tensor(name).map_err(|error| damaged(format!("`{name}`: {error}")));
    let (lengths, data) = (tensor("lengths")?, tensor("flows")?);
    if lengths.dtype() != Dtype::U32 || data.dtype() != Dtype::U8 {
        return Err(damaged("lengths of U32 and flows of U8 expected".to_owned()));
    }
    let mut rest = data.data();
    let mut flows = Vec::new();
    for length in lengths.data().as_chunks::<4>().0 {
        let length = u32::from_le_bytes(*length) as usize;
        let own =
            rest.get(..length).ok_or_else(|| damaged(format!("`{length}` bytes expected, `{}` left", rest.len())))?;
        let flow = packets::decode(&Encoded { rows: 0, width: 0, data: own.to_vec() })?;
        flows.push(flow);
        rest = rest.get(length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        return Err(damaged(format!("`{}` bytes belong to no flow", rest.len())));
    }
    Ok((flows, text))
}
