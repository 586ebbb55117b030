//! Seconds of queries over a large study: opening it, answers from records, statistics, pruned scans,
//! aggregates over all rows, one packet's bytes.
//!
//! Expected cost: opening reads two pages and the tables' roots; a one-row answer from records is
//! planning alone (a few milliseconds). An aggregate over N rows reads only its columns: about 1 ns a
//! byte to decompress, 5 to 20 ns a row to group, on each core. Where the class, model or budget is
//! named, other partitions cost nothing; counts and bounds cost no body at all.
//! `SYNTRACE_BENCH_STUDY=PATH` keeps the study there for other tools.

use arrow::array::*;
use arrow::datatypes::DataType;
use rand::Rng;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use syntrace::base::{AttackId, JobId, ModelId, Seed, SplitId};
use syntrace::query::{Session, SessionOptions};
use syntrace::record::*;
use syntrace::store::schema::{ATTACK_SCORES, PACKETS, SegmentTable};
use syntrace::store::{JobResult, NewSegment, Store, StoreWriter, arrow_schema};

const CACHE: usize = 256 << 20;
const MODELS: i64 = 25;
const SCORES_PER_MODEL: i64 = 200_000;
const PACKET_SEGMENTS: i64 = 16;
const PACKETS_PER_SEGMENT: i64 = 65_536;
/// Bytes of a packet that do not compress: the file is above 1 GB.
const PACKET_BYTES: usize = 1_000;
const REPEATS: usize = 5;
const SEED: u64 = 1;

fn job(number: i64) -> JobRecord {
    JobRecord {
        job_id: JobId(number),
        kind: JobKind::Attack,
        label: String::new(),
        spec: "{}".to_owned(),
        inputs: vec![],
        seed: SEED,
        code_version: 1,
        program: "bench".to_owned(),
        started_us: 0,
        finished_us: 0,
        threads: 1,
        outputs: vec![],
    }
}

fn regime(number: i64) -> Regime {
    match number % 5 {
        0 => Regime::None,
        step => Regime::Dp { epsilon: step as f64, delta: 1e-5 },
    }
}

fn model(number: i64, class: &ClassRecord) -> ModelRecord {
    ModelRecord {
        model_id: ModelId(number),
        generator: "netssm".to_owned(),
        preset: "small".to_owned(),
        config: "{}".to_owned(),
        class_id: class.class_id,
        split_id: SplitId(1),
        role: Role::Target,
        regime: regime(number),
        train_job: JobId(1),
        noise_multiplier: None,
        sampling_rate: 0.1,
        steps: 1,
        expected_batch: 1.0,
        clip_norm: None,
        epsilon_spent: None,
        accountant: None,
        guarantee: Guarantee::None,
        epsilon_end_to_end: None,
        noise: None,
        parameters: 1,
        parameters_private: 1,
        seconds: 1.0,
        status: ModelStatus::Trained,
        weights: None,
        lineage: vec![],
    }
}

fn attack(number: i64, class: &ClassRecord) -> AttackRecord {
    let one = Interval { value: 0.5, low: 0.4, high: 0.6 };
    AttackRecord {
        attack_id: AttackId(number),
        attack: "mlp".to_owned(),
        options: "{}".to_owned(),
        attribute: "logits".to_owned(),
        evaluated_on: EvaluatedOn::Target,
        target_model: ModelId(number),
        shadow_models: vec![],
        class_id: class.class_id,
        regime: regime(number),
        job_id: JobId(1),
        n: SCORES_PER_MODEL as u64,
        n_members: SCORES_PER_MODEL as u64 / 2,
        precision: one,
        recall: one,
        fpr: one,
        auc: one,
        balanced_accuracy: one,
        tpr_at_1pct_fpr: one,
        tpr_at_0_1pct_fpr: one,
        confidence: 0.95,
        interval_method: String::new(),
    }
}

fn scores(number: i64) -> NewSegment {
    let mut rng = Seed::root(SEED).numbered(number as u64).rng();
    let members: Vec<bool> = (0..SCORES_PER_MODEL).map(|row| row % 2 == 0).collect();
    let score = |member: &bool| (rng.next_u32() >> 8) as f32 / 16_777_216.0 + if *member { 0.1 } else { 0.0 };
    let scores: Vec<f32> = members.iter().map(score).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..SCORES_PER_MODEL).map(|row| row * 7919))),
        Arc::new(Int64Array::from_iter_values((0..SCORES_PER_MODEL).map(|_| number))),
        Arc::new(BooleanArray::from(members)),
        Arc::new(Float32Array::from(scores)),
    ];
    segment(&ATTACK_SCORES, number, columns)
}

fn segment(table: &'static SegmentTable, partition: i64, columns: Vec<ArrayRef>) -> NewSegment {
    let rows = RecordBatch::try_new(arrow_schema(table), columns).expect("columns as declared");
    NewSegment { table, partition, rows }
}

