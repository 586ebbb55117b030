//! Derived seeds: key derivation by name from one study seed. The only place where a random generator is built.

use super::{Digest, Identity};
use rand::SeedableRng;

/// The generator behind every draw: ChaCha with 12 rounds, a portable stream for a given seed.
pub type StreamRng = rand_chacha::ChaCha12Rng;

/// A seed from which named, independent sub-seeds are derived by hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(Digest);

impl Seed {
    /// The root seed of a study.
    pub fn root(value: u64) -> Self {
        Self(Identity::new("seed").bytes(&value.to_le_bytes()).finish())
    }

    /// A seed from an identity (a job's or a model's), so that results do not depend on order or shards.
    pub fn from_digest(digest: Digest) -> Self {
        Self(Identity::new("seed-of").digest(&digest).finish())
    }

    /// A fresh seed from the operating system (privacy noise); it is never stored.
    pub fn from_system() -> crate::error::Result<Self> {
        use rand::TryRng;
        let mut bytes = [0u8; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
            crate::error::Error::internal(format!("the operating system gave no random bytes: {error}"))
        })?;
        Ok(Self(Digest(bytes)))
    }

    /// The sub-seed of a name (`"poisson"`, `"noise"`, `"init"`).
    pub fn named(&self, name: &str) -> Self {
        Self(Identity::new("sub-seed").digest(&self.0).text(name).finish())
    }

    /// The sub-seed of a number (a step, an index).
    pub fn numbered(&self, number: u64) -> Self {
        Self(Identity::new("sub-seed-number").digest(&self.0).bytes(&number.to_le_bytes()).finish())
    }

    /// A generator for this seed.
    pub fn rng(&self) -> StreamRng {
        StreamRng::from_seed(self.0.0)
    }

    /// A 63-bit integer for foreign generators and for display.
    pub fn as_i64(&self) -> i64 {
        self.0.id63()
    }

    /// The 32 bytes of the seed, for a checkpoint.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.0
    }

    /// A seed from the 32 bytes of [`Seed::to_bytes`].
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest(bytes))
    }
}
