//! Bit planes against nPrint's text and against the packets' own bytes.

use super::tokens::mixed_trace;
use syntrace::encoding::nprint_csv::{NprintOptions, write_traces};
use syntrace::encoding::{Encoded, EncodingKind, nprint};

#[test]
fn planes_hold_the_cells_that_the_text_shows() {
    let trace = mixed_trace();
    let encoded = EncodingKind::Nprint.encode(&trace);
    assert_eq!((encoded.rows, encoded.width), (trace.packets.len() as u32, 1088));
    assert_eq!(encoded.data.len(), trace.packets.len() * 272);
    let mut text = Vec::new();
    write_traces([&trace], &mut text, &NprintOptions::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let rows = nprint::decode(&encoded).unwrap();
    for (row, line) in rows.iter().zip(text.lines().skip(1)) {
        let cells: Vec<i8> = line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
        let ours: Vec<i8> = (0..1088).map(|bit| row.cell(bit)).collect();
        assert_eq!(ours, cells);
    }
}

#[test]
fn decoding_gives_back_the_header_bytes_of_ipv4_packets() {
    let trace = mixed_trace();
    let rows = nprint::decode(&nprint::encode(&trace)).unwrap();
    for (row, packet) in rows.iter().zip(&trace.packets) {
        let payload_at = packet.data.len() - packet.payload_length as usize;
        let headers = if packet.ip_version == 4 { 14..payload_at } else { 54..payload_at };
        assert_eq!(row.header_bytes(), packet.data[headers]);
    }
}

#[test]
fn planes_of_another_size_are_refused() {
    let encoded = nprint::encode(&mixed_trace());
    let short = Encoded { data: encoded.data[1..].to_vec(), ..encoded.clone() };
    assert!(nprint::decode(&short).unwrap_err().to_string().contains("expected nprint planes"));
    assert!(nprint::decode(&Encoded { rows: 1, ..encoded }).is_err());
}
