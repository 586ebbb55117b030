//! Statements about the session: transactions, SET and SHOW, cursors. What is accepted here changes how
//! answers look to this one client and nothing else; everything else is refused.

use super::error::refused;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Set, Statement, TransactionAccessMode, TransactionIsolationLevel, TransactionMode, Value,
};
use pgwire::api::ClientInfo;
use pgwire::error::PgWireResult;
use pgwire::messages::startup::ParameterStatus;
use std::collections::HashMap;
use std::time::Duration;

/// Settings that are kept for a client and obeyed in the text of values.
const SHOWN: &[&str] =
    &["datestyle", "bytea_output", "intervalstyle", "application_name", "extra_float_digits", "search_path"];

/// Under which name the limit of a statement is kept, in milliseconds.
const TIMEOUT: &str = "statement_timeout_ms";

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
    ("server_version", super::authentication::SERVER_VERSION),
    ("server_version_num", "160006"),
    ("max_identifier_length", "63"),
    ("integer_datetimes", "on"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("max_index_keys", "32"),
    ("default_tablespace", ""),
    ("default_table_access_method", "heap"),
    ("jit", "off"),
    ("row_security", "on"),
    ("ssl", "off"),
];

/// Names and default values of all settings.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEFAULTS.iter().copied().chain([("timezone", "UTC"), ("statement_timeout", "0")])
}

/// True for what a client may change.
pub(super) fn is_settable(name: &str) -> bool {
    SHOWN.contains(&name) || matches!(name, "timezone" | "statement_timeout")
}

/// What the statements of one client see of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// Its connection's number.
    pub process: i32,
    /// What it set.
    set: HashMap<String, String>,
}

impl Settings {
    pub fn of(client: &(impl ClientInfo + ?Sized)) -> Self {
        Self { process: client.pid_and_secret_key().0, set: client.metadata().clone() }
    }

    /// The value of a setting; `None` where there is no such setting.
    pub fn value(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let default = default_of(&name)?;
        let set = self.set.get(&name).filter(|_| is_settable(&name));
        Some(set.cloned().unwrap_or_else(|| default.to_owned()))
    }
}

/// Whether `set_config` may give a setting this value; `Some(true)` where it has to be kept.
pub(super) fn config(name: &str, value: &str) -> Option<bool> {
    let name = name.to_ascii_lowercase();
    if name == "search_path" && !value.contains("public") {
        return None;
    }
    if SHOWN.contains(&name.as_str()) {
        return Some(true);
    }
    let (_, allowed) = FIXED.iter().find(|(known, _)| *known == name)?;
    (allowed.is_empty() || allowed.contains(&value.to_ascii_lowercase().as_str())).then_some(false)
}

/// True for a statement about the session; others are questions to the study.
pub(super) fn is_session(statement: &Statement) -> bool {
    match statement {
        Statement::ShowVariable { variable } => is_shown(&name_of(variable)),
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
        | Statement::Prepare { .. }
        | Statement::Execute { immediate: false, .. }
        | Statement::Reset(_)
        | Statement::UNLISTEN { .. } => true,
        _ => false,
    }
}

/// The setting that `SHOW a b c` names.
pub(super) fn name_of(words: &[Ident]) -> String {
    let words: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
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
    SHOWN.contains(&name) || matches!(name, "timezone" | TIMEOUT)
}

/// How long a statement of this client may take.
pub(super) fn timeout(client: &(impl ClientInfo + ?Sized)) -> Option<Duration> {
    let milliseconds: u64 = client.metadata().get(TIMEOUT)?.parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// What a SET statement asks for.
pub(super) enum Change {
    /// A setting gets a value, in the client's metadata under this name.
    Keep { name: String, value: String },
    /// Nothing that would change anything.
    Nothing,
}

impl Change {
    /// Keeps it for the client; gives what the client is to be told of it.
    pub fn apply(self, client: &mut (impl ClientInfo + ?Sized)) -> Option<ParameterStatus> {
        let Self::Keep { name, value } = self else { return None };
        let reported = match name.as_str() {
            "datestyle" => Some("DateStyle"),
            "intervalstyle" => Some("IntervalStyle"),
            "timezone" => Some("TimeZone"),
            "application_name" => Some("application_name"),
            _ => None,
        };
        client.metadata_mut().insert(name, value.clone());
        reported.map(|name| ParameterStatus::new(name.to_owned(), value))
    }
}

/// Accepts or refuses a SET statement.
pub(super) fn change(set: &Set) -> PgWireResult<Change> {
    match set {
        Set::SingleAssignment { scope: None, hivevar: false, variable, values } => {
            let name = variable.to_string().to_ascii_lowercase();
            let given: Vec<String> = values.iter().map(|value| plain_text(value).to_ascii_lowercase()).collect();
            // Names are looked up in `public` whatever the path says.
            if name == "search_path" && !given.iter().any(|value| value.contains("public")) {
                let message = format!("`search_path` has to contain public, found `{}`", given.join(", "));
                return Err(refused("22023", &message, Some("write schema.name for other schemas")));
            }
            if name == "statement_timeout" {
                let value = milliseconds(given.first().map_or("", String::as_str))?;
                return Ok(Change::Keep { name: TIMEOUT.to_owned(), value });
            }
            if SHOWN.contains(&name.as_str()) {
                let value = values.iter().map(plain_text).collect::<Vec<_>>().join(", ");
                return Ok(Change::Keep { name, value });
            }
            match FIXED.iter().find(|(known, _)| *known == name) {
                Some((_, [])) => Ok(Change::Nothing),
                Some((_, allowed)) if given.iter().all(|value| allowed.contains(&value.as_str())) => {
                    Ok(Change::Nothing)
                }
                Some((_, allowed)) => Err(refused(
                    "22023",
                    &format!("`{name}` is always {}, found `{}`", allowed.first().unwrap_or(&""), given.join(", ")),
                    None,
                )),
                None => Err(unknown(&name)),
            }
        }
        Set::SetTimeZone { local: false, value } => {
            Ok(Change::Keep { name: "timezone".to_owned(), value: plain_text(value) })
        }
        Set::SetNames { charset_name, .. } if charset_name.value.to_ascii_lowercase().starts_with("utf") => {
            Ok(Change::Nothing)
        }
        Set::SetTransaction { modes, snapshot: None, .. } => modes.iter().try_for_each(mode).map(|()| Change::Nothing),
        other => Err(unknown(&other.to_string())),
    }
}

fn unknown(name: &str) -> pgwire::error::PgWireError {
    refused(
        "42704",
        &format!("`{name}` cannot be set here: clients change how answers look, not how the study is read"),
        Some("limits are options of `syntrace serve`, such as --memory"),
    )
}

/// A value of SET without its quotes.
fn plain_text(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    }
}

/// A time of PostgreSQL (`300ms`, `2s`, `1min`, milliseconds where no unit is said) in milliseconds.
fn milliseconds(text: &str) -> PgWireResult<String> {
    let digits = text.trim().trim_end_matches(|one: char| one.is_ascii_alphabetic()).trim_end();
    let factor = match text.trim()[digits.len()..].trim() {
        "" | "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let time = digits.parse::<u64>().ok().zip(factor).and_then(|(time, factor)| time.checked_mul(factor));
    let refusal = || refused("22023", &format!("expected a time such as 300ms or 2s, found `{text}`"), None);
    time.map(|time| time.to_string()).ok_or_else(refusal)
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
