//! Models made elsewhere: what `import_example.py` wrote comes in, is attacked and measured, and stands
//! in every view; files that are wrong leave nothing behind.

use crate::common::{Finish, fixture, run, run_ok, syntrace};
use arrow::array::{Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syntrace::store::Store;

const CACHE: usize = 1 << 24;

/// A study that holds the real traffic of the example.
fn study(folder: &Path) -> String {
    let path = folder.join("s.redb").to_string_lossy().into_owned();
    let capture = fixture("import/real/mac.pcap");
    run_ok(&["ingest", &path, "--dataset", "os", "--class", "mac", &capture.to_string_lossy()]);
    path
}

fn sql(study: &str, query: &str) -> String {
    run_ok(&["sql", study, "--format", "csv", "-c", query])
}

fn import_example(study: &str) {
    run_ok(&["import", study, &fixture("import").to_string_lossy(), "--attack", "threshold"]);
}

/// The example's files in a folder of their own, to be changed by a test.
fn copied(folder: &Path) -> PathBuf {
    let copy = folder.join("models");
    for part in ["target", "shadow0", "shadow1"] {
        std::fs::create_dir_all(copy.join(part)).unwrap();
        for entry in std::fs::read_dir(fixture("import").join(part)).unwrap().flatten() {
            std::fs::copy(entry.path(), copy.join(part).join(entry.file_name())).unwrap();
        }
    }
    std::fs::copy(fixture("import/import.toml"), copy.join("import.toml")).unwrap();
    copy
}

fn jobs(study: &str) -> Vec<(i64, String)> {
    let snapshot = Store::open(Path::new(study), CACHE).unwrap().snapshot().unwrap();
    snapshot.jobs().unwrap().into_iter().map(|job| (job.job_id.0, job.label)).collect()
}

#[test]
fn an_imported_generator_stands_in_every_table_and_view() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    import_example(&path);
    let models = sql(&path, "SELECT name, preset, steps, guarantee, epsilon_spent FROM models ORDER BY name");
    assert_eq!(
        models,
        "name,preset,steps,guarantee,epsilon_spent\nmygan os/mac none shadow0,imported,,none,\n\
         mygan os/mac none shadow1,imported,,none,\nmygan os/mac none target,imported,,none,\n"
    );
    for (query, rows) in [
        ("SELECT count(*) FROM splits WHERE part = 'member'", 30),
        ("SELECT count(*) FROM attributes WHERE kind = 'critic' AND loss IS NOT NULL", 60),
        ("SELECT count(*) FROM synthetic_traces WHERE packets = 2", 30),
        ("SELECT count(*) FROM packets WHERE synthetic AND generator = 'mygan'", 60),
        ("SELECT count(*) FROM epochs WHERE held_out_loss > train_loss", 6),
        ("SELECT count(*) FROM lineage WHERE saw_private AND NOT through_mechanism", 3),
        ("SELECT count(*) FROM attacks WHERE attack = 'threshold' AND attribute = 'critic' AND auc > 0.5", 2),
        ("SELECT count(DISTINCT attribute) FROM attacks WHERE attribute LIKE 'synthetic_%' AND shadows = 2", 3),
        ("SELECT count(*) FROM leakage WHERE generator = 'mygan' AND evaluated_on = 'target'", 4),
        ("SELECT count(DISTINCT field) FROM field_fidelity WHERE generator = 'mygan'", 15),
        ("SELECT count(*) FROM generalization WHERE generator = 'mygan'", 0),
    ] {
        assert_eq!(sql(&path, query).lines().nth(1), Some(rows.to_string().as_str()), "{query}");
    }
    run_ok(&["verify", &path]);
}

