//! Writes the first inputs of every target to `corpus/TARGET`: the fixtures of the tests, and small files
//! made here for what they lack.

// What counts edges in our crate is libFuzzer's.
use libfuzzer_sys as _;
use redb::ReadableDatabase;
use redb::ReadableTable;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syntrace::query::{Format, Session, SessionOptions, named_queries, views, write_answer};
use syntrace::store::Store;
use syntrace::store::fuzz_decoders::{StoredColumn, encode_column};
use syntrace::store::schema::{ColumnType, SEGMENT_TABLES};

#[path = "../tests/capture/build.rs"]
#[allow(dead_code)]
mod build;

/// Inputs beyond this make a fuzzer slow and find nothing more.
const BYTES_MAX: usize = 8_192;

/// Bytes of the header of a stored record, before its archive.
const RECORD_HEADER: usize = 12;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("../tests/fixtures").join(name)).expect("a fixture")
}

/// Gives a target one more input.
fn seed(target: &str, bytes: &[u8]) {
    let folder = root().join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder of the corpus");
    let name = syntrace::base::Digest::of(bytes).hex();
    std::fs::write(folder.join(&name[..16]), &bytes[..bytes.len().min(BYTES_MAX)]).expect("an input");
}

fn main() {
    for part in ["target", "shadow0", "shadow1"] {
        let file = |name: &str| fixture(&format!("import/{part}/{name}"));
        seed("npy", &file("critic.npy"));
        seed("npy", &file("loss.npy"));
        seed("members", &file("members.csv"));
        seed("log", &file("log.csv"));
        seed("capture", &file("synthetic.pcap"));
    }
    seed("members", b"capture,first_packet,part\r\n\"a,\"\"b.pcap\",7,held_out\r\n12,,member\r\n");
    seed("log", b"{\"epoch\":1,\"loss\":0.5,\"val_loss\":null}\n{\"epoch\":0,\"traces\":3}\n");
    seed("manifest", &fixture("import/import.toml"));
    seed("manifest", MANIFEST.as_bytes());
    seed("capture", &fixture("import/real/mac.pcap"));
    captures();
    arrays();
    tensors();
    for spec in ["demo.toml", "full-small.toml", "real.toml"] {
        seed("spec", &std::fs::read(root().join("../studies").join(spec)).expect("a spec"));
    }
    for study in ["format-1.redb", "format-1-tables.redb"] {
        records(&root().join("../tests/fixtures").join(study));
    }
    statements();
    parquet();
}

const MANIFEST: &str = "generator = 'g'\ndataset = 'os'\nclass = 'mac'\nepsilon = 4.0\ndelta = 1e-5\n\
    claim = { by = 'a', unit = 'trace', neighbours = 'replace one', guarantee = 'conditional' }\n\
    [traces]\nunit = 'file'\npackets = 10\n[training]\nsteps = 7\nsampling_rate = 0.5\n[[model]]\nrole = 'target'\n\
    members = 'all'\nsynthetic = ['a.pcap']\nweights = 'w.bin'\n[[model]]\nshadow = 0\nattributes = ['b.npy', { file = 'c.npy', kind = 'k' }]\n";

fn captures() {
    use build::*;
    let frames = [
        ethernet(0x0800, &syn()),
        ethernet(0x0800, &ipv4(17, [10, 0, 0, 1], [10, 0, 0, 2], &udp(53, 5353, b"name"))),
        ethernet(0x86dd, &ipv6(6, &tcp(443, 50_000, 0x18, b"bytes"))),
        ethernet(0x8100, &[&[0, 5, 0x08, 0x00][..], &syn()].concat()),
    ];
    seed("capture", &pcap(1, &frames));
    for order in [LITTLE, BIG] {
        let packets: Vec<u8> = frames.iter().flat_map(|frame| enhanced(order, 0, 1, frame, &[])).collect();
        seed("capture", &[section(order), interface(order, 1, 0, &option(order, 9, &[6])), packets].concat());
    }
    for link_type in [101, 113, 276, 0, 12] {
        seed("capture", &pcap(link_type, &[syn(), syn()]));
    }
}

