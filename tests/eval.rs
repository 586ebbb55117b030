//! Tests of eval: against scipy's and scikit-learn's numbers (tests/fixtures/conformance), against slow
//! twins, and on planted and shuffled leaks.

use crate::common::fixture;
use proptest::prelude::*;
use serde_json::Value;
use syntrace::base::{Seed, TraceId};
use syntrace::eval::{
    Confusion, FIELDS, FidelityRow, HeaderPopulation, Metric, PopulationName, Roc, Scored, clopper_pearson,
    empirical_epsilon, header_fidelity, jensen_shannon, jensen_shannon_counts, leakage, mean_by_field,
    mean_over_fields, wasserstein_1, wasserstein_1_weighted,
};
use syntrace::record::{Direction, Packet, Trace};

/// Tolerances of metrics.json: its own words.
const DIVERGENCE_ABSOLUTE: f64 = 1e-12;
const DISTANCE_ABSOLUTE: f64 = 1e-9;
const WASSERSTEIN_RELATIVE: f64 = 1e-12;
/// A difference of two probabilities below 1e-6 keeps this much in the peer's numbers.
const TINY_GAP_ABSOLUTE: f64 = 1e-9;
/// Tolerance of attacks.json for AUC and rates.
const RATE_ABSOLUTE: f64 = 1e-9;
/// Tolerance of attacks.json for empirical epsilons.
const EPSILON_ABSOLUTE: f64 = 1e-6;

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(&format!("conformance/{name}"))).unwrap()).unwrap()
}

/// A number; infinite and undefined ones are texts.
fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        Some("nan") => f64::NAN,
        _ => value.as_f64().unwrap(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Categories as the texts of their JSON.
fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(Value::to_string).collect()
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} against {expected}");
}

fn scored(scores: &[f64], members: &[bool]) -> Vec<Scored> {
    scores.iter().zip(members).map(|(&score, &member)| Scored { score, member }).collect()
}

/// Scores and labels of a ROC case of attacks.json.
fn roc_case(case: &Value) -> Vec<Scored> {
    let members: Vec<bool> = case["label"].as_array().unwrap().iter().map(|label| label == 1).collect();
    scored(&numbers(&case["score"]), &members)
}

#[test]
fn jensen_shannon_of_samples_equals_scipy() {
    for case in json("metrics.json")["jensen_shannon_samples"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let found = jensen_shannon(&mut texts(&case["a"]), &mut texts(&case["b"])).unwrap();
        let expect = &case["expect"];
        let nats = found.divergence * std::f64::consts::LN_2;
        assert_near(found.divergence, number(&expect["divergence_base_2"]), DIVERGENCE_ABSOLUTE, name);
        assert_near(nats, number(&expect["divergence_base_e"]), DIVERGENCE_ABSOLUTE, name);
        assert_near(found.distance, number(&expect["distance_base_2"]), DISTANCE_ABSOLUTE, name);
        assert_near(nats.sqrt(), number(&expect["distance_base_e"]), DISTANCE_ABSOLUTE, name);
    }
}

#[test]
fn jensen_shannon_of_counts_equals_scipy_also_where_both_sides_nearly_agree() {
    for case in json("metrics.json")["jensen_shannon_counts"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let counts: Vec<(f64, f64)> = numbers(&case["p_counts"]).into_iter().zip(numbers(&case["q_counts"])).collect();
        let found = jensen_shannon_counts(&counts).unwrap();
        let expected = number(&case["distance_base_2"]);
        assert_near(found.divergence, number(&case["divergence_base_2"]), DIVERGENCE_ABSOLUTE, name);
        assert_near(
            found.distance,
            expected,
            if expected < 1e-3 { TINY_GAP_ABSOLUTE } else { DISTANCE_ABSOLUTE },
            name,
        );
    }
}

