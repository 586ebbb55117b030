//! The shape of the code, as tables that a test holds: who may import whom, where each foreign crate
//! lives, what pure stages may not do, sizes, names. Everything here reads text, nothing parses Rust:
//! rustfmt's layout is what makes that enough.

mod circles;
mod duplicate_functions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which modules of this crate each module may use. A new arrow is a decision: change this table,
/// `src/lib.rs` and the code in one commit.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("base", &["error"]),
    ("record", &["base", "error"]),
    ("capture", &["base", "error", "record"]),
    ("simulate", &["base", "error", "record", "capture"]),
    ("encoding", &["base", "error", "record", "capture"]),
    ("fft", &[]),
    ("privacy", &["base", "error", "record", "fft"]),
    ("forest", &["base", "error"]),
    ("eval", &["base", "error", "record", "forest"]),
    ("adam", &[]),
    ("utility", &["base", "error", "record", "eval", "forest", "adam"]),
    ("audit", &["base", "error", "record", "capture", "eval", "privacy"]),
    ("kernel", &[]),
    ("nn", &["base", "error"]),
    ("train", &["base", "error", "record", "nn"]),
    ("model", &["base", "error", "record", "encoding", "kernel", "nn", "train"]),
    ("attack", &["base", "error", "record", "eval", "forest", "adam"]),
    ("synth", &["base", "error", "record", "encoding"]),
    ("anonymise", &["base", "record", "capture"]),
    ("spec", &["base", "error", "record", "privacy", "audit"]),
    ("foreign", &["base", "error"]),
    ("store", &["base", "error", "record"]),
    (
        "pipeline",
        &[
            "base",
            "error",
            "record",
            "capture",
            "simulate",
            "encoding",
            "privacy",
            "eval",
            "nn",
            "model",
            "train",
            "attack",
            "synth",
            "foreign",
            "spec",
            "store",
            "utility",
            "audit",
            "anonymise",
        ],
    ),
    ("query", &["base", "error", "record", "store", "eval", "privacy"]),
    ("report", &["base", "error", "record", "capture", "encoding", "query"]),
    ("serve", &["base", "error", "store", "query"]),
    ("python", &["base", "error", "record", "encoding", "privacy", "pipeline", "query", "report", "spec", "store"]),
    ("ui", &["base", "error", "capture", "store", "query", "report"]),
    (
        "cli",
        &[
            "base", "error", "record", "simulate", "encoding", "privacy", "eval", "model", "attack", "spec", "store",
            "pipeline", "query", "report", "serve", "ui", "audit",
        ],
    ),
];

