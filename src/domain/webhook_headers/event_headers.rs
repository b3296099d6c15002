//! Unsigned headers that describe the delivery, such as the event's type and the number of
//! the attempt.

use std::str::FromStr;

use super::template::{Placeholder, Template};
use crate::domain::header_name::HeaderName;
use crate::domain::json::Fields;
use crate::domain::validation::FieldError;

const MOST: usize = 10;

const FACTS: [Placeholder; 6] = [
    Placeholder::Type,
    Placeholder::Id,
    Placeholder::Attempt,
    Placeholder::Timestamp,
    Placeholder::App,
    Placeholder::Endpoint,
];

/// The operator's event headers, parsed from a JSON object of templates by header name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventHeaders(pub(super) Vec<(HeaderName, Template)>);

impl FromStr for EventHeaders {
    type Err = FieldError;

    /// Parses the setting. An empty string means no headers. The field of an error is the
    /// header's name.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let must = || format!("must be a JSON object of at most {MOST} strings by header name");
        let fields: Fields = serde_json::from_str(text).map_err(|_| FieldError::new("", must()))?;
        if fields.values.len() > MOST {
            return Err(FieldError::new("", must()));
        }
        if let Some(name) = fields.repeated.into_iter().next() {
            return Err(FieldError::new(name, "must be there only once"));
        }
        let mut headers = Vec::with_capacity(fields.values.len());
        for (written, value) in fields.values {
            let parsed = HeaderName::parse(&written);
            let name = parsed.map_err(|error| FieldError::new(&written, error.to_string()))?;
            let value: String = serde_json::from_str(value.get())
                .map_err(|_| FieldError::new(&written, "must be a string"))?;
            let template = Template::parse_header(&value, &FACTS)
                .map_err(|must| FieldError::new(&written, must))?;
            headers.push((name, template));
        }
        Ok(Self(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_headers_are_rejected_by_name() {
        let many: Vec<_> = (0..=MOST).map(|n| format!(r#""x-{n}":"1""#)).collect();
        let many = format!("{{{}}}", many.join(","));
        for (text, field, message) in [
            ("[]", "", "must be a JSON object"),
            (r#"{"x-type":"{type}""#, "", "must be a JSON object"),
            (&many, "", "at most 10"),
            (r#"{"x":"1","x":"2"}"#, "x", "only once"),
            (r#"{"host":"{id}"}"#, "host", "that HTTP itself needs"),
            (
                r#"{"Webhook-Id":"{id}"}"#,
                "Webhook-Id",
                "that the service sets",
            ),
            (r#"{"x y":"{id}"}"#, "x y", "must be a header name"),
            (r#"{"x":1}"#, "x", "must be a string"),
            (r#"{"x":""}"#, "x", "visible ASCII"),
            (r#"{"x":"{body}"}"#, "x", "must not contain {body}"),
            (
                r#"{"x":"{signature}"}"#,
                "x",
                "must not contain {signature}",
            ),
        ] {
            let error = text.parse::<EventHeaders>().unwrap_err();
            assert_eq!(error.field, field, "{text}");
            assert!(error.message.contains(message), "{text}: {error:?}");
        }
        let most: Vec<_> = (0..MOST).map(|n| format!(r#""x-{n}":"1""#)).collect();
        let most: EventHeaders = format!("{{{}}}", most.join(",")).parse().unwrap();
        assert_eq!(most.0.len(), MOST);
        for text in ["", "{}"] {
            assert_eq!(text.parse(), Ok(EventHeaders::default()));
        }
    }
}
