//! A table of several studies: the rows of each, with its name in the column `study`.

use crate::scan::relation::{Fact, Fragment, Relation, ScanRequest};
use datafusion::scalar::ScalarValue;
use std::sync::Arc;
use syntrace_base::error::Result;
use syntrace_store::schema::{Column, ColumnType};

/// The first column of every table and view of several studies.
pub(crate) const STUDY_COLUMN: Column = Column {
    name: "study",
    kind: ColumnType::Text,
    nullable: false,
    doc: "study that the row is of; ids say nothing across studies without it",
};

/// The same table of some studies, each by its name.
struct United {
    parts: Vec<(String, Arc<dyn Relation>)>,
    columns: Vec<Column>,
}

/// The rows of all parts, which have the same columns, behind the name of their part.
pub(crate) fn united(parts: Vec<(String, Arc<dyn Relation>)>) -> Arc<dyn Relation> {
    let of_part = parts.first().into_iter().flat_map(|(_, part)| part.columns().iter().copied());
    let columns = std::iter::once(STUDY_COLUMN).chain(of_part).collect();
    Arc::new(United { parts, columns })
}

impl Relation for United {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn scan(&self, request: &ScanRequest<'_>) -> Result<Vec<Fragment>> {
        let columns = of_part(request.columns);
        let mut fragments = Vec::new();
        for (name, part) in &self.parts {
            let found = part.scan(&ScanRequest { columns: &columns })?;
            fragments.extend(found.into_iter().map(|fragment| named(name, fragment)));
        }
        Ok(fragments)
    }
}

/// The columns of a part among those of the whole, which has the name before them.
fn of_part(columns: &[usize]) -> Vec<usize> {
    columns.iter().filter_map(|column| column.checked_sub(1)).collect()
}

fn named(study: &str, fragment: Fragment) -> Fragment {
    let Fragment { place, rows, facts, read, content } = fragment;
    let name = Fact::Constant(ScalarValue::Utf8(Some(study.to_owned())));
    Fragment {
        place,
        rows,
        facts: Arc::new(std::iter::once(name).chain(facts.iter().cloned()).collect()),
        read: Arc::new(move |columns| read(&of_part(columns))),
        content: Arc::new(move |column| content(column.checked_sub(1)?)),
    }
}
