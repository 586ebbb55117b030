//! Reads the files of one model and checks them against the study.

use super::names::TraceIndex;
use crate::ingest::folder::{PassedOver, captures_in};
use crate::ingest::input::file_digest;
use crate::jobs::single_precision::nearest;
use crate::rows::AttributeRow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use syntrace_base::base::{Digest, TraceId};
use syntrace_base::error::{Error, Result, ResultExt, io_error, require_file};
use syntrace_foreign::{self as foreign, LoggedEpoch, Numbers, TraceName};
use syntrace_spec::{AttributeSource, ImportModel, MemberSource};

/// Largest file that is read as a whole.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Largest membership list or log: a short field takes forty times its length in memory.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// A file with the digest of its content.
#[derive(Debug, Clone)]
pub(super) struct NamedFile {
    pub path: PathBuf,
    pub digest: Digest,
}

impl NamedFile {
    pub fn new(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), digest: file_digest(path)? })
    }

    pub fn open(&self) -> Result<std::fs::File> {
        require_file(&self.path)?;
        std::fs::File::open(&self.path).map_err(|error| io_error("open", &self.path, &error))
    }
}

/// Content of the files of one model.
pub(super) struct Content {
    /// Sorted by trace.
    pub members: Vec<(TraceId, bool)>,
    /// Sorted by kind and trace.
    pub attributes: Vec<AttributeRow>,
    /// Attributes of traces that are not in `members`, in the same order.
    pub references: Vec<AttributeRow>,
    pub epochs: Vec<LoggedEpoch>,
    pub synthetic: Vec<NamedFile>,
    /// Files in folders of synthetic captures that were skipped.
    pub passed_over: Vec<PassedOver>,
    /// What was read from each attribute file, for display.
    pub taken: Vec<String>,
    pub weights: Option<NamedFile>,
    /// Digests of all files by what they are: part of the job's identity.
    pub identity: serde_json::Value,
}

/// Reads the files of a model, all but its synthetic captures.
pub(super) fn read(model: &ImportModel, index: &TraceIndex) -> Result<Content> {
    let listed = listed_members(model, index)?;
    let (attributes, mut taken) = attribute_rows(&model.attributes, index, ("members", listed.as_deref()))?;
    let members = match listed {
        Some(listed) => listed,
        None => members_of_rows(&attributes)?,
    };
    let attributes = joined(attributes, &members)?;
    let references = reference_rows(model, index, &members, &mut taken)?;
    require_alike(&attributes, &references)?;
    let (synthetic, passed_over) = synthetic_files(model)?;
    let weights = model.weights.as_deref().map(NamedFile::new).transpose()?;
    let epochs = match &model.log {
        Some(path) => foreign::read_log(&text(path)?).context(|| format!("`{}`", path.display()))?,
        None => Vec::new(),
    };
    let mut rows = attributes.iter().chain(&references);
    let exact = rows.any(|row| row.loss_exact.is_some() || row.values_exact.is_some());
    let identity = identity(model, &members, &synthetic, weights.as_ref(), exact)?;
    let mut members = members;
    members.sort_unstable();
    Ok(Content { members, attributes, references, epochs, synthetic, passed_over, taken, weights, identity })
}

fn identity(
    model: &ImportModel,
    members: &[(TraceId, bool)],
    synthetic: &[NamedFile],
    weights: Option<&NamedFile>,
    exact: bool,
) -> Result<serde_json::Value> {
    let digest = |path: &Option<PathBuf>| -> Result<Option<String>> {
        path.as_deref().map(|path| file_digest(path).map(|digest| digest.hex())).transpose()
    };
    let said_of = |source: &AttributeSource| -> Result<serde_json::Value> {
        let mut said = serde_json::json!({
            "file": file_digest(&source.path)?.hex(),
            "kind": kind_of(source)?,
            "loss": digest(&source.loss)?,
        });
        if !source.columns.is_empty() {
            said["columns"] = source.columns.clone().into();
        }
        if !source.zero {
            said["zero"] = false.into();
        }
        Ok(said)
    };
    let attributes = model.attributes.iter().map(said_of).collect::<Result<Vec<_>>>()?;
    let mut listed = members.to_vec();
    listed.sort_unstable();
    let members = listed.iter().fold(syntrace_base::base::Identity::new("members"), |identity, (trace, member)| {
        identity.int(trace.0).int(i64::from(*member))
    });
    let mut identity = serde_json::json!({
        "members": members.finish().hex(),
        "attributes": attributes,
        "synthetic": synthetic.iter().map(|file| file.digest.hex()).collect::<Vec<_>>(),
        "weights": weights.map(|file| file.digest.hex()),
        "log": digest(&model.log)?,
    });
    if !model.reference_attributes.is_empty() {
        let files = model.reference_attributes.iter().map(said_of).collect::<Result<Vec<_>>>()?;
        identity["references"] = serde_json::json!({ "traces": digest(&model.references)?, "attributes": files });
    }
    // Files whose numbers FLOAT holds give what they always gave.
    if exact {
        identity["exact"] = true.into();
    }
    Ok(identity)
}

