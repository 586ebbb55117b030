//! Conversations of calls: media flows (STUN, DTLS, RTP, RTCP), relays and probes, signalling.

use super::SimulatedFrame;
use super::draw::Draw;
use super::flow::Flow;
use super::payload::call::Stream;
use super::payload::dtls;
use super::payload::stun::{self, Agent, Dialect};
use super::service::{
    MEET_MEDIA, MEET_WEB, Server, Service, TEAMS_MEDIA, TEAMS_WEB, WEBEX_MEDIA, WEBEX_WEB, ZOOM_MEDIA, ZOOM_WEB,
    pick_server,
};
use super::talk_web::{Exchange, bulk_with, idle_with, quic_with, secure};
use super::wire::{FlowEnd, Wire};
use std::net::IpAddr;

/// The tag of AEAD_AES_128_GCM (RFC 7714) and the shortest Opus frame.
const MEDIA_BYTES_MIN: usize = 16 + 3;

/// What one application's calls look like.
pub(super) struct Application {
    dialect: Dialect,
    web: &'static Service,
    media: &'static Service,
    exchange: Exchange,
    /// Ports of media servers, and how often each is used.
    ports: &'static [(u16, f64)],
    /// First local media port, of a run of 60, where the application pins them.
    own_ports: Option<u16>,
    /// Share of media flows that are keyed by DTLS (the rest got their keys by signalling).
    dtls_rate: f64,
    /// Audio and video in one flow (WebRTC's bundle) or in flows of their own.
    bundled: bool,
    /// Is each media packet behind headers of the application's own?
    wrapped: bool,
    audio_types: &'static [u8],
    video_types: &'static [u8],
    extensions: &'static [(u8, usize)],
    /// Median bytes of an audio packet's media, and the spread of its logarithm.
    audio_bytes: (f64, f64),
    video_bytes_max: usize,
    /// Differentiated services of audio and video.
    marks: [u8; 2],
}

/// WebRTC in a browser: Opus 111, VP8 96, VP9 98, retransmission 97; audio level, absolute send time,
/// transport-wide numbers and stream name as header extensions.
pub(super) const MEET: Application = Application {
    dialect: Dialect::Google,
    web: &MEET_WEB,
    media: &MEET_MEDIA,
    exchange: Exchange {
        request_bytes: 420.0,
        answer_bytes: 900.0,
        rounds_mean: 3.0,
        sessions: [0.5, 0.35, 0.1, 0.05],
    },
    ports: &[(19_305, 6.0), (3_478, 3.0), (19_302, 1.0)],
    own_ports: None,
    dtls_rate: 0.85,
    bundled: true,
    wrapped: false,
    audio_types: &[111],
    video_types: &[96, 98],
    extensions: &[(1, 1), (2, 3), (3, 2), (4, 1)],
    audio_bytes: (150.0, 0.3),
    video_bytes_max: 1_150,
    marks: [0, 0],
};

/// Teams' own stack: SILK 104 and 103, SATIN 117, Opus 111; H.264 122, its retransmission 123, FEC 127.
pub(super) const TEAMS: Application = Application {
    dialect: Dialect::Microsoft,
    web: &TEAMS_WEB,
    media: &TEAMS_MEDIA,
    exchange: Exchange {
        request_bytes: 520.0,
        answer_bytes: 3_500.0,
        rounds_mean: 2.0,
        sessions: [0.3, 0.25, 0.3, 0.15],
    },
    ports: &[(3_478, 4.0), (3_479, 3.0), (3_480, 3.0), (3_481, 1.0)],
    own_ports: Some(50_000),
    dtls_rate: 0.2,
    bundled: false,
    wrapped: false,
    audio_types: &[104, 104, 117, 111],
    video_types: &[122, 122, 123],
    extensions: &[(1, 1), (3, 3)],
    audio_bytes: (96.0, 0.35),
    video_bytes_max: 1_180,
    marks: [0xb8, 0x88],
};

