//! One measure of leakage with its control: a row of the `leaks` table.

use super::exact_tests::fisher_test;

/// One measure of one kind of thing (SQL table `leaks`). What is counted are traces, never packets or runs of bytes:
/// traces are drawn independently, what stands in one of them is not.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakRow {
    /// `exact_copies`, `near_copies`, `distance_to_closest`, `memorised`, `identifiers`, `coincide_members`,
    /// `coincide_held_out`, `attribute_inference`.
    pub measure: &'static str,
    /// Of what: `trace`, `frame`, `payload`, `payload_window`, `addresses`, `endpoints`, `headers`, or a kind of
    /// identifier (`any`: all but ports and conversations), `lengths`, `tcp_flags`.
    pub kind: &'static str,
    /// The measure for members; `None` where nothing could leak.
    pub value: Option<f64>,
    /// The same for traces that the model never saw.
    pub control: Option<f64>,
    /// Traces that leaked.
    pub hits: u64,
    /// Out of how many.
    pub n: u64,
    /// Traces of the control that seem to have leaked.
    pub control_hits: u64,
    /// Out of how many.
    pub control_n: u64,
    /// Probability of so large a difference to the control by chance, one-sided: Fisher's exact test; sign
    /// test for the distances. `None` where there is nothing that could leak, or nothing to compare with.
    pub p_value: Option<f64>,
}

pub(super) fn counted(
    measure: &'static str,
    kind: &'static str,
    (hits, n): (u64, u64),
    control: (u64, u64),
) -> LeakRow {
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

fn share(hits: u64, n: u64) -> Option<f64> {
    (n > 0).then(|| hits as f64 / n as f64)
}

/// Whether a real trace has what could leak, and whether any of it leaked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Owner {
    pub has: bool,
    pub leaked: bool,
}

impl Owner {
    pub(super) fn of(items: impl Iterator<Item = bool>) -> Self {
        items.fold(Self::default(), |owner, found| Self { has: true, leaked: owner.leaked || found })
    }
}

/// Share of member traces of which something leaked, out of those that have what could, compared with that of held-out traces (which follow the
/// members in `owners`).
pub(super) fn owned(measure: &'static str, kind: &'static str, owners: &[Owner], members: usize) -> LeakRow {
    let (members, held_out) = owners.split_at(members.min(owners.len()));
    let count = |owners: &[Owner]| {
        let having = owners.iter().filter(|owner| owner.has);
        (having.clone().filter(|owner| owner.leaked).count() as u64, having.count() as u64)
    };
    counted(measure, kind, count(members), count(held_out))
}
