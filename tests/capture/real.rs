//! The reader against the counts of ../shared/traffic/manifest.tsv, which another reader made.

use std::path::Path;

use super::build::options;
use crate::common::shared;
use syntrace::capture::{Cut, cut};
use syntrace::error::{Error, ErrorKind};

/// One line of the manifest.
struct Expected {
    path: String,
    packets: u64,
    flows: usize,
    flows_ge10: usize,
    format: String,
}

fn manifest(text: &str) -> Vec<Expected> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let at = |name: &str| names.iter().position(|found| *found == name).unwrap();
    let places = [at("path"), at("packets"), at("flows"), at("flows_ge10"), at("format")];
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [path, packets, flows, flows_ge10, format] = places.map(|place| cells[place]);
            Expected {
                path: path.to_owned(),
                packets: packets.parse().unwrap(),
                flows: flows.parse().unwrap(),
                flows_ge10: flows_ge10.parse().unwrap(),
                format: format.to_owned(),
            }
        })
        .collect()
}

fn cut_file(path: &Path) -> Result<Cut, Error> {
    cut(std::fs::File::open(path).unwrap(), &options(10, 1))
}

/// Files whose flows we count otherwise than the manifest: (path, our flows, why). Its reader takes a
/// flow from the ports alone; we want a whole transport header, which every encoding needs.
const OTHER_FLOW_COUNTS: [(&str, usize, &str); 11] = [
    ("odd/big-endian/nDPI_fuzz-2006-09-29-28586.pcap", 36, "a TCP header longer than its packet"),
    ("odd/malformed-headers/nDPI_kerberos_fuzz.pcapng", 0, "a TCP header length of 8 bytes"),
    ("odd/malformed-headers/suricata-verify_test.pcap", 0, "UDP headers of 4 bytes, TCP headers of none"),
    (
        "odd/mpls-pppoe/suricata-verify_pppoe-session-http.pcap",
        1,
        "a protocol number of one byte in PPPoE (tshark reads it too)",
    ),
    ("odd/ppp-hdlc-slip/nDPI_BGP_redist.pcap", 2, "MPLS in Cisco HDLC, which we step over (so does tshark)"),
    ("odd/unsupported-link-type/PcapPlusPlus_nflogPacket.pcap", 1, "NFLOG, which the manifest's reader does not read"),
    ("odd/unsupported-link-type/arkime_nflog.pcap", 1, "NFLOG"),
    ("odd/unsupported-link-type/zeek_dns-inverse-query.pcap", 1, "NFLOG"),
    ("odd/unsupported-link-type/zeek_nflog-http.pcap", 1, "NFLOG"),
    ("odd/snaplen-cut/NetShare_raw.pcap", 441, "two flows whose TCP options are cut by the snapshot"),
    ("odd/truncated/suricata-verify_fuzz.pcap", 0, "a TCP header length of 0 bytes"),
];

/// Of these, the one flow that the manifest's reader does not see has ten packets or more.
const OTHER_LONG_FLOWS: [&str; 4] = [
    "odd/mpls-pppoe/suricata-verify_pppoe-session-http.pcap",
    "odd/unsupported-link-type/arkime_nflog.pcap",
    "odd/unsupported-link-type/zeek_dns-inverse-query.pcap",
    "odd/unsupported-link-type/zeek_nflog-http.pcap",
];

#[test]
fn every_real_capture_has_the_packets_and_flows_of_the_manifest() {
    let Some(traffic) = shared("traffic", "every_real_capture_has_the_packets_and_flows_of_the_manifest") else {
        return;
    };
    let mut different = Vec::new();
    for expected in manifest(&std::fs::read_to_string(traffic.join("manifest.tsv")).unwrap()) {
        let path = &expected.path;
        let cut = match cut_file(&traffic.join(path)) {
            Ok(cut) => cut,
            Err(error) => {
                assert_eq!(expected.format, "not-pcap", "{path}: {error}");
                assert_eq!(error.kind(), ErrorKind::User, "{path}: {error}");
                continue;
            }
        };
        let kept: u64 = cut.traces.iter().map(|trace| trace.packets.len() as u64).sum();
        let left_out: u64 = cut.drops.iter().map(|drop| drop.packets).sum();
        assert_eq!(kept + left_out, cut.summary.packets, "{path}: a packet is neither kept nor counted");
        if path.ends_with("gopacket_test901.pcapng") {
            // The manifest's reader takes a section of version 2.0 for one of 1.0.
            assert!(cut.summary.damage.unwrap().reason.contains("version 2.0"));
            continue;
        }
        let flows =
            OTHER_FLOW_COUNTS.iter().find(|(other, ..)| other == path).map_or(expected.flows, |(_, ours, _)| *ours);
        let long = cut.traces.iter().filter(|trace| trace.flow_packets >= 10).count();
        let long_flows = if OTHER_LONG_FLOWS.contains(&path.as_str()) { 1 } else { expected.flows_ge10 };
        // A file of version 2.0 has its lengths the other way round; the manifest's reader finds nothing in it, tshark
        // the one packet.
        let packets = if path.ends_with("nDPI_fuzz-2021-10-13.pcap") { 1 } else { expected.packets };
        let found = (cut.summary.packets, cut.traces.len(), long);
        if found != (packets, flows, long_flows) {
            different.push(format!("{path}: {found:?} for {:?}: {:?}", (packets, flows, long_flows), cut.drops));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn damaged_real_captures_say_where_and_why() {
    let Some(odd) = shared("traffic/odd", "damaged_real_captures_say_where_and_why") else { return };
    for folder in ["truncated", "trailing-bytes"] {
        for entry in std::fs::read_dir(odd.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let damage = cut_file(&path).unwrap().summary.damage;
            let damage = damage.unwrap_or_else(|| panic!("{}: read in silence", path.display()));
            assert!(
                damage.offset >= 24 && damage.offset < std::fs::metadata(&path).unwrap().len(),
                "{}",
                path.display()
            );
            assert!(damage.reason.contains("found"), "{}: {}", path.display(), damage.reason);
        }
    }
}