/// The attribute kind of a file's rows that name none.
fn kind_of(source: &AttributeSource) -> Result<String> {
    if let Some(kind) = &source.kind {
        return Ok(kind.clone());
    }
    let stem = source.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if stem.is_empty() {
        return Err(Error::user(format!("`{}`: expected a file with a name", source.path.display())));
    }
    Ok(stem)
}

fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    require_file(path)?;
    let length = std::fs::metadata(path).map_err(|error| io_error("open", path, &error))?.len();
    if length > most {
        return Err(Error::user(format!("`{}`: expected at most {most} bytes, found {length}", path.display())));
    }
    std::fs::read(path).map_err(|error| io_error("read", path, &error))
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(bytes(path, TEXT_BYTES_MAX)?)
        .map_err(|_| Error::user(format!("`{}`: expected text in UTF-8, found other bytes", path.display())))
}

/// The membership list in its own order: rows without names follow it.
fn listed_members(model: &ImportModel, index: &TraceIndex) -> Result<Option<Vec<(TraceId, bool)>>> {
    let path = match &model.members {
        None => return Ok(None),
        Some(MemberSource::All) => return Ok(Some(index.all()?.into_iter().map(|trace| (trace, true)).collect())),
        Some(MemberSource::File(path)) => path,
    };
    let place = || format!("`{}`", path.display());
    let rows = foreign::read_members(&text(path)?).context(place)?;
    listed(rows.into_iter().map(|row| (row.trace, row.member)), index).context(place).map(Some)
}

/// The traces of a list in its own order, each of them once.
fn listed(rows: impl Iterator<Item = (TraceName, bool)>, index: &TraceIndex) -> Result<Vec<(TraceId, bool)>> {
    let (mut listed, mut seen) = (Vec::new(), HashMap::new());
    for (at, (name, member)) in rows.enumerate() {
        let trace = index.resolve(&name).context(|| format!("row {at}"))?;
        if let Some(earlier) = seen.insert(trace, at) {
            return Err(Error::user(format!("trace `{name}` is in row {earlier} and in row {at}"))
                .hint("a trace is listed once: as a member, as held out, or as a reference"));
        }
        listed.push((trace, member));
    }
    Ok(listed)
}

/// An attribute row with its trace found and its membership as far as its file says.
struct Found {
    row: AttributeRow,
    member: Option<bool>,
    place: String,
}

fn attribute_rows(
    sources: &[AttributeSource],
    index: &TraceIndex,
    (list, listed): (&str, Option<&[(TraceId, bool)]>),
) -> Result<(Vec<Found>, Vec<String>)> {
    let (mut found, mut all_taken) = (Vec::new(), Vec::new());
    for source in sources {
        let place = source.path.display().to_string();
        let (rows, taken) = read_attributes(source).context(|| format!("`{place}`"))?;
        all_taken.push(format!("`{place}`: {taken}"));
        if rows.iter().any(|row| row.trace.is_none()) && listed.map(<[_]>::len) != Some(rows.len()) {
            return Err(Error::user(match listed {
                Some(listed) => {
                    format!(
                        "`{place}`: expected one row for each of the {} listed traces, found {} rows",
                        listed.len(),
                        rows.len()
                    )
                }
                None => format!("`{place}`: its rows name no traces, and there is no list of them in `{list}`"),
            })
            .hint(format!("rows without names follow the order of the CSV given as `{list}`")));
        }
        let default = kind_of(source)?;
        let losses = source.loss.as_deref().map(|path| read_losses(path, rows.len())).transpose()?;
        for (at, row) in rows.into_iter().enumerate() {
            let in_row = || format!("`{place}`, row {at}");
            let trace_id = match (&row.trace, listed.and_then(|listed| listed.get(at))) {
                (Some(name), _) => index.resolve(name).context(in_row)?,
                (None, Some((trace, _))) => *trace,
                (None, None) => return Err(Error::internal("more rows without names than the membership list has")),
            };
            let loss = row.loss.or_else(|| losses.as_ref().and_then(|losses| losses.get(at).copied()));
            let kind = row.kind.unwrap_or_else(|| default.clone());
            if !source.zero && kind != default {
                return Err(Error::user(format!("`zero = false` is about kind `{default}`, found a row of `{kind}`"))
                    .context(in_row())
                    .hint("write each kind into a separate file, or name it with `kind`"));
            }
            // Whether it is a member is settled when all files have been read.
            let (values, values_exact) = match row.values {
                Numbers::Single(values) => (values, None),
                Numbers::Double(exact) => (exact.iter().copied().map(nearest).collect(), Some(exact)),
            };
            let loss_exact = loss.filter(|loss| f64::from(*loss as f32) != *loss);
            let loss = loss.map(nearest);
            let stored = AttributeRow { trace_id, member: false, kind, loss, values, loss_exact, values_exact };
            found.push(Found { row: stored, member: row.member, place: in_row() });
        }
    }
    Ok((found, all_taken))
}

