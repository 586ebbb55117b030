//! nPrint's CSV text (nPrint 1.2.1), written from byte tables.
//!
//! Columns, their order, names and cells are nPrint's for `-4 -6 -t -u -i -e -p -R -A -O -F -c -x`. Where it
//! guesses or errs, this does not: IP is found by the capture's link type instead of by bytes 12 and 13;
//! a header that was not captured whole gives absent cells instead of an earlier packet's bytes; a gap
//! of -1 us is a value like any other; the payload of IPv6 TCP begins behind its header; a total length
//! shorter than the headers means no payload instead of a crash.

mod columns;
mod convert;

pub use columns::{IndexColumn, NprintOptions};
pub use convert::{NprintStats, convert, write_traces};
