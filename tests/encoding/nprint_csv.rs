//! nPrint's own output, by the digests of facts on nPrint 1.2.1.

use crate::common::{fixture, shared};
use sha2::{Digest, Sha256};
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::encoding::nprint_csv::{IndexColumn, NprintOptions, NprintStats, convert, write_traces};
use syntrace::record::TraceUnit;

/// One hand-made capture of the table and what nPrint made of it.
struct Case {
    name: String,
    link_type: u32,
    flags: String,
    frames: Vec<(i64, Vec<u8>)>,
    rows: u64,
    digest: String,
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn frame(text: &str) -> (i64, Vec<u8>) {
    let (time, bytes) = text.split_once(':').unwrap();
    let (seconds, fraction) = time.split_once('.').unwrap();
    (seconds.parse::<i64>().unwrap() * 1_000_000 + fraction.parse::<i64>().unwrap(), hex(bytes))
}

fn edge_cases() -> Vec<Case> {
    let text = std::fs::read_to_string(fixture("nprint-edge-cases.tsv")).unwrap();
    let case = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, link_type, flags, packets, rows, digest] = cells[..] else { panic!("{line}") };
        Case {
            name: name.to_owned(),
            link_type: link_type.parse().unwrap(),
            flags: flags.to_owned(),
            frames: packets.split(';').filter(|packet| !packet.is_empty()).map(frame).collect(),
            rows: rows.parse().unwrap(),
            digest: digest.to_owned(),
        }
    };
    text.lines().skip(1).map(case).collect()
}

/// nPrint's flags as our options.
fn options(flags: &str) -> NprintOptions {
    let mut options = NprintOptions { ipv4: false, tcp: false, udp: false, icmp: false, ..NprintOptions::default() };
    let mut words = flags.split(' ');
    while let Some(flag) = words.next() {
        let mut value = || words.next().unwrap();
        match flag {
            "-e" => options.ethernet = true,
            "-4" => options.ipv4 = true,
            "-6" => options.ipv6 = true,
            "-t" => options.tcp = true,
            "-u" => options.udp = true,
            "-i" => options.icmp = true,
            "-R" => options.relative_time = true,
            "-A" => options.absolute_time = true,
            "-p" => options.payload_bytes = value().parse().unwrap(),
            "-O" => options.index = IndexColumn::from_number(value().parse().unwrap()).unwrap(),
            "-F" => options.fill = value().parse().unwrap(),
            "-c" => options.count = Some(value().parse().unwrap()),
            "-x" => options.exclude = Some(value().to_owned()),
            other => panic!("flag {other}"),
        }
    }
    options
}

fn sha256(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pcap(case: &Case) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frames(&mut bytes, case.link_type, case.frames.iter().cloned()).unwrap();
    bytes
}

fn converted(capture: &[u8], options: &NprintOptions) -> (String, NprintStats) {
    let mut text = Vec::new();
    let stats = convert(capture, &mut text, options).unwrap();
    (String::from_utf8(text).unwrap(), stats)
}

/// Cases where nPrint is wrong and we are not: (name, our rows, why).
const OURS_DIFFERS: [(&str, u64, &str); 2] = [
    (
        "raw_ip_src_8.0.x_misread_as_ethernet",
        1,
        "nPrint takes bytes 12 and 13 of a raw IP packet for an ethertype; we go by the link type",
    ),
    ("relative_ts_minus_one_drops_column", 3, "nPrint leaves out the cell of a gap of -1 us; we write it"),
];

#[test]
fn every_edge_case_has_the_digest_of_nprint_or_a_reason() {
    let cases = edge_cases();
    assert_eq!(cases.len(), 32);
    for case in &cases {
        let (text, stats) = converted(&pcap(case), &options(&case.flags));
        let differs = OURS_DIFFERS.iter().find(|(name, ..)| *name == case.name);
        let rows = differs.map_or(case.rows, |(_, rows, _)| *rows);
        assert_eq!(stats.rows, rows, "{}", case.name);
        assert_eq!(text.lines().count() as u64, rows + 1, "{}", case.name);
        assert_eq!(sha256(text.as_bytes()) == case.digest, differs.is_none(), "{}: {text}", case.name);
    }
}

fn case(name: &str) -> Case {
    edge_cases().into_iter().find(|case| case.name.starts_with(name)).unwrap()
}

#[test]
fn a_raw_packet_from_8_0_is_read_by_its_link_type() {
    let case = case("raw_ip_src_8.0.x");
    let (text, _) = converted(&pcap(&case), &options(&case.flags));
    let row = text.lines().nth(1).unwrap();
    assert!(row.starts_with("8.0."), "{row}");
    assert!(row.split(',').skip(1).take(8).eq(["0", "1", "0", "0", "0", "1", "0", "1"]), "{row}");
}

