//! Events as they are published and as they are stored, and the body that receivers get.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::audience::Audience;
use super::event_type::EventType;
use super::id::{AppId, EndpointId, EventId, Issued};

/// An event as it is on the queue, published by the API or by another AWS service.
#[derive(Debug, Clone)]
pub struct PublishedEvent {
    /// The app whose endpoints get the event.
    pub app_id: AppId,
    /// Defaults to the id of the queue message.
    pub id: Option<EventId>,
    /// The type that endpoints subscribe to.
    pub r#type: EventType,
    /// When the event happened. Defaults to when the queue message was sent.
    pub timestamp: Option<Timestamp>,
    /// Any JSON, kept byte for byte.
    pub data: Box<RawValue>,
    /// Restricts the event to some of the endpoints that subscribe to its type.
    pub audience: Audience,
    /// Whether to keep the payload for as long as the event. Otherwise it is kept only until
    /// its attempts end, and answers are not kept.
    pub store_payload: bool,
}

impl PublishedEvent {
    /// The body that receivers get. An event without a timestamp gets `sent_at`.
    ///
    /// # Errors
    /// Never in practice: every part of an event is representable in JSON.
    pub fn payload(&self, sent_at: Timestamp) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Payload {
            r#type: self.r#type.as_str(),
            timestamp: self.timestamp.unwrap_or(sent_at),
            data: &*self.data,
        })
    }

    /// This event with an explicit id and timestamp in place of the defaults.
    #[must_use]
    pub fn named(self, id: EventId, sent_at: Option<Timestamp>) -> Self {
        Self {
            id: Some(id),
            timestamp: self.timestamp.or(sent_at),
            ..self
        }
    }

    /// Whether another event may be published under the same id, with the same idempotency
    /// key or in a queue message that names the id.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        // An event without an id gets that of its message, which no other message has.
        let once = |id: EventId| matches!(id.issued(self.app_id), Some(Issued::Once(_)));
        self.id.is_some_and(|id| !once(id))
    }
}

/// Maximum nesting depth of an event's data.
pub const MAX_NESTING: usize = 128;

/// Maximum size of the body that receivers get, in bytes. A DynamoDB item can have 400 KiB,
/// and the other attributes of an event need less than one.
pub const MAX_PAYLOAD_BYTES: usize = 399 * 1024;

/// How many bytes a payload has beside the event's type and data.
pub const PAYLOAD_FRAME: usize =
    r#"{"type":"","timestamp":"2026-01-31T09:30:00.000Z","data":}"#.len();

/// Whether an event fits into an item of the table.
#[must_use]
pub fn is_storable(event: &PublishedEvent) -> bool {
    let own = event.r#type.as_str().len() + event.data.get().len();
    PAYLOAD_FRAME + own <= MAX_PAYLOAD_BYTES
}

/// The payload for an event type, a time and data, which is valid JSON.
#[must_use]
pub fn payload_of(r#type: &EventType, timestamp: Timestamp, data: &str) -> String {
    let timestamp = super::time::iso_millis(timestamp);
    format!(
        r#"{{"type":"{}","timestamp":"{timestamp}","data":{data}}}"#,
        r#type.as_str()
    )
}

