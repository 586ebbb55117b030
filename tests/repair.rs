//! Generated nPrint cells to packets: rules one by one, counts, other tools, pictures.

use crate::common::Finish;
use syntrace::base::Seed;
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::encoding::nprint::{NPRINT_BITS, NprintRow};
use syntrace::encoding::{BLANK_ROW, COLORS, EncodingKind, IMAGE_ROWS, NprintImage, NprintLayout};
use syntrace::record::{Direction, DropReason, Packet, Trace, TraceUnit};
use syntrace::simulate::{SimulateOptions, simulate};
use syntrace::synth::{RepairProfile, RepairedTrace, original_length, repair};

const ETHERNET: u32 = 1;
const ROWS: usize = 10;
const CLIENT: [u8; 6] = [10, 0, 0, 1, 0x9c, 0x40];
const SERVER: [u8; 6] = [192, 0, 2, 7, 0x01, 0xbb];
const SYN: u8 = 2;
const ACK: u8 = 16;
const FIN: u8 = 1;

/// A row with IPv4 header bytes and transport bytes at a place.
fn row(ip: &[u8], at: usize, transport: &[u8]) -> NprintRow {
    let mut row = BLANK_ROW;
    for (start, bytes) in [(0, ip), (at, transport)] {
        row.value[start..start + bytes.len()].copy_from_slice(bytes);
        row.presence[start..start + bytes.len()].fill(0xff);
    }
    row
}

fn ip(protocol: u8, length: u16, from_client: bool) -> Vec<u8> {
    let (source, destination) = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut bytes = vec![0x45, 0, (length >> 8) as u8, length as u8, 0, 9, 0x40, 0, 61, protocol, 0, 0];
    bytes.extend(&source[..4]);
    bytes.extend(&destination[..4]);
    bytes
}

