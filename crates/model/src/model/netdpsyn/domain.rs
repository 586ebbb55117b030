//! Public domains: a field's values sorted into cells by protocol constants, never by data.
//!
//! A domain is a list of disjoint ranges, each of one cell; a value that no range holds, or that is
//! missing, is in the last cell, `other`, which decodes to "missing".

use rand::RngExt;
use syntrace_base::base::StreamRng;
use syntrace_base::error::{Error, Result};

/// Some consecutive values of one cell, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    low: i64,
    high: i64,
    cell: u16,
}

/// Cells of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Disjoint, ascending.
    pieces: Vec<Piece>,
    /// Pieces by cell, for decoding.
    of_cell: Vec<Vec<(i64, i64)>>,
    /// Are values of a cell drawn evenly on a logarithmic scale?
    log_scale: bool,
}

impl Domain {
    /// A cell for each range, in order of priority: a later range gets what earlier ones left of it.
    /// Ranges of which nothing is left get no cell.
    fn layered(ranges: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut of_cell: Vec<Vec<(i64, i64)>> = Vec::new();
        for (low, high) in ranges {
            let left = uncovered(&pieces, low, high);
            if left.is_empty() {
                continue;
            }
            let cell = of_cell.len() as u16;
            pieces.extend(left.iter().map(|&(low, high)| Piece { low, high, cell }));
            pieces.sort_by_key(|piece| piece.low);
            of_cell.push(left);
        }
        Self { pieces, of_cell, log_scale: false }
    }

    /// The same cells, their values drawn evenly on a logarithmic scale: what spans orders of magnitude has no more of
    /// its mass at the upper end of a cell than at the lower one.
    fn on_log_scale(self) -> Self {
        Self { log_scale: true, ..self }
    }

    /// One cell for each value from 0 below `count`.
    pub fn each(count: i64) -> Self {
        Self::layered((0..count).map(|value| (value, value)))
    }

    /// One cell for each value from 1 to `last`.
    pub fn counting(last: u32) -> Self {
        Self::layered((1..=i64::from(last)).map(|value| (value, value)))
    }

    /// Number of cells, `other` included.
    pub fn cells(&self) -> usize {
        self.of_cell.len() + 1
    }

    /// The cell of what is missing or out of range.
    pub fn other(&self) -> u16 {
        self.of_cell.len() as u16
    }

    /// The cell of a value.
    pub fn encode(&self, value: Option<i64>) -> u16 {
        let Some(value) = value else { return self.other() };
        let at = self.pieces.partition_point(|piece| piece.high < value);
        match self.pieces.get(at) {
            Some(piece) if piece.low <= value => piece.cell,
            _ => self.other(),
        }
    }

    /// A value of a cell, uniform among its values or among their logarithms; `None` for `other`.
    pub fn decode(&self, cell: u16, rng: &mut StreamRng) -> Option<i64> {
        let pieces = self.of_cell.get(usize::from(cell))?;
        if let ([(low, high)], true) = (pieces.as_slice(), self.log_scale)
            && *low > 0
        {
            let ratio = (*high + 1) as f64 / *low as f64;
            return Some(((*low as f64 * ratio.powf(rng.random::<f64>())) as i64).clamp(*low, *high));
        }
        let size: i64 = pieces.iter().map(|(low, high)| high - low + 1).sum();
        let mut offset = rng.random_range(0..size.max(1));
        for (low, high) in pieces {
            if offset <= high - low {
                return Some(low + offset);
            }
            offset -= high - low + 1;
        }
        None
    }

    /// Greatest value that has a cell.
    pub(super) fn largest(&self) -> i64 {
        self.pieces.last().map_or(0, |piece| piece.high)
    }

    /// Least and greatest value of a cell; `None` for `other`.
    pub fn range(&self, cell: u16) -> Option<(i64, i64)> {
        let pieces = self.of_cell.get(usize::from(cell))?;
        Some((pieces.first()?.0, pieces.last()?.1))
    }
}

/// What the pieces (ascending, disjoint) leave of a range.
fn uncovered(pieces: &[Piece], low: i64, high: i64) -> Vec<(i64, i64)> {
    let mut left = Vec::new();
    let mut next = low;
    for piece in pieces.iter().filter(|piece| piece.high >= low && piece.low <= high) {
        if piece.low > next {
            left.push((next, piece.low - 1));
        }
        next = next.max(piece.high + 1);
    }
    if next <= high {
        left.push((next, high));
    }
    left
}

