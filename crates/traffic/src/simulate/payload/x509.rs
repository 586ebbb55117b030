//! Certificates in DER (RFC 5280), as they pass in clear in TLS 1.2 and DTLS 1.2 handshakes.

use crate::simulate::draw::Draw;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;

const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
const ORGANISATION: [u8; 3] = [0x55, 4, 10];
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 17];
const ECDSA_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const RSA_SHA256: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const RSA_KEY: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// A server certificate with an RSA-2048 key and `names` alternative names.
pub(in crate::simulate) fn server_certificate(draw: &mut Draw, subject: &str, issuer: &str, names: usize) -> Vec<u8> {
    let mut alternatives = tagged(0x82, subject.as_bytes());
    for _ in 0..names {
        alternatives.extend(tagged(0x82, format!("{}.{subject}", draw.label(2, 12)).as_bytes()));
    }
    let mut extension = tagged(OBJECT, &SUBJECT_ALT_NAME);
    extension.extend(tagged(0x04, &tagged(SEQUENCE, &alternatives)));
    let extensions = tagged(0xa3, &tagged(SEQUENCE, &tagged(SEQUENCE, &extension)));
    let signature = draw.bytes(256);
    let algorithm = rsa_signature();
    let key = rsa_key(draw);
    let body = body(
        draw,
        &algorithm,
        &distinguished(issuer, Some("Example Trust Services")),
        &distinguished(subject, None),
        &key,
        &extensions,
    );
    finish(body, algorithm, &signature)
}

/// A self-signed certificate with a P-256 key, as WebRTC makes for each call (RFC 8827 section 6.5).
pub(in crate::simulate) fn call_certificate(draw: &mut Draw) -> Vec<u8> {
    let name = distinguished("WebRTC", None);
    let algorithm = tagged(SEQUENCE, &tagged(OBJECT, &ECDSA_SHA256));
    let mut key = tagged(OBJECT, &EC_KEY);
    key.extend(tagged(OBJECT, &P256));
    let mut key = tagged(SEQUENCE, &key);
    let mut point = vec![4];
    point.extend(draw.bytes(64));
    key.extend(bits(&point));
    let key = tagged(SEQUENCE, &key);
    let body = body(draw, &algorithm, &name, &name, &key, &[]);
    let signature = ecdsa_signature(draw);
    finish(body, algorithm, &signature)
}

/// Two random 32-byte integers as a DER sequence.
pub(in crate::simulate) fn ecdsa_signature(draw: &mut Draw) -> Vec<u8> {
    let mut pair = integer(&draw.bytes(32));
    pair.extend(integer(&draw.bytes(32)));
    tagged(SEQUENCE, &pair)
}

fn body(draw: &mut Draw, algorithm: &[u8], issuer: &[u8], subject: &[u8], key: &[u8], extensions: &[u8]) -> Vec<u8> {
    let mut body = tagged(0xa0, &tagged(INTEGER, &[2]));
    let serial_bytes = draw.size(8, 16);
    body.extend(integer(&draw.bytes(serial_bytes)));
    body.extend(algorithm);
    body.extend(issuer);
    let month = draw.size(1, 12);
    let mut validity = tagged(UTC_TIME, format!("24{month:02}01000000Z").as_bytes());
    validity.extend(tagged(UTC_TIME, format!("26{month:02}28235959Z").as_bytes()));
    body.extend(tagged(SEQUENCE, &validity));
    body.extend(subject);
    body.extend(key);
    body.extend(extensions);
    tagged(SEQUENCE, &body)
}

fn finish(mut body: Vec<u8>, algorithm: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    body.extend(algorithm);
    body.extend(bits(signature));
    tagged(SEQUENCE, &body)
}

fn rsa_signature() -> Vec<u8> {
    let mut algorithm = tagged(OBJECT, &RSA_SHA256);
    algorithm.extend([5, 0]);
    tagged(SEQUENCE, &algorithm)
}

fn rsa_key(draw: &mut Draw) -> Vec<u8> {
    let mut algorithm = tagged(OBJECT, &RSA_KEY);
    algorithm.extend([5, 0]);
    let mut numbers = integer(&draw.bytes(256));
    numbers.extend(integer(&[1, 0, 1]));
    let mut key = tagged(SEQUENCE, &algorithm);
    key.extend(bits(&tagged(SEQUENCE, &numbers)));
    tagged(SEQUENCE, &key)
}

fn distinguished(common_name: &str, organisation: Option<&str>) -> Vec<u8> {
    let attribute = |object: &[u8], text: &str| {
        let mut pair = tagged(OBJECT, object);
        pair.extend(tagged(UTF8, text.as_bytes()));
        tagged(SET, &tagged(SEQUENCE, &pair))
    };
    let mut names = organisation.map_or_else(Vec::new, |text| attribute(&ORGANISATION, text));
    names.extend(attribute(&COMMON_NAME, common_name));
    tagged(SEQUENCE, &names)
}

/// A positive integer of exactly this many significant bytes.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut value = bytes.to_vec();
    if let Some(first) = value.first_mut() {
        // Neither negative nor with a superfluous leading zero.
        *first = (*first & 0x7f) | 0x01;
    }
    tagged(INTEGER, &value)
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(bytes);
    tagged(BIT_STRING, &value)
}

fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        length @ 0..0x80 => out.push(length as u8),
        length @ 0x80..0x100 => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(value);
    out
}
