//! Conversations over TCP: TLS, HTTP, line protocols, idle and failing connections.

use super::SimulatedFrame;
use super::draw::Draw;
use super::flow::Flow;
use super::payload::{rpc, text, tls};
use super::service::{PUSH, RESOLVERS, Server, Service, pick_server, pick_service};
use super::system::System;
use super::tcp::{Ending, Tcp};
use super::wire::{FlowEnd, Wire};
use tls::{Agent, Session};

/// Sizes and habits of what follows a TLS handshake.
pub(super) struct Exchange {
    /// Median bytes of a request and of an answer.
    pub(super) request_bytes: f64,
    pub(super) answer_bytes: f64,
    pub(super) rounds_mean: f64,
    /// Shares of session kinds: full 1.3, resumed 1.3, full 1.2, resumed 1.2.
    pub(super) sessions: [f64; 4],
}

/// Browsing and background requests of the dataset os: Windows fetches more at a time.
fn browsing(system: System) -> Exchange {
    let (answer_bytes, sessions) = match system {
        System::Windows => (700.0, [0.3, 0.25, 0.25, 0.2]),
        System::Mac => (200.0, [0.25, 0.35, 0.1, 0.3]),
        _ => (110.0, [0.14, 0.38, 0.08, 0.4]),
    };
    Exchange { request_bytes: 110.0, answer_bytes, rounds_mean: 2.5, sessions }
}

/// TLS with a server of general use.
pub(super) fn browse(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    let exchange = browsing(flow.host.system);
    secure(flow, service, &exchange)
}

/// A TLS connection from handshake to teardown.
pub(super) fn secure(flow: Flow<'_>, service: &Service, exchange: &Exchange) -> Vec<SimulatedFrame> {
    secure_on(flow, service, exchange, 443)
}

/// DNS over TLS (RFC 7858): a handshake, then small encrypted questions and answers.
pub(super) fn private_lookup(flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let exchange =
        Exchange { request_bytes: 150.0, answer_bytes: 490.0, rounds_mean: 2.0, sessions: [0.3, 0.6, 0.05, 0.05] };
    secure_on(flow, &RESOLVERS, &exchange, 853)
}

/// The push channel of a phone, met in the middle.
pub(super) fn push(flow: Flow<'_>) -> Vec<SimulatedFrame> {
    idle_on(flow, &PUSH, 5228)
}

fn secure_on(mut flow: Flow<'_>, service: &Service, exchange: &Exchange, port: u16) -> Vec<SimulatedFrame> {
    let server = pick_server(&mut flow.draw, service);
    let agent = pick_agent(&mut flow);
    let session = pick_session(&mut flow.draw, exchange.sessions);
    let (mut wire, setup) = flow.tcp(&server, port);
    let flights = tls::handshake(&mut wire.draw, agent, session, &server.name);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.open();
    for (index, flight) in flights.iter().enumerate() {
        let side = if index % 2 == 0 { FlowEnd::Client } else { FlowEnd::Server };
        tcp.say(side, flight, 900.0);
    }
    let rounds = 1 + tcp.wire.draw.exponential(exchange.rounds_mean) as usize;
    for _ in 0..rounds {
        encrypted_round(&mut tcp, exchange.request_bytes, exchange.answer_bytes);
    }
    finish(&mut tcp, session);
    wire.into_frames()
}

/// A connection that the capture meets in the middle: pushes, pings, keep-alives, then perhaps its end.
pub(super) fn idle(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    idle_with(flow, service)
}

/// As [`idle`], with a given service.
pub(super) fn idle_with(flow: Flow<'_>, service: &Service) -> Vec<SimulatedFrame> {
    idle_on(flow, service, 443)
}

fn idle_on(mut flow: Flow<'_>, service: &Service, port: u16) -> Vec<SimulatedFrame> {
    let server = pick_server(&mut flow.draw, service);
    let session = pick_session(&mut flow.draw, [1.0, 0.0, 1.0, 0.0]);
    let (mut wire, setup) = flow.tcp(&server, port);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.resume();
    let probing = tcp.wire.draw.chance(0.5);
    // Windows leaves it to the servers to find out whether it is still there.
    let by_client = if tcp.probes_with_a_byte(FlowEnd::Client) { 0.25 } else { 0.8 };
    let prober = if tcp.wire.draw.chance(by_client) { FlowEnd::Client } else { FlowEnd::Server };
    if probing && !tcp.probes_with_a_byte(prober) {
        // A probe without a byte lies before what was sent last, which the capture then has to show.
        let record = tls::application(&mut tcp.wire.draw, 26);
        tcp.say(prober, &record, 1_000.0);
    }
    for _ in 0..tcp.wire.draw.size(1, 7) {
        if probing {
            tcp.keep_alive(prober);
            let gap = tcp.wire.draw.log_normal(15e6, 0.6);
            tcp.wire.wait(gap);
        } else {
            small_turns(&mut tcp);
        }
    }
    finish(&mut tcp, session);
    wire.into_frames()
}