/// Where each foreign crate is at home; crates that are not named here may be used anywhere.
const HOMES: &[(&str, &[&str])] = &[
    ("pcap_parser", &["capture"]),
    ("etherparse", &["capture"]),
    ("redb", &["store"]),
    ("rkyv", &["base", "record", "store"]),
    ("zstd", &["capture", "store"]),
    ("lzma_rust2", &["capture"]),
    ("blake3", &["base", "store", "pipeline"]),
    ("tch", &["nn", "model", "train", "adam", "attack", "utility"]),
    ("safetensors", &["nn", "model", "train", "foreign", "store"]),
    ("rustfft", &["fft"]),
    ("statrs", &["privacy", "eval"]),
    ("datafusion", &["query", "serve"]),
    ("arrow", &["foreign", "store", "pipeline", "query", "report", "serve", "ui", "python", "cli"]),
    ("pyo3", &["python"]),
    ("pyo3_arrow", &["python"]),
    ("flate2", &["capture", "foreign"]),
    ("brotli", &["foreign"]),
    ("lz4_flex", &["foreign"]),
    ("parquet", &["foreign", "query"]),
    ("pgwire", &["serve"]),
    ("arrow_pg", &["serve"]),
    ("axum", &["ui"]),
    ("form_urlencoded", &["ui"]),
    ("tokio", &["query", "serve", "ui"]),
    ("futures", &["query", "serve", "ui"]),
    ("async_trait", &["query", "serve"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("unicode_width", &["query"]),
    ("askama", &["report", "ui"]),
    ("svg", &["report"]),
    ("resvg", &["report"]),
    ("indicatif", &["cli"]),
    ("signal_hook", &["cli"]),
    ("rustyline", &["cli"]),
    ("rayon", &["base"]),
    ("rand_chacha", &["base"]),
    ("toml", &["spec"]),
];

/// Modules that are pure: records in, records out.
const STAGES: &[&str] = &[
    "capture",
    "simulate",
    "encoding",
    "privacy",
    "kernel",
    "nn",
    "model",
    "train",
    "attack",
    "synth",
    "eval",
    "foreign",
    "forest",
    "utility",
    "audit",
    "anonymise",
];

/// What a stage may not do, and what it does instead.
const IMPURE: &[(&str, &str)] = &[
    ("println!(", "return the text, or report through `base::Progress`"),
    ("eprintln!(", "return the text, or report through `base::Progress`"),
    ("dbg!(", "remove it"),
    ("SystemTime::now", "take the time as an argument"),
    ("std::env::", "take the value as an argument"),
    ("File::open", "take an open `Read`"),
    ("File::create", "take an open `Write`"),
    ("std::fs::", "take an open `Read` or `Write`"),
    ("rand::rng()", "take a `base::Seed`"),
    ("manual_seed(", "draw from a `base::Seed`; libtorch's generator is global"),
    ("set_num_threads(", "leave the number of threads to the caller; libtorch's is global"),
];

/// What the caller of stages uses to set libtorch's threads; itself no stage.
const THREADS_HOME: &str = "crates/model/src/nn/device.rs";

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;

struct Source {
    /// Path from the repository's root.
    path: String,
    /// Top module (`attack` for `src/attack/mlp.rs`), empty outside `src`.
    module: String,
    text: String,
}

impl Source {
    /// The lines that are compiled into the product: no comments, no unit tests.
    fn code(&self) -> Vec<&str> {
        let product = match self.text.find("#[cfg(test)]\nmod ") {
            Some(end) => &self.text[..end],
            None => &self.text,
        };
        product.lines().map(|line| line.find("//").map_or(line, |comment| &line[..comment])).collect()
    }

    /// Are modules at the root of its crate named by `crate::`? A member that is one module names its own files so.
    fn names_modules_by_crate(&self) -> bool {
        self.path.starts_with("src/") || is_group(self.path.split('/').nth(1).unwrap_or_default())
    }

    /// The other modules of the table that it uses, each with the number of the line from 0.
    fn imports(&self) -> Vec<(usize, String)> {
        let known = |used: &String| *used != self.module && IMPORTS.iter().any(|(module, _)| module == used);
        let of_line = |line: &str| used_modules(line, self.names_modules_by_crate()).into_iter().filter(known);
        let lines = self.code();
        lines.iter().enumerate().flat_map(|(number, line)| of_line(line).map(move |used| (number, used))).collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file with one of the extensions below a folder, sorted.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Members of the workspace that hold several modules; every other one is a module of its own.
const GROUPS: &[(&str, &[&str])] = &[
    ("base", &["error", "base", "record"]),
    ("traffic", &["capture", "simulate", "encoding", "synth", "anonymise"]),
    ("measure", &["privacy", "forest", "eval", "audit"]),
    ("model", &["nn", "train", "model"]),
    ("attack", &["attack", "utility"]),
];

fn is_group(member: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == member)
}

/// The module of a source file: `attack` for `crates/attack/src/attack/mlp.rs`, `store` for
/// `crates/store/src/reader.rs`, `cli` for `src/cli/sql.rs`, `lib` for a file that only lists modules; empty for tests.
fn module_of(path: &str) -> String {
    let first = |rest: &str| rest.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
    if let Some(rest) = path.strip_prefix("src/") {
        return first(rest);
    }
    let member = path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/"));
    match member {
        _ if path.starts_with("python/src/") => "python".to_owned(),
        Some((member, rest)) if is_group(member) => first(rest),
        Some((member, _)) => member.to_owned(),
        None => String::new(),
    }
}

fn read_sources(folder: &Path) -> Vec<Source> {
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        Source { module: module_of(&inside), text: std::fs::read_to_string(&path).unwrap(), path: inside }
    };
    files(folder, &["rs"]).into_iter().map(read).collect()
}

/// All code of the product: the command line, the Python package and the members of the workspace.
fn sources() -> Vec<Source> {
    let mut found = read_sources(&root().join("src"));
    found.extend(read_sources(&root().join("python/src")));
    for member in std::fs::read_dir(root().join("crates")).unwrap().flatten() {
        found.extend(read_sources(&member.path().join("src")));
    }
    found.retain(|source| source.module != "shared-features");
    found
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The name at the start of some text.
fn leading_name(text: &str) -> &str {
    &text[..text.find(|character| !is_name(character)).unwrap_or(text.len())]
}

/// Modules that a line names, of the own member of the workspace (`crate::`) or of another (`syntrace_base::error`).
/// Groups (`{a::b, c}`) must stand on one line.
fn used_modules(line: &str, own_modules: bool) -> Vec<String> {
    let mut used = Vec::new();
    let own = line.match_indices("crate::").filter(|_| own_modules).map(|(at, marker)| at + marker.len());
    for start in own {
        used.extend(heads(&line[start..]));
    }
    for (at, marker) in line.match_indices("syntrace_") {
        let member = leading_name(&line[at + marker.len()..]);
        let rest = &line[at + marker.len() + member.len()..];
        match rest.strip_prefix("::") {
            Some(rest) if is_group(member) => used.extend(heads(rest)),
            _ => used.push(member.to_owned()),
        }
    }
    used
}

/// The first names of a path or of a group of paths.
fn heads(rest: &str) -> Vec<String> {
    let mut used = Vec::new();
    let Some(group) = rest.strip_prefix('{') else { return vec![leading_name(rest).to_owned()] };
    let mut depth = 0usize;
    let mut start = true;
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && is_name(character) => {
                used.push(leading_name(&group[place..]).to_owned());
                start = false;
            }
            _ => {}
        }
    }
    used
}

/// Does the line name a foreign crate as the start of a path?
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let free = before.is_none_or(|character| !is_name(character) && character != ':' && character != '.');
        let after = &line[at + name.len()..];
        free && (after.starts_with("::") || (line.trim_start().starts_with("use ") && after.starts_with(';')))
    })
}

