//! Which columns a line has, and the text of its cells.

use std::io::Write;

use super::super::headers::HeaderSlices;
use syntrace_base::error::{Error, Result};

/// The first column of a line (`-O`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexColumn {
    /// 0: source address.
    #[default]
    SrcIp,
    /// 1: destination address.
    DstIp,
    /// 2: source port.
    SrcPort,
    /// 3: destination port.
    DstPort,
    /// 4: addresses, ports and protocol, joined by underscores.
    Flow,
}

impl IndexColumn {
    /// From the number that nPrint's `-O` takes.
    ///
    /// # Errors
    /// `user` for a number that is not known; 5 (the transmitter of an 802.11 frame) is not supported.
    pub fn from_number(number: u8) -> Result<Self> {
        Ok(match number {
            0 => Self::SrcIp,
            1 => Self::DstIp,
            2 => Self::SrcPort,
            3 => Self::DstPort,
            4 => Self::Flow,
            other => {
                return Err(Error::user(format!("expected an index column from 0 to 4, found `{other}`"))
                    .hint("0 src_ip, 1 dst_ip, 2 src_prt, 3 dst_prt, 4 flow"));
            }
        })
    }

    fn heading(self) -> &'static str {
        match self {
            Self::SrcIp => "src_ip",
            Self::DstIp => "dst_ip",
            Self::SrcPort => "src_prt",
            Self::DstPort => "dst_prt",
            Self::Flow => "flow",
        }
    }
}

/// What a line holds. The default is nPrint's `-4 -t -u -i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NprintOptions {
    /// `-e`: 112 columns of Ethernet header.
    pub ethernet: bool,
    /// `-4`: 480 columns of IPv4.
    pub ipv4: bool,
    /// `-6`: 320 columns of IPv6.
    pub ipv6: bool,
    /// `-t`: 480 columns of TCP.
    pub tcp: bool,
    /// `-u`: 64 columns of UDP.
    pub udp: bool,
    /// `-i`: 64 columns of ICMP.
    pub icmp: bool,
    /// `-p`: this many bytes of payload.
    pub payload_bytes: usize,
    /// `-R`: microseconds since the packet of the line before.
    pub relative_time: bool,
    /// `-A`: seconds and microseconds since 1970.
    pub absolute_time: bool,
    /// `-O`: the first column.
    pub index: IndexColumn,
    /// `-F`: the cell of an absent bit.
    pub fill: i8,
    /// `-c`: stop after looking at this many packets.
    pub count: Option<u64>,
    /// `-x`: leave out columns whose whole name matches.
    pub exclude: Option<String>,
    /// Step over VLAN tags, PPPoE sessions and MPLS labels; nPrint gives no row for such frames.
    pub vlan: bool,
}

impl Default for NprintOptions {
    fn default() -> Self {
        Self {
            ethernet: false,
            ipv4: true,
            ipv6: false,
            tcp: true,
            udp: true,
            icmp: true,
            payload_bytes: 0,
            relative_time: false,
            absolute_time: false,
            index: IndexColumn::SrcIp,
            fill: -1,
            count: None,
            exclude: None,
            vlan: false,
        }
    }
}

type Fields = &'static [(&'static str, usize)];

