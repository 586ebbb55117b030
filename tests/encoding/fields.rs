//! The 15 fields.

use super::tokens::mixed_trace;
use syntrace::encoding::fields::{FIELD_COUNT, FIELD_NAMES, address_number, decode, encode};

#[test]
fn fields_are_the_packets_own_with_null_where_ipv6_has_none() {
    let trace = mixed_trace();
    let encoded = encode(&trace);
    assert_eq!((encoded.rows, encoded.width), (trace.packets.len() as u32, 15));
    let rows = decode(&encoded).unwrap();
    let at = |name: &str| FIELD_NAMES.iter().position(|found| *found == name).unwrap();
    for (row, packet) in rows.iter().zip(&trace.packets) {
        assert_eq!(row[at("src_port")], Some(i64::from(packet.src_port)));
        assert_eq!(row[at("time_us")], Some(packet.time_us));
        assert_eq!(row[at("ip_length")], Some(i64::from(packet.ip_length)));
        assert_eq!(row[at("ttl")], Some(i64::from(packet.ttl)));
        assert_eq!(row[at("identification")], packet.identification.map(i64::from));
        assert_eq!(row[at("checksum")], packet.checksum.map(i64::from));
        let nulls = row.iter().filter(|field| field.is_none()).count();
        assert_eq!(nulls, if packet.ip_version == 4 { 0 } else { 4 });
    }
}

#[test]
fn ipv4_addresses_are_exact_and_ipv6_addresses_negative_and_distinct() {
    assert_eq!(address_number(&[255, 0, 0, 1]), 0xff00_0001);
    let numbers: std::collections::BTreeSet<i64> =
        (0..=255u8).map(|last| address_number(&[[0; 15].as_slice(), &[last]].concat())).collect();
    assert_eq!(numbers.len(), 256);
    assert!(numbers.iter().all(|number| *number < 0 && *number > i64::MIN));
}

#[test]
fn fields_of_another_size_are_refused() {
    let mut encoded = encode(&mixed_trace());
    encoded.data.truncate(8 * FIELD_COUNT - 1);
    assert!(decode(&encoded).unwrap_err().to_string().contains("bytes of fields"));
}
