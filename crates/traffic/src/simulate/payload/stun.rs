//! STUN (RFC 8489), ICE (RFC 8445) and TURN (RFC 8656) messages.

use crate::simulate::draw::Draw;
use std::net::IpAddr;

const COOKIE: u32 = 0x2112_a442;
const FINGERPRINT_MASK: u32 = 0x5354_554e;

const BINDING: u16 = 0x0001;
const ALLOCATE: u16 = 0x0003;
const SUCCESS: u16 = 0x0100;
const FAILURE: u16 = 0x0110;

/// Whose dialect: the attributes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulate) enum Dialect {
    /// libwebrtc as in Meet.
    Google,
    /// MS-TURN attributes as in Teams.
    Microsoft,
    /// Webex media nodes.
    Cisco,
    /// No attributes beyond the standard: Zoom.
    Plain,
}

/// The session's constants: ICE user names and roles.
pub(in crate::simulate) struct Agent {
    dialect: Dialect,
    user: String,
    priority: u32,
    tie_breaker: [u8; 8],
}

impl Agent {
    pub(in crate::simulate) fn new(draw: &mut Draw, dialect: Dialect) -> Self {
        let fragment = if dialect == Dialect::Google { draw.size(4, 28) } else { draw.size(4, 8) };
        Self {
            dialect,
            user: format!("{}:{}", draw.label(fragment, fragment), draw.label(4, 4)),
            priority: 0x6e00_0000 | (draw.word() & 0xff_ffff),
            tie_breaker: draw.array(),
        }
    }

    /// A connectivity check; `nominate` takes the pair.
    pub(in crate::simulate) fn check(&self, draw: &mut Draw, nominate: bool) -> (Vec<u8>, [u8; 12]) {
        let id = draw.array();
        let mut body = attribute(0x0006, self.user.as_bytes());
        match self.dialect {
            Dialect::Google => {
                let cost = [0, 0, 0, draw.pick(&[0, 10, 50])];
                body.extend(attribute(0xc057, &cost));
            }
            Dialect::Microsoft => {
                body.extend(attribute(0x8070, &[0, 0, 0, 3]));
                body.extend(attribute(0x8054, &[0x31, 0, 0, 0]));
            }
            Dialect::Cisco => body.extend(attribute(0x8022, b"Cisco-ICE")),
            Dialect::Plain => {}
        }
        body.extend(attribute(0x802a, &self.tie_breaker));
        if nominate {
            body.extend(attribute(0x0025, &[]));
        }
        body.extend(attribute(0x0024, &self.priority.to_be_bytes()));
        (message(draw, BINDING, id, body, true), id)
    }
}

/// The answer to a check: the address that the request came from.
pub(in crate::simulate) fn checked(draw: &mut Draw, id: [u8; 12], seen: (IpAddr, u16), dialect: Dialect) -> Vec<u8> {
    let mut body = mapped(0x0020, id, seen);
    if dialect == Dialect::Microsoft {
        body.extend(attribute(0x8070, &[0, 0, 0, 3]));
    }
    message(draw, BINDING | SUCCESS, id, body, true)
}

/// A bare question for one's own public address, and its answer.
pub(in crate::simulate) fn discovery(draw: &mut Draw, seen: (IpAddr, u16)) -> [Vec<u8>; 2] {
    let id = draw.array();
    let mut answer = mapped(0x0020, id, seen);
    if draw.chance(0.4) {
        answer.extend(attribute(0x8022, b"Coturn-4.6.2 'Gorst'"));
    }
    [plain(BINDING, id, &[]), plain(BINDING | SUCCESS, id, &answer)]
}

/// A TURN allocation: refused without credentials, then granted.
pub(in crate::simulate) fn allocation(draw: &mut Draw, dialect: Dialect, seen: (IpAddr, u16)) -> [Vec<u8>; 4] {
    let transport = attribute(0x0019, &[17, 0, 0, 0]);
    let (first, second) = (draw.array(), draw.array());
    let realm = attribute(0x0014, if dialect == Dialect::Microsoft { b"\"rtcmedia\"" } else { b"turn.media.example" });
    let nonce_bytes = draw.size(12, 48);
    let nonce = attribute(0x0015, draw.label(nonce_bytes, nonce_bytes).as_bytes());
    let mut refusal = attribute(0x0009, b"\x00\x00\x04\x01Unauthorized");
    refusal.extend(&nonce);
    refusal.extend(&realm);
    let mut request = transport.clone();
    let user_bytes = draw.size(16, 60);
    request.extend(attribute(0x0006, draw.label(user_bytes, user_bytes).as_bytes()));
    request.extend(&realm);
    request.extend(&nonce);
    let relay = IpAddr::V4(draw.array::<4>().into());
    let mut grant = mapped(0x0016, second, (relay, draw.half() | 0xc000));
    grant.extend(mapped(0x0020, second, seen));
    grant.extend(attribute(0x000d, &600_u32.to_be_bytes()));
    [
        plain(ALLOCATE, first, &transport),
        plain(ALLOCATE | FAILURE, first, &refusal),
        message(draw, ALLOCATE, second, request, false),
        message(draw, ALLOCATE | SUCCESS, second, grant, false),
    ]
}

/// XOR-MAPPED-ADDRESS and its like.
fn mapped(kind: u16, id: [u8; 12], (address, port): (IpAddr, u16)) -> Vec<u8> {
    let mut mask = COOKIE.to_be_bytes().to_vec();
    mask.extend(id);
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend((port ^ (COOKIE >> 16) as u16).to_be_bytes());
    value.extend(octets.iter().zip(&mask).map(|(octet, mask)| octet ^ mask));
    attribute(kind, &value)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn plain(kind: u16, id: [u8; 12], body: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(COOKIE.to_be_bytes());
    out.extend(id);
    out.extend(body);
    out
}

/// A message with its integrity (the key is secret: random bytes) and, where wanted, its fingerprint.
fn message(draw: &mut Draw, kind: u16, id: [u8; 12], mut body: Vec<u8>, fingerprint: bool) -> Vec<u8> {
    body.extend(attribute(0x0008, &draw.array::<20>()));
    if !fingerprint {
        return plain(kind, id, &body);
    }
    // The CRC covers a header whose length already counts the fingerprint (RFC 8489 section 14.7).
    body.extend([0x80, 0x28, 0, 4, 0, 0, 0, 0]);
    let mut out = plain(kind, id, &body);
    let covered = out.len() - 8;
    let crc = crc32(&out[..covered]) ^ FINGERPRINT_MASK;
    out.truncate(covered + 4);
    out.extend(crc.to_be_bytes());
    out
}

/// CRC-32 of ISO 3309, bit by bit: messages are short.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc_of_the_standard_check_string_is_the_published_one() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
