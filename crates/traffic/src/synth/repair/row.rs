//! The cells of a trace as fields, with a count of what each rule changed.

use crate::encoding::nprint::NprintRow;
use crate::encoding::{NprintImage, NprintLayout};
use rand::RngExt;
use syntrace_base::base::StreamRng;

/// Some columns side by side, at most 32 where they are read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) at: usize,
    pub(super) width: usize,
}

const fn field(at: usize, width: usize) -> Field {
    Field { at, width }
}

/// Fields of the layout with addresses (nPrint 1.2.1, src/packet).
pub(super) mod columns {
    use super::{Field, field};

    pub(in super::super) const VERSION: Field = field(0, 4);
    pub(in super::super) const IHL: Field = field(4, 4);
    pub(in super::super) const TOTAL_LENGTH: Field = field(16, 16);
    pub(in super::super) const IDENTIFICATION: Field = field(32, 16);
    pub(in super::super) const RESERVED_BIT: Field = field(48, 1);
    pub(in super::super) const DONT_FRAGMENT: Field = field(49, 1);
    pub(in super::super) const MORE_FRAGMENTS: Field = field(50, 1);
    pub(in super::super) const FRAGMENT_OFFSET: Field = field(51, 13);
    pub(in super::super) const TTL: Field = field(64, 8);
    pub(in super::super) const PROTOCOL: Field = field(72, 8);
    pub(in super::super) const IP_CHECKSUM: Field = field(80, 16);
    pub(in super::super) const SOURCE: Field = field(96, 32);
    pub(in super::super) const DESTINATION: Field = field(128, 32);
    /// The 20 bytes that every IPv4 header has.
    pub(in super::super) const IP_FIXED: Field = field(0, 160);
    pub(in super::super) const IP_OPTIONS: Field = field(160, 320);
    pub(in super::super) const TCP_SOURCE_PORT: Field = field(480, 16);
    pub(in super::super) const TCP_DESTINATION_PORT: Field = field(496, 16);
    pub(in super::super) const SEQUENCE: Field = field(512, 32);
    pub(in super::super) const ACKNOWLEDGMENT: Field = field(544, 32);
    pub(in super::super) const DATA_OFFSET: Field = field(576, 4);
    pub(in super::super) const TCP_RESERVED: Field = field(580, 3);
    /// NS CWR ECE URG ACK PSH RST SYN FIN.
    pub(in super::super) const FLAGS: Field = field(583, 9);
    pub(in super::super) const TCP_CHECKSUM: Field = field(608, 16);
    pub(in super::super) const TCP_FIXED: Field = field(480, 160);
    pub(in super::super) const TCP_OPTIONS: Field = field(640, 320);
    pub(in super::super) const TCP: Field = field(480, 480);
    pub(in super::super) const UDP_SOURCE_PORT: Field = field(960, 16);
    pub(in super::super) const UDP_DESTINATION_PORT: Field = field(976, 16);
    pub(in super::super) const UDP_LENGTH: Field = field(992, 16);
    pub(in super::super) const UDP_CHECKSUM: Field = field(1008, 16);
    pub(in super::super) const UDP: Field = field(960, 64);
    pub(in super::super) const ICMP: Field = field(1024, 64);
}

/// One row; every method that changes cells returns how many it changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row(NprintRow);

impl Row {
    fn mask(bit: usize) -> u8 {
        0x80 >> (bit % 8)
    }

    /// 1, 0 or -1.
    pub(super) fn cell(&self, bit: usize) -> i8 {
        self.0.cell(bit)
    }

    /// Writes one cell: `None` makes it absent.
    pub(super) fn put(&mut self, bit: usize, value: Option<bool>) -> u32 {
        let before = self.0.cell(bit);
        let (byte, mask) = (bit / 8, Self::mask(bit));
        let (Some(values), Some(presences)) = (self.0.value.get_mut(byte), self.0.presence.get_mut(byte)) else {
            return 0;
        };
        *values = if value == Some(true) { *values | mask } else { *values & !mask };
        *presences = if value.is_some() { *presences | mask } else { *presences & !mask };
        u32::from(self.0.cell(bit) != before)
    }

    /// How many cells of a field are present.
    pub(super) fn present(&self, field: Field) -> usize {
        (field.at..field.at + field.width).filter(|bit| self.cell(*bit) >= 0).count()
    }

    /// A field as a number, most significant bit first; absent bits count as 0.
    pub(super) fn get(&self, field: Field) -> u32 {
        (field.at..field.at + field.width).fold(0, |value, bit| value << 1 | u32::from(self.cell(bit) == 1))
    }

    /// Writes a number into a field.
    pub(super) fn set(&mut self, field: Field, value: u32) -> u32 {
        let bits = (0..field.width).map(|index| (index, value >> (field.width - 1 - index) & 1 == 1));
        bits.map(|(index, bit)| self.put(field.at + index, Some(bit))).sum()
    }

    /// Makes all cells of a field absent.
    pub(super) fn clear(&mut self, field: Field) -> u32 {
        (field.at..field.at + field.width).map(|bit| self.put(bit, None)).sum()
    }

    /// Gives each absent cell of a field a fair random bit.
    pub(super) fn fill(&mut self, field: Field, rng: &mut StreamRng) -> u32 {
        let absent = (field.at..field.at + field.width).filter(|bit| self.cell(*bit) < 0);
        let absent: Vec<usize> = absent.collect();
        absent.into_iter().map(|bit| self.put(bit, Some(rng.random()))).sum()
    }
}

/// The rows of a trace under repair.
pub(super) struct Sheet {
    pub(super) rows: Vec<Row>,
    repairs: Vec<(&'static str, u32)>,
}

impl Sheet {
    /// The first `packets` rows of an image, in the layout with addresses.
    pub(super) fn new(image: &NprintImage, packets: usize) -> Self {
        let with_addresses = image.with_layout(NprintLayout::Addresses);
        let rows = with_addresses.rows.into_iter().take(packets).map(Row).collect();
        let mut sheet = Self { rows, repairs: Vec::new() };
        sheet.count("ipv6_columns", super::ipv6_cells(image, packets));
        sheet
    }

    /// Adds changed cells to a rule.
    pub(super) fn count(&mut self, rule: &'static str, cells: u32) {
        match self.repairs.iter_mut().find(|(name, _)| *name == rule) {
            Some((_, sum)) => *sum += cells,
            None => self.repairs.push((rule, cells)),
        }
    }

    /// Applies a rule to each row.
    pub(super) fn each(&mut self, rule: &'static str, mut change: impl FnMut(usize, &mut Row) -> u32) {
        let cells = self.rows.iter_mut().enumerate().map(|(index, row)| change(index, row)).sum();
        self.count(rule, cells);
    }

    /// The rules that changed something.
    pub(super) fn into_repairs(self) -> Vec<(&'static str, u32)> {
        self.repairs.into_iter().filter(|(_, cells)| *cells > 0).collect()
    }
}
