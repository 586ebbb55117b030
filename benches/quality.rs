//! Jensen-Shannon and Wasserstein of all header fields at all positions, for many models.
//!
//! Expected cost on one core of a 3 GHz machine, optimised: a pass over 600,000 packets reads each
//! field from a structure of its own (a cache line or two, about 10 ns a packet) and counts it (1 to 3
//! ns a code in a table of 256 kB, 30 ns an address in a hash map, 60 ns a gap in a sort); 15 fields:
//! about 250 ns a packet, 0.15 s a model, less than 5 s for 25 models on one core. Comparing what is
//! counted costs as much as there are distinct values: below 20 ms a model.
//! `cargo bench --bench quality` measures the release build. Where Python has numpy and SciPy, it computes the
//! distances of one model on the same numbers (benches/quality.py): the values are compared and the ratio of
//! times is printed. Seen with the development profile (`cargo bench --profile dev --bench quality`) on two
//! cores shared with other builds: all 149 distances equal to 1.1e-10, and SciPy (one thread) took 3.0 times as
//! long as this (two threads).
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

use rand::RngExt;
use std::io::Write;
use std::time::Instant;
use syntrace::base::{Seed, TraceId, thread_count};
use syntrace::eval::{FIELDS, FidelityRow, FieldKind, HeaderPopulation, Metric, PopulationName, header_fidelity};
use syntrace::record::{Direction, Packet, Trace};

const TRACES: usize = 60_000;
const PACKETS: usize = 10;
const MODELS: u64 = 25;

/// Traces with as many distinct values as a household network has.
fn population(seed: u64) -> Vec<Trace> {
    let mut rng = Seed::root(seed).rng();
    let lengths = [40, 52, 60, 1500, 576, 1280, 66, 148];
    (0..TRACES)
        .map(|number| {
            let mut time_us = 0;
            let packet = |place: usize| {
                time_us += rng.random_range(1..1_000_000i64);
                let length = if rng.random_range(0..2) == 0 {
                    lengths[rng.random_range(0..8)]
                } else {
                    rng.random_range(40..1500)
                };
                Packet {
                    time_us,
                    direction: if place.is_multiple_of(2) { Direction::Forward } else { Direction::Backward },
                    ip_version: 4,
                    src_ip: vec![10, 0, 0, rng.random_range(0..60)],
                    dst_ip: vec![192, 0, rng.random_range(0..8), rng.random_range(0..250)],
                    protocol: if rng.random_range(0..4) == 0 { 17 } else { 6 },
                    src_port: rng.random_range(32_768..=65_535),
                    dst_port: 443,
                    ip_length: length,
                    header_length: 20,
                    tos: 0,
                    identification: Some(rng.random_range(0..=65_535)),
                    flags: Some(2),
                    fragment_offset: Some(0),
                    ttl: [64, 128, 55, 113][rng.random_range(0..4)],
                    checksum: Some(rng.random_range(0..=65_535)),
                    tcp_flags: Some(16),
                    payload_length: length - 40,
                    data: Vec::new(),
                }
            };
            let packets = (0..PACKETS).map(packet).collect();
            let trace_id = TraceId(number as i64);
            Trace { trace_id, first_packet: 0, link_type: 1, flow_packets: 10, flow_bytes: 0, packets }
        })
        .collect()
}

fn main() {
    let real = population(1);
    let synthetic = population(2);
    let refs = |traces: &'static [Trace]| traces.iter().collect::<Vec<_>>();
    let (real, synthetic) = (refs(real.leak()), refs(synthetic.leak()));
    let start = Instant::now();
    let reference = HeaderPopulation::new(PopulationName::Members, &real);
    println!("preparing the real side: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mut rows: Vec<FidelityRow> = Vec::new();
    for _ in 0..MODELS {
        rows = header_fidelity(&reference, &HeaderPopulation::new(PopulationName::Synthetic, &synthetic));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{MODELS} models of {TRACES} traces x {} fields x {PACKETS} positions: {seconds:.2} s, {:.0} ns a packet, {} threads",
        FIELDS.len(),
        seconds * 1e9 / (MODELS as f64 * (TRACES * PACKETS) as f64),
        thread_count(),
    );
    // both sides draw from the same distributions: every distance that exists is small but where
    // nearly every value is its own
    assert_eq!(rows.len(), FIELDS.len() * PACKETS * 2);
    let ttl = rows.iter().find(|row| row.field == "ttl" && row.metric == Metric::WassersteinScaled);
    assert!(ttl.and_then(|row| row.value).is_some_and(|value| value < 0.05));
    beside_scipy(&real, &synthetic, &rows, seconds / MODELS as f64);
}

/// The value of a field as a number; `None` where it has none.
fn value(kind: FieldKind, before: Option<&Packet>, packet: &Packet) -> Option<f64> {
    match kind {
        FieldKind::Address(extract) => Some(extract(packet) as f64),
        FieldKind::Code(extract) => extract(packet).map(f64::from),
        FieldKind::Size(extract) => Some(f64::from(extract(packet))),
        FieldKind::Gap(extract) => extract(before, packet),
    }
}

/// Writes one side as [fields, positions, traces].
fn write_side(path: &std::path::Path, traces: &[&Trace]) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for (_, kind) in FIELDS {
        for position in 0..PACKETS {
            for trace in traces {
                let before = position.checked_sub(1).map(|before| &trace.packets[before]);
                let number = value(kind, before, &trace.packets[position]).unwrap_or(f64::NAN);
                out.write_all(&number.to_le_bytes()).unwrap();
            }
        }
    }
    out.flush().unwrap();
}

/// The same distances by SciPy: equal values, and how much longer it takes for one model.
fn beside_scipy(real: &[&Trace], synthetic: &[&Trace], rows: &[FidelityRow], seconds_a_model: f64) {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("real"), folder.path().join("synthetic")];
    write_side(&paths[0], real);
    write_side(&paths[1], synthetic);
    let numeric =
        FIELDS.iter().enumerate().filter(|(_, (_, kind))| matches!(kind, FieldKind::Size(_) | FieldKind::Gap(_)));
    let numeric: Vec<String> = numeric.map(|(index, _)| index.to_string()).collect();
    let output = std::process::Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/quality.py"))
        .args(&paths)
        .args([FIELDS.len().to_string(), PACKETS.to_string(), numeric.join(",")])
        .output();
    let text = match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => return println!("skipped: SciPy: no python3 with numpy and scipy here"),
    };
    let (mut compared, mut largest) = (0, 0.0f64);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["seconds", seconds] = words[..] {
            let seconds: f64 = seconds.parse().unwrap();
            println!("SciPy, one model: {seconds:.2} s, {:.1} times as long", seconds / seconds_a_model);
            continue;
        }
        let [field, position, theirs] = words[..] else { panic!("{line}") };
        let (name, theirs): (&str, f64) = (FIELDS[field.parse::<usize>().unwrap()].0, theirs.parse().unwrap());
        let position: u32 = position.parse().unwrap();
        let ours = rows.iter().find(|row| {
            let first = matches!(row.metric, Metric::JensenShannonDistance | Metric::Wasserstein);
            row.field == name && row.position == Some(position) && first
        });
        let ours = ours.and_then(|row| row.value).unwrap();
        largest = largest.max((ours - theirs).abs() / theirs.abs().max(1e-3));
        compared += 1;
    }
    println!("{compared} distances beside SciPy's: largest relative difference {largest:.1e}");
    assert!(compared >= FIELDS.len() * (PACKETS - 1) && largest < 1e-6);
}
