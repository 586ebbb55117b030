//! Leakage of training traces into synthetic ones, each measure beside its control.

use super::closest::{NEAR_SHARE, closest};
use super::exact::{fisher_test, sign_test};
use super::identifier::{Identifier, IdentifierKind, identifiers, payload};
use super::name::dns_wire;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use syntrace_base::base::Digest;
use syntrace_base::record::{Packet, Trace};

/// One measure of one kind of thing (SQL table `leaks`).
#[derive(Debug, Clone, PartialEq)]
pub struct LeakRow {
    /// `exact_copies`, `near_copies`, `distance_to_closest`, `memorised`, `identifiers`.
    pub measure: &'static str,
    /// Of what: `trace`, `frame`, `payload`, `payload_window`, or a kind of identifier.
    pub kind: &'static str,
    /// The measure for members; `None` where nothing could leak.
    pub value: Option<f64>,
    /// The same for held-out traces, which the model never saw.
    pub control: Option<f64>,
    /// What leaked.
    pub hits: u64,
    /// Out of how many.
    pub n: u64,
    /// What seems to have leaked of held-out traces.
    pub control_hits: u64,
    /// Out of how many.
    pub control_n: u64,
    /// Probability of so large a difference to the control by chance, one-sided: Fisher's exact test; sign
    /// test for the distances.
    pub p_value: f64,
}

/// Payloads shorter than this say nothing that is worth memorising.
const PAYLOAD_BYTES_MIN: usize = 16;

/// Bytes of the windows that are looked for in synthetic payloads.
const WINDOW_BYTES: usize = 16;

/// About this many windows are kept of all traces together: some 200 MiB.
const WINDOWS_MAX: usize = 8_000_000;

/// Shortest name that is looked for in raw payload bytes; shorter ones occur by chance.
const NAME_BYTES_MIN: usize = 6;

/// All measures of one model's synthetic traces against its members and held-out traces.
pub fn leaks(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let mut rows = copies(members, held_out, synthetic);
    rows.extend(memorised(members, held_out, synthetic));
    rows.extend(identifier_rows(members, held_out, synthetic));
    rows
}

fn share(hits: u64, n: u64) -> Option<f64> {
    (n > 0).then(|| hits as f64 / n as f64)
}

fn counted(measure: &'static str, kind: &'static str, (hits, n): (u64, u64), control: (u64, u64)) -> LeakRow {
    LeakRow {
        measure,
        kind,
        value: share(hits, n),
        control: share(control.0, control.1),
        hits,
        n,
        control_hits: control.0,
        control_n: control.1,
        p_value: fisher_test(hits, n, control.0, control.1),
    }
}

/// Share of synthetic traces that are (nearly) a member, beside the share that are (nearly) a held-out
/// trace; and the median distance to the closest of either.
fn copies(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let (to_members, to_held_out) = (closest(synthetic, members), closest(synthetic, held_out));
    let n = synthetic.len() as u64;
    let within = |distances: &[f64], limit: f64| distances.iter().filter(|&&distance| distance <= limit).count() as u64;
    let copied =
        |measure, limit| counted(measure, "trace", (within(&to_members, limit), n), (within(&to_held_out, limit), n));
    let nearer = |a: &[f64], b: &[f64]| a.iter().zip(b).filter(|(a, b)| a < b).count() as u64;
    let (hits, control_hits) = (nearer(&to_members, &to_held_out), nearer(&to_held_out, &to_members));
    vec![
        copied("exact_copies", 0.0),
        copied("near_copies", NEAR_SHARE),
        LeakRow {
            measure: "distance_to_closest",
            kind: "trace",
            value: median(to_members),
            control: median(to_held_out),
            hits,
            n,
            control_hits,
            control_n: n,
            p_value: sign_test(hits, hits + control_hits),
        },
    ]
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(0.5 * (lower + upper))
}

type Content = [u8; 16];

/// What counts as one thing in a packet; `None` where it has none.
type ContentOf = fn(&Packet) -> Option<Content>;

fn content(bytes: &[u8]) -> Content {
    Digest::of(bytes).prefix16()
}

/// Contents of one trace, each once.
fn contents(trace: &Trace, of: ContentOf) -> BTreeSet<Content> {
    trace.packets.iter().filter_map(of).collect()
}

fn frame_content(packet: &Packet) -> Option<Content> {
    Some(content(&packet.data))
}

fn payload_content(packet: &Packet) -> Option<Content> {
    let payload = payload(packet);
    (payload.len() >= PAYLOAD_BYTES_MIN).then(|| content(payload))
}