/// Columns without interest hold zeros; ten packets a trace, trace ids in rising order.
fn packets(number: i64, class: &ClassRecord) -> NewSegment {
    let mut rng = Seed::root(SEED).named("packets").numbered(number as u64).rng();
    let first = number * PACKETS_PER_SEGMENT;
    let columns = PACKETS.columns.iter().map(|column| -> ArrayRef {
        match column.name {
            "trace_id" => {
                Arc::new(Int64Array::from_iter_values((0..PACKETS_PER_SEGMENT).map(|row| (first + row) / 10)))
            }
            "position" => {
                Arc::new(Int32Array::from_iter_values((0..PACKETS_PER_SEGMENT).map(|row| ((first + row) % 10) as i32)))
            }
            "ip_length" => Arc::new(Int32Array::from_iter_values(
                (0..PACKETS_PER_SEGMENT).map(|_| 40 + (rng.next_u32() % 1460) as i32),
            )),
            "data" => {
                let mut bytes = vec![0; PACKET_BYTES];
                Arc::new(BinaryArray::from_iter_values((0..PACKETS_PER_SEGMENT).map(|_| {
                    rng.fill_bytes(&mut bytes);
                    bytes.clone()
                })))
            }
            _ => match arrow_schema(&PACKETS).field_with_name(column.name).expect("declared").data_type() {
                DataType::Binary => {
                    Arc::new(BinaryArray::from_iter_values((0..PACKETS_PER_SEGMENT).map(|_| [10u8, 0, 0, 1])))
                }
                kind => {
                    let zeros = Int64Array::from_iter_values((0..PACKETS_PER_SEGMENT).map(|_| 0));
                    arrow::compute::cast(&zeros, kind).expect("an integer")
                }
            },
        }
    });
    segment(&PACKETS, class.class_id.0, columns.collect())
}

fn write(path: &Path) {
    let writer = StoreWriter::open_or_create(path, CACHE).expect("a new study");
    let class = |name: &str| ClassRecord {
        class_id: ClassRecord::id_of("os", name),
        dataset: "os".to_owned(),
        class: name.to_owned(),
        origin: Origin::Simulated,
    };
    let classes = [class("windows"), class("ubuntu")];
    for number in 0..MODELS {
        let class = &classes[number as usize % 2];
        let mut result = JobResult::new(job(number));
        result.classes = classes.to_vec();
        result.models.push(model(number, class));
        result.attacks.push(attack(number, class));
        result.segments.push(scores(number));
        writer.commit(result).expect("scores");
    }
    for number in 0..PACKET_SEGMENTS {
        let mut result = JobResult::new(job(MODELS + number));
        result.segments.push(packets(number, &classes[number as usize % 2]));
        writer.commit(result).expect("packets");
    }
}

fn session(path: &Path) -> Session {
    let store = Store::open(path, CACHE).expect("the study");
    let options = SessionOptions { memory_bytes: 1 << 30, threads: syntrace::base::thread_count() };
    Session::open(Arc::new(store.snapshot().expect("a snapshot")), options).expect("a session")
}

fn rows(session: &Session, sql: &str) -> usize {
    let answer = session.sql(sql).expect("a query");
    answer.map(|batch| batch.expect("rows").num_rows()).sum()
}

/// Prints the median time of some work.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.1} ms", seconds[REPEATS / 2] * 1e3);
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kept = std::env::var_os("SYNTRACE_BENCH_STUDY").map(std::path::PathBuf::from);
    let path = kept.unwrap_or_else(|| folder.path().join("large.redb"));
    if !path.exists() {
        write(&path);
    }
    let bytes = std::fs::metadata(&path).expect("the study").len();
    println!(
        "study of {:.2} GB, {} scores, {} packets",
        bytes as f64 / 1e9,
        MODELS * SCORES_PER_MODEL,
        PACKET_SEGMENTS * PACKETS_PER_SEGMENT
    );
    measure("open, and one row of models", || {
        assert_eq!(rows(&session(&path), "SELECT name FROM models LIMIT 1"), 1);
    });
    let session = session(&path);
    let cases = [
        ("one row of models, session open", "SELECT name FROM models LIMIT 1", 1),
        ("count(*) of packets (statistics)", "SELECT count(*) FROM packets", 1),
        (
            "average score by class, epsilon, member",
            "SELECT class, epsilon, member, avg(score) FROM attack_scores GROUP BY class, epsilon, member",
            20,
        ),
        (
            "score histogram (100 bins)",
            "SELECT floor(score * 100) AS bin, count(*) FROM attack_scores GROUP BY bin ORDER BY bin",
            110,
        ),
        ("auc by model", "SELECT model_id, auc(score, member) FROM attack_scores GROUP BY model_id", MODELS as usize),
        ("average score of one budget (pruned)", "SELECT avg(score) FROM attack_scores WHERE epsilon = 3", 1),
        ("median packet length by class", "SELECT class, median(ip_length) FROM packets GROUP BY class", 2),
        ("length entropy by class", "SELECT class, entropy_bits(ip_length) FROM packets GROUP BY class", 2),
        (
            "one packet's bytes by trace and position",
            "SELECT data FROM packets WHERE trace_id = 77777 AND position = 3",
            1,
        ),
    ];
    for (name, sql, expected) in cases {
        measure(name, || assert_eq!(rows(&session, sql), expected, "{sql}"));
    }
}