/// A model's attributes of traces outside its membership list: it was trained on none of them.
fn reference_rows(
    model: &ImportModel,
    index: &TraceIndex,
    members: &[(TraceId, bool)],
    taken: &mut Vec<String>,
) -> Result<Vec<AttributeRow>> {
    let listed = match &model.references {
        None => None,
        Some(path) => {
            let place = || format!("`{}`", path.display());
            let rows = foreign::read_traces(&text(path)?).context(place)?;
            Some(listed(rows.into_iter().map(|name| (name, false)), index).context(place)?)
        }
    };
    let (rows, more) = attribute_rows(&model.reference_attributes, index, ("references", listed.as_deref()))?;
    taken.extend(more);
    let own: std::collections::HashSet<TraceId> = members.iter().map(|(trace, _)| *trace).collect();
    if let Some(found) = rows.iter().find(|found| own.contains(&found.row.trace_id)) {
        let message = format!("{}: trace `{}` is in the membership list", found.place, found.row.trace_id);
        return Err(Error::user(message).hint("`reference_attributes` are of traces that `members` does not list"));
    }
    let outside: Vec<(TraceId, bool)> = match listed {
        Some(listed) => listed,
        None => rows.iter().map(|found| (found.row.trace_id, false)).collect(),
    };
    joined(rows, &outside)
}

/// Refuses references that cannot be compared with the model's own attributes: another kind, another number of values, a loss
/// on one side only.
fn require_alike(attributes: &[AttributeRow], references: &[AttributeRow]) -> Result<()> {
    for rows in references.chunk_by(|a, b| a.kind == b.kind) {
        let Some(reference) = rows.first() else { continue };
        let kind = &reference.kind;
        let wrong = match attributes.iter().find(|own| own.kind == *kind) {
            None => "of which the model has no attributes".to_owned(),
            Some(own) if own.values.len() != reference.values.len() => {
                format!("with {} values, found attributes with {}", reference.values.len(), own.values.len())
            }
            Some(own) if own.loss.is_some() != reference.loss.is_some() => {
                let (here, there) = if own.loss.is_some() { ("no", "with") } else { ("a", "without") };
                format!("with {here} loss, found attributes {there} one")
            }
            Some(_) => continue,
        };
        return Err(Error::user(format!("found `reference_attributes` of kind `{kind}` {wrong}"))
            .hint("`kind` in `reference_attributes` names the kind of the attributes that they are compared with"));
    }
    Ok(())
}

/// Rows, and what of the file they are.
fn read_attributes(source: &AttributeSource) -> Result<(Vec<foreign::FileAttribute>, String)> {
    let ending = source.path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let is_parquet = matches!(ending.as_deref(), Some("parquet" | "pq"));
    if !is_parquet && !source.columns.is_empty() {
        return Err(Error::user("expected a Parquet file: `columns` applies to Parquet files only"));
    }
    let whole = |rows: Vec<foreign::FileAttribute>| {
        let width = rows.first().map_or(0, |row| row.values.len());
        let taken = format!("{} rows of {width} values", rows.len());
        (rows, taken)
    };
    match ending.as_deref() {
        Some("parquet" | "pq") => {
            require_file(&source.path)?;
            let open = std::fs::File::open(&source.path);
            let open = open.map_err(|error| io_error("open", &source.path, &error))?;
            let foreign::AttributeFile { rows, taken, left_out } = foreign::read_parquet(open, &source.columns)?;
            let (rows, counted) = whole(rows);
            let left_out =
                if left_out.is_empty() { String::new() } else { format!("; left out: `{}`", left_out.join("`, `")) };
            Ok((rows, format!("{counted}, from `{}`{left_out}", taken.join("`, `"))))
        }
        Some("npy") => foreign::read_npy(&bytes(&source.path, FILE_BYTES_MAX)?).map(whole),
        Some("safetensors") => foreign::read_safetensors(&bytes(&source.path, FILE_BYTES_MAX)?).map(whole),
        Some("pkl" | "pickle" | "pt" | "pth" | "npz") => {
            Err(Error::user("expected .parquet, .npy or .safetensors, found a file that may hold a Python pickle")
                .hint("a pickle is a program and is never loaded: save the numbers with numpy.save or safetensors"))
        }
        _ => Err(Error::user("expected a file that ends in .parquet, .npy or .safetensors")),
    }
}

