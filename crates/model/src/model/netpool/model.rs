//! The released model: flows drawn by weight, and the addresses, networks and ports whose counts exceeded the noise.
//!
//! Safetensors: the tensors of [`pool`], and one JSON text (`syntrace.netpool`) with configuration, members and these.

use super::config::NetPoolConfig;
use super::flow::Flow;
use super::heavy_hitters::Frequent;
use super::place::{Found, Place, Placing};
use super::pool;
use super::vary::renewed;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};

const KEY: &str = "syntrace.netpool";
/// 2: histograms of networks and ports beside those of addresses, and the keys of the config that go with them.
const VERSION: u32 = 2;

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
    /// Frequent addresses, networks and ports, with noisy counts of members.
    pub found: Found,
}

/// The JSON text.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    members: u32,
    config: NetPoolConfig,
    found: Vec<(Place, Vec<Listed>)>,
}

/// A frequent value of the JSON text.
#[derive(Serialize, Deserialize)]
struct Listed {
    key: u16,
    value: Value,
    count: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Port(u16),
    Address(IpAddr),
}

/// Fields that the JSON of every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn listed(frequent: &[Frequent]) -> Vec<Listed> {
    let value = |bytes: &[u8]| match bytes.len() {
        2 => bytes.first_chunk().map(|port| Value::Port(u16::from_be_bytes(*port))),
        4 => bytes.first_chunk().map(|four: &[u8; 4]| Value::Address((*four).into())),
        _ => bytes.first_chunk().map(|six: &[u8; 16]| Value::Address((*six).into())),
    };
    let listed =
        frequent.iter().filter_map(|own| Some(Listed { key: own.key, value: value(&own.value)?, count: own.count }));
    listed.collect()
}

fn unlisted(listed: Vec<Listed>) -> Vec<Frequent> {
    let bytes = |value: Value| match value {
        Value::Port(port) => port.to_be_bytes().to_vec(),
        Value::Address(IpAddr::V4(four)) => four.octets().to_vec(),
        Value::Address(IpAddr::V6(six)) => six.octets().to_vec(),
    };
    listed.into_iter().map(|own| Frequent { key: own.key, value: bytes(own.value), count: own.count }).collect()
}

impl Model {
    /// The model as bytes; equal models give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = Header {
            version: VERSION,
            members: self.members,
            config: self.config.clone(),
            found: self.found.iter().map(|(place, found)| (*place, listed(found))).collect(),
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
        let fits = |place: Place, own: &Listed| {
            matches!(own.value, Value::Port(_)) == (place == Place::PeerPort) && own.count >= 0.0
        };
        if !header.found.iter().all(|(place, found)| found.iter().all(|own| fits(*place, own))) {
            return Err(damaged(
                "ports where ports are counted, addresses elsewhere, and counts from 0 on expected".to_owned(),
            ));
        }
        let found = header.found.into_iter().map(|(place, found)| (place, unlisted(found))).collect();
        Ok(Self { config: header.config, members: header.members, flows, found })
    }

    /// Draws `count` traces; trace i depends on the model, the seed and i alone.
    ///
    /// # Errors
    /// Interrupted, when asked to stop.
    pub fn sample(&self, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<Flow>> {
        let placing = Placing::new(&self.found, &self.flows, self.members);
        let mut traces = Vec::with_capacity(count as usize);
        progress.start("sampling", u64::from(count));
        for number in 0..count {
            if progress.stop_requested() {
                return Err(Error::interrupted(format!("sampling stopped after `{number}` of `{count}` traces")));
            }
            let mut rng = seed.named("trace").numbered(u64::from(number)).rng();
            let flow = &self.flows[rng.random_range(0..self.flows.len())];
            let mut flow = renewed(flow, START_US, &mut rng);
            placing.place(&mut flow, &mut rng);
            traces.push(flow);
            progress.advance(1, "");
        }
        progress.finish();
        Ok(traces)
    }
}
