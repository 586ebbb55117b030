//! Columns of a row mode: what each reads from a trace, its public domain, which pairs of columns may
//! be measured together, and which cells no trace can be in.

use super::column::{Column, FLAG_DF, LENGTH_MAX, Source, field};
use super::columns::{packet_columns, position_columns, trace_columns};
use super::config::{NetDpSynConfig, RowMode};
use crate::train::EncodedTrace;
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::Encoded;
use syntrace_traffic::encoding::fields::{self, FIELD_COUNT};

/// Packet positions whose columns may share a marginal with static columns in mode `traces`.
const EARLY_PLACES: usize = 3;

/// Rows of some traces as cells, by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records {
    /// Stratum of each row: its place in the trace in mode `positions`, else 0.
    pub strata: Vec<u16>,
    /// What each row counts: its trace's share of the unit of privacy, 1 where that is the trace.
    pub weights: Vec<f64>,
    /// Cells, `[columns][rows]`.
    pub columns: Vec<Vec<u16>>,
}

/// Columns, strata and sensitivities of a configuration: no private number enters.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What one row is.
    pub rows: RowMode,
    /// Most packets of a trace.
    pub packets: usize,
    /// The columns.
    pub columns: Vec<Column>,
}

/// A trace's packet with what follows from its neighbours.
struct Place {
    fields: [Option<i64>; FIELD_COUNT],
    direction: i64,
    gap: Option<i64>,
    offset: i64,
}

impl Schema {
    /// The columns of a configuration.
    ///
    /// # Errors
    /// A declared subnet that is none; no column at all.
    pub fn new(config: &NetDpSynConfig) -> Result<Self> {
        config.check()?;
        let columns = match config.rows {
            RowMode::Packets => packet_columns(config)?,
            RowMode::Positions => position_columns(config)?,
            RowMode::Traces => trace_columns(config)?,
        };
        if columns.len() < 2 {
            return Err(Error::user(format!("`fields` must give 2 or more columns, found `{}`", columns.len())));
        }
        Ok(Self { rows: config.rows, packets: config.packets as usize, columns })
    }

    /// Tables are kept apart by stratum: places in mode `positions`, else one.
    pub fn strata(&self) -> usize {
        if self.rows == RowMode::Positions { self.packets } else { 1 }
    }

    /// Most rows of one trace.
    pub fn rows_max(&self) -> usize {
        if self.rows == RowMode::Traces { 1 } else { self.packets }
    }

    /// L2 sensitivity of any marginal (all its strata) to one trace of weight 1, and so to one host of traces whose weights
    /// sum to 1: all rows in one cell of mode
    /// `packets`; at most one row a stratum in mode `positions`; one row in mode `traces`.
    pub fn marginal_sensitivity(&self) -> f64 {
        match self.rows {
            RowMode::Packets => self.packets as f64,
            RowMode::Positions => (self.packets as f64).sqrt(),
            RowMode::Traces => 1.0,
        }
    }

    /// Sensitivity of one pair's dependence score to one trace, or one host: 4 a row of weight 1, see [`super::dependence`].
    pub fn score_sensitivity(&self) -> f64 {
        4.0 * self.rows_max() as f64
    }

    /// Position of a column by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column that the start of synthesis begins with.
    pub(super) fn key(&self) -> Option<usize> {
        self.column(match self.rows {
            RowMode::Packets => "flags",
            RowMode::Positions => "direction",
            RowMode::Traces => "protocol",
        })
    }

    /// Pairs of columns that may be measured together: all; in mode `traces` static ones, static ones
    /// with the first three places, the same column of neighbouring places, and direction with length
    /// of one place.
    pub fn candidates(&self) -> Vec<(usize, usize)> {
        let count = self.columns.len();
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        pairs.filter(|&(a, b)| self.is_candidate(a, b)).collect()
    }

