//! PCAP and PCAPNG: byte orders, clocks, sections, interfaces, block types.

use super::build::*;
use syntrace::base::Digest;

#[test]
fn classic_files_read_the_same_in_both_byte_orders_and_both_clocks() {
    let frame = ethernet(0x0800, &syn());
    let cases = [
        (LITTLE, 0xa1b2_c3d4, 250, "pcap"),
        (BIG, 0xa1b2_c3d4, 250, "pcap-be"),
        (LITTLE, 0xa1b2_3c4d, 250_999, "pcap-ns"),
        (BIG, 0xa1b2_3c4d, 250_999, "pcap-ns-be"),
    ];
    for (order, magic, fraction, format) in cases {
        let bytes = [pcap_header(order, magic, 1), pcap_record(order, 1_700_000_000, fraction, &frame)].concat();
        let (frames, summary) = read_all(&bytes).unwrap();
        assert_eq!(summary.format, format);
        assert_eq!(summary.link_types, [1]);
        assert_eq!(summary.damage, None);
        assert_eq!((summary.first_us, summary.last_us), (1_700_000_000_000_250, 1_700_000_000_000_250));
        let expected = Read {
            offset: 24,
            time_us: 1_700_000_000_000_250,
            link_type: 1,
            captured: frame.clone(),
            original_length: frame.len() as u32,
        };
        assert_eq!(frames, [expected], "{format}");
    }
}

#[test]
fn the_modified_format_has_longer_record_headers() {
    let frame = ethernet(0x0800, &syn());
    for (order, format) in [(LITTLE, "pcap-modified"), (BIG, "pcap-modified-be")] {
        let length = frame.len() as u32;
        let record = [order.u32s(&[7, 8, length, length, 0, 0]), frame.clone()].concat();
        let bytes = [pcap_header(order, 0xa1b2_cd34, 1), record.clone(), record].concat();
        let (frames, summary) = read_all(&bytes).unwrap();
        assert_eq!(summary.format, format);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].captured, frame);
        assert_eq!(frames[1].time_us, 7_000_008);
    }
}

#[test]
fn the_upper_half_of_the_link_type_word_is_no_link_type() {
    let bytes = pcap_header(LITTLE, 0xa1b2_c3d4, 0x5400_0001);
    assert_eq!(read_all(&bytes).unwrap().1.link_types, [1]);
}

#[test]
fn a_header_without_packets_is_an_empty_capture() {
    for bytes in [pcap(1, &[]), [section(LITTLE), interface(LITTLE, 1, 0, &[])].concat(), section(BIG)] {
        let (frames, summary) = read_all(&bytes).unwrap();
        assert!(frames.is_empty());
        assert_eq!((summary.first_us, summary.last_us, summary.damage), (0, 0, None));
        assert_eq!(summary.bytes, bytes.len() as u64);
    }
}

#[test]
fn interfaces_have_their_own_link_type_and_clock() {
    for order in [LITTLE, BIG] {
        let raw = syn();
        let offset = if order.big { 1000i64.to_be_bytes() } else { 1000i64.to_le_bytes() };
        let bytes = [
            section(order),
            interface(order, 1, 0, &[]),
            interface(order, 101, 0, &option(order, 9, &[9])),
            interface(order, 101, 0, &[option(order, 9, &[0x8a]), option(order, 14, &offset)].concat()),
            interface(order, 101, 0, &option(order, 9, &[3])),
            enhanced(order, 0, 5_000_001, &ethernet(0x0800, &raw), &[]),
            enhanced(order, 1, 5_000_002_999, &raw, &option(order, 1, b"a comment")),
            enhanced(order, 2, 1024 + 512, &raw, &[]),
            enhanced(order, 3, 5_003, &raw, &[]),
        ]
        .concat();
        let (frames, summary) = read_all(&bytes).unwrap();
        assert_eq!(summary.format, if order.big { "pcapng-be" } else { "pcapng" });
        assert_eq!(summary.link_types, [1, 101]);
        let seen: Vec<(u32, i64)> = frames.iter().map(|frame| (frame.link_type, frame.time_us)).collect();
        assert_eq!(seen, [(1, 5_000_001), (101, 5_000_002), (101, 1_001_500_000), (101, 5_003_000)]);
        assert!(frames[1..].iter().all(|frame| frame.captured == raw));
    }
}

