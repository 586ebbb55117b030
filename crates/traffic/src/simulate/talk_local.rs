//! Conversations with the household: name look-ups, time, discovery chatter.

use super::SimulatedFrame;
use super::flow::{Flow, Local};
use super::payload::{dns, local};
use super::service::{pick_server, pick_service};
use super::system::System;
use super::wire::FlowEnd;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A look-up at the router: one question (at times asked again) and its answer, or both address kinds.
pub(super) fn name_lookup(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let name = if flow.draw.chance(0.55) {
        let service = pick_service(&mut flow.draw, flow.host.system);
        pick_server(&mut flow.draw, service).name
    } else {
        dns::rare_name(&mut flow.draw)
    };
    // Only Ubuntu's resolver adds EDNS, and it asks for A and AAAA from one port.
    let linux = flow.host.system == System::Linux;
    let questions = if linux && flow.draw.chance(0.5) { 2 } else { 1 };
    let resolver = flow.resolver(53);
    let near = flow.draw.chance(0.35);
    let mut wire = flow.local(resolver);
    let asked: Vec<_> = (0..questions).map(|_| dns::question(&mut wire.draw, &name, linux)).collect();
    for question in &asked {
        wire.udp(FlowEnd::Client, &dns::query(question));
        wire.pause(60.0);
        if wire.draw.chance(0.04) {
            wire.wait(1_000_000.0);
            wire.udp(FlowEnd::Client, &dns::query(question));
        }
    }
    wire.pause(if near { 1_500.0 } else { 22_000.0 });
    for question in &asked {
        let outcome = match wire.draw.size(0, 19) {
            0 | 1 => dns::Outcome::NoSuchName,
            2 | 3 => dns::Outcome::NoData,
            _ => dns::Outcome::Found,
        };
        let answer = dns::answer(&mut wire.draw, question, outcome);
        wire.udp(FlowEnd::Server, &answer);
        wire.pause(900.0);
    }
    wire.into_frames()
}

/// One kind of background talk, by the habits of the host's system.
pub(super) fn chatter(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let weights = match flow.host.system {
        // NTP, mDNS, SSDP search, SSDP notify, LLMNR, NetBIOS.
        System::Windows => [1.0, 1.0, 3.0, 1.0, 2.0, 1.0],
        System::Mac => [1.5, 3.0, 1.5, 1.0, 0.0, 0.5],
        _ => [3.0, 2.0, 0.7, 0.7, 0.0, 0.2],
    };
    match flow.draw.weighted(weights.into_iter()) {
        0 => time(flow),
        1 => multicast_names(flow),
        2 => search(flow),
        3 => announce(flow),
        4 => link_local_names(flow),
        _ => netbios(flow),
    }
}

fn time(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    let server = pick_server(&mut flow.draw, service);
    let rtt_us = flow.host.line_rtt_us + server.rtt_us;
    let simple = flow.host.system != System::Linux;
    let rounds = flow.draw.size(1, 4);
    let mut wire = flow.udp(&server, 123, None);
    for _ in 0..rounds {
        let now_us = wire.clock_us;
        let [request, answer] = local::ntp(&mut wire.draw, now_us, simple);
        wire.udp(FlowEnd::Client, &request);
        wire.wait(rtt_us);
        wire.udp(FlowEnd::Server, &answer);
        wire.wait(64e6);
    }
    wire.into_frames()
}

/// mDNS: from port 5353 once per host, as responders do; else as a one-shot question with its answer.
fn multicast_names(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let responder = flow.slot == 0;
    let ipv6 = flow.ipv6;
    let own_port = responder.then_some(5353);
    let group = if ipv6 { group_v6([0, 0, 0xfb], 5353) } else { group_v4([224, 0, 0, 251], 5353) };
    let name = flow.host.name.clone();
    let rounds = flow.draw.size(1, 8);
    let mut wire = flow.local(Local { own_port, own_hop_limit: Some(255), ..group });
    for _ in 0..rounds {
        let (service, query) = dns::service_query(&mut wire.draw, !responder);
        wire.udp(FlowEnd::Client, &query);
        wire.pause(60_000.0);
        if responder && wire.draw.chance(0.5) {
            let answer = dns::service_answer(&mut wire.draw, &service, &name);
            wire.udp(FlowEnd::Client, &answer);
        }
        wire.pause(1.2e6);
    }
    wire.into_frames()
}

fn search(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let agent = flow.draw.pick(&["Google Chrome", "Microsoft Edge", "Spotify", "Chromium"]);
    let rounds = flow.draw.size(1, 5);
    let mut wire = flow.local(Local { own_hop_limit: Some(1), ..group_v4([239, 255, 255, 250], 1900) });
    for _ in 0..rounds {
        let request = local::ssdp_search(&mut wire.draw, agent);
        wire.udp(FlowEnd::Client, &request);
        wire.wait(1_000_900.0);
    }
    wire.into_frames()
}

fn announce(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let rounds = flow.draw.size(2, 10);
    let address = flow.host.v4.to_string();
    let mut wire = flow.local(Local { own_hop_limit: Some(4), ..group_v4([239, 255, 255, 250], 1900) });
    for _ in 0..rounds {
        let notice = local::ssdp_notify(&mut wire.draw, &address);
        wire.udp(FlowEnd::Client, &notice);
        wire.pause(150_000.0);
    }
    wire.into_frames()
}

fn link_local_names(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let group = if flow.ipv6 { group_v6([1, 0, 3], 5355) } else { group_v4([224, 0, 0, 252], 5355) };
    let query = dns::link_local_query(&mut flow.draw);
    let mut wire = flow.local(Local { own_hop_limit: Some(1), ..group });
    wire.udp(FlowEnd::Client, &query);
    wire.wait(411_000.0);
    wire.udp(FlowEnd::Client, &query);
    wire.into_frames()
}

fn netbios(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let everyone = Local {
        mac: [0xff; 6],
        ip: flow.host.subnet_broadcast.into(),
        port: 137,
        hop_limit: 128,
        own_hop_limit: None,
        // The well-known source port is the host's once; other programs ask from ephemeral ones.
        own_port: (flow.slot == 0).then_some(137),
    };
    let query = local::netbios_query(&mut flow.draw);
    let rounds = flow.draw.size(1, 3);
    let mut wire = flow.local(everyone);
    for _ in 0..rounds {
        wire.udp(FlowEnd::Client, &query);
        wire.wait(751_000.0);
    }
    wire.into_frames()
}

/// An IPv4 group, with the Ethernet address that belongs to it (RFC 1112).
fn group_v4(address: [u8; 4], port: u16) -> Local {
    let [_, a, b, c] = address;
    Local {
        mac: [0x01, 0x00, 0x5e, a & 0x7f, b, c],
        ip: IpAddr::V4(Ipv4Addr::from(address)),
        port,
        hop_limit: 1,
        own_hop_limit: None,
        own_port: None,
    }
}

/// A link-local IPv6 group `ff02::AABB:CC`, with its Ethernet address (RFC 2464).
fn group_v6([a, b, c]: [u8; 3], port: u16) -> Local {
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xff, 0x02]);
    octets[13..].copy_from_slice(&[a, b, c]);
    Local {
        mac: [0x33, 0x33, 0, a, b, c],
        ip: IpAddr::V6(Ipv6Addr::from(octets)),
        port,
        hop_limit: 1,
        own_hop_limit: None,
        own_port: None,
    }
}
