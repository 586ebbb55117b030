//! Limits on the nesting of statements: trees that would overflow the stack, and nesting whose parsing or planning time
//! doubles with each level. Untrusted text must crash or block neither the program nor the server.

use super::expansion_limits::require_bounded;
use super::walk::walk;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{TableFactor, Visitor};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, PostgreSqlDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use std::ops::ControlFlow;
use syntrace_base::error::{Error, Result};

/// Keywords and operators of a statement. Each may add a level to its tree, and parsing, walking and dropping a tree
/// are recursive: 2,000 times `EXPLAIN` overflow the 8 MB of a main thread (not 16), 4,000 times `+` the 2 MB of a
/// worker.
const NESTING_MAX: usize = 2_000;

/// Levels of constructs that the parser tries in several ways (backtracking) or the planner plans several times: 20
/// unclosed `CAST(` take two seconds, 48 would take years. Other brackets may nest up to the parser's limit of 50.
const LEVELS_MAX: usize = 16;

/// Tables that a statement reads, by name or made on the spot: a list of them is planned as a chain of joins.
const TABLES_MAX: usize = 200;

/// `INTERSECT` and `EXCEPT` of a statement, planned as joins within joins: 100 take 0.2 seconds, 200 no end.
const INTERSECTIONS_MAX: usize = 100;

/// Stack size for parsing, planning and running statements.
pub const STACK_BYTES: usize = 32 << 20;

/// Refuses text that nests too deeply, before it is parsed. Lists of values (`IN`, `VALUES`) nest nothing, however
/// long they are.
pub fn require_shallow(text: &str) -> Result<()> {
    // The server parses in both dialects; `1#1` is three tokens in one and two in the other.
    require_shallow_in(&GenericDialect {}, text)?;
    require_shallow_in(&PostgreSqlDialect {}, text)
}

fn require_shallow_in(dialect: &dyn Dialect, text: &str) -> Result<()> {
    // Text that is not SQL is left for the parser to reject.
    let Ok(mut tokens) = Tokenizer::new(dialect, text).tokenize() else { return Ok(()) };
    tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
    let refused = |most: usize, what: &str, found: usize, hint: &str| {
        Err(Error::user(format!("expected at most {most} {what}, found {found}")).hint(hint.to_owned()))
    };
    let found = tokens.iter().filter(|token| nests(token)).count();
    if found > NESTING_MAX {
        let hint = "write long chains of OR as `x IN (...)`, long chains of UNION as `VALUES (...), (...)`";
        return refused(NESTING_MAX, "keywords and operators", found, hint);
    }
    let found = levels(&tokens);
    if found > LEVELS_MAX {
        let hint = "name inner queries with WITH and compute inner values there";
        return refused(LEVELS_MAX, "levels of nested CASE, CAST, lists and subqueries", found, hint);
    }
    let intersects =
        |token: &&Token| matches!(keyword(token), Some(Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS));
    let found = tokens.iter().filter(intersects).count();
    if found > INTERSECTIONS_MAX {
        return refused(INTERSECTIONS_MAX, "INTERSECT and EXCEPT", found, "write `x IN (...)` or `x NOT IN (...)`");
    }
    Ok(())
}

/// The keyword that a token may be.
fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.keyword != Keyword::NoKeyword => Some(word.keyword),
        _ => None,
    }
}

/// May a token make the tree deeper? Whatever is not known to be part of a flat list may.
fn nests(token: &Token) -> bool {
    match token {
        Token::Word(_) => !matches!(
            keyword(token),
            None | Some(
                Keyword::NULL
                    | Keyword::TRUE
                    | Keyword::FALSE
                    | Keyword::DATE
                    | Keyword::TIMESTAMP
                    | Keyword::AS
                    | Keyword::ASC
                    | Keyword::DESC
            )
        ),
        Token::LParen | Token::RParen | Token::RBracket | Token::RBrace => false,
        Token::Comma | Token::Period | Token::SemiColon | Token::EOF => false,
        _ => !is_literal(token),
    }
}

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
    )
}

/// An open bracket or keyword, and how many levels of nesting it counts.
struct Open {
    closes: Token,
    levels: usize,
    /// Does it enclose tables rather than values?
    tables: bool,
}

