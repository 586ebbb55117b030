//! The one-class SVM, LiRA and RMIA against their references.

use crate::common;
use safetensors::SafeTensors;
use syntrace::attack::{
    Centre, LiraMode, LiraOptions, OneClass, Points, RmiaMode, RmiaOptions, SolverOptions, Spread, Transform, Variance,
    lira_score, rmia_log_prior, rmia_population_log_prior, rmia_score,
};

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    match value {
        serde_json::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

/// The points of a case, scaled as the reference scaled them.
fn points(case: &serde_json::Value, side: &str) -> Points {
    let (mean, scale) = (numbers(&case["scaler_mean"]), numbers(&case["scaler_scale"]));
    let width = mean.len();
    let values = numbers(&case[side]);
    let scaled = values.iter().enumerate().map(|(at, value)| (value - mean[at % width]) / scale[at % width]);
    Points::new(scaled.collect(), width)
}

fn fit(points: &Points, gamma: f64, tolerance: f64, iterations_max: Option<u64>) -> OneClass {
    OneClass::fit(points, gamma, &SolverOptions { nu: 0.5, tolerance, iterations_max }).unwrap()
}

/// Tolerance, in units of the sum of weights, where every step is LIBSVM's and only sums are rounded in another
/// order.
const SAME_STEPS: f64 = 1e-12;

fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn one_class_machine_agrees_with_libsvm_capped_and_converged() {
    let bytes = std::fs::read(common::fixture("conformance/ocsvm.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (train, test) = (points(case, "train"), points(case, "test"));
        let gamma = case["gamma"].as_f64().unwrap();
        assert_eq!(train.scale_gamma(), gamma, "{name}: gamma in numpy's order of sums");
        let of = |key: &str| (numbers(&case[key]["decision_test"]), case[key]["sum_dual"].as_f64().unwrap());

        // tolerances as the file states them
        let (exact, sum) = of("converged_tol_1e-10");
        let machine = fit(&train, gamma, 1e-10, None);
        let away = distance(&machine.decision(&test), &exact);
        assert!(away < 1e-4 + 1e-6 * sum, "{name}: {away} from the exact solution");
        assert_eq!(machine.support_len() as u64, case["converged_tol_1e-10"]["n_support"].as_u64().unwrap(), "{name}");

        let (loose, _) = of("converged_tol_1e-3");
        let spread = case["spread"]["tol3_vs_exact"].as_f64().unwrap();
        let machine = fit(&train, gamma, 1e-3, None);
        let away = distance(&machine.decision(&test), &loose);
        assert!(away < 3.0 * spread + 1e-6, "{name}: {away} from the solution at tolerance 1e-3");

        // LIBSVM's start, tie rules and single-precision kernel rows: a run takes its very steps, until LIBSVM
        // first leaves rows out (after 1,000 iterations, or as many as there are rows)
        let capped = &case["max_iter_1000"];
        let machine = fit(&train, gamma, 1e-3, Some(1_000));
        assert_eq!(machine.hit_cap, capped["hit_cap"].as_bool().unwrap(), "{name}");
        let away = distance(&machine.decision(&test), &of("max_iter_1000").0);
        if machine.iterations > train.len() as u64 {
            assert!(away < 3.0 * spread + 1e-6, "{name}: {away} from the capped solution");
            continue;
        }
        assert_eq!(machine.iterations, capped["n_iter"].as_u64().unwrap(), "{name}");
        assert_eq!(machine.support_len() as u64, capped["n_support"].as_u64().unwrap(), "{name}");
        let offset_away = (machine.offset - capped["offset"].as_f64().unwrap()).abs();
        assert!(offset_away < SAME_STEPS * sum && away < SAME_STEPS * sum, "{name}: {offset_away}, {away}");
    }
}

#[test]
fn one_class_machine_is_the_same_to_the_bit_on_one_thread_and_on_four() {
    let bytes = std::fs::read(common::fixture("conformance/ocsvm.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let (train, test) = (points(case, "train"), points(case, "test"));
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let machine = fit(&train, train.scale_gamma(), 1e-3, Some(500));
                (machine.offset.to_bits(), machine.decision(&test))
            })
        };
        assert_eq!(on(1), on(4), "{}", case["name"]);
    }
}

