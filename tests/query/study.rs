//! A small study made in code, with every table filled: numbers that can be checked by hand.

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
// From the module around this one: the differential test of `crates/query` makes the same study.
use super::base::{AttackId, CaptureId, ClassId, Digest, JobId, ModelId, SplitId};
use super::record::*;
use super::store::schema::*;
use super::store::{JobResult, NewObject, NewSegment, Store, StoreWriter};
use std::path::Path;
use std::sync::Arc;

pub const CACHE: usize = 16 << 20;
/// Traces of a class: half of them members.
pub const TRACES_PER_CLASS: i64 = 8;
/// Packets of a trace.
pub const PACKETS_PER_TRACE: i64 = 3;

pub const TARGET: i64 = 100;
pub const SHADOW: i64 = 101;
pub const DP_TARGET: i64 = 102;
pub const CONDITIONAL_TARGET: i64 = 103;

pub const ATTACK_TARGET: i64 = 500;
pub const ATTACK_SHADOW: i64 = 501;
pub const ATTACK_DP: i64 = 502;
pub const ATTACK_ANEW: i64 = 503;

pub fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub fn int32s(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values.into_iter().map(|value| value as i32)))
}

pub fn int16s(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int16Array::from_iter_values(values.into_iter().map(|value| value as i16)))
}

pub fn reals(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(values.into_iter().map(|value| value as f32)))
}

pub fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub fn bytes(values: impl IntoIterator<Item = Vec<u8>>) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(values))
}

pub fn flags(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(values.into_iter().map(Some)))
}

/// A segment from its arrays in the table's order.
pub fn segment(table: &'static SegmentTable, partition: i64, arrays: Vec<ArrayRef>) -> NewSegment {
    let named = table.columns.iter().map(|column| column.name).zip(arrays).map(|(name, array)| (name, array, true));
    NewSegment { table, partition, rows: RecordBatch::try_from_iter_with_nullable(named).unwrap() }
}

pub fn job(number: i64, kind: JobKind) -> JobRecord {
    JobRecord {
        job_id: JobId(number),
        kind,
        label: format!("{} {number}", kind.name()),
        spec: "{}".to_owned(),
        inputs: vec![1, 2],
        seed: 7,
        code_version: 1,
        program: "syntrace test".to_owned(),
        started_us: 1_000_000,
        finished_us: 3_500_000,
        threads: 2,
        outputs: vec![],
    }
}

pub fn class_id(class: &str) -> ClassId {
    ClassRecord::id_of("os", class)
}

/// Trace ids of a class: `windows` 1000.., `ubuntu` 2000..
pub fn trace_ids(class: &str) -> std::ops::Range<i64> {
    let first = if class == "windows" { 1000 } else { 2000 };
    first..first + TRACES_PER_CLASS
}

fn traces(class: &str) -> NewSegment {
    traces_of(class_id(class), &trace_ids(class).collect::<Vec<_>>())
}

/// Traces of a class by their ids.
pub fn traces_of(class_id: ClassId, ids: &[i64]) -> NewSegment {
    let each = |value: i64| ids.iter().map(move |_| value);
    segment(
        &TRACES,
        class_id.0,
        vec![
            ints(ids.to_vec()),
            ints(each(1)),
            ints(ids.iter().map(|id| id % 1000 * PACKETS_PER_TRACE)),
            ints(ids.iter().map(|id| id * 1_000_000)),
            ints(each(2_000)),
            int32s(each(PACKETS_PER_TRACE)),
            ints(each(5)),
            ints(each(400)),
            int32s(each(1)),
            int16s(each(6)),
            bytes(ids.iter().map(|_| vec![10, 0, 0, 1])),
            bytes(ids.iter().map(|_| vec![192, 0, 2, 80])),
            int32s(ids.iter().map(|id| 40_000 + id)),
            int32s(each(443)),
        ],
    )
}

