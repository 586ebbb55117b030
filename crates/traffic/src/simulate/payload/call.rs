//! Media of calls: RTP (RFC 3550) with header extensions (RFC 8285), and RTCP. Media bytes are SRTP
//! ciphertext, so random.

use crate::simulate::draw::Draw;

/// One RTP stream.
pub(in crate::simulate) struct Stream {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    pub(in crate::simulate) source: u32,
    /// Identifier and length of each one-byte header extension.
    extensions: &'static [(u8, usize)],
    octets: u32,
    packets: u32,
}

impl Stream {
    pub(in crate::simulate) fn new(draw: &mut Draw, payload_type: u8, extensions: &'static [(u8, usize)]) -> Self {
        Self {
            payload_type,
            sequence: draw.half(),
            timestamp: draw.word(),
            source: draw.word(),
            extensions,
            octets: 0,
            packets: 0,
        }
    }

    /// Moves the media clock on by `ticks` (48 kHz audio: 960 each 20 ms; 90 kHz video: 3,000 a frame).
    pub(in crate::simulate) fn advance(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// The next packet with `media` bytes of ciphertext and the tag.
    pub(in crate::simulate) fn packet(&mut self, draw: &mut Draw, marker: bool, media: usize) -> Vec<u8> {
        let extended = !self.extensions.is_empty();
        let mut out = vec![if extended { 0x90 } else { 0x80 }, (u8::from(marker) << 7) | self.payload_type];
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.source.to_be_bytes());
        if extended {
            let mut body = Vec::new();
            for (id, length) in self.extensions {
                body.push((id << 4) | (*length as u8 - 1));
                body.extend(draw.bytes(*length));
            }
            body.resize(body.len().next_multiple_of(4), 0);
            out.extend([0xbe, 0xde]);
            out.extend(((body.len() / 4) as u16).to_be_bytes());
            out.extend(body);
        }
        out.extend(draw.bytes(media));
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += media as u32;
        out
    }

    /// Sender report with a canonical name.
    pub(in crate::simulate) fn report(&self, draw: &mut Draw) -> Vec<u8> {
        let mut body = draw.array::<8>().to_vec();
        body.extend(self.timestamp.to_be_bytes());
        body.extend(self.packets.to_be_bytes());
        body.extend(self.octets.to_be_bytes());
        let mut out = control(200, 0, self.source, &body);
        let name = draw.label(16, 16);
        let mut item = vec![1, name.len() as u8];
        item.extend(name.bytes());
        item.push(0);
        item.resize(item.len().next_multiple_of(4), 0);
        out.extend(control(202, 1, self.source, &item));
        out
    }

    /// Receiver report about this stream, at times with a request (picture loss, lost packets, rate).
    pub(in crate::simulate) fn feedback(&self, draw: &mut Draw, reporter: u32) -> Vec<u8> {
        let mut block = self.source.to_be_bytes().to_vec();
        block.extend([draw.byte() % 8, 0, 0, draw.byte()]);
        block.extend(u32::from(self.sequence).to_be_bytes());
        block.extend((draw.word() % 900).to_be_bytes());
        block.extend(draw.array::<8>());
        let mut out = control(201, 1, reporter, &block);
        let mut target = self.source.to_be_bytes().to_vec();
        match draw.size(0, 3) {
            0 => out.extend(control(206, 1, reporter, &target)),
            1 => {
                target.extend(self.sequence.wrapping_sub(3).to_be_bytes());
                target.extend([0, draw.byte()]);
                out.extend(control(205, 1, reporter, &target));
            }
            2 => {
                let mut estimate = vec![0; 4];
                estimate.extend(b"REMB");
                estimate.extend([1, 0x12, draw.byte(), draw.byte()]);
                estimate.extend(self.source.to_be_bytes());
                out.extend(control(206, 15, reporter, &estimate));
            }
            _ => {}
        }
        out
    }
}

/// An RTCP packet; the body is a whole number of words.
fn control(kind: u8, count: u8, source: u32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | count, kind];
    out.extend((1 + body.len() as u16 / 4).to_be_bytes());
    out.extend(source.to_be_bytes());
    out.extend(body);
    out
}