fn tcp(from_client: bool, sequence: u32, acknowledgment: u32, flags: u8, length: u16, options: &[u8]) -> NprintRow {
    let (source, destination) = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut bytes = [&source[4..], &destination[4..]].concat();
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(acknowledgment.to_be_bytes());
    bytes.extend([((5 + options.len() / 4) as u8) << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    bytes.extend(options);
    row(&ip(6, length, from_client), 60, &bytes)
}

fn udp(from_client: bool, length: u16) -> NprintRow {
    let (source, destination) = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut bytes = [&source[4..], &destination[4..]].concat();
    bytes.extend((length - 20).to_be_bytes());
    bytes.extend([0, 0]);
    row(&ip(17, length, from_client), 120, &bytes)
}

fn image(rows: Vec<NprintRow>) -> NprintImage {
    NprintImage { layout: NprintLayout::Addresses, rows }
}

fn strict(rows: Vec<NprintRow>) -> RepairedTrace {
    repair(&image(rows), RepairProfile::Strict, ROWS, Seed::root(1))
}

fn reference(rows: Vec<NprintRow>) -> RepairedTrace {
    repair(&image(rows), RepairProfile::Reference, ROWS, Seed::root(1))
}

fn cells_of(trace: &RepairedTrace, rule: &str) -> u32 {
    trace.repairs.iter().find(|(name, _)| *name == rule).map_or(0, |(_, cells)| *cells)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Sequence number, acknowledgement, flags of a packet's TCP header.
fn numbers(packet: &Packet) -> (u32, u32, u8) {
    (word(&packet.data, 38), word(&packet.data, 42), packet.data[47])
}

/// A clean opening with one data segment each way; checksums are zero, so that they alone are repaired.
fn conversation() -> Vec<NprintRow> {
    vec![
        tcp(true, 100, 0, SYN, 44, &[2, 4, 5, 0xb4]),
        tcp(false, 900, 101, SYN | ACK, 44, &[2, 4, 5, 0xb4]),
        tcp(true, 101, 901, ACK, 40, &[]),
        tcp(true, 101, 901, ACK, 140, &[]),
        tcp(false, 901, 201, ACK, 540, &[]),
        tcp(true, 201, 1401, ACK | FIN, 40, &[]),
        tcp(false, 1401, 202, ACK | FIN, 40, &[]),
    ]
}

#[test]
fn strict_changes_nothing_but_checksums_of_a_clean_conversation() {
    let rows = conversation();
    let trace = strict(rows.clone());
    assert_eq!((trace.packets.len(), trace.rejected()), (7, 0));
    let rules: Vec<&str> = trace.repairs.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, ["ip_checksum", "tcp_checksum"]);
    for (packet, row) in trace.packets.iter().zip(&rows) {
        let bytes = row.header_bytes();
        assert_eq!(packet.data[14..24], bytes[..10], "up to the checksum");
        assert_eq!(packet.data[26..50], bytes[12..36], "from the addresses to the checksum");
        assert_eq!(packet.data.len(), 14 + bytes.len(), "no payload");
    }
    let directions: Vec<bool> = trace.packets.iter().map(|packet| packet.direction == Direction::Forward).collect();
    assert_eq!(directions, [true, false, true, true, false, true, false]);
}

#[test]
fn strict_counts_syn_fin_and_payload_across_the_end_of_the_number_space() {
    let mut rows = conversation();
    for (row, sequence) in rows.iter_mut().zip([u32::MAX, 900, 5, 6, 7, 8, 9]) {
        row.value[64..68].copy_from_slice(&sequence.to_be_bytes());
        row.value[68..72].copy_from_slice(&[0; 4]);
    }
    let trace = strict(rows);
    let found: Vec<(u32, u32)> = trace.packets.iter().map(numbers).map(|(sequence, ack, _)| (sequence, ack)).collect();
    let expected = [(u32::MAX, 0), (900, 0), (0, 901), (0, 901), (901, 100), (100, 1401), (1401, 101)];
    assert_eq!(found, expected);
    assert!(cells_of(&trace, "tcp_sequence") > 0 && cells_of(&trace, "tcp_acknowledgment") > 0);
}

#[test]
fn strict_drops_rows_that_are_mostly_blank_and_counts_what_was_in_them() {
    let mut stray = BLANK_ROW;
    stray.presence[..10].fill(0xff);
    let trace = strict(vec![BLANK_ROW, conversation()[0], stray, BLANK_ROW]);
    assert_eq!((trace.packets.len(), trace.rejected()), (1, 0), "80 of 160 cells are not most");
    assert_eq!(cells_of(&trace, "blank_rows"), 80);
    assert_eq!(strict(vec![BLANK_ROW; 4]), RepairedTrace::default());
}

#[test]
fn strict_gives_all_rows_the_endpoints_that_most_agree_on() {
    let mut rows = conversation();
    // One bit of the third row's source address, two of the fifth row's destination port.
    rows[2].value[15] ^= 4;
    rows[4].value[63] ^= 3;
    let trace = strict(rows);
    assert_eq!((cells_of(&trace, "addresses"), cells_of(&trace, "ports")), (1, 2));
    let ends: std::collections::BTreeSet<_> = trace
        .packets
        .iter()
        .flat_map(|packet| [(packet.src_ip.clone(), packet.src_port), (packet.dst_ip.clone(), packet.dst_port)])
        .collect();
    assert_eq!(ends.len(), 2);
}

#[test]
fn strict_removes_flags_that_no_stack_sends_together() {
    let case = |flags: [u8; 3]| -> Vec<u8> {
        let rows = flags.iter().zip([true, false, true]).map(|(flags, client)| tcp(client, 1, 1, *flags, 40, &[]));
        strict(rows.collect()).packets.iter().map(|packet| numbers(packet).2).collect()
    };
    const RST: u8 = 4;
    assert_eq!(case([SYN | FIN | RST, SYN, 0]), [SYN, SYN | ACK, ACK]);
    assert_eq!(case([ACK, SYN | ACK, SYN | ACK]), [ACK, SYN | ACK, ACK], "no SYN after other segments of a side");
    assert_eq!(case([FIN | RST, RST, FIN]), [RST, RST, FIN | ACK]);
}

#[test]
fn strict_closes_options_at_a_32_bit_border() {
    // (generated option bytes, what is kept)
    let cases: [(&[u8], &[u8]); 6] = [
        (&[2, 4, 5, 0xb4, 1, 3, 3], &[2, 4, 5, 0xb4, 1, 1, 1, 0]),
        (&[2, 9, 5, 0xb4], &[2, 4, 5, 0xb4]),
        (&[4, 2, 4, 2], &[4, 2, 1, 1]),
        (&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8], &[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8]),
        (&[0xee, 3, 3, 7, 0], &[1, 3, 3, 7]),
        (&[5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1], &[5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0]),
    ];
    for (generated, kept) in cases {
        let mut row = tcp(true, 1, 0, SYN, 40, &[]);
        row.value[80..80 + generated.len()].copy_from_slice(generated);
        row.presence[80..80 + generated.len()].fill(0xff);
        let trace = strict(vec![row]);
        let packet = &trace.packets[0];
        assert_eq!(packet.data[54..], *kept, "{generated:?}");
        assert_eq!(usize::from(packet.data[46] >> 4), 5 + kept.len() / 4);
        assert_eq!(packet.ip_length as usize, 40 + kept.len(), "the total length covers the options");
    }
}

#[test]
fn strict_udp_lengths_agree_and_end_at_1480() {
    let mut long = udp(true, 60);
    long.value[2..4].copy_from_slice(&9_000u16.to_be_bytes());
    let mut short = udp(false, 60);
    short.value[2..4].copy_from_slice(&3u16.to_be_bytes());
    let trace = strict(vec![long, short]);
    let lengths: Vec<(u32, u16)> =
        trace.packets.iter().map(|packet| (packet.ip_length, half(&packet.data, 38))).collect();
    assert_eq!(lengths, [(1_500, 1_480), (28, 8)]);
}

#[test]
fn what_is_no_tcp_or_udp_is_rejected_and_never_made_into_it() {
    let icmp = row(&ip(1, 28, true), 128, &[8, 0, 0, 0, 0, 1, 0, 1]);
    for trace in [strict(vec![icmp; 3]), reference(vec![icmp; 3])] {
        assert_eq!((trace.packets.len(), trace.rejections.as_slice()), (0, &[DropReason::OtherTransport; 3][..]));
    }
}

#[test]
fn reference_makes_packets_of_blank_rows_and_random_ends() {
    let trace = reference([conversation(), vec![BLANK_ROW; 3]].concat());
    assert_eq!(trace.packets.len(), ROWS);
    // 160 absent cells a blank row less the addresses (64) and the version (4), which other rules wrote.
    assert_eq!(cells_of(&trace, "ip_missing_bits"), 3 * (160 - 64 - 4));
    assert_eq!(cells_of(&trace, "tcp_missing_bits"), 3 * 160);
    let client = trace.packets[0].src_ip.clone();
    assert_ne!(client, CLIENT[..4], "addresses are drawn, whatever was generated");
    for packet in &trace.packets {
        assert!(packet.ip_length <= 1_500 && packet.ttl > 0 && packet.flags == Some(2));
        assert_eq!(packet.src_ip == client, packet.direction == Direction::Forward);
    }
}

#[test]
fn reference_numbers_and_flags_follow_the_published_rules() {
    let trace = reference(vec![tcp(true, 7, 7, ACK | FIN, 140, &[]); ROWS]);
    let ours: Vec<(bool, (u32, u32, u8))> =
        trace.packets.iter().map(|packet| (packet.direction == Direction::Forward, numbers(packet))).collect();
    let first_answer = ours.iter().position(|(client, _)| !client).unwrap_or(ROWS);
    let established = (first_answer..ROWS).find(|index| ours[*index].0).unwrap_or(ROWS);
    let mut next: [Option<u32>; 2] = [None, None];
    let mut last: [Option<u32>; 2] = [None, None];
    for (index, (client, (sequence, acknowledgment, flags))) in ours.into_iter().enumerate() {
        let side = usize::from(!client);
        // Payload counts, SYN and FIN do not.
        assert_eq!(sequence, next[side].unwrap_or(sequence));
        next[side] = Some(sequence.wrapping_add(100));
        last[side] = Some(sequence);
        let expected = if last[1].is_some() { last[1 - side].unwrap_or(0) } else { 0 };
        assert_eq!(acknowledgment, expected, "the peer's last sequence number");
        let expected = match index {
            _ if index < first_answer => SYN,
            _ if index < established => SYN | ACK,
            _ if index == established => ACK,
            _ => ACK | FIN,
        };
        assert_eq!(flags, expected, "row {index}");
    }
}

#[test]
fn reference_scans_options_by_the_length_of_their_runs() {
    // A run of 32 bits is an MSS option whatever it says; its kind and length are overwritten.
    let trace = reference(vec![tcp(true, 1, 0, SYN, 44, &[0xff, 0xff, 5, 0xb4]); 2]);
    assert_eq!(trace.packets[0].data[54..58], [2, 4, 5, 0xb4]);
    // 96 bits are nearest to timestamps, and the 16 left are SACK-permitted.
    let trace = reference(vec![tcp(true, 1, 0, SYN, 52, &[1; 12])]);
    assert_eq!(
        (trace.packets[0].data[54..56].to_vec(), trace.packets[0].data[64..66].to_vec()),
        (vec![8, 10], vec![4, 2])
    );
    // An 8-bit run that starts with 0 ends the list; at the very start it is erased.
    let trace = reference(vec![{
        let mut row = tcp(true, 1, 0, SYN, 44, &[]);
        row.presence[80] = 0xff;
        row
    }]);
    assert_eq!(trace.packets[0].data.len(), 54);
}

#[test]
fn reference_sets_the_udp_length_within_bounds_and_keeps_a_longer_total() {
    let mut rows = vec![udp(true, 60); 2];
    rows[0].value[124..126].copy_from_slice(&3u16.to_be_bytes());
    rows[1].value[124..126].copy_from_slice(&9_000u16.to_be_bytes());
    let trace = reference(rows);
    let lengths: Vec<(u32, u16)> =
        trace.packets.iter().map(|packet| (packet.ip_length, half(&packet.data, 38))).collect();
    assert_eq!(lengths, [(60, 8), (1_492, 1_472)]);
}

#[test]
fn both_profiles_are_functions_of_cells_and_seed() {
    let rows = noise_images(1).remove(0);
    for profile in [RepairProfile::Strict, RepairProfile::Reference] {
        let with = |seed| repair(&rows, profile, ROWS, Seed::root(seed));
        assert_eq!(with(3), with(3));
        assert_ne!(with(3).packets, with(4).packets, "{}: missing bits are drawn", profile.name());
        assert_eq!(RepairProfile::from_name(profile.name()).unwrap(), profile);
    }
    assert!(RepairProfile::from_name("none").is_err());
}

/// Images of real traces with some cells flipped and some made absent.
fn noise_images(count: usize) -> Vec<NprintImage> {
    let mut images = Vec::new();
    for class in ["bsd", "android", "zoom"] {
        for (index, trace) in traces(class, 30).iter().take(count).enumerate() {
            let mut image = NprintImage::from_encoded(&EncodingKind::Nprint.encode(trace)).unwrap();
            for (place, row) in image.rows.iter_mut().enumerate() {
                for bit in (0..NPRINT_BITS).skip((7 * place + index) % 50).step_by(53) {
                    row.value[bit / 8] ^= row.presence[bit / 8] & 0x80 >> (bit % 8);
                }
                for bit in (0..NPRINT_BITS).skip((11 * place + index) % 90).step_by(97) {
                    row.presence[bit / 8] &= !(0x80 >> (bit % 8));
                    row.value[bit / 8] &= row.presence[bit / 8];
                }
            }
            images.push(image);
        }
    }
    images
}

fn traces(class: &str, flows: u32) -> Vec<Trace> {
    let mut options = SimulateOptions::new("public", class, flows, Seed::root(3));
    options.ipv6_share = 0.0;
    let frames = simulate(&options).unwrap();
    let mut capture = Vec::new();
    write_frames(&mut capture, ETHERNET, frames.iter().map(|frame| (frame.time_us, &frame.bytes))).unwrap();
    let options = CutOptions {
        dataset: "public".to_owned(),
        class: class.to_owned(),
        unit: TraceUnit::Flow,
        trace_packets: ROWS as u32,
        min_packets: 1,
    };
    cut(capture.as_slice(), &options).unwrap().traces
}

/// What the packets say, encoded again, differs from the generated cells in at most as many cells as the
/// rules counted (a rule may undo another's change).
#[test]
fn every_changed_cell_is_counted() {
    for image in noise_images(8) {
        let kept: Vec<&NprintRow> = image
            .rows
            .iter()
            .filter(|row| row.presence[..20].iter().map(|byte| byte.count_ones()).sum::<u32>() > 80)
            .collect();
        let repaired = repair(&image, RepairProfile::Strict, ROWS, Seed::root(2));
        assert_eq!(repaired.packets.len(), kept.len());
        let trace = Trace {
            trace_id: syntrace::base::TraceId(1),
            first_packet: 0,
            link_type: ETHERNET,
            flow_packets: 0,
            flow_bytes: 0,
            packets: repaired.packets.clone(),
        };
        let again = NprintImage::from_encoded(&EncodingKind::Nprint.encode(&trace)).unwrap();
        let differ = |a: &NprintRow, b: &NprintRow| (0..NPRINT_BITS).filter(|bit| a.cell(*bit) != b.cell(*bit)).count();
        let changed: usize = again.rows.iter().zip(kept).map(|(after, before)| differ(after, before)).sum();
        let counted: u32 = repaired.repairs.iter().map(|(_, cells)| cells).sum();
        assert!(changed > 0 && changed as u32 <= counted, "{changed} cells changed, {counted} counted");
    }
}

#[test]
fn strict_packets_of_noisy_images_open_in_tshark_with_valid_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("strict.pcap");
    let packets: Vec<Packet> = noise_images(30)
        .iter()
        .enumerate()
        .flat_map(|(index, image)| repair(image, RepairProfile::Strict, ROWS, Seed::root(index as u64)).packets)
        .collect();
    assert!(packets.len() > 300, "{} packets", packets.len());
    // Payload of zeros in full, so that the transport checksums can be checked.
    let frames: Vec<(i64, Vec<u8>)> = packets
        .iter()
        .map(|packet| {
            let mut data = packet.data.clone();
            data.resize(original_length(packet) as usize, 0);
            (packet.time_us, data)
        })
        .collect();
    let mut bytes = Vec::new();
    write_frames(&mut bytes, ETHERNET, frames.iter().map(|(time, data)| (*time, data))).unwrap();
    std::fs::write(&file, bytes).unwrap();
    // Ports are noise: what the protocol that usually lives there says of the payload does not count.
    let wrong = "(_ws.malformed && !tcp.payload && !udp.payload) || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || \
         tcp.option.len.invalid || ip.bogus_header_length || tcp.bogus_header_length || udp.length.bad";
    let enable = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
    let arguments = [&["-r", file.to_str().unwrap()][..], &enable].concat();
    let run = |filter: &[&str]| std::process::Command::new("tshark").args(&arguments).args(filter).finish();
    let Ok(output) = run(&["-Y", wrong]) else {
        crate::common::skip("tshark", format_args!("strict packets in tshark: tshark is not installed"));
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().count(), 0, "{}", text.lines().take(8).collect::<Vec<_>>().join("\n"));
    let good = run(&["-Y", "tcp.checksum.status == 1 || udp.checksum.status == 1"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&good.stdout).lines().count(), packets.len(), "all checksums were looked at");
}

