//! Names of SQL after those of files, which need no quotes: of studies that are asked together, and of attached files.

use super::name_resolution::QUERIES_SCHEMA;
use super::parse::parse;
use std::path::Path;
use syntrace_base::error::{Error, Result};

/// Most studies of one session: each has tables and views of its own.
const STUDIES_MAX: usize = 100;

/// Schemas that are there already.
const SCHEMAS: &[&str] = &["public", QUERIES_SCHEMA, "information_schema"];

/// What several studies are called, each after its file and none as another: `runs/My-Study.redb` is `my_study`.
pub fn study_names(files: &[impl AsRef<Path>]) -> Result<Vec<String>> {
    if files.len() > STUDIES_MAX {
        let message = format!("expected at most {STUDIES_MAX} studies in one session, found {}", files.len());
        return Err(Error::user(message).hint("`syntrace merge` puts studies into one file"));
    }
    let mut names: Vec<String> = Vec::new();
    for file in files {
        let mut name = identifier(file.as_ref());
        if SCHEMAS.contains(&name.as_str()) || name.starts_with("pg_") {
            name.push_str("_study");
        }
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
        names.extend(free);
    }
    Ok(names)
}

/// The name of a file without its ending, in lower case and letters, digits and `_`, and no word of SQL.
pub(super) fn identifier(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' };
    let mut name: String = stem.chars().map(plain).collect();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name.insert(0, '_');
    }
    // A word that SQL keeps for itself.
    if parse(&format!("SELECT {name}.a FROM {name}")).is_err() {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studies_are_called_after_their_files_and_none_as_another() {
        let names =
            study_names(&["a/Demo.redb", "b/demo.redb", "2024-run.redb", "public.redb", "select.redb"]).unwrap();
        assert_eq!(names, ["demo", "demo_2", "_2024_run", "public_study", "select"]);
        assert!(study_names(&vec!["a.redb"; STUDIES_MAX + 1]).is_err());
    }
}
