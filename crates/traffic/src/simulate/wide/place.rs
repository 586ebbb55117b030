//! Addresses: of households, offices, carriers and the internet (RFC 1918, RFC 6598, RFC 4193, RFC 4291).

use super::super::draw::Draw;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Two hosts of one local network.
pub(super) fn neighbours(draw: &mut Draw, ipv6: bool) -> [IpAddr; 2] {
    if ipv6 {
        let prefix = prefix(draw, true);
        return [v6(prefix, interface(draw)).into(), v6(prefix, interface(draw)).into()];
    }
    let network = private(draw);
    let [own, mut other] = [host(draw, network), host(draw, network)];
    if other == own {
        other[3] = other[3].wrapping_add(1).max(1);
    }
    [Ipv4Addr::from(own).into(), Ipv4Addr::from(other).into()]
}

/// A host in front of the internet and one in it: behind translation, at a carrier or with an address of its own.
pub(super) fn apart(draw: &mut Draw, ipv6: bool) -> [IpAddr; 2] {
    if ipv6 {
        let (own, other) = (prefix(draw, false), prefix(draw, false));
        return [v6(own, interface(draw)).into(), v6(other, interface(draw)).into()];
    }
    let own = if draw.chance(0.8) {
        let network = private(draw);
        host(draw, network)
    } else {
        global(draw)
    };
    // Some servers are in another private network.
    let other = if draw.chance(0.1) {
        let network = private(draw);
        host(draw, network)
    } else {
        global(draw)
    };
    [Ipv4Addr::from(own).into(), Ipv4Addr::from(other).into()]
}

/// The broadcast address of a host's network, or of any.
pub(super) fn broadcast(draw: &mut Draw, own: IpAddr) -> IpAddr {
    match own {
        IpAddr::V4(own) if draw.chance(0.7) => {
            let [a, b, c, _] = own.octets();
            Ipv4Addr::new(a, b, c, 255).into()
        }
        _ => Ipv4Addr::BROADCAST.into(),
    }
}

/// A link-local address, as multicast and configuration use.
pub(super) fn link_local(draw: &mut Draw) -> IpAddr {
    v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0], interface(draw)).into()
}

pub(super) fn mac(draw: &mut Draw) -> [u8; 6] {
    let mut mac: [u8; 6] = draw.array();
    // One host's; mostly a maker's, at times one that the host drew itself.
    mac[0] &= 0xfc;
    if draw.chance(0.2) {
        mac[0] |= 2;
    }
    mac
}

/// The Ethernet address of a group (RFC 1112, RFC 2464) or of all.
pub(super) fn group_mac(group: IpAddr) -> [u8; 6] {
    match group {
        IpAddr::V4(address) if address.is_multicast() => {
            let [_, a, b, c] = address.octets();
            [0x01, 0x00, 0x5e, a & 0x7f, b, c]
        }
        IpAddr::V4(_) => [0xff; 6],
        IpAddr::V6(address) => {
            let octets = address.octets();
            [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
        }
    }
}

/// A network of private addresses: its first three bytes.
fn private(draw: &mut Draw) -> [u8; 3] {
    match draw.weighted([5.0, 2.0, 3.0, 2.0, 0.4, 0.3].into_iter()) {
        0 => [
            192,
            168,
            draw.pick(&[0, 1, 1, 2, 3, 4, 8, 10, 11, 15, 20, 30, 43, 50, 68, 86, 88, 99, 100, 137, 178, 254]),
        ],
        1 => [192, 168, draw.byte()],
        2 => [10, draw.pick(&[0, 0, 0, 1, 8, 10, 42, 100]), draw.pick(&[0, 0, 1, 2, 10, 20, 100])],
        3 if draw.chance(0.5) => [10, draw.byte(), draw.byte()],
        3 => [172, 16 + draw.byte() % 16, draw.byte()],
        4 => [100, 64 + draw.byte() % 64, draw.byte()],
        _ => [169, 254, draw.byte()],
    }
}

fn host(draw: &mut Draw, [a, b, c]: [u8; 3]) -> [u8; 4] {
    let last = match draw.weighted([3.0, 2.0, 5.0].into_iter()) {
        0 => draw.size(1, 20),
        1 => draw.size(100, 150),
        _ => draw.size(1, 254),
    };
    [a, b, c, last as u8]
}

/// An address that is routed.
fn global(draw: &mut Draw) -> [u8; 4] {
    loop {
        let address = Ipv4Addr::from(draw.word());
        let [a, b, _, last] = address.octets();
        let shared = a == 100 && (64..128).contains(&b);
        let usable = (1..224).contains(&a) && (1..255).contains(&last);
        if usable && !shared && !address.is_private() && !address.is_loopback() && !address.is_link_local() {
            return address.octets();
        }
    }
}

fn prefix(draw: &mut Draw, local: bool) -> [u8; 8] {
    let mut prefix: [u8; 8] = draw.array();
    match (local, draw.weighted([4.0, 1.0, 4.0].into_iter())) {
        (true, 0) => return [0xfe, 0x80, 0, 0, 0, 0, 0, 0],
        (true, 1) => prefix[0] = 0xfd,
        _ => {
            (prefix[0], prefix[1]) = draw.pick(&[(0x20, 0x01), (0x24, 0), (0x26, 0), (0x28, 0), (0x2a, 0), (0x2c, 0)]);
            if prefix[1] == 0 {
                prefix[1] = draw.byte() & 0x1f;
            }
            // Registries give short prefixes: what is behind is often 0.
            for byte in prefix.iter_mut().skip(4) {
                if draw.chance(0.4) {
                    *byte = 0;
                }
            }
        }
    }
    prefix
}

fn interface(draw: &mut Draw) -> [u8; 8] {
    let drawn: [u8; 8] = draw.array();
    match draw.weighted([4.0, 1.5, 2.0].into_iter()) {
        0 => drawn,
        1 => [drawn[0] & 0xfd | 2, drawn[1], drawn[2], 0xff, 0xfe, drawn[5], drawn[6], drawn[7]],
        _ => [0, 0, 0, 0, 0, 0, if draw.chance(0.5) { 0 } else { drawn[6] }, drawn[7].max(1)],
    }
}

fn v6(prefix: [u8; 8], interface: [u8; 8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&prefix);
    octets[8..].copy_from_slice(&interface);
    octets.into()
}
