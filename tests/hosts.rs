//! The host as the unit of privacy: what is split, sampled, clipped and said; and attacks on hosts.

use crate::common::{run, run_ok, write_spec};
use rand::RngExt;
use syntrace::attack::{AttackKind, AttributeTable, Evidence, run_attack};
use syntrace::base::{ModelId, Seed, TraceId};
use syntrace::eval::{Scored, leakage};
use syntrace::record::WithoutZero;

#[cfg(feature = "torch")]
mod clipping;

/// Three generators without a network on sixty simulated hosts; attacks on traces and on hosts.
const SPEC: &str = r#"
name = "hosts"
seed = 5
unit = "host"
host_traces = 3
[[dataset]]
name = "os"
classes = ["mac"]
simulate = { flows = 500 }
[traces]
packets = 4
[split]
members = 10
shadows = 3
[regimes]
epsilon = [4.0]
noise = "reproducible"
[generator.markov]
[generator.netdpsyn]
[generator.netpool]
records = 500
kept = 200
iterations = 40
[attack.threshold]
[attack.source]
kind = "threshold"
unit = "host"
[attack.forest]
kind = "random_forest"
unit = "host"
trees = 50
targets = "each"
[synthesis]
traces = 30
[utility]
forecaster = "none"
[audit]
one_run = true
"#;

/// Rows of an answer without its head.
fn sql(study: &str, query: &str) -> Vec<String> {
    let text = run_ok(&["sql", study, "--format", "csv", "-c", query]);
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_study_of_hosts_keeps_each_on_one_side_bounds_its_traces_and_says_its_unit() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), SPEC);
    let plan = run_ok(&["plan", &study, &spec]);
    assert!(plan.contains(" a host of at most 3 traces"), "{plan}");
    run_ok(&["run", &study, &spec, "--quiet"]);
    let of_hosts = "SELECT splits.split_id, src_ip, count(*) AS traces, count(DISTINCT part) AS sides, min(part) AS part \
                    FROM splits JOIN traces ON traces.trace_id = splits.trace_id GROUP BY 1, 2";
    let sizes = format!(
        "SELECT max(traces), max(sides), count(*) FILTER (WHERE part = 'member') / count(DISTINCT split_id), \
         count(*) FILTER (WHERE part = 'held_out') / count(DISTINCT split_id), count(DISTINCT split_id) FROM ({of_hosts})"
    );
    assert_eq!(sql(&study, &sizes), ["3,1,10,10,4"]);
    // A host has the same traces in whichever split it is.
    let chosen = "SELECT max(n) FROM (SELECT src_ip, count(DISTINCT splits.trace_id) AS n FROM splits \
                  JOIN traces ON traces.trace_id = splits.trace_id GROUP BY 1)";
    assert_eq!(sql(&study, chosen), ["3"]);
    assert_eq!(sql(&study, "SELECT DISTINCT unit, members FROM models WHERE role <> 'base'"), ["host,10"]);
    assert_eq!(sql(&study, "SELECT DISTINCT neighbours FROM privacy_ledger"), ["add or remove one host"]);
    let joint = "SELECT DISTINCT unit, neighbours FROM release_privacy";
    assert_eq!(sql(&study, joint), ["host,add or remove one host"]);
    let composed = run_ok(&["privacy", "compose", &study]);
    assert!(composed.contains("unit: host; neighbours: add or remove one host"), "{composed}");
    assert!(composed.contains("a host may be in all"), "{composed}");
    let attacked = "SELECT attack, unit, evaluated_on, n <= 20 AS few, n_members = 10 AS ten FROM attacks \
                    WHERE evaluated_on = 'target' AND epsilon IS NULL ORDER BY 1";
    assert_eq!(
        sql(&study, attacked),
        ["forest,host,target,true,true", "source,host,target,true,true", "threshold,trace,target,false,false"]
    );
    let narrow = "SELECT DISTINCT unit, interval_method LIKE '%count one by one%' FROM attacks ORDER BY 1";
    assert_eq!(sql(&study, narrow), ["host,false", "trace,true"]);
    // Counts of a chain without noise know a host's traces; both units stand side by side, and epsilon bounds both.
    let hosts = "SELECT auc > 0.9 FROM attacks WHERE attack = 'source' AND evaluated_on = 'target' AND epsilon IS NULL";
    assert_eq!(sql(&study, hosts), ["true"]);
    let query = run_ok(&["query", &study, "attacks_by_unit", "--format", "csv"]);
    let units: Vec<&str> = query.lines().filter(|line| line.starts_with("markov,")).collect();
    assert_eq!(units.len(), 4, "{query}");
    let bounded = "SELECT attack, count(*) FROM empirical_privacy WHERE epsilon = 4 GROUP BY 1 ORDER BY 1";
    assert_eq!(sql(&study, bounded), ["forest,1", "source,1", "threshold,1"]);
    let audits =
        "SELECT count(*), max(canaries), max(epsilon_lower) < 4 FROM one_run_audits WHERE generator = 'markov'";
    assert_eq!(sql(&study, audits), ["1,20,true"]);
    let (_, audit, _) = run(&["audit", &study, "--all"]);
    assert!(audit.contains("strongest on shadows of hosts: "), "{audit}");
    run_ok(&["verify", &study]);
}

