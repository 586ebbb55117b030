//! All generators, by name.

use super::generator::{Family, Generator};
use syntrace_base::error::{Error, Result};

/// Names of all generators.
pub fn generator_names() -> &'static [&'static str] {
    &["markov", "netdiffusion", "netdpsyn", "netpool", "netshare", "netssm"]
}

/// A generator of the spec, of whichever family. A closed enum, so that making one names no training: what it says of
/// itself is behind [`AnyGenerator::deref`](std::ops::Deref), what it does behind [`AnyGenerator::generator`].
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the family of its name")]
pub enum AnyGenerator {
    Markov(super::markov::Markov),
    NetDiffusion(super::netdiffusion::NetDiffusion),
    NetDpSyn(super::netdpsyn::NetDpSyn),
    NetPool(super::netpool::NetPool),
    NetShare(super::netshare::NetShare),
    NetSsm(super::netssm::NetSsm),
}

impl AnyGenerator {
    /// Builds a generator from its name and the options of its table in a spec (`preset` and any key of its
    /// configuration), for traces of at most `packets` packets.
    ///
    /// # Errors
    /// Where there is no such generator, or an option is unknown or outside its range.
    pub fn from_options(
        name: &str,
        options: &serde_json::Map<String, serde_json::Value>,
        packets: u32,
    ) -> Result<Self> {
        Ok(match name {
            "markov" => Self::Markov(super::markov::Markov::from_options(options, packets)?),
            "netdiffusion" => Self::NetDiffusion(super::netdiffusion::NetDiffusion::from_options(options, packets)?),
            "netdpsyn" => Self::NetDpSyn(super::netdpsyn::NetDpSyn::from_options(options, packets)?),
            "netpool" => Self::NetPool(super::netpool::NetPool::from_options(options, packets)?),
            "netshare" => Self::NetShare(super::netshare::NetShare::from_options(options, packets)?),
            "netssm" => Self::NetSsm(super::netssm::NetSsm::from_options(options, packets)?),
            _ => {
                let known = generator_names().join("`, `");
                return Err(Error::user(format!("generator must be one of `{known}`, found `{name}`")));
            }
        })
    }

    /// The preset `small` of a family.
    ///
    /// # Errors
    /// Where there is no such family.
    pub fn preset(name: &str) -> Result<Self> {
        Self::from_options(name, &serde_json::Map::new(), 10)
    }

    /// The trainable generator. A binary that references this function links libtorch.
    pub fn generator(&self) -> &dyn Generator {
        match self {
            Self::Markov(generator) => generator,
            Self::NetDiffusion(generator) => generator,
            Self::NetDpSyn(generator) => generator,
            Self::NetPool(generator) => generator,
            Self::NetShare(generator) => generator,
            Self::NetSsm(generator) => generator,
        }
    }
}

impl std::ops::Deref for AnyGenerator {
    type Target = dyn Family;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Markov(generator) => generator,
            Self::NetDiffusion(generator) => generator,
            Self::NetDpSyn(generator) => generator,
            Self::NetPool(generator) => generator,
            Self::NetShare(generator) => generator,
            Self::NetSsm(generator) => generator,
        }
    }
}

impl std::ops::DerefMut for AnyGenerator {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Markov(generator) => generator,
            Self::NetDiffusion(generator) => generator,
            Self::NetDpSyn(generator) => generator,
            Self::NetPool(generator) => generator,
            Self::NetShare(generator) => generator,
            Self::NetSsm(generator) => generator,
        }
    }
}

/// As [`AnyGenerator::from_options`], ready to train.
///
/// # Errors
/// Where there is no such generator, or an option is unknown or outside its range.
pub fn generator(
    name: &str,
    options: &serde_json::Map<String, serde_json::Value>,
    packets: u32,
) -> Result<Box<dyn Generator>> {
    Ok(match AnyGenerator::from_options(name, options, packets)? {
        AnyGenerator::Markov(generator) => Box::new(generator),
        AnyGenerator::NetDiffusion(generator) => Box::new(generator),
        AnyGenerator::NetDpSyn(generator) => Box::new(generator),
        AnyGenerator::NetPool(generator) => Box::new(generator),
        AnyGenerator::NetShare(generator) => Box::new(generator),
        AnyGenerator::NetSsm(generator) => Box::new(generator),
    })
}
