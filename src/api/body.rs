//! JSON bodies, read field by field, so that everything that is wrong with a
//! request is reported at once.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Api;
use super::error::ApiError;
use super::single_header::single_header;
use crate::domain::json::Fields;
use crate::domain::validation::{FieldError, shortened};

/// A JSON object. Fields are taken out one by one; [`Body::finish`] reports the
/// faults of all, and the fields that are left as unknown.
#[derive(Default)]
pub(super) struct Body {
    fields: BTreeMap<String, Box<RawValue>>,
    faults: Vec<FieldError>,
}

impl FromRequest<Api> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        Self::parse(&bytes(request, api).await?)
    }
}

/// A body that may be left out. If it is, its type does not matter.
impl OptionalFromRequest<Api> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Option<Self>, ApiError> {
        let is_json = is_json(request.headers());
        match bytes(request, api).await? {
            empty if empty.is_empty() => Ok(None),
            _ if !is_json => Err(ApiError::UnsupportedMediaType),
            body => Self::parse(&body).map(Some),
        }
    }
}

async fn bytes(request: Request, api: &Api) -> Result<Bytes, ApiError> {
    let bytes = Bytes::from_request(request, api).await;
    bytes.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::PayloadTooLarge,
        _ => ApiError::invalid("body", "could not be read"),
    })
}

impl Body {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice::<Fields>(body) {
            Ok(fields) => Ok(Self::of(fields)),
            Err(error) if error.classify() == Category::Data => {
                Err(ApiError::invalid("body", "must be a JSON object"))
            }
            Err(error) => Err(ApiError::invalid("body", format!("must be JSON: {error}"))),
        }
    }

    /// An event of a batch, read like the body of its own request.
    pub(super) fn of_event(event: &RawValue) -> Result<Self, ApiError> {
        match serde_json::from_str::<Fields>(event.get()) {
            Ok(fields) => Ok(Self::of(fields)),
            Err(_) => Err(ApiError::invalid("event", "must be a JSON object")),
        }
    }

    fn of(fields: Fields) -> Self {
        let repeated = fields.repeated.into_iter();
        Self {
            fields: fields.values,
            faults: repeated
                .map(|name| FieldError::new(shortened(name), "must not be repeated"))
                .collect(),
        }
    }

    /// Reports those of these fields that are missing. Called before they are taken.
    pub(super) fn require(&mut self, fields: &[&str]) {
        for field in fields {
            if !self.fields.contains_key(*field) {
                self.fault(field, "is missing");
            }
        }
    }

    /// Ignores these fields, whatever they contain.
    pub(super) fn pass_over(&mut self, fields: &[&str]) {
        for field in fields {
            self.fields.remove(*field);
        }
    }

    /// Whether a field is there and was not taken yet.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Takes a field as it was written.
    pub(super) fn raw(&mut self, field: &str) -> Option<Box<RawValue>> {
        self.fields.remove(field)
    }

    /// Takes a string.
    pub(super) fn string<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let parsed = match self.value(field)? {
            Value::String(text) => parse(&text),
            _ => Err("must be a string"),
        };
        self.keep(parsed.map_err(|message| FieldError::new(field, message)))
    }

    /// Takes a string, or null.
    pub(super) fn string_or_null<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<Option<T>> {
        let raw = self.fields.get(field);
        if raw.is_some_and(|raw| raw.get() == "null") {
            self.fields.remove(field);
            return Some(None);
        }
        self.string(field, parse).map(Some)
    }

    /// Takes a boolean.
    pub(super) fn boolean(&mut self, field: &str) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(value) => Some(value),
            _ => {
                self.fault(field, "must be true or false");
                None
            }
        }
    }

    /// Takes a whole number that is not negative, or null.
    pub(super) fn number_or_null<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(u64) -> Result<T, &'static str>,
    ) -> Option<Option<T>> {
        let raw = self.fields.remove(field)?;
        if raw.get() == "null" {
            return Some(None);
        }
        // As in JSON Schema, 5.0 and 5e0 are whole. Anything else than a whole number
        // counts as one that is too large.
        let number = serde_json::from_str::<f64>(raw.get()).ok();
        let whole = number
            .filter(|number| number.fract() == 0.0)
            .and_then(|number| format!("{number:.0}").parse().ok());
        let parsed = parse(whole.unwrap_or(u64::MAX));
        self.keep(parsed.map_err(|message| FieldError::new(field, message)))
            .map(Some)
    }

    /// Takes a list of strings. An element of another type is parsed as an empty
    /// string, so that its fault is reported along with the others.
    pub(super) fn strings<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&mut dyn Iterator<Item = &str>) -> Result<T, Vec<FieldError>>,
    ) -> Option<T> {
        let Value::Array(values) = self.value(field)? else {
            self.fault(field, "must be a list of strings");
            return None;
        };
        let mut texts = values
            .iter()
            .map(|value| value.as_str().unwrap_or_default());
        let parsed = parse(&mut texts);
        self.keep_all(parsed)
    }

    /// Takes a list of strings, or null.
    pub(super) fn strings_or_null<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&mut dyn Iterator<Item = &str>) -> Result<T, Vec<FieldError>>,
    ) -> Option<Option<T>> {
        let raw = self.fields.get(field);
        if raw.is_some_and(|raw| raw.get() == "null") {
            self.fields.remove(field);
            return Some(None);
        }
        self.strings(field, parse).map(Some)
    }

    /// What was parsed elsewhere in the request, or its fault to be reported.
    pub(super) fn keep<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// The same for what may have many faults.
    pub(super) fn keep_all<T>(&mut self, parsed: Result<T, Vec<FieldError>>) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(faults) => {
                self.faults.extend(faults);
                None
            }
        }
    }

    pub(super) fn fault(&mut self, field: &str, message: &'static str) {
        self.faults.push(FieldError::new(field, message));
    }

    /// Whether nothing is wrong so far, and no field is left.
    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.fields.is_empty()
    }

    /// What was parsed, if nothing is wrong with the request. What is `None` has a
    /// fault that was reported.
    pub(super) fn finish<T>(mut self, parsed: Option<T>) -> Result<T, ApiError> {
        for name in self.fields.into_keys() {
            let fault = FieldError::new(shortened(name), "is not a known field");
            self.faults.push(fault);
        }
        match parsed {
            Some(parsed) if self.faults.is_empty() => Ok(parsed),
            _ => Err(ApiError::Validation(self.faults)),
        }
    }

    /// Takes a value. A number that no Rust type holds becomes null, which is
    /// refused like any number.
    fn value(&mut self, field: &str) -> Option<Value> {
        let raw = self.fields.remove(field)?;
        Some(serde_json::from_str(raw.get()).unwrap_or_default())
    }
}

/// `application/json`, whatever its parameters: JSON is UTF-8 (RFC 8259, 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = single_header(headers, CONTENT_TYPE).ok().flatten();
    content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