/// Adds a constant to all numbers of an NPY file (header of 128 bytes, little endian).
fn add_to_npy(path: &Path, constant: f64) {
    let mut bytes = std::fs::read(path).unwrap();
    let (header, numbers) = bytes.split_at_mut(128);
    if String::from_utf8_lossy(header).contains("<f4") {
        for cell in numbers.chunks_exact_mut(4) {
            let number = f32::from_le_bytes(cell.try_into().unwrap()) + constant as f32;
            cell.copy_from_slice(&number.to_le_bytes());
        }
    } else {
        for cell in numbers.chunks_exact_mut(8) {
            let number = f64::from_le_bytes(cell.try_into().unwrap()) + constant;
            cell.copy_from_slice(&number.to_le_bytes());
        }
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn constants_of_imported_critics_change_no_attack_where_the_manifest_says_that_there_is_no_zero() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copied(folder.path());
    let manifest = std::fs::read_to_string(copy.join("import.toml")).unwrap();
    let told = manifest.replace("loss.npy\" }", "loss.npy\", zero = false }");
    let measured = |name: &str, manifest: &str| {
        std::fs::write(copy.join("import.toml"), manifest).unwrap();
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let path = study(&place);
        run_ok(&["import", &path, &copy.to_string_lossy(), "--attack", "threshold"]);
        // Which shadow traces are for training follows from the files' digests: only the target's rows compare.
        let measures = "SELECT round(auc, 3), round(recall, 3), round(fpr, 3) FROM attacks
            WHERE attack = 'threshold' AND evaluated_on = 'target' ORDER BY attribute";
        let options = "SELECT DISTINCT contains(options, 'median_taken_off') FROM attacks WHERE attribute = 'critic'";
        (sql(&path, measures), sql(&path, options).lines().nth(1).unwrap().to_owned())
    };
    let (raw, (without, taken_off)) = (measured("raw", &manifest), measured("told", &told));
    assert_eq!((raw.1.as_str(), taken_off.as_str()), ("false", "true"));
    for file in ["critic.npy", "loss.npy"] {
        add_to_npy(&copy.join("shadow0").join(file), 512.0);
    }
    let (raw_moved, moved) = (measured("raw-moved", &manifest), measured("moved", &told));
    assert_ne!(raw.0, raw_moved.0, "a constant decides where nobody says that there is no zero");
    assert_eq!(without, moved.0);
}

#[test]
fn importing_twice_and_from_another_folder_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    import_example(&path);
    let before = jobs(&path);
    let copy = copied(folder.path());
    let (code, _, stderr) = run(&["import", &path, &copy.to_string_lossy(), "--attack", "threshold"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("was there already") && !stderr.contains("imported:"), "{stderr}");
    assert_eq!(jobs(&path), before);
}

/// A Parquet file of our own export holds the same attributes as the NPY files that it came from, and so
/// does a safetensors file; names by trace_id and by capture mean the same traces.
#[test]
fn parquet_safetensors_and_npy_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    import_example(&path);
    let parquet = folder.path().join("critic.parquet").to_string_lossy().into_owned();
    let query = "SELECT trace_id, member, kind, loss, vector FROM attributes WHERE role = 'target' AND kind = 'critic'";
    write_parquet(&path, query, Path::new(&parquet));
    let tensors = folder.path().join("critic.safetensors");
    write_safetensors(&path, &tensors);
    for (name, file) in [("again", parquet.as_str()), ("tensors", &*tensors.to_string_lossy())] {
        run_ok(&[
            "import",
            &path,
            "--generator",
            name,
            "--dataset",
            "os",
            "--class",
            "mac",
            "--attributes",
            file,
            "--no-evaluate",
        ]);
    }
    let differing = "SELECT count(*) FROM attributes a JOIN attributes b USING (trace_id) WHERE a.generator = 'mygan' \
                     AND a.role = 'target' AND a.kind = 'critic' AND b.generator <> 'mygan' AND b.role = 'target' \
                     AND (a.member <> b.member OR a.loss <> b.loss OR a.vector <> b.vector OR a.kind <> b.kind)";
    assert_eq!(sql(&path, differing).lines().nth(1), Some("0"));
    let counts = sql(
        &path,
        "SELECT generator, count(*) AS n FROM attributes WHERE role = 'target' AND kind = 'critic' GROUP BY generator ORDER BY 1",
    );
    assert_eq!(counts, "generator,n\nagain,20\nmygan,20\ntensors,20\n");
}

fn write_parquet(study: &str, query: &str, file: &Path) {
    let output = syntrace().args(["sql", study, "--format", "parquet", "-c", query]).finish().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(file, output.stdout).unwrap();
}

