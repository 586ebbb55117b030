//! The fields of a frame with the bytes that hold them, by the names that Wireshark has for them. A frame may end
//! anywhere: a field is there when all of its bytes are.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// A header, or what it carries.
#[derive(Debug, PartialEq)]
pub(crate) struct Layer {
    /// Its name.
    pub name: &'static str,
    /// Its fields in order.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name, as in addresses of the page.
    pub id: &'static str,
    /// Its value in words.
    pub value: String,
    /// The bytes that hold it, some of them in part.
    pub bytes: Range<usize>,
}

const ETHERNET_BYTES: usize = 14;
const IPV6_BYTES: usize = 40;
const UDP_BYTES: usize = 8;

/// Names of TCP flags, the lowest bit first.
const TCP_FLAGS: [&str; 9] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];

/// Reads fields of one header.
struct Reader<'a> {
    frame: &'a [u8],
    /// Where the header begins.
    start: usize,
    fields: Vec<Field>,
}

impl<'a> Reader<'a> {
    fn new(frame: &'a [u8], start: usize) -> Self {
        Self { frame, start, fields: Vec::new() }
    }

    /// The bytes at an offset of the header, if all are there.
    fn bytes(&self, offset: usize, length: usize) -> Option<&'a [u8]> {
        self.frame.get(self.start + offset..self.start + offset + length)
    }

    /// A number of up to eight bytes, the first the highest.
    fn number(&self, offset: usize, length: usize) -> Option<u64> {
        Some(self.bytes(offset, length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn field(&mut self, id: &'static str, offset: usize, length: usize, value: impl FnOnce(&[u8], u64) -> String) {
        if let Some(bytes) = self.bytes(offset, length).filter(|bytes| !bytes.is_empty()) {
            let number = if length <= 8 { self.number(offset, length).unwrap_or(0) } else { 0 };
            let place = self.start + offset;
            self.fields.push(Field { id, value: value(bytes, number), bytes: place..place + length });
        }
    }

    fn layer(self, name: &'static str) -> Option<Layer> {
        (!self.fields.is_empty()).then_some(Layer { name, fields: self.fields })
    }
}

fn decimal(_: &[u8], number: u64) -> String {
    number.to_string()
}

fn hexadecimal(bytes: &[u8], _: u64) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(bytes: &[u8], _: u64) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

fn address(bytes: &[u8], _: u64) -> String {
    match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(four), _) => Ipv4Addr::from(four).to_string(),
        (_, Ok(sixteen)) => Ipv6Addr::from(sixteen).to_string(),
        _ => hexadecimal(bytes, 0),
    }
}

fn size(bytes: &[u8], _: u64) -> String {
    format!("{} bytes", bytes.len())
}

/// A transport protocol in words.
pub(crate) fn protocol(number: u64) -> String {
    match number {
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        other => other.to_string(),
    }
}