/// Ids are hashes of what is asked for: a key at its default asks for nothing new.
#[test]
fn a_spec_that_names_the_default_unit_has_the_jobs_of_one_that_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let without = SPEC.replace("unit = \"host\"\nhost_traces = 3\n", "");
    let (before, _) = without.split_once("[attack.source]").unwrap();
    let before =
        before.replace("[generator.netdpsyn]\n[generator.netpool]\nrecords = 500\nkept = 200\niterations = 40\n", "");
    run_ok(&["run", &study, &write_spec(folder.path(), &before), "--quiet"]);
    let named = before.replace("seed = 5\n", "seed = 5\nunit = \"trace\"\nhost_traces = 9\n");
    let (_, _, stderr) = run(&["run", &study, &write_spec(folder.path(), &named), "--quiet"]);
    assert!(stderr.contains("0 jobs done"), "{stderr}");
    assert_eq!(sql(&study, "SELECT DISTINCT unit FROM models"), ["trace"]);
    assert_eq!(
        sql(&study, "SELECT count(*) FROM jobs WHERE contains(spec, 'unit\":\"host') OR contains(spec, 'host_traces')"),
        ["0"]
    );
    // The same spec for hosts: other splits, other models, and epsilons that do not add up with the first ones.
    let hosts = before.replace("seed = 5\n", "seed = 5\nunit = \"host\"\n");
    run_ok(&["run", &study, &write_spec(folder.path(), &hosts), "--quiet"]);
    assert_eq!(sql(&study, "SELECT DISTINCT unit FROM models ORDER BY 1"), ["host", "trace"]);
    let (code, _, stderr) = run(&["privacy", "compose", &study, "--models", "markov"]);
    assert!(code == 2 && stderr.contains("epsilons of different units do not add up"), "{stderr}");
}

#[test]
fn too_few_hosts_and_attacks_that_compare_traces_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let many = SPEC.replace("members = 10", "members = 60");
    let (code, _, stderr) = run(&["run", &study, &write_spec(folder.path(), &many), "--quiet"]);
    assert!(code != 0 && stderr.contains("60 held-out hosts needs 240 hosts in the class, found"), "{stderr}");
    let lira = SPEC.replace("kind = \"random_forest\"", "kind = \"lira\"").replace("trees = 50\n", "");
    let (code, _, stderr) = run(&["plan", &study, &write_spec(folder.path(), &lira)]);
    assert!(code == 2 && stderr.contains("attacks that learn from attributes of one model at a time"), "{stderr}");
}

/// Hosts of a study whose splits are by trace: sizes of the splits stay, and a row of an attack on hosts is of one side.
#[test]
fn attacks_on_hosts_run_beside_traces_as_the_unit_and_bound_no_epsilon_there() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = SPEC.replace("unit = \"host\"\nhost_traces = 3\n", "").replace("members = 10", "members = 60");
    let spec =
        spec.replace("[generator.netdpsyn]\n[generator.netpool]\nrecords = 500\nkept = 200\niterations = 40\n", "");
    let spec = spec.replace("[audit]\none_run = true\n", "");
    run_ok(&["run", &study, &write_spec(folder.path(), &spec), "--quiet"]);
    let rows = "SELECT attack_scores.attack, count(*) = count(DISTINCT concat(encode(src_ip, 'hex'), attack_scores.member)) \
                FROM attack_scores JOIN traces ON traces.trace_id = attack_scores.trace_id \
                WHERE evaluated_on = 'target' AND epsilon IS NULL GROUP BY 1 ORDER BY 1";
    assert_eq!(sql(&study, rows), ["forest,true", "source,true", "threshold,false"]);
    let query = run_ok(&["query", &study, "attacks_by_unit", "--format", "csv"]);
    let of_hosts: Vec<&str> = query.lines().filter(|line| line.contains(",trace,host,")).collect();
    assert_eq!(of_hosts.len(), 2, "{query}");
    assert!(
        of_hosts.iter().all(|line| line.contains(",false,")),
        "an epsilon for a trace bounds no attack on hosts: {query}"
    );
    let bounded = "SELECT DISTINCT attack FROM empirical_privacy";
    assert_eq!(sql(&study, bounded), ["threshold"]);
}

