//! The servers out there: services with their public address ranges, names and network stacks. Within
//! a service the popularity of servers follows Zipf's law, so traces meet a few servers often and many
//! once. The internet is the same for every seed: it comes from a fixed one.

use super::draw::Draw;
use super::system::System;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use syntrace_base::base::Seed;

const INTERNET: u64 = 0x5359_4e54;
/// Servers of one service.
const SERVERS: usize = 600;

/// A public service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) label: &'static str,
    /// IPv4 prefixes: the first two bytes; the rest is the server's.
    v4: &'static [[u8; 2]],
    /// First four bytes of the IPv6 prefix.
    v6: [u8; 4],
    system: System,
    names: &'static [&'static str],
    /// How often clients of each system use it: Windows, Linux, Mac.
    weights: [f64; 3],
}

/// A server as a client meets it.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    pub(super) system: System,
    pub(super) hops: u8,
    pub(super) rtt_us: f64,
    pub(super) mss: u16,
    pub(super) seed: Seed,
}

impl Server {
    pub(super) fn address(&self, ipv6: bool) -> IpAddr {
        if ipv6 { self.v6.into() } else { self.v4.into() }
    }
}

macro_rules! services {
    ($($label:literal, $system:ident, [$($a:literal . $b:literal),+], $v6:expr, [$($name:literal),+],
        $weights:expr;)+) => {
        /// Services of general use.
        pub(super) const SERVICES: &[Service] = &[$(Service {
            label: $label,
            v4: &[$([$a, $b]),+],
            v6: $v6,
            system: System::$system,
            names: &[$($name),+],
            weights: $weights,
        }),+];
    };
}

services! {
    "google", Google, [142 . 250, 142 . 251, 172 . 217, 216 . 58], [0x2a, 0x00, 0x14, 0x50],
        ["www.google.com", "fonts.gstatic.com", "www.youtube.com", "clients4.google.com", "i.ytimg.com",
            "play.google.com", "ssl.gstatic.com", "apis.google.com", "googleads.g.doubleclick.net"], [4.0, 5.0,
            4.0];
    "microsoft", Windows, [20 . 42, 13 . 107, 40 . 126, 52 . 168], [0x26, 0x03, 0x10, 0x30],
        ["login.live.com", "settings-win.data.microsoft.com", "v10.events.data.microsoft.com",
            "outlook.office365.com", "www.bing.com", "go.microsoft.com", "ctldl.windowsupdate.com"], [7.0, 0.6,
            1.0];
    "apple", Linux, [17 . 57, 17 . 248, 17 . 253], [0x26, 0x20, 0x01, 0x49],
        ["gateway.icloud.com", "p57-caldav.icloud.com", "courier.push.apple.com", "init.itunes.apple.com",
            "gs-loc.apple.com", "configuration.apple.com", "mesu.apple.com"], [0.2, 0.1, 7.0];
    "canonical", Linux, [91 . 189, 185 . 125], [0x26, 0x20, 0x00, 0x2d],
        ["archive.ubuntu.com", "security.ubuntu.com", "api.snapcraft.io", "connectivity-check.ubuntu.com",
            "motd.ubuntu.com"], [0.0, 4.0, 0.0];
    "mozilla", Linux, [34 . 107, 34 . 160], [0x26, 0x00, 0x19, 0x01],
        ["firefox.settings.services.mozilla.com", "push.services.mozilla.com", "detectportal.firefox.com",
            "content-signature-2.cdn.mozilla.net"], [0.8, 3.0, 0.6];
    "cloudflare", Cloudflare, [104 . 16, 104 . 18, 172 . 67, 104 . 21], [0x26, 0x06, 0x47, 0x00],
        ["cdnjs.cloudflare.com", "discord.com", "www.npmjs.com", "static.cloudflareinsights.com", "medium.com"],
            [3.0, 3.0, 3.0];
    "akamai", Linux, [23 . 45, 23 . 62, 104 . 96, 2 . 16], [0x2a, 0x02, 0x26, 0xf0],
        ["e673.dsce9.akamaiedge.net", "a248.e.akamai.net", "www.adobe.com", "store.steampowered.com",
            "www.bbc.co.uk"], [3.0, 2.0, 3.5];
    "amazon", Linux, [52 . 84, 54 . 230, 99 . 86, 3 . 160], [0x26, 0x00, 0x90, 0x00],
        ["d1.awsstatic.com", "www.amazon.com", "m.media-amazon.com", "s3.amazonaws.com",
            "device-metrics-us.amazon.com", "unagi.amazon.com"], [3.0, 3.0, 3.0];
    "fastly", Linux, [151 . 101, 199 . 232], [0x2a, 0x04, 0x4e, 0x42],
        ["github.githubassets.com", "www.reddit.com", "edition.cnn.com", "pypi.org", "cdn.jsdelivr.net"], [2.0,
            2.5, 2.0];
    "meta", Linux, [157 . 240, 31 . 13], [0x2a, 0x03, 0x28, 0x80],
        ["www.facebook.com", "static.xx.fbcdn.net", "graph.instagram.com", "web.whatsapp.com"], [1.5, 1.0, 1.5];
    "hosting", Linux, [95 . 216, 51 . 15, 167 . 99, 178 . 62], [0x2a, 0x01, 0x04, 0xf8],
        ["www.example-shop.net", "blog.homelab.dev", "ftp.mirror.example.org", "mail.smallfirm.example",
            "forum.modelrail.example"], [2.0, 2.5, 1.5];
}