fn arrays() {
    let number = 1.5f64.to_le_bytes();
    for (descr, order, shape, data) in [
        ("'>f8'", "False", "(1, 1)", 1.5f64.to_be_bytes().to_vec()),
        ("'<f2'", "True", "(2, 2)", number.to_vec()),
        ("'|b1'", "False", "(8,)", vec![1; 8]),
        ("'<i2'", "False", "(2, 2, 1)", number.to_vec()),
        ("'|u1'", "True", "(2, 4)", number.to_vec()),
    ] {
        let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        for version in [1u8, 2] {
            let mut bytes = [b"\x93NUMPY", &[version, 0][..]].concat();
            match version {
                1 => bytes.extend((header.len() as u16).to_le_bytes()),
                _ => bytes.extend((header.len() as u32).to_le_bytes()),
            }
            bytes.extend(header.as_bytes());
            bytes.extend(&data);
            seed("npy", &bytes);
        }
    }
}

fn tensors() {
    use safetensors::tensor::{Dtype, TensorView};
    let numbers: Vec<u8> = [1.5f32, 2.5, -1.0, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let ids: Vec<u8> = [7i64, 8].iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = |kind, shape: &[usize], data| TensorView::new(kind, shape.to_vec(), data).expect("a tensor");
    let all = [
        ("values", view(Dtype::F32, &[2, 2], &numbers)),
        ("trace_ids", view(Dtype::I64, &[2], &ids)),
        ("member", view(Dtype::BOOL, &[2], &[1, 0])),
        ("loss", view(Dtype::BF16, &[2], &numbers[..4])),
    ];
    seed("safetensors", &safetensors::serialize(all, None).expect("a file"));
    let few = [("values", view(Dtype::F16, &[4, 2], &numbers)), ("member", view(Dtype::I32, &[4], &numbers))];
    seed("safetensors", &safetensors::serialize(few, None).expect("a file"));
    seed("safetensors", &fixture("conformance/persample_linear_b1.safetensors"));
}

/// Records, segments and columns of a study.
fn records(path: &Path) {
    let database = redb::ReadOnlyDatabase::open(path).expect("a study");
    let transaction = database.begin_read().expect("a transaction");
    macro_rules! each {
        ($key:ty, $($name:literal),+) => {$(
            let definition: redb::TableDefinition<$key, &[u8]> = redb::TableDefinition::new($name);
            if let Ok(table) = transaction.open_table(definition) {
                for row in table.iter().expect("rows").take(12) {
                    let value = row.expect("a row").1.value().to_vec();
                    seed("record", &[&[value[2] - 1][..], &value[RECORD_HEADER..]].concat());
                    if value[2] == 9 {
                        segment(&value[RECORD_HEADER..], &[]);
                    }
                }
            }
        )+};
    }
    each!(i64, "syntrace.classes", "syntrace.captures", "syntrace.splits", "syntrace.models", "syntrace.attacks");
    each!(i64, "syntrace.jobs");
    each!((i64, i64, i64), "syntrace.ingests");
    each!(&[u8; 32], "syntrace.objects");
    let definition: redb::TableDefinition<(u16, i64, i64), &[u8]> = redb::TableDefinition::new("syntrace.segments");
    let table = transaction.open_table(definition).expect("segments");
    let archives: Vec<Vec<u8>> =
        table.iter().expect("rows").map(|row| row.expect("a row").1.value()[RECORD_HEADER..].to_vec()).collect();
    drop(database);
    let store = Store::open(path, 1 << 20).expect("a study");
    let snapshot = store.snapshot().expect("a snapshot");
    let mut archives = archives.iter();
    let mut codes: Vec<_> = SEGMENT_TABLES.iter().collect();
    codes.sort_by_key(|table| table.code);
    for table in codes {
        for record in snapshot.segments(table).expect("segments") {
            let archive = archives.next().expect("as many archives as segments");
            let mut bodies = Vec::new();
            for (index, declared) in table.columns.iter().enumerate().take(record.columns.len()) {
                let array = snapshot.read_columns(table, &record, &[index]).expect("a column").remove(0);
                let encoded = encode_column(declared.kind, &array).expect("a column");
                if record.columns[index].inline.is_empty() {
                    bodies.extend(&encoded.stored);
                }
                column(&encoded);
            }
            segment(archive, &bodies);
            seed("record", &[&[8][..], archive].concat());
        }
    }
    long_columns();
}

fn segment(archive: &[u8], bodies: &[u8]) {
    seed("segment", &[&(archive.len() as u16).to_le_bytes()[..], archive, bodies].concat());
}

/// As the target `column` takes it apart.
fn column(column: &StoredColumn) {
    use ColumnType::{Bool, Bytes, F32, F32List, F64, I16, I32, I64, Text};
    let kinds = [Bool, I16, I32, I64, F32, F64, Text, Bytes, F32List];
    let kind = kinds.iter().position(|kind| *kind == column.kind).expect("a known type") as u8;
    let mut bytes = vec![kind, column.encoding];
    for number in [column.rows, column.raw_bytes, column.null_count] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(&column.stored);
    seed("column", &bytes);
}

/// Layouts that short columns do not take.
fn long_columns() {
    use arrow::array::*;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..300).map(|row| 1_000_000 + row * row)));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..600).map(|row| format!("name {}", row * row % 41))));
    let floats: ArrayRef =
        Arc::new((0..200).map(|row| (row % 7 != 0).then_some(row as f64 / 3.0)).collect::<Float64Array>());
    for (kind, array) in [(ColumnType::I64, numbers), (ColumnType::Text, texts), (ColumnType::F64, floats)] {
        column(&encode_column(kind, &array).expect("a column"));
    }
}

