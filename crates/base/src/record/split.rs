//! Members and held-out traces of one role.

use super::model::Role;
use crate::base::{ClassId, SplitId};

/// On which side of a split a trace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// In the training set.
    Member,
    /// Held out: never trained on.
    HeldOut,
}

impl Part {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::HeldOut => "held_out",
        }
    }
}

/// One split (paper section 3.3.3). Its trace ids are rows of the `splits` segments. Key: [`SplitId`].
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SplitRecord {
    /// From class, role, seed, sizes and the pool of traces it was drawn from.
    pub split_id: SplitId,
    /// The class whose traces are split.
    pub class_id: ClassId,
    /// Target, or which shadow.
    pub role: Role,
    /// Number of member traces, or of member hosts where they are the unit of privacy.
    pub members: u32,
    /// Number of held-out traces (hosts); equal to `members` in the paper's protocol.
    pub held_out: u32,
    /// BLAKE3 of the sorted trace ids of the class: a split belongs to exactly this pool.
    pub pool_digest: [u8; 32],
}
