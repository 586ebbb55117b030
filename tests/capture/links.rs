//! Every link type leads to the same packet; headers that cannot be read give their reason.

use super::build::*;
use syntrace::capture::decode_frame;
use syntrace::record::{DropReason, Packet};

fn decode(link_type: u32, frame: &[u8]) -> Packet {
    decode_frame(link_type, 5, frame, frame.len() as u32).unwrap_or_else(|dropped| panic!("{dropped}"))
}

fn reason(link_type: u32, frame: &[u8]) -> (DropReason, String) {
    let dropped = decode_frame(link_type, 5, frame, frame.len() as u32).unwrap_err();
    (dropped.reason, dropped.to_string())
}

/// A snapshot of the first `length` bytes of a frame.
fn reason_of_cut(frame: &[u8], length: usize) -> DropReason {
    decode_frame(1, 5, &frame[..length], frame.len() as u32).unwrap_err().reason
}

const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

/// An 802.11 data frame header with distribution bits, subtype and the four addresses.
fn wifi(subtype: u8, flags: u8, addresses: &[[u8; 6]]) -> Vec<u8> {
    let mut header = vec![subtype << 4 | 8, flags, 0, 0];
    header.extend(addresses[..3].concat());
    header.extend([0, 0]);
    header.extend(addresses[3..].concat());
    header
}

/// A PKTAP header of the usual 108 bytes in front of a link type.
fn pktap(inner: u32) -> Vec<u8> {
    [LITTLE.u32s(&[108, 1, inner]), vec![0; 96]].concat()
}

