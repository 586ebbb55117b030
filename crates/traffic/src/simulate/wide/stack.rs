//! One side's network stack: mostly like a kind of system, with any of its habits replaced at times.

use super::super::draw::Draw;
use super::super::wire::Identification;

/// An option of a SYN besides the maximum segment size, which all send first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Offer {
    #[default]
    Selective,
    Stamps,
    Scale,
}

/// How a side numbers its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Numbering {
    #[default]
    Zero,
    Flow,
    Host,
    Random,
}

/// Habits that go together.
struct Kind {
    weight: f64,
    hop_limits: &'static [u8],
    windows: &'static [u16],
    scales: &'static [u8],
    offers: &'static [&'static [Offer]],
    numberings: &'static [Numbering],
    /// Chance to forbid fragments: of TCP, of UDP.
    whole: [f64; 2],
    ports: &'static [(u16, u16)],
}

use Offer::{Scale, Selective, Stamps};

/// Ephemeral ports: RFC 6056 and the defaults of systems, old ones too.
const PORTS: &[(u16, u16)] = &[(32_768, 60_999), (49_152, 65_535), (1_024, 5_000), (1_024, 65_535), (10_000, 65_535)];
const HOP_LIMITS: &[u8] = &[32, 64, 64, 64, 64, 128, 128, 128, 255, 255, 200, 60, 100, 30];
const WINDOWS: &[u16] = &[
    64_240, 65_535, 29_200, 65_160, 28_960, 14_600, 14_480, 5_840, 5_792, 8_192, 4_128, 16_384, 32_768, 42_340, 26_883,
    62_727, 2_920, 1_460, 8_760, 12_288, 60_720, 42_780, 65_228, 43_690, 4_096,
];
const SCALES: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
const SEGMENTS: &[u16] = &[
    1_460, 1_460, 1_460, 1_460, 1_440, 1_452, 1_430, 1_412, 1_400, 1_380, 1_360, 1_350, 1_340, 1_300, 1_240, 1_220,
    536, 8_960, 65_495,
];
/// Differentiated services (RFC 8325 lists who uses which) and the older types of service.
const SERVICES: &[u8] = &[
    0x08, 0x10, 0x20, 0x28, 0x40, 0x48, 0x50, 0x60, 0x68, 0x80, 0x88, 0x90, 0xa0, 0xb8, 0xc0, 0xe0, 0x04, 0x02, 0x01,
    0x1c,
];

const KINDS: &[Kind] = &[
    Kind {
        weight: 4.0,
        hop_limits: &[64],
        windows: &[64_240, 64_240, 29_200, 65_535, 65_160, 14_600, 5_840],
        scales: &[7, 7, 7, 8, 9, 5, 6, 2, 10],
        offers: &[&[Selective, Stamps, Scale], &[Selective, Stamps, Scale], &[Selective, Scale]],
        numberings: &[Numbering::Flow, Numbering::Flow, Numbering::Flow, Numbering::Zero],
        whole: [0.98, 0.6],
        ports: &[(32_768, 60_999)],
    },
    Kind {
        weight: 3.0,
        hop_limits: &[128],
        windows: &[64_240, 65_535, 65_535, 8_192],
        scales: &[8, 8, 8, 2, 0],
        offers: &[&[Scale, Selective], &[Scale, Selective], &[Scale, Stamps, Selective], &[Selective]],
        numberings: &[Numbering::Host, Numbering::Host, Numbering::Flow],
        whole: [0.97, 0.05],
        ports: &[(49_152, 65_535), (49_152, 65_535), (1_024, 5_000)],
    },
    Kind {
        weight: 2.5,
        hop_limits: &[64, 64, 255],
        windows: &[65_535, 65_535, 65_228, 32_768],
        scales: &[6, 5, 4, 3, 6],
        offers: &[&[Scale, Stamps, Selective], &[Scale, Selective, Stamps]],
        numberings: &[Numbering::Zero, Numbering::Random, Numbering::Host],
        whole: [0.95, 0.15],
        ports: &[(49_152, 65_535), (10_000, 65_535)],
    },
    Kind {
        weight: 1.5,
        hop_limits: &[255, 64, 128, 100, 30],
        windows: &[5_840, 2_920, 4_128, 1_460, 8_760, 16_384, 4_096, 2_144],
        scales: &[0, 1, 2],
        offers: &[&[], &[], &[Selective], &[Scale]],
        numberings: &[Numbering::Host, Numbering::Flow, Numbering::Zero],
        whole: [0.3, 0.1],
        ports: PORTS,
    },
    Kind {
        weight: 1.0,
        hop_limits: &[64, 128, 255, 60],
        windows: WINDOWS,
        scales: SCALES,
        offers: &[&[Selective, Stamps, Scale], &[Selective, Scale], &[Scale, Selective], &[Selective]],
        numberings: &[Numbering::Zero, Numbering::Random, Numbering::Flow],
        whole: [0.8, 0.5],
        ports: PORTS,
    },
];

