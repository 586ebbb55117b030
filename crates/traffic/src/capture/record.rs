//! One record or block of a capture file, of either format.

/// Largest frame that is believed: libpcap's largest snapshot length. A longer record is damage.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Where a frame lies in the window.
pub(super) struct Record {
    pub(super) time_us: i64,
    pub(super) link_type: u32,
    /// Start of the frame's bytes in the window.
    pub(super) data_start: usize,
    /// Bytes captured.
    pub(super) captured: usize,
    /// Bytes on the wire.
    pub(super) original_length: u32,
    /// Bytes of the whole record or block.
    pub(super) length: usize,
}

/// What a format's reader met next.
pub(super) enum Step {
    Packet(Record),
    /// A link type was declared.
    Interface(u32),
    /// Nothing more can be read from here.
    Damage(String),
    /// Something that cannot be read is stepped over.
    Gap(String),
    End,
}