const ETHERNET: Fields = &[("eth_dhost", 48), ("eth_shost", 48), ("eth_ethertype", 16)];
const IPV4: Fields = &[
    ("ipv4_ver", 4),
    ("ipv4_hl", 4),
    ("ipv4_tos", 8),
    ("ipv4_tl", 16),
    ("ipv4_id", 16),
    ("ipv4_rbit", 1),
    ("ipv4_dfbit", 1),
    ("ipv4_mfbit", 1),
    ("ipv4_foff", 13),
    ("ipv4_ttl", 8),
    ("ipv4_proto", 8),
    ("ipv4_cksum", 16),
    ("ipv4_src", 32),
    ("ipv4_dst", 32),
    ("ipv4_opt", 320),
];
const IPV6: Fields = &[
    ("ipv6_ver", 4),
    ("ipv6_tc", 8),
    ("ipv6_fl", 20),
    ("ipv6_len", 16),
    ("ipv6_nh", 8),
    ("ipv6_hl", 8),
    ("ipv6_src", 128),
    ("ipv6_dst", 128),
];
const TCP: Fields = &[
    ("tcp_sprt", 16),
    ("tcp_dprt", 16),
    ("tcp_seq", 32),
    ("tcp_ackn", 32),
    ("tcp_doff", 4),
    ("tcp_res", 3),
    ("tcp_ns", 1),
    ("tcp_cwr", 1),
    ("tcp_ece", 1),
    ("tcp_urg", 1),
    ("tcp_ackf", 1),
    ("tcp_psh", 1),
    ("tcp_rst", 1),
    ("tcp_syn", 1),
    ("tcp_fin", 1),
    ("tcp_wsize", 16),
    ("tcp_cksum", 16),
    ("tcp_urp", 16),
    ("tcp_opt", 320),
];
const UDP: Fields = &[("udp_sport", 16), ("udp_dport", 16), ("udp_len", 16), ("udp_cksum", 16)];
const ICMP: Fields = &[("icmp_type", 8), ("icmp_code", 8), ("icmp_cksum", 16), ("icmp_roh", 32)];

/// One header in a line.
struct Group {
    bytes: usize,
    bytes_of: for<'a> fn(&HeaderSlices<'a>) -> &'a [u8],
    // One flag a bit: is the column kept? `None` where all are.
    kept: Option<Vec<bool>>,
}

/// Writes the cells of lines.
pub(super) struct CellWriter {
    groups: Vec<Group>,
    heading: String,
    of_byte: Vec<[u8; 16]>,
    absent: Vec<u8>,
    absent_cell: Vec<u8>,
}

impl CellWriter {
    pub(super) fn new(options: &NprintOptions) -> Result<Self> {
        let exclude = options.exclude.as_deref().map(whole_name).transpose()?;
        let mut heading = options.index.heading().to_owned();
        if options.relative_time {
            heading.push_str(",rts");
        }
        if options.absolute_time {
            heading.push_str(",tv_sec,tv_usec");
        }
        let mut groups = Vec::new();
        for (fields, bytes_of) in enabled(options) {
            groups.push(group(&fields, bytes_of, exclude.as_ref(), &mut heading));
        }
        let widest = groups.iter().map(|group| group.bytes).max().unwrap_or(0);
        let absent_cell = format!(",{}", options.fill).into_bytes();
        Ok(Self {
            groups,
            heading,
            of_byte: (0..=255).map(byte_cells).collect(),
            absent: absent_cell.repeat(widest * 8),
            absent_cell,
        })
    }

    /// The first line, without its line feed.
    pub(super) fn heading(&self) -> &str {
        &self.heading
    }

    /// Appends the cells of one packet, each with a comma in front.
    pub(super) fn append(&self, line: &mut Vec<u8>, slices: &HeaderSlices<'_>) {
        for group in &self.groups {
            let bytes = (group.bytes_of)(slices);
            let bytes = bytes.get(..group.bytes).unwrap_or(bytes);
            match &group.kept {
                None => self.append_all(line, bytes, group.bytes),
                Some(kept) => self.append_kept(line, bytes, kept),
            }
        }
    }

    fn append_all(&self, line: &mut Vec<u8>, bytes: &[u8], width: usize) {
        for byte in bytes {
            if let Some(cells) = self.of_byte.get(usize::from(*byte)) {
                line.extend_from_slice(cells);
            }
        }
        let missing = (width - bytes.len()) * 8 * self.absent_cell.len();
        line.extend_from_slice(self.absent.get(..missing).unwrap_or_default());
    }

    fn append_kept(&self, line: &mut Vec<u8>, bytes: &[u8], kept: &[bool]) {
        for (bit, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            match bytes.get(bit / 8) {
                Some(byte) => line.extend_from_slice(if byte >> (7 - bit % 8) & 1 == 1 { b",1" } else { b",0" }),
                None => line.extend_from_slice(&self.absent_cell),
            }
        }
    }
}

