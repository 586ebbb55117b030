//! Which token may come next, so that a trace of tokens consists of well-formed packets.
//!
//! A byte is refused where no continuation is a packet that `synth::decode` accepts and whose stated lengths fit its
//! own headers: IP version and header length (RFC 791, RFC 8200), total length, fragment offset 0, TCP or UDP,
//! TCP data offset (RFC 9293), the lengths of options, UDP length (RFC 768), the end of the packet's bytes in the
//! layout, and what may follow a packet. Checksums are free: they stand before the bytes that they cover.

use super::tokens::{TOKEN_BYTES, TOKEN_DELIMITER, TOKEN_END, TokenLayout, UDP_PAYLOAD_BYTES};
use crate::capture::{LINK_HEADER_BYTES, PROTOCOL_TCP, PROTOCOL_UDP};

const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const TCP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
/// An IPv6 fragment header.
const EXTENSION_BYTES: usize = 8;
const FRAGMENT: u8 = 44;

/// Parses a trace token by token and gives the permitted next tokens.
#[derive(Debug, Clone)]
pub struct PacketGrammar {
    layout: TokenLayout,
    /// Packets of a whole trace at most.
    packets_max: usize,
    /// Whole packets so far.
    packets: usize,
    /// Bytes of the packet that is being written.
    bytes: Vec<u8>,
}

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next {
    /// What decides it: the name of a rule as `repairs` has it.
    rule: &'static str,
    /// Bytes that may follow; none where the packet is whole.
    bytes: [bool; 256],
}

impl PacketGrammar {
    /// A grammar at the begin of a trace.
    pub fn new(layout: TokenLayout, packets_max: usize) -> Self {
        Self { layout, packets_max, packets: 0, bytes: Vec::with_capacity(usize::from(layout.packet_bytes)) }
    }

    /// Why a layout cannot be written by these rules, if so: it needs room for an IPv6 and a TCP header, and a sign
    /// by which its last packet ends.
    pub fn refuses(layout: &TokenLayout) -> Option<String> {
        let least = link_bytes(layout) + IPV6_BYTES + TCP_BYTES;
        if usize::from(layout.packet_bytes) < least {
            return Some(format!("`layout.packet_bytes` of at least {least}, found `{}`", layout.packet_bytes));
        }
        (layout.published && !layout.padded).then(|| "`layout.padded = true` or `layout.published = false`".to_owned())
    }

    /// Takes the next token of the trace. Tokens that were not allowed are taken as they are.
    pub fn push(&mut self, token: u16) {
        match u8::try_from(token) {
            Ok(byte) => self.bytes.push(byte),
            Err(_) => {
                self.packets += usize::from(token == TOKEN_DELIMITER);
                self.bytes.clear();
            }
        }
    }

    /// Fills `allowed` with the tokens that may come next, ascending, and names the rule that decides. Never empty.
    pub fn next(&self, allowed: &mut Vec<u16>) -> &'static str {
        allowed.clear();
        let may_end = self.bytes.is_empty() && self.packets > 0 && !self.layout.published;
        if may_end && self.packets >= self.packets_max {
            allowed.push(TOKEN_END);
            return "trace_end";
        }
        let next = self.in_packet();
        allowed.extend((0..TOKEN_BYTES).filter(|&token| next.bytes[usize::from(token)]));
        if allowed.is_empty() {
            allowed.push(TOKEN_DELIMITER);
        } else if may_end {
            allowed.push(TOKEN_END);
        }
        next.rule
    }

    fn in_packet(&self) -> Next {
        let at = self.bytes.len();
        let link = link_bytes(&self.layout);
        match at {
            12 if link > 0 => return bytes("ethertype", |byte| matches!(byte, 0x08 | 0x86)),
            13 if link > 0 => {
                let second = if self.bytes[12] == 0x86 { 0xdd } else { 0 };
                return bytes("ethertype", |byte| byte == second);
            }
            at if at < link => return free(),
            _ => {}
        }
        let room = usize::from(self.layout.packet_bytes) - link;
        let version = (link > 0).then(|| if self.bytes[12] == 0x86 { 6 } else { 4 });
        let next = Ip { bytes: &self.bytes[link..], room }.next(version);
        let is_whole = !next.bytes.contains(&true);
        if is_whole && self.layout.padded && at < usize::from(self.layout.packet_bytes) {
            return bytes("padding", |byte| byte == 0);
        }
        next
    }
}

