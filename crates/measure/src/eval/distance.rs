//! Distances between two samples: Jensen-Shannon for categories, Wasserstein-1 for numbers.

/// Jensen-Shannon between two distributions over the same categories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JensenShannon {
    /// Divergence in bits, 0 to 1.
    pub divergence: f64,
    /// Its square root, a metric (what scipy's `jensenshannon` returns with base 2).
    pub distance: f64,
}

/// Jensen-Shannon of two samples of categories; sorts both. `None` where one is empty.
pub fn jensen_shannon<K: Ord>(real: &mut [K], compared: &mut [K]) -> Option<JensenShannon> {
    real.sort_unstable();
    compared.sort_unstable();
    let (mut left, mut right) = (&*real, &*compared);
    let mut counts = Vec::new();
    while let Some(key) = smaller_head(left, right) {
        let a = left.iter().take_while(|value| *value == key).count();
        let b = right.iter().take_while(|value| *value == key).count();
        counts.push((a as f64, b as f64));
        left = left.get(a..).unwrap_or_default();
        right = right.get(b..).unwrap_or_default();
    }
    jensen_shannon_counts(&counts)
}

/// The smaller of two sorted samples' first values.
fn smaller_head<'a, K: Ord>(left: &'a [K], right: &'a [K]) -> Option<&'a K> {
    match (left.first(), right.first()) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Jensen-Shannon from the counts of each category on both sides (Lin 1991, equation 3.1). `None` where
/// a side has no mass or a count is negative or not finite.
///
/// With m = (p + q) / 2 and d = (p - q) / (p + q), a category adds
/// m ((1 + d) ln(1 + d) + (1 - d) ln(1 - d)) / 2, which is never negative: no cancellation between
/// categories where both sides nearly agree.
pub fn jensen_shannon_counts(counts: &[(f64, f64)]) -> Option<JensenShannon> {
    if counts.iter().any(|&(a, b)| !(a >= 0.0 && b >= 0.0)) {
        return None;
    }
    let (total_a, total_b) = counts.iter().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    if !(total_a > 0.0 && total_b > 0.0 && total_a + total_b < f64::INFINITY) {
        return None;
    }
    let nats: f64 = counts.iter().map(|&(a, b)| category_term(a / total_a, b / total_b)).sum();
    let divergence = (nats / std::f64::consts::LN_2).clamp(0.0, 1.0);
    Some(JensenShannon { divergence, distance: divergence.sqrt() })
}

/// What one category adds, in nats.
fn category_term(p: f64, q: f64) -> f64 {
    let sum = p + q;
    if sum == 0.0 {
        return 0.0;
    }
    let d = (p - q) / sum;
    let entropy = |x: f64| if x <= -1.0 { 0.0 } else { (1.0 + x) * x.ln_1p() };
    (0.25 * sum * (entropy(d) + entropy(-d))).max(0.0)
}

/// Wasserstein-1 of two samples; sorts both. Infinities are values: the distance is infinite where the shares of one of
/// them differ. `None` where a side is empty or holds what is not a number.
pub fn wasserstein_1(real: &mut [f64], compared: &mut [f64]) -> Option<f64> {
    if real.is_empty() || compared.is_empty() || real.iter().chain(&*compared).any(|value| value.is_nan()) {
        return None;
    }
    real.sort_unstable_by(f64::total_cmp);
    compared.sort_unstable_by(f64::total_cmp);
    let left = real.iter().map(|&value| (value, 1.0));
    let right = compared.iter().map(|&value| (value, 1.0));
    Some(area_between(left, real.len() as f64, right, compared.len() as f64))
}

/// Wasserstein-1 of two samples with weights, which need not sum to 1; infinities as in [`wasserstein_1`]. `None` where a
/// side has no weight, a weight is negative or not finite, or a value is not a number.
pub fn wasserstein_1_weighted(real: &[(f64, f64)], compared: &[(f64, f64)]) -> Option<f64> {
    let sorted = |side: &[(f64, f64)]| {
        let legal = side.iter().all(|&(value, weight)| !value.is_nan() && weight.is_finite() && weight >= 0.0);
        let mut side = side.to_vec();
        side.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = side.iter().map(|&(_, weight)| weight).sum();
        (legal && total > 0.0).then_some((side, total))
    };
    let (left, total_left) = sorted(real)?;
    let (right, total_right) = sorted(compared)?;
    Some(area_between(left.into_iter(), total_left, right.into_iter(), total_right))
}

/// Area between two cumulative distribution functions, from (value, weight) in rising order.
pub(super) fn area_between(
    left: impl Iterator<Item = (f64, f64)>,
    total_left: f64,
    right: impl Iterator<Item = (f64, f64)>,
    total_right: f64,
) -> f64 {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    let (mut seen_left, mut seen_right, mut area) = (0.0, 0.0, 0.0);
    let mut previous = None;
    loop {
        let from_left = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.0 <= b.0,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return area,
        };
        let gap = (seen_left / total_left - seen_right / total_right).abs();
        let Some((value, weight)) = (if from_left { left.next() } else { right.next() }) else { return area };
        // Neither a step within an infinity nor one that nothing takes counts.
        if let Some(before) = previous.filter(|before: &f64| gap > 0.0 && *before != value) {
            area += gap * (value - before);
        }
        previous = Some(value);
        if from_left {
            seen_left += weight;
        } else {
            seen_right += weight;
        }
    }
}