#[test]
fn every_link_type_leads_to_the_same_packet() {
    let ip = syn();
    let wrapped = |header: &[u8]| [header, &ip].concat();
    let bssid = [9; 6];
    let infrastructure = wifi(0, 2, &[DESTINATION_MAC, bssid, SOURCE_MAC]);
    let cases: Vec<(&str, u32, Vec<u8>)> = vec![
        ("ethernet", 1, ethernet(0x0800, &ip)),
        ("vlan", 1, ethernet(0x8100, &wrapped(&[0, 7, 8, 0]))),
        ("qinq", 1, ethernet(0x88a8, &wrapped(&[0, 7, 0x81, 0, 0, 8, 8, 0]))),
        ("pppoe", 1, ethernet(0x8864, &wrapped(&[0x11, 0, 0, 1, 0, 42, 0, 0x21]))),
        ("pppoe with a protocol of one byte", 1, ethernet(0x8864, &wrapped(&[0x11, 0, 0, 1, 0, 41, 0x21]))),
        ("mpls", 1, ethernet(0x8847, &wrapped(&[0, 1, 0x20, 64, 0, 1, 0x31, 64]))),
        ("snap", 1, ethernet(48, &wrapped(&SNAP))),
        ("raw", 101, ip.clone()),
        ("raw 12", 12, ip.clone()),
        ("raw 14", 14, ip.clone()),
        ("ipv4", 228, ip.clone()),
        ("null little", 0, wrapped(&[2, 0, 0, 0])),
        ("null big", 0, wrapped(&[0, 0, 0, 2])),
        ("loop", 108, wrapped(&[0, 0, 0, 2])),
        ("cooked", 113, wrapped(&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0])),
        ("cooked 2", 276, wrapped(&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0])),
        ("ppp", 9, wrapped(&[0xff, 3, 0, 0x21])),
        ("cisco hdlc", 104, wrapped(&[0x0f, 0, 8, 0])),
        ("cisco hdlc under ppp", 9, wrapped(&[0x0f, 0, 8, 0])),
        ("cisco hdlc multicast under ppp in hdlc", 50, wrapped(&[0x8f, 0, 8, 0])),
        ("cisco hdlc under null", 0, wrapped(&[0x0f, 0, 8, 0])),
        ("ppp under null", 0, wrapped(&[0xff, 3, 0, 0x21])),
        ("ethertype under null", 0, wrapped(&[0, 8, 0, 0])),
        ("family of 16 bits under null", 0, wrapped(&[0, 2, 0, 0])),
        ("pppoe alone", 51, wrapped(&[0x11, 0, 0, 1, 0, 42, 0, 0x21])),
        ("nflog", 239, wrapped(&[2, 0, 0, 7, 8, 0, 1, 0, 8, 0, 1, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 44, 0, 9, 0])),
        ("nflog big", 239, wrapped(&[2, 0, 0, 7, 0, 8, 0, 1, 8, 0, 1, 0, 0, 44, 0, 9])),
        ("pktap of raw ip", 258, wrapped(&pktap(12))),
        ("pktap of loopback", 258, wrapped(&[pktap(0), vec![2, 0, 0, 0]].concat())),
        ("juniper ppp", 179, wrapped(&[b'M', b'G', b'C', 0x80, 0, 3, 1, 2, 3, 0, 0x21])),
        ("juniper hdlc", 181, wrapped(&[b'M', b'G', b'C', 0, 0x0f, 0, 8, 0])),
        ("juniper without link layer", 178, wrapped(&[b'M', b'G', b'C', 2, 2, 0, 0, 0])),
        ("fddi of ethernet", 10, wrapped(&[&[0x50][..], &DESTINATION_MAC, &SOURCE_MAC, &SNAP].concat())),
        ("802.11", 105, wrapped(&[infrastructure.clone(), SNAP.to_vec()].concat())),
        (
            "802.11 qos, four addresses",
            105,
            wrapped(&[wifi(8, 3, &[bssid, bssid, DESTINATION_MAC, SOURCE_MAC]), vec![0, 0], SNAP.to_vec()].concat()),
        ),
        (
            "radiotap with padding",
            127,
            wrapped(
                &[
                    vec![0, 0, 17, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20],
                    wifi(8, 2, &[DESTINATION_MAC, bssid, SOURCE_MAC]),
                    vec![0, 0, 0, 0],
                    SNAP.to_vec(),
                ]
                .concat(),
            ),
        ),
        ("ppi", 192, wrapped(&[&[0, 0, 8, 0, 105, 0, 0, 0], &infrastructure[..], &SNAP].concat())),
        ("802.1BR", 1, ethernet(0x893f, &wrapped(&[0, 0, 0, 1, 0, 0, 8, 0]))),
        ("802.1BR in a vlan", 1, ethernet(0x8100, &wrapped(&[0, 7, 0x89, 0x3f, 0, 0, 0, 1, 0, 0, 8, 0]))),
        ("vn-tag", 1, ethernet(0x8926, &wrapped(&[0, 1, 0, 2, 8, 0]))),
        ("cisco metadata", 1, ethernet(0x8909, &wrapped(&[1, 1, 0, 1, 0, 9, 8, 0]))),
        ("macsec without encryption", 1, ethernet(0x88e5, &wrapped(&[0, 0, 0, 0, 0, 9, 8, 0]))),
        (
            "macsec with a channel",
            1,
            ethernet(0x88e5, &wrapped(&[0x20, 0, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 0, 1, 0x81, 0, 0, 5, 8, 0])),
        ),
        ("nsh", 1, ethernet(0x894f, &wrapped(&[0x0f, 0xc2, 2, 1, 0, 0, 1, 255]))),
        (
            "nsh of ethernet",
            1,
            ethernet(0x894f, &[vec![0x0f, 0xc2, 2, 3, 0, 0, 1, 255], ethernet(0x0800, &ip)].concat()),
        ),
        ("fabricpath", 1, ethernet(0x8903, &[vec![0, 0x41], ethernet(0x0800, &ip)].concat())),
        ("vlan and fabricpath", 1, ethernet(0x8100, &[vec![0, 5, 0x89, 3, 0, 1], ethernet(0x0800, &ip)].concat())),
        ("trill", 1, ethernet(0x22f3, &[vec![0, 0x7f, 0, 1, 0, 2, 9, 9, 9, 9], ethernet(0x0800, &ip)].concat())),
        ("backbone bridge", 1, ethernet(0x88e7, &[vec![0, 0, 0, 1], ethernet(0x0800, &ip)].concat())),
        ("pktap of ethernet", 258, [pktap(1), ethernet(0x0800, &ip)].concat()),
        ("juniper ethernet", 178, [b"MGC\x01".to_vec(), ethernet(0x0800, &ip)].concat()),
        ("avs", 163, wrapped(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 12, 0, 0, 0, 0], &infrastructure[..], &SNAP].concat())),
        ("prism", 119, wrapped(&[&[0x44, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0], &infrastructure[..], &SNAP].concat())),
    ];
    for (name, link_type, frame) in cases {
        let packet = decode(link_type, &frame);
        assert_eq!(packet.data[14..], ip, "{name}");
        assert_eq!(packet.data[12..14], [8, 0], "{name}");
        let has_addresses = matches!(link_type, 1 | 105 | 119 | 127 | 163 | 192) || name.ends_with("ethernet");
        let synthetic = [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]].concat();
        let expected = if has_addresses { [DESTINATION_MAC, SOURCE_MAC].concat() } else { synthetic };
        assert_eq!(packet.data[..12], expected, "{name}");
        assert_eq!((packet.src_port, packet.dst_port, packet.protocol), (1000, 80, 6), "{name}");
    }
}

