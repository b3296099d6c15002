//! The delivery queue (SQS).

use aws_sdk_sqs::Client;

use super::AwsError;
use crate::domain::message::Message;

/// The queue that the delivery function reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue of this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
        }
    }

    /// Puts a message on the queue; once this returns, the message is durable.
    /// One `SendMessage`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn send(&self, message: &Message) -> Result<(), AwsError> {
        const OPERATION: &str = "SendMessage";
        let body = serde_json::to_string(message)
            .map_err(|error| AwsError::unexpected(OPERATION, error))?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        Ok(())
    }
}