/// Google Meet: web front ends, and media servers by their documented ranges.
pub(super) const MEET_WEB: Service = Service {
    label: "meet-web",
    v4: &[[142, 250], [142, 251], [172, 217]],
    v6: [0x2a, 0x00, 0x14, 0x50],
    system: System::Google,
    names: &[
        "meet.google.com",
        "clients6.google.com",
        "www.gstatic.com",
        "lh3.googleusercontent.com",
        "accounts.google.com",
    ],
    weights: [1.0; 3],
};
pub(super) const MEET_MEDIA: Service = Service {
    label: "meet-media",
    v4: &[[74, 125], [142, 250]],
    v6: [0x20, 0x01, 0x48, 0x60],
    system: System::Google,
    names: &["stun.l.google.com", "turn.l.google.com"],
    weights: [1.0; 3],
};
/// Microsoft Teams: web and signalling front ends, and the transport relays of 52.112.0.0/14.
pub(super) const TEAMS_WEB: Service = Service {
    label: "teams-web",
    v4: &[[52, 113], [13, 107], [52, 123], [20, 190]],
    v6: [0x26, 0x20, 0x01, 0xec],
    system: System::Windows,
    names: &[
        "teams.microsoft.com",
        "api.flightproxy.teams.microsoft.com",
        "presence.teams.microsoft.com",
        "statics.teams.cdn.office.net",
        "login.microsoftonline.com",
        "trouter.teams.microsoft.com",
        "config.teams.microsoft.com",
    ],
    weights: [1.0; 3],
};
pub(super) const TEAMS_MEDIA: Service = Service {
    label: "teams-media",
    v4: &[[52, 112], [52, 113], [52, 114], [52, 115]],
    v6: [0x26, 0x03, 0x10, 0x27],
    system: System::Windows,
    names: &["worldaz.tr.teams.microsoft.com", "euaz.tr.teams.microsoft.com"],
    weights: [1.0; 3],
};
/// Cisco Webex: web front ends, and media nodes of 66.114.160.0/20, 66.163.32.0/19 and 170.72.0.0/16.
pub(super) const WEBEX_WEB: Service = Service {
    label: "webex-web",
    v4: &[[170, 72], [66, 163], [62, 109]],
    v6: [0x26, 0x07, 0xfc, 0xf0],
    system: System::Linux,
    names: &[
        "web.webex.com",
        "wdm-a.wbx2.com",
        "mercury-connection-partition2-a.wbx2.com",
        "identity.webex.com",
        "binaries.webex.com",
        "avatar-a.wbx2.com",
        "locus-a.wbx2.com",
    ],
    weights: [1.0; 3],
};
pub(super) const WEBEX_MEDIA: Service = Service {
    label: "webex-media",
    v4: &[[170, 72], [66, 114], [66, 163]],
    v6: [0x26, 0x07, 0xfc, 0xf0],
    system: System::Linux,
    names: &["mn-sjc.public.wmeet-a.prod.infra.webex.com", "mn-lhr.public.wmeet-a.prod.infra.webex.com"],
    weights: [1.0; 3],
};

