//! The Markov chain: what it learns, what one trace can change, what the noise does.

use proptest::prelude::*;
use rand::RngExt;
use std::collections::BTreeMap;
use syntrace::base::{NoProgress, Seed, TraceId};
use syntrace::encoding::tokens::{TOKEN_DELIMITER, TOKEN_END, TOKEN_LABEL};
use syntrace::encoding::{EncodingKind, Generated, tokens_to_packets};
use syntrace::model::markov::{Markov, Transition};
use syntrace::model::{Family, Generator, Weights, generator};
use syntrace::record::Regime;
use syntrace::train::{CohortInput, CohortModel, DpPlan, EncodedTrace, ModelOutcome, NoCheckpoint};

const PACKET_BYTES: u16 = 16;
const PACKETS: u32 = 3;

fn options() -> serde_json::Map<String, serde_json::Value> {
    let layout = serde_json::json!({
        "link_header": false, "packet_bytes": PACKET_BYTES, "padded": false, "published": false
    });
    serde_json::Map::from_iter([("layout".to_owned(), layout)])
}

fn markov() -> Markov {
    Markov::from_options(&options(), PACKETS).unwrap()
}

fn encoded(number: usize, packets: &[Vec<u8>]) -> EncodedTrace {
    let mut tokens = vec![TOKEN_LABEL];
    for packet in packets {
        tokens.extend(packet.iter().map(|byte| u16::from(*byte)));
        tokens.push(TOKEN_DELIMITER);
    }
    tokens.push(TOKEN_END);
    EncodedTrace {
        trace_id: TraceId(number as i64),
        rows: packets.len() as u32,
        width: u32::from(PACKET_BYTES),
        data: tokens.into_iter().flat_map(u16::to_le_bytes).collect(),
    }
}

/// Packets of a constant head and random bytes behind it: the head is shared, the rest is a trace's own.
fn traces(count: usize, seed: u64) -> Vec<EncodedTrace> {
    let mut rng = Seed::root(seed).rng();
    let mut packet = || {
        let head = [0x45, 0, 0, 40].into_iter();
        head.chain((0..8).map(|_| rng.random::<u8>())).collect::<Vec<u8>>()
    };
    (0..count).map(|number| encoded(number, &[packet(), packet()])).collect()
}

fn train(traces: &[EncodedTrace], members: usize, dp: Option<DpPlan>, seed: u64) -> ModelOutcome {
    let markov = markov();
    let model = CohortModel {
        label: "test".to_owned(),
        seed: Seed::root(1),
        noise_seed: Some(Seed::root(seed)),
        members: (0..members).collect(),
        learnt: None,
        held_out: (members..traces.len()).collect(),
        dp,
        initial: None,
    };
    let plan = markov.plan(members as u32, Regime::None);
    let input = CohortInput { hosts: None, traces, models: vec![model], base: None, plan };
    markov.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models.remove(0)
}

#[test]
fn members_are_more_likely_than_held_out_traces() {
    let traces = traces(40, 3);
    let outcome = train(&traces, 20, None, 0);
    let rows = markov().attributes(Weights { own: &outcome.weights, base: None }, &traces).unwrap();
    let losses: Vec<f32> = rows.iter().map(|rows| rows[0].loss).collect();
    let worst_member = losses[..20].iter().copied().fold(0.0, f32::max);
    let best_held_out = losses[20..].iter().copied().fold(f32::INFINITY, f32::min);
    assert!(worst_member < best_held_out, "{worst_member} {best_held_out}");
    let epoch = &outcome.epochs[0];
    let mean = losses[..20].iter().map(|loss| f64::from(*loss)).sum::<f64>() / 20.0;
    // Counts are stored in single precision.
    assert!((epoch.member_loss.unwrap() - mean).abs() < 1e-5 && epoch.held_out_loss > epoch.member_loss);
    assert!(outcome.events.is_empty());
}

/// Two traces that share their first byte only; probabilities by hand.
#[test]
fn likelihood_is_the_smoothed_share_of_counts() {
    let traces = [encoded(0, &[vec![7, 1]]), encoded(1, &[vec![7, 2]])];
    let outcome = train(&traces, 2, None, 0);
    let rows = markov().attributes(Weights { own: &outcome.weights, base: None }, &traces[..1]).unwrap();
    let smoothing = 0.01;
    let p = |count: f64, total: f64, allowed: f64| ((count + smoothing) / (total + smoothing * allowed)).ln();
    // First byte, second byte, delimiter, end; after a byte 256 bytes and the delimiter are allowed.
    let expected = [p(2.0, 2.0, 256.0), p(1.0, 2.0, 257.0), p(1.0, 1.0, 257.0), p(2.0, 2.0, 257.0)];
    let loss = -expected.iter().sum::<f64>() / 4.0;
    assert!((f64::from(rows[0][0].loss) - loss).abs() < 1e-6, "{} {loss}", rows[0][0].loss);
    assert_eq!(rows[0][0].values.len() as u64, markov().attribute_values());
    // The end counts to the packet behind the last one.
    assert!((f64::from(rows[0][0].values[0]) - expected[..3].iter().sum::<f64>() / 3.0).abs() < 1e-6);
}

