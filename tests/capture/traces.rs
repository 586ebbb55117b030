//! Flows and traces, and captures written back.

use super::build::*;
use syntrace::base::Digest;
use syntrace::capture::{Cut, CutOptions, cut, write_frames, write_pcap};
use syntrace::record::{Direction, DropReason, TraceUnit};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn forward(flags: u8) -> Vec<u8> {
    ipv4(6, A, B, &tcp(1000, 80, flags, &[]))
}

fn backward(flags: u8) -> Vec<u8> {
    ipv4(6, B, A, &tcp(80, 1000, flags, &[]))
}

/// Two TCP flows and one UDP flow with the same addresses and ports, and an ICMP packet.
fn mixed() -> Vec<u8> {
    let datagram = ipv4(17, A, B, &udp(1000, 80, &[1; 4]));
    let other = ipv4(6, A, B, &tcp(1001, 80, 2, &[]));
    let ping = ipv4(1, A, B, &[8; 8]);
    pcap(101, &[forward(2), ping, backward(0x12), datagram, forward(16), other, forward(24), backward(16)])
}

fn cut_mixed(options: &CutOptions) -> Cut {
    cut(mixed().as_slice(), options).unwrap()
}

#[test]
fn flows_are_bidirectional_five_tuples_in_order_of_appearance() {
    let cut = cut_mixed(&options(10, 1));
    let shape: Vec<(u64, u64, u64, usize)> = cut
        .traces
        .iter()
        .map(|trace| (trace.first_packet, trace.flow_packets, trace.flow_bytes, trace.packets.len()))
        .collect();
    assert_eq!(shape, [(0, 5, 200, 5), (3, 1, 32, 1), (5, 1, 40, 1)]);
    let directions: Vec<Direction> = cut.traces[0].packets.iter().map(|packet| packet.direction).collect();
    use Direction::{Backward, Forward};
    assert_eq!(directions, [Forward, Backward, Forward, Forward, Backward]);
    let times: Vec<i64> = cut.traces[0].packets.iter().map(|packet| packet.time_us - 100_000_000).collect();
    assert_eq!(times, [0, 2000, 4000, 6000, 7000]);
}

#[test]
fn synthetic_hardware_addresses_follow_the_direction() {
    let cut = cut_mixed(&options(10, 1));
    let packets = &cut.traces[0].packets;
    assert_eq!(packets[0].data[..12], [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]].concat());
    assert_eq!(packets[1].data[..12], [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].concat());
}

#[test]
fn packets_beyond_a_trace_and_short_flows_are_counted_by_reason() {
    let cut = cut_mixed(&options(3, 2));
    assert_eq!(cut.traces.len(), 1);
    assert_eq!((cut.traces[0].packets.len(), cut.traces[0].flow_packets, cut.traces[0].flow_bytes), (3, 5, 200));
    let counts: Vec<(DropReason, u64, u64, &str)> =
        cut.drops.iter().map(|drop| (drop.reason, drop.packets, drop.first_packet, drop.example.as_str())).collect();
    let expected = [
        (DropReason::OtherTransport, 1, 1, "ip protocol 1 (ICMP)"),
        (DropReason::BeyondTraceLength, 2, 6, "flow of 5 packets"),
        (DropReason::TraceTooShort, 2, 3, "flow of 1 packets, at least 2 needed"),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn a_capture_as_one_trace_takes_direction_from_the_first_sender() {
    let cut = cut_mixed(&CutOptions { unit: TraceUnit::Capture, ..options(4, 1) });
    assert_eq!(cut.traces.len(), 1);
    let trace = &cut.traces[0];
    assert_eq!((trace.packets.len(), trace.flow_packets, trace.flow_bytes), (4, 7, 272));
    let ports: Vec<(u16, Direction)> = trace.packets.iter().map(|packet| (packet.src_port, packet.direction)).collect();
    use Direction::{Backward, Forward};
    assert_eq!(ports, [(1000, Forward), (80, Backward), (1000, Forward), (1000, Forward)]);
}

#[test]
fn trace_ids_are_a_function_of_dataset_class_capture_cut_and_place() {
    let ids = |options: &CutOptions| -> Vec<i64> { cut_mixed(options).traces.iter().map(|t| t.trace_id.0).collect() };
    let base = options(10, 1);
    assert_eq!(ids(&base), ids(&base));
    // The minimum chooses among traces; it does not change them.
    assert_eq!(ids(&options(10, 5)), ids(&base)[..1]);
    let others = [
        CutOptions { dataset: "other".to_owned(), ..base.clone() },
        CutOptions { class: "other".to_owned(), ..base.clone() },
        options(9, 1),
    ];
    let mut seen = ids(&base);
    for other in &others {
        seen.extend(ids(other));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 12);
}

#[test]
fn a_trace_of_no_packets_is_refused() {
    let error = cut(mixed().as_slice(), &options(0, 1)).unwrap_err();
    assert!(error.to_string().contains("at least 1 packet"), "{error}");
}

#[test]
fn written_traces_read_back_as_the_same_packets() {
    let traces = cut_mixed(&options(10, 1)).traces;
    for link_type in [1, 101] {
        for trace in &traces {
            let mut bytes = Vec::new();
            assert_eq!(write_pcap(&mut bytes, link_type, &trace.packets).unwrap(), trace.packets.len() as u64);
            let again = cut(bytes.as_slice(), &options(10, 1)).unwrap();
            assert_eq!(again.summary.damage, None);
            assert_eq!(again.traces[0].packets, trace.packets);
        }
    }
}

#[test]
fn cut_packets_keep_their_original_length_when_written() {
    let frame = ethernet(0x0800, &ipv4(6, A, B, &tcp(1, 2, 16, &[7; 900])));
    let record = [LITTLE.u32s(&[100, 0, 60, frame.len() as u32]), frame[..60].to_vec()].concat();
    let bytes = [pcap_header(LITTLE, 0xa1b2_c3d4, 1), record].concat();
    let mut written = Vec::new();
    write_pcap(&mut written, 1, &cut(bytes.as_slice(), &options(10, 1)).unwrap().traces[0].packets).unwrap();
    let (frames, _) = read_all(&written).unwrap();
    assert_eq!((frames[0].captured.len(), frames[0].original_length), (60, frame.len() as u32));
}

#[test]
fn written_frames_read_back_with_their_times() {
    let frames = vec![(0, vec![1, 2, 3]), (1_700_000_000_123_456, Vec::new()), (1_700_000_001_000_000, vec![9; 3000])];
    let mut bytes = Vec::new();
    assert_eq!(write_frames(&mut bytes, 1, frames.clone()).unwrap(), 3);
    let (read, summary) = read_all(&bytes).unwrap();
    assert_eq!(summary.digest, Digest::of(&bytes));
    assert!(read.into_iter().map(|frame| (frame.time_us, frame.captured)).eq(frames));
}

#[test]
fn times_and_link_types_that_pcap_cannot_hold_are_refused() {
    let before = write_frames(Vec::new(), 1, [(-1, [0u8; 60])]).unwrap_err();
    assert!(before.to_string().contains("between 1970 and 2106"), "{before}");
    let cooked = write_pcap(Vec::new(), 113, []).unwrap_err();
    assert!(cooked.to_string().contains("link type `113`"), "{cooked}");
}
