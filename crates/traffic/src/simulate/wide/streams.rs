//! Services over TCP, by IANA's names, and what becomes of connections to them.

use super::super::SimulatedFrame;
use super::super::wire::FlowEnd;
use super::circumstances::{Circumstances, Ports, Reach};
use super::stream::Stream;

/// How a service is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Manner {
    /// TLS (RFC 8446): hello, certificates, finished, then records.
    #[default]
    Secured,
    /// The server greets, then lines both ways.
    Greeting,
    /// The client asks, the server answers.
    Asking,
}

/// A service: port, how often, where, manner, median bytes of a request and of an answer.
type Service = (u16, f64, Where, Manner, f64, f64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Far,
    Near,
    Either,
}

use Manner::{Asking, Greeting, Secured};
use Where::{Either, Far, Near};

const SERVICES: &[Service] = &[
    (443, 26.0, Far, Secured, 300.0, 900.0),
    (80, 8.0, Far, Asking, 350.0, 700.0),
    (8_080, 2.0, Either, Asking, 300.0, 700.0),
    (8_443, 1.5, Either, Secured, 250.0, 600.0),
    (8_009, 1.0, Near, Secured, 110.0, 110.0),
    (7_000, 0.5, Near, Asking, 250.0, 400.0),
    (22, 2.0, Either, Greeting, 60.0, 90.0),
    (21, 1.0, Far, Greeting, 16.0, 40.0),
    (23, 0.6, Either, Greeting, 6.0, 30.0),
    (25, 1.0, Far, Greeting, 30.0, 60.0),
    (587, 0.7, Far, Greeting, 30.0, 60.0),
    (465, 0.6, Far, Secured, 80.0, 120.0),
    (110, 0.4, Far, Greeting, 14.0, 50.0),
    (143, 0.6, Far, Greeting, 20.0, 90.0),
    (993, 1.5, Far, Secured, 60.0, 180.0),
    (995, 0.5, Far, Secured, 50.0, 150.0),
    (53, 0.8, Either, Asking, 45.0, 300.0),
    (853, 1.2, Far, Secured, 150.0, 480.0),
    (88, 0.6, Near, Asking, 280.0, 900.0),
    (389, 0.8, Near, Asking, 120.0, 400.0),
    (135, 0.9, Near, Asking, 120.0, 140.0),
    (139, 0.7, Near, Asking, 90.0, 100.0),
    (445, 2.0, Near, Asking, 180.0, 220.0),
    (49_668, 0.5, Near, Asking, 160.0, 200.0),
    (548, 0.3, Near, Asking, 60.0, 120.0),
    (554, 0.5, Either, Asking, 160.0, 220.0),
    (631, 0.6, Near, Asking, 260.0, 700.0),
    (9_100, 0.4, Near, Asking, 60.0, 40.0),
    (1_883, 1.0, Either, Asking, 40.0, 10.0),
    (8_883, 1.2, Far, Secured, 70.0, 60.0),
    (5_222, 1.0, Far, Asking, 140.0, 160.0),
    (5_223, 1.0, Far, Secured, 60.0, 60.0),
    (5_228, 1.2, Far, Secured, 60.0, 50.0),
    (5_061, 0.4, Far, Secured, 500.0, 500.0),
    (1_935, 0.4, Far, Asking, 200.0, 1_200.0),
    (3_306, 0.4, Near, Greeting, 60.0, 120.0),
    (5_432, 0.3, Near, Asking, 60.0, 120.0),
    (6_379, 0.3, Near, Asking, 40.0, 20.0),
    (3_389, 0.6, Either, Secured, 60.0, 300.0),
    (5_900, 0.4, Either, Greeting, 12.0, 900.0),
    (6_881, 0.6, Far, Asking, 68.0, 500.0),
    (6_667, 0.3, Far, Asking, 30.0, 90.0),
    (27_017, 0.2, Near, Asking, 90.0, 200.0),
    (502, 0.3, Near, Asking, 12.0, 25.0),
    (102, 0.2, Near, Asking, 25.0, 30.0),
    (3_478, 0.4, Far, Asking, 40.0, 90.0),
];
/// Share of flows to any port at all.
const ODD_PORT_SHARE: f64 = 0.12;

/// A conversation over TCP.
pub(super) fn talk(mut circumstances: Circumstances) -> Vec<SimulatedFrame> {
    let draw = &mut circumstances.draw;
    let (mut port, _, place, manner, request, answer) =
        SERVICES[draw.weighted(SERVICES.iter().map(|service| service.1))];
    let odd = draw.chance(ODD_PORT_SHARE);
    if odd {
        port = draw.half().max(1);
    }
    let near = match place {
        Far => draw.chance(0.06),
        Near => draw.chance(0.9),
        Either => draw.chance(0.4),
    };
    let scale = draw.log_normal(1.0, 0.7);
    let ports = Ports { own: draw.chance(0.02).then(|| draw.half().max(1)), other: Some(port) };
    let line = circumstances.line(if near { Reach::Local } else { Reach::Internet }, ports);
    let mut stream = Stream::new(line);
    let habits = Habits { manner, request: request * scale, answer: answer * scale };
    match stream.wire.draw.weighted([0.46, 0.14, 0.13, 0.08, 0.06, 0.09, 0.04].into_iter()) {
        0 => whole(&mut stream, &habits),
        1 => middle(&mut stream, &habits),
        2 => idle(&mut stream),
        3 => ending(&mut stream),
        4 => unused(&mut stream),
        5 => failing(&mut stream),
        _ => bulk(&mut stream),
    }
    stream.wire.into_frames()
}

