//! TLS records: hellos as browsers and systems send them (RFC 8446, RFC 5246), the server's flights,
//! and opaque application data.

use super::prefixed;
use super::x509;
use crate::simulate::draw::Draw;

const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;
const CIPHER_CHANGE: [u8; 6] = [20, 3, 3, 0, 1, 1];
/// Largest plaintext of a record, plus the tag.
const RECORD_BYTES: usize = 16_384 + 17;

/// Who speaks: they differ in ciphers, extensions and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::simulate) enum Agent {
    #[default]
    Chrome,
    Firefox,
    /// Windows' own library: updates, telemetry, Office.
    Schannel,
    /// Apple's own library.
    Apple,
    /// Command-line tools and package managers.
    OpenSsl,
}

/// How a session is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulate) enum Session {
    Full13,
    Resumed13,
    Full12,
    Resumed12,
}

impl Session {
    fn is_13(self) -> bool {
        matches!(self, Self::Full13 | Self::Resumed13)
    }

    fn is_resumed(self) -> bool {
        matches!(self, Self::Resumed12 | Self::Resumed13)
    }
}

/// A handshake in the messages of its two sides; the first is the client's.
pub(in crate::simulate) fn handshake(draw: &mut Draw, agent: Agent, session: Session, name: &str) -> Vec<Vec<u8>> {
    let session_id = draw.bytes(32);
    let hello = client_hello(draw, agent, session, name, &session_id);
    let mut flights = vec![hello];
    match session {
        Session::Full13 | Session::Resumed13 => {
            let mut server = server_hello(draw, session, &session_id);
            server.extend(CIPHER_CHANGE);
            server.extend(hidden_flight(draw, session));
            let mut client = CIPHER_CHANGE.to_vec();
            client.extend(application(draw, 53));
            flights.extend([server, client]);
        }
        Session::Full12 => {
            let fresh_id = draw.bytes(32);
            flights.push(certificate_flight(draw, name, &fresh_id));
            let mut client = key_exchange(draw);
            client.extend(finished(draw));
            let mut server = new_ticket(draw);
            server.extend(finished(draw));
            flights.extend([client, server]);
        }
        Session::Resumed12 => {
            let mut server = server_hello(draw, session, &session_id);
            server.extend(finished(draw));
            flights.extend([server, finished(draw)]);
        }
    }
    flights
}

/// Records of application data of `bytes` content bytes.
pub(in crate::simulate) fn application(draw: &mut Draw, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 5);
    let mut left = bytes.max(1);
    while left > 0 {
        let now = left.min(RECORD_BYTES);
        left -= now;
        let body = draw.bytes(now);
        out.extend(record(APPLICATION, 0x0303, &body));
    }
    out
}

/// The encrypted alert that announces a close: 19 content bytes in TLS 1.3, 26 in 1.2.
pub(in crate::simulate) fn closing_alert(draw: &mut Draw, session: Session) -> Vec<u8> {
    if session.is_13() { application(draw, 19) } else { record(21, 0x0303, &draw.bytes(26)) }
}

fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, (version >> 8) as u8, version as u8];
    out.extend(prefixed::<2>(body));
    out
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(prefixed::<3>(body));
    out
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(prefixed::<2>(body));
    out
}

fn halves(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// Ciphers that an agent offers, in its order.
fn ciphers(agent: Agent) -> &'static [u16] {
    match agent {
        Agent::Chrome => &[
            0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f,
            0x35,
        ],
        Agent::Firefox => &[
            0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009, 0xc013, 0xc014,
            0x9c, 0x9d, 0x2f, 0x35,
        ],
        Agent::Schannel => &[
            0xc02c, 0xc02b, 0xc030, 0xc02f, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013, 0x9d, 0x9c,
            0x3d, 0x3c, 0x35, 0x2f,
        ],
        Agent::Apple => &[
            0x1301, 0x1302, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0xc00a, 0xc009, 0xc014, 0xc013,
            0x9d, 0x9c, 0x35, 0x2f, 0xc008, 0xc012, 0x0a,
        ],
        Agent::OpenSsl => &[
            0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x9f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x9e, 0xc024, 0xc028,
            0x6b, 0xc023, 0xc027, 0x67, 0xc00a, 0xc014, 0x39, 0xc009, 0xc013, 0x33, 0x9d, 0x9c, 0x3d, 0x3c, 0x35, 0x2f,
            0xff,
        ],
    }
}

fn greases(agent: Agent) -> bool {
    matches!(agent, Agent::Chrome | Agent::Apple)
}

