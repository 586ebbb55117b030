//! Downstream models: against Darts' N-BEATS and scikit-learn's definitions, and on planted classes.

use crate::common::{fixture, simulated_traces};
use serde_json::Value;
use syntrace::base::Seed;
use syntrace::record::Trace;
use syntrace::utility::{
    ClassTraces, TrainedOn, UtilityMetric, UtilityRow, WINDOW, Windows, classify, guess_last_value, guess_majority,
    mean_absolute_errors, windows,
};

/// Rounding of a few divisions.
const ROUNDING: f64 = 1e-12;

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(&format!("conformance/{name}"))).unwrap()).unwrap()
}

fn value(rows: &[UtilityRow], metric: UtilityMetric, class: Option<&str>) -> Option<f64> {
    let found = rows.iter().find(|row| row.metric == metric && row.class.as_deref() == class);
    found.unwrap_or_else(|| panic!("no row for {metric:?} {class:?}")).value
}

/// Simulated classes of a dataset: the first half of each to learn from, the rest to test on.
fn classes(traces: &[(String, Vec<Trace>)]) -> Vec<ClassTraces<'_>> {
    fn halves((class, traces): &(String, Vec<Trace>)) -> ClassTraces<'_> {
        let (train, test) = traces.split_at(traces.len() / 2);
        ClassTraces { class: class.clone(), train: train.iter().collect(), test: test.iter().collect() }
    }
    traces.iter().map(halves).collect()
}

fn dataset(dataset: &str, names: &[&str], flows: u32) -> Vec<(String, Vec<Trace>)> {
    names.iter().map(|class| ((*class).to_owned(), simulated_traces(dataset, class, flows, 10))).collect()
}

#[test]
fn forest_tells_operating_systems_apart_and_says_by_which_fields() {
    let traces = dataset("os", &["mac", "ubuntu", "windows"], 120);
    let found = classify(&classes(&traces), TrainedOn::Members, 10, Seed::root(1)).unwrap();
    let accuracy = value(&found.rows, UtilityMetric::Accuracy, None).unwrap();
    // a third by chance; 60 traces a class to learn from
    assert!(accuracy > 0.7, "{accuracy}");
    for row in &found.rows {
        let ((low, high), value) = (row.interval.unwrap(), row.value.unwrap());
        // never without width, also where every test trace is right
        assert!(low <= value && value <= high && high - low > 0.01 && (0.0..=1.0).contains(&low), "{row:?}");
    }
    let sum: f64 = found.importances.iter().map(|row| row.importance).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    assert_eq!(found.importances.len(), 15 * 10, "15 fields, 10 positions");
    let again = classify(&classes(&traces), TrainedOn::Members, 10, Seed::root(1)).unwrap();
    assert_eq!(found, again);
    let floor = guess_majority(&classes(&traces)).unwrap();
    let guess = value(&floor.rows, UtilityMetric::Accuracy, None).unwrap();
    assert!((guess - 1.0 / 3.0).abs() < 0.02, "{guess}");
}

