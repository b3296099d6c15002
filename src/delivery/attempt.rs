//! One attempt at one delivery.
//!
//! | Step | Calls |
//! |---|---|
//! | Read endpoint, delivery and event | `BatchGetItem`, one for all attempts of a batch |
//! | Decide whether to send ([`before_attempt`]) | |
//! | If the endpoint is unhealthy, move the message to the slow lane | `SendMessageBatch` |
//! | If the endpoint is paused, mark the delivery as waiting | `UpdateItem` |
//! | Load the signing secret, the previous one while it still signs, and the endpoint's own headers | none when cached, else `GetSecretValue` for each |
//! | Sign and send | |
//! | If it takes too long, mark the endpoint as slow while the request is in flight | `UpdateItem` |
//! | Decide what follows ([`after_attempt`]) | |
//! | Enqueue the next attempt, if it is due within 15 minutes | `SendMessageBatch` |
//! | At the first attempt of a resend, record which event it repeats | `PutItem` |
//! | Record the attempt, and schedule the next one if it is due later | `UpdateItem` |
//! | Update the endpoint's health, if it changed | `UpdateItem` |
//! | Enqueue work on the waiting deliveries, if a pause began or ended | `SendMessageBatch` |
//! | Notify the operator of that change, or that the attempts are used up | `SendMessage` |
//!
//! If the event's payload is stored only for as long as attempts need it, an `UpdateItem`
//! of the event stores it for the next attempt or removes it after the last one: see
//! [`super::ephemeral`].
//!
//! The next attempt is enqueued before this one is recorded, because a recorded attempt
//! is never repeated. After a crash between the two, this attempt is made again and
//! enqueues a second message for the next one; whichever of the two messages comes later
//! finds that attempt recorded. Health is updated after the record and never fails an
//! attempt: the endpoint's next attempt makes up for a missed update. A notice that could
//! not be sent does fail it. The message comes back, finds the attempt recorded, and
//! sends the notice: see [`super::notices`].

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::info;

