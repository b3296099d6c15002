//! Queue messages. Other AWS services may write them too.

use serde_json::value::RawValue;

use super::must;
use crate::domain::event::{is_storable, split_payload};
use crate::domain::message::{DeliveryTask, Message};
use crate::domain::time::parse;

pub(crate) fn run(text: &str) {
    let message = match Message::from_json(text) {
        Ok(message) => message,
        Err(error) => {
            assert!(
                error
                    .to_string()
                    .starts_with("the message cannot be read: ")
            );
            return;
        }
    };
    let written = must(message.to_json());
    let again = must(Message::from_json(&written));
    assert_eq!(must(again.to_json()), written);
    assert_eq!(again.group(), message.group());
    assert!(!message.group().is_empty());
    match (message, again) {
        (Message::Event(event), Message::Event(again)) => {
            assert_eq!(event.data.get(), again.data.get());
            assert!(is_storable(&event));
            let at = must(parse("2026-01-31T09:30:00Z"));
            let payload = must(event.payload(at));
            must(serde_json::from_str::<&RawValue>(&payload));
            let at = event.timestamp.unwrap_or(at);
            let expected = Some((at, event.data.get()));
            assert_eq!(split_payload(&event.r#type, &payload), expected);
        }
        (Message::Delivery(task), Message::Delivery(again)) => {
            assert_eq!(task, again);
            check_task(&task);
        }
        (Message::Recover(one), Message::Recover(again)) => assert_eq!(one, again),
        (Message::Tend(one), Message::Tend(again)) => assert_eq!(one, again),
        (Message::DeleteApp(one), Message::DeleteApp(again)) => assert_eq!(one, again),
        (Message::Erase(one), Message::Erase(again)) => assert_eq!(one, again),
        (Message::Replay(_), Message::Replay(_)) | (Message::Sweep, Message::Sweep) => {}
        (message, again) => panic!("{message:?} became {again:?}"),
    }
}

fn check_task(task: &DeliveryTask) {
    let delivery = task.delivery();
    assert_eq!(delivery.id, task.delivery_id);
    let next = task.next();
    assert!(next.attempt >= task.attempt);
    assert_eq!(next.delivery(), delivery);
    assert_eq!(next.is_repeat(), task.is_repeat());
}