#[test]
fn options_behind_the_end_of_options_set_no_clock() {
    let raw = syn();
    for order in [LITTLE, BIG] {
        let options = [option(order, 9, &[9]), option(order, 0, &[]), option(order, 9, &[3])].concat();
        let bytes = [section(order), interface(order, 101, 0, &options), enhanced(order, 0, 7_000, &raw, &[])].concat();
        let (frames, summary) = read_all(&bytes).unwrap();
        assert_eq!((frames[0].time_us, summary.damage), (7, None));
    }
}

#[test]
fn hostile_clocks_stay_within_times_that_can_be_subtracted() {
    let raw = syn();
    for (resolution, offset) in [(0, i64::MAX), (0, i64::MIN), (0x80, 0), (0xff, i64::MIN), (127, i64::MAX), (6, -1)] {
        let options = [option(LITTLE, 9, &[resolution]), option(LITTLE, 14, &offset.to_le_bytes())].concat();
        let bytes = [
            section(LITTLE),
            interface(LITTLE, 101, 0, &options),
            enhanced(LITTLE, 0, u64::MAX, &raw, &[]),
            enhanced(LITTLE, 0, 0, &raw, &[]),
        ];
        let (frames, summary) = read_all(&bytes.concat()).unwrap();
        assert!(frames[0].time_us.checked_sub(frames[1].time_us).is_some());
        assert!(summary.last_us.checked_sub(summary.first_us).is_some());
    }
}

#[test]
fn sections_may_change_the_byte_order_and_begin_interfaces_anew() {
    let raw = syn();
    let bytes = [
        section(LITTLE),
        interface(LITTLE, 1, 0, &[]),
        enhanced(LITTLE, 0, 1, &ethernet(0x0800, &raw), &[]),
        section(BIG),
        interface(BIG, 101, 0, &[]),
        enhanced(BIG, 0, 2, &raw, &[]),
    ]
    .concat();
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(summary.damage, None);
    let seen: Vec<(u32, i64)> = frames.iter().map(|frame| (frame.link_type, frame.time_us)).collect();
    assert_eq!(seen, [(1, 1), (101, 2)]);
}

#[test]
fn a_section_of_an_unknown_version_is_stepped_over_and_said() {
    let raw = syn();
    let known = [section(LITTLE), interface(LITTLE, 101, 0, &[]), enhanced(LITTLE, 0, 1, &raw, &[])].concat();
    let unknown = [section_of_version(LITTLE, 2), interface(LITTLE, 101, 0, &[]), enhanced(LITTLE, 0, 1, &raw, &[])];
    let bytes = [known.clone(), unknown.concat(), known.clone()].concat();
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(frames.len(), 2);
    let damage = summary.damage.unwrap();
    assert_eq!(damage.offset, known.len() as u64);
    assert!(damage.reason.contains("version 2.0"), "{}", damage.reason);
}

#[test]
fn simple_and_obsolete_packet_blocks_are_read() {
    let raw = syn();
    let length = raw.len() as u32;
    let obsolete_head = [LITTLE.u16(0), LITTLE.u16(3), LITTLE.u32s(&[0, 77, length, length])].concat();
    let bytes = [
        section(LITTLE),
        interface(LITTLE, 101, 30, &[]),
        block(LITTLE, 2, &[obsolete_head, raw.clone()].concat()),
        block(LITTLE, 3, &[LITTLE.u32(length), raw[..30].to_vec()].concat()),
    ]
    .concat();
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(summary.damage, None);
    assert_eq!((frames[0].time_us, frames[0].captured.len()), (77, raw.len()));
    // The simple block has no time of its own and is cut to the snapshot length, not to its padding.
    assert_eq!((frames[1].time_us, frames[1].captured.len(), frames[1].original_length), (77, 30, length));
}

#[test]
fn unknown_blocks_of_any_size_are_stepped_over() {
    let raw = syn();
    let large = vec![0x5a; 3 * 1024 * 1024];
    let bytes = [
        section(LITTLE),
        interface(LITTLE, 101, 0, &[]),
        block(LITTLE, 0x0000_0bad, &large),
        block(LITTLE, 10, &large),
        enhanced(LITTLE, 0, 9, &raw, &[]),
    ]
    .concat();
    let (frames, summary) = read_all(&bytes).unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!(summary.damage, None);
    assert_eq!(frames[0].offset, (bytes.len() - enhanced(LITTLE, 0, 9, &raw, &[]).len()) as u64);
}