struct Habits {
    manner: Manner,
    request: f64,
    answer: f64,
}

fn whole(stream: &mut Stream, habits: &Habits) {
    stream.open();
    match habits.manner {
        Secured => secure(stream),
        Greeting => {
            let bytes = stream.wire.draw.heavy(50.0, 0.6, 4, 1_400);
            stream.say(FlowEnd::Server, bytes, 20_000.0);
        }
        Asking => {}
    }
    rounds(stream, habits);
    close(stream);
}

/// The handshake's flights, resumed at times.
fn secure(stream: &mut Stream) {
    let draw = &mut stream.wire.draw;
    let resumed = draw.chance(0.4);
    let hello = if draw.chance(0.3) { draw.size(1_500, 1_900) } else { draw.size(140, 720) };
    let certificates = if resumed { draw.size(90, 320) } else { draw.heavy(3_200.0, 0.4, 700, 9_000) };
    let finished = draw.size(50, 340);
    stream.say(FlowEnd::Client, hello, 1_000.0);
    stream.say(FlowEnd::Server, certificates, 3_000.0);
    stream.say(FlowEnd::Client, finished, 2_000.0);
    if stream.wire.draw.chance(0.6) {
        let tickets = stream.wire.draw.size(40, 600);
        stream.say(FlowEnd::Server, tickets, 1_000.0);
    }
}

fn rounds(stream: &mut Stream, habits: &Habits) {
    let rounds = 1 + stream.wire.draw.exponential(2.5) as usize;
    for _ in 0..rounds {
        let request = stream.wire.draw.heavy(habits.request, 0.9, 2, 16_000);
        stream.say(FlowEnd::Client, request, 5_000.0);
        let answer = stream.wire.draw.heavy(habits.answer, 1.4, 2, 120_000);
        stream.say(FlowEnd::Server, answer, 9_000.0);
        stream.wire.pause(150_000.0);
    }
}

/// Taken up in its middle; either side speaks first.
fn middle(stream: &mut Stream, habits: &Habits) {
    stream.resume();
    if stream.wire.draw.chance(0.4) {
        let bytes = stream.wire.draw.heavy(habits.answer, 1.4, 2, 60_000);
        stream.say(FlowEnd::Server, bytes, 9_000.0);
    }
    rounds(stream, habits);
    close(stream);
}

/// Pings and probes, far apart.
fn idle(stream: &mut Stream) {
    stream.resume();
    let probing = stream.wire.draw.chance(0.5);
    let side = side(stream, 0.6);
    let gap_us = stream.wire.draw.log_normal(12e6, 1.0);
    let bytes = stream.wire.draw.heavy(40.0, 0.6, 2, 600);
    if probing {
        // A probe lies before what was sent last, which the capture shows.
        stream.say(side, bytes, 1_000.0);
    }
    for _ in 0..stream.wire.draw.size(1, 8) {
        if probing {
            stream.keep_alive(side);
        } else {
            stream.say(side, bytes, 2_000.0);
            if stream.wire.draw.chance(0.6) {
                stream.say(side.other(), bytes, 2_000.0);
            }
        }
        stream.wire.pause(gap_us);
    }
    close(stream);
}

fn ending(stream: &mut Stream) {
    stream.resume();
    if stream.wire.draw.chance(0.35) {
        let side = side(stream, 0.6);
        let bytes = stream.wire.draw.size(24, 31);
        stream.say(side, bytes, 1_000.0);
    }
    let side = side(stream, 0.6);
    stream.finish(side);
}

fn unused(stream: &mut Stream) {
    stream.open();
    for _ in 0..stream.wire.draw.weighted([3.0, 1.0, 1.0, 1.0].into_iter()) {
        stream.wire.wait(20e6);
        stream.keep_alive(FlowEnd::Client);
    }
    stream.wire.pause(9e6);
    close(stream);
}

fn failing(stream: &mut Stream) {
    let attempts = stream.wire.draw.size(1, 6);
    let refused = stream.wire.draw.chance(0.5);
    stream.fail(if refused { attempts.min(3) } else { attempts }, refused);
}

fn bulk(stream: &mut Stream) {
    stream.resume();
    let side = side(stream, 0.2);
    for _ in 0..stream.wire.draw.size(1, 4) {
        let bytes = stream.wire.draw.heavy(30_000.0, 0.9, 3_000, 300_000);
        stream.say(side, bytes, 15_000.0);
    }
    close(stream);
}

fn side(stream: &mut Stream, client: f64) -> FlowEnd {
    if stream.wire.draw.chance(client) { FlowEnd::Client } else { FlowEnd::Server }
}

fn close(stream: &mut Stream) {
    let side = side(stream, 0.65);
    match stream.wire.draw.weighted([0.6, 0.12, 0.28].into_iter()) {
        0 => stream.finish(side),
        1 => {
            let acknowledging = stream.wire.draw.chance(0.7);
            stream.reset(side, acknowledging);
        }
        _ => {}
    }
}
