//! Training logs: CSV with a header, or one JSON object a line.

use super::csv::Csv;
use std::collections::HashSet;
use syntrace_base::error::{Error, Result};

/// One epoch of an external training; `None` where its log has no value.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEpoch {
    /// Number, as the log counts.
    pub epoch: u32,
    /// Steps taken at its end.
    pub step: Option<u64>,
    /// Mean loss of the traces in its batches.
    pub train_loss: Option<f64>,
    /// Mean loss of all members at its end.
    pub member_loss: Option<f64>,
    /// Mean loss of all held-out traces at its end.
    pub held_out_loss: Option<f64>,
    /// Mean per-trace gradient norm before clipping.
    pub gradient_norm: Option<f64>,
    /// Share of gradients that were clipped.
    pub clipped_fraction: Option<f64>,
    /// Traces drawn in it.
    pub traces: Option<u64>,
    /// Its wall time.
    pub seconds: Option<f64>,
}

const NAMES: [&str; 9] = [
    "epoch",
    "step",
    "train_loss",
    "member_loss",
    "held_out_loss",
    "gradient_norm",
    "clipped_fraction",
    "traces",
    "seconds",
];

/// Reads a log. Known columns are those of the table `epochs`; `epoch` must be there, others may be
/// missing or empty, unknown ones are ignored. `val_loss`, `valid_loss` and `test_loss` are read as
/// `held_out_loss`.
///
/// # Errors
/// `user` for a log without epochs or losses, an epoch that is there twice, numbers that are not finite.
pub fn read_log(text: &str) -> Result<Vec<LoggedEpoch>> {
    let lines = if text.trim_start().starts_with('{') { json_lines(text)? } else { csv_lines(text)? };
    let mut out: Vec<LoggedEpoch> = Vec::with_capacity(lines.len());
    let mut seen = HashSet::new();
    for (at, values) in lines.into_iter().enumerate() {
        let row = epoch(&values).map_err(|error| error.context(format!("row {at}")))?;
        if !seen.insert(row.epoch) {
            return Err(Error::user(format!("row {at}: epoch {} occurs twice", row.epoch)));
        }
        out.push(row);
    }
    if !out.iter().any(|row| row.train_loss.or(row.member_loss).or(row.held_out_loss).is_some()) {
        return Err(Error::user("expected at least one of train_loss, member_loss and held_out_loss, found none")
            .hint(format!("known columns: {}", NAMES.join(", "))));
    }
    out.sort_by_key(|row| row.epoch);
    Ok(out)
}

/// Values by the place of their name in [`NAMES`].
type Line = [Option<f64>; NAMES.len()];

fn place(name: &str) -> Option<usize> {
    let name = match name {
        "val_loss" | "valid_loss" | "test_loss" => "held_out_loss",
        "loss" => "train_loss",
        other => other,
    };
    NAMES.iter().position(|known| *known == name)
}

fn csv_lines(text: &str) -> Result<Vec<Line>> {
    let csv = Csv::parse(text)?;
    let places: Vec<Option<usize>> = csv.header.iter().map(|name| place(name)).collect();
    let mut lines = Vec::with_capacity(csv.rows.len());
    for (at, row) in csv.rows.iter().enumerate() {
        let mut line = Line::default();
        for (place, text) in places.iter().zip(row) {
            let Some(slot) = place.and_then(|place| line.get_mut(place)) else { continue };
            if !text.trim().is_empty() {
                let number = text.trim().parse().map_err(|_| {
                    Error::user(format!("row {at}: expected a number or nothing, found `{}`", text.trim()))
                })?;
                *slot = Some(number);
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

fn json_lines(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (at, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)
            .map_err(|error| Error::user(format!("line {}: expected a JSON object: {error}", at + 1)))?;
        let mut line = Line::default();
        for (name, value) in &object {
            let Some(slot) = place(name).and_then(|place| line.get_mut(place)) else { continue };
            if !value.is_null() {
                let number = value.as_f64().ok_or_else(|| {
                    Error::user(format!("line {}: expected a number in `{name}`, found {value}", at + 1))
                })?;
                *slot = Some(number);
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

fn epoch(line: &Line) -> Result<LoggedEpoch> {
    for (name, value) in NAMES.iter().zip(line) {
        if value.is_some_and(|value| !value.is_finite()) {
            return Err(Error::user(format!("expected a finite number or nothing in `{name}`, found `{value:?}`"))
                .hint("leave the field empty where there is no number"));
        }
    }
    let value = |name: &str| NAMES.iter().position(|known| *known == name).and_then(|at| line.get(at).copied()?);
    let whole = |name: &str| -> Result<Option<u64>> {
        match value(name) {
            None => Ok(None),
            Some(number) if number >= 0.0 && number.fract() == 0.0 && number <= 1e15 => Ok(Some(number as u64)),
            Some(number) => Err(Error::user(format!("expected a whole number in `{name}`, found `{number}`"))),
        }
    };
    let epoch = whole("epoch")?.and_then(|epoch| u32::try_from(epoch).ok()).filter(|epoch| *epoch < 1 << 31);
    Ok(LoggedEpoch {
        epoch: epoch.ok_or_else(|| Error::user("expected a column `epoch` with whole numbers"))?,
        step: whole("step")?,
        train_loss: value("train_loss"),
        member_loss: value("member_loss"),
        held_out_loss: value("held_out_loss"),
        gradient_norm: value("gradient_norm"),
        clipped_fraction: value("clipped_fraction"),
        traces: whole("traces")?,
        seconds: value("seconds"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = read_log("epoch,train_loss,val_loss,rate\n1,0.5,0.75,9\n0,1.0,,9\n").unwrap();
        let json =
            read_log("{\"epoch\":1,\"train_loss\":0.5,\"held_out_loss\":0.75}\n{\"epoch\":0,\"loss\":1}\n").unwrap();
        assert_eq!(csv, json);
        assert_eq!((csv[0].epoch, csv[0].train_loss, csv[0].held_out_loss), (0, Some(1.0), None));
        assert_eq!(csv[1].step, None);
    }

    #[test]
    fn logs_without_sense_are_refused() {
        for wrong in [
            "epoch\n0\n",
            "train_loss\n1\n",
            "epoch,train_loss\n0,nan\n",
            "epoch,train_loss\n0,1\n0,2\n",
            "epoch,train_loss\n0.5,1\n",
            "epoch,train_loss\n0,x\n",
            "{\"epoch\":0,\"train_loss\":\"1\"}",
            "",
        ] {
            assert!(read_log(wrong).is_err(), "{wrong}");
        }
    }
}
