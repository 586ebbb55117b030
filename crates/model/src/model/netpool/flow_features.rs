//! A flow as attributes of the flow, not of positions: what holds throughout is said once.
//!
//! The two ends are the *local* one and its *peer*, which is the end whose port is that of a service (of two or none
//! such ports: the destination of the first packet). All domains are protocol constants.

use syntrace_traffic::encoding::packets::HeaderPacket;

/// Ports of services: IANA's registry, RFCs, and the documentation of makers (5228 Google, 8009 Chromecast, 17500 Dropbox).
pub(super) const SERVICES: [u16; 52] = [
    443, 80, 53, 5353, 1900, 137, 138, 123, 67, 68, 5355, 3478, 22, 8080, 5222, 993, 500, 3702, 17_500, 547, 546, 5228,
    19_302, 445, 139, 135, 853, 8443, 21, 25, 587, 143, 110, 995, 161, 162, 1883, 8883, 5060, 4500, 3389, 5223, 631,
    554, 1935, 8009, 8008, 389, 88, 514, 5349, 23,
];

/// Cells of [`Attribute::Kind`] for services: those above, others below 1,024, others below 32,768, and none.
pub(super) const SERVICE_CELLS: usize = SERVICES.len() + 3;

/// Upper ends of the cells of a length; above the last, one more.
const LENGTHS: [u16; 63] = [
    28, 32, 36, 39, 40, 43, 44, 47, 48, 51, 52, 56, 59, 60, 63, 64, 68, 72, 76, 80, 84, 88, 96, 104, 112, 120, 128,
    144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512, 575, 576, 640, 704, 768, 832, 896,
    960, 1024, 1152, 1279, 1280, 1350, 1400, 1440, 1460, 1480, 1491, 1492, 1500,
];
const LENGTH_CELLS: usize = LENGTHS.len() + 1;

/// Cells of a gap: 0, below 10 us, then three a decade up to 10^7.3 us, then the rest; and none.
const GAP_CELLS: usize = 23;

/// Cell of a side that never sends, of values of a byte.
pub(super) const SILENT: u16 = 256;

/// How an end numbers its packets (IPv4's identification).
pub(super) mod numbering {
    pub const ZERO: u16 = 0;
    pub const COUNTER: u16 = 1;
    pub const RANDOM: u16 = 2;
    pub const NONE: u16 = 3;
    pub const SILENT: u16 = 4;
}

/// One attribute of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    /// Service, transport protocol, IP version, and whether the peer sends first.
    Kind,
    /// Number of packets.
    Packets,
    /// TTL of an end's first packet.
    LocalTtl,
    PeerTtl,
    /// See [`numbering`].
    LocalNumbering,
    PeerNumbering,
    /// TOS of an end's first packet.
    LocalTos,
    PeerTos,
    /// IPv4 flags of an end's first packet.
    LocalFlags,
    PeerFlags,
    /// The local port in steps of 4,096, or that it is the service's.
    Port,
    /// Length of the first packet, then sender and length of the next ones.
    First,
    Second,
    Third,
    /// Time from the first to the second packet.
    Gap,
    /// Packets that the peer sends.
    Replies,
}

/// All, in the order of a flow's cells.
pub(super) const ATTRIBUTES: [Attribute; 16] = [
    Attribute::Kind,
    Attribute::Packets,
    Attribute::LocalTtl,
    Attribute::PeerTtl,
    Attribute::LocalNumbering,
    Attribute::PeerNumbering,
    Attribute::LocalTos,
    Attribute::PeerTos,
    Attribute::LocalFlags,
    Attribute::PeerFlags,
    Attribute::Port,
    Attribute::First,
    Attribute::Second,
    Attribute::Third,
    Attribute::Gap,
    Attribute::Replies,
];

/// Cells of one flow, in the order of [`ATTRIBUTES`].
pub(super) type Cells = [u16; ATTRIBUTES.len()];

impl Attribute {
    /// Name in the ledger and in monitors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Packets => "packets",
            Self::LocalTtl => "local_ttl",
            Self::PeerTtl => "peer_ttl",
            Self::LocalNumbering => "local_identification",
            Self::PeerNumbering => "peer_identification",
            Self::LocalTos => "local_tos",
            Self::PeerTos => "peer_tos",
            Self::LocalFlags => "local_flags",
            Self::PeerFlags => "peer_flags",
            Self::Port => "local_port",
            Self::First => "first_length",
            Self::Second => "second_length",
            Self::Third => "third_length",
            Self::Gap => "first_gap",
            Self::Replies => "replies",
        }
    }

    /// Number of its cells, for flows of at most this many packets.
    pub fn cells(self, packets: usize) -> usize {
        match self {
            Self::Kind => SERVICE_CELLS * 8,
            Self::Packets => packets,
            Self::LocalTtl | Self::PeerTtl | Self::LocalTos | Self::PeerTos => 257,
            Self::LocalNumbering | Self::PeerNumbering => 5,
            Self::LocalFlags | Self::PeerFlags => 10,
            Self::Port => 17,
            Self::First => LENGTH_CELLS,
            Self::Second | Self::Third => 2 * LENGTH_CELLS + 1,
            Self::Gap => GAP_CELLS,
            Self::Replies => packets + 1,
        }
    }

    /// Place in a flow's cells.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The ends of a flow as its first packet has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// Cell of the service.
    pub service: u16,
    /// Does the peer send first?
    pub reverse: bool,
    /// Port of the peer.
    pub service_port: u16,
    /// Port of the local end.
    pub local_port: u16,
}

