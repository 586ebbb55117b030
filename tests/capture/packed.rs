//! Captures packed by gzip, zstd and xz: the same capture, in bounded memory.

use super::build::*;
use std::io::Write;
use syntrace::base::Digest;
use syntrace::capture::Unpacked;
use syntrace::error::ErrorKind;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// An xz stream of uncompressed LZMA2 chunks: what `xz` reads, without a packer of our own.
fn xz(bytes: &[u8], window: u8) -> Vec<u8> {
    let four = |mut out: Vec<u8>| {
        out.resize(out.len().next_multiple_of(4), 0);
        out
    };
    let checked = |out: Vec<u8>| [out.clone(), crc32(&out).to_le_bytes().to_vec()].concat();
    let head = checked(four(vec![2, 0, 0x21, 1, window, 0, 0, 0]));
    let mut data = Vec::new();
    for (number, chunk) in bytes.chunks(1 << 16).enumerate() {
        data.push(if number == 0 { 1 } else { 2 });
        data.extend(((chunk.len() - 1) as u16).to_be_bytes());
        data.extend(chunk);
    }
    data.push(0);
    let unpadded = head.len() + data.len();
    let number = |mut value: usize| {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let index = checked(four([vec![0, 1], number(unpadded), number(bytes.len())].concat()));
    let flags = [0, 0];
    let backward = ((index.len() / 4 - 1) as u32).to_le_bytes();
    let tail = [&backward[..], &flags].concat();
    [
        b"\xfd7zXZ\0".to_vec(),
        checked(flags.to_vec()),
        head,
        four(data),
        index,
        crc32(&tail).to_le_bytes().to_vec(),
        tail,
        b"YZ".to_vec(),
    ]
    .concat()
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn capture() -> Vec<u8> {
    let frames: Vec<Vec<u8>> = (0..2000u16)
        .map(|port| ethernet(0x0800, &ipv4(17, [10, 0, 0, 1], [10, 0, 0, 2], &udp(port, 53, &port.to_be_bytes()))))
        .collect();
    pcap(1, &frames)
}

#[test]
fn packed_captures_are_the_captures_that_are_in_them() {
    let plain = capture();
    let (frames, summary) = read_all(&plain).unwrap();
    assert_eq!(frames.len(), 2000);
    let halves = plain.split_at(plain.len() / 2);
    let packed = [
        ("gzip", gzip(&plain)),
        ("gzip of two members", [gzip(halves.0), gzip(halves.1)].concat()),
        ("zstd", zstd::encode_all(plain.as_slice(), 19).unwrap()),
        (
            "zstd of two frames",
            [zstd::encode_all(halves.0, 3).unwrap(), zstd::encode_all(halves.1, 3).unwrap()].concat(),
        ),
        (
            "zstd behind a skippable frame",
            [vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7], zstd::encode_all(plain.as_slice(), 3).unwrap()].concat(),
        ),
        ("xz", xz(&plain, 22)),
        ("xz of two streams", [xz(halves.0, 22), xz(halves.1, 22)].concat()),
    ];
    for (name, bytes) in packed {
        let (found, packed) = read_all(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(packed, summary, "{name}");
        assert_eq!(packed.digest, Digest::of(&plain), "{name}");
        assert!(found == frames, "{name}");
    }
}

#[test]
fn a_packed_stream_that_breaks_off_gives_what_is_before_and_says_so() {
    let plain = capture();
    for (name, bytes) in
        [("gzip", gzip(&plain)), ("zstd", zstd::encode_all(plain.as_slice(), 3).unwrap()), ("xz", xz(&plain, 22))]
    {
        let half = &bytes[..bytes.len() / 2];
        match read_all(half) {
            Ok((frames, summary)) => {
                assert!(frames.len() < 2000, "{name}");
                let damage = summary.damage.unwrap();
                assert!(
                    damage.reason.contains(&format!("the {name} stream is truncated or damaged")),
                    "{}",
                    damage.reason
                );
                // However it is read, the same bytes are there.
                let mut whole = Vec::new();
                let mut reader = Unpacked::new(half).unwrap();
                let mut small = [0; 7];
                while let Ok(count @ 1..) = std::io::Read::read(&mut reader, &mut small) {
                    whole.extend(&small[..count]);
                }
                assert_eq!(Digest::of(&whole), summary.digest, "{name}");
                assert_eq!(whole, plain[..whole.len()], "{name}");
            }
            // A packer that checks whole blocks gives nothing of half a one.
            Err(error) => {
                assert!(error.to_string().contains(&format!("the {name} stream is truncated or damaged")), "{error}")
            }
        }
    }
}

/// Zeros without end.
struct Zeros;

impl std::io::Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }
}

#[test]
fn decompression_bombs_and_windows_beyond_the_limit_are_refused() {
    // A frame of zstd that says "one byte, 128 KiB times", again and again: 4 bytes become 131,072 (no records of a
    // capture, so that the time is that of unpacking).
    let head = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    let block = [0x02u8, 0x00, 0x10, 0xff];
    let bomb = [head, block.repeat(20_000)].concat();
    let bytes = [pcap(1, &[]), vec![0; 200]].concat();
    let begun = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    let error = read_all(&[begun, bomb].concat()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.to_string().contains("at most 1 GiB or 1000 times its size"), "{error}");
    // 1.5 GiB of dictionary, which would be taken before the first byte.
    let error = read_all(&xz(&capture(), 37)).unwrap_err();
    assert!(error.to_string().contains("window of at most 128 MiB"), "{error}");
    // A window of 2 GiB in zstd's frame header.
    let error = read_all(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0]).unwrap_err();
    assert!(error.to_string().contains("window of at most 128 MiB"), "{error}");
    let plain = std::io::Read::take(std::io::Read::chain(std::io::Cursor::new(capture()), Zeros), 1 << 20);
    assert_eq!(read_from(plain).unwrap().1.bytes, 1 << 20, "what is not packed has no limit");
}
