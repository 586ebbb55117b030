//! Tests of encoding: nPrint's tables, bit planes, fields, tokens.

mod fields;
mod grammar;
mod nprint;
mod nprint_csv;
mod tokens;
