//! Messages as received from the queue.

use aws_lambda_events::sqs::SqsMessage;
use jiff::Timestamp;
use tracing::warn;

use crate::aws::queue::{MESSAGE_ID, SENT_AT};
use crate::domain::event::PublishedEvent;
use crate::domain::id::EventId;
use crate::domain::message::Message;

/// A received message, with what it takes to return it or move it to the dead-letter
/// queue.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// Names the message in the response if it failed.
    pub(super) id: Option<String>,
    pub(super) receipt_handle: Option<String>,
    /// How often it was received, this time included.
    pub(super) receive_count: u32,
    pub(super) body: String,
    pub(super) origin: Origin,
}

/// The first id and sending time of a message, as text. A redriven dead letter is a new
/// message to SQS, so the dead letter carries those of the first.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) id: Option<String>,
    /// In milliseconds since 1970, as `SentTimestamp` is.
    pub(super) sent_at: Option<String>,
}

/// What the queue knows about a message.
#[derive(Debug, Clone, Default)]
pub(super) struct MessageMeta {
    /// The ids of the message and its copies, the first message's first. An id stays the
    /// same however often the message is received.
    pub(super) ids: Vec<String>,
    /// Those of them that came back, so that nothing else works on them now: they were
    /// received before, or come from the dead-letter queue. This does not cover a message
    /// that SQS delivers twice at the same time.
    pub(super) back: Vec<String>,
    /// When it was sent.
    pub(super) sent_at: Option<Timestamp>,
    /// How often it was received, this time included.
    pub(super) receive_count: u32,
}

/// What a message asks for, and all received messages that ask for it: SQS may deliver a
/// message twice, and some are sent twice.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) message: Message,
    pub(super) meta: MessageMeta,
    pub(super) copies: Vec<Received>,
}

impl From<SqsMessage> for Received {
    fn from(message: SqsMessage) -> Self {
        let count = message.attributes.get("ApproximateReceiveCount");
        Self {
            origin: Origin::of(&message),
            id: message.message_id,
            receipt_handle: message.receipt_handle,
            receive_count: count.and_then(|count| count.parse().ok()).unwrap_or(1),
            body: message.body.unwrap_or_default(),
        }
    }
}

impl Origin {
    fn of(message: &SqsMessage) -> Self {
        let first = |name| message.message_attributes.get(name)?.string_value.clone();
        let sent_at = message.attributes.get(SENT_AT).cloned();
        Self {
            id: first(MESSAGE_ID).or_else(|| message.message_id.clone()),
            sent_at: first(SENT_AT).or(sent_at),
        }
    }
}

impl MessageMeta {
    pub(super) fn of(message: &Received) -> Self {
        let Origin { id, sent_at } = &message.origin;
        // The message was redriven if its own id is not that of its origin.
        let own = message.id.clone().filter(|own| Some(own) != id.as_ref());
        let sent_at = sent_at.as_deref();
        let is_back = message.receive_count > 1 || own.is_some();
        let ids: Vec<_> = id.clone().into_iter().chain(own).collect();
        Self {
            back: if is_back { ids.clone() } else { Vec::new() },
            ids,
            sent_at: sent_at
                .and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok()),
            receive_count: message.receive_count,
        }
    }

    fn merge(&mut self, copy: Self) {
        self.ids.extend(copy.ids);
        self.back.extend(copy.back);
        self.receive_count = self.receive_count.max(copy.receive_count);
    }

    /// The id of an event that brings none.
    pub(super) fn event_id(&self) -> Option<EventId> {
        EventId::parse(self.ids.first()?).ok()
    }
}

impl Work {
    /// Adds a message to the work of its batch, as a copy if another one asks for the
    /// same.
    pub(super) fn add(works: &mut Vec<Self>, message: Message, meta: MessageMeta, of: Received) {
        // A batch has at most 100 messages, so a linear search is fast enough.
        for work in works.iter_mut() {
            if work.is_same(&message, &meta) {
                work.merge(message);
                work.meta.merge(meta);
                work.copies.push(of);
                return;
            }
        }
        works.push(Self {
            message,
            meta,
            copies: vec![of],
        });
    }

    fn is_same(&self, other: &Message, meta: &MessageMeta) -> bool {
        match (&self.message, other) {
            (Message::Delivery(one), Message::Delivery(other)) => {
                (one.endpoint, one.delivery_id, one.attempt)
                    == (other.endpoint, other.delivery_id, other.attempt)
            }
            (Message::Event(one), Message::Event(other)) => {
                let id = one.id.or_else(|| self.meta.event_id());
                let others = other.id.or_else(|| meta.event_id());
                one.app_id == other.app_id && id.is_some() && id == others
            }
            (Message::DeleteApp(one), Message::DeleteApp(other)) => one == other,
            (Message::Erase(one), Message::Erase(other)) => one == other,
            (Message::Sweep, Message::Sweep) => true,
            // A tend claims its step, and recoveries are rare, so copies of these cost
            // little.
            _ => false,
        }
    }

