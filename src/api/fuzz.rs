//! Fuzz targets of the API. See [`crate::fuzz`].

use serde_json::Value;

use super::body::Body;
use super::check_new_endpoint;
use super::cursor::{ListKey, is_well_formed};
use super::error::ApiError;
use super::events::NewEvent;
use super::name_list::NameList;
use super::webhook_body::{parse_new, parse_patch};
use crate::domain::address::AddressPolicy;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::event::is_storable;
use crate::domain::event_type::EventType;
use crate::domain::fuzz::must;
use crate::domain::id::{AppId, DeliveryId, EndpointId};
use crate::domain::message::Message;
use crate::domain::time;

const POLICY: AddressPolicy = AddressPolicy::PublicOnly;

/// A request body, or a cursor.
pub(crate) fn input(text: &str) {
    body(text);
    cursor(text);
}

/// Bodies that create or update an endpoint, or publish an event.
fn body(text: &str) {
    let errors = check_new_endpoint(text.as_bytes(), POLICY);
    let creation = read(text, |body| parse_new(body, POLICY));
    assert_eq!(creation.is_some(), errors.is_empty());
    for error in &errors {
        assert!(!error.message.is_empty());
    }
    if let Some((creation, positions)) = creation {
        let new = creation.new;
        assert_eq!(new.url.check(POLICY), Ok(()));
        assert_eq!(new.events.patterns().len(), positions.len());
        assert!(new.filter.is_none_or(|filter| filter.compile().is_ok()));
        check_update(text);
    }
    read(text, |body| parse_patch(body, POLICY));
    check_event(text);
}

/// Parses a body. A refused one has at least one validation error.
fn read<T>(text: &str, parse: impl FnOnce(Body) -> Result<T, ApiError>) -> Option<T> {
    match Body::parse(text.as_bytes()).and_then(parse) {
        Ok(read) => Some(read),
        Err(ApiError::Validation(faults)) => {
            assert!(!faults.is_empty());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// The body of a creation, without the secret, is a valid update.
fn check_update(text: &str) {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return;
    };
    fields.remove("secret");
    fields.remove("secretFormat");
    let text = must(serde_json::to_string(&fields));
    assert!(
        read(&text, |body| parse_patch(body, POLICY)).is_some(),
        "{text}"
    );
}

/// The delivery function can read and store every event that the API accepts.
fn check_event(text: &str) {
    let app_id = must(AppId::parse("acme"));
    let now = must(time::parse("2026-01-31T09:30:00Z"));
    let Some(event) = read(text, |body| NewEvent::read(body, app_id, None, now)) else {
        return;
    };
    let (_, message) = event.into_message(app_id);
    let written = must(message.to_json());
    let again = Message::from_json(&written);
    // Request bodies are limited, so only a fuzzer's are too large to be stored.
    let is_too_large = matches!(&message, Message::Event(event) if !is_storable(event));
    match (message, again) {
        (Message::Event(sent), Ok(Message::Event(found))) => {
            assert_eq!(sent.data.get(), found.data.get());
            assert_eq!((sent.id, sent.timestamp), (found.id, found.timestamp));
            assert_eq!(sent.audience.only, found.audience.only);
            assert_eq!(sent.audience.channels, found.audience.channels);
        }
        (_, again) => assert!(is_too_large, "{again:?}"),
    }
}

/// Cursors. A list accepts only its own, and in one form only.
fn cursor(text: &str) {
    let lists = lists();
    for list in &lists {
        if let Some(last) = list.read_cursor(text) {
            assert!(is_well_formed(text));
            assert_eq!(list.cursor_after(last), text);
        }
    }
    let mut id = [0; 16];
    for (byte, given) in id.iter_mut().zip(text.bytes()) {
        *byte = given;
    }
    let last = DeliveryId::from_bytes(id);
    for list in &lists {
        let cursor = list.cursor_after(last);
        for other in &lists {
            assert_eq!(other.read_cursor(&cursor), (other == list).then_some(last));
        }
    }
    let names = [
        NameList {
            of: "apps/1",
            filters: &["", ""],
        },
        NameList {
            of: "apps/1",
            filters: &["acme", ""],
        },
        NameList {
            of: "event-types/1",
            filters: &["acme"],
        },
    ];
    // Names have no line feeds.
    let name = text.replace('\n', "");
    for (index, list) in names.iter().enumerate() {
        if let Some(last) = list.read_cursor(text) {
            assert_eq!(list.cursor_after(&last), text);
        }
        let cursor = list.cursor_after(&name);
        for (other, found) in names
            .iter()
            .map(|other| other.read_cursor(&cursor))
            .enumerate()
        {
            assert_eq!(found.as_ref(), (other == index).then_some(&name));
        }
    }
}

/// Lists, of which all but the last differ from it in one part each.
pub(super) fn lists() -> [ListKey; 6] {
    let list = ListKey {
        endpoint_id: EndpointId::from_bytes([1; 16]),
        status: None,
        event: None,
        since: None,
        until: None,
    };
    let at = Some(must(time::parse("2026-01-31T09:30:00Z")));
    [
        ListKey {
            endpoint_id: EndpointId::from_bytes([2; 16]),
            ..list.clone()
        },
        ListKey {
            status: Some(DeliveryStatus::Failed),
            ..list.clone()
        },
        ListKey {
            event: Some(EventType::test_ping()),
            ..list.clone()
        },
        ListKey {
            since: at,
            ..list.clone()
        },
        ListKey {
            until: at,
            ..list.clone()
        },
        list,
    ]
}
