//! Files that break off, lie, or are no captures.

use super::build::*;
use proptest::prelude::*;
use syntrace::base::Digest;
use syntrace::capture::{RECORD_BYTES_MAX, cut};
use syntrace::error::ErrorKind;

fn classic() -> Vec<u8> {
    pcap(1, &[ethernet(0x0800, &syn()), ethernet(0x0800, &syn())])
}

fn next_generation() -> Vec<u8> {
    let frame = ethernet(0x0800, &syn());
    [
        section(LITTLE),
        interface(LITTLE, 1, 0, &[]),
        enhanced(LITTLE, 0, 1, &frame, &[]),
        block(LITTLE, 4, &[1; 40]),
        enhanced(LITTLE, 0, 2, &frame, &[]),
    ]
    .concat()
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames_and_says_where_it_breaks() {
    for whole in [classic(), next_generation()] {
        let (all, _) = read_all(&whole).unwrap();
        assert_eq!(all.len(), 2);
        for length in 12..whole.len() {
            let bytes = &whole[..length];
            let (frames, summary) = read_all(bytes).unwrap();
            let ends = |frame: &Read| all.iter().position(|other| other == frame).is_some();
            assert!(frames.iter().all(ends), "cut at {length}");
            assert_eq!(summary.digest, Digest::of(bytes));
            assert_eq!(summary.bytes, length as u64);
            if let Some(damage) = summary.damage {
                assert!(damage.offset < length as u64, "cut at {length}: damage at {}", damage.offset);
                assert!(
                    damage.reason.contains("expected") || damage.reason.contains("ends inside"),
                    "{}",
                    damage.reason
                );
            } else {
                // Only at a border between records is there nothing to complain about.
                let borders: Vec<usize> = match whole.starts_with(&[0x0a]) {
                    true => vec![28, 48, 48 + 88, 48 + 88 + 52],
                    false => vec![24, 24 + 16 + 54],
                };
                assert!(borders.contains(&length), "silent cut at {length}");
            }
        }
    }
}

#[test]
fn a_cut_record_is_reported_at_its_own_offset() {
    let whole = classic();
    let (_, summary) = read_all(&whole[..whole.len() - 5]).unwrap();
    let damage = summary.damage.unwrap();
    assert_eq!(damage.offset, 24 + 16 + 54);
    assert_eq!(damage.reason, "the record is cut: expected 54 bytes, found 49");
}

#[test]
fn a_hostile_record_length_is_damage_and_not_an_allocation() {
    for length in [RECORD_BYTES_MAX as u32 + 1, u32::MAX] {
        let bytes = [classic(), LITTLE.u32s(&[1, 1, length, length]), vec![0; 100]].concat();
        let (frames, summary) = read_all(&bytes).unwrap();
        assert_eq!(frames.len(), 2);
        let damage = summary.damage.unwrap();
        assert_eq!(damage.offset, classic().len() as u64);
        assert!(damage.reason.contains(&length.to_string()), "{}", damage.reason);
    }
    let hostile_block = [LITTLE.u32(6), LITTLE.u32(0xffff_fff0), vec![0; 64]].concat();
    let (frames, summary) = read_all(&[next_generation(), hostile_block].concat()).unwrap();
    assert_eq!((frames.len(), summary.damage.unwrap().offset), (2, next_generation().len() as u64));
}

#[test]
fn contradicting_block_lengths_are_damage() {
    let mut bytes = next_generation();
    let last = bytes.len() - 4;
    bytes[last] ^= 4;
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(frames.len(), 1);
    assert!(summary.damage.unwrap().reason.contains("block lengths differ"));
}

#[test]
fn a_packet_of_an_undeclared_interface_is_damage() {
    let bytes = [next_generation(), enhanced(LITTLE, 1, 3, &[0; 60], &[])].concat();
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(summary.damage.unwrap().reason, "a packet of interface 1, but its section describes 1");
}

#[test]
fn a_captured_length_beyond_its_block_is_damage() {
    let head = LITTLE.u32s(&[0, 0, 3, 500, 500]);
    let bytes = [next_generation(), block(LITTLE, 6, &[head, vec![0; 60]].concat())].concat();
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(frames.len(), 2);
    assert!(summary.damage.unwrap().reason.contains("found a captured length of 500"));
}

#[test]
fn files_that_are_no_captures_are_refused_by_name() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "found an empty file"),
        (b"abc", "found 3 bytes"),
        (b"snoop\0\0\0\0\0\0\x02", "found a Solaris snoop file"),
        (b"id,time,source\n1,2,3\n", "found text"),
        (b"BZh91AY&SY\0\0", "found a bzip2 file"),
        (&[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4], "without its byte-order magic"),
    ];
    for (bytes, found) in cases {
        let error = read_all(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::User);
        assert!(error.to_string().contains("expected a PCAP or PCAPNG file"), "{error}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.hint_text().is_some());
    }
}

/// Fails after some bytes, as a disk may.
struct Failing<'a>(&'a [u8]);

impl std::io::Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Err(std::io::Error::other("the disk is gone"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_failing_reader_is_an_error_and_not_damage() {
    let error = read_from(Failing(&classic())).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    assert!(error.to_string().contains(&format!("byte {}", classic().len())), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes changed anywhere may damage a file but never make the reader panic or lose count.
    #[test]
    fn changed_bytes_never_panic_and_every_frame_is_accounted_for(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        next in any::<bool>(),
    ) {
        let mut bytes = if next { next_generation() } else { classic() };
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(cut) = cut(bytes.as_slice(), &options(10, 1)) {
            let kept: u64 = cut.traces.iter().map(|trace| trace.packets.len() as u64).sum();
            let dropped: u64 = cut.drops.iter().map(|drop| drop.packets).sum();
            prop_assert_eq!(kept + dropped, cut.summary.packets);
            prop_assert_eq!(cut.summary.digest, Digest::of(&bytes));
        }
    }

    /// Any bytes as a frame of any link type: a packet or a reason.
    #[test]
    fn arbitrary_frames_of_every_link_type_never_panic(
        frame in prop::collection::vec(any::<u8>(), 0..200),
        link in prop::sample::select(vec![0u32, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 119, 127, 163, 178, 179, 181, 192, 228, 229, 239, 258, 276, 999]),
        original in any::<u32>(),
    ) {
        match syntrace::capture::decode_frame(link, 0, &frame, original) {
            Ok(packet) => prop_assert!(packet.data.len() >= 14 + 28),
            Err(dropped) => prop_assert!(!dropped.to_string().is_empty()),
        }
    }
}
