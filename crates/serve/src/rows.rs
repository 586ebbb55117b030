//! Rows of an answer, as they are sent.

use super::cancellation::Limits;
use super::encode;
use super::error::of_query;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use pgwire::api::Type;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use std::sync::Arc;

/// A column of text.
pub(super) fn text_field(name: &str) -> FieldInfo {
    FieldInfo::new(name.to_owned(), None, None, Type::TEXT, FieldFormat::Text)
}

/// An answer of one row with one text.
pub(super) fn one_text(name: &str, value: &str) -> PgWireResult<QueryResponse> {
    let fields = Arc::new(vec![text_field(name)]);
    let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
    encoder.encode_field(&Some(value))?;
    let row = encoder.take_row();
    Ok(QueryResponse::new(fields, futures::stream::once(async move { Ok(row) })))
}

/// The rows of an answer that are still to come; dropping it ends the query.
pub(super) struct RemainingRows {
    pub stream: SendableRecordBatchStream,
    pub limits: Limits,
    /// The statement, for positions in errors.
    pub text: String,
    pub fields: Arc<Vec<FieldInfo>>,
}

impl RemainingRows {
    /// The rows of the next batch that has any; `None` at the end.
    pub async fn next(&mut self) -> PgWireResult<Option<Vec<PgWireResult<DataRow>>>> {
        loop {
            let next = self.limits.within(self.stream.next()).await?;
            match next.transpose().map_err(|error| of_query(&error, &self.text))? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => return encode::rows(&batch, &self.fields).map(Some),
                None => return Ok(None),
            }
        }
    }

    /// All rows, from `first` on. The batch after the one that is sent is fetched before.
    pub fn all(self, first: Option<Vec<PgWireResult<DataRow>>>) -> impl Stream<Item = PgWireResult<DataRow>> + Send {
        let rest = first.map(|rows| (rows, self));
        let batches = futures::stream::unfold(rest, |state: Option<(Vec<PgWireResult<DataRow>>, Self)>| async move {
            let (rows, mut rest) = state?;
            let next = match rest.next().await {
                Ok(Some(next)) => Some((next, rest)),
                Ok(None) => None,
                Err(error) => return Some((rows.into_iter().chain([Err(error)]).collect(), None)),
            };
            Some((rows, next))
        });
        batches.flat_map(|rows: Vec<PgWireResult<DataRow>>| futures::stream::iter(rows))
    }
}