/// Webex: Opus 101, H.264 97 and 98, multistream extensions.
pub(super) const WEBEX: Application = Application {
    dialect: Dialect::Cisco,
    web: &WEBEX_WEB,
    media: &WEBEX_MEDIA,
    exchange: Exchange {
        request_bytes: 380.0,
        answer_bytes: 2_400.0,
        rounds_mean: 2.0,
        sessions: [0.25, 0.25, 0.3, 0.2],
    },
    ports: &[(5_004, 5.0), (9_000, 5.0)],
    own_ports: Some(52_000),
    dtls_rate: 0.1,
    bundled: false,
    wrapped: false,
    audio_types: &[101],
    video_types: &[97, 98, 120],
    extensions: &[(1, 1), (4, 2), (5, 3)],
    audio_bytes: (120.0, 0.3),
    video_bytes_max: 1_120,
    marks: [0xb8, 0x88],
};

/// Zoom: Opus 112, H.264 98, forward error correction 110, each packet behind Zoom's own two headers.
pub(super) const ZOOM: Application = Application {
    dialect: Dialect::Plain,
    web: &ZOOM_WEB,
    media: &ZOOM_MEDIA,
    exchange: Exchange {
        request_bytes: 640.0,
        answer_bytes: 1_500.0,
        rounds_mean: 2.5,
        sessions: [0.2, 0.2, 0.35, 0.25],
    },
    ports: &[(8_801, 8.0), (3_478, 1.0), (3_479, 1.0)],
    own_ports: None,
    dtls_rate: 0.0,
    bundled: false,
    wrapped: true,
    audio_types: &[112, 112, 99],
    video_types: &[98, 98, 110],
    extensions: &[(2, 2), (5, 1)],
    audio_bytes: (110.0, 0.4),
    video_bytes_max: 1_080,
    // Zoom's documented marks: DSCP 56 for audio, 40 for video.
    marks: [0xe0, 0xa0],
};

/// Signalling over TLS: joining, rosters, statistics, telemetry.
pub(super) fn signalling(flow: Flow<'_>, application: &Application) -> Vec<SimulatedFrame> {
    secure(flow, application.web, &application.exchange)
}

/// A long-lived signalling channel, met in the middle.
pub(super) fn standing(flow: Flow<'_>, application: &Application) -> Vec<SimulatedFrame> {
    idle_with(flow, application.web)
}

/// The web client's own code, recordings, shared files.
pub(super) fn bulk(flow: Flow<'_>, application: &Application) -> Vec<SimulatedFrame> {
    bulk_with(flow, application.web)
}

/// Signalling over QUIC.
pub(super) fn quic(flow: Flow<'_>, application: &Application) -> Vec<SimulatedFrame> {
    quic_with(flow, application.web)
}

/// A media flow from its first connectivity check.
pub(super) fn media(flow: Flow<'_>, application: &Application) -> Vec<SimulatedFrame> {
    let mut opened = open(flow, application);
    let keyed = opened.wire.draw.chance(application.dtls_rate);
    opened.checks(application, true);
    if keyed {
        opened.key();
    }
    let now_us = opened.wire.clock_us;
    let mut legs = Legs::new(&mut opened.wire.draw, application, now_us);
    opened.mark(application, legs.video && !legs.audio);
    while !opened.wire.full() {
        opened.step(&mut legs, application);
    }
    opened.wire.into_frames()
}

/// Checks of a candidate that is not taken, questions for one's own address, relay allocations.
pub(super) fn probe(flow: Flow<'_>, application: &Application) -> Vec<SimulatedFrame> {
    let mut opened = open(flow, application);
    match opened.wire.draw.weighted([4.0, 3.0, 3.0].into_iter()) {
        0 => {
            for _ in 0..opened.wire.draw.size(1, 6) {
                opened.checks(application, false);
            }
        }
        1 => {
            for _ in 0..opened.wire.draw.size(1, 5) {
                let seen = opened.seen;
                let [request, answer] = stun::discovery(&mut opened.wire.draw, seen);
                opened.exchange(&request, &answer);
                opened.wire.wait(10e6);
            }
        }
        _ => {
            let seen = opened.seen;
            let turns = stun::allocation(&mut opened.wire.draw, application.dialect, seen);
            for pair in turns.chunks_exact(2) {
                let [request, answer] = pair else { continue };
                opened.exchange(request, answer);
            }
            for _ in 0..opened.wire.draw.size(0, 4) {
                opened.checks(application, false);
            }
        }
    }
    opened.wire.into_frames()
}

/// A media wire with what its messages need to say.
struct Opened {
    wire: Wire,
    agent: Agent,
    seen: (IpAddr, u16),
    rtt_us: f64,
    /// Numbers of the next wrapped packet of either side, where packets are wrapped.
    wrapped: Option<[u16; 2]>,
}