#[test]
fn wasserstein_equals_scipy_with_and_without_weights() {
    let document = json("metrics.json");
    let cases = document["wasserstein_1"].as_array().unwrap();
    assert_eq!(cases.len(), 14);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (mut a, mut b) = (numbers(&case["a"]), numbers(&case["b"]));
        let expected = number(&case["expect"]);
        let weights = |key: &str, n: usize| if case[key].is_null() { vec![1.0; n] } else { numbers(&case[key]) };
        let left: Vec<(f64, f64)> = a.iter().copied().zip(weights("a_weights", a.len())).collect();
        let right: Vec<(f64, f64)> = b.iter().copied().zip(weights("b_weights", b.len())).collect();
        // a note asks for less where the values have a large offset: the file's decimals lose a digit
        let relative = if case["note"].as_str().unwrap().contains("rtol 1e-6") { 1e-6 } else { WASSERSTEIN_RELATIVE };
        let tolerance = relative * expected;
        assert_near(wasserstein_1_weighted(&left, &right).unwrap(), expected, tolerance, name);
        if case["a_weights"].is_null() {
            assert_near(wasserstein_1(&mut a, &mut b).unwrap(), expected, tolerance, name);
        }
    }
}

#[test]
fn degenerate_inputs_have_no_value_instead_of_a_silent_zero() {
    for case in json("metrics.json")["degenerate"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if case["metric"] == "wasserstein_1" {
            let (mut a, mut b) = (numbers(&case["a"]), numbers(&case["b"]));
            // Infinities are values: as far as their shares differ, and at no distance from themselves.
            let expected = match name {
                "inf_inside" => Some(f64::INFINITY),
                "inf_both" => Some(0.0),
                _ => None,
            };
            assert_eq!(wasserstein_1(&mut a, &mut b), expected, "{name}");
        } else {
            let counts: Vec<(f64, f64)> =
                numbers(&case["p_counts"]).into_iter().zip(numbers(&case["q_counts"])).collect();
            assert_eq!(jensen_shannon_counts(&counts), None, "{name}");
        }
    }
    assert_eq!(jensen_shannon::<u8>(&mut [], &mut [1]), None);
    assert_eq!(jensen_shannon_counts(&[(1.0, -1.0), (1.0, 3.0)]), None, "a negative count");
}

#[test]
fn roc_corner_cases_equal_the_reference() {
    for case in json("attacks.json")["roc_cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let roc = Roc::new(&roc_case(case)).unwrap();
        let expect = |key: &str| number(&case["expect"][key]);
        assert_near(roc.auc(), expect("auc"), RATE_ABSOLUTE, name);
        assert_near(roc.best_balanced_accuracy(), expect("balanced_accuracy"), RATE_ABSOLUTE, name);
        for fpr in ["0.1", "0.01", "0.001", "0"] {
            let expected = expect(&format!("tpr_at_fpr_{fpr}"));
            assert_near(roc.tpr_at_fpr(fpr.parse().unwrap()), expected, RATE_ABSOLUTE, &format!("{name} {fpr}"));
        }
    }
}

#[test]
fn precision_recall_and_fpr_equal_the_reference_and_are_not_numbers_where_undefined() {
    for case in json("attacks.json")["classification"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let mut traces = Vec::new();
        for (key, score, member) in [("tp", 1.0, true), ("fp", 1.0, false), ("tn", 0.0, false), ("fn", 0.0, true)] {
            traces.extend(std::iter::repeat_n(Scored { score, member }, count(key)));
        }
        let found = leakage(&traces, 0.5).unwrap();
        for (interval, key) in [(found.precision, "precision"), (found.recall, "recall"), (found.fpr, "fpr")] {
            if case[key].is_null() {
                assert!(interval.value.is_nan(), "{key} is 0/0");
                assert_eq!((interval.low, interval.high), (0.0, 1.0));
            } else {
                assert_near(interval.value, number(&case[key]), RATE_ABSOLUTE, key);
                assert!(interval.low <= interval.value && interval.value <= interval.high);
            }
        }
        if case["advantage"].is_null() {
            assert!(found.balanced_accuracy.value.is_nan());
        } else {
            let expected = (number(&case["advantage"]) + 1.0) / 2.0;
            assert_near(found.balanced_accuracy.value, expected, RATE_ABSOLUTE, "balanced accuracy");
        }
    }
}

