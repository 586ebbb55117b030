//! A labelled population.

use crate::base::ClassId;

/// Where the traffic of a class comes from; decides what may be read outside the DP mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Origin {
    /// Captured: private.
    Captured,
    /// Made by the built-in simulator; private all the same when a study protects it.
    Simulated,
    /// Named as public by the user: may be used for pretraining and ranges under DP.
    Public,
}

impl Origin {
    /// As the table `classes` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Simulated => "simulated",
            Self::Public => "public",
        }
    }
}

/// One class of one dataset. Key: [`ClassId`], derived from both names.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ClassRecord {
    /// From dataset and class name.
    pub class_id: ClassId,
    /// Dataset (`os`, `vca`).
    pub dataset: String,
    /// Class within it (`windows`, `meet`).
    pub class: String,
    /// Where the traffic comes from.
    pub origin: Origin,
}

impl ClassRecord {
    /// The id of a class: a function of its two names.
    pub fn id_of(dataset: &str, class: &str) -> ClassId {
        crate::base::Identity::new("class").text(dataset).text(class).finish().into()
    }
}
