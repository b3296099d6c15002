//! The form of the request body.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::split_payload;
use super::event_type::EventType;
use super::json;

/// The form of a delivery's body. Events are stored in the standard form, so a change of this
/// setting applies to all later attempts, including retries of earlier events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PayloadFormat {
    /// `{"type": …, "timestamp": …, "data": …}`, as Standard Webhooks recommends.
    #[default]
    Standard,
    /// The data alone.
    Data,
    /// The data's own fields, after a field `event` with the type. Data that is not an object,
    /// or has a field `event` itself, becomes the value of a field `data` instead.
    Flat,
}

/// The text is not the name of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("standard, data or flat")]
pub struct UnknownFormat;

impl PayloadFormat {
    const ALL: [Self; 3] = [Self::Standard, Self::Data, Self::Flat];

    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Data => "data",
            Self::Flat => "flat",
        }
    }

    /// Converts a payload in the standard form. The data stays the same, byte for byte.
    #[must_use]
    pub fn body(self, r#type: &EventType, payload: String) -> String {
        if self == Self::Standard {
            return payload;
        }
        // Always there in practice, because the service wrote the payload.
        let Some(data) = data_of(r#type, &payload) else {
            return payload;
        };
        match self {
            Self::Standard | Self::Data => data.to_owned(),
            Self::Flat => flat(r#type.as_str(), data),
        }
    }
}

impl FromStr for PayloadFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.as_str() == text)
            .ok_or(UnknownFormat)
    }
}

impl fmt::Display for PayloadFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn data_of<'a>(r#type: &EventType, payload: &'a str) -> Option<&'a str> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    // Without parsing, for payloads in the layout that the service writes.
    if let Some((_, data)) = split_payload(r#type, payload) {
        return Some(data);
    }
    let payload: Payload<'a> = serde_json::from_str(payload).ok()?;
    Some(payload.data.get())
}

fn flat(r#type: &str, data: &str) -> String {
    match fields_of(data) {
        Some("") => format!(r#"{{"event":"{type}"}}"#),
        Some(fields) => format!(r#"{{"event":"{type}",{fields}}}"#),
        None => format!(r#"{{"event":"{type}","data":{data}}}"#),
    }
}

/// The text between the braces of an object. `None` if the data is not an object, or has a
/// field `event`.
fn fields_of(data: &str) -> Option<&str> {
    let inner = data.trim().strip_prefix('{')?.strip_suffix('}')?;
    (!json::has_field(data, "event")).then(|| inner.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::payload_of;

    fn body(format: PayloadFormat, data: &str) -> String {
        let r#type = EventType::parse("invoice.paid").unwrap();
        let at = "2026-01-31T09:30:00Z".parse().unwrap();
        format.body(&r#type, payload_of(&r#type, at, data))
    }

    #[test]
    fn names_round_trip() {
        for format in PayloadFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        for text in ["", "Standard", "plain"] {
            assert_eq!(text.parse::<PayloadFormat>(), Err(UnknownFormat), "{text}");
        }
    }

    #[test]
    fn standard_bodies_have_type_timestamp_and_data() {
        assert_eq!(
            body(PayloadFormat::Standard, r#"{"n": 1e2}"#),
            r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.000Z","data":{"n": 1e2}}"#
        );
    }

    #[test]
    fn data_keeps_its_bytes() {
        for data in [
            r#"{ "b" : 1.10 , "a" : 1e400, "a":\t-0.0 }"#,
            r#"{"type":"x","data":{"data":1}}"#,
            r#""","data":""#,
            "null",
            "[]",
        ] {
            assert_eq!(body(PayloadFormat::Data, data), data);
        }
    }

    #[test]
    fn flat_bodies_merge_the_fields_unless_they_conflict() {
        for (data, expected) in [
            (r#"{"a":1}"#, r#"{"event":"invoice.paid","a":1}"#),
            (
                r#"{ "b" : 1.10 , "c":[{"event":2}] }"#,
                r#"{"event":"invoice.paid","b" : 1.10 , "c":[{"event":2}]}"#,
            ),
            (r#"{"a":"}"}"#, r#"{"event":"invoice.paid","a":"}"}"#),
            ("{}", r#"{"event":"invoice.paid"}"#),
            ("{ }", r#"{"event":"invoice.paid"}"#),
            // The same name, also if it is escaped.
            (
                r#"{"event":"x"}"#,
                r#"{"event":"invoice.paid","data":{"event":"x"}}"#,
            ),
            (
                r#"{"a":1,"\u0065vent":2}"#,
                r#"{"event":"invoice.paid","data":{"a":1,"\u0065vent":2}}"#,
            ),
            // A name with a lone surrogate, on which parsers disagree.
            (
                r#"{"\ud800":1}"#,
                r#"{"event":"invoice.paid","data":{"\ud800":1}}"#,
            ),
            ("[1]", r#"{"event":"invoice.paid","data":[1]}"#),
            ("\"{}\"", r#"{"event":"invoice.paid","data":"{}"}"#),
            ("null", r#"{"event":"invoice.paid","data":null}"#),
        ] {
            assert_eq!(body(PayloadFormat::Flat, data), expected);
            assert!(serde_json::from_str::<&RawValue>(expected).is_ok());
        }
    }

    #[test]
    fn payloads_in_another_layout_are_read_as_well() {
        let r#type = EventType::parse("invoice.paid").unwrap();
        let payload = r#"{"timestamp":"2026-01-31T09:30:00Z", "data": {"a": 1}, "type":"x"}"#;
        let body = |format: PayloadFormat| format.body(&r#type, payload.to_owned());
        assert_eq!(body(PayloadFormat::Data), r#"{"a": 1}"#);
        assert_eq!(
            body(PayloadFormat::Flat),
            r#"{"event":"invoice.paid","a": 1}"#
        );
    }

    #[test]
    fn deep_data_is_flattened() {
        let depth = crate::domain::event::MAX_NESTING - 1;
        let data = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let body = body(PayloadFormat::Flat, &data);
        assert!(
            body.starts_with(r#"{"event":"invoice.paid","a":[["#),
            "{body}"
        );
    }
}
