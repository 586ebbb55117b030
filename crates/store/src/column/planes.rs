//! Byte planes (byte transposition): the lowest bytes of all numbers, then the second ones, and so on. Numbers of a
//! narrow range, and the exponents of floats, become runs that zstd compresses; noisy bytes stay together and are
//! cheap to decompress.

/// Numbers of `width` bytes to planes. The length is a multiple of the width.
pub(super) fn split(values: &[u8], width: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(values.len());
    for plane in 0..width {
        planes.extend(values.iter().skip(plane).step_by(width));
    }
    planes
}

/// Planes to numbers of `width` bytes; `out` is as long as `planes`, a multiple of the width.
pub(super) fn join(planes: &[u8], width: usize, out: &mut [u8]) {
    let rows = planes.len() / width.max(1);
    match width {
        2 => join_pairs(planes, rows, out),
        4 => join_fours(planes, rows, out),
        8 => join_eights(planes, rows, out),
        _ => {}
    }
}

// One loop over all planes, a whole number at a time: compilers vectorise that into byte shuffles, ten times as fast
// as writing plane after plane.

fn join_pairs(planes: &[u8], rows: usize, out: &mut [u8]) {
    let (low, high) = planes.split_at(rows);
    for ((number, low), high) in out.as_chunks_mut().0.iter_mut().zip(low).zip(high) {
        *number = [*low, *high];
    }
}

fn join_fours(planes: &[u8], rows: usize, out: &mut [u8]) {
    let (low, high) = planes.split_at(2 * rows);
    let ((a, b), (c, d)) = (low.split_at(rows), high.split_at(rows));
    for ((((number, a), b), c), d) in out.as_chunks_mut().0.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *number = [*a, *b, *c, *d];
    }
}

/// Halves first, in blocks that stay in the cache, then the halves together.
fn join_eights(planes: &[u8], rows: usize, out: &mut [u8]) {
    const BLOCK: usize = 512;
    let (mut low, mut high) = ([0u8; 4 * BLOCK], [0u8; 4 * BLOCK]);
    for (block, numbers) in out.as_chunks_mut::<8>().0.chunks_mut(BLOCK).enumerate() {
        let first = block * BLOCK;
        for (half, plane) in [(&mut low, 0), (&mut high, 4)] {
            let part = |plane: usize| {
                let start = plane * rows + first;
                planes.get(start..start + numbers.len()).unwrap_or_default()
            };
            let parts = (part(plane), part(plane + 1), part(plane + 2), part(plane + 3));
            for ((((number, a), b), c), d) in
                half.as_chunks_mut().0.iter_mut().zip(parts.0).zip(parts.1).zip(parts.2).zip(parts.3)
            {
                *number = [*a, *b, *c, *d];
            }
        }
        for ((number, low), high) in numbers.iter_mut().zip(low.as_chunks::<4>().0).zip(high.as_chunks::<4>().0) {
            let whole = u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << 32;
            *number = whole.to_le_bytes();
        }
    }
}

/// Integers of `width` bytes to zigzag differences to the one before, of the same width.
pub(super) fn to_deltas(values: &[u8], width: usize) -> Vec<u8> {
    macro_rules! deltas {
        ($signed:ty) => {{
            let mut before: $signed = 0;
            let mut out = Vec::with_capacity(values.len());
            for bytes in values.as_chunks().0 {
                let value = <$signed>::from_le_bytes(*bytes);
                let delta = value.wrapping_sub(before);
                out.extend_from_slice(&((delta << 1) ^ (delta >> (<$signed>::BITS - 1))).to_le_bytes());
                before = value;
            }
            out
        }};
    }
    match width {
        2 => deltas!(i16),
        4 => deltas!(i32),
        8 => deltas!(i64),
        _ => Vec::new(),
    }
}

/// Zigzag differences back to integers, in place.
pub(super) fn from_deltas(values: &mut [u8], width: usize) {
    macro_rules! sums {
        ($signed:ty, $unsigned:ty) => {{
            let mut before: $signed = 0;
            for bytes in values.as_chunks_mut().0 {
                let zigzag = <$unsigned>::from_le_bytes(*bytes);
                let delta = (zigzag >> 1) as $signed ^ -((zigzag & 1) as $signed);
                before = before.wrapping_add(delta);
                *bytes = before.to_le_bytes();
            }
        }};
    }
    match width {
        2 => sums!(i16, u16),
        4 => sums!(i32, u32),
        8 => sums!(i64, u64),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_deltas_come_back_for_every_width() {
        for width in [2, 4, 8] {
            let values: Vec<u8> = (0..width * 5000).map(|at| (at * at / 7 % 251) as u8).collect();
            let mut back = vec![0; values.len()];
            join(&split(&values, width), width, &mut back);
            assert_eq!(back, values, "planes of {width}");
            let mut back = to_deltas(&values, width);
            from_deltas(&mut back, width);
            assert_eq!(back, values, "deltas of {width}");
        }
    }

    #[test]
    fn differences_of_extremes_wrap_and_come_back() {
        let values: Vec<u8> =
            [i64::MIN, i64::MAX, 0, -1, i64::MIN].iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut back = to_deltas(&values, 8);
        from_deltas(&mut back, 8);
        assert_eq!(back, values);
    }
}
