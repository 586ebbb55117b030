//! Noisy marginals: what they may spend, what one trace can change, what comes back out.

use proptest::prelude::*;
use rand::RngExt;
use syntrace::base::{Delta, Epsilon, NoProgress, SamplingRate, Seed, TraceId};
use syntrace::encoding::fields::{FIELD_COUNT, FIELD_NULL};
use syntrace::encoding::{FieldRow, Generated};
use syntrace::model::netdpsyn::{
    Fit, Model, NetDpSynConfig, Records, RowMode, Schema, Shape, count, dependence, fit, sample,
};
use syntrace::model::{RhoLedger, add_noise};
use syntrace::model::{Weights, generator};
use syntrace::privacy::{self, Accountant, Budget, Ledger};
use syntrace::record::Regime;
use syntrace::synth::decode_fields;
use syntrace::train::{CohortInput, CohortModel, DpPlan, EncodedTrace, NoCheckpoint};

const MODES: [RowMode; 3] = [RowMode::Packets, RowMode::Positions, RowMode::Traces];
const PACKETS: u32 = 4;

/// Without noise to speak of: below a millionth of a record.
const NO_NOISE: f64 = 1e-12;

fn config(rows: RowMode) -> NetDpSynConfig {
    NetDpSynConfig { rows, packets: PACKETS, block: 200, iterations: 30, ..NetDpSynConfig::preset("small").unwrap() }
}

fn encoded(number: usize, rows: &[[i64; FIELD_COUNT]]) -> EncodedTrace {
    EncodedTrace {
        trace_id: TraceId(number as i64),
        rows: rows.len() as u32,
        width: FIELD_COUNT as u32,
        data: rows.iter().flatten().flat_map(|field| field.to_le_bytes()).collect(),
    }
}

/// Web and name lookups of a few hosts: dependent columns, one to `PACKETS` packets and more.
fn conversations(count: usize, seed: u64) -> Vec<EncodedTrace> {
    let mut rng = Seed::root(seed).rng();
    let trace = |number| {
        let client = 0xc0a8_0100 + rng.random_range(1..6i64);
        let web = rng.random_range(0..4) > 0;
        let server = if web { 0x0808_0000 + rng.random_range(0..4i64) } else { 0xc0a8_0101 };
        let ports = (49_152 + rng.random_range(0..2_000i64), if web { 443 } else { 53 });
        let protocol = if web { 6 } else { 17 };
        let packets = if web { rng.random_range(2..=PACKETS as usize + 2) } else { 2 };
        let mut time = 1_700_000_000_000_000 + rng.random_range(0..1_000_000_000i64);
        let mut rows = Vec::new();
        for place in 0..packets {
            let back = place % 2 == 1;
            let length = if web { [60, 60, 52, 1500][place % 4] } else { 60 + 30 * place as i64 };
            time += rng.random_range(100..100_000i64);
            let (a, b) = if back { (server, client) } else { (client, server) };
            let (c, d) = if back { (ports.1, ports.0) } else { ports };
            let identification = rng.random_range(0..65_536i64);
            let ttl = if back { 57 } else { 64 };
            rows.push([a, b, c, d, protocol, time, length, 4, 20, 0, identification, 2, 0, ttl, 0x1234]);
        }
        encoded(number, &rows)
    };
    (0..count).map(trace).collect()
}

/// Traces that are units of privacy by themselves.
fn alone(traces: &[EncodedTrace]) -> impl Iterator<Item = (&EncodedTrace, f64)> {
    traces.iter().map(|trace| (trace, 1.0))
}

fn fitted(config: &NetDpSynConfig, traces: &[EncodedTrace], noise: f64, seed: u64) -> Fit {
    fit(config, alone(traces), traces.len() as u32, noise, Seed::root(seed)).unwrap()
}

/// A model's rows in groups, from the traces themselves.
fn grouped(model: &Model, traces: &[EncodedTrace]) -> Records {
    let records = model.schema.records(alone(traces)).unwrap();
    let columns = records.columns.iter().zip(&model.groupings);
    let columns = columns.map(|(cells, grouping)| cells.iter().map(|c| grouping.group_of[*c as usize]).collect());
    Records { strata: records.strata.clone(), weights: records.weights.clone(), columns: columns.collect() }
}

