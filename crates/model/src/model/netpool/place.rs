//! Values of a flow that histograms count: addresses, networks and ports of its ends; and how released values are
//! assigned to sampled flows.

use super::flow::Flow;
use super::flow_features::{Ends, SERVICE_CELLS, SERVICES, addresses, local_packets};
use super::heavy_hitters::{ADDRESSES, Cell, Domain, Frequent, PORTS, joined};
use super::vary::set_service;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use syntrace_base::base::StreamRng;
use syntrace_traffic::encoding::packets::HeaderPacket;

/// One histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// The peer's network: 16 bits of IPv4, 32 of IPv6, as registries give them away.
    PeerNetwork,
    /// Address of the local host.
    LocalAddress,
    /// Its network: 24 bits of IPv4, 64 of IPv6, as links have.
    LocalNetwork,
    /// The peer's port, by protocol, where it is of no known service.
    PeerPort,
    /// Address of the peer, by service.
    PeerAddress,
}

/// What values of a flow may be exchanged within.
#[derive(Debug, Clone, Copy)]
struct Scope {
    version: u8,
    service: u16,
    protocol: u16,
    peer: Reach,
}

/// Who an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Many: broadcast and multicast.
    Group,
    /// The local network, or another private one.
    Near,
    Far,
}

impl Place {
    /// In the order in which they are measured, as far as the budget goes: with whom a flow speaks, then who speaks. The order
    /// is fixed: where noise leaves room for few of them it would decide a choice as well.
    pub const ALL: [Self; 5] =
        [Self::PeerNetwork, Self::LocalAddress, Self::LocalNetwork, Self::PeerPort, Self::PeerAddress];

    /// Name in the ledger and in monitors.
    pub fn name(self) -> &'static str {
        match self {
            Self::LocalAddress => "addresses of local hosts",
            Self::LocalNetwork => "networks of local hosts",
            Self::PeerAddress => "addresses of peers by service",
            Self::PeerNetwork => "networks of peers",
            Self::PeerPort => "ports of peers",
        }
    }

    pub fn domain(self) -> Domain {
        let (blocks, keys, bits): (&'static [_], _, _) = match self {
            Self::LocalAddress => (&ADDRESSES, 1, [16, 32, 128]),
            Self::LocalNetwork => (&ADDRESSES, 1, [16, 24, 64]),
            Self::PeerAddress => (&ADDRESSES, SERVICE_CELLS as u16, [16, 32, 128]),
            Self::PeerNetwork => (&ADDRESSES, 1, [16, 16, 32]),
            Self::PeerPort => (&PORTS, 2, [16, 32, 128]),
        };
        Domain { blocks, keys, bits }
    }

    /// What a flow adds 1 to, if anything.
    pub fn of(self, flow: &[HeaderPacket]) -> Option<Cell> {
        let first = flow.first()?;
        let ends = Ends::of(first);
        let [local, peer] = addresses(flow)?;
        match self {
            Self::LocalAddress | Self::LocalNetwork => Some((0, local)),
            Self::PeerAddress => Some((ends.service, peer)),
            Self::PeerNetwork => Some((0, peer)),
            Self::PeerPort => {
                is_unknown(ends.service).then(|| (protocol(first), ends.service_port.to_be_bytes().to_vec()))
            }
        }
    }

    /// Of networks the histogram of whole addresses.
    fn whole(self) -> Option<Self> {
        match self {
            Self::LocalNetwork => Some(Self::LocalAddress),
            Self::PeerNetwork => Some(Self::PeerAddress),
            _ => None,
        }
    }

    /// May a flow of this scope get this value?
    fn suits(self, own: &Frequent, scope: Scope) -> bool {
        let same_version = (own.value.len() == 4) == (scope.version == 4);
        match self {
            Self::LocalAddress | Self::LocalNetwork => same_version,
            Self::PeerAddress => same_version && own.key == scope.service,
            Self::PeerNetwork => same_version && scope.peer != Reach::Group && reach(&own.value) == scope.peer,
            Self::PeerPort => {
                let port = own.value.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
                own.key == scope.protocol && is_unknown(scope.service) && Ends::service_of(port) == scope.service
            }
        }
    }

    /// Of a scope what a value depends on.
    fn depends(self, scope: Scope) -> (u8, Option<u16>, Option<Reach>) {
        match self {
            Self::LocalAddress | Self::LocalNetwork => (scope.version, None, None),
            Self::PeerAddress => (scope.version, Some(scope.service), None),
            Self::PeerNetwork => (scope.version, None, Some(scope.peer)),
            Self::PeerPort => (scope.protocol as u8, Some(scope.service), None),
        }
    }
}

/// Is this the cell of services that are not known by their port?
fn is_unknown(service: u16) -> bool {
    usize::from(service) >= SERVICES.len()
}

fn protocol(packet: &HeaderPacket) -> u16 {
    u16::from(packet.protocol() == 6)
}

