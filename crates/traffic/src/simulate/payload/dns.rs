//! DNS messages (RFC 1035), with EDNS (RFC 6891) where the client's system uses it; mDNS (RFC 6762) and
//! LLMNR (RFC 4795) reuse them.

use crate::simulate::draw::Draw;

const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_SOA: u16 = 6;
const TYPE_PTR: u16 = 12;
const TYPE_TXT: u16 = 16;
const TYPE_AAAA: u16 = 28;
const TYPE_SRV: u16 = 33;
const TYPE_OPT: u16 = 41;
const TYPE_HTTPS: u16 = 65;
/// Compression pointer to the name of the first question.
const FIRST_NAME: [u8; 2] = [0xc0, 12];

/// One question.
pub(in crate::simulate) struct Question {
    pub(in crate::simulate) id: u16,
    name: Vec<u8>,
    kind: u16,
    edns: bool,
}

/// How a resolver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulate) enum Outcome {
    Found,
    NoData,
    NoSuchName,
}

/// A question of a type that clients ask: A most often, then AAAA, HTTPS, PTR.
pub(in crate::simulate) fn question(draw: &mut Draw, name: &str, edns: bool) -> Question {
    let kind = [TYPE_A, TYPE_AAAA, TYPE_HTTPS][draw.weighted([5.0, 3.0, 1.2].into_iter())];
    Question { id: draw.half(), name: labels(name), kind, edns }
}

/// Bytes of a question.
pub(in crate::simulate) fn query(question: &Question) -> Vec<u8> {
    let mut message = header(question.id, 0x0100, [1, 0, 0, u16::from(question.edns)]);
    message.extend(asked(question));
    if question.edns {
        message.extend(opt(1232));
    }
    message
}

/// Bytes of an answer: aliases first, then addresses, or the zone's SOA.
pub(in crate::simulate) fn answer(draw: &mut Draw, question: &Question, outcome: Outcome) -> Vec<u8> {
    let found = outcome == Outcome::Found && question.kind != TYPE_HTTPS;
    let aliases = if found { draw.weighted([5.0, 3.0, 2.0, 1.0].into_iter()) } else { 0 };
    let addresses = if found { draw.pick(&[1, 1, 1, 2, 2, 3, 4, 6, 8]) } else { 0 };
    let flags = if outcome == Outcome::NoSuchName { 0x8183 } else { 0x8180 };
    let counts = [1, aliases as u16 + addresses, u16::from(!found), u16::from(question.edns)];
    let mut message = header(question.id, flags, counts);
    message.extend(asked(question));
    let mut owner = FIRST_NAME.to_vec();
    for _ in 0..aliases {
        let target = format!("{}.{}", draw.label(3, 22), draw.pick(&CDN_DOMAINS));
        message.extend(record(&owner, TYPE_CNAME, draw.size(5, 3_600) as u32, &labels(&target)));
        owner = labels(&target);
    }
    let ttl = draw.size(10, 600) as u32;
    for _ in 0..addresses {
        let address = if question.kind == TYPE_AAAA { draw.bytes(16) } else { draw.bytes(4) };
        message.extend(record(&owner, question.kind, ttl, &address));
    }
    if !found {
        message.extend(soa(draw));
    }
    if question.edns {
        message.extend(opt(draw.pick(&[512, 1232, 4096])));
    }
    message
}

const CDN_DOMAINS: [&str; 8] = [
    "cloudfront.net",
    "akamaiedge.net",
    "edgekey.net",
    "trafficmanager.net",
    "l.google.com",
    "fastly.net",
    "cdn.cloudflare.net",
    "azureedge.net",
];
const TOP_DOMAINS: [&str; 12] = ["com", "com", "com", "net", "org", "io", "co.uk", "de", "fr", "be", "dev", "app"];

