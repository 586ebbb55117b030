//! A study of the size of the paper's: 900 models of three generators, 5 million attribute rows of 32
//! values, 5 million attack scores, 600,000 packets. Splits, roles and attacks relate as real ones do;
//! values are noise with a trend, so that nothing compresses better than it would in earnest.

use arrow::array::*;
use rand::Rng;
use std::path::Path;
use std::sync::Arc;
use syntrace_base::base::{AttackId, ClassId, Identity, JobId, ModelId, Seed, SplitId, StreamRng};
use syntrace_base::record::*;
use syntrace_store::schema::*;
use syntrace_store::{JobResult, NewObject, NewSegment, StoreWriter, arrow_schema};

const SEED: u64 = 1;
pub const CACHE: usize = 256 << 20;
const GENERATORS: [&str; 3] = ["netssm", "netshare", "netdiffusion"];
const CLASSES: [(&str, &str); 6] =
    [("os", "windows"), ("os", "ubuntu"), ("os", "mac"), ("vca", "meet"), ("vca", "teams"), ("vca", "webex")];
const EPSILONS: [Option<f64>; 5] = [None, Some(4.0), Some(2.0), Some(1.0), Some(0.5)];
/// One target and nine shadows: 3 generators, 6 classes, 5 budgets, 10 roles are 900 models.
const ROLES: u32 = 10;
pub const MODELS: usize = GENERATORS.len() * CLASSES.len() * EPSILONS.len() * ROLES as usize;
/// Members and held-out traces of a split: 900 times 5,556 are 5 million rows.
pub fn split_traces_count() -> usize {
    let given = std::env::var("SYNTRACE_BENCH_TRACES").ok();
    given.map_or(5_556, |count| count.parse().expect("SYNTRACE_BENCH_TRACES: a number of traces"))
}

const VECTOR_LENGTH: usize = 32;
const TRACES_PER_CLASS: i64 = 9_000;
const SYNTHETIC_PER_TARGET: i64 = 67;
const PACKETS_PER_TRACE: i64 = 10;
const EPOCHS_PER_MODEL: i64 = 20;

fn id(kind: &str, parts: &[usize]) -> i64 {
    parts.iter().fold(Identity::new(kind), |identity, part| identity.int(*part as i64)).finish().id63()
}

fn rng(kind: &str, parts: &[usize]) -> StreamRng {
    parts.iter().fold(Seed::root(SEED).named(kind), |seed, part| seed.numbered(*part as u64)).rng()
}

/// Uniform between 0 and 1.
fn uniform(rng: &mut StreamRng) -> f32 {
    (rng.next_u32() >> 8) as f32 / 16_777_216.0
}

pub fn trace_id(class: usize, number: i64) -> i64 {
    id("trace", &[class, number as usize])
}

fn class_id(class: usize) -> ClassId {
    ClassRecord::id_of(CLASSES[class].0, CLASSES[class].1)
}

fn job(kind: JobKind, parts: &[usize]) -> JobRecord {
    let spec = format!("{{\"parts\":{parts:?},\"options\":{{\"epochs\":20,\"batch\":32,\"width\":64}}}}");
    JobRecord {
        job_id: JobId(id(kind.name(), parts)),
        kind,
        label: format!("{} {parts:?}", kind.name()),
        spec,
        inputs: vec![1, 2, 3],
        seed: SEED,
        code_version: 1,
        program: "bench".to_owned(),
        started_us: 1_700_000_000_000_000,
        finished_us: 1_700_000_000_000_000,
        threads: 1,
        outputs: vec![],
    }
}

fn segment(table: &'static SegmentTable, partition: i64, mut columns: Vec<ArrayRef>) -> NewSegment {
    let schema = arrow_schema(table);
    let count = columns.first().map_or(0, |column| column.len());
    // Columns that only imported files fill.
    let rest = schema.fields().iter().skip(columns.len());
    columns.extend(rest.map(|field| arrow::array::new_null_array(field.data_type(), count)).collect::<Vec<_>>());
    let rows = RecordBatch::try_new(schema, columns).expect("columns as declared");
    NewSegment { table, partition, rows }
}

fn ints(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn int32s(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values.map(|value| value as i32)))
}