/// Facts section 14.10: with ever less noise every marginal comes back, and so do rows with them.
#[test]
fn without_noise_every_chosen_marginal_is_that_of_the_traces() {
    // Shares are stored in single precision.
    const TOLERANCE: f64 = 1e-6;
    let traces = conversations(200, 1);
    for rows in MODES {
        let model = fitted(&config(rows), &traces, NO_NOISE, 2).model;
        assert!(model.targets.iter().any(|target| target.shape.columns.len() > 1), "{rows:?} chose no pair");
        let records = grouped(&model, &traces);
        let strata = model.schema.strata();
        for target in &model.targets {
            let cells = target.shape.cells();
            let counts = count(&records, &target.shape, strata);
            for (own, shares) in counts.chunks(cells).zip(target.shares.chunks(cells)) {
                let total: f64 = own.iter().sum();
                for (count, share) in own.iter().zip(shares) {
                    let expected = if total > 0.0 { count / total } else { 0.0 };
                    assert!((expected - f64::from(*share)).abs() < TOLERANCE, "{rows:?} {:?}", target.shape);
                }
            }
        }
        let reached = (0..strata).map(|s| records.strata.iter().filter(|own| usize::from(**own) == s).count());
        for (total, reached) in model.totals.iter().zip(reached) {
            assert!((f64::from(*total) * 200.0 - reached as f64).abs() < 1e-3, "{rows:?} {total} {reached}");
        }
    }
}

/// The rows that come out have the marginals of the rows that went in, up to what gradual updating
/// reaches: each column's one-way marginal, in cells, so decoding is part of it.
#[test]
fn without_noise_sampled_traces_have_the_fields_of_the_traces() {
    // L1 distance of two histograms, 0 to 2; one of 200 traces is 0.01. Mode `traces` has cycles of some
    // thirty columns, which 30 iterations reach up to a few traces.
    const DISTANCE_MAX: f64 = 0.3;
    let traces = conversations(200, 1);
    for rows in [RowMode::Positions, RowMode::Traces] {
        let model = fitted(&config(rows), &traces, NO_NOISE, 2).model;
        let generated = sample(&model, 200, Seed::root(3), &NoProgress).unwrap();
        let back: Vec<EncodedTrace> =
            generated.iter().enumerate().map(|(number, rows)| encoded(number, &stored(rows))).collect();
        let schema = &model.schema;
        let (before, after) = (schema.records(alone(&traces)).unwrap(), schema.records(alone(&back)).unwrap());
        for (index, column) in schema.columns.iter().enumerate() {
            let shape = Shape::over(&[index], &schema.columns.iter().map(|c| c.domain.cells()).collect::<Vec<_>>());
            let share = |records: &Records| {
                let counts = count(records, &shape, schema.strata());
                let total: f64 = counts.iter().sum();
                counts.into_iter().map(|count| count / total).collect::<Vec<f64>>()
            };
            let distance: f64 = share(&before).iter().zip(share(&after)).map(|(a, b)| (a - b).abs()).sum();
            assert!(distance < DISTANCE_MAX, "{rows:?} {}: {distance}", column.name);
        }
    }
}

/// With too few traces for any pair all is spent on one-way marginals, which then say more.
#[test]
fn what_pairs_do_not_need_makes_one_way_marginals_better() {
    let traces = conversations(60, 4);
    // Few cells, so that no noise stands out as a frequent value.
    let fields = ["protocol", "flags", "ttl"].map(str::to_owned).to_vec();
    let config = NetDpSynConfig { fields, ..config(RowMode::Positions) };
    let fit = fitted(&config, &traces, noise_for(0.1, Accountant::Rdp), 5);
    assert!(fit.model.targets.iter().all(|target| target.shape.columns.len() == 1));
    assert_eq!(fit.spent[0], 0.0);
    let noise = |phase: &str| {
        let events = fit.events.iter().filter(|event| event.phase.starts_with(phase));
        events.map(|event| event.noise_multiplier.get()).collect::<Vec<f64>>()
    };
    let (first, second) = (noise("single:"), noise("combined:"));
    assert_eq!(first.len(), second.len());
    // What choosing and pairs do not spend is spent on the same columns again.
    let expected = ((1.0 - config.singles_share) / config.singles_share).sqrt();
    assert!(first.iter().zip(&second).all(|(first, second)| (first / second - expected).abs() < 1e-6));
}

