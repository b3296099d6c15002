//! Parses and serializes events on the queue, as docs/queue-messages.md describes them. Other
//! services may have sent them, so errors name the field.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::audience::Audience;
use super::channel::Channels;
use super::event::{MAX_NESTING, PublishedEvent, is_storable};
use super::event_type::EventType;
use super::id::{AppId, EndpointId, EventId};
use super::json::{Fields, nesting};
use super::operational::PUBLISHES_ITSELF;
use super::time;
use super::unreadable::{Flaw, Unreadable, parse};

impl PublishedEvent {
    /// Parses an event. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`Unreadable`], with the field and the reason.
    pub(super) fn from_json(json: &str) -> Result<Self, Unreadable> {
        let mut fields: Fields = parse(json)?;
        if !fields.repeated.is_empty() {
            return Err(Unreadable::new(Flaw::Field, "a field is repeated"));
        }
        let event = Self {
            app_id: required("appId", text(&mut fields, "appId", AppId::parse)?)?,
            id: text(&mut fields, "id", EventId::parse)?,
            r#type: event_type(&mut fields)?,
            timestamp: text(&mut fields, "timestamp", time::parse)?,
            data: data(&mut fields)?,
            audience: Audience {
                channels: channels(&mut fields)?,
                only: text(&mut fields, "webhookId", EndpointId::parse)?,
            },
            store_payload: boolean(&mut fields, "storePayload")?.unwrap_or(true),
        };
        if nesting(event.data.get()) > MAX_NESTING {
            let what = format!("data is nested more than {MAX_NESTING} deep");
            return Err(Unreadable::new(Flaw::Nesting, what));
        }
        if !is_storable(&event) {
            return Err(Unreadable::new(
                Flaw::Size,
                "data is too large to be stored",
            ));
        }
        Ok(event)
    }

    /// Rejects events of the reserved app, which only the service publishes.
    pub(super) fn by_others(self) -> Result<Self, Unreadable> {
        if self.app_id.is_operational() {
            let what = format!("appId {PUBLISHES_ITSELF}");
            return Err(Unreadable::new(Flaw::Field, what));
        }
        Ok(self)
    }

    /// Rejects events that are not the service's own.
    pub(super) fn by_service(self) -> Result<Self, Unreadable> {
        if !self.app_id.is_operational() || self.id.is_none() {
            let what = "a notice has an id and the app operational";
            return Err(Unreadable::new(Flaw::Field, what));
        }
        Ok(self)
    }
}

/// Removes and parses a string field. `None` if it is absent or null.
fn text<T, E: Display>(
    fields: &mut Fields,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Unreadable> {
    let Some(value) = fields.values.remove(name) else {
        return Ok(None);
    };
    let wrong = |what: &dyn Display| Unreadable::new(Flaw::Field, format!("{name} {what}"));
    match serde_json::from_str::<Option<String>>(value.get()) {
        Ok(None) => Ok(None),
        Ok(Some(text)) => parse(&text).map(Some).map_err(|error| wrong(&error)),
        Err(_) => Err(wrong(&"must be a string")),
    }
}

/// Removes and parses a boolean field. `None` if it is absent or null.
fn boolean(fields: &mut Fields, name: &'static str) -> Result<Option<bool>, Unreadable> {
    let Some(value) = fields.values.remove(name) else {
        return Ok(None);
    };
    serde_json::from_str(value.get())
        .map_err(|_| Unreadable::new(Flaw::Field, format!("{name} must be true or false")))
}

fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable::new(Flaw::Field, format!("{name} is missing")))
}

fn event_type(fields: &mut Fields) -> Result<EventType, Unreadable> {
    let found = text(fields, "type", EventType::parse_published);
    let found = found.map_err(|wrong| Unreadable {
        flaw: Flaw::EventType,
        ..wrong
    });
    required("type", found?)
}

fn data(fields: &mut Fields) -> Result<Box<RawValue>, Unreadable> {
    // `dataText` is JSON in a string, see the serialization below.
    let written = fields.values.remove("data");
    let json = |text: &str| RawValue::from_string(text.to_owned()).map_err(|_| "must be JSON");
    match (written, text(fields, "dataText", json)?) {
        (Some(_), Some(_)) => Err(Unreadable::new(
            Flaw::Field,
            "data and dataText exclude each other",
        )),
        (data, text) => required("data", data.or(text)),
    }
}

