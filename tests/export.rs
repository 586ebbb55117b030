//! What a study holds as files of other tools.

use crate::common::{Finish, fixture, run, run_ok, skip};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The study of the import example: one real class, three imported models.
fn study(folder: &Path) -> String {
    let path = folder.join("s.redb").to_string_lossy().into_owned();
    let capture = fixture("import/real/mac.pcap");
    run_ok(&["ingest", &path, "--dataset", "os", "--class", "mac", &capture.to_string_lossy()]);
    run_ok(&["import", &path, &fixture("import").to_string_lossy(), "--attack", "threshold"]);
    path
}

/// Files below a folder, as paths inside it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// (rows, names of columns) of a Parquet file.
fn parquet(path: &Path) -> (usize, Vec<String>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let names = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    (builder.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum(), names)
}

#[test]
fn parquet_tables_are_cut_by_generator_and_epsilon_and_lose_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let out = folder.path().join("tables");
    run_ok(&["export", &path, "tables", "-o", &out.to_string_lossy()]);
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for file in files(&out).iter().filter(|file| file.extension().is_some_and(|found| found == "parquet")) {
        let inside = file.strip_prefix(&out).unwrap().to_string_lossy().into_owned();
        let (count, columns) = parquet(file);
        *rows.entry(inside.split('/').next().unwrap().to_owned()).or_default() += count;
        let has_both = ["generator", "epsilon"].iter().all(|name| columns.iter().any(|column| column == name));
        assert_eq!(inside.contains('@'), has_both, "{inside}");
    }
    assert!(out.join("attacks/part-mygan@none.parquet").exists());
    assert!(out.join("packets/part-@real.parquet").exists());
    for table in ["attacks", "attributes", "packets", "models", "traces", "fidelity", "splits", "epochs", "jobs"] {
        let count = run_ok(&["sql", &path, "--format", "csv", "-c", &format!("SELECT count(*) FROM {table}")]);
        assert_eq!(rows.get(table).copied().unwrap_or(0).to_string(), count.lines().nth(1).unwrap(), "{table}");
    }
    let (code, _, stderr) = run(&["export", &path, "tables", "-o", &out.to_string_lossy()]);
    assert_eq!(code, 2);
    assert!(stderr.contains("empty or new folder"), "{stderr}");
}

#[test]
fn arrow_and_csv_have_the_same_layout_and_one_table_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    for (format, extension) in [("arrow", "arrow"), ("csv", "csv")] {
        let out = folder.path().join(format);
        run_ok(&["export", &path, "tables", "-o", &out.to_string_lossy(), "--format", format, "--table", "models"]);
        let found = files(&out);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.contains(&out.join(format!("models/part-mygan@none.{extension}"))));
    }
    let text = std::fs::read_to_string(folder.path().join("csv/models/part-mygan@none.csv")).unwrap();
    assert_eq!(text.lines().count(), 4);
    let (code, _, stderr) = run(&["export", &path, "tables", "-o", "/nowhere/x", "--table", "model"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no table `model`"), "{stderr}");
}

/// What Python says of exported tables; `None` with a line that says what is left out where it lacks a module.
fn python(modules: &str, script: &str, folder: &Path) -> Option<String> {
    let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = |script: &str| std::process::Command::new(&python).args(["-c", script]).current_dir(folder).finish();
    if !run(&format!("import {modules}")).is_ok_and(|output| output.status.success()) {
        skip(modules, format_args!("exported tables: {python} has no {modules}"));
        return None;
    }
    let output = run(&format!("import {modules}\n{script}")).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Of generators with whole and broken budgets and without any, and of real traffic.
#[test]
fn duckdb_and_pandas_read_epsilon_as_a_number_or_null() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let claim = ["--delta", "1e-5", "--claimed-by", "x", "--claimed-unit", "trace", "--claimed-neighbours", "x"];
    for (generator, epsilon) in [("whole", "4"), ("broken", "0.5"), ("small", "1e-3")] {
        let one =
            ["import", &path, "--generator", generator, "--dataset", "os", "--class", "mac", "--epsilon", epsilon];
        let traffic = fixture("import/target/synthetic.pcap").to_string_lossy().into_owned();
        let rest = ["--claimed-guarantee", "end-to-end", "--members", "all", "--synthetic", &traffic, "--no-evaluate"];
        run_ok(&[&one[..], &claim, &rest].concat());
    }
    let out = folder.path().join("tables");
    run_ok(&["export", &path, "tables", "-o", &out.to_string_lossy()]);
    let query = "SELECT DISTINCT generator, epsilon, typeof(epsilon) FROM 'packets/**/*.parquet' ORDER BY 1, 2";
    let script = format!("print(duckdb.sql(\"{query}\").fetchall())");
    if let Some(said) = python("duckdb", &script, &out) {
        let expected = "[('broken', 0.5, 'DOUBLE'), ('mygan', None, 'DOUBLE'), ('small', 0.001, 'DOUBLE'), \
                        ('whole', 4.0, 'DOUBLE'), (None, None, 'DOUBLE')]";
        assert_eq!(said.trim(), expected);
    }
    let script = "rows = pandas.read_parquet('packets')\nprint(rows.epsilon.dtype, sorted(rows.epsilon.dropna().unique()), \
                  rows.epsilon.isna().any(), sorted(rows.generator.dropna().unique()))";
    if let Some(said) = python("pandas, pyarrow", script, &out) {
        assert!(said.starts_with("float64 [") && said.contains("0.001") && said.contains("4.0"), "{said}");
        assert!(said.trim().ends_with("True ['broken', 'mygan', 'small', 'whole']"), "{said}");
    }
}

/// Read back by our own reader: the same frames and times; and every packet names its class and trace.
#[test]
fn pcapng_holds_the_same_packets_with_class_and_trace_as_comments() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    run_ok(&["export", &path, "pcapng", "--dataset", "os", "--class", "mac", "-o", &at("a.pcapng")]);
    run_ok(&["export", &path, "pcap", "--dataset", "os", "--class", "mac", "-o", &at("a.pcap")]);
    let frames = |name: &str| {
        let mut frames = Vec::new();
        let file = std::fs::File::open(at(name)).unwrap();
        let summary = syntrace::capture::read_frames(file, |frame| {
            frames.push((frame.time_us, frame.captured.to_vec(), frame.original_length));
            Ok(())
        });
        assert_eq!(summary.unwrap().damage, None);
        frames
    };
    let found = frames("a.pcapng");
    assert_eq!(found.len(), 120);
    assert_eq!(found, frames("a.pcap"));
    let bytes = std::fs::read(at("a.pcapng")).unwrap();
    let ids = run_ok(&["sql", &path, "--format", "csv", "-c", "SELECT trace_id FROM traces"]);
    for id in ids.lines().skip(1) {
        let comment = format!("os/mac trace_id={id}");
        let count = bytes.windows(comment.len()).filter(|window| *window == comment.as_bytes()).count();
        assert_eq!(count, 2, "{comment}");
    }
}

