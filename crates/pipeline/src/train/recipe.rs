//! Trains a base from its recipe: from simulated traffic in memory, or a dataset of a study, to weights and a manifest.

use super::inputs::encode_trace;
use super::traces::decode;
use crate::clock;
use crate::jobs::load;
use syntrace_base::base::{Digest, Identity, Progress, Seed, map_ordered};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{ModelStatus, Origin, Trace};
use syntrace_model::model::shipped::BaseManifest;
use syntrace_model::model::{AnyGenerator, Weights};
use syntrace_model::train::EncodedTrace;
use syntrace_spec::BaseRecipe;
use syntrace_store::Snapshot;
use syntrace_traffic::encoding::EncodingKind;
use syntrace_traffic::simulate::{WIDE, wide_traces};
use syntrace_traffic::synth::mend;

/// Traces whose packets are held in memory at a time.
const CHUNK: u32 = 2_000;

/// Trains a base; on one machine the same recipe gives the same weights. Datasets other than `wide` are those of a study.
///
/// # Errors
/// Where the recipe cannot be trained, its dataset has no traces, or the training diverged.
pub fn train_recipe(
    recipe: &BaseRecipe,
    study: Option<&Snapshot>,
    progress: &dyn Progress,
) -> Result<(Vec<u8>, BaseManifest)> {
    super::use_one_thread();
    let family = AnyGenerator::from_options(&recipe.family, &recipe.options, recipe.packets)
        .context(|| format!("[base.{}]", recipe.name))?;
    let encoding = family.encoding();
    let (traces, traffic, saw_private) = match study {
        _ if recipe.dataset == WIDE => {
            let traces = wide(recipe, &encoding)?;
            (traces, format!("{} flows of the simulated traffic `{WIDE}`, seed {}", recipe.traces, recipe.seed), false)
        }
        Some(snapshot) => stored(recipe, &encoding, snapshot)?,
        None => {
            let error = Error::user(format!("[base.{}]: `{}` is not built-in traffic", recipe.name, recipe.dataset));
            return Err(error.hint("name the study that holds the dataset: `--study STUDY`; or train on `wide`"));
        }
    };
    let outcome = family.generator().train_base(&traces, Seed::root(recipe.seed).named("base"), progress)?;
    if let ModelStatus::Diverged { step } = outcome.status {
        return Err(Error::user(format!("[base.{}]: its training diverged at step `{step}`", recipe.name))
            .hint("lower `rate` in its options"));
    }
    let manifest = BaseManifest {
        family: family.name().to_owned(),
        blake3: Digest::of(&outcome.weights).hex(),
        parameters: outcome.parameters,
        saw_private,
        traffic,
        traces: traces.len() as u64,
        seed: recipe.seed,
        held_out_loss: outcome.epochs.iter().rev().find_map(|epoch| epoch.held_out_loss),
        date: clock::today(),
        options: serde_json::Value::Object(recipe.options.clone()),
    };
    Ok((outcome.weights, manifest))
}

/// Draws traces from a base, as a pool to select from: trace number i depends on weights, seed and i alone, drawn as models
/// from the base are (`private.sampling`), lengths and checksums repaired. Draws without a valid packet are left out.
///
/// # Errors
/// Where the weights are not of the family, or `progress` asks to stop.
pub fn base_traces(
    family: &AnyGenerator,
    weights: &[u8],
    count: u32,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Vec<Trace>> {
    super::use_one_thread();
    let generator = family.generator();
    let raw = generator.sample(Weights { own: weights, base: Some(weights) }, count, seed, progress)?;
    let mut traces = Vec::with_capacity(raw.len());
    for (number, raw) in raw.into_iter().enumerate() {
        let (decoded, _) = decode(generator, &raw.content, seed.named("repair").numbered(number as u64))?;
        let mut packets = decoded.packets;
        for packet in &mut packets {
            mend(packet);
        }
        if packets.is_empty() {
            continue;
        }
        let identity = Identity::new("base-trace").bytes(&seed.to_bytes()).digest(&Digest::of(weights));
        traces.push(Trace {
            trace_id: identity.int(number as i64).finish().into(),
            first_packet: number as u64,
            link_type: 1,
            flow_packets: packets.len() as u64,
            flow_bytes: packets.iter().map(|packet| u64::from(packet.ip_length)).sum(),
            packets,
        });
    }
    Ok(traces)
}

fn wide(recipe: &BaseRecipe, encoding: &EncodingKind) -> Result<Vec<EncodedTrace>> {
    let mut encoded = Vec::with_capacity(recipe.traces as usize);
    for first in (0..recipe.traces).step_by(CHUNK as usize) {
        let count = CHUNK.min(recipe.traces - first);
        let traces = wide_traces(&Seed::root(recipe.seed), u64::from(first), count, recipe.packets)?;
        encoded.extend(map_ordered(&traces, |trace| encode_trace(trace, encoding)));
    }
    Ok(encoded)
}

/// All traces of a dataset of a study, at most as many as the recipe says; whether any class of it is captured and not
/// public.
fn stored(
    recipe: &BaseRecipe,
    encoding: &EncodingKind,
    snapshot: &Snapshot,
) -> Result<(Vec<EncodedTrace>, String, bool)> {
    let classes: Vec<_> = snapshot.classes()?.into_iter().filter(|class| class.dataset == recipe.dataset).collect();
    let ingests = snapshot.ingests()?;
    let mut encoded = Vec::new();
    for class in &classes {
        let jobs: Vec<_> =
            ingests.iter().filter(|ingest| ingest.class_id == class.class_id).map(|ingest| ingest.job_id).collect();
        let traces = load::traces(snapshot, class.class_id, &jobs)?;
        encoded.extend(map_ordered(&traces, |trace| encode_trace(trace, encoding)));
    }
    encoded.truncate(recipe.traces as usize);
    if encoded.is_empty() {
        return Err(Error::user(format!("[base.{}]: the study holds no traces of `{}`", recipe.name, recipe.dataset))
            .hint("bring public captures in with `syntrace ingest STUDY --public --dataset NAME ...`"));
    }
    let saw_private = classes.iter().any(|class| class.origin == Origin::Captured);
    let names: Vec<&str> = classes.iter().map(|class| class.class.as_str()).collect();
    let kind = if saw_private { "captured" } else { "public" };
    let traffic = format!("{} {kind} traces of `{}` ({})", encoded.len(), recipe.dataset, names.join(", "));
    Ok((encoded, traffic, saw_private))
}
