//! The DynamoDB item of a delivery.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Item, decode};
use crate::aws::error::Malformed;
use crate::domain::delivery::{Abandoned, Answer, Attempt, BodyNote, Delivery, Verdict};
use crate::domain::event_type::EventType;
use crate::domain::failure::Failure;
use crate::domain::id::EventId;
use crate::domain::time::serde_millis;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryItem {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) gsi1pk: String,
    pub(super) gsi1sk: String,
    pub(super) event_id: EventId,
    pub(super) event: String,
    pub(super) status: String,
    pub(super) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response_status: Option<u16>,
    #[serde(with = "serde_millis")]
    pub(super) created_at: Timestamp,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) delivered_at: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) next_retry_at: Option<Timestamp>,
    /// Time to live, in Unix seconds. DynamoDB may remove the item days later.
    pub(super) expires_at: i64,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) waiting_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) abandoned: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attempt_log: Vec<AttemptItem>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptItem {
    number: u32,
    #[serde(with = "serde_millis")]
    started_at: Timestamp,
    duration_ms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

pub(super) fn delivery(item: Item) -> Result<Delivery, Malformed> {
    decode::<DeliveryItem>(item)?.into_delivery()
}

impl From<&Delivery> for DeliveryItem {
    fn from(delivery: &Delivery) -> Self {
        Self {
            pk: keys::delivery_partition(delivery.endpoint),
            sk: keys::delivery_sort(delivery.id),
            gsi1pk: keys::status_partition(delivery.endpoint, delivery.status),
            gsi1sk: keys::delivery_sort(delivery.id),
            event_id: delivery.event_id,
            event: delivery.event.to_string(),
            status: delivery.status.to_string(),
            attempts: delivery.attempts,
            response_status: delivery.response_status,
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
            next_retry_at: delivery.next_retry_at,
            waiting_since: delivery.waiting_since,
            expires_at: delivery.expires_at.as_second(),
            abandoned: delivery.abandoned.map(|reason| reason.code().to_owned()),
            payload: None,
            attempt_log: Vec::new(),
        }
    }
}

impl DeliveryItem {
    pub(super) fn into_delivery(self) -> Result<Delivery, Malformed> {
        const KEYS: &str = "not the keys of a delivery";
        Ok(Delivery {
            id: keys::delivery_of_sort(&self.sk).ok_or(KEYS)?,
            endpoint: keys::endpoint_of_delivery(&self.pk).ok_or(KEYS)?,
            event_id: self.event_id,
            event: EventType::parse(&self.event)?,
            status: self.status.parse()?,
            response_status: self.response_status,
            attempts: self.attempts,
            created_at: self.created_at,
            delivered_at: self.delivered_at,
            next_retry_at: self.next_retry_at,
            waiting_since: self.waiting_since,
            expires_at: Timestamp::from_second(self.expires_at)?,
            abandoned: match self.abandoned {
                None => None,
                Some(code) => Some(
                    Abandoned::from_code(&code).ok_or("not the reason of an abandoned delivery")?,
                ),
            },
        })
    }
}

impl From<&Attempt> for AttemptItem {
    fn from(attempt: &Attempt) -> Self {
        let (answer, failure) = match &attempt.verdict {
            Verdict::Answered(answer) => (Some(answer), None),
            Verdict::Failed(failure) => (None, Some(failure.code().to_owned())),
        };
        let note = answer.and_then(|answer| answer.note);
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            response_status: attempt.verdict.response_status(),
            response_body: answer.map(|answer| answer.body.clone()),
            body_note: note.map(|note| note.code().to_owned()),
            location: answer.and_then(|answer| answer.location.clone()),
            failure,
        }
    }
}

impl AttemptItem {
    pub(super) fn into_attempt(self) -> Result<Attempt, Malformed> {
        let verdict = match (self.response_status, self.failure) {
            (Some(status), _) => Verdict::Answered(Answer {
                body: self.response_body.unwrap_or_default(),
                note: match self.body_note {
                    None => None,
                    Some(code) => Some(BodyNote::from_code(&code).ok_or("not the note of a body")?),
                },
                location: self.location,
                ..Answer::bare(status)
            }),
            (None, Some(code)) => {
                Verdict::Failed(Failure::from_code(&code).ok_or("not the failure of an attempt")?)
            }
            (None, None) => return Err("an attempt without status and failure".into()),
        };
        Ok(Attempt {
            number: self.number,
            started_at: self.started_at,
            duration_ms: self.duration_ms,
            verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn attempt(fields: Value) -> Attempt {
        let mut item = json!({
            "number": 1, "startedAt": "2026-01-31T09:30:00.000Z", "durationMs": 5,
        });
        let item = item.as_object_mut().unwrap();
        item.extend(fields.as_object().unwrap().clone());
        let item: AttemptItem = serde_json::from_value(json!(item)).unwrap();
        item.into_attempt().unwrap()
    }

    /// Recorded before responses had notes and failures had finer codes.
    #[test]
    fn attempts_of_earlier_versions_are_read() {
        let answered = attempt(json!({"responseStatus": 302, "responseBody": "moved"}));
        let expected = Answer {
            body: "moved".to_owned(),
            ..Answer::bare(302)
        };
        assert_eq!(answered.verdict, Verdict::Answered(expected));
        for code in [
            "dns",
            "refused_address",
            "connect",
            "tls",
            "timeout",
            "broken_answer",
        ] {
            let failed = attempt(json!({ "failure": code }));
            assert_eq!(failed.verdict.problem().unwrap().0, code);
        }
    }

    #[test]
    fn attempts_round_trip() {
        let answer = Answer {
            body: "moved".to_owned(),
            note: Some(BodyNote::BrokeOff),
            location: Some("https://example.com/".to_owned()),
            ..Answer::bare(301)
        };
        let verdicts = Failure::ALL.map(Verdict::Failed).into_iter();
        for verdict in verdicts.chain([Verdict::Answered(answer)]) {
            let made = Attempt {
                verdict,
                ..attempt(json!({"responseStatus": 200}))
            };
            let item = serde_json::to_value(AttemptItem::from(&made)).unwrap();
            let read: AttemptItem = serde_json::from_value(item).unwrap();
            assert_eq!(read.into_attempt().unwrap(), made);
        }
    }
}
