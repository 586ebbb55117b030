//! SQL text cut into statements.

/// Where a character of SQL text is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Code,
    Quoted(char),
    LineComment,
    BlockComment,
}

/// Cuts text at the semicolons that are in no string and no comment; each statement comes with the
/// comments before it, without its semicolon. Pieces of comments and blanks only are left out.
pub fn split_statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut place = Place::Code;
    let mut start = 0;
    let mut has_code = false;
    let mut characters = text.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        place = match (place, character) {
            (Place::Code, ';') => {
                if has_code {
                    statements.push(text[start..offset].trim());
                }
                (start, has_code) = (offset + 1, false);
                Place::Code
            }
            (Place::Code, '-') if next == Some('-') => Place::LineComment,
            (Place::Code, '/') if next == Some('*') => Place::BlockComment,
            (Place::Code, quote @ ('\'' | '"')) => Place::Quoted(quote),
            (Place::Code, '$') => {
                let end = dollar_quoted(&text[offset..]).map_or(0, |length| offset + length);
                while characters.next_if(|(offset, _)| *offset < end).is_some() {}
                Place::Code
            }
            (Place::Quoted(quote), found) if found == quote => Place::Code,
            (Place::LineComment, '\n') => Place::Code,
            (Place::BlockComment, '*') if next == Some('/') => {
                characters.next();
                place = Place::Code;
                // Its last star is no code.
                continue;
            }
            (place, _) => place,
        };
        has_code |=
            matches!(place, Place::Code | Place::Quoted(_)) && !character.is_whitespace() && !";/".contains(character);
    }
    if has_code {
        statements.push(text[start..].trim());
    }
    statements
}

/// Bytes of a dollar-quoted string (`$$a;b$$`, `$tag$...$tag$`) at the start of a text, to its end where it is not
/// closed; `None` for a parameter (`$name`).
fn dollar_quoted(text: &str) -> Option<usize> {
    let (tag, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_tag = tag.chars().all(|character| character.is_alphanumeric() || character == '_')
        && !tag.starts_with(|first: char| first.is_ascii_digit());
    let mark = text.get(..tag.len() + 2).filter(|_| is_tag)?;
    let body = &text[mark.len()..];
    Some(body.find(mark).map_or(text.len(), |end| end + 2 * mark.len()))
}

/// True if text ends inside a statement (no closing semicolon): the shell then reads another line.
pub fn is_complete(text: &str) -> bool {
    let marked = format!("{text}\u{0}");
    split_statements(&marked).last().is_none_or(|last| last.trim_matches('\u{0}').trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_strings_and_comments_do_not_split() {
        let text = "-- a; b\nSELECT ';' AS x; /* ; */ SELECT \"a;b\" -- end;\n;\n-- only a comment;\n";
        let found = split_statements(text);
        assert_eq!(found, vec!["-- a; b\nSELECT ';' AS x", "/* ; */ SELECT \"a;b\" -- end;"]);
    }

    #[test]
    fn a_comment_alone_is_no_statement() {
        assert_eq!(split_statements("SELECT 1; /* c */"), ["SELECT 1"]);
        assert_eq!(split_statements("/* a */ SELECT 1; -- x\n/* b\n*/"), ["/* a */ SELECT 1"]);
    }

    #[test]
    fn semicolons_in_dollar_quoted_strings_do_not_split() {
        let found = split_statements("SELECT $$a;b$$ AS x; SELECT $t$;$$;$t$; SELECT $a + $b; SELECT $a");
        assert_eq!(found, vec!["SELECT $$a;b$$ AS x", "SELECT $t$;$$;$t$", "SELECT $a + $b", "SELECT $a"]);
        assert!(!is_complete("SELECT $$a;"));
        assert!(is_complete("SELECT $$a;$$;"));
    }

    #[test]
    fn a_statement_is_complete_at_its_semicolon_only() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("  \n"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT 1; SELECT 2"));
    }
}
