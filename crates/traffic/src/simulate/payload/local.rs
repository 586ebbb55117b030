//! Household chatter: NTP (RFC 5905), SSDP, NetBIOS names (RFC 1002).

use crate::simulate::draw::Draw;

/// A client's request and the server's answer at a time since 1970.
pub(in crate::simulate) fn ntp(draw: &mut Draw, time_us: i64, simple: bool) -> [Vec<u8>; 2] {
    let own = ntp_time(time_us, draw.half());
    let mut request = vec![if simple { 0x1b } else { 0x23 }, if simple { 0 } else { 3 }, 6, 0xe9];
    if simple {
        request.resize(40, 0);
    } else {
        request.extend([0, 0, draw.byte() & 7, draw.byte(), 0, 0, 0, draw.byte()]);
        request.extend(draw.array::<4>());
        request.extend([0; 24]);
    }
    request.extend(own);
    let stratum = draw.pick(&[1, 2, 2, 3]);
    let mut answer = vec![if simple { 0x1c } else { 0x24 }, stratum, 6, 0xe9];
    answer.extend([0, 0, draw.byte() & 3, draw.byte(), 0, 0, draw.byte() & 3, draw.byte()]);
    answer.extend(if stratum == 1 { *b"GPS\0" } else { draw.array() });
    answer.extend(ntp_time(time_us - 61_000_000, draw.half()));
    answer.extend(own);
    answer.extend(ntp_time(time_us + 7_000, draw.half()));
    answer.extend(ntp_time(time_us + 7_020, draw.half()));
    [request, answer]
}

/// Seconds since 1900 and a fraction of 32 bits, the lowest 16 of them noise.
fn ntp_time(time_us: i64, noise: u16) -> [u8; 8] {
    let seconds = (time_us.div_euclid(1_000_000) + 2_208_988_800) as u32;
    let fraction = ((time_us.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    let fraction = (fraction as u32 & 0xffff_0000) | u32::from(noise);
    let mut out = [0; 8];
    out[..4].copy_from_slice(&seconds.to_be_bytes());
    out[4..].copy_from_slice(&fraction.to_be_bytes());
    out
}

/// A search for devices.
pub(in crate::simulate) fn ssdp_search(draw: &mut Draw, agent: &str) -> Vec<u8> {
    let target = draw.pick(&[
        "ssdp:all",
        "upnp:rootdevice",
        "urn:dial-multiscreen-org:service:dial:1",
        "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        "urn:schemas-upnp-org:device:MediaRenderer:1",
        "roku:ecp",
    ]);
    let mut text = format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: {}\r\nST: {target}\r\n",
        draw.size(1, 5)
    );
    if draw.chance(0.7) {
        text.push_str(&format!(
            "USER-AGENT: {agent}/{}.{}.{}\r\n",
            draw.size(80, 131),
            draw.size(0, 9),
            draw.size(10, 9_999)
        ));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A device's announcement.
pub(in crate::simulate) fn ssdp_notify(draw: &mut Draw, address: &str) -> Vec<u8> {
    let id = format!("{}-{}-{}", draw.label(8, 8), draw.label(4, 4), draw.label(12, 12));
    let target = draw.pick(&[
        "upnp:rootdevice",
        "urn:schemas-upnp-org:device:MediaServer:1",
        "urn:schemas-upnp-org:service:ConnectionManager:1",
    ]);
    format!(
        "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=1800\r\n\
         LOCATION: http://{address}:{}/{}.xml\r\n\
         NT: {target}\r\nNTS: ssdp:alive\r\nSERVER: Linux/{}.{} UPnP/1.0 {}/1.0\r\n\
         USN: uuid:{id}::{target}\r\n\r\n",
        draw.size(1_024, 60_000),
        draw.label(4, 16),
        draw.size(3, 6),
        draw.size(0, 19),
        draw.label(4, 14),
    )
    .into_bytes()
}

/// A NetBIOS name query, to everyone.
pub(in crate::simulate) fn netbios_query(draw: &mut Draw) -> Vec<u8> {
    let name = draw.label(4, 15).to_uppercase();
    let suffix = draw.pick(&[0x00, 0x1c, 0x20]);
    let mut padded = name.into_bytes();
    padded.resize(15, b' ');
    padded.push(suffix);
    let mut out = draw.half().to_be_bytes().to_vec();
    out.extend([0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, 32]);
    // First-level encoding: each nibble as a letter from A.
    out.extend(padded.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]));
    out.extend([0, 0, 32, 0, 1]);
    out
}
