//! Axes: categorical, linear and logarithmic scales with readable ticks.

/// What an axis shows.
#[derive(Debug, Clone)]
pub enum Scale {
    /// Named places, in order; values are their indices.
    Places(Vec<String>),
    /// Numbers from the first to the second.
    Linear(f64, f64),
    /// Positive numbers from the first to the second.
    Log(f64, f64),
}

/// An axis with its label: the quantity and its unit.
#[derive(Debug, Clone)]
pub struct Axis {
    /// The quantity and its unit.
    pub label: String,
    /// What it shows.
    pub scale: Scale,
}

/// Largest over smallest value from which an axis is logarithmic.
const FAR: f64 = 100.0;
/// Ticks of a linear axis that is tall or wide enough.
const TICKS: f64 = 5.0;

impl Scale {
    /// A linear scale that holds all values and zero, with round ends.
    pub fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        let high = if high <= low { low + 1.0 } else { high };
        let (mut ends, mut last) = ((low, high), 0.0);
        // Round ends make the range longer, which may make the step longer.
        while step(ends.1 - ends.0) > last {
            last = step(ends.1 - ends.0);
            ends = ((low / last).floor() * last, (high / last).ceil() * last);
        }
        Self::Linear(ends.0, ends.1)
    }

    /// A scale that holds all values: from zero, or logarithmic with powers of ten as ends where they are
    /// positive and lie too far apart to be told apart otherwise.
    pub fn fitting(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.clone().fold(0.0, f64::max);
        if low > 0.0 && high > FAR * low {
            return Self::Log(10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
        }
        Self::from_zero(values)
    }

    /// A linear scale with round ends that holds all values, and not zero where that is far from them.
    pub fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.clone().fold(f64::NEG_INFINITY, f64::max);
        let range = high - low;
        if !range.is_finite() || range <= 0.0 || low.abs().min(high.abs()) < range {
            return Self::from_zero(values);
        }
        let step = step(range);
        Self::Linear((low / step).floor() * step, (high / step).ceil() * step)
    }

    /// Where a value lies between the ends: 0 to 1, beyond them clamped.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self {
            Self::Places(names) => (value + 0.5) / names.len().max(1) as f64,
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => (value.max(*low).ln() - low.ln()) / (high.ln() - low.ln()),
        };
        share.clamp(0.0, 1.0)
    }

    /// Values with a tick, and what is written there.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match self {
            Self::Places(names) => names.iter().enumerate().map(|(index, name)| (index as f64, name.clone())).collect(),
            Self::Linear(low, high) => {
                let step = step(high - low);
                let first = (low / step).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                (first..=last).map(|number| number as f64 * step).map(|value| (value, number(value))).collect()
            }
            Self::Log(low, high) => {
                let first = (low.log10() - 1e-9).ceil() as i32;
                let last = (high.log10() + 1e-9).floor() as i32;
                (first..=last).map(|power| 10f64.powi(power)).map(|value| (value, number(value))).collect()
            }
        }
    }
}

/// About the number of ticks where the range is no round number of steps.
const LEAST: f64 = 0.75;

/// A round distance of ticks over a range.
fn step(range: f64) -> f64 {
    let raw = range / TICKS;
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|factor| factor * power).find(|step| *step >= raw * LEAST).unwrap_or(raw)
}

/// A number as an axis shows it: 0.25, 40, 12,000, 1.5e7.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:e}");
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text.split_once('.') {
        None if magnitude >= 10_000.0 => grouped(text),
        _ => text.to_owned(),
    }
}

/// Digits in groups of three.
pub(super) fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_ends() {
        let texts = |scale: Scale| scale.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(Scale::Linear(0.0, 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(texts(Scale::from_zero([3.0, 187.0].into_iter())), ["0", "50", "100", "150", "200"]);
        assert_eq!(texts(Scale::from_zero([-12.0, 31.0].into_iter())), ["-20", "-10", "0", "10", "20", "30", "40"]);
        assert_eq!(texts(Scale::Log(0.01, 1.0)), ["0.01", "0.1", "1"]);
        assert_eq!(texts(Scale::from_zero([535.0].into_iter())), ["0", "100", "200", "300", "400", "500", "600"]);
        assert_eq!(texts(Scale::from_zero(std::iter::empty())).len(), 6);
        assert_eq!(texts(Scale::fitting([3.0, 900.0].into_iter())), ["1", "10", "100", "1000"]);
        assert_eq!(texts(Scale::fitting([0.0, 900.0].into_iter())).len(), 6);
        assert_eq!(number(61_234.0), "61,234");
        assert_eq!(number(2e7), "2e7");
    }

    #[test]
    fn shares_go_from_end_to_end() {
        assert_eq!(Scale::Linear(0.0, 4.0).share(1.0), 0.25);
        assert!((Scale::Log(0.01, 1.0).share(0.1) - 0.5).abs() < 1e-12);
        assert_eq!(Scale::Log(0.01, 1.0).share(0.0), 0.0);
        assert_eq!(Scale::Places(vec!["a".into(), "b".into()]).share(1.0), 0.75);
    }
}
