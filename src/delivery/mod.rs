//! A delivery from queue message to recorded attempt.

pub mod batch;
pub mod egress;
pub mod sender;

use std::time::Duration;

use jiff::Timestamp;
use tracing::info;

use crate::aws::AwsError;
use crate::aws::secrets::Secrets;
use crate::aws::table::{Recorded, Table};
use crate::clock::Clock;
use crate::domain::delivery::{Attempt, Delivery, Failure, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::message::{Message, TestPing};
use sender::Sender;

/// Makes attempts and records them.
#[derive(Debug)]
pub struct Deliverer {
    /// Endpoints and the history.
    pub table: Table,
    /// What is signed with.
    pub secrets: Secrets,
    /// What sends.
    pub sender: Sender,
    /// Where time comes from.
    pub clock: Clock,
    /// How long the history is kept.
    pub retention: Duration,
}

/// Times that the endpoint is read again because the version of its secret was
/// gone: each takes a rotation between two reads.
const SECRET_READS: u32 = 3;

impl Deliverer {
    /// Does what a message asks for. Returns once the outcome is recorded; a
    /// message that is handled twice is sent once, unless the first handling
    /// was cut off between sending and recording.
    ///
    /// # Errors
    /// A fault of AWS: nothing is lost if the message is handled again.
    pub async fn handle(&self, message: Message) -> Result<(), AwsError> {
        match message {
            Message::TestPing(ping) => self.test_ping(&ping).await,
        }
    }

    async fn test_ping(&self, ping: &TestPing) -> Result<(), AwsError> {
        let mut reads_left = SECRET_READS;
        let verdict_source = loop {
            let (endpoint, attempts) = self
                .table
                .attempt_context(ping.app_id, ping.endpoint_id, ping.delivery_id)
                .await?;
            if attempts > 0 {
                info!(delivery_id = %ping.delivery_id, "the attempt is recorded already");
                return Ok(());
            }
            let Some(endpoint) = endpoint else {
                break None;
            };
            if let Some(secret) = self.secrets.of(&endpoint).await? {
                break Some((endpoint, secret));
            }
            reads_left -= 1;
            if reads_left == 0 {
                return Err(AwsError::unexpected(
                    "GetSecretValue",
                    "the version that the endpoint names is missing",
                ));
            }
        };
        let started_at = self.clock.now();
        let (verdict, duration) = match verdict_source {
            None => (Verdict::Failed(Failure::EndpointDeleted), Duration::ZERO),
            Some((endpoint, secret)) => {
                let webhook_id = ping.delivery_id.to_string();
                let signature = secret.sign(&webhook_id, started_at, ping.payload.as_bytes());
                self.send(
                    &endpoint,
                    &webhook_id,
                    started_at,
                    &signature,
                    &ping.payload,
                )
                .await
            }
        };
        let attempt = Attempt {
            number: 1,
            started_at,
            duration_ms: u32::try_from(duration.as_millis()).unwrap_or(u32::MAX),
            verdict,
        };
        let delivery = Delivery::pending(
            ping.delivery_id,
            ping.endpoint_id,
            EventType::test_ping(),
            ping.created_at,
        )
        .concluded(&attempt);
        let recorded = self
            .table
            .record_attempt(&delivery, &attempt, &ping.payload, self.retention)
            .await?;
        info!(
            app_id = %ping.app_id,
            endpoint_id = %ping.endpoint_id,
            delivery_id = %ping.delivery_id,
            event = %delivery.event,
            attempt = attempt.number,
            status = %delivery.status,
            response_status = attempt.verdict.response_status(),
            failure = failure_code(&attempt.verdict),
            duration_ms = attempt.duration_ms,
            duplicate = recorded == Recorded::Stale,
            "attempt"
        );
        Ok(())
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        webhook_id: &str,
        at: Timestamp,
        signature: &str,
        payload: &str,
    ) -> (Verdict, Duration) {
        let begun = std::time::Instant::now();
        let verdict = self
            .sender
            .post(&endpoint.url, webhook_id, at, signature, payload.to_owned())
            .await;
        (verdict, begun.elapsed())
    }
}

fn failure_code(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Answered { .. } => None,
        Verdict::Failed(failure) => Some(failure.code()),
    }
}