/// The deepest nesting of constructs whose cost doubles with each level.
fn levels(tokens: &[Token]) -> usize {
    let mut open: Vec<Open> = Vec::new();
    let (mut depth, mut deepest) = (0, 0);
    // A NOT of an expression is one more level of what opens in it.
    let mut negated = false;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let next = tokens.get(at + 1);
        let bracket = |closes: Token| Some(Open { closes, levels: 1, tables: false });
        let opened = match token {
            Token::LParen => Some(parenthesis(before, next, open.last().is_some_and(|last| last.tables))),
            Token::LBracket => bracket(Token::RBracket),
            Token::LBrace => bracket(Token::RBrace),
            _ => match keyword(token) {
                Some(Keyword::CASE) => bracket(Token::make_keyword("END")),
                // Nested INTERVALs have no closing token.
                Some(Keyword::INTERVAL) if !next.is_some_and(is_literal) => {
                    depth += 1;
                    None
                }
                _ => None,
            },
        };
        negated = match token {
            Token::Comma => false,
            _ => negated || negates(token, before, next),
        };
        if let Some(mut opened) = opened {
            opened.levels += usize::from(std::mem::take(&mut negated));
            depth += opened.levels;
            open.push(opened);
        } else if open.last().is_some_and(|last| closes(&last.closes, token, before)) {
            depth -= open.pop().map_or(0, |last| last.levels);
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Is a token the NOT of an expression, and not of `IS NOT`, `NOT IN` and their like?
fn negates(token: &Token, before: Option<&Token>, next: Option<&Token>) -> bool {
    let part_of_operator = matches!(
        next.and_then(keyword),
        Some(Keyword::NULL | Keyword::IN | Keyword::BETWEEN | Keyword::LIKE | Keyword::ILIKE | Keyword::SIMILAR)
    );
    keyword(token) == Some(Keyword::NOT) && before.and_then(keyword) != Some(Keyword::IS) && !part_of_operator
}

/// What a parenthesis opens, by the tokens before and after it. Those of most functions, of expressions and of lists
/// are parsed and planned once.
fn parenthesis(before: Option<&Token>, next: Option<&Token>, among_tables: bool) -> Open {
    let is_query = matches!(
        next.and_then(keyword),
        Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM | Keyword::TABLE)
    );
    let goes_on = matches!(before, Some(Token::LParen | Token::Comma));
    let tables = match before.and_then(keyword) {
        Some(Keyword::FROM | Keyword::JOIN | Keyword::LATERAL) => true,
        _ => among_tables && goes_on,
    };
    let levels = match before.and_then(keyword) {
        Some(Keyword::ALL | Keyword::ANY | Keyword::SOME | Keyword::POSITION) => 2,
        // Keywords with special syntax; where that fails, the parser tries again to read a function.
        Some(
            Keyword::CAST
            | Keyword::TRY_CAST
            | Keyword::SAFE_CAST
            | Keyword::CONVERT
            | Keyword::TRY_CONVERT
            | Keyword::EXISTS
            | Keyword::EXTRACT
            | Keyword::CEIL
            | Keyword::FLOOR
            | Keyword::SUBSTR
            | Keyword::SUBSTRING
            | Keyword::OVERLAY
            | Keyword::TRIM
            | Keyword::ARRAY
            | Keyword::MATCH
            | Keyword::STRUCT
            | Keyword::ROW
            | Keyword::MAP
            | Keyword::LAMBDA
            | Keyword::EXPLAIN,
        ) => 1,
        _ => usize::from(is_query || tables),
    };
    Open { closes: Token::RParen, levels, tables }
}

/// Does a token close what is open? `END` may also be a name, wherever a value may stand.
fn closes(open: &Token, token: &Token, before: Option<&Token>) -> bool {
    if keyword(open) != Some(Keyword::END) {
        return open == token;
    }
    let is_value = before.is_some_and(|before| match keyword(before) {
        Some(keyword) => matches!(
            keyword,
            Keyword::CASE
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE
                | Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::BETWEEN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::TO
                | Keyword::FROM
                | Keyword::INTERVAL
                | Keyword::PRIOR
                | Keyword::ESCAPE
                | Keyword::COLLATE
                | Keyword::DIV
                | Keyword::REGEXP
                | Keyword::RLIKE
        ),
        None => nests(before) || matches!(before, Token::Period | Token::Comma),
    });
    keyword(token) == Some(Keyword::END) && !is_value
}

/// Refuses lists of tables that would be planned as a deep tree.
pub(crate) fn require_few_tables(statement: &Statement) -> Result<()> {
    let statement = match statement {
        Statement::Explain(explain) => return require_few_tables(&explain.statement),
        Statement::Statement(statement) => statement.as_ref(),
        _ => return Ok(()),
    };
    require_bounded(statement)?;
    let mut found = Tables(0);
    let _ = walk(statement, &mut found);
    if found.0 <= TABLES_MAX {
        return Ok(());
    }
    Err(Error::user(format!("expected at most {TABLES_MAX} tables, found {}", found.0)))
}

/// Counts tables of any kind.
struct Tables(usize);

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_table_factor(&mut self, _table: &TableFactor) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::parse;

    fn refusal(text: &str) -> String {
        require_shallow(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn long_chains_are_refused_and_long_lists_are_not() {
        let chain = |joint: &str, count: usize| format!("SELECT {}", vec!["a"; count].join(joint));
        let joints =
            [" OR ", "+", " UNION SELECT ", " JOIN ", "::text::", " = ", " IS NULL AND ", " NOTNULL ", " PIVOT ", "#"];
        for joint in joints {
            assert_eq!(refusal(&chain(joint, 200)), "", "{joint}");
            let error = refusal(&chain(joint, 20_000));
            assert!(error.contains("expected at most 2000 keywords and operators"), "{joint}: {error}");
        }
        let list = |value: &str| format!("SELECT 1 WHERE a IN ({})", vec![value; 50_000].join(", "));
        for value in ["'x+1'", "1.5", "NULL", "DATE '2020-01-01'", "b"] {
            assert_eq!(refusal(&list(value)), "", "{value}");
        }
        assert_eq!(refusal("SELECT 'no end"), "", "the parser says what is wrong");
        assert_eq!(refusal(&vec!["SELECT 1"; 101].join(" EXCEPT ")), "");
        assert!(refusal(&vec!["SELECT 1"; 102].join(" INTERSECT ")).contains("100 INTERSECT and EXCEPT, found 101"));
    }

    /// Constructs whose cost doubles per level are rejected where they would take seconds, closed or not.
    #[test]
    fn levels_that_double_are_few_and_others_many() {
        for (open, close, each) in [
            ("CASE WHEN true THEN ", " END", 1),
            ("CASE WHEN end THEN ", " END", 1),
            ("CAST(", " AS int)", 1),
            ("ARRAY[", "]", 1),
            ("[", "]", 1),
            ("{'a': ", "}", 1),
            ("ROW(", ")", 1),
            ("(SELECT ", ")", 1),
            ("EXISTS (SELECT ", ")", 1),
            ("SUBSTRING(", " FROM 1)", 1),
            ("1 FROM (", ")", 1),
            ("NOT (", ")", 1),
            ("a AND NOT a = abs(", ")", 1),
            ("POSITION((", ") IN 'a')", 2),
            ("1 = ALL(ARRAY[", "])", 3),
            ("INTERVAL ", "", 1),
        ] {
            let nested = |count: usize| format!("SELECT {}'1'{}", open.repeat(count), close.repeat(count));
            // The last INTERVAL stands before its value.
            let most = LEVELS_MAX / each + usize::from(close.is_empty());
            assert_eq!(refusal(&nested(most)), "", "{open}");
            assert!(refusal(&nested(most + 1)).contains("at most 16 levels"), "{open}");
            assert!(refusal(&format!("SELECT {}", open.repeat(40))).contains("at most 16 levels"), "{open}");
            let side_by_side = format!("SELECT {}", vec![format!("{open}'1'{close}"); 60].join(", "));
            assert_eq!(refusal(&side_by_side), "", "{open}");
        }
        let tables = |count: usize| format!("SELECT 1 FROM {}a{}", "(".repeat(count), ")".repeat(count));
        assert_eq!(refusal(&tables(16)), "");
        assert!(refusal(&tables(17)).contains("at most 16 levels"));
        for open in ["(", "abs(", "a AND (", "a IN (", "a NOT IN (", "a IS NOT NULL AND (", "coalesce(1, "] {
            assert_eq!(refusal(&format!("SELECT {}", open.repeat(48))), "", "{open}");
        }
    }

    #[test]
    fn an_end_closes_a_case_whatever_its_last_value_is_called() {
        for value in ["1", "name", "value", "class", "'x'", "NULL", "f(1)", "a.end", "end"] {
            let cases = vec![format!("CASE WHEN a THEN 1 ELSE {value} END"); 40];
            assert_eq!(refusal(&format!("SELECT {}", cases.join(", "))), "", "{value}");
        }
    }

    #[test]
    fn long_lists_of_tables_are_refused() {
        for table in ["models", "(VALUES (1))", "unnest([1])", "generate_series(1, 2)"] {
            let text = |count: usize| format!("EXPLAIN SELECT 1 FROM {}", vec![table; count].join(", "));
            require_few_tables(&parse(&text(TABLES_MAX)).unwrap()).unwrap();
            let error = require_few_tables(&parse(&text(TABLES_MAX + 1)).unwrap()).unwrap_err().to_string();
            assert!(error.contains("expected at most 200 tables, found 201"), "{error}");
        }
    }
}
