//! Token sequences and back.

use crate::capture::build;
use proptest::prelude::*;
use syntrace::capture::{cut, decode_frame, link_type};
use syntrace::encoding::tokens::{
    TOKEN_DELIMITER, TOKEN_END, TOKEN_LABEL, VOCABULARY_SIZE, decode, header_view, trace_tokens,
};
use syntrace::encoding::{EncodingKind, TokenLayout, tokens_to_packets};
use syntrace::record::{Trace, TraceUnit};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

/// TCP with and without options and payload, UDP with payloads around 12 bytes, IPv6.
pub fn mixed_trace() -> Trace {
    let mut with_options = build::tcp(1, 2, 2, &[2, 4, 5, 0xb4, 1, 1, 4, 2]);
    with_options[12] = 0x70;
    let mut packets = vec![
        build::ipv4(6, A, B, &with_options),
        build::ipv4(6, B, A, &build::tcp(2, 1, 24, &[7; 300])),
        build::ipv6(6, &build::tcp(443, 50_000, 16, &[])),
        build::ipv6(17, &build::udp(443, 50_000, &[9; 40])),
    ];
    packets.extend([0, 1, 11, 12, 13].map(|length| build::ipv4(17, A, B, &build::udp(53, 54, &vec![0xee; length]))));
    let frames: Vec<Vec<u8>> =
        packets.iter().map(|ip| build::ethernet(if ip[0] >> 4 == 4 { 0x0800 } else { 0x86dd }, ip)).collect();
    let options = syntrace::capture::CutOptions { unit: TraceUnit::Capture, ..build::options(20, 1) };
    let mut cut = cut(build::pcap(1, &frames).as_slice(), &options).unwrap();
    cut.traces.remove(0)
}

#[test]
fn the_header_view_ends_behind_tcp_or_twelve_bytes_into_a_udp_payload() {
    let lengths: Vec<usize> =
        mixed_trace().packets.iter().map(|packet| header_view(packet, &TokenLayout::paper()).len()).collect();
    let tcp = [14 + 20 + 28, 14 + 20 + 20, 14 + 40 + 20];
    let udp = [14 + 40 + 8 + 12, 42, 43, 53, 54, 54];
    assert_eq!(lengths, [tcp.as_slice(), &udp].concat());
}

#[test]
fn a_published_trace_of_n_packets_takes_129_n_tokens() {
    let trace = mixed_trace();
    let layout = TokenLayout { published: true, ..TokenLayout::paper() };
    let tokens = trace_tokens(&trace, &layout);
    assert_eq!(tokens.len(), 129 * trace.packets.len());
    assert_eq!(tokens.len(), layout.tokens_max(trace.packets.len()));
    assert_ne!(tokens.last(), Some(&TOKEN_DELIMITER));
    // Ours adds the end and nothing else.
    let ours = trace_tokens(&trace, &TokenLayout::paper());
    assert_eq!(ours[..tokens.len()], tokens);
    assert_eq!(ours[tokens.len()..], [TOKEN_DELIMITER, TOKEN_END]);
    assert_eq!(ours.len(), TokenLayout::paper().tokens_max(trace.packets.len()));
}

#[test]
fn tokens_give_back_the_byte_view_of_every_packet() {
    let trace = mixed_trace();
    let wide = TokenLayout { packet_bytes: 128, ..TokenLayout::small() };
    for layout in [TokenLayout::paper(), TokenLayout::small(), wide, TokenLayout { published: true, ..wide }] {
        let encoded = EncodingKind::Tokens(layout).encode(&trace);
        let tokens = decode(&encoded).unwrap();
        assert_eq!(tokens[0], TOKEN_LABEL);
        let packets = tokens_to_packets(&tokens, &layout);
        assert_eq!(packets.len(), trace.packets.len());
        for (bytes, packet) in packets.iter().zip(&trace.packets) {
            let view = header_view(packet, &layout);
            let start = if layout.link_header { 0 } else { 14 };
            assert_eq!(bytes[start..], view, "{layout:?}");
        }
    }
}

#[test]
fn decoded_packets_keep_every_header_field() {
    let trace = mixed_trace();
    let layout = TokenLayout { packet_bytes: 128, ..TokenLayout::small() };
    let packets = tokens_to_packets(&trace_tokens(&trace, &layout), &layout);
    for (bytes, packet) in packets.iter().zip(&trace.packets) {
        let mut again = decode_frame(link_type::ETHERNET, packet.time_us, bytes, 14 + packet.ip_length).unwrap();
        assert_eq!(again.data[14..], packet.data[14..again.data.len()]);
        again.data.clone_from(&packet.data);
        again.direction = packet.direction;
        assert_eq!(&again, packet);
    }
}

#[test]
fn a_packet_that_generation_broke_off_is_left_out() {
    let layout = TokenLayout::small();
    let stopped = [TOKEN_LABEL, 1, 2, TOKEN_DELIMITER, 3, 4];
    assert_eq!(tokens_to_packets(&stopped, &layout).len(), 1);
    assert_eq!(tokens_to_packets(&stopped, &TokenLayout { published: true, ..layout }).len(), 2);
    let ended = [TOKEN_LABEL, 1, 2, TOKEN_DELIMITER, 3, 4, TOKEN_END, 5, TOKEN_DELIMITER];
    assert_eq!(tokens_to_packets(&ended, &layout).len(), 2);
    // The first packet stays: the published converter loses it.
    assert_eq!(tokens_to_packets(&stopped, &layout)[0][14..], [1, 2]);
}

#[test]
fn options_are_canonical_json() {
    assert_eq!(
        EncodingKind::Tokens(TokenLayout::small()).options_json(),
        r#"{"link_header":false,"packet_bytes":64,"padded":false,"published":false}"#
    );
    let parsed: serde_json::Value = serde_json::from_str(&TokenLayout::paper().options_json()).unwrap();
    assert_eq!(serde_json::to_string(&parsed).unwrap(), TokenLayout::paper().options_json());
}

#[test]
fn tokens_outside_the_vocabulary_are_refused() {
    let mut encoded = EncodingKind::Tokens(TokenLayout::small()).encode(&mixed_trace());
    encoded.data[1] = 2;
    assert!(decode(&encoded).unwrap_err().to_string().contains("below 272"));
    encoded.data.truncate(3);
    encoded.data[1] = 0;
    assert!(decode(&encoded).is_err());
}

proptest! {
    /// Whatever a generator puts out becomes packets, each decodable or dropped with a reason.
    #[test]
    fn any_tokens_become_frames_without_a_panic(
        tokens in prop::collection::vec(0..VOCABULARY_SIZE as u16, 0..400),
        link_header in any::<bool>(),
        padded in any::<bool>(),
    ) {
        let layout = TokenLayout { link_header, padded, packet_bytes: 64, published: false };
        for frame in tokens_to_packets(&tokens, &layout) {
            let _ = decode_frame(link_type::ETHERNET, 0, &frame, frame.len() as u32);
        }
    }
}