/// Reads a palette PNG with stored deflate blocks: width, height and RGB pixels.
pub fn read_png(file: &[u8]) -> (usize, usize, Vec<[u8; 3]>) {
    assert_eq!(file[..8], *b"\x89PNG\r\n\x1a\n");
    let (mut at, mut header, mut palette, mut data) = (8, Vec::new(), Vec::new(), Vec::new());
    while at < file.len() {
        let length = word(file, at) as usize;
        let body = &file[at + 8..at + 8 + length];
        match &file[at + 4..at + 8] {
            b"IHDR" => header = body.to_vec(),
            b"PLTE" => palette = body.to_vec(),
            b"IDAT" => data.extend(body),
            _ => {}
        }
        at += 12 + length;
    }
    let (mut lines, mut at) = (Vec::<u8>::new(), 2);
    while at + 4 < data.len() {
        let length = usize::from(u16::from_le_bytes([data[at + 1], data[at + 2]]));
        lines.extend(&data[at + 5..at + 5 + length]);
        at += 5 + length;
    }
    let (width, height) = (word(&header, 0) as usize, word(&header, 4) as usize);
    let stride: usize = 1 + width / 4;
    let pixel = |index: usize| {
        let (y, x) = (index / width, index % width);
        let number = usize::from(lines[y * stride + 1 + x / 4] >> (6 - 2 * (x % 4)) & 3);
        [palette[3 * number], palette[3 * number + 1], palette[3 * number + 2]]
    };
    (width, height, (0..width * height).map(pixel).collect())
}

