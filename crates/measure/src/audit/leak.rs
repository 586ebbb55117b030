//! Leakage of training traces into synthetic ones, each measure with its control.

use super::closest_record::{NEAR_SHARE, closest};
use super::dns_sni::dns_wire;
use super::exact_tests::fisher_test;
use super::identifier::{Identifier, IdentifierKind, identifiers, payload};
use super::inference::attribute_inference;
use super::leak_row::{LeakRow, Owner, counted, owned};
use super::overlap::coincidences;
use super::packet_digest::{Content, content, payload_content};
use crate::eval::median;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use syntrace_base::record::{Packet, Trace};

/// Bytes of the windows that are looked for in synthetic payloads.
const WINDOW_BYTES: usize = 16;

/// About this many windows are kept of all traces together: some 200 MiB.
const WINDOWS_MAX: usize = 6_000_000;

/// Shortest name that is looked for in raw payload bytes; shorter ones occur by chance.
const NAME_BYTES_MIN: usize = 6;

/// All measures of one model's synthetic traces against its members and held-out traces, and against `unlisted`, the
/// real traces of its class that are in neither list: a copy of those is a copy of real traffic too. Where no trace is
/// held out, they are the control.
pub fn leaks(members: &[Trace], held_out: &[Trace], unlisted: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let (held_out, unlisted) = if held_out.is_empty() { (unlisted, held_out) } else { (held_out, unlisted) };
    // Nearest-neighbour and uniqueness statistics depend on sample size, so both sides are subsampled to one size.
    let equal = [equally_many(members, held_out), equally_many(held_out, members)];
    let mut rows = copies(&equal[0], &equal[1], synthetic);
    rows.extend(memorised(members, held_out, synthetic));
    rows.extend(identifier_rows(&equal[0], &equal[1], synthetic));
    rows.extend(coincidences(members, held_out, unlisted, synthetic));
    rows.extend(attribute_inference(&equal[0], &equal[1], synthetic));
    rows
}

/// Subsamples a side to the size of the other: the first traces by id, which is a hash of the trace's origin and hence
/// random. All traces if the other side is empty.
fn equally_many<'a>(side: &'a [Trace], other: &[Trace]) -> Cow<'a, [Trace]> {
    if other.is_empty() || side.len() <= other.len() {
        return Cow::Borrowed(side);
    }
    let mut chosen: Vec<&Trace> = side.iter().collect();
    chosen.sort_unstable_by_key(|trace| trace.trace_id);
    Cow::Owned(chosen.into_iter().take(other.len()).cloned().collect())
}

/// Distance to the closest real trace of a side, and its place there.
type Closest = (f64, usize);

/// Share of synthetic traces that are (nearly) a member, compared with the share that are (nearly) a held-out
/// trace; and the median distance to the closest of either. Undefined where there is no real trace on a side.
fn copies(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let (to_members, to_held_out) = (closest(synthetic, members), closest(synthetic, held_out));
    let of = |real: &[Trace]| if real.is_empty() { 0 } else { synthetic.len() as u64 };
    let (n, control_n) = (of(members), of(held_out));
    let within = |found: &[Closest], limit: f64| found.iter().filter(|(distance, _)| *distance <= limit).count() as u64;
    // Synthetic traces of a model that writes the same again and again are no independent draws; members and held-out traces
    // are. So the test asks how many of these are met.
    let test = |met: &dyn Fn(usize, &Closest) -> bool| {
        let count = |own: &[Closest]| {
            let places = own.iter().enumerate().filter(|(at, closest)| met(*at, closest)).map(|(_, (_, place))| *place);
            places.collect::<BTreeSet<usize>>().len() as u64
        };
        let known = n > 0 && control_n > 0;
        let (members, held_out) = (members.len() as u64, held_out.len() as u64);
        known.then(|| fisher_test(count(&to_members), members, count(&to_held_out), held_out)).flatten()
    };
    let copied = |measure, limit| LeakRow {
        p_value: test(&|_, (distance, _)| *distance <= limit),
        ..counted(measure, "trace", (within(&to_members, limit), n), (within(&to_held_out, limit), control_n))
    };
    let least = |at: usize| {
        let of = |found: &[Closest]| found.get(at).map_or(1.0, |(distance, _)| *distance);
        of(&to_members).min(of(&to_held_out))
    };
    let nearest = test(&|at, (distance, _)| *distance <= least(at));
    let nearer = |a: &[Closest], b: &[Closest]| a.iter().zip(b).filter(|(a, b)| a.0 < b.0).count() as u64;
    let (hits, control_hits) = (nearer(&to_members, &to_held_out), nearer(&to_held_out, &to_members));
    let distances = |found: &[Closest]| median(found.iter().map(|(distance, _)| *distance).collect());
    vec![
        copied("exact_copies", 0.0),
        copied("near_copies", NEAR_SHARE),
        LeakRow {
            measure: "distance_to_closest",
            kind: "trace",
            value: distances(&to_members).filter(|_| n > 0),
            control: distances(&to_held_out).filter(|_| control_n > 0),
            hits,
            n,
            control_hits,
            control_n,
            p_value: nearest,
        },
    ]
}