/// Gives one byte at a time, as a slow pipe may.
struct Trickle<'a>(&'a [u8]);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (Some(place), Some((first, rest))) = (buffer.first_mut(), self.0.split_first()) else { return Ok(0) };
        *place = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn frames_and_digest_do_not_depend_on_how_the_reader_gives_its_bytes() {
    let frames: Vec<Vec<u8>> = (0..40).map(|index| ethernet(0x0800, &vec![index; usize::from(index) * 7])).collect();
    let bytes = pcap(1, &frames);
    let whole = read_all(&bytes).unwrap();
    assert_eq!(read_from(Trickle(&bytes)).unwrap(), whole);
    assert_eq!(whole.1.digest, Digest::of(&bytes));
    assert_eq!(whole.0.len(), frames.len());
}

#[test]
fn captures_larger_than_the_window_are_read_whole() {
    let frames: Vec<Vec<u8>> = (0..50u8).map(|index| vec![index; 40_000 + usize::from(index)]).collect();
    let bytes = pcap(1, &frames);
    let (read, summary) = read_all(&bytes).unwrap();
    assert!(read.iter().map(|frame| &frame.captured).eq(&frames));
    assert_eq!(summary.digest, Digest::of(&bytes));
}

/// A classic file of a version whose record gives its two lengths as they stand.
fn of_version(order: Order, major: u16, minor: u16, lengths: &[(u32, u32)], frame: &[u8]) -> Vec<u8> {
    let head = [order.u32(0xa1b2_c3d4), order.u16(major), order.u16(minor), order.u32s(&[0, 0, 65535, 1])].concat();
    let record = |(first, second): &(u32, u32)| {
        let captured = (*first).min(*second) as usize;
        [order.u32s(&[1, 2, *first, *second]), frame[..captured].to_vec()].concat()
    };
    head.into_iter().chain(lengths.iter().flat_map(record)).collect()
}

#[test]
fn old_files_hold_the_original_length_first_and_those_of_2_3_either_way() {
    let frame = ethernet(0x0800, &syn());
    let whole = frame.len() as u32;
    let cases = [
        (2, 1, vec![(whole, 40), (whole, whole)]),
        (2, 2, vec![(900, 40), (whole, whole)]),
        (2, 3, vec![(900, 40), (40, 900), (whole, whole)]),
        (2, 4, vec![(40, 900), (whole, whole)]),
        (543, 0, vec![(900, 40)]),
    ];
    for (order, (major, minor, lengths)) in
        [LITTLE, BIG].into_iter().flat_map(|order| cases.clone().map(|case| (order, case)))
    {
        let (frames, summary) = read_all(&of_version(order, major, minor, &lengths, &frame)).unwrap();
        assert_eq!(summary.damage, None, "version {major}.{minor}");
        let found: Vec<(u32, u32)> =
            frames.iter().map(|frame| (frame.captured.len() as u32, frame.original_length)).collect();
        let expected: Vec<(u32, u32)> = lengths.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
        assert_eq!(found, expected, "version {major}.{minor}");
    }
    // From 2.4 on a captured length beyond the original one is what it says.
    let grown = of_version(LITTLE, 2, 4, &[(whole, 40)], &[frame.clone(), vec![0; 4]].concat());
    assert_eq!(
        read_all(&grown).unwrap().1.damage.unwrap().reason,
        format!("the record is cut: expected {whole} bytes, found 40")
    );
    let unknown = of_version(LITTLE, 3, 0, &[(40, 40)], &frame);
    assert_eq!(read_all(&unknown).unwrap().1.damage.unwrap().reason, "expected pcap version 2, found version 3.0");
}

#[test]
fn sections_of_unknown_minor_versions_are_read_and_said() {
    let frame = ethernet(0x0800, &syn());
    for (minor, said) in [(0, false), (2, false), (1, true), (9, true)] {
        let version = [LITTLE.u32(0x1a2b_3c4d), LITTLE.u16(1), LITTLE.u16(minor), vec![0xff; 8]].concat();
        let bytes =
            [block(LITTLE, 0x0a0d_0d0a, &version), interface(LITTLE, 1, 0, &[]), enhanced(LITTLE, 0, 1, &frame, &[])]
                .concat();
        let (frames, summary) = read_all(&bytes).unwrap();
        assert_eq!(frames.len(), 1, "version 1.{minor}");
        assert_eq!(summary.damage.is_some(), said, "version 1.{minor}");
        if let Some(damage) = summary.damage {
            assert!(damage.reason.contains(&format!("found version 1.{minor}: read as 1.0")), "{}", damage.reason);
        }
    }
}
