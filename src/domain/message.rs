//! The messages of the delivery queues, as JSON. They never contain secrets.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::delivery::Delivery;
use super::endpoint::EndpointKey;
use super::event::PublishedEvent;
use super::event_type::EventType;
use super::id::{AppId, DeliveryId, EventId};
pub use super::replay::{Recovery, Replay};
use super::unreadable::{Flaw, Unreadable, parse};

/// The longest delay that SQS accepts for a message.
pub const MAX_DELAY: Duration = Duration::from_secs(15 * 60);

/// The two queues of the delivery function. Each has its own concurrency limit, so attempts
/// that hang on slow receivers can't take the slots of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Events, and first attempts and test pings to endpoints that are well.
    Fast,
    /// Everything else: attempts at slow and failing endpoints, retries, recoveries, replays,
    /// and deliveries that waited during a pause.
    Slow,
}

/// A message of the delivery queues. Its JSON field `kind` names the variant.
#[derive(Debug, Clone)]
pub enum Message {
    /// Deliver an event to every endpoint that subscribes to it. The kind is `event`, or
    /// `notice` for the service's own events: an `event` of the reserved app is rejected, so
    /// other publishers can't imitate the service by naming that app.
    Event(PublishedEvent),
    /// Make one attempt at a delivery.
    Delivery(DeliveryTask),
    /// Resend the failed deliveries of a time range.
    Recover(Recovery),
    /// Send events that an endpoint never got.
    Replay(Replay),
    /// Probe, send or end the deliveries that wait for an endpoint.
    Tend(Tend),
    /// Continue the deletion of an app.
    DeleteApp(AppDeletion),
    /// Erase answers that attempts recorded after their event's payload was deleted.
    Erase(Erasure),
    /// Enqueue the scheduled attempts that are due soon.
    Sweep,
}

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryTask {
    /// The endpoint to send to.
    #[serde(flatten)]
    pub endpoint: EndpointKey,
    /// The delivery whose history records the attempt.
    pub delivery_id: DeliveryId,
    /// What to send.
    pub source: Source,
    /// The type of the event.
    pub event: EventType,
    /// When the delivery was accepted.
    #[serde(with = "super::time::serde_millis")]
    pub created_at: Timestamp,
    /// When the delivery expires.
    #[serde(with = "super::time::serde_millis")]
    pub expires_at: Timestamp,
    /// The number of this attempt: 1 for the first.
    pub attempt: u32,
    /// Whether a caller asked for this attempt. It is then made even if the endpoint is
    /// paused, and not behind deliveries that wait for their turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resend: bool,
    /// Whether this attempt has taken its turn at a rate-limited endpoint, and waited for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_turn: bool,
    /// Whether the endpoint could not be decoded when its event was fanned out. Before the
    /// attempt, it has to be found out whether the event is for the endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub if_owed: bool,
    /// Whether the payload is kept only until its attempts end, and answers are not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

/// Where the body of a delivery comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A stored event. Failed attempts are retried, and affect the endpoint's health.
    Event(EventId),
    /// A test ping, which carries its body in the message. It gets one attempt, and goes to
    /// inactive and paused endpoints too. A failure does not affect the endpoint's health.
    Ping {
        /// Sent as `webhook-id`. Stays the same when the ping is resent.
        id: EventId,
        /// The body to send, byte for byte.
        payload: String,
    },
}

impl Source {
    /// The event's id, sent as `webhook-id`.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        match self {
            Self::Event(id) | Self::Ping { id, .. } => *id,
        }
    }
}

impl DeliveryTask {
    /// The delivery as it is before its first attempt.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let accepted = Delivery::accepted(
            self.delivery_id,
            self.endpoint,
            self.source.event_id(),
            self.event.clone(),
            self.created_at,
            self.expires_at,
        );
        Delivery {
            is_ping: matches!(self.source, Source::Ping { .. }),
            ephemeral: self.ephemeral,
            ..accepted
        }
    }

    /// Whether this delivery repeats an earlier one of the same event to the same endpoint,
    /// on behalf of a resend or a recovery. The first delivery's id follows from the event,
    /// so any other id belongs to a repeat.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        let Source::Event(id) = self.source else {
            return false;
        };
        let first = DeliveryId::of_event(self.created_at, id, self.endpoint.endpoint_id);
        self.delivery_id != first
    }

    /// The attempt after this one.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            resend: false,
            has_turn: false,
            if_owed: false,
            ..self.clone()
        }
    }
}

