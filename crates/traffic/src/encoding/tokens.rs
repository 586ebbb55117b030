//! Traces as token sequences (NetSSM's text format, `preprocessing/main.go` and `create_tokenizer.py`).
//!
//! A packet's bytes are its headers through TCP with options, or through UDP and the first 12 bytes of
//! payload (all of it where it is shorter). The sequence is
//! `label, bytes of packet 1, delimiter, ..., bytes of packet n, delimiter, end-of-text`; the published
//! preprocessor writes neither the last delimiter nor the end-of-text ([`TokenLayout::published`]).
//! Its defects (an empty UDP payload aborts, one of 1 to 11 bytes loses its last, tags are lost for UDP
//! only) are not copied. Stored as little-endian u16.

use super::Encoded;
use crate::capture::{LINK_HEADER_BYTES, PROTOCOL_UDP, PacketView, link_type, view_frame};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Packet, Trace};

/// Bytes are tokens 0 to 255.
pub const TOKEN_BYTES: u16 = 256;
/// Unknown text.
pub const TOKEN_UNKNOWN: u16 = 256;
/// End of a trace.
pub const TOKEN_END: u16 = 257;
/// Padding of a batch; never part of a trace.
pub const TOKEN_PADDING: u16 = 258;
/// End of a packet.
pub const TOKEN_DELIMITER: u16 = 259;
/// Begin of a trace: the label of its class.
pub const TOKEN_LABEL: u16 = 260;
/// Rows of the embedding: the tokens, rounded up to a multiple of 16.
pub const VOCABULARY_SIZE: usize = 272;

/// Payload bytes kept of a UDP packet; of a TCP packet none.
pub const UDP_PAYLOAD_BYTES: usize = 12;

/// How packets become bytes and bytes become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLayout {
    /// Are the 14 bytes of Ethernet header included?
    pub link_header: bool,
    /// Longest packet, bytes; the rest is cut.
    pub packet_bytes: u16,
    /// Is each packet filled with zeros up to `packet_bytes`?
    pub padded: bool,
    /// Leave out the last delimiter and the end-of-text, as the published preprocessor does.
    pub published: bool,
}

impl TokenLayout {
    /// The published layout with a proper end: 128 bytes a packet, Ethernet header, zero-padded;
    /// 1,292 tokens for ten packets.
    pub fn paper() -> Self {
        Self { link_header: true, packet_bytes: 128, padded: true, published: false }
    }

    /// Short sequences for a CPU: no link header, at most 64 bytes a packet, unpadded.
    pub fn small() -> Self {
        Self { link_header: false, packet_bytes: 64, padded: false, published: false }
    }

    /// Canonical JSON, keys in alphabetical order.
    pub fn options_json(&self) -> String {
        format!(
            r#"{{"link_header":{},"packet_bytes":{},"padded":{},"published":{}}}"#,
            self.link_header, self.packet_bytes, self.padded, self.published
        )
    }

    /// Most tokens that a trace of `packets` packets can take.
    pub fn tokens_max(&self, packets: usize) -> usize {
        let ends = if self.published { 0 } else { 2 };
        (1 + packets * (usize::from(self.packet_bytes) + 1) + ends).saturating_sub(1)
    }
}

/// The bytes of one packet that become tokens, unpadded.
pub fn header_view(packet: &Packet, layout: &TokenLayout) -> Vec<u8> {
    let skipped = if layout.link_header { 0 } else { LINK_HEADER_BYTES };
    let end = view_end(&packet.data, packet.ip_length).unwrap_or(LINK_HEADER_BYTES);
    let view = packet.data.get(skipped..end.max(skipped)).unwrap_or_default();
    view.get(..usize::from(layout.packet_bytes)).unwrap_or(view).to_vec()
}

/// End of the header view in a normalised frame; `None` if the frame does not decode.
fn view_end(frame: &[u8], ip_length: u32) -> Option<usize> {
    let original = ip_length.saturating_add(LINK_HEADER_BYTES as u32);
    let view = view_frame(link_type::ETHERNET, frame, original).ok()?;
    Some(LINK_HEADER_BYTES + view_bytes(&view))
}

