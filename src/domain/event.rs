//! Events: as the API or another AWS service publishes them, as they are stored,
//! and the body that receivers get.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::audience::Audience;
use super::event_type::EventType;
use super::id::{AppId, EndpointId, EventId, Issued};

/// An event, as the API or another AWS service puts it on the queue.
#[derive(Debug, Clone)]
pub struct PublishedEvent {
    /// The app that published it.
    pub app_id: AppId,
    /// Its id. Defaults to the id of the queue message.
    pub id: Option<EventId>,
    /// Its type.
    pub r#type: EventType,
    /// When it happened. Defaults to when the message was sent.
    pub timestamp: Option<Timestamp>,
    /// Any JSON, kept byte for byte.
    pub data: Box<RawValue>,
    /// Which of the endpoints that subscribe to its type it is for.
    pub audience: Audience,
    /// Whether to keep the payload for as long as the event. Otherwise it is kept for its
    /// attempts only, and no answers are.
    pub store_payload: bool,
}

impl PublishedEvent {
    /// The body that receivers get.
    ///
    /// # Errors
    /// Never in practice: every part of an event can be written as JSON.
    pub fn payload(&self, sent_at: Timestamp) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Payload {
            r#type: self.r#type.as_str(),
            timestamp: self.timestamp.unwrap_or(sent_at),
            data: &*self.data,
        })
    }

    /// This event with an id, and a timestamp, of its own.
    #[must_use]
    pub fn named(self, id: EventId, sent_at: Option<Timestamp>) -> Self {
        Self {
            id: Some(id),
            timestamp: self.timestamp.or(sent_at),
            ..self
        }
    }

    /// Whether somebody may publish another event under the same id: with the same
    /// idempotency key, or by another message of the queue with this id.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        let once = |id: EventId| matches!(id.issued(self.app_id), Some(Issued::Once(_)));
        self.id.is_some_and(|id| !once(id))
    }
}

/// How deep the data of an event may be nested.
pub const MAX_NESTING: usize = 128;

/// The longest body that receivers get, in bytes: an item of the table takes 400 KiB
/// (DynamoDB quota), of which the rest of the event needs less than one.
pub const MAX_PAYLOAD_BYTES: usize = 399 * 1024;

/// What a payload has beside the event's type and data.
pub const PAYLOAD_FRAME: usize =
    r#"{"type":"","timestamp":"2026-01-31T09:30:00.000Z","data":}"#.len();

/// Whether an event can be stored.
#[must_use]
pub fn is_storable(event: &PublishedEvent) -> bool {
    let own = event.r#type.as_str().len() + event.data.get().len();
    PAYLOAD_FRAME + own <= MAX_PAYLOAD_BYTES
}

/// The payload of this type, time and data.
#[must_use]
pub fn payload_of(r#type: &EventType, timestamp: Timestamp, data: &str) -> String {
    let timestamp = super::time::iso_millis(timestamp);
    format!(
        r#"{{"type":"{}","timestamp":"{timestamp}","data":{data}}}"#,
        r#type.as_str()
    )
}

/// The time and data of a payload, if [`payload_of`] yields exactly this payload for them.
#[must_use]
pub fn split_payload<'a>(r#type: &EventType, payload: &'a str) -> Option<(Timestamp, &'a str)> {
    let rest = payload.strip_prefix(r#"{"type":""#)?;
    let rest = rest.strip_prefix(r#type.as_str())?;
    let rest = rest.strip_prefix(r#"","timestamp":""#)?;
    let (timestamp, data) = rest.split_once(r#"","data":"#)?;
    let data = data.strip_suffix('}')?;
    let at = super::time::parse(timestamp).ok()?;
    (super::time::iso_millis(at) == timestamp).then_some((at, data))
}

/// What is stored under an event's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventRecord {
    /// An event that endpoints get, or got.
    Event(StoredEvent),
    /// The app deleted the event at this time, before any endpoint got it. None will.
    Withdrawn(Timestamp),
}

impl EventRecord {
    /// The event, unless it was withdrawn.
    #[must_use]
    pub fn event(self) -> Option<StoredEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Withdrawn(_) => None,
        }
    }

    /// When the app had the payload deleted, if it did.
    #[must_use]
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Event(event) => event.payload.deleted_at(),
            Self::Withdrawn(at) => Some(*at),
        }
    }
}

/// The payload of a stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredPayload {
    /// The body that receivers get, byte for byte.
    Kept(String),
    /// It was deleted at this time. Nothing is sent any more.
    Deleted(Timestamp),
    /// No attempt needs it, and it is not to be kept otherwise.
    NotKept,
}

