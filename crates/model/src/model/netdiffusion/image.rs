//! Traces as tensors of cell classes, and back.

use super::config::COLUMNS;
use crate::train::EncodedTrace;
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::nprint::{NPRINT_BITS, NprintRow};
use syntrace_traffic::encoding::{BLANK_ROW, Encoded, NprintImage, NprintLayout};
use tch::{Kind, Tensor};

/// Class of an absent cell; present cells have their value, 0 or 1.
pub(super) const ABSENT: u8 = 2;

/// Classes of some traces' cells, `[n, rows, 1088]` u8; rows beyond a trace's packets are absent, packets
/// beyond `rows` are cut.
///
/// # Errors
/// `internal` for traces in another encoding.
pub fn classes(traces: &[EncodedTrace], rows: u32) -> Result<Tensor> {
    let image = rows as usize * NPRINT_BITS;
    let mut all = vec![ABSENT; traces.len() * image];
    for (trace, place) in traces.iter().zip(all.chunks_exact_mut(image)) {
        let encoded = Encoded { rows: trace.rows, width: trace.width, data: trace.data.clone() };
        let decoded = NprintImage::from_encoded(&encoded)?;
        for (row, cells) in decoded.rows.iter().zip(place.chunks_exact_mut(NPRINT_BITS)) {
            row_classes(row, cells);
        }
    }
    Ok(Tensor::from_slice(&all).view([traces.len() as i64, i64::from(rows), NPRINT_BITS as i64]))
}

fn row_classes(row: &NprintRow, cells: &mut [u8]) {
    for ((value, presence), eight) in row.value.iter().zip(&row.presence).zip(cells.chunks_exact_mut(8)) {
        for (bit, cell) in eight.iter_mut().enumerate() {
            let shift = 7 - bit;
            *cell = if presence >> shift & 1 == 0 { ABSENT } else { value >> shift & 1 };
        }
    }
}

/// Images from classes `[n, rows, 1088]`.
pub fn images(classes: &Tensor) -> Result<Vec<NprintImage>> {
    let rows = classes.size().get(1).copied().unwrap_or(0).max(1) as usize;
    let flat = classes.to_kind(Kind::Uint8).contiguous().flatten(0, -1);
    let cells = Vec::<u8>::try_from(flat).map_err(|error| Error::internal(format!("cell classes: {error}")))?;
    let image = |cells: &[u8]| NprintImage {
        layout: NprintLayout::Addresses,
        rows: cells.chunks_exact(NPRINT_BITS).map(row_of).collect(),
    };
    Ok(cells.chunks_exact(rows * NPRINT_BITS).map(image).collect())
}

fn row_of(cells: &[u8]) -> NprintRow {
    let mut row = BLANK_ROW;
    for ((value, presence), eight) in row.value.iter_mut().zip(&mut row.presence).zip(cells.chunks_exact(8)) {
        for cell in eight {
            *value = *value << 1 | u8::from(*cell == 1);
            *presence = *presence << 1 | u8::from(*cell != ABSENT);
        }
    }
    row
}

/// One-hot `[n, 3, rows, 1088]` f32.
pub(super) fn one_hot(classes: &Tensor) -> Tensor {
    classes.to_kind(Kind::Int64).one_hot(3).permute([0, 3, 1, 2]).to_kind(Kind::Float)
}

/// Edge maps of classes `[n, rows, 1088]`: share of a latent cell's columns whose class differs from that of
/// the column to the left or of the row above, `[n, 1, rows, 136]`.
pub(super) fn edges(classes: &Tensor) -> Tensor {
    let size = classes.size();
    let differs = |dim: i64| {
        let length = size[dim as usize] - 1;
        let here = classes.narrow(dim, 1, length).not_equal_tensor(&classes.narrow(dim, 0, length));
        // The first row and column have no neighbour.
        let padding = if dim == 2 { [1, 0, 0, 0] } else { [0, 0, 1, 0] };
        here.to_kind(Kind::Float).constant_pad_nd(padding)
    };
    let edge = differs(1).maximum(&differs(2));
    edge.view([size[0], size[1], COLUMNS, CELLS]).mean_dim([-1i64].as_slice(), false, Kind::Float).unsqueeze(1)
}

/// A cell class for each of a latent cell's eight columns.
pub(super) const CELLS: i64 = NPRINT_BITS as i64 / COLUMNS;
