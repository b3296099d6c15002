//! One attempt at one delivery.
//!
//! | Step | Calls |
//! |---|---|
//! | Read endpoint, delivery and event | `BatchGetItem`, one for all attempts of a batch |
//! | Decide whether to send ([`before_attempt`]) | |
//! | Move it to the slow lane, if the endpoint is not well | `SendMessageBatch` |
//! | Have it wait, if the endpoint is paused | `UpdateItem` |
//! | Find the endpoint's secret, the previous one while it signs as well, and its own headers | none when warm, else `GetSecretValue` for each |
//! | Sign and send | |
//! | Note that the endpoint is slow, while the attempt is still under way | `UpdateItem` |
//! | Decide what follows ([`after_attempt`]) | |
//! | Enqueue the next attempt, if it is due within 15 minutes | `SendMessageBatch` |
//! | Record that it repeats an event, if it is a resent delivery's first | `PutItem` |
//! | Record the attempt, and schedule the next one if it is due later | `UpdateItem` |
//! | Update the endpoint's health, if it changed | `UpdateItem` |
//! | Have its waiting deliveries seen to, if a pause began or ended | `SendMessageBatch` |
//! | Tell the operator of that, or that it was the last attempt | `SendMessage` |
//!
//! If the event's payload is kept for its attempts only, `UpdateItem` of the event keeps it
//! for the next attempt, or has it go after the last one: see [`super::ephemeral`].
//!
//! The next attempt comes before the record, because a recorded attempt is never
//! repeated: a crash in between repeats this one, and the second message for the
//! next one finds that attempt recorded. Health comes after the record and never
//! fails an attempt: what is missed, the endpoint's next attempt makes up for. What
//! could not be told fails it, and is told when its message comes back and finds the
//! attempt recorded: see [`super::notices`].

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::info;

use super::credentials::Credentials;
use super::sender::{Outgoing, Reuse, SendError};
use super::{Deliverer, HandleError, deadline};
use crate::aws::StoreError;
use crate::aws::retry::Retries;
use crate::aws::table::Recorded;
use crate::domain::decision::{
    BeforeAttempt, Next, Occasion, ReadyAttempt, after_attempt, before_attempt,
};
use crate::domain::delivery::{Abandoned, Attempt, Delivery, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::message::{DeliveryTask, Lane, Message, Source};
use crate::domain::transition::Cause;

/// Pauses before the endpoint is read again because its secret version does not
/// exist: it was rotated, or its deletion has begun, after it was read.
const SECRET_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// What is to be done with a task.
enum Prepared {
    Send(Box<ReadyAttempt>, Credentials),
    Otherwise(BeforeAttempt),
}

impl Deliverer {
    /// Makes the attempt if that was decided, on what was read at `started_at`. A
    /// rotated secret, a changed URL and a deactivation take effect with the next
    /// read.
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
                deadline::must_leave_room_for_an_attempt()?;
                self.make(&task, occasion, *ready, &credentials, started_at)
                    .await
            }
            Prepared::Otherwise(decision) => self.leave(task, decision).await,
        }
    }

    /// Makes the attempt after a wait, in which the endpoint may have changed: reads
    /// everything again.
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
        if task.ephemeral {
            attempt = attempt.without_answer();
        }
        if let Some(payload) = unstored.filter(|_| after.goes_on()) {
            self.keep_payload(task, &payload).await?;
        }
        if let Next::Queue(wait) = after.next {
            let next = (Message::Delivery(task.next()), wait);
            self.stores.queues.send_all(Lane::Slow, [next]).await?;
        }
        if task.is_repeat() && attempt.number == 1 {
            // Before the answer is, so that it can be found if it is to be erased.
            self.stores.table.record_repeat(task).await?;
        }
        let recorded = match after.next {
            // A failed probe: the delivery waits as before.
            Next::StillWaits => Recorded::Written,
            _ => {
                let table = &self.stores.table;
                table.record_attempt(task, &attempt, &after).await?
            }
        };
        if ready.is_stored && after.next == Next::Done {
            self.release_payload(task).await?;
        }
        self.report(task, occasion, &after.delivery, &attempt, recorded);
        // A stale record means that this attempt, or a later one, was recorded by
        // somebody else, who saw to the endpoint as well.
        if recorded == Recorded::Stale {
            return self
                .tell_if_recorded(&after.delivery, &ready.endpoint)
                .await;
        }
        let cause = Cause {
            by: task.delivery_id,
            at: attempt.ended_at(),
            succeeded: attempt.verdict.is_success(),
        };
        let (endpoint, delivery) = (&ready.endpoint, &after.delivery);
        // Whatever becomes of the one, the other is told.
        let changed = self.change_health(endpoint, cause, after.endpoint).await;
        let told = self.tell_if_exhausted(delivery, endpoint).await;
        changed.and(told)
    }

    /// Finds the credentials of an attempt that is to be made. If the endpoint's secret
    /// version does not exist, reads everything and decides again.
    async fn prepare(
        &self,
        task: &DeliveryTask,
        occasion: Occasion,
        mut decision: BeforeAttempt,
        started_at: Timestamp,
    ) -> Result<Prepared, HandleError> {
        let mut retries = Retries::after(SECRET_PAUSES);
        // The first try is on what was read for the whole batch.
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
            // A payload that is not stored could not be read again.
            if !ready.is_stored || !retries.next().await {
                return Err(HandleError::SecretMissing);
            }
            let now = self.clock.now();
            let context = self.stores.table.attempt_context(task, now).await?;
            decision = before_attempt(task, occasion, context);
        }
    }

    /// Does what there is to do about an attempt that is not made.
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
                let told = self.tell_all(notices).await;
                self.release_if_ended(&task).await?;
                told
            }
            BeforeAttempt::Abandon(reason) => Ok(self.abandon(&task, reason).await?),
            BeforeAttempt::Move => {
                let moved = (Message::Delivery(task), Duration::ZERO);
                Ok(self.stores.queues.send_all(Lane::Slow, [moved]).await?)
            }
            BeforeAttempt::Wait(endpoint) => Ok(self.wait(&task, &endpoint).await?),
        }
    }

    /// Signs and posts. An attempt that takes too long is noted while it is still
    /// under way.
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
        // A ping has no second attempt.
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
        // Not at higher levels, where the line is for the metrics alone.
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

/// What the log tells of an attempt. An event that is delivered at the first attempt is
/// the rule, and every byte of its line is paid for, so the line has nothing that goes
/// without saying.
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