/// Packets of some traces. The IP length of packet p of trace t is `length(t, p)`.
pub fn packets(
    table: &'static SegmentTable,
    partition: i64,
    ids: &[i64],
    length: impl Fn(i64, i64) -> i64,
) -> NewSegment {
    let rows: Vec<(i64, i64)> =
        ids.iter().flat_map(|&id| (0..PACKETS_PER_TRACE).map(move |place| (id, place))).collect();
    let each = |value: i64| rows.iter().map(move |_| value);
    let nullable = |value: i64| -> ArrayRef { int32s(rows.iter().map(move |_| value)) };
    segment(
        table,
        partition,
        vec![
            ints(rows.iter().map(|row| row.0)),
            int32s(rows.iter().map(|row| row.1)),
            int16s(rows.iter().map(|row| row.1 % 2)),
            ints(rows.iter().map(|row| row.0 * 1_000_000 + row.1 * 1_000)),
            bytes(rows.iter().map(|_| vec![10, 0, 0, 1])),
            bytes(rows.iter().map(|_| vec![192, 0, 2, 80])),
            int32s(each(40_000)),
            int32s(each(443)),
            int16s(each(6)),
            int32s(rows.iter().map(|row| length(row.0, row.1))),
            int16s(each(4)),
            int16s(each(20)),
            int16s(each(0)),
            nullable(7),
            int16s(each(2)),
            nullable(0),
            int16s(each(128)),
            nullable(999),
            int16s(each(24)),
            int32s(rows.iter().map(|row| length(row.0, row.1) - 40)),
            bytes(rows.iter().map(|row| format!("packet {} of trace {}", row.1, row.0).into_bytes())),
        ],
    )
}

fn ingest() -> JobResult {
    let mut result = JobResult::new(job(1, JobKind::Ingest));
    for (class, origin) in [("windows", Origin::Captured), ("ubuntu", Origin::Simulated)] {
        result.classes.push(ClassRecord {
            class_id: class_id(class),
            dataset: "os".to_owned(),
            class: class.to_owned(),
            origin,
        });
        let ids: Vec<i64> = trace_ids(class).collect();
        result.segments.push(traces(class));
        // windows: 40, 50, 60 in every trace; ubuntu: 40, 60, 80
        let step = if class == "windows" { 10 } else { 20 };
        result.segments.push(packets(&PACKETS, class_id(class).0, &ids, |_, place| 40 + step * place));
        result.segments.push(segment(
            &ENCODINGS,
            class_id(class).0,
            vec![
                ints(ids.clone()),
                texts(ids.iter().map(|_| "tokens")),
                int32s(ids.iter().map(|_| 3)),
                int32s(ids.iter().map(|_| 64)),
                bytes(ids.iter().map(|_| vec![0; 16])),
            ],
        ));
    }
    result.captures.push(CaptureRecord {
        capture_id: CaptureId(1),
        digest: Digest::of(b"capture").0,
        name: "office.pcap".to_owned(),
        bytes: 4096,
        format: "pcap".to_owned(),
        link_types: vec![1, 101],
        packets: 60,
        first_us: 1_000_000,
        last_us: 9_000_000,
        kept: true,
        damage: Some(Damage { offset: 4000, reason: "record cut off".to_owned() }),
    });
    result.ingests.push(IngestRecord {
        class_id: class_id("windows"),
        capture_id: CaptureId(1),
        job_id: JobId(1),
        unit: "flow".to_owned(),
        trace_packets: 3,
        traces: 8,
        packets: 24,
        drops: vec![
            DropCount { reason: DropReason::NotIp, packets: 5, first_packet: 0, example: "ARP".to_owned() },
            DropCount { reason: DropReason::BeyondTraceLength, packets: 9, first_packet: 3, example: String::new() },
        ],
    });
    result.objects.push(NewObject { kind: "capture", bytes: b"capture".to_vec() });
    result
}

fn split(number: i64, role: Role, class: &str) -> JobResult {
    let mut result = JobResult::new(job(number, JobKind::Split));
    result.splits.push(SplitRecord {
        split_id: SplitId(number),
        class_id: class_id(class),
        role,
        members: 4,
        held_out: 4,
        pool_digest: [1; 32],
    });
    let ids: Vec<i64> = trace_ids(class).collect();
    let parts = ids.iter().map(|id| if id % 2 == 0 { "member" } else { "held_out" });
    result.segments.push(segment(&SPLIT_TRACES, number, vec![ints(ids.clone()), texts(parts)]));
    result
}

