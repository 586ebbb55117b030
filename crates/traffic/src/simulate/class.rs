//! The classes: each a mixture of conversations, on hosts of one system.

use super::SimulatedFrame;
use super::flow::Flow;
use super::system::System;
use super::talk_call::{self, Application, MEET, TEAMS, WEBEX, ZOOM};
use super::{talk_local, talk_web};

/// What a flow may be about; the share of look-ups is an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    Browse,
    Preconnect,
    Idle,
    Closing,
    Quic,
    Http,
    Dialogue,
    Failing,
    Smb,
    RemoteCall,
    Chatter,
    Signalling,
    Standing,
    Bulk,
    CallQuic,
    Media,
    Probe,
    PrivateLookup,
    Push,
}

/// One class of one dataset.
pub(super) struct Class {
    pub(super) system: System,
    /// Largest IP length that offloading makes: the maxima of the paper's Table 3.
    pub(super) offload_bytes: usize,
    application: &'static Application,
    talks: &'static [(Talk, f64)],
}

/// Calls are made on Raspberry Pi computers (section 3.3.2 of the paper), so all of vca is Linux.
const fn call(application: &'static Application, offload_bytes: usize, talks: &'static [(Talk, f64)]) -> Class {
    Class { system: System::Linux, offload_bytes, application, talks }
}

/// Only calls use the application.
const fn desktop(system: System, offload_bytes: usize, talks: &'static [(Talk, f64)]) -> Class {
    Class { system, offload_bytes, application: &MEET, talks }
}

const WINDOWS: Class = desktop(
    System::Windows,
    6_206,
    &[
        (Talk::Browse, 0.22),
        (Talk::Quic, 0.02),
        (Talk::Preconnect, 0.13),
        (Talk::Idle, 0.22),
        (Talk::Closing, 0.14),
        (Talk::Http, 0.05),
        (Talk::Dialogue, 0.03),
        (Talk::Failing, 0.05),
        (Talk::Smb, 0.03),
        (Talk::RemoteCall, 0.05),
        (Talk::Chatter, 0.05),
    ],
);
const UBUNTU: Class = desktop(
    System::Linux,
    5_844,
    &[
        (Talk::Browse, 0.22),
        (Talk::Quic, 0.015),
        (Talk::Preconnect, 0.11),
        (Talk::Idle, 0.28),
        (Talk::Closing, 0.1),
        (Talk::Http, 0.06),
        (Talk::Dialogue, 0.09),
        (Talk::Failing, 0.06),
        (Talk::Chatter, 0.06),
    ],
);
const MAC: Class = desktop(
    System::Mac,
    1_500,
    &[
        (Talk::Browse, 0.22),
        (Talk::Quic, 0.02),
        (Talk::Preconnect, 0.12),
        (Talk::Idle, 0.29),
        (Talk::Closing, 0.11),
        (Talk::Http, 0.05),
        (Talk::Dialogue, 0.06),
        (Talk::Failing, 0.06),
        (Talk::Chatter, 0.06),
    ],
);
const MEET_CALLS: Class = call(
    &MEET,
    11_412,
    &[
        (Talk::Signalling, 0.32),
        (Talk::CallQuic, 0.08),
        (Talk::Standing, 0.04),
        (Talk::Bulk, 0.01),
        (Talk::Media, 0.42),
        (Talk::Probe, 0.11),
        (Talk::Chatter, 0.03),
    ],
);
const TEAMS_CALLS: Class = call(
    &TEAMS,
    8_572,
    &[
        (Talk::Signalling, 0.55),
        (Talk::Preconnect, 0.05),
        (Talk::Standing, 0.14),
        (Talk::Bulk, 0.021),
        (Talk::Media, 0.115),
        (Talk::Probe, 0.07),
        (Talk::Chatter, 0.04),
    ],
);
const WEBEX_CALLS: Class = call(
    &WEBEX,
    7_152,
    &[
        (Talk::Signalling, 0.55),
        (Talk::Preconnect, 0.06),
        (Talk::Standing, 0.15),
        (Talk::Bulk, 0.015),
        (Talk::Media, 0.115),
        (Talk::Probe, 0.07),
        (Talk::Chatter, 0.04),
    ],
);

