//! JSON bodies, read field by field. One response reports everything that is wrong with a request,
//! so a caller does not have to fix one error to learn of the next.

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

/// A JSON object. Handlers take its fields out one by one, and then call [`Body::finish`], which
/// reports the errors of all fields, and those that are left as unknown.
#[derive(Default)]
pub(super) struct Body {
    fields: BTreeMap<String, Box<RawValue>>,
    errors: Vec<FieldError>,
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

/// A body that may be left out. If it is, `Content-Type` does not matter.
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

    /// Parses an event of a batch like the body of a request.
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
            errors: repeated
                .map(|name| FieldError::new(shortened(name), "must not be repeated"))
                .collect(),
        }
    }

    /// Reports these fields if they are missing. Call it before taking them.
    pub(super) fn require(&mut self, fields: &[&str]) {
        for field in fields {
            if !self.fields.contains_key(*field) {
                self.error(field, "is missing");
            }
        }
    }

    /// Drops these fields, whatever they contain.
    pub(super) fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.fields.remove(*field);
        }
    }

    /// Whether a field is present and has not been taken.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Takes a field as the caller wrote it.
    pub(super) fn raw(&mut self, field: &str) -> Option<Box<RawValue>> {
        self.fields.remove(field)
    }

    pub(super) fn string<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let parsed = match self.value(field)? {
            Value::String(text) => parse(&text),
            _ => Err("must be a string"),
        };
        self.check(parsed.map_err(|message| FieldError::new(field, message)))
    }

    /// Like [`Body::string`], but null is `Some(None)`.
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

    pub(super) fn boolean(&mut self, field: &str) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(value) => Some(value),
            _ => {
                self.error(field, "must be true or false");
                None
            }
        }
    }

    /// Takes a whole number, or null, which is `Some(None)`. `parse` gets `u64::MAX` for anything
    /// else, and rejects it as out of range.
    pub(super) fn number_or_null<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(u64) -> Result<T, &'static str>,
    ) -> Option<Option<T>> {
        let raw = self.fields.remove(field)?;
        if raw.get() == "null" {
            return Some(None);
        }
        // As in JSON Schema, 5.0 and 5e0 are whole numbers. serde_json reads them as floats only,
        // so read a float and go through its decimal digits.
        let number = serde_json::from_str::<f64>(raw.get()).ok();
        let whole = number
            .filter(|number| number.fract() == 0.0)
            .and_then(|number| format!("{number:.0}").parse().ok());
        let parsed = parse(whole.unwrap_or(u64::MAX));
        self.check(parsed.map_err(|message| FieldError::new(field, message)))
            .map(Some)
    }

    /// Takes a list of strings. `parse` gets an empty string for an element of another type, so
    /// that it reports this element along with the others.
    pub(super) fn strings<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&mut dyn Iterator<Item = &str>) -> Result<T, Vec<FieldError>>,
    ) -> Option<T> {
        let Value::Array(values) = self.value(field)? else {
            self.error(field, "must be a list of strings");
            return None;
        };
        let mut texts = values
            .iter()
            .map(|value| value.as_str().unwrap_or_default());
        let parsed = parse(&mut texts);
        self.check_all(parsed)
    }

    /// Like [`Body::strings`], but null is `Some(None)`.
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

    /// Returns what the caller of this method parsed itself, or keeps the error for
    /// [`Body::finish`].
    pub(super) fn check<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    /// Like [`Body::check`], for what can have several errors.
    pub(super) fn check_all<T>(&mut self, parsed: Result<T, Vec<FieldError>>) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    pub(super) fn error(&mut self, field: &str, message: &'static str) {
        self.errors.push(FieldError::new(field, message));
    }

    /// Whether there are no errors so far, and no fields left.
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty() && self.fields.is_empty()
    }

    /// Returns `parsed` if there are no errors. `None` says that a required part has an error,
    /// which must have been reported already.
    pub(super) fn finish<T>(mut self, parsed: Option<T>) -> Result<T, ApiError> {
        for name in self.fields.into_keys() {
            let error = FieldError::new(shortened(name), "is not a known field");
            self.errors.push(error);
        }
        match parsed {
            Some(parsed) if self.errors.is_empty() => Ok(parsed),
            _ => Err(ApiError::Validation(self.errors)),
        }
    }

    /// Takes a value. What serde_json cannot represent, such as `1e999` or a lone surrogate,
    /// becomes null, which all callers reject as a value of the wrong type.
    fn value(&mut self, field: &str) -> Option<Value> {
        let raw = self.fields.remove(field)?;
        Some(serde_json::from_str(raw.get()).unwrap_or_default())
    }
}

/// Whether the body is `application/json`. Ignores parameters such as `charset`, because JSON is
/// always UTF-8 (RFC 8259, section 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = single_header(headers, CONTENT_TYPE).ok().flatten();
    content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
