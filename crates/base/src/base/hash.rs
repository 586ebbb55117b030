//! BLAKE3 digests and the identities derived from them.

/// A BLAKE3 digest (256 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// BLAKE3 keyed with this digest: a pseudorandom function of the bytes to whoever does not know it.
    pub fn keyed(&self, bytes: &[u8]) -> Self {
        Self(*blake3::keyed_hash(&self.0, bytes).as_bytes())
    }

    /// Lower-case hexadecimal text, 64 characters.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// Reads 64 hexadecimal characters.
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }

    /// The first 63 bits as a positive integer: what ids are made of. Two of a million ids collide
    /// with probability below 1e-7; a collision is reported as a conflict, never overwritten.
    pub fn id63(&self) -> i64 {
        let mut first = [0u8; 8];
        first.copy_from_slice(&self.0[..8]);
        (u64::from_be_bytes(first) >> 1) as i64
    }

    /// The first 16 bytes: the key of bulk content.
    pub fn prefix16(&self) -> [u8; 16] {
        let mut prefix = [0u8; 16];
        prefix.copy_from_slice(&self.0[..16]);
        prefix
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Digest({})", self.hex())
    }
}

/// The digest of a stream, computed while it is read.
#[derive(Default)]
pub struct StreamDigest(blake3::Hasher);

impl StreamDigest {
    /// Adds the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added; equal to [`Digest::of`] of the same bytes.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// Builds a digest over typed, length-prefixed parts, so that two lists of parts never collide by
/// concatenation.
pub struct Identity(blake3::Hasher);

impl Identity {
    /// Starts an identity of one kind (`"trace"`, `"job"`); kinds never share digests.
    pub fn new(kind: &str) -> Self {
        Self(blake3::Hasher::new()).text(kind)
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds an integer.
    #[must_use]
    pub fn int(self, value: i64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Adds another digest.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.bytes(&digest.0)
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}
