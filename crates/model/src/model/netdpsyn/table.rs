//! Contingency tables over some columns, one per stratum, their projections, and the shares that one is to have.

use super::schema::Records;

/// Which columns a table is over, and how many cells each has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Columns, ascending.
    pub columns: Vec<usize>,
    /// Cells of each.
    pub sizes: Vec<usize>,
}

/// A marginal of one stratum; its shares sum to 1 or are all 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// Columns and their groups.
    pub shape: Shape,
    /// Share of rows in each cell.
    pub shares: Vec<f64>,
}

impl Shape {
    /// The shape over some columns (ascending), given the cells of all columns.
    pub fn over(columns: &[usize], cells: &[usize]) -> Self {
        let sizes = columns.iter().map(|column| cells.get(*column).copied().unwrap_or(1)).collect();
        Self { columns: columns.to_vec(), sizes }
    }

    /// Cells of one stratum; saturates.
    pub fn cells(&self) -> usize {
        self.sizes.iter().fold(1, |product: usize, size| product.saturating_mul(*size))
    }

    /// Distance in the table between neighbouring cells of each column; the last column is densest.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.sizes.len()];
        for index in (1..self.sizes.len()).rev() {
            strides[index - 1] = strides[index] * self.sizes[index];
        }
        strides
    }

    /// The cell of each row, given cells by column.
    pub fn index(&self, columns: &[Vec<u16>], rows: usize) -> Vec<u32> {
        let mut indices = vec![0u32; rows];
        for (column, stride) in self.columns.iter().zip(self.strides()) {
            let Some(cells) = columns.get(*column) else { continue };
            for (index, cell) in indices.iter_mut().zip(cells) {
                *index += u32::from(*cell) * stride as u32;
            }
        }
        indices
    }

    /// The cell of each column that a cell of the table stands for, by its index.
    pub fn unravel(&self, cell: usize) -> Vec<u16> {
        let parts = self.strides().into_iter().zip(&self.sizes);
        parts.map(|(stride, size)| (cell / stride % size) as u16).collect()
    }

    /// For each cell of this table its cell in the table over fewer columns.
    pub fn projection(&self, onto: &Shape) -> Vec<u32> {
        let strides = self.strides();
        let mut map = vec![0u32; self.cells()];
        for (column, target) in onto.columns.iter().zip(onto.strides()) {
            let Some(at) = self.columns.iter().position(|own| own == column) else { continue };
            let (stride, size) = (strides[at], self.sizes[at]);
            for (cell, index) in map.iter_mut().enumerate() {
                *index += (cell / stride % size * target) as u32;
            }
        }
        map
    }
}

/// Weighted counts of rows by stratum and cell, `[strata * cells]`.
pub fn count(records: &Records, shape: &Shape, strata: usize) -> Vec<f64> {
    let cells = shape.cells();
    let mut table = vec![0.0; strata * cells];
    let rows = shape.index(&records.columns, records.strata.len()).into_iter().zip(&records.strata);
    for ((index, stratum), weight) in rows.zip(&records.weights) {
        if let Some(count) = table.get_mut(usize::from(*stratum) * cells + index as usize) {
            *count += weight;
        }
    }
    table
}

/// Sums of a table's cells by a projection's cells.
pub(super) fn project(table: &[f64], map: &[u32], cells: usize) -> Vec<f64> {
    let mut sums = vec![0.0; cells];
    for (value, index) in table.iter().zip(map) {
        if let Some(sum) = sums.get_mut(*index as usize) {
            *sum += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_agree_with_counting_fewer_columns() {
        let columns = vec![vec![0, 1, 2, 2, 1], vec![3, 0, 0, 1, 3], vec![1, 1, 0, 1, 0]];
        let records = Records { strata: vec![0; 5], weights: vec![1.0; 5], columns };
        let cells = [3, 4, 2];
        let all = Shape::over(&[0, 1, 2], &cells);
        let table = count(&records, &all, 1);
        for columns in [vec![0], vec![1], vec![0, 2], vec![1, 2], vec![]] {
            let fewer = Shape::over(&columns, &cells);
            let sums = project(&table, &all.projection(&fewer), fewer.cells());
            assert_eq!(sums, count(&records, &fewer, 1));
        }
        let cell = all.index(&records.columns, 5)[3] as usize;
        assert_eq!(all.unravel(cell), [2, 1, 1]);
    }
}