pub fn model(id: i64, class: &str, split: i64, role: Role, regime: Regime, guarantee: Guarantee) -> ModelRecord {
    let is_private = regime.epsilon().is_some();
    ModelRecord {
        model_id: ModelId(id),
        generator: "netssm".to_owned(),
        preset: "small".to_owned(),
        config: "{\"width\":32}".to_owned(),
        class_id: class_id(class),
        split_id: SplitId(split),
        role,
        regime,
        train_job: JobId(20),
        noise_multiplier: is_private.then_some(1.1),
        sampling_rate: 0.25,
        steps: 40,
        expected_batch: 1.0,
        clip_norm: is_private.then_some(1.0),
        epsilon_spent: regime.epsilon().map(|epsilon| epsilon * 0.99),
        accountant: is_private.then(|| "rdp".to_owned()),
        guarantee,
        epsilon_end_to_end: if guarantee == Guarantee::EndToEnd { regime.epsilon() } else { None },
        noise: is_private.then(|| "system".to_owned()),
        parameters: 12_345,
        parameters_private: 12_345,
        seconds: 1.5,
        status: if role == Role::Target { ModelStatus::Trained } else { ModelStatus::Diverged { step: 3 } },
        weights: Some([2; 32]),
        lineage: vec![
            LineageEdge {
                kind: LineageKind::TrainingTraces,
                source_id: split,
                description: "members of the split".to_owned(),
                through_mechanism: is_private,
                saw_private: true,
            },
            LineageEdge {
                kind: LineageKind::RandomInitialisation,
                source_id: 0,
                description: "random weights".to_owned(),
                through_mechanism: true,
                saw_private: false,
            },
        ],
    }
}

fn epochs(id: i64, gap: f64) -> NewSegment {
    segment(
        &EPOCHS,
        id,
        vec![
            int32s(0..2),
            ints([4, 8]),
            reals([2.0, 1.0]),
            reals([2.0, 1.0]),
            reals([2.0 + gap, 1.0 + 2.0 * gap]),
            reals([0.5, 0.4]),
            Arc::new(Float64Array::from(vec![None, Some(0.5)])),
            ints([4, 4]),
            reals([0.1, 0.1]),
        ],
    )
}

fn train() -> JobResult {
    let mut result = JobResult::new(job(20, JobKind::Train));
    result.job.spec = r#"{"family":"netssm"}"#.to_owned();
    let dp = |epsilon| Regime::Dp { epsilon, delta: 1e-5 };
    result.models = vec![
        model(TARGET, "windows", 10, Role::Target, Regime::None, Guarantee::None),
        model(SHADOW, "windows", 11, Role::Shadow(0), Regime::None, Guarantee::None),
        model(DP_TARGET, "windows", 10, Role::Target, dp(4.0), Guarantee::EndToEnd),
        model(CONDITIONAL_TARGET, "ubuntu", 12, Role::Target, dp(0.5), Guarantee::Conditional),
    ];
    for (id, gap) in [(TARGET, 0.5), (SHADOW, 0.3), (DP_TARGET, 0.0), (CONDITIONAL_TARGET, 0.0)] {
        result.segments.push(epochs(id, gap));
    }
    for (id, epsilon) in [(DP_TARGET, 4.0), (CONDITIONAL_TARGET, 0.5)] {
        result.segments.push(segment(
            &PRIVACY_LEDGER,
            id,
            vec![
                int32s([0]),
                texts(["training"]),
                texts(["poisson_subsampled_gaussian"]),
                reals([0.25]),
                reals([1.1]),
                reals([1.0]),
                ints([40]),
                reals([epsilon * 0.99]),
                reals([1e-5]),
                texts(["add or remove one trace"]),
                reals([epsilon * 1.1]),
                reals([epsilon * 0.99]),
            ],
        ));
    }
    result.objects.push(NewObject { kind: "weights", bytes: vec![3; 5000] });
    result
}