fn report(failures: Vec<String>, advice: &str) {
    assert!(failures.is_empty(), "\n{}\n{advice}\n", failures.join("\n"));
}

#[test]
fn every_file_of_tests_is_part_of_the_test_binary() {
    let main = std::fs::read_to_string(root().join("tests/main.rs")).unwrap();
    let missing = std::fs::read_dir(root().join("tests")).unwrap().flatten().filter_map(|entry| {
        let path = entry.path();
        let name = path.file_stem()?.to_str()?.to_owned();
        let is_module = path.extension().is_some_and(|found| found == "rs") || path.join("mod.rs").exists();
        let named = main.lines().any(|line| line.trim() == format!("mod {name};"));
        (is_module && name != "main" && !named).then(|| format!("tests/{name} is in no test binary"))
    });
    report(missing.collect(), "add `mod NAME;` to tests/main.rs");
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut failures = Vec::new();
    for source in sources() {
        if matches!(source.module.as_str(), "lib" | "main" | "torch") {
            continue;
        }
        let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == source.module) else {
            failures.push(format!("{}: module `{}` is not in the import table", source.path, source.module));
            continue;
        };
        for (number, used) in source.imports() {
            if !allowed.contains(&used.as_str()) {
                let place = format!("{}:{}", source.path, number + 1);
                failures.push(format!("{place}: `{}` may not use `crate::{used}`", source.module));
            }
        }
        for (number, line) in source.code().iter().enumerate() {
            let depth = source.path.split_once("src/").map_or(0, |(_, inside)| inside.matches('/').count());
            if depth < 2 && source.names_modules_by_crate() && line.contains("super::super::") {
                failures.push(format!("{}:{}: write `crate::`, not `super::super::`", source.path, number + 1));
            }
        }
    }
    report(failures, "move the code, or change IMPORTS in tests/architecture.rs and the picture in src/lib.rs");
}

#[test]
fn the_table_allows_no_import_that_nothing_makes() {
    let sources = sources();
    let mut failures = Vec::new();
    for (module, allowed) in IMPORTS {
        let own = sources.iter().filter(|source| source.module == *module);
        let used: BTreeSet<String> =
            own.flat_map(|source| source.imports().into_iter().map(|(_, used)| used)).collect();
        let unused = allowed.iter().filter(|allowed| !used.contains(**allowed));
        failures.extend(unused.map(|unused| format!("`{module}` uses nothing of `{unused}`")));
    }
    report(failures, "take the arrow out of IMPORTS in tests/architecture.rs");
}