impl StoredPayload {
    /// The payload, if it is still there.
    #[must_use]
    pub fn kept(&self) -> Option<&str> {
        match self {
            Self::Kept(payload) => Some(payload),
            Self::Deleted(_) | Self::NotKept => None,
        }
    }

    /// When it was deleted, if it was.
    #[must_use]
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Kept(_) | Self::NotKept => None,
            Self::Deleted(at) => Some(*at),
        }
    }
}

/// How long after a payload was deleted an attempt may still be under way that read it
/// before, and be recorded: longer than a function can run (60 s), by any clock.
pub const UNDER_WAY: Duration = Duration::from_secs(90);

/// An event as it is stored, once for all of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its type. Whatever is published later under the same id counts as this event,
    /// so it goes to those that subscribe to this type.
    pub r#type: EventType,
    /// When it was accepted. If it was published more than once under the same
    /// id, when it was accepted first.
    pub accepted_at: Timestamp,
    /// When it expires, together with its deliveries.
    pub expires_at: Timestamp,
    /// The body that receivers get, as long as it is kept.
    pub payload: StoredPayload,
    /// The endpoints whose attempts the payload is kept for. `None` if it is kept for as
    /// long as the event.
    pub kept_for: Option<Vec<EndpointId>>,
    /// Which endpoints it is for. Whatever is published later under the same id goes to
    /// these.
    pub audience: Audience,
    /// The fan-out that has begun.
    pub fan_out: FanOut,
}

impl StoredEvent {
    /// Its data, as JSON, if it is kept.
    #[must_use]
    pub fn own_data(&self) -> Option<&str> {
        let data = self.data()?;
        Some(data.strip_suffix('}').unwrap_or(data))
    }

    /// Whether attempts at this endpoint find the payload stored, unless it was deleted.
    #[must_use]
    pub fn keeps_for(&self, endpoint: EndpointId) -> bool {
        let kept_for = self.kept_for.as_ref();
        kept_for.is_none_or(|endpoints| endpoints.contains(&endpoint))
    }

    /// The payload from its data on, if it is kept. What is before may differ in the
    /// timestamp, which each request that repeats an event has of its own.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        let payload = self.payload.kept()?;
        // No type and no timestamp has a quote.
        let found = payload.split_once(r#"","data":"#);
        Some(found.map_or(payload, |(_, data)| data))
    }
}

/// How long a message has to fan an event out before another one may do it: longer
/// than a function can run (60 s), by any clock.
pub const FAN_OUT_LEASE: Duration = Duration::from_secs(90);

/// A fan-out of an event that has begun. If nothing breaks it off, it is completed by
/// the message that began it; otherwise that message comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// The queue's id of the message that does it. Empty if it has none.
    pub by: String,
    /// When it began.
    pub since: Timestamp,
}

impl FanOut {
    /// How long a message has to wait before it may take this fan-out over: not at
    /// all if the one that began it is among those that came `back`, since then nobody
    /// else works on it.
    #[must_use]
    pub fn wait(&self, back: &[String], lease: Duration, now: Timestamp) -> Duration {
        if back.contains(&self.by) {
            return Duration::ZERO;
        }
        let until = self.since + lease;
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    }
}

/// The body that a receiver gets (Standard Webhooks, "Payload structure").
#[derive(Serialize)]
pub(super) struct Payload<'a, T: ?Sized> {
    pub(super) r#type: &'a str,
    #[serde(with = "super::time::serde_millis")]
    pub(super) timestamp: Timestamp,
    pub(super) data: &'a T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_messages_wait_for_a_fan_out_until_its_lease_is_over() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let lease = Duration::from_secs(90);
        let begun = |by: &str| FanOut {
            by: by.to_owned(),
            since: at(1000),
        };
        for (by, back, now, seconds) in [
            ("a", &["a"][..], 1000, 0),
            ("a", &["b", "a"], 1001, 0),
            ("a", &["b"], 1000, 90),
            ("a", &["b"], 1060, 30),
            ("a", &["b"], 1090, 0),
            ("a", &["b"], 5000, 0),
            // By a clock that is behind.
            ("a", &["b"], 990, 100),
            ("", &[], 1000, 90),
        ] {
            let back: Vec<_> = back.iter().map(|&id| id.to_owned()).collect();
            let wait = begun(by).wait(&back, lease, at(now));
            assert_eq!(wait.as_secs(), seconds, "{by:?} {back:?} {now}");
        }
    }
}
