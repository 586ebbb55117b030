//! Header views with times: what is read back, and what setting a field changes.

use crate::common::simulated_traces;
use syntrace::encoding::packets::{HeaderPacket, decode, encode, to_bytes};
use syntrace::record::Packet;
use syntrace::synth::decode_packets;

/// Time, addresses, ports, protocol, TTL, TOS, identification, flags, length: what a generator sets or reads.
type Fields = (i64, Vec<u8>, Vec<u8>, u16, u16, u8, u8, u8, Option<u16>, Option<u8>, u32);

fn fields(packet: &Packet) -> Fields {
    let (a, b) = (packet.src_ip.clone(), packet.dst_ip.clone());
    let (ports, own) = ((packet.src_port, packet.dst_port), (packet.protocol, packet.ttl, packet.tos));
    (packet.time_us, a, b, ports.0, ports.1, own.0, own.1, own.2, packet.identification, packet.flags, packet.ip_length)
}

fn read(packet: &HeaderPacket) -> Fields {
    let ([a, b], [from, to]) = (packet.addresses().map(<[u8]>::to_vec), packet.ports());
    let (identification, flags, length) = (packet.identification(), packet.flags(), u32::from(packet.length()));
    (packet.time_us, a, b, from, to, packet.protocol(), packet.ttl(), packet.tos(), identification, flags, length)
}

#[test]
fn every_packet_comes_back_with_its_fields_and_its_bytes() {
    let mut versions = std::collections::BTreeSet::new();
    for class in ["windows", "mac"] {
        for trace in simulated_traces("os", class, 80, 10) {
            let encoded = encode(&trace);
            let packets = decode(&encoded).unwrap();
            assert_eq!(to_bytes(&packets), encoded.data);
            assert_eq!(packets.len(), trace.packets.len());
            for (packet, own) in packets.iter().zip(&trace.packets) {
                assert_eq!(read(packet), fields(own));
                versions.insert(packet.version());
            }
            let back = decode_packets(&packets);
            assert!(back.rejections.is_empty());
            for (packet, own) in back.packets.iter().zip(&trace.packets) {
                assert_eq!((packet.direction, fields(packet)), (own.direction, fields(own)));
            }
        }
    }
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), [4, 6]);
}

#[test]
fn a_field_that_is_set_is_read_back_and_no_other_one_moves() {
    for trace in simulated_traces("os", "ubuntu", 60, 4) {
        for packet in decode(&encode(&trace)).unwrap() {
            let mut own = packet.clone();
            let old = packet.length();
            own.set_ttl(77);
            own.set_tos(0xb8);
            own.set_ports([7, 9]);
            own.set_length(old.saturating_add(3));
            own.set_identification(12, 2);
            own.shift_sequence(5, 6);
            let [source, destination] = packet.addresses().map(<[u8]>::to_vec);
            own.set_addresses([&destination, &source]);
            let four = packet.version() == 4;
            let expected = (
                packet.time_us,
                destination.clone(),
                source.clone(),
                7,
                9,
                packet.protocol(),
                77,
                0xb8,
                four.then_some(12),
                four.then_some(2),
                u32::from(old) + 3,
            );
            assert_eq!(read(&own), expected);
            own.set_length(0);
            assert_eq!(own.length(), own.header_bytes(), "no shorter than its headers");
            own.set_addresses([&[1], &[2]]);
            assert_eq!(own.addresses()[0], destination, "addresses of another width change nothing");
        }
    }
}

#[test]
fn damaged_packets_are_errors_or_left_out_without_a_panic() {
    let traces = simulated_traces("os", "mac", 5, 4);
    let encoded = encode(&traces[0]);
    for cut in 1..encoded.data.len().min(200) {
        let mut short = encoded.clone();
        short.data.truncate(cut);
        let whole = decode(&short).map(|packets| to_bytes(&packets).len());
        assert!(whole.is_err() || whole.unwrap() <= cut);
    }
    assert!(HeaderPacket::parse(0, Vec::new()).is_none());
    assert!(HeaderPacket::parse(0, vec![0x45; 12]).is_none());
}
