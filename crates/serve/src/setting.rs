//! Statements about the session: transactions, SET and SHOW, cursors. What is accepted here changes how
//! answers look to this one client and nothing else; everything else is refused.

use super::encode::refused;
use datafusion::sql::sqlparser::ast::{
    Expr, Set, Statement, TransactionAccessMode, TransactionIsolationLevel, TransactionMode, Value,
};
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::error::PgWireResult;
use std::time::Duration;

/// Settings that [`datafusion_postgres`] keeps for a client and obeys in the text of values.
const SHOWN: &[&str] =
    &["datestyle", "bytea_output", "intervalstyle", "application_name", "extra_float_digits", "search_path"];

/// Settings that may be set to what they are anyway, or that mean nothing where nothing is written.
const FIXED: &[(&str, &[&str])] = &[
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("standard_conforming_strings", &["on", "true"]),
    ("default_transaction_read_only", &["on", "true"]),
    ("default_transaction_isolation", &["read committed"]),
    ("client_min_messages", &[]),
    ("lock_timeout", &[]),
    ("idle_in_transaction_session_timeout", &[]),
    ("synchronize_seqscans", &[]),
    ("row_security", &[]),
    ("jit", &[]),
];

/// What is shown where nothing was set.
const DEFAULTS: &[(&str, &str)] = &[
    ("datestyle", "ISO, MDY"),
    ("bytea_output", "hex"),
    ("intervalstyle", "postgres"),
    ("application_name", ""),
    ("extra_float_digits", "1"),
    ("search_path", "public"),
    ("client_encoding", "UTF8"),
    ("server_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "read committed"),
    ("server_version", super::door::SERVER_VERSION),
    ("server_version_num", "160006"),
    ("max_identifier_length", "63"),
    ("integer_datetimes", "on"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
];

/// True for a statement about the session; others are questions to the study.
pub(super) fn is_session(statement: &Statement) -> bool {
    match statement {
        Statement::ShowVariable { variable } => {
            let words: Vec<&str> = variable.iter().map(|word| word.value.as_str()).collect();
            is_shown(&name_of(&words))
        }
        Statement::Set(_)
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Close { .. }
        | Statement::Discard { .. }
        | Statement::Deallocate { .. }
        | Statement::Reset(_)
        | Statement::UNLISTEN { .. } => true,
        _ => false,
    }
}

/// The setting that `SHOW a b c` names.
pub(super) fn name_of(words: &[&str]) -> String {
    match words.join(" ").to_ascii_lowercase().as_str() {
        "transaction isolation level" => "transaction_isolation".to_owned(),
        "time zone" => "timezone".to_owned(),
        other => other.to_owned(),
    }
}

fn is_shown(name: &str) -> bool {
    default_of(name).is_some()
}

/// The value of a setting where nothing was set.
pub(super) fn default_of(name: &str) -> Option<&'static str> {
    match name {
        "timezone" => Some("UTC"),
        "statement_timeout" => Some("0"),
        _ => DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value),
    }
}

/// The value of a setting for a client.
pub(super) fn shown(name: &str, client: &(impl ClientInfo + ?Sized)) -> String {
    let set = client.metadata().get(name).cloned();
    match name {
        "timezone" => set.unwrap_or_else(|| "UTC".to_owned()),
        "statement_timeout" => timeout(client).map_or("0".to_owned(), |limit| format!("{}ms", limit.as_millis())),
        _ => {
            let default = default_of(name).unwrap_or_default();
            let settable = SHOWN.contains(&name);
            set.filter(|_| settable).unwrap_or_else(|| default.to_owned())
        }
    }
}

/// True for what a client set and RESET takes back.
pub(super) fn is_kept(name: &str) -> bool {
    SHOWN.contains(&name) || matches!(name, "timezone" | "statement_timeout_ms")
}

/// How long a statement of this client may take.
pub(super) fn timeout(client: &(impl ClientInfo + ?Sized)) -> Option<Duration> {
    let milliseconds: u64 = client.metadata().get("statement_timeout_ms")?.parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// What a SET statement asks for.
pub(super) enum Wish {
    /// A setting that the protocol library keeps.
    Kept,
    /// Nothing that would change anything.
    Nothing,
}

/// Accepts or refuses a SET statement.
pub(super) fn wish(set: &Set) -> PgWireResult<Wish> {
    match set {
        Set::SingleAssignment { scope: None, hivevar: false, variable, values } => {
            let name = variable.to_string().to_ascii_lowercase();
            let given: Vec<String> = values.iter().map(text_of).collect();
            // Names are looked up in `public` whatever the path says.
            if name == "search_path" && !given.iter().any(|value| value.contains("public")) {
                let message = format!("`search_path` has to contain public, found `{}`", given.join(", "));
                return Err(refused("22023", &message, Some("write schema.name for other schemas")));
            }
            if SHOWN.contains(&name.as_str()) || name == "statement_timeout" {
                return Ok(Wish::Kept);
            }
            match FIXED.iter().find(|(known, _)| *known == name) {
                Some((_, [])) => Ok(Wish::Nothing),
                Some((_, allowed)) if given.iter().all(|value| allowed.contains(&value.as_str())) => Ok(Wish::Nothing),
                Some((_, allowed)) => Err(refused(
                    "22023",
                    &format!("`{name}` is always {}, found `{}`", allowed.first().unwrap_or(&""), given.join(", ")),
                    None,
                )),
                None => Err(unknown(&name)),
            }
        }
        Set::SetTimeZone { local: false, .. } => Ok(Wish::Kept),
        Set::SetNames { charset_name, .. } if charset_name.value.to_ascii_lowercase().starts_with("utf") => {
            Ok(Wish::Nothing)
        }
        Set::SetTransaction { modes, snapshot: None, .. } => modes.iter().try_for_each(mode).map(|()| Wish::Nothing),
        other => Err(unknown(&other.to_string())),
    }
}

fn unknown(name: &str) -> datafusion_postgres::pgwire::error::PgWireError {
    refused(
        "42704",
        &format!("`{name}` cannot be set here: clients change how answers look, not how the study is read"),
        Some("limits are options of `syntrace serve`, such as --memory"),
    )
}

fn text_of(value: &Expr) -> String {
    let text = match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    };
    text.to_ascii_lowercase()
}

/// Refuses a transaction that would promise more than one snapshot a statement.
pub(super) fn mode(mode: &TransactionMode) -> PgWireResult<()> {
    match mode {
        TransactionMode::IsolationLevel(
            TransactionIsolationLevel::ReadCommitted | TransactionIsolationLevel::ReadUncommitted,
        )
        | TransactionMode::AccessMode(TransactionAccessMode::ReadOnly) => Ok(()),
        // SQLAlchemy and JDBC say so by default and then only read; what writes is refused when it comes.
        TransactionMode::AccessMode(TransactionAccessMode::ReadWrite) => Ok(()),
        TransactionMode::IsolationLevel(level) => Err(refused(
            "0A000",
            &format!(
                "a transaction here is READ COMMITTED (each statement sees the newest finished job), found {level}"
            ),
            Some("ask in one statement what has to agree"),
        )),
    }
}