use super::credentials::Credentials;
use super::sender::{Outgoing, Reuse, SendError};
use super::{Deliverer, HandleError, deadline};
use crate::aws::retry::Retries;
use crate::aws::table::Recorded;
use crate::aws::{StoreError, Stores};
use crate::domain::decision::{
    AfterAttempt, BeforeAttempt, Next, Occasion, ReadyAttempt, after_attempt, before_attempt,
};
use crate::domain::delivery::{Abandoned, Attempt, Delivery, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::message::{DeliveryTask, Lane, Message, Source};
use crate::domain::transition::Cause;

/// Pauses before the endpoint is read again because its secret version does not exist:
/// after the batch was read, the secret was rotated or the endpoint's deletion began.
const SECRET_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// What [`Deliverer::prepare`] found: an attempt with its credentials, or none to make.
enum Prepared {
    Send(Box<ReadyAttempt>, Credentials),
    Otherwise(BeforeAttempt),
}

impl Deliverer {
    /// Carries out `decision`, which is based on a read at `started_at`. A rotated
    /// secret, a changed URL or a deactivation takes effect with the next read.
    pub(super) async fn attempt(
        &self,
        task: DeliveryTask,
        occasion: Occasion,
        started_at: Timestamp,
        decision: BeforeAttempt,
    ) -> Result<(), HandleError> {
        let prepared = self.prepare(&task, occasion, decision, started_at);
        match prepared.await? {
            Prepared::Send(ready, credentials) => {
                // Loading the credentials may have used up the time. If the function
                // ended between the response and its record, the request would be sent
                // again.
                deadline::must_leave_room_for_an_attempt()?;
                self.make(&task, occasion, *ready, &credentials, started_at)
                    .await
            }
            Prepared::Otherwise(decision) => self.leave(task, decision).await,
        }
    }

    /// Makes the attempt after waiting for its turn. The endpoint may have changed during
    /// the wait, so everything is read again.
    pub(super) async fn attempt_after(
        &self,
        wait: Duration,
        task: DeliveryTask,
        occasion: Occasion,
    ) -> Result<(), HandleError> {
        tokio::time::sleep(wait).await;
        let now = self.clock.now();
        let context = self.stores.table.attempt_context(&task, now).await?;
        let decision = before_attempt(&task, occasion, context);
        self.attempt(task, occasion, now, decision).await
    }

    async fn make(
        &self,
        task: &DeliveryTask,
        occasion: Occasion,
        mut ready: ReadyAttempt,
        credentials: &Credentials,
        started_at: Timestamp,
    ) -> Result<(), HandleError> {
        let payload = std::mem::take(&mut ready.payload);
        // A payload that is not in the table exists only here and in the event's message.
        // Keep a copy for a next attempt: the request takes the other one.
        let unstored = (!ready.is_stored).then(|| payload.clone());
        let payload = self.payload_format.body(&task.event, payload);
        let mut attempt = self
            .send(task, &ready.endpoint, credentials, payload, started_at)
            .await?;
        let after = after_attempt(
            &self.policy,
            task,
            occasion,
            &ready,
            &attempt,
            &mut rand::rng(),
        );
        // Of such an event, what the receiver wrote is not kept either.
        if task.ephemeral {
            attempt = attempt.without_answer();
        }
        let unstored = unstored.filter(|_| after.goes_on());
        let recorded = self.record(task, unstored, &attempt, &after).await?;
        if ready.is_stored && after.next == Next::Done {
            // If this fails, the message comes back and releases the payload then: the
            // recorded attempt is not made again.
            self.release_payload(task).await?;
        }
        self.report(task, occasion, &after.delivery, &attempt, recorded);
        // Another message recorded this attempt or a later one, and updated the
        // endpoint's health. Or an SDK retry met its own write: `notify_if_recorded` allows
        // for that.
        if recorded == Recorded::Stale {
            return self
                .notify_if_recorded(&after.delivery, &ready.endpoint)
                .await;
        }
        let cause = Cause {
            by: task.delivery_id,
            at: attempt.ended_at(),
            succeeded: attempt.verdict.is_success(),
        };
        let (endpoint, delivery) = (&ready.endpoint, &after.delivery);
        // Do both, even if the first one fails.
        let changed = self.change_health(endpoint, cause, after.endpoint).await;
        let notified = self.notify_if_exhausted(delivery, endpoint).await;
        changed.and(notified)
    }

    /// Enqueues the next attempt and records this one. Stores `unstored` first, the
    /// payload that only this function has and the next attempt needs.
    ///
    /// The order matters, because each call may be the last one before a crash, and the
    /// message then comes back unless the attempt is recorded.
    async fn record(
        &self,
        task: &DeliveryTask,
        unstored: Option<String>,
        attempt: &Attempt,
        after: &AfterAttempt,
    ) -> Result<Recorded, StoreError> {
        let Stores { table, queues, .. } = &self.stores;
        if let Some(payload) = unstored {
            self.keep_payload(task, &payload).await?;
        }
        if let Next::Queue(wait) = after.next {
            let next = (Message::Delivery(task.next()), wait);
            queues.send_all(Lane::Slow, [next]).await?;
        }
        if task.is_repeat() && attempt.number == 1 {
            // Before the response is stored: the erasure of an event finds the responses
            // to its resends by these records.
            table.record_repeat(task).await?;
        }
        match after.next {
            // A failed probe is not recorded: the delivery keeps waiting.
            Next::StillWaits => Ok(Recorded::Written),
            Next::Done | Next::Queue(_) | Next::Schedule(_) => {
                table.record_attempt(task, attempt, after).await
            }
        }
    }

    /// Loads the credentials of an attempt to make. If the endpoint's secret version does
    /// not exist, reads everything and decides again, after each of [`SECRET_PAUSES`].
    async fn prepare(
        &self,
        task: &DeliveryTask,
        occasion: Occasion,
        mut decision: BeforeAttempt,
        started_at: Timestamp,
    ) -> Result<Prepared, HandleError> {
        let mut retries = Retries::after(SECRET_PAUSES);
        // The first try, which does not pause, uses what was read for the whole batch.
        retries.next().await;
        loop {
            let ready = match decision {
                BeforeAttempt::Send(ready) => ready,
                otherwise => return Ok(Prepared::Otherwise(otherwise)),
            };
            let found = self.credentials(&ready.endpoint, started_at).await?;
            if let Some(credentials) = found {
                return Ok(Prepared::Send(ready, credentials));
            }
            // A payload that is not in the table can't be read again: the new decision
            // would end the delivery.
            if !ready.is_stored || !retries.next().await {
                return Err(HandleError::SecretMissing);
            }
            let now = self.clock.now();
            let context = self.stores.table.attempt_context(task, now).await?;
            decision = before_attempt(task, occasion, context);
        }
    }

    /// Carries out a decision against making the attempt now.
    async fn leave(&self, task: DeliveryTask, decision: BeforeAttempt) -> Result<(), HandleError> {
        match decision {
            BeforeAttempt::Send(_) => Ok(()),
            BeforeAttempt::AlreadyMade(notices) => {
                info!(
                    app_id = %task.endpoint.app_id,
                    endpoint_id = %task.endpoint.endpoint_id,
                    delivery_id = %task.delivery_id,
                    attempt = task.attempt,
                    "attempt already made"
                );
                // The message may be back because a notice or the release of the payload
                // failed, so do both again. A failed notice must not prevent the release.
                let notified = self.notify_all(notices).await;
                self.release_if_ended(&task).await?;
                notified
            }
            BeforeAttempt::Abandon(reason) => Ok(self.abandon(&task, reason).await?),
            BeforeAttempt::Move => {
                let moved = (Message::Delivery(task), Duration::ZERO);
                Ok(self.stores.queues.send_all(Lane::Slow, [moved]).await?)
            }
            BeforeAttempt::Wait(endpoint) => Ok(self.wait(&task, &endpoint).await?),
        }
    }

    /// Signs and posts. If that takes too long, marks the endpoint as slow while the
    /// request is still in flight.
    async fn send(
        &self,
        task: &DeliveryTask,
        endpoint: &Endpoint,
        credentials: &Credentials,
        payload: String,
        started_at: Timestamp,
    ) -> Result<Attempt, SendError> {
        let secrets: Vec<_> = credentials.secrets.iter().map(Arc::as_ref).collect();
        let headers = self
            .webhook_headers
            .of(task, started_at, &payload, &secrets);
        let begun = Instant::now();
        // A ping gets one attempt, which must not fail because the receiver closes a kept
        // connection.
        let reuse = match task.source {
            Source::Event(_) => Reuse::Allowed,
            Source::Ping { .. } => Reuse::Never,
        };
        let outgoing = Outgoing {
            at: started_at,
            headers: &headers,
            payload,
            is_test: task.is_test_of_an_event(),
            own_headers: credentials.headers.as_deref(),
        };
        // Pinned here and polled by reference, so that `timeout` drops only the reference
        // and the request continues. The slow mark is then written while we wait for the
        // response: until it is there, more first attempts at this endpoint take the fast
        // lane and hang there, too.
        let mut posting = pin!(self.sender.post(&endpoint.url, outgoing, reuse));
        let slow_after = self.policy.health.slow_after;
        let verdict = match tokio::time::timeout(slow_after, &mut posting).await {
            Ok(verdict) => verdict,
            Err(_) => tokio::join!(posting, self.note_slow(endpoint)).0,
        };
        Ok(Attempt {
            number: task.attempt,
            started_at,
            duration_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
            verdict: verdict?,
        })
    }

    pub(super) async fn abandon(
        &self,
        task: &DeliveryTask,
        reason: Abandoned,
    ) -> Result<(), StoreError> {
        let (table, now) = (&self.stores.table, self.clock.now());
        table.record_abandoned(task, reason, now).await?;
        self.release_payload(task).await?;
        info!(
            app_id = %task.endpoint.app_id,
            endpoint_id = %task.endpoint.endpoint_id,
            delivery_id = %task.delivery_id,
            event = %task.event,
            attempt = task.attempt,
            reason = reason.code(),
            "delivery abandoned"
        );
        self.metrics.abandoned(1);
        Ok(())
    }

    fn report(
        &self,
        task: &DeliveryTask,
        occasion: Occasion,
        delivery: &Delivery,
        attempt: &Attempt,
        recorded: Recorded,
    ) {
        // Above INFO, the line carries only the metrics.
        let details = match tracing::enabled!(tracing::Level::INFO) {
            true => details(task, occasion, attempt, recorded),
            false => json!({}),
        };
        let first_in = match (occasion, attempt.number) {
            (Occasion::Lane(lane), 1) => Some(lane),
            _ => None,
        };
        self.metrics.attempt(first_in, delivery, attempt, details);
    }
}

/// The log fields of an attempt. Most events are delivered at the first attempt, and each
/// byte of the log costs money, so that case has only the ids.
fn details(
    task: &DeliveryTask,
    occasion: Occasion,
    attempt: &Attempt,
    recorded: Recorded,
) -> Value {
    let mut details = json!({
        "app_id": task.endpoint.app_id.to_string(),
        "endpoint_id": task.endpoint.endpoint_id.to_string(),
        "delivery_id": task.delivery_id.to_string(),
    });
    if attempt.number > 1 {
        details["attempt"] = attempt.number.into();
    }
    if !attempt.verdict.is_success() {
        details["event_id"] = task.source.event_id().to_string().into();
        details["event"] = task.event.as_str().into();
        details["response_status"] = attempt.verdict.response_status().into();
    }
    if let Verdict::Failed(failure) = &attempt.verdict {
        details["failure"] = failure.code().into();
    }
    if recorded == Recorded::Stale {
        details["duplicate"] = true.into();
    }
    if occasion == Occasion::Probe {
        details["probe"] = true.into();
    }
    details
}

#[cfg(test)]
mod tests;