/// Attribute values of trace t: [t, t + 1, t + 2]; members are the even traces.
fn attributes(id: i64, class: &str) -> NewSegment {
    attributes_in(&ATTRIBUTES, id, class)
}

fn attributes_in(table: &'static SegmentTable, id: i64, class: &str) -> NewSegment {
    let ids: Vec<i64> = trace_ids(class).collect();
    let values = floats(ids.iter().flat_map(|&id| [id, id + 1, id + 2]).map(|value| value as f64));
    let offsets = OffsetBuffer::from_lengths(ids.iter().map(|_| 3));
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    segment(
        table,
        id,
        vec![
            ints(ids.clone()),
            flags(ids.iter().map(|id| id % 2 == 0)),
            texts(ids.iter().map(|_| "logits")),
            floats(ids.iter().map(|id| if id % 2 == 0 { 1.0 } else { 2.0 })),
            Arc::new(ListArray::new(item, offsets, values, None)),
        ],
    )
}

fn interval(value: f64) -> Interval {
    Interval { value, low: value - 0.1, high: value + 0.1 }
}

pub fn attack_record(id: i64, side: EvaluatedOn, target: i64, regime: Regime, auc: f64) -> AttackRecord {
    AttackRecord {
        attack_id: AttackId(id),
        attack: "mlp".to_owned(),
        options: "{}".to_owned(),
        attribute: "logits".to_owned(),
        evaluated_on: side,
        target_model: ModelId(target),
        shadow_models: vec![ModelId(SHADOW)],
        class_id: class_id("windows"),
        regime,
        job_id: JobId(30),
        n: TRACES_PER_CLASS as u64,
        n_members: TRACES_PER_CLASS as u64 / 2,
        precision: if auc > 0.5 { interval(0.8) } else { Interval { value: f64::NAN, low: 0.0, high: 1.0 } },
        recall: interval(0.75),
        fpr: interval(0.2),
        auc: interval(auc),
        balanced_accuracy: interval(0.775),
        tpr_at_1pct_fpr: interval(0.25),
        tpr_at_0_1pct_fpr: interval(0.25),
        confidence: 0.95,
        interval_method: "bootstrap".to_owned(),
        converged: None,
    }
}

/// Scores of eight traces: all four members above all held-out traces (AUC 1), or the other way round.
fn scores(id: i64, model: i64, leaks: bool) -> [NewSegment; 2] {
    let ids: Vec<i64> = trace_ids("windows").collect();
    let score = |id: &i64| if (id % 2 == 0) == leaks { 0.9 - (id % 10) as f64 / 100.0 } else { 0.1 };
    let rows = vec![
        ints(ids.clone()),
        ints(ids.iter().map(|_| model)),
        flags(ids.iter().map(|id| id % 2 == 0)),
        floats(ids.iter().map(score)),
    ];
    let roc = vec![reals([f64::INFINITY, 0.5, 0.0]), reals([0.0, 0.0, 1.0]), reals([0.0, 1.0, 1.0])];
    [segment(&ATTACK_SCORES, id, rows), segment(&ROC, id, roc)]
}

fn attack() -> JobResult {
    let mut result = JobResult::new(job(30, JobKind::Attack));
    let dp = Regime::Dp { epsilon: 4.0, delta: 1e-5 };
    result.attacks = vec![
        attack_record(ATTACK_TARGET, EvaluatedOn::Target, TARGET, Regime::None, 0.9),
        attack_record(ATTACK_SHADOW, EvaluatedOn::ShadowTest, TARGET, Regime::None, 0.85),
        attack_record(ATTACK_DP, EvaluatedOn::Target, DP_TARGET, dp, 0.45),
    ];
    result.segments.extend(scores(ATTACK_TARGET, TARGET, true));
    result.segments.extend(scores(ATTACK_SHADOW, SHADOW, true));
    result.segments.extend(scores(ATTACK_DP, DP_TARGET, false));
    for (id, class) in [(TARGET, "windows"), (SHADOW, "windows"), (DP_TARGET, "windows")] {
        result.segments.push(attributes(id, class));
    }
    result
}