fn any_trace() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![Just(0u8), any::<u8>()];
    prop::collection::vec(prop::collection::vec(byte, 1..=usize::from(PACKET_BYTES)), 1..=PACKETS as usize)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Neighbouring data sets, with and without one trace.
    #[test]
    fn one_trace_moves_the_clipped_counts_by_at_most_the_clip_norm(
        others in prop::collection::vec(any_trace(), 0..5),
        own in any_trace(),
        clip_norm in 0.5..40.0f64,
    ) {
        let without: Vec<EncodedTrace> = others.iter().enumerate().map(|(i, trace)| encoded(i, trace)).collect();
        let mut with = without.clone();
        with.push(encoded(99, &own));
        let markov = markov();
        let (a, _) = markov.counts(without.iter().map(std::iter::once), Some(clip_norm)).unwrap();
        let (b, norms) = markov.counts(with.iter().map(std::iter::once), Some(clip_norm)).unwrap();
        let at = |counts: &BTreeMap<Transition, f64>, key| counts.get(key).copied().unwrap_or(0.0);
        let moved = b.keys().map(|key| (at(&b, key) - at(&a, key)).powi(2)).sum::<f64>().sqrt();
        // Rounding of sums of a few counts.
        prop_assert!(moved <= clip_norm + 1e-9, "{moved} above {clip_norm}");
        prop_assert!((moved - norms[others.len()].min(clip_norm)).abs() < 1e-9);
    }

    /// The same with and without one host of several traces, whose counts are summed before they are scaled.
    #[test]
    fn one_host_moves_the_clipped_counts_by_at_most_the_clip_norm(
        others in prop::collection::vec(any_trace(), 0..5),
        own in prop::collection::vec(any_trace(), 1..5),
        clip_norm in 0.5..40.0f64,
    ) {
        let without: Vec<EncodedTrace> = others.iter().enumerate().map(|(i, trace)| encoded(i, trace)).collect();
        let host: Vec<EncodedTrace> = own.iter().enumerate().map(|(i, trace)| encoded(100 + i, trace)).collect();
        let markov = markov();
        let units = || without.iter().map(|trace| vec![trace]);
        let (a, _) = markov.counts(units(), Some(clip_norm)).unwrap();
        let (b, norms) = markov.counts(units().chain([host.iter().collect()]), Some(clip_norm)).unwrap();
        let (whole, _) = markov.counts([host.iter()], None).unwrap();
        let at = |counts: &BTreeMap<Transition, f64>, key| counts.get(key).copied().unwrap_or(0.0);
        let moved = b.keys().map(|key| (at(&b, key) - at(&a, key)).powi(2)).sum::<f64>().sqrt();
        prop_assert!(moved <= clip_norm + 1e-9, "{moved} above {clip_norm}");
        let norm = whole.values().map(|count| count * count).sum::<f64>().sqrt();
        prop_assert!((norms[others.len()] - norm).abs() < 1e-9 && (moved - norm.min(clip_norm)).abs() < 1e-9);
    }
}

/// With noise far above all counts, what is stored is the noise's own tail: as many cells as beyond four
/// standard deviations of all that the layout allows, whatever the traces were.
#[test]
fn noise_covers_every_allowed_cell_and_hides_the_traces() {
    let noise_multiplier = 1e6;
    let dp = Some(DpPlan { noise_multiplier, clip_norm: 20.0 });
    let outcome = train(&traces(10, 5), 10, dp, 7);
    let other = train(&traces(10, 6), 10, dp, 7);
    let stored = |outcome: &ModelOutcome| {
        let file = safetensors::SafeTensors::deserialize(&outcome.weights).unwrap();
        file.tensor("transitions").unwrap().data().to_vec()
    };
    assert_eq!(stored(&outcome), stored(&other), "the same noise gives the same cells for other traces");
    let kept = stored(&outcome).len() as f64 / 6.0;
    // Mass of a Gaussian beyond four standard deviations.
    let expected = markov().parameters() as f64 * 3.167e-5;
    assert!((kept - expected).abs() < 5.0 * expected.sqrt(), "{kept} kept, {expected} expected");
    assert_eq!(outcome.events.len(), 1);
    let event = &outcome.events[0];
    assert_eq!((event.sampling_rate.get(), event.noise_multiplier.get(), event.steps), (1.0, noise_multiplier, 1));
    assert_eq!(outcome.epochs[0].clipped_fraction, Some(0.0));
}