#[test]
fn png_pixels_have_the_published_colors_of_their_cells() {
    let image = noise_images(1).remove(0);
    for height in [ROWS, IMAGE_ROWS] {
        let (width, found, pixels) = read_png(&image.to_png(height, &COLORS));
        assert_eq!((width, found), (NPRINT_BITS, height));
        for (index, pixel) in pixels.iter().enumerate() {
            let cell = image.rows.get(index / width).map_or(-1, |row| row.cell(index % width));
            let expected = match cell {
                1 => COLORS[0],
                0 => COLORS[1],
                _ => COLORS[2],
            };
            assert_eq!(*pixel, expected, "row {} column {}", index / width, index % width);
        }
    }
    assert_eq!(COLORS, [[255, 0, 0], [0, 255, 0], [0, 0, 255]]);
}

/// An independent reader, where there is one: Python's zlib inflates the image data.
#[test]
fn png_files_are_read_by_another_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.png");
    std::fs::write(&path, noise_images(1).remove(0).to_png(IMAGE_ROWS, &COLORS)).unwrap();
    let script = "import sys,zlib,struct\nb=open(sys.argv[1],'rb').read();o=8;d=b''\n\
         while o<len(b):\n n,k=struct.unpack('>I4s',b[o:o+8]);c=b[o+8:o+8+n]\n \
         assert zlib.crc32(k+c)==struct.unpack('>I',b[o+8+n:o+12+n])[0]\n d+=c if k==b'IDAT' else b'';o+=12+n\n\
         print(len(zlib.decompress(d)))";
    let Ok(output) = std::process::Command::new("python3").args(["-c", script]).arg(&path).finish() else {
        crate::common::skip("python3", format_args!("png_files_are_read_by_another_decoder: python3 is not installed"));
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let length: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert_eq!(length, IMAGE_ROWS * (1 + NPRINT_BITS / 4));
}

