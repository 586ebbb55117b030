//! Packets per second of the way in: capture to traces, traces to encodings, capture to nPrint's CSV.
//!
//! Expected cost on one core of a 3 GHz machine, optimised: cutting reads every byte once for BLAKE3
//! (about 1 ns for 3 bytes), headers about 50 ns a packet, a flow look-up about 30 ns, three allocations
//! and a copy for each packet that a trace keeps (about 200 ns). With the sizes below (200 bytes a
//! packet, 10 of 25 packets kept): 200 to 300 ns a packet, 3 to 5 M packets/s. Bit planes copy 40 bytes
//! into 272 zeroed ones: below 100 ns a packet. CSV writes 2.9 kB a packet: about 400 ns.
//! `cargo bench --bench ingest` measures the release build, `cargo test --bench ingest` the dev profile.
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

use std::time::{Duration, Instant};
use syntrace::base::{map_ordered, thread_count};
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::encoding::nprint_csv::{NprintOptions, convert};
use syntrace::encoding::{EncodingKind, TokenLayout};
use syntrace::record::TraceUnit;

const FLOWS: u32 = 20_000;
const PACKETS_PER_FLOW: u32 = 25;
/// Flows that are under way at the same time: neighbouring packets are of different flows.
const FLOWS_AT_ONCE: u32 = 200;
const TRACE_PACKETS: u32 = 10;
const PAYLOAD_BYTES: usize = 146;
const REPEATS: usize = 5;

/// Interleaved TCP flows as one Ethernet capture.
fn capture() -> Vec<u8> {
    let mut frames = Vec::new();
    for group in 0..FLOWS / FLOWS_AT_ONCE {
        for packet in 0..PACKETS_PER_FLOW {
            for flow in 0..FLOWS_AT_ONCE {
                let time_us = 1_700_000_000_000_000 + frames.len() as i64 * 10;
                frames.push((time_us, frame(group * FLOWS_AT_ONCE + flow, packet)));
            }
        }
    }
    let mut bytes = Vec::new();
    write_frames(&mut bytes, 1, frames).expect("a vector takes every frame");
    bytes
}

fn frame(flow: u32, packet: u32) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let total = (40 + PAYLOAD_BYTES) as u16;
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, packet as u8, 0x40, 0, 64, 6, 0, 0]);
    let (client, server) = ((0x0a00_0000 + flow).to_be_bytes(), [192, 0, 2, 1]);
    let (client_port, server_port) = ((1024 + flow as u16 % 60_000).to_be_bytes(), 443u16.to_be_bytes());
    let ends = if packet.is_multiple_of(2) {
        [client, server].concat().into_iter().chain([client_port, server_port].concat())
    } else {
        [server, client].concat().into_iter().chain([server_port, client_port].concat())
    };
    frame.extend(ends);
    frame.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend(std::iter::repeat_n(packet as u8, PAYLOAD_BYTES));
    frame
}

/// Prints the median rate of some work over a number of packets.
fn measure(name: &str, packets: u64, mut work: impl FnMut()) {
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    let seconds = times[REPEATS / 2].as_secs_f64();
    let rate = packets as f64 / seconds;
    println!("{name:<40} {packets:>9} packets {seconds:>8.3} s {rate:>12.0} packets/s");
}

fn main() {
    let options = CutOptions {
        dataset: "bench".to_owned(),
        class: "bench".to_owned(),
        unit: TraceUnit::Flow,
        trace_packets: TRACE_PACKETS,
        min_packets: 1,
    };
    let bytes = capture();
    let packets = u64::from(FLOWS * PACKETS_PER_FLOW);
    println!("capture of {} bytes, {FLOWS} flows, traces of {TRACE_PACKETS} packets", bytes.len());
    measure("cut, one core", packets, || {
        let cut = cut(bytes.as_slice(), &options).expect("a capture of our own");
        assert_eq!((cut.summary.packets, cut.traces.len()), (packets, FLOWS as usize));
    });
    let files = vec![(); thread_count()];
    measure(&format!("cut, {} files on as many cores", files.len()), packets * files.len() as u64, || {
        let cuts = map_ordered(&files, |()| cut(bytes.as_slice(), &options).map(|cut| cut.traces.len()).ok());
        assert!(cuts.iter().all(|traces| *traces == Some(FLOWS as usize)));
    });

    let traces = cut(bytes.as_slice(), &options).expect("a capture of our own").traces;
    let kept = u64::from(FLOWS * TRACE_PACKETS);
    for kind in [EncodingKind::Nprint, EncodingKind::Fields, EncodingKind::Tokens(TokenLayout::small())] {
        measure(&format!("{}, one core", kind.name()), kept, || {
            let total: usize = traces.iter().map(|trace| kind.encode(trace).data.len()).sum();
            assert!(total > 0);
        });
    }
    measure("nprint csv, one core", packets, || {
        let stats = convert(bytes.as_slice(), std::io::sink(), &NprintOptions::default()).expect("our own capture");
        assert_eq!(stats.rows, packets);
    });
}
