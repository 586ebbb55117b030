//! Output of generators: one trace in an encoding, before `synth` decodes it to packets.

use super::fields::{FIELD_COUNT, FIELD_NULL};

/// The fields of one packet in the order of [`super::fields::FIELD_NAMES`]; `None` where it has none.
pub type FieldRow = [Option<i64>; FIELD_COUNT];

/// One generated trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generated {
    /// Token ids of a [`super::TokenLayout`], without the label.
    Tokens(Vec<u16>),
    /// Header fields, a row a packet; times are absolute.
    Fields(Vec<FieldRow>),
    /// nPrint cells in a named layout, a row a packet; `synth::repair` makes packets of them.
    Nprint(super::NprintImage),
    /// Header views with absolute times; lengths and checksums that do not fit are set by `synth::decode_packets`.
    Packets(Vec<super::packets::HeaderPacket>),
}

impl Generated {
    /// As stored in `synthetic_traces.raw`: tokens as little-endian u16, fields as little-endian i64, nPrint
    /// cells as the planes of the encoding `nprint`, packets as the encoding `packets`.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Tokens(tokens) => tokens.iter().flat_map(|token| token.to_le_bytes()).collect(),
            Self::Nprint(image) => image.to_bytes(),
            Self::Packets(packets) => super::packets::to_bytes(packets),
            Self::Fields(rows) => {
                rows.iter().flatten().flat_map(|field| field.unwrap_or(FIELD_NULL).to_le_bytes()).collect()
            }
        }
    }
}
