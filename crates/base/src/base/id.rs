//! One id type per noun: positive 63-bit integers derived from content (see [`super::Digest::id63`]),
//! so that studies made on different machines can be merged.

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
        pub struct $name(pub i64);

        impl From<super::Digest> for $name {
            fn from(digest: super::Digest) -> Self {
                Self(digest.id63())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )+};
}

id_types! {
    /// One input file, by its content.
    CaptureId,
    /// One class of one dataset.
    ClassId,
    /// One trace, real or synthetic.
    TraceId,
    /// One split: members and held-out traces of a role.
    SplitId,
    /// One trained generator.
    ModelId,
    /// One attack result (attack, attribute kind, generator, class, regime, evaluated on).
    AttackId,
    /// One unit of work.
    JobId,
}