/// Mutation probability of each stack trait: it is then taken from another stack.
const STRANGE: f64 = 0.15;

/// A side's stack for one flow.
pub(super) struct Stack {
    pub(super) hop_limit: u8,
    pub(super) tos: u8,
    pub(super) identification: Identification,
    /// SYN and RST segments carry identification 0, as those of sockets that are not established yet.
    pub(super) unnumbered_control: bool,
    pub(super) dont_fragment: bool,
    pub(super) flow_label: u32,
    pub(super) syn_window: u16,
    pub(super) scale: u8,
    pub(super) open_window_bytes: u32,
    /// Does the window stay as it is while data comes?
    pub(super) still_window: bool,
    pub(super) segment_bytes: u16,
    pub(super) offers: Vec<Offer>,
    /// Are options set next to each other, without NOPs between?
    pub(super) packed: bool,
    pub(super) clock: u32,
    pub(super) ticks_per_ms: f64,
    /// Share of segments that are acknowledged at once.
    pub(super) prompt: f64,
    pub(super) port: u16,
}

impl Stack {
    /// A stack; `datagrams` says which transport the flow is of.
    pub(super) fn draw(draw: &mut Draw, datagrams: bool) -> Self {
        let kind = &KINDS[draw.weighted(KINDS.iter().map(|kind| kind.weight))];
        let scale = if draw.chance(STRANGE) { draw.pick(SCALES) } else { draw.pick(kind.scales) };
        let syn_window = match draw.unit() {
            unit if unit < 0.03 => draw.half().max(1),
            unit if unit < 0.12 => draw.pick(WINDOWS),
            _ => draw.pick(kind.windows),
        };
        let (low, high) = if draw.chance(STRANGE) { draw.pick(PORTS) } else { draw.pick(kind.ports) };
        let whole = kind.whole[usize::from(datagrams)];
        Self {
            hop_limit: if draw.chance(STRANGE) { draw.pick(HOP_LIMITS) } else { draw.pick(kind.hop_limits) },
            tos: if draw.chance(0.14) { draw.pick(SERVICES) } else { 0 },
            identification: identification(draw, kind.numberings),
            unnumbered_control: draw.chance(0.4),
            dont_fragment: if draw.chance(STRANGE) { draw.chance(0.5) } else { draw.chance(whole) },
            flow_label: if draw.chance(0.5) { draw.word() } else { 0 },
            syn_window,
            scale,
            open_window_bytes: u32::from(draw.pick(WINDOWS)) << draw.size(0, 3),
            still_window: draw.chance(0.35),
            segment_bytes: draw.pick(SEGMENTS),
            offers: offers(draw, kind.offers),
            packed: draw.chance(0.04),
            clock: if draw.chance(0.1) { u32::from(draw.half()) } else { draw.word() },
            ticks_per_ms: draw.pick(&[1.0, 1.0, 1.0, 1.0, 0.1, 0.25, 0.01, 0.001]),
            prompt: draw.unit(),
            port: draw.size(usize::from(low), usize::from(high)) as u16,
        }
    }
}

fn identification(draw: &mut Draw, usual: &[Numbering]) -> Identification {
    const ALL: &[Numbering] = &[Numbering::Zero, Numbering::Flow, Numbering::Host, Numbering::Random];
    let start = if draw.chance(0.1) { draw.half() & 0x3ff } else { draw.half() };
    match if draw.chance(STRANGE) { draw.pick(ALL) } else { draw.pick(usual) } {
        Numbering::Zero => Identification::Zero,
        Numbering::Flow => Identification::PerFlow(start),
        Numbering::Host => Identification::PerHost(start),
        Numbering::Random => Identification::Random,
    }
}

/// A kind's usual options, or any of them in any order.
fn offers(draw: &mut Draw, usual: &[&[Offer]]) -> Vec<Offer> {
    if !draw.chance(STRANGE) {
        let index = draw.size(0, usual.len().saturating_sub(1));
        return usual.get(index).map(|offers| offers.to_vec()).unwrap_or_default();
    }
    let mut left = vec![Selective, Stamps, Scale];
    let mut offers = Vec::new();
    for _ in 0..draw.size(0, 3) {
        let index = draw.size(0, left.len() - 1);
        offers.push(left.remove(index));
    }
    offers
}