/// The dataset `public`: systems and an application that no study protects, for all that may be learned
/// from public traffic. A workstation with FreeBSD ...
const BSD: Class = desktop(
    System::FreeBsd,
    1_500,
    &[
        (Talk::Browse, 0.25),
        (Talk::Quic, 0.03),
        (Talk::Preconnect, 0.08),
        (Talk::Idle, 0.18),
        (Talk::Closing, 0.08),
        (Talk::Http, 0.12),
        (Talk::Dialogue, 0.14),
        (Talk::Failing, 0.07),
        (Talk::Chatter, 0.05),
    ],
);
/// ... a phone ...
const ANDROID: Class = desktop(
    System::Android,
    7_240,
    &[
        (Talk::Browse, 0.2),
        (Talk::Quic, 0.2),
        (Talk::Preconnect, 0.1),
        (Talk::Idle, 0.1),
        (Talk::Push, 0.12),
        (Talk::PrivateLookup, 0.12),
        (Talk::Closing, 0.06),
        (Talk::Http, 0.04),
        (Talk::Failing, 0.02),
        (Talk::Chatter, 0.04),
    ],
);
/// ... and a conference room that runs Zoom on an old Windows.
const ZOOM_CALLS: Class = Class {
    system: System::Windows7,
    offload_bytes: 1_500,
    application: &ZOOM,
    talks: &[
        (Talk::Signalling, 0.35),
        (Talk::Preconnect, 0.06),
        (Talk::Standing, 0.1),
        (Talk::Bulk, 0.02),
        (Talk::Media, 0.27),
        (Talk::Probe, 0.1),
        (Talk::Smb, 0.03),
        (Talk::Chatter, 0.07),
    ],
};

/// The class of these names, if there is one.
pub(super) fn find(dataset: &str, class: &str) -> Option<&'static Class> {
    match (dataset, class) {
        ("os", "windows") => Some(&WINDOWS),
        ("os", "ubuntu") => Some(&UBUNTU),
        ("os", "mac") => Some(&MAC),
        ("vca", "meet") => Some(&MEET_CALLS),
        ("vca", "teams") => Some(&TEAMS_CALLS),
        ("vca", "webex") => Some(&WEBEX_CALLS),
        ("public", "bsd") => Some(&BSD),
        ("public", "android") => Some(&ANDROID),
        ("public", "zoom") => Some(&ZOOM_CALLS),
        _ => None,
    }
}

impl Class {
    /// The frames of one flow, in the order sent.
    pub(super) fn converse(&self, mut flow: Flow<'_>, dns_share: f64) -> Vec<SimulatedFrame> {
        if flow.draw.chance(dns_share) {
            return talk_local::name_lookup(flow);
        }
        let index = flow.draw.weighted(self.talks.iter().map(|(_, weight)| *weight));
        match self.talks[index].0 {
            Talk::Browse => talk_web::browse(flow),
            Talk::Preconnect => talk_web::preconnect(flow),
            Talk::Idle => talk_web::idle(flow),
            Talk::Closing => talk_web::closing(flow),
            Talk::Quic => talk_web::quic(flow),
            Talk::Http => talk_web::http(flow),
            Talk::Dialogue => talk_web::dialogue(flow),
            Talk::Failing => talk_web::failing(flow),
            Talk::Smb => talk_web::smb(flow),
            Talk::RemoteCall => talk_web::remote_call(flow),
            Talk::Chatter => talk_local::chatter(flow),
            Talk::Signalling => talk_call::signalling(flow, self.application),
            Talk::Standing => talk_call::standing(flow, self.application),
            Talk::Bulk => talk_call::bulk(flow, self.application),
            Talk::CallQuic => talk_call::quic(flow, self.application),
            Talk::Media => talk_call::media(flow, self.application),
            Talk::Probe => talk_call::probe(flow, self.application),
            Talk::PrivateLookup => talk_web::private_lookup(flow),
            Talk::Push => talk_web::push(flow),
        }
    }
}
