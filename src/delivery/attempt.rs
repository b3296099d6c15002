//! One attempt at one delivery.
//!
//! | Step | Calls |
//! |---|---|
//! | Read endpoint, delivery and event | `BatchGetItem`, one for all attempts of a batch |
//! | Decide whether to send ([`before_attempt`]) | |
//! | Find the endpoint's secret version | none when warm, else `GetSecretValue` |
//! | Sign and send | |
//! | Decide what follows ([`after_attempt`]) | |
//! | Enqueue the next attempt, if it is due within 15 minutes | `SendMessageBatch` |
//! | Record the attempt, and schedule the next one if it is due later | `UpdateItem` |
//! | Update the endpoint's health, if it changed | `UpdateItem` |
//!
//! The next attempt comes before the record, because a recorded attempt is never
//! repeated: a crash in between repeats this one, and the second message for the
//! next one finds that attempt recorded. Health comes after the record and never
//! fails an attempt: what is missed, the endpoint's next attempt makes up for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{info, warn};

use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::aws::retry::Retries;
use crate::aws::table::Recorded;
use crate::domain::decision::{
    AttemptContext, BeforeAttempt, EndpointChange, Next, ReadyAttempt, after_attempt,
    before_attempt,
};
use crate::domain::delivery::{Abandoned, Attempt, Delivery, Verdict};
use crate::domain::endpoint::{Disabled, DisabledReason, Endpoint};
use crate::domain::message::{DeliveryTask, Message};
use crate::domain::signing::SigningSecret;

/// Pauses before the endpoint is read again because its secret version does not
/// exist: it was rotated, or its deletion has begun, after it was read.
const SECRET_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// What is to be done with a task.
enum Prepared {
    Send(Box<ReadyAttempt>, Arc<SigningSecret>),
    AlreadyMade,
    Abandon(Abandoned),
}

impl Deliverer {
    /// Makes the attempt, on what was read at `started_at`. A rotated secret, a
    /// changed URL and a deactivation take effect with the next read.
    pub(super) async fn attempt(
        &self,
        task: DeliveryTask,
        started_at: Timestamp,
        context: AttemptContext,
    ) -> Result<(), HandleError> {
        let (mut ready, secret) = match self.prepare(&task, context).await? {
            Prepared::Send(ready, secret) => (ready, secret),
            Prepared::Abandon(reason) => return Ok(self.abandon(&task, reason).await?),
            Prepared::AlreadyMade => {
                info!(
                    app_id = %task.endpoint.app_id,
                    endpoint_id = %task.endpoint.endpoint_id,
                    delivery_id = %task.delivery_id,
                    attempt = task.attempt,
                    "attempt already made"
                );
                return Ok(());
            }
        };
        let payload = std::mem::take(&mut ready.payload);
        let attempt = self
            .send(&task, &ready.endpoint, &secret, payload, started_at)
            .await;
        let after = after_attempt(&self.policy, &task, &ready, &attempt, &mut rand::rng());
        let (table, queue) = (&self.stores.table, &self.stores.queue);
        if let Next::Queue(wait) = after.next {
            let next = Message::Delivery(task.next());
            queue.send_all([(next, wait)]).await?;
        }
        let recorded = table.record_attempt(&task, &attempt, &after).await?;
        self.report(&task, &after.delivery, &attempt, recorded);
        // A stale record means that this attempt, or a later one, was recorded by
        // somebody else, who saw to the endpoint as well.
        if recorded == Recorded::Written {
            let endpoint = &ready.endpoint;
            if let Err(error) = self.change(endpoint, &attempt, after.endpoint).await {
                warn!(
                    app_id = %endpoint.key.app_id,
                    endpoint_id = %endpoint.key.endpoint_id,
                    %error,
                    "failed to update the endpoint's health"
                );
            }
        }
        Ok(())
    }

