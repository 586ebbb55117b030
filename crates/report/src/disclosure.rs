//! Columns that reveal membership. A report is made to be shared; which traces were trained on is what the study
//! protects.

/// May the page name training members, captures and seeds? Anyone with a seed and the captures can draw the splits
/// again, and ids and digests confirm a guessed member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// No.
    Hidden,
    /// Yes, with a warning banner.
    Named,
}

/// Which traces a figure or a table reveals.
#[derive(Debug, Clone, Copy)]
pub(super) enum Naming {
    /// None.
    Nobody,
    /// Training members, or what leads to them.
    Members,
    /// The same, unless it is asked with these values.
    Unless(&'static [&'static str]),
}

impl Naming {
    /// The values to ask with, from those of the page; `None` where it must not be asked at all.
    pub fn given(self, members: Members, given: &'static [&'static str]) -> Option<&'static [&'static str]> {
        match (members, self) {
            (Members::Named, _) | (_, Self::Nobody) => Some(given),
            (Members::Hidden, Self::Unless(given)) => Some(given),
            (Members::Hidden, Self::Members) => None,
        }
    }
}