/// Three traces of host 7 and one of host 9 on one side, one of host 7 on the other, by hand.
#[test]
fn a_host_is_the_mean_the_quantiles_and_the_number_of_its_traces_on_a_side() {
    let table = AttributeTable {
        traces: [5, 3, 4, 8, 6].map(TraceId).to_vec(),
        models: vec![ModelId(1); 5],
        member: vec![true, true, true, true, false],
        loss: vec![1.0, 2.0, 6.0, 5.0, 4.0],
        values: vec![10.0, 1.0, 30.0, 1.0, 50.0, 7.0, 2.0, 2.0, 3.0, 3.0],
        width: 2,
    };
    let hosts = table.by_host(|trace| if trace.0 == 8 { 9 } else { 7 });
    assert_eq!(hosts.width, 13);
    assert_eq!(hosts.traces, [6, 3, 8].map(TraceId));
    assert_eq!(hosts.member, [false, true, true]);
    assert_eq!(hosts.loss, [4.0, 3.0, 5.0]);
    let own: [f32; 13] = [30.0, 10.0, 20.0, 30.0, 40.0, 50.0, 3.0, 1.0, 1.0, 1.0, 4.0, 7.0, 3.0];
    assert_eq!(hosts.row(1).unwrap(), own);
    assert_eq!(hosts.row(2).unwrap().last(), Some(&1.0));
    hosts.check("host").unwrap();
}

/// A generator that has copied one trace of each member host: what its copies score is far off, all else is noise.
struct World {
    hosts: i64,
    traces: i64,
    leak: f32,
    shuffled: bool,
}

impl World {
    /// Attributes of some models, and the hosts of their traces: `trace / 100`.
    fn table(&self, models: std::ops::Range<i64>, seed: Seed) -> AttributeTable {
        let mut table = AttributeTable { width: 2, ..AttributeTable::default() };
        for model in models {
            let mut rng = seed.numbered(model as u64).rng();
            for host in 0..self.hosts {
                let member = host % 2 == 0;
                let leaks = if self.shuffled { rng.random::<bool>() } else { member };
                let copied = rng.random_range(0..self.traces);
                for number in 0..self.traces {
                    let normal =
                        |rng: &mut syntrace::base::StreamRng| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
                    let shift = if leaks && number == copied { self.leak } else { 0.0 };
                    let value = normal(&mut rng) + shift;
                    table.traces.push(TraceId(100 * (model * self.hosts + host) + number));
                    table.models.push(ModelId(model));
                    table.member.push(member);
                    table.loss.push(-value);
                    table.values.extend([value, normal(&mut rng)]);
                }
            }
        }
        table
    }

    fn auc(&self, kind: AttackKind, by_host: bool, seed: u64) -> f64 {
        let (mut shadows, mut target) = (self.table(1..5, Seed::root(seed)), self.table(0..1, Seed::root(seed)));
        if by_host {
            let host = |trace: TraceId| trace.0 / 100;
            (shadows, target) = (shadows.by_host(host), target.by_host(host));
        }
        let references = &AttributeTable::default();
        let without_zero = WithoutZero::default();
        let evidence = Evidence { shadows: &shadows, target: &target, references, without_zero };
        let outcome = run_attack(kind.attack().attack(), &evidence, Seed::root(1)).unwrap();
        let scored = outcome.target.score.iter().zip(&outcome.target.member);
        let scored: Vec<Scored> =
            scored.map(|(score, member)| Scored { score: f64::from(*score), member: *member }).collect();
        leakage(&scored, f64::from(outcome.threshold)).unwrap().auc.value
    }
}

#[test]
fn a_copied_trace_of_each_member_host_is_found_by_host_and_hardly_by_trace() {
    let world = World { hosts: 100, traces: 10, leak: 6.0, shuffled: false };
    let (by_host, by_trace) =
        (world.auc(AttackKind::RandomForest, true, 3), world.auc(AttackKind::RandomForest, false, 3));
    assert!(by_host > 0.95, "{by_host}");
    // Nine of ten member traces look like held-out ones.
    assert!((0.45..0.65).contains(&by_trace), "{by_trace}");
}

#[test]
fn shuffled_hosts_are_guessed_at_chance() {
    let world = World { hosts: 100, traces: 10, leak: 6.0, shuffled: true };
    let aucs: Vec<f64> = (0..40).map(|seed| world.auc(AttackKind::RandomForest, true, 10 + seed)).collect();
    // Standard deviation of the AUC of worthless scores of 50 and 50 (Mann-Whitney).
    let deviation = (101.0 / (12.0 * 50.0 * 50.0_f64)).sqrt();
    let far = aucs.iter().filter(|auc| (**auc - 0.5).abs() > 1.96 * deviation).count();
    assert!(far <= 6, "{far} of 40 beyond two deviations: {aucs:?}");
    let mean = aucs.iter().sum::<f64>() / 40.0;
    assert!((mean - 0.5).abs() < 4.0 * deviation / 40f64.sqrt(), "{mean}");
}