/// The set flags of TCP in words.
pub(crate) fn tcp_flags(flags: u64) -> String {
    let set = TCP_FLAGS.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

/// The headers of an Ethernet II frame that carries IP, and what is left.
pub(crate) fn layers(frame: &[u8]) -> Vec<Layer> {
    let mut ethernet = Reader::new(frame, 0);
    ethernet.field("eth.dst", 0, 6, mac);
    ethernet.field("eth.src", 6, 6, mac);
    ethernet.field("eth.type", 12, 2, |bytes, number| match number {
        0x0800 => "IPv4".to_owned(),
        0x86dd => "IPv6".to_owned(),
        _ => format!("0x{}", hexadecimal(bytes, 0)),
    });
    let kind = ethernet.number(12, 2);
    let (network, transport) = match kind {
        Some(0x0800) => ipv4(frame),
        Some(0x86dd) => ipv6(frame),
        _ => (None, None),
    };
    let mut found: Vec<Layer> = [ethernet.layer("Ethernet II"), network].into_iter().flatten().collect();
    let mut end = found.iter().flat_map(|layer| &layer.fields).map(|field| field.bytes.end).max().unwrap_or(0);
    if let Some((number, start)) = transport {
        let carried = match number {
            6 => tcp(frame, start),
            17 => udp(frame, start),
            _ => None,
        };
        end =
            carried.iter().flat_map(|layer| &layer.fields).map(|field| field.bytes.end).max().unwrap_or(start).max(end);
        found.extend(carried);
    }
    let mut rest = Reader::new(frame, end);
    rest.field("data", 0, frame.len().saturating_sub(end), size);
    found.extend(rest.layer("Data"));
    found
}

/// Protocol and place of what IP carries.
type Carried = Option<(u64, usize)>;

fn ipv4(frame: &[u8]) -> (Option<Layer>, Carried) {
    let mut ip = Reader::new(frame, ETHERNET_BYTES);
    let length = ip.number(0, 1).map_or(0, |first| (first & 15) as usize * 4);
    ip.field("ip.version", 0, 1, |_, number| (number >> 4).to_string());
    ip.field("ip.hdr_len", 0, 1, |_, number| format!("{} bytes", (number & 15) * 4));
    ip.field("ip.dsfield", 1, 1, |_, number| format!("0x{number:02x}"));
    ip.field("ip.len", 2, 2, decimal);
    ip.field("ip.id", 4, 2, |_, number| format!("0x{number:04x}"));
    ip.field("ip.flags", 6, 1, |_, number| {
        let names = [(7, "reserved"), (6, "don't fragment"), (5, "more fragments")];
        let set: Vec<&str> = names.iter().filter(|(bit, _)| number >> bit & 1 == 1).map(|(_, name)| *name).collect();
        if set.is_empty() { "none".to_owned() } else { set.join(", ") }
    });
    ip.field("ip.frag_offset", 6, 2, |_, number| ((number & 0x1fff) * 8).to_string());
    ip.field("ip.ttl", 8, 1, decimal);
    ip.field("ip.proto", 9, 1, |_, number| protocol(number));
    ip.field("ip.checksum", 10, 2, |_, number| format!("0x{number:04x}"));
    ip.field("ip.src", 12, 4, address);
    ip.field("ip.dst", 16, 4, address);
    ip.field("ip.options", 20, length.saturating_sub(20), hexadecimal);
    let is_first = ip.number(6, 2).is_some_and(|number| number & 0x1fff == 0);
    let carried = ip.number(9, 1).filter(|_| is_first && length >= 20);
    (ip.layer("Internet Protocol Version 4"), carried.map(|number| (number, ETHERNET_BYTES + length)))
}

fn ipv6(frame: &[u8]) -> (Option<Layer>, Carried) {
    let mut ip = Reader::new(frame, ETHERNET_BYTES);
    ip.field("ipv6.version", 0, 1, |_, number| (number >> 4).to_string());
    ip.field("ipv6.tclass", 0, 2, |_, number| format!("0x{:02x}", number >> 4 & 0xff));
    ip.field("ipv6.flow", 1, 3, |_, number| format!("0x{:05x}", number & 0xf_ffff));
    ip.field("ipv6.plen", 4, 2, decimal);
    ip.field("ipv6.nxt", 6, 1, |_, number| protocol(number));
    ip.field("ipv6.hlim", 7, 1, decimal);
    ip.field("ipv6.src", 8, 16, address);
    ip.field("ipv6.dst", 24, 16, address);
    let carried = ip.number(6, 1);
    (ip.layer("Internet Protocol Version 6"), carried.map(|number| (number, ETHERNET_BYTES + IPV6_BYTES)))
}

fn tcp(frame: &[u8], start: usize) -> Option<Layer> {
    let mut tcp = Reader::new(frame, start);
    let length = tcp.number(12, 1).map_or(0, |byte| (byte >> 4) as usize * 4);
    tcp.field("tcp.srcport", 0, 2, decimal);
    tcp.field("tcp.dstport", 2, 2, decimal);
    tcp.field("tcp.seq", 4, 4, decimal);
    tcp.field("tcp.ack", 8, 4, decimal);
    tcp.field("tcp.hdr_len", 12, 1, |_, number| format!("{} bytes", (number >> 4) * 4));
    tcp.field("tcp.flags", 12, 2, |_, number| format!("0x{:03x} ({})", number & 0xfff, tcp_flags(number & 0xfff)));
    tcp.field("tcp.window_size", 14, 2, decimal);
    tcp.field("tcp.checksum", 16, 2, |_, number| format!("0x{number:04x}"));
    tcp.field("tcp.urgent_pointer", 18, 2, decimal);
    tcp.field("tcp.options", 20, length.saturating_sub(20), hexadecimal);
    tcp.layer("Transmission Control Protocol")
}

fn udp(frame: &[u8], start: usize) -> Option<Layer> {
    let mut udp = Reader::new(frame, start);
    udp.field("udp.srcport", 0, 2, decimal);
    udp.field("udp.dstport", 2, 2, decimal);
    udp.field("udp.length", 4, 2, decimal);
    udp.field("udp.checksum", 6, UDP_BYTES - 6, |_, number| format!("0x{number:04x}"));
    udp.layer("User Datagram Protocol")
}

/// A line of a hex dump: which of its bytes are marked.
pub(crate) struct DumpLine {
    /// Place of its first byte.
    pub offset: String,
    /// Bytes in hexadecimal, in runs that are marked or not.
    pub hex: Vec<(String, bool)>,
    /// The same bytes as characters.
    pub text: Vec<(String, bool)>,
}

/// Bytes of a line.
const LINE_BYTES: usize = 16;

/// A frame in hexadecimal and as text, with some bytes marked.
pub(crate) fn dump(frame: &[u8], marked: &Range<usize>) -> Vec<DumpLine> {
    let line = |(number, bytes): (usize, &[u8])| {
        let start = number * LINE_BYTES;
        let mut line = DumpLine { offset: format!("{start:04x}"), hex: Vec::new(), text: Vec::new() };
        for (place, byte) in (start..).zip(bytes) {
            let is_marked = marked.contains(&place);
            let shown = if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
            let gap = if place % LINE_BYTES == 0 {
                ""
            } else if place % 8 == 0 {
                "  "
            } else {
                " "
            };
            push(&mut line.hex, gap, is_marked && marked.contains(&place.wrapping_sub(1)));
            push(&mut line.hex, &format!("{byte:02x}"), is_marked);
            push(&mut line.text, shown.encode_utf8(&mut [0; 4]), is_marked);
        }
        let width: usize = line.hex.iter().map(|(text, _)| text.len()).sum();
        push(&mut line.hex, &" ".repeat((LINE_BYTES * 3).saturating_sub(width)), false);
        line
    };
    frame.chunks(LINE_BYTES).enumerate().map(line).collect()
}

/// Appends to the last run, or begins one.
fn push(runs: &mut Vec<(String, bool)>, text: &str, is_marked: bool) {
    match runs.last_mut() {
        _ if text.is_empty() => {}
        Some((last, was_marked)) if *was_marked == is_marked => last.push_str(text),
        _ => runs.push((text.to_owned(), is_marked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet, IPv4 without options, TCP with SYN and ACK and 4 bytes of options, "hi".
    fn frame() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend([0x45, 0, 0, 46, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 0, 2, 80]);
        frame.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x60, 0x12, 1, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4]);
        frame.extend(b"hi");
        frame
    }

    #[test]
    fn fields_have_the_values_and_bytes_of_the_headers() {
        let layers = layers(&frame());
        let all: Vec<&Field> = layers.iter().flat_map(|layer| &layer.fields).collect();
        let field =
            |id: &str| all.iter().find(|field| field.id == id).map(|field| (field.value.as_str(), field.bytes.clone()));
        assert_eq!(field("eth.type"), Some(("IPv4", 12..14)));
        assert_eq!(field("ip.flags"), Some(("don't fragment", 20..21)));
        assert_eq!(field("ip.dst"), Some(("192.0.2.80", 30..34)));
        assert_eq!(field("tcp.flags"), Some(("0x012 (SYN, ACK)", 46..48)));
        assert_eq!(field("tcp.options"), Some(("020405b4", 54..58)));
        assert_eq!(field("data"), Some(("2 bytes", 58..60)));
    }

    #[test]
    fn a_frame_may_end_anywhere() {
        let frame = frame();
        for length in 0..frame.len() {
            let all = layers(&frame[..length]);
            assert!(all.iter().flat_map(|layer| &layer.fields).all(|field| field.bytes.end <= length));
        }
    }

    #[test]
    fn marked_bytes_are_marked_on_both_sides_of_the_dump() {
        let lines = dump(&frame(), &(14..18));
        let marked =
            |runs: &[(String, bool)]| runs.iter().filter(|run| run.1).map(|run| run.0.clone()).collect::<Vec<_>>();
        assert_eq!(
            (marked(&lines[0].hex), marked(&lines[1].hex)),
            (vec!["45 00".to_owned()], vec!["00 2e".to_owned()])
        );
        assert_eq!(marked(&lines[0].text), ["E."]);
        assert!(lines.iter().all(|line| line.hex.iter().map(|run| run.0.len()).sum::<usize>() == 48));
    }
}
