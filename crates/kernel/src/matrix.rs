//! Products of small matrices, rows one after the other. Each element is a sum in the order of the inner index.

use super::real::Real;

/// The left side of a product, element (m, k).
#[derive(Clone, Copy)]
pub(crate) enum Left<'a, T> {
    /// At `m * stride + k`: rows of the result are rows of the left side.
    Rows(&'a [T], usize),
    /// At `k * stride + m`: the left side transposed.
    Columns(&'a [T], usize),
}

/// A matrix whose rows lie `stride` numbers apart.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a, T> {
    pub values: &'a [T],
    pub stride: usize,
}

/// Sizes of a product: result `[rows, columns]`, sums over `inner`.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub rows: usize,
    pub inner: usize,
    pub columns: usize,
}

/// `out += left right`; rows of `out` lie `stride` apart.
#[inline(always)]
pub(crate) fn add_product<T: Real>(sizes: Sizes, left: Left<'_, T>, right: Right<'_, T>, out: &mut [T], stride: usize) {
    let whole = sizes.rows / 4 * 4;
    for row in (0..whole).step_by(4) {
        columns::<T, 4>(sizes, row, left, right, &mut out[row * stride..], stride);
    }
    for row in whole..sizes.rows {
        columns::<T, 1>(sizes, row, left, right, &mut out[row * stride..], stride);
    }
}

/// Inner places that are summed in one go.
const RUN: usize = 64;

/// M rows of the result, from row `row` of the left side.
#[inline(always)]
fn columns<T: Real, const M: usize>(
    sizes: Sizes,
    row: usize,
    left: Left<'_, T>,
    right: Right<'_, T>,
    out: &mut [T],
    stride: usize,
) {
    let mut packed = [[T::ZERO; M]; RUN];
    for start in (0..sizes.inner).step_by(RUN) {
        let packed = &mut packed[..RUN.min(sizes.inner - start)];
        for (k, packed) in packed.iter_mut().enumerate() {
            for (m, packed) in packed.iter_mut().enumerate() {
                *packed = match left {
                    Left::Rows(values, stride) => values[(row + m) * stride + start + k],
                    Left::Columns(values, stride) => values[(start + k) * stride + row + m],
                };
            }
        }
        let (right_stride, right) = (right.stride, &right.values[start * right.stride..]);
        let mut column = 0;
        while column + 16 <= sizes.columns {
            tile::<T, M, 16>(packed, &right[column..], right_stride, &mut out[column..], stride);
            column += 16;
        }
        while column + 4 <= sizes.columns {
            tile::<T, M, 4>(packed, &right[column..], right_stride, &mut out[column..], stride);
            column += 4;
        }
        while column < sizes.columns {
            tile::<T, M, 1>(packed, &right[column..], right_stride, &mut out[column..], stride);
            column += 1;
        }
    }
}

/// `sums += own * right`, apart so that the compiler makes vectors of it.
#[inline(always)]
fn add_row<T: Real, const N: usize>(sums: &mut [T; N], own: T, right: &[T; N]) {
    for n in 0..N {
        sums[n] += own * right[n];
    }
}

/// M rows (4 or 1) and N columns of the result, in registers: four named rows, as the compiler
/// keeps an array of rows in memory.
#[inline(always)]
fn tile<T: Real, const M: usize, const N: usize>(
    left: &[[T; M]],
    right: &[T],
    right_stride: usize,
    out: &mut [T],
    stride: usize,
) {
    let [mut a, mut b, mut c, mut d] = [[T::ZERO; N]; 4];
    for (own, right) in left.iter().zip(right.chunks(right_stride)) {
        let Some(right) = right.first_chunk::<N>() else { return };
        add_row(&mut a, own[0], right);
        if M == 4 {
            add_row(&mut b, own[1], right);
            add_row(&mut c, own[2], right);
            add_row(&mut d, own[3], right);
        }
    }
    for (row, sums) in [a, b, c, d].iter().enumerate().take(M) {
        if let Some(out) = out[row * stride..].first_chunk_mut::<N>() {
            add_row(out, T::ONE, sums);
        }
    }
}

/// `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transposed<T: Real>(values: &[T], columns: usize) -> Vec<T> {
    let rows = values.len() / columns.max(1);
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

/// Sum of `of(i)` in eight interleaved parts, so that they fill vectors.
#[inline(always)]
pub(crate) fn sum<T: Real>(count: usize, of: impl Fn(usize) -> T) -> T {
    let mut parts = [T::ZERO; 8];
    let whole = count / 8 * 8;
    for at in (0..whole).step_by(8) {
        for part in 0..8 {
            parts[part] += of(at + part);
        }
    }
    for at in whole..count {
        parts[at - whole] += of(at);
    }
    let [a, b, c, d, e, f, g, h] = parts;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition, exactly: small whole numbers.
    #[test]
    fn products_agree_with_their_definition_for_all_remainders() {
        for (rows, inner, columns) in [(1, 1, 1), (4, 3, 16), (5, 7, 37), (9, 2, 23), (3, 8, 4)] {
            let sizes = Sizes { rows, inner, columns };
            let whole = |count: usize, by: usize| -> Vec<f32> { (0..count).map(|at| (at * by % 11) as f32).collect() };
            let (left, right) = (whole(rows * inner, 7), whole(inner * columns, 5));
            let across = transposed(&left, inner);
            for left_side in [Left::Rows(&left, inner), Left::Columns(&across, rows)] {
                let mut out = vec![1.0f32; rows * columns];
                let right_side = Right { values: &right, stride: columns };
                add_product(sizes, left_side, right_side, &mut out, columns);
                for m in 0..rows {
                    for n in 0..columns {
                        let product = |k: usize| left[m * inner + k] * right[k * columns + n];
                        assert_eq!(out[m * columns + n], 1.0 + (0..inner).map(product).sum::<f32>());
                    }
                }
            }
        }
        assert_eq!(sum(19, |at| at as f64), 171.0);
    }
}