fn link_bytes(layout: &TokenLayout) -> usize {
    if layout.link_header { LINK_HEADER_BYTES } else { 0 }
}

fn bytes(rule: &'static str, allowed: impl Fn(u8) -> bool) -> Next {
    Next { rule, bytes: std::array::from_fn(|byte| allowed(byte as u8)) }
}

/// Any byte; the packet does not end here.
fn free() -> Next {
    bytes("packet_end", |_| true)
}

/// No byte: the packet is whole.
fn end() -> Next {
    bytes("packet_end", |_| false)
}

/// An IP packet of which the first bytes are written.
struct Ip<'a> {
    bytes: &'a [u8],
    /// Bytes that the layout has for it.
    room: usize,
}

/// Where a transport header begins, and what its packet states.
struct Transport {
    protocol: u8,
    at: usize,
    /// Bytes of the IP packet as stated.
    length: usize,
    fragment: bool,
}

impl Ip<'_> {
    fn next(&self, version: Option<u8>) -> Next {
        let Some(first) = self.bytes.first() else {
            let is_possible = |byte: u8| match byte >> 4 {
                4 => byte & 15 >= 5 && 4 * usize::from(byte & 15) + UDP_BYTES <= self.room,
                6 => true,
                _ => false,
            };
            return bytes("ip_version", |byte| version.is_none_or(|version| byte >> 4 == version) && is_possible(byte));
        };
        if first >> 4 == 4 { self.ipv4(4 * usize::from(first & 15)) } else { self.ipv6() }
    }

    /// The byte at a place; 0 past the end, which only tokens that were refused reach.
    fn at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn u16_at(&self, at: usize) -> usize {
        usize::from(self.at(at)) << 8 | usize::from(self.at(at + 1))
    }

    fn ipv4(&self, header: usize) -> Next {
        match self.bytes.len() {
            3 => {
                let high = usize::from(self.at(2)) << 8;
                bytes("ip_length", |low| high + usize::from(low) >= header + UDP_BYTES)
            }
            // The reserved bit and the offset are 0: later fragments have no transport header.
            6 => bytes("fragment", |byte| byte & 0x9f == 0),
            7 => bytes("fragment", |byte| byte == 0),
            9 => {
                let limit = self.room.min(self.u16_at(2));
                bytes("protocol", |protocol| least(protocol).is_some_and(|least| header + least <= limit))
            }
            at if at >= header => {
                let (length, fragment) = (self.u16_at(2), self.at(6) & 0x20 != 0);
                self.transport(&Transport { protocol: self.at(9), at: header, length, fragment })
            }
            at if at >= IPV4_BYTES => {
                let options = &self.bytes[IPV4_BYTES..];
                bytes("ip_options", |byte| option_may_have(options, header - IPV4_BYTES, byte, |_| &[]))
            }
            _ => free(),
        }
    }

    /// With a fragment header at most.
    fn ipv6(&self) -> Next {
        let at = self.bytes.len();
        match at {
            5 => {
                let high = usize::from(self.at(4)) << 8;
                return bytes("ip_length", |low| high + usize::from(low) >= UDP_BYTES);
            }
            6 => return self.header_after(IPV6_BYTES),
            at if at < IPV6_BYTES => return free(),
            _ => {}
        }
        let length = IPV6_BYTES + self.u16_at(4);
        if self.at(6) != FRAGMENT {
            return self.transport(&Transport { protocol: self.at(6), at: IPV6_BYTES, length, fragment: false });
        }
        match at - IPV6_BYTES {
            0 => self.header_after(IPV6_BYTES + EXTENSION_BYTES),
            1 => bytes("ip_extension", |byte| byte == 0),
            2 => bytes("fragment", |byte| byte == 0),
            // Bits 1 and 2 are reserved, the lowest says that more follow.
            3 => bytes("fragment", |byte| byte & 0xfe == 0),
            4..EXTENSION_BYTES => free(),
            _ => {
                let (protocol, fragment) = (self.at(IPV6_BYTES), self.at(IPV6_BYTES + 3) & 1 != 0);
                self.transport(&Transport { protocol, at: IPV6_BYTES + EXTENSION_BYTES, length, fragment })
            }
        }
    }

    /// Numbers of an IPv6 header that would begin at `start` at the earliest.
    fn header_after(&self, start: usize) -> Next {
        let limit = self.room.min(IPV6_BYTES + self.u16_at(4));
        bytes("protocol", |number| {
            // Other extension headers hold options, which are not checked here.
            let may_extend = number == FRAGMENT && start == IPV6_BYTES;
            let least = least(number).or(may_extend.then_some(EXTENSION_BYTES + UDP_BYTES));
            least.is_some_and(|least| start + least <= limit)
        })
    }

    fn transport(&self, transport: &Transport) -> Next {
        let Transport { at: start, length, .. } = *transport;
        let at = self.bytes.len() - start;
        let limit = self.room.min(length).saturating_sub(start);
        if transport.protocol == PROTOCOL_TCP {
            return match at {
                // Three reserved bits are 0.
                12 => bytes("tcp_offset", |byte| {
                    let header = 4 * usize::from(byte >> 4);
                    byte & 0x0e == 0 && header >= TCP_BYTES && header <= limit
                }),
                at if at < TCP_BYTES => free(),
                at => {
                    let header = 4 * usize::from(self.at(start + 12) >> 4);
                    if at >= header {
                        return end();
                    }
                    let options = self.bytes.get(start + TCP_BYTES..).unwrap_or_default();
                    bytes("tcp_options", |byte| option_may_have(options, header - TCP_BYTES, byte, tcp_option_lengths))
                }
            };
        }
        let stated = length.saturating_sub(start);
        let payload = stated.saturating_sub(UDP_BYTES).min(UDP_PAYLOAD_BYTES);
        let stated = (stated as u16).to_be_bytes();
        match at {
            // Of a whole datagram in fragments, nothing here knows the length.
            4 if !transport.fragment => bytes("udp_length", |byte| byte == stated[0]),
            5 if !transport.fragment => bytes("udp_length", |byte| byte == stated[1]),
            at if at < (UDP_BYTES + payload).min(limit) => free(),
            _ => end(),
        }
    }
}

