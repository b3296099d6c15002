//! The dead-letter queue.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use local::poller;

use super::eventually;
use super::queue::Queue;

impl Queue {
    /// Waits for a message in the dead-letter queue.
    pub async fn dead_letter(&self) -> SqsMessage {
        eventually("a dead letter", async || {
            let letters = self.received_from(&self.resources.dead_letter_queue_url);
            letters.await.into_iter().next()
        })
        .await
    }

    /// Receives up to ten dead letters, with their attributes, and deletes them.
    pub async fn take_dead_letters(&self) -> Vec<DeadLetter> {
        let url = &self.resources.dead_letter_queue_url;
        let received = poller::receive(&self.sqs, url, 10, Duration::ZERO).await;
        let mut letters = Vec::new();
        for letter in received.expect("receive from the dead-letter queue") {
            let handle = letter.receipt_handle.clone();
            let delete = self.sqs.delete_message().queue_url(url);
            let deleted = delete.set_receipt_handle(handle).send().await;
            deleted.expect("delete the dead letter");
            letters.push(DeadLetter(letter));
        }
        letters
    }

    /// Handles a message, and asserts that it moves to the dead-letter queue at once,
    /// unchanged.
    pub async fn must_become_dead_letter(&self, body: &str) -> DeadLetter {
        self.must_handle(body).await;
        let mut letters = self.take_dead_letters().await;
        assert_eq!(letters.len(), 1, "{body}");
        let letter = letters.remove(0);
        assert_eq!(letter.body(), body);
        letter
    }
}

#[derive(Debug)]
pub struct DeadLetter(aws_sdk_sqs::types::Message);

impl DeadLetter {
    pub fn body(&self) -> &str {
        self.0.body.as_deref().expect("read the body")
    }

    /// Returns a message attribute.
    pub fn attribute(&self, name: &str) -> &str {
        let attributes = self.0.message_attributes.as_ref();
        let value = attributes.and_then(|attributes| attributes.get(name));
        let text = value.and_then(|value| value.string_value.as_deref());
        text.unwrap_or_else(|| panic!("{self:?} has no {name}"))
    }
}