#[test]
fn empirical_epsilon_equals_the_reference() {
    let document = json("attacks.json");
    let cases = document["empirical_epsilon"].as_array().unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let count = |key: &str| case[key].as_u64().unwrap();
        let counts = Confusion {
            true_positives: count("tp"),
            false_positives: count("fp"),
            true_negatives: count("tn"),
            false_negatives: count("fn"),
        };
        let found = empirical_epsilon(counts, number(&case["delta"]), number(&case["confidence"]));
        assert_near(found.fpr_upper, number(&case["fpr_upper"]), RATE_ABSOLUTE, &case.to_string());
        assert_near(found.fnr_upper, number(&case["fnr_upper"]), RATE_ABSOLUTE, &case.to_string());
        assert_near(found.lower, number(&case["eps_lower"]), EPSILON_ABSOLUTE, &case.to_string());
        if count("tp") + count("fn") == 0 {
            assert!(found.point.is_nan(), "without members there is no error rate");
            continue;
        }
        let point = number(&case["eps_point"]);
        assert!(found.point == point || (found.point - point).abs() <= EPSILON_ABSOLUTE, "{case}");
    }
}

#[test]
fn clopper_pearson_equals_its_closed_forms() {
    // no successes: 1 - (tail)^(1/n); all successes: (tail)^(1/n); and 5 of 10 from the tables
    let none = clopper_pearson(0, 20, 0.95);
    assert_eq!((none.value, none.low), (0.0, 0.0));
    assert_near(none.high, 1.0 - 0.025f64.powf(1.0 / 20.0), RATE_ABSOLUTE, "none of 20");
    let all = clopper_pearson(20, 20, 0.95);
    assert_eq!((all.value, all.high), (1.0, 1.0));
    assert_near(all.low, 0.025f64.powf(1.0 / 20.0), RATE_ABSOLUTE, "all of 20");
    let half = clopper_pearson(5, 10, 0.95);
    assert_near(half.low, 0.187086, 1e-6, "5 of 10");
    assert_near(half.high, 0.812914, 1e-6, "5 of 10");
}

/// Scores of a population: members shifted by `shift`, noise from a seeded generator.
fn population(n: usize, shift: f64, seed: u64) -> Vec<Scored> {
    use rand::RngExt;
    let mut rng = Seed::root(seed).rng();
    (0..n)
        .map(|index| {
            let noise: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            let member = index % 2 == 0;
            Scored { score: noise + if member { shift } else { 0.0 }, member }
        })
        .collect()
}

#[test]
fn shuffled_labels_have_an_auc_of_one_half_inside_a_narrow_interval() {
    let found = leakage(&population(4_000, 0.0, 3), 0.0).unwrap();
    assert!(found.auc.low < 0.5 && 0.5 < found.auc.high, "{:?}", found.auc);
    // the standard error of an AUC at chance is sqrt((n + 1) / (12 n_members n_held_out)), here 0.0091
    let width = found.auc.high - found.auc.low;
    assert!((0.03..0.043).contains(&width), "{width}");
    assert!(found.balanced_accuracy.low < 0.5 && 0.5 < found.balanced_accuracy.high);
}

#[test]
fn planted_leak_of_one_standard_deviation_has_the_normal_auc_and_a_larger_one_is_near_one() {
    // AUC of two unit normals one apart: Phi(1 / sqrt(2)) = 0.76025
    let found = leakage(&population(4_000, 1.0, 7), 0.5).unwrap();
    assert!(found.auc.low < 0.76025 && 0.76025 < found.auc.high, "{:?}", found.auc);
    assert!(found.auc.high - found.auc.low < 0.035);
    assert!(found.tpr_at_0_1pct_fpr.value <= found.tpr_at_1pct_fpr.value);
    assert!(found.tpr_at_0_1pct_fpr.low <= found.tpr_at_1pct_fpr.low);
    let large = leakage(&population(400, 8.0, 7), 4.0).unwrap();
    // 200 of each without an overlap: the rule of three leaves about 3 / 200 open
    assert!(large.auc.low > 0.98 && large.precision.low > 0.95 && large.fpr.high < 0.05);
    assert!(large.auc.low < 0.999 && large.auc.high == 1.0 && large.tpr_at_1pct_fpr.low < 1.0);
}

