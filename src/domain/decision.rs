//! What follows from what: whether an attempt is made, and what becomes of the
//! delivery and its endpoint afterwards. Pure, so that the whole policy is one
//! table of tests.

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

/// What brings an attempt about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A message of this lane.
    Lane(Lane),
    /// The probe of a paused endpoint.
    Probe,
}

/// Whether to make an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeforeAttempt {
    /// Make it.
    Send(Box<ReadyAttempt>),
    /// Don't: it was made before, or the delivery has ended. But tell what followed from
    /// it, because that may be what its message came back for.
    AlreadyMade(Vec<Notice>),
    /// Don't, and end the delivery.
    Abandon(Abandoned),
    /// Not here: the endpoint is in worse health than the fast lane is for.
    Move,
    /// Not now: the endpoint is paused.
    Wait(Box<Endpoint>),
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
    /// Whether the payload is stored for this endpoint.
    pub is_stored: bool,
}

/// Decides whether to make the attempt that `task` asks for.
#[must_use]
pub fn before_attempt(
    task: &DeliveryTask,
    occasion: Occasion,
    found: AttemptContext,
) -> BeforeAttempt {
    let delivery = found.delivery.unwrap_or_else(|| task.delivery());
    if delivery.attempts >= task.attempt || delivery.status != DeliveryStatus::Pending {
        return BeforeAttempt::AlreadyMade(told_of(task, &delivery, found.endpoint.as_ref()));
    }
    let Some(endpoint) = found.endpoint else {
        return BeforeAttempt::Abandon(Abandoned::EndpointDeleted);
    };
    // Before anything that would have it wait.
    let event = found.event.as_ref();
    if event.is_some_and(|event| event.payload.deleted_at().is_some()) {
        return BeforeAttempt::Abandon(Abandoned::PayloadDeleted);
    }
    let is_event = matches!(task.source, Source::Event(_));
    if is_event && !endpoint.active {
        return BeforeAttempt::Abandon(Abandoned::EndpointInactive);
    }
    match (endpoint.health.state(), occasion) {
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

/// The notices that followed from an attempt which was made before.
fn told_of(task: &DeliveryTask, delivery: &Delivery, endpoint: Option<&Endpoint>) -> Vec<Notice> {
    let transitions = endpoint.map(|endpoint| {
        Notice::of_transitions(endpoint, |transition| transition.by == task.delivery_id)
    });
    let was_last = delivery.attempts == task.attempt;
    let exhausted = was_last.then(|| Notice::of_exhausted(delivery, endpoint));
    let transitions = transitions.into_iter().flatten();
    transitions.chain(exhausted.flatten()).collect()
}

/// What an operator can choose of the policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The waits between attempts.
    pub schedule: RetrySchedule,
    /// When an endpoint counts as slow, is paused, and is disabled.
    pub health: HealthPolicy,
}

/// What follows from an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterAttempt {
    /// The delivery after the attempt.
    pub delivery: Delivery,
    /// Where the next attempt waits.
    pub next: Next,
    /// What changes for the endpoint.
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
    /// Nowhere: the delivery has ended.
    Done,
    /// In the queue, as a message with this delay.
    Queue(Duration),
    /// In the table, until this time: longer than a queue can delay a message.
    Schedule(Timestamp),
    /// Where it waited before: this was a probe that failed, which uses up none of
    /// the delivery's attempts and is not recorded.
    StillWaits,
}

/// Decides what follows from `attempt`, which was made for `task` on what
/// `before` holds.
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
    // A change of the URL or an activation has cleared its health since its trouble was
    // told. That it works is told as well.
    let is_news = before.endpoint.transitions.end_in_trouble() && before.endpoint.active;
    let endpoint = match endpoint {
        Change::Unchanged if is_news && kind != Kind::Ping && attempt.verdict.is_success() => {
            Change::Health(before.endpoint.health)
        }
        change => change,
    };
    let wait = match kind {
        Kind::Ping => None,
        Kind::Delivery | Kind::Probe => wait_after(&policy.schedule, attempt, rng),
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
        Verdict::Answered(Answer { status: 410, .. }) => return None,
        Verdict::Answered(answer) => answer.retry_after.unwrap_or_default(),
        // A refused address included: DNS can be wrong for a minute.
        Verdict::Failed(_) => Duration::ZERO,
    };
    let wait = schedule.wait_after(attempt.number, rng)?;
    // Jitter may take the schedule's longest wait beyond a day: the limit is for
    // what a receiver asks for.
    Some(wait.max(asked.min(MAX_WAIT)))
}

#[cfg(test)]
mod tests;