/// One step for the deliveries that wait for an endpoint. While the endpoint is paused, it is
/// a probe. Once the endpoint works again, it sends some of them. Once the endpoint is
/// inactive or deleted, it ends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tend {
    /// The endpoint that the deliveries wait for.
    #[serde(flatten)]
    pub endpoint: EndpointKey,
    /// The time of the endpoint's [`Place`](super::endpoint::Place) when this message was
    /// sent. If the place has moved since, another message is taking care of the endpoint and
    /// this one does nothing. Absent: the step runs wherever the place is, unless one of its
    /// kind is under way.
    #[serde(
        with = "super::time::serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub due_at: Option<Timestamp>,
    /// Continue after this delivery. Absent: begin with the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeliveryId>,
    /// Whether this is the last look for stragglers. If nothing waits, the chain of steps ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

impl Tend {
    /// A step that is not tied to the endpoint's place in the schedule.
    #[must_use]
    pub fn now(endpoint: EndpointKey) -> Self {
        Self {
            endpoint,
            due_at: None,
            after: None,
            last: false,
        }
    }
}

/// Continues the deletion of an app that is marked as deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppDeletion {
    /// The app to delete.
    pub app_id: AppId,
}

/// Erases the remaining answers to an event whose payload was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// The app that published the event.
    pub app_id: AppId,
    /// The event whose payload was deleted.
    pub event_id: EventId,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
    /// Present in events of EventBridge, for a helpful error.
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
}

impl Message {
    /// Parses a message.
    ///
    /// # Errors
    /// [`Unreadable`], which quotes nothing of the message.
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        // In two passes, the first for `kind` alone. Serde's tagged enums buffer the fields,
        // which loses the exact bytes of an event's data.
        let found: Kind = parse(text)?;
        match found.kind.as_deref() {
            Some("event") => PublishedEvent::from_json(text)?
                .by_others()
                .map(Self::Event),
            Some("notice") => PublishedEvent::from_json(text)?
                .by_service()
                .map(Self::Event),
            Some("delivery") => parse(text).map(Self::Delivery),
            Some("recover") => parse(text).map(Self::Recover),
            Some("replay") => parse(text).map(Self::Replay),
            Some("tend") => parse(text).map(Self::Tend),
            Some("deleteApp") => parse(text).map(Self::DeleteApp),
            Some("erase") => parse(text).map(Self::Erase),
            Some("sweep") => Ok(Self::Sweep),
            Some(_) => Err(Unreadable::new(Flaw::Kind, "unknown kind")),
            // A common mistake in setting up an EventBridge rule.
            None if found.detail_type.is_some() => Err(Unreadable::new(
                Flaw::Kind,
                "it has no kind; an event of EventBridge needs an input transformer",
            )),
            None => Err(Unreadable::new(Flaw::Kind, "it has no kind")),
        }
    }

    /// The message group: the endpoint, or the app if no endpoint is known yet. A fair queue
    /// serves its groups in turn, so a backlog of one group does not delay the others.
    #[must_use]
    pub fn group(&self) -> String {
        match self {
            Self::Event(event) => event.app_id.to_string(),
            Self::Delivery(task) => task.endpoint.endpoint_id.to_string(),
            Self::Recover(recovery) => recovery.endpoint.endpoint_id.to_string(),
            Self::Replay(replay) => replay.endpoint.endpoint_id.to_string(),
            Self::Tend(tend) => tend.endpoint.endpoint_id.to_string(),
            Self::DeleteApp(deletion) => deletion.app_id.to_string(),
            Self::Erase(erasure) => erasure.app_id.to_string(),
            Self::Sweep => "sweep".to_owned(),
        }
    }

    /// Serializes a message.
    ///
    /// # Errors
    /// Never in practice: every part of a message is representable in JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Event(body) if body.app_id.is_operational() => tagged("notice", body),
            Self::Event(body) => tagged("event", body),
            Self::Delivery(body) => tagged("delivery", body),
            Self::Recover(body) => tagged("recover", body),
            Self::Replay(body) => tagged("replay", body),
            Self::Tend(body) => tagged("tend", body),
            Self::DeleteApp(body) => tagged("deleteApp", body),
            Self::Erase(body) => tagged("erase", body),
            Self::Sweep => tagged("sweep", &serde_json::Map::new()),
        }
    }
}

fn tagged(kind: &'static str, body: &impl Serialize) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        kind: &'static str,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_string(&Tagged { kind, body })
}

#[cfg(test)]
mod tests;