    fn is_candidate(&self, a: usize, b: usize) -> bool {
        let (Some(first), Some(second)) = (self.columns.get(a), self.columns.get(b)) else { return false };
        match (first.place, second.place) {
            (None, None) => true,
            (None, Some(place)) | (Some(place), None) => place < EARLY_PLACES,
            (Some(p), Some(q)) if p == q => {
                let both = [first.source, second.source];
                both.contains(&Source::Direction) && both.contains(&Source::Field(field::LENGTH))
            }
            (Some(p), Some(q)) => p.abs_diff(q) == 1 && first.source == second.source,
        }
    }

    /// Rows of some traces, each trace with its weight; packets behind the first `packets` are not read.
    ///
    /// # Errors
    /// A trace that is not in the `fields` encoding.
    pub fn records<'a>(&self, traces: impl IntoIterator<Item = (&'a EncodedTrace, f64)>) -> Result<Records> {
        let mut records =
            Records { strata: Vec::new(), weights: Vec::new(), columns: vec![Vec::new(); self.columns.len()] };
        for (trace, weight) in traces {
            let encoded = Encoded { rows: trace.rows, width: trace.width, data: trace.data.clone() };
            let rows = fields::decode(&encoded).map_err(|error| error.context(format!("trace {}", trace.trace_id)))?;
            self.add(&places(rows.get(..self.packets).unwrap_or(&rows)), &mut records);
            records.weights.resize(records.strata.len(), weight);
        }
        Ok(records)
    }

    fn add(&self, places: &[Place], records: &mut Records) {
        if self.rows == RowMode::Traces {
            if places.is_empty() {
                return;
            }
            records.strata.push(0);
            for (column, cells) in self.columns.iter().zip(&mut records.columns) {
                let value = column.value(places, column.place.unwrap_or(0));
                cells.push(column.domain.encode(value));
            }
            return;
        }
        for place in 0..places.len() {
            records.strata.push(if self.rows == RowMode::Positions { place as u16 } else { 0 });
            for (column, cells) in self.columns.iter().zip(&mut records.columns) {
                cells.push(column.domain.encode(column.value(places, place)));
            }
        }
    }

    /// May a row of a stratum be in this cell? Only what every trace keeps by construction: traces hold
    /// TCP and UDP, start in their own direction, and have no gap before the first packet.
    pub(super) fn possible(&self, stratum: usize, column: usize, cell: u16) -> bool {
        let Some(column) = self.columns.get(column) else { return false };
        let known = cell != column.domain.other();
        let first = column.place.unwrap_or(stratum) == 0 && self.rows != RowMode::Packets;
        match column.source {
            Source::Direction if first => cell == 0,
            Source::Gap if self.rows == RowMode::Positions => known != first,
            Source::Direction | Source::Gap => known || column.place.is_some(),
            Source::Client(at) | Source::Server(at) => known || at == field::SRC_IP,
            Source::ReplyTtl => true,
            Source::Packets | Source::Offset => known,
            Source::Field(field::LENGTH) => known || (!first && column.place.is_some()),
            Source::Field(at) => {
                known || ![field::SRC_PORT, field::DST_PORT, field::PROTOCOL, field::TTL].contains(&at)
            }
        }
    }

    /// Does [`Schema::possible_pair`] say anything about two columns?
    pub(super) fn has_rule(&self, a: usize, b: usize) -> bool {
        let (Some(a), Some(b)) = (self.columns.get(a), self.columns.get(b)) else { return false };
        rule(a, b).is_some() || rule(b, a).is_some()
    }

    /// May a row be in these cells of two columns?
    pub(super) fn possible_pair(&self, (a, cell_a): (usize, u16), (b, cell_b): (usize, u16)) -> bool {
        let (Some(a), Some(b)) = (self.columns.get(a), self.columns.get(b)) else { return false };
        rule(a, b).is_none_or(|rule| rule.keeps(a, cell_a, b, cell_b))
            && rule(b, a).is_none_or(|rule| rule.keeps(b, cell_b, a, cell_a))
    }
}

