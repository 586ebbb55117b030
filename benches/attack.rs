//! Seconds of the two attack learners that have a peer: the one-class SVM on 17,500 points (the members
//! of ten paper-sized shadows' training share) and the forest on 3,000 rows of 150 features.
//!
//! Expected cost: the SVM computes 8,750 kernel rows for its first gradient (153 million exponentials, on
//! all cores), then two passes of 17,500 numbers and up to two kernel rows per iteration. A forest's tree
//! looks at 12 features a node, each counted or sorted once over the node's rows.
//! Peers: `sklearn.svm.OneClassSVM().fit`, `sklearn.ensemble.RandomForestClassifier(n_jobs=2).fit`.

use rand::Rng;
use std::time::Instant;
use syntrace::attack::{OneClass, Points, SolverOptions};
use syntrace::base::{Seed, StreamRng};
use syntrace::forest::{Forest, ForestOptions};

const POINTS: usize = 17_500;
const WIDTHS: [usize; 3] = [1, 4, 58];
const ROWS: usize = 3_000;
const FEATURES: usize = 150;
const REPEATS: usize = 3;

fn normal(rng: &mut StreamRng) -> f64 {
    // Sum of 12 uniforms minus 6: mean 0, variance 1 (Irwin-Hall).
    (0..12).map(|_| f64::from(rng.next_u32()) / 4_294_967_296.0).sum::<f64>() - 6.0
}

fn one_class(width: usize, iterations_max: Option<u64>) {
    let mut rng = Seed::root(1).rng();
    let points = Points::new((0..POINTS * width).map(|_| normal(&mut rng)).collect(), width);
    let options = SolverOptions { nu: 0.5, tolerance: 1e-3, iterations_max };
    let start = Instant::now();
    let machine = OneClass::fit(&points, points.scale_gamma(), &options).expect("it converges");
    assert!(machine.support_len() >= POINTS / 2, "nu is a lower bound of the share of support vectors");
    let seconds = start.elapsed().as_secs_f64();
    println!("one-class SVM {POINTS} x {width}: {seconds:.2} s, {} iterations", machine.iterations);
}

fn forest() {
    let mut rng = Seed::root(2).rng();
    let x: Vec<f32> = (0..ROWS * FEATURES).map(|_| normal(&mut rng) as f32).collect();
    let label = |row: &[f32], rng: &mut StreamRng| usize::from(row[..5].iter().sum::<f32>() + normal(rng) as f32 > 0.0);
    let y: Vec<usize> = x.chunks(FEATURES).map(|row| label(row, &mut rng)).collect();
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            let forest = Forest::fit(&x, FEATURES, &y, 2, &ForestOptions::standard(), Seed::root(1)).expect("it grows");
            assert!(forest.importances()[0] > forest.importances()[FEATURES - 1]);
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("forest {ROWS} x {FEATURES}: {:.2} s (median of {REPEATS})", seconds[REPEATS / 2]);
}

fn main() {
    for width in WIDTHS {
        one_class(width, Some(1_000));
        one_class(width, None);
    }
    forest();
}
