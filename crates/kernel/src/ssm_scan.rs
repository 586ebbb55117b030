//! The state-space recurrence of one block of positions, head by head, forward and backward.
//!
//! States of a head are `[N, P]`, P in parts of [`PART`] filled up with zeros: a part is a row of numbers that takes the
//! same steps, `h_t = e_t h_{t-1} + (dt_t x_t) B_t`, `y_t = h_t C_t`. With G_t the gradient of the loss with respect to
//! h_t, `G_t = dy_t C_t + e_{t+1} G_{t+1}`, and from it `d(dt x)_t = G_t B_t`, `dB_t = G_t (dt x)_t`, `dC_t = h_t dy_t`,
//! `d(log e)_t = <G_t, e_t h_{t-1}>`.

use super::real::Real;
use super::weights::MambaShape;

/// Numbers of a head that are processed as one vector.
pub(crate) const PART: usize = 16;

/// Positions that are worked on at a time.
pub(crate) const BLOCK: usize = 32;

type Row<T> = [T; PART];

/// Rows of the states of one network block: heads, parts of a head, N.
pub(crate) fn state_rows(shape: &MambaShape) -> usize {
    shape.heads * shape.head.div_ceil(PART) * shape.state
}

/// Activations of one block of positions: `active [q, channels]`, dt and decays `[q, H]`.
#[derive(Clone, Copy)]
pub(crate) struct ScanInput<'a, T> {
    pub shape: &'a MambaShape,
    pub active: &'a [T],
    pub dt: &'a [T],
    pub decay: &'a [T],
}

/// Offsets of one part of a head.
#[derive(Clone, Copy)]
struct Place {
    head: usize,
    /// First of its places among the H P inner ones, and how many.
    first: usize,
    count: usize,
    /// First of its B and of its C among the channels.
    b: usize,
    c: usize,
}

#[inline(always)]
fn places(shape: &MambaShape) -> impl Iterator<Item = Place> {
    let MambaShape { state, head: size, heads, groups, .. } = *shape;
    let inner = shape.inner();
    (0..heads).flat_map(move |head| {
        let group = head * groups / heads;
        (0..size).step_by(PART).map(move |from| Place {
            head,
            first: head * size + from,
            count: PART.min(size - from),
            b: inner + group * state,
            c: inner + (groups + group) * state,
        })
    })
}

#[inline(always)]
fn load<T: Real>(values: &[T], place: Place) -> Row<T> {
    let own = &values[place.first..][..place.count];
    if let Some(whole) = own.first_chunk::<PART>() {
        return *whole;
    }
    let mut row = [T::ZERO; PART];
    row[..own.len()].copy_from_slice(own);
    row
}

#[inline(always)]
fn store<T: Real>(row: &Row<T>, values: &mut [T], place: Place) {
    values[place.first..][..place.count].copy_from_slice(&row[..place.count]);
}

#[inline(always)]
fn total<T: Real>(row: &Row<T>) -> T {
    let mut parts = [T::ZERO; 4];
    for at in 0..4 {
        parts[at] = (row[at] + row[at + 4]) + (row[at + 8] + row[at + 12]);
    }
    (parts[0] + parts[1]) + (parts[2] + parts[3])
}

/// One position of one part: advances the states and reads them.
#[inline(always)]
fn advance<T: Real>(states: &mut [Row<T>], decay: T, added: &Row<T>, b: &[T], c: &[T]) -> Row<T> {
    let mut read = [T::ZERO; PART];
    for ((own, &b), &c) in states.iter_mut().zip(b).zip(c) {
        for p in 0..PART {
            own[p] = own[p] * decay + added[p] * b;
            read[p] += own[p] * c;
        }
    }
    read
}

/// Runs `states` over a block of positions; y `[q, H P]`.
#[inline(always)]
pub(crate) fn scan<T: Real>(input: ScanInput<'_, T>, states: &mut [Row<T>], y: &mut [T]) {
    let ScanInput { shape, active, dt, decay } = input;
    let (inner, channels, n) = (shape.inner(), shape.channels(), shape.state);
    for (place, states) in places(shape).zip(states.chunks_exact_mut(n)) {
        for (t, (active, y)) in active.chunks_exact(channels).zip(y.chunks_exact_mut(inner)).enumerate() {
            let at = t * shape.heads + place.head;
            let added = load(active, place).map(|x| x * dt[at]);
            let read = advance(states, decay[at], &added, &active[place.b..][..n], &active[place.c..][..n]);
            store(&read, y, place);
        }
    }
}

/// Gradients that [`scan_backward`] adds to or sets.
pub(crate) struct ScanGradients<'a, T> {
    /// `[q, channels]`: with respect to dt x in the first H P columns (set), to B and C behind (added to).
    pub dactive: &'a mut [T],
    /// With respect to the log decays, `[q, H]` (added to).
    pub dlog_decay: &'a mut [T],
}

/// Buffer for the states of one part at all positions of a block.
pub(crate) fn scan_room<T: Real>(shape: &MambaShape) -> Vec<[T; PART]> {
    vec![[T::ZERO; PART]; (BLOCK + 1) * shape.state]
}

/// From `dy [q, H P]`, the states that enter the block, and what flows into them from behind (`flowing`, for this block
/// on entry, for the one before on return).
#[inline(always)]
pub(crate) fn scan_backward<T: Real>(
    input: ScanInput<'_, T>,
    dy: &[T],
    entering: &[Row<T>],
    flowing: &mut [Row<T>],
    room: &mut [Row<T>],
    gradients: ScanGradients<'_, T>,
) {
    let ScanInput { shape, active, dt, decay } = input;
    let (inner, channels, n, heads) = (shape.inner(), shape.channels(), shape.state, shape.heads);
    let q = active.len() / channels;
    let parts = places(shape).zip(entering.chunks_exact(n)).zip(flowing.chunks_exact_mut(n));
    for ((place, entering), flowing) in parts {
        room[..n].copy_from_slice(entering);
        for (t, active) in active.chunks_exact(channels).enumerate() {
            let at = t * heads + place.head;
            let added = load(active, place).map(|x| x * dt[at]);
            let (before, own) = room[t * n..][..2 * n].split_at_mut(n);
            own.copy_from_slice(before);
            advance(own, decay[at], &added, &active[place.b..][..n], &active[place.c..][..n]);
        }
        for t in (0..q).rev() {
            let at = t * heads + place.head;
            let active = &active[t * channels..][..channels];
            let dactive = &mut gradients.dactive[t * channels..][..channels];
            let added = load(active, place).map(|x| x * dt[at]);
            let dy = load(&dy[t * inner..][..inner], place);
            let (before, own) = room[t * n..][..2 * n].split_at(n);
            let (mut du, mut dlog) = ([T::ZERO; PART], [T::ZERO; PART]);
            for i in 0..n {
                let (b, c) = (active[place.b + i], active[place.c + i]);
                let (mut of_b, mut of_c) = ([T::ZERO; PART], [T::ZERO; PART]);
                for p in 0..PART {
                    let g = flowing[i][p] + dy[p] * c;
                    of_c[p] = dy[p] * own[i][p];
                    of_b[p] = g * added[p];
                    du[p] += g * b;
                    let past = g * decay[at];
                    dlog[p] += past * before[i][p];
                    flowing[i][p] = past;
                }
                dactive[place.b + i] += total(&of_b);
                dactive[place.c + i] += total(&of_c);
            }
            store(&du, dactive, place);
            gradients.dlog_decay[at] += total(&dlog);
        }
    }
}