/// Of what only one member trace holds and no held-out trace does, the share found in synthetic packets;
/// beside it the same for what only one held-out trace holds.
fn memorised(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let kinds: [(&'static str, ContentOf); 2] = [("frame", frame_content), ("payload", payload_content)];
    let mut rows: Vec<LeakRow> = Vec::new();
    for (kind, of) in kinds {
        let mut owners: BTreeMap<Content, (u64, u64)> = BTreeMap::new();
        for item in members.iter().flat_map(|trace| contents(trace, of)) {
            owners.entry(item).or_default().0 += 1;
        }
        for item in held_out.iter().flat_map(|trace| contents(trace, of)) {
            owners.entry(item).or_default().1 += 1;
        }
        let made: BTreeSet<Content> = synthetic.iter().flat_map(|trace| contents(trace, of)).collect();
        let of_side = |side: (u64, u64)| {
            let unique = owners.iter().filter(|(_, owned)| **owned == side);
            unique.fold((0, 0), |sum, (item, _)| (sum.0 + u64::from(made.contains(item)), sum.1 + 1))
        };
        rows.push(counted("memorised", kind, of_side((1, 0)), of_side((0, 1))));
    }
    rows.push(windows(members, held_out, synthetic));
    rows
}

/// Of the runs of 16 payload bytes that only members (only held-out traces) have, the share found in
/// synthetic payloads. Neighbouring runs overlap, so a p-value counts one leaked payload many times.
fn windows(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> LeakRow {
    let bytes = |traces: &[Trace]| -> usize {
        traces.iter().flat_map(|trace| &trace.packets).map(|packet| packet.data.len()).sum()
    };
    let stride = (bytes(members) + bytes(held_out) + bytes(synthetic)).div_ceil(WINDOWS_MAX).max(1) as u64;
    let [members, held_out, made] = [members, held_out, synthetic].map(|traces| window_hashes(traces, stride));
    let only = |side: &HashSet<u64>, other: &HashSet<u64>| {
        let only = side.iter().filter(|hash| !other.contains(hash));
        only.fold((0, 0), |sum, hash| (sum.0 + u64::from(made.contains(hash)), sum.1 + 1))
    };
    counted("memorised", "payload_window", only(&members, &held_out), only(&held_out, &members))
}

/// Hashes of all windows, or, of very many, of those whose hash is a multiple of `stride`: the same windows
/// on every side, so shares stay what they are. Two of ten million collide with probability below 1e-5,
/// which changes a count by one. Runs of one repeated byte (padding) are left out.
fn window_hashes(traces: &[Trace], stride: u64) -> HashSet<u64> {
    let payloads = traces.iter().flat_map(|trace| &trace.packets).map(payload);
    let windows = payloads.flat_map(|payload| payload.windows(WINDOW_BYTES)).filter(|window| !is_run(window));
    windows.map(hash).filter(|hash| hash.is_multiple_of(stride)).collect()
}

fn is_run(window: &[u8]) -> bool {
    window.windows(2).all(|pair| pair.first() == pair.last())
}

/// Two halves of 8 bytes, mixed (the finaliser of SplitMix64, Steele et al. 2014).
fn hash(window: &[u8]) -> u64 {
    let mix = |state: u64, bytes: &[u8]| {
        let word = bytes.iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        let state = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    };
    window.chunks(8).fold(0, mix)
}

fn identifier_set(traces: &[Trace]) -> BTreeSet<Identifier> {
    traces.iter().flat_map(|trace| &trace.packets).flat_map(identifiers).collect()
}

/// Of the identifiers that only members (only held-out traces) have, the share found in synthetic packets.
/// Names count also where they stand in payload bytes that do not parse.
fn identifier_rows(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let [members, held_out, made] = [members, held_out, synthetic].map(identifier_set);
    let raw = RawPayloads::of(synthetic);
    let found = |identifier: &Identifier| made.contains(identifier) || raw.hold(identifier);
    let row = |kind: IdentifierKind| {
        let only = |side: &BTreeSet<Identifier>, other: &BTreeSet<Identifier>| {
            let only = side.iter().filter(|item| item.kind == kind && !other.contains(item));
            only.fold((0, 0), |sum, item| (sum.0 + u64::from(found(item)), sum.1 + 1))
        };
        counted("identifiers", kind.name(), only(&members, &held_out), only(&held_out, &members))
    };
    IdentifierKind::ALL.into_iter().map(row).collect()
}

/// Payload bytes of synthetic packets, lower case, and the beginnings that occur in them.
struct RawPayloads {
    payloads: Vec<Vec<u8>>,
    beginnings: HashSet<[u8; NAME_BYTES_MIN]>,
}

impl RawPayloads {
    fn of(traces: &[Trace]) -> Self {
        let packets = traces.iter().flat_map(|trace| &trace.packets);
        let payloads: Vec<Vec<u8>> = packets.map(|packet| payload(packet).to_ascii_lowercase()).collect();
        let windows = payloads.iter().flat_map(|payload| payload.windows(NAME_BYTES_MIN));
        let beginnings = windows.filter_map(|window| window.try_into().ok()).collect();
        Self { payloads, beginnings }
    }

    /// Does any payload hold this name, as text or as DNS writes it?
    fn hold(&self, identifier: &Identifier) -> bool {
        if !matches!(identifier.kind, IdentifierKind::DnsName | IdentifierKind::ServerName) {
            return false;
        }
        let wire = std::str::from_utf8(&identifier.bytes).map(dns_wire).unwrap_or_default();
        self.hold_bytes(&identifier.bytes) || self.hold_bytes(&wire)
    }

    fn hold_bytes(&self, wanted: &[u8]) -> bool {
        let begins = wanted.get(..NAME_BYTES_MIN).and_then(|bytes| bytes.try_into().ok());
        let likely = begins.is_some_and(|bytes: [u8; NAME_BYTES_MIN]| self.beginnings.contains(&bytes));
        likely && self.payloads.iter().any(|payload| payload.windows(wanted.len()).any(|window| window == wanted))
    }
}
