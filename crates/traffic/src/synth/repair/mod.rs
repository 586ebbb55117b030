//! Generated nPrint cells to packets: what has to be changed, by named rules that count each changed cell.
//!
//! Two profiles. `reference` does what the published reconstruction does, rule by rule, and so inherits what
//! the study then finds in the results: random addresses and ports, TTLs of noise, lengths cut to 1,500.
//! `strict` changes as little as makes one consistent flow of packets that other tools read without
//! complaint: endpoints that most rows agree on, sequence numbers that follow, valid checksums.
//!
//! Invariants: each change of a cell (to 1, 0 or absent) is counted under one rule; all random fill comes
//! from the seed; no row of noise panics; payload is never written, so that a packet's data ends behind its
//! headers, and checksums are those of a payload of zeros.

mod flow;
mod options;
mod packets;
mod reference;
mod row;
mod strict;

use crate::encoding::{NprintImage, NprintLayout};
use row::Sheet;
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{DropReason, Packet};

/// Which rules make packets of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepairProfile {
    /// The published reconstruction.
    Reference,
    /// As few changes as make a consistent flow.
    Strict,
}

impl RepairProfile {
    /// Name in specs and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Strict => "strict",
        }
    }

    /// A profile by its name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "reference" => Ok(Self::Reference),
            "strict" => Ok(Self::Strict),
            _ => Err(Error::user(format!("`repair` must be `reference` or `strict`, found `{name}`"))),
        }
    }
}

/// Packets made of one generated image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RepairedTrace {
    /// Packets in the order of their rows.
    pub packets: Vec<Packet>,
    /// Rules that changed something and how many cells they changed, in the order applied.
    pub repairs: Vec<(&'static str, u32)>,
    /// Why rows that are not blank gave no packet, one entry for each.
    pub rejections: Vec<DropReason>,
}

impl RepairedTrace {
    /// Number of rows that are not blank and gave no packet.
    pub fn rejected(&self) -> u32 {
        u32::try_from(self.rejections.len()).unwrap_or(u32::MAX)
    }
}

/// Makes packets of the first `packets` rows of an image. The same cells, profile and seed give the same
/// packets.
pub fn repair(image: &NprintImage, profile: RepairProfile, packets: usize, seed: Seed) -> RepairedTrace {
    let mut rng = seed.named("repair").named(profile.name()).rng();
    let mut sheet = Sheet::new(image, packets);
    let flow = match profile {
        RepairProfile::Reference => reference::apply(&mut sheet, &mut rng),
        RepairProfile::Strict => strict::apply(&mut sheet, &mut rng),
    };
    packets::finish(sheet, &flow)
}

/// Columns that only the layout without addresses has are no part of any packet.
fn ipv6_cells(image: &NprintImage, packets: usize) -> u32 {
    match image.layout {
        NprintLayout::Addresses => 0,
        NprintLayout::Ipv6 => {
            let present = |row: &crate::encoding::nprint::NprintRow| {
                row.presence[52..60].iter().map(|byte| byte.count_ones()).sum::<u32>()
            };
            image.rows.iter().take(packets).map(present).sum()
        }
    }
}
