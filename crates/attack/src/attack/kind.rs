//! The registry of attacks, by name.

use super::learner::{Attack, AttackTerms};
use super::lira::{Lira, LiraOptions};
use super::mlp::Mlp;
use super::mlp_options::MlpOptions;
use super::ocsvm::{Ocsvm, OcsvmOptions};
use super::random_forest::RandomForest;
use super::rmia::{Rmia, RmiaOptions};
use super::statistic::Statistic;
use super::threshold::Threshold;
use serde_json::{Map, Value};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::NamedScalar;

/// An attack of any kind with its options. A closed enum, so that constructing one references no training code: its
/// description is reached by [`AnyAttack::deref`](std::ops::Deref), its training by [`AnyAttack::attack`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the attack of its name")]
pub enum AnyAttack {
    Mlp(Mlp),
    Ocsvm(Ocsvm),
    RandomForest(RandomForest),
    Threshold(Threshold),
    Lira(Lira),
    Rmia(Rmia),
}

impl AnyAttack {
    /// The trainable attack. A binary that references this function links libtorch.
    pub fn attack(&self) -> &(dyn Attack + 'static) {
        match self {
            Self::Mlp(attack) => attack,
            Self::Ocsvm(attack) => attack,
            Self::RandomForest(attack) => attack,
            Self::Threshold(attack) => attack,
            Self::Lira(attack) => attack,
            Self::Rmia(attack) => attack,
        }
    }
}

impl AsRef<dyn Attack> for AnyAttack {
    fn as_ref(&self) -> &(dyn Attack + 'static) {
        self.attack()
    }
}

impl std::ops::Deref for AnyAttack {
    type Target = dyn AttackTerms;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Mlp(attack) => attack,
            Self::Ocsvm(attack) => attack,
            Self::RandomForest(attack) => attack,
            Self::Threshold(attack) => attack,
            Self::Lira(attack) => attack,
            Self::Rmia(attack) => attack,
        }
    }
}

/// Every attack, with its presets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttackKind {
    /// The paper's two-layer network with its published settings.
    Mlp,
    /// The same network with standardised inputs, a higher rate and early stopping.
    MlpTuned,
    /// The paper's one-class SVM, stopped after 1,000 iterations.
    Ocsvm,
    /// The same, run until it converges.
    OcsvmConverged,
    /// A random forest.
    RandomForest,
    /// One threshold on the loss or another scalar.
    Threshold,
    /// Likelihood ratio against models that were not trained on the trace.
    Lira,
    /// Likelihood ratio against models that were and models that were not.
    LiraOnline,
    /// Robust membership inference by comparison with other traces.
    Rmia,
}

impl AttackKind {
    /// Every attack, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Mlp,
        Self::MlpTuned,
        Self::Ocsvm,
        Self::OcsvmConverged,
        Self::RandomForest,
        Self::Threshold,
        Self::Lira,
        Self::LiraOnline,
        Self::Rmia,
    ];

    /// Name in specs and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mlp => "mlp",
            Self::MlpTuned => "mlp-tuned",
            Self::Ocsvm => "ocsvm",
            Self::OcsvmConverged => "ocsvm-converged",
            Self::RandomForest => "random_forest",
            Self::Threshold => "threshold",
            Self::Lira => "lira",
            Self::LiraOnline => "lira-online",
            Self::Rmia => "rmia",
        }
    }

    /// The attack of a name; the error lists the known ones.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known: Vec<String> = Self::ALL.iter().map(|kind| format!("`{}`", kind.name())).collect();
            Error::user(format!("expected an attack, found `{name}`"))
                .hint(format!("known attacks: {}", known.join(", ")))
        })
    }

    /// Does it train a network (and so need the cargo feature `torch`)?
    pub fn needs_torch(self) -> bool {
        matches!(self, Self::Mlp | Self::MlpTuned)
    }

    /// Does it compare attributes of one trace from several models?
    pub fn needs_references(self) -> bool {
        matches!(self, Self::Lira | Self::LiraOnline | Self::Rmia)
    }

    /// The attack with the options of its preset, on the loss where it reads a scalar.
    pub fn attack(self) -> AnyAttack {
        match self {
            Self::Threshold => AnyAttack::Threshold(Threshold { statistic: Statistic::loss() }),
            Self::Lira => AnyAttack::Lira(Lira::preset(self.name(), LiraOptions::offline())),
            Self::LiraOnline => AnyAttack::Lira(Lira::preset(self.name(), LiraOptions::online())),
            Self::Rmia => AnyAttack::Rmia(Rmia::preset(RmiaOptions::standard())),
            _ => match self.with(&Map::new(), &[]) {
                Ok(Some(attack)) => attack,
                // A preset without overrides is always valid.
                Ok(None) | Err(_) => AnyAttack::Threshold(Threshold { statistic: Statistic::loss() }),
            },
        }
    }

    /// The attack with the options of a spec over its preset. `scalars` are what the attribute that it
    /// will read offers by name; `None` where the spec names one that is not among them.
    ///
    /// # Errors
    /// Where a key is unknown, or a value has the wrong type or lies outside its range.
    pub fn with(self, written: &Map<String, Value>, scalars: &[NamedScalar]) -> Result<Option<AnyAttack>> {
        Ok(Some(match self {
            Self::Mlp => AnyAttack::Mlp(Mlp::new(self.name(), &MlpOptions::paper(), written)?),
            Self::MlpTuned => AnyAttack::Mlp(Mlp::new(self.name(), &MlpOptions::tuned(), written)?),
            Self::Ocsvm => AnyAttack::Ocsvm(Ocsvm::new(self.name(), &OcsvmOptions::paper(), written)?),
            Self::OcsvmConverged => AnyAttack::Ocsvm(Ocsvm::new(self.name(), &OcsvmOptions::converged(), written)?),
            Self::RandomForest => AnyAttack::RandomForest(RandomForest::new(written)?),
            Self::Threshold => {
                let (statistic, rest) = statistic(written, scalars)?;
                super::options::overlay(&Map::new(), &rest)?;
                let Some(statistic) = statistic else { return Ok(None) };
                AnyAttack::Threshold(Threshold { statistic })
            }
            Self::Lira | Self::LiraOnline => {
                let (statistic, rest) = statistic(written, scalars)?;
                let preset = if self == Self::Lira { LiraOptions::offline() } else { LiraOptions::online() };
                let Some(statistic) = statistic else { return Ok(None) };
                AnyAttack::Lira(Lira::new(self.name(), &preset, &rest, statistic)?)
            }
            Self::Rmia => {
                let (statistic, rest) = statistic(written, scalars)?;
                let Some(statistic) = statistic else { return Ok(None) };
                AnyAttack::Rmia(Rmia::new(&RmiaOptions::standard(), &rest, statistic)?)
            }
        }))
    }
}

/// Takes `statistic` and `column` out of written options.
fn statistic(written: &Map<String, Value>, scalars: &[NamedScalar]) -> Result<(Option<Statistic>, Map<String, Value>)> {
    let mut rest = written.clone();
    let name = match rest.remove("statistic") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => return Err(Error::user(format!("`statistic` must be a text, found {other}"))),
    };
    let column = match rest.remove("column") {
        None => None,
        Some(value) => {
            let column = value.as_u64().and_then(|column| u32::try_from(column).ok());
            Some(column.ok_or_else(|| Error::user(format!("`column` must be a whole number from 0, found {value}")))?)
        }
    };
    Ok((Statistic::resolve(name.as_deref(), column, scalars)?, rest))
}