/// A reserved value (RFC 8701): 0x0a0a, 0x1a1a, ...
fn grease(draw: &mut Draw) -> u16 {
    let high = (draw.byte() & 0xf0) | 0x0a;
    u16::from_be_bytes([high, high])
}

fn client_hello(draw: &mut Draw, agent: Agent, session: Session, name: &str, session_id: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(draw.bytes(32));
    let sends_id = session.is_resumed() || agent != Agent::Schannel;
    body.extend(prefixed::<1>(if sends_id { session_id } else { &[] }));
    let mut offered = if greases(agent) { vec![grease(draw)] } else { Vec::new() };
    offered.extend(ciphers(agent));
    body.extend(prefixed::<2>(&halves(&offered)));
    body.extend([1, 0]);
    let extensions = hello_extensions(draw, agent, session, name);
    body.extend(prefixed::<2>(&extensions));
    record(HANDSHAKE, 0x0301, &message(1, &body))
}

fn hello_extensions(draw: &mut Draw, agent: Agent, session: Session, name: &str) -> Vec<u8> {
    let mut list = common_extensions(draw, agent, session, name);
    if agent != Agent::Schannel || session.is_13() {
        list.push(key_share(draw, agent));
        list.push(extension(45, &[1, 1]));
        let mut versions = if greases(agent) { vec![grease(draw)] } else { Vec::new() };
        versions.extend([0x0304, 0x0303]);
        list.push(extension(43, &prefixed::<1>(&halves(&versions))));
    }
    if agent == Agent::Chrome {
        // Chrome shuffles its extensions since version 110.
        for index in (1..list.len()).rev() {
            let other = draw.size(0, index);
            list.swap(index, other);
        }
    }
    let mut out: Vec<u8> = Vec::new();
    if greases(agent) {
        out.extend(extension(grease(draw), &[]));
    }
    out.extend(list.concat());
    if session == Session::Resumed13 {
        out.extend(pre_shared_key(draw));
    } else if matches!(agent, Agent::OpenSsl | Agent::Apple) && out.len() < 400 && draw.chance(0.6) {
        // Padded to 512 bytes of handshake (RFC 7685).
        out.extend(extension(21, &vec![0; 420 - out.len()]));
    }
    out
}

fn common_extensions(draw: &mut Draw, agent: Agent, session: Session, name: &str) -> Vec<Vec<u8>> {
    let mut host = vec![0];
    host.extend(prefixed::<2>(name.as_bytes()));
    let mut list = vec![extension(0, &prefixed::<2>(&host)), extension(23, &[]), extension(0xff01, &[0])];
    let mut groups = if greases(agent) { vec![grease(draw)] } else { Vec::new() };
    groups.extend([29, 23, 24]);
    if agent == Agent::Firefox {
        groups.extend([25, 256, 257]);
    }
    list.push(extension(10, &prefixed::<2>(&halves(&groups))));
    list.push(extension(11, &[1, 0]));
    if session == Session::Resumed12 {
        let bytes = draw.pick(&[160, 176, 192, 208]);
        list.push(extension(35, &draw.bytes(bytes)));
    } else {
        list.push(extension(35, &[]));
    }
    if draw.chance(if agent == Agent::Schannel { 0.4 } else { 0.9 }) {
        list.push(extension(16, &prefixed::<2>(b"\x02h2\x08http/1.1")));
    }
    list.push(extension(5, &[1, 0, 0, 0, 0]));
    list.push(extension(
        13,
        &prefixed::<2>(&halves(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601])),
    ));
    match agent {
        Agent::Chrome => list.extend([extension(18, &[]), extension(27, &[2, 0, 2])]),
        Agent::Firefox => list.push(extension(28, &[0x40, 1])),
        Agent::Apple => list.push(extension(18, &[])),
        Agent::Schannel | Agent::OpenSsl => {}
    }
    list
}

/// Key shares: X25519, with P-256 beside it (Firefox) or a post-quantum hybrid (newer Chrome).
fn key_share(draw: &mut Draw, agent: Agent) -> Vec<u8> {
    let mut shares = Vec::new();
    if greases(agent) {
        shares.extend(grease(draw).to_be_bytes());
        shares.extend([0, 1, 0]);
    }
    if agent == Agent::Chrome && draw.chance(0.15) {
        shares.extend(0x11ec_u16.to_be_bytes());
        shares.extend(prefixed::<2>(&draw.bytes(1_216)));
    }
    shares.extend([0, 29]);
    shares.extend(prefixed::<2>(&draw.bytes(32)));
    if agent == Agent::Firefox {
        let mut point = vec![4];
        point.extend(draw.bytes(64));
        shares.extend([0, 23]);
        shares.extend(prefixed::<2>(&point));
    }
    extension(51, &prefixed::<2>(&shares))
}

