//! Settings and presets. Shares, limits of noise and `prior` were chosen on simulated traffic: private classes of the
//! simulator, a pool of its other ones (`studies/quality.toml`). That addresses of local hosts need a large part of the budget,
//! and how often a type of service varies and that most of it goes, followed from a look at results on one real dataset (os,
//! 180 members a class), that all of it goes where no marginal can be of it from another one (cloud, 110), so results on
//! those are no clean test of them.

use super::place::Place;
use crate::model::options::{require_counts, with_options};
use crate::train::TrainPlan;
use serde::{Deserialize, Serialize};
use syntrace_base::error::{Error, Result};

/// All that a model depends on besides data, pool and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetPoolConfig {
    /// Most packets of a trace; later ones are not read.
    pub packets: u32,
    /// Candidates: public traces and variations of them, among which weights are found.
    pub records: u32,
    /// Candidates that a model keeps, drawn by weight; its traces are drawn from them.
    pub kept: u32,
    /// Chance of each variation of a candidate (TTL, numbering, flags, service, ports, lengths, gaps, first packet).
    pub vary: f64,
    /// Chance that an end of a candidate whose packets are marked (TOS) gets best effort instead, where the budget leaves room
    /// for a marginal of marks; elsewhere no end is marked. Most traffic is not marked, and simulated traffic is in many ways.
    #[serde(default)]
    pub best_effort: f64,
    /// Times that the candidates are drawn again around the weights, their attributes crossed.
    pub refinements: u32,
    /// Weight of the pool as prior, in traces: relative entropy to it against squared errors in units of noise.
    pub prior: f64,
    /// Steps of mirror descent of one fit.
    pub iterations: u32,
    /// Most marginals that are measured.
    pub marginals_max: u32,
    /// Marginals are as many as leave the noise of each below this share of the members, two at least: with more, each
    /// one costs noise in all others.
    pub noise_share: f64,
    /// Share of rho for the histograms of values (addresses, networks and ports of a flow's ends) that many flows have.
    pub histogram_share: f64,
    /// These histograms are as many as leave what stands out of the noise, at five deviations, below this share of the
    /// members; two at least.
    pub cut_share: f64,
    /// Share of rho for choosing marginals, where there are more than two.
    pub choice_share: f64,
    /// Private evolution in place of marginals: `{ rounds = 3, population = 200, threshold = 1.0 }`. Members vote for the
    /// nearest of so many candidates, so many times; votes below so many deviations of the noise count as none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes: Option<Votes>,
    /// Expected number of values of nobody that stand out of the noise of one histogram.
    pub false_values: f64,
}

/// Private evolution; see [`super::votes`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Votes {
    /// Times that members vote.
    pub rounds: u32,
    /// Candidates that they vote for: with many, each gets few votes and as much noise.
    pub population: u32,
    /// Votes below so many deviations of the noise count as none.
    pub threshold: f64,
}

impl Default for Votes {
    fn default() -> Self {
        Self { rounds: 3, population: 200, threshold: 1.0 }
    }
}

impl Votes {
    fn check(&self) -> Result<()> {
        require_counts(&[("votes.rounds", self.rounds), ("votes.population", self.population)])?;
        if !(self.threshold >= 0.0 && self.threshold.is_finite()) {
            return Err(Error::user(format!("`votes.threshold` must be at least 0, found `{}`", self.threshold)));
        }
        Ok(())
    }
}

/// Largest number of packets that the layouts allow.
const PACKETS_MAX: u32 = 64;

/// More would drown what is found.
const FALSE_VALUES_MAX: f64 = 1_000.0;

/// Marginals that are always measured.
pub(super) const FIXED: usize = 2;

/// Histograms of values that are always measured: one of each end.
const HISTOGRAMS_MIN: usize = 2;