/// Removes and parses the channels. Empty if they are absent or null.
fn channels(fields: &mut Fields) -> Result<Channels, Unreadable> {
    let wrong = |field: &str, what: &str| Unreadable::new(Flaw::Field, format!("{field} {what}"));
    let Some(value) = fields.values.remove("channels") else {
        return Ok(Channels::default());
    };
    let texts: Option<Vec<String>> = serde_json::from_str(value.get())
        .map_err(|_| wrong("channels", "must be a list of strings"))?;
    let texts = texts.unwrap_or_default();
    let parsed = Channels::parse("channels", texts.iter().map(String::as_str));
    parsed.map_err(|errors| match errors.first() {
        Some(error) => wrong(&error.field, &error.message),
        None => wrong("channels", "must be a list of strings"),
    })
}

/// Characters that JSON allows, but SQS rejects because XML does not allow them. The other
/// ones that XML does not allow are control characters, which JSON text has only as escapes.
const REFUSED: [char; 2] = ['\u{fffe}', '\u{ffff}'];

/// Data with one of [`REFUSED`] is sent as a string, `dataText`, in which the queue's client
/// can write the character as an escape. In the data itself an escape would change the bytes
/// that receivers get.
impl Serialize for PublishedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            app_id: AppId,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<EventId>,
            r#type: &'a EventType,
            #[serde(
                with = "super::time::serde_millis::option",
                skip_serializing_if = "Option::is_none"
            )]
            timestamp: Option<Timestamp>,
            #[serde(skip_serializing_if = "Channels::is_empty")]
            channels: &'a Channels,
            #[serde(skip_serializing_if = "Option::is_none")]
            webhook_id: Option<EndpointId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data_text: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            store_payload: Option<bool>,
        }
        let as_text = self.data.get().contains(REFUSED);
        Fields {
            app_id: self.app_id,
            id: self.id,
            r#type: &self.r#type,
            timestamp: self.timestamp,
            channels: &self.audience.channels,
            webhook_id: self.audience.only,
            data: (!as_text).then_some(&*self.data),
            data_text: as_text.then(|| self.data.get()),
            store_payload: (!self.store_payload).then_some(false),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::Message;

    #[test]
    fn only_notices_are_events_of_the_reserved_app() {
        let of = |kind: &str, app: &str, id: &str| {
            let json = format!(
                r#"{{"kind":"{kind}","appId":"{app}",{id}"type":"endpoint.paused","data":{{}}}}"#
            );
            Message::from_json(&json)
        };
        let id = format!(r#""id":"{}","#, EventId::new());
        let notice = of("notice", "operational", &id).unwrap();
        let json = notice.to_json().unwrap();
        assert!(json.starts_with(r#"{"kind":"notice","appId":"operational""#));
        assert!(matches!(Message::from_json(&json), Ok(Message::Event(_))));
        for (kind, app, id) in [
            ("event", "operational", &*id),
            ("event", "operational", ""),
            ("notice", "acme", &id),
            ("notice", "operational", ""),
        ] {
            let refused = of(kind, app, id).unwrap_err();
            assert_eq!(refused.flaw, Flaw::Field, "{kind} {app}");
        }
        assert!(of("event", "acme", "").is_ok());
    }

    #[test]
    fn payloads_have_at_most_399_kib() {
        let of_size = |bytes: usize| {
            let frame = r#"{"type":"a.b","timestamp":"2026-01-31T09:30:00.000Z","data":""}"#;
            let text = "x".repeat(bytes - frame.len());
            let json = format!(r#"{{"kind":"event","appId":"acme","type":"a.b","data":"{text}"}}"#);
            Message::from_json(&json)
        };
        assert!(of_size(399 * 1024).is_ok());
        let too_large = of_size(399 * 1024 + 1).unwrap_err();
        assert_eq!(too_large.flaw, Flaw::Size);
    }
}