#[test]
fn a_gap_of_minus_one_is_written() {
    let case = case("relative_ts_minus_one");
    let (text, _) = converted(&pcap(&case), &options(&case.flags));
    let gaps: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(gaps, ["0", "-1", "6"]);
    assert!(text.lines().all(|line| line.split(',').count() == 1090));
}

#[test]
fn cut_headers_give_absent_cells_and_never_an_earlier_packets_bytes() {
    let full = case("tcp_doff15");
    let frame = &full.frames[0].1;
    let cut_at = 14 + 20 + 24;
    let mut bytes = pcap(&full);
    let record = [100u32, 1, cut_at as u32, frame.len() as u32];
    bytes.extend(record.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(&frame[..cut_at]);
    let (text, stats) = converted(&bytes, &NprintOptions::default());
    assert_eq!((stats.rows, stats.cut_rows), (2, 1));
    let cells: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').skip(1).collect()).collect();
    let captured = 480 + 24 * 8;
    assert_eq!(cells[0][..captured], cells[1][..captured]);
    assert!(cells[0][captured..960].iter().all(|cell| *cell != "-1"));
    assert!(cells[1][captured..].iter().all(|cell| *cell == "-1"));
}

#[test]
fn tagged_frames_give_rows_on_request() {
    let case = case("vlan_skipped");
    let (_, without) = converted(&pcap(&case), &NprintOptions::default());
    let (_, with) = converted(&pcap(&case), &NprintOptions { vlan: true, ..NprintOptions::default() });
    assert_eq!((without.rows, without.skipped.len()), (1, 1));
    assert_eq!((with.rows, with.skipped.len()), (2, 0));
}

#[test]
fn skipped_packets_are_counted_by_reason() {
    let case = case("skipped_gre_igmp");
    let (_, stats) = converted(&pcap(&case), &NprintOptions::default());
    assert_eq!(stats.packets, stats.rows + stats.skipped.iter().map(|drop| drop.packets).sum::<u64>());
    assert_eq!(stats.skipped[0].reason.name(), "other_transport");
}

#[test]
fn a_total_length_below_the_headers_means_no_payload() {
    let mut case = case("tcp_basic");
    let (_, bytes) = &mut case.frames[0];
    bytes[16..18].copy_from_slice(&[0, 10]);
    let (text, _) = converted(&pcap(&case), &options("-t -p 4"));
    let row: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    assert!(row[481..].iter().all(|cell| *cell == "-1") && row.len() == 1 + 480 + 32);
}

#[test]
fn unknown_index_columns_and_bad_expressions_are_refused() {
    assert!(IndexColumn::from_number(5).unwrap_err().to_string().contains("from 0 to 4"));
    let options = NprintOptions { exclude: Some("(".to_owned()), ..NprintOptions::default() };
    let error = convert(pcap(&case("tcp_basic")).as_slice(), Vec::new(), &options).unwrap_err();
    assert!(error.to_string().contains("regular expression"), "{error}");
}

#[test]
fn stored_traces_give_the_rows_of_their_capture() {
    let Some(path) = shared("traffic/os/mac", "stored_traces_give_the_rows_of_their_capture") else { return };
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let capture = std::fs::read(&files[0]).unwrap();
    let cut_options = CutOptions {
        dataset: "os".to_owned(),
        class: "mac".to_owned(),
        unit: TraceUnit::Capture,
        trace_packets: u32::MAX,
        min_packets: 1,
    };
    let traces = cut(capture.as_slice(), &cut_options).unwrap().traces;
    let options = NprintOptions { ipv6: true, payload_bytes: 16, icmp: false, ..NprintOptions::default() };
    let mut stored = Vec::new();
    write_traces(&traces, &mut stored, &options).unwrap();
    let stored = String::from_utf8(stored).unwrap();
    // The capture's ICMP packets have rows of their own there: all transport cells absent.
    let (text, _) = converted(&capture, &options);
    let udp_or_tcp = |line: &&str| line.split(',').skip(1 + 480 + 320).take(544).any(|cell| cell != "-1");
    let expected: Vec<&str> = text.lines().filter(udp_or_tcp).collect();
    assert!(expected.len() > 100);
    assert!(stored.lines().eq(expected));
}

/// The six public captures of the conformance table are other people's and not part of this
/// repository. Put them (`port443.pcap`, `amazon.pcap`, ...) into tests/fixtures/public, which git
/// ignores, to run this.
#[test]
fn public_captures_have_the_digests_of_nprint() {
    let folder = fixture("public");
    if !folder.exists() {
        crate::common::skip(
            "public-captures",
            format_args!("public_captures_have_the_digests_of_nprint: {} is not here", folder.display()),
        );
        return;
    }
    let table = std::fs::read_to_string(fixture("nprint-conformance.tsv")).unwrap();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let name = cells[0].rsplit('/').next().unwrap();
        let capture = std::fs::read(folder.join(name)).unwrap();
        let (text, _) = converted(&capture, &options(cells[1]));
        assert_eq!(sha256(text.as_bytes()), cells[3], "{name} {}", cells[1]);
    }
}
