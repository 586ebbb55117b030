//! Dynamic filters: bounds that a running query learns, such as the keys of a join's build side or the worst row of a
//! top-k. DataFusion pushes both down as filters that change; here they prune fragments that are not read yet, and rows
//! of those that are.
//!
//! These filters are optional: the join or the sort checks every row again. So using an outdated filter, or none,
//! changes the cost of a query and never its result.

use super::batch::ReadPlan;
use super::prune::prune;
use super::relation::Fragment;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most fragments between two evaluations of the filters: one costs as much as reading a small fragment.
const FRAGMENTS_BETWEEN_LOOKS: usize = 64;
/// A filter that lets through more than one row in this many costs more than it saves.
const WORTHWHILE_SHARE: usize = 2;

/// Filters that change while a query runs, over one table.
#[derive(Clone)]
pub(crate) struct DynamicFilter {
    /// Over the columns of the whole table.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// What the query itself asks, over the same.
    residual: Option<Arc<dyn PhysicalExpr>>,
    table: SchemaRef,
}

impl DynamicFilter {
    /// Those of some filters that change, over the columns of a table.
    pub fn of(
        filters: &[Arc<dyn PhysicalExpr>],
        residual: Option<&Arc<dyn PhysicalExpr>>,
        table: &SchemaRef,
    ) -> Result<Option<Self>> {
        let changing = filters.iter().filter(|filter| snapshot_generation(filter) != 0);
        let filters = changing.map(|filter| reassign_expr_columns(Arc::clone(filter), table));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let found = Self { filters, residual: residual.cloned(), table: Arc::clone(table) };
        Ok(Some(found).filter(|found| !found.filters.is_empty()))
    }

    /// The filters as they change.
    pub fn filters(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.filters
    }

    fn generation(&self) -> u64 {
        self.filters.iter().map(snapshot_generation).fold(0, u64::wrapping_add)
    }
}

/// The fragments of a lane, one after another, each with how to read it.
pub(crate) struct Source {
    plan: Arc<ReadPlan>,
    rest: VecDeque<Fragment>,
    dynamic: Option<DynamicFilter>,
    /// The scan narrowed by the filters; `None` before they are known, and if they are not worth their cost.
    narrowed: Option<Arc<ReadPlan>>,
    generation: u64,
    /// Fragments until the next look, and between the two.
    until_look: usize,
    between_looks: usize,
    /// Rows of the fragments that were read by `narrowed`, and rows that it let through.
    offered: usize,
    passed: usize,
}

impl Source {
    pub fn new(plan: Arc<ReadPlan>, fragments: &[Fragment], dynamic: Option<DynamicFilter>) -> Self {
        Self {
            plan,
            rest: fragments.iter().cloned().collect(),
            dynamic,
            narrowed: None,
            generation: 0,
            until_look: 0,
            between_looks: 1,
            offered: 0,
            passed: 0,
        }
    }

    /// The next fragment that may hold a row of the answer.
    pub fn next(&mut self) -> Result<Option<(Arc<ReadPlan>, Fragment)>> {
        self.look()?;
        let Some(fragment) = self.rest.pop_front() else { return Ok(None) };
        let worthwhile = self.passed * WORTHWHILE_SHARE <= self.offered;
        let plan = match &self.narrowed {
            Some(narrowed) if worthwhile => {
                self.offered += fragment.rows;
                Arc::clone(narrowed)
            }
            _ => Arc::clone(&self.plan),
        };
        Ok(Some((plan, fragment)))
    }

    /// Says how many rows came out of the fragment before.
    pub fn passed(&mut self, rows: usize) {
        self.passed += rows;
    }

    /// Reads the fragments and hands batches to `emit` until that answers false. Rows of
    /// small fragments travel together: a study has hundreds of segments of a few rows, and a batch
    /// costs each operator the same however few it has.
    pub fn read_all(mut self, limit: Option<usize>, emit: &mut dyn FnMut(RecordBatch) -> bool) -> Result<()> {
        let answer = Arc::clone(&self.plan);
        let mut left = limit.unwrap_or(usize::MAX);
        let together = answer.batch_rows.min(left).max(1);
        let mut coalescer = BatchCoalescer::new(Arc::clone(&answer.schema), together)
            .with_biggest_coalesce_batch_size(Some(together / 2));
        while let Some((plan, fragment)) = self.next()? {
            let mut passed = 0;
            let more = plan.read(&fragment, &mut |batch| {
                passed += batch.num_rows();
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                if answer.schema.fields().is_empty() {
                    return Ok(emit(batch) && left > 0);
                }
                coalescer.push_batch(batch)?;
                while let Some(batch) = coalescer.next_completed_batch() {
                    if !emit(batch) {
                        return Ok(false);
                    }
                }
                Ok(left > 0)
            })?;
            if !more {
                break;
            }
            self.passed(passed);
        }
        coalescer.finish_buffered_batch()?;
        while let Some(batch) = coalescer.next_completed_batch() {
            if !emit(batch) {
                break;
            }
        }
        Ok(())
    }

    /// Leaves out what the filters exclude by now.
    fn look(&mut self) -> Result<()> {
        let Some(dynamic) = &self.dynamic else { return Ok(()) };
        if self.until_look > 0 {
            self.until_look -= 1;
            return Ok(());
        }
        self.until_look = self.between_looks;
        self.between_looks = (self.between_looks * 2).min(FRAGMENTS_BETWEEN_LOOKS);
        let generation = dynamic.generation();
        if generation == self.generation {
            return Ok(());
        }
        self.generation = generation;
        (self.offered, self.passed) = (0, 0);
        let now = dynamic.filters.iter().map(|filter| snapshot_physical_expr(Arc::clone(filter)));
        let now = conjunction(now.collect::<Result<Vec<_>>>()?);
        let pruned = prune(std::mem::take(&mut self.rest).into(), Some(now), &dynamic.table)?;
        self.rest = pruned.fragments.into();
        self.narrowed = match pruned.residual {
            Some(learned) => {
                let both = dynamic.residual.iter().cloned().chain([learned]);
                Some(Arc::new(self.plan.with_filter(Some(conjunction(both)), &dynamic.table)?))
            }
            None => None,
        };
        Ok(())
    }
}
