//! Settings and presets of NetDPSyn (Sun et al. 2024, IMC).

use crate::model::options::{require_counts, with_options};
use crate::train::TrainPlan;
use serde::{Deserialize, Serialize};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;
use syntrace_traffic::encoding::fields::FIELD_NAMES;

/// What one row of the tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowMode {
    /// As published: a row a packet, packets unrelated. A trace can put all its rows into one cell.
    Packets,
    /// A row a packet, tabulated by its place in the trace: a trace has at most one row a place.
    Positions,
    /// A row a trace: static columns, and direction, length and gap of each place.
    Traces,
}

/// All that a NetDPSyn model depends on besides data and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetDpSynConfig {
    /// What one row is.
    pub rows: RowMode,
    /// Most packets of a trace; later ones are not read.
    pub packets: u32,
    /// First packets of a trace that have columns of their own in mode `traces`. Each costs three columns, and noise in all
    /// others; a later packet follows its predecessor as those of other synthesised rows do.
    #[serde(default = "every_place", skip_serializing_if = "is_every_place")]
    pub places: u32,
    /// Header fields that are modelled, by their names; the others are constants.
    pub fields: Vec<String>,
    /// Public address blocks (`a.b.c.d/length`) that get a cell of their own.
    pub subnets: Vec<String>,
    /// Is each TTL a cell, rather than common initial values and ranges?
    pub ttl_exact: bool,
    /// Longest gap between packets that is told from longer ones, microseconds: a public constant, as for
    /// NetShare. Noise fills every cell, so what lies beyond it would only ever be decoded from noise: with cells up
    /// to 13 days the gaps of 40 members at epsilon 4 and 0.5 were 24 to 46,000 standard deviations off (scaled
    /// Wasserstein distance, three simulated classes), with this cap 0.1 to 7.
    pub gap_cap_us: u32,
    /// Share of rho for choosing marginals.
    pub selection_share: f64,
    /// Share of rho for one-way marginals, which decide what is rare; the combined ones get the rest.
    pub singles_share: f64,
    /// A round of choosing marginals that gains less than this share of all rows is the last.
    pub threshold: f64,
    /// Most cells of a merged clique, strata not counted.
    pub clique_cells: u32,
    /// Most cells of a marginal, all strata together.
    pub cells_max: u32,
    /// Most rounds of consistency and non-negativity.
    pub rounds: u32,
    /// Traces that are synthesised together; a public constant.
    pub block: u32,
    /// Rounds of gradual updating.
    pub iterations: u32,
    /// The published choices where they do no harm: rho by the square root of cells, start from one-way
    /// marginals, every attribute tied to another, rare values decoded uniformly.
    pub published: bool,
}

/// Largest number of packets that the layouts allow.
const PACKETS_MAX: u32 = 64;

/// What models from before there was a choice have: not written.
fn every_place() -> u32 {
    PACKETS_MAX
}

fn is_every_place(places: &u32) -> bool {
    *places == every_place()
}

impl NetDpSynConfig {
    /// A preset: `small` takes seconds, `paper` has the published sizes and choices.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "small" => Ok(Self::small()),
            "paper" => Ok(Self::paper()),
            _ => Err(Error::user(format!("preset of `netdpsyn` must be `small` or `paper`, found `{name}`"))),
        }
    }

    /// A row a trace, 50 iterations. A trace is in one cell of each marginal, and what holds for all its packets is
    /// measured once: 500 simulated members of three systems at epsilon 4 gave traces from which forests reach 0.84, rows
    /// by position 0.77 (real ones 0.97).
    fn small() -> Self {
        let left_out = ["ip_version", "header_length", "fragment_offset", "checksum"];
        Self {
            rows: RowMode::Traces,
            packets: 10,
            places: 3,
            fields: FIELD_NAMES.iter().filter(|name| !left_out.contains(name)).map(|name| (*name).to_owned()).collect(),
            subnets: Vec::new(),
            ttl_exact: false,
            gap_cap_us: 60_000_000,
            selection_share: 0.1,
            singles_share: 0.3,
            threshold: 0.02,
            clique_cells: 5_000,
            cells_max: 200_000,
            rounds: 30,
            block: 500,
            iterations: 50,
            published: false,
        }
    }

    /// Packet rows, all fields, 25,000 rows and 200 iterations. The published code uses 600,000 rows and a threshold
    /// of 20,000 records for data of any size; both are scaled to the data here.
    fn paper() -> Self {
        Self {
            rows: RowMode::Packets,
            fields: FIELD_NAMES.iter().map(|name| (*name).to_owned()).collect(),
            ttl_exact: true,
            places: every_place(),
            singles_share: 0.1,
            cells_max: 1_000_000,
            rounds: 501,
            block: 2_500,
            iterations: 200,
            published: true,
            ..Self::small()
        }
    }

    /// One full pass: the noise multiplier of this plan is the whole budget, rho = 1 / (2 sigma^2).
    pub fn plan(&self, members: u32, _regime: Regime) -> TrainPlan {
        TrainPlan::one_release(members, 1.0)
    }

    /// Canonical JSON, keys sorted.
    pub fn json(&self) -> String {
        // A struct of plain numbers and names always serialises.
        serde_json::to_value(self).unwrap_or_default().to_string()
    }

    /// This configuration with some keys changed, for traces of at most `packets` packets. Unknown keys
    /// and values of a wrong type are refused.
    pub fn with(&self, options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let config = with_options(self, options, packets)?;
        config.check()?;
        Ok(config)
    }

    /// Is a header field modelled?
    pub fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|name| name == field)
    }

    /// Refuses what no table can be made of.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("packets", self.packets),
            ("places", self.places),
            ("gap_cap_us", self.gap_cap_us),
            ("clique_cells", self.clique_cells),
            ("cells_max", self.cells_max),
            ("rounds", self.rounds),
            ("block", self.block),
            ("iterations", self.iterations),
        ];
        require_counts(&positive)?;
        if self.packets > PACKETS_MAX {
            return Err(Error::user(format!("`packets` must be at most {PACKETS_MAX}, found `{}`", self.packets)));
        }
        if let Some(name) = self.fields.iter().find(|name| !FIELD_NAMES.contains(&name.as_str())) {
            return Err(Error::user(format!("`fields` must name header fields, found `{name}`"))
                .hint(format!("the fields are {}", FIELD_NAMES.join(", "))));
        }
        let share = |value: f64| value > 0.0 && value < 1.0;
        if !share(self.selection_share)
            || !share(self.singles_share)
            || self.selection_share + self.singles_share >= 1.0
        {
            return Err(Error::user(format!(
                "`selection_share` and `singles_share` must be above 0 and leave something, found `{}` and `{}`",
                self.selection_share, self.singles_share
            )));
        }
        if !(self.threshold >= 0.0 && self.threshold.is_finite()) {
            return Err(Error::user(format!("`threshold` must be 0 or above, found `{}`", self.threshold)));
        }
        Ok(())
    }
}
