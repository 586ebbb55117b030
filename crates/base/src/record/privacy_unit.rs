//! What an epsilon is about.

/// The unit of privacy: what neighbouring sets of members differ by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivacyUnit {
    /// One trace.
    Trace,
    /// All traces of one host. The host of a trace is the source address of its first packet: who began it.
    Host {
        /// Most traces of a host in a split: a public number.
        traces_max: u32,
    },
}

impl PrivacyUnit {
    /// Name in specs, jobs and SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Host { .. } => "host",
        }
    }

    /// The neighbouring relation.
    pub const fn neighbours(self) -> &'static str {
        match self {
            Self::Trace => "add or remove one trace",
            Self::Host { .. } => "add or remove one host",
        }
    }

    /// Most traces of a unit.
    pub const fn traces_max(self) -> u32 {
        match self {
            Self::Trace => 1,
            Self::Host { traces_max } => traces_max,
        }
    }

    /// Adds what a job's spec says of it: nothing for the trace, so that ids of jobs are what they were before there was a
    /// choice.
    pub fn write_into(self, spec: &mut serde_json::Value) {
        if let (Self::Host { traces_max }, Some(spec)) = (self, spec.as_object_mut()) {
            spec.insert("unit".to_owned(), self.name().into());
            spec.insert("host_traces".to_owned(), traces_max.into());
        }
    }
}