/// The end of a connection that began before the capture.
pub(super) fn closing(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    let server = pick_server(&mut flow.draw, service);
    let session = pick_session(&mut flow.draw, [1.0, 0.0, 1.0, 0.0]);
    let (mut wire, setup) = flow.tcp(&server, 443);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.resume();
    if tcp.wire.draw.chance(0.3) {
        let alert = tls::closing_alert(&mut tcp.wire.draw, session);
        tcp.say(FlowEnd::Client, &alert, 1_000.0);
    }
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(if ending == Ending::Open { Ending::Fin(FlowEnd::Client) } else { ending });
    wire.into_frames()
}

/// A connection that a browser opens in advance and does not need.
pub(super) fn preconnect(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    let server = pick_server(&mut flow.draw, service);
    let (mut wire, setup) = flow.tcp(&server, 443);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.open();
    let probes = tcp.wire.draw.weighted([3.0, 1.0, 1.0, 1.0].into_iter());
    for _ in 0..probes {
        tcp.wire.wait(45e6);
        tcp.keep_alive(FlowEnd::Client);
    }
    let patience = tcp.wire.draw.log_normal(9e6, 0.9);
    tcp.wire.wait(patience);
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(ending);
    wire.into_frames()
}

/// A long transfer that the capture meets in the middle: full packets and acknowledgements.
pub(super) fn bulk_with(mut flow: Flow<'_>, service: &Service) -> Vec<SimulatedFrame> {
    let server = pick_server(&mut flow.draw, service);
    let (mut wire, setup) = flow.tcp(&server, 443);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.resume();
    let side = if tcp.wire.draw.chance(0.85) { FlowEnd::Server } else { FlowEnd::Client };
    for _ in 0..tcp.wire.draw.size(1, 4) {
        let bytes = tcp.wire.draw.heavy(45_000.0, 0.8, 3_000, 400_000);
        let records = tls::application(&mut tcp.wire.draw, bytes);
        tcp.say(side, &records, 20_000.0);
        small_turns(&mut tcp);
    }
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(ending);
    wire.into_frames()
}

/// One to three small records from a side, and the answer of the other at times.
fn small_turns(tcp: &mut Tcp<'_>) {
    let side = if tcp.wire.draw.chance(0.6) { FlowEnd::Client } else { FlowEnd::Server };
    for _ in 0..tcp.wire.draw.size(1, 2) {
        let bytes = tcp.wire.draw.heavy(42.0, 0.7, 19, 1_300);
        let record = tls::application(&mut tcp.wire.draw, bytes);
        tcp.say(side, &record, 2_000.0);
    }
    if tcp.wire.draw.chance(0.7) {
        let bytes = tcp.wire.draw.heavy(45.0, 0.8, 19, 1_300);
        let record = tls::application(&mut tcp.wire.draw, bytes);
        tcp.say(side.other(), &record, 2_000.0);
    }
    let gap = tcp.wire.draw.log_normal(0.8e6, 1.6);
    tcp.wire.wait(gap);
}

/// HTTP in clear: updates, captive-portal checks, package lists.
pub(super) fn http(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    let server = pick_server(&mut flow.draw, service);
    let system = flow.host.system;
    let (mut wire, setup) = flow.tcp(&server, 80);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.open();
    for _ in 0..tcp.wire.draw.size(1, 3) {
        let request = text::http_request(&mut tcp.wire.draw, &server.name, system);
        let body = tcp.wire.draw.heavy(220.0, 1.7, 0, 60_000);
        let answer = text::http_answer(&mut tcp.wire.draw, &request, body);
        tcp.say(FlowEnd::Client, &request, 500.0);
        tcp.say(FlowEnd::Server, &answer, 3_000.0);
        tcp.wire.pause(400_000.0);
    }
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(ending);
    wire.into_frames()
}