/// Zoom: web front ends, and media routers of 170.114.0.0/16 and 206.247.0.0/16.
pub(super) const ZOOM_WEB: Service = Service {
    label: "zoom-web",
    v4: &[[170, 114]],
    v6: [0x24, 0x07, 0x30, 0xc0],
    system: System::Cloudflare,
    names: &["zoom.us", "us04web.zoom.us", "log-gateway.zoom.us", "static.ccs.zoom.us", "xmpp.zoom.us"],
    weights: [1.0; 3],
};
pub(super) const ZOOM_MEDIA: Service = Service {
    label: "zoom-media",
    v4: &[[170, 114], [206, 247]],
    v6: [0x24, 0x07, 0x30, 0xc0],
    system: System::Linux,
    names: &["zoomfr41mmr.zoom.us", "zoomsjc144mmr.zoom.us"],
    weights: [1.0; 3],
};
/// Public resolvers that phones ask over TLS.
pub(super) const RESOLVERS: Service = Service {
    label: "resolvers",
    v4: &[[8, 8], [1, 1], [9, 9]],
    v6: [0x20, 0x01, 0x48, 0x60],
    system: System::Linux,
    names: &["dns.google", "one.one.one.one", "dns.quad9.net"],
    weights: [1.0; 3],
};
/// Google's push channel for phones.
pub(super) const PUSH: Service = Service {
    label: "push",
    v4: &[[142, 250], [64, 233], [74, 125]],
    v6: [0x2a, 0x00, 0x14, 0x50],
    system: System::Google,
    names: &["mtalk.google.com", "alt1-mtalk.google.com"],
    weights: [1.0; 3],
};

/// One of the general services, by the habits of the client's system.
pub(super) fn pick_service(draw: &mut Draw, client: System) -> &'static Service {
    let column = match client {
        System::Windows => 0,
        System::Mac => 2,
        _ => 1,
    };
    // The archives of one distribution are not asked by other systems that share the column.
    let foreign = |service: &Service| service.label == "canonical" && client != System::Linux;
    let weight = |service: &Service| if foreign(service) { 0.0 } else { service.weights[column] };
    let index = draw.weighted(SERVICES.iter().map(weight));
    SERVICES.get(index).unwrap_or(&MEET_WEB)
}

/// A server of a service, popular ones more often.
pub(super) fn pick_server(draw: &mut Draw, service: &Service) -> Server {
    server(service, draw.zipf(SERVERS))
}

fn server(service: &Service, rank: usize) -> Server {
    let seed = Seed::root(INTERNET).named(service.label).numbered(rank as u64);
    let mut draw = Draw::new(&seed);
    let prefix = draw.pick(service.v4);
    let name = service.names[rank % service.names.len()];
    // Beyond the well-known names: numbered edge nodes under the same domain.
    let name = match name.split_once('.') {
        Some((_, domain)) if rank >= service.names.len() => format!("{}.{domain}", draw.label(2, 14)),
        _ => name.to_owned(),
    };
    let mut v6 = [0; 16];
    v6[..4].copy_from_slice(&service.v6);
    v6[4..8].copy_from_slice(&draw.array::<4>());
    v6[14..].copy_from_slice(&draw.array::<2>());
    Server {
        name,
        v4: Ipv4Addr::new(prefix[0], prefix[1], third_byte(service, prefix, draw.byte()), 1 + draw.byte() % 254),
        v6: v6.into(),
        system: service.system,
        hops: 4 + draw.byte() % 12,
        rtt_us: draw.log_normal(14_000.0, 0.9).min(280_000.0),
        mss: match service.system {
            System::Google => draw.pick(&[1412, 1430, 1430]),
            System::Cloudflare => 1400,
            System::Windows => 1440,
            _ => draw.pick(&[1460, 1460, 1440]),
        },
        seed,
    }
}

/// Keeps an address inside its service's published block where that is smaller than a /16.
fn third_byte(service: &Service, prefix: [u8; 2], drawn: u8) -> u8 {
    match (service.label, prefix) {
        ("webex-media" | "webex-web", [66, 114]) => 160 + drawn % 16,
        ("webex-media" | "webex-web", [66, 163]) => 32 + drawn % 32,
        ("webex-web", [62, 109]) => 192 + drawn % 64,
        _ => drawn,
    }
}
