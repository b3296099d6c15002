//! The delivery policy: whether an attempt is made, and what follows for the delivery and
//! its endpoint. Pure functions, so the tests can state the whole policy as tables.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;

use super::delivery::{Abandoned, Answer, Attempt, Delivery, DeliveryStatus, Verdict};
use super::endpoint::Endpoint;
use super::event::{StoredEvent, StoredPayload};
use super::health::{Change, HealthPolicy, Kind, State};
use super::message::{DeliveryTask, Lane, MAX_DELAY, Source};
use super::notice::Notice;
use super::retry::{MAX_WAIT, RetrySchedule};

/// The state that is read before an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptContext {
    /// The current endpoint. `None` if it was deleted.
    pub endpoint: Option<Endpoint>,
    /// The recorded delivery. `None` before its first record.
    pub delivery: Option<Delivery>,
    /// The stored event. `None` for test pings, and if it expired.
    pub event: Option<StoredEvent>,
}

/// What triggered an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A message on this lane.
    Lane(Lane),
    /// A probe of a paused endpoint.
    Probe,
}

/// The decision before an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeforeAttempt {
    /// Make the attempt.
    Send(Box<ReadyAttempt>),
    /// Do nothing: the attempt was made before, or the delivery has ended. The notices are
    /// sent again, because the message may have come back after it failed to send them.
    AlreadyMade(Vec<Notice>),
    /// End the delivery without an attempt.
    Abandon(Abandoned),
    /// Move the message to the slow lane: the fast lane is only for endpoints that are well.
    Move,
    /// Record that the delivery waits for its paused endpoint.
    Wait(Box<Endpoint>),
}

/// Everything that an attempt needs, except the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyAttempt {
    /// The endpoint to send to.
    pub endpoint: Endpoint,
    /// The delivery before this attempt.
    pub delivery: Delivery,
    /// The payload in the standard form, byte for byte.
    pub payload: String,
    /// Whether the payload is stored for this endpoint, so that later attempts find it.
    pub is_stored: bool,
}

/// Decides whether to make the attempt that `task` asks for. The order of the checks is part
/// of the policy: the first one that applies decides.
#[must_use]
pub fn before_attempt(
    task: &DeliveryTask,
    occasion: Occasion,
    found: AttemptContext,
) -> BeforeAttempt {
    // First of all, so that a message that SQS delivers twice never repeats a recorded attempt.
    let delivery = found.delivery.unwrap_or_else(|| task.delivery());
    if delivery.attempts >= task.attempt || delivery.status != DeliveryStatus::Pending {
        return BeforeAttempt::AlreadyMade(notices_of(task, &delivery, found.endpoint.as_ref()));
    }
    let Some(endpoint) = found.endpoint else {
        return BeforeAttempt::Abandon(Abandoned::EndpointDeleted);
    };
    // Before the checks that make a delivery wait: nothing would be left to send afterwards.
    let event = found.event.as_ref();
    if event.is_some_and(|event| event.payload.deleted_at().is_some()) {
        return BeforeAttempt::Abandon(Abandoned::PayloadDeleted);
    }
    let is_event = matches!(task.source, Source::Event(_));
    if is_event && !endpoint.active {
        return BeforeAttempt::Abandon(Abandoned::EndpointInactive);
    }
    match (endpoint.health.state(), occasion) {
        // Probes are exempt, because they exist to find out whether the endpoint works again.
        (State::Well, _) | (_, Occasion::Probe) => {}
        (_, Occasion::Lane(Lane::Fast)) => return BeforeAttempt::Move,
        (State::Paused, Occasion::Lane(Lane::Slow)) if is_event && !task.resend => {
            return BeforeAttempt::Wait(Box::new(endpoint));
        }
        (_, Occasion::Lane(Lane::Slow)) => {}
    }
    let is_stored = event.is_none_or(|event| event.keeps_for(endpoint.key.endpoint_id));
    let payload = match &task.source {
        Source::Ping { payload, .. } => payload.clone(),
        Source::Event(_) => match found.event.map(|event| event.payload) {
            Some(StoredPayload::Kept(payload)) => payload,
            Some(StoredPayload::Deleted(_) | StoredPayload::NotKept) => {
                return BeforeAttempt::Abandon(Abandoned::PayloadDeleted);
            }
            None => return BeforeAttempt::Abandon(Abandoned::PayloadExpired),
        },
    };
    BeforeAttempt::Send(Box::new(ReadyAttempt {
        endpoint,
        delivery,
        payload,
        is_stored,
    }))
}

