//! Fast Fourier transform for powers of two: Stockham's radix-4 form, no bit reversal.
//!
//! Written here because the one use (self-convolution of a real sequence) needs nothing else, and
//! because `rustfft` turns on features of crates under DataFusion that would then be built twice.

/// A complex number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    fn unit(angle: f64) -> Self {
        let (im, re) = angle.sin_cos();
        Self { re, im }
    }

    fn plus(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    /// By squaring.
    pub(super) fn power(self, mut exponent: u64) -> Self {
        let (mut base, mut result) = (self, Self { re: 1.0, im: 0.0 });
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result.times(base);
            }
            base = base.times(base);
            exponent >>= 1;
        }
        result
    }
}

/// Discrete Fourier transform in place, sign of the exponent minus, not normalised. The length must be a
/// power of two; other lengths are left unchanged.
pub(super) fn transform(values: &mut Vec<Complex>) {
    if !values.len().is_power_of_two() {
        return;
    }
    let mut other = vec![Complex::default(); values.len()];
    let (mut length, mut stride) = (values.len(), 1);
    while length > 1 {
        if length >= 4 {
            radix4(values, &mut other, length, stride);
            length /= 4;
            stride *= 4;
        } else {
            radix2(values, &mut other, stride);
            length = 1;
        }
        std::mem::swap(values, &mut other);
    }
}

/// One radix-4 pass: transforms of `length` points, interleaved by `stride`.
fn radix4(from: &[Complex], to: &mut [Complex], length: usize, stride: usize) {
    let quarter = from.len() / 4;
    let (a, rest) = from.split_at(quarter);
    let (b, rest) = rest.split_at(quarter);
    let (c, d) = rest.split_at(quarter);
    let inputs = a.chunks(stride).zip(b.chunks(stride)).zip(c.chunks(stride)).zip(d.chunks(stride));
    for (place, (input, output)) in inputs.zip(to.chunks_mut(4 * stride)).enumerate() {
        let (((a, b), c), d) = input;
        let twiddle = Complex::unit(-2.0 * std::f64::consts::PI * place as f64 / length as f64);
        let twiddle2 = twiddle.times(twiddle);
        let twiddle3 = twiddle2.times(twiddle);
        let (out0, rest) = output.split_at_mut(stride);
        let (out1, rest) = rest.split_at_mut(stride);
        let (out2, out3) = rest.split_at_mut(stride);
        let input = a.iter().zip(b).zip(c).zip(d);
        let output = out0.iter_mut().zip(out1).zip(out2).zip(out3);
        for ((((a, b), c), d), (((out0, out1), out2), out3)) in input.zip(output) {
            let (sum_ac, difference_ac) = (a.plus(*c), a.minus(*c));
            let (sum_bd, difference_bd) = (b.plus(*d), b.minus(*d));
            // i (b - d)
            let turned = Complex { re: -difference_bd.im, im: difference_bd.re };
            *out0 = sum_ac.plus(sum_bd);
            *out1 = twiddle.times(difference_ac.minus(turned));
            *out2 = twiddle2.times(sum_ac.minus(sum_bd));
            *out3 = twiddle3.times(difference_ac.plus(turned));
        }
    }
}

/// The last pass of an odd power of two: pairs `stride` apart.
fn radix2(from: &[Complex], to: &mut [Complex], stride: usize) {
    let (a, b) = from.split_at(stride);
    let (sums, differences) = to.split_at_mut(stride);
    for (((a, b), sum), difference) in a.iter().zip(b).zip(sums).zip(differences) {
        *sum = a.plus(*b);
        *difference = a.minus(*b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of 512 products of numbers up to 1.
    const TOLERANCE: f64 = 1e-12;

    #[test]
    fn transform_equals_the_sum_of_its_definition_for_every_power_of_two() {
        for log in 0..10 {
            let n = 1usize << log;
            let values: Vec<Complex> =
                (0..n).map(|i| Complex { re: (i as f64 * 0.7).sin(), im: ((i * i) as f64 * 0.3).cos() }).collect();
            let mut fast = values.clone();
            transform(&mut fast);
            for (k, found) in fast.iter().enumerate() {
                let angle = |i: usize| -2.0 * std::f64::consts::PI * ((i * k) % n) as f64 / n as f64;
                let slow = values
                    .iter()
                    .enumerate()
                    .fold(Complex::default(), |sum, (i, value)| sum.plus(value.times(Complex::unit(angle(i)))));
                assert!((found.re - slow.re).abs() < TOLERANCE && (found.im - slow.im).abs() < TOLERANCE);
            }
        }
    }

    #[test]
    fn power_equals_repeated_multiplication() {
        let base = Complex { re: 0.9, im: -0.3 };
        let slow = (0..37).fold(Complex { re: 1.0, im: 0.0 }, |product, _| product.times(base));
        let fast = base.power(37);
        assert!((fast.re - slow.re).abs() < TOLERANCE && (fast.im - slow.im).abs() < TOLERANCE);
        assert_eq!(base.power(0), Complex { re: 1.0, im: 0.0 });
    }
}
