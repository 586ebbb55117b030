//! Elementary functions without branches and calls, so that loops over them become vector instructions.

/// `exp(x)` to within 2 units in the last place (Cephes' polynomial after a reduction by powers of two); arguments
/// beyond the range of f32 give its smallest and largest normal numbers.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOW: f32 = -87.3;
    const HIGH: f32 = 88.3;
    // 1.5 times 2^23: adding it rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < LOW { LOW } else { x };
    let x = if x > HIGH { HIGH } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = x - whole * LN2_HIGH - whole * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * scale
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `ln(1 + exp(x))` as `max(x, 0) + 2 atanh(e / (2 + e))` with `e = exp(-|x|)`.
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    let e = exp(-x.abs());
    let s = e / (2.0 + e);
    let square = s * s;
    // The series' terms up to s^13: s is at most 1/3, the next one is 1e-8 of the sum.
    let mut p = 1.0 / 13.0;
    p = p * square + 1.0 / 11.0;
    p = p * square + 1.0 / 9.0;
    p = p * square + 1.0 / 7.0;
    p = p * square + 1.0 / 5.0;
    p = p * square + 1.0 / 3.0;
    let log = 2.0 * s * (p * square + 1.0);
    (if x > 0.0 { x } else { 0.0 }) + log
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against f64 from the standard library, relative.
    #[test]
    fn elementary_functions_agree_with_double_precision() {
        const TOLERANCE: f64 = 4e-7;
        let close = |found: f32, expected: f64| (f64::from(found) - expected).abs() <= TOLERANCE * expected.abs();
        for step in -8_700..=8_800 {
            let x = step as f32 * 0.01;
            let wide = f64::from(x);
            assert!(close(exp(x), wide.exp()), "exp({x}) = {}", exp(x));
            assert!(close(sigmoid(x), 1.0 / (1.0 + (-wide).exp())), "sigmoid({x})");
            assert!(close(softplus(x), (-wide.abs()).exp().ln_1p() + wide.max(0.0)), "softplus({x})");
        }
        assert!(exp(f32::NAN).is_nan() && softplus(f32::NAN).is_nan());
        assert!(exp(-1e9) < 2e-38 && exp(1e9) > 1e38);
    }
}