impl NetPoolConfig {
    /// A preset: `small` takes seconds a model, `paper` has more candidates (no publication has this generator).
    pub fn preset(name: &str) -> Result<Self> {
        let small = Self {
            packets: 10,
            records: 12_000,
            kept: 3_000,
            vary: 0.3,
            best_effort: 0.9,
            refinements: 2,
            prior: 20.0,
            iterations: 150,
            marginals_max: 12,
            noise_share: 0.03,
            histogram_share: 0.55,
            cut_share: 0.12,
            choice_share: 0.05,
            votes: None,
            false_values: 1.0,
        };
        match name {
            "small" => Ok(small),
            "paper" => Ok(Self { records: 40_000, kept: 10_000, iterations: 400, ..small }),
            _ => Err(Error::user(format!("preset of `netpool` must be `small` or `paper`, found `{name}`"))),
        }
    }

    /// One full pass: the noise multiplier of this plan is the whole budget, rho = 1 / (2 sigma^2).
    pub fn plan(&self, members: u32) -> TrainPlan {
        TrainPlan::one_release(members, 1.0)
    }

    /// Canonical JSON, keys sorted.
    pub fn json(&self) -> String {
        // A struct of plain numbers always serialises.
        serde_json::to_value(self).unwrap_or_default().to_string()
    }

    /// This configuration with some keys changed, for traces of at most `packets` packets. Unknown keys
    /// and values of a wrong type are refused.
    pub fn with(&self, options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let config = with_options(self, options, packets)?;
        config.check()?;
        Ok(config)
    }

    /// Number of marginals of a budget (the noise multiplier of one release with all of it) and a public number of
    /// members: no private number enters.
    pub fn marginals(&self, noise_multiplier: f64, members: u32) -> usize {
        let affordable = (self.noise_share * f64::from(members) / noise_multiplier).powi(2);
        (affordable as usize).clamp(FIXED, (self.marginals_max as usize).max(FIXED))
    }

    /// Number of histograms of values of a budget, as [`NetPoolConfig::marginals`].
    pub fn histograms(&self, noise_multiplier: f64, members: u32) -> usize {
        /// About where a value stands out of the noise.
        const CUT: f64 = 5.0;
        let affordable =
            (self.cut_share * f64::from(members) / (CUT * noise_multiplier)).powi(2) * self.histogram_share;
        (affordable as usize).clamp(HISTOGRAMS_MIN, Place::ALL.len())
    }

    fn check(&self) -> Result<()> {
        let positive = [
            ("packets", self.packets),
            ("records", self.records),
            ("kept", self.kept),
            ("iterations", self.iterations),
            ("marginals_max", self.marginals_max),
        ];
        require_counts(&positive)?;
        if self.packets > PACKETS_MAX {
            return Err(Error::user(format!("`packets` must be at most {PACKETS_MAX}, found `{}`", self.packets)));
        }
        let above = [
            ("prior", self.prior),
            ("noise_share", self.noise_share),
            ("cut_share", self.cut_share),
            ("false_values", self.false_values),
        ];
        if let Some((key, value)) = above.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            return Err(Error::user(format!("`{key}` must be above 0, found `{value}`")));
        }
        if self.false_values > FALSE_VALUES_MAX {
            return Err(Error::user(format!(
                "`false_values` must be at most {FALSE_VALUES_MAX}, found `{}`",
                self.false_values
            )));
        }
        for (name, chance) in [("vary", self.vary), ("best_effort", self.best_effort)] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(Error::user(format!("`{name}` must be between 0 and 1, found `{chance}`")));
            }
        }
        self.votes.as_ref().map_or(Ok(()), Votes::check)?;
        let shares = [self.histogram_share, self.choice_share];
        if shares.iter().any(|share| !(*share > 0.0 && *share < 1.0)) || shares.iter().sum::<f64>() >= 1.0 {
            return Err(Error::user(format!(
                "`histogram_share` and `choice_share` must be above 0 and leave something, found `{shares:?}`"
            )));
        }
        Ok(())
    }
}