/// At a strong signal the constant head survives the noise and is generated.
#[test]
fn what_all_traces_share_is_learnt_under_dp() {
    let traces = traces(400, 8);
    let dp = Some(DpPlan { noise_multiplier: 1.0, clip_norm: 20.0 });
    let outcome = train(&traces, 400, dp, 9);
    let sampled =
        markov().sample(Weights { own: &outcome.weights, base: None }, 50, Seed::root(1), &NoProgress).unwrap();
    for trace in sampled {
        let Generated::Tokens(tokens) = trace.content else { panic!("tokens expected") };
        assert_eq!(tokens[..4], [0x45, 0, 0, 40]);
    }
}

#[test]
fn same_seeds_give_the_same_bytes_and_a_trace_does_not_depend_on_the_number_asked_for() {
    let traces = traces(30, 2);
    let dp = Some(DpPlan { noise_multiplier: 0.5, clip_norm: 20.0 });
    let first = train(&traces, 20, dp, 4);
    assert_eq!(first.weights, train(&traces, 20, dp, 4).weights);
    assert_ne!(first.weights, train(&traces, 20, dp, 5).weights);
    let sample = |count, seed| {
        markov().sample(Weights { own: &first.weights, base: None }, count, Seed::root(seed), &NoProgress).unwrap()
    };
    assert_eq!(sample(4, 1), sample(9, 1)[..4]);
    assert_ne!(sample(4, 1), sample(4, 2));
}

/// Also from a model that learnt nothing: packets are never empty, never too long, never too many.
#[test]
fn sampled_traces_keep_to_the_layout_and_always_end() {
    let EncodingKind::Tokens(layout) = markov().encoding() else { panic!("tokens expected") };
    for members in [0, 20] {
        let outcome = train(&traces(20, 2), members, None, 0);
        let weights = Weights { own: &outcome.weights, base: None };
        for trace in markov().sample(weights, 40, Seed::root(3), &NoProgress).unwrap() {
            let Generated::Tokens(tokens) = &trace.content else { panic!("tokens expected") };
            assert!(trace.complete && tokens.last() == Some(&TOKEN_END));
            let packets = tokens_to_packets(tokens, &layout);
            assert!((1..=PACKETS as usize).contains(&packets.len()));
            let longest = 14 + usize::from(PACKET_BYTES);
            assert!(packets.iter().all(|packet| packet.len() > 14 && packet.len() <= longest));
        }
    }
}

#[test]
fn wrong_options_and_damaged_counts_are_refused() {
    let refused = |key: &str, value: serde_json::Value| {
        let options = serde_json::Map::from_iter([(key.to_owned(), value)]);
        generator("markov", &options, 10).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused("preset", "large".into()).contains("preset"));
    assert!(refused("smoothing", 0.0.into()).contains("smoothing"));
    assert!(refused("order", 2.into()).contains("order"));
    let weights = train(&traces(5, 2), 5, None, 0).weights;
    for cut in [0, 9, weights.len() - 3] {
        assert!(markov().attributes(Weights { own: &weights[..cut], base: None }, &[]).is_err());
    }
}

/// CONTRIBUTING.md's worked example, on a study that another generator has finished.
#[cfg(feature = "torch")]
#[test]
fn a_generator_added_to_a_finished_study_runs_its_own_jobs_only() {
    use crate::common::{TINY_SPEC, run, run_ok, write_spec};
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), TINY_SPEC);
    run_ok(&["run", &study, &spec, "--quiet"]);
    let contents = || {
        let store = syntrace::store::Store::open(std::path::Path::new(&study), 1 << 24).unwrap();
        let snapshot = store.snapshot().unwrap();
        let jobs = snapshot.jobs().unwrap().into_iter();
        jobs.map(|job| (job.job_id, (job.label.clone(), format!("{:?}", job.outputs)))).collect::<BTreeMap<_, _>>()
    };
    let before = contents();
    let grown = write_spec(folder.path(), &format!("{TINY_SPEC}\n[generator.markov]\n"));
    run_ok(&["run", &study, &grown, "--quiet"]);
    let after = contents();
    for (job, outputs) in &before {
        assert_eq!(after.get(job), Some(outputs), "a finished job changed");
    }
    let added: Vec<&String> =
        after.iter().filter(|(job, _)| !before.contains_key(job)).map(|(_, job)| &job.0).collect();
    // The record of the new plan, named after its spec.
    let added: Vec<&String> = added.into_iter().filter(|label| *label != "tiny").collect();
    assert!(added.len() > 10, "{added:?}");
    assert!(added.iter().all(|label| label.contains("markov")), "{added:?}");
    let (_, _, stderr) = run(&["run", &study, &grown, "--quiet"]);
    assert!(stderr.contains("0 jobs done"), "{stderr}");
    run_ok(&["verify", &study]);
    let models =
        run_ok(&["sql", &study, "-c", "SELECT count(*) FROM models WHERE generator = 'markov'", "--format", "csv"]);
    assert!(models.contains('6'), "{models}");
}