/// A dialogue of lines: FTP and SMTP log-ins, SSH up to its first encrypted packets.
pub(super) fn dialogue(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let server = hosting_server(&mut flow.draw);
    let kind = flow.draw.weighted([4.0, 1.5, 2.5].into_iter());
    let (mut wire, setup) = flow.tcp(&server, [21, 25, 22][kind]);
    let lines = match kind {
        0 => text::ftp(&mut wire.draw),
        1 => text::smtp(&mut wire.draw, &server.name),
        _ => ssh_lines(&mut wire.draw),
    };
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.open();
    let mut side = FlowEnd::Server;
    for line in &lines {
        tcp.say(side, line, 40_000.0);
        side = side.other();
    }
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(ending);
    wire.into_frames()
}

fn ssh_lines(draw: &mut Draw) -> Vec<Vec<u8>> {
    vec![
        text::ssh_version(draw),
        text::ssh_version(draw),
        text::ssh_offer(draw),
        text::ssh_offer(draw),
        Vec::new(),
        text::ssh_key(draw),
    ]
}

/// A port that is closed, or a host that is gone.
pub(super) fn failing(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let server = hosting_server(&mut flow.draw);
    let port = flow.draw.pick(&[22, 23, 80, 443, 445, 3389, 8080, 8443, 5900, 21]);
    let (mut wire, setup) = flow.tcp(&server, port);
    let attempts = if setup.client.is_windows() { wire.draw.size(1, 3) } else { 1 };
    let silent = wire.draw.size(1, 6);
    let mut tcp = Tcp::new(&mut wire, setup);
    if tcp.wire.draw.chance(0.5) {
        tcp.refused(attempts)
    } else {
        tcp.unanswered(silent)
    }
    wire.into_frames()
}

/// SMB2 with a file server in the household.
pub(super) fn smb(flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let (mut wire, setup) = flow.local_tcp(445);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.open();
    let [request, answer] = rpc::smb_negotiation(&mut tcp.wire.draw);
    tcp.say(FlowEnd::Client, &request, 300.0);
    tcp.say(FlowEnd::Server, &answer, 800.0);
    for number in 0..tcp.wire.draw.size(0, 5) as u64 {
        let [request, answer] = rpc::smb_echo(2 + number);
        tcp.wire.pause(4e6);
        tcp.say(FlowEnd::Client, &request, 300.0);
        tcp.say(FlowEnd::Server, &answer, 400.0);
    }
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(ending);
    wire.into_frames()
}

/// DCE/RPC with a Windows server in the house.
pub(super) fn remote_call(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let port = flow.draw.pick(&[49_664, 49_665, 49_667, 49_668, 49_670]);
    let (mut wire, setup) = flow.local_tcp(port);
    let mut rpc = rpc::Rpc::new(&mut wire.draw);
    let mut tcp = Tcp::new(&mut wire, setup);
    tcp.open();
    let mut turns = rpc.bind(&mut tcp.wire.draw, port).to_vec();
    for _ in 0..tcp.wire.draw.size(1, 4) {
        let (request, answer) = (tcp.wire.draw.heavy(70.0, 0.7, 8, 1_200), tcp.wire.draw.heavy(60.0, 0.9, 8, 3_000));
        turns.extend(rpc.call(&mut tcp.wire.draw, request, answer));
    }
    for (index, turn) in turns.iter().enumerate() {
        tcp.say(if index % 2 == 0 { FlowEnd::Client } else { FlowEnd::Server }, turn, 700.0);
    }
    let ending = pick_ending(&mut tcp.wire.draw);
    tcp.close(ending);
    wire.into_frames()
}

/// A QUIC connection (RFC 9000) met at the end of its handshake: all but the headers is ciphertext. Its
/// Initial packets, whose keys every reader can derive, are not simulated.
pub(super) fn quic_with(mut flow: Flow<'_>, service: &Service) -> Vec<SimulatedFrame> {
    let server = pick_server(&mut flow.draw, service);
    let rtt_us = flow.host.line_rtt_us + server.rtt_us;
    let mut wire = flow.udp(&server, 443, None);
    let connection = wire.draw.array::<8>();
    let full = wire.draw.pick(&[1_200, 1_250, 1_250, 1_330, 1_357]);
    quic_handshake(&mut wire, &connection);
    for _ in 0..1 + wire.draw.exponential(3.0) as usize {
        let request = wire.draw.heavy(70.0, 1.0, 30, full);
        quic_packet(&mut wire, FlowEnd::Client, &connection, request);
        wire.wait(rtt_us);
        if wire.draw.chance(0.6) {
            quic_packet(&mut wire, FlowEnd::Server, &connection, 26);
        }
        let mut left = wire.draw.heavy(800.0, 1.6, 30, 200_000);
        while left > 0 && !wire.full() {
            let now = left.min(full);
            left -= now;
            quic_packet(&mut wire, FlowEnd::Server, &connection, now.max(24));
            wire.pause(150.0);
            if wire.draw.chance(if left == 0 { 0.9 } else { 0.45 }) {
                let report = wire.draw.size(26, 34);
                quic_packet(&mut wire, FlowEnd::Client, &connection, report);
            }
        }
        wire.pause(700_000.0);
    }
    wire.into_frames()
}