#[test]
fn foreign_crates_stay_in_their_homes() {
    let mut failures = Vec::new();
    for source in sources() {
        for (number, line) in source.code().iter().enumerate() {
            for (name, homes) in HOMES {
                if names_crate(line, name) && !homes.contains(&source.module.as_str()) {
                    let place = format!("{}:{}", source.path, number + 1);
                    failures.push(format!("{place}: `{name}` is at home in {homes:?}, not in `{}`", source.module));
                }
            }
        }
    }
    report(failures, "go through the adapter in its home, or change HOMES in tests/architecture.rs and src/lib.rs");
}

#[test]
fn stages_do_not_print_open_files_or_read_clock_environment_and_global_randomness() {
    let mut failures = Vec::new();
    let stage = |source: &&Source| STAGES.contains(&source.module.as_str()) && source.path != THREADS_HOME;
    for source in sources().iter().filter(stage) {
        for (number, line) in source.code().iter().enumerate() {
            for (call, instead) in IMPURE {
                // `eprintln!(` ends in `println!(`: only a call that starts here counts.
                let starts = |at: usize| !line[..at].chars().next_back().is_some_and(is_name);
                if line.match_indices(call).any(|(at, _)| starts(at)) {
                    failures.push(format!("{}:{}: `{call}`: {instead}", source.path, number + 1));
                }
            }
        }
    }
    report(failures, "stages are pure; `pipeline` and `cli` touch the world");
}

/// (name, first line, number of lines) of the functions of some code laid out by rustfmt: a body ends
/// where a line of the head's indentation starts with `}`.
fn functions(code: &[&str]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (first, line) in code.iter().enumerate() {
        let head = line.trim_start();
        let indent = line.len() - head.len();
        let words = head.split_inclusive(' ').take_while(|word| {
            *word == "fn " || ["pub", "const ", "async ", "unsafe "].iter().any(|prefix| word.starts_with(prefix))
        });
        let before: String = words.collect();
        if !before.ends_with("fn ") {
            continue;
        }
        let name = leading_name(&head[before.len()..]).to_owned();
        let end = code.iter().enumerate().skip(first).find(|(at, line)| {
            let text = line.trim_start();
            let same = line.len() - text.len() == indent;
            let whole = *at == first && (text.trim_end().ends_with(';') || text.trim_end().ends_with('}'));
            let declared = same && text.starts_with(')') && text.trim_end().ends_with(';');
            whole || declared || (*at > first && same && text.starts_with('}'))
        });
        found.push((name, first + 1, end.map_or(1, |(last, _)| last - first + 1)));
    }
    found
}

#[test]
fn functions_stay_within_seventy_lines() {
    let mut failures = Vec::new();
    let mut seen = 0;
    for source in sources() {
        for (name, line, lines) in functions(&source.code()) {
            seen += 1;
            if lines > FUNCTION_LINES_MAX {
                failures.push(format!("{}:{line}: `{name}` has {lines} lines", source.path));
            }
        }
    }
    assert!(seen > 50, "the scanner found only {seen} functions: does it still understand the layout?");
    report(failures, "split the function where its steps have names");
}

#[test]
fn files_stay_within_eight_hundred_lines_and_ascii() {
    let mut failures = Vec::new();
    for folder in ["src", "crates", "python", "tests", "benches", "schema", "queries", "studies", "tools"] {
        for path in files(&root().join(folder), &["rs", "sql", "toml", "sh", "py", "pyi"]) {
            let text = std::fs::read_to_string(&path).unwrap();
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            if text.lines().count() > FILE_LINES_MAX {
                failures.push(format!("{shown}: {} lines: split it by what it holds", text.lines().count()));
            }
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_ascii()) {
                let odd: BTreeSet<char> = line.chars().filter(|character| !character.is_ascii()).collect();
                failures.push(format!("{shown}:{}: not ASCII: {odd:?}", number + 1));
            }
        }
    }
    report(failures, "see the lines above");
}

/// Spellings that the glossary replaces: one noun, one name, in records, columns and SQL.
const SPELLINGS: &[(&str, &str)] = &[
    ("sigma", "noise_multiplier"),
    ("eps", "epsilon"),
    ("lr", "learning_rate"),
    ("timestamp", "..._us"),
    ("sport", "src_port"),
    ("dport", "dst_port"),
    ("source_ip", "src_ip"),
    ("dest_ip", "dst_ip"),
    ("num", "a plural noun"),
    ("count", "a plural noun"),
    ("is_member", "member"),
    ("label", "member"),
];

