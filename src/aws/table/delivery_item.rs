//! The DynamoDB item of a delivery.

use super::fields::{Draft, Fields, id, number, text, time};
use super::keys::attribute::{
    ABANDONED, ATTEMPT_LOG, ATTEMPTS, CREATED_AT, DELIVERED_AT, EPHEMERAL, EVENT, EVENT_ID,
    EXPIRES_AT, NEXT_RETRY_AT, PAYLOAD, PAYLOAD_DELETED_AT, PK, RESPONSE_STATUS, SK, STATUS,
    TEST_PING, WAITING_SINCE, attempt,
};
use super::keys::{self, LISTS};
use super::{AttributeValue, Item};
use crate::aws::error::Malformed;
use crate::domain::delivery::{Abandoned, Answer, Attempt, BodyNote, Delivery, Verdict};
use crate::domain::event_type::EventType;
use crate::domain::failure::Failure;
use crate::domain::message::{DeliveryTask, Source};
use jiff::Timestamp;

/// A delivery with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullDelivery {
    /// What lists show of it.
    pub delivery: Delivery,
    /// Recorded attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The payload of a test ping. An event's payload is in the event's own item.
    pub ping_payload: Option<String>,
}

impl FullDelivery {
    pub(super) fn of_item(item: Item) -> Result<Self, Malformed> {
        let mut fields = Fields::of(item);
        let log: Vec<Item> = fields.read_some(ATTEMPT_LOG)?.unwrap_or_default();
        Ok(Self {
            attempts: log.into_iter().map(attempt_of).collect::<Result<_, _>>()?,
            ping_payload: fields.read_some(PAYLOAD)?,
            delivery: read(fields)?,
        })
    }
}

/// The item of a delivery that has no attempts yet.
pub(super) fn item_of(task: &DeliveryTask, delivery: &Delivery) -> Item {
    let (list, sort) = list_entry(delivery).unzip();
    let abandoned = delivery.abandoned.map(|reason| text(reason.code()));
    Draft::of(keys::delivery(delivery.endpoint, delivery.id))
        .set_some(LISTS.pk, list)
        .set_some(LISTS.sk, sort)
        .set(EVENT_ID, id(delivery.event_id.as_bytes()))
        .set(EVENT, text(&delivery.event))
        .set(STATUS, text(keys::status_letter(delivery.status)))
        .set(ATTEMPTS, number(delivery.attempts))
        .set(CREATED_AT, time(delivery.created_at))
        .set(EXPIRES_AT, number(delivery.expires_at.as_second()))
        .set_some(ABANDONED, abandoned)
        .set_some(PAYLOAD, ping_payload(task).map(text))
        .set_some(TEST_PING, ping_payload(task).map(|_| MARK))
        .set_some(EPHEMERAL, delivery.ephemeral.then_some(MARK))
        .item()
}

/// The delivery's keys in the first index. `None` once it is delivered, because the index
/// lists only pending and failed ones.
pub(super) fn list_entry(delivery: &Delivery) -> Option<(AttributeValue, AttributeValue)> {
    let Delivery {
        endpoint, status, ..
    } = *delivery;
    keys::is_listed(status).then(|| {
        let list = keys::status_partition(endpoint, status);
        (text(list), text(keys::delivery_sort(delivery.id)))
    })
}

/// The value of the flags [`EPHEMERAL`] and [`TEST_PING`]. A ping has a flag of its own so
/// that lists need not read the payload to recognize one.
pub(super) const MARK: AttributeValue = AttributeValue::Bool(true);

/// The payload that is stored with the delivery. Only pings have one.
pub(super) fn ping_payload(task: &DeliveryTask) -> Option<&str> {
    match &task.source {
        Source::Ping { payload, .. } => Some(payload),
        Source::Event(_) => None,
    }
}

/// Decodes the item of a delivery, or its index entry.
pub(super) fn delivery(item: Item) -> Result<Delivery, Malformed> {
    read(Fields::of(item))
}