/// Pixels against the cells of `export nprint`, whose text is checked against nPrint's own.
#[test]
fn png_images_show_the_cells_of_each_trace_under_names_made_of_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let of_class = ["export", &path, "png", "--dataset", "os", "--class", "mac"];
    run_ok(&[&of_class[..], &["--limit", "3", "--height", "16", "-o", &at("images")]].concat());
    let ids = run_ok(&["sql", &path, "--format", "csv", "-c", "SELECT trace_id FROM traces ORDER BY trace_id LIMIT 3"]);
    let mut expected: Vec<PathBuf> =
        ids.lines().skip(1).map(|id| folder.path().join(format!("images/trace_{id}.png"))).collect();
    let first = expected[0].clone();
    expected.sort();
    assert_eq!(files(&folder.path().join("images")), expected);
    run_ok(&["export", &path, "nprint", "--dataset", "os", "--class", "mac", "-o", &at("cells.csv")]);
    let text = std::fs::read_to_string(at("cells.csv")).unwrap();
    let (width, height, pixels) = crate::repair::read_png(&std::fs::read(first).unwrap());
    assert_eq!((width, height), (1088, 16));
    // Two packets a trace.
    for (line, row) in text.lines().skip(1).take(2).zip(pixels.chunks(width)) {
        let cells: Vec<&str> = line.split(',').skip(1).collect();
        assert_eq!(cells.len(), width);
        for (cell, pixel) in cells.iter().zip(row) {
            let color = match *cell {
                "1" => [255, 0, 0],
                "0" => [0, 255, 0],
                _ => [0, 0, 255],
            };
            assert_eq!(*pixel, color);
        }
    }
    assert!(pixels[2 * width..].iter().all(|pixel| *pixel == [0, 0, 255]), "below the packets the image is blank");

    let model = run_ok(&["sql", &path, "--format", "csv", "-c", "SELECT max(model_id) FROM synthetic_traces"]);
    let model = model.lines().nth(1).unwrap().to_owned();
    run_ok(&["export", &path, "png", "--model", &model, "--limit", "1", "--columns", "ipv6", "-o", &at("one.png")]);
    let (_, height, pixels) = crate::repair::read_png(&std::fs::read(at("one.png")).unwrap());
    assert_eq!(height, 1024);
    // The published layout has IPv6 columns at 416 to 479, and an IPv4 packet has no cell there.
    assert!(pixels[..1088].contains(&[255, 0, 0]) && pixels[416..480].iter().all(|pixel| *pixel == [0, 0, 255]));

    let fails = |more: &[&str]| {
        let (code, _, stderr) = run(&[&of_class[..], more].concat());
        assert_eq!(code, 2, "{stderr}");
        stderr
    };
    assert!(fails(&["-o", &at("many.png")]).contains("expected one trace"));
    assert!(!Path::new(&at("many.png")).exists());
    assert!(fails(&["-o", &at("images")]).contains("empty or new folder"));
    assert!(fails(&["--trace", "-1", "-o", &at("x.png")]).contains("trace `-1` is not in the class or model"));
}