type Enabled = (Vec<(&'static str, usize)>, for<'a> fn(&HeaderSlices<'a>) -> &'a [u8]);

/// The groups of the options, in nPrint's order.
fn enabled(options: &NprintOptions) -> Vec<Enabled> {
    let mut groups: Vec<Enabled> = Vec::new();
    let mut add = |wanted: bool, fields: &[(&'static str, usize)], of: for<'a> fn(&HeaderSlices<'a>) -> &'a [u8]| {
        if wanted {
            groups.push((fields.to_vec(), of));
        }
    };
    add(options.ethernet, ETHERNET, |slices| slices.ethernet);
    add(options.ipv4, IPV4, |slices| slices.ipv4);
    add(options.ipv6, IPV6, |slices| slices.ipv6);
    add(options.tcp, TCP, |slices| slices.tcp);
    add(options.udp, UDP, |slices| slices.udp);
    add(options.icmp, ICMP, |slices| slices.icmp);
    add(options.payload_bytes > 0, &[("payload_bit", options.payload_bytes * 8)], |slices| slices.payload);
    groups
}

/// A group, its kept columns appended to the heading.
fn group(
    fields: &[(&'static str, usize)],
    bytes_of: for<'a> fn(&HeaderSlices<'a>) -> &'a [u8],
    exclude: Option<&regex::Regex>,
    heading: &mut String,
) -> Group {
    let mut kept = Vec::new();
    for (stem, width) in fields {
        for bit in 0..*width {
            let name = format!("{stem}_{bit}");
            let keep = !exclude.is_some_and(|pattern| pattern.is_match(&name));
            kept.push(keep);
            if keep {
                heading.push(',');
                heading.push_str(&name);
            }
        }
    }
    let bytes = kept.len() / 8;
    Group { bytes, bytes_of, kept: kept.contains(&false).then_some(kept) }
}

fn whole_name(pattern: &str) -> Result<regex::Regex> {
    regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        Error::user(format!("expected a regular expression of column names, found `{pattern}`: {error}"))
    })
}

/// `,b` for each bit of a byte, most significant first.
fn byte_cells(byte: u8) -> [u8; 16] {
    let mut cells = [b','; 16];
    for (bit, cell) in cells.chunks_exact_mut(2).enumerate() {
        if let Some(digit) = cell.last_mut() {
            *digit = b'0' + (byte >> (7 - bit) & 1);
        }
    }
    cells
}

/// Appends the index column of a packet.
pub(super) fn append_index(line: &mut Vec<u8>, index: IndexColumn, slices: &HeaderSlices<'_>) {
    // Writing into a vector cannot fail.
    let _ = match index {
        IndexColumn::SrcIp => append_address(line, slices, false),
        IndexColumn::DstIp => append_address(line, slices, true),
        IndexColumn::SrcPort => append_port(line, slices, 0),
        IndexColumn::DstPort => append_port(line, slices, 2),
        IndexColumn::Flow => append_flow(line, slices),
    };
}

fn append_flow(line: &mut Vec<u8>, slices: &HeaderSlices<'_>) -> std::io::Result<()> {
    append_address(line, slices, false)?;
    line.push(b'_');
    append_address(line, slices, true)?;
    line.push(b'_');
    append_port(line, slices, 0)?;
    line.push(b'_');
    append_port(line, slices, 2)?;
    line.extend_from_slice(match (slices.tcp.is_empty(), slices.udp.is_empty()) {
        (false, _) => b"_TCP",
        (true, false) => b"_UDP",
        (true, true) => b"_NULL",
    });
    Ok(())
}

fn append_address(line: &mut Vec<u8>, slices: &HeaderSlices<'_>, destination: bool) -> std::io::Result<()> {
    let side = usize::from(destination);
    if let Some(bytes) = slices.ipv4.get(12 + 4 * side..).and_then(|rest| rest.first_chunk::<4>()) {
        return write!(line, "{}", std::net::Ipv4Addr::from(*bytes));
    }
    match slices.ipv6.get(8 + 16 * side..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(bytes) => write!(line, "{}", std::net::Ipv6Addr::from(*bytes)),
        None => line.write_all(b"NULL"),
    }
}

fn append_port(line: &mut Vec<u8>, slices: &HeaderSlices<'_>, at: usize) -> std::io::Result<()> {
    let header = if slices.tcp.is_empty() { slices.udp } else { slices.tcp };
    match header.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
        Some(bytes) => write!(line, "{}", u16::from_be_bytes(*bytes)),
        None => line.write_all(b"NULL"),
    }
}