fn stored(rows: &[FieldRow]) -> Vec<[i64; FIELD_COUNT]> {
    rows.iter().map(|row| row.map(|field| field.unwrap_or(FIELD_NULL))).collect()
}

fn noise_for(epsilon: f64, accountant: Accountant) -> f64 {
    let budget = Budget {
        epsilon: Epsilon::new(epsilon).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        sampling_rate: SamplingRate::new(1.0).unwrap(),
        steps: 1,
    };
    privacy::noise_multiplier(&budget, accountant).unwrap().get()
}

/// One Gaussian step of the calibrated noise is the budget; the releases compose to it, never above.
#[test]
fn all_releases_together_spend_the_budget_and_meet_the_target_epsilon() {
    // What is kept back for rounding, and what is rounded.
    const LEFT_OVER: f64 = 1e-8;
    let traces = conversations(60, 4);
    for (index, epsilon) in [0.1, 0.5, 2.0, 4.0].into_iter().enumerate() {
        let rows = MODES[index % MODES.len()];
        for accountant in [Accountant::Rdp, Accountant::Pld] {
            let noise = noise_for(epsilon, accountant);
            let fit = fitted(&config(rows), &traces, noise, 5);
            let budget = 0.5 / (noise * noise);
            let spent: f64 = fit.events.iter().map(|event| 0.5 / event.noise_multiplier.get().powi(2)).sum();
            assert!(spent <= budget && spent > budget * (1.0 - LEFT_OVER), "{rows:?} {epsilon}: {spent} of {budget}");
            // With nothing to choose from, the share of choosing is spent on measuring.
            let (selection, singles) = (config(rows).selection_share, config(rows).singles_share);
            let selection = if fit.spent[0] == 0.0 { 0.0 } else { selection };
            let expected = [selection, singles, 1.0 - selection - singles];
            for (share, expected) in fit.spent.iter().zip(expected) {
                assert!((share / budget - expected).abs() < LEFT_OVER);
            }
            let ledger = Ledger { events: fit.events };
            let found = privacy::epsilon_by(accountant, &ledger, Delta::new(1e-5).unwrap()).unwrap().epsilon;
            assert!(found <= epsilon, "{rows:?}: {found} above {epsilon}");
        }
    }
}

#[test]
fn the_ledger_refuses_to_exceed_the_budget() {
    let mut ledger = RhoLedger::new(2.0).unwrap();
    assert_eq!(ledger.total(), 0.125);
    ledger.charge("single:ttl", 0.1, 3.0).unwrap();
    let error = ledger.charge("combined:ttl", 0.03, 3.0).unwrap_err();
    assert!(error.to_string().contains("is left"), "{error}");
    for rho in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(ledger.charge("combined:ttl", rho, 3.0).is_err());
    }
    ledger.charge("combined:ttl", 0.02, 3.0).unwrap();
    assert!(ledger.spent() <= ledger.total() && ledger.events().len() == 2);
    assert!(RhoLedger::new(0.0).is_err());
}

/// The variance of the noise on a count is sensitivity^2 / (2 rho).
#[test]
fn measured_noise_has_the_variance_that_rho_buys() {
    const DRAWS: usize = 200_000;
    // Five standard deviations of the sample variance of that many Gaussian draws.
    let tolerance = 5.0 * (2.0 / DRAWS as f64).sqrt();
    for (rho, sensitivity) in [(1e-3, 1.0), (0.02, 10f64.sqrt()), (0.3, 10.0)] {
        let mut ledger = RhoLedger::new(0.5).unwrap();
        let deviation = ledger.charge("single:ttl", rho, sensitivity).unwrap();
        let mut values = vec![7.0; DRAWS];
        add_noise(&mut values, deviation, Seed::root(11));
        let mean = values.iter().sum::<f64>() / DRAWS as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / DRAWS as f64;
        let expected = sensitivity * sensitivity / (2.0 * rho);
        assert!((variance / expected - 1.0).abs() < tolerance, "{variance} for {expected}");
        assert!((mean - 7.0).abs() < 5.0 * (expected / DRAWS as f64).sqrt());
    }
}

