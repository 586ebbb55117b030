//! What the numbers of an attribute mean.

/// A scalar inside an attribute: the mean of some of its values, those that are exactly 0 (a packet that
/// the trace lacks) left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Name in specs (`entropy`, `margin`, `confidence`, `critic`).
    pub name: &'static str,
    /// Places of the values, from 0.
    pub places: Vec<u32>,
    /// Does a higher value speak for a member?
    pub member_high: bool,
}