/// QUIC with a server of general use.
pub(super) fn quic(mut flow: Flow<'_>) -> Vec<SimulatedFrame> {
    let service = pick_service(&mut flow.draw, flow.host.system);
    quic_with(flow, service)
}

/// The client's last Handshake packet, in a datagram of its own: long header, version 1, the server's
/// connection identifier and none of the client's.
fn quic_handshake(wire: &mut Wire, connection: &[u8; 8]) {
    let body_bytes = wire.draw.size(40, 90);
    let mut packet = vec![0xe0 | (wire.draw.byte() & 0x0f), 0, 0, 0, 1, 8];
    packet.extend(connection);
    packet.extend([0, 0x40, body_bytes as u8]);
    packet.extend(wire.draw.bytes(body_bytes));
    wire.udp(FlowEnd::Client, &packet);
    wire.pause(400.0);
}

/// A 1-RTT packet of `bytes` bytes behind the connection's identifier, which browsers leave empty.
fn quic_packet(wire: &mut Wire, from: FlowEnd, connection: &[u8], bytes: usize) {
    let mut packet = vec![0x40 | (wire.draw.byte() & 0x3f)];
    if from == FlowEnd::Client {
        packet.extend(connection);
    }
    packet.extend(wire.draw.bytes(bytes));
    wire.udp(from, &packet);
}

fn encrypted_round(tcp: &mut Tcp<'_>, request_bytes: f64, answer_bytes: f64) {
    let request = tcp.wire.draw.heavy(request_bytes, 0.9, 22, 16_000);
    let record = tls::application(&mut tcp.wire.draw, request);
    tcp.say(FlowEnd::Client, &record, 4_000.0);
    let answer = tcp.wire.draw.heavy(answer_bytes, 1.7, 22, 120_000);
    let record = tls::application(&mut tcp.wire.draw, answer);
    tcp.say(FlowEnd::Server, &record, 9_000.0);
    tcp.wire.pause(120_000.0);
}

fn finish(tcp: &mut Tcp<'_>, session: Session) {
    let ending = pick_ending(&mut tcp.wire.draw);
    if let Ending::Fin(side) = ending
        && tcp.wire.draw.chance(0.6)
    {
        let alert = tls::closing_alert(&mut tcp.wire.draw, session);
        tcp.say(side, &alert, 30_000.0);
    }
    tcp.close(ending);
}

fn pick_ending(draw: &mut Draw) -> Ending {
    match draw.weighted([0.42, 0.22, 0.1, 0.05, 0.21].into_iter()) {
        0 => Ending::Fin(FlowEnd::Client),
        1 => Ending::Fin(FlowEnd::Server),
        2 => Ending::Reset(FlowEnd::Client),
        3 => Ending::Reset(FlowEnd::Server),
        _ => Ending::Open,
    }
}

fn pick_session(draw: &mut Draw, shares: [f64; 4]) -> Session {
    match draw.weighted(shares.into_iter()) {
        0 => Session::Full13,
        1 => Session::Resumed13,
        2 => Session::Full12,
        _ => Session::Resumed12,
    }
}

/// Browsers by host, system libraries besides.
fn pick_agent(flow: &mut Flow<'_>) -> Agent {
    let background = flow.draw.chance(0.4);
    match (flow.host.system, background) {
        (System::Windows | System::Windows7, true) => Agent::Schannel,
        (System::Mac, true) => Agent::Apple,
        (System::Linux | System::FreeBsd | System::Android, true) => Agent::OpenSsl,
        (System::Mac, false) => [Agent::Apple, Agent::Apple, Agent::Chrome, Agent::Firefox][flow.host.browser % 4],
        (System::Linux | System::FreeBsd, false) => {
            [Agent::Firefox, Agent::Firefox, Agent::Chrome, Agent::Firefox][flow.host.browser % 4]
        }
        _ => [Agent::Chrome, Agent::Chrome, Agent::Chrome, Agent::Firefox][flow.host.browser % 4],
    }
}

fn hosting_server(draw: &mut Draw) -> Server {
    let service = super::service::SERVICES.last().unwrap_or(&super::service::MEET_WEB);
    pick_server(draw, service)
}