#[test]
fn captures_come_out_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let out = folder.path().join("out.pcap");
    run_ok(&["export", &path, "capture", "mac.pcap", "-o", &out.to_string_lossy()]);
    assert!(std::fs::read(out).unwrap() == std::fs::read(fixture("import/real/mac.pcap")).unwrap());
}

/// A script of 30 lines that knows only PyTorch gets the logits that the study holds. Runs where python3
/// (or SYNTRACE_PYTHON) has torch and safetensors; the files are checked everywhere.
#[cfg(feature = "torch")]
#[test]
fn exported_weights_give_the_stored_logits_in_plain_pytorch() {
    /// Sums in another order, in f32, over a few hundred tokens.
    const TOLERANCE: f64 = 1e-4;
    use crate::common::{TINY_SPEC, write_spec};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (path, spec) = (at("s.redb"), write_spec(folder.path(), TINY_SPEC));
    run_ok(&["run", &path, &spec, "--quiet"]);
    let query = "SELECT model_id FROM models WHERE role = 'target' AND epsilon IS NULL";
    let model = run_ok(&["sql", &path, "--format", "csv", "-c", query]).lines().nth(1).unwrap().to_owned();
    run_ok(&["export", &path, "weights", "--model", &model, "-o", &at("m.safetensors")]);
    let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(at("m.json")).unwrap()).unwrap();
    assert_eq!((config["generator"].as_str(), config["config"]["width"].as_i64()), (Some("netssm"), Some(16)));
    let bytes = std::fs::read(at("m.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("backbone.embedding.weight").unwrap().shape(), [272, 16]);

    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/load_netssm.py");
    assert!(std::fs::read_to_string(&script).unwrap().lines().count() <= 30, "the example stays short");
    let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let torch = std::process::Command::new(&python).args(["-c", "import torch, safetensors"]).finish();
    if !torch.is_ok_and(|output| output.status.success()) {
        crate::common::skip(
            "torch",
            format_args!(
                "exported_weights_give_the_stored_logits_in_plain_pytorch: no python3 with torch and safetensors here"
            ),
        );
        return;
    }
    let rows = format!(
        "SELECT e.data, a.vector FROM attributes a JOIN encodings e USING (trace_id) \
         WHERE a.model_id = {model} AND a.kind = 'mean_logits' AND e.encoding = 'tokens' ORDER BY trace_id LIMIT 8"
    );
    std::fs::write(at("rows.jsonl"), run_ok(&["sql", &path, "--format", "jsonl", "-c", &rows])).unwrap();
    let output = std::process::Command::new(&python)
        .arg(&script)
        .args([at("m.safetensors"), at("rows.jsonl")])
        .finish()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let errors: Vec<f64> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(errors.len(), 8);
    assert!(errors.iter().all(|error| *error < TOLERANCE), "{errors:?}");
}

/// Time that runs backwards inside of a flow, and flows that overlap.
#[test]
fn packets_of_a_trace_stay_in_their_order_whatever_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let frames = syntrace::simulate::simulate(&syntrace::simulate::SimulateOptions::new(
        "os",
        "mac",
        3,
        syntrace::base::Seed::root(1),
    ))
    .unwrap();
    let first = frames[0].time_us;
    // Every third packet is earlier than the ones before.
    let times = (0..).map(|number: i64| first + number * 1000 - if number % 3 == 2 { 5000 } else { 0 });
    let mut bytes = Vec::new();
    let frames = times.zip(&frames).map(|(time, frame)| (time, frame.bytes.as_slice()));
    syntrace::capture::write_frames(&mut bytes, 1, frames).unwrap();
    std::fs::write(at("back.pcap"), bytes).unwrap();
    let rows = |study: &str| {
        run_ok(&[
            "sql",
            study,
            "--format",
            "csv",
            "-c",
            "SELECT string_agg(hex, ' ' ORDER BY position) AS packets, \
             string_agg(CAST(time_us AS VARCHAR), ',' ORDER BY position) AS times FROM \
             (SELECT trace_id, position, time_us, encode(data, 'hex') AS hex FROM packets) AS packets \
             GROUP BY trace_id ORDER BY 1",
        ])
    };
    run_ok(&["ingest", &at("a"), "--dataset", "d", "--class", "c", &at("back.pcap")]);
    let expected = rows(&at("a"));
    for format in ["pcap", "pcapng"] {
        run_ok(&["export", &at("a"), format, "--dataset", "d", "--class", "c", "-o", &at(format)]);
        run_ok(&["ingest", &at(&format!("of-{format}")), "--dataset", "d", "--class", "c", &at(format)]);
        assert_eq!(rows(&at(&format!("of-{format}"))), expected, "{format}");
    }
}