#[test]
fn a_tpr_at_an_fpr_that_so_few_held_out_traces_cannot_tell_is_not_a_number() {
    let members = population(400, 3.0, 1).into_iter().filter(|trace| trace.member);
    let held_out: Vec<Scored> = population(400, 3.0, 2).into_iter().filter(|trace| !trace.member).collect();
    let of = |count: usize| {
        let traces: Vec<Scored> = members.clone().chain(held_out.iter().copied().take(count)).collect();
        leakage(&traces, 0.5).unwrap().tpr_at_1pct_fpr
    };
    let (few, enough) = (of(99), of(100));
    assert!(few.value.is_nan() && (few.low, few.high) == (0.0, 1.0), "{few:?}");
    assert!(enough.value > 0.2 && enough.high < 1.0, "{enough:?}");
}

#[test]
fn score_that_is_not_a_number_or_no_trace_at_all_is_an_error() {
    let error = leakage(&scored(&[0.1, f64::NAN], &[true, false]), 0.5).unwrap_err();
    assert!(error.to_string().contains("trace `1`"), "{error}");
    assert!(leakage(&[], 0.5).is_err());
    // one side only: the curve's measures are undefined, not 0 or 1
    let members_only = leakage(&scored(&[0.1, 0.9], &[true, true]), 0.5).unwrap();
    assert!(members_only.auc.value.is_nan() && members_only.tpr_at_1pct_fpr.value.is_nan());
    assert_eq!((members_only.auc.low, members_only.auc.high), (0.0, 1.0));
}