/// Splits a payload into its time and data without parsing the data. `None` unless
/// [`payload_of`] yields exactly this payload for them.
#[must_use]
pub fn split_payload<'a>(r#type: &EventType, payload: &'a str) -> Option<(Timestamp, &'a str)> {
    let rest = payload.strip_prefix(r#"{"type":""#)?;
    let rest = rest.strip_prefix(r#type.as_str())?;
    let rest = rest.strip_prefix(r#"","timestamp":""#)?;
    // The first occurrence is the frame's: a timestamp has no quotes.
    let (timestamp, data) = rest.split_once(r#"","data":"#)?;
    let data = data.strip_suffix('}')?;
    let at = super::time::parse(timestamp).ok()?;
    (super::time::iso_millis(at) == timestamp).then_some((at, data))
}

/// What is stored under an event's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventRecord {
    /// An event.
    Event(StoredEvent),
    /// The app deleted the event at this time, before it was fanned out. No endpoint gets it.
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

    /// When the app deleted the payload.
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
    /// The app deleted it at this time. Attempts end their deliveries.
    Deleted(Timestamp),
    /// It was published with `storePayload: false`, and no attempt needs it any more.
    NotKept,
}

impl StoredPayload {
    /// The payload, if it is kept.
    #[must_use]
    pub fn kept(&self) -> Option<&str> {
        match self {
            Self::Kept(payload) => Some(payload),
            Self::Deleted(_) | Self::NotKept => None,
        }
    }

    /// When the app deleted it.
    #[must_use]
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Kept(_) | Self::NotKept => None,
            Self::Deleted(at) => Some(*at),
        }
    }
}

/// How long after the deletion of a payload an attempt may still be recorded that had read it
/// before. A function runs for at most 60 s, and the rest allows for clocks that differ.
pub const UNDER_WAY: Duration = Duration::from_secs(90);

/// An event as it is stored, once for all its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The type of the first event under this id. Repeats count as this event, whatever their
    /// own type is.
    pub r#type: EventType,
    /// When the first event under this id was accepted.
    pub accepted_at: Timestamp,
    /// When it expires, together with its deliveries.
    pub expires_at: Timestamp,
    /// The body that receivers get.
    pub payload: StoredPayload,
    /// The endpoints whose attempts still need the payload. It is removed with the last of
    /// them. `None` if the payload is kept for as long as the event.
    pub kept_for: Option<Vec<EndpointId>>,
    /// The audience of the first event under this id, which applies to repeats too.
    pub audience: Audience,
    /// The fan-out that stored the event, or has taken over since.
    pub fan_out: FanOut,
}

impl StoredEvent {
    /// The event's data as JSON, if the payload is kept.
    #[must_use]
    pub fn own_data(&self) -> Option<&str> {
        // The rest of the payload ends with the brace of the frame.
        let data = self.data()?;
        Some(data.strip_suffix('}').unwrap_or(data))
    }

    /// Whether the payload is kept for this endpoint's attempts, unless the app deletes it.
    #[must_use]
    pub fn keeps_for(&self, endpoint: EndpointId) -> bool {
        let kept_for = self.kept_for.as_ref();
        kept_for.is_none_or(|endpoints| endpoints.contains(&endpoint))
    }

    /// The payload from its data to its end, if it is kept, for comparing repeats. The part
    /// before it has the timestamp, which differs for every request without one of its own.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        let payload = self.payload.kept()?;
        // The first occurrence is the frame's: neither a type nor a timestamp has quotes.
        let found = payload.split_once(r#"","data":"#);
        Some(found.map_or(payload, |(_, data)| data))
    }
}

/// How long a message may take to fan an event out before another one may take over. A
/// function runs for at most 60 s, and the rest allows for clocks that differ.
pub const FAN_OUT_LEASE: Duration = Duration::from_secs(90);

/// A fan-out that has begun. The message that began it normally completes it; if it fails,
/// SQS delivers that message again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// The SQS id of the message that does it. Empty if it has none.
    pub by: String,
    /// When the fan-out began.
    pub since: Timestamp,
}

impl FanOut {
    /// How long a message has to wait before it may take over this fan-out. Zero if the message
    /// that began it is among those that came `back` after a failure: then no other function
    /// is working on it. Otherwise, the rest of the lease.
    #[must_use]
    pub fn wait(&self, back: &[String], lease: Duration, now: Timestamp) -> Duration {
        if back.contains(&self.by) {
            return Duration::ZERO;
        }
        // Zero once the lease is over, because the difference is negative then.
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
    fn other_messages_wait_for_the_lease_of_a_fan_out() {
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
            // A clock that is behind.
            ("a", &["b"], 990, 100),
            ("", &[], 1000, 90),
        ] {
            let back: Vec<_> = back.iter().map(|&id| id.to_owned()).collect();
            let wait = begun(by).wait(&back, lease, at(now));
            assert_eq!(wait.as_secs(), seconds, "{by:?} {back:?} {now}");
        }
    }
}
