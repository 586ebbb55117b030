//! The released model: processed marginals with all that sampling needs, and their serialisation.
//!
//! Safetensors with one JSON text (`syntrace.netdpsyn`: configuration, members, columns of the
//! marginals). Tensors: `totals` f32 `[strata]`, rows of each stratum a trace; per column
//! `groups.NAME` u16 and `weights.NAME` f32 `[cells]`; per marginal `marginal.NUMBER` f32
//! `[strata, cells]`, shares of a stratum's rows.

use super::config::NetDpSynConfig;
use super::grouping::Grouping;
use super::schema::Schema;
use super::table::Shape;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use syntrace_base::error::{Error, Result};

const KEY: &str = "syntrace.netdpsyn";
const VERSION: u32 = 2;

/// One processed marginal.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its columns, in groups.
    pub shape: Shape,
    /// Shares of a stratum's rows, `[strata * cells]`; each stratum sums to 1, or is all 0.
    pub shares: Vec<f32>,
}

/// A trained NetDPSyn model: nothing in it was computed from private traces without noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its configuration.
    pub config: NetDpSynConfig,
    /// Columns and domains, from the configuration.
    pub schema: Schema,
    /// Public number of traces that it was trained on.
    pub members: u32,
    /// Rows of each stratum per trace.
    pub totals: Vec<f32>,
    /// Groups of each column.
    pub groupings: Vec<Grouping>,
    /// Marginals; every column is in one.
    pub targets: Vec<Target>,
}

/// The JSON text.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    members: u32,
    config: NetDpSynConfig,
    marginals: Vec<Vec<String>>,
}

/// Fields that the JSON of every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Model {
    /// Groups of every column.
    pub fn groups(&self) -> Vec<usize> {
        self.groupings.iter().map(Grouping::groups).collect()
    }

    /// Cells of all marginals.
    pub fn cells(&self) -> u64 {
        self.targets.iter().map(|target| target.shares.len() as u64).sum()
    }

    /// Names of a marginal's columns.
    pub fn names(&self, columns: &[usize]) -> Vec<String> {
        let names = columns.iter().filter_map(|column| self.schema.columns.get(*column));
        names.map(|column| column.name.clone()).collect()
    }

    /// The model as bytes; equal models give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |error: &dyn std::fmt::Display| Error::internal(format!("cannot write marginals: {error}"));
        let header = Header {
            version: VERSION,
            members: self.members,
            config: self.config.clone(),
            marginals: self.targets.iter().map(|target| self.names(&target.shape.columns)).collect(),
        };
        let text = serde_json::to_string(&header).map_err(|error| failed(&error))?;
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let mut parts = vec![("totals".to_owned(), Dtype::F32, vec![self.totals.len()], floats(&self.totals))];
        for (column, grouping) in self.schema.columns.iter().zip(&self.groupings) {
            let groups = grouping.group_of.iter().flat_map(|group| group.to_le_bytes()).collect();
            let shape = vec![grouping.group_of.len()];
            parts.push((format!("groups.{}", column.name), Dtype::U16, shape.clone(), groups));
            parts.push((format!("weights.{}", column.name), Dtype::F32, shape, floats(&grouping.weights)));
        }
        for (number, target) in self.targets.iter().enumerate() {
            let shape = vec![self.totals.len(), target.shape.cells()];
            parts.push((format!("marginal.{number}"), Dtype::F32, shape, floats(&target.shares)));
        }
        let mut views = Vec::with_capacity(parts.len());
        for (name, dtype, shape, bytes) in &parts {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| failed(&error))?;
            views.push((name.as_str(), view));
        }
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)]))).map_err(|error| failed(&error))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// Bytes of another kind or version, or with parts that do not fit each other.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: String| Error::internal(format!("marginals: {what}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
        let text = metadata.metadata().as_ref().and_then(|texts| texts.get(KEY));
        let text = text.ok_or_else(|| damaged(format!("expected the key `{KEY}`, not found")))?;
        let found: Versioned = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        if found.version != VERSION {
            return Err(damaged(format!("version `{VERSION}` expected, found `{}`", found.version)));
        }
        let header: Header = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let file = Tensors(SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?);
        let schema = Schema::new(&header.config)?;
        let totals = file.floats("totals", schema.strata())?;
        let mut groupings = Vec::with_capacity(schema.columns.len());
        for column in &schema.columns {
            let cells = column.domain.cells();
            let group_of = file.words(&format!("groups.{}", column.name), cells)?;
            if group_of.iter().any(|group| usize::from(*group) >= cells) {
                return Err(damaged(format!("`groups.{}`: groups below `{cells}` expected", column.name)));
            }
            groupings.push(Grouping::new(group_of, file.floats(&format!("weights.{}", column.name), cells)?));
        }
        let groups: Vec<usize> = groupings.iter().map(Grouping::groups).collect();
        let mut targets = Vec::with_capacity(header.marginals.len());
        for (number, names) in header.marginals.iter().enumerate() {
            let columns: Option<Vec<usize>> = names.iter().map(|name| schema.column(name)).collect();
            let columns = columns.filter(|columns| columns.is_sorted_by(|a, b| a < b) && !columns.is_empty());
            let columns = columns.ok_or_else(|| damaged(format!("marginal `{number}` names unknown columns")))?;
            let shape = Shape::over(&columns, &groups);
            let shares = file.floats(&format!("marginal.{number}"), schema.strata().saturating_mul(shape.cells()))?;
            targets.push(Target { shape, shares });
        }
        let covered = |column: usize| targets.iter().any(|target| target.shape.columns.contains(&column));
        if let Some(column) = (0..schema.columns.len()).find(|column| !covered(*column)) {
            return Err(damaged(format!("column `{}` is in no marginal", schema.columns[column].name)));
        }
        Ok(Self { config: header.config, schema, members: header.members, totals, groupings, targets })
    }
}

/// Tensors by name, type and number.
struct Tensors<'a>(SafeTensors<'a>);

impl Tensors<'_> {
    fn bytes(&self, name: &str, dtype: Dtype, bytes: usize) -> Result<&[u8]> {
        let view = self.0.tensor(name).map_err(|error| Error::internal(format!("marginals: `{name}`: {error}")))?;
        if view.dtype() != dtype || view.data().len() != bytes {
            return Err(Error::internal(format!(
                "marginals: `{name}`: `{bytes}` bytes of {dtype:?} expected, found `{}` of {:?}",
                view.data().len(),
                view.dtype()
            )));
        }
        Ok(view.data())
    }

    /// `count` numbers that are at least 0.
    fn floats(&self, name: &str, count: usize) -> Result<Vec<f32>> {
        let bytes = self.bytes(name, Dtype::F32, count.saturating_mul(4))?;
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
        match values.iter().find(|value| !(**value >= 0.0 && value.is_finite())) {
            Some(value) => Err(Error::internal(format!("marginals: `{name}`: found `{value}`, expected 0 or above"))),
            None => Ok(values),
        }
    }

    fn words(&self, name: &str, count: usize) -> Result<Vec<u16>> {
        let bytes = self.bytes(name, Dtype::U16, count.saturating_mul(2))?;
        Ok(bytes.as_chunks::<2>().0.iter().map(|word| u16::from_le_bytes(*word)).collect())
    }
}
