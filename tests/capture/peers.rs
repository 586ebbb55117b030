//! The reader against pcap-parser and the decoder against etherparse, on the real captures.

use crate::common::shared;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use std::path::PathBuf;
use syntrace::capture::{FrameReader, decode_frame};

/// Every n-th capture is compared: enough to meet each class and oddity, quick in a debug build.
const SAMPLE_STEP: usize = 3;

fn sample(test: &str) -> Vec<PathBuf> {
    let Some(traffic) = shared("traffic", test) else { return Vec::new() };
    let manifest = std::fs::read_to_string(traffic.join("manifest.tsv")).unwrap();
    let paths = manifest.lines().skip(1).map(|line| traffic.join(line.split('\t').next().unwrap()));
    paths.step_by(SAMPLE_STEP).collect()
}

/// Captured bytes of all packets as pcap-parser reads them, `None` where it stops with an error.
fn peer_frames(path: &PathBuf) -> Option<Vec<Vec<u8>>> {
    let mut reader = create_reader(1 << 20, std::fs::File::open(path).unwrap()).ok()?;
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::Legacy(record) => frames.push(record.data.to_vec()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => frames.push(packet.packet_data().to_vec()),
                    PcapBlockOwned::NG(Block::SimplePacket(_) | Block::Unknown(_)) => return None,
                    _ => {}
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return Some(frames),
            Err(PcapError::Incomplete(_)) => reader.refill().ok()?,
            Err(_) => return None,
        }
    }
}

#[test]
fn frames_are_those_that_pcap_parser_reads() {
    let paths = sample("frames_are_those_that_pcap_parser_reads");
    let mut compared = 0;
    for path in &paths {
        // It reads a section of version 2.0 as if it were 1.0; we step over it and say so.
        if path.ends_with("gopacket_test901.pcapng") {
            continue;
        }
        let Some(expected) = peer_frames(path) else { continue };
        let mut reader = FrameReader::new(std::fs::File::open(path).unwrap()).unwrap();
        for (index, expected) in expected.iter().enumerate() {
            let frame = reader.next_frame().unwrap().unwrap_or_else(|| panic!("{}: ends at {index}", path.display()));
            assert!(frame.captured == expected, "{}: frame {index}", path.display());
        }
        assert!(reader.next_frame().unwrap().is_none(), "{}", path.display());
        compared += 1;
    }
    assert!(paths.is_empty() || compared * 10 > paths.len() * 8, "only {compared} of {} compared", paths.len());
}

#[test]
fn ethernet_packets_have_the_headers_that_etherparse_reads() {
    let mut compared = 0u64;
    for path in &sample("ethernet_packets_have_the_headers_that_etherparse_reads") {
        let Ok(mut reader) = FrameReader::new(std::fs::File::open(path).unwrap()) else { continue };
        while let Some(frame) = reader.next_frame().unwrap() {
            if frame.link_type != 1 {
                continue;
            }
            let (Ok(packet), Ok(peer)) = (
                decode_frame(1, frame.time_us, frame.captured, frame.original_length),
                SlicedPacket::from_ethernet(frame.captured),
            ) else {
                continue;
            };
            let place = format!("{} frame {}", path.display(), frame.index);
            match &peer.net {
                Some(NetSlice::Ipv4(ip)) => {
                    let header = ip.header();
                    assert_eq!(packet.src_ip, header.source(), "{place}");
                    assert_eq!(packet.dst_ip, header.destination(), "{place}");
                    assert_eq!(packet.ttl, header.ttl(), "{place}");
                    assert_eq!(packet.identification, Some(header.identification()), "{place}");
                    assert_eq!(packet.checksum, Some(header.header_checksum()), "{place}");
                    assert_eq!(packet.flags.map(|flags| flags & 2 != 0), Some(header.dont_fragment()), "{place}");
                }
                Some(NetSlice::Ipv6(ip)) => {
                    assert_eq!(packet.src_ip, ip.header().source(), "{place}");
                    assert_eq!(packet.ttl, ip.header().hop_limit(), "{place}");
                    assert_eq!(packet.tos, ip.header().traffic_class(), "{place}");
                }
                _ => continue,
            }
            match &peer.transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    assert_eq!(
                        (packet.src_port, packet.dst_port),
                        (tcp.source_port(), tcp.destination_port()),
                        "{place}"
                    );
                    let flags = packet.tcp_flags.unwrap();
                    assert_eq!((flags & 2 != 0, flags & 16 != 0), (tcp.syn(), tcp.ack()), "{place}");
                    assert_eq!(packet.payload_length as usize, tcp.payload().len(), "{place}");
                }
                Some(TransportSlice::Udp(udp)) => {
                    assert_eq!(
                        (packet.src_port, packet.dst_port),
                        (udp.source_port(), udp.destination_port()),
                        "{place}"
                    );
                }
                _ => continue,
            }
            compared += 1;
        }
        if compared > 60_000 {
            break;
        }
    }
    let Some(_) = shared("traffic", "ethernet_packets_have_the_headers_that_etherparse_reads") else { return };
    assert!(compared > 10_000, "only {compared} packets compared");
}
