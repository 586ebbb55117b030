//! The random forest against scikit-learn's bands, and what must hold of any forest.

use crate::common;
use safetensors::SafeTensors;
use syntrace::base::Seed;
use syntrace::forest::{FeatureShare, Forest, ForestOptions};

/// One of the reference data sets.
struct Data {
    width: usize,
    train: (Vec<f32>, Vec<usize>),
    test: (Vec<f32>, Vec<usize>),
}

fn data(name: &str) -> Data {
    let bytes = std::fs::read(common::fixture(&format!("conformance/rf_{name}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let x = file.tensor("x").unwrap();
    let width = x.shape()[1];
    let x: Vec<f32> = x.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let (y, train) = (file.tensor("y").unwrap(), file.tensor("train").unwrap());
    let part = |wanted: u8| {
        let rows = || (0..y.data().len()).filter(|row| train.data()[*row] == wanted);
        let values = rows().flat_map(|row| x[row * width..(row + 1) * width].to_vec()).collect();
        (values, rows().map(|row| usize::from(y.data()[row])).collect())
    };
    Data { width, train: part(1), test: part(0) }
}

fn fit(data: &Data, options: &ForestOptions, seed: u64) -> Forest {
    Forest::fit(&data.train.0, data.width, &data.train.1, 3, options, Seed::root(seed)).unwrap()
}

fn accuracy(forest: &Forest, (x, y): &(Vec<f32>, Vec<usize>)) -> f64 {
    let guessed = forest.predict(x).unwrap();
    guessed.iter().zip(y).filter(|(guess, label)| guess == label).count() as f64 / y.len() as f64
}

/// Trees of the same data are as deep as the reference's to within this: 4 deviations of the mean over
/// 100 trees whose depths deviate by about 2.5.
const DEPTH_TOLERANCE: f64 = 1.0;

#[test]
fn accuracy_depth_and_importances_agree_with_the_reference() {
    let bands: serde_json::Value =
        serde_json::from_slice(&std::fs::read(common::fixture("conformance/rf.json")).unwrap()).unwrap();
    for case in bands["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let data = data(name);
        let band = |key: &str| (case[key][0].as_f64().unwrap(), case[key][1].as_f64().unwrap());
        let forests: Vec<Forest> = (0..10).map(|seed| fit(&data, &ForestOptions::standard(), seed)).collect();
        let found: Vec<f64> = forests.iter().map(|forest| accuracy(forest, &data.test)).collect();
        let (low, high) = band("band_for_one_seed");
        assert!(found.iter().all(|one| low <= *one && *one <= high), "{name}: {found:?} outside [{low}, {high}]");
        let (low, high) = band("band_for_mean_of_10_seeds");
        let mean = found.iter().sum::<f64>() / 10.0;
        assert!(low <= mean && mean <= high, "{name}: mean {mean} outside [{low}, {high}]");
        let depth = forests.iter().map(Forest::mean_depth).sum::<f64>() / 10.0;
        let expected = case["mean_tree_depth"].as_f64().unwrap();
        assert!((depth - expected).abs() < DEPTH_TOLERANCE, "{name}: depth {depth}, reference {expected}");
        let first = case["top5_features"][0].as_u64().unwrap() as usize;
        let importances = forests[0].importances();
        assert!((importances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        if name != "noise" {
            let rank = importances.iter().filter(|other| **other > importances[first]).count();
            assert!(rank < 3, "{name}: the reference's first feature is number {rank} here");
        }
    }
}

#[test]
fn a_forest_depends_on_its_seed_and_not_on_threads() {
    let data = data("hard");
    let options = ForestOptions { trees: 12, ..ForestOptions::standard() };
    let one = fit(&data, &options, 3);
    assert_eq!(one, fit(&data, &options, 3));
    assert_ne!(one, fit(&data, &options, 4));
    let longer = fit(&data, &ForestOptions { trees: 13, ..options }, 3);
    assert_ne!(one, longer);
}

#[test]
fn one_full_tree_reproduces_its_training_labels_and_respects_limits() {
    let data = data("hard");
    let full = ForestOptions { trees: 1, bootstrap: false, features: FeatureShare::All, ..ForestOptions::standard() };
    assert_eq!(accuracy(&fit(&data, &full, 1), &data.train), 1.0);
    let stump = fit(&data, &ForestOptions { depth_max: Some(1), ..full.clone() }, 1);
    assert_eq!(stump.mean_depth(), 1.0);
    assert_eq!(stump.importances().iter().filter(|share| **share > 0.0).count(), 1);
    let leafy = ForestOptions { least_leaf_rows: 100, ..full };
    let shares = fit(&data, &leafy, 1).predict_proba(&data.train.0).unwrap();
    assert!(shares.chunks(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-6));
    assert!(shares.iter().all(|share| *share < 1.0), "a leaf of 100 rows of noise is never pure");
}

#[test]
fn monotone_rescaling_of_a_feature_changes_no_training_guess() {
    let data = data("hard");
    let options = ForestOptions { trees: 10, ..ForestOptions::standard() };
    let scaled = Data {
        width: data.width,
        // a power of two keeps every comparison and every midpoint exact
        train: (data.train.0.iter().map(|value| value / 1024.0).collect(), data.train.1.clone()),
        test: (data.test.0.iter().map(|value| value / 1024.0).collect(), data.test.1.clone()),
    };
    let (plain, small) = (fit(&data, &options, 1), fit(&scaled, &options, 1));
    assert_eq!(plain.predict_proba(&data.test.0).unwrap(), small.predict_proba(&scaled.test.0).unwrap());
}

#[test]
fn unusable_input_of_a_forest_is_refused_with_its_place() {
    let options = ForestOptions::standard();
    let fit = |x: &[f32], labels: &[usize]| Forest::fit(x, 2, labels, 2, &options, Seed::root(1));
    let refused = |x: &[f32], labels: &[usize]| fit(x, labels).unwrap_err().to_string();
    assert!(refused(&[1.0, 2.0, f32::NAN, 1.0], &[0, 1]).contains("found `NaN` in row `1`, feature `0`"));
    assert!(refused(&[1.0, 2.0, 3.0], &[0]).contains("found `3` values for rows of `2`"));
    assert!(refused(&[1.0, 2.0], &[0, 1]).contains("one label for each of `1` rows"));
    assert!(refused(&[1.0, 2.0], &[2]).contains("labels below `2`, found `2`"));
    let same = fit(&[1.0, 2.0, 1.0, 2.0], &[0, 1]).unwrap();
    assert_eq!(same.importances(), [0.0, 0.0]);
    let shares = same.predict_proba(&[5.0, 5.0]).unwrap();
    assert!((shares[0] - 0.5).abs() < 0.2, "equal rows: about half each, found {shares:?}");
}