/// Rows of small numbers, so that traces collide in cells, and now and then anything.
fn any_row() -> impl Strategy<Value = [i64; FIELD_COUNT]> {
    let small = prop::array::uniform15(0..3i64);
    let wild = prop::array::uniform15(prop_oneof![any::<i64>(), Just(FIELD_NULL), 0..70_000i64]);
    prop_oneof![4 => small, 1 => wild]
}

fn any_trace() -> impl Strategy<Value = Vec<[i64; FIELD_COUNT]>> {
    // Equal rows put all of a trace into one cell, the worst case of mode `packets`.
    prop_oneof![
        prop::collection::vec(any_row(), 1..7),
        (any_row(), 1..7usize).prop_map(|(row, count)| vec![row; count])
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Neighbouring data sets: with and without one trace, whatever is in it.
    #[test]
    fn one_trace_changes_marginals_and_scores_by_at_most_the_stated_sensitivities(
        others in prop::collection::vec(any_trace(), 0..6),
        own in any_trace(),
    ) {
        // Rounding of sums of a few dozen counts.
        const ROUNDING: f64 = 1e-9;
        let without: Vec<EncodedTrace> = others.iter().enumerate().map(|(i, rows)| encoded(i, rows)).collect();
        let mut with = without.clone();
        with.push(encoded(99, &own));
        for rows in MODES {
            let schema = Schema::new(&config(rows)).unwrap();
            let (a, b) = (schema.records(alone(&without)).unwrap(), schema.records(alone(&with)).unwrap());
            prop_assert!(b.strata.len() - a.strata.len() <= schema.rows_max());
            let cells: Vec<usize> = schema.columns.iter().map(|column| column.domain.cells()).collect();
            let strata = schema.strata();
            for pair in schema.candidates().into_iter().step_by(3) {
                let scores = [&a, &b].map(|records| dependence(records, pair, &cells, strata));
                prop_assert!((scores[0] - scores[1]).abs() <= schema.score_sensitivity() + ROUNDING, "{scores:?}");
            }
            for column in 0..cells.len() {
                let shape = Shape::over(&[column], &cells);
                let (x, y) = (count(&a, &shape, strata), count(&b, &shape, strata));
                let norm = x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                prop_assert!(norm <= schema.marginal_sensitivity() + ROUNDING, "{rows:?} {norm}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Neighbouring data sets of hosts: with and without one host of up to four traces, each of which counts as its share.
    #[test]
    fn one_host_changes_marginals_and_scores_by_at_most_the_stated_sensitivities(
        others in prop::collection::vec(prop::collection::vec(any_trace(), 1..4), 0..4),
        own in prop::collection::vec(any_trace(), 1..5),
    ) {
        const ROUNDING: f64 = 1e-9;
        let host = |traces: &Vec<Vec<[i64; FIELD_COUNT]>>| -> Vec<(EncodedTrace, f64)> {
            let share = 1.0 / traces.len() as f64;
            traces.iter().enumerate().map(|(number, rows)| (encoded(number, rows), share)).collect()
        };
        let without: Vec<(EncodedTrace, f64)> = others.iter().flat_map(host).collect();
        let with: Vec<(EncodedTrace, f64)> = without.iter().cloned().chain(host(&own)).collect();
        for rows in MODES {
            let schema = Schema::new(&config(rows)).unwrap();
            let records = |all: &[(EncodedTrace, f64)]| {
                schema.records(all.iter().map(|(trace, share)| (trace, *share))).unwrap()
            };
            let (a, b) = (records(&without), records(&with));
            let cells: Vec<usize> = schema.columns.iter().map(|column| column.domain.cells()).collect();
            let strata = schema.strata();
            for pair in schema.candidates().into_iter().step_by(3) {
                let scores = [&a, &b].map(|records| dependence(records, pair, &cells, strata));
                prop_assert!((scores[0] - scores[1]).abs() <= schema.score_sensitivity() + ROUNDING, "{scores:?}");
            }
            for column in 0..cells.len() {
                let shape = Shape::over(&[column], &cells);
                let (x, y) = (count(&a, &shape, strata), count(&b, &shape, strata));
                let norm = x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                prop_assert!(norm <= schema.marginal_sensitivity() + ROUNDING, "{rows:?} {norm}");
            }
        }
    }
}

/// The bounds are reached, so nobody may lower them: equal packets, and a row far from all others.
#[test]
fn the_stated_sensitivities_are_tight() {
    let traces = conversations(400, 9);
    let row = [0xc0a8_0001, 0xc0a8_0002, 1900, 1900, 17, 0, 500, 4, 20, 4, 1, 0, 0, 3, 0];
    let mut more = traces.clone();
    more.push(encoded(999, &[row; PACKETS as usize]));
    for rows in MODES {
        let schema = Schema::new(&config(rows)).unwrap();
        let (a, b) = (schema.records(alone(&traces)).unwrap(), schema.records(alone(&more)).unwrap());
        let cells: Vec<usize> = schema.columns.iter().map(|column| column.domain.cells()).collect();
        let strata = schema.strata();
        let ttl = schema.column("ttl").unwrap();
        let shape = Shape::over(&[ttl], &cells);
        let (x, y) = (count(&a, &shape, strata), count(&b, &shape, strata));
        let norm = x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        assert_eq!(norm, schema.marginal_sensitivity(), "{rows:?}");
        let pair = (schema.column("tos").unwrap(), ttl);
        let pair = (pair.0.min(pair.1), pair.0.max(pair.1));
        let moved = (dependence(&b, pair, &cells, strata) - dependence(&a, pair, &cells, strata)).abs();
        let bound = schema.score_sensitivity();
        assert!(moved > 0.9 * bound && moved <= bound, "{rows:?}: {moved} of {bound}");
    }
}

/// Domains, strata, candidates and table sizes come from the configuration: values far outside every
/// range, or missing, end in the cell `other`.
#[test]
fn values_out_of_range_change_no_domain_and_still_fit() {
    let normal = conversations(40, 6);
    for rows in MODES {
        let before = Schema::new(&config(rows)).unwrap();
        for wild in [FIELD_NULL, i64::MAX, i64::MIN + 1, -1] {
            let traces: Vec<EncodedTrace> = (0..40).map(|number| encoded(number, &[[wild; FIELD_COUNT]; 3])).collect();
            let records = before.records(alone(&traces)).unwrap();
            for (column, cells) in before.columns.iter().zip(&records.columns) {
                assert!(cells.iter().all(|cell| usize::from(*cell) < column.domain.cells()));
            }
            let model = fitted(&config(rows), &traces, 1.0, 3).model;
            assert_eq!(model.schema, before);
            let cells = |model: &Model| model.groupings.iter().map(|g| g.group_of.len()).collect::<Vec<_>>();
            assert_eq!(cells(&model), cells(&fitted(&config(rows), &normal, 1.0, 3).model));
            check_packets(rows, &sample(&model, 20, Seed::root(1), &NoProgress).unwrap());
        }
    }
}

/// Every generated row becomes a packet; modes with structure share one 5-tuple a trace.
fn check_packets(rows: RowMode, traces: &[Vec<FieldRow>]) {
    for trace in traces {
        let decoded = decode_fields(trace);
        assert_eq!(decoded.rejected(), 0, "{rows:?} {trace:?}");
        assert!(!trace.is_empty() && trace.len() <= PACKETS as usize);
        assert!(trace.windows(2).all(|pair| pair[0][5] <= pair[1][5]), "time goes forward");
        if rows == RowMode::Packets {
            continue;
        }
        let ends = |row: &FieldRow| [(row[0], row[2]), (row[1], row[3])];
        let first = ends(&trace[0]);
        for row in trace {
            let own = ends(row);
            assert!(own == first || own == [first[1], first[0]], "{rows:?} {trace:?}");
            assert_eq!(row[4], trace[0][4], "one protocol a trace");
        }
    }
}

#[test]
fn same_seeds_give_the_same_bytes_and_a_trace_does_not_depend_on_the_number_asked_for() {
    let traces = conversations(80, 7);
    for rows in MODES {
        let config = NetDpSynConfig { block: 30, ..config(rows) };
        let model = fitted(&config, &traces, 1.5, 8).model;
        let bytes = model.to_bytes().unwrap();
        assert_eq!(bytes, fitted(&config, &traces, 1.5, 8).model.to_bytes().unwrap());
        assert_ne!(bytes, fitted(&config, &traces, 1.5, 9).model.to_bytes().unwrap());
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read, model);
        let many = sample(&read, 70, Seed::root(1), &NoProgress).unwrap();
        assert_eq!(many.len(), 70);
        assert_eq!(sample(&model, 35, Seed::root(1), &NoProgress).unwrap(), many[..35]);
        assert_ne!(sample(&model, 35, Seed::root(2), &NoProgress).unwrap(), many[..35]);
        check_packets(rows, &many);
    }
}

#[test]
fn damaged_marginals_are_refused_without_a_panic() {
    let bytes = fitted(&config(RowMode::Positions), &conversations(20, 7), 1.5, 8).model.to_bytes().unwrap();
    for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(Model::from_bytes(&bytes[..cut]).is_err());
    }
    let mut negative = bytes.clone();
    let end = negative.len();
    negative[end - 1] ^= 0x80;
    // The last tensor holds shares or weights; either way the bytes are read or refused.
    let _ = Model::from_bytes(&negative);
    assert!(Model::from_bytes(b"{}").is_err());
}

fn cohort(traces: &[EncodedTrace], plan: syntrace::train::TrainPlan, dp: Option<DpPlan>) -> CohortInput<'_> {
    let model = CohortModel {
        label: "test".to_owned(),
        seed: Seed::root(1),
        noise_seed: Some(Seed::root(2)),
        members: (0..traces.len()).collect(),
        learnt: None,
        held_out: Vec::new(),
        dp,
        initial: None,
    };
    CohortInput { hosts: None, traces, models: vec![model], base: None, plan }
}

#[test]
fn as_a_generator_it_trains_under_a_budget_only_and_says_nothing_about_traces() {
    for preset in ["small", "paper"] {
        check_generator(preset);
    }
}

fn check_generator(preset: &str) {
    let traces = conversations(50, 3);
    let options = serde_json::Map::from_iter([("preset".to_owned(), preset.into())]);
    let netdpsyn = generator("netdpsyn", &options, 10).unwrap();
    let dp = Regime::Dp { epsilon: 2.0, delta: 1e-5 };
    assert!(netdpsyn.supports(dp) && !netdpsyn.supports(Regime::None));
    assert!(netdpsyn.attribute_kinds().is_empty());
    let plan = netdpsyn.plan(50, dp);
    assert_eq!((plan.sampling_rate, plan.steps, plan.clip_norm), (1.0, 1, 1.0));
    let train = |dp| netdpsyn.train_cohort(&cohort(&traces, plan, dp), None, &mut NoCheckpoint, &NoProgress);
    assert!(train(None).unwrap_err().to_string().contains("without DP"));
    let outcome = train(Some(DpPlan { noise_multiplier: 1.2, clip_norm: 1.0 })).unwrap();
    let trained = &outcome.models[0];
    let monitor =
        |name: &'static str| trained.monitors.iter().filter(move |row| row.monitor == name).map(|row| row.value);
    let rho: f64 = monitor("rho_spent").sum();
    assert!((rho * 2.0 * 1.44 - 1.0).abs() < 1e-6, "{rho}");
    assert!(monitor("gum_error").all(|error| (0.0..2.0).contains(&error)) && monitor("marginals").count() == 1);
    let weights = Weights { own: &trained.weights, base: None };
    assert_eq!(netdpsyn.attributes(weights, &traces).unwrap(), vec![Vec::new(); 50]);
    let sampled = netdpsyn.sample(weights, 5, Seed::root(4), &NoProgress).unwrap();
    assert!(sampled.iter().all(|trace| matches!(&trace.content, Generated::Fields(rows) if !rows.is_empty())));
}

#[test]
fn options_that_make_no_tables_are_refused_by_name() {
    let option = |key: &str, value: serde_json::Value| {
        let options = serde_json::Map::from_iter([(key.to_owned(), value)]);
        generator("netdpsyn", &options, 10).map(|_| ()).unwrap_err().to_string()
    };
    assert!(option("rows", "flows".into()).contains("flows"));
    assert!(option("fields", serde_json::json!(["colour"])).contains("colour"));
    assert!(option("subnets", serde_json::json!(["10.0.0.0"])).contains("10.0.0.0"));
    assert!(option("selection_share", 0.95.into()).contains("selection_share"));
    assert!(option("block", 0.into()).contains("block"));
    assert!(option("preset", "large".into()).contains("large"));
}
