//! What is put on the delivery queue, as JSON. Secrets never are.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::delivery::Delivery;
use super::event_type::EventType;
use super::id::{AppId, DeliveryId, EndpointId, EventId};

/// A message of the delivery queue. `kind` tells which.
#[derive(Debug, Clone)]
pub enum Message {
    /// Make the one attempt of a test ping.
    TestPing(TestPing),
    /// Deliver an event to every endpoint that subscribes to it.
    Event(PublishedEvent),
    /// Make one attempt of a delivery.
    Delivery(DeliveryTask),
    /// Deliver again what failed in a span of time.
    Recover(Recovery),
    /// Enqueue the attempts that are due soon.
    Sweep,
}

/// A test ping that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestPing {
    /// The app that owns the endpoint.
    pub app_id: AppId,
    /// The endpoint to ping.
    pub endpoint_id: EndpointId,
    /// The delivery in whose history the attempt is recorded.
    pub delivery_id: DeliveryId,
    /// When the ping was asked for.
    #[serde(with = "super::time::serde_millis")]
    pub created_at: Timestamp,
    /// The body to send, byte for byte.
    pub payload: String,
}

/// An event, as the API or another AWS service puts it on the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedEvent {
    /// The app that it is of.
    pub app_id: AppId,
    /// Its id. Without one, the id of the queue's message is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
    /// Its type.
    pub r#type: EventType,
    /// When it happened. Without it, when the message was sent.
    #[serde(
        with = "super::time::serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub timestamp: Option<Timestamp>,
    /// Any JSON, kept as it was written.
    pub data: Box<RawValue>,
}

/// An attempt to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryTask {
    /// The app that owns the endpoint.
    pub app_id: AppId,
    /// The endpoint to send to.
    pub endpoint_id: EndpointId,
    /// The delivery in whose history the attempt is recorded.
    pub delivery_id: DeliveryId,
    /// The event to send.
    pub event_id: EventId,
    /// Its type.
    pub event: EventType,
    /// When the delivery was accepted.
    #[serde(with = "super::time::serde_millis")]
    pub created_at: Timestamp,
    /// When it is forgotten.
    #[serde(with = "super::time::serde_millis")]
    pub expires_at: Timestamp,
    /// Which attempt this is: 1 for the first.
    pub attempt: u32,
    /// The body to send, where it is not that of a stored event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

impl DeliveryTask {
    /// The delivery before its first attempt.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery::accepted(
            self.delivery_id,
            self.endpoint_id,
            self.event_id,
            self.event.clone(),
            self.created_at,
            self.expires_at,
        )
    }

    /// Whether it is of a test ping, which carries its payload with it: a ping
    /// has one attempt, says nothing of its endpoint's health, and is made also
    /// while the endpoint is inactive.
    #[must_use]
    pub fn is_test_ping(&self) -> bool {
        self.payload.is_some()
    }
}

/// Deliveries to make again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// Tells recoveries apart, so that one that is handled twice makes its
    /// deliveries once.
    pub id: EventId,
    /// The app that owns the endpoint.
    pub app_id: AppId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// When it was asked for.
    #[serde(with = "super::time::serde_millis")]
    pub asked_at: Timestamp,
    /// Deliveries from this one on.
    pub from: DeliveryId,
    /// Deliveries before this one: moves down as the recovery proceeds.
    pub before: DeliveryId,
    /// How many are still to be made, at most.
    pub remaining: u32,
}

/// A message that can't be read. Says nothing of the body, which is the
/// customer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message can't be read: {what} at column {column}")]
pub struct Unreadable {
    what: &'static str,
    column: usize,
}

#[derive(Deserialize)]
struct Kind<'a> {
    kind: &'a str,
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        // In two steps, because a value that is to be kept as it was written
        // does not survive serde's tagged enums.
        match parse::<Kind<'_>>(text)?.kind {
            "test_ping" => parse(text).map(Self::TestPing),
            "event" => parse(text).map(Self::Event),
            "delivery" => parse(text).map(Self::Delivery),
            "recover" => parse(text).map(Self::Recover),
            "sweep" => Ok(Self::Sweep),
            _ => Err(Unreadable {
                what: "unknown kind",
                column: 0,
            }),
        }
    }

    /// Writes a message.
    ///
    /// # Errors
    /// Never in practice: no part has a form that JSON lacks.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::TestPing(body) => tagged("test_ping", body),
            Self::Event(body) => tagged("event", body),
            Self::Delivery(body) => tagged("delivery", body),
            Self::Recover(body) => tagged("recover", body),
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

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable {
        what: match error.classify() {
            serde_json::error::Category::Data => "a field is missing or wrong",
            _ => "not JSON",
        },
        column: error.column(),
    })
}

/// What a receiver gets (Standard Webhooks, "Payload structure").
#[derive(Serialize)]
struct Payload<'a, T: ?Sized> {
    r#type: &'a str,
    #[serde(with = "super::time::serde_millis")]
    timestamp: Timestamp,
    data: &'a T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestPingData {
    message: &'static str,
    webhook_id: EndpointId,
}

