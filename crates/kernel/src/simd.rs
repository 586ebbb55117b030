//! Scalar and AVX2 variants (eight floats at a time) of one function, with runtime dispatch. Both are compiled from the
//! same body without fused multiply-add, so their results are bit-identical.

/// Calls `$wide(args)` if the processor has AVX2, else `$plain(args)`.
macro_rules! wide {
    ($wide:ident or $plain:expr, $($argument:expr),*) => {{
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, all that the function was compiled for.
            #[expect(unsafe_code, reason = "the compiler cannot know the processor")]
            return unsafe { $wide($($argument),*) };
        }
        $plain($($argument),*)
    }};
}

/// Defines `$wide`: `$plain`, which must be `#[inline(always)]` down to its loops, compiled for AVX2.
macro_rules! wide_twin {
    ($wide:ident = $plain:path, ($($argument:ident: $type:ty),*) -> $result:ty) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $wide($($argument: $type),*) -> $result {
            $plain($($argument),*)
        }
    };
}
