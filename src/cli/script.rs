//! Splits the text for `syntrace sql` into statements and commands.

use crate::query::split_statements;

/// Words that leave or help, as other shells know them; alone on a line they are no SQL.
const BARE: [(&str, &str); 3] = [("exit", ".quit"), ("quit", ".quit"), ("help", ".help")];

/// Text without the byte order mark that some editors put in front.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The command of a line, if it is one rather than a part of a statement: it begins with a dot or a backslash, or is
/// `exit`, `quit` or `help`.
pub(super) fn command_of(line: &str) -> Option<&str> {
    let line = without_comment(line);
    let word = line.trim_end_matches(';').trim_end();
    let bare = BARE.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, command)| *command);
    bare.or_else(|| line.starts_with(['.', '\\']).then_some(line))
}

/// A line without the whole comments that it begins with.
fn without_comment(line: &str) -> &str {
    let line = line.trim();
    match line.strip_prefix("/*").and_then(|open| open.split_once("*/")) {
        Some((_, rest)) => without_comment(rest),
        None => line,
    }
}

/// True where the next line begins something new: no statement, quote or comment of the text is open.
pub(super) fn at_start(text: &str) -> bool {
    // A word after it starts a new statement.
    split_statements(&format!("{text}\nx")).len() == split_statements(text).len() + 1
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line that is a command.
    Command(String),
    /// Statements.
    Statements(String),
}

/// Cuts a text into commands (a line each, where no statement is under way) and runs of statements. A statement may
/// end in `\g FILE` instead of `;`, as in psql: its answer goes to the file.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let (mut pieces, mut pending) = (Vec::new(), String::new());
    for line in without_mark(text).lines() {
        if let Some(command) = command_of(line)
            && at_start(&pending)
        {
            flush(&mut pieces, &mut pending);
            pieces.push(Piece::Command(command.to_owned()));
            continue;
        }
        match go(&pending, line) {
            Some((statement, file)) => {
                if !file.is_empty() {
                    let mut earlier = split_off_last(&mut pending, statement);
                    flush(&mut pieces, &mut earlier);
                    pieces.push(Piece::Command(format!(".once {file}")));
                }
                pending.push_str(statement);
                pending.push_str(";\n");
                flush(&mut pieces, &mut pending);
            }
            None => {
                pending.push_str(line);
                pending.push('\n');
            }
        }
    }
    flush(&mut pieces, &mut pending);
    pieces
}

fn flush(pieces: &mut Vec<Piece>, pending: &mut String) {
    let text = std::mem::take(pending);
    if !text.trim().is_empty() {
        pieces.push(Piece::Statements(text));
    }
}

/// Takes all complete statements but the one under way out of the text before a `\g`.
fn split_off_last(pending: &mut String, line: &str) -> String {
    let whole = format!("{pending}{line}");
    let last = split_statements(&whole).last().map_or(0, |last| last.len());
    // The statement under way begins that far from the end.
    let start = whole.trim_end().len().saturating_sub(last).min(pending.len());
    let rest = if pending.is_char_boundary(start) { pending.split_off(start) } else { std::mem::take(pending) };
    std::mem::replace(pending, rest)
}

/// What stands before a `\g` that ends a line, and the file behind it; not inside quotes or comments.
fn go<'a>(pending: &str, line: &'a str) -> Option<(&'a str, &'a str)> {
    let at = line.rfind("\\g")?;
    let (before, after) = (&line[..at], &line[at + 2..]);
    let ends = after.is_empty() || after.starts_with(char::is_whitespace);
    let open = format!("{pending}{before}");
    // A semicolon that ends the statement under way proves that it stands in no quote.
    (ends && !at_start(&open) && at_start(&format!("{open};"))).then(|| (before.trim_end(), after.trim()))
}

/// True once a text of the shell can be run.
pub(super) fn is_ready(text: &str) -> bool {
    let last = text.lines().last().unwrap_or_default();
    let before = text.strip_suffix('\n').unwrap_or(text);
    let before = before.strip_suffix(last).unwrap_or_default();
    at_start(text) || (at_start(before) && command_of(last).is_some()) || go(before, last).is_some()
}

/// Number of statements of a text, commands left out.
pub(super) fn statement_count(text: &str) -> usize {
    let count = |piece: &Piece| match piece {
        Piece::Statements(text) => split_statements(text).len(),
        Piece::Command(_) => 0,
    };
    pieces(text).iter().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let text_of = |piece| match piece {
            Piece::Command(text) => format!("! {text}"),
            Piece::Statements(text) => text.trim().to_owned(),
        };
        pieces(text).into_iter().map(text_of).collect()
    }

    #[test]
    fn a_comment_or_a_byte_order_mark_before_a_command_hides_it_not() {
        assert_eq!(of("-- first\n.tables\nSELECT 1;"), ["-- first", "! .tables", "SELECT 1;"]);
        assert_eq!(of("/* a */ .tables\n/* b *//* c */\nexit"), ["! .tables", "/* b *//* c */", "! .quit"]);
        assert_eq!(of("\u{feff}.tables"), ["! .tables"]);
        assert_eq!(of("SELECT 1; -- done\n.tables"), ["SELECT 1; -- done", "! .tables"]);
        assert_eq!(of("/* open\n.tables\n*/ SELECT 1;"), ["/* open\n.tables\n*/ SELECT 1;"]);
        assert_eq!(of("SELECT '\n.tables\n';"), ["SELECT '\n.tables\n';"]);
        assert_eq!(of("SELECT 1 +\n.5;"), ["SELECT 1 +\n.5;"], "a number, not a command");
    }

    #[test]
    fn words_of_other_shells_are_commands_only_where_a_statement_may_begin() {
        assert_eq!(of("exit"), ["! .quit"]);
        assert_eq!(of("QUIT;"), ["! .quit"]);
        assert_eq!(of(" help "), ["! .help"]);
        assert_eq!(of("SELECT 1 AS\nhelp\n;"), ["SELECT 1 AS\nhelp\n;"]);
    }

    #[test]
    fn a_statement_ends_in_g_and_its_answer_goes_to_the_file() {
        assert_eq!(of("SELECT 1 \\g"), ["SELECT 1;"]);
        assert_eq!(
            of("SELECT 1; SELECT\n2 \\g a.csv\nSELECT 3;"),
            ["SELECT 1;", "! .once a.csv", "SELECT\n2;", "SELECT 3;"]
        );
        assert_eq!(of("SELECT 1\n\\g"), ["SELECT 1\n;"]);
        assert_eq!(of("SELECT ' \\g';"), ["SELECT ' \\g';"]);
        assert_eq!(of("SELECT 1 -- \\g\n;"), ["SELECT 1 -- \\g\n;"]);
    }

    #[test]
    fn the_shell_reads_on_until_a_statement_is_whole() {
        for text in ["", "-- a\n", "SELECT 1;\n", ".tables\n", "exit\n", "SELECT 1 \\g\n", "SELECT 1\n\\g x.csv\n"] {
            assert!(is_ready(text), "{text:?}");
        }
        for text in ["SELECT 1\n", "SELECT '\n.tables\n", "/* a\n", "SELECT 1 AS\nhelp\n"] {
            assert!(!is_ready(text), "{text:?}");
        }
    }
}