/// Bytes of IP in the header view.
fn view_bytes(view: &PacketView<'_>) -> usize {
    let kept_payload = if view.protocol == PROTOCOL_UDP { UDP_PAYLOAD_BYTES } else { 0 };
    view.ip.len().min(view.payload_at() + kept_payload)
}

/// The tokens of a trace.
pub fn trace_tokens(trace: &Trace, layout: &TokenLayout) -> Vec<u16> {
    let mut tokens = Vec::with_capacity(layout.tokens_max(trace.packets.len()));
    tokens.push(TOKEN_LABEL);
    for (position, packet) in trace.packets.iter().enumerate() {
        if position > 0 {
            tokens.push(TOKEN_DELIMITER);
        }
        let start = tokens.len();
        tokens.extend(header_view(packet, layout).into_iter().map(u16::from));
        if layout.padded {
            tokens.resize(start + usize::from(layout.packet_bytes), 0);
        }
    }
    if !layout.published {
        tokens.extend([TOKEN_DELIMITER, TOKEN_END]);
    }
    tokens
}

/// Encodes a trace; rows are its packets, width the longest packet in bytes.
pub fn encode(trace: &Trace, layout: &TokenLayout) -> Encoded {
    let data = trace_tokens(trace, layout).into_iter().flat_map(u16::to_le_bytes).collect();
    Encoded { rows: trace.packets.len() as u32, width: u32::from(layout.packet_bytes), data }
}

/// The tokens of an encoded trace.
///
/// # Errors
/// `internal` if the bytes are not whole tokens of the vocabulary.
pub fn decode(encoded: &Encoded) -> Result<Vec<u16>> {
    let (words, rest) = encoded.data.as_chunks::<2>();
    let tokens: Vec<u16> = words.iter().map(|word| u16::from_le_bytes(*word)).collect();
    match tokens.iter().find(|token| usize::from(**token) >= VOCABULARY_SIZE) {
        Some(token) => Err(Error::internal(format!("expected tokens below {VOCABULARY_SIZE}, found `{token}`"))),
        None if !rest.is_empty() => {
            Err(Error::internal(format!("expected tokens of 2 bytes, found {} bytes", encoded.data.len())))
        }
        None => Ok(tokens),
    }
}

/// The packets of a token sequence, generated or real, as Ethernet frames.
///
/// The first packet is kept. Labels, padding and unknown text carry no byte. What follows the last
/// delimiter is a packet only if the sequence ended itself (end-of-text) or the layout has no last
/// delimiter; otherwise the generator was stopped inside it. Zero padding behind a packet's header view
/// is removed where its headers say where that ends; without link header in the layout, a synthetic one
/// is put in front. An empty packet stays, for the caller to reject.
pub fn tokens_to_packets(tokens: &[u16], layout: &TokenLayout) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut bytes = Vec::new();
    let mut ended = false;
    for &token in tokens {
        match token {
            TOKEN_END => {
                ended = true;
                break;
            }
            TOKEN_DELIMITER => packets.push(frame(std::mem::take(&mut bytes), layout)),
            token => bytes.extend(u8::try_from(token).ok()),
        }
    }
    if !bytes.is_empty() && (ended || layout.published) {
        packets.push(frame(bytes, layout));
    }
    packets
}

/// One generated packet as an Ethernet frame.
fn frame(bytes: Vec<u8>, layout: &TokenLayout) -> Vec<u8> {
    let mut frame = if layout.link_header || bytes.is_empty() {
        bytes
    } else {
        let ethertype = if bytes.first().is_some_and(|byte| byte >> 4 == 6) { [0x86, 0xdd] } else { [0x08, 0x00] };
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        frame.extend(ethertype);
        frame.extend(bytes);
        frame
    };
    if layout.padded
        && let Ok(view) = view_frame(link_type::ETHERNET, &frame, 0)
    {
        let end = LINK_HEADER_BYTES + view_bytes(&view);
        if frame.get(end..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0)) {
            frame.truncate(end);
        }
    }
    frame
}
