//! The DTLS 1.2 handshake (RFC 6347) that keys a call's media (RFC 5764).

use super::{prefixed, x509};
use crate::simulate::draw::Draw;

const HANDSHAKE: u8 = 22;
/// Handshake bytes per record: what libraries send to stay below common MTUs.
const FRAGMENT_BYTES: usize = 1_100;

/// Numbers the messages and records of one side.
#[derive(Default)]
struct Sender {
    message: u16,
    record: u64,
}

/// The four flights; each is the list of its datagrams, the first and third are the client's.
pub(in crate::simulate) fn handshake(draw: &mut Draw) -> [Vec<Vec<u8>>; 4] {
    let (mut client, mut server) = (Sender::default(), Sender::default());
    let first = client.message(1, &client_hello(draw), 0xfeff).concat();
    let certificate = chain(&x509::call_certificate(draw));
    let mut second = server.message(2, &server_hello(draw), 0xfefd);
    second.extend(server.message(11, &certificate, 0xfefd));
    second.extend(server.message(12, &key_exchange(draw), 0xfefd));
    second.extend(server.message(13, &[1, 64, 0, 4, 4, 3, 8, 4, 0, 0], 0xfefd));
    second.extend(server.message(14, &[], 0xfefd));
    let mut third = client.message(11, &chain(&x509::call_certificate(draw)), 0xfefd);
    let mut point = vec![4];
    point.extend(draw.bytes(64));
    third.extend(client.message(16, &prefixed::<1>(&point), 0xfefd));
    let mut proof = vec![4, 3];
    proof.extend(prefixed::<2>(&x509::ecdsa_signature(draw)));
    third.extend(client.message(15, &proof, 0xfefd));
    third.extend(client.finish(draw));
    let fourth = server.finish(draw);
    [vec![first], datagrams(second), datagrams(third), vec![fourth.concat()]]
}

impl Sender {
    /// A handshake message in as many records as it needs.
    fn message(&mut self, kind: u8, body: &[u8], version: u16) -> Vec<Vec<u8>> {
        let total = (body.len() as u32).to_be_bytes();
        let number = self.message.to_be_bytes();
        self.message += 1;
        let mut records = Vec::new();
        let mut offset = 0;
        loop {
            let end = (offset + FRAGMENT_BYTES).min(body.len());
            let mut fragment = vec![kind, total[1], total[2], total[3], number[0], number[1]];
            fragment.extend(&(offset as u32).to_be_bytes()[1..]);
            fragment.extend(prefixed::<3>(&body[offset..end]));
            records.push(self.record(HANDSHAKE, version, 0, &fragment));
            offset = end;
            if offset >= body.len() {
                return records;
            }
        }
    }

    /// Change of cipher, and the encrypted Finished in epoch 1.
    fn finish(&mut self, draw: &mut Draw) -> Vec<Vec<u8>> {
        let change = self.record(20, 0xfefd, 0, &[1]);
        self.record = 0;
        vec![change, self.record(HANDSHAKE, 0xfefd, 1, &draw.bytes(48))]
    }

    fn record(&mut self, kind: u8, version: u16, epoch: u16, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend(version.to_be_bytes());
        out.extend(epoch.to_be_bytes());
        out.extend(&self.record.to_be_bytes()[2..]);
        out.extend(prefixed::<2>(body));
        self.record += 1;
        out
    }
}

/// Packs records into datagrams of at most 1,200 bytes.
fn datagrams(records: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for record in records {
        match out.last_mut() {
            Some(last) if last.len() + record.len() <= 1_200 => last.extend(record),
            _ => out.push(record),
        }
    }
    out
}

fn chain(certificate: &[u8]) -> Vec<u8> {
    prefixed::<3>(&prefixed::<3>(certificate))
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(prefixed::<2>(body));
    out
}

fn client_hello(draw: &mut Draw) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend(draw.bytes(32));
    // No session, no cookie.
    body.extend([0, 0]);
    let ciphers = [
        0xc0, 0x2b, 0xc0, 0x2f, 0xcc, 0xa9, 0xcc, 0xa8, 0xc0, 0x09, 0xc0, 0x13, 0xc0, 0x0a, 0xc0, 0x14, 0, 0x9c, 0,
        0x2f,
    ];
    let count = draw.size(5, 10);
    body.extend(prefixed::<2>(&ciphers[..2 * count]));
    body.extend([1, 0]);
    let mut extensions = [extension(23, &[]), extension(0xff01, &[0]), extension(11, &[1, 0])].concat();
    extensions.extend(extension(10, &[0, 6, 0, 29, 0, 23, 0, 24]));
    extensions.extend(extension(35, &[]));
    extensions.extend(extension(13, &[0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1]));
    // use_srtp: AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES128_CM_SHA1_80.
    extensions.extend(extension(14, &[0, 6, 0, 7, 0, 8, 0, 1, 0]));
    body.extend(prefixed::<2>(&extensions));
    body
}

fn server_hello(draw: &mut Draw) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend(draw.bytes(32));
    body.extend([0, 0xc0, 0x2b, 0]);
    let mut extensions = [extension(23, &[]), extension(0xff01, &[0]), extension(11, &[1, 0])].concat();
    extensions.extend(extension(14, &[0, 2, 0, 7, 0]));
    body.extend(prefixed::<2>(&extensions));
    body
}

fn key_exchange(draw: &mut Draw) -> Vec<u8> {
    let mut body = vec![3, 0, 29];
    body.extend(prefixed::<1>(&draw.bytes(32)));
    body.extend([4, 3]);
    body.extend(prefixed::<2>(&x509::ecdsa_signature(draw)));
    body
}
