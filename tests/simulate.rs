//! The simulator: packets that other tools read, addresses and lengths spread as in real captures.

use crate::common::Finish;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::process::Command;
use syntrace::base::Seed;
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::record::{DropReason, TraceUnit};
use syntrace::simulate::{CLASSES, SimulateOptions, SimulatedFrame, WIDE, simulate, wide_traces};

/// Link type of Ethernet II.
const ETHERNET: u32 = 1;
/// Packets of a trace.
const TRACE_PACKETS: usize = 10;

fn frames(dataset: &str, class: &str, flows: u32) -> Vec<SimulatedFrame> {
    simulate(&SimulateOptions::new(dataset, class, flows, Seed::root(7))).unwrap()
}

fn all_classes() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLASSES.iter().flat_map(|(dataset, classes)| classes.iter().map(move |class| (*dataset, *class)))
}

/// The classes that are populations of hosts; flows of `wide` have nothing in common, and some share a 5-tuple.
fn populations() -> impl Iterator<Item = (&'static str, &'static str)> {
    all_classes().filter(|(dataset, _)| *dataset != WIDE)
}

/// A packet as these tests see it: a reader of its own, so that it can disagree with the writer.
struct Seen {
    protocol: u8,
    ip_length: usize,
    hop_limit: u8,
    tcp_flags: u8,
    ends: [(Vec<u8>, u16); 2],
    transport_sum: u16,
    header_sum: u16,
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The ones' complement sum, which is 0xffff over anything that holds its own checksum.
fn ones_sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for (index, byte) in part.iter().enumerate() {
            sum += if index % 2 == 0 { u32::from(*byte) << 8 } else { u32::from(*byte) };
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    sum as u16
}

fn see(frame: &[u8]) -> Seen {
    let ip = &frame[14..];
    let v4 = half(frame, 12) == 0x0800;
    let (header, ip_length, protocol, addresses) = if v4 {
        (20, usize::from(half(ip, 2)), ip[9], 12..20)
    } else {
        (40, usize::from(half(ip, 4)) + 40, ip[6], 8..40)
    };
    let transport = &ip[header..ip_length];
    let width = addresses.len() / 2;
    let address = |side: usize| ip[addresses.start + side * width..addresses.start + (side + 1) * width].to_vec();
    let pseudo = [0, protocol, (transport.len() >> 8) as u8, transport.len() as u8];
    Seen {
        protocol,
        ip_length,
        hop_limit: if v4 { ip[8] } else { ip[7] },
        tcp_flags: if protocol == 6 { transport[13] } else { 0 },
        ends: [(address(0), half(transport, 0)), (address(1), half(transport, 2))],
        transport_sum: ones_sum(&[&ip[addresses.clone()], &pseudo, transport]),
        header_sum: if v4 { ones_sum(&[&ip[..20]]) } else { 0xffff },
    }
}

/// Packets by flow, in order.
fn flows(frames: &[SimulatedFrame]) -> Vec<Vec<Seen>> {
    let mut index = HashMap::new();
    let mut out: Vec<Vec<Seen>> = Vec::new();
    for frame in frames {
        let seen = see(&frame.bytes);
        let mut key = seen.ends.to_vec();
        key.sort();
        let place = *index.entry((seen.protocol, key)).or_insert(out.len());
        if place == out.len() {
            out.push(Vec::new());
        }
        out[place].push(seen);
    }
    out
}

/// As shared/traffic/README.md defines it: protocol, direction, length and flags of the first packets.
fn shape(flow: &[Seen]) -> Vec<(u8, bool, usize, u8)> {
    let first = &flow[0].ends[0];
    let packets = flow.iter().take(TRACE_PACKETS);
    packets.map(|packet| (packet.protocol, packet.ends[0] == *first, packet.ip_length, packet.tcp_flags)).collect()
}

#[test]
fn every_checksum_is_right_and_time_never_runs_back() {
    for (dataset, class) in all_classes() {
        let frames = frames(dataset, class, 300);
        assert!(frames.is_sorted_by_key(|frame| frame.time_us));
        for frame in &frames {
            let seen = see(&frame.bytes);
            assert_eq!((seen.header_sum, seen.transport_sum), (0xffff, 0xffff), "{class}: {:02x?}", frame.bytes);
        }
    }
}

#[test]
fn each_flow_has_a_five_tuple_of_its_own_and_keeps_the_packet_limit() {
    for (dataset, class) in populations() {
        let mut options = SimulateOptions::new(dataset, class, 3_000, Seed::root(11));
        options.packets_per_flow_max = 16;
        let flows = flows(&simulate(&options).unwrap());
        assert_eq!(flows.len(), 3_000, "{class}: two flows share a 5-tuple");
        assert_eq!(flows.iter().map(Vec::len).max(), Some(16), "{class}");
    }
}

#[test]
fn same_seed_gives_same_bytes_and_more_flows_only_add() {
    let few = frames("os", "windows", 40);
    assert_eq!(few, frames("os", "windows", 40));
    let many: HashSet<_> = frames("os", "windows", 90).into_iter().map(|frame| (frame.time_us, frame.bytes)).collect();
    assert!(few.iter().all(|frame| many.contains(&(frame.time_us, frame.bytes.clone()))));
    let other = simulate(&SimulateOptions::new("os", "windows", 40, Seed::root(8))).unwrap();
    let common = few.iter().filter(|frame| other.iter().any(|twin| twin.bytes == frame.bytes)).count();
    assert_eq!(common, 0, "another seed repeats packets");
}

/// Median, mean, standard deviation and maximum of the IP length over the first ten packets.
fn spread(flows: &[Vec<Seen>]) -> (f64, f64, f64, usize) {
    let mut lengths: Vec<usize> =
        flows.iter().flat_map(|flow| flow.iter().take(TRACE_PACKETS).map(|packet| packet.ip_length)).collect();
    lengths.sort_unstable();
    let count = lengths.len() as f64;
    let mean = lengths.iter().sum::<usize>() as f64 / count;
    let variance = lengths.iter().map(|length| (*length as f64 - mean).powi(2)).sum::<f64>() / count;
    (lengths[lengths.len() / 2] as f64, mean, variance.sqrt(), lengths[lengths.len() - 1])
}

/// Median, standard deviation and maximum per class: Table 3 of the paper.
const TABLE_3: [(&str, f64, f64, usize); 6] = [
    ("windows", 40.0, 359.71, 6206),
    ("ubuntu", 52.0, 265.15, 5844),
    ("mac", 52.0, 224.72, 1500),
    ("meet", 157.0, 779.45, 11412),
    ("teams", 68.0, 783.65, 8572),
    ("webex", 65.0, 610.25, 7152),
];
/// The median is a typical packet's size; these populations differ by some options and headers.
const MEDIAN_TOLERANCE: f64 = 0.35;
/// The spread hangs on the tail: the same order is what can be asked.
const STD_TOLERANCE: f64 = 0.25;

#[test]
fn length_spread_is_near_the_papers_table_3() {
    let paper: BTreeMap<_, _> =
        TABLE_3.iter().map(|(class, median, std, max)| (*class, (*median, *std, *max))).collect();
    let mut rows = Vec::new();
    println!("class     median  (paper)    mean     std  (paper)    max  (paper)  shapes  >=10  dns tcp udp");
    for (dataset, class) in all_classes().filter(|(_, class)| paper.contains_key(class)) {
        let flows = flows(&frames(dataset, class, 3_000));
        let (median, mean, std, max) = spread(&flows);
        let (paper_median, paper_std, paper_max) = paper[class];
        let shapes = flows.iter().map(|flow| shape(flow)).collect::<HashSet<_>>().len() as f64 / flows.len() as f64;
        let share =
            |test: &dyn Fn(&[Seen]) -> bool| flows.iter().filter(|flow| test(flow)).count() as f64 / flows.len() as f64;
        println!(
            "{class:9} {median:6.0} {paper_median:8.0} {mean:8.1} {std:8.1} {paper_std:8.1} {max:6} {paper_max:8} \
             {shapes:7.2} {:5.2} {:4.2} {:4.2} {:4.2}",
            share(&|flow| flow.len() >= TRACE_PACKETS),
            share(&|flow| flow[0].ends[1].1 == 53),
            share(&|flow| flow[0].protocol == 6),
            share(&|flow| flow[0].protocol == 17),
        );
        rows.push((class, median, std, max));
    }
    for (class, median, std, max) in rows {
        let (paper_median, paper_std, paper_max) = paper[class];
        assert!((median / paper_median - 1.0).abs() < MEDIAN_TOLERANCE, "{class}: median {median}");
        assert!((std / paper_std - 1.0).abs() < STD_TOLERANCE, "{class}: standard deviation {std}");
        assert!(max <= paper_max && max * 10 > paper_max * 8, "{class}: maximum {max}");
    }
}

/// Real classes have 0.27 (windows) to 0.58 (onedrive) distinct shapes per flow (shared/traffic).
const DISTINCT_SHAPES_MIN: f64 = 0.5;

#[test]
fn near_duplicates_are_rarer_than_in_real_captures() {
    for (dataset, class) in all_classes() {
        let flows = flows(&frames(dataset, class, 2_000));
        let shapes = flows.iter().map(|flow| shape(flow)).collect::<HashSet<_>>().len();
        assert!(shapes as f64 > DISTINCT_SHAPES_MIN * flows.len() as f64, "{class}: {shapes} shapes");
    }
}

#[test]
fn clients_show_their_systems_hop_limit_and_servers_fewer() {
    let systems = [
        ("os", "windows", 128),
        ("os", "ubuntu", 64),
        ("os", "mac", 64),
        ("public", "bsd", 64),
        ("public", "zoom", 128),
    ];
    for (dataset, class, own) in systems {
        for flow in flows(&frames(dataset, class, 400)) {
            let client = flow[0].ends[0].clone();
            for packet in flow.iter().filter(|packet| packet.protocol == 6 && packet.ends[1].1 == 443) {
                assert_eq!(packet.hop_limit, own, "{class}");
            }
            for packet in flow.iter().filter(|packet| packet.ends[0].1 == 443 && packet.ends[0] != client) {
                assert!(packet.hop_limit < 125, "{class}: no hop between server and client");
            }
        }
    }
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let error =
        |dataset: &str, class: &str| simulate(&SimulateOptions::new(dataset, class, 1, Seed::root(1))).unwrap_err();
    let class = error("os", "ubunto");
    assert_eq!(
        class.to_string(),
        "no class of dataset `os` is called `ubunto`: expected one of `windows`, `ubuntu`, `mac`"
    );
    assert_eq!(class.hint_text(), Some("did you mean `ubuntu`?"));
    let dataset = error("iot", "hue");
    assert_eq!(dataset.to_string(), "no dataset is called `iot`: expected one of `os`, `vca`, `public`, `wide`");
    assert_eq!(dataset.exit_code(), 2);
}

#[test]
fn shares_outside_zero_to_one_and_empty_sets_are_refused() {
    let mut options = SimulateOptions::new("os", "mac", 1, Seed::root(1));
    options.dns_share = 1.5;
    assert_eq!(simulate(&options).unwrap_err().to_string(), "dns_share must be between 0 and 1, found `1.5`");
    let none = SimulateOptions::new("os", "mac", 0, Seed::root(1));
    assert_eq!(simulate(&none).unwrap_err().to_string(), "flows must be at least 1, found `0`");
}

#[test]
fn the_reader_drops_nothing_and_cuts_as_many_traces_as_flows() {
    for (dataset, class) in all_classes() {
        let mut capture = Vec::new();
        let frames = frames(dataset, class, 500);
        write_frames(&mut capture, ETHERNET, frames.iter().map(|frame| (frame.time_us, &frame.bytes))).unwrap();
        let options = CutOptions {
            dataset: dataset.to_owned(),
            class: class.to_owned(),
            unit: TraceUnit::Flow,
            trace_packets: TRACE_PACKETS as u32,
            min_packets: 1,
        };
        let cut = cut(capture.as_slice(), &options).unwrap();
        // Only what lies past the tenth packet of a flow is in no trace.
        let other = cut.drops.iter().find(|drop| drop.reason != DropReason::BeyondTraceLength);
        assert_eq!(other, None, "{class}");
        let merged = if dataset == WIDE { 15 } else { 0 };
        assert!((500 - merged..=500).contains(&cut.traces.len()), "{class}: {} traces", cut.traces.len());
    }
}

#[test]
fn wide_traces_are_the_flows_of_the_wide_capture_and_each_depends_on_its_number_alone() {
    let seed = Seed::root(7);
    let traces = wide_traces(&seed, 0, 300, 40).unwrap();
    let mut packets: Vec<(i64, Vec<u8>)> = traces
        .iter()
        .flat_map(|trace| trace.packets.iter().map(|packet| (packet.time_us, packet.data.clone())))
        .collect();
    let mut frames: Vec<(i64, Vec<u8>)> = frames(WIDE, "internet", 300)
        .into_iter()
        .map(|frame| {
            // Without the padding of short frames, which no trace keeps.
            let length = 14 + see(&frame.bytes).ip_length;
            (frame.time_us, frame.bytes[..length].to_vec())
        })
        .collect();
    packets.sort();
    frames.sort();
    assert!(packets == frames, "{} packets of traces, {} frames", packets.len(), frames.len());
    assert_eq!(wide_traces(&seed, 120, 5, 40).unwrap(), traces[120..125]);
    assert_ne!(wide_traces(&Seed::root(8), 0, 5, 40).unwrap(), traces[..5]);
    assert!(wide_traces(&seed, 0, 1, 0).is_err());
}

/// What is missing here nothing that is trained on it, or selected from it, can ever say.
#[test]
fn wide_traffic_has_all_services_stacks_and_ways_to_number_packets() {
    let traces = wide_traces(&Seed::root(3), 0, 4_000, 10).unwrap();
    let mut ports = HashSet::new();
    let (mut hop_limits, mut services, mut options) = (HashSet::new(), HashSet::new(), HashSet::new());
    let (mut zero, mut counting, mut random, mut v6, mut whole) = (0, 0, 0, 0, HashSet::new());
    for trace in &traces {
        let first = &trace.packets[0];
        ports.insert((first.protocol, first.ip_version, first.dst_port));
        v6 += usize::from(first.ip_version == 6);
        hop_limits.extend(trace.packets.iter().map(|packet| packet.ttl));
        services.extend(trace.packets.iter().map(|packet| packet.tos));
        whole.insert((first.protocol, first.flags));
        if first.tcp_flags == Some(SYN) && first.ip_version == 4 {
            options.insert(first.data[54..].iter().step_by(2).copied().collect::<Vec<u8>>());
        }
        let ids: Vec<u16> = trace
            .packets
            .iter()
            .filter(|packet| packet.src_ip == first.src_ip)
            .filter_map(|p| p.identification)
            .collect();
        if ids.len() > 2 {
            zero += usize::from(ids.iter().all(|id| *id == 0));
            let steps: Vec<u16> = ids.windows(2).skip(1).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
            counting += usize::from(steps.iter().all(|step| (1..64).contains(step)));
            random += usize::from(steps.iter().any(|step| *step > 256));
        }
    }
    for port in [53, 67, 123, 137, 443, 1_900, 3_478, 5_353, 5_355] {
        assert!(ports.contains(&(17, 4, port)), "no UDP to port {port} over IPv4");
    }
    for port in [53, 123, 443, 547, 1_900, 3_478, 5_353, 5_355] {
        assert!(ports.contains(&(17, 6, port)), "no UDP to port {port} over IPv6");
    }
    for port in [22, 53, 80, 443, 445, 993, 8_080] {
        assert!(ports.contains(&(6, 4, port)), "no TCP to port {port}");
    }
    assert!(ports.len() > 900, "{} services and versions", ports.len());
    assert!([1, 32, 64, 128, 255].iter().all(|limit| hop_limits.contains(limit)), "{hop_limits:?}");
    assert!(hop_limits.len() > 120 && services.len() > 15, "{} {}", hop_limits.len(), services.len());
    assert!(whole.len() >= 6, "fragments forbidden and not, of either transport: {whole:?}");
    assert!(options.len() > 100, "{} kinds of SYN", options.len());
    assert!(zero.min(counting).min(random) > 100, "{zero} zero, {counting} counting, {random} random");
    assert!(v6 * 6 > traces.len() && v6 * 3 < traces.len(), "{v6} over IPv6");
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| frames("vca", "teams", 200))
    };
    assert_eq!(with(1), with(5));
}

