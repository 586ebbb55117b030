//! Tests of encoding: nPrint's tables, bit planes, fields, tokens, packets.

mod fields;
mod grammar;
mod nprint;
mod nprint_csv;
mod packets;
mod tokens;
