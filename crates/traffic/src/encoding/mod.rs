//! Traces as nprint, fields, tokens or packets: the inputs of generators, and their inverses.
//!
//! Invariants: an encoding is a pure function of one trace (never of its neighbours, so the unit of
//! privacy stays the trace); its byte layout is part of the file format and is documented in each module; a
//! layout that can vary carries its parameters as canonical JSON.

mod generated;
mod grammar;
mod headers;

pub mod fields;
pub mod nprint;
pub mod nprint_csv;
mod nprint_image;
pub mod packets;
pub mod tokens;

use syntrace_base::record::Trace;

pub use generated::{FieldRow, Generated};
pub use grammar::PacketGrammar;
pub use nprint_image::{BLANK_ROW, COLORS, IMAGE_ROWS, NprintImage, NprintLayout};
pub use tokens::{TokenLayout, tokens_to_packets};

/// One encoded trace, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Packets.
    pub rows: u32,
    /// Ternary bits, fields or (at most) bytes a packet.
    pub width: u32,
    /// The bytes, in the layout of the encoding.
    pub data: Vec<u8>,
}

/// Which encoding, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncodingKind {
    /// 1,088 ternary bits a packet.
    Nprint,
    /// 15 header fields a packet.
    Fields,
    /// Bytes as tokens.
    Tokens(TokenLayout),
    /// Times and header views.
    Packets,
}

impl EncodingKind {
    /// Name in specs, records and SQL.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nprint => "nprint",
            Self::Fields => "fields",
            Self::Tokens(_) => "tokens",
            Self::Packets => "packets",
        }
    }

    /// Canonical JSON of the parameters; part of a job's identity.
    pub fn options_json(&self) -> String {
        match self {
            Self::Nprint | Self::Fields | Self::Packets => "{}".to_owned(),
            Self::Tokens(layout) => layout.options_json(),
        }
    }

    /// Encodes one trace.
    pub fn encode(&self, trace: &Trace) -> Encoded {
        match self {
            Self::Nprint => nprint::encode(trace),
            Self::Fields => fields::encode(trace),
            Self::Tokens(layout) => tokens::encode(trace, layout),
            Self::Packets => packets::encode(trace),
        }
    }
}