/// The target's attributes as `values`, `trace_ids`, `member` and `loss`.
fn write_safetensors(study: &str, path: &Path) {
    use safetensors::tensor::{Dtype, TensorView};
    let text = sql(
        study,
        "SELECT trace_id, member, loss, vector[1], vector[2], vector[3], vector[4] FROM attributes \
         WHERE role = 'target' AND kind = 'critic'",
    );
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let ids: Vec<u8> = rows.iter().flat_map(|row| row[0].parse::<i64>().unwrap().to_le_bytes()).collect();
    let member: Vec<u8> = rows.iter().map(|row| u8::from(row[1] == "true")).collect();
    let float = |text: &str| text.parse::<f32>().unwrap().to_le_bytes();
    let loss: Vec<u8> = rows.iter().flat_map(|row| float(row[2])).collect();
    let values: Vec<u8> = rows.iter().flat_map(|row| row[3..7].iter().flat_map(|text| float(text))).collect();
    let count = rows.len();
    let views = [
        ("values", TensorView::new(Dtype::F32, vec![count, 4], &values).unwrap()),
        ("trace_ids", TensorView::new(Dtype::I64, vec![count], &ids).unwrap()),
        ("member", TensorView::new(Dtype::BOOL, vec![count], &member).unwrap()),
        ("loss", TensorView::new(Dtype::F32, vec![count], &loss).unwrap()),
    ];
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn a_claimed_epsilon_is_stored_as_claimed_and_counted_as_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let copy = copied(folder.path());
    let text = std::fs::read_to_string(copy.join("import.toml")).unwrap();
    let claim = "epsilon = 0.5\ndelta = 1e-5\nclaim = { by = 'the makers, section 5', unit = 'packet', \
                 neighbours = 'replace one', guarantee = 'end-to-end' }\n[training]\nnoise_multiplier = 1.25\nsteps = 900\n";
    std::fs::write(
        copy.join("import.toml"),
        text.replacen("class = \"mac\"\n", &format!("class = \"mac\"\n{claim}"), 1),
    )
    .unwrap();
    run_ok(&["import", &path, &copy.to_string_lossy(), "--attack", "threshold"]);
    let models = sql(
        &path,
        "SELECT regime, epsilon, delta, noise_multiplier, steps, epsilon_spent, accountant, guarantee, epsilon_end_to_end \
         FROM models WHERE role = 'target'",
    );
    assert_eq!(models.lines().nth(1), Some("eps 0.5,0.5,0.00001,1.25,900,,,none,"), "{models}");
    let lineage = sql(&path, "SELECT DISTINCT description FROM lineage");
    for term in ["the makers, section 5", "epsilon 0.5", "unit packet", "neighbours replace one", "end-to-end"] {
        assert!(lineage.contains(term), "{lineage}");
    }
    let meaning = sql(&path, "SELECT DISTINCT meaning FROM model_privacy");
    assert!(meaning.contains("claimed by its makers, not checked here"), "{meaning}");
    assert_eq!(sql(&path, "SELECT count(*) FROM privacy_ledger").lines().nth(1), Some("0"));
}

/// Each damage on its own: an error that names the place, exit code 2, and not one job more.
#[test]
fn wrong_files_are_refused_with_their_place_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let before = jobs(&path);
    type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);
    let cases: &[Case<'_>] = &[
        ("an unknown class", &|copy| edit(copy, "import.toml", "\"mac\"", "\"mcc\""), "no class `os/mcc`"),
        ("a trace twice", &|copy| repeat_line(copy), "is in row"),
        (
            "an unknown trace",
            &|copy| edit_first(copy, "target/members.csv", "mac.pcap#", "mac.pcap#9999"),
            "begins at its packet",
        ),
        ("a bare capture", &|copy| edit(copy, "target/members.csv", "#", ".x#"), "no capture"),
        ("a NaN", &|copy| poke(copy, "target/critic.npy", -4, &f32::NAN.to_le_bytes()), "row 19, value 3"),
        ("a short array", &|copy| cut(copy, "target/critic.npy", 4), "bytes of values"),
        ("pickled objects", &|copy| edit_bytes(copy, "target/critic.npy", b"<f4", b"|O8"), "pickled"),
        ("one row less", &|copy| drop_line(copy), "expected one row for each of the 19"),
        ("a cut capture", &|copy| cut(copy, "shadow1/synthetic.pcap", 3), "damaged"),
        (
            "no capture at all",
            &|copy| std::fs::write(copy.join("shadow1/synthetic.pcap"), "text").unwrap(),
            "not a capture",
        ),
        ("an empty log", &|copy| std::fs::write(copy.join("shadow1/log.csv"), "epoch\n0\n").unwrap(), "train_loss"),
        ("our own name", &|copy| edit(copy, "import.toml", "mygan", "netssm"), "generator of this program"),
        ("a missing file", &|copy| std::fs::remove_file(copy.join("shadow0/loss.npy")).unwrap(), "loss.npy"),
    ];
    for (number, (what, damage, reason)) in cases.iter().enumerate() {
        let place = folder.path().join(number.to_string());
        std::fs::create_dir(&place).unwrap();
        let copy = copied(&place);
        damage(&copy);
        let (code, _, stderr) = run(&["import", &path, &copy.to_string_lossy()]);
        assert_eq!(code, 2, "{what}: {stderr}");
        assert!(stderr.contains(reason), "{what}: {stderr}");
        assert_eq!(jobs(&path), before, "{what} left something behind");
    }
}

