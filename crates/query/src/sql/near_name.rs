//! The nearest of the names that are known.

/// How different a suggested name may be, in edits per character.
const NEAR: f64 = 0.5;

/// `did you mean ...`, or the fallback where no name is near.
pub(crate) fn near_hint(name: &str, known: &[&str], fallback: &str) -> Option<String> {
    let nearest = known.iter().min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate));
    match nearest {
        Some(nearest) if near(name, nearest) => Some(format!("did you mean `{nearest}`?")),
        _ => Some(fallback.to_owned()),
    }
}

pub(super) fn near(name: &str, candidate: &str) -> bool {
    let edits = strsim::damerau_levenshtein(name, candidate) as f64;
    edits <= NEAR * name.len().max(candidate.len()) as f64
}