/// `count` ranges of about equal ratio that cover `low` to `high`.
fn log_ranges(low: i64, high: i64, count: i32) -> impl Iterator<Item = (i64, i64)> {
    let ratio = (high + 1) as f64 / low as f64;
    let edge = move |index: i32| (low as f64 * ratio.powf(f64::from(index) / f64::from(count))).round() as i64;
    (0..count).map(move |index| (edge(index), edge(index + 1) - 1)).filter(|(low, high)| low <= high)
}

/// 0, then [2^k, 2^(k+1) - 1] for k from 0 below `bits`.
pub(super) fn powers_of_two(bits: u32) -> Domain {
    Domain::layered([(0, 0)].into_iter().chain((0..bits).map(|bit| (1 << bit, (2 << bit) - 1))))
}

/// Times in microseconds up to a public cap: 0, then [2^k, 2^(k+1) - 1], the last cut at the cap, on a
/// logarithmic scale.
pub(super) fn times(cap_us: i64) -> Domain {
    let octaves = (0..62).map(|bit| (1i64 << bit, (2i64 << bit) - 1)).take_while(|(low, _)| *low <= cap_us);
    let capped = octaves.map(|(low, high)| (low, high.min(cap_us)));
    Domain::layered([(0, 0)].into_iter().chain(capped)).on_log_scale()
}

/// Ports with a service that everybody knows: IANA's registry and RFCs.
const KNOWN_PORTS: [i64; 48] = [
    0, 7, 20, 21, 22, 23, 25, 53, 67, 68, 69, 80, 88, 110, 111, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179, 194,
    389, 443, 445, 465, 500, 514, 515, 546, 547, 554, 587, 631, 636, 853, 989, 990, 993, 995, 1900, 3478, 5353, 5355,
];

/// Known services, the rest below 1,024 as one, 64 bins of equal ratio above.
pub(super) fn ports() -> Domain {
    let known = KNOWN_PORTS.into_iter().map(|port| (port, port));
    Domain::layered(known.chain([(0, 1023)]).chain(log_ranges(1024, 65_535, 64)))
}

/// Lengths of bare headers and of common links' full packets, steps of 4 below 100, 32 bins of equal
/// ratio above.
pub(super) fn lengths() -> Domain {
    let common = [40, 52, 60, 576, 1280, 1420, 1492, 1500].map(|length| (length, length));
    let steps = (0..25).map(|step| (4 * step, 4 * step + 3));
    Domain::layered(common.into_iter().chain(steps).chain(log_ranges(100, 65_535, 32)))
}

/// Initial TTLs of common systems and the ranges between, or each value.
pub(super) fn ttls(exact: bool) -> Domain {
    if exact {
        return Domain::each(256);
    }
    let common = [1, 64, 128, 255].map(|ttl| (ttl, ttl));
    let ranges = [(0, 32), (33, 48), (49, 63), (65, 96), (97, 127), (129, 192), (193, 254)];
    Domain::layered(common.into_iter().chain(ranges))
}

/// Named DSCPs (RFC 2474, 2597, 3246, 5865, 8622) without ECN; best effort with ECN; the rest.
pub(super) fn traffic_classes() -> Domain {
    let named = [0, 1, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56];
    let named = named.into_iter().map(|dscp| (dscp << 2, dscp << 2));
    Domain::layered(named.chain([(1, 3), (0, 255)]))
}

/// TCP and UDP: traces hold nothing else.
pub(super) fn protocols() -> Domain {
    Domain::layered([(6, 6), (17, 17)])
}

/// The published base-50 bins: 0 and 1, to 50, to 2,500, to 65,535.
pub(super) fn checksums() -> Domain {
    Domain::layered([(0, 1), (2, 50), (51, 2_500), (2_501, 65_535)])
}