/// The notices that an attempt led to, for an attempt that was made before.
fn notices_of(
    task: &DeliveryTask,
    delivery: &Delivery,
    endpoint: Option<&Endpoint>,
) -> Vec<Notice> {
    let transitions = endpoint.map(|endpoint| {
        Notice::of_transitions(endpoint, |transition| transition.by == task.delivery_id)
    });
    let was_last = delivery.attempts == task.attempt;
    let exhausted = was_last.then(|| Notice::of_exhausted(delivery, endpoint));
    let transitions = transitions.into_iter().flatten();
    transitions.chain(exhausted.flatten()).collect()
}

/// The configurable part of the policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The waits between attempts.
    pub schedule: RetrySchedule,
    /// When an endpoint counts as slow, is paused and is disabled.
    pub health: HealthPolicy,
}

/// The decision after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterAttempt {
    /// The delivery after the attempt.
    pub delivery: Delivery,
    /// Where the next attempt waits.
    pub next: Next,
    /// The change to the endpoint's health.
    pub endpoint: Change,
}

impl AfterAttempt {
    /// Whether there is a next attempt.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.next != Next::Done
    }
}

/// Where the next attempt waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is none: the delivery has ended.
    Done,
    /// In the queue, as a message with this delay of at most [`MAX_DELAY`].
    Queue(Duration),
    /// In the table, until this time. SQS can't delay a message for that long.
    Schedule(Timestamp),
    /// Where it waited before. The attempt was a failed probe, which uses up none of the
    /// delivery's attempts and is not recorded.
    StillWaits,
}

/// Decides what follows from `attempt`, which was made for `task` with `before`.
#[must_use]
pub fn after_attempt(
    policy: &Policy,
    task: &DeliveryTask,
    occasion: Occasion,
    before: &ReadyAttempt,
    attempt: &Attempt,
    rng: &mut impl Rng,
) -> AfterAttempt {
    let kind = match (&task.source, occasion) {
        (Source::Ping { .. }, _) => Kind::Ping,
        (Source::Event(_), Occasion::Probe) => Kind::Probe,
        (Source::Event(_), Occasion::Lane(_)) => Kind::Delivery,
    };
    let endpoint = before
        .endpoint
        .health
        .after(&policy.health, kind, attempt, rng);
    if kind == Kind::Probe && !attempt.verdict.is_success() {
        return AfterAttempt {
            delivery: before.delivery.clone(),
            next: Next::StillWaits,
            endpoint,
        };
    }
    // Changing the URL or activating the endpoint clears its health, but not the log of what
    // the operator was told. If the last notice was bad news, a success has to be reported as
    // a recovery even though the health stays the same, so this forces a write.
    let recovery_unreported =
        before.endpoint.transitions.end_in_trouble() && before.endpoint.active;
    let endpoint = match endpoint {
        Change::Unchanged
            if recovery_unreported && kind != Kind::Ping && attempt.verdict.is_success() =>
        {
            Change::Health(before.endpoint.health)
        }
        change => change,
    };
    let wait = match kind {
        Kind::Ping => None,
        Kind::Delivery | Kind::Probe => wait_after(&policy.schedule, attempt, rng),
    };
    // Counted from the end of the attempt, because the delay of the next message begins when
    // it is sent. So a receiver that took until the timeout gets the full wait too.
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

/// How long to wait before the next attempt. `None` if there is none: this attempt
/// succeeded, was the last one, or got a 410, which is final.
fn wait_after(schedule: &RetrySchedule, attempt: &Attempt, rng: &mut impl Rng) -> Option<Duration> {
    let asked = match &attempt.verdict {
        verdict if verdict.is_success() => return None,
        Verdict::Answered(Answer { status: 410, .. }) => return None,
        Verdict::Answered(answer) => answer.retry_after.unwrap_or_default(),
        // Even a refused address is retried, because a wrong DNS answer may be temporary.
        Verdict::Failed(_) => Duration::ZERO,
    };
    let wait = schedule.wait_after(attempt.number, rng)?;
    // The limit applies only to the receiver's `Retry-After`. Jitter may take the schedule's
    // own wait beyond a day.
    Some(wait.max(asked.min(MAX_WAIT)))
}

#[cfg(test)]
mod tests;
