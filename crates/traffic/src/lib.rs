//! Traffic in and out: captures to traces, simulated traffic, anonymised traffic, encodings of traces, and packets from what generators write.

pub mod anonymise;
pub mod capture;
pub mod encoding;
pub mod simulate;
pub mod synth;