fn edit(copy: &Path, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(copy.join(file)).unwrap();
    assert!(text.contains(from));
    std::fs::write(copy.join(file), text.replace(from, to)).unwrap();
}

fn edit_first(copy: &Path, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(copy.join(file)).unwrap();
    std::fs::write(copy.join(file), text.replacen(from, to, 1)).unwrap();
}

fn edit_bytes(copy: &Path, file: &str, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(copy.join(file)).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    std::fs::write(copy.join(file), bytes).unwrap();
}

fn poke(copy: &Path, file: &str, from_end: isize, bytes: &[u8]) {
    let mut content = std::fs::read(copy.join(file)).unwrap();
    let at = content.len().checked_add_signed(from_end).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(copy.join(file), content).unwrap();
}

fn cut(copy: &Path, file: &str, bytes: usize) {
    let content = std::fs::read(copy.join(file)).unwrap();
    std::fs::write(copy.join(file), &content[..content.len() - bytes]).unwrap();
}

fn repeat_line(copy: &Path) {
    let text = std::fs::read_to_string(copy.join("shadow0/members.csv")).unwrap();
    let last = text.lines().last().unwrap().to_owned();
    std::fs::write(copy.join("shadow0/members.csv"), format!("{text}{last}\n")).unwrap();
}

fn drop_line(copy: &Path) {
    let text = std::fs::read_to_string(copy.join("target/members.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(copy.join("target/members.csv"), lines[..lines.len() - 1].join("\n")).unwrap();
}

#[test]
fn changed_content_under_the_same_name_is_a_conflict_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    import_example(&path);
    let copy = copied(folder.path());
    edit(&copy, "target/log.csv", "1.6", "1.7");
    let (code, _, stderr) = run(&["import", &path, &copy.to_string_lossy(), "--no-evaluate"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("with other content") && stderr.contains("another name"), "{stderr}");
}

/// Found by the fuzz target: 1.5 KB of which the decoder made gigabytes; and a whole file with that one claim.
#[test]
fn a_dictionary_that_claims_more_values_than_it_has_bytes_is_refused_before_it_is_decoded() {
    let found = std::fs::File::open(fixture("dictionary.parquet")).unwrap();
    let error = syntrace::foreign::read_parquet(found, &[]).unwrap_err().to_string();
    assert!(error.contains("expected a Parquet file"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let file = folder.path().join("x.parquet");
    write_parquet(&path, "SELECT 'mac.pcap#4' AS trace, arrow_cast(0.5, 'Float32') AS vector", &file);
    let mut bytes = std::fs::read(&file).unwrap();
    assert_eq!(syntrace::foreign::read_parquet(std::fs::File::open(&file).unwrap(), &[]).unwrap().rows.len(), 1);
    // Field 7 of a page header, a struct; its field 1, an i32: one value.
    let header = bytes.windows(3).position(|bytes| bytes == [0x4c, 0x15, 2]).unwrap();
    bytes[header + 2] = 0x7e;
    std::fs::write(&file, bytes).unwrap();
    let error = syntrace::foreign::read_parquet(std::fs::File::open(&file).unwrap(), &[]).unwrap_err().to_string();
    assert!(error.contains("a dictionary of") && error.contains("bytes claims 63 values"), "{error}");
}

/// Found by the fuzz target: a page header of 9 bytes that claims 760 million numbers, through which the decoder
/// went one by one past the end of the file, for minutes.
#[test]
fn a_page_header_that_claims_what_is_not_there_is_refused_before_it_is_decoded() {
    let file = std::fs::File::open(fixture("slow.parquet")).unwrap();
    let error = syntrace::foreign::read_parquet(file, &[]).unwrap_err().to_string();
    assert!(error.contains("expected a Parquet file: a header ends too early"), "{error}");
}

/// 40 bytes for which the decoder asks for 206 GB: the program ends where memory is limited.
#[test]
fn a_footer_that_claims_row_groups_that_are_not_there_is_refused_before_it_is_decoded() {
    let columns = b"\x15\x02\x19\x2c\x48\x01s\x15\x02\0\x15\x08\x25\0\x18\x01x\0\x16\0";
    let footer = [columns.as_slice(), b"\x19\xfc\xff\xff\xff\xff\x07\0"].concat();
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.parquet");
    std::fs::write(&file, [b"PAR1", footer.as_slice(), &length, b"PAR1"].concat()).unwrap();
    let error = syntrace::foreign::read_parquet(std::fs::File::open(&file).unwrap(), &[]).unwrap_err().to_string();
    assert!(error.contains("expected a Parquet file: a header ends too early"), "{error}");
    std::fs::write(&file, [b"PAR1", footer.as_slice(), b"\xff\xff\xff\xff", b"PAR1"].concat()).unwrap();
    let error = syntrace::foreign::read_parquet(std::fs::File::open(&file).unwrap(), &[]).unwrap_err().to_string();
    assert!(error.contains("a footer of at most") && error.contains("4294967295"), "{error}");
}

/// A column `vector` of 20,000 numbers, one page, as the library writes it.
fn numbers(codec: Compression, version: WriterVersion) -> Vec<u8> {
    let field = Field::new("vector", DataType::Float32, true);
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(vec![field])),
        vec![Arc::new(Float32Array::from_iter((0..20_000).map(|row| (row > 0).then_some(0.5)).rev()))],
    );
    let properties = WriterProperties::builder().set_compression(codec).set_writer_version(version);
    let properties = properties.set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::None).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.as_ref().unwrap().schema(), Some(properties)).unwrap();
    writer.write(&batch.unwrap()).unwrap();
    writer.into_inner().unwrap()
}