fn read(mut fields: Fields) -> Result<Delivery, Malformed> {
    const KEYS: &str = "not the keys of a delivery";
    let (pk, sk): (String, String) = (fields.read(PK)?, fields.read(SK)?);
    let status: String = fields.read(STATUS)?;
    let event: String = fields.read(EVENT)?;
    let abandoned: Option<String> = fields.read_some(ABANDONED)?;
    let abandoned = abandoned
        .map(|code| Abandoned::from_code(&code).ok_or("not a reason for abandoning a delivery"));
    Ok(Delivery {
        id: keys::delivery_of_sort(&sk).ok_or(KEYS)?,
        endpoint: keys::endpoint_of_delivery(&pk).ok_or(KEYS)?,
        event_id: fields.read(EVENT_ID)?,
        event: EventType::parse(&event)?,
        is_ping: fields.read_some(TEST_PING)?.unwrap_or(false),
        status: keys::status_of_letter(&status).ok_or("not a status")?,
        response_status: fields.read_some(RESPONSE_STATUS)?,
        attempts: fields.read(ATTEMPTS)?,
        created_at: fields.read(CREATED_AT)?,
        delivered_at: fields.read_some(DELIVERED_AT)?,
        next_retry_at: fields.read_some(NEXT_RETRY_AT)?,
        waiting_since: fields.read_some(WAITING_SINCE)?,
        expires_at: Timestamp::from_second(fields.read(EXPIRES_AT)?)?,
        abandoned: abandoned.transpose()?,
        ephemeral: fields.read_some(EPHEMERAL)?.unwrap_or(false),
        payload_deleted_at: fields.read_some(PAYLOAD_DELETED_AT)?,
    })
}

/// Encodes an attempt as an entry of [`ATTEMPT_LOG`].
pub(super) fn entry_of(made: &Attempt) -> AttributeValue {
    let (answer, failure) = match &made.verdict {
        Verdict::Answered(answer) => (Some(answer), None),
        Verdict::Failed(failure) => (None, Some(failure.code())),
    };
    let status = made.verdict.response_status();
    let body = answer.map(|answer| answer.body.as_str());
    let note = answer.and_then(|answer| answer.note);
    let location = answer.and_then(|answer| answer.location.as_deref());
    let entry = Draft::new()
        .set(attempt::NUMBER, number(made.number))
        .set(attempt::STARTED_AT, time(made.started_at))
        .set(attempt::DURATION, number(made.duration_ms))
        .set_some(attempt::RESPONSE_STATUS, status.map(number))
        .set_some(
            attempt::RESPONSE_BODY,
            body.filter(|body| !body.is_empty()).map(text),
        )
        .set_some(attempt::BODY_NOTE, note.map(|note| text(note.code())))
        .set_some(attempt::LOCATION, location.map(text))
        .set_some(attempt::FAILURE, failure.map(text));
    AttributeValue::M(entry.item())
}

fn attempt_of(entry: Item) -> Result<Attempt, Malformed> {
    let mut fields = Fields::of(entry);
    let status: Option<u16> = fields.read_some(attempt::RESPONSE_STATUS)?;
    let note: Option<String> = fields.read_some(attempt::BODY_NOTE)?;
    let note = note.map(|code| BodyNote::from_code(&code).ok_or("not a body note"));
    let failure: Option<String> = fields.read_some(attempt::FAILURE)?;
    let verdict = match (status, failure) {
        (Some(status), _) => Verdict::Answered(Answer {
            body: fields
                .read_some(attempt::RESPONSE_BODY)?
                .unwrap_or_default(),
            note: note.transpose()?,
            location: fields.read_some(attempt::LOCATION)?,
            ..Answer::bare(status)
        }),
        (None, Some(code)) => {
            Verdict::Failed(Failure::from_code(&code).ok_or("not a failure code")?)
        }
        (None, None) => return Err("an attempt without a status or a failure".into()),
    };
    Ok(Attempt {
        number: fields.read(attempt::NUMBER)?,
        started_at: fields.read(attempt::STARTED_AT)?,
        duration_ms: fields.read(attempt::DURATION)?,
        verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::fields::Readable;

    #[test]
    fn attempts_round_trip() {
        let answer = Answer {
            body: "moved".to_owned(),
            note: Some(BodyNote::BrokeOff),
            location: Some("https://example.com/".to_owned()),
            ..Answer::bare(301)
        };
        let answers = [answer, Answer::bare(204)].map(Verdict::Answered);
        let verdicts = Failure::ALL.map(Verdict::Failed).into_iter();
        for verdict in verdicts.chain(answers) {
            let made = Attempt {
                number: 3,
                started_at: "2026-01-31T09:30:00.125Z".parse().unwrap(),
                duration_ms: 250,
                verdict,
            };
            let entry = Item::of(entry_of(&made)).unwrap();
            assert_eq!(attempt_of(entry).unwrap(), made);
        }
    }
}
