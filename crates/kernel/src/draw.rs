//! Drawing an id from logits: top-k, then temperature, then top-p inside the top-k.

use super::recurrence::LANES;

/// How ids are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Divides logits; 0 takes the largest.
    pub temperature: f64,
    /// Most candidates; 0 = all. Those as likely as the last are candidates too.
    pub top_k: usize,
    /// Smallest set of candidates with at least this probability; 1 = all.
    pub top_p: f64,
}

/// Buffers that are reused from draw to draw.
#[derive(Debug)]
pub struct Drawing {
    limits: Limits,
    /// Ids that may be drawn, ascending.
    allowed: Vec<u16>,
    keys: Vec<i32>,
    ordered: Vec<i32>,
    /// Ids that are left and their weights, ascending by id.
    candidates: Vec<(u16, f64)>,
    by_weight: Vec<usize>,
}

impl Drawing {
    /// Drawings among the ids that are allowed.
    pub fn new(limits: Limits, mut allowed: Vec<u16>) -> Self {
        allowed.sort_unstable();
        let (keys, ordered, candidates, by_weight) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { limits, allowed, keys, ordered, candidates, by_weight }
    }

    /// Draws for one lane from logits by id: the first allowed id whose cumulative probability exceeds `uniform`, a
    /// number in [0, 1). Probabilities in f64. `None` where no id is allowed.
    pub fn draw(&mut self, logits: &[[f32; LANES]], lane: usize, uniform: f64) -> Option<u16> {
        let allowed = std::mem::take(&mut self.allowed);
        let drawn = self.draw_among(&allowed, logits, lane, uniform);
        self.allowed = allowed;
        drawn
    }

    /// As [`Self::draw`], among other ids (ascending) than usual: top-k and top-p are of these.
    pub fn draw_among(&mut self, allowed: &[u16], logits: &[[f32; LANES]], lane: usize, uniform: f64) -> Option<u16> {
        self.keys.clear();
        self.keys.extend(allowed.iter().map(|&id| key(logits[usize::from(id)][lane])));
        let largest = self.keys.iter().copied().max()?;
        if self.limits.temperature == 0.0 {
            let at = self.keys.iter().position(|&key| key == largest)?;
            return Some(allowed[at]);
        }
        let least = self.least_candidate();
        let top = f64::from(value(largest));
        self.candidates.clear();
        for (&id, &key) in allowed.iter().zip(&self.keys) {
            if key >= least {
                let weight = ((f64::from(value(key)) - top) / self.limits.temperature).exp();
                self.candidates.push((id, weight));
            }
        }
        self.keep_top_p();
        let total: f64 = self.candidates.iter().map(|(_, weight)| weight).sum();
        let threshold = uniform * total;
        let mut sum = 0.0;
        let drawn = self.candidates.iter().find(|(_, weight)| {
            sum += weight;
            sum > threshold
        });
        drawn.or(self.candidates.last()).map(|(id, _)| *id)
    }

    /// Key of the k-th largest logit.
    fn least_candidate(&mut self) -> i32 {
        let k = self.limits.top_k;
        if k == 0 || k >= self.keys.len() {
            return i32::MIN;
        }
        self.ordered.clone_from(&self.keys);
        let at = self.keys.len() - k;
        *self.ordered.select_nth_unstable(at).1
    }

    /// A candidate stays while those more likely have not reached `top_p` of the whole.
    fn keep_top_p(&mut self) {
        if self.limits.top_p >= 1.0 {
            return;
        }
        let Self { candidates, by_weight, .. } = self;
        by_weight.clear();
        by_weight.extend(0..candidates.len());
        by_weight.sort_unstable_by(|&a, &b| candidates[b].1.total_cmp(&candidates[a].1).then(a.cmp(&b)));
        let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut before = 0.0;
        for &at in &*by_weight {
            let weight = candidates[at].1;
            if before >= self.limits.top_p * total {
                candidates[at].1 = 0.0;
            }
            before += weight;
        }
        candidates.retain(|(_, weight)| *weight != 0.0);
    }
}

/// A whole number that orders as the float does.
fn key(value: f32) -> i32 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// The float of a key: the same exchange of bits.
fn value(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limits = Limits { temperature: 1.0, top_k: 0, top_p: 1.0 };

    fn rows(logits: &[f32]) -> Vec<[f32; LANES]> {
        logits.iter().map(|&logit| [logit; LANES]).collect()
    }

    #[test]
    fn keys_order_as_their_floats_and_turn_back() {
        let values = [f32::NEG_INFINITY, -3.5, -1e-40, -0.0, 0.0, 1e-40, 2.0, 7.25, f32::INFINITY];
        assert!(values.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(values.iter().all(|&number| value(key(number)).to_bits() == number.to_bits()));
    }

    /// The middles of a grid of uniform numbers against the probabilities themselves.
    #[test]
    fn drawn_frequencies_follow_the_probabilities_and_ids_not_allowed_never_come() {
        const DRAWS: usize = 10_000;
        let logits = rows(&[3.0, 0.75f32.ln(), 5.0, 0.25f32.ln()]);
        let mut drawing = Drawing::new(ALL, vec![3, 1]);
        let drawn = |draw| drawing.draw(&logits, 0, (draw as f64 + 0.5) / DRAWS as f64);
        let ids: Vec<u16> = (0..DRAWS).filter_map(drawn).collect();
        assert!(ids.iter().all(|&id| id == 1 || id == 3));
        assert_eq!(ids.iter().filter(|&&id| id == 3).count(), DRAWS / 4);
        assert_eq!(Drawing::new(ALL, Vec::new()).draw(&logits, 0, 0.5), None);
    }

    #[test]
    fn top_k_keeps_ties_and_top_p_keeps_the_candidate_that_reaches_it() {
        let logits = rows(&[0.2f32.ln(), 0.4f32.ln(), 0.2f32.ln(), 0.1f32.ln(), 0.1f32.ln()]);
        let ids = |limits| {
            let mut drawing = Drawing::new(limits, (0..5).collect());
            let mut ids: Vec<u16> =
                (0..1_000).filter_map(|draw| drawing.draw(&logits, 3, f64::from(draw) / 1_000.0)).collect();
            ids.dedup();
            ids
        };
        assert_eq!(ids(ALL), [0, 1, 2, 3, 4]);
        assert_eq!(ids(Limits { top_k: 2, ..ALL }), [0, 1, 2]);
        assert_eq!(ids(Limits { top_k: 1, ..ALL }), [1]);
        assert_eq!(ids(Limits { top_p: 0.35, ..ALL }), [1]);
        assert_eq!(ids(Limits { top_p: 0.5, ..ALL }), [0, 1]);
        assert_eq!(ids(Limits { temperature: 0.0, ..ALL }), [1]);
    }
}