fn refusal(bytes: Vec<u8>) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    syntrace::foreign::read_parquet(file.reopen().unwrap(), &[]).unwrap_err().to_string()
}

/// The decoder unfolds a page of these codecs to its end and compares sizes then: a kilobyte can be gigabytes.
#[test]
fn a_page_that_unfolds_to_more_than_it_claims_is_refused_before_it_is_decoded() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for codec in [Compression::GZIP(Default::default()), Compression::BROTLI(Default::default())] {
            let mut bytes = numbers(codec, version);
            // What is whole comes as far as the one NULL.
            assert!(
                refusal(bytes.clone()).contains("row 19999: expected a value, found NULL"),
                "{codec:?} {version:?}"
            );
            // `PAR1`; field 1, the kind of page; field 2, its bytes before compression: a number of 3 bytes.
            assert!(bytes[6] == 0x15 && bytes[7] & bytes[8] & 0x80 != 0 && bytes[9] < 0x80);
            bytes[7..10].copy_from_slice(&[0xfe, 0xff, 0]); // 8,191 of 80,000
            let error = refusal(bytes);
            assert!(
                error.contains("decompresses to more than the 8191 bytes that it claims"),
                "{codec:?} {version:?}: {error}"
            );
        }
    }
    assert!(refusal(numbers(Compression::LZ4, WriterVersion::PARQUET_1_0)).contains("found NULL"));
}

#[test]
fn columns_and_pages_are_within_the_file_and_names_are_short() {
    let whole = numbers(Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0);
    let mut page = whole.clone();
    assert_eq!((page[10], page[9] < 0x80), (0x15, true));
    page[11..14].copy_from_slice(&[0xfe, 0xff, 0x0f]); // 131,071 of 80,000
    assert!(refusal(page).contains("a page of 131071 bytes ends after its column"));
    // Fields 6 and 7 of a column: its bytes before and after compression, the same here.
    let footer =
        whole.len() - 8 - u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let sizes =
        (footer..whole.len()).find(|at| whole[*at] == 0x16 && whole[*at..*at + 4] == whole[*at + 4..*at + 8]).unwrap();
    let mut column = whole.clone();
    column[sizes + 5..sizes + 8].copy_from_slice(&[0xfe, 0xff, 0x7f]);
    assert!(refusal(column).contains("its columns claim 1048575 of its"));
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let file = folder.path().join("x.parquet");
    write_parquet(&path, "SELECT repeat('a', 301) AS trace, 0.5 AS vector", &file);
    assert!(refusal(std::fs::read(&file).unwrap()).contains("row 0: expected text of at most 300 bytes, found 301"));
}