fn read_losses(path: &Path, rows: usize) -> Result<Vec<f64>> {
    let losses = foreign::read_npy_column(&bytes(path, FILE_BYTES_MAX)?).context(|| format!("`{}`", path.display()))?;
    if losses.len() != rows {
        return Err(Error::user(format!("`{}`: expected {rows} losses, found {}", path.display(), losses.len())));
    }
    Ok(losses)
}

/// The membership list of a model without one, from the flags in its attribute files.
fn members_of_rows(rows: &[Found]) -> Result<Vec<(TraceId, bool)>> {
    let mut members: HashMap<TraceId, bool> = HashMap::new();
    for found in rows {
        let member = found.member.ok_or_else(|| {
            Error::user(format!("{}: nothing says whether the trace was trained on", found.place))
                .hint("add a column `member` to the file, or give a CSV with trace,member as `members`")
        })?;
        if members.insert(found.row.trace_id, member).is_some_and(|earlier| earlier != member) {
            return Err(Error::user(format!("{}: the trace is a member here and held out elsewhere", found.place)));
        }
    }
    if members.is_empty() {
        return Err(Error::user("nothing says which traces the model was trained on").hint(
            "give a CSV with trace,member as `members`, or `members = \"all\"` where it was trained on the whole class",
        ));
    }
    Ok(members.into_iter().collect())
}

/// Sets every row's membership and checks consistency across files: flags agree with the list, each trace occurs once
/// per kind, all attributes of a kind have one length.
fn joined(rows: Vec<Found>, members: &[(TraceId, bool)]) -> Result<Vec<AttributeRow>> {
    let members: HashMap<TraceId, bool> = members.iter().copied().collect();
    let mut widths: HashMap<String, usize> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::with_capacity(rows.len());
    for Found { mut row, member, place } in rows {
        let listed = members
            .get(&row.trace_id)
            .copied()
            .ok_or_else(|| Error::user(format!("{place}: trace `{}` is not in the membership list", row.trace_id)))?;
        if member.is_some_and(|member| member != listed) {
            let (here, there) = if listed { ("held out", "a member") } else { ("a member", "held out") };
            return Err(Error::user(format!("{place}: the trace is {here}, and {there} in the membership list")));
        }
        if !seen.insert((row.kind.clone(), row.trace_id)) {
            return Err(Error::user(format!(
                "{place}: trace `{}` has an attribute of kind `{}` already",
                row.trace_id, row.kind
            )));
        }
        let width = *widths.entry(row.kind.clone()).or_insert(row.values.len());
        if width != row.values.len() {
            return Err(Error::user(format!(
                "{place}: expected {width} values as in the rows before of kind `{}`, found {}",
                row.kind,
                row.values.len()
            )));
        }
        row.member = listed;
        out.push(row);
    }
    // Sorted by trace, so that the order of the rows does not reveal membership.
    out.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
    Ok(out)
}

/// Files of synthetic captures, folders opened, in the order of their names within each entry.
fn synthetic_files(model: &ImportModel) -> Result<(Vec<NamedFile>, Vec<PassedOver>)> {
    let (mut paths, mut passed_over) = (Vec::new(), Vec::new());
    for entry in &model.synthetic {
        let metadata = std::fs::metadata(entry).map_err(|error| io_error("open", entry, &error))?;
        if metadata.is_dir() {
            let found = captures_in(entry)?;
            passed_over.extend(found.passed_over);
            if found.files.is_empty() {
                return Err(Error::user(format!("expected captures in the folder `{}`, found none", entry.display())));
            }
            paths.extend(found.files);
        } else {
            paths.push(entry.clone());
        }
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(path) = paths.iter().find(|path| !seen.insert(path.as_path())) {
        return Err(Error::user(format!("synthetic capture `{}` is named twice", path.display())));
    }
    let files = paths.iter().map(|path| NamedFile::new(path)).collect::<Result<_>>()?;
    Ok((files, passed_over))
}