#[test]
fn scores_follow_scikit_learn_where_a_class_is_never_predicted() {
    // two classes that cannot be told apart by anything but the TTL, the third one without a trace to learn from
    let base = simulated_traces("os", "mac", 1, 1).remove(0);
    let with = |ttl: u8, n: usize| -> Vec<Trace> {
        let mut trace = base.clone();
        trace.packets[0].ttl = ttl;
        vec![trace; n]
    };
    let (a, b, c) = (with(64, 8), with(128, 8), with(64, 4));
    let classes = [
        ClassTraces { class: "a".to_owned(), train: a.iter().collect(), test: a.iter().collect() },
        ClassTraces { class: "b".to_owned(), train: b.iter().collect(), test: b.iter().collect() },
        ClassTraces { class: "c".to_owned(), train: Vec::new(), test: c.iter().collect() },
    ];
    let rows = classify(&classes, TrainedOn::Synthetic, 1, Seed::root(1)).unwrap().rows;
    // c is taken for a: 16 of 20 right; precision of a 8/12, recall 1, F1 0.8; c has none of all
    assert_eq!(value(&rows, UtilityMetric::Accuracy, None), Some(0.8));
    assert_eq!(value(&rows, UtilityMetric::Precision, Some("a")), Some(8.0 / 12.0));
    assert_eq!(value(&rows, UtilityMetric::F1, Some("a")), Some(0.8));
    assert_eq!(value(&rows, UtilityMetric::F1, Some("b")), Some(1.0));
    assert_eq!(value(&rows, UtilityMetric::F1, Some("c")), Some(0.0));
    let macro_f1 = value(&rows, UtilityMetric::MacroF1, None).unwrap();
    assert!((macro_f1 - 0.6).abs() < ROUNDING, "{macro_f1}");
    let nothing: Vec<ClassTraces<'_>> =
        classes.iter().map(|class| ClassTraces { train: Vec::new(), ..class.clone() }).collect();
    let rows = classify(&nothing, TrainedOn::Synthetic, 1, Seed::root(1)).unwrap().rows;
    assert!(rows.iter().all(|row| row.value.is_none()), "nothing to learn from is no score of 0");
}

#[test]
fn windows_are_whole_for_long_traces_and_padded_in_front_for_short_ones() {
    let lengths: Vec<f32> = (1..=12).map(|length| length as f32).collect();
    let whole = windows(Windows::Whole, &lengths);
    assert_eq!(whole.len(), 2);
    assert_eq!((whole[0].0[0], whole[0].1, whole[1].1), (1.0, 11.0, 12.0));
    let padded = windows(Windows::Padded, &lengths[..3]);
    assert_eq!(
        padded,
        vec![([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 2.0), {
            ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0], 3.0)
        }]
    );
    assert!(windows(Windows::Whole, &lengths[..10]).is_empty());
    let (short, long) = (simulated_traces("os", "mac", 20, 10), simulated_traces("os", "mac", 20, 30));
    assert_eq!(Windows::fitting(&short.iter().collect::<Vec<_>>()), Windows::Padded);
    assert_eq!(Windows::fitting(&long.iter().collect::<Vec<_>>()), Windows::Whole);
}

type Window = ([f32; WINDOW], f32);