    fn merge(&mut self, copy: Message) {
        match (&mut self.message, copy) {
            // An explicit resend is made even while the endpoint is paused.
            (Message::Delivery(task), Message::Delivery(copy)) => task.resend |= copy.resend,
            (Message::Event(event), Message::Event(copy)) if differ(event, &copy) => warn!(
                app_id = %copy.app_id,
                event_id = ?copy.id,
                "ignored an event that differs from an earlier one with the same id"
            ),
            _ => {}
        }
    }
}

fn differ(one: &PublishedEvent, other: &PublishedEvent) -> bool {
    // Not the timestamp: each request that repeats an event has its own.
    one.r#type != other.r#type
        || one.audience != other.audience
        || one.data.get() != other.data.get()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_lambda_events::sqs::SqsMessageAttribute;

    use super::*;
    use crate::domain::endpoint::EndpointKey;
    use crate::domain::id::{AppId, EndpointId};
    use crate::domain::message::{AppDeletion, DeliveryTask, Erasure};

    fn received() -> Received {
        Received::from(SqsMessage::default())
    }

    #[test]
    fn merged_copies_keep_the_resend_flag() {
        let endpoint = EndpointKey {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
        };
        let now = Timestamp::from_second(1).unwrap();
        let task = DeliveryTask::ping(endpoint, now, Duration::from_secs(1)).unwrap();
        let asked = DeliveryTask {
            resend: true,
            ..task.clone()
        };
        for tasks in [[&task, &asked], [&asked, &task]] {
            let mut works = Vec::new();
            for task in tasks {
                let message = Message::Delivery(task.clone());
                Work::add(&mut works, message, MessageMeta::default(), received());
            }
            assert_eq!(works.len(), 1);
            assert_eq!(works[0].copies.len(), 2);
            assert!(matches!(&works[0].message, Message::Delivery(task) if task.resend));
        }
    }

    #[test]
    fn messages_for_the_same_work_are_done_once() {
        let ids = [AppId::new(), AppId::new()];
        let delete = |app_id| Message::DeleteApp(AppDeletion { app_id });
        let events = [EventId::new(), EventId::new()];
        let erase = |event_id| {
            Message::Erase(Erasure {
                app_id: ids[0],
                event_id,
            })
        };
        let mut works = Vec::new();
        for message in [
            delete(ids[0]),
            erase(events[0]),
            Message::Sweep,
            delete(ids[0]),
            erase(events[0]),
            delete(ids[0]),
            erase(events[0]),
            delete(ids[1]),
            erase(events[1]),
            Message::Sweep,
        ] {
            Work::add(&mut works, message, MessageMeta::default(), received());
        }
        let copies: Vec<_> = works.iter().map(|work| work.copies.len()).collect();
        assert_eq!(copies, [3, 3, 2, 1, 1]);
    }

    #[test]
    fn redriven_messages_have_the_id_of_their_origin_too() {
        let ids = |message: &SqsMessage| {
            let meta = MessageMeta::of(&Received::from(message.clone()));
            (meta.ids.join(" "), meta.back.join(" "))
        };
        let both = |ids: &str, back: &str| (ids.to_owned(), back.to_owned());
        let mut message = SqsMessage::default();
        message.message_id = Some("own".to_owned());
        assert_eq!(ids(&message), both("own", ""));
        let count = "ApproximateReceiveCount".to_owned();
        message.attributes.insert(count, "2".to_owned());
        assert_eq!(ids(&message), both("own", "own"));

        message.attributes.clear();
        let mut origin = SqsMessageAttribute::default();
        origin.string_value = Some("first".to_owned());
        let name = MESSAGE_ID.to_owned();
        message.message_attributes.insert(name, origin);
        assert_eq!(ids(&message), both("first own", "first own"));
        message.message_id = Some("first".to_owned());
        assert_eq!(ids(&message), both("first", ""));
    }

    #[test]
    fn missing_receive_count_defaults_to_one() {
        assert_eq!(received().receive_count, 1);
        let mut message = SqsMessage::default();
        let name = "ApproximateReceiveCount".to_owned();
        message.attributes.insert(name, "7".to_owned());
        assert_eq!(Received::from(message).receive_count, 7);
    }
}