/// Damaged Parquet: every prefix and many flipped bits give an error or a table, never a panic, and
/// never an allocation by a claimed size (the test would not end).
#[test]
fn damaged_parquet_gives_errors_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let file = folder.path().join("x.parquet");
    let query = "SELECT trace_id, trace_id % 2 = 0 AS member, 0.5 AS loss FROM traces";
    write_parquet(&path, query, &file);
    let whole = std::fs::read(&file).unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        syntrace::foreign::read_parquet(std::fs::File::open(&file).unwrap(), &[])
    };
    assert!(read(&whole).unwrap_err().to_string().contains("number columns"));
    for end in (0..whole.len()).step_by(37) {
        assert!(read(&whole[..end]).is_err());
    }
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for at in (0..whole.len()).step_by(5) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        let _ = read(&damaged);
    }
    std::panic::set_hook(quiet);
}

/// A manifest of a stranger must not bring other files of this machine into the study, nor wait for ever.
#[test]
fn a_manifest_reads_files_of_its_own_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let study = at("s.redb").to_string_lossy().into_owned();
    run_ok(&[
        "ingest",
        &study,
        "--dataset",
        "os",
        "--class",
        "mac",
        &fixture("import/real/mac.pcap").to_string_lossy(),
    ]);
    let inside = at("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(at("secret"), "xyzzy").unwrap();
    std::fs::copy(fixture("import/target/synthetic.pcap"), inside.join("synthetic.pcap")).unwrap();
    std::os::unix::fs::symlink(at("secret"), inside.join("link")).unwrap();
    // A folder that leads back to itself, twice.
    std::fs::create_dir(inside.join("folder")).unwrap();
    std::fs::copy(inside.join("synthetic.pcap"), inside.join("folder/synthetic.pcap")).unwrap();
    for link in ["a", "b"] {
        std::os::unix::fs::symlink(".", inside.join("folder").join(link)).unwrap();
    }
    assert!(std::process::Command::new("mkfifo").arg(inside.join("pipe")).status().unwrap().success());
    let secret = at("secret").display().to_string();
    let import = |line: &str| {
        let manifest = format!(
            "generator = \"g\"\ndataset = \"os\"\nclass = \"mac\"\n[[model]]\nmembers = \"all\"\nsynthetic = [\"synthetic.pcap\"]\n{line}"
        );
        std::fs::write(inside.join("import.toml"), manifest).unwrap();
        run(&["import", &study, &inside.to_string_lossy(), "--no-evaluate"])
    };
    for path in ["../secret", &secret, "link", "/dev/zero"] {
        let (code, stdout, stderr) = import(&format!("weights = \"{path}\""));
        assert!(code == 2 && stderr.contains("lies outside the manifest's folder"), "{path}: {stdout}{stderr}");
    }
    for line in ["weights = \"pipe\"", "log = \"pipe\"", "attributes = [\"pipe\"]"] {
        let (code, stdout, stderr) = import(line);
        assert!(
            code == 2 && (stderr.contains("a device or a pipe") || stderr.contains("a file that ends in")),
            "{stdout}{stderr}"
        );
    }
    let looped = import("").2;
    let once = import("synthetic_again = 1").2;
    assert!(looped.contains("synthetic traces") && once.contains("unknown field"), "{looped}{once}");
    let manifest = std::fs::read_to_string(inside.join("import.toml")).unwrap();
    let manifest =
        manifest.replace("synthetic_again = 1", "").replace("synthetic.pcap", "folder").replace("\"g\"", "\"h\"");
    std::fs::write(inside.join("import.toml"), manifest).unwrap();
    let (_, _, again) = run(&["import", &study, &inside.to_string_lossy(), "--no-evaluate"]);
    let count =
        |said: &str| said.split(" synthetic traces").next().and_then(|said| said.rsplit(' ').next()).map(str::to_owned);
    assert_eq!(count(&again), count(&looped), "a file counts once\n{again}{looped}");
}

