//! Names in payloads: DNS questions and answers (RFC 1035), and the server name of a TLS ClientHello
//! (RFC 8446 section 4.1.2, RFC 6066 section 3). Whatever does not parse gives no name.

/// Longest name, bytes (RFC 1035 section 2.3.4), and most compression pointers followed in one.
const NAME_BYTES_MAX: usize = 255;
const POINTERS_MAX: usize = 16;

/// Ports of DNS, mDNS and LLMNR.
pub(super) const DNS_PORTS: [u16; 3] = [53, 5353, 5355];

const TLS_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const NAME_TYPE_HOST: u8 = 0;

/// Reads forward; nothing past the end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A body behind its 8-bit or 16-bit length.
    fn short_body(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    fn body(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// Names of a DNS message's questions and records, lower case; those before the first damage.
pub(super) fn dns_names(message: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = Cursor { bytes: message, at: 4 };
    let counts = [cursor.u16(), cursor.u16(), cursor.u16(), cursor.u16()];
    let [Some(questions), Some(answers), Some(authority), Some(additional)] = counts else { return names };
    let records = u32::from(answers) + u32::from(authority) + u32::from(additional);
    for _ in 0..questions {
        let Some(name) = dns_name(&mut cursor) else { return names };
        names.push(name);
        if cursor.take(4).is_none() {
            return names;
        }
    }
    for _ in 0..records {
        let Some(name) = dns_name(&mut cursor) else { return names };
        names.push(name);
        // type, class, time to live, then data behind its length
        if cursor.take(8).is_none() || cursor.body().is_none() {
            return names;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// One name, compressed or not; the cursor ends behind its place in the message.
fn dns_name(cursor: &mut Cursor<'_>) -> Option<String> {
    let mut name = String::new();
    let mut reader = Cursor { bytes: cursor.bytes, at: cursor.at };
    let mut pointers = 0;
    loop {
        let length = reader.u8()?;
        match length {
            0 => break,
            1..=63 => {
                let label = reader.take(usize::from(length))?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            }
            192..=255 => {
                let low = reader.u8()?;
                if pointers == 0 {
                    cursor.at = reader.at;
                }
                pointers += 1;
                reader.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            }
            _ => return None,
        }
        if name.len() > NAME_BYTES_MAX || pointers > POINTERS_MAX {
            return None;
        }
    }
    if pointers == 0 {
        cursor.at = reader.at;
    }
    Some(name)
}

/// Server name of a TLS ClientHello at the start of a payload, lower case.
pub(super) fn server_name(payload: &[u8]) -> Option<String> {
    let mut record = Cursor { bytes: payload, at: 0 };
    if record.u8()? != TLS_HANDSHAKE {
        return None;
    }
    // version and length of the record; a hello may go on in later segments
    record.take(4)?;
    if record.u8()? != CLIENT_HELLO {
        return None;
    }
    // length, version, random, session, cipher suites, compression
    record.take(3 + 2 + 32)?;
    record.short_body()?;
    record.body()?;
    record.short_body()?;
    record.u16()?;
    loop {
        let kind = record.u16()?;
        let body = record.body()?;
        if kind == EXTENSION_SERVER_NAME {
            let mut names = Cursor { bytes: body, at: 2 };
            let host = names.u8()? == NAME_TYPE_HOST;
            let name = names.body()?;
            return (host && !name.is_empty() && name.is_ascii())
                .then(|| name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect());
        }
    }
}

/// A name as DNS writes it: each label behind its length, without the root.
pub(super) fn dns_wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len() + 1);
    for label in name.split('.') {
        wire.push(label.len().min(63) as u8);
        wire.extend(label.bytes());
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        // one question for www.Example.com, one answer that points back at it
        let mut message = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        message.extend(b"\x03www\x07Example\x03com\x00\x00\x01\x00\x01");
        message.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10");
        message
    }

    #[test]
    fn dns_names_follow_pointers_and_lower_case() {
        assert_eq!(dns_names(&message()), ["www.example.com", "www.example.com"]);
        assert_eq!(dns_wire("www.example.com"), b"\x03www\x07example\x03com");
    }

    #[test]
    fn cut_or_looping_dns_messages_give_what_came_before() {
        let whole = message();
        for end in 0..whole.len() {
            assert!(dns_names(&whole[..end]).len() <= 2);
        }
        let mut looping = whole[..12].to_vec();
        looping.extend(b"\xc0\x0c\x00\x01\x00\x01");
        assert!(dns_names(&looping).is_empty());
    }

    #[test]
    fn server_name_is_found_behind_other_extensions() {
        let mut hello = vec![3, 3];
        hello.extend([7u8; 32]);
        hello.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        let mut extensions = vec![0, 43, 0, 3, 2, 3, 4];
        extensions.extend([0, 0, 0, 13, 0, 11, 0, 0, 8]);
        extensions.extend(b"A.intern");
        hello.extend((extensions.len() as u16).to_be_bytes());
        hello.extend(extensions);
        let mut record = vec![22, 3, 1, 0, 0, 1, 0, 0, hello.len() as u8];
        record.extend(hello);
        assert_eq!(server_name(&record).as_deref(), Some("a.intern"));
        for end in 0..record.len() {
            assert_eq!(server_name(&record[..end]), None);
        }
    }
}
