//! What is released: flows drawn by weight, and the addresses that stood out of the noise.
//!
//! Safetensors: the tensors of [`pool`], and one JSON text (`syntrace.netpool`) with configuration, members and addresses.

use super::address::Frequent;
use super::attributes::{Attribute, Ends, addresses, describe, local_packets, service_of, version_of};
use super::config::NetPoolConfig;
use super::pool::{self, Flow};
use super::vary::renewed;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use syntrace_base::base::{Progress, Seed, StreamRng};
use syntrace_base::error::{Error, Result};

const KEY: &str = "syntrace.netpool";
const VERSION: u32 = 1;

/// Time of every trace's first packet: 2000-01-01, as for all synthetic traces.
const START_US: i64 = 946_684_800_000_000;

/// A trained model: nothing in it was computed from private traces without noise.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub config: NetPoolConfig,
    /// Public number of traces that it was trained on.
    pub members: u32,
    /// Flows to draw from, each as likely as the other.
    pub flows: Vec<Flow>,
    /// Frequent addresses of local hosts, with noisy counts of members.
    pub local: Vec<Frequent>,
    /// Frequent addresses of their peers, by service.
    pub peers: Vec<Frequent>,
}

/// The JSON text.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    members: u32,
    config: NetPoolConfig,
    local: Vec<Listed>,
    peers: Vec<Listed>,
}

/// An address of the JSON text.
#[derive(Serialize, Deserialize)]
struct Listed {
    service: u16,
    address: IpAddr,
    count: f64,
}

/// What every version's JSON text has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn listed(frequent: &[Frequent]) -> Vec<Listed> {
    let address = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
        Ok(four) => Some(IpAddr::from(four)),
        Err(_) => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    };
    let listed = frequent
        .iter()
        .filter_map(|own| Some(Listed { service: own.key, address: address(&own.address)?, count: own.count }));
    listed.collect()
}

fn unlisted(listed: Vec<Listed>) -> Vec<Frequent> {
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    };
    listed.into_iter().map(|own| Frequent { key: own.service, address: bytes(own.address), count: own.count }).collect()
}

impl Model {
    /// The model as bytes; equal models give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = Header {
            version: VERSION,
            members: self.members,
            config: self.config.clone(),
            local: listed(&self.local),
            peers: listed(&self.peers),
        };
        let text = serde_json::to_string(&header).map_err(|error| Error::internal(error.to_string()))?;
        pool::write(&self.flows, KEY, text)
    }

    /// Reads a model.
    ///
    /// # Errors
    /// Bytes of another kind or version, or with parts that do not fit each other.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: String| Error::internal(format!("model of `netpool`: {what}"));
        let (flows, text) = pool::read(bytes, KEY)?;
        let found: Versioned = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if found.version != VERSION {
            return Err(damaged(format!("version `{VERSION}` expected, found `{}`", found.version)));
        }
        let header: Header = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if flows.is_empty() || flows.iter().any(Vec::is_empty) {
            return Err(damaged("flows with packets expected".to_owned()));
        }
        let (local, peers) = (unlisted(header.local), unlisted(header.peers));
        Ok(Self { config: header.config, members: header.members, flows, local, peers })
    }

    /// Draws `count` traces; trace i depends on the model, the seed and i alone.
    ///
    /// # Errors
    /// Interrupted, when asked to stop.
    pub fn sample(&self, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<Flow>> {
        let shares = Shares::new(self);
        let mut traces = Vec::with_capacity(count as usize);
        progress.start("sampling", u64::from(count));
        for number in 0..count {
            if progress.stop_requested() {
                return Err(Error::interrupted(format!("sampling stopped after `{number}` of `{count}` traces")));
            }
            let mut rng = seed.named("trace").numbered(u64::from(number)).rng();
            let flow = &self.flows[rng.random_range(0..self.flows.len())];
            let mut flow = renewed(flow, START_US, &mut rng);
            self.address(&mut flow, &shares, &mut rng);
            traces.push(flow);
            progress.advance(1, "");
        }
        progress.finish();
        Ok(traces)
    }

    /// Replaces the addresses of a flow by frequent ones, as often as these are.
    fn address(&self, flow: &mut Flow, shares: &Shares, rng: &mut StreamRng) {
        let Some([local, peer]) = addresses(flow) else { return };
        let Some(first) = flow.first() else { return };
        let (version, service) = (first.version(), Ends::of(first).service);
        let members = f64::from(self.members);
        let own =
            pick(&self.local, |other| other.address.len() == local.len(), members * shares.of(version, None), rng);
        let among = |other: &Frequent| other.key == service && other.address.len() == peer.len();
        let of_service = members * shares.of(version, Some(service));
        let peer = pick(&self.peers, among, of_service, rng).unwrap_or(peer);
        let local = own.unwrap_or(local);
        let sides = local_packets(flow);
        for (packet, is_local) in flow.iter_mut().zip(sides) {
            packet.set_addresses(if is_local { [&local, &peer] } else { [&peer, &local] });
        }
    }
}

/// One of some frequent addresses, or none: they have their noisy counts of the `expected` flows.
fn pick(
    frequent: &[Frequent],
    among: impl Fn(&Frequent) -> bool,
    expected: f64,
    rng: &mut StreamRng,
) -> Option<Vec<u8>> {
    let total: f64 = frequent.iter().filter(|own| among(own)).map(|own| own.count).sum();
    let mut left = rng.random::<f64>() * total.max(expected);
    for own in frequent.iter().filter(|own| among(own)) {
        left -= own.count;
        if left < 0.0 {
            return Some(own.address.clone());
        }
    }
    None
}

/// Shares of a model's flows by IP version and service.
struct Shares(Vec<(u8, u16)>);

impl Shares {
    fn new(model: &Model) -> Self {
        let packets = model.config.packets as usize;
        let kinds = model.flows.iter().filter_map(|flow| Some(describe(flow, packets)?[Attribute::Kind.index()]));
        Self(kinds.map(|kind| (version_of(kind), service_of(kind))).collect())
    }

    fn of(&self, version: u8, service: Option<u16>) -> f64 {
        let count =
            self.0.iter().filter(|own| own.0 == version && service.is_none_or(|service| service == own.1)).count();
        count as f64 / self.0.len().max(1) as f64
    }
}