/// Runs where python3 has numpy; elsewhere the committed files stand for it.
#[test]
fn the_example_script_writes_the_files_that_are_tested() {
    let folder = tempfile::tempdir().unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import_example.py");
    assert!(std::fs::read_to_string(&script).unwrap().lines().count() <= 30, "the example stays short");
    let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let numpy = std::process::Command::new(&python).args(["-c", "import numpy"]).finish();
    if !numpy.is_ok_and(|output| output.status.success()) {
        crate::common::skip(
            "numpy",
            format_args!("the_example_script_writes_the_files_that_are_tested: no python3 with numpy here"),
        );
        return;
    }
    let status = std::process::Command::new(&python).arg(&script).arg(folder.path()).status().unwrap();
    assert!(status.success());
    let mut compared = 0;
    for part in ["real", "target", "shadow0", "shadow1", "."] {
        for entry in
            std::fs::read_dir(fixture("import").join(part)).unwrap().flatten().filter(|entry| entry.path().is_file())
        {
            let written = std::fs::read(folder.path().join(part).join(entry.file_name())).unwrap();
            assert!(written == std::fs::read(entry.path()).unwrap(), "{} differs", entry.path().display());
            compared += 1;
        }
    }
    assert_eq!(compared, 17);
}

/// A value of a row, which is of a member or not.
type Number<'a> = &'a dyn Fn(usize, bool) -> f64;