/// What counts as one thing in a packet; `None` where it has none.
type ContentOf = fn(&Packet) -> Option<Content>;

/// Contents of one trace, each once.
fn contents(trace: &Trace, of: ContentOf) -> BTreeSet<Content> {
    trace.packets.iter().filter_map(of).collect()
}

fn frame_content(packet: &Packet) -> Option<Content> {
    Some(content(&packet.data))
}

/// Of the traces that hold a frame, a payload or a run of 16 payload bytes that no other real trace holds, the share of
/// which one is found in synthetic packets: members, beside held-out traces.
fn memorised(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let row = |kind, of: ContentOf| unique(kind, [members, held_out], synthetic, |trace| contents(trace, of));
    let bytes = |traces: &[Trace]| -> usize {
        traces.iter().flat_map(|trace| &trace.packets).map(|packet| packet.data.len()).sum()
    };
    let stride = (bytes(members) + bytes(held_out) + bytes(synthetic)).div_ceil(WINDOWS_MAX).max(1) as u64;
    vec![
        row("frame", frame_content),
        row("payload", payload_content),
        unique("payload_window", [members, held_out], synthetic, |trace| window_hashes(trace, stride)),
    ]
}

/// As [`memorised`] for one kind of item.
fn unique<T: Hash + Eq, Items: IntoIterator<Item = T>>(
    kind: &'static str,
    real: [&[Trace]; 2],
    synthetic: &[Trace],
    items: impl Fn(&Trace) -> Items,
) -> LeakRow {
    const SEVERAL: usize = usize::MAX;
    let mut holders: HashMap<T, usize> = HashMap::new();
    for (number, trace) in real.into_iter().flatten().enumerate() {
        for item in items(trace) {
            let holder = holders.entry(item).or_insert(number);
            *holder = if *holder == number { number } else { SEVERAL };
        }
    }
    let made: HashSet<T> = synthetic.iter().flat_map(&items).collect();
    let mut owners = vec![Owner::default(); real[0].len() + real[1].len()];
    for (item, holder) in &holders {
        if let Some(owner) = owners.get_mut(*holder) {
            owner.has = true;
            owner.leaked |= made.contains(item);
        }
    }
    owned("memorised", kind, &owners, real[0].len())
}

/// Hashes of all windows of a trace, or, of very many, of those whose hash is a multiple of `stride`: the same windows
/// on every side. Two of ten million collide with probability below 1e-5, which changes a count by one. Runs of one
/// repeated byte (padding) are left out.
fn window_hashes(trace: &Trace, stride: u64) -> HashSet<u64> {
    let payloads = trace.packets.iter().map(payload);
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

fn identifier_set(trace: &Trace) -> BTreeSet<Identifier> {
    trace.packets.iter().flat_map(identifiers).collect()
}

/// Of the traces with an identifier that none of the other side has, the share of which one is found in synthetic
/// packets: members, compared with held-out traces. `any` is any identifier except ports and conversations.
/// Names also count where they occur in payload bytes that do not parse.
fn identifier_rows(members: &[Trace], held_out: &[Trace], synthetic: &[Trace]) -> Vec<LeakRow> {
    let [of_members, of_held_out] =
        [members, held_out].map(|traces| traces.iter().map(identifier_set).collect::<Vec<_>>());
    let made: BTreeSet<Identifier> = synthetic.iter().flat_map(identifier_set).collect();
    let raw = RawPayloads::of(synthetic);
    // each identifier of one side alone, and whether it was found
    let alone = |side: &[BTreeSet<Identifier>], other: &[BTreeSet<Identifier>]| -> BTreeMap<Identifier, bool> {
        let other: BTreeSet<&Identifier> = other.iter().flatten().collect();
        let only: BTreeSet<&Identifier> = side.iter().flatten().filter(|item| !other.contains(item)).collect();
        only.into_iter().map(|item| (item.clone(), made.contains(item) || raw.hold(item))).collect()
    };
    let sides = [(alone(&of_members, &of_held_out), &of_members), (alone(&of_held_out, &of_members), &of_held_out)];
    let row = |name: &'static str, counts: &dyn Fn(IdentifierKind) -> bool| {
        let owners = sides.iter().flat_map(|(alone, traces)| {
            traces.iter().map(move |items| {
                let own = items.iter().filter(|item| counts(item.kind));
                Owner::of(own.filter_map(|item| alone.get(item).copied()))
            })
        });
        owned("identifiers", name, &owners.collect::<Vec<_>>(), members.len())
    };
    // A port names nobody, and who talks to whom is told by addresses.
    let names = |kind| !matches!(kind, IdentifierKind::Port | IdentifierKind::Conversation);
    let mut rows = vec![row("any", &names)];
    rows.extend(IdentifierKind::ALL.into_iter().map(|kind| row(kind.name(), &|found| found == kind)));
    rows
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