fn reals(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// The traces of one split: members and held-out ones in turn.
struct SplitTraces {
    split_id: SplitId,
    ids: Vec<i64>,
}

impl SplitTraces {
    fn new(class: usize, role: u32) -> Self {
        let mut rng = rng("split", &[class, role as usize]);
        let mut numbers: Vec<i64> = (0..TRACES_PER_CLASS).collect();
        for at in 0..split_traces_count() {
            let other = at + rng.next_u32() as usize % (numbers.len() - at);
            numbers.swap(at, other);
        }
        let ids = numbers.iter().take(split_traces_count()).map(|number| trace_id(class, *number)).collect();
        Self { split_id: SplitId(id("split", &[class, role as usize])), ids }
    }

    fn members(&self) -> ArrayRef {
        Arc::new(self.ids.iter().enumerate().map(|(row, _)| Some(row % 2 == 0)).collect::<BooleanArray>())
    }
}

fn commit_splits(writer: &StoreWriter) -> Vec<Vec<SplitTraces>> {
    let mut all = Vec::new();
    for class in 0..CLASSES.len() {
        let splits: Vec<SplitTraces> = (0..ROLES).map(|role| SplitTraces::new(class, role)).collect();
        for (role, split) in splits.iter().enumerate() {
            let mut result = JobResult::new(job(JobKind::Split, &[class, role]));
            let count = split_traces_count() as u32 / 2;
            result.splits.push(SplitRecord {
                split_id: split.split_id,
                class_id: class_id(class),
                role: role_of(role as u32),
                members: count,
                held_out: count,
                pool_digest: [0; 32],
            });
            let part = |row: usize| if row.is_multiple_of(2) { "member" } else { "held_out" };
            let parts: ArrayRef = Arc::new(StringArray::from_iter_values((0..split.ids.len()).map(part)));
            let columns = vec![ints(split.ids.iter().copied()), parts];
            result.segments.push(segment(&SPLIT_TRACES, split.split_id.0, columns));
            writer.commit(result).expect("a split");
        }
        all.push(splits);
    }
    all
}

fn role_of(role: u32) -> Role {
    if role == 0 { Role::Target } else { Role::Shadow(role - 1) }
}

/// One model by its coordinates.
#[derive(Clone, Copy)]
struct Coordinates {
    generator: usize,
    class: usize,
    epsilon: usize,
    role: u32,
}

impl Coordinates {
    fn parts(self) -> [usize; 4] {
        [self.generator, self.class, self.epsilon, self.role as usize]
    }

    fn model_id(self) -> ModelId {
        ModelId(id("model", &self.parts()))
    }

    fn regime(self) -> Regime {
        EPSILONS[self.epsilon].map_or(Regime::None, |epsilon| Regime::Dp { epsilon, delta: 1e-5 })
    }

    fn record(self, split: &SplitTraces) -> ModelRecord {
        let epsilon = EPSILONS[self.epsilon];
        ModelRecord {
            model_id: self.model_id(),
            generator: GENERATORS[self.generator].to_owned(),
            preset: "small".to_owned(),
            config: "{}".to_owned(),
            class_id: class_id(self.class),
            split_id: split.split_id,
            role: role_of(self.role),
            regime: self.regime(),
            train_job: JobId(id("train", &self.parts())),
            noise_multiplier: epsilon.map(|epsilon| 1.0 + 1.0 / epsilon),
            sampling_rate: 0.1,
            steps: 400,
            expected_batch: 250.0,
            clip_norm: epsilon.map(|_| 1.0),
            epsilon_spent: epsilon.map(|epsilon| 0.99 * epsilon),
            accountant: None,
            guarantee: if epsilon.is_some() { Guarantee::EndToEnd } else { Guarantee::None },
            epsilon_end_to_end: epsilon.map(|epsilon| 0.99 * epsilon),
            noise: None,
            parameters: 100_000,
            parameters_private: 100_000,
            seconds: 1.0,
            status: ModelStatus::Trained,
            weights: None,
            lineage: vec![],
        }
    }

    fn epochs(self) -> NewSegment {
        let mut rng = rng("epochs", &self.parts());
        let mut noisy = |rows: i64| reals((0..rows).map(|row| 4.0 / (1.0 + row as f64) + f64::from(uniform(&mut rng))));
        let rows = EPOCHS_PER_MODEL;
        let columns = vec![
            int32s(0..rows),
            ints((0..rows).map(|row| row * 20)),
            noisy(rows),
            noisy(rows),
            noisy(rows),
            noisy(rows),
            noisy(rows),
            ints((0..rows).map(|_| 5_000)),
            noisy(rows),
        ];
        segment(&EPOCHS, self.model_id().0, columns)
    }

    fn attributes(self, split: &SplitTraces) -> NewSegment {
        let mut rng = rng("attributes", &self.parts());
        let kinds = StringArray::from_iter_values(split.ids.iter().map(|_| "logits"));
        let losses = split.ids.iter().enumerate().map(|(row, _)| 2.0 + (row % 2) as f32 * 0.1 + uniform(&mut rng));
        let losses = Float32Array::from_iter_values(losses);
        let values: Vec<f32> = (0..split.ids.len() * VECTOR_LENGTH).map(|_| uniform(&mut rng) - 0.5).collect();
        let item = Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float32, false));
        let offsets = arrow::buffer::OffsetBuffer::from_repeated_length(VECTOR_LENGTH, split.ids.len());
        let vectors = ListArray::new(item, offsets, Arc::new(Float32Array::from(values)), None);
        let columns: Vec<ArrayRef> = vec![
            ints(split.ids.iter().copied()),
            split.members(),
            Arc::new(kinds),
            Arc::new(losses),
            Arc::new(vectors),
        ];
        segment(&ATTRIBUTES, self.model_id().0, columns)
    }
}

