//! What follows from what: whether an attempt is made, and what becomes of the
//! delivery and its endpoint afterwards. Pure, so that the whole policy is one
//! table of tests.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;

use super::delivery::{Abandoned, Attempt, Delivery, DeliveryStatus, Failure, Verdict};
use super::endpoint::{DisabledReason, Endpoint};
use super::event::StoredEvent;
use super::message::{DeliveryTask, MAX_DELAY, Source};
use super::retry::{MAX_WAIT, RetrySchedule};

/// What is known before an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptContext {
    /// The endpoint as it is now, unless it was deleted.
    pub endpoint: Option<Endpoint>,
    /// The delivery as it is recorded, if it is.
    pub delivery: Option<Delivery>,
    /// The event, if the task needs one and it has not expired.
    pub event: Option<StoredEvent>,
}

/// Whether to make an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeforeAttempt {
    /// Make it.
    Send(Box<ReadyAttempt>),
    /// Don't: it was made before, or the delivery has ended.
    AlreadyMade,
    /// Don't, and end the delivery.
    Abandon(Abandoned),
}

/// An attempt that has all it needs but the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyAttempt {
    /// Where to send.
    pub endpoint: Endpoint,
    /// The delivery before this attempt.
    pub delivery: Delivery,
    /// What to send, byte for byte.
    pub payload: String,
}

/// Decides whether to make the attempt that `task` asks for.
#[must_use]
pub fn before_attempt(task: &DeliveryTask, found: AttemptContext) -> BeforeAttempt {
    let delivery = found.delivery.unwrap_or_else(|| task.delivery());
    if delivery.attempts >= task.attempt || delivery.status != DeliveryStatus::Pending {
        return BeforeAttempt::AlreadyMade;
    }
    let Some(endpoint) = found.endpoint else {
        return BeforeAttempt::Abandon(Abandoned::EndpointDeleted);
    };
    let payload = match &task.source {
        Source::Ping { payload, .. } => payload.clone(),
        Source::Event(_) if !endpoint.active => {
            return BeforeAttempt::Abandon(Abandoned::EndpointInactive);
        }
        Source::Event(_) => match found.event {
            Some(event) => event.payload,
            None => return BeforeAttempt::Abandon(Abandoned::PayloadExpired),
        },
    };
    BeforeAttempt::Send(Box::new(ReadyAttempt {
        endpoint,
        delivery,
        payload,
    }))
}

/// What an operator can choose of the policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The waits between attempts.
    pub schedule: RetrySchedule,
    /// How long every attempt has to fail before the endpoint is disabled.
    pub disable_after: Duration,
}

/// What follows from an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterAttempt {
    /// The delivery after the attempt.
    pub delivery: Delivery,
    /// Where the next attempt waits.
    pub next: Next,
    /// What changes for the endpoint.
    pub endpoint: EndpointChange,
}

/// Where the next attempt waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nowhere: the delivery has ended.
    Done,
    /// In the queue, as a message with this delay.
    Queue(Duration),
    /// In the table, until this time: longer than a queue can delay a message.
    Schedule(Timestamp),
}

/// What an attempt changes for its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointChange {
    /// Nothing.
    Unchanged,
    /// It failed before, and works again.
    Recovered,
    /// This is the first failure since the last success.
    BeganFailing,
    /// It gets no more deliveries.
    Disable(DisabledReason),
}

/// Decides what follows from `attempt`, which was made for `task` on what
/// `before` holds.
#[must_use]
pub fn after_attempt(
    policy: &Policy,
    task: &DeliveryTask,
    before: &ReadyAttempt,
    attempt: &Attempt,
    rng: &mut impl Rng,
) -> AfterAttempt {
    let (wait, endpoint) = match task.source {
        Source::Ping { .. } => (None, EndpointChange::Unchanged),
        Source::Event(_) => (
            wait_after(&policy.schedule, attempt, rng),
            endpoint_after(policy, &before.endpoint, attempt),
        ),
    };
    // Counted from the end of the attempt, because that is when the message for
    // the next one is sent: a receiver that used up the deadline gets a pause too.
    let retry_at = wait.map(|wait| attempt.ended_at() + wait);
    let next = match wait.zip(retry_at) {
        None => Next::Done,
        Some((wait, _)) if wait <= MAX_DELAY => Next::Queue(wait),
        Some((_, at)) => Next::Schedule(at),
    };
    AfterAttempt {
        delivery: before.delivery.clone().after(attempt, retry_at),
        next,
        endpoint,
    }
}

/// How long to wait before the next attempt. `None` if there is to be none: this
/// one succeeded, it was the last one, or its failure is final.
fn wait_after(schedule: &RetrySchedule, attempt: &Attempt, rng: &mut impl Rng) -> Option<Duration> {
    let asked = match &attempt.verdict {
        verdict if verdict.is_success() => return None,
        Verdict::Answered { status: 410, .. } | Verdict::Failed(Failure::RefusedAddress) => {
            return None;
        }
        Verdict::Answered { retry_after, .. } => retry_after.unwrap_or_default(),
        Verdict::Failed(_) => Duration::ZERO,
    };
    let wait = schedule.wait_after(attempt.number, rng)?;
    // Jitter may take the schedule's longest wait beyond a day: the limit is for
    // what a receiver asks for.
    Some(wait.max(asked.min(MAX_WAIT)))
}

fn endpoint_after(policy: &Policy, endpoint: &Endpoint, attempt: &Attempt) -> EndpointChange {
    match (&attempt.verdict, endpoint.failing_since) {
        (verdict, Some(_)) if verdict.is_success() => EndpointChange::Recovered,
        (verdict, None) if verdict.is_success() => EndpointChange::Unchanged,
        (Verdict::Answered { status: 410, .. }, _) => EndpointChange::Disable(DisabledReason::Gone),
        (_, None) => EndpointChange::BeganFailing,
        (_, Some(since)) if since + policy.disable_after <= attempt.ended_at() => {
            EndpointChange::Disable(DisabledReason::Failing)
        }
        (_, Some(_)) => EndpointChange::Unchanged,
    }
}

#[cfg(test)]
mod tests;
