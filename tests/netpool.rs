#![cfg(feature = "torch")]
//! Private selection from a public pool: what it may spend, what comes out, what it is worth.

use crate::common::{run_ok, simulated_traces, write_spec};
use syntrace::base::{Delta, Epsilon, NoProgress, SamplingRate, Seed};
use syntrace::encoding::packets::HeaderPacket;
use syntrace::encoding::{Encoded, EncodingKind, Generated};
use syntrace::model::{Generator, Weights, generator};
use syntrace::privacy::{self, Accountant, Budget, Ledger};
use syntrace::record::{Mechanism, PrivacyEvent, Regime};
use syntrace::synth::{decode_packets, mend};
use syntrace::train::{CohortInput, CohortModel, CohortOutcome, DpPlan, EncodedTrace, NoCheckpoint, TrainPlan};

const PACKETS: u32 = 6;
const DP: Regime = Regime::Dp { epsilon: 4.0, delta: 1e-5 };

fn encoded(dataset: &str, class: &str, flows: u32) -> Vec<EncodedTrace> {
    let traces = simulated_traces(dataset, class, flows, PACKETS);
    let encode = |trace: &syntrace::record::Trace| {
        let encoded = EncodingKind::Packets.encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    traces.iter().map(encode).collect()
}

fn netpool() -> Box<dyn Generator> {
    let options = [("records", 1_500), ("kept", 400), ("iterations", 60)];
    let options = options.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
    generator("netpool", &options.collect(), PACKETS).unwrap()
}

fn pool(family: &dyn Generator) -> Vec<u8> {
    let traces = [encoded("public", "bsd", 60), encoded("public", "android", 60)].concat();
    family.train_base(&traces, Seed::root(5), &NoProgress).unwrap().weights
}

/// One model on all traces, with noise that is the same for the same number.
fn trained(family: &dyn Generator, base: &[u8], traces: &[EncodedTrace], noise: f64, seed: u64) -> CohortOutcome {
    let model = CohortModel {
        label: "test".to_owned(),
        seed: Seed::root(1),
        noise_seed: Some(Seed::root(seed)),
        members: (0..traces.len()).collect(),
        learnt: None,
        held_out: Vec::new(),
        dp: Some(DpPlan { noise_multiplier: noise, clip_norm: 1.0 }),
        initial: None,
    };
    let plan: TrainPlan = family.plan(traces.len() as u32, DP);
    let input = CohortInput { hosts: None, traces, models: vec![model], base: Some(base), plan };
    family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap()
}

/// Noise multiplier of one release that spends all of a budget.
fn noise_for(epsilon: f64) -> f64 {
    let budget = Budget {
        epsilon: Epsilon::new(epsilon).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        sampling_rate: SamplingRate::new(1.0).unwrap(),
        steps: 1,
    };
    privacy::noise_multiplier(&budget, Accountant::Pld).unwrap().get()
}

/// All releases together spend the budget and no more, whatever was chosen: at 4 there are twelve marginals, of which ten were
/// chosen, and all histograms of values, at 0.5 two marginals and a histogram of each end.
#[test]
fn all_releases_together_spend_the_budget_and_no_more() {
    let family = netpool();
    let (base, traces) = (pool(family.as_ref()), encoded("os", "mac", 160));
    let voted = generator(
        "netpool",
        &[("votes".to_owned(), serde_json::json!({ "rounds": 4 }))].into_iter().collect(),
        PACKETS,
    );
    let voted = voted.unwrap();
    for (family, epsilon, releases) in
        [(&family, 4.0, [17, 10, 0]), (&family, 0.5, [4, 0, 0]), (&voted, 4.0, [5, 0, 4]), (&voted, 0.5, [2, 0, 4])]
    {
        let outcome = trained(family.as_ref(), &base, &traces, noise_for(epsilon), 2);
        let events = &outcome.models[0].events;
        let count = |mechanism| events.iter().filter(|event| event.mechanism == mechanism).count();
        let found = [Mechanism::GaussianMarginals, Mechanism::Exponential, Mechanism::Gaussian].map(count);
        assert_eq!(found.iter().sum::<usize>(), events.len());
        assert_eq!(found, releases);
        let ledger = Ledger { events: events.clone() };
        let spent = privacy::epsilon_by(Accountant::Pld, &ledger, Delta::new(1e-5).unwrap()).unwrap().epsilon;
        assert!(spent <= epsilon && spent > 0.99 * epsilon, "{spent} of {epsilon}");
        let sizes = |event: &PrivacyEvent| (event.clip_norm.get(), event.sampling_rate.get(), event.steps);
        assert!(events.iter().all(|event| sizes(event) == (1.0, 1.0, 1)));
    }
}

#[test]
fn same_seeds_give_the_same_bytes_and_a_trace_does_not_depend_on_the_number_asked_for() {
    let family = netpool();
    let (base, traces) = (pool(family.as_ref()), encoded("os", "ubuntu", 100));
    let train = |seed| trained(family.as_ref(), &base, &traces, 1.1, seed).models.remove(0).weights;
    let own = train(3);
    assert_eq!(own, train(3));
    assert_ne!(own, train(4));
    let weights = Weights { own: &own, base: Some(&base) };
    let draw = |count, seed| family.sample(weights, count, Seed::root(seed), &NoProgress).unwrap();
    let many = draw(40, 6);
    assert_eq!(draw(15, 6)[..], many[..15]);
    assert_ne!(draw(15, 7)[..], many[..15]);
}

/// Every drawn packet parses, nothing in it needs mending, a trace is one conversation, and no two are the same.
#[test]
fn drawn_traces_are_well_formed_flows() {
    let family = netpool();
    let (base, traces) = (pool(family.as_ref()), encoded("os", "windows", 150));
    let own = &trained(family.as_ref(), &base, &traces, 1.1, 3).models[0].weights;
    let drawn = family.sample(Weights { own, base: Some(&base) }, 200, Seed::root(6), &NoProgress).unwrap();
    let mut contents = std::collections::BTreeSet::new();
    for trace in &drawn {
        let Generated::Packets(packets) = &trace.content else { panic!("packets expected") };
        let decoded = decode_packets(packets);
        assert!(decoded.rejections.is_empty() && decoded.packets.len() == packets.len());
        assert!(!packets.is_empty() && packets.len() <= PACKETS as usize);
        for mut packet in decoded.packets {
            assert_eq!(mend(&mut packet).total(), 0, "{packet:?}");
        }
        assert!(packets.windows(2).all(|pair| pair[0].time_us <= pair[1].time_us), "time goes forward");
        let ends = |packet: &HeaderPacket| {
            let ([a, b], [c, d]) = (packet.addresses(), packet.ports());
            std::collections::BTreeSet::from([(a.to_vec(), c), (b.to_vec(), d)])
        };
        assert!(
            packets
                .iter()
                .all(|packet| ends(packet) == ends(&packets[0]) && packet.protocol() == packets[0].protocol())
        );
        contents.insert(trace.content.to_bytes());
    }
    assert!(contents.len() > 190, "{} different traces", contents.len());
}

/// Networks and ports of servers, which the pool has none of, come out of the histograms: as often as members have them, and
/// for both directions of a flow.
#[test]
fn drawn_flows_have_the_networks_and_ports_of_the_members_servers() {
    let family = netpool();
    let (base, traces) = (pool(family.as_ref()), encoded("vca", "webex", 300));
    let own = &trained(family.as_ref(), &base, &traces, 0.4, 3).models[0].weights;
    let drawn = family.sample(Weights { own, base: Some(&base) }, 300, Seed::root(6), &NoProgress).unwrap();
    let decode = |trace: &EncodedTrace| {
        let encoded = Encoded { rows: trace.rows, width: trace.width, data: trace.data.clone() };
        syntrace::encoding::packets::decode(&encoded).unwrap()
    };
    let members: Vec<Vec<HeaderPacket>> = traces.iter().map(decode).collect();
    let flows = drawn.into_iter().map(|trace| match trace.content {
        Generated::Packets(packets) => packets,
        _ => panic!("packets expected"),
    });
    let flows: Vec<Vec<HeaderPacket>> = flows.collect();
    let share = |flows: &[Vec<HeaderPacket>], has: &dyn Fn(&HeaderPacket) -> bool| {
        assert!(flows.iter().all(|flow| flow.iter().all(has) || !flow.iter().any(has)), "one server a flow");
        flows.iter().filter(|flow| flow.iter().any(has)).count() as f64 / flows.len() as f64
    };
    for network in [[170, 72], [66, 163], [62, 109]] {
        let has = |packet: &HeaderPacket| packet.addresses().iter().any(|address| address.starts_with(&network));
        let (real, found) = (share(&members, &has), share(&flows, &has));
        assert!(real > 0.08 && (real - found).abs() < 0.08, "{network:?}: {real} {found}");
    }
    for port in [5_004, 9_000] {
        let has = |packet: &HeaderPacket| packet.ports().contains(&port);
        let (real, found) = (share(&members, &has), share(&flows, &has));
        assert!(real > 0.03 && found > 0.01 && found < real + 0.03, "{port}: {real} {found}");
    }
}

#[test]
fn damaged_models_and_wrong_options_are_refused_without_a_panic() {
    let family = netpool();
    let (base, traces) = (pool(family.as_ref()), encoded("os", "mac", 40));
    let own = trained(family.as_ref(), &base, &traces, 1.1, 3).models.remove(0).weights;
    let sample = |own: &[u8]| family.sample(Weights { own, base: Some(&base) }, 1, Seed::root(6), &NoProgress);
    for cut in [0, 7, 100, own.len() / 2, own.len() - 1] {
        assert!(sample(&own[..cut]).is_err());
    }
    assert!(sample(&base).is_err(), "a pool is no model");
    let text = b"version\\\":";
    let place = own.windows(text.len()).position(|at| at == text).unwrap() + text.len();
    let older = [&own[..place], b"1", &own[place + 1..]].concat();
    assert!(sample(&older).unwrap_err().to_string().contains("version `2` expected, found `1`"));
    let refused = |key: &str, value: serde_json::Value| {
        let options = [(key.to_owned(), value)].into_iter().collect();
        generator("netpool", &options, PACKETS).err().unwrap().to_string()
    };
    assert!(refused("recrods", 3.into()).contains("recrods"));
    assert!(refused("vary", 2.0.into()).contains("between 0 and 1"));
    assert!(refused("votes", serde_json::json!({ "population": 0 })).contains("`votes.population` must be at least 1"));
    assert!(refused("histogram_share", 0.95.into()).contains("leave something"));
    let empty = family.train_base(&[], Seed::root(5), &NoProgress).unwrap().weights;
    let model = CohortModel {
        label: "test".to_owned(),
        seed: Seed::root(1),
        noise_seed: Some(Seed::root(2)),
        members: Vec::new(),
        learnt: None,
        held_out: Vec::new(),
        dp: Some(DpPlan { noise_multiplier: 1.0, clip_norm: 1.0 }),
        initial: None,
    };
    let plan = family.plan(1, DP);
    let input = CohortInput { hosts: None, traces: &[], models: vec![model], base: Some(&empty), plan };
    let error = family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("no trace with a packet"), "{error}");
    assert!(family.supports(DP) && !family.supports(Regime::None) && family.attribute_kinds().is_empty());
}