fn commit_models(writer: &StoreWriter, splits: &[Vec<SplitTraces>], object_bytes: usize) {
    for generator in 0..GENERATORS.len() {
        #[expect(clippy::needless_range_loop, reason = "a class is its number in several tables")]
        for class in 0..CLASSES.len() {
            for epsilon in 0..EPSILONS.len() {
                for role in 0..ROLES {
                    let model = Coordinates { generator, class, epsilon, role };
                    let split = &splits[class][role as usize];
                    let mut trained = JobResult::new(job(JobKind::Train, &model.parts()));
                    trained.models.push(model.record(split));
                    trained.segments.push(model.epochs());
                    if object_bytes > 0 {
                        let mut bytes = vec![0; object_bytes];
                        rng("weights", &model.parts()).fill_bytes(&mut bytes);
                        trained.objects.push(NewObject { kind: "weights", bytes });
                    }
                    writer.commit(trained).expect("a model");
                    let mut attributed = JobResult::new(job(JobKind::Attribute, &model.parts()));
                    attributed.segments.push(model.attributes(split));
                    writer.commit(attributed).expect("attributes");
                }
                let group = [generator, class, epsilon];
                commit_attack(writer, group, &splits[class]);
                commit_synthetic(writer, group);
            }
        }
    }
}

/// An attack on a group: scores of the target's traces, and of all shadows' ones.
fn commit_attack(writer: &StoreWriter, [generator, class, epsilon]: [usize; 3], splits: &[SplitTraces]) {
    let mut result = JobResult::new(job(JobKind::Attack, &[generator, class, epsilon]));
    for (side, roles) in [(EvaluatedOn::Target, 0..1), (EvaluatedOn::ShadowTest, 1..ROLES)] {
        let attack_id = id("attack", &[generator, class, epsilon, roles.start as usize]);
        let target = Coordinates { generator, class, epsilon, role: 0 };
        result.attacks.push(attack_record(attack_id, side, target));
        let (mut traces, mut models) = (Int64Builder::new(), Int64Builder::new());
        let (mut members, mut scores) = (BooleanBuilder::new(), Float32Builder::new());
        for role in roles {
            let model = Coordinates { generator, class, epsilon, role };
            let mut rng = rng("scores", &model.parts());
            let leak = 0.2 / (1.0 + epsilon as f32);
            for (row, trace) in splits[role as usize].ids.iter().enumerate() {
                traces.append_value(*trace);
                models.append_value(model.model_id().0);
                members.append_value(row % 2 == 0);
                scores.append_value(uniform(&mut rng) + if row % 2 == 0 { leak } else { 0.0 });
            }
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(traces.finish()),
            Arc::new(models.finish()),
            Arc::new(members.finish()),
            Arc::new(scores.finish()),
        ];
        result.segments.push(segment(&ATTACK_SCORES, attack_id, columns));
    }
    writer.commit(result).expect("an attack");
}

fn attack_record(attack_id: i64, side: EvaluatedOn, target: Coordinates) -> AttackRecord {
    let one = Interval { value: 0.5, low: 0.4, high: 0.6 };
    AttackRecord {
        attack_id: AttackId(attack_id),
        attack: "mlp".to_owned(),
        options: "{}".to_owned(),
        attribute: "logits".to_owned(),
        evaluated_on: side,
        target_model: target.model_id(),
        shadow_models: vec![],
        class_id: class_id(target.class),
        regime: target.regime(),
        job_id: JobId(1),
        n: split_traces_count() as u64,
        n_members: split_traces_count() as u64 / 2,
        precision: one,
        recall: one,
        fpr: one,
        auc: one,
        balanced_accuracy: one,
        tpr_at_1pct_fpr: one,
        tpr_at_0_1pct_fpr: one,
        confidence: 0.95,
        interval_method: String::new(),
        converged: None,
    }
}