/// The columns of a Parquet file beside the traces of the study: one row a trace, members first.
fn attribute_file(study: &str, file: &Path, columns: &[(&str, Number<'_>)]) {
    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array};
    let ids: Vec<i64> = sql(study, "SELECT trace_id FROM traces ORDER BY 1")
        .lines()
        .skip(1)
        .map(|line| line.parse().unwrap())
        .collect();
    let member = |row: usize| row < ids.len() / 2;
    let mut arrays: Vec<(&str, ArrayRef)> = vec![
        ("trace_id", Arc::new(Int64Array::from(ids.clone()))),
        ("member", Arc::new(BooleanArray::from_iter((0..ids.len()).map(|row| Some(member(row)))))),
    ];
    for (name, value) in columns {
        let values = (0..ids.len()).map(|row| value(row, member(row)));
        arrays.push((name, Arc::new(Float64Array::from_iter_values(values))));
    }
    let batch = RecordBatch::try_from_iter(arrays).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Imports a file as the attribute of a shadow and of the target of a generator.
fn import_file(study: &str, generator: &str, file: &Path, more: &[&str]) -> (i32, String) {
    let mut last = (0, String::new());
    for role in [&["--shadow", "0", "--no-evaluate"][..], &["--attack", "threshold", "random_forest"]] {
        let attribute = format!("critic={}", file.display());
        let one = ["import", study, "--generator", generator, "--dataset", "os", "--class", "mac"];
        let (code, _, stderr) = run(&[&one, &["--attributes", &attribute][..], role, more].concat());
        last = (code, stderr);
    }
    last
}

/// Rounded to FLOAT, every one of these attributes is the same for members and others.
#[test]
fn doubles_that_float_cannot_tell_apart_are_told_apart_by_an_attack() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let file = folder.path().join("x.parquet");
    let close: Number<'_> = &|_, member| 1.0 + f64::from(u8::from(member)) * 1e-12;
    let large: Number<'_> = &|_, member| if member { f64::MAX } else { f64::MAX / 2.0 };
    let whole: Number<'_> = &|_, member| 2f64.powi(52) + f64::from(u8::from(member));
    for (name, value) in [("close", close), ("large", large), ("whole", whole)] {
        attribute_file(&path, &file, &[("values", value), ("loss", &|row, member| -value(row, member))]);
        let (code, stderr) = import_file(&path, name, &file, &[]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("rows of 1 values, from `values`"), "{stderr}");
        let auc = format!(
            "SELECT attack, auc FROM attacks WHERE generator = '{name}' AND evaluated_on = 'target' ORDER BY 1"
        );
        assert_eq!(sql(&path, &auc).replace("1.0", "1"), "attack,auc\nrandom_forest,1\nthreshold,1\n", "{name}");
        let exact = format!(
            "SELECT count(DISTINCT value) AS n, max(value) = -min(loss) AS same FROM (SELECT coalesce(vector_exact[1], \
             vector[1]) AS value, coalesce(loss_exact, loss) AS loss FROM attributes WHERE generator = '{name}')"
        );
        assert_eq!(sql(&path, &exact), "n,same\n2,true\n", "{name}");
    }
    run_ok(&["verify", &path]);
    // What FLOAT holds is stored as it always was.
    attribute_file(&path, &file, &[("values", &|row, _| row as f64 / 2.0)]);
    assert_eq!(import_file(&path, "single", &file, &[]).0, 0);
    let query = "SELECT count(*) AS n FROM attributes WHERE generator = 'single' AND vector_exact IS NULL";
    assert_eq!(sql(&path, query), "n\n120\n");
}

#[test]
fn number_columns_are_attributes_by_the_contract_or_by_an_option_and_never_by_chance() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let file = folder.path().join("x.parquet");
    let noise: Number<'_> = &|row, _| (row * 7919 % 13) as f64;
    let index: Number<'_> = &|row, _| row as f64;
    // The index that pandas writes tells members from others, and is no attribute.
    attribute_file(&path, &file, &[("0", noise), ("1", noise), ("__index_level_0__", index)]);
    let (code, stderr) = import_file(&path, "a", &file, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("rows of 2 values, from `0`, `1`; left out: `__index_level_0__`"), "{stderr}");
    assert_eq!(sql(&path, "SELECT DISTINCT array_length(vector) AS n FROM attributes"), "n\n2\n");
    for columns in [vec![("0", noise), ("step", index)], vec![("logit", noise), ("Unnamed: 0", index)]] {
        attribute_file(&path, &file, &columns);
        let (code, stderr) = import_file(&path, "b", &file, &[]);
        assert!(code == 2 && stderr.contains(columns[1].0) && stderr.contains("--columns"), "{stderr}");
    }
    let (code, stderr) = import_file(&path, "b", &file, &["--columns", "logit"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("from `logit`; left out: `Unnamed: 0`"), "{stderr}");
    let (code, stderr) = import_file(&path, "c", &file, &["--columns", "nope"]);
    assert!(code == 2 && stderr.contains("expected a column `nope`, found"), "{stderr}");
}

/// A shadow of two traces gives an attack one trace to learn from: it fails, and the other generator is attacked.
#[test]
fn an_attack_that_fails_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path());
    let copy = copied(folder.path());
    let members = std::fs::read_to_string(copy.join("shadow0/members.csv")).unwrap();
    let row = |flag: &str| members.lines().find(|line| line.ends_with(flag)).unwrap();
    std::fs::write(copy.join("two.csv"), format!("trace,member\n{}\n{}\n", row(",1"), row(",0"))).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }\n";
    let values: Vec<u8> = [1f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let npy = [b"\x93NUMPY\x01\0", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), &values].concat();
    std::fs::write(copy.join("critic.npy"), npy).unwrap();
    let model = |generator: &str, role: &str, members: &str, critic: &str| {
        format!("[[model]]\ngenerator = \"{generator}\"\n{role}members = \"{members}\"\nattributes = [\"{critic}\"]\n")
    };
    let manifest = [
        "dataset = \"os\"\nclass = \"mac\"\n".to_owned(),
        model("a-bad", "shadow = 0\n", "two.csv", "critic.npy"),
        model("a-bad", "", "target/members.csv", "target/critic.npy").replace("target/critic.npy", "one.npy"),
        model("good", "shadow = 0\n", "shadow0/members.csv", "shadow0/critic.npy"),
        model("good", "", "target/members.csv", "target/critic.npy"),
    ];
    // The target of the first has one value a trace as its shadow has.
    let rows = std::fs::read_to_string(copy.join("target/members.csv")).unwrap().lines().count() - 1;
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows},), }}\n");
    let values: Vec<u8> = (0..rows as u16).flat_map(|value| f32::from(value).to_le_bytes()).collect();
    let npy = [b"\x93NUMPY\x01\0", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), &values].concat();
    std::fs::write(copy.join("one.npy"), npy).unwrap();
    let manifest = manifest.concat().replace("[\"critic.npy\"]", "[{ file = \"critic.npy\", kind = \"critic\" }]");
    let manifest = manifest.replace("[\"one.npy\"]", "[{ file = \"one.npy\", kind = \"critic\" }]");
    std::fs::write(copy.join("import.toml"), manifest).unwrap();
    let (code, _, stderr) =
        run(&["import", &path, &copy.to_string_lossy(), "--attack", "random_forest", "--threads", "1"]);
    assert!(code == 2 && stderr.contains("failed: attack random_forest a-bad"), "{stderr}");
    let attacked = sql(&path, "SELECT DISTINCT generator FROM attacks");
    assert_eq!(attacked, "generator\ngood\n", "{stderr}");
}
