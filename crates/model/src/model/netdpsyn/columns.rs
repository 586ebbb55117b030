//! The columns of each row mode.

use super::column::{Column, Source, field};
use super::config::NetDpSynConfig;
use super::domain::{self, Domain};
use syntrace_base::error::Result;
use syntrace_traffic::encoding::fields::{FIELD_COUNT, FIELD_NAMES};

impl Column {
    fn new(name: &str, source: Source, domain: Domain) -> Self {
        Self { name: name.to_owned(), domain, source, place: None }
    }

    fn at(name: &str, source: Source, domain: &Domain, place: usize) -> Self {
        Self { name: format!("{name}.{place}"), domain: domain.clone(), source, place: Some(place) }
    }
}

/// Gaps between packets.
fn gaps(config: &NetDpSynConfig) -> Domain {
    domain::times(i64::from(config.gap_cap_us))
}

/// Times since a trace's first packet: as many gaps as there are.
fn offsets(config: &NetDpSynConfig) -> Domain {
    domain::times(i64::from(config.gap_cap_us) * i64::from(config.packets.max(2) - 1))
}

/// The columns of a header field as it is; `None` where it is not modelled.
fn plain(config: &NetDpSynConfig, at: usize) -> Result<Option<Column>> {
    let name = FIELD_NAMES[at];
    if !config.has(name) {
        return Ok(None);
    }
    let domain = match at {
        field::SRC_IP | field::DST_IP => domain::addresses(&config.subnets)?,
        field::SRC_PORT | field::DST_PORT => domain::ports(),
        field::PROTOCOL => domain::protocols(),
        field::TIME => return Ok(Some(Column::new("offset", Source::Offset, offsets(config)))),
        field::LENGTH => domain::lengths(),
        field::VERSION => Domain::each(16),
        field::HEADER_LENGTH => Domain::each(61),
        field::TOS => domain::traffic_classes(),
        field::IDENTIFICATION => domain::powers_of_two(16),
        field::FLAGS => Domain::each(8),
        field::FRAGMENT_OFFSET => domain::powers_of_two(13),
        field::TTL => domain::ttls(config.ttl_exact),
        _ => domain::checksums(),
    };
    Ok(Some(Column::new(name, Source::Field(at), domain)))
}

fn plain_columns(config: &NetDpSynConfig, fields: &[usize]) -> Result<Vec<Column>> {
    fields.iter().filter_map(|at| plain(config, *at).transpose()).collect()
}

/// Mode `packets`: the modelled fields.
pub(super) fn packet_columns(config: &NetDpSynConfig) -> Result<Vec<Column>> {
    plain_columns(config, &(0..FIELD_COUNT).collect::<Vec<_>>())
}

/// Addresses and ports of both ends.
fn end_columns(config: &NetDpSynConfig) -> Result<Vec<Column>> {
    let ends = [
        ("client_ip", Source::Client(field::SRC_IP), field::SRC_IP),
        ("server_ip", Source::Server(field::SRC_IP), field::DST_IP),
        ("client_port", Source::Client(field::SRC_PORT), field::SRC_PORT),
        ("server_port", Source::Server(field::SRC_PORT), field::DST_PORT),
    ];
    let mut columns = Vec::new();
    for (name, source, at) in ends {
        if let Some(column) = plain(config, at)? {
            columns.push(Column { name: name.to_owned(), source, ..column });
        }
    }
    Ok(columns)
}

/// Mode `positions`: direction, gap, both ends, and the fields that are not derived.
pub(super) fn position_columns(config: &NetDpSynConfig) -> Result<Vec<Column>> {
    let mut columns = vec![Column::new("direction", Source::Direction, Domain::each(2))];
    if config.has(FIELD_NAMES[field::TIME]) {
        columns.push(Column::new("gap", Source::Gap, gaps(config)));
    }
    columns.extend(end_columns(config)?);
    let fields = [
        field::PROTOCOL,
        field::LENGTH,
        field::TOS,
        field::IDENTIFICATION,
        field::FLAGS,
        field::FRAGMENT_OFFSET,
        field::TTL,
    ];
    columns.extend(plain_columns(config, &fields)?);
    Ok(columns)
}

/// Mode `traces`: what a trace has once (of its first packet), then direction, length and gap of each
/// place.
pub(super) fn trace_columns(config: &NetDpSynConfig) -> Result<Vec<Column>> {
    let mut columns = end_columns(config)?;
    let fields = [field::PROTOCOL, field::TOS, field::IDENTIFICATION, field::FLAGS, field::TTL];
    columns.extend(plain_columns(config, &fields)?);
    if config.has(FIELD_NAMES[field::TTL]) {
        columns.push(Column::new("reply_ttl", Source::ReplyTtl, domain::ttls(config.ttl_exact)));
    }
    columns.push(Column::new("packets", Source::Packets, Domain::counting(config.packets)));
    let (two, lengths, times) = (Domain::each(2), domain::lengths(), gaps(config));
    for place in 0..config.places.min(config.packets) as usize {
        columns.push(Column::at("direction", Source::Direction, &two, place));
        if config.has(FIELD_NAMES[field::LENGTH]) {
            columns.push(Column::at("ip_length", Source::Field(field::LENGTH), &lengths, place));
        }
        if config.has(FIELD_NAMES[field::TIME]) && place > 0 {
            columns.push(Column::at("gap", Source::Gap, &times, place));
        }
    }
    Ok(columns)
}