fn open(mut flow: Flow<'_>, application: &Application) -> Opened {
    let server: Server = pick_server(&mut flow.draw, application.media);
    let port = application.ports[flow.draw.weighted(application.ports.iter().map(|(_, weight)| *weight))].0;
    let agent = Agent::new(&mut flow.draw, application.dialect);
    let seen = flow.public_view();
    let rtt_us = flow.host.line_rtt_us + server.rtt_us;
    // A pinned port is used once per host, so that flows stay apart; later flows use ephemeral ones.
    let own_port = application.own_ports.filter(|_| flow.slot < 60).map(|first| first + flow.slot as u16);
    let wrapped = application.wrapped.then_some([0; 2]);
    Opened { wire: flow.udp(&server, port, own_port), agent, seen, rtt_us, wrapped }
}

impl Opened {
    /// Sends a media packet; Zoom's go behind its router header (kind 5, number, direction) and media header
    /// (15 audio, 16 video, 33 control; number and time), as the published dissectors read them.
    fn send(&mut self, side: FlowEnd, kind: u8, packet: Vec<u8>) {
        let Some(numbers) = &mut self.wrapped else { return self.wire.udp(side, &packet) };
        let number = numbers[side as usize].to_be_bytes();
        numbers[side as usize] = numbers[side as usize].wrapping_add(1);
        let mut wrapped = vec![5, number[0], number[1], 0, 0, 0, 0, if side == FlowEnd::Client { 0 } else { 4 }];
        wrapped.push(kind);
        wrapped.extend(self.wire.draw.array::<7>());
        wrapped.extend(number);
        wrapped.resize(if kind == 16 { 32 } else { 27 }, 0);
        wrapped.extend(packet);
        self.wire.udp(side, &wrapped);
    }

    fn exchange(&mut self, request: &[u8], answer: &[u8]) {
        self.wire.udp(FlowEnd::Client, request);
        let jitter = self.wire.draw.log_normal(1.0, 0.1);
        self.wire.wait(self.rtt_us * jitter);
        self.wire.udp(FlowEnd::Server, answer);
        self.wire.pause(8_000.0);
    }

    /// Connectivity checks of the client, of a full-ICE server too, some unanswered.
    fn checks(&mut self, application: &Application, nominate: bool) {
        for round in 0..self.wire.draw.size(1, 2) {
            let (request, id) = self.agent.check(&mut self.wire.draw, nominate && round == 0);
            if self.wire.draw.chance(0.15) {
                self.wire.udp(FlowEnd::Client, &request);
                self.wire.wait(100_000.0);
            }
            let answer = stun::checked(&mut self.wire.draw, id, self.seen, application.dialect);
            self.exchange(&request, &answer);
            if application.dialect == Dialect::Microsoft && self.wire.draw.chance(0.5) {
                let (request, id) = self.agent.check(&mut self.wire.draw, false);
                self.wire.udp(FlowEnd::Server, &request);
                self.wire.pause(500.0);
                let server = (IpAddr::from([52, 112, 0, 1]), 3_478);
                let answer = stun::checked(&mut self.wire.draw, id, server, application.dialect);
                self.wire.udp(FlowEnd::Client, &answer);
            }
        }
    }

    fn key(&mut self) {
        let flights = dtls::handshake(&mut self.wire.draw);
        for (index, flight) in flights.iter().enumerate() {
            let side = if index % 2 == 0 { FlowEnd::Client } else { FlowEnd::Server };
            if side == FlowEnd::Server {
                self.wire.wait(self.rtt_us);
            }
            for datagram in flight {
                self.wire.udp(side, datagram);
                self.wire.pause(80.0);
            }
            self.wire.pause(2_500.0);
        }
    }

    fn mark(&mut self, application: &Application, video: bool) {
        let mark = application.marks[usize::from(video)];
        self.wire.end(FlowEnd::Client).tos = mark;
    }

    /// The next thing that happens in the call, whichever stream is due first.
    fn step(&mut self, legs: &mut Legs, application: &Application) {
        let (index, due_us) = legs.next();
        self.wire.clock_us = self.wire.clock_us.max(due_us);
        let side = if index % 2 == 0 { FlowEnd::Client } else { FlowEnd::Server };
        match index / 2 {
            0 => self.audio(legs, side, application),
            1 => self.video(legs, side, application),
            _ => self.control(legs, side),
        }
        let period_us = match index / 2 {
            0 => 20_000.0,
            1 => legs.frame_us,
            _ => 1_000_000.0,
        };
        let jitter = if side == FlowEnd::Client { 0.02 } else { 0.12 };
        let period_us = period_us * self.wire.draw.log_normal(1.0, jitter);
        legs.due_us[index] = legs.due_us[index].max(self.wire.clock_us - 5_000) + period_us as i64;
    }