/// A rule between two columns, in the order in which it reads them.
enum Rule {
    /// A length holds the headers of its protocol.
    HeadersFit,
    /// "Don't fragment" and a fragment offset exclude each other.
    WholeOrFragment,
    /// A place has a direction exactly if it has a packet.
    SamePlace,
    /// As many places have a direction as there are packets.
    InsideTrace,
}

fn rule(a: &Column, b: &Column) -> Option<Rule> {
    match (a.source, b.source) {
        (Source::Field(field::PROTOCOL), Source::Field(field::LENGTH)) => Some(Rule::HeadersFit),
        (Source::Field(field::FLAGS), Source::Field(field::FRAGMENT_OFFSET)) => Some(Rule::WholeOrFragment),
        (Source::Direction, Source::Gap | Source::Field(field::LENGTH)) if a.place.is_some() && a.place == b.place => {
            Some(Rule::SamePlace)
        }
        (Source::Packets, Source::Direction) if b.place.is_some() => Some(Rule::InsideTrace),
        _ => None,
    }
}

impl Rule {
    fn keeps(&self, a: &Column, cell_a: u16, b: &Column, cell_b: u16) -> bool {
        let (has_a, has_b) = (cell_a != a.domain.other(), cell_b != b.domain.other());
        let (range_a, range_b) = (a.domain.range(cell_a), b.domain.range(cell_b));
        match (self, range_a, range_b) {
            (Self::HeadersFit, Some((protocol, _)), Some((_, longest))) => longest >= length_min(protocol, 20),
            (Self::WholeOrFragment, Some((flags, _)), Some((_, offset))) => flags & FLAG_DF == 0 || offset == 0,
            (Self::SamePlace, _, _) => has_a == has_b,
            (Self::InsideTrace, Some((packets, _)), _) => has_b == (b.place.unwrap_or(0) < packets as usize),
            _ => true,
        }
    }
}

/// Least IP length of a packet with a bare TCP or UDP header, bytes.
pub(super) fn length_min(protocol: i64, header_length: i64) -> i64 {
    header_length + if protocol == 6 { 20 } else { 8 }
}

impl Column {
    /// The column's value at a place of a trace.
    fn value(&self, places: &[Place], at: usize) -> Option<i64> {
        let place = places.get(at)?;
        let (source, peer) = (place.direction == 0, place.direction != 0);
        match self.source {
            Source::Field(field::LENGTH) => Some(place.fields[field::LENGTH]?.clamp(0, LENGTH_MAX)),
            Source::Field(index) => place.fields.get(index).copied().flatten(),
            Source::Client(index) if source => place.fields.get(index).copied().flatten(),
            Source::Server(index) if peer => place.fields.get(index).copied().flatten(),
            // The field behind an address or port of the source is that of the destination.
            Source::Client(index) | Source::Server(index) => place.fields.get(index + 1).copied().flatten(),
            Source::Direction => Some(place.direction),
            // Longer ones count as the longest that is told apart.
            Source::Gap => Some(place.gap?.min(self.domain.largest())),
            Source::Offset => Some(place.offset.min(self.domain.largest())),
            Source::ReplyTtl => places.iter().find(|place| place.direction == 1)?.fields[field::TTL],
            Source::Packets => Some(places.len() as i64),
        }
    }
}

/// Packets of a trace with their directions and times.
fn places(rows: &[[Option<i64>; FIELD_COUNT]]) -> Vec<Place> {
    let Some(first) = rows.first() else { return Vec::new() };
    let sender = |row: &[Option<i64>; FIELD_COUNT]| (row[field::SRC_IP], row[field::SRC_PORT]);
    let time = |row: &[Option<i64>; FIELD_COUNT]| row[field::TIME].unwrap_or(0);
    let since = |row, other| time(row).saturating_sub(time(other)).max(0);
    let mut previous = None;
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let gap = previous.map(|previous| since(row, previous));
        let direction = i64::from(sender(row) != sender(first));
        places.push(Place { fields: *row, direction, gap, offset: since(row, first) });
        previous = Some(row);
    }
    places
}
