//! From queue message to recorded outcome.

mod attempt;
pub mod batch;
pub mod egress;
mod fan_out;
pub mod metrics;
mod recover;
pub mod sender;
mod sweep;

use std::time::Duration;

use jiff::Timestamp;

use crate::aws::AwsError;
use crate::aws::queue::Queue;
use crate::aws::secrets::Secrets;
use crate::aws::table::Table;
use crate::clock::Clock;
use crate::domain::id::EventId;
use crate::domain::message::{DeliveryTask, Message};
use crate::domain::retry::RetrySchedule;
use metrics::Metrics;
use sender::Sender;

/// Does what the messages of the delivery queue ask for.
#[derive(Debug)]
pub struct Deliverer {
    /// Endpoints, events and the history.
    pub table: Table,
    /// What is signed with.
    pub secrets: Secrets,
    /// Where attempts to come are put.
    pub queue: Queue,
    /// What sends.
    pub sender: Sender,
    /// Where time comes from.
    pub clock: Clock,
    /// How long the history is kept.
    pub retention: Duration,
    /// When a failed attempt is tried again.
    pub schedule: RetrySchedule,
    /// How long every attempt has to fail until an endpoint is disabled.
    pub disable_after: Duration,
    /// Where figures go.
    pub metrics: Metrics,
}

/// What the queue knows of a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Envelope {
    /// Its id, the same each time it is received.
    pub message_id: Option<EventId>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

impl Deliverer {
    async fn attempt_alone(&self, task: DeliveryTask) -> Result<(), AwsError> {
        for attempt in self.prepare(vec![task]).await? {
            self.attempt(attempt).await?;
        }
        Ok(())
    }

    /// Does what a message asks for, and returns once what came of it is
    /// recorded. A message that is handled twice does nothing the second time,
    /// unless the first was cut off half-way.
    ///
    /// # Errors
    /// A fault of AWS: nothing is lost if the message is handled again.
    pub async fn handle(&self, message: Message, envelope: &Envelope) -> Result<(), AwsError> {
        match message {
            Message::TestPing(ping) => self.attempt_alone(ping.task(self.retention)).await,
            Message::Delivery(task) => self.attempt_alone(task).await,
            Message::Event(event) => self.fan_out(event, envelope).await,
            Message::Recover(recovery) => self.recover(recovery).await,
            Message::Sweep => self.sweep().await,
        }
    }
}
