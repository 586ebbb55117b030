//! Examples on the pages: commands have verbs and options that are there, SQL is answered, TOML is read.

use super::{blocks, pages, read};
use crate::common::syntrace;
use crate::query::study;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use syntrace::query::{Session, SessionOptions, named};
use syntrace::spec::{ImportManifest, Spec, parse_bases};

/// Pages whose examples are checked.
fn checked() -> impl Iterator<Item = (String, String)> {
    pages().into_iter().filter(|page| page != "CHANGELOG.md").map(|page| (page.clone(), read(&page)))
}

/// Words of a command up to a comment, a pipe or `&&`; single and double quotes.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in command.chars().chain([' ']) {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, ' ' | '\n') => {
                if ["#", "|", "&&", ">", "2>"].contains(&word.as_str()) {
                    return words;
                }
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(letter),
        }
    }
    words
}

/// All commands `syntrace ...` of a page, in blocks and in lines.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (_, _, block) in blocks(text) {
        let mut lines = block.lines();
        while let Some(line) = lines.next() {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            if line.starts_with("syntrace ") {
                let mut command = line.to_owned();
                // A quoted argument may go over lines.
                while command.matches('"').count() % 2 == 1 {
                    command.push('\n');
                    command.push_str(lines.next().unwrap_or("\""));
                }
                found.push(words(&command));
            }
        }
    }
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let spans = line.split('`').skip(1).step_by(2).filter(|_| !fenced);
        found.extend(spans.filter(|span| span.starts_with("syntrace ")).map(words));
    }
    found
}

/// The help of each verb with that of its own verbs.
fn help() -> BTreeMap<String, String> {
    let said = |arguments: &[&str]| {
        let output = syntrace().args(arguments).env("COLUMNS", "100").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let verbs_of = |help: &str| -> Vec<String> {
        let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
        let lines = list.lines().take_while(|line| !line.is_empty());
        let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let hidden = ["complete", "install", "uninstall"].map(str::to_owned);
    let mut all = BTreeMap::new();
    for verb in verbs_of(&said(&["--help"])).into_iter().chain(hidden) {
        let mut text = said(&["help", &verb]);
        for inner in verbs_of(&text) {
            text.push_str(&format!("\n== syntrace {verb} {inner}\n\n{}", said(&["help", &verb, &inner])));
        }
        all.insert(verb, text);
    }
    all
}

#[test]
fn help_texts_are_the_reviewed_ones() {
    let mut text = String::new();
    for (verb, help) in help() {
        text.push_str(&format!("== syntrace {verb}\n\n{help}\n"));
    }
    let file = super::repository("tests/texts/help.txt");
    if std::env::var_os("SYNTRACE_BLESS").is_some() {
        return std::fs::write(file, text).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == text, "tests/texts/help.txt differs; read what changed, then run the tests with SYNTRACE_BLESS=1");
}

#[test]
fn commands_on_the_pages_have_verbs_and_options_that_are_there() {
    let help = help();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (page, text) in checked() {
        for command in commands(&text) {
            count += 1;
            let shown = command.join(" ");
            // `syntrace VERB --help` names no verb.
            let Some(verb) = command.get(1).filter(|verb| verb.chars().all(|c| c.is_lowercase() || c == '-')) else {
                continue;
            };
            let Some(help) = help.get(verb) else {
                if !verb.starts_with("--") {
                    wrong.push(format!("{page}: `{shown}`: no verb `{verb}`"));
                }
                continue;
            };
            for option in command.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let name = option.split('=').next().unwrap();
                let there = help.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == name);
                if !there {
                    wrong.push(format!("{page}: `{shown}`: no option `{name}`"));
                }
            }
            if let ("query", Some(name)) = (verb.as_str(), command.get(3).filter(|name| !name.starts_with('-')))
                && name.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || c == '_')
                && let Err(error) = named(name)
            {
                wrong.push(format!("{page}: `{shown}`: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "{count} commands");
}

/// SQL of blocks, and what `syntrace sql STUDY -c` is asked.
#[test]
fn sql_on_the_pages_is_answered() {
    let study = study::small();
    let options = SessionOptions { memory_bytes: 64 << 20, threads: 1 };
    let session = Session::open(Arc::new(study.store().snapshot().unwrap()), options).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (page, text) in checked() {
        let asked = commands(&text).into_iter().filter(|words| words.get(1).is_some_and(|verb| verb == "sql"));
        let asked = asked.filter_map(|words| words.iter().skip_while(|word| *word != "-c").nth(1).cloned());
        let shown = blocks(&text).into_iter().filter(|(language, ..)| language == "sql").map(|(_, _, block)| block);
        for sql in asked.chain(shown) {
            count += 1;
            if let Err(error) = session.sql(&sql).and_then(|answer| answer.collect_batches()) {
                wrong.push(format!("{page}: {sql}\n{error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 3, "{count} statements");
}

/// A block of TOML is a spec, a part of one, or the manifest of an import.
#[test]
fn toml_on_the_pages_is_read() {
    for (page, text) in checked() {
        for (_, line, block) in blocks(&text).into_iter().filter(|(language, ..)| language == "toml") {
            let place = Path::new("");
            let least = "name = 'x'\n[[dataset]]\nname = 'os'\n";
            let split = if block.contains("[split]") { "" } else { "[split]\nmembers = 40\nshadows = 2\n" };
            let read = if block.contains("[[model]]") {
                ImportManifest::parse(&block, place).map(drop)
            } else if block.contains("[base.") {
                parse_bases(&block).map(drop)
            } else if block.contains("[[dataset]]") {
                Spec::parse(&block, place).map(drop)
            } else {
                Spec::parse(&format!("{least}{split}{block}"), place).map(drop)
            };
            assert!(read.is_ok(), "{page}, line {line}: {}", read.unwrap_err());
        }
    }
}