fn pre_shared_key(draw: &mut Draw) -> Vec<u8> {
    let bytes = draw.pick(&[113, 176, 192, 208, 229]);
    let mut identity = prefixed::<2>(&draw.bytes(bytes));
    identity.extend(draw.array::<4>());
    let mut body = prefixed::<2>(&identity);
    body.extend(prefixed::<2>(&prefixed::<1>(&draw.bytes(32))));
    extension(41, &body)
}

fn server_hello(draw: &mut Draw, session: Session, session_id: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(draw.bytes(32));
    body.extend(prefixed::<1>(session_id));
    let mut extensions = Vec::new();
    if session.is_13() {
        body.extend(draw.pick(&[0x1301_u16, 0x1301, 0x1302, 0x1303]).to_be_bytes());
        let mut share = vec![0, 29];
        share.extend(prefixed::<2>(&draw.bytes(32)));
        extensions.extend(extension(51, &share));
        extensions.extend(extension(43, &[3, 4]));
        if session.is_resumed() {
            extensions.extend(extension(41, &[0, 0]));
        }
    } else {
        body.extend(draw.pick(&[0xc02f_u16, 0xc030, 0xcca8]).to_be_bytes());
        extensions.extend(extension(0xff01, &[0]));
        extensions.extend(extension(23, &[]));
        if draw.chance(0.7) {
            extensions.extend(extension(16, &prefixed::<2>(b"\x02h2")));
        }
    }
    body.push(0);
    body.extend(prefixed::<2>(&extensions));
    record(HANDSHAKE, 0x0303, &message(2, &body))
}

/// Encrypted extensions, certificates, proof and Finished, seen only as application data.
fn hidden_flight(draw: &mut Draw, session: Session) -> Vec<u8> {
    let extensions = draw.size(23, 60);
    let proof = draw.pick(&[96, 281, 281]);
    let chain = draw.heavy(2_600.0, 0.3, 900, 6_500);
    if session.is_resumed() {
        let mut out = application(draw, extensions);
        out.extend(application(draw, 53));
        return out;
    }
    if draw.chance(0.45) {
        return application(draw, extensions + chain + proof + 36);
    }
    [extensions, chain, proof, 53].iter().flat_map(|bytes| application(draw, *bytes)).collect()
}

fn certificate_flight(draw: &mut Draw, name: &str, session_id: &[u8]) -> Vec<u8> {
    let mut out = server_hello(draw, Session::Full12, session_id);
    let others = draw.heavy(4.0, 0.9, 0, 60);
    let issuer = draw.pick(&["Example TLS RSA CA G1", "Example Secure Server CA", "Example R3"]);
    let mut chain = prefixed::<3>(&x509::server_certificate(draw, name, issuer, others));
    for _ in 0..draw.size(1, 2) {
        chain.extend(prefixed::<3>(&x509::server_certificate(draw, issuer, "Example Root X1", 0)));
    }
    out.extend(record(HANDSHAKE, 0x0303, &message(11, &prefixed::<3>(&chain))));
    let mut exchange = vec![3, 0, 29];
    exchange.extend(prefixed::<1>(&draw.bytes(32)));
    exchange.extend([4, 1]);
    exchange.extend(prefixed::<2>(&draw.bytes(256)));
    out.extend(record(HANDSHAKE, 0x0303, &message(12, &exchange)));
    out.extend(record(HANDSHAKE, 0x0303, &message(14, &[])));
    out
}

fn key_exchange(draw: &mut Draw) -> Vec<u8> {
    record(HANDSHAKE, 0x0303, &message(16, &prefixed::<1>(&draw.bytes(32))))
}

fn new_ticket(draw: &mut Draw) -> Vec<u8> {
    let mut body = vec![0, 0, 0x1c, 0x20];
    let bytes = draw.pick(&[160, 176, 192, 208]);
    body.extend(prefixed::<2>(&draw.bytes(bytes)));
    record(HANDSHAKE, 0x0303, &message(4, &body))
}

/// Change of cipher and the encrypted Finished of TLS 1.2.
fn finished(draw: &mut Draw) -> Vec<u8> {
    let mut out = CIPHER_CHANGE.to_vec();
    out.extend(record(HANDSHAKE, 0x0303, &draw.bytes(40)));
    out
}