/// 150 members a class at epsilon 4: forests trained on what was drawn tell real systems apart better than a third, the
/// guess, by far. The guarantee is end-to-end, as the pool is public, and nothing attacks the models.
#[test]
fn a_study_with_a_public_pool_is_private_end_to_end_and_useful() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = r#"
name = "pool"
seed = 4
[[dataset]]
name = "os"
simulate = { flows = 640 }
[[dataset]]
name = "public"
public = true
simulate = { flows = 200 }
[traces]
packets = 8
[split]
members = 150
shadows = 1
[regimes]
none = false
epsilon = [4.0]
[generator.netpool]
records = 3000
[attack.threshold]
[synthesis]
traces = 300
[utility]
forecaster = "none"
"#;
    run_ok(&["run", &path, &write_spec(folder.path(), spec), "--quiet"]);
    let ask = |sql: &str| run_ok(&["sql", &path, "--format", "csv", "-c", sql]);
    assert_eq!(
        ask("SELECT count(*) AS n, min(guarantee) AS least, max(epsilon_end_to_end) <= 4.0 AS met FROM models \
             WHERE generator = 'netpool' AND role = 'target'"),
        "n,least,met\n3,end-to-end,true\n"
    );
    assert_eq!(
        ask("SELECT l.kind, bool_or(l.saw_private) AS private, bool_and(l.through_mechanism) AS through \
             FROM lineage l JOIN models m USING (model_id) WHERE m.generator = 'netpool' AND m.role = 'target' \
             GROUP BY 1 ORDER BY 1"),
        "kind,private,through\npublic_constants,false,false\ntraining_traces,true,true\nweights,false,false\n"
    );
    assert_eq!(
        ask("SELECT DISTINCT mechanism FROM privacy_ledger ORDER BY 1"),
        "mechanism\nexponential\ngaussian_marginals\n"
    );
    assert_eq!(ask("SELECT count(*) AS n FROM attacks"), "n\n0\n");
    let accuracy =
        ask("SELECT value FROM utility WHERE trained_on = 'synthetic' AND metric = 'accuracy' AND class IS NULL");
    let accuracy: f64 = accuracy.lines().nth(1).unwrap().parse().unwrap();
    assert!(accuracy > 0.6, "{accuracy}");
}

/// Private traces in the pool: refused where they are the study's own.
#[test]
fn a_pool_of_private_captures_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = |public: bool| {
        format!(
            "name = \"p\"\nseed = 4\n[[dataset]]\nname = \"os\"\nclasses = [\"mac\"]\nsimulate = {{ flows = 100 }}\n\
             {}[split]\nmembers = 20\nshadows = 1\n[regimes]\nepsilon = [4.0]\n[generator.netpool]\nrecords = 100\n",
            if public { "public = true\n" } else { "" }
        )
    };
    run_ok(&["run", &path, &write_spec(folder.path(), &spec(false)), "--quiet"]);
    let (code, _, message) = crate::common::run(&["run", &path, &write_spec(folder.path(), &spec(true)), "--quiet"]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("calls it public"), "{message}");
}