fn fidelity_rows(id: i64, synthetic: f64) -> NewSegment {
    let header = |compared, reference, field, position: i64, metric, value| {
        (compared, reference, "header", field, Some(position as i32), metric, value)
    };
    type Row = (&'static str, &'static str, &'static str, &'static str, Option<i32>, &'static str, f64);
    let mut rows: Vec<Row> = ["ttl", "ip_length"]
        .iter()
        .flat_map(|field| {
            (0..2).flat_map(move |position| {
                [
                    header("synthetic", "members", *field, position, "jsd", synthetic + position as f64 * 0.1),
                    header("held_out", "members", *field, position, "jsd", 0.05),
                    header("synthetic", "real", *field, position, "jsd", synthetic + 0.1),
                    header("members", "real", *field, position, "jsd", 0.06),
                    header("synthetic", "members", *field, position, "wasserstein", 12.0),
                ]
            })
        })
        .collect();
    for metric in ["jsd", "wasserstein_scaled"] {
        rows.push(("synthetic", "members", "mean", "all", None, metric, synthetic + 0.05));
        rows.push(("held_out", "members", "mean", "all", None, metric, 0.05));
    }
    rows.push(("synthetic", "members", "validity", "tcp_state", None, "share", 0.75));
    rows.push(("held_out", "members", "validity", "tcp_state", None, "share", 1.0));
    segment(
        &FIDELITY,
        id,
        vec![
            texts(rows.iter().map(|row| row.0)),
            texts(rows.iter().map(|row| row.1)),
            texts(rows.iter().map(|row| row.2)),
            texts(rows.iter().map(|row| row.3)),
            Arc::new(rows.iter().map(|row| row.4).collect::<Int32Array>()),
            texts(rows.iter().map(|row| row.5)),
            reals(rows.iter().map(|row| row.6)),
            ints(rows.iter().map(|_| 4)),
            ints(rows.iter().map(|_| 4)),
            ints(rows.iter().map(|_| 0)),
            ints(rows.iter().map(|_| 1)),
            Arc::new(rows.iter().map(|row| (row.2 == "mean").then_some(row.6 - 0.02)).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| (row.2 == "mean").then_some(row.6 + 0.02)).collect::<Float64Array>()),
        ],
    )
}

fn synthesize() -> JobResult {
    let mut result = JobResult::new(job(40, JobKind::Synthesize));
    for (id, synthetic) in [(TARGET, 0.2), (DP_TARGET, 0.6)] {
        let ids: Vec<i64> = (0..4).map(|number| id * 100 + number).collect();
        result.segments.push(segment(
            &SYNTHETIC_TRACES,
            id,
            vec![
                ints(ids.clone()),
                ints(0..4),
                int32s(ids.iter().map(|_| PACKETS_PER_TRACE)),
                int32s(ids.iter().map(|_| 1)),
                flags(ids.iter().map(|_| true)),
                int32s(ids.iter().map(|_| 2)),
                bytes(ids.iter().map(|_| vec![1, 2, 3])),
            ],
        ));
        result.segments.push(packets(&SYNTHETIC_PACKETS, id, &ids, |_, place| 45 + 10 * place));
        result.segments.push(fidelity_rows(id, synthetic));
        result.segments.push(attributes_in(&REFERENCE_ATTRIBUTES, id, "windows"));
        result.segments.push(segment(
            &MONITORS,
            id,
            vec![
                int32s([0, 1].into_iter()),
                texts(["image_entropy_bits"; 2].into_iter()),
                texts([""; 2].into_iter()),
                reals([0.5, 0.25].into_iter()),
            ],
        ));
        result.segments.push(segment(
            &REPAIRS,
            id,
            vec![
                ints([1].into_iter()),
                texts(["strict"].into_iter()),
                texts(["ttl"].into_iter()),
                ints([8].into_iter()),
            ],
        ));
    }
    result.segments.extend(audits());
    result
}

/// A job's partition of `utility` and `importances`.
pub const UTILITY_JOB: i64 = 50;