    fn audio(&mut self, legs: &mut Legs, side: FlowEnd, application: &Application) {
        let silent = legs.silent[side as usize];
        // Silence suppression: small comfort frames while nobody speaks.
        let (median, spread) = if silent { (28.0, 0.15) } else { application.audio_bytes };
        if self.wire.draw.chance(0.02) {
            legs.silent[side as usize] = !silent;
        }
        let media = self.wire.draw.heavy(median, spread, MEDIA_BYTES_MIN, 400);
        let stream = &mut legs.audio_streams[side as usize];
        stream.advance(960);
        let packet = stream.packet(&mut self.wire.draw, false, media);
        self.send(side, 15, packet);
    }

    /// One frame in as many packets as it needs; the encoder starts low and climbs.
    fn video(&mut self, legs: &mut Legs, side: FlowEnd, application: &Application) {
        let climb = 1.0 + 0.04 * f64::from(legs.frames.min(50));
        legs.frames += 1;
        let key_frame = self.wire.draw.chance(0.03) || legs.frames <= 2;
        let median = if key_frame { 6_000.0 } else { 900.0 };
        let frame = self.wire.draw.heavy(median * climb, 0.6, 60, 60_000);
        let packets = frame.div_ceil(application.video_bytes_max);
        let stream = &mut legs.video_streams[side as usize];
        stream.advance((legs.frame_us * 0.09) as u32);
        for index in 0..packets {
            let media = frame / packets + usize::from(index < frame % packets);
            let packet = stream.packet(&mut self.wire.draw, index + 1 == packets, media);
            self.send(side, 16, packet);
            self.wire.pause(250.0);
        }
    }

    fn control(&mut self, legs: &mut Legs, side: FlowEnd) {
        let streams = if legs.audio { &legs.audio_streams } else { &legs.video_streams };
        let [own, other] =
            if side == FlowEnd::Client { [&streams[0], &streams[1]] } else { [&streams[1], &streams[0]] };
        let draw = &mut self.wire.draw;
        let message = if draw.chance(0.5) { own.report(draw) } else { other.feedback(draw, own.source) };
        self.send(side, 33, message);
    }
}

/// The streams of a media flow and when each is due: audio, video, control; client's and server's.
struct Legs {
    audio: bool,
    video: bool,
    due_us: [i64; 6],
    audio_streams: [Stream; 2],
    video_streams: [Stream; 2],
    silent: [bool; 2],
    frame_us: f64,
    frames: u32,
}

impl Legs {
    fn new(draw: &mut Draw, application: &Application, now_us: i64) -> Self {
        let audio = application.bundled || draw.chance(0.55);
        let video = !audio || (application.bundled && draw.chance(0.8));
        let mut due_us = [i64::MAX; 6];
        for (index, due) in due_us.iter_mut().enumerate() {
            let present = [audio, video, true][index / 2];
            // Some participants only listen, or keep the camera off.
            if present && (index / 2 == 2 || draw.chance(0.85)) {
                *due = now_us + (draw.exponential(60_000.0) * [1.0, 2.0, 8.0][index / 2]) as i64;
            }
        }
        let mut pair = |types: &[u8]| {
            let payload_type = draw.pick(types);
            [(); 2].map(|()| Stream::new(draw, payload_type, application.extensions))
        };
        let (audio_streams, video_streams) = (pair(application.audio_types), pair(application.video_types));
        let silent = [draw.chance(0.25), draw.chance(0.15)];
        let frame_us = draw.pick(&[33_333.0, 33_333.0, 40_000.0, 66_667.0]);
        Self { audio, video, due_us, audio_streams, video_streams, silent, frame_us, frames: 0 }
    }

    /// Which leg is due first, and when.
    fn next(&self) -> (usize, i64) {
        let mut first = (4, self.due_us[4]);
        for (index, due_us) in self.due_us.iter().enumerate() {
            if *due_us < first.1 {
                first = (index, *due_us);
            }
        }
        first
    }
}