/// Below it no system draws ports for its clients by default.
const REGISTERED: u16 = 32_768;

/// Place of a port among the services.
pub(super) fn known(port: u16) -> Option<usize> {
    SERVICES.iter().position(|service| *service == port)
}

impl Ends {
    /// Of a flow with this first packet.
    pub fn of(first: &HeaderPacket) -> Self {
        let [source, destination] = first.ports();
        let low = |port: u16, other: u16| port < 1024 && other >= 1024 || port < REGISTERED && other >= REGISTERED;
        let reverse = known(destination).is_none() && (known(source).is_some() || low(source, destination));
        let (service_port, local_port) = if reverse { (source, destination) } else { (destination, source) };
        Self { service: Self::service_of(service_port), reverse, service_port, local_port }
    }

    /// Cell of the service of a port.
    pub fn service_of(port: u16) -> u16 {
        let cell = match known(port) {
            Some(place) => place,
            None if port < 1024 => SERVICES.len(),
            None if port < REGISTERED => SERVICES.len() + 1,
            None => SERVICES.len() + 2,
        };
        cell as u16
    }
}

/// Which packets the local end sent.
pub(super) fn local_packets(flow: &[HeaderPacket]) -> Vec<bool> {
    let Some(first) = flow.first() else { return Vec::new() };
    let reverse = Ends::of(first).reverse;
    let sender = |packet: &HeaderPacket| (packet.addresses()[0].to_vec(), packet.ports()[0]);
    let head = sender(first);
    flow.iter().map(|packet| (sender(packet) == head) != reverse).collect()
}

/// Addresses of the local end and of its peer.
pub(super) fn addresses(flow: &[HeaderPacket]) -> Option<[Vec<u8>; 2]> {
    let first = flow.first()?;
    let [source, destination] = first.addresses().map(<[u8]>::to_vec);
    Some(if Ends::of(first).reverse { [destination, source] } else { [source, destination] })
}

/// The attributes of a flow of at most `packets` packets; `None` of one without packets.
pub(super) fn describe(flow: &[HeaderPacket], packets: usize) -> Option<Cells> {
    let flow = flow.get(..packets).unwrap_or(flow);
    let first = flow.first()?;
    let ends = Ends::of(first);
    let local = local_packets(flow);
    let of = |side: bool| -> Vec<&HeaderPacket> {
        flow.iter().zip(&local).filter(|(_, is_local)| **is_local == side).map(|(packet, _)| packet).collect()
    };
    let (own, peer) = (of(true), of(false));
    let byte =
        |side: &[&HeaderPacket], read: fn(&HeaderPacket) -> u8| side.first().map_or(SILENT, |p| u16::from(read(p)));
    let flags = |side: &[&HeaderPacket]| side.first().map_or(9, |packet| packet.flags().map_or(8, u16::from));
    let later = |at: usize| {
        let place = flow.get(at).zip(local.get(at));
        place.map_or(2 * LENGTH_CELLS as u16, |(packet, is_local)| {
            length_cell(packet.length()) + if *is_local { 0 } else { LENGTH_CELLS as u16 }
        })
    };
    let version = u16::from(first.version() == 6);
    let protocol = u16::from(first.protocol() == 6);
    let port = if ends.local_port == ends.service_port { 16 } else { ends.local_port / 4096 };
    Some([
        ((ends.service * 2 + protocol) * 2 + version) * 2 + u16::from(ends.reverse),
        flow.len() as u16 - 1,
        byte(&own, HeaderPacket::ttl),
        byte(&peer, HeaderPacket::ttl),
        numbering_of(&own),
        numbering_of(&peer),
        byte(&own, HeaderPacket::tos),
        byte(&peer, HeaderPacket::tos),
        flags(&own),
        flags(&peer),
        port,
        length_cell(first.length()),
        later(1),
        later(2),
        flow.get(1).map_or(GAP_CELLS as u16 - 1, |second| gap_cell(second.time_us.saturating_sub(first.time_us))),
        peer.len() as u16,
    ])
}

fn length_cell(length: u16) -> u16 {
    LENGTHS.partition_point(|upper| *upper < length) as u16
}

fn gap_cell(gap_us: i64) -> u16 {
    if gap_us <= 0 {
        return 0;
    }
    let thirds = ((gap_us as f64).log10() * 3.0).floor() - 2.0;
    thirds.clamp(1.0, GAP_CELLS as f64 - 2.0) as u16
}

fn numbering_of(side: &[&HeaderPacket]) -> u16 {
    /// Steps of a counter that other traffic of the host moves as well.
    const STEP_MAX: u16 = 64;
    let numbers: Option<Vec<u16>> = side.iter().map(|packet| packet.identification()).collect();
    let Some(numbers) = numbers else { return numbering::NONE };
    if numbers.is_empty() {
        return numbering::SILENT;
    }
    if numbers.iter().all(|number| *number == 0) {
        return numbering::ZERO;
    }
    let counts = numbers.windows(2).all(|pair| (1..STEP_MAX).contains(&pair[1].wrapping_sub(pair[0])));
    if counts && numbers.len() > 1 { numbering::COUNTER } else { numbering::RANDOM }
}
