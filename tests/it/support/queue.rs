//! Batches of the delivery queue, handled without a poller in between.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::QueueAttributeName;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::batch::{NamelessMessage, handle_batch};
use webhook_endpoints::domain::id::EndpointId;
use webhook_endpoints::domain::message::{Message, TestPing};

use super::{TestApp, eventually};

/// The id of an endpoint, from how the API shows it.
pub fn endpoint_id(id: &str) -> EndpointId {
    EndpointId::parse(id).expect("an id")
}

/// A ping of an endpoint.
pub fn ping_of(app: &TestApp, id: &str) -> TestPing {
    TestPing::new(app.app_id, endpoint_id(id), Clock::system().now()).expect("a ping")
}

/// The message of a ping, as the queue holds it.
pub fn body(ping: &TestPing) -> String {
    Message::TestPing(ping.clone()).to_json().expect("JSON")
}

/// A message with an id, or without.
pub fn message(id: Option<&str>, body: impl Into<String>) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = id.map(str::to_owned);
    message.body = Some(body.into());
    message
}

impl TestApp {
    /// Handles a batch as the delivery function does; the ids of the messages
    /// that come back, sorted.
    pub async fn handle(
        &self,
        messages: impl IntoIterator<Item = SqsMessage>,
    ) -> Result<Vec<String>, NamelessMessage> {
        let mut event = SqsEvent::default();
        event.records.extend(messages);
        let response = handle_batch(&self.deliverer, event).await?;
        let mut ids: Vec<_> = response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Handles one ping.
    pub async fn deliver(&self, ping: &TestPing) {
        let back = self.handle([message(Some("m"), body(ping))]).await;
        assert_eq!(back, Ok(Vec::new()));
    }

    /// Puts a message on the queue.
    pub async fn enqueue(&self, body: &str) {
        let sqs = &self.clients.sqs;
        let sent = sqs.send_message().queue_url(&self.resources.queue_url);
        sent.message_body(body).send().await.expect("a place");
    }

    /// What the queue holds, in the form that the delivery function gets.
    pub async fn queued(&self) -> Vec<SqsMessage> {
        self.received_from(&self.resources.queue_url).await
    }

    /// Waits for a message of the dead-letter queue.
    pub async fn dead_letter(&self) -> SqsMessage {
        eventually("a dead letter", async || {
            let letters = self.received_from(&self.resources.dead_letter_queue_url);
            letters.await.into_iter().next()
        })
        .await
    }

    async fn received_from(&self, queue_url: &str) -> Vec<SqsMessage> {
        let received = self
            .clients
            .sqs
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .send()
            .await
            .expect("messages");
        let messages = received.messages.unwrap_or_default().into_iter();
        messages
            .map(|got| message(got.message_id.as_deref(), got.body.unwrap_or_default()))
            .collect()
    }

    /// How many messages of the queue are visible, being handled, and delayed.
    pub async fn queue_counts(&self) -> [u32; 3] {
        let found = self
            .clients
            .sqs
            .get_queue_attributes()
            .queue_url(&self.resources.queue_url)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .expect("attributes");
        let attributes = found.attributes.expect("attributes");
        [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ]
        .map(|name| attributes[&name].parse().expect("a number"))
    }

    /// Waits until the queue holds no message, neither a visible one nor one
    /// that is being handled or comes back later.
    pub async fn queue_is_empty(&self) {
        eventually("an empty queue", async || {
            let counts = self.queue_counts().await;
            counts.iter().all(|count| *count == 0).then_some(())
        })
        .await;
    }
}