/// Bytes of the shortest transport header; `None` for another protocol.
fn least(protocol: u8) -> Option<usize> {
    match protocol {
        PROTOCOL_TCP => Some(TCP_BYTES),
        PROTOCOL_UDP => Some(UDP_BYTES),
        _ => None,
    }
}

/// The lengths of the TCP options that are written (IANA's registry): those whose content any bytes are. Real traffic
/// has others, seldom; what they hold is not checked here, so they are not written.
fn tcp_option_lengths(kind: u8) -> &'static [usize] {
    match kind {
        2 | 28 => &[4],
        3 => &[3],
        4 => &[2],
        5 => &[10, 18, 26, 34],
        8 => &[10],
        19 => &[18],
        _ => &[],
    }
}

/// May a byte follow the options so far, of which `total` bytes are stated? Options are kind 0 (the end; zeros
/// follow), kind 1 (nothing), or kind, length and data (RFC 791, RFC 9293 section 3.1).
fn option_may_have(options: &[u8], total: usize, byte: u8, lengths: impl Fn(u8) -> &'static [usize]) -> bool {
    let mut at = 0;
    loop {
        let left = total.saturating_sub(at);
        let fits = |kind: u8, length: usize| length <= left && lengths(kind).contains(&length);
        match (options.get(at), options.get(at + 1)) {
            (None, _) => return byte < 2 || (2..=left).any(|length| fits(byte, length)),
            (Some(0), _) => return byte == 0,
            (Some(1), _) => at += 1,
            (Some(&kind), None) => return fits(kind, usize::from(byte)),
            (Some(_), Some(&length)) => {
                at += usize::from(length).max(2);
                if at > options.len() {
                    return true;
                }
            }
        }
    }
}