#[test]
fn roc_corners_leave_out_points_on_a_straight_line_and_keep_the_area() {
    // two held-out traces in a row, then two members: of 5 points the ones inside straight runs go
    let roc = Roc::new(&scored(&[4.0, 3.0, 2.0, 1.0], &[false, false, true, true])).unwrap();
    let corners: Vec<(f64, f64)> = roc.corners().iter().map(|corner| (corner.fpr, corner.tpr)).collect();
    assert_eq!(corners, vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]);
    let thresholds: Vec<f64> = roc.corners().iter().map(|corner| corner.threshold).collect();
    assert_eq!(thresholds, vec![f64::INFINITY, 3.0, 1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn auc_equals_counting_all_pairs_and_the_area_under_the_corners(
        traces in proptest::collection::vec((0u8..12, any::<bool>()), 2..60),
    ) {
        let traces: Vec<Scored> =
            traces.iter().map(|&(score, member)| Scored { score: f64::from(score), member }).collect();
        let pairs: Vec<f64> = traces.iter().filter(|trace| trace.member)
            .flat_map(|a| traces.iter().filter(|trace| !trace.member).map(move |b| {
                if a.score > b.score { 1.0 } else if a.score == b.score { 0.5 } else { 0.0 }
            }))
            .collect();
        prop_assume!(!pairs.is_empty());
        let slow = pairs.iter().sum::<f64>() / pairs.len() as f64;
        let roc = Roc::new(&traces).unwrap();
        prop_assert!((roc.auc() - slow).abs() <= RATE_ABSOLUTE);
        let corners = roc.corners();
        let area: f64 = corners.windows(2)
            .map(|pair| (pair[1].fpr - pair[0].fpr) * (pair[1].tpr + pair[0].tpr) / 2.0)
            .sum();
        prop_assert!((area - slow).abs() <= RATE_ABSOLUTE);
    }

    #[test]
    fn wasserstein_is_symmetric_shifts_with_a_shift_and_never_beats_the_triangle(
        mut a in proptest::collection::vec(-50.0f64..50.0, 1..30),
        mut b in proptest::collection::vec(-50.0f64..50.0, 1..30),
        mut c in proptest::collection::vec(-50.0f64..50.0, 1..30),
        shift in 0.0f64..20.0,
    ) {
        let ab = wasserstein_1(&mut a, &mut b).unwrap();
        prop_assert!((ab - wasserstein_1(&mut b, &mut a).unwrap()).abs() <= 1e-9);
        let mut moved: Vec<f64> = a.iter().map(|value| value + shift).collect();
        prop_assert!((wasserstein_1(&mut a, &mut moved).unwrap() - shift).abs() <= 1e-9);
        let through = wasserstein_1(&mut a, &mut c).unwrap() + wasserstein_1(&mut c, &mut b).unwrap();
        prop_assert!(ab <= through + 1e-9);
    }
}

/// A packet of a TCP flow; the callers change what they test.
fn packet(time_us: i64, ip_length: u32, src_port: u16) -> Packet {
    Packet {
        time_us,
        direction: Direction::Forward,
        ip_version: 4,
        src_ip: vec![10, 0, 0, 1],
        dst_ip: vec![10, 0, 0, 2],
        protocol: 6,
        src_port,
        dst_port: 443,
        ip_length,
        header_length: 20,
        tos: 0,
        identification: Some(7),
        flags: Some(2),
        fragment_offset: Some(0),
        ttl: 64,
        checksum: Some(1),
        tcp_flags: Some(16),
        payload_length: ip_length - 40,
        data: Vec::new(),
    }
}

fn trace(packets: Vec<Packet>) -> Trace {
    let flow_packets = packets.len() as u64;
    Trace { trace_id: TraceId(1), first_packet: 0, link_type: 1, flow_packets, flow_bytes: 0, packets }
}

/// Header fields of `other` against `real`.
fn header(real: &[Trace], other: &[Trace], name: PopulationName) -> Vec<FidelityRow> {
    let side = |name, traces: &[Trace]| HeaderPopulation::new(name, &traces.iter().collect::<Vec<_>>());
    header_fidelity(&side(PopulationName::Members, real), &side(name, other))
}

#[test]
fn fidelity_of_a_population_with_itself_is_zero_in_every_cell_that_has_values() {
    let traces: Vec<Trace> = (0..20)
        .map(|index| {
            trace((0..3).map(|step| packet(step * 1_000 + index, 60 + index as u32, 1_000 + index as u16)).collect())
        })
        .collect();
    let rows = header(&traces, &traces, PopulationName::HeldOut);
    // 15 fields, 3 positions, 2 measures
    assert_eq!(rows.len(), FIELDS.len() * 3 * 2);
    for row in &rows {
        if row.field == "inter_arrival_us" && row.position == Some(0) {
            assert_eq!((row.value, row.n_real), (None, 0), "the first packet has no gap before it");
        } else {
            assert_eq!((row.value, row.n_real, row.n_compared), (Some(0.0), 20, 20), "{row:?}");
        }
    }
}

#[test]
fn fidelity_measures_each_position_alone_and_counts_packets_and_fields_that_are_not_there() {
    let real =
        vec![trace(vec![packet(0, 60, 1), packet(100, 60, 1)]), trace(vec![packet(0, 100, 2), packet(300, 100, 2)])];
    let mut other = vec![trace(vec![packet(0, 60, 3), packet(500, 70, 3)]), trace(vec![packet(0, 100, 3)])];
    other[0].packets[0].identification = None;
    let rows = header(&real, &other, PopulationName::Synthetic);
    let cell = |field: &str, position: u32, metric: Metric| {
        rows.iter().find(|row| row.field == field && row.position == Some(position) && row.metric == metric).unwrap()
    };
    assert_eq!(cell("src_port", 0, Metric::JensenShannonDistance).value, Some(1.0), "disjoint ports");
    assert_eq!(cell("dst_port", 0, Metric::JensenShannonDivergence).value, Some(0.0), "equal ports");
    assert_eq!(cell("ip_length", 0, Metric::Wasserstein).value, Some(0.0));
    // at position 1: {60, 100} against {70} and one that is not there: half of 20, and half of two standard
    // deviations of the real side, which are 20 each
    assert_eq!(cell("ip_length", 1, Metric::Wasserstein).value, Some(30.0));
    assert_eq!(cell("ip_length", 1, Metric::WassersteinScaled).value, Some(1.5));
    assert_eq!(cell("ip_length", 1, Metric::Wasserstein).n_compared, 1);
    assert_eq!(cell("ip_length", 1, Metric::Wasserstein).absent, Some((0, 1)));
    // gaps {100, 300} against {500}: half of 300, and half of two standard deviations of 100
    assert_eq!(cell("inter_arrival_us", 1, Metric::Wasserstein).value, Some(250.0));
    assert_eq!(cell("identification", 0, Metric::JensenShannonDistance).n_compared, 1);
    assert_eq!(cell("identification", 0, Metric::JensenShannonDistance).absent, Some((0, 1)));
    // all 7 against 7 and none, and all TCP against TCP and none: p = (1, 0), q = (1/2, 1/2)
    let half = 1.5 - 0.75 * 3f64.log2();
    for (field, position) in [("identification", 0), ("protocol", 1)] {
        let found = cell(field, position, Metric::JensenShannonDivergence).value.unwrap();
        assert_near(found, half, DIVERGENCE_ABSOLUTE, field);
    }
    assert_eq!(cell("ttl", 0, Metric::WassersteinScaled).value, Some(0.0), "constant and equal");
}

#[test]
fn scaled_wasserstein_is_in_units_of_the_value_where_the_real_side_has_one_alone() {
    let real = vec![trace(vec![packet(0, 60, 1)]); 2];
    let mut other = real.clone();
    other[0].packets[0].ttl = 128;
    let rows = header(&real, &other, PopulationName::Synthetic);
    let ttl: Vec<Option<f64>> = rows.iter().filter(|row| row.field == "ttl").map(|row| row.value).collect();
    assert_eq!(ttl, vec![Some(32.0), Some(0.5)]);
}

#[test]
fn means_over_fields_and_positions_equal_the_reference_case() {
    // metrics.json, mean_over_fields_and_positions: two fields, three positions, mapped onto src_port
    // and dst_port; sides of unequal length
    let document = json("metrics.json");
    let case = &document["mean_over_fields_and_positions"];
    let column = |field: &str, position: usize, side: &str| -> Vec<u16> {
        let values = case["fields"][format!("{field}@{position}")][side].as_array().unwrap();
        values.iter().map(|value| value.as_str().unwrap().parse().unwrap()).collect()
    };
    let side = |side: &str| -> Vec<Trace> {
        let n = column("sport", 0, side).len();
        (0..n)
            .map(|index| {
                let at = |position: usize| {
                    let mut packet = packet(0, 60, column("sport", position, side)[index]);
                    packet.dst_port = column("ip_src", position, side)[index];
                    packet
                };
                trace((0..3).map(at).collect())
            })
            .collect()
    };
    let rows = header(&side("a"), &side("b"), PopulationName::Synthetic);
    let metric = Metric::JensenShannonDistance;
    let by_field = mean_by_field(&rows, PopulationName::Synthetic, metric);
    let of = |field: &str| by_field.iter().find(|mean| mean.field == field).unwrap().value.unwrap();
    let found = (of("src_port") + of("dst_port")) / 2.0;
    assert_near(found, number(&case["mean_distance_base_2"]), DISTANCE_ABSOLUTE, "mean over fields and positions");
    // ten other categorical fields agree, so the mean over all 12 is a sixth of it
    let all = mean_over_fields(&rows, PopulationName::Synthetic, metric).unwrap();
    assert_near(all, number(&case["mean_distance_base_2"]) / 6.0, DISTANCE_ABSOLUTE, "mean over all fields");
    assert_eq!(mean_over_fields(&rows, PopulationName::HeldOut, metric), None, "nothing was compared under that name");
}