/// A TCP segment: forward or not, flags, sequence and acknowledgement numbers, payload bytes, options.
struct Segment {
    forward: bool,
    flags: u8,
    sequence: u32,
    acknowledgment: u32,
    payload: u32,
    options: Vec<u8>,
    time_us: i64,
}

/// TCP segments by flow; the side of the higher, ephemeral port is forward.
fn connections(frames: &[SimulatedFrame]) -> Vec<Vec<Segment>> {
    let mut out: BTreeMap<_, Vec<Segment>> = BTreeMap::new();
    for frame in frames {
        let seen = see(&frame.bytes);
        if seen.protocol != 6 {
            continue;
        }
        let header = if half(&frame.bytes, 12) == 0x0800 { 20 } else { 40 };
        let tcp = &frame.bytes[14 + header..14 + seen.ip_length];
        let options_end = usize::from(tcp[12] >> 4) * 4;
        let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
        let forward = seen.ends[0].1 > seen.ends[1].1;
        let key = if forward { seen.ends.clone() } else { [seen.ends[1].clone(), seen.ends[0].clone()] };
        out.entry(key).or_default().push(Segment {
            forward,
            flags: tcp[13],
            sequence: word(4),
            acknowledgment: word(8),
            payload: (tcp.len() - options_end) as u32,
            options: tcp[20..options_end].to_vec(),
            time_us: frame.time_us,
        });
    }
    out.into_values().collect()
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Replays each connection: what is sent follows on what was sent, or repeats it; what is acknowledged
/// was sent before.
#[test]
fn sequence_numbers_leave_no_hole_and_acknowledge_nothing_unsent() {
    for (dataset, class) in all_classes() {
        for connection in connections(&frames(dataset, class, 600)) {
            let mut next: [Option<u32>; 2] = [None, None];
            for segment in connection {
                let side = usize::from(segment.forward);
                let length = segment.payload + u32::from(segment.flags & (SYN | FIN) != 0);
                let end = segment.sequence.wrapping_add(length);
                if let Some(expected) = next[side] {
                    let ahead = segment.sequence.wrapping_sub(expected) as i32;
                    assert!(ahead <= 0, "{class}: a hole of {ahead} bytes");
                }
                if let (Some(sent), true) = (next[1 - side], segment.flags & ACK != 0) {
                    let unsent = segment.acknowledgment.wrapping_sub(sent) as i32;
                    assert!(unsent <= 0, "{class}: {unsent} bytes acknowledged that were not sent");
                }
                if segment.flags & RST == 0 && next[side].is_none_or(|known| end.wrapping_sub(known) as i32 > 0) {
                    next[side] = Some(end);
                }
            }
        }
    }
}

/// Option kinds and values of a client's SYN as in captures of the real systems (shared/traffic/os), for
/// `public` as in the fingerprints of p0f 3 (FreeBSD 9 and newer, Android, Windows 7);
/// `t` stands for the eight bytes of a timestamp.
const SYN_OPTIONS: [(&str, &str, &str); 6] = [
    ("os", "windows", "020405b40103030801010402"),
    ("os", "ubuntu", "020405b40402080atttttttttttttttt01030307"),
    ("os", "mac", "020405b4010303060101080atttttttttttttttt04020000"),
    ("public", "bsd", "020405b4010303060402080atttttttttttttttt"),
    ("public", "android", "020405b40402080atttttttttttttttt01030309"),
    ("public", "zoom", "020405b40103030201010402"),
];

#[test]
fn each_system_opens_connections_with_its_own_options() {
    for (dataset, class, expected) in SYN_OPTIONS {
        let mut options = SimulateOptions::new(dataset, class, 300, Seed::root(3));
        options.ipv6_share = 0.0;
        let connections = connections(&simulate(&options).unwrap());
        let mut opened = 0;
        for syn in connections.iter().flatten().filter(|segment| segment.flags & (SYN | ACK) == SYN) {
            let text: String = syn.options.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text.len(), expected.len(), "{class}");
            assert!(
                text.chars().zip(expected.chars()).all(|(found, wanted)| wanted == 't' || found == wanted),
                "{class}: {text}"
            );
            opened += 1;
        }
        assert!(opened > 50, "{class}: only {opened} connections opened");
    }
}