/// Private and other special address blocks (RFC 1918, 6598, 6890) in public steps, everything else by
/// its first byte; declared subnets first.
///
/// # Errors
/// A subnet that is not `a.b.c.d/length`.
pub(super) fn addresses(subnets: &[String]) -> Result<Domain> {
    let block = |base: [u8; 4], bits: u32| {
        let base = i64::from(u32::from_be_bytes(base));
        (base, base + (1 << (32 - bits)) - 1)
    };
    let mut declared = subnets.iter().map(|text| subnet(text)).collect::<Result<Vec<_>>>()?;
    // The narrower block first, so that nested ones keep what is theirs.
    declared.sort_by_key(|(low, high)| (high - low, *low));
    let homes = (0..=255).map(|third| block([192, 168, third, 0], 24));
    let sites = (0..=255).map(|second| block([10, second, 0, 0], 16));
    let middle = (16..32).map(|second| block([172, second, 0, 0], 16));
    let special = [block([100, 64, 0, 0], 10), block([169, 254, 0, 0], 16), block([255; 4], 32)];
    let rest = (0..=255).map(|first| block([first, 0, 0, 0], 8));
    Ok(Domain::layered(declared.into_iter().chain(homes).chain(sites).chain(middle).chain(special).chain(rest)))
}

fn subnet(text: &str) -> Result<(i64, i64)> {
    let wrong = || Error::user(format!("`subnets` must hold blocks such as `192.168.1.0/24`, found `{text}`"));
    let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
    let address: std::net::Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32).ok_or_else(wrong)?;
    let size = 1i64 << (32 - bits);
    let base = i64::from(u32::from(address)) / size * size;
    Ok((base, base + size - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::base::Seed;

    fn all() -> Vec<Domain> {
        let subnets = ["10.1.2.0/24".to_owned(), "10.1.0.0/16".to_owned(), "8.8.8.8/32".to_owned()];
        vec![
            ports(),
            lengths(),
            ttls(false),
            ttls(true),
            traffic_classes(),
            protocols(),
            checksums(),
            powers_of_two(40),
            times(60_000_000),
            times(1),
            addresses(&subnets).unwrap(),
        ]
    }

    /// Facts section 14.10: decoding stays in the value's own bin, `other` included.
    #[test]
    fn a_decoded_value_is_in_the_cell_that_it_came_from() {
        let mut rng = Seed::root(3).rng();
        let mut values: Vec<Option<i64>> = vec![None, Some(-7), Some(i64::MAX), Some(i64::MIN)];
        values.extend((0..2_000).map(|_| Some(rng.random_range(0..70_000i64))));
        values.extend((0..2_000).map(|_| Some(rng.random_range(0..1i64 << 41))));
        for domain in all() {
            for value in &values {
                let cell = domain.encode(*value);
                assert_eq!(domain.encode(domain.decode(cell, &mut rng)), cell, "{value:?}");
            }
        }
    }

    #[test]
    fn times_end_at_their_cap_and_are_drawn_evenly_on_a_logarithmic_scale() {
        // Four standard deviations of a share of 2,000 draws.
        const SHARE_TOLERANCE: f64 = 0.045;
        let cap = 60_000_000;
        let times = times(cap);
        assert_eq!((times.largest(), times.encode(Some(cap + 1))), (cap, times.other()));
        assert_eq!(times.range(times.encode(Some(cap))), Some((1 << 25, cap)));
        assert_eq!(times.cells(), 1 + 26 + 1);
        let mut rng = Seed::root(4).rng();
        let cell = times.encode(Some(1 << 20));
        let middle = (2f64.sqrt() * f64::from(1 << 20)) as i64;
        let low = (0..2_000).filter(|_| times.decode(cell, &mut rng).unwrap() < middle).count();
        assert!((low as f64 / 2_000.0 - 0.5).abs() < SHARE_TOLERANCE, "{low}");
    }

    #[test]
    fn every_port_and_every_address_has_a_cell_and_known_ones_their_own() {
        let ports = ports();
        assert!((0..65_536).all(|port| ports.encode(Some(port)) != ports.other()));
        assert_eq!(ports.range(ports.encode(Some(443))), Some((443, 443)));
        let addresses = addresses(&["8.8.8.8/32".to_owned()]).unwrap();
        for address in [0, 0x0808_0808, 0x0a01_0203, 0xc0a8_0101, 0xffff_ffff] {
            assert_ne!(addresses.encode(Some(address)), addresses.other());
        }
        let own = addresses.encode(Some(0x0808_0808));
        assert_eq!(addresses.range(own), Some((0x0808_0808, 0x0808_0808)));
        assert!(super::addresses(&["8.8.8.8".to_owned()]).is_err());
    }
}
