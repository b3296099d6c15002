//! In the place of Lambda's event source mapping: reads the queue, calls the
//! delivery function's own handler, deletes what it handled.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};
use tokio::sync::Semaphore;
use tracing::error;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::batch::handle_batch;

/// Batches that are handled at the same time, as `MaximumConcurrency` bounds
/// them in a deployment.
const CONCURRENCY: usize = 20;

/// Polls until the task is aborted.
pub async fn poll(sqs: Client, queue_url: String, deliverer: Arc<Deliverer>) {
    let slots = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let received = sqs
            .receive_message()
            .queue_url(&queue_url)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await;
        let messages = match received {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(error) => {
                error!(error = %error.into_service_error(), "the queue can't be read");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        if messages.is_empty() {
            continue;
        }
        let (sqs, queue_url, deliverer) = (sqs.clone(), queue_url.clone(), Arc::clone(&deliverer));
        tokio::spawn(async move {
            handle(&sqs, &queue_url, &deliverer, messages).await;
            drop(slot);
        });
    }
}

async fn handle(
    sqs: &Client,
    queue_url: &str,
    deliverer: &Arc<Deliverer>,
    messages: Vec<aws_sdk_sqs::types::Message>,
) {
    let mut event = SqsEvent::default();
    for message in &messages {
        let mut record = SqsMessage::default();
        record.message_id.clone_from(&message.message_id);
        record.receipt_handle.clone_from(&message.receipt_handle);
        record.body.clone_from(&message.body);
        for (name, value) in message.attributes.iter().flatten() {
            let name = name.as_str().to_owned();
            record.attributes.insert(name, value.clone());
        }
        event.records.push(record);
    }
    let failures = match handle_batch(deliverer, event).await {
        Ok(response) => response.batch_item_failures,
        Err(error) => {
            error!(%error, "a batch failed");
            return;
        }
    };
    // What failed is left alone and shows up again after its visibility timeout.
    let handled: Vec<_> = messages
        .iter()
        .filter(|message| {
            !failures
                .iter()
                .any(|failure| Some(&failure.item_identifier) == message.message_id.as_ref())
        })
        .enumerate()
        .filter_map(|(index, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(message.receipt_handle.as_deref()?)
                .build()
                .ok()
        })
        .collect();
    if handled.is_empty() {
        return;
    }
    let deleted = sqs
        .delete_message_batch()
        .queue_url(queue_url)
        .set_entries(Some(handled))
        .send()
        .await;
    if let Err(error) = deleted {
        error!(error = %error.into_service_error(), "handled messages were not deleted");
    }
}
