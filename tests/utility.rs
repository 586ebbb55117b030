//! Downstream models: against Darts' N-BEATS and scikit-learn's definitions, and on planted classes.

use crate::common::{fixture, simulated_traces};
use serde_json::Value;
use syntrace::base::Seed;
use syntrace::eval::mean_over_draws;
use syntrace::record::Trace;
use syntrace::utility::{
    AugmentClass, AugmentOptions, ClassTraces, TrainedOn, UtilityMetric, UtilityRow, WINDOW, Windows, augment,
    classify, guess_last_value, guess_majority, mean_absolute_errors, windows,
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

/// Two classes that the TTL of their one packet tells apart in 9 of 10 traces; `synthetic` has another share.
fn by_ttl(seed: u64, right: f64, n: usize) -> [Vec<Trace>; 2] {
    use rand::RngExt;
    let base = simulated_traces("os", "mac", 1, 1).remove(0);
    let mut rng = Seed::root(seed).rng();
    [64, 128].map(|ttl: u8| {
        let one = |_| {
            let mut trace = base.clone();
            trace.packets[0].ttl = if rng.random::<f64>() < right { ttl } else { 192 - ttl };
            trace
        };
        (0..n).map(one).collect()
    })
}

fn augmented(synthetic: &[Vec<Trace>; 2], trained_on: TrainedOn, seed: u64) -> Vec<UtilityRow> {
    let (members, test) = (by_ttl(1, 0.75, 40), by_ttl(2, 0.9, 100));
    let class = |at: usize| AugmentClass {
        class: ["a", "b"][at].to_owned(),
        members: members[at].iter().collect(),
        synthetic: synthetic[at].iter().collect(),
        test: test[at].iter().collect(),
        draw: Seed::root(7).numbered(at as u64),
    };
    let options = AugmentOptions { shares: vec![0.05, 0.5], draws: 5, packets: 1 };
    augment(&[class(0), class(1)], trained_on, &options, Seed::root(seed)).unwrap()
}

#[test]
fn synthetic_traces_add_to_few_real_ones_what_they_are_worth() {
    let none = [Vec::new(), Vec::new()];
    let alone = augmented(&none, TrainedOn::Share, 1);
    // one row a share: 2 and 20 of 40 members of each class
    assert_eq!(alone.iter().map(|row| row.n_train).collect::<Vec<_>>(), [4, 40]);
    assert_eq!(alone.iter().map(|row| row.real_share).collect::<Vec<_>>(), [Some(0.05), Some(0.5)]);
    for row in &alone {
        let (low, high) = row.interval.unwrap();
        assert!(low < row.value.unwrap() && row.value.unwrap() < high && high <= 1.0, "{row:?}");
    }
    assert!(alone[0].value < alone[1].value, "few real traces teach less: {alone:?}");
    // by hand: 20 traces a class show which TTL is whose, whatever is drawn, and the test traces alone are uncertain
    let held_out = by_ttl(2, 0.9, 100);
    let own = |class: usize| held_out[class].iter().filter(move |trace| trace.packets[0].ttl == [64, 128][class]);
    let right = (own(0).count() + own(1).count()) as f64 / 200.0;
    let half = 1.959_964 * (right * (1.0 - right) / 199.0).sqrt();
    let (low, high) = alone[1].interval.unwrap();
    assert!((alone[1].value.unwrap() - right).abs() < 1e-12, "{right}, {alone:?}");
    assert!((low - right + half).abs() < 1e-6 && (high - right - half).abs() < 1e-6, "{half}, {alone:?}");

    let gain_of = |synthetic: &[Vec<Trace>; 2]| {
        let rows = augmented(synthetic, TrainedOn::ShareAndSynthetic, 2);
        let of = |metric| rows.iter().find(|row| row.metric == metric).unwrap().clone();
        (of(UtilityMetric::Accuracy), of(UtilityMetric::AccuracyGain))
    };
    let (good, gain) = gain_of(&by_ttl(3, 0.9, 100));
    // what a share of 5 % lacks to 0.9, which is the most that can be had
    assert!((good.value.unwrap() - 0.9).abs() < 0.05 && good.n_train == 204, "{good:?}");
    let known = good.value.unwrap() - alone[0].value.unwrap();
    assert!((gain.value.unwrap() - known).abs() < 1e-12, "{gain:?}, {known}");
    let (bad, loss) = gain_of(&by_ttl(3, 0.1, 100));
    assert!(bad.value.unwrap() < 0.2 && loss.interval.unwrap().1 < 0.0, "{bad:?}, {loss:?}");
    assert_eq!(augmented(&none, TrainedOn::Share, 3), alone, "the same seeds draw the same members");
}

#[test]
fn intervals_over_draws_are_those_of_student_and_of_the_normal_distribution() {
    // five draws whose means alone differ: 0.5 +- 2.776445 (Student's t, 4 degrees of freedom) * 0.1581139 / sqrt 5
    let draws: Vec<Vec<f64>> = [0.3, 0.4, 0.5, 0.6, 0.7].iter().map(|mean| vec![*mean; 10]).collect();
    let found = mean_over_draws(&draws, 0.95).unwrap();
    assert!((found.value - 0.5).abs() < 1e-12 && (found.high - found.value - 0.196_324).abs() < 1e-6, "{found:?}");
    // units alone: 1.959964 * sd / sqrt 4 of 0, 0, 1, 1
    let units = vec![vec![0.0, 0.0, 1.0, 1.0]; 3];
    let found = mean_over_draws(&units, 0.95).unwrap();
    assert!((found.value - found.low - 1.959_964 * (1.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-6, "{found:?}");
    assert!(mean_over_draws(&units[..1], 0.95).is_none() && mean_over_draws(&[], 0.95).is_none());
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
    use crate::common::{shared, simulated_traces};
    use std::path::Path;
    use syntrace::base::Seed;
    use syntrace::capture::{CutOptions, cut};
    use syntrace::nn::tensor_from_view;
    use syntrace::record::{Trace, TraceUnit};
    use syntrace::utility::{
        ClassTraces, ForecastOptions, Loss, Nbeats, NbeatsShape, Series, TrainedOn, UtilityMetric, Windows,
        forecast_rows, guess_last_value, train_forecasters,
    };
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
            let losses = network.losses(Loss::Squared, &windows, &targets, &weights).unwrap();
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
        let forecasters = train_forecasters(options, &series).unwrap();
        let inputs: Vec<[f32; WINDOW]> = test.iter().flatten().map(|(window, _)| *window).collect();
        let error = |model: usize| median(mean_absolute_errors(&test, &forecasters.predict(model, &inputs).unwrap()));
        ((0..seeds.len()).map(error).collect(), forecasters.losses.iter().copied().flatten().collect())
    }

    #[test]
    fn the_small_network_learns_as_well_as_darts_and_not_depending_on_its_company() {
        let bands = json("nbeats.json");
        let band = bands["bands"].as_array().unwrap().iter().find(|band| band["seeds"] == 8).unwrap();
        let (low, high) = (band["band_one_seed"][0].as_f64().unwrap(), band["band_one_seed"][1].as_f64().unwrap());
        // trained as Darts trains it
        let as_darts = ForecastOptions { shape: NbeatsShape::small(), epochs: 30, ..ForecastOptions::paper() };
        let (together, losses) = trained(&as_darts, &[1, 2]);
        assert!(together.iter().all(|error| (low..high).contains(error)), "{together:?} outside [{low}, {high}]");
        assert!(losses.iter().all(|loss| *loss > 0.0 && loss.is_finite()));
        // as the preset trains it: at least as well
        let (small, losses) = trained(&ForecastOptions::small(), &[1, 2]);
        assert!(small.iter().all(|error| *error < high), "{small:?}, Darts ends below {high}");
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
            let forecasters = train_forecasters(&options, &[series]).unwrap();
            let losses = &forecasters.losses;
            assert!(losses[0].is_some_and(|loss| loss > 0.0 && loss.is_finite()), "{losses:?}");
            let predicted = forecasters.predict(0, &inputs).unwrap();
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
        let losses = train_forecasters(&options, &[empty, full]).unwrap().losses;
        assert!(losses[0].is_none() && losses[1].is_some_and(|loss| loss > 0.0));
    }

    /// All traces of at most so many packets in the captures of a folder, in the order of their ids.
    fn captured(folder: &Path, packets: u32) -> Vec<Trace> {
        let options = CutOptions {
            dataset: "real".to_owned(),
            class: folder.to_string_lossy().into_owned(),
            unit: TraceUnit::Flow,
            trace_packets: packets,
            min_packets: 1,
        };
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
        files.sort();
        let of = |path: &std::path::PathBuf| cut(std::fs::File::open(path).unwrap(), &options).unwrap().traces;
        let mut traces: Vec<Trace> = files.iter().flat_map(of).collect();
        traces.sort_by_key(|trace| trace.trace_id);
        traces
    }

    /// Median and mean over 100 held-out traces of the mean absolute error, bytes, by class: of `small`, trained on
    /// 100 other traces, and of repeating the last length.
    fn beside_the_last_length(classes: &[(&str, Vec<Trace>)]) -> Vec<([f64; 2], [f64; 2])> {
        let real: Vec<&Trace> = classes.iter().flat_map(|(_, traces)| traces).collect();
        let kind = Windows::fitting(&real);
        let split = |(class, traces): &'_ (&str, Vec<Trace>)| {
            let (train, test) = (&traces[..100], &traces[100..traces.len().min(200)]);
            ((*class).to_owned(), train.to_vec(), test.to_vec())
        };
        let split: Vec<(String, Vec<Trace>, Vec<Trace>)> = classes.iter().map(split).collect();
        let learnt: Vec<ClassTraces<'_>> = split
            .iter()
            .map(|(class, train, test)| ClassTraces {
                class: class.clone(),
                train: train.iter().collect(),
                test: test.iter().collect(),
            })
            .collect();
        let small = ForecastOptions::small();
        let rows = forecast_rows(&small, kind, TrainedOn::Members, &learnt, Seed::root(1)).unwrap();
        let measures = [UtilityMetric::MedianMae, UtilityMetric::MeanMae];
        let of = |class: &ClassTraces<'_>| {
            let guess = guess_last_value(kind, &class.class, &class.test);
            let both = measures.map(|metric| {
                let value = |rows: &[_]| super::value(rows, metric, Some(&class.class)).unwrap();
                (value(&rows), value(&guess))
            });
            (both.map(|(learnt, _)| learnt), both.map(|(_, guess)| guess))
        };
        learnt.iter().map(of).collect()
    }

    /// Geometric means over classes of the ratio of two errors, of the learnt to the guessed: first of the median
    /// errors, then of the mean errors.
    fn ratios(errors: &[([f64; 2], [f64; 2])]) -> [f64; 2] {
        [0, 1].map(|at| {
            let logs = errors.iter().map(|(learnt, guess)| (learnt[at].max(1.0) / guess[at].max(1.0)).ln());
            (logs.sum::<f64>() / errors.len() as f64).exp()
        })
    }

    #[test]
    fn the_small_network_beats_repeating_the_last_length_on_real_traffic() {
        let test = "the_small_network_beats_repeating_the_last_length_on_real_traffic";
        let Some(traffic) = shared("traffic", test) else { return };
        for packets in [10, 30] {
            let folders = ["os/linux", "os/mac", "os/windows", "cloud/dropbox", "cloud/gdrive", "cloud/onedrive"];
            let classes = folders.map(|folder| (folder, captured(&traffic.join(folder), packets)));
            let errors = beside_the_last_length(&classes);
            let [medians, means] = ratios(&errors);
            println!("{packets} packets: medians {medians:.3}, means {means:.3}, {errors:.0?}");
            assert!(medians < 0.9 && means < 0.9, "{packets} packets: {medians}, {means}: {errors:?}");
            let better = errors.iter().filter(|(learnt, guess)| learnt[1] < guess[1]).count();
            assert!(better >= 5, "{packets} packets: in mean error better in {better} of 6 classes: {errors:?}");
        }
    }

    #[test]
    fn the_small_network_beats_repeating_the_last_length_on_simulated_traffic() {
        let classes = ["mac", "ubuntu", "windows"].map(|class| (class, simulated_traces("os", class, 200, 10)));
        let errors = beside_the_last_length(&classes);
        println!("{errors:.0?}");
        assert!(errors.iter().all(|(learnt, guess)| learnt[0] < guess[0] && learnt[1] < guess[1]), "{errors:?}");
    }
}