/// The reference's series: whole windows per trace, of the training and of the test traces.
fn series() -> (Vec<Vec<Window>>, Vec<Vec<Window>>) {
    let text = std::fs::read_to_string(fixture("conformance/nbeats_series.csv")).unwrap();
    let mut sides = std::collections::BTreeMap::<(String, u32), Vec<f32>>::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        sides.entry((cells[0].to_owned(), cells[1].parse().unwrap())).or_default().push(cells[3].parse().unwrap());
    }
    let of = |side: &str| {
        let traces = sides.iter().filter(|((found, _), _)| found == side);
        traces.map(|(_, lengths)| windows(Windows::Whole, lengths)).collect::<Vec<_>>()
    };
    (of("train"), of("test"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    (values[values.len() / 2] + values[(values.len() - 1) / 2]) / 2.0
}

#[test]
fn guessing_the_last_length_or_the_mean_has_the_errors_of_the_reference() {
    let (_, test) = series();
    assert_eq!(test.len(), 100);
    let naive = &json("nbeats.json")["naive"];
    let last: Vec<f32> = test.iter().flatten().map(|(window, _)| window[WINDOW - 1]).collect();
    let found = median(mean_absolute_errors(&test, &last));
    assert!((found - naive["last_value_median_mae"].as_f64().unwrap()).abs() < 1e-9, "{found}");
    let mean: Vec<f32> = test.iter().flatten().map(|(window, _)| window.iter().sum::<f32>() / 10.0).collect();
    let found = median(mean_absolute_errors(&test, &mean));
    // means in single precision
    assert!((found - naive["window_mean_median_mae"].as_f64().unwrap()).abs() < 1e-3, "{found}");
}

#[test]
fn guesses_of_the_last_length_are_tested_on_at_most_a_hundred_traces_that_have_windows() {
    let traces = simulated_traces("os", "windows", 150, 10);
    let rows = guess_last_value(Windows::Padded, "windows", &traces.iter().collect::<Vec<_>>());
    assert_eq!(rows[0].n_test, 100);
    assert!(rows[0].value.unwrap() > 0.0);
    let none = guess_last_value(Windows::Whole, "windows", &traces.iter().collect::<Vec<_>>());
    assert_eq!((none[0].value, none[0].n_test), (None, 0));
}

#[cfg(feature = "torch")]
mod forecaster {
    use super::{WINDOW, Window, fixture, json, mean_absolute_errors, median, series};
    use syntrace::base::Seed;
    use syntrace::nn::tensor_from_view;
    use syntrace::utility::{ForecastOptions, Nbeats, NbeatsShape, Series, train_forecasters};
    use tch::{Kind, Tensor};

    /// Tolerances of nbeats.json for a run in double precision.
    const RELATIVE: f64 = 1e-9;
    const ABSOLUTE: f64 = 1e-11;

    fn shape(case: &serde_json::Value) -> NbeatsShape {
        let of = |key: &str| case["config"][key].as_u64().unwrap() as usize;
        NbeatsShape {
            stacks: of("num_stacks"),
            blocks: of("num_blocks"),
            layers: of("num_layers"),
            width: of("layer_widths"),
            coefficients: of("expansion_coefficient_dim"),
            horizon: case["output_chunk_length"].as_u64().unwrap() as usize,
        }
    }

    fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
        assert_eq!(found.size(), expected.size(), "{what}");
        let excess = (found - expected).abs() - expected.abs() * RELATIVE;
        let worst = excess.max().double_value(&[]);
        assert!(worst <= ABSOLUTE, "{what}: {worst}");
    }

    #[test]
    fn forecasts_losses_and_gradients_equal_darts() {
        for case in json("nbeats.json")["forward"].as_array().unwrap() {
            let name = case["case"].as_str().unwrap();
            let file = std::fs::read(fixture(&format!("conformance/{}", case["file"].as_str().unwrap()))).unwrap();
            let file = safetensors::SafeTensors::deserialize(&file).unwrap();
            let tensor = |name: &str| tensor_from_view(&file.tensor(name).unwrap()).unwrap().to_kind(Kind::Double);
            // two models of the same weights: the second must do as the first
            let network = Nbeats::new(shape(case), &[Seed::root(1), Seed::root(2)], Kind::Double).unwrap();
            for (name, value) in network.state() {
                tch::no_grad(|| value.shallow_clone().copy_(&tensor(&format!("param.{name}"))));
            }
            let both = |tensor: Tensor| Tensor::stack(&[&tensor, &tensor], 0);
            let windows = both(tensor("x"));
            let targets = both(tensor("y").view([6, -1]));
            for model in 0..2 {
                let forecast = network.forecast(&windows).unwrap().get(model);
                assert_close(&forecast.view_as(&tensor("forecast")), &tensor("forecast"), name);
            }
            // With one value ahead the reference's loss took forecasts [6] from targets [6, 1]: all 36
            // pairs. Loss and gradients are those of all pairs here as well; with three values they are
            // the plain ones.
            let (windows, targets) = match targets.size()[2] {
                1 => (windows.repeat([1, 6, 1]), targets.repeat_interleave_self_int(6, 1, None)),
                _ => (windows, targets),
            };
            let weights = targets.ones_like().narrow(2, 0, 1) / (targets.size()[1] * targets.size()[2]) as f64;
            let losses = network.losses(&windows, &targets, &weights).unwrap();
            assert_close(&losses.get(1).view(1), &tensor("loss"), name);
            let gradient = network.gradient(&losses).unwrap();
            let mut start = 0;
            for (parameter, value) in network.state() {
                let count: i64 = value.size()[1..].iter().product();
                let part = gradient.get(1).narrow(0, start, count);
                start += count;
                match file.tensor(&format!("grad.{parameter}")) {
                    Ok(view) => {
                        let expected = tensor_from_view(&view).unwrap().view(-1);
                        assert_close(&part, &expected, &format!("{name}: {parameter}"));
                    }
                    Err(_) => assert_eq!(part.abs().max().double_value(&[]), 0.0, "{parameter} is out of reach"),
                }
            }
        }
    }

    #[test]
    fn the_standard_network_has_as_many_parameters_as_darts() {
        let expected = json("nbeats.json")["default_parameter_count"].as_u64().unwrap();
        assert_eq!(NbeatsShape::standard().parameters() as u64, expected);
    }

    fn trained(options: &ForecastOptions, seeds: &[u64]) -> (Vec<f64>, Vec<f64>) {
        let (train, test) = series();
        let windows: Vec<Window> = train.into_iter().flatten().collect();
        let series: Vec<Series> =
            seeds.iter().map(|&seed| Series { windows: windows.clone(), seed: Seed::root(seed) }).collect();
        let (network, losses) = train_forecasters(options, &series).unwrap();
        let inputs: Vec<[f32; WINDOW]> = test.iter().flatten().map(|(window, _)| *window).collect();
        let error =
            |model: usize| median(mean_absolute_errors(&test, &network.predict(model as i64, &inputs).unwrap()));
        ((0..seeds.len()).map(error).collect(), losses.into_iter().flatten().collect())
    }

    #[test]
    fn the_small_network_learns_as_well_as_darts_and_not_depending_on_its_company() {
        let bands = json("nbeats.json");
        let band = bands["bands"].as_array().unwrap().iter().find(|band| band["seeds"] == 8).unwrap();
        let (low, high) = (band["band_one_seed"][0].as_f64().unwrap(), band["band_one_seed"][1].as_f64().unwrap());
        let (together, losses) = trained(&ForecastOptions::small(), &[1, 2]);
        assert!(together.iter().all(|error| (low..high).contains(error)), "{together:?} outside [{low}, {high}]");
        assert!(losses.iter().all(|loss| *loss > 0.0 && loss.is_finite()));
        let short = ForecastOptions { epochs: 2, ..ForecastOptions::small() };
        let (pair, _) = trained(&short, &[1, 2]);
        let (alone, _) = trained(&short, &[2]);
        // rounding of batched products of another size, through 76 steps
        assert!((pair[1] - alone[0]).abs() < 0.05, "{} against {}", pair[1], alone[0]);
    }

    /// Darts' defaults, cut after some steps: the error on what it learns from falls.
    #[test]
    fn the_network_of_the_paper_learns_in_its_first_steps() {
        let (train, _) = series();
        let windows: Vec<Window> = train.into_iter().flatten().take(320).collect();
        let inputs: Vec<[f32; WINDOW]> = windows.iter().map(|(window, _)| *window).collect();
        let error_after = |steps_max: usize| {
            let options = ForecastOptions { steps_max, ..ForecastOptions::paper() };
            let series = Series { windows: windows.clone(), seed: Seed::root(3) };
            let (network, losses) = train_forecasters(&options, &[series]).unwrap();
            assert!(losses[0].is_some_and(|loss| loss > 0.0 && loss.is_finite()), "{losses:?}");
            let predicted = network.predict(0, &inputs).unwrap();
            let errors = windows.iter().zip(predicted).map(|((_, value), guess)| f64::from((value - guess).abs()));
            errors.sum::<f64>() / windows.len() as f64
        };
        let (first, later) = (error_after(1), error_after(30));
        assert!(later < 0.9 * first, "{later} after 30 steps, {first} after one");
    }

    #[test]
    fn a_class_without_windows_has_no_error_and_does_not_stop_the_others() {
        let (train, _) = series();
        let full = Series { windows: train.into_iter().flatten().take(64).collect(), seed: Seed::root(1) };
        let empty = Series { windows: Vec::new(), seed: Seed::root(2) };
        let options = ForecastOptions { epochs: 1, ..ForecastOptions::small() };
        let (network, losses) = train_forecasters(&options, &[empty, full]).unwrap();
        assert!(losses[0].is_none() && losses[1].is_some_and(|loss| loss > 0.0));
        assert_eq!(network.models(), 2);
    }
}
