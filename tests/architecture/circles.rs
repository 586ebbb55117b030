//! Circles of files: those of a crate that name each other, directly or around corners, so that none can be read first.
//!
//! A `mod.rs` and its own files count as one house: what it names without `crate::`, `super::` or `self::` makes no
//! arrow. A name that a file only passes on leads to the file that has it.

use super::{Source, is_name, leading_name, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Circles, and files of the largest. Decoders of link layers call each other, because frames travel inside frames.
const KNOWN: (usize, usize) = (1, 4);

/// Names from the root of a crate down.
type Names = Vec<String>;

/// The files of one crate.
#[derive(Default)]
struct Files {
    /// Code by module.
    code: BTreeMap<Names, String>,
    /// What `use` gives names to, by module and name.
    given: BTreeMap<(Names, String), Names>,
}

/// The paths of a tree (`a::{b, c::d as e}`), each with the name that it gives; what follows the tree.
fn paths<'t>(text: &'t str, before: &[String], found: &mut Vec<(Names, String)>) -> &'t str {
    let (mut path, mut rest) = (before.to_vec(), text);
    while !leading_name(rest).is_empty() {
        path.push(leading_name(rest).to_owned());
        rest = &rest[leading_name(rest).len()..];
        let Some(next) = rest.strip_prefix("::") else { break };
        rest = next;
    }
    let to_next = |rest: &'t str| rest.trim_start_matches(|character| character != '}' && !is_name(character));
    if let Some(group) = rest.strip_prefix('{') {
        rest = to_next(group);
        while rest.starts_with(is_name) {
            rest = to_next(paths(rest, &path, found));
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    path.pop_if(|last| last == "self" && !before.is_empty());
    let mut name = path.last().cloned().unwrap_or_default();
    if let Some(alias) = rest.strip_prefix(" as ") {
        name = leading_name(alias).to_owned();
        rest = &alias[name.len()..];
    }
    found.push((path, name));
    rest
}

impl Files {
    fn add(&mut self, source: &Source) {
        let inside = source.path.split_once("src/").map_or("", |(_, inside)| inside).trim_end_matches(".rs");
        let mut module: Names = inside.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        let code = source.code().join("\n");
        for (at, word) in code.match_indices("use ") {
            let before = code[..at].rsplit('\n').next().unwrap_or_default().trim();
            if before.is_empty() || (before.starts_with("pub") && !before.contains(' ')) {
                let mut found = Vec::new();
                paths(&code[at + word.len()..], &[], &mut found);
                self.given.extend(found.into_iter().map(|(path, name)| ((module.clone(), name), path)));
            }
        }
        self.code.entry(module).or_default().push_str(&code);
    }

    /// From the root of the crate; `None` for a path into another one.
    fn absolute(&self, module: &Names, path: &[String]) -> Option<Names> {
        let own = |name: &str| self.code.contains_key(&[module.as_slice(), &[name.to_owned()]].concat());
        let mut at = match path.first()?.as_str() {
            "crate" => Names::new(),
            first if ["self", "super"].contains(&first) || own(first) => module.clone(),
            _ => return None,
        };
        for name in path {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()?),
                name => at.push(name.to_owned()),
            }
        }
        Some(at)
    }

    /// The module that has what a path names.
    fn holder(&self, mut path: Names) -> Option<Names> {
        for _ in 0..8 {
            let held = (0..=path.len()).rev().find(|end| self.code.contains_key(&path[..*end]))?;
            let (module, rest) = (path[..held].to_vec(), path[held..].to_vec());
            let Some(first) = rest.first() else { return Some(module) };
            match self.given.get(&(module.clone(), first.clone())) {
                Some(given) => path = [self.absolute(&module, given)?.as_slice(), &rest[1..]].concat(),
                None => return Some(module),
            }
        }
        None
    }

    /// The modules that a module names, but for the root.
    fn arrows(&self, module: &Names) -> BTreeSet<Names> {
        let (code, mut found) = (&self.code[module], Vec::new());
        for (at, _) in ["crate::", "super::", "self::"].iter().flat_map(|start| code.match_indices(start)) {
            if !code[..at].ends_with(|before| is_name(before) || before == ':') {
                paths(&code[at..], &[], &mut found);
            }
        }
        let held = found.iter().filter_map(|(path, _)| self.holder(self.absolute(module, path)?));
        held.filter(|held| held != module && !held.is_empty()).collect()
    }

    /// Modules that reach each other.
    fn circles(&self) -> BTreeSet<BTreeSet<Names>> {
        let arrows: BTreeMap<&Names, BTreeSet<Names>> = self.code.keys().map(|at| (at, self.arrows(at))).collect();
        let mut reach = BTreeMap::new();
        for from in self.code.keys() {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(at) = open.pop() {
                open.extend(arrows[at].iter().filter(|next| seen.insert((*next).clone())));
            }
            reach.insert(from, seen);
        }
        let around = reach.iter().map(|(at, reached)| reached.iter().filter(|to| reach[to].contains(*at)).cloned());
        around.map(BTreeSet::from_iter).filter(|circle: &BTreeSet<Names>| circle.len() > 1).collect()
    }
}

#[test]
fn files_of_a_crate_stand_in_no_more_circles_than_are_known() {
    let mut crates: BTreeMap<String, Files> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.path.ends_with("/tests.rs")) {
        let name = source.path.split_once("src/").map_or("", |(name, _)| name);
        crates.entry(format!("{name}src")).or_default().add(source);
    }
    let (mut shown, mut largest) = (Vec::new(), 0);
    for (name, files) in &crates {
        for circle in files.circles() {
            largest = largest.max(circle.len());
            shown.push(format!("{name}: {}", circle.iter().map(|at| at.join("/")).collect::<Vec<_>>().join(", ")));
        }
    }
    let advice = "move what both sides need to a file of its own, or lower KNOWN";
    let found = (shown.len(), largest);
    assert!(found == KNOWN, "\n{}\nfound {found:?}, known are {KNOWN:?}: {advice}\n", shown.join("\n"));
}