/// Classifiers without DP (as good as on real traces), at epsilon 4 (worse), the baselines, and
/// regressors of windows.
fn utility() -> JobResult {
    let mut result = JobResult::new(job(UTILITY_JOB, JobKind::Utility));
    let classify = |generator, epsilon, trained_on, class, metric, value: f64| {
        (generator, epsilon, "classification", trained_on, "random_forest", metric, class, value)
    };
    let mae = |generator, epsilon, trained_on, value| {
        (generator, epsilon, "next_length", trained_on, "nbeats small", "median_mae", Some("windows"), value)
    };
    let netssm = Some("netssm");
    let rows = [
        classify(netssm, None, "synthetic", None, "accuracy", 0.9),
        classify(netssm, None, "synthetic", Some("windows"), "f1", 0.8),
        classify(netssm, None, "synthetic", None, "macro_f1", 0.85),
        classify(netssm, Some(4.0), "synthetic", None, "accuracy", 0.5),
        classify(None, None, "members", None, "accuracy", 0.9),
        classify(None, None, "majority", None, "accuracy", 0.5),
        mae(netssm, None, "synthetic", 30.0),
        mae(netssm, Some(4.0), "synthetic", 20.0),
        mae(None, None, "members", 10.0),
        mae(None, None, "last_value", 40.0),
    ];
    result.segments.push(segment(
        &UTILITY,
        UTILITY_JOB,
        vec![
            texts(rows.iter().map(|_| "os")),
            Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
            texts(rows.iter().map(|row| row.2)),
            texts(rows.iter().map(|row| row.3)),
            texts(rows.iter().map(|row| row.4)),
            texts(rows.iter().map(|row| row.5)),
            Arc::new(rows.iter().map(|row| row.6).collect::<StringArray>()),
            reals(rows.iter().map(|row| row.7)),
            ints(rows.iter().map(|_| 40)),
            ints(rows.iter().map(|_| 100)),
            reals(rows.iter().map(|row| row.7 * 0.9)),
            reals(rows.iter().map(|row| row.7 * 1.1)),
            Arc::new(rows.iter().map(|_| None).collect::<Float64Array>()),
        ],
    ));
    let used = [("ttl", 0, 0.5), ("ttl", 1, 0.25), ("src_ip", 0, 0.25)];
    result.segments.push(segment(
        &IMPORTANCES,
        UTILITY_JOB,
        vec![
            texts(used.iter().map(|_| "os")),
            Arc::new(used.iter().map(|_| Some("netssm")).collect::<StringArray>()),
            Arc::new(used.iter().map(|_| None).collect::<Float64Array>()),
            texts(used.iter().map(|_| "classification")),
            texts(used.iter().map(|_| "synthetic")),
            texts(used.iter().map(|row| row.0)),
            int32s(used.iter().map(|row| row.1)),
            reals(used.iter().map(|row| row.2)),
        ],
    ));
    result
}

/// Half of the target's synthetic traces are copies; a one-run audit of the private target proves 0.5.
fn audits() -> [NewSegment; 2] {
    let leaks = vec![
        texts(["exact_copies"]),
        texts(["trace"]),
        reals([0.5]),
        reals([0.0]),
        ints([2]),
        ints([4]),
        ints([0]),
        ints([4]),
        reals([0.2]),
    ];
    let one_run = vec![
        texts(["loss"]),
        ints([8]),
        ints([4]),
        ints([8]),
        ints([7]),
        reals([1e-5]),
        reals([0.95]),
        reals([3.96]),
        reals([0.5]),
        reals([1.5]),
    ];
    [segment(&LEAKS, TARGET, leaks), segment(&ONE_RUN_AUDITS, DP_TARGET, one_run)]
}

/// Writes the study to a path.
pub fn write(path: &Path) {
    let writer = StoreWriter::open_or_create(path, CACHE).unwrap();
    writer.commit(ingest()).unwrap();
    for (number, role, class) in
        [(10, Role::Target, "windows"), (11, Role::Shadow(0), "windows"), (12, Role::Target, "ubuntu")]
    {
        writer.commit(split(number, role, class)).unwrap();
    }
    writer.commit(train()).unwrap();
    writer.commit(attack()).unwrap();
    writer.commit(synthesize()).unwrap();
    writer.commit(utility()).unwrap();
}