#[test]
fn all_ipv4_fields_are_read() {
    let packet = decode(101, &ipv4(17, [1, 2, 3, 4], [5, 6, 7, 8], &udp(53, 5353, &[9; 30])));
    assert_eq!((packet.src_ip, packet.dst_ip), (vec![1, 2, 3, 4], vec![5, 6, 7, 8]));
    assert_eq!((packet.ip_version, packet.header_length, packet.tos, packet.ttl), (4, 20, 0x10, 63));
    assert_eq!((packet.identification, packet.flags, packet.fragment_offset), (Some(0x1234), Some(2), Some(0)));
    assert_eq!((packet.checksum, packet.tcp_flags), (Some(0xabcd), None));
    assert_eq!((packet.ip_length, packet.payload_length), (58, 30));
}

#[test]
fn ipv6_lacks_the_ipv4_fields_and_steps_over_extension_headers() {
    let segment = tcp(443, 50_000, 0x12, &[1, 2, 3]);
    let plain = decode(229, &ipv6(6, &segment));
    assert_eq!((plain.ip_version, plain.header_length, plain.tos, plain.ttl), (6, 40, 0xab, 61));
    assert_eq!((plain.identification, plain.flags, plain.fragment_offset, plain.checksum), (None, None, None, None));
    assert_eq!((plain.tcp_flags, plain.payload_length, plain.ip_length), (Some(0x12), 3, 63));
    assert_eq!(plain.data[12..14], [0x86, 0xdd]);

    let hop_by_hop = [&[43, 0, 1, 4, 0, 0, 0, 0][..], &[60, 0, 0, 0, 0, 0, 0, 0]].concat();
    let destination_options = [&[6, 1][..], &[0; 14]].concat();
    let chain = [hop_by_hop, destination_options, segment].concat();
    let extended = decode(229, &ipv6(0, &chain));
    assert_eq!((extended.src_port, extended.dst_port, extended.payload_length), (443, 50_000, 3));
    assert_eq!((extended.header_length, extended.ip_length), (40, 63 + 32));
}

#[test]
fn ethernet_padding_is_cut_and_offloaded_lengths_come_from_the_frame() {
    let padded = [ethernet(0x0800, &syn()), vec![0; 6]].concat();
    assert_eq!(decode(1, &padded).data.len(), 14 + 40);

    let mut offloaded = ethernet(0x0800, &ipv4(6, [1; 4], [2; 4], &tcp(1, 2, 16, &[7; 500])));
    offloaded[16..18].copy_from_slice(&[0, 0]);
    let packet = decode_frame(1, 0, &offloaded[..200], offloaded.len() as u32).unwrap();
    assert_eq!((packet.ip_length, packet.payload_length, packet.data.len()), (540, 500, 200));
    // A frame length that nobody can have seen is not believed.
    assert_eq!(decode_frame(1, 0, &offloaded, u32::MAX).unwrap_err().reason, DropReason::Malformed);
}

