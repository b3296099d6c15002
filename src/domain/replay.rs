//! Background searches through histories, in chunks of one message each. A recovery resends
//! failed deliveries. A replay sends an endpoint the kept events that it subscribes to and
//! never got.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::endpoint::{Endpoint, EndpointKey};
use super::event::StoredEvent;
use super::event_type::{EventType, Subscriptions};
use super::id::{DeliveryId, EndpointId, EventId};

/// Resends an endpoint's failed deliveries, newest first, as a message of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// Identifies the recovery. The ids of its deliveries are derived from it, so handling a
    /// chunk twice makes the same deliveries.
    pub id: EventId,
    /// The endpoint whose deliveries failed.
    #[serde(flatten)]
    pub endpoint: EndpointKey,
    /// When the recovery was requested.
    #[serde(with = "super::time::serde_millis")]
    pub asked_at: Timestamp,
    /// The oldest delivery to resend.
    pub from: DeliveryId,
    /// The end of the search, exclusive. Decreases as the recovery proceeds.
    pub before: DeliveryId,
    /// How many deliveries may still be resent.
    pub remaining: u32,
}

/// Sends an endpoint events that it never got, as a message of the queue. The events are found
/// through the deliveries of the app's other endpoints, one endpoint after the other. That
/// finds all of them, because an event that no endpoint gets is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Identifies the replay.
    pub id: EventId,
    /// The endpoint that gets the events.
    #[serde(flatten)]
    pub endpoint: EndpointKey,
    /// When the replay was requested.
    #[serde(with = "super::time::serde_millis")]
    pub asked_at: Timestamp,
    /// Only events of these types.
    #[serde(default, skip_serializing_if = "Types::are_all")]
    pub types: Types,
    /// The endpoints whose deliveries are still to be searched, the current one first. Shrinks
    /// as the replay proceeds.
    pub others: Vec<EndpointId>,
    /// The oldest delivery to look at.
    pub from: DeliveryId,
    /// The newest delivery to look at.
    pub to: DeliveryId,
    /// Continue after this delivery of the first of `others`. Absent: begin with the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeliveryId>,
    /// How many events may still be sent.
    pub remaining: u32,
}

/// Which event types to replay: those that match the patterns, or all (`None`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Types(pub Option<Subscriptions>);

impl Types {
    /// Whether it selects all types.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it selects this type.
    #[must_use]
    pub fn include(&self, event_type: &EventType) -> bool {
        let patterns = self.0.as_ref();
        patterns.is_none_or(|patterns| patterns.matches(event_type))
    }
}

impl Serialize for Types {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let patterns = self.0.iter().flat_map(Subscriptions::iter);
        serializer.collect_seq(patterns)
    }
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Absent fields are `Types::default()`, so this always reads a list of patterns.
        let texts = Vec::<String>::deserialize(deserializer)?;
        let patterns = Subscriptions::parse("types", texts.iter().map(String::as_str));
        let patterns = patterns.map_err(|_| serde::de::Error::custom("types must be patterns"));
        patterns.map(|patterns| Self(Some(patterns)))
    }
}

impl Replay {
    /// The rest of the replay after a chunk that sent `sent` events. `after` is where to
    /// continue in the current endpoint's deliveries; `None` continues with the next endpoint.
    /// Returns `None` if all endpoints were searched, or the limit is reached.
    #[must_use]
    pub fn rest(mut self, after: Option<DeliveryId>, sent: u32) -> Option<Self> {
        // Every message of the chain has either a later position or fewer endpoints left, so the
        // chain ends by itself.
        self.remaining = self.remaining.saturating_sub(sent);
        self.after = after;
        if after.is_none() && !self.others.is_empty() {
            self.others.remove(0);
        }
        (self.remaining > 0 && !self.others.is_empty()).then_some(self)
    }

    /// Whether the replay is for events of this type. The endpoint is active: a replay to an
    /// inactive one ends before it searches.
    #[must_use]
    pub fn may_want(&self, endpoint: &Endpoint, event_type: &EventType) -> bool {
        endpoint.events.matches(event_type) && self.types.include(event_type)
    }

    /// Whether the replay is for this event, and the event can still be sent. A payload that
    /// is kept only for other endpoints' attempts does not count.
    #[must_use]
    pub fn wants(&self, endpoint: &Endpoint, event: &StoredEvent) -> bool {
        let is_kept = event.payload.kept().is_some() && event.kept_for.is_none();
        is_kept && self.may_want(endpoint, &event.r#type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AppId;

    fn replay(others: usize, remaining: u32) -> Replay {
        Replay {
            id: EventId::new(),
            endpoint: EndpointKey {
                app_id: AppId::new(),
                endpoint_id: EndpointId::new(),
            },
            asked_at: Timestamp::UNIX_EPOCH,
            types: Types::default(),
            others: (0..others).map(|_| EndpointId::new()).collect(),
            from: DeliveryId::MIN,
            to: DeliveryId::MAX,
            after: None,
            remaining,
        }
    }

    #[test]
    fn replays_search_one_endpoint_after_another() {
        let first = replay(2, 10);
        let position = Some(DeliveryId::new());
        let second = first.clone().rest(position, 4).unwrap();
        assert_eq!(second.others, first.others);
        assert_eq!((second.after, second.remaining), (position, 6));
        let third = second.rest(None, 0).unwrap();
        assert_eq!(third.others, first.others[1..]);
        assert_eq!((third.after, third.remaining), (None, 6));
        assert_eq!(third.clone().rest(None, 0), None);
        assert_eq!(third.rest(position, 6), None);
    }

    #[test]
    fn types_survive_the_queue() {
        let some = Subscriptions::parse("types", ["a.*", "b"]).unwrap();
        for types in [Types::default(), Types(Some(some))] {
            let sent = Replay {
                types,
                ..replay(1, 1)
            };
            let json = serde_json::to_string(&sent).unwrap();
            assert_eq!(json.contains("types"), !sent.types.are_all());
            assert_eq!(serde_json::from_str::<Replay>(&json).unwrap(), sent);
        }
        let no_types = r#"{"types": []}"#;
        assert!(serde_json::from_str::<Replay>(no_types).is_err());
    }
}
