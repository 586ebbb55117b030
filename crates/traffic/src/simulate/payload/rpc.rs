//! Windows' local protocols: SMB2 negotiation (MS-SMB2) and connection-oriented DCE/RPC (C706, MS-RPCE).

use super::prefixed;
use crate::simulate::draw::Draw;

/// Transfer syntax NDR, version 2.
const NDR: [u8; 20] =
    [0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 0x02, 0, 0, 0];

/// Negotiation request and answer.
pub(in crate::simulate) fn smb_negotiation(draw: &mut Draw) -> [Vec<u8>; 2] {
    let dialects: &[u16] = if draw.chance(0.5) { &[0x0202, 0x0210, 0x0300, 0x0302] } else { &[0x0202, 0x0210] };
    let message = draw.size(0, 1) as u64;
    let mut request = smb_header(0, message, false);
    request.extend([36, 0]);
    request.extend((dialects.len() as u16).to_le_bytes());
    request.extend([1, 0, 0, 0, 0x7f, 0, 0, 0]);
    request.extend(draw.array::<16>());
    request.extend([0; 8]);
    request.extend(dialects.iter().flat_map(|dialect| dialect.to_le_bytes()));
    let mut answer = smb_header(0, message, true);
    answer.extend([65, 0, draw.pick(&[1, 3]), 0]);
    answer.extend(draw.pick(dialects).to_le_bytes());
    answer.extend([0, 0]);
    answer.extend(draw.array::<16>());
    answer.extend([0x2f, 0, 0, 0]);
    for _ in 0..3 {
        answer.extend(0x0010_0000_u32.to_le_bytes());
    }
    // System and boot time, as Windows file times of 2024.
    for _ in 0..2 {
        answer.extend((0x01da_0000_0000_0000_u64 | u64::from(draw.word()) << 16).to_le_bytes());
    }
    answer.extend([0x80, 0, 0, 0, 0, 0, 0, 0]);
    [session(&request), session(&answer)]
}

/// An echo of an idle session and its answer.
pub(in crate::simulate) fn smb_echo(number: u64) -> [Vec<u8>; 2] {
    [false, true].map(|answer| {
        let mut message = smb_header(13, number, answer);
        message.extend([4, 0, 0, 0]);
        session(&message)
    })
}

fn smb_header(command: u16, message: u64, answer: bool) -> Vec<u8> {
    let mut out = b"\xfeSMB".to_vec();
    out.extend([64, 0, 1, 0, 0, 0, 0, 0]);
    out.extend(command.to_le_bytes());
    out.extend([1, 0]);
    out.extend(u32::from(answer).to_le_bytes());
    out.extend([0; 4]);
    out.extend(message.to_le_bytes());
    out.extend([0xff, 0xfe, 0, 0]);
    out.extend([0; 28]);
    out
}

fn session(message: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(prefixed::<3>(message));
    out
}

/// One RPC association with an interface of the caller's own.
pub(in crate::simulate) struct Rpc {
    interface: [u8; 16],
    call: u32,
}

impl Rpc {
    pub(in crate::simulate) fn new(draw: &mut Draw) -> Self {
        Self { interface: draw.array(), call: 1 + draw.word() % 3 }
    }

    /// Bind and its acknowledgement; `port` is the secondary address.
    pub(in crate::simulate) fn bind(&mut self, draw: &mut Draw, port: u16) -> [Vec<u8>; 2] {
        let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
        body.extend(self.interface);
        body.extend([1, 0, 0, 0]);
        body.extend(NDR);
        let group = draw.word();
        let mut answer = vec![0xd0, 0x16, 0xd0, 0x16];
        answer.extend(group.to_le_bytes());
        let place = format!("{port}\0");
        answer.extend((place.len() as u16).to_le_bytes());
        answer.extend(place.bytes());
        answer.resize(answer.len().next_multiple_of(4), 0);
        answer.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        answer.extend(NDR);
        [self.unit(11, &body), self.unit(12, &answer)]
    }

    /// A request with opaque arguments and its answer.
    pub(in crate::simulate) fn call(&mut self, draw: &mut Draw, request: usize, answer: usize) -> [Vec<u8>; 2] {
        self.call += 1;
        let mut arguments = (request as u32).to_le_bytes().to_vec();
        arguments.extend([0, 0, draw.byte() % 40, 0]);
        arguments.extend(draw.bytes(request.next_multiple_of(4)));
        let mut results = (answer as u32).to_le_bytes().to_vec();
        results.extend([0; 4]);
        results.extend(draw.bytes(answer.next_multiple_of(4)));
        [self.unit(0, &arguments), self.unit(2, &results)]
    }

    fn unit(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
        out.extend(((16 + body.len()) as u16).to_le_bytes());
        out.extend([0, 0]);
        out.extend(self.call.to_le_bytes());
        out.extend(body);
        out
    }
}