fn reach(address: &[u8]) -> Reach {
    match *address {
        [224..=239 | 255, _, _, _] => Reach::Group,
        [10 | 127, _, _, _] | [192, 168, _, _] | [172, 16..=31, _, _] | [169, 254, _, _] => Reach::Near,
        [_, _, _, _] => Reach::Far,
        [0xff, ..] => Reach::Group,
        [0xfc | 0xfd, ..] | [0xfe, 0x80..=0xbf, ..] => Reach::Near,
        _ => Reach::Far,
    }
}

impl Scope {
    fn of(flow: &[HeaderPacket]) -> Option<Self> {
        let first = flow.first()?;
        let [_, peer] = addresses(flow)?;
        let service = Ends::of(first).service;
        Some(Self { version: first.version(), service, protocol: protocol(first), peer: reach(&peer) })
    }
}

/// Selected values of each histogram that was measured.
pub(super) type Found = Vec<(Place, Vec<Frequent>)>;

/// Assigns the selected values to drawn flows, as often as they were counted.
pub(super) struct Placing {
    /// The count of a network is less the counts of its addresses that were selected themselves.
    found: Found,
    members: f64,
    /// Of each kept flow.
    scopes: Vec<Scope>,
}

impl Placing {
    /// Prepares to assign values to the flows that a model with this many members has kept.
    pub fn new(found: &Found, flows: &[Flow], members: u32) -> Self {
        let scopes = flows.iter().filter_map(|flow| Scope::of(flow)).collect();
        let mut placing = Self { found: found.clone(), members: f64::from(members), scopes };
        for (place, networks) in &mut placing.found {
            let whole = place.whole().and_then(|whole| found.iter().find(|(other, _)| *other == whole));
            for network in networks {
                let bits = place.domain().bits_of(network.value.len());
                let inside = |own: &&Frequent| joined(&own.value, &[], bits) == network.value;
                let taken: f64 = whole.map_or(0.0, |(_, all)| all.iter().filter(inside).map(|own| own.count).sum());
                network.count = (network.count - taken).max(0.0);
            }
        }
        placing
    }

    /// Replaces addresses and port of a flow by frequent ones.
    pub fn place(&self, flow: &mut Flow, rng: &mut StreamRng) {
        let (Some(scope), Some([local, peer])) = (Scope::of(flow), addresses(flow)) else { return };
        let new_local = self.address(Place::LocalNetwork, scope, &local, rng);
        let new_peer = self.address(Place::PeerNetwork, scope, &peer, rng);
        let link = Place::LocalNetwork.domain().bits_of(local.len());
        let neighbours = scope.peer == Reach::Near && joined(&local, &[], link) == joined(&peer, &[], link);
        let local = new_local.unwrap_or(local);
        // A peer on the host's link stays there.
        let peer = new_peer.unwrap_or_else(|| if neighbours { joined(&local, &peer, link) } else { peer });
        let sides = local_packets(flow);
        for (packet, is_local) in flow.iter_mut().zip(sides) {
            packet.set_addresses(if is_local { [&local, &peer] } else { [&peer, &local] });
        }
        let port = self.pick(Place::PeerPort, scope, rng).and_then(|own| own.value.first_chunk().copied());
        if let Some(port) = port {
            set_service(flow, u16::from_be_bytes(port));
        }
    }

    /// An address, or one in a network that was found.
    fn address(&self, network: Place, scope: Scope, before: &[u8], rng: &mut StreamRng) -> Option<Vec<u8>> {
        if let Some(own) = network.whole().and_then(|whole| self.pick(whole, scope, rng)) {
            return Some(own.value.clone());
        }
        let own = self.pick(network, scope, rng)?;
        Some(joined(&own.value, before, network.domain().bits_of(before.len())))
    }

    /// One of the values that suit, or none: they have their noisy counts of the flows that they suit.
    fn pick(&self, place: Place, scope: Scope, rng: &mut StreamRng) -> Option<&Frequent> {
        let among: Vec<&Frequent> = self.of(place).iter().filter(|own| place.suits(own, scope)).collect();
        let alike = self.scopes.iter().filter(|other| place.depends(**other) == place.depends(scope)).count();
        let alike = self.members * alike as f64 / self.scopes.len().max(1) as f64;
        // Without those that have a whole address already.
        let whole = place.whole().map_or(&[][..], |whole| self.of(whole));
        let taken: f64 = whole.iter().filter(|own| place.suits(own, scope)).map(|own| own.count).sum();
        let total: f64 = among.iter().map(|own| own.count).sum();
        let mut left = rng.random::<f64>() * total.max(alike - taken);
        among.into_iter().find(|own| {
            left -= own.count;
            left < 0.0
        })
    }

    fn of(&self, place: Place) -> &[Frequent] {
        self.found.iter().find(|(other, _)| *other == place).map_or(&[], |(_, found)| found)
    }
}
