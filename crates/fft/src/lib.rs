//! The Fourier transform of double-precision numbers, compiled once.

pub use rustfft::num_complex::Complex;
pub use rustfft::num_traits::pow;

/// A transform of some length.
pub struct Transform(std::sync::Arc<dyn rustfft::Fft<f64>>);

impl Transform {
    /// The forward transform of `size` values, which are not scaled.
    pub fn forward(size: usize) -> Self {
        Self(rustfft::FftPlanner::new().plan_fft_forward(size))
    }

    /// Transforms values in place; their number is a multiple of the transform's size.
    pub fn process(&self, values: &mut [Complex<f64>]) {
        self.0.process(values);
    }
}