#[test]
fn what_is_no_tcp_or_udp_packet_is_named() {
    let fragment = |offset: u8| {
        let mut ip = ipv4(17, [1; 4], [2; 4], &udp(1, 2, &[0; 16]));
        ip[6..8].copy_from_slice(&[0x20, offset]);
        ip
    };
    let ipv6_fragment = ipv6(44, &[&[17, 0, 0, 0x10, 0, 0, 0, 1][..], &[0; 16]].concat());
    let cases: Vec<(u32, Vec<u8>, DropReason, &str)> = vec![
        (147, syn(), DropReason::UnsupportedLinkType, "link type 147"),
        (1, ethernet(0x0806, &[0; 28]), DropReason::NotIp, "ethertype 0x0806 (ARP)"),
        (1, ethernet(0x1234, &[0; 28]), DropReason::NotIp, "ethertype 0x1234"),
        (1, ethernet(38, &[0x42, 0x42, 3, 0, 0, 0, 0, 0]), DropReason::NotIp, "802.2 frame without IP"),
        (105, wifi(4, 2, &[[0; 6]; 3]), DropReason::NotIp, "802.11 data frame without data"),
        (105, wifi(0, 0x42, &[[0; 6]; 3]), DropReason::NotIp, "802.11 protected frame"),
        (0, vec![16, 0, 0, 0, 1, 2], DropReason::NotIp, "address family 16"),
        (101, ipv4(1, [1; 4], [2; 4], &[8; 8]), DropReason::OtherTransport, "ip protocol 1 (ICMP)"),
        (101, ipv4(47, [1; 4], [2; 4], &[0; 8]), DropReason::OtherTransport, "ip protocol 47 (GRE)"),
        (229, ipv6(58, &[128; 8]), DropReason::OtherTransport, "ip protocol 58 (IPv6-ICMP)"),
        (101, fragment(3), DropReason::LaterFragment, "fragment at offset 24"),
        (229, ipv6_fragment, DropReason::LaterFragment, "fragment at offset 16"),
        (101, vec![0x25; 40], DropReason::Malformed, "ip version 2"),
    ];
    for (link_type, frame, expected, text) in cases {
        assert_eq!(reason(link_type, &frame), (expected, text.to_owned()));
    }
    // The first fragment still has its ports.
    assert_eq!(decode(101, &fragment(0)).dst_port, 2);
}

#[test]
fn headers_cut_by_the_snapshot_are_truncated_and_lying_ones_malformed() {
    let mut with_options = tcp(1, 2, 2, &[1; 8]);
    with_options[12] = 0x70;
    let frame = ethernet(0x0800, &ipv4(6, [1; 4], [2; 4], &with_options));
    assert_eq!(frame.len(), 14 + 20 + 28);
    assert!(decode_frame(1, 0, &frame, frame.len() as u32).is_ok());
    for length in 0..frame.len() {
        assert_eq!(reason_of_cut(&frame, length), DropReason::TruncatedHeader, "cut at {length}");
    }

    let change = |at: usize, value: u8| {
        let mut ip = ipv4(6, [1; 4], [2; 4], &tcp(1, 2, 2, &[]));
        ip[at] = value;
        reason(101, &ip)
    };
    assert_eq!(change(0, 0x44), (DropReason::Malformed, "ipv4 header length 16".to_owned()));
    assert_eq!(change(3, 19), (DropReason::Malformed, "ipv4 total length 19".to_owned()));
    assert_eq!(change(3, 30), (DropReason::Malformed, "tcp header: expected 20 bytes, found 10".to_owned()));
    assert_eq!(change(32, 0x40), (DropReason::Malformed, "tcp header length 16".to_owned()));
    assert_eq!(change(32, 0x60), (DropReason::Malformed, "tcp options: expected 24 bytes, found 20".to_owned()));
}

#[test]
fn an_ipv6_extension_header_is_needed_whole_before_the_next_one_is_believed() {
    let chain = [&[6, 1][..], &[0; 14], &tcp(1, 2, 2, &[])].concat();
    let whole = ipv6(60, &chain);
    assert!(decode_frame(229, 0, &whole, whole.len() as u32).is_ok());
    let cut = decode_frame(229, 0, &whole[..40 + 10], whole.len() as u32).unwrap_err();
    assert_eq!(cut.reason, DropReason::TruncatedHeader);
    assert_eq!(cut.to_string(), "ipv6 extension header: expected 56 bytes, found 50");
    let lying = ipv6(60, &[50, 200, 0, 0, 0, 0, 0, 0]);
    assert_eq!(reason(229, &lying).0, DropReason::Malformed);
}

#[test]
fn a_link_layer_that_announces_the_other_ip_version_makes_a_packet_malformed() {
    let (four, six) = (syn(), ipv6(17, &udp(1, 2, &[7; 8])));
    let behind = |header: &[u8], ip: &[u8]| [header, ip].concat();
    for (link_type, frame) in [
        (228, six.clone()),
        (229, four.clone()),
        (1, ethernet(0x0800, &six)),
        (1, ethernet(0x86dd, &four)),
        (9, behind(&[0xff, 3, 0, 0x57], &four)),
        (0, behind(&[2, 0, 0, 0], &six)),
        (239, behind(&[10, 0, 0, 0, 44, 0, 9, 0], &four)),
    ] {
        let (found, text) = reason(link_type, &frame);
        assert_eq!(found, DropReason::Malformed, "{link_type}: {text}");
        assert!(text.starts_with("the link layer says IPv"), "{link_type}: {text}");
    }
    // Raw IP announces none.
    assert_eq!((decode(101, &four).ip_version, decode(101, &six).ip_version), (4, 6));
}