    /// Decides whether to make the attempt, and finds its secret. If the
    /// endpoint's secret version does not exist, reads everything again.
    async fn prepare(
        &self,
        task: &DeliveryTask,
        mut context: AttemptContext,
    ) -> Result<Prepared, HandleError> {
        let mut retries = Retries::after(SECRET_PAUSES);
        // The first try is on what was read for the whole batch.
        retries.next().await;
        loop {
            let ready = match before_attempt(task, context) {
                BeforeAttempt::Send(ready) => ready,
                BeforeAttempt::AlreadyMade => return Ok(Prepared::AlreadyMade),
                BeforeAttempt::Abandon(reason) => return Ok(Prepared::Abandon(reason)),
            };
            if let Some(secret) = self.stores.secrets.of(&ready.endpoint).await? {
                return Ok(Prepared::Send(ready, secret));
            }
            if !retries.next().await {
                return Err(HandleError::SecretMissing);
            }
            let now = self.clock.now();
            context = self.stores.table.attempt_context(task, now).await?;
        }
    }

    async fn send(
        &self,
        task: &DeliveryTask,
        endpoint: &Endpoint,
        secret: &SigningSecret,
        payload: String,
        started_at: Timestamp,
    ) -> Attempt {
        let webhook_id = task.source.event_id().to_string();
        let signature = secret.sign(&webhook_id, started_at, payload.as_bytes());
        let begun = Instant::now();
        let verdict = self
            .sender
            .post(&endpoint.url, &webhook_id, started_at, &signature, payload)
            .await;
        Attempt {
            number: task.attempt,
            started_at,
            duration_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
            verdict,
        }
    }

    async fn abandon(&self, task: &DeliveryTask, reason: Abandoned) -> Result<(), StoreError> {
        self.stores.table.record_abandoned(task, reason).await?;
        info!(
            app_id = %task.endpoint.app_id,
            endpoint_id = %task.endpoint.endpoint_id,
            delivery_id = %task.delivery_id,
            event = %task.event,
            attempt = task.attempt,
            reason = reason.code(),
            "delivery abandoned"
        );
        self.metrics.abandoned();
        Ok(())
    }

    fn report(
        &self,
        task: &DeliveryTask,
        delivery: &Delivery,
        attempt: &Attempt,
        recorded: Recorded,
    ) {
        let failure = match &attempt.verdict {
            Verdict::Answered { .. } => None,
            Verdict::Failed(failure) => Some(failure.code()),
        };
        info!(
            app_id = %task.endpoint.app_id,
            endpoint_id = %task.endpoint.endpoint_id,
            delivery_id = %task.delivery_id,
            event_id = %task.source.event_id(),
            event = %task.event,
            attempt = attempt.number,
            status = %delivery.status,
            response_status = attempt.verdict.response_status(),
            failure,
            duration_ms = attempt.duration_ms,
            duplicate = recorded == Recorded::Stale,
            "attempt"
        );
        self.metrics.attempt(delivery.status, attempt);
    }

    /// Writes what the attempt changes for its endpoint. Every write is
    /// conditional on what the decision was based on.
    async fn change(
        &self,
        endpoint: &Endpoint,
        attempt: &Attempt,
        change: EndpointChange,
    ) -> Result<(), StoreError> {
        let table = &self.stores.table;
        match (change, endpoint.failing_since) {
            (EndpointChange::BeganFailing, _) => {
                table.set_failing(endpoint.key, attempt.started_at).await
            }
            (EndpointChange::Recovered, Some(since)) => {
                table.clear_failing(endpoint.key, since).await
            }
            (EndpointChange::Disable(reason), since) => {
                let since = since.filter(|_| reason == DisabledReason::Failing);
                self.disable(endpoint, reason, since, attempt.ended_at())
                    .await
            }
            (EndpointChange::Unchanged | EndpointChange::Recovered, _) => Ok(()),
        }
    }

    async fn disable(
        &self,
        endpoint: &Endpoint,
        reason: DisabledReason,
        failing_since: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let table = &self.stores.table;
        let disabled = Disabled { reason, at };
        let changed = table
            .disable_endpoint(endpoint.key, disabled, failing_since)
            .await?;
        if changed {
            warn!(
                app_id = %endpoint.key.app_id,
                endpoint_id = %endpoint.key.endpoint_id,
                reason = reason.as_str(),
                operational_event = "endpoint.disabled",
                "endpoint disabled"
            );
            self.metrics.endpoint_disabled(reason);
        }
        Ok(())
    }
}
