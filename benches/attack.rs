//! Seconds of the two attack learners that have a peer, beside that peer on the same arrays in the same run:
//! the one-class SVM on 17,500 points (the members of ten paper-sized shadows' training share) and the forest
//! on 3,000 rows of 150 features.
//!
//! Expected cost: the SVM computes three quarters of 8,750 kernel rows for its first gradient (symmetry gives
//! the rest; 115 million exponentials, on all cores), then two passes of 17,500 numbers and up to two kernel rows
//! per iteration, on one. Its peer computes all rows and calls BLAS for each product. A forest's tree
//! looks at 12 features a node, each counted or sorted once over the node's rows.
//! Peers: `sklearn.svm.OneClassSVM().fit` (one thread: it has no more), `RandomForestClassifier(n_jobs=2).fit`;
//! without Python with scikit-learn their column is left out, and the bench says so.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench ends where its expectation does not hold, and prints what it measured"
)]

/// As in the program: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use rand::Rng;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use syntrace::attack::{OneClass, Points, SolverOptions};
use syntrace::base::{Seed, StreamRng};
use syntrace::forest::{Forest, ForestOptions};

const POINTS: usize = 17_500;
const WIDTHS: [usize; 3] = [1, 4, 58];
const ROWS: usize = 3_000;
const FEATURES: usize = 150;
const REPEATS: usize = 3;

/// Prints the seconds of a fit: arguments are what, the file of numbers, the width, and the iterations or the
/// file of labels.
const PEER: &str = r#"
import sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
what, path, width, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
if what == "svm":
    from sklearn.svm import OneClassSVM
    x = np.fromfile(path).reshape(-1, width)
    model = OneClassSVM(max_iter=int(last), cache_size=256)
    fit = lambda: model.fit(x)
else:
    from sklearn.ensemble import RandomForestClassifier
    x, y = np.fromfile(path, dtype=np.float32).reshape(-1, width), np.fromfile(last, dtype=np.uint8)
    fit = lambda: RandomForestClassifier(n_jobs=2, random_state=1).fit(x, y)
start = time.perf_counter()
fit()
print(time.perf_counter() - start)
"#;

fn normal(rng: &mut StreamRng) -> f64 {
    // Sum of 12 uniforms minus 6: mean 0, variance 1 (Irwin-Hall).
    (0..12).map(|_| f64::from(rng.next_u32()) / 4_294_967_296.0).sum::<f64>() - 6.0
}

/// Seconds of the peer's fit, where there is one.
fn peer(what: &str, numbers: &Path, width: usize, last: &str) -> Option<f64> {
    let output = Command::new("python3")
        .args(["-c", PEER, what])
        .arg(numbers)
        .args([width.to_string().as_str(), last])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn report(what: &str, ours: f64, peer: Option<f64>) {
    match peer {
        Some(peer) => println!("{what}: {ours:.2} s, scikit-learn {peer:.2} s, ratio {:.2}", ours / peer),
        None => println!("{what}: {ours:.2} s (no Python with scikit-learn here to compare with)"),
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn one_class(folder: &Path, width: usize, iterations_max: Option<u64>) {
    let mut rng = Seed::root(1).rng();
    let values: Vec<f64> = (0..POINTS * width).map(|_| normal(&mut rng)).collect();
    let file = folder.join("points");
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    std::fs::write(&file, bytes).expect("a temporary file");
    let points = Points::new(values, width);
    let options = SolverOptions { nu: 0.5, tolerance: 1e-3, iterations_max };
    let start = Instant::now();
    let machine = OneClass::fit(&points, points.scale_gamma(), &options).expect("it converges");
    let ours = start.elapsed().as_secs_f64();
    assert!(machine.support_len() >= POINTS / 2, "nu is a lower bound of the share of support vectors");
    let limit = iterations_max.map_or("-1".to_owned(), |most| most.to_string());
    let what = format!("one-class SVM {POINTS} x {width}, {} iterations", machine.iterations);
    report(&what, ours, peer("svm", &file, width, &limit));
}

fn forest(folder: &Path) {
    let mut rng = Seed::root(2).rng();
    let x: Vec<f32> = (0..ROWS * FEATURES).map(|_| normal(&mut rng) as f32).collect();
    let label = |row: &[f32], rng: &mut StreamRng| usize::from(row[..5].iter().sum::<f32>() + normal(rng) as f32 > 0.0);
    let y: Vec<usize> = x.chunks(FEATURES).map(|row| label(row, &mut rng)).collect();
    let (numbers, labels) = (folder.join("x"), folder.join("y"));
    let bytes: Vec<u8> = x.iter().flat_map(|value| value.to_ne_bytes()).collect();
    std::fs::write(&numbers, bytes).expect("a temporary file");
    std::fs::write(&labels, y.iter().map(|&label| label as u8).collect::<Vec<u8>>()).expect("a temporary file");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let start = Instant::now();
        let forest = Forest::fit(&x, FEATURES, &y, 2, &ForestOptions::standard(), Seed::root(1)).expect("it grows");
        assert!(forest.importances()[0] > forest.importances()[FEATURES - 1]);
        ours.push(start.elapsed().as_secs_f64());
        theirs.extend(peer("forest", &numbers, FEATURES, &labels.to_string_lossy()));
    }
    let theirs = (theirs.len() == REPEATS).then(|| median(theirs));
    report(&format!("forest {ROWS} x {FEATURES}, median of {REPEATS}"), median(ours), theirs);
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for width in WIDTHS {
        one_class(folder.path(), width, Some(1_000));
        one_class(folder.path(), width, None);
    }
    forest(folder.path());
}
