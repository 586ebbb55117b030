//! `syntrace nprint`

use super::atomic_file::{Existing, Sink};
use crate::encoding::nprint_csv::{IndexColumn, NprintOptions, convert};
use crate::error::{Result, io_error};
use clap::Args;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Columns of an nPrint table, named as nPrint's flags
#[derive(Debug, Args)]
pub(super) struct NprintColumns {
    /// Ethernet columns
    #[arg(short = 'e', long)]
    ethernet: bool,
    /// IPv4 columns (with -t, -u, -i the default where no column is named)
    #[arg(short = '4', long)]
    ipv4: bool,
    /// IPv6 columns
    #[arg(short = '6', long)]
    ipv6: bool,
    /// TCP columns
    #[arg(short = 't', long)]
    tcp: bool,
    /// UDP columns
    #[arg(short = 'u', long)]
    udp: bool,
    /// ICMP columns
    #[arg(short = 'i', long)]
    icmp: bool,
    /// Bytes of payload
    #[arg(short = 'p', long, default_value_t = 0)]
    payload: usize,
    /// Column with the microseconds since the row before
    #[arg(short = 'R', long)]
    relative_time: bool,
    /// Columns with the seconds and microseconds since 1970
    #[arg(short = 'A', long)]
    absolute_time: bool,
    /// First column: 0 src_ip, 1 dst_ip, 2 src_prt, 3 dst_prt, 4 flow
    #[arg(short = 'O', long, default_value_t = 0)]
    index: u8,
    /// Cell of an absent bit
    #[arg(short = 'F', long, default_value_t = -1, allow_negative_numbers = true)]
    fill: i8,
    /// Leave out columns whose whole name matches
    #[arg(short = 'x', long, value_name = "REGEX")]
    exclude: Option<String>,
}

impl NprintColumns {
    pub(super) fn options(&self, count: Option<u64>, vlan: bool) -> Result<NprintOptions> {
        let none = !(self.ethernet || self.ipv4 || self.ipv6 || self.tcp || self.udp || self.icmp || self.payload > 0);
        Ok(NprintOptions {
            ethernet: self.ethernet,
            ipv4: self.ipv4 || none,
            ipv6: self.ipv6,
            tcp: self.tcp || none,
            udp: self.udp || none,
            icmp: self.icmp || none,
            payload_bytes: self.payload,
            relative_time: self.relative_time,
            absolute_time: self.absolute_time,
            index: IndexColumn::from_number(self.index)?,
            fill: self.fill,
            count,
            exclude: self.exclude.clone(),
            vlan,
        })
    }
}

/// Convert a capture to nPrint's CSV, packet by packet in file order
#[derive(Debug, Args)]
pub(super) struct NprintArgs {
    /// PCAP or PCAPNG file, packed by gzip, zstd or xz or not; `-` is standard input
    capture: PathBuf,
    /// CSV file; stdout by default
    #[arg(short, long)]
    out: Option<PathBuf>,
    /// Stop after looking at this many packets
    #[arg(short = 'c', long)]
    count: Option<u64>,
    /// Rows for VLAN, PPPoE and MPLS frames too (nPrint leaves them out)
    #[arg(long)]
    vlan: bool,
    #[command(flatten)]
    columns: NprintColumns,
}

pub(super) fn nprint(args: &NprintArgs) -> Result<ExitCode> {
    let options = args.columns.options(args.count, args.vlan)?;
    let input: Box<dyn Read> = if args.capture == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&args.capture).map_err(|error| io_error("open the capture", &args.capture, &error))?)
    };
    let input = BufReader::with_capacity(1 << 20, input);
    let mut sink = Sink::open(args.out.as_deref(), Existing::Replace)?;
    let stats =
        convert(input, &mut sink, &options).map_err(|error| error.context(format!("`{}`", args.capture.display())))?;
    sink.finish()?;
    note!("{} packets, {} rows, {} cut by the snapshot length", stats.packets, stats.rows, stats.cut_rows);
    for drop in &stats.skipped {
        note!(
            "no row: {} packets, {} (first: packet {}, {})",
            drop.packets,
            drop.reason.name(),
            drop.first_packet,
            drop.example
        );
    }
    if let Some(damage) = &stats.damage {
        note!("damaged at offset {}: {}", damage.offset, damage.reason);
    }
    Ok(ExitCode::SUCCESS)
}
