//! One attempt of one delivery.
//!
//! | Step | Calls |
//! |---|---|
//! | Read endpoint, delivery and event | `BatchGetItem`, one for all attempts of a batch |
//! | Find the secret of the version that the endpoint names | none when warm, else `GetSecretValue` |
//! | Sign and send | |
//! | When it failed and is to be tried again within 15 minutes | `SendMessageBatch` |
//! | When the endpoint begins to fail, works again, or is disabled | `UpdateItem` |
//! | Record, and schedule what is due later | `UpdateItem` |
//!
//! The record comes last. A crash before it repeats this attempt, and the second
//! message for the next one finds that one recorded: nothing is lost, and nothing
//! is sent twice in a row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{info, warn};

use super::Deliverer;
use crate::aws::AwsError;
use crate::aws::queue::MAX_DELAY;
use crate::aws::table::{AttemptContext, Recorded};
use crate::domain::delivery::{Abandoned, Attempt, Delivery, DeliveryStatus, Verdict};
use crate::domain::endpoint::{Disabled, DisabledReason, Endpoint};
use crate::domain::message::{DeliveryTask, Message};
use crate::domain::signing::SigningSecret;

/// Times that the endpoint is read because the version of its secret was gone:
/// each takes a rotation between two reads.
const SECRET_READS: u32 = 3;

/// What an attempt found.
enum Found {
    /// All that it needs.
    Ready(Box<Ready>),
    /// A reason not to make it.
    Abandon(Abandoned),
    /// That it was made before.
    Done,
}

struct Ready {
    endpoint: Endpoint,
    secret: Arc<SigningSecret>,
    delivery: Delivery,
    payload: String,
}

/// An attempt whose items were read.
pub(super) struct Prepared {
    task: DeliveryTask,
    /// Before they were read: what is dated after a rotation has read the endpoint
    /// after it, and is signed with the new secret.
    started_at: Timestamp,
    context: Result<AttemptContext, AwsError>,
}

impl Deliverer {
    /// Reads what these attempts need, as it is now: a rotated secret, a changed URL
    /// and a deactivation count from the next attempt on.
    pub(super) async fn prepare(
        &self,
        tasks: Vec<DeliveryTask>,
    ) -> Result<Vec<Prepared>, AwsError> {
        let started_at = self.clock.now();
        let contexts = self.table.attempt_contexts(&tasks, started_at).await?;
        let prepared = tasks.into_iter().zip(contexts);
        Ok(prepared
            .map(|(task, context)| Prepared {
                task,
                started_at,
                context,
            })
            .collect())
    }

    pub(super) async fn attempt(&self, prepared: Prepared) -> Result<(), AwsError> {
        let Prepared {
            task,
            started_at,
            context,
        } = prepared;
        let Ready {
            endpoint,
            secret,
            delivery,
            payload,
        } = match self.find(&task, context?).await? {
            Found::Ready(ready) => *ready,
            Found::Done => {
                info!(
                    app_id = %task.app_id,
                    endpoint_id = %task.endpoint_id,
                    delivery_id = %task.delivery_id,
                    attempt = task.attempt,
                    "this attempt was made before"
                );
                return Ok(());
            }
            Found::Abandon(reason) => return self.abandon(&task, reason).await,
        };
        let attempt = self
            .send(&task, &endpoint, &secret, payload, started_at)
            .await;
        let wait = if task.is_test_ping() {
            None
        } else {
            self.schedule
                .wait_after(attempt.number, &attempt.verdict, &mut rand::rng())
        };
        // Counted from the end, as the queue does that holds the next one back: a
        // receiver that let the deadline pass is not asked again at once.
        let retry_at = wait.map(|wait| attempt.ended_at() + wait);
        let delivery = delivery.after(&attempt, retry_at);
        let scheduled = wait.is_some_and(|wait| wait > MAX_DELAY);
        if let (Some(wait), false) = (wait, scheduled) {
            self.enqueue_next(&task, wait).await?;
        }
        // Before it is recorded, because a recorded attempt is not looked at again.
        if !task.is_test_ping() {
            self.judge(&endpoint, &attempt).await?;
        }
        let recorded = self
            .table
            .record_attempt(&task, &delivery, &attempt, scheduled)
            .await?;
        self.report(&task, &delivery, &attempt, recorded);
        Ok(())
    }

