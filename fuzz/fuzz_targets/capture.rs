//! A PCAP or PCAPNG file, cut into flows, and as one trace.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syntrace::capture::{CutOptions, cut};
use syntrace::record::TraceUnit;

fuzz_target!(|data: &[u8]| {
    for unit in [TraceUnit::Flow, TraceUnit::Capture] {
        let options =
            CutOptions { dataset: "d".to_owned(), class: "c".to_owned(), unit, trace_packets: 10, min_packets: 1 };
        let _ = cut(data, &options);
    }
});