#[test]
fn layouts_differ_in_addresses_and_ipv6_columns_alone() {
    let image = image(conversation());
    let other = image.with_layout(NprintLayout::Ipv6);
    assert_ne!(image.layout.name(), other.layout.name());
    for (ours, theirs) in image.rows.iter().zip(&other.rows) {
        assert_eq!(ours.value[..12], theirs.value[..12]);
        assert_eq!(ours.presence[20..60], theirs.presence[12..52], "options");
        assert_eq!(theirs.presence[52..60], [0; 8], "IPv6");
        assert_eq!(ours.value[60..], theirs.value[60..]);
    }
    let back = other.with_layout(NprintLayout::Addresses);
    for (ours, theirs) in image.rows.iter().zip(&back.rows) {
        assert_eq!(theirs.presence[12..20], [0; 8], "addresses are gone");
        assert_eq!((&ours.value[20..], &ours.presence[20..]), (&theirs.value[20..], &theirs.presence[20..]));
    }
    // Cells of columns that no IPv4 packet has are counted, not used.
    let mut strange = other.clone();
    strange.rows[0].presence[52] = 0xff;
    let trace = repair(&strange, RepairProfile::Strict, ROWS, Seed::root(1));
    assert_eq!(cells_of(&trace, "ipv6_columns"), 8);
    assert_eq!(cells_of(&trace, "ip_missing_bits"), 7 * 64, "addresses are drawn");
}

/// Hand-computed: of 2 x 1,088 cells 160 + 160 are present in one row and none in the other; the row of
/// ones has 320 ones.
#[test]
fn entropy_is_that_of_the_color_histogram() {
    let ones = row(&[0xff; 20], 60, &[0xff; 20]);
    let share = 320.0 / 2176.0f64;
    let expected = -share * share.log2() - (1.0 - share) * (1.0 - share).log2();
    assert!((image(vec![ones, BLANK_ROW]).entropy_bits(2) - expected).abs() < 1e-12);
    assert_eq!(image(vec![BLANK_ROW]).entropy_bits(IMAGE_ROWS), 0.0);
    // The study's training images have about 0.03 bits (paper section 3.4.2).
    let mean = |class: &str| {
        let images = traces(class, 60);
        let of = |trace: &Trace| {
            NprintImage::from_encoded(&EncodingKind::Nprint.encode(trace)).unwrap().entropy_bits(IMAGE_ROWS)
        };
        images.iter().map(of).sum::<f64>() / images.len() as f64
    };
    let bits = mean("bsd");
    assert!((0.015..0.05).contains(&bits), "{bits} bits");
}
