//! TCP options (RFC 9293, section 3.1) in generated cells.

use super::row::{Field, Row, columns as c};
use syntrace_base::base::StreamRng;

const NOP: u8 = 1;
const SACK: u8 = 5;
/// Bits, kind and length of what a run of present bits may stand for, in the published order: blank, NOP
/// or end of list, MSS, window scale, SACK-permitted, SACK, timestamps.
const RUNS: [(usize, u8, u8); 7] =
    [(0, 0, 0), (8, NOP, 1), (32, 2, 4), (24, 3, 3), (16, 4, 2), (40, SACK, 5), (80, 8, 10)];

/// The published scan: each run of present bits becomes the option whose length is nearest (the first of
/// [`RUNS`] wins ties), its kind and length are overwritten and its missing bits are random. Each kind but
/// NOP comes once. An 8-bit run that starts with 0 ends the list; one at the very start is erased.
pub(super) fn scan_reference(row: &mut Row, rng: &mut StreamRng) -> u32 {
    let (start, end) = (c::TCP_OPTIONS.at, c::TCP_OPTIONS.at + c::TCP_OPTIONS.width);
    let rest = |at: usize| Field { at, width: end - at };
    let mut used = [false; RUNS.len()];
    let (mut at, mut changed) = (start, 0);
    while at < end {
        let run = (at..end).take_while(|bit| row.cell(*bit) >= 0).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let index = nearest(run, &used);
        let (bits, kind, length) = RUNS[index];
        used[index] = bits > 8;
        let ends_list = bits == 8 && row.cell(at) == 0;
        if at + bits > end {
            return changed + row.clear(rest(at));
        } else if ends_list {
            let kept = if at == start { 0 } else { 8 };
            return changed + row.set(Field { at, width: kept }, 0) + row.clear(rest(at + kept));
        } else if bits == 0 {
            changed += row.clear(Field { at, width: run });
        } else if bits == 8 {
            changed += row.set(Field { at, width: 8 }, u32::from(NOP));
        } else {
            changed += row.set(Field { at, width: 8 }, u32::from(kind));
            changed += row.set(Field { at: at + 8, width: 8 }, u32::from(length));
            changed += row.fill(Field { at: at + 16, width: bits - 16 }, rng);
        }
        at += if bits == 0 { run } else { bits };
    }
    changed
}

fn nearest(run: usize, used: &[bool; RUNS.len()]) -> usize {
    let free = RUNS.iter().enumerate().filter(|(index, _)| !used[*index]);
    free.min_by_key(|(_, (bits, _, _))| bits.abs_diff(run)).map_or(0, |(index, _)| index)
}

/// Reads the options in front of the first byte that is mostly absent, keeps those that are whole, of a
/// known kind and not there yet, makes NOPs of other bytes, and closes the list at a 32-bit border with
/// zeros.
pub(super) fn close_strict(row: &mut Row) -> u32 {
    let byte_at = |index: usize| Field { at: c::TCP_OPTIONS.at + 8 * index, width: 8 };
    let bytes: Vec<u8> = (0..c::TCP_OPTIONS.width / 8)
        .take_while(|index| row.present(byte_at(*index)) >= 4)
        .map(|index| row.get(byte_at(index)) as u8)
        .collect();
    let mut kept = whole_options(&bytes);
    kept.resize(kept.len().next_multiple_of(4), 0);
    let written: u32 = kept.iter().enumerate().map(|(index, byte)| row.set(byte_at(index), u32::from(*byte))).sum();
    let after = byte_at(kept.len()).at;
    written + row.clear(Field { at: after, width: c::TCP_OPTIONS.at + c::TCP_OPTIONS.width - after })
}

fn whole_options(bytes: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::new();
    let mut seen: Vec<u8> = Vec::new();
    let mut rest = bytes;
    while let [kind, after @ ..] = rest {
        let length = option_length(*kind, after.first().copied());
        match length.and_then(|length| rest.split_at_checked(length)) {
            Some((option, later)) if !seen.contains(kind) => {
                seen.push(*kind);
                kept.extend([*kind, option.len() as u8]);
                kept.extend(&option[2..]);
                rest = later;
            }
            _ if *kind == 0 => break,
            _ => {
                kept.push(NOP);
                rest = after;
            }
        }
    }
    kept
}

/// Length of an option of this kind; SACK has one to four blocks.
fn option_length(kind: u8, stated: Option<u8>) -> Option<usize> {
    match kind {
        2 => Some(4),
        3 => Some(3),
        4 => Some(2),
        SACK => Some(match stated {
            Some(length @ (18 | 26 | 34)) => usize::from(length),
            _ => 10,
        }),
        8 => Some(10),
        _ => None,
    }
}