/// Both clocks tick in milliseconds; a tick is rounded at either end.
const TICK_TOLERANCE_MS: i64 = 2;

#[test]
fn timestamps_tick_with_the_hosts_clock() {
    let mut compared = 0;
    for connection in connections(&frames("os", "ubuntu", 300)) {
        for forward in [true, false] {
            let stamps: Vec<(i64, u32)> = connection
                .iter()
                .filter(|segment| segment.forward == forward && segment.options.starts_with(&[1, 1, 8, 10]))
                .map(|segment| (segment.time_us, u32::from_be_bytes(segment.options[4..8].try_into().unwrap())))
                .collect();
            for pair in stamps.windows(2) {
                let passed_ms = (pair[1].0 - pair[0].0) / 1_000;
                let ticks = i64::from(pair[1].1.wrapping_sub(pair[0].1));
                assert!((ticks - passed_ms).abs() <= TICK_TOLERANCE_MS, "{ticks} ticks in {passed_ms} ms");
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "only {compared} pairs of timestamps");
}

#[test]
fn few_servers_are_popular_and_many_are_met_once() {
    let mut visits: HashMap<Vec<u8>, u32> = HashMap::new();
    for flow in flows(&frames("os", "windows", 3_000)) {
        if flow[0].ends[1].1 == 443 {
            *visits.entry(flow[0].ends[1].0.clone()).or_default() += 1;
        }
    }
    let all: u32 = visits.values().sum();
    let mut counts: Vec<u32> = visits.values().copied().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top: u32 = counts.iter().take(counts.len() / 20).sum();
    // With equal popularity the busiest twentieth would have about a tenth of the flows.
    assert!(top * 4 > all, "the busiest twentieth of {} servers has {top} of {all} flows", counts.len());
    assert!(counts.iter().filter(|count| **count == 1).count() * 3 > counts.len(), "{counts:?}");
}

fn write_capture(path: &Path, frames: &[SimulatedFrame]) {
    let file = std::fs::File::create(path).unwrap();
    let packets = frames.iter().map(|frame| (frame.time_us, &frame.bytes));
    write_frames(std::io::BufWriter::new(file), ETHERNET, packets).unwrap();
}

/// Lines that tshark prints for a capture, or `None` where it is not installed.
fn tshark(path: &Path, arguments: &[&str]) -> Option<Vec<String>> {
    let checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
    let output = Command::new("tshark").arg("-r").arg(path).args(checks).args(arguments).finish().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Segments that tshark may call out of the ordinary: deliberate repeats and their neighbours.
const TCP_REPEATS_MAX: f64 = 0.03;

#[test]
fn tshark_finds_no_malformed_packet_and_no_hole_in_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    for (dataset, class) in all_classes() {
        let path = folder.path().join(format!("{class}.pcap"));
        let frames = frames(dataset, class, 400);
        write_capture(&path, &frames);
        let wrong = "_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || \
             tcp.checksum.status == 0 || udp.checksum.status == 0";
        let Some(lines) = tshark(&path, &["-Y", wrong]) else {
            crate::common::skip(
                "tshark",
                format_args!("tshark_finds_no_malformed_packet_and_no_hole_in_a_connection: tshark is not installed"),
            );
            return;
        };
        // Behind their first bytes payloads of `wide` are random, which dissectors call malformed.
        assert!(
            lines.is_empty() || dataset == WIDE,
            "{class}: {} of {} packets, first {:#?}",
            lines.len(),
            frames.len(),
            &lines[..lines.len().min(12)]
        );
        let holes = tshark(&path, &["-Y", "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment"]).unwrap();
        assert!(holes.is_empty(), "{class}: {} holes, first {:#?}", holes.len(), &holes[..holes.len().min(12)]);
        let repeats = tshark(&path, &["-Y", "tcp.analysis.retransmission || tcp.analysis.out_of_order"]).unwrap();
        let segments = frames.iter().filter(|frame| see(&frame.bytes).protocol == 6).count() as f64;
        let most = if dataset == WIDE { 2.0 * TCP_REPEATS_MAX } else { TCP_REPEATS_MAX };
        assert!((repeats.len() as f64) < most * segments, "{class}: {} repeats", repeats.len());
    }
}