/// A matrix [rows, columns] of a safetensors file as f64.
fn matrix(file: &SafeTensors<'_>, name: &str) -> Vec<Vec<f64>> {
    let view = file.tensor(name).unwrap();
    let columns = *view.shape().last().unwrap();
    let values: Vec<f64> = match view.dtype() {
        safetensors::Dtype::F64 => {
            view.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
        }
        _ => view.data().iter().map(|byte| f64::from(*byte)).collect(),
    };
    values.chunks(columns).map(<[f64]>::to_vec).collect()
}

/// What the references (all models but the first) say about one column: by those trained on it, by others.
fn around(values: &[Vec<f64>], member: &[Vec<f64>], column: usize) -> (Vec<f64>, Vec<f64>) {
    let of = |wanted: f64| {
        let models = (1..values.len()).filter(|model| member[*model][column] == wanted);
        models.map(|model| values[model][column]).collect()
    };
    (of(1.0), of(0.0))
}

fn fixture() -> Vec<u8> {
    std::fs::read(common::fixture("conformance/attacks_first150.safetensors")).unwrap()
}

/// Relative tolerance of scores in the conformance file.
const SCORE_RELATIVE: f64 = 1e-6;

#[test]
fn lira_scores_equal_the_reference_in_all_variants() {
    let bytes = fixture();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (phi, member) = (matrix(&file, "phi"), matrix(&file, "member"));
    let pooled = matrix(&file, "pooled").remove(0);
    let spread = Spread { inside: pooled[0], outside: pooled[1], gap: 0.0 };
    for (mode, mode_name) in [(LiraMode::Online, "online"), (LiraMode::Offline, "offline")] {
        for (centre, centre_name) in [(Centre::Mean, "mean"), (Centre::Median, "median")] {
            for (variance, variance_name) in [(Variance::PerTrace, "persample"), (Variance::Pooled, "fixedvar")] {
                let name = format!("score.lira_{mode_name}_{centre_name}_{variance_name}");
                let expected = matrix(&file, &name).remove(0);
                let options = LiraOptions { centre, mode, transform: Transform::None, variance };
                for (column, expected) in expected.iter().enumerate() {
                    let (inside, outside) = around(&phi, &member, column);
                    let found = lira_score(options, phi[0][column], &inside, &outside, spread);
                    let away = (found - expected).abs() / expected.abs().max(1e-6);
                    assert!(away < SCORE_RELATIVE, "{name}, sample {column}: {found} against {expected}");
                }
            }
        }
    }
}

#[test]
fn rmia_scores_equal_the_reference_in_all_variants() {
    let bytes = fixture();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (log_p, member) = (matrix(&file, "log_p"), matrix(&file, "member"));
    let population = matrix(&file, "population_log_p");
    let none = vec![vec![0.0; population[0].len()]; population.len()];
    for gamma in [1.0, 2.0] {
        for (mode, a, name) in [
            (RmiaMode::Offline, 0.0, "offline_a0"),
            (RmiaMode::Offline, 0.3, "offline_a0.3"),
            (RmiaMode::Offline, 1.0, "offline_a1"),
            (RmiaMode::Online, 0.0, "online"),
        ] {
            let options = RmiaOptions { gamma, mode, offline_a: a, population: 300 };
            let mut ratios: Vec<f64> = (0..population[0].len())
                .map(|z| {
                    let (inside, outside) = around(&population, &none, z);
                    population[0][z] - rmia_population_log_prior(options, &inside, &outside).unwrap()
                })
                .collect();
            ratios.sort_by(f64::total_cmp);
            let name = format!("score.rmia_{name}_gamma{gamma}");
            for (column, expected) in matrix(&file, &name).remove(0).iter().enumerate() {
                let (inside, outside) = around(&log_p, &member, column);
                let ratio = log_p[0][column] - rmia_log_prior(options, &inside, &outside).unwrap();
                let found = rmia_score(ratio, &ratios, gamma);
                // a ratio within rounding of gamma may flip one population point
                let away = (found - expected).abs();
                assert!(away <= 1.0 / ratios.len() as f64 + 1e-12, "{name}, sample {column}: {found}, {expected}");
                assert!(away < 1e-12 || (ratio - gamma.ln()).is_finite());
            }
        }
    }
}
