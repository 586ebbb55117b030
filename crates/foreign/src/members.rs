//! Membership lists: which traces a model was trained on and which were held out.

use super::attributes::TraceName;
use super::csv::{Csv, flag};
use syntrace_base::error::{Error, Result};

/// One line of a membership list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// The trace.
    pub trace: TraceName,
    /// Trained on, or held out?
    pub member: bool,
}

/// Reads a CSV with a column `trace` (or `trace_id`, `capture`), optionally `first_packet`, and a column
/// `member` (or `part`): `1`, `true`, `member` against `0`, `false`, `held_out`.
///
/// # Errors
/// `user` where a column is missing or a value is neither.
pub fn read_members(text: &str) -> Result<Vec<MemberRow>> {
    let csv = Csv::parse(text)?;
    let names = names(&csv, "a membership list is a CSV with the columns trace,member")?;
    let column = csv.column(&["member", "part"]).ok_or_else(|| {
        Error::user(format!("expected a column `member`, found `{}`", csv.header.join("`, `")))
            .hint("a membership list is a CSV with the columns trace,member")
    })?;
    let rows = csv.rows.iter().zip(names).enumerate().map(|(at, (row, trace))| {
        let text = row.get(column).map_or("", String::as_str);
        let member = flag(text)
            .ok_or_else(|| Error::user(format!("row {at}: expected `1` (member) or `0` (held out), found `{text}`")))?;
        Ok(MemberRow { trace, member })
    });
    rows.collect()
}

/// Reads a CSV of traces alone, by the columns that [`read_members`] knows; others are left out.
///
/// # Errors
/// `user` where no column names traces, or there is no row.
pub fn read_traces(text: &str) -> Result<Vec<TraceName>> {
    names(&Csv::parse(text)?, "a list of traces is a CSV with the column trace")
}

fn names(csv: &Csv, hint: &str) -> Result<Vec<TraceName>> {
    let trace = csv.column(&["trace", "trace_id", "capture"]).ok_or_else(|| {
        Error::user(format!("expected a column `trace`, found `{}`", csv.header.join("`, `"))).hint(hint)
    })?;
    let first_packet = csv.column(&["first_packet"]);
    if csv.rows.is_empty() {
        return Err(Error::user("expected a list of traces, found an empty one"));
    }
    let name = |(at, row): (usize, &Vec<String>)| {
        let field = |column: usize| row.get(column).map_or("", String::as_str);
        let text = match first_packet.map(field).map(str::trim).filter(|packet| !packet.is_empty()) {
            Some(packet) => format!("{}#{packet}", field(trace).trim()),
            None => field(trace).to_owned(),
        };
        TraceName::parse(&text).map_err(|error| error.context(format!("row {at}")))
    };
    csv.rows.iter().enumerate().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_export_of_a_split_and_plain_flags_are_read() {
        let rows = read_members("trace_id,part\n12,member\n13,held_out\n").unwrap();
        assert_eq!(rows.iter().map(|row| row.member).collect::<Vec<_>>(), [true, false]);
        let rows = read_members("capture,first_packet,member\na.pcap,5,1\nb.pcap,,0\n").unwrap();
        assert_eq!(rows[0].trace.to_string(), "a.pcap#5");
        assert_eq!(rows[1].trace.to_string(), "b.pcap");
        let rows = read_members("trace,member\n1,1.0\n2,0.0\n").unwrap();
        assert_eq!(rows.iter().map(|row| row.member).collect::<Vec<_>>(), [true, false]);
        for wrong in
            ["trace\n1\n", "trace,member\n1,maybe\n", "trace,member\n1,0.5\n", "trace,member\n", "member,x\n1,2\n"]
        {
            assert!(read_members(wrong).is_err(), "{wrong}");
        }
    }
}
