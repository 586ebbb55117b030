//! Runs a query on separate threads, so that the task that awaits it can handle client messages and timeouts.

use crate::error::external;
use crate::optimizer::cancellation::CancelFlag;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use syntrace_base::error::Error;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// A batch, or `None` after the last one: a channel that closes without `None` is a query that ended unexpectedly.
type Message = Option<Result<RecordBatch>>;

/// Starts a query on the threads of `work` and returns a stream of its batches. Dropping the stream, or this future,
/// sets `cancelled` and drops the query.
pub(crate) async fn on_query_threads(
    work: &Handle,
    cancelled: CancelFlag,
    start: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
) -> Result<SendableRecordBatchStream> {
    let (schema_sender, schema) = oneshot::channel();
    let (sender, batches) = mpsc::channel(1);
    let mut answer =
        QueryStream { schema: SchemaRef::new(arrow::datatypes::Schema::empty()), batches, cancelled, over: false };
    work.spawn(async move {
        let left = sender.clone();
        tokio::select! {
            () = drive(start, schema_sender, sender) => {}
            () = left.closed() => {}
        }
    });
    answer.schema = schema.await.map_err(|_| broke_off())??;
    Ok(Box::pin(answer))
}

async fn drive(
    start: impl Future<Output = Result<SendableRecordBatchStream>>,
    schema: oneshot::Sender<Result<SchemaRef>>,
    batches: mpsc::Sender<Message>,
) {
    let mut stream = match start.await {
        Ok(stream) => stream,
        Err(error) => return drop(schema.send(Err(error))),
    };
    if schema.send(Ok(stream.schema())).is_err() {
        return;
    }
    loop {
        let next = stream.next().await;
        let last = next.is_none();
        if batches.send(next).await.is_err() || last {
            return;
        }
    }
}

fn broke_off() -> datafusion::common::DataFusionError {
    external(Error::internal("the query ended unexpectedly"))
}

/// The batches of a query that runs on other threads.
struct QueryStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<Message>,
    cancelled: CancelFlag,
    over: bool,
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.batches.poll_recv(context).map(|message| {
            self.over = !matches!(message, Some(Some(Ok(_))));
            message.unwrap_or_else(|| Some(Err(broke_off())))
        })
    }
}

impl RecordBatchStream for QueryStream {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Drop for QueryStream {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}