/// Asks one question of [`utility`] again, an hour later: accuracy without DP.
pub fn ask_again(study: &Study, value: f64) {
    let number = UTILITY_JOB + 1;
    let mut result = JobResult::new(job(number, JobKind::Utility));
    result.job.finished_us += 3_600_000_000;
    let columns = vec![
        texts(["os"]),
        texts(["netssm"]),
        Arc::new([None].into_iter().collect::<Float64Array>()),
        texts(["classification"]),
        texts(["synthetic"]),
        texts(["random_forest"]),
        texts(["accuracy"]),
        Arc::new([None::<&str>].into_iter().collect::<StringArray>()),
        reals([value]),
        ints([40]),
        ints([100]),
        reals([value * 0.9]),
        reals([value * 1.1]),
        Arc::new([None].into_iter().collect::<Float64Array>()),
    ];
    result.segments.push(segment(&UTILITY, number, columns));
    StoreWriter::open_or_create(&study.path, CACHE).unwrap().commit(result).unwrap();
}

/// Records plan `a` of all models and the attacks there are, and an hour later plan `b`, which attacks the private target
/// anew ([`ATTACK_ANEW`]) and leaves out the conditional one.
pub fn plan_twice(study: &Study) {
    let writer = StoreWriter::open_or_create(&study.path, CACHE).unwrap();
    let plan = |number, name: &str, ids: &[i64]| {
        let mut result = JobResult::new(job(number, JobKind::Plan));
        result.job.label = name.to_owned();
        result.job.spec = format!(r#"{{"spec":{{}},"ids":{ids:?}}}"#);
        result.job.started_us += number * 3_600_000_000;
        result
    };
    writer.commit(plan(80, "a", &[TARGET, SHADOW, DP_TARGET, CONDITIONAL_TARGET, 30])).unwrap();
    let mut again = JobResult::new(job(31, JobKind::Attack));
    let dp = Regime::Dp { epsilon: 4.0, delta: 1e-5 };
    let mut record = attack_record(ATTACK_ANEW, EvaluatedOn::Target, DP_TARGET, dp, 0.55);
    record.job_id = JobId(31);
    again.attacks.push(record);
    again.segments.extend(scores(ATTACK_ANEW, DP_TARGET, true));
    writer.commit(again).unwrap();
    writer.commit(plan(81, "b", &[TARGET, SHADOW, DP_TARGET, 31])).unwrap();
}

/// Adds what netssm's traces add to a tenth of the real ones.
pub fn add_augmentation(study: &Study) {
    let number = UTILITY_JOB + 2;
    let mut result = JobResult::new(job(number, JobKind::Utility));
    result.job.finished_us += 3_600_000_000;
    let netssm = Some("netssm");
    let rows = [
        (None, "members_share", "accuracy", 0.6, 0.5, 0.7, 40),
        (netssm, "members_share_and_synthetic", "accuracy", 0.7, 0.6, 0.8, 140),
        (netssm, "members_share_and_synthetic", "accuracy_gain", 0.1, 0.02, 0.18, 140),
    ];
    let some = |values: [f64; 3]| Arc::new(values.into_iter().map(Some).collect::<Float64Array>());
    let columns = vec![
        texts(rows.iter().map(|_| "os")),
        Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
        Arc::new(rows.iter().map(|_| None).collect::<Float64Array>()),
        texts(rows.iter().map(|_| "augmentation")),
        texts(rows.iter().map(|row| row.1)),
        texts(rows.iter().map(|_| "random_forest")),
        texts(rows.iter().map(|row| row.2)),
        Arc::new(rows.iter().map(|_| None::<&str>).collect::<StringArray>()),
        reals(rows.iter().map(|row| row.3)),
        ints(rows.iter().map(|row| row.6)),
        ints(rows.iter().map(|_| 100)),
        some(rows.map(|row| row.4)),
        some(rows.map(|row| row.5)),
        some([0.1; 3]),
    ];
    result.segments.push(segment(&UTILITY, number, columns));
    StoreWriter::open_or_create(&study.path, CACHE).unwrap().commit(result).unwrap();
}

/// A netshare model of the class windows without DP, after two epochs: its critic scores members 1 and 2, held-out
/// traces 2 and 3, each moved by `offset`.
pub fn add_critic(study: &Study, offset: f64) {
    let id = 110;
    let mut result = JobResult::new(job(60, JobKind::Train));
    result.job.spec = r#"{"family":"netshare"}"#.to_owned();
    let mut record = model(id, "windows", 11, Role::Shadow(0), Regime::None, Guarantee::None);
    (record.generator, record.train_job) = ("netshare".to_owned(), JobId(60));
    result.models.push(record);
    result.segments.push(segment(
        &EPOCHS,
        id,
        vec![
            int32s(0..2),
            ints([4, 8]),
            reals([offset, offset]),
            reals([1.0 + offset, 1.5 + offset]),
            reals([1.5 + offset, 2.5 + offset]),
            reals([0.5, 0.4]),
            Arc::new(Float64Array::from(vec![None, None])),
            ints([4, 4]),
            reals([0.1, 0.1]),
        ],
    ));
    let ids: Vec<i64> = trace_ids("windows").collect();
    let loss = |id: &i64| 1.0 + (id % 2) as f64 + ((id / 2) % 2) as f64 + offset;
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    result.segments.push(segment(
        &ATTRIBUTES,
        id,
        vec![
            ints(ids.clone()),
            flags(ids.iter().map(|id| id % 2 == 0)),
            // what its attributes are called says nothing about its losses
            texts(ids.iter().map(|_| "logits")),
            floats(ids.iter().map(loss)),
            Arc::new(ListArray::new(
                item,
                OffsetBuffer::from_lengths(ids.iter().map(|_| 1)),
                floats(ids.iter().map(loss)),
                None,
            )),
        ],
    ));
    StoreWriter::open_or_create(&study.path, CACHE).unwrap().commit(result).unwrap();
}

/// NetShare under two names: `gan` is fine-tuned with DP from its model without, `scratch` trained afresh; an attack
/// reaches 0.9 on all but the private `scratch`.
pub fn add_netshare(study: &Study) {
    let dp = Regime::Dp { epsilon: 4.0, delta: 1e-5 };
    let mut result = JobResult::new(job(70, JobKind::Train));
    result.job.spec = r#"{"family":"netshare"}"#.to_owned();
    let models = [
        (120, "gan", Regime::None, 0.9),
        (121, "gan", dp, 0.9),
        (122, "scratch", Regime::None, 0.9),
        (123, "scratch", dp, 0.5),
    ];
    for (id, generator, regime, auc) in models {
        let mut record = model(id, "windows", 10, Role::Target, regime, Guarantee::None);
        (record.generator, record.train_job) = (generator.to_owned(), JobId(70));
        if id == 121 {
            record.lineage.push(LineageEdge {
                kind: LineageKind::Weights,
                source_id: 120,
                description: "weights without DP".to_owned(),
                through_mechanism: false,
                saw_private: true,
            });
        }
        result.models.push(record);
        let mut attack = attack_record(1000 + id, EvaluatedOn::Target, id, regime, auc);
        (attack.job_id, attack.auc) = (JobId(70), Interval { value: auc, low: auc - 0.01, high: auc + 0.01 });
        result.attacks.push(attack);
    }
    StoreWriter::open_or_create(&study.path, CACHE).unwrap().commit(result).unwrap();
}

/// A study in a temporary folder that lives as long as the value.
pub struct Study {
    /// Removed when dropped.
    _folder: tempfile::TempDir,
    pub path: std::path::PathBuf,
}

/// The study of this file.
pub fn small() -> Study {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.redb");
    write(&path);
    Study { _folder: folder, path }
}

impl Study {
    pub fn store(&self) -> Store {
        Store::open(&self.path, CACHE).unwrap()
    }
}