    /// What the attempt needs, from what was read. Is the version of the secret gone
    /// that the endpoint names, it is read again.
    async fn find(
        &self,
        task: &DeliveryTask,
        mut context: AttemptContext,
    ) -> Result<Found, AwsError> {
        let mut reads = 1;
        loop {
            let AttemptContext {
                endpoint,
                delivery,
                event,
            } = context;
            let delivery = delivery.unwrap_or_else(|| task.delivery());
            if delivery.attempts >= task.attempt || delivery.status != DeliveryStatus::Pending {
                return Ok(Found::Done);
            }
            let Some(endpoint) = endpoint else {
                return Ok(Found::Abandon(Abandoned::EndpointDeleted));
            };
            if !endpoint.active && !task.is_test_ping() {
                return Ok(Found::Abandon(Abandoned::EndpointInactive));
            }
            let stored = event.map(|event| event.payload);
            let Some(payload) = task.payload.clone().or(stored) else {
                return Ok(Found::Abandon(Abandoned::PayloadExpired));
            };
            if let Some(secret) = self.secrets.of(&endpoint).await? {
                return Ok(Found::Ready(Box::new(Ready {
                    endpoint,
                    secret,
                    delivery,
                    payload,
                })));
            }
            reads += 1;
            if reads == SECRET_READS {
                return Err(AwsError::unexpected(
                    "GetSecretValue",
                    "the version that the endpoint names is missing",
                ));
            }
            context = self.table.attempt_context(task, self.clock.now()).await?;
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
        let webhook_id = task.event_id.to_string();
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

    async fn enqueue_next(&self, task: &DeliveryTask, wait: Duration) -> Result<(), AwsError> {
        let next = DeliveryTask {
            attempt: task.attempt + 1,
            ..task.clone()
        };
        self.queue.send_all([(Message::Delivery(next), wait)]).await
    }

    async fn abandon(&self, task: &DeliveryTask, reason: Abandoned) -> Result<(), AwsError> {
        self.table.record_abandoned(task, reason).await?;
        info!(
            app_id = %task.app_id,
            endpoint_id = %task.endpoint_id,
            delivery_id = %task.delivery_id,
            event = %task.event,
            attempt = task.attempt,
            reason = reason.code(),
            "a delivery ended without this attempt"
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
            app_id = %task.app_id,
            endpoint_id = %task.endpoint_id,
            delivery_id = %task.delivery_id,
            event_id = %task.event_id,
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

    /// Draws the conclusions for the endpoint: it works again, begins to fail,
    /// or gets no more deliveries. Costs nothing while nothing changes.
    async fn judge(&self, endpoint: &Endpoint, attempt: &Attempt) -> Result<(), AwsError> {
        let (app_id, id) = (endpoint.app_id, endpoint.id);
        let now = attempt.ended_at();
        if attempt.verdict.is_success() {
            return match endpoint.failing_since {
                Some(_) => self.table.note_failing(app_id, id, None).await,
                None => Ok(()),
            };
        }
        if attempt.verdict.response_status() == Some(410) {
            return self.disable(endpoint, DisabledReason::Gone, now).await;
        }
        match endpoint.failing_since {
            None => {
                let since = Some(attempt.started_at);
                self.table.note_failing(app_id, id, since).await
            }
            Some(since) if since + self.disable_after <= now => {
                self.disable(endpoint, DisabledReason::Failing, now).await
            }
            Some(_) => Ok(()),
        }
    }

    async fn disable(
        &self,
        endpoint: &Endpoint,
        reason: DisabledReason,
        at: Timestamp,
    ) -> Result<(), AwsError> {
        let since = endpoint
            .failing_since
            .filter(|_| reason == DisabledReason::Failing);
        let disabled = self
            .table
            .disable_endpoint(endpoint.app_id, endpoint.id, Disabled { reason, at }, since)
            .await?;
        if disabled {
            warn!(
                app_id = %endpoint.app_id,
                endpoint_id = %endpoint.id,
                reason = reason.as_str(),
                operational_event = "endpoint.disabled",
                "an endpoint was disabled"
            );
            self.metrics.endpoint_disabled(reason);
        }
        Ok(())
    }
}
