//! Messages of the delivery queue, as JSON. They never contain secrets.

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

/// Longest delay of a message (SQS quota).
pub const MAX_DELAY: Duration = Duration::from_secs(15 * 60);

/// The two queues of the delivery function. Each has its own concurrency, so that
/// what waits for a slow receiver never holds up the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Events, first attempts and pings of endpoints that are well.
    Fast,
    /// Everything else: attempts at endpoints that are slow or failing, retries,
    /// recoveries, and what waited while an endpoint was paused.
    Slow,
}

/// A message of the delivery queues. The field `kind` names the variant.
#[derive(Debug, Clone)]
pub enum Message {
    /// Deliver an event to every endpoint that subscribes to it. Its kind is `event`, or
    /// `notice` if it is one of the service's own, so that nobody publishes in the
    /// reserved app by naming it.
    Event(PublishedEvent),
    /// Make one attempt at a delivery.
    Delivery(DeliveryTask),
    /// Deliver again what failed in a span of time.
    Recover(Recovery),
    /// Send events that an endpoint never got.
    Replay(Replay),
    /// See to the deliveries that wait for a paused endpoint.
    Tend(Tend),
    /// Go on with the deletion of an app.
    DeleteApp(AppDeletion),
    /// Erase what attempts left that were under way when a payload was deleted.
    Erase(Erasure),
    /// Enqueue the attempts that are due soon.
    Sweep,
}

/// One attempt to make.
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
    /// Whether somebody asked for this very attempt: it is made even while the
    /// endpoint is paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resend: bool,
    /// Whether it waited for its turn at an endpoint that limits its rate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_turn: bool,
    /// Whether the event's payload is kept for its attempts only, and no answers are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

/// Where the body of a delivery comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A stored event. Failed attempts are retried and count for the endpoint's
    /// health.
    Event(EventId),
    /// A test ping, which brings its body along. It gets one attempt, does not
    /// affect the endpoint's health, and goes to inactive endpoints too.
    Ping {
        /// Sent as `webhook-id`; stays the same when the ping is resent.
        id: EventId,
        /// The body to send, byte for byte.
        payload: String,
    },
}

impl Source {
    /// The id that is sent as `webhook-id`.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        match self {
            Self::Event(id) | Self::Ping { id, .. } => *id,
        }
    }
}

impl DeliveryTask {
    /// The delivery before its first attempt.
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

    /// Whether it sends its event to the endpoint once more: it is not the delivery
    /// that the event itself made.
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
            attempt: self.attempt + 1,
            resend: false,
            has_turn: false,
            ..self.clone()
        }
    }
}

/// Sees to the deliveries that wait for an endpoint: while it is paused, by a
/// probe; once it works again, by sending them; once it is inactive or deleted, by
/// ending them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tend {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointKey,
    /// The time of the endpoint's [`Place`](super::endpoint::Place) that this is for:
    /// it does nothing if the endpoint was seen to meanwhile. Absent if it is for
    /// whatever there is to be done.
    #[serde(
        with = "super::time::serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub due_at: Option<Timestamp>,
    /// The last delivery that was seen to. Absent to begin with the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeliveryId>,
    /// Whether it looks for stragglers: if nothing waits by then, nothing will.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

impl Tend {
    /// Sees to whatever there is to be done.
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

/// An app that is marked as deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppDeletion {
    /// The app.
    pub app_id: AppId,
}

/// An event whose payload was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// The app that published it.
    pub app_id: AppId,
    /// The event.
    pub event_id: EventId,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
    /// What an event of EventBridge has.
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        // In two steps, because serde's tagged enums cannot keep a value byte for
        // byte, which the data of an event has to be.
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
            None if found.detail_type.is_some() => Err(Unreadable::new(
                Flaw::Kind,
                "it has no kind; an event of EventBridge needs an input transformer",
            )),
            None => Err(Unreadable::new(Flaw::Kind, "it has no kind")),
        }
    }

    /// Whose message it is. SQS serves the groups of a fair queue in turns, so that
    /// a group with many messages does not delay the others.
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

    /// Writes a message.
    ///
    /// # Errors
    /// Never in practice: every part of a message can be written as JSON.
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