#[test]
fn columns_are_named_by_the_glossary_and_documented() {
    let mut failures = Vec::new();
    let mut codes = BTreeSet::new();
    for table in syntrace::store::schema::SEGMENT_TABLES {
        let mut names = BTreeSet::new();
        if !codes.insert(table.code) {
            failures.push(format!("table `{}`: code {} is taken", table.name, table.code));
        }
        for column in table.columns {
            let place = format!("column `{}.{}`", table.name, column.name);
            let snake_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
            let snake = column.name.chars().all(snake_letter);
            if !snake || !names.insert(column.name) {
                failures.push(format!("{place}: expected a unique snake_case name"));
            }
            if let Some((_, instead)) = SPELLINGS.iter().find(|(wrong, _)| column.name == *wrong) {
                failures.push(format!("{place}: the glossary calls it `{instead}`"));
            }
            if column.doc.contains("microseconds") && !column.name.ends_with("_us") {
                failures.push(format!("{place}: a time in microseconds ends in `_us`"));
            }
            if column.doc.is_empty() {
                failures.push(format!("{place}: has no meaning written down"));
            }
        }
    }
    report(failures, "names are for good: columns are part of the file format");
}

/// Notes that no reader of this repository has.
const UNREACHABLE: [&str; 1] = ["facts section"];

#[test]
fn comments_cite_what_a_reader_can_find() {
    let mut failures = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(cited) = UNREACHABLE.iter().find(|cited| line.contains(**cited)) {
                failures.push(format!("{}:{}: cites `{cited}`", source.path, number + 1));
            }
        }
    }
    report(failures, "cite the publication (section, equation) or the RFC");
}

#[test]
fn tests_are_named_after_the_fact_they_prove() {
    let mut failures = Vec::new();
    for source in read_sources(&root().join("tests")).iter().chain(&sources()) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, pair) in lines.windows(2).enumerate().filter(|(_, pair)| pair[0].trim() == "#[test]") {
            let Some((_, rest)) = pair[1].split_once("fn ") else { continue };
            let name = leading_name(rest);
            let says_little = name.split('_').count() < 3 || name.starts_with("test_") || name.contains("regression");
            if says_little {
                failures.push(format!("{}:{}: `{name}` names no fact", source.path, number + 2));
            }
        }
    }
    report(failures, "say what holds: `reversed_rows_give_the_same_scores`, not `test_scores2`");
}

mod scanner {
    use super::{functions, names_crate, used_modules};

    #[test]
    fn imports_are_found_in_paths_groups_and_derives() {
        assert_eq!(used_modules("use crate::base::Seed;", true), ["base"]);
        assert_eq!(
            used_modules("use crate::{base::{Seed, hash}, error::Result, store};", true),
            ["base", "error", "store"]
        );
        assert_eq!(used_modules("fn x() -> crate::error::Result<crate::base::Seed>", true), ["error", "base"]);
        assert_eq!(used_modules("use syntrace_base::{base::Seed, error};", false), ["base", "error"]);
        assert_eq!(used_modules("use syntrace_store::Store; use crate::rows;", false), ["store"]);
        assert!(names_crate("use tch::{Kind, Tensor};", "tch") && names_crate("#[derive(rkyv::Archive)]", "rkyv"));
        assert!(names_crate("let x = &tch::no_grad(|| 1);", "tch") && names_crate("use redb;", "redb"));
        assert!(!names_crate("use datafusion::arrow::array;", "arrow") && !names_crate("let batch::x", "tch"));
    }

    #[test]
    fn function_lengths_count_from_head_to_closing_brace() {
        let code = [
            "impl X {",
            "    pub(super) fn long(",
            "        &self,",
            "    ) -> Y {",
            "        if a {",
            "        }",
            "    }",
            "    fn declared();",
            "    const fn short() -> u8 { 1 }",
            "}",
        ];
        let found = functions(&code);
        assert_eq!(found[0], ("long".to_owned(), 2, 6));
        assert_eq!(found[1], ("declared".to_owned(), 8, 1));
        assert_eq!(found[2], ("short".to_owned(), 9, 1));
    }
}