/// A name from the long tail that nobody else asks for.
pub(in crate::simulate) fn rare_name(draw: &mut Draw) -> String {
    let domain = format!("{}.{}", draw.label(4, 14), draw.pick(&TOP_DOMAINS));
    match draw.size(0, 3) {
        0 => domain,
        1 => format!("www.{domain}"),
        2 => format!("{}.{domain}", draw.label(2, 10)),
        _ => format!("{}.{}.{domain}", draw.label(2, 8), draw.label(2, 18)),
    }
}

/// A PTR question with identifier 0 for a local service (mDNS), `unicast` asking for a direct answer.
pub(in crate::simulate) fn service_query(draw: &mut Draw, unicast: bool) -> (String, Vec<u8>) {
    let service = draw.pick(&SERVICES).to_owned();
    let mut message = header(0, 0, [1, 0, 0, 0]);
    message.extend(labels(&service));
    message.extend(TYPE_PTR.to_be_bytes());
    message.extend(if unicast { [0x80, 1] } else { [0, 1] });
    (service, message)
}

const SERVICES: [&str; 9] = [
    "_googlecast._tcp.local",
    "_spotify-connect._tcp.local",
    "_ipp._tcp.local",
    "_airplay._tcp.local",
    "_companion-link._tcp.local",
    "_printer._tcp.local",
    "_homekit._tcp.local",
    "_smb._tcp.local",
    "_services._dns-sd._udp.local",
];

/// A responder's PTR, SRV, TXT and A records for a service.
pub(in crate::simulate) fn service_answer(draw: &mut Draw, service: &str, host: &str) -> Vec<u8> {
    let instance =
        labels(&format!("{}-{}.{service}", draw.pick(&["Living Room", "Office", "Kitchen", "HP"]), draw.label(2, 12)));
    let target = labels(&format!("{host}.local"));
    let mut message = header(0, 0x8400, [0, 1, 0, 3]);
    message.extend(record(&labels(service), TYPE_PTR, 4_500, &instance));
    let mut place = vec![0, 0, 0, 0];
    place.extend((draw.size(1_024, 60_000) as u16).to_be_bytes());
    place.extend(&target);
    message.extend(record(&instance, TYPE_SRV, 120, &place));
    let mut text = Vec::new();
    for _ in 0..draw.size(1, 9) {
        let entry = format!("{}={}", draw.label(2, 4), draw.label(1, 40));
        text.push(entry.len() as u8);
        text.extend(entry.bytes());
    }
    message.extend(record(&instance, TYPE_TXT, 4_500, &text));
    message.extend(record(&target, TYPE_A, 120, &draw.bytes(4)));
    message
}

/// An LLMNR question for a neighbour's single-label name.
pub(in crate::simulate) fn link_local_query(draw: &mut Draw) -> Vec<u8> {
    let mut message = header(draw.half(), 0, [1, 0, 0, 0]);
    message.extend(labels(&draw.label(4, 15)));
    message.extend(draw.pick(&[TYPE_A, TYPE_AAAA]).to_be_bytes());
    message.extend([0, 1]);
    message
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend(flags.to_be_bytes());
    out.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    out
}

fn asked(question: &Question) -> Vec<u8> {
    let mut out = question.name.clone();
    out.extend(question.kind.to_be_bytes());
    out.extend([0, 1]);
    out
}

fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut out = owner.to_vec();
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

fn soa(draw: &mut Draw) -> Vec<u8> {
    let zone = format!("{}.{}", draw.label(4, 12), draw.pick(&TOP_DOMAINS));
    let mut data = labels(&format!("ns1.{zone}"));
    data.extend(labels(&format!("hostmaster.{zone}")));
    for value in [draw.word() >> 1, 7_200, 900, 1_209_600, 86_400] {
        data.extend(value.to_be_bytes());
    }
    record(&labels(&zone), TYPE_SOA, draw.size(30, 900) as u32, &data)
}

fn opt(size: u16) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(TYPE_OPT.to_be_bytes());
    out.extend(size.to_be_bytes());
    out.extend([0; 6]);
    out
}

/// Wire form of a name; labels are at most 63 bytes by construction.
fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        out.push(label.len().min(63) as u8);
        out.extend(label.bytes().take(63));
    }
    out.push(0);
    out
}