#[test]
fn a_first_fragment_without_its_whole_transport_header_has_its_own_reason() {
    let fragment = |payload: &[u8]| {
        let mut ip = ipv4(6, [1; 4], [2; 4], payload);
        ip[6] = 0x20;
        ip
    };
    let segment = tcp(1000, 80, 2, &[]);
    let expected = (DropReason::TinyFragment, "tcp header: expected 20 bytes, found 8".to_owned());
    assert_eq!(reason(101, &fragment(&segment[..8])), expected);
    // Behind 20 bytes of header: options that are in the next fragment.
    let mut options = segment.clone();
    options[12] = 0x80;
    assert_eq!(reason(101, &fragment(&options)).0, DropReason::TinyFragment);
    let six = |more: u8| ipv6(44, &[&[6, 0, 0, more, 0, 0, 0, 1][..], &segment[..8]].concat());
    assert_eq!(reason(229, &six(1)).0, DropReason::TinyFragment);
    // Without more to come the header is wrong, and cut by a snapshot it is cut.
    assert_eq!(reason(229, &six(0)).0, DropReason::Malformed);
    assert_eq!(reason(101, &ipv4(6, [1; 4], [2; 4], &segment[..8])).0, DropReason::Malformed);
    let whole = ethernet(0x0800, &fragment(&segment));
    assert_eq!(reason_of_cut(&whole, 14 + 20 + 8), DropReason::TruncatedHeader);
    assert_eq!(decode(1, &whole).flags, Some(1));
}

#[test]
fn short_802_11_control_frames_have_their_own_reason() {
    let ack = [&[0xd4, 0, 0, 0][..], &SOURCE_MAC].concat();
    let cts = [&[0xc4, 0, 16, 0][..], &SOURCE_MAC].concat();
    let expected = |name| (DropReason::ControlFrame, format!("802.11 control frame ({name})"));
    assert_eq!(reason(105, &ack), expected("ACK"));
    assert_eq!(reason(105, &cts), expected("CTS"));
    assert_eq!(reason(127, &[&[0, 0, 8, 0, 0, 0, 0, 0][..], &ack].concat()), expected("ACK"));
    assert_eq!(reason(105, &[0x08, 0, 0, 0, 1, 2, 3, 4, 5, 6]).0, DropReason::Malformed);
}

#[test]
fn what_the_new_tags_and_headers_cannot_give_is_named() {
    let cases: Vec<(u32, Vec<u8>, DropReason, &str)> = vec![
        (1, ethernet(0x88e5, &[0x0c, 0, 0, 0, 0, 1, 8, 0, 0x45]), DropReason::NotIp, "macsec with encryption"),
        (1, ethernet(0x894f, &[0, 0x01, 2, 1, 0, 0, 0, 0]), DropReason::Malformed, "nsh header length 4"),
        (1, ethernet(0x894f, &[0, 0x02, 2, 9, 0, 0, 0, 0]), DropReason::NotIp, "nsh next protocol 9"),
        (239, vec![7, 0, 0, 0, 8, 0, 9, 0, 1, 2, 3, 4], DropReason::NotIp, "nflog address family 7"),
        (239, vec![2, 0, 0, 0, 8, 0, 1, 0, 1, 2, 3, 4], DropReason::NotIp, "nflog without a packet"),
        (258, LITTLE.u32s(&[108, 2, 1]), DropReason::NotIp, "pktap record of kind 2"),
        (178, vec![1, 2, 3, 4], DropReason::NotIp, "juniper header without its magic"),
        (258, [pktap(258), pktap(1)].concat(), DropReason::NotIp, "a header of the capturing system within another"),
        (9, vec![0x0f, 0, 0x20, 0], DropReason::NotIp, "ethertype 0x2000"),
    ];
    for (link_type, frame, expected, text) in cases {
        assert_eq!(reason(link_type, &frame), (expected, text.to_owned()));
    }
}

#[test]
fn tags_nested_without_end_are_refused_and_end() {
    let tags = [0x81, 0, 0, 1].repeat(60_000);
    assert_eq!(reason(1, &ethernet(0x8100, &tags)).0, DropReason::NotIp);
    let snap = [&SNAP[..6], &[0x81, 0, 0, 1, 0, 40]].concat().repeat(20_000);
    assert_eq!(reason(1, &ethernet(40, &snap)).0, DropReason::NotIp);
}