impl PublishedEvent {
    /// The body that receivers get.
    ///
    /// # Errors
    /// Never in practice, as for [`Message::to_json`].
    pub fn payload(&self, sent_at: Timestamp) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Payload {
            r#type: self.r#type.as_str(),
            timestamp: self.timestamp.unwrap_or(sent_at),
            data: &*self.data,
        })
    }
}

impl TestPing {
    /// A ping of an endpoint, with the body that the receiver will get.
    ///
    /// # Errors
    /// Never in practice, as for [`Message::to_json`].
    pub fn new(
        app_id: AppId,
        endpoint_id: EndpointId,
        created_at: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        let event = EventType::test_ping();
        let payload = Payload {
            r#type: event.as_str(),
            timestamp: created_at,
            data: &TestPingData {
                message: "This is a test ping.",
                webhook_id: endpoint_id,
            },
        };
        Ok(Self {
            app_id,
            endpoint_id,
            delivery_id: DeliveryId::new(),
            created_at,
            payload: serde_json::to_string(&payload)?,
        })
    }

    /// Its only attempt. The ping is an event of its own, so event and delivery
    /// share their id.
    #[must_use]
    pub fn task(self, retention: Duration) -> DeliveryTask {
        DeliveryTask {
            app_id: self.app_id,
            endpoint_id: self.endpoint_id,
            delivery_id: self.delivery_id,
            event_id: EventId::from_bytes(*self.delivery_id.as_bytes()),
            event: EventType::test_ping(),
            created_at: self.created_at,
            expires_at: self.created_at + retention,
            attempt: 1,
            payload: Some(self.payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-01-01T00:00:00.000Z".parse().unwrap()
    }

    #[test]
    fn a_ping_survives_the_queue() {
        let ping = TestPing::new(AppId::new(), EndpointId::new(), at()).unwrap();
        let json = Message::TestPing(ping.clone()).to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["kind"], "test_ping");
        assert_eq!(value["createdAt"], "2026-01-01T00:00:00.000Z");
        let Message::TestPing(read) = Message::from_json(&json).unwrap() else {
            panic!("another kind");
        };
        assert_eq!(read, ping);
    }

    #[test]
    fn a_delivery_a_recovery_and_a_sweep_survive_the_queue() {
        let task = DeliveryTask {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
            delivery_id: DeliveryId::new(),
            event_id: EventId::new(),
            event: EventType::parse("invoice.paid").unwrap(),
            created_at: at(),
            expires_at: at(),
            attempt: 3,
            payload: None,
        };
        let json = Message::Delivery(task.clone()).to_json().unwrap();
        assert!(matches!(Message::from_json(&json), Ok(Message::Delivery(read)) if read == task));
        let recovery = Recovery {
            id: EventId::new(),
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
            asked_at: at(),
            from: DeliveryId::new(),
            before: DeliveryId::new(),
            remaining: 10,
        };
        let json = Message::Recover(recovery.clone()).to_json().unwrap();
        assert!(
            matches!(Message::from_json(&json), Ok(Message::Recover(read)) if read == recovery)
        );
        assert_eq!(Message::Sweep.to_json().unwrap(), r#"{"kind":"sweep"}"#);
        assert!(matches!(
            Message::from_json(r#"{"kind":"sweep"}"#),
            Ok(Message::Sweep)
        ));
    }

    #[test]
    fn the_data_of_an_event_reaches_the_payload_as_it_was_written() {
        let json = format!(
            r#"{{"kind":"event","appId":"{}","type":"invoice.paid","data":{{"n":12345678901234567890.10, "a": 1e2}}}}"#,
            AppId::new()
        );
        let Message::Event(event) = Message::from_json(&json).unwrap() else {
            panic!("another kind");
        };
        let again = Message::Event(event).to_json().unwrap();
        let Message::Event(event) = Message::from_json(&again).unwrap() else {
            panic!("another kind");
        };
        assert_eq!(
            event.payload(at()).unwrap(),
            r#"{"type":"invoice.paid","timestamp":"2026-01-01T00:00:00.000Z","data":{"n":12345678901234567890.10, "a": 1e2}}"#
        );
    }

    #[test]
    fn the_body_of_a_ping_has_type_timestamp_and_data() {
        let endpoint_id = EndpointId::new();
        let ping = TestPing::new(AppId::new(), endpoint_id, at()).unwrap();
        let expected = format!(
            r#"{{"type":"test.ping","timestamp":"2026-01-01T00:00:00.000Z","data":{{"message":"This is a test ping.","webhookId":"{endpoint_id}"}}}}"#
        );
        assert_eq!(ping.payload, expected);
    }

    #[test]
    fn an_unreadable_message_is_not_quoted() {
        for text in [
            "",
            "secret",
            r#"{"kind":"secret"}"#,
            r#"{"kind":"event","appId":"secret"}"#,
        ] {
            let error = Message::from_json(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