/// Packets of traces: lengths and TTLs of a class, bytes as long as many captures keep them.
fn packets(table: &'static SegmentTable, partition: i64, traces: &[i64], rng: &mut StreamRng) -> NewSegment {
    let rows = traces.len() as i64 * PACKETS_PER_TRACE;
    let data: Vec<Vec<u8>> = (0..rows)
        .map(|_| {
            let mut bytes = vec![0x45; 54 + (rng.next_u32() % 100) as usize];
            rng.fill_bytes(&mut bytes[20..]);
            bytes
        })
        .collect();
    let skewed = |rng: &mut StreamRng, count: u32| i64::from((rng.next_u32() % count).min(rng.next_u32() % count));
    let columns = table.columns.iter().map(|column| -> ArrayRef {
        match (column.name, column.kind) {
            ("trace_id", _) => ints((0..rows).map(|row| traces[(row / PACKETS_PER_TRACE) as usize])),
            ("position", _) => int32s((0..rows).map(|row| row % PACKETS_PER_TRACE)),
            ("time_us", _) => ints((0..rows).map(|row| 1_700_000_000_000_000 + row * 997 + skewed(rng, 900))),
            ("ip_length", _) => int32s((0..rows).map(|_| 40 + skewed(rng, 1460))),
            ("identification", _) => int32s((0..rows).map(|_| skewed(rng, 65_536))),
            ("data", _) => Arc::new(BinaryArray::from_iter_values(data.iter())),
            (_, ColumnType::Bytes) => {
                let address = |_| [10, 0, (rng.next_u32() % 4) as u8, (rng.next_u32() % 250) as u8];
                Arc::new(BinaryArray::from_iter_values((0..rows).map(address)))
            }
            (name, ColumnType::I32) => {
                let count = if name.ends_with("port") { 60_000 } else { 1_000 };
                int32s((0..rows).map(|_| skewed(rng, count)))
            }
            _ => Arc::new(Int16Array::from_iter_values((0..rows).map(|_| skewed(rng, 64) as i16))),
        }
    });
    segment(table, partition, columns.collect())
}

fn commit_synthetic(writer: &StoreWriter, [generator, class, epsilon]: [usize; 3]) {
    let target = Coordinates { generator, class, epsilon, role: 0 };
    let mut result = JobResult::new(job(JobKind::Synthesize, &[generator, class, epsilon]));
    let traces: Vec<i64> = (0..SYNTHETIC_PER_TARGET)
        .map(|number| id("synthetic", &[generator, class, epsilon, number as usize]))
        .collect();
    let mut rng = rng("synthetic", &[generator, class, epsilon]);
    result.segments.push(packets(&SYNTHETIC_PACKETS, target.model_id().0, &traces, &mut rng));
    writer.commit(result).expect("synthetic packets");
}

fn commit_classes(writer: &StoreWriter) {
    for (class, (dataset, name)) in CLASSES.iter().enumerate() {
        let mut result = JobResult::new(job(JobKind::Ingest, &[class]));
        result.classes.push(ClassRecord {
            class_id: class_id(class),
            dataset: (*dataset).to_owned(),
            class: (*name).to_owned(),
            origin: Origin::Simulated,
        });
        let traces: Vec<i64> = (0..TRACES_PER_CLASS).map(|number| trace_id(class, number)).collect();
        let mut rng = rng("packets", &[class]);
        for run in traces.chunks(3_000) {
            result.segments.push(packets(&PACKETS, class_id(class).0, run, &mut rng));
        }
        writer.commit(result).expect("a class");
    }
}

/// Writes the study and packs it; `object_bytes` of weights a model make the file as large as wanted.
pub fn write(path: &Path, object_bytes: usize) {
    let mut writer = StoreWriter::open_or_create(path, CACHE).expect("a new study");
    commit_classes(&writer);
    let splits = commit_splits(&writer);
    commit_models(&writer, &splits, object_bytes);
    let size = || std::fs::metadata(path).map_or(0.0, |metadata| metadata.len() as f64 / 1e9);
    let grown = size();
    writer.compact().expect("a packed study");
    println!("{grown:.3} GB as it grew, {:.3} GB packed, ratio {:.2}", size(), grown / size());
}

/// One more job with an object and a segment, as a training leaves them. It belongs to no question.
pub fn append(writer: &StoreWriter, number: usize) {
    let mut result = JobResult::new(job(JobKind::Fidelity, &[usize::MAX, number]));
    let mut bytes = vec![0; 400_000];
    rng("appended", &[number]).fill_bytes(&mut bytes);
    result.objects.push(NewObject { kind: "appended", bytes });
    let traces = SplitTraces::new(number % CLASSES.len(), 0);
    let parts: ArrayRef = Arc::new(StringArray::from_iter_values(traces.ids.iter().map(|_| "member")));
    let ids = traces.ids.iter().map(|id| id ^ number as i64);
    result.segments.push(segment(&SPLIT_TRACES, number as i64, vec![ints(ids), parts]));
    writer.commit(result).expect("one more job");
}