fn statements() {
    for query in named_queries() {
        seed("statement", query.sql.as_bytes());
    }
    for view in views() {
        seed("statement", format!("SELECT * FROM {} LIMIT 3", view.name).as_bytes());
    }
    for text in [
        "SELECT generator, auc(score, member) FROM attack_scores GROUP BY generator",
        "SELECT hexdump(data), ip_text(src_ip) FROM packets WHERE ttl > 3 LIMIT 2",
        "SELECT class, jsd(ip_length, synthetic), entropy_bits(ttl) FROM packets GROUP BY class",
        "SELECT list_mean(vector) FROM attributes WHERE epsilon IS NULL ORDER BY 1 DESC",
        "SELECT a.value, tpr_at_fpr(0.5, true, 0.01) FROM generate_series(1, 5) a GROUP BY 1 HAVING count(*) > 0",
        "WITH x AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT sum(a) OVER (ORDER BY a) FROM x WHERE a IN (1, 2)",
        "DESCRIBE models",
        "EXPLAIN SELECT 1",
        "SHOW TABLES",
    ] {
        seed("statement", text.as_bytes());
    }
    // Trees as deep as a text is long: what is walked and dropped on the stack.
    for joint in ["+", " OR ", " IS NULL=", "::text||", " UNION SELECT ", ",models m", " JOIN models USING(id) JOIN "] {
        let terms = BYTES_MAX / (joint.len() + 1) - 8;
        for terms in [terms / 8, terms] {
            seed("statement", format!("SELECT 1 FROM models WHERE {}", vec!["1"; terms].join(joint)).as_bytes());
            seed("statement", format!("SELECT {}", vec!["1"; terms].join(joint)).as_bytes());
        }
    }
    let chain = |count: usize| (1..count).map(|at| format!(",c{at} AS (SELECT * FROM c{})", at - 1)).collect::<String>();
    for count in [30, 250] {
        seed("statement", format!("WITH c0 AS (SELECT 1){} SELECT * FROM c{}", chain(count), count - 1).as_bytes());
    }
    for nested in ["NOT ", "- ", "EXPLAIN ", "(", "ARRAY[", "CASE WHEN ", "(SELECT ", "INTERVAL "] {
        seed("statement", format!("SELECT {}1", nested.repeat(600)).as_bytes());
        seed("statement", format!("{} SELECT 1", nested.repeat(600)).as_bytes());
    }
}

/// Attribute files as the tool exports them.
fn parquet() {
    let path = root().join("../tests/fixtures/format-1-tables.redb");
    let store = Store::open(&path, 1 << 20).expect("a study");
    let snapshot = Arc::new(store.snapshot().expect("a snapshot"));
    let session = Session::open(snapshot, SessionOptions { memory_bytes: 64 << 20, threads: 1 }).expect("a session");
    for sql in [
        "SELECT value AS trace_id, value % 2 = 0 AS member, 'loss' AS kind, value / 3.0 AS loss, [1.5, 2.5] AS \"values\" \
         FROM generate_series(1, 6)",
        "SELECT 'a.pcap' AS capture, value AS first_packet, value AS member, 0.5 AS x, 2 AS y FROM generate_series(0, 1)",
        "SELECT 'a.pcap#1' AS trace, arrow_cast(0.5, 'Float32') AS vector",
        "SELECT arrow_cast([1, 2], 'LargeList(Int32)') AS vector, NULL AS loss",
    ] {
        let answer = session.sql(sql).expect("an answer");
        let (schema, mut bytes) = (answer.schema(), Vec::new());
        write_answer(Format::Parquet, &schema, answer, &mut bytes).expect("a file");
        seed("parquet", &bytes);
    }
    // Found by the target, refused since.
    for file in ["dictionary.parquet", "slow.parquet"] {
        seed("parquet", &std::fs::read(root().join("../tests/fixtures").join(file)).expect("a fixture"));
    }
}
